"""The file of the audit index: SQLite beside the clone, and whether what lies there can be believed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from daypass.core.errors import EdgeError
from daypass.edges.store import others_may_write, usable, writing

NAME = "audit.sqlite"
"""The index, in the folder of this machine's state."""
VERSION = "8"
"""The form of what it holds; receipts are kept as their classes have them (`daypass.core.ledger.rows`)."""
NEW = "new"
"""What is wrong with an index that is not there."""
_WAIT = 60.0


class IndexFile:
    """The file at a path, opened anew for each question."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> tuple[dict[str, str], str]:
        """Return what the index says of itself, and why nothing in it can be used: "", or NEW where it is not there."""
        if not self.path.exists():
            return {}, NEW
        if others_may_write(self.path):
            return {}, "others may write the index, so it is not believed"
        try:
            meta = self.meta()
        except EdgeError as error:
            return {}, f"the index could not be read: {error.__cause__}"
        version = meta.get("version", "") if "main" in meta else ""
        if version != VERSION:
            return {}, f"the index has the format {version!r}, and this daypass writes {VERSION!r}"
        return meta, ""

    def meta(self) -> dict[str, str]:
        """Return what the index says of itself."""
        with self.opened() as database:
            return meta_of(database)

    def rows(self, query: str, values: tuple[str | int, ...]) -> list[Any]:
        """Return what a query finds."""
        with self.opened() as database, suppress(UnicodeEncodeError):  # every name in it is text
            return database.execute(query, values).fetchall()
        return []

    @contextmanager
    def opened(self) -> Iterator[sqlite3.Connection]:
        """Open it. Raises EdgeError for failures of SQLite's."""
        with usable(self.path), closing(sqlite3.connect(self.path, timeout=_WAIT, isolation_level=None)) as database:
            yield database

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Write to it, all that the block does or nothing."""
        with self.opened() as database, writing(database):
            yield database


def meta_of(database: sqlite3.Connection) -> dict[str, str]:
    """Return what an open index says of itself."""
    return dict(database.execute("select key, value from meta").fetchall())


def put(database: sqlite3.Connection, **values: str) -> None:
    """Write what it says of itself."""
    database.executemany("insert or replace into meta values (?, ?)", list(values.items()))
