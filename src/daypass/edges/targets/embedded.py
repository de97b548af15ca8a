"""The embedded target: entitlements in one SQLite file beside the repository, for programs that ask.

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

import hashlib
import os
import sqlite3
import stat
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from daypass.core.errors import EdgeError
from daypass.edges.targets.each import OneByOne, check_mine

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime
    from pathlib import Path

    from daypass.core.drift import Inspection
    from daypass.core.plan import Entitlement, Found, Numbers
    from daypass.ports import Abilities, Health

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
_ADD = (
    "INSERT INTO entitlements(target, resource, principal, privilege, until) VALUES (?, ?, ?, ?, ?)"
    " ON CONFLICT DO UPDATE SET until = excluded.until WHERE until <> excluded.until"
)
_KEY = "target = ? AND resource = ? AND principal = ? AND privilege = ?"
_HINT = "restore it from a backup, or move it away: of what was given in it `daypass ledger settle` then ends the doubt"


def holds(path: Path, entitlement: Entitlement) -> bool:
    """Say whether an entitlement exists now. Raises EdgeError when the store cannot tell."""
    if not _exists(path):
        return False
    with _translated(path), _reading(path) as connection:
        query = f"SELECT 1 FROM entitlements WHERE {_KEY}"  # noqa: S608  (a constant; values are bound)
        return connection.execute(query, _key(entitlement)).fetchone() is not None


class EmbeddedTarget(OneByOne):
    """The entitlements of one target, ``name``, in the store at ``path``. Implements ports.Target.

    Several targets may share a store; each sees its own rows. The store is made at the first write, mode 0600.
    """

    def __init__(self, path: Path, name: str) -> None:
        from daypass.ports import Abilities  # noqa: PLC0415  (`holds` must not pay for it)

        self.abilities: Abilities = Abilities(
            native_expiry=False, complete_observation=True, marks=True, dates=True, numbers=True
        )
        self.path = path
        self.name = name
        self._writer: sqlite3.Connection | None = None
        self._seen: frozenset[Entitlement] = frozenset()

    def health(self) -> Health:
        """Say where the store is and whether it is whole. Raises EdgeError when it cannot be read."""
        from daypass.ports import Health  # noqa: PLC0415  (`holds` must not pay for it)

        count = len(self.observe())
        place = f"the store {self.path}"
        if not _exists(self.path):
            return Health((f"{place} is not there yet; the first change makes it",))
        concerns = () if os.access(self.path, os.W_OK) else (f"{place} cannot be written",)
        return Health((f"{place} holds {count} entitlements of {self.name}",), concerns)

    def inspect(self) -> Inspection:
        """Say that the file holds nothing but entitlements. Raises EdgeError when it cannot be read."""
        from daypass.core.drift import Inspection  # noqa: PLC0415  (`holds` must not pay for it)

        self.observe()
        unseen = "whom the programs that read this file let in besides, and who may write the file"
        what = (
            f"every row of {self.path}"
            if _exists(self.path)
            else f"whether there is a store {self.path}: there is none"
        )
        return Inspection((what,), (unseen,))

    def observe(self) -> frozenset[Entitlement]:
        """Return every entitlement that exists now. Raises EdgeError when the store cannot be read whole."""
        self._seen = self._observed()
        return self._seen

    def _observed(self) -> frozenset[Entitlement]:
        from daypass.core.plan import Entitlement  # noqa: PLC0415  (`holds` must not pay for it)

        if not _exists(self.path):
            return frozenset()
        with _translated(self.path), _reading(self.path) as connection:
            _check_whole(self.path, connection)
            rows = connection.execute(
                "SELECT resource, principal, privilege FROM entitlements WHERE target = ?", (self.name,)
            )
            # Few texts stand in many rows: one copy of each is smaller, and is hashed once.
            known: dict[str, str] = {}
            one = known.setdefault
            return frozenset(Entitlement(self.name, one(r, r), one(who, who), one(what, what)) for r, who, what in rows)

    def ends(self, entitlements: Iterable[Entitlement]) -> Mapping[Entitlement, datetime | None]:
        """Return the ends that are noted; one that somebody noted in another form is nobody's knowledge."""
        from daypass.core.plan import Entitlement  # noqa: PLC0415  (`holds` must not pay for it)
        from daypass.core.window import parse_instant  # noqa: PLC0415  (likewise)

        wanted = set(entitlements)
        found: dict[Entitlement, datetime | None] = {}
        if not wanted or not _exists(self.path):
            return found
        with _translated(self.path), _reading(self.path) as connection:
            _check_whole(self.path, connection)
            query = "SELECT resource, principal, privilege, until FROM entitlements WHERE target = ?"
            for resource, who, what, until in connection.execute(query, (self.name,)):
                one = Entitlement(self.name, resource, who, what)
                if one in wanted:
                    with suppress(ValueError):
                        found[one] = parse_instant(until)
        return found

    def find(self, ours: Mapping[Entitlement, Numbers]) -> Mapping[Entitlement, Found]:
        """Say what the last `observe` saw of entitlements: of those that were given in another store nobody can tell."""
        from daypass.core.plan import Found  # noqa: PLC0415  (`holds` must not pay for it)

        number = self._number()
        found = {}
        for entitlement, known in ours.items():
            given = dict(known).get("store", "")
            if given and given != number:
                what = "is another one than it was given in" if number else "is not there"
                found[entitlement] = Found(None, f"the store {self.path} {what}; that had the number {given}")
            else:
                numbers = (("store", number),) if number else ()
                found[entitlement] = Found(entitlement in self._seen, numbers=numbers)
        return found

    def _number(self) -> str:
        """Return the store's number, "" where there is none."""
        if not _exists(self.path):
            return ""
        with _translated(self.path), _reading(self.path) as connection:
            there = connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'store'").fetchone()
            row = connection.execute("SELECT number FROM store").fetchone() if there else None
            return str(row[0]) if row else ""

    def fingerprint(self) -> str:
        """Return a digest of the rows that `observe` would return. Raises EdgeError when they cannot be read."""
        if not _exists(self.path):
            return "none"
        with _translated(self.path), _reading(self.path) as connection:
            _check_whole(self.path, connection)
            rows = connection.execute(
                "SELECT resource || char(0) || principal || char(0) || privilege FROM entitlements WHERE target = ?"
                " ORDER BY resource, principal, privilege",
                (self.name,),
            )
            return hashlib.sha256("\n".join(row for (row,) in rows).encode()).hexdigest()

    def add(self, entitlement: Entitlement, until: datetime) -> None:
        """Make the entitlement exist, noted until an aware instant. Raises EdgeError."""
        from daypass.core.window import format_instant  # noqa: PLC0415  (`holds` must not pay for it)

        self._write(_ADD, (*self._mine(entitlement), format_instant(until)))

    def remove(self, entitlement: Entitlement) -> None:
        """Make the entitlement not exist. Raises EdgeError."""
        key = self._mine(entitlement)
        if _exists(self.path):
            self._write(f"DELETE FROM entitlements WHERE {_KEY}", key)  # noqa: S608  (a constant; values are bound)

    def _mine(self, entitlement: Entitlement) -> tuple[str, str, str, str]:
        check_mine(self.name, entitlement)
        return _key(entitlement)

    def _write(self, statement: str, values: tuple[str, ...]) -> None:
        with _translated(self.path):
            connection = self._open_writer()
            connection.execute("BEGIN IMMEDIATE")  # waits for its turn, so that no write starts and then fails
            try:
                connection.execute(statement, values)
                connection.execute("COMMIT")
            except BaseException:
                connection.execute("ROLLBACK")
                raise

    def _open_writer(self) -> sqlite3.Connection:
        if self._writer is None:
            if not _exists(self.path):
                _create(self.path)
            connection = _connect(self.path, "rw")
            weakref.finalize(self, connection.close)
            connection.execute("PRAGMA synchronous = FULL")
            connection.executescript(f"BEGIN IMMEDIATE; {_NUMBERED}; COMMIT")  # a store of an earlier version has none
            self._writer = connection
        return self._writer


def _key(entitlement: Entitlement) -> tuple[str, str, str, str]:
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


def _exists(path: Path) -> bool:
    """Say whether there is a store. Raises EdgeError for what cannot be one."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        if os.path.lexists(f"{path}-wal"):
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


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    connection = _connect(path, "ro")
    try:
        yield connection
    finally:
        connection.close()


def _create(path: Path) -> None:
    """Make an empty store under another name and move it into place; when somebody was first, theirs stands."""
    from tempfile import mkstemp  # noqa: PLC0415  (only once in a store's life)

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
        _sync_folder(path.parent)
    finally:
        os.unlink(draft)  # noqa: PTH108  (the name is text here)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
