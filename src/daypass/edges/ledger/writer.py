"""The tables of the cached standing, and writing deltas into them."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import msgspec

from daypass.core.errors import EdgeError, LockedError
from daypass.core.ids import GrantId, canonical
from daypass.core.ledger.receipt import Admission
from daypass.core.ledger.records import forget_before, held_after
from daypass.core.ledger.standing import Begun, Delta, FailedChange, Opened
from daypass.core.ledger.statement import CHANGE, ENDED
from daypass.core.plan import Entitlement, Holding, Intended, Numbers
from daypass.core.window import Part, format_instant
from daypass.edges.ledger.tables import PACKED, WHICH
from daypass.edges.store import BUSY, usable

TABLES_VERSION = 21
"""Counts up when the tables below change."""

_WORDS = "target INTEGER, resource INTEGER, principal INTEGER, privilege INTEGER"
_KEY = "resource, principal, privilege, target"
_TABLES = {
    "state": "name TEXT PRIMARY KEY, value TEXT NOT NULL",
    "word": "id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE",
    "admitted": "grant_id TEXT PRIMARY KEY, packed BLOB NOT NULL",
    "proof": "grant_id TEXT PRIMARY KEY, body BLOB NOT NULL",
    "refused": "grant_id TEXT PRIMARY KEY, blob TEXT NOT NULL, landing TEXT NOT NULL, code TEXT NOT NULL,"
    " message TEXT NOT NULL",
    "holding": f"{_WORDS}, grants TEXT NOT NULL, until INTEGER, numbers TEXT NOT NULL, PRIMARY KEY({_KEY})",
    "taken": f"{_WORDS}, numbers TEXT NOT NULL, PRIMARY KEY({_KEY}, numbers)",
    "revoked": "grant_id TEXT PRIMARY KEY",
    "ended": "grant_id TEXT PRIMARY KEY, body TEXT NOT NULL",
    "decided": "pull INTEGER, head TEXT, what TEXT, at INTEGER NOT NULL, requester TEXT NOT NULL,"
    " PRIMARY KEY(pull, head, what)",
    "voided": f"{_WORDS}, change TEXT NOT NULL, PRIMARY KEY({_KEY})",
    "held": "grant_id TEXT, sequence INTEGER, subject INTEGER, role INTEGER, start INTEGER, until INTEGER, parts TEXT,"
    " PRIMARY KEY(grant_id, sequence)",
    "approved": "resource TEXT, handle TEXT, at INTEGER NOT NULL, PRIMARY KEY(resource, handle)",
    "unreviewed": "grant_id TEXT, landing TEXT, awaited TEXT NOT NULL, PRIMARY KEY(grant_id, landing)",
    "reviewed": "grant_id TEXT PRIMARY KEY, landing TEXT NOT NULL",
    "watched": "grant_id TEXT PRIMARY KEY, conditions TEXT NOT NULL",
    "departed": "number TEXT PRIMARY KEY, person TEXT NOT NULL, code TEXT NOT NULL, at INTEGER NOT NULL",
    "moved": "name TEXT PRIMARY KEY, sequence INTEGER NOT NULL",
    "seen": "main TEXT PRIMARY KEY, at INTEGER NOT NULL",
    "pending": f"action TEXT, {_WORDS}, change TEXT NOT NULL, PRIMARY KEY(action, {_KEY})",
    "handed": f"sequence INTEGER PRIMARY KEY, {_WORDS}, grants TEXT NOT NULL, until INTEGER NOT NULL, text TEXT NOT NULL,"
    " ended INTEGER NOT NULL",
}
_CLUSTERED = frozenset(_TABLES) - {"state", "word", "proof", "decided", "seen", "handed"}

_Number4 = tuple[int, int, int, int]

_V = TypeVar("_V")


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Say what is wrong with the file of what was verified. Raises LockedError, EdgeError."""
    try:
        with usable(path):
            yield
    except EdgeError as error:
        if getattr(error.__cause__, "sqlite_errorcode", None) in BUSY:
            raise LockedError(
                f"another run is writing {path}", hint="wait for it to end and run the command again"
            ) from error
        raise
    except OSError as error:
        raise EdgeError(f"{path} cannot be used: {error.strerror}", hint="it must be writable") from error


def begin_anew(connection: sqlite3.Connection) -> None:
    """Drop every table of ours and make them empty, inside the transaction that is open."""
    for name, columns in _TABLES.items():
        connection.execute(f"DROP TABLE IF EXISTS {name}")
        kind = "STRICT, WITHOUT ROWID" if name in _CLUSTERED else "STRICT"
        connection.execute(f"CREATE TABLE {name}({columns}) {kind}")


class Writer:
    """Writes deltas inside the transaction that is open."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._words: dict[str, int] = {}

    def write(self, delta: Delta) -> None:
        """Put what changed in place of what was."""
        self._change("admitted", delta.admissions, self._packed)
        self._change("proof", delta.admissions, lambda a: (zlib.compress(msgspec.json.encode(a), 1),))
        self._change("refused", delta.refusals, lambda r: (r.blob, r.landing, r.code, r.message))
        self._change("revoked", delta.revoked, lambda _: ())
        self._change("reviewed", delta.reviewed, lambda landing: (landing,))
        self._change("watched", delta.watched, lambda conditions: (canonical(dict(conditions)),))
        left = [(number,) for number, one in delta.departed.items() if one is None]
        self._run("DELETE FROM departed WHERE number = ?", left)
        told = [(n, one.person, one.code, _seconds(one.at)) for n, one in delta.departed.items() if one is not None]
        self._put("departed", told)
        gone = [key for key, awaited in delta.unreviewed.items() if awaited is None]
        self._run("DELETE FROM unreviewed WHERE grant_id = ? AND landing = ?", gone)
        waits = [(*key, msgspec.json.encode(one).decode()) for key, one in delta.unreviewed.items() if one is not None]
        self._put("unreviewed", waits)
        self._change("ended", delta.ends, lambda end: (canonical(ENDED.write(end)),))
        self._taken(delta.taken)
        self._holdings(delta.holdings)
        self._pending(delta.begun)
        self._voided(delta.voided)
        self._handed(delta)
        self._held(delta)
        self._put(
            "decided",
            [(*key[:2], key[2].value, _seconds(told.at), told.requester) for key, told in delta.decided.items()],
        )
        self._run(
            "INSERT INTO approved VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET at = max(at, excluded.at)",
            [(*key, _seconds(at)) for key, at in delta.approved.items()],
        )
        self._put("moved", [*delta.moved.items()])
        seen = [(main, _seconds(at)) for main, at in delta.seen.items()]
        self._run("INSERT OR IGNORE INTO seen VALUES (?, ?)", seen)

    def _packed(self, admission: Admission) -> tuple[bytes]:
        blob = bytes.fromhex(admission.blob)
        numbers = (
            *self._which(admission.entitlement),
            self._word(admission.subject),
            self._word(admission.resource),
            self._word(admission.role),
            self._word(admission.meaning),
            self._word(admission.purpose),
            self._word(_rest_text(admission)),
            _seconds(admission.window.start),
            _seconds(admission.window.end),
            len(blob),
        )
        return (PACKED.pack(*numbers) + blob + bytes.fromhex(admission.landing),)

    def _change(
        self, table: str, changed: Mapping[GrantId, _V | None], row: Callable[[_V], tuple[object, ...]]
    ) -> None:
        gone = [(grant,) for grant, value in changed.items() if value is None]
        self._run(f"DELETE FROM {table} WHERE grant_id = ?", gone)  # noqa: S608  (our own names)
        self._put(table, [(grant, *row(value)) for grant, value in changed.items() if value is not None])

    def _taken(self, changed: Mapping[Entitlement, Collection[Numbers | None]]) -> None:
        """Put down what was taken away, while the tables still say how it was held before."""
        unsaid = [self._which(entitlement) for entitlement, told in changed.items() if None in told]
        held = f"SELECT target, resource, principal, privilege, numbers FROM holding WHERE {WHICH}"  # noqa: S608  (a constant)
        self._run(f"INSERT OR IGNORE INTO taken {held}", unsaid)
        new = f"SELECT ?, ?, ?, ?, '' WHERE NOT EXISTS (SELECT 1 FROM taken WHERE {WHICH})"  # noqa: S608  (a constant)
        self._run(f"INSERT INTO taken {new}", [(*which, *which) for which in unsaid])
        said = ((self._which(e), n) for e, told in changed.items() for n in told if n is not None)
        self._put("taken", [(*which, _numbers_text(numbers)) for which, numbers in said])

    def _holdings(self, changed: Mapping[Entitlement, Holding | None]) -> None:
        gone = [self._which(entitlement) for entitlement, holding in changed.items() if holding is None]
        self._run(f"DELETE FROM holding WHERE {WHICH}", gone)  # noqa: S608  (a constant)
        held = (holding for holding in changed.values() if holding is not None)
        self._put(
            "holding",
            [
                (
                    *self._which(h.entitlement),
                    "\n".join(h.grants),
                    _seconds(h.until) if h.until is not None else None,
                    _numbers_text(h.numbers),
                )
                for h in held
            ],
        )

    def _pending(self, changed: Mapping[Opened, Begun | None]) -> None:
        gone = [(a.value, *self._which(e)) for (a, e), begun in changed.items() if begun is None]
        self._run(f"DELETE FROM pending WHERE action = ? AND {WHICH}", gone)  # noqa: S608  (a constant)
        opened = [
            (a.value, *self._which(e), _begun_text(begun)) for (a, e), begun in changed.items() if begun is not None
        ]
        self._put("pending", opened)

    def _voided(self, changed: Mapping[Entitlement, Intended | None]) -> None:
        gone = [self._which(entitlement) for entitlement, change in changed.items() if change is None]
        self._run(f"DELETE FROM voided WHERE {WHICH}", gone)  # noqa: S608  (a constant)
        told = [
            (*self._which(e), canonical(CHANGE.write(change))) for e, change in changed.items() if change is not None
        ]
        self._put("voided", told)

    def _handed(self, delta: Delta) -> None:
        # Most ledgers hand nothing over: there the table is empty, and nothing is looked for.
        if delta.cuts and self._connection.execute("SELECT 1 FROM handed").fetchone():
            cuts = [(*self._which(entitlement), _seconds(end)) for entitlement, end in delta.cuts.items()]
            self._run(f"UPDATE handed SET ended = 1 WHERE {WHICH} AND until > ?", cuts)  # noqa: S608  (a constant)
        rows = [
            (h.sequence, *self._which(h.entitlement), "\n".join(h.grants), _seconds(h.until), h.text, int(h.ended))
            for new in delta.handed.values()
            for h in new
        ]
        self._put("handed", rows)
        if delta.head is not None:
            self._run("DELETE FROM handed WHERE until <= ?", [(_seconds(forget_before(delta.head.at)),)])

    def _held(self, delta: Delta) -> None:
        cuts = [(_seconds(end), grant, _seconds(end)) for grant, end in delta.held_until.items()]
        self._run("UPDATE held SET until = ? WHERE grant_id = ? AND until > ?", cuts)
        self._run("DELETE FROM held WHERE grant_id = ? AND start >= until", [(grant,) for _, grant, _ in cuts])
        new = [(grant, place, *one) for grant, places in delta.held.items() for place, one in places.items()]
        self._put(
            "held",
            [
                (g, n, self._word(w), self._word(r), _seconds(s), _seconds(u), _parts_text(parts))
                for g, n, w, r, s, u, parts in new
            ],
        )
        if delta.head is not None:
            self._run("DELETE FROM held WHERE until <= ?", [(_seconds(held_after(delta.head.at)),)])

    def _put(self, table: str, rows: Sequence[tuple[object, ...]]) -> None:
        if rows:
            marks = ", ".join("?" * len(rows[0]))
            self._run(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", rows)  # noqa: S608  (our own names)

    def _run(self, sql: str, rows: Sequence[tuple[object, ...]]) -> None:
        self._connection.executemany(sql, rows)

    def _which(self, entitlement: Entitlement) -> _Number4:
        return (
            self._word(entitlement.target),
            self._word(entitlement.resource),
            self._word(entitlement.principal),
            self._word(entitlement.privilege),
        )

    def _word(self, text: str) -> int:
        """Return the number of a word, new or there already; numbers have no gap since no word is ever deleted."""
        number = self._words.get(text)
        if number is None:
            found = self._connection.execute("SELECT id FROM word WHERE text = ?", (text,)).fetchone()
            if found is None:
                found = self._connection.execute("INSERT INTO word(text) VALUES (?) RETURNING id", (text,)).fetchone()
            number = self._words[text] = int(found[0])
        return number


def _begun_text(begun: Begun) -> str:
    if not isinstance(begun, FailedChange):
        return canonical(CHANGE.write(begun))
    change, error, since, last, main = begun
    return canonical([CHANGE.write(change), error, format_instant(since), format_instant(last), main])


def _numbers_text(numbers: Numbers) -> str:
    return canonical(dict(numbers)) if numbers else ""


def _parts_text(parts: tuple[Part, ...]) -> str:
    return canonical([[_seconds(at) for at in part] for part in parts]) if parts else ""


def _rest_text(admission: Admission) -> str:
    """Write what few admissions have: moments that end it, and the intervals and the calendar of a window that recurs."""
    window = admission.window
    if not admission.due and not window.parts:
        return ""
    due = [[name, _seconds(at)] for name, at in admission.due]
    return canonical([due, [[_seconds(at) for at in part] for part in window.parts], window.calendar])


def _seconds(instant: datetime) -> int:
    return int(instant.timestamp())
