"""The store itself: files, versions, damage, other programs, other processes, sudden death."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from daypass.core.errors import EdgeError
from daypass.core.plan import Entitlement
from daypass.edges.targets.embedded import store
from daypass.edges.targets.embedded.store import holds
from daypass.edges.targets.embedded.target import EmbeddedTarget
from fakes.orders import add, remove

UNTIL = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
ALICE = Entitlement("main", "orders-db", "alice", '{"member_of":"orders_readonly"}')
BOB = Entitlement("main", "orders-db", "bob", '{"member_of":"orders_readonly"}')


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "deep" / "embedded.sqlite"


@pytest.fixture
def target(path: Path) -> EmbeddedTarget:
    return EmbeddedTarget(path, "main")


def message_of(call: object, *arguments: object) -> str:
    with pytest.raises(EdgeError) as refused:
        call(*arguments)  # type: ignore[operator]
    return refused.value.message


# --- files ---------------------------------------------------------------------------------------------------------


def test_reading_makes_no_file(target: EmbeddedTarget, path: Path) -> None:
    assert target.observe() == frozenset()
    assert not holds(path, ALICE)
    remove(target, ALICE)
    assert not path.parent.parent.exists()


def test_the_store_and_its_folders_are_for_their_owner_alone(target: EmbeddedTarget, path: Path) -> None:
    before = os.umask(0)
    try:
        add(target, ALICE, UNTIL)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.parent.parent.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o600}
    assert not list(path.parent.glob("*.new"))


def test_another_program_reads_the_documented_table(target: EmbeddedTarget, path: Path) -> None:
    add(target, ALICE, UNTIL)
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT * FROM entitlements").fetchall() == [
        ("main", "orders-db", "alice", '{"member_of":"orders_readonly"}', "2026-11-21T09:00:00Z")
    ]
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("PRAGMA user_version").fetchone() == (1,)
    connection.close()


def test_adding_again_moves_the_end(target: EmbeddedTarget, path: Path) -> None:
    add(target, ALICE, UNTIL)
    add(target, ALICE, UNTIL.replace(hour=12))
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT until FROM entitlements").fetchall() == [("2026-11-21T12:00:00Z",)]
    connection.close()


def test_a_path_with_marks_of_uris_is_a_path(tmp_path: Path) -> None:
    path = tmp_path / "50%#1?mode=rw&x.sqlite"
    add(EmbeddedTarget(path, "main"), ALICE, UNTIL)
    assert [file.name for file in tmp_path.iterdir() if file.name.endswith(".sqlite")] == [path.name]
    assert EmbeddedTarget(path, "main").observe() == {ALICE}


def test_targets_that_share_a_store_see_their_own(target: EmbeddedTarget, path: Path) -> None:
    other = EmbeddedTarget(path, "other")
    theirs = Entitlement("other", "orders-db", "alice", "{}")
    add(target, ALICE, UNTIL)
    add(other, theirs, UNTIL)
    assert (target.observe(), other.observe()) == ({ALICE}, {theirs})
    remove(other, theirs)
    assert (target.observe(), other.observe()) == ({ALICE}, frozenset())


def test_can_asks_for_one_entitlement(target: EmbeddedTarget, path: Path) -> None:
    add(target, ALICE, UNTIL)
    assert holds(path, ALICE)
    assert not holds(path, BOB)
    remove(target, ALICE)
    assert not holds(path, ALICE)


def test_text_that_no_utf8_can_write_is_refused(target: EmbeddedTarget) -> None:
    lone = Entitlement("main", "orders-db", "\ud800", "{}")
    assert message_of(add, target, lone, UNTIL) == "expected text, got '\\ud800', which no UTF-8 can write"
    add(target, ALICE, UNTIL)
    assert target.observe() == {ALICE}


def test_a_naive_end_is_refused(target: EmbeddedTarget) -> None:
    with pytest.raises(RuntimeError, match="naive time inside daypass"):
        add(target, ALICE, datetime(2026, 1, 1))  # noqa: DTZ001  (what is refused)


# --- what is no store ----------------------------------------------------------------------------------------------


def check_refused(path: Path, message: str) -> None:
    """Nothing may be read, asked or written, and the file stays as it was."""
    before = path.read_bytes() if path.is_file() else None
    target = EmbeddedTarget(path, "main")
    assert message_of(target.observe) == message
    assert message_of(holds, path, ALICE) == message
    assert message_of(add, target, ALICE, UNTIL) == message
    assert message_of(remove, target, ALICE) == message
    assert before is None or path.read_bytes() == before


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.sqlite"
    path.write_bytes(b"hello" * 1000)
    check_refused(path, f"the store {path} cannot be used: file is not a database")


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.sqlite"
    path.touch()
    check_refused(path, f"the store {path} was cut to nothing")


def test_another_programs_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE entitlements(target, resource, principal, privilege, until)")
    connection.close()
    check_refused(path, f"the store {path} is a database of another program")


@pytest.mark.parametrize("version", [0, 2, 99])
def test_another_version_is_refused(target: EmbeddedTarget, path: Path, version: int) -> None:
    add(target, ALICE, UNTIL)
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {version}")
    connection.close()
    message = f"the store {path} is of version {version}, expected 1"
    assert message_of(EmbeddedTarget(path, "main").observe) == message
    assert message_of(add, EmbeddedTarget(path, "main"), BOB, UNTIL) == message
    assert message_of(holds, path, ALICE) == message


def test_a_folder_in_its_place_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.sqlite"
    path.mkdir()
    check_refused(path, f"the store {path} is no plain file")


def test_a_link_is_not_followed(target: EmbeddedTarget, path: Path, tmp_path: Path) -> None:
    add(target, ALICE, UNTIL)
    link = tmp_path / "x.sqlite"
    link.symlink_to(path)
    check_refused(link, f"the store {link} is no plain file")
    link.unlink()
    link.symlink_to(tmp_path / "nowhere")
    check_refused(link, f"the store {link} is no plain file")


def test_a_store_that_was_deleted_beside_its_journal_is_no_empty_store(target: EmbeddedTarget, path: Path) -> None:
    add(target, ALICE, UNTIL)
    assert path.with_name("embedded.sqlite-wal").exists()
    path.unlink()
    check_refused(path, f"the store {path} is gone, but its journal is there")


def test_a_folder_that_may_not_be_read_is_an_error(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.touch()
    path = blocked / "x.sqlite"  # a file where a folder should be fails the same for every user
    check_refused(path, f"the store {path} cannot be used: Not a directory")


def stored(path: Path, rows: int) -> bytes:
    """Make a store with many rows, all of them in the one file, and return its bytes."""
    add(EmbeddedTarget(path, "main"), ALICE, UNTIL)
    connection = sqlite3.connect(path)
    with connection:
        connection.executemany(
            "INSERT INTO entitlements VALUES ('main', ?, ?, '{}', '2026-11-21T09:00:00Z')",
            [(f"resource-{n % 7}", f"person-{n}") for n in range(rows)],
        )
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return path.read_bytes()


def test_a_truncated_store_is_an_error_at_every_length(path: Path) -> None:
    whole = stored(path, 500)
    for length in range(1, len(whole), 997):
        path.write_bytes(whole[:length])
        message_of(EmbeddedTarget(path, "main").observe)


def test_no_damaged_page_shows_fewer_rows_in_silence(path: Path) -> None:
    whole = stored(path, 500)
    pages = len(whole) // 4096
    assert pages > 3
    for page in range(1, pages):
        for count in (b"\0\0", b"\0\1"):  # the page's own count of its rows
            place = page * 4096 + 3
            damaged = whole[:place] + count + whole[place + 2 :]
            if damaged == whole:
                continue  # the page of the store's own number has one row
            path.write_bytes(damaged)
            assert message_of(EmbeddedTarget(path, "main").observe).startswith(f"the store {path} is damaged: ")
        path.write_bytes(whole[: page * 4096] + bytes(4096) + whole[(page + 1) * 4096 :])
        message_of(EmbeddedTarget(path, "main").observe)


# --- others at the same time ---------------------------------------------------------------------------------------


def test_readers_see_whole_states_while_somebody_writes(target: EmbeddedTarget, path: Path) -> None:
    add(target, ALICE, UNTIL)
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("DELETE FROM entitlements")
    assert EmbeddedTarget(path, "main").observe() == {ALICE}
    writer.execute("COMMIT")
    assert EmbeddedTarget(path, "main").observe() == frozenset()
    writer.close()


def test_a_second_writer_waits_and_then_says_why_it_did_not_write(
    target: EmbeddedTarget, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(target, ALICE, UNTIL)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    monkeypatch.setattr(store, "PATIENCE", 0.05)
    second = EmbeddedTarget(path, "main")
    assert message_of(add, second, BOB, UNTIL) == (
        f"the store {path} is being written by another process, and was not free within 0.05 s"
    )
    holder.execute("COMMIT")
    holder.close()
    add(second, BOB, UNTIL)
    assert target.observe() == {ALICE, BOB}


def test_many_writers_at_once_lose_nothing(path: Path) -> None:
    failures: list[EdgeError] = []

    def write(who: int) -> None:
        mine = EmbeddedTarget(path, "main")
        try:
            for n in range(50):
                add(mine, Entitlement("main", f"r{who}", f"p{n}", "{}"), UNTIL)
        except EdgeError as error:
            failures.append(error)

    # Each makes the store if it is first: they race for that as well.
    threads = [threading.Thread(target=write, args=(who,)) for who in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(EmbeddedTarget(path, "main").observe()) == 300


def test_a_store_that_another_run_makes_between_two_looks_is_not_taken_for_lost(
    target: EmbeddedTarget, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = os.lstat
    others: list[sqlite3.Connection] = []

    def interrupted(name: str | Path) -> os.stat_result:
        """Let another run make the store and open it right after the first look at it."""
        monkeypatch.setattr(os, "lstat", look)
        try:
            return look(name)
        finally:
            others.append(store.open_writer(path))
            store.write(path, others[0], store.ADD, ("main", "r", "other", "{}", "2026-11-21T09:00:00Z"))

    monkeypatch.setattr(os, "lstat", interrupted)
    add(target, ALICE, UNTIL)
    assert len(target.observe()) == 2
    others[0].close()


WRITER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from daypass.edges.targets.embedded.target import EmbeddedTarget
from daypass.core.plan import Action, Done, Entitlement, Order
target = EmbeddedTarget(Path(sys.argv[1]), "main")
until = datetime(2026, 1, 1, tzinfo=UTC)
def change(action, n):
    one = Entitlement("main", "r", str(n), "{}")
    assert target.carry_out([Order(action, one, until, until)]) == [Done()]
n = int(sys.argv[2])
while True:
    change(Action.ADD, n)
    sys.stdout.write(f"+{n}\\n")
    sys.stdout.flush()
    if n % 3 == 0:
        change(Action.REMOVE, n)
        sys.stdout.write(f"-{n}\\n")
        sys.stdout.flush()
    n += 1
"""


def test_killed_at_any_instant_it_stays_whole(path: Path) -> None:
    known: set[str] = set()
    number = 0
    for kill in range(25):
        command = [sys.executable, "-c", WRITER, str(path), str(number)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        # The first kills fall while the store is being made, the later ones among writes.
        if kill >= 8:
            process.stdout.readline()
        time.sleep(0.004 * (kill % 8) if kill >= 8 else 0.02 + 0.01 * kill)
        os.kill(process.pid, signal.SIGKILL)
        said = ("" if kill < 8 else f"+{number}\n") + process.stdout.read()
        process.wait()
        process.stdout.close()
        for line in said.splitlines():
            number = int(line[1:])
            known.add(line[1:]) if line[0] == "+" else known.discard(line[1:])
        found = {e.principal for e in EmbeddedTarget(path, "main").observe()}
        # One call may have ended without having been told of: the write after the last one that was.
        assert known ^ found <= {str(number), str(number + 1)}
        assert known - found <= {str(number)}
        if str(number) in known - found:
            assert number % 3 == 0
        known = found
        number += 2
    if path.exists():
        connection = sqlite3.connect(path)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        connection.close()
    assert len(known) > 10


# --- cost ----------------------------------------------------------------------------------------------------------


def test_asking_imports_nothing_heavy() -> None:
    code = "import sys, daypass.edges.targets.embedded.store; print('\\n'.join(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    heavy = {"yaml", "pydantic", "click", "jsonschema", "git", "cel_expr_python", "securesystemslib", "subprocess"}
    heavy |= {"msgspec", "dataclasses"}
    assert "sqlite3" in loaded
    assert not heavy & set(loaded)
    assert not [name for name in loaded if name.startswith(("daypass.ports", "daypass.core.plan"))]


def test_it_says_how_it_is_found(tmp_path):
    target = EmbeddedTarget(tmp_path / "s.sqlite", "main")
    assert target.health().facts == (f"the store {tmp_path}/s.sqlite is not there yet; the first change makes it",)
    add(target, ALICE, UNTIL)
    found = target.health()
    assert (found.facts, found.concerns) == ((f"the store {tmp_path}/s.sqlite holds 1 entitlement of main",), ())


# The name of what it holds, by which a run goes by what an earlier one found.


def named(path: Path, *rows: tuple[str, str, str, str], number: str = "1") -> str:
    """Return the name of a store in which just these rows of a target stand."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM entitlements")
        connection.executemany("INSERT INTO entitlements VALUES ('embedded', ?, ?, ?, ?)", rows)
        connection.execute("UPDATE store SET number = ?", (number,))
    connection.close()
    target = EmbeddedTarget(path, "embedded")
    target.observe()
    return repr(target.fingerprint())


def test_whoever_writes_the_file_makes_no_row_pass_for_two(target: EmbeddedTarget, path: Path) -> None:
    add(target, ALICE, UNTIL)
    end = "2040-01-02T03:04:05Z"
    for between, after in (("\0", "\n"), ("', '", "'), ('"), ("\x1f", "\x1e")):
        two = named(path, ("db", "alice", "read", end), ("db", "eve", "write", end))
        texts = between.join(["read", end]) + after + between.join(["db", "eve", "write"])
        assert named(path, ("db", "alice", texts, end)) != two


def test_each_part_of_a_row_and_the_stores_number_is_in_the_name(target: EmbeddedTarget, path: Path) -> None:
    add(target, ALICE, UNTIL)
    row = ("db", "alice", "read", "2040-01-02T03:04:05Z")
    names = [named(path, row), named(path, row, number="2"), named(path), named(path, row, ("db", "bob", *row[2:]))]
    names += [named(path, (*row[:n], f"{row[n]}x", *row[n + 1 :])) for n in range(4)]
    assert len({*names}) == len(names)
    assert named(path, ("db", "bob", *row[2:]), row) == names[3]  # in whatever order they were written


def test_very_many_rows_are_all_in_the_name(target: EmbeddedTarget, path: Path) -> None:
    add(target, ALICE, UNTIL)
    rows = [("db", f"person-{n:05}", "read", "2040-01-02T03:04:05Z") for n in range(2500)]
    assert named(path, *rows) == named(path, *rows)
    assert len({named(path, *rows[:n]) for n in (1999, 2000, 2001, 2499, 2500)}) == 5
