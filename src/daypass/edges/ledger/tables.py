"""The tables of the cached standing: what a delta writes, and mappings that read when first asked.

Every run goes through all live grants, so the slim rows are made to be read fast: words that repeat (handles,
resources, roles, principals, privileges, digests of meanings) are kept once and named by number, and a row's numbers,
instants (seconds since 1970) and object ids are packed into one value. Whole proofs lie apart, compressed, and are
read one by one.
"""

from __future__ import annotations

import gc
import json
import sqlite3
import struct
import zlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, TypeVar

from daypass.core.errors import EdgeError
from daypass.core.grant import Moments
from daypass.core.ids import GrantId, Oid, canonical
from daypass.core.ledger.chain import Head
from daypass.core.ledger.receipt import Admission, DecidedKey, Ended, Refusal, Resolution
from daypass.core.ledger.records import Handed, forget_before
from daypass.core.ledger.standing import Begun, DecidedWhen, Delta, FailedChange, Opened, Standing, over
from daypass.core.ledger.statement import ADMISSION, CHANGE, ENDED
from daypass.core.plan import AdmittedGrant, Entitlement, Holding, Intended
from daypass.core.window import Window, format_instant, parse_instant

TABLES_VERSION = 11
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
    "taken": f"{_WORDS}, PRIMARY KEY({_KEY})",
    "revoked": "grant_id TEXT PRIMARY KEY",
    "ended": "grant_id TEXT PRIMARY KEY, body TEXT NOT NULL",
    "decided": "pull INTEGER, head TEXT, what TEXT, at INTEGER NOT NULL, requester TEXT NOT NULL,"
    " PRIMARY KEY(pull, head, what)",
    "voided": f"{_WORDS}, change TEXT NOT NULL, PRIMARY KEY({_KEY})",
    "approved": "resource TEXT, handle TEXT, at INTEGER NOT NULL, PRIMARY KEY(resource, handle)",
    "seen": "main TEXT PRIMARY KEY, at INTEGER NOT NULL",
    "pending": f"action TEXT, {_WORDS}, change TEXT NOT NULL, PRIMARY KEY(action, {_KEY})",
    "handed": f"sequence INTEGER PRIMARY KEY, {_WORDS}, grants TEXT NOT NULL, until INTEGER NOT NULL, text TEXT NOT NULL,"
    " ended INTEGER NOT NULL",
}
_PARTS = frozenset(vars(Standing())) - {"head", "commit"}
_CLUSTERED = frozenset({"admitted", "approved", "ended", "refused", "holding", "pending", "revoked", "taken", "voided"})
_WHICH = "target = ? AND resource = ? AND principal = ? AND privilege = ?"
_PACKED = struct.Struct("<4I6IqqB")
"""An entitlement's words, subject, resource, role, meaning, purpose, moments that end it, start, until, length of the blob's
id; both ids follow."""

_Number4 = tuple[int, int, int, int]

_V = TypeVar("_V")


def begin_anew(connection: sqlite3.Connection) -> None:
    """Drop every table of ours and make them empty, inside the transaction that is open."""
    for name, columns in _TABLES.items():
        connection.execute(f"DROP TABLE IF EXISTS {name}")
        kind = "STRICT, WITHOUT ROWID" if name in _CLUSTERED else "STRICT"
        connection.execute(f"CREATE TABLE {name}({columns}) {kind}")


def _guarded(call: Callable[[], _V]) -> _V:
    # Nothing that is read here can be garbage; looking for it again and again would take half of the time.
    collecting = gc.isenabled()
    gc.disable()
    try:
        return call()
    except (sqlite3.Error, struct.error, zlib.error, ValueError, LookupError, TypeError) as error:
        raise EdgeError(
            f"the cached standing cannot be read: {error}", hint="delete daypass/standing.sqlite in the git folder"
        ) from error
    finally:
        if collecting:
            gc.enable()


def utc(seconds: int) -> datetime:
    """Return the instant that is so many seconds after 1970 began."""
    return datetime.fromtimestamp(seconds, UTC)


class StoredStanding(Standing):
    """A standing as one state of the tables has it, each part read when it is first asked for.

    The connection's transaction has begun, and stays open as long as this lives: what others write is not seen.
    """

    def __init__(self, head: Head, commit: Oid, connection: sqlite3.Connection) -> None:
        vars(self).update(head=head, commit=commit)
        self._connection = connection
        self._words: list[str] = []
        self._known: dict[tuple[int, ...], Entitlement] = {}

    def __del__(self) -> None:
        self._connection.close()

    def __getattr__(self, name: str) -> Any:
        """Read a part for the first time; from then on it is an attribute like any other."""
        if name not in _PARTS:
            raise AttributeError(name)
        found = vars(self)[name] = _guarded(getattr(self, f"_{name}"))
        return found

    def admission(self, grant: GrantId) -> Admission | None:
        """Return one proof, without reading the others."""
        return _guarded(lambda: self._admission(grant))

    def _query(self, sql: str, *values: str) -> sqlite3.Cursor:
        return self._connection.execute(sql, values)

    def _word_list(self) -> list[str]:
        """Read the words by number; they are numbered from 1 without a gap."""
        if not self._words:
            self._words = ["", *(text for (text,) in self._query("SELECT text FROM word ORDER BY id"))]
        return self._words

    def _entitlement(self, *which: int) -> Entitlement:
        """Return one entitlement by its words' numbers, always the same object, so that comparing costs nothing."""
        found = self._known.get(which)
        if found is None:
            words = self._words
            found = Entitlement(words[which[0]], words[which[1]], words[which[2]], words[which[3]])
            self._known[which] = found
        return found

    def _rows(self) -> dict[GrantId, AdmittedGrant]:
        words, known = self._word_list(), self._entitlement
        unpack, instant, make = _PACKED.unpack_from, datetime.fromtimestamp, tuple.__new__
        found: dict[GrantId, AdmittedGrant] = {}
        for grant, packed in self._query("SELECT grant_id, packed FROM admitted ORDER BY grant_id"):
            target, asset, principal, privilege, subject, resource, role, meaning, purpose, due, start, until, cut = (
                unpack(packed)
            )
            ids = packed[_PACKED.size :].hex()
            window = Window(instant(start, UTC), instant(until, UTC))
            entitlement = known(target, asset, principal, privilege)
            found[grant] = make(
                AdmittedGrant,
                (
                    grant,
                    ids[: 2 * cut],
                    ids[2 * cut :],
                    words[subject],
                    words[resource],
                    words[role],
                    window,
                    entitlement,
                    words[meaning],
                    words[purpose],
                    _moments(words[due]) if words[due] else (),
                ),
            )
        found |= {grant: over(found[grant], end) for grant, end in self.ends.items() if grant in found}
        return found

    def _admission(self, grant: GrantId) -> Admission | None:
        found = self._query("SELECT body FROM proof WHERE grant_id = ?", grant).fetchone()
        return self._proof(grant, found[0]) if found is not None else None

    def _admissions(self) -> dict[GrantId, Admission]:
        listed = self._query("SELECT grant_id, body FROM proof ORDER BY grant_id")
        return {GrantId(grant): self._proof(grant, body) for grant, body in listed}

    def _proof(self, grant: GrantId, body: bytes) -> Admission:
        proof = ADMISSION.read(json.loads(zlib.decompress(body)))
        return over(proof, self.ends[grant]) if grant in self.ends else proof

    def _refusals(self) -> dict[GrantId, Refusal]:
        listed = self._query("SELECT grant_id, blob, landing, code, message FROM refused ORDER BY grant_id")
        return {GrantId(row[0]): Refusal(*row) for row in listed}

    def _holdings(self) -> dict[Entitlement, Holding]:
        self._word_list()
        found: list[Holding] = []
        for *which, grants, until, numbers in self._query(
            "SELECT target, resource, principal, privilege, grants, until, numbers FROM holding"
        ):
            givers = tuple(grants.split("\n")) if grants else ()
            end = utc(until) if until is not None else None
            known = tuple(sorted(json.loads(numbers).items())) if numbers else ()
            found.append(Holding(self._entitlement(*which), givers, end, known))
        return {holding.entitlement: holding for holding in found}

    def _taken(self) -> frozenset[Entitlement]:
        self._word_list()
        rows = self._query("SELECT target, resource, principal, privilege FROM taken")
        return frozenset(self._entitlement(*row) for row in rows)

    def _revoked(self) -> frozenset[GrantId]:
        return frozenset(GrantId(grant) for (grant,) in self._query("SELECT grant_id FROM revoked"))

    def _ends(self) -> dict[GrantId, Ended]:
        listed = self._query("SELECT grant_id, body FROM ended ORDER BY grant_id")
        return {GrantId(grant): ENDED.read(json.loads(body)) for grant, body in listed}

    def _decided(self) -> dict[DecidedKey, DecidedWhen]:
        rows = self._query("SELECT pull, head, what, at, requester FROM decided ORDER BY pull, head, what")
        return {(pull, Oid(head), Resolution(what)): DecidedWhen(utc(at), who) for pull, head, what, at, who in rows}

    def _approved(self) -> dict[tuple[str, str], datetime]:
        rows = self._query("SELECT resource, handle, at FROM approved ORDER BY resource, handle")
        return {(resource, handle): utc(at) for resource, handle, at in rows}

    def _seen(self) -> dict[str, datetime]:
        return {main: utc(at) for main, at in self._query("SELECT main, at FROM seen ORDER BY rowid")}

    def _begun(self) -> dict[Opened, Begun]:
        listed = [_begun_from(json.loads(text)) for (text,) in self._query("SELECT change FROM pending")]
        listed.sort(key=lambda one: (one[0][1], one[0][0].value))
        return dict(listed)

    def _voided(self) -> dict[Entitlement, Intended]:
        told = (CHANGE.read(json.loads(text)) for (text,) in self._query("SELECT change FROM voided"))
        return {change.entitlement: change for change in sorted(told, key=lambda change: change.entitlement)}

    def _handovers(self) -> dict[int, Handed]:
        self._word_list()
        found: dict[int, Handed] = {}
        for row in self._query("SELECT * FROM handed ORDER BY sequence"):
            sequence, *which, grants, until, text, ended = row
            entitlement = self._entitlement(*which)
            givers = tuple(GrantId(grant) for grant in grants.split("\n")) if grants else ()
            found[sequence] = Handed(sequence, entitlement, givers, utc(until), text, bool(ended))
        return found


def _begun_text(begun: Begun) -> str:
    if not isinstance(begun, FailedChange):
        return canonical(CHANGE.write(begun))
    change, error, since, last, main = begun
    return canonical([CHANGE.write(change), error, format_instant(since), format_instant(last), main])


def _begun_from(told: Any) -> tuple[Opened, Begun]:
    change = CHANGE.read(told[0] if isinstance(told, list) else told)
    opened = (change.action, change.entitlement)
    if not isinstance(told, list):
        return opened, change
    _, error, since, last, main = told
    return opened, FailedChange(change, error, parse_instant(since), parse_instant(last), main)


class Writer:
    """Writes deltas inside the transaction that is open."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._words: dict[str, int] = {}

    def write(self, delta: Delta) -> None:
        """Put what changed in place of what was."""
        self._change("admitted", delta.admissions, self._packed)
        self._change("proof", delta.admissions, lambda a: (zlib.compress(canonical(ADMISSION.write(a)).encode(), 1),))
        self._change("refused", delta.refusals, lambda r: (r.blob, r.landing, r.code, r.message))
        self._change("revoked", delta.revoked, lambda _: ())
        self._change("ended", delta.ends, lambda end: (canonical(ENDED.write(end)),))
        self._holdings(delta.holdings)
        self._pending(delta.begun)
        self._voided(delta.voided)
        self._handed(delta)
        self._put(
            "decided",
            [(*key[:2], key[2].value, _seconds(told.at), told.requester) for key, told in delta.decided.items()],
        )
        self._run(
            "INSERT INTO approved VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET at = max(at, excluded.at)",
            [(*key, _seconds(at)) for key, at in delta.approved.items()],
        )
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
            self._word(_moments_text(admission.due)),
            _seconds(admission.window.start),
            _seconds(admission.window.end),
            len(blob),
        )
        return (_PACKED.pack(*numbers) + blob + bytes.fromhex(admission.landing),)

    def _change(
        self, table: str, changed: Mapping[GrantId, _V | None], row: Callable[[_V], tuple[object, ...]]
    ) -> None:
        gone = [(grant,) for grant, value in changed.items() if value is None]
        self._run(f"DELETE FROM {table} WHERE grant_id = ?", gone)  # noqa: S608  (our own names)
        self._put(table, [(grant, *row(value)) for grant, value in changed.items() if value is not None])

    def _holdings(self, changed: Mapping[Entitlement, Holding | None]) -> None:
        gone = [self._which(entitlement) for entitlement, holding in changed.items() if holding is None]
        self._run(f"DELETE FROM holding WHERE {_WHICH}", gone)  # noqa: S608  (a constant)
        self._put("taken", gone)
        held = [holding for holding in changed.values() if holding is not None]
        again = [self._which(holding.entitlement) for holding in held]
        self._run(f"DELETE FROM taken WHERE {_WHICH}", again)  # noqa: S608  (a constant)
        self._put(
            "holding",
            [
                (
                    *self._which(h.entitlement),
                    "\n".join(h.grants),
                    _seconds(h.until) if h.until is not None else None,
                    canonical(dict(h.numbers)) if h.numbers else "",
                )
                for h in held
            ],
        )

    def _pending(self, changed: Mapping[Opened, Begun | None]) -> None:
        gone = [(a.value, *self._which(e)) for (a, e), begun in changed.items() if begun is None]
        self._run(f"DELETE FROM pending WHERE action = ? AND {_WHICH}", gone)  # noqa: S608  (a constant)
        opened = [
            (a.value, *self._which(e), _begun_text(begun)) for (a, e), begun in changed.items() if begun is not None
        ]
        self._put("pending", opened)

    def _voided(self, changed: Mapping[Entitlement, Intended | None]) -> None:
        gone = [self._which(entitlement) for entitlement, change in changed.items() if change is None]
        self._run(f"DELETE FROM voided WHERE {_WHICH}", gone)  # noqa: S608  (a constant)
        told = [
            (*self._which(e), canonical(CHANGE.write(change))) for e, change in changed.items() if change is not None
        ]
        self._put("voided", told)

    def _handed(self, delta: Delta) -> None:
        # Most ledgers hand nothing over: there the table is empty, and nothing is looked for.
        if delta.cuts and self._connection.execute("SELECT 1 FROM handed").fetchone():
            cuts = [(*self._which(entitlement), _seconds(end)) for entitlement, end in delta.cuts.items()]
            self._run(f"UPDATE handed SET ended = 1 WHERE {_WHICH} AND until > ?", cuts)  # noqa: S608  (a constant)
        rows = [
            (h.sequence, *self._which(h.entitlement), "\n".join(h.grants), _seconds(h.until), h.text, int(h.ended))
            for new in delta.handed.values()
            for h in new
        ]
        self._put("handed", rows)
        if delta.head is not None:
            self._run("DELETE FROM handed WHERE until <= ?", [(_seconds(forget_before(delta.head.at)),)])

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


def _moments_text(moments: Moments) -> str:
    return canonical([[name, _seconds(at)] for name, at in moments]) if moments else ""


@lru_cache(maxsize=1024)
def _moments(text: str) -> Moments:
    return tuple((name, utc(at)) for name, at in json.loads(text))


def _seconds(instant: datetime) -> int:
    return int(instant.timestamp())
