"""Locks that a dead git left behind are taken over with a word; where that is not certain, they are named."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from daypass.core.errors import LockedError
from daypass.edges.forges.local.sharing import Sharing
from daypass.edges.git import locks
from daypass.edges.git.plumbing import Git
from driver import Access

T = "2026-11-20T{}:00Z".format
LINUX = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="nobody can tell who holds a file here")


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    heard: list[str] = []
    monkeypatch.setattr(Git, "tell", staticmethod(heard.append))
    return heard


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    subprocess.run(["git", "init", "-q", "-b", "main", str(tmp_path / "r")], check=True)
    return tmp_path / "r/.git"


def _old(lock: Path, seconds: float = locks.OLD + 60) -> Path:
    lock.touch()
    os.utime(lock, (time.time() - seconds,) * 2)
    return lock


@LINUX
def test_an_old_lock_that_nobody_holds_is_removed_with_a_word(repository: Path, told: list[str]) -> None:
    lock = _old(repository / "refs/heads/main.lock")
    assert locks.take_over(lock, repository, told.append)
    assert not lock.exists()
    assert str(lock) in told[0]
    assert locks.take_over(lock, repository, told.append)  # somebody else has removed it
    assert len(told) == 1


def test_a_young_lock_stays(repository: Path, told: list[str]) -> None:
    lock = _old(repository / "refs/heads/main.lock", locks.OLD - 60)
    assert not locks.take_over(lock, repository, told.append)
    assert lock.exists()
    assert not told


def test_a_lock_that_a_process_has_open_stays(repository: Path, told: list[str]) -> None:
    lock = repository / "packed-refs.lock"
    with lock.open("w"):
        _old(lock)
        assert not locks.take_over(lock, repository, told.append)
    assert lock.exists()


@LINUX
def test_a_lock_stays_while_a_git_is_at_work_in_the_repository(repository: Path, told: list[str]) -> None:
    lock = _old(repository / "index.lock")
    with subprocess.Popen(
        ["git", "-C", str(repository.parent), "check-ignore", "--stdin", "-vn"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as at_work:
        assert at_work.stdin is not None
        assert at_work.stdout is not None
        at_work.stdin.write(b"nothing\n")
        at_work.stdin.flush()
        at_work.stdout.readline()
        assert not locks.take_over(lock, repository, told.append)
    assert locks.take_over(lock, repository, told.append)


def test_a_lock_outside_of_the_repository_or_that_is_no_file_stays(
    repository: Path, tmp_path: Path, told: list[str]
) -> None:
    outside = _old(tmp_path / "main.lock")
    assert not locks.take_over(outside, repository, told.append)
    link = repository / "index.lock"
    link.symlink_to(outside)
    assert not locks.take_over(link, repository, told.append)
    assert outside.exists()
    assert link.is_symlink()


def test_where_processes_cannot_be_looked_at_a_lock_stays(
    repository: Path, tmp_path: Path, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = _old(repository / "index.lock")
    for nothing in (tmp_path / "absent", tmp_path):
        monkeypatch.setattr(locks, "_PROCESSES", nothing)
        assert not locks.take_over(lock, repository, told.append)
    assert lock.exists()


def test_a_lock_in_the_way_is_named_with_the_command_that_removes_it(repository: Path) -> None:
    git = Git(repository.parent)
    tree = git.text("hash-object", "-t", "tree", "-w", "--stdin")
    commit = git.text("-c", "user.name=a", "-c", "user.email=a@b", "commit-tree", "-m", "x", tree)
    lock = repository / "refs/heads/main.lock"
    lock.touch()
    with pytest.raises(LockedError) as caught:
        git.update_refs({"refs/heads/main": (locks_absent(commit), commit)}, reason="x")  # type: ignore[arg-type, dict-item]
    assert str(lock) in caught.value.message
    assert f"rm {lock}" in str(caught.value.hint)


def locks_absent(commit: str) -> str:
    return "0" * len(commit)


def _asked(access: Access) -> str:
    number = access.ask(T("10:00"))
    access.run("approve", number, "--at", T("10:01"), acting="bob")
    access.run("approve", number, "--at", T("10:01"), acting="dave")
    return number


@pytest.mark.on_disk
def test_gate_does_not_end_well_while_a_lock_on_main_keeps_it_from_merging(access: Access) -> None:
    number = _asked(access)
    lock = access.top / ".git/refs/heads/main.lock"
    lock.touch()
    said = access.run("gate", "--at", T("10:05"), expect=14)
    assert f"rm {lock}" in said.err
    assert f"rm {lock}" in access.run("gate", number, "--at", T("10:05"), expect=1).err


@pytest.mark.on_disk
@LINUX
def test_gate_takes_over_what_a_dead_git_left_behind(access: Access) -> None:
    number = _asked(access)
    main, index = _old(access.top / ".git/refs/heads/main.lock"), _old(access.top / ".git/index.lock")
    said = access.run("gate", number, "--at", T("10:05"))
    assert "merged as" in said.out
    assert f"took over {main}" in said.err
    assert f"took over {index}" in said.err
    assert access.git("status", "--porcelain") == ""


@pytest.mark.on_disk
def test_a_work_tree_that_a_lock_holds_back_is_not_said_to_have_local_changes(access: Access) -> None:
    number = _asked(access)
    lock = access.top / ".git/index.lock"
    lock.touch()
    said = access.run("gate", number, "--at", T("10:05"))
    assert f"{lock}, a lock of git's, in the way" in said.err
    assert "local changes" not in said.err


@pytest.mark.on_disk
def test_a_lock_that_keeps_a_run_from_its_sign_of_life_is_named(access: Access) -> None:
    path = "policies/daypass.yaml"
    text = (access.top / path).read_text(encoding="utf-8")
    access.write(path, text.replace("keys: [ledger.pub]", "keys: [ledger.pub], heartbeat: 1s"))
    access.commit("Leave a pulse each second")
    access.run("apply", "--at", T("10:00"))
    lock = access.top / ".git/refs/heads/daypass-ledger.lock"
    lock.touch()
    said = access.run("apply", "--at", T("10:05"), expect=14)
    assert f"no sign of life was left in the ledger: {lock} is in the way" in said.err
    assert said.out, "what the run did is told all the same"
    lock.unlink()
    assert "sign of life" not in access.run("apply", "--at", T("10:06")).err


@pytest.mark.on_disk
def test_a_run_that_a_lock_keeps_from_the_ledger_names_it_at_once(access: Access, told: list[str]) -> None:
    access.grant(T("10:00"), T("10:05"))
    lock = access.top / ".git/refs/heads/daypass-ledger.lock"
    lock.touch()
    began = time.monotonic()
    assert f"rm {lock}" in access.run("apply", "--at", T("10:06"), expect=1).err
    assert time.monotonic() - began < 10, "it is tried once, and not as a lost race"


@LINUX
def test_a_fetch_takes_over_what_a_dead_git_left_behind_and_names_what_it_cannot(
    repository: Path, tmp_path: Path, told: list[str]
) -> None:
    git, there = Git(repository.parent), tmp_path / "there"
    subprocess.run(["git", "init", "-q", "-b", "main", str(there)], check=True)
    subprocess.run(
        ["git", "-C", str(there), "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m", "x"],
        check=True,
    )  # fmt: skip
    git.run("remote", "add", "origin", str(there))
    git.run("fetch", "-q", "origin")
    git.run("update-ref", "refs/heads/main", "refs/remotes/origin/main")
    git.run("update-ref", "-d", "refs/remotes/origin/main")
    (repository / "refs/remotes/origin").mkdir(exist_ok=True)
    lock = _old(repository / "refs/remotes/origin/main.lock")
    sharing = Sharing(git, "origin", main="main", ledger="daypass-ledger")
    sharing.run()
    assert str(lock) in told[0]
    git.run("update-ref", "-d", "refs/remotes/origin/main")
    lock.parent.mkdir(exist_ok=True)
    lock.touch()
    with pytest.raises(LockedError) as caught:
        sharing.run()
    assert f"rm {lock}" in caught.value.hint


def test_a_lock_at_a_remote_is_no_lock_of_this_clone(repository: Path, tmp_path: Path, told: list[str]) -> None:
    git, there = Git(repository.parent), tmp_path / "there.git"
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(there)], check=True)
    tree = git.text("hash-object", "-t", "tree", "-w", "--stdin")
    commit = git.text("-c", "user.name=a", "-c", "user.email=a@b", "commit-tree", "-m", "x", tree)
    git.run("update-ref", "refs/heads/main", commit)
    git.run("remote", "add", "origin", str(there))
    lock = _old(there / "refs/heads/main.lock")
    with pytest.raises(LockedError) as caught:
        Sharing(git, "origin", main="main", ledger="daypass-ledger").run()
    assert f"a lock of git's at origin is in the way: {lock}" == caught.value.message
    assert "rm " not in caught.value.hint
    assert lock.exists()
    assert not told
