"""The ledger's branch deleted, cut, forked, rewritten, restored from an old clone, and taken for another repository's."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from driver import Access

pytestmark = pytest.mark.on_disk
BRANCH = "daypass-ledger"


def T(minute: str) -> str:  # noqa: N802  (reads as the instants do)
    return f"2026-11-20T{minute}:00Z"


STAGING = ("--resource", "staging", "--role", "deploy", "--for", "20m")


class World:
    """A team's remote, the clone of the machine that applies, and an old clone from before the second grant."""

    def __init__(self, access: Access, folder: Path) -> None:
        self.access = access
        self.remote = Access(folder / "origin.git")
        access.grant(T("10:00"), T("10:01"))
        access.run("apply", "--at", T("10:02"))
        access.git("init", "-q", "--bare", "--initial-branch=main", str(self.remote.top))
        access.git("remote", "add", "origin", str(self.remote.top))
        access.run("sync")
        self.before = access.git("rev-parse", BRANCH)
        self.old = Access(folder / "old")
        access.git("clone", "-q", str(self.remote.top), str(self.old.top))
        self.old.git("branch", "-q", BRANCH, f"origin/{BRANCH}")
        self.old.git("config", "user.email", "olga@example.com")
        self.old.git("config", "user.name", "Olga")
        access.grant(T("10:10"), T("10:11"), *STAGING)
        access.run("apply", "--at", T("10:12"))
        access.run("sync")
        self.whole = access.git("rev-parse", BRANCH)

    @property
    def there(self) -> str:
        return self.remote.git("for-each-ref", "--format=%(objectname)", f"refs/heads/{BRANCH}")

    def merge_later(self) -> None:
        """Merge a third grant, whose merge names the last receipt."""
        self.access.grant(T("10:20"), T("10:21"))
        self.access.run("sync")

    def catch_up(self, clone: Access) -> None:
        clone.git("pull", "-q", "origin", "main")
        clone.git("fetch", "-q", "origin", "+refs/heads/daypass/*:refs/heads/daypass/*")


@pytest.fixture
def world(access: Access, tmp_path: Path) -> World:
    return World(access, tmp_path)


def test_a_ledger_deleted_at_the_remote_and_here_is_put_back_from_what_this_machine_verified(world: World) -> None:
    access = world.access
    world.remote.git("branch", "-D", BRANCH)
    access.git("branch", "-D", BRANCH)
    access.git("update-ref", "-d", f"refs/remotes/origin/{BRANCH}")
    for verb in (["apply"], ["status"], ["audit", "verify"]):
        said = access.run(*verb, "--at", T("12:30"), expect=1)
        assert "the ledger is missing" in said.err
    said = access.run("ledger", "restore", "--format", "json")
    assert "what this machine verified last" in said.err
    told = json.loads(said.out)
    assert (told["from"], told["commit"]) == ("what this machine verified last", world.whole)
    assert (told["put_back"], told["kept"]) == ({"at the remote": "", "here": ""}, [])
    assert (world.there, access.git("rev-parse", BRANCH)) == (world.whole, world.whole)
    access.run("apply", "--at", T("12:30"))
    access.run("can", "alice", "orders-db", "readonly", expect=20)
    access.run("audit", "verify", "--at", T("12:31"))
    assert "Nothing to put back" in access.run("sync").out + access.run("ledger", "restore").err


def test_a_ledger_deleted_at_the_remote_alone_is_pushed_again(world: World) -> None:
    world.remote.git("branch", "-D", BRANCH)
    world.access.run("ledger", "restore")
    assert world.there == world.whole


def test_a_ledger_cut_at_the_remote_moves_forward_again(world: World) -> None:
    world.remote.git("update-ref", f"refs/heads/{BRANCH}", world.before)
    world.access.run("ledger", "restore")
    assert world.there == world.whole


def test_a_ledger_cut_here_and_there_is_put_back_from_where_it_stood(world: World) -> None:
    access = world.access
    world.remote.git("update-ref", f"refs/heads/{BRANCH}", world.before)
    access.git("update-ref", f"refs/heads/{BRANCH}", world.before)
    access.git("update-ref", f"refs/remotes/origin/{BRANCH}", world.before)
    assert "the ledger was rewritten" in access.run("status", "--at", T("10:30"), expect=1).err
    (access.top / ".git/daypass/standing.sqlite").unlink()
    said = access.run("ledger", "restore")
    assert "where this clone's branch stood" in said.err
    assert (world.there, access.git("rev-parse", BRANCH)) == (world.whole, world.whole)


def test_an_old_clone_restores_nothing_that_merges_have_seen_further(world: World) -> None:
    world.merge_later()
    world.remote.git("branch", "-D", BRANCH)
    said = world.old.run("ledger", "restore", expect=1)
    assert "main at the remote has more" in said.err
    world.catch_up(world.old)
    said = world.old.run("ledger", "restore", expect=1)
    assert "it is cut or a fork" in said.err
    assert world.there == ""
    said = world.old.run("ledger", "restore", "--from", str(world.access.top))
    assert (world.there, world.old.git("rev-parse", BRANCH)) == (world.whole, world.whole)
    world.access.run("apply", "--at", T("10:25"))
    world.access.run("audit", "verify", "--at", T("10:26"))


def test_on_a_ledger_put_back_from_an_old_clone_nothing_is_given_and_what_ends_ends(world: World) -> None:
    world.merge_later()
    world.catch_up(world.old)
    fresh = Access(world.old.top)
    shutil.copy(world.access.top / ".git/daypass/embedded.sqlite", _state(fresh) / "embedded.sqlite")
    said = fresh.run("apply", "--at", T("10:30"), expect=1)
    assert "its end was cut off" in said.out + said.err
    fresh.run("apply", "--at", T("12:30"), expect=1)
    fresh.run("can", "alice", "orders-db", "readonly", expect=20)


def _state(access: Access) -> Path:
    folder = access.top / ".git/daypass"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def _fork(world: World) -> str:
    """Cut the remote's ledger; a run in the old clone goes on from there. Return where that one stands."""
    world.remote.git("update-ref", f"refs/heads/{BRANCH}", world.before)
    shutil.copy(world.access.top / ".git/daypass/embedded.sqlite", _state(world.old) / "embedded.sqlite")
    world.old.run("apply", "--at", T("12:40"))
    forked = world.old.git("rev-parse", BRANCH)
    assert forked not in (world.before, world.whole)
    world.old.git("push", "-q", "origin", BRANCH)
    return forked


def test_a_fork_is_named_by_every_clone_and_replaced_only_by_who_names_what_stays(world: World) -> None:
    forked = _fork(world)
    access = world.access
    assert "do not continue one another" in access.run("sync", expect=1).err
    said = access.run("ledger", "restore", expect=1)
    assert "two chains verify and part" in said.err
    assert world.there == forked
    access.run("ledger", "restore", "--take", "0000000", expect=1)
    said = access.run("ledger", "restore", "--take", world.whole[:12])
    assert f"{BRANCH}-replaced-{forked[:12]}" in said.err
    assert access.git("rev-parse", f"{BRANCH}-replaced-{forked[:12]}") == forked
    assert world.there == world.whole
    access.run("apply", "--at", T("12:49"))
    access.run("audit", "verify", "--at", T("12:50"))
    world.catch_up(world.old)
    asked = ("audit", "access", "--resource", "orders-db", "--at", T("12:50"))
    world.old.run(*asked)
    assert "two chains verify and part" in world.old.run("ledger", "restore", expect=1).err
    said = world.old.run("ledger", "restore", "--take", world.whole[:12])
    assert "This machine had verified the other chain" in said.err
    world.old.run("status", "--at", T("12:50"))
    world.old.run(*asked)


def test_a_longer_fork_that_lacks_what_merges_name_is_not_replaced_by_itself(world: World) -> None:
    world.merge_later()
    forked = _fork(world)
    said = world.access.run("ledger", "restore", expect=1)
    assert "is signed as well, and parts from" in said.err
    assert "it is cut or a fork" in said.err
    assert world.there == forked
    world.access.run("ledger", "restore", "--take", world.whole)
    assert world.there == world.whole
    world.catch_up(world.old)
    said = world.old.run("ledger", "restore", expect=1)  # it verified the other chain: somebody has to say so there too
    assert "is signed as well, and parts from" in said.err


@pytest.mark.parametrize("how", ["rewritten", "garbage on top", "unsigned"])
def test_what_nobody_signed_is_replaced_and_kept(world: World, how: str) -> None:
    access = world.access
    clone = Access(access.top.parent / "writer")
    access.git("clone", "-q", "-b", BRANCH, str(world.remote.top), str(clone.top))
    clone.git("config", "user.email", "mallory@example.com")
    clone.git("config", "user.name", "Mallory")
    path = "receipts/000/000/001.json" if how == "rewritten" else "receipts/000/000/099.json"
    text = (clone.top / "receipts/000/000/002.json").read_text() if how == "garbage on top" else '{"x":1}'
    clone.write(path, text)
    if how == "rewritten":
        clone.git("checkout", "-q", "--orphan", "new")
    clone.git("add", "-A")
    clone.git("commit", "-q", "-m", "Append receipts")
    clone.git("push", "-q", "-f", "origin", f"HEAD:{BRANCH}")
    bad = world.there
    said = access.run("ledger", "restore")
    assert (world.there, access.git("rev-parse", BRANCH)) == (world.whole, world.whole)
    assert access.git("rev-parse", f"{BRANCH}-replaced-{bad[:12]}") == bad
    assert "is kept as" in said.err
    access.run("audit", "verify", "--at", T("10:25"))


def test_where_no_chain_is_the_ledger_each_is_named_with_what_is_wrong(world: World) -> None:
    (world.old.top / "policies/ledger.pub").write_bytes(b"-----BEGIN PUBLIC KEY-----\nno\n-----END PUBLIC KEY-----\n")
    world.old.git("branch", "-D", BRANCH)
    world.old.git("update-ref", "-d", f"refs/remotes/origin/{BRANCH}")
    world.remote.git("branch", "-D", BRANCH)
    world.old.git("pull", "-q", "origin", "main")
    said = world.old.run("ledger", "restore", expect=1)
    assert "there is none at all" in said.err
    assert world.there == ""


class TestTwoRepositories:
    """Two repositories whose ledgers are signed by one key: a runner that was set up for both."""

    @pytest.fixture
    def other(self, world: World, tmp_path: Path) -> Access:
        """Another repository with the same key, people and targets, and a ledger of its own."""
        found = Access(tmp_path / "other")
        found.top.mkdir()
        found.git("init", "-q", "--initial-branch=main")
        found.git("config", "user.name", "Olga Platform")
        found.git("config", "user.email", "olga@example.com")
        (found.top / "policies").mkdir()
        shutil.copy(world.access.top / "policies/ledger.pub", found.top / "policies/ledger.pub")
        found.git("add", "-A")
        found.git("commit", "-q", "-m", "Keep the key of the other repository")
        found.run("init", ".", "--merge", "--example", "--simulated-clock", "--at", T("07:00"))
        found.git("add", "-A")
        found.git("commit", "-q", "-m", "The rest", "--allow-empty")
        found.grant(T("08:00"), T("08:01"))
        found.run("apply", "--at", T("08:02"))
        return found

    def test_the_ledger_of_the_other_is_refused_by_every_verb_and_takes_nothing_away(
        self, world: World, other: Access
    ) -> None:
        access = world.access
        access.git("fetch", "-q", str(other.top), f"+refs/heads/{BRANCH}:refs/heads/{BRANCH}")
        (access.top / ".git/daypass/standing.sqlite").unlink()
        for name in ("audit.sqlite", "answers.sqlite"):
            (access.top / ".git/daypass" / name).unlink(missing_ok=True)
        for verb in (["apply"], ["expire"], ["status"], ["plan"], ["audit", "access", "--resource", "orders-db"]):
            said = access.run(*verb, "--at", T("11:30"), expect=1)
            assert "another repository's" in said.err
        assert "another repository's" in access.run("audit", "verify", "--at", T("11:30"), expect=13).out
        access.run("can", "alice", "orders-db", "readonly")
        access.run("ledger", "restore")
        assert access.git("rev-parse", BRANCH) == world.whole
        access.run("apply", "--at", T("11:31"))

    def test_what_the_machine_remembers_of_the_other_is_refused_with_what_to_delete(
        self, world: World, other: Access
    ) -> None:
        access = world.access
        kept = ".git/daypass/standing.sqlite"
        # A copy of the file alone would lack what still lies in SQLite's log beside it.
        with closing(sqlite3.connect(other.top / kept)) as theirs, closing(sqlite3.connect(access.top / kept)) as ours:
            theirs.backup(ours)
        said = access.run("apply", "--at", T("11:30"), expect=1)
        assert "the ledger was rewritten" in said.err
        assert "standing.sqlite" in said.err
