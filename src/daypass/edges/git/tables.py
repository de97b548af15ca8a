"""The tables of the cached standing: what a delta writes, and mappings that read when first asked.

Words that repeat (handles, resources, roles, principals, privileges, digests of meanings) are kept once and named by
number, instants are seconds since 1970, proofs are compressed: 100,000 live grants take about 60 MB on disk, and a run
that needs only the slim rows reads a third of it.
"""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import TypeVar

from daypass.core.errors import EdgeError
from daypass.core.grant import GrantId, Oid, canonical
from daypass.core.plan import Entitlement, Holding, Intended
from daypass.core.receipt import Admission, Refusal
from daypass.core.standing import AdmittedGrant, Delta, Opened
from daypass.core.statement import body_from_dict, body_to_dict, change_from_dict
from daypass.core.window import Window

TABLES_VERSION = 1
"""Counts up when the tables below change."""

_TABLES = {
    "state": "name TEXT PRIMARY KEY, value TEXT NOT NULL",
    "word": "id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE",
    "entitlement": "id INTEGER PRIMARY KEY, target INTEGER NOT NULL, resource INTEGER NOT NULL,"
    " principal INTEGER NOT NULL, privilege INTEGER NOT NULL, UNIQUE(resource, principal, privilege, target)",
    "admitted": "grant_id TEXT PRIMARY KEY, blob BLOB NOT NULL, landing BLOB NOT NULL, subject INTEGER NOT NULL,"
    " resource INTEGER NOT NULL, role INTEGER NOT NULL, start INTEGER NOT NULL, until INTEGER NOT NULL,"
    " entitlement INTEGER NOT NULL, meaning INTEGER NOT NULL",
    "proof": "grant_id TEXT PRIMARY KEY, body BLOB NOT NULL",
    "refused": "grant_id TEXT PRIMARY KEY, blob TEXT NOT NULL, landing TEXT NOT NULL, code TEXT NOT NULL,"
    " message TEXT NOT NULL",
    "holding": "entitlement INTEGER PRIMARY KEY, grants TEXT NOT NULL, until INTEGER",
    "pending": "action TEXT NOT NULL, entitlement INTEGER NOT NULL, change TEXT NOT NULL,"
    " PRIMARY KEY(action, entitlement)",
}
_ROW = "grant_id, blob, landing, subject, resource, role, start, until, entitlement, meaning"

_K = TypeVar("_K")
_V = TypeVar("_V")


def begin_anew(connection: sqlite3.Connection) -> None:
    """Drop every table of ours and make them empty, inside the transaction that is open."""
    for name, columns in _TABLES.items():
        connection.execute(f"DROP TABLE IF EXISTS {name}")
        connection.execute(f"CREATE TABLE {name}({columns}) STRICT")


class Lazy(Mapping[_K, _V]):
    """A mapping that reads everything when it is first gone through, and single keys before that one by one."""

    __slots__ = ("_all", "_everything", "_find")

    def __init__(self, everything: Callable[[], dict[_K, _V]], find: Callable[[_K], _V | None] | None = None) -> None:
        self._everything = everything
        self._find = find
        self._all: dict[_K, _V] | None = None

    def _read(self) -> dict[_K, _V]:
        if self._all is None:
            self._all = _guarded(self._everything)
        return self._all

    def __getitem__(self, key: _K) -> _V:
        if self._all is None and self._find is not None:
            find = self._find
            found = _guarded(lambda: find(key))
            if found is None:
                raise KeyError(key)
            return found
        return self._read()[key]

    def __iter__(self) -> Iterator[_K]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())


def _guarded(call: Callable[[], _V]) -> _V:
    try:
        return call()
    except (sqlite3.Error, zlib.error, ValueError, LookupError, TypeError) as error:
        raise EdgeError(
            f"the cached standing cannot be read: {error}", hint="delete daypass/standing.sqlite in the git folder"
        ) from error


def utc(seconds: int) -> datetime:
    """Return the instant that is so many seconds after 1970 began."""
    return datetime.fromtimestamp(seconds, UTC)


class Reader:
    """Reads one state of the tables: the connection's transaction has begun and stays open as long as this lives."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._words: list[str] = []
        self._known: list[Entitlement] = []

    def __del__(self) -> None:
        self._connection.close()

    def rows(self) -> Mapping[GrantId, AdmittedGrant]:
        """Return the slim rows, ordered by grant."""
        return Lazy(self._rows, self._row)

    def admissions(self) -> Mapping[GrantId, Admission]:
        """Return the whole proofs, each read when it is asked for."""
        return Lazy(self._admissions, self._admission)

    def refusals(self) -> Mapping[GrantId, Refusal]:
        """Return what was refused."""
        return Lazy(self._refusals)

    def holdings(self) -> Mapping[Entitlement, Holding]:
        """Return what is ours."""
        return Lazy(self._holdings)

    def pending(self) -> Mapping[Opened, Intended]:
        """Return what was begun and not finished."""
        return Lazy(self._pending)

    def _query(self, sql: str, *values: str) -> sqlite3.Cursor:
        return self._connection.execute(sql, values)

    def _load_words(self) -> tuple[list[str], list[Entitlement]]:
        """Read words and entitlements by number; both are numbered from 1 without a gap."""
        if not self._words:
            words = ["", *(text for (text,) in self._query("SELECT text FROM word ORDER BY id"))]
            listed = self._query("SELECT target, resource, principal, privilege FROM entitlement ORDER BY id")
            known = [Entitlement(words[t], words[r], words[p], words[v]) for t, r, p, v in listed]
            self._words, self._known = words, [Entitlement("", "", "", ""), *known]
        return self._words, self._known

    def _rows(self) -> dict[GrantId, AdmittedGrant]:
        words, known = self._load_words()
        return {
            grant: AdmittedGrant(
                grant,
                Oid(blob.hex()),
                Oid(landing.hex()),
                words[subject],
                words[resource],
                words[role],
                Window(utc(start), utc(until)),
                known[entitlement],
                words[meaning],
            )
            for grant, blob, landing, subject, resource, role, start, until, entitlement, meaning in self._query(
                f"SELECT {_ROW} FROM admitted ORDER BY grant_id"  # noqa: S608  (a constant)
            )
        }

    def _row(self, grant: GrantId) -> AdmittedGrant | None:
        found = self._admission(grant)
        return AdmittedGrant.of(found) if found is not None else None

    def _admission(self, grant: GrantId) -> Admission | None:
        found = self._query("SELECT body FROM proof WHERE grant_id = ?", grant).fetchone()
        return _unpack(found[0]) if found is not None else None

    def _admissions(self) -> dict[GrantId, Admission]:
        listed = self._query("SELECT grant_id, body FROM proof ORDER BY grant_id")
        return {GrantId(grant): _unpack(body) for grant, body in listed}

    def _refusals(self) -> dict[GrantId, Refusal]:
        listed = self._query("SELECT grant_id, blob, landing, code, message FROM refused ORDER BY grant_id")
        return {GrantId(row[0]): Refusal(*row) for row in listed}

    def _holdings(self) -> dict[Entitlement, Holding]:
        _, known = self._load_words()
        listed = [
            Holding(known[number], tuple(GrantId(g) for g in grants.split("\n") if g), utc(until) if until else None)
            for number, grants, until in self._query("SELECT entitlement, grants, until FROM holding")
        ]
        return {holding.entitlement: holding for holding in listed}

    def _pending(self) -> dict[Opened, Intended]:
        listed = [change_from_dict(json.loads(text)) for (text,) in self._query("SELECT change FROM pending")]
        listed.sort(key=lambda change: (change.entitlement, change.action.value))
        return {(change.action, change.entitlement): change for change in listed}


def _unpack(body: bytes) -> Admission:
    found = body_from_dict("admitted", json.loads(zlib.decompress(body)))
    assert isinstance(found, Admission)  # noqa: S101  (the kind says so)
    return found


class Writer:
    """Writes deltas inside the transaction that is open."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._words: dict[str, int] = {}
        self._entitlements: dict[Entitlement, int] = {}

    def write(self, delta: Delta) -> None:
        """Put what changed in place of what was."""
        self._admissions(delta.admissions)
        self._change("refused", 5, delta.refusals, lambda g, r: (g, r.blob, r.landing, r.code, r.message))
        number = {entitlement: (self._entitlement(entitlement),) for entitlement in delta.holdings}
        gone = [number[entitlement] for entitlement, holding in delta.holdings.items() if holding is None]
        self._connection.executemany("DELETE FROM holding WHERE entitlement = ?", gone)
        self._connection.executemany(
            "INSERT OR REPLACE INTO holding VALUES (?, ?, ?)",
            [
                (*number[entitlement], "\n".join(holding.grants), _seconds(holding.until))
                for entitlement, holding in delta.holdings.items()
                if holding is not None
            ],
        )
        self._pending(delta.pending)

    def _admissions(self, changed: Mapping[GrantId, Admission | None]) -> None:
        self._change("admitted", 10, changed, self._slim)
        self._change("proof", 2, changed, lambda g, a: (g, zlib.compress(canonical(body_to_dict(a)[1]).encode(), 1)))

    def _slim(self, grant: GrantId, admission: Admission) -> tuple[object, ...]:
        return (
            grant,
            bytes.fromhex(admission.blob),
            bytes.fromhex(admission.landing),
            self._word(admission.subject),
            self._word(admission.resource),
            self._word(admission.role),
            _seconds(admission.window.start),
            _seconds(admission.window.end),
            self._entitlement(admission.entitlement),
            self._word(admission.meaning),
        )

    def _change(
        self,
        table: str,
        columns: int,
        changed: Mapping[GrantId, _V | None],
        row: Callable[[GrantId, _V], tuple[object, ...]],
    ) -> None:
        gone = [(grant,) for grant, value in changed.items() if value is None]
        self._connection.executemany(f"DELETE FROM {table} WHERE grant_id = ?", gone)  # noqa: S608  (our own names)
        marks = ", ".join("?" * columns)
        self._connection.executemany(
            f"INSERT OR REPLACE INTO {table} VALUES ({marks})",  # noqa: S608  (our own names)
            [row(grant, value) for grant, value in changed.items() if value is not None],
        )

    def _pending(self, changed: Mapping[Opened, Intended | None]) -> None:
        keyed = [(action.value, self._entitlement(e), change) for (action, e), change in changed.items()]
        self._connection.executemany(
            "DELETE FROM pending WHERE action = ? AND entitlement = ?", [(a, e) for a, e, change in keyed if not change]
        )
        self._connection.executemany(
            "INSERT OR REPLACE INTO pending VALUES (?, ?, ?)",
            [(a, e, canonical(change.to_dict())) for a, e, change in keyed if change is not None],
        )

    def _word(self, text: str) -> int:
        number = self._words.get(text)
        if number is None:
            number = self._number("word", ("text",), (text,))
            self._words[text] = number
        return number

    def _entitlement(self, entitlement: Entitlement) -> int:
        number = self._entitlements.get(entitlement)
        if number is None:
            fields = (entitlement.target, entitlement.resource, entitlement.principal, entitlement.privilege)
            values = tuple(self._word(text) for text in fields)
            number = self._number("entitlement", ("target", "resource", "principal", "privilege"), values)
            self._entitlements[entitlement] = number
        return number

    def _number(self, table: str, columns: tuple[str, ...], values: Iterable[object]) -> int:
        """Return the number of a row, new or there already; numbers have no gap since rows are never deleted."""
        given = tuple(values)
        where = " AND ".join(f"{column} = ?" for column in columns)
        found = self._connection.execute(f"SELECT id FROM {table} WHERE {where}", given).fetchone()  # noqa: S608
        if found is None:
            marks = ", ".join("?" * len(columns))
            sql = f"INSERT INTO {table}({', '.join(columns)}) VALUES ({marks}) RETURNING id"  # noqa: S608  (our names)
            found = self._connection.execute(sql, given).fetchone()
        return int(found[0])


def _seconds(instant: datetime | None) -> int | None:
    return int(instant.timestamp()) if instant is not None else None
