"""What this machine keeps beside the clone: SQLite files that nobody else may have written, opened here alone.

All of them are caches. Others' writing would speak for what they hold, so a file that somebody else could have written is
not believed, and one that cannot be read is made anew. Losing one costs time, and nothing else, but for the memory of how
far the ledger has been verified (see `daypass.edges.ledger.standing`).
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from daypass.core.errors import ConflictError, EdgeError

if TYPE_CHECKING:
    from daypass.core.planning.resting import Remembered

SIDE_FILES = ("", "-wal", "-shm", "-journal")
"""What SQLite reads beside a database, and believes as it believes the database."""


def state_folder() -> Path | None:
    """Return where this machine keeps its own state when told so by $DAYPASS_STATE: runners throw a clone away."""
    named = os.environ.get("DAYPASS_STATE")
    return Path(named).absolute() if named else None


def others_may_write(path: Path) -> bool:
    """Say whether somebody else could have written a file of the state folder, or one beside it that speaks for it.

    So it is where the folder itself lets others put files there. False for what is not there. Others are all but the
    user who runs this and the owner of the repository, who controls it anyhow. Raises OSError where nobody can look.
    """
    try:
        allowed = {os.geteuid(), path.parent.parent.stat().st_uid}
        folder = path.parent.lstat()
    except FileNotFoundError:
        return False
    if not stat.S_ISDIR(folder.st_mode) or _writable(folder, allowed):
        return True
    for end in SIDE_FILES:
        try:
            found = Path(f"{path}{end}").lstat()
        except FileNotFoundError:
            continue
        if not stat.S_ISREG(found.st_mode) or _writable(found, allowed):
            return True
    return False


@contextmanager
def usable(path: Path) -> Iterator[None]:
    """Turn failures of SQLite's at a cache into EdgeError: what it holds can be made anew, where there is room for it."""
    try:
        yield
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise unusable(path, error) from error


def unusable(path: Path, error: Exception) -> EdgeError:
    """Return the failure of a cache. One with a broken page is deleted: else each run would fail on it until somebody came.

    What is broken from its beginning on is made anew by who opens it, and all else may be no fault of the file.
    """
    hint = "it is a cache: it may be deleted. Is there room on the disk, and may this user write there?"
    if getattr(error, "sqlite_errorcode", 0) & _PRIMARY == sqlite3.SQLITE_CORRUPT:
        with suppress(OSError):
            discard(path)
            hint = "it was a broken cache, and is deleted: run the command again, which makes it anew"
    return EdgeError(f"{path} cannot be used: {error}", hint=hint)


def discard(path: Path) -> None:
    """Remove a cache with what lies beside it, so that nothing of it speaks for the next. Raises OSError."""
    for end in SIDE_FILES:
        Path(f"{path}{end}").unlink(missing_ok=True)


def make_folder(folder: Path) -> None:
    """Make the state folder, ours alone; one of ours that others may write to becomes so. Raises OSError.

    A folder that is there for all, by its sticky bit, stays as it is: closed, it would stop everybody's programs.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()
    ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()
    if ours and found.st_mode & 0o022 and not found.st_mode & stat.S_ISVTX:
        folder.chmod(0o700)


def _writable(found: os.stat_result, allowed: set[int]) -> bool:
    return bool(found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)) or found.st_uid not in allowed


_BROKEN = (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT)
_PRIMARY = 0xFF  # the part of a code of SQLite's that says which kind of failure it is
BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_PATIENCE = 60.0  # seconds to wait for another run that is writing


class _Connection(sqlite3.Connection):
    """A connection for whoever holds it: it is closed when nobody does any more, of which Python 3.13 would warn."""

    def __del__(self) -> None:
        self.close()


class Store:
    """One SQLite file of this machine's state, with these ``tables`` in it, in a folder that is ours alone.

    ``journal`` is SQLite's: ``wal`` lets others read while one writes, ``delete`` opens at once. So is ``synchronous``:
    ``EXTRA`` has a commit on the disk, whatever happens to the power, when it returns.
    """

    def __init__(
        self, path: Path, tables: Sequence[str] = (), *, journal: str = "wal", synchronous: str = "NORMAL"
    ) -> None:
        self.path = path
        self._tables = tables
        self._journal = journal
        self._synchronous = synchronous

    def read(self) -> sqlite3.Connection | None:
        """Open the file for reading alone; None where there is none that can be believed. Raises OSError, sqlite3.Error."""
        if not self.path.exists() or others_may_write(self.path):
            return None
        return sqlite3.connect(f"file:{self.path}?mode=ro", uri=True, timeout=_PATIENCE)

    def open(self) -> tuple[sqlite3.Connection, str]:
        """Open the file, making it or, where it cannot be used, making it anew; say why in that case.

        Raises EdgeError where nothing there can be believed; OSError, sqlite3.Error.
        """
        why = ""
        planted = others_may_write(self.path)  # before the folder becomes ours alone
        make_folder(self.path.parent)
        if planted:
            why = f"others may write {self.path}, so it is not believed"
        else:
            try:
                return self._connect(), ""
            except sqlite3.DatabaseError as error:
                if getattr(error, "sqlite_errorcode", None) not in _BROKEN:
                    raise
                why = f"{self.path} could not be read"
        discard(self.path)
        if others_may_write(self.path):
            raise EdgeError(
                f"others may write to {self.path.parent}, so nothing that is kept there can be believed",
                hint="make the folder yours alone, or name another with DAYPASS_STATE",
            )
        return self._connect(), why

    def keep(self) -> sqlite3.Connection:
        """Open a file that is no cache: what cannot be believed or read is left as it is, and never made anew.

        Raises EdgeError where others may write it; OSError, sqlite3.Error.
        """
        self._believed()
        make_folder(self.path.parent)
        return self._connect()

    def look(self) -> sqlite3.Connection:
        """Open a file that lies anywhere: neither it nor its folder is made ours, and no table is made in it.

        Raises EdgeError where others may write it; sqlite3.Error.
        """
        self._believed()
        # To write is allowed, so that SQLite undoes what a run that died had begun there.
        return sqlite3.connect(f"{self.path.as_uri()}?mode=rw", uri=True, timeout=_PATIENCE, isolation_level=None)

    def _believed(self) -> None:
        if others_may_write(self.path):
            raise EdgeError(
                f"others may write {self.path}, so it is not believed",
                hint="find out who wrote there; it is left as it is, and nothing of it counts",
            )

    def _connect(self) -> sqlite3.Connection:
        # SQLite would let the umask decide. A file that is there is not opened: closing it would let go of every lock
        # that this process holds on it through SQLite.
        with suppress(FileExistsError):
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        # Targets are served side by side, one thread at a time at the ledger: the last to hold a state may be another.
        connection = sqlite3.connect(
            self.path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False, factory=_Connection
        )
        try:
            connection.execute(f"PRAGMA journal_mode={self._journal}")
            connection.execute(f"PRAGMA synchronous={self._synchronous}")
            connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
            self.make(connection)
        except sqlite3.DatabaseError:
            connection.close()
            raise
        except UnicodeDecodeError as error:  # Python cannot read SQLite's words about what is broken in there
            connection.close()
            broken = sqlite3.DatabaseError(f"file is not a database: {error}")
            broken.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
            raise broken from error
        return connection

    def make(self, connection: sqlite3.Connection) -> None:
        """Make the tables that are not there."""
        for table in self._tables:
            connection.execute(f"CREATE TABLE IF NOT EXISTS {table}")


@contextmanager
def writing(connection: sqlite3.Connection) -> Iterator[None]:
    """Do all that the block does in one transaction, or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # else SQLite has undone it already
            connection.execute("ROLLBACK")
        raise


class AnswerCache:
    """What was worked out before, by kind and key: what cannot be read is not known, what cannot be written not kept.

    Implements ports.Memory.
    """

    def __init__(self, folder: Path) -> None:
        table = "answer(id INTEGER PRIMARY KEY, kind TEXT, key TEXT, value TEXT, UNIQUE(kind, key)) STRICT"
        self._store = Store(folder / "answers.sqlite", [table], journal="delete")

    def recall(self, kind: str, key: str = "") -> str | None:
        """Return what was kept, None for nothing."""
        found = None
        with suppress(OSError, sqlite3.Error, UnicodeError):
            connection = self._store.read()
            if connection is not None:
                with closing(connection):
                    asked = "SELECT value FROM answer WHERE kind = ? AND key = ?"
                    found = connection.execute(asked, (kind, key)).fetchone()
        return None if found is None else str(found[0])

    def keep(self, kind: str, value: str, key: str = "", *, most: int = 1) -> None:
        """Remember, and forget all of the kind but the newest ``most``."""
        old = "SELECT id FROM answer WHERE kind = ? ORDER BY id DESC LIMIT 1 OFFSET ?"
        with suppress(OSError, sqlite3.Error, EdgeError, UnicodeEncodeError):
            connection, _ = self._store.open()
            with closing(connection), writing(connection):
                put = "INSERT OR REPLACE INTO answer(kind, key, value) VALUES (?, ?, ?)"
                connection.execute(put, (kind, key, value))
                connection.execute(f"DELETE FROM answer WHERE kind = ? AND id <= ({old})", (kind, kind, most))  # noqa: S608  (a constant)

    def remembered(self) -> Remembered | None:
        """Return what the last run found, as kept; None where nothing is, or where it cannot be read."""
        from msgspec.json import decode  # noqa: PLC0415  (`can` starts without it)

        from daypass.core.planning.resting import Remembered  # noqa: PLC0415  (likewise)

        text = self.recall("remembered")
        try:
            return decode(text, type=Remembered) if text is not None else None
        except (ValueError, RecursionError):
            return None  # a cache that cannot be read is none

    def remember(self, found: Remembered) -> None:
        """Keep what a run found."""
        from msgspec.json import encode  # noqa: PLC0415  (likewise)

        self.keep("remembered", encode(found).decode())


Row = tuple[bytes, str, bytes]
"""(blob id, resource that the grant names, digest of what it means); only grants without findings are kept."""

_ASKED = 500
"""How many blobs one query asks for."""

_KEEP = 4
"""How many contexts are kept, so that switching between branches stays warm."""


class Verdicts:
    """What earlier checks found, so that blobs which have not changed are not even read again.

    It is keyed by blob and by *context*: the digest of the schema, the policies and the tool. Where the place cannot be
    written, it remembers for this run alone: a cache is no reason to fail.
    """

    def __init__(self, folder: Path) -> None:
        tables = (
            "context(id INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL) STRICT",
            "clean(context INTEGER NOT NULL, blob BLOB NOT NULL, resource TEXT NOT NULL, meaning BLOB NOT NULL,"
            " PRIMARY KEY(context, blob)) STRICT, WITHOUT ROWID",
            "whole(context INTEGER NOT NULL, name TEXT NOT NULL, tree TEXT NOT NULL, files INTEGER NOT NULL,"
            " PRIMARY KEY(context, name)) STRICT, WITHOUT ROWID",
        )
        store = Store(folder / "verdicts.sqlite", tables)
        try:
            self._connection, _ = store.open()
        except (OSError, sqlite3.Error, EdgeError):
            self._connection = sqlite3.connect(":memory:", isolation_level=None)
            store.make(self._connection)

    def known(self, context: str, blobs: Sequence[bytes]) -> dict[bytes, tuple[str, bytes]]:
        """Return which of some blobs are known to be clean: blob id -> (resource, digest of the grant's meaning)."""
        found: dict[bytes, tuple[str, bytes]] = {}
        with suppress(sqlite3.Error):
            numbers = self._connection.execute("SELECT id FROM context WHERE name = ?", (context,)).fetchall()
            for start in range(0, len(blobs) if numbers else 0, _ASKED):
                asked = blobs[start : start + _ASKED]
                marks = ",".join("?" * len(asked))
                query = f"SELECT blob, resource, meaning FROM clean WHERE context = ? AND blob IN ({marks})"  # noqa: S608  (marks)
                for blob, resource, meaning in self._connection.execute(query, (numbers[0][0], *asked)):
                    found[blob] = (resource, meaning)
        return found

    def store(self, context: str, rows: Iterable[Row]) -> None:
        """Remember clean blobs, and forget the oldest contexts."""
        with suppress(sqlite3.Error), writing(self._connection):
            number = self._number(context)
            put = "INSERT OR REPLACE INTO clean VALUES (?, ?, ?, ?)"
            self._connection.executemany(put, ((number, *row) for row in rows))

    def whole(self, context: str, folders: Mapping[str, str]) -> dict[str, int]:
        """Return which of some folders of grants, by name and id, are known to have nothing wrong, and how many files."""
        asked = "SELECT whole.name, tree, files FROM whole JOIN context ON context = id WHERE context.name = ?"
        with suppress(sqlite3.Error):
            found = self._connection.execute(asked, (context,)).fetchall()
            return {name: files for name, tree, files in found if folders.get(name) == tree}
        return {}

    def store_whole(self, context: str, folders: Iterable[tuple[str, str, int]]) -> None:
        """Remember folders that have nothing wrong: name, id, number of files. Of each name the last one stays."""
        with suppress(sqlite3.Error), writing(self._connection):
            number = self._number(context)
            put = "INSERT OR REPLACE INTO whole VALUES (?, ?, ?, ?)"
            self._connection.executemany(put, ((number, *row) for row in folders))

    def _number(self, context: str) -> int:
        """Return a context's number, and forget the oldest ones where it is new."""
        connection, old = self._connection, "SELECT id FROM context ORDER BY id DESC LIMIT -1 OFFSET ?"
        connection.execute("INSERT OR IGNORE INTO context(name) VALUES (?)", (context,))
        for table, column in (("clean", "context"), ("whole", "context"), ("context", "id")):
            connection.execute(f"DELETE FROM {table} WHERE {column} IN ({old})", (_KEEP,))  # noqa: S608  (constants)
        ((number,),) = connection.execute("SELECT id FROM context WHERE name = ?", (context,)).fetchall()
        return int(number)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold a lock file while the block runs; the kernel lets go of it when the process dies.

    Raises ConflictError when another process holds it: two appliers side by side would take each other's open intents
    for those of a run that died. Between machines the ledger's fast-forward decides who was first. Raises EdgeError where
    the file cannot be made.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise EdgeError(f"the lock {path} cannot be taken: {error.strerror}", hint="it must be writable") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConflictError(
                "another run is applying right now", hint=f"wait for it to end; it holds {path}"
            ) from None
        except OSError as error:  # some network file systems know no locks
            raise EdgeError(f"the lock {path} cannot be taken: {error.strerror}") from error
        yield
    finally:
        os.close(descriptor)
