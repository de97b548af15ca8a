"""What earlier checks found, so that blobs which have not changed are not even read again.

A SQLite table beside the clone, keyed by blob and by *context*: the digest of the schema, the policies and the tool.
It is a cache of this machine's own work and nothing more; deleting it costs time only, and so does every failure of it:
what cannot be read is not known, what cannot be written is not kept.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from daypass.edges.trusted import discard, make_folder, others_may_write

Row = tuple[bytes, str, bytes]
"""(blob id, resource that the grant names, digest of what it means); only grants without findings are kept."""

_ASKED = 500
"""How many blobs one query asks for."""

_KEEP = 4
"""How many contexts are kept, so that switching between branches stays warm."""


class Verdicts:
    """The cache. A file that is unreadable or foreign is put aside and made anew."""

    def __init__(self, path: Path) -> None:
        try:
            planted = others_may_write(path)  # before the folder becomes ours alone
            make_folder(path.parent)
            self._connection = self._anew(path) if planted else self._open(path)
        except (OSError, sqlite3.DatabaseError):
            self._connection = self._anew(path)

    @classmethod
    def _anew(cls, path: Path) -> sqlite3.Connection:
        """Begin again; where the place cannot be written, remember for this run alone: a cache is no reason to fail."""
        try:
            discard(path)
            return cls._open(Path(":memory:") if others_may_write(path) else path)
        except (OSError, sqlite3.DatabaseError):
            return cls._open(Path(":memory:"))

    @staticmethod
    def _open(path: Path) -> sqlite3.Connection:
        connection = sqlite3.connect(path, timeout=30, isolation_level=None)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS context(id INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL) STRICT"
        )
        connection.execute(
            "CREATE TABLE IF NOT EXISTS clean(context INTEGER NOT NULL, blob BLOB NOT NULL, resource TEXT NOT NULL,"
            " meaning BLOB NOT NULL, PRIMARY KEY(context, blob)) STRICT, WITHOUT ROWID"
        )
        connection.execute("CREATE TABLE IF NOT EXISTS whole(tree TEXT PRIMARY KEY, answer TEXT NOT NULL) STRICT")
        return connection

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
        connection = self._connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            self._store(context, rows)
            connection.execute("COMMIT")
        except sqlite3.Error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")

    def _store(self, context: str, rows: Iterable[Row]) -> None:
        connection = self._connection
        connection.execute("INSERT OR IGNORE INTO context(name) VALUES (?)", (context,))
        ((number,),) = connection.execute("SELECT id FROM context WHERE name = ?", (context,)).fetchall()
        connection.executemany("INSERT OR REPLACE INTO clean VALUES (?, ?, ?, ?)", ((number, *row) for row in rows))
        old = "SELECT id FROM context ORDER BY id DESC LIMIT -1 OFFSET ?"
        connection.execute(f"DELETE FROM clean WHERE context IN ({old})", (_KEEP,))  # noqa: S608  (a constant)
        connection.execute(f"DELETE FROM context WHERE id IN ({old})", (_KEEP,))  # noqa: S608  (a constant)

    def whole(self, tree: str) -> str | None:
        """Return the answer of an earlier check of exactly this tree, None where there was none."""
        found = None
        with suppress(sqlite3.Error):
            found = self._connection.execute("SELECT answer FROM whole WHERE tree = ?", (tree,)).fetchone()
        return None if found is None else str(found[0])

    def store_whole(self, tree: str, answer: str) -> None:
        """Remember the answer of a whole check, and forget all but the newest few."""
        old = "SELECT rowid FROM whole ORDER BY rowid DESC LIMIT ?"
        with suppress(sqlite3.Error):
            self._connection.execute("INSERT OR REPLACE INTO whole(tree, answer) VALUES (?, ?)", (tree, answer))
            self._connection.execute(f"DELETE FROM whole WHERE rowid NOT IN ({old})", (_KEEP * 8,))  # noqa: S608  (a constant)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()
