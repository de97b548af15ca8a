"""What a machine keeps beside its clone: lost, torn, another's, or written by somebody else, it changes no answer.

The table has every file there, so that a new one is not forgotten. What is refused names the file and what to do.
"""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from driver import Access
from founded import begun, example

pytestmark = pytest.mark.on_disk


def T(minute: str) -> str:  # noqa: N802  (reads as the instants do)
    return f"2026-11-20T{minute}:00Z"


CACHES = {
    "standing.sqlite": {"status", "plan", "drift", "apply"},
    "verdicts.sqlite": {"status", "check"},
    "audit.sqlite": {"access", "history", "stats"},
    "answers.sqlite": {"plan", "drift", "apply", "can", "access", "history"},
}
"""Each with the verbs that could read it."""
NO_CACHES = {"embedded.sqlite", "apply.lock"}
"""The target itself, and a file that holds nothing. The outbox of runs without the remote has drills of its own."""

VERBS = (
    ("status", "--at", T("10:30")),
    ("plan", "--at", T("10:30")),
    ("drift", "--at", T("10:30")),
    ("check",),
    ("can", "alice", "orders-db", "readonly"),
    ("audit", "access", "--resource", "orders-db", "--at", T("10:30")),
    ("audit", "history", "--subject", "alice", "--at", T("10:30")),
    ("audit", "stats", "--at", T("10:30")),
    ("audit", "verify", "--at", T("10:30")),
    ("apply", "--at", T("10:30")),
)
"""Verbs that read these files, the last of which may write."""

NOW, OLDER, OTHERS = "daypass", "older-state", "others-state"


def _warm(access: Access) -> None:
    for verb in VERBS:
        access.run(*verb, expect=None)


def _put_aside(access: Access, name: str, top: Path) -> None:
    folder = top / ".git" / name
    folder.mkdir(exist_ok=True)
    for cache in CACHES:
        shutil.copy(access.top / ".git" / NOW / cache, folder / cache)


def _begin(access: Access) -> None:
    access.grant(T("10:00"), T("10:01"))
    access.run("apply", "--at", T("10:02"))
    _warm(access)
    _put_aside(access, OLDER, access.top)
    access.grant(T("10:10"), T("10:11"), "--resource", "staging", "--role", "deploy", "--for", "2h")
    access.run("apply", "--at", T("10:12"))
    _warm(access)
    other = example(access.top.parent / "other", "2026-11-20T07:00:00Z")
    other.grant(T("09:00"), T("09:01"))
    other.run("apply", "--at", T("09:02"))
    for verb in VERBS:
        other.run(*verb, expect=None)
    _put_aside(other, OTHERS, access.top)


@pytest.fixture
def warm(tmp_path: Path) -> Access:
    found = begun("warm caches", "2026-11-20T08:00:00Z", _begin, tmp_path / "access")
    found.scene = None
    return found


def _verbs(name: str) -> list[tuple[str, ...]]:
    return [verb for verb in VERBS if {verb[0], verb[1] if verb[0] == "audit" else ""} & CACHES[name]]


def _told(access: Access, verb: tuple[str, ...]) -> tuple[int, str, str]:
    said = access.run(*verb, expect=None)
    # That an index was built anew is told, once.
    lines = [
        line for line in said.out.splitlines() if not re.search(r"built anew|not believed|could not be read", line)
    ]
    return said.code, "\n".join(lines), said.err


def _delete(path: Path, _: Access) -> None:
    path.unlink()


def _cut(path: Path, _: Access) -> None:
    os.truncate(path, path.stat().st_size // 2)


def _cut_beside_its_log(path: Path, _: Access) -> None:
    """Leave half of the file, with what SQLite wrote ahead of it lying there still."""
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode=wal")
        database.execute("CREATE TABLE more(a)")
        log, raw = Path(f"{path}-wal").read_bytes(), path.read_bytes()
    path.write_bytes(raw[: len(raw) // 2])
    Path(f"{path}-wal").write_bytes(log)


def _empty(path: Path, _: Access) -> None:
    os.truncate(path, 0)


def _garbage(path: Path, _: Access) -> None:
    path.write_bytes(b"no database" * 1000)


def _torn(path: Path, _: Access) -> None:
    with path.open("r+b") as file:
        file.seek(4096 - 512)
        file.write(b"\xff" * 4096)


def _no_text(path: Path, _: Access) -> None:
    """Have what SQLite says of its tables be no text."""
    path.write_bytes(path.read_bytes().replace(b"CREATE TABLE ", b"CREATE\xffTABLE "))


def _emptied(path: Path, _: Access) -> None:
    """Leave its tables, and no rows in them."""
    with closing(sqlite3.connect(path)) as database, database:
        for (name,) in database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall():
            database.execute(f"DELETE FROM {name}")  # noqa: S608  (its own names)


def _older(path: Path, access: Access) -> None:
    shutil.copy(access.top / ".git" / OLDER / path.name, path)


def _others(path: Path, access: Access) -> None:
    shutil.copy(access.top / ".git" / OTHERS / path.name, path)


def _writable(path: Path, _: Access) -> None:
    path.chmod(0o666)


def _folder_writable(path: Path, _: Access) -> None:
    path.parent.chmod(0o777)


def _another_owner(path: Path, _: Access) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a file to somebody else")
    os.chown(path, 4321, 4321)


def _link(path: Path, access: Access) -> None:
    elsewhere = access.top.parent / "elsewhere"
    elsewhere.unlink(missing_ok=True)
    path.rename(elsewhere)
    path.symlink_to(elsewhere)


def _folder_in_its_place(path: Path, _: Access) -> None:
    path.unlink()
    path.mkdir()


Damage = Callable[[Path, Access], None]
DAMAGES: tuple[Damage, ...] = (
    _delete,
    _cut,
    _cut_beside_its_log,
    _empty,
    _garbage,
    _torn,
    _no_text,
    _older,
    _others,
    _writable,
    _folder_writable,
    _another_owner,
    _link,
    _emptied,
    _folder_in_its_place,
)


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
@pytest.mark.parametrize("name", CACHES)
def test_no_answer_changes_or_it_is_refused(warm: Access, name: str, damage: Damage) -> None:
    before = {verb: _told(warm, verb) for verb in _verbs(name)}
    folder, kept = warm.top / ".git" / NOW, warm.top.parent / "kept"
    shutil.copytree(folder, kept)
    for verb in _verbs(name):
        shutil.rmtree(folder)
        shutil.copytree(kept, folder)
        damage(folder / name, warm)
        code, out, err = _told(warm, verb)
        if code == 1 and before[verb][0] != 1:
            assert str(folder) in err, f"{verb}: {err}"
            if damage not in (_folder_in_its_place, _others):  # a person has to look at these
                assert _told(warm, verb)[:2] == before[verb][:2], f"{verb} is refused for good"
        else:
            assert (code, out) == before[verb][:2], f"{verb}\n{err}"
    warm.run("can", "alice", "orders-db", "readonly")
    warm.run("can", "alice", "staging", "deploy")


def test_every_file_beside_the_clone_is_in_the_table(warm: Access) -> None:
    there = {re.sub(r"-(wal|shm|journal)$", "", path.name) for path in (warm.top / ".git" / NOW).iterdir()}
    assert there == {*CACHES, *NO_CACHES}


def test_each_verb_reads_no_other_file_than_the_table_says(warm: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    connect, read = sqlite3.connect, set()

    def noted(database: str, *more: Any, **options: Any) -> sqlite3.Connection:
        read.update(name for name in CACHES if name in str(database))
        return connect(database, *more, **options)

    monkeypatch.setattr(sqlite3, "connect", noted)
    for verb in VERBS:
        read.clear()
        warm.run(*verb, expect=None)
        assert read <= {name for name in CACHES if verb in _verbs(name)}, verb
