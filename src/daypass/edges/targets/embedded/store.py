"""The embedded target's store: entitlements in one SQLite file beside the repository, for programs that ask.

Other programs may read it at any time (open it read-only); only daypass writes it. Its tables, schema version 1::

    entitlements(target TEXT, resource TEXT, principal TEXT, privilege TEXT, until TEXT)
    store(number TEXT)

One row is one entitlement that exists now: ``target`` as the settings name it, ``resource`` as the catalogue does,
``principal`` the subject's name at the target, ``privilege`` the role's privilege as canonical JSON. The first four are
the key. ``until`` (``2026-11-21T09:00:00Z``) says when access is meant to end; nothing ends here by itself.

What holds whenever a process is killed: every call that returned is in the file, no call is there in part
(write-ahead log, synced at each commit, one writer at a time), and the file is either whole or absent, since it is
made under another name and moved into place.

``store`` has one row: a number that no other store has. Names of people and privileges are the very text that programs
compare; what can be moved, deleted or made anew is the store, and it is known by that number.

No file means that nothing was ever given here: what the ledger says was given in one is unknown then. A file that is
there and is not a whole store of a known version is an error and never an empty set (invariant 7).

Imports SQLite and nothing else of weight, since `holds` answers scripts.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from daypass.core.errors import EdgeError

if TYPE_CHECKING:
    from pathlib import Path

    from daypass.core.plan import Entitlement

APPLICATION_ID = 0x64617970
"""Marks a SQLite file as a store of ours ("dayp")."""

SCHEMA_VERSION = 1
"""Kept in the file's ``user_version``."""

PATIENCE = 10.0
"""How long to wait for another process's write, in seconds."""

_NUMBERED = """
CREATE TABLE IF NOT EXISTS store(number TEXT NOT NULL);
INSERT INTO store SELECT lower(hex(randomblob(16))) WHERE NOT EXISTS (SELECT 1 FROM store)
"""
_SCHEMA = f"""
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
BEGIN;
CREATE TABLE entitlements(
    target TEXT NOT NULL,
    resource TEXT NOT NULL,
    principal TEXT NOT NULL,
    privilege TEXT NOT NULL,
    until TEXT NOT NULL,
    PRIMARY KEY (target, resource, principal, privilege)
) STRICT, WITHOUT ROWID;
{_NUMBERED};
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {SCHEMA_VERSION};
COMMIT;
"""
ADD = (
    "INSERT INTO entitlements(target, resource, principal, privilege, until) VALUES (?, ?, ?, ?, ?)"
    " ON CONFLICT DO UPDATE SET until = excluded.until WHERE until <> excluded.until"
)
REMOVE = "DELETE FROM entitlements WHERE target = ? AND resource = ? AND principal = ? AND privilege = ?"
_HOLDS = "SELECT 1 FROM entitlements WHERE target = ? AND resource = ? AND principal = ? AND privilege = ?"
_HELD = (
    "SELECT resource, json_group_array(principal), json_group_array(privilege), json_group_array(until)"
    " FROM entitlements WHERE target = ? GROUP BY resource"  # which goes by the key, so that each is in order
)
_HINT = "restore it from a backup, or move it away: of what was given in it `daypass ledger settle` then ends the doubt"


Group = tuple[str, str, str, str]
"""A resource, and of its rows, in their order, the principals, privileges and ends: each of these a JSON array."""


def holds(path: Path, entitlement: tuple[str, str, str, str]) -> bool:
    """Say whether an entitlement, given by its fields, exists now. Raises EdgeError when the store cannot tell."""
    return bool([*rows(path, _HOLDS, *entitlement, whole=False)])


def key_of(entitlement: Entitlement) -> tuple[str, str, str, str]:
    """Return what a row is known by."""
    return (entitlement.target, entitlement.resource, entitlement.principal, entitlement.privilege)


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    """Turn failures of SQLite and of the file system into errors."""
    try:
        yield
    except sqlite3.Error as error:
        if "locked" in str(error):
            raise EdgeError(
                f"the store {path} is being written by another process, and was not free within {PATIENCE:g} s",
                hint="run the command again when the other run has ended",
            ) from error
        raise EdgeError(f"the store {path} cannot be used: {error}", hint=_HINT) from error
    except OSError as error:
        raise EdgeError(f"the store {path} cannot be used: {error.strerror}") from error
    except UnicodeEncodeError as error:
        raise EdgeError(f"expected text, got {error.object!r}, which no UTF-8 can write") from error


def rows(path: Path, query: str, *values: str, whole: bool = True) -> Iterator[tuple[Any, ...]]:
    """Yield what a query finds, nothing where there is no store; its pages are known to be ``whole``. Raises EdgeError."""
    with reading(path) as connection:
        if connection is not None:
            if whole:
                _check_whole(path, connection)
            yield from connection.execute(query, values)


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection | None]:
    """Open a store to be read, None where there is none. Raises EdgeError, for what is asked of it within as well."""
    if not exists(path):
        yield None
        return
    with _translated(path), closing(_connect(path, "ro")) as connection:
        yield connection


@contextmanager
def holding(path: Path, target: str) -> Iterator[tuple[str, Iterator[Group]]]:
    """Give the store's number, and by resource the rows of one target: SQLite puts very many together faster than we do.

    The number is "" where there is no store, or none that is numbered. All is of one instant. Raises EdgeError.
    """
    with reading(path) as connection:
        if connection is None:
            yield "", iter(())
            return
        connection.execute("BEGIN")
        _check_whole(path, connection)
        named = connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'store'").fetchone()
        number = connection.execute("SELECT number FROM store").fetchone() if named else None
        yield str(number[0]) if number else "", connection.execute(_HELD, (target,))


def open_writer(path: Path) -> sqlite3.Connection:
    """Open a store for `write`; it is made where there is none. Raises EdgeError."""
    with _translated(path):
        if not exists(path):
            _create(path)
        connection = _connect(path, "rw")
        try:
            connection.execute("PRAGMA synchronous = FULL")
            connection.executescript(f"BEGIN IMMEDIATE; {_NUMBERED}; COMMIT")  # earlier versions' stores have none
        except BaseException:
            connection.close()
            raise
        return connection


def write(path: Path, connection: sqlite3.Connection, statement: str, values: tuple[str, ...]) -> None:
    """Make one change, ADD or REMOVE, which is in the file when this returns. Raises EdgeError."""
    with _translated(path):
        connection.execute("BEGIN IMMEDIATE")  # waits for its turn, so that no write starts and then fails
        try:
            connection.execute(statement, values)
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise


def exists(path: Path) -> bool:
    """Say whether there is a store. Raises EdgeError for what cannot be one."""
    # Before the store: a run that makes one has it in place before there is a journal, so one made between the two
    # looks is never taken for lost.
    journal = os.path.lexists(f"{path}-wal")
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        if journal:
            raise EdgeError(f"the store {path} is gone, but its journal is there", hint=_HINT) from None
        return False
    except OSError as error:
        raise EdgeError(f"the store {path} cannot be used: {error.strerror}") from error
    if not stat.S_ISREG(found.st_mode):
        raise EdgeError(f"the store {path} is no plain file", hint="links and folders are not followed; move it away")
    if found.st_size == 0:
        # SQLite would take it for a store that is empty; ours is never empty, however it was interrupted.
        raise EdgeError(f"the store {path} was cut to nothing", hint=_HINT)
    return True


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    """Open a store that exists and check that it is ours and of a version we know."""
    place = os.fspath(path.absolute()).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    connection = sqlite3.connect(
        f"file:{place}?mode={mode}",
        uri=True,
        timeout=PATIENCE,
        isolation_level=None,
        check_same_thread=False,  # the last thread to hold a target may be another than the first; never two at once
    )
    try:
        _check_marks(path, connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _check_marks(path: Path, connection: sqlite3.Connection) -> None:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION_ID:
        raise EdgeError(f"the store {path} is a database of another program", hint="name another path in the settings")
    if version != SCHEMA_VERSION:
        raise EdgeError(
            f"the store {path} is of version {version}, expected {SCHEMA_VERSION}",
            hint="a newer daypass wrote it: use that one" if version > SCHEMA_VERSION else _HINT,
        )


def _check_whole(path: Path, connection: sqlite3.Connection) -> None:
    """Refuse a store whose pages are damaged: reading on would show fewer rows than there are."""
    (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        raise EdgeError(f"the store {path} is damaged: {found.splitlines()[-1]}", hint=_HINT)


def _create(path: Path) -> None:
    """Make an empty store under another name and move it into place; when somebody was first, theirs stands."""
    from tempfile import mkstemp  # noqa: PLC0415  (only once in a store's life)

    from daypass.edges.targets.common import sync_folder  # noqa: PLC0415  (likewise)

    for folder in reversed([path.parent, *path.parent.parents]):
        if not folder.exists():
            folder.mkdir(mode=0o700, exist_ok=True)
    descriptor, draft = mkstemp(prefix=f"{path.name}.", suffix=".new", dir=path.parent)  # mode 0600, for nobody else
    os.close(descriptor)
    try:
        connection = sqlite3.connect(draft, isolation_level=None)
        try:
            connection.executescript(_SCHEMA)
        finally:
            connection.close()  # the last one out writes the journal back, so that the draft is whole in one file
        try:
            os.link(draft, path)
        except FileExistsError:
            return
        sync_folder(path.parent)
    finally:
        os.unlink(draft)  # noqa: PTH108  (the name is text here)
