"""State that others could have written is not believed, and what lies beside a database counts as the database."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from daypass.edges.store import Verdicts, discard, make_folder, others_may_write
from driver import Access

SIDES = ("-wal", "-shm", "-journal")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to somebody else")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "repository" / "daypass" / "cache.sqlite"
    found.parent.parent.mkdir()
    make_folder(found.parent)
    found.touch(mode=0o600)
    return found


def test_a_folder_of_ours_with_files_of_ours_is_believed(path: Path) -> None:
    for end in SIDES:
        Path(f"{path}{end}").touch(mode=0o600)
    assert not others_may_write(path)
    assert not others_may_write(path.with_name("none"))
    assert not others_may_write(path.parent / "none" / "none")


@pytest.mark.parametrize("end", SIDES)
def test_a_file_laid_beside_a_database_is_refused_like_the_database(path: Path, end: str) -> None:
    beside = Path(f"{path}{end}")
    beside.touch()
    beside.chmod(0o666)
    assert others_may_write(path)
    beside.unlink()
    beside.symlink_to("/dev/null")
    assert others_may_write(path)


@needs_root
@pytest.mark.parametrize("end", ["", *SIDES])
def test_a_file_of_another_user_is_refused(path: Path, end: str) -> None:
    Path(f"{path}{end}").touch(mode=0o600)
    os.chown(f"{path}{end}", 4321, 4321)
    assert others_may_write(path)


def test_a_folder_in_which_others_may_put_files_is_refused_and_one_of_ours_is_closed(path: Path) -> None:
    path.parent.chmod(0o777)
    assert others_may_write(path)
    make_folder(path.parent)
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert not others_may_write(path)


@pytest.mark.parametrize(("mode", "believed"), [(0o755, True), (0o1777, False)])
def test_a_folder_that_others_read_or_that_is_there_for_all_stays_as_it_is(
    path: Path, mode: int, believed: bool
) -> None:
    path.parent.chmod(mode)
    make_folder(path.parent)
    assert path.parent.stat().st_mode & 0o7777 == mode
    assert others_may_write(path) is not believed


def test_what_is_discarded_leaves_nothing_beside(path: Path) -> None:
    for end in SIDES:
        Path(f"{path}{end}").touch()
    discard(path)
    assert list(path.parent.iterdir()) == []


def test_verdicts_beside_which_somebody_laid_a_write_ahead_file_are_forgotten(path: Path) -> None:
    context, blob = "context", b"1" * 20
    path = path.with_name("verdicts.sqlite")
    verdicts = Verdicts(path.parent)
    verdicts.store(context, [(blob, "orders-db", b"meaning")])
    verdicts.close()
    assert Verdicts(path.parent).known(context, [blob]) == {blob: ("orders-db", b"meaning")}
    beside = Path(f"{path}-wal")
    beside.write_bytes(b"planted")
    beside.chmod(0o666)
    assert Verdicts(path.parent).known(context, [blob]) == {}


@pytest.mark.on_disk
def test_can_reads_the_state_that_the_applier_writes(
    access: Access, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAYPASS_STATE", str(tmp_path / "state"))
    access.grant("2026-11-20T10:00:00Z", "2026-11-20T10:05:00Z")
    access.run("apply", "--at", "2026-11-20T10:06:00Z")
    assert access.run("can", "alice", "orders-db", "readonly").out == "yes\n"
    access.run("audit", "access", "--resource", "orders-db", "--at", "2026-11-20T10:10:00Z")
    assert {"answers.sqlite", "embedded.sqlite", "standing.sqlite", "audit.sqlite"} <= {
        place.name for place in (tmp_path / "state").iterdir()
    }
    with closing(sqlite3.connect(tmp_path / "state/embedded.sqlite")) as database, database:
        database.execute("DELETE FROM entitlements")
    assert access.run("can", "alice", "orders-db", "readonly", expect=20).out == "no\n"
