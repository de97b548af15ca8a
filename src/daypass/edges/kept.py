"""What grant files hold, kept in the audit index: git takes long to put them together, and what was asked once is asked again.

It is a cache beside what git has, and no reason to fail or to wait: where another run is at the index, or nothing can be
written there, git is read. What was kept is held against its id, like what git gives, and git is asked whether it has it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path

from daypass.core.ids import Oid
from daypass.edges.git.objects import object_id, present
from daypass.edges.git.plumbing import Git
from daypass.edges.store import writing

LONGEST = 1 << 20
"""Nothing that people wrote into a grant is as long as this many bytes."""

_MOST, _AHEAD = 1000, 256  # what more files hold is not kept; so many are asked for at once
_PUT = "insert or replace into files select ?, ? where exists (select 1 from steps where plain and new = ?)"


class KeptFiles:
    """Files of one clone, kept in its index. Those alone that stood on main: what was asked for and never landed is git's."""

    def __init__(self, git: Git, path: Path) -> None:
        self._git = git
        self._path = path

    def contents(self, blobs: Collection[Oid]) -> Mapping[Oid, bytes]:
        """Return what files hold, by id; an object that is not there, or is no file, is left out."""
        listed = sorted(blobs) if len(blobs) <= _MOST else []
        told = [told for n in range(0, len(listed), _AHEAD) for told in self._git.checked(listed[n : n + _AHEAD])]
        if not listed or not all(one.kind for one in told):
            return dict(present(self._git, blobs, b"blob", limit=LONGEST))
        here = {one.oid for one in told if one.kind == b"blob"}
        kept = self._kept(listed)
        read = dict(present(self._git, sorted(here - kept.keys()), b"blob", limit=LONGEST))
        if read or kept.keys() - here:
            self._keep(read, kept.keys() - here)
        return {oid: raw for oid, raw in (kept | read).items() if oid in here}

    def _kept(self, oids: Sequence[Oid]) -> dict[Oid, bytes]:
        with suppress(sqlite3.Error), closing(self._connect()) as database:
            asked = "select oid, raw from files where oid in (select value from json_each(?))"
            rows = database.execute(asked, (json.dumps(oids),)).fetchall()
            return {Oid(oid): raw for oid, raw in rows if isinstance(raw, bytes) and _is(oid, raw)}
        return {}

    def _keep(self, read: Mapping[Oid, bytes], gone: Iterable[Oid]) -> None:
        """Keep what was read, and forget what git has no longer."""
        rows = [(oid, raw, bytes.fromhex(oid)) for oid, raw in read.items() if _is(oid, raw)]
        with suppress(sqlite3.Error), closing(self._connect()) as database:
            database.execute("pragma secure_delete = on")
            with writing(database):
                database.executemany(_PUT, rows)
                database.executemany("delete from files where oid = ?", [(oid,) for oid in gone])

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, timeout=0, isolation_level=None)


def _is(oid: str, raw: bytes) -> bool:
    return object_id("blob", raw, len(oid)) == oid
