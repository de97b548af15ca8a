"""Running git: failures are errors, streams never hang, refs move all or none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from daypass.core.errors import ConflictError, EdgeError, LockedError
from daypass.core.ids import ABSENT, Oid
from daypass.edges.git import isolation, plumbing
from daypass.edges.git.plumbing import Git

NOWHERE = Oid("1" * 40)

RACER = """
import sys
from pathlib import Path
from daypass.core.errors import ConflictError
from daypass.edges.git.plumbing import Git
folder, old, new, other = sys.argv[1:]
print("ready", flush=True)
sys.stdin.readline()
try:
    Git(Path(folder)).update_refs({"refs/heads/main": (old, new), "refs/daypass/log": (old, other)}, reason="race")
except ConflictError:
    sys.exit(3)
"""


@pytest.fixture
def commits(scene):
    found = [scene.commit_file("a", str(n)) for n in range(4)]
    scene.run("checkout", "-q", "--detach")
    scene.run("update-ref", "refs/heads/main", found[0])
    return found


def test_a_failure_tells_gits_own_last_line_and_the_verb(scene):
    with pytest.raises(EdgeError, match=r"^git cat-file failed: fatal: Not a valid object name nope$"):
        scene.git.run("-c", "a.b=c", "cat-file", "-t", "nope")


def test_a_nul_in_an_argument_is_an_error(scene):
    with pytest.raises(EdgeError, match=r"^git cannot be asked for 'a\\x00b': embedded null byte$"):
        scene.git.run("rev-parse", "a\0b")
    with pytest.raises(EdgeError, match=r"embedded null byte$"), scene.git.stream("rev-parse", "a\0b"):
        pass


def test_git_is_asked_nothing_on_the_terminal_and_keeps_what_the_caller_sets(monkeypatch):
    monkeypatch.setenv("GIT_DIR", "/elsewhere")
    found = isolation.clean_environment({"GIT_AUTHOR_NAME": "A"})
    assert "GIT_DIR" not in found
    assert found["GIT_AUTHOR_NAME"] == "A"
    assert found["GIT_TERMINAL_PROMPT"] == "0"


def test_a_stream_whose_reader_is_slow_or_whose_complaints_are_many_does_not_hang(scene, monkeypatch):
    oid = scene.blob(b"x" * 1000)
    monkeypatch.setattr(Git, "command", lambda self, *a: ["sh", "-c", "yes complaint | head -c 1000000 >&2; echo done"])
    with scene.git.stream("any", oid) as output:
        assert output.read() == b"done\n"


def test_a_stream_that_fails_is_an_error_at_its_end(scene, monkeypatch):
    monkeypatch.setattr(Git, "command", lambda self, *a: ["sh", "-c", "echo half; echo broken >&2; exit 5"])
    with pytest.raises(EdgeError, match=r"^git ls-tree failed: broken$"), scene.git.stream("ls-tree") as output:
        assert output.read() == b"half\n"


@pytest.mark.parametrize("widen", [None, 1])
def test_a_long_answer_is_read_whole_where_pipes_cannot_be_widened(scene, monkeypatch, widen):
    oid = scene.blob(b"x" * 3_000_000)
    monkeypatch.setattr(plumbing, "_WIDEN", widen)
    if widen:

        def refuse(*_):
            raise PermissionError

        monkeypatch.setattr(plumbing.fcntl, "fcntl", refuse)
    with scene.git.stream("cat-file", "blob", oid) as output:
        assert len(output.read()) == 3_000_000


def test_a_repository_knows_its_places(scene, make_scene):
    (scene.folder / "in").mkdir()
    assert Git(scene.folder / "in").common_dir() == (scene.folder / ".git").resolve()
    assert Git(scene.folder / "in").work_tree() == scene.folder
    bare = make_scene("bare", bare=True)
    assert bare.git.common_dir() == bare.folder.resolve()
    assert bare.git.work_tree() is None


def test_refs_are_made_moved_and_deleted_together(scene, commits):
    one, two, *_ = commits
    scene.git.update_refs({"refs/heads/main": (one, two), "refs/daypass/x": (ABSENT, one)}, reason="move")
    assert (scene.git.find("refs/heads/main"), scene.git.find("refs/daypass/x")) == (two, one)
    scene.git.update_refs({"refs/daypass/x": (one, ABSENT), "refs/daypass/y": (ABSENT, ABSENT)}, reason="delete")
    assert scene.git.find("refs/daypass/x") is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"refs/heads/main": (NOWHERE, ABSENT)},
        {"refs/heads/main": (ABSENT, ABSENT)},
        {"refs/daypass/none": (NOWHERE, ABSENT)},
    ],
)
def test_when_one_ref_stands_elsewhere_none_moves(scene, commits, wrong):
    with pytest.raises(ConflictError, match=r"^a ref moved meanwhile: ") as caught:
        scene.git.update_refs({"refs/daypass/x": (ABSENT, commits[1]), **wrong}, reason="move")
    assert caught.value.hint == "run the command again"
    assert scene.git.find("refs/daypass/x") is None
    assert scene.git.find("refs/heads/main") == commits[0]


def test_making_a_ref_that_exists_is_a_conflict(scene, commits):
    with pytest.raises(ConflictError):
        scene.git.update_refs({"refs/heads/main": (ABSENT, commits[1])}, reason="make")


def test_a_locked_ref_is_no_lost_race(scene, commits):
    (scene.folder / ".git/refs/heads/main.lock").touch()
    with pytest.raises(LockedError, match=r"main\.lock is in the way"):
        scene.git.update_refs({"refs/heads/main": (commits[0], commits[1])}, reason="move")


def test_a_ref_cannot_name_what_does_not_exist(scene, commits):
    with pytest.raises(EdgeError, match=r"^git update-ref failed: "):
        scene.git.update_refs({"refs/heads/main": (commits[0], NOWHERE)}, reason="move")


@pytest.mark.parametrize("ref", ["main", "refs/heads/a b", "refs/heads/x\ndelete refs/heads/main", "refs/a\0b", "HEAD"])
def test_a_name_that_would_be_another_command_is_refused(scene, commits, ref):
    with pytest.raises(EdgeError) as caught:
        scene.git.update_refs({ref: (ABSENT, commits[0])}, reason="move")
    assert caught.value.message == f"expected the name of a ref below refs/, got {ref!r}"


def test_only_object_ids_are_moved_between(scene, commits):
    with pytest.raises(EdgeError, match=r"^expected an object id, got 'HEAD'$"):
        scene.git.update_refs({"refs/heads/main": (commits[0], Oid("HEAD"))}, reason="move")


def test_a_symbolic_ref_does_not_lead_to_another_branch(scene, commits):
    scene.run("symbolic-ref", "refs/daypass/log", "refs/heads/main")
    scene.git.update_refs({"refs/daypass/log": (commits[0], commits[1])}, reason="move")
    assert scene.git.find("refs/heads/main") == commits[0]
    assert scene.git.find("refs/daypass/log") == commits[1]


def test_of_two_processes_that_move_the_same_refs_exactly_one_wins(scene, commits):
    start, *_ = commits
    source = str(Path(plumbing.__file__).parents[3])
    scene.run("update-ref", "refs/daypass/log", start)
    for _ in range(5):
        racers = [
            subprocess.Popen(
                [sys.executable, "-c", RACER, str(scene.folder), start, new, new],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=isolation.clean_environment({"PYTHONPATH": source}),
            )
            for new in commits[1:3]
        ]
        for racer in racers:
            assert racer.stdout.readline() == b"ready\n"
        for racer in racers:
            racer.stdin.write(b"\n")
            racer.stdin.flush()
        codes = [racer.wait(30) for racer in racers]
        for racer in racers:
            racer.stdin.close()
            racer.stdout.close()
        assert sorted(codes) == [0, 3]
        won = commits[1 + codes.index(0)]
        assert scene.git.find("refs/heads/main") == scene.git.find("refs/daypass/log") == won
        scene.git.update_refs({"refs/heads/main": (won, start), "refs/daypass/log": (won, start)}, reason="again")
