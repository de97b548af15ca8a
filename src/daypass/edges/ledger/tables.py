"""The cached standing: mappings that read its tables when first asked.

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
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from daypass.core.bounds.watch import Condition
from daypass.core.grant import Moments
from daypass.core.ids import GrantId, Oid
from daypass.core.ledger.chain import Head
from daypass.core.ledger.receipt import Admission, DecidedKey, Ended, Refusal, Resolution
from daypass.core.ledger.records import Awaited, Handed, HeldWindow
from daypass.core.ledger.standing import (
    Begun,
    DecidedWhen,
    Departure,
    FailedChange,
    OnResource,
    Opened,
    Standing,
    lifted,
    over,
)
from daypass.core.ledger.statement import CHANGE, ENDED
from daypass.core.plan import AdmittedGrant, Entitlement, Holding, Intended, Numbers
from daypass.core.window import Part, Window, parse_instant
from daypass.edges.store import unusable

_PARTS = frozenset(vars(Standing())) - {"head", "commit"}
_PARTED = frozenset({"rows", "holdings", "taken", "begun", "voided", "_by_resource"})
_FIELDS = "target, resource, principal, privilege"
_HELD = f"SELECT {_FIELDS}, grants, until, numbers FROM holding"  # noqa: S608  (constants)
_TAKEN = f"SELECT {_FIELDS}, numbers FROM taken"  # noqa: S608  (constants)
_OF = "WHERE resource = (SELECT id FROM word WHERE text = ?)"
WHICH = "target = ? AND resource = ? AND principal = ? AND privilege = ?"
PACKED = struct.Struct("<4I6IqqB")
"""An entitlement's words, subject, resource, role, meaning, purpose, what few have, start, until, length of the blob's id;
both ids follow."""

_V = TypeVar("_V")


def _guarded(connection: sqlite3.Connection, call: Callable[[], _V]) -> _V:
    # Nothing that is read here can be garbage; looking for it again and again would take half of the time.
    collecting = gc.isenabled()
    gc.disable()
    try:
        return call()
    except (sqlite3.Error, struct.error, zlib.error, ValueError, LookupError, TypeError) as error:
        (_, _, path) = connection.execute("PRAGMA database_list").fetchone()  # known without a look at the file
        raise unusable(Path(path), error) from error
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
        self._of: dict[str, Standing] = {}

    def __del__(self) -> None:
        self._connection.close()

    def __getattr__(self, name: str) -> Any:
        """Read a part for the first time; from then on it is an attribute like any other."""
        if name not in _PARTS:
            raise AttributeError(name)
        found = vars(self)[name] = _guarded(self._connection, getattr(self, f"_{name}"))
        return found

    def admission(self, grant: GrantId) -> Admission | None:
        """Return one proof, without reading the others."""
        return _guarded(self._connection, lambda: self._admission(grant))

    def _query(self, sql: str, *values: str | int) -> sqlite3.Cursor:
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
        return self._unpacked(self._packed())

    def _packed(self) -> Iterable[tuple[GrantId, bytes]]:
        return self._query("SELECT grant_id, packed FROM admitted ORDER BY grant_id")

    def row(self, grant: GrantId) -> AdmittedGrant | None:
        """Return one proved grant, without reading the others."""
        asked = "SELECT grant_id, packed FROM admitted WHERE grant_id = ?"
        return _guarded(self._connection, lambda: self._unpacked(self._query(asked, grant)).get(grant))

    def _unpacked(self, listed: Iterable[tuple[GrantId, bytes]]) -> dict[GrantId, AdmittedGrant]:
        words, made = self._word_list(), self._known
        unpack, instant, make, size = PACKED.unpack_from, datetime.fromtimestamp, tuple.__new__, PACKED.size
        found: dict[GrantId, AdmittedGrant] = {}
        for grant, packed in listed:
            target, asset, principal, privilege, subject, resource, role, meaning, purpose, rest, start, until, cut = (
                unpack(packed)
            )
            ids = packed[size:].hex()
            due: Moments = ()
            if words[rest]:
                due, parts, calendar = _rest(words[rest])
                window = Window(instant(start, UTC), instant(until, UTC), parts, calendar)
            else:
                window = Window(instant(start, UTC), instant(until, UTC))
            which = (target, asset, principal, privilege)
            entitlement = made.get(which)
            if entitlement is None:  # as `_entitlement` makes them
                names = (words[target], words[asset], words[principal], words[privilege])
                entitlement = made[which] = make(Entitlement, names)
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
                    due,
                ),
            )
        found |= {grant: over(found[grant], end) for grant, end in self.ends.items() if grant in found}
        found |= {grant: lifted(found[grant], at) for grant, at in self.reviewed.items() if grant in found}
        return found

    def _admission(self, grant: GrantId) -> Admission | None:
        found = self._query("SELECT body FROM proof WHERE grant_id = ?", grant).fetchone()
        return self._proof(grant, found[0]) if found is not None else None

    def _admissions(self) -> dict[GrantId, Admission]:
        listed = self._query("SELECT grant_id, body FROM proof ORDER BY grant_id")
        return {GrantId(grant): self._proof(grant, body) for grant, body in listed}

    def _proof(self, grant: GrantId, body: bytes) -> Admission:
        proof = msgspec.json.decode(zlib.decompress(body), type=Admission)
        proof = over(proof, self.ends[grant]) if grant in self.ends else proof
        return lifted(proof, self.reviewed[grant]) if grant in self.reviewed else proof

    def _refusals(self) -> dict[GrantId, Refusal]:
        listed = self._query("SELECT grant_id, blob, landing, code, message FROM refused ORDER BY grant_id")
        return {GrantId(row[0]): Refusal(*row) for row in listed}

    def _holdings(self) -> dict[Entitlement, Holding]:
        self._word_list()
        made, known, numbered, instant = (
            self._known,
            self._entitlement,
            lru_cache(1024)(_numbers),
            datetime.fromtimestamp,
        )
        found: dict[Entitlement, Holding] = {}
        for target, resource, principal, privilege, grants, until, numbers in self._held_rows():
            which = (target, resource, principal, privilege)
            one = made.get(which) or known(*which)
            givers = tuple(grants.split("\n")) if grants else ()
            end = instant(until, UTC) if until is not None else None
            found[one] = Holding(one, givers, end, numbered(numbers) if numbers else ())
        return found

    def _held_rows(self) -> Iterable[tuple[Any, ...]]:
        return self._query(_HELD)

    def ends_before(self, at: datetime) -> frozenset[Entitlement]:
        """Return what is ours and was given until an instant, without reading the rest."""
        asked = f"SELECT {_FIELDS} FROM holding WHERE until <= ?"  # noqa: S608  (a constant)
        self._word_list()
        rows = _guarded(self._connection, lambda: self._query(asked, int(at.timestamp())).fetchall())
        return frozenset(self._entitlement(*row) for row in rows)

    def first_end(self, but: Collection[Entitlement] = ()) -> datetime | None:
        """Return the first instant until which anything of ours was given, without reading the rest where that is all."""
        if but:
            return super().first_end(but)
        ((until,),) = _guarded(self._connection, lambda: self._query("SELECT min(until) FROM holding").fetchall())
        return utc(until) if until is not None else None

    def within(self, resources: Collection[str]) -> Standing:
        """Return the part of some resources, reading no more than that."""
        return _PartOfStanding(self, resources)

    def holding(self, entitlement: Entitlement) -> Holding | None:
        """Return what is ours of one entitlement; of what is ours no more is read than its resource has."""
        if "holdings" in vars(self):
            return self.holdings.get(entitlement)
        name = entitlement.resource
        part = self._of[name] = self._of.get(name) or self.within((name,))
        return part.holdings.get(entitlement)

    def _taken_rows(self) -> Iterable[tuple[Any, ...]]:
        return self._query(_TAKEN)

    def _taken(self) -> dict[Entitlement, tuple[Numbers, ...]]:
        self._word_list()
        numbered = lru_cache(1024)(_numbers)
        found: dict[Entitlement, tuple[Numbers, ...]] = {}
        for *which, text in self._taken_rows():
            one = self._entitlement(*which)
            found[one] = tuple(sorted((*found.get(one, ()), numbered(text))))
        return found

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

    def _held(self) -> dict[tuple[GrantId, int], HeldWindow]:
        words = self._word_list()
        rows = self._query("SELECT * FROM held ORDER BY grant_id, sequence")
        return {(GrantId(grant), place): _held_window(words, *row) for grant, place, *row in rows}

    def _unreviewed(self) -> dict[tuple[GrantId, Oid], Awaited]:
        rows = self._query("SELECT * FROM unreviewed ORDER BY grant_id, landing")
        return {(GrantId(grant), Oid(at)): msgspec.json.decode(told, type=Awaited) for grant, at, told in rows}

    def _reviewed(self) -> dict[GrantId, Oid]:
        return {GrantId(grant): Oid(at) for grant, at in self._query("SELECT * FROM reviewed ORDER BY grant_id")}

    def _watched(self) -> dict[GrantId, tuple[Condition, ...]]:
        rows = self._query("SELECT * FROM watched ORDER BY grant_id")
        return {GrantId(grant): tuple(json.loads(text).items()) for grant, text in rows}

    def _departed(self) -> dict[str, Departure]:
        rows = self._query("SELECT number, person, code, at FROM departed ORDER BY number")
        return {number: Departure(person, code, utc(at)) for number, person, code, at in rows}

    def on_resource(self, resource: str) -> OnResource:
        """Return what is known of the grants of one resource, without reading the others."""
        return _guarded(self._connection, lambda: self._on_resource(f"{resource}/", f"{resource}0"))

    def _on_resource(self, first: str, beyond: str) -> OnResource:
        words, found = self._word_list(), OnResource({}, {})
        for grant, packed in self._query(
            "SELECT grant_id, packed FROM admitted WHERE grant_id >= ? AND grant_id < ?", first, beyond
        ):
            found.blobs[grant] = Oid(packed[PACKED.size : PACKED.size + packed[PACKED.size - 1]].hex())
        for grant, _, *row in self._query("SELECT * FROM held WHERE grant_id >= ? AND grant_id < ?", first, beyond):
            found.held.setdefault(grant, []).append(_held_window(words, *row))
        return found

    def _seen(self) -> dict[str, datetime]:
        return {main: utc(at) for main, at in self._query("SELECT main, at FROM seen ORDER BY rowid")}

    def _moved(self) -> dict[str, int]:
        return dict(self._query("SELECT name, sequence FROM moved ORDER BY name").fetchall())

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


class _PartOfStanding(StoredStanding):
    """What a stored standing has of some resources alone: proved grants in their folders, what is ours there or was begun."""

    def __init__(self, whole: StoredStanding, resources: Collection[str]) -> None:
        vars(self).update({name: part for name, part in vars(whole).items() if name not in _PARTED})
        self._whole = whole  # whose connection this reads from
        self._resources, self._of = resources, {}

    def __del__(self) -> None:
        """Leave the connection to the whole."""

    def _packed(self) -> Iterable[tuple[GrantId, bytes]]:
        asked = "SELECT grant_id, packed FROM admitted WHERE grant_id >= ? AND grant_id < ? ORDER BY grant_id"
        folders = sorted(f"{name}/" for name in self._resources)
        return chain.from_iterable(self._query(asked, first, f"{first[:-1]}0") for first in folders)

    def _held_rows(self) -> Iterable[tuple[Any, ...]]:
        return chain.from_iterable(self._query(f"{_HELD} {_OF}", name) for name in self._resources)

    def _taken_rows(self) -> Iterable[tuple[Any, ...]]:
        return chain.from_iterable(self._query(f"{_TAKEN} {_OF}", name) for name in self._resources)

    def within(self, resources: Collection[str]) -> Standing:
        """Return the part of those of these resources that this has."""
        return super().within([name for name in resources if name in self._resources])

    def _begun(self) -> dict[Opened, Begun]:
        return {opened: begun for opened, begun in super()._begun().items() if opened[1].resource in self._resources}

    def _voided(self) -> dict[Entitlement, Intended]:
        return {one: change for one, change in super()._voided().items() if one.resource in self._resources}


def _held_window(words: Sequence[str], subject: int, role: int, start: int, until: int, parts: str) -> HeldWindow:
    told = tuple((utc(a), utc(b)) for a, b in json.loads(parts)) if parts else ()
    return HeldWindow(words[subject], words[role], utc(start), utc(until), told)


def _numbers(text: str) -> Numbers:
    return tuple(sorted(json.loads(text).items())) if text else ()


def _begun_from(told: Any) -> tuple[Opened, Begun]:
    change = CHANGE.read(told[0] if isinstance(told, list) else told)
    opened = (change.action, change.entitlement)
    if not isinstance(told, list):
        return opened, change
    _, error, since, last, main = told
    return opened, FailedChange(change, error, parse_instant(since), parse_instant(last), main)


@lru_cache(maxsize=1024)
def _rest(text: str) -> tuple[Moments, tuple[Part, ...], str]:
    """Read what few admissions have: moments that end it, and the intervals and the calendar of a window that recurs."""
    due, parts, calendar = json.loads(text)
    return tuple((name, utc(at)) for name, at in due), tuple((utc(start), utc(end)) for start, end in parts), calendar
