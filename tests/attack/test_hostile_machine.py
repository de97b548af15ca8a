"""A hostile or broken machine: no failure exits 0, leaves a traceback, or lets somebody else's words act."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from driver import Access

T = "2026-11-20T{}:00Z".format
SOURCE = Path(__file__).parents[2] / "src"


def daypass(access: Access, *arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Run the real process; what is checked is what leaves it."""
    surroundings = {**os.environ, "PYTHONPATH": str(SOURCE), **environment}
    command = [sys.executable, "-m", "daypass", "-C", str(access.top), *arguments]
    return subprocess.run(command, capture_output=True, env=surroundings, check=False)


def test_without_git_every_verb_says_so(access: Access) -> None:
    for verb in (["can", "alice", "orders-db", "readonly"], ["status"], ["check"]):
        done = daypass(access, *verb, PATH="/nonexistent")
        assert done.returncode == 1
        assert b"git cannot be started" in done.stderr
        assert b"Traceback" not in done.stderr


@pytest.mark.on_disk
def test_an_answer_that_cannot_be_written_is_a_failure(access: Access) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "daypass", "-C", str(access.top), "status"],
            stdout=full, stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(SOURCE)}, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    assert b"daypass: No space left on device\n" in done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.on_disk
@pytest.mark.parametrize("what", ["a file", "folders", "garbage"])
def test_a_broken_place_for_caches_changes_no_answer(access: Access, what: str) -> None:
    access.run("check", "--revision", "main")
    access.run("can", "alice", "orders-db", "readonly", expect=20)
    state = access.top / ".git" / "daypass"
    names = [path.name for path in state.iterdir()]
    for path in list(state.iterdir()):
        path.unlink()
        if what == "folders":
            path.mkdir()
        elif what == "garbage":
            path.write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)
    if what == "a file":
        state.rmdir()
        state.touch()
    assert "verdicts.sqlite" in names
    assert "ok" in access.run("check", "--revision", "main").out
    # The embedded target's own store would lie there too: where nobody can look, the answer is no "no".
    access.run("can", "alice", "orders-db", "readonly", expect=1 if what == "a file" else 20)
    access.run("audit", "verify")


@pytest.mark.on_disk
def test_in_a_locale_without_utf8_an_answer_is_still_given(access: Access) -> None:
    place = access.top / "policies/directory/people.yaml"
    place.write_text(place.read_text().replace("Bob Osei", "Bøb Öşei"), encoding="utf-8")
    access.commit("a name beyond ASCII")
    number = access.ask(T("10:00"))
    done = daypass(access, "status", "--at", T("10:01"), LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    assert done.returncode == 0, done.stderr
    assert f"#{number}".encode() in done.stdout


@pytest.mark.on_disk
def test_a_tag_with_the_name_of_a_branch_supplies_no_policy(access: Access) -> None:
    """Anybody may push a tag; git prefers it to the branch."""
    path = "policies/directory/people.yaml"
    access.git("switch", "-q", "-c", "evil")
    access.write(path, (access.top / path).read_text().replace("[bob, carol]", "[alice]"))
    access.git("tag", "main", access.commit("my own approvers"))
    access.git("switch", "-q", "-c", "mine", "refs/heads/main")
    access.write("grants/orders-db/a.yaml", "version: 1\n")
    access.commit("ask", email="alice@example.com")
    said = access.run("check", "--base", "main", "--head", "mine", expect=1)
    assert said.err == (
        "daypass: 'main' names several things here: refs/tags/main, refs/heads/main\n"
        "  hint: write in full the one that is meant\n"
    )
    access.run("check", "--revision", "main~0", expect=1)
    access.run("check", "--base", "refs/heads/main", "--head", "mine", expect=10)


@pytest.mark.on_disk
def test_a_replaced_commit_gives_can_no_older_policies(access: Access) -> None:
    """Anybody who may write refs may replace objects for those who fetch them; here main is shown as it was before."""
    grant = access.grant(T("10:00"), T("10:05"))
    access.run("apply", "--at", T("10:06"))
    access.run("can", "alice", "orders-db", "readonly")
    before = access.git("rev-parse", "main")
    path = "policies/resources/orders-db.yaml"
    access.write(path, (access.top / path).read_text().replace("orders_readonly", "orders_masked"))
    now = access.commit("readonly means less")
    access.git("update-ref", f"refs/replace/{now}", before)
    assert grant
    access.run("can", "alice", "orders-db", "readonly", expect=20)


@pytest.mark.on_disk
def test_names_from_strangers_never_act_on_a_terminal(access: Access) -> None:
    """Pushed around the gate: a file whose name forges a line and moves the cursor."""
    place = access.top / "grants/orders-db"
    place.mkdir(parents=True)
    (place / "a\n  ok   + root\x1b[2J.yaml").write_text("version: 1\n")
    (place / "b\udcff\x9b2J.yaml").write_text("version: 1\n")
    access.commit("around")
    for arguments in (["plan"], ["apply"], ["status"], ["audit", "history", "--resource", "orders-db"]):
        for output in ("text", "json"):
            done = daypass(access, *arguments, "--format", output, "--at", T("10:00"))
            said = (done.stdout + done.stderr).decode()
            assert "Traceback" not in said
            assert "\n  ok   + root" not in said
            assert "\x9b" not in said
    said = access.run("plan", "--at", T("10:01"), expect=14).out
    assert "a\\n  ok   + root\\x1b[2J" in said


def test_what_a_target_says_never_acts_on_a_terminal(access: Access) -> None:
    import sqlite3
    from contextlib import closing

    access.grant(T("10:00"), T("10:05"))
    access.run("apply", "--at", T("10:06"))
    with closing(sqlite3.connect(access.top / ".git/daypass/embedded.sqlite")) as connection, connection:
        connection.execute("UPDATE entitlements SET principal = ?", ("mallory\n  ok   all is well\x1b[2J\x9b2J",))
    said = access.run("plan", "--at", T("10:07")).out
    assert "not ours mallory\\n  ok   all is well\\x1b[2J\\x9b2J" in said
    assert "\x9b" not in access.run("plan", "--at", T("10:07"), "--format", "json").out


@pytest.mark.parametrize("folder", ["policies", ".github", "grants"])
def test_init_writes_through_no_link(tmp_path: Path, folder: str) -> None:
    """Merging into a directory that somebody else prepared."""
    top, outside = tmp_path / "access", tmp_path / "outside"
    top.mkdir()
    outside.mkdir()
    made = Access(top)
    made.git("init", "-q", "--initial-branch=main")
    made.git("config", "user.name", "Olga Platform")
    made.git("config", "user.email", "olga@example.com")
    (top / folder).symlink_to(outside)
    said = made.run("init", ".", "--merge", "--example", expect=2)
    assert f"{folder} is a symbolic link" in said.err
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("name", ['a"b\\c', "x\ny: 1", "a: {b}, #", "@handle@ @email@"])
def test_a_name_with_yaml_in_it_is_only_a_name(tmp_path: Path, name: str) -> None:
    top = tmp_path / "access"
    top.mkdir()
    made = Access(top)
    made.git("init", "-q", "--initial-branch=main")
    made.git("config", "user.name", name)
    made.git("config", "user.email", "olga@example.com")
    made.run("init", ".")
    made.run("check")


@pytest.mark.parametrize("email", ['o"l@example.com', "o}l, x: [@y.com", "olga@example.com\n  eve: {}"])
def test_an_address_that_could_say_more_is_refused(tmp_path: Path, email: str) -> None:
    top = tmp_path / "access"
    top.mkdir()
    made = Access(top)
    made.git("init", "-q", "--initial-branch=main")
    made.git("config", "user.name", "Olga Platform")
    made.git("config", "user.email", email)
    said = made.run("init", ".", expect=2)
    assert "no address that can be kept in the directory" in said.err


def test_explain_reads_no_file_through_a_link(access: Access, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("version: a secret\n")
    (access.top / "grants/orders-db").mkdir(parents=True)
    (access.top / "grants/orders-db/a.yaml").symlink_to(tmp_path / "secret")
    said = access.run("explain", "grants/orders-db/a.yaml", expect=2)
    assert "a secret" not in said.out + said.err
    assert "no link" in said.err


def _as_if_by_others(path: Path, what: str) -> None:
    if what == "mode":
        path.chmod(0o666)
    else:
        os.chown(path, 65_534, 65_534)


@pytest.mark.on_disk
@pytest.mark.parametrize(
    "what", ["mode", pytest.param("owner", marks=pytest.mark.skipif(os.geteuid() != 0, reason="only root gives away"))]
)
def test_what_others_could_have_written_beside_the_clone_is_not_believed(access: Access, what: str) -> None:
    """Who writes "nothing is to be done until 2999" into a cache keeps access alive."""
    import json
    import sqlite3
    from contextlib import closing

    access.grant(T("10:00"), T("10:05"))
    access.run("apply", "--at", T("10:06"))
    access.run("apply", "--at", T("10:07"))
    state = access.top / ".git/daypass"
    access.run("can", "alice", "orders-db", "readonly")
    with closing(sqlite3.connect(state / "answers.sqlite")) as connection, connection:
        ((known,),) = connection.execute("SELECT value FROM answer WHERE kind = 'remembered'")
        told, later = json.loads(known), {"until": "2999-01-01T00:00:00Z"}
        told |= {"unchanged": told["unchanged"] | later}
        told |= {"resting": {name: one | later for name, one in told["resting"].items()}}
        connection.execute("UPDATE answer SET value = ? WHERE kind = 'remembered'", (json.dumps(told),))
        ((known,),) = connection.execute("SELECT value FROM answer WHERE kind = 'can'")
        kind, _, *rest = known.split("\0")
        elsewhere = "\0".join((kind, "/nonexistent/store.sqlite", *rest))
        connection.execute("UPDATE answer SET value = ? WHERE kind = 'can'", (elsewhere,))
    _as_if_by_others(state / "answers.sqlite", what)
    access.run("can", "alice", "orders-db", "readonly")
    assert "- alice" in access.run("apply", "--at", T("12:05")).out
    access.run("can", "alice", "orders-db", "readonly", expect=20)


@pytest.mark.on_disk
@pytest.mark.parametrize("folder", ["policies/purposes", "policies", "policies/tests"])
def test_a_policy_whose_name_is_no_text_stops_no_end_of_access(access: Access, folder: str) -> None:
    access.grant("2026-11-20T10:00:00Z", "2026-11-20T10:05:00Z")
    access.run("apply", "--at", "2026-11-20T10:06:00Z")
    (access.top / folder).mkdir(exist_ok=True)
    (Path(os.fsdecode(os.fsencode(access.top / folder) + b"/st\xf6rung.yaml"))).write_text("version: 1\n")
    said = access.run("check", expect=10)
    assert (
        f"{folder}/st\\xf6rung.yaml: error: its name is no UTF-8, and nothing reads it [stray-policy-file]" in said.out
    )
    access.commit("An old editor's purpose")
    assert "stray-policy-file" in access.run("check", "--revision", "main", expect=10).out
    done = access.run("apply", "--at", "2026-11-20T12:06:00Z", expect=None)
    assert done.code == (0 if folder == "policies/tests" else 14)
    assert "ok   - alice" in done.out
    access.run("status", "--at", "2026-11-20T12:07:00Z", expect=None if "tests" in folder else 14)
    access.run("audit", "verify", "--at", "2026-11-20T12:07:00Z")


@pytest.mark.on_disk
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize(
    "verb",
    [
        "can alice orders-db readonly",
        f"status --at {T('09:00')}",
        f"apply --at {T('09:00')}",
        "audit access --resource orders-db",
    ],
)
def test_a_closed_stream_takes_nothing_along(access: Access, closed: str, verb: str) -> None:
    """A file that is opened next would have the closed one's number, and be written into."""
    daypass = f"'{sys.executable}' -m daypass -C '{access.top}'"
    done = subprocess.run(
        ["bash", "-c", f"{daypass} {verb} {closed}; echo $?"], capture_output=True, text=True, check=True
    )
    code = done.stdout.split()[-1]
    assert code == ("20" if verb.startswith("can") else "0"), done.stderr
    assert "Traceback" not in done.stderr
    access.run("audit", "verify")
    access.git("fsck", "--strict")
