"""What lies in a work tree, and who works in it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from daypass.core.errors import EdgeError
from daypass.edges.git.repository import open_repository, worktree_files


def test_files_are_seen_as_git_would_take_them(scene):
    scene.write("grants/db/a.yaml", "a")
    scene.write("grants/db-x/b.yaml", "b")
    scene.write("grants/run.sh", "c")
    (scene.folder / "grants/run.sh").chmod(0o755)
    (scene.folder / "grants/link").symlink_to("../../etc/passwd")
    (scene.folder / "grants/db-y").symlink_to("db")
    found = list(worktree_files(scene.folder, "grants"))
    assert found == [
        ("grants/db-x/b.yaml", "100644", b"b"),
        ("grants/db-y", "120000", b"db"),
        ("grants/db/a.yaml", "100644", b"a"),
        ("grants/link", "120000", b"../../etc/passwd"),
        ("grants/run.sh", "100755", b"c"),
    ]
    commit = scene.commit()
    assert [path for path, _, _ in found] == scene.run("ls-tree", "-r", "--name-only", commit).split()


def test_a_folder_that_is_a_link_is_not_entered(scene, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("s")
    (scene.folder / "grants").symlink_to(outside)
    assert list(worktree_files(scene.folder, "grants/")) == [("grants", "120000", os.fsencode(outside))]


def test_a_folder_that_is_not_there_has_no_files(scene):
    assert list(worktree_files(scene.folder, "grants")) == []


def test_the_whole_work_tree_leaves_gits_own_folder_out(scene):
    scene.write("a")
    assert list(worktree_files(scene.folder, "")) == [("a", "100644", b"x\n")]


def test_another_repository_inside_is_a_submodule(scene):
    subprocess.run(["git", "init", "-q", str(scene.folder / "grants/sub")], check=True)
    scene.write("grants/sub/x")
    assert list(worktree_files(scene.folder, "grants")) == [("grants/sub", "160000", b"")]


def test_a_pipe_is_not_waited_for(scene):
    scene.write("grants/a")
    os.mkfifo(scene.folder / "grants/pipe")
    assert [path for path, _, _ in worktree_files(scene.folder, "grants")] == ["grants/a"]


def test_a_large_file_is_read_to_the_limit_only(scene):
    scene.write("grants/a", "x" * 5000)
    assert list(worktree_files(scene.folder, "grants", limit=10)) == [("grants/a", "100644", b"x" * 11)]
    assert len(next(worktree_files(scene.folder, "grants", limit=None))[2]) == 5000


def test_hostile_names_on_the_disk_arrive_whole(scene):
    names = [b"a\nb.yaml", b'"q"', b"caf\xc3\xa9", b"\xff"]
    (scene.folder / "grants").mkdir()
    for name in names:
        Path(os.fsdecode(os.fsencode(scene.folder) + b"/grants/" + name)).write_text("x")
    found = [path.encode("utf-8", "surrogateescape") for path, _, _ in worktree_files(scene.folder, "grants")]
    assert found == sorted(b"grants/" + name for name in names)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_an_error(scene):
    scene.write("grants/a")
    (scene.folder / "grants/a").chmod(0)
    with pytest.raises(EdgeError, match=r"^grants/a cannot be read: Permission denied$"):
        list(worktree_files(scene.folder, "grants"))


def test_a_folder_below_a_file_is_an_error(scene):
    scene.write("grants")
    with pytest.raises(EdgeError, match=r"^grants/db cannot be read: Not a directory$"):
        list(worktree_files(scene.folder, "grants/db"))


def test_a_repository_is_found_from_any_folder_inside(scene):
    (scene.folder / "grants").mkdir()
    found = open_repository(scene.folder / "grants")
    assert found.common_dir == (scene.folder / ".git").resolve()
    assert found.state_dir == found.common_dir / "daypass"
    assert found.top == scene.folder.resolve()


def test_a_repository_says_what_it_is_when_it_is_opened(scene, make_scene):
    assert not open_repository(scene.folder).tracks
    scene.run("update-ref", "refs/remotes/origin/main", scene.commit_file("a"))
    assert open_repository(scene.folder).tracks
    inside = open_repository(scene.folder / ".git")
    assert (inside.top, inside.common_dir, inside.tracks) == (None, (scene.folder / ".git").resolve(), True)
    assert open_repository(make_scene("bare", bare=True).folder).top is None


def test_a_work_tree_of_its_own_shares_the_repository(scene, tmp_path):
    scene.commit_file("a")
    scene.run("worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))
    side = open_repository(tmp_path / "side")
    assert side.common_dir == (scene.folder / ".git").resolve()
    assert side.identity() == ("Alice", "alice@example.com")


def test_outside_of_a_repository_nothing_opens(tmp_path):
    with pytest.raises(EdgeError) as caught:
        open_repository(tmp_path)
    assert caught.value.message.startswith(f"{tmp_path} cannot be opened as a repository: not a git repository")
    assert caught.value.hint == "`daypass init` makes one"


def test_the_person_is_the_one_that_git_would_write(scene, monkeypatch):
    found = open_repository(scene.folder)
    assert found.identity() == ("Alice", "alice@example.com")
    scene.run("config", "user.name", "Zoë Ngo")
    assert found.identity() == ("Zoë Ngo", "alice@example.com")
    monkeypatch.setenv("GIT_AUTHOR_EMAIL", "bob@example.com")
    assert found.identity() == ("Zoë Ngo", "bob@example.com")


def test_a_person_is_not_guessed(scene, monkeypatch):
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.delenv("EMAIL", raising=False)
    with pytest.raises(EdgeError, match=r"^git does not know who you are$") as caught:
        open_repository(scene.folder).identity()
    assert caught.value.hint == 'run `git config user.name "Your Name"` and `git config user.email you@example.com`'


def test_the_callers_shell_does_not_lend_another_repositorys_person(scene, make_scene, monkeypatch):
    other = make_scene("other")
    other.run("config", "user.name", "Mallory")
    other.run("config", "user.signingkey", "/m")
    other.run("config", "gpg.format", "ssh")
    monkeypatch.setenv("GIT_DIR", str(other.folder / ".git"))
    found = open_repository(scene.folder)
    assert found.identity() == ("Alice", "alice@example.com")
    assert found.signing_key() is None


def test_a_signing_key_counts_when_git_signs_with_ssh(scene, monkeypatch):
    found = open_repository(scene.folder)
    scene.run("config", "user.signingkey", "~/.ssh/id")
    assert found.signing_key() is None
    scene.run("config", "gpg.format", "ssh")
    monkeypatch.setenv("HOME", "/home/alice")
    assert found.signing_key() == "/home/alice/.ssh/id"
    scene.run("config", "user.signingkey", "key::ssh-ed25519 AAAA")
    assert found.signing_key() == "key::ssh-ed25519 AAAA"


def test_settings_that_git_cannot_read_are_an_error(scene):
    found = open_repository(scene.folder)
    assert found.signing_key() is None
    (scene.folder / ".git/config").write_text("[broken")
    with pytest.raises(EdgeError, match=r"^git config gpg.format failed with status 128$"):
        found.signing_key()


def test_opening_a_repository_imports_nothing_slow(scene):
    code = "import sys; from pathlib import Path; from daypass.edges.git.repository import open_repository as o\n"
    code += "o(Path(sys.argv[1])); sys.exit('git' in sys.modules)"
    source = str(Path(worktree_files.__code__.co_filename).parents[3])
    done = subprocess.run(
        [sys.executable, "-c", code, str(scene.folder)], env={**os.environ, "PYTHONPATH": source}, check=False
    )
    assert done.returncode == 0
