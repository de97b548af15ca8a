"""What a standing is: the state that receipts add up to, and its parts."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Mapping
from copy import copy
from datetime import datetime
from functools import cached_property
from itertools import takewhile
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from daypass.core.bounds.watch import Condition
from daypass.core.ids import ABSENT, GrantId, Oid, folder_of
from daypass.core.ledger.chain import Head
from daypass.core.ledger.receipt import Admission, DecidedKey, Ended, Refusal
from daypass.core.ledger.records import Awaited, Handed, HeldWindow
from daypass.core.ledger.standing.moved import EVERYTHING
from daypass.core.plan import Action, AdmittedGrant, Entitlement, Holding, Intended, Numbers
from daypass.core.window import TOLERANCE

_NONE: Mapping[Any, Any] = MappingProxyType({})


TakenAway = Mapping[Entitlement, tuple[Numbers, ...]]
"""What was taken away, and all numbers by which it was known when that was."""

Opened = tuple[Action, Entitlement]
"""What an intent and its outcome have in common."""


class FailedChange(NamedTuple):
    """A change that was tried and failed last time.

    ``error`` says how, ``since`` is when it first failed so, ``last`` when it did last, and ``main`` the commit of main that
    the run stood on.
    """

    change: Intended
    error: str
    since: datetime
    last: datetime
    main: str


class DecidedWhen(NamedTuple):
    """When a receipt told of a decision about somebody's request; ``requester`` is a handle."""

    at: datetime
    requester: str


class OnResource(NamedTuple):
    """Of the grants of a resource: the blobs of those proved now, and who has had which role when by each."""

    blobs: dict[GrantId, Oid]
    held: dict[GrantId, list[HeldWindow]]


class Departure(NamedTuple):
    """Who left by the word of the source of people, by which code, and since when that is on record."""

    person: str
    code: str
    at: datetime


Begun = Intended | FailedChange
"""What was begun and never finished: how it ended is not known, or it failed, and may have come about all the same."""


class Standing:
    """The state after ``head``, the last receipt (None: none yet); ``commit`` is the ledger branch's, or ABSENT.

    ``rows`` are the proved grants, slim, ``admissions`` their proofs, whole: dear where there are many, and `admission`
    reads one. ``refusals`` are the grants that were refused last, with why; ``holdings`` is what is ours; ``begun`` what
    was begun and not finished; ``handovers``, by the receipt's number, what was handed over and had not ended by itself
    at the last receipt. ``taken`` was given by us and was seen gone when we took it away, some time, with the
    numbers that it had each time, () where none were on record.
    ``ends`` are the proved grants that something other than their windows ended; the windows of their rows and proofs are
    over by then, so that whoever asks for them finds them ended.
    ``voided`` are the additions that only receipts tell of which count for nothing (`daypass.core.planning.voided`).
    ``revoked`` are the grants that an emergency stop ended and that have not been proved again: no brake holds back what
    takes their access away. ``seen`` are the commits of main that receipts named, in their order, each with when the first
    one did. ``approved`` is, by resource and handle, when somebody last approved there. ``decided`` are the decisions on
    requests that were not merged, and when each was recorded. ``held``, by grant and the number of its admission's receipt,
    is who had which role when. ``unreviewed``, by grant and landing, are the emergencies that nobody has reviewed yet, and
    ``reviewed`` what people have approved since, by the landing that they approved. ``watched``, by grant, is what ends it
    before its window does. ``departed``, by the number that the source of people has for somebody, are those who left by
    its word and are not there again. ``moved`` is, by resource, the number of the last receipt that told of its grants or of
    access there, EVERYTHING where one may have told of any. Answers never change; mappings but
    ``holdings`` and ``taken`` are in order.

    Written out, and no dataclass: to compile one would slow the start of every verb that reads the ledger.
    """

    def __init__(
        self,
        head: Head | None = None,
        commit: Oid = ABSENT,
        *,
        rows: Mapping[GrantId, AdmittedGrant] = _NONE,
        admissions: Mapping[GrantId, Admission] = _NONE,
        refusals: Mapping[GrantId, Refusal] = _NONE,
        holdings: Mapping[Entitlement, Holding] = _NONE,
        begun: Mapping[Opened, Begun] = _NONE,
        handovers: Mapping[int, Handed] = _NONE,
        taken: TakenAway = _NONE,
        revoked: frozenset[GrantId] = frozenset(),
        seen: Mapping[str, datetime] = _NONE,
        ends: Mapping[GrantId, Ended] = _NONE,
        decided: Mapping[DecidedKey, DecidedWhen] = _NONE,
        voided: Mapping[Entitlement, Intended] = _NONE,
        approved: Mapping[tuple[str, str], datetime] = _NONE,
        held: Mapping[tuple[GrantId, int], HeldWindow] = _NONE,
        unreviewed: Mapping[tuple[GrantId, Oid], Awaited] = _NONE,
        reviewed: Mapping[GrantId, Oid] = _NONE,
        watched: Mapping[GrantId, tuple[Condition, ...]] = _NONE,
        departed: Mapping[str, Departure] = _NONE,
        moved: Mapping[str, int] = _NONE,
    ) -> None:
        self.head: Final = head
        self.commit: Final = commit
        self.rows: Final = rows
        self.admissions: Final = admissions
        self.refusals: Final = refusals
        self.holdings: Final = holdings
        self.begun: Final = begun
        self.handovers: Final = handovers
        self.taken: Final = taken
        self.revoked: Final = revoked
        self.seen: Final = seen
        self.ends: Final = ends
        self.decided: Final = decided
        self.voided: Final = voided
        self.approved: Final = approved
        self.held: Final = held
        self.unreviewed: Final = unreviewed
        self.reviewed: Final = reviewed
        self.watched: Final = watched
        self.departed: Final = departed
        self.moved: Final = moved

    @property
    def pending(self) -> Mapping[Opened, Intended]:
        """The changes that were begun and of which nobody knows how they ended."""
        return {o: b.change if isinstance(b, FailedChange) else b for o, b in self.begun.items()}

    @property
    def unfinished(self) -> frozenset[Entitlement]:
        """What these changes are about."""
        return frozenset(entitlement for _, entitlement in self.begun)

    @property
    def failures(self) -> Mapping[Opened, FailedChange]:
        """Those of them that were tried and failed last time."""
        return {opened: begun for opened, begun in self.begun.items() if isinstance(begun, FailedChange)}

    def handed(self, target: str, at: datetime) -> tuple[Handed, ...]:
        """Return what was handed over for a target's entitlements and ends by itself after ``at``, oldest first."""
        return tuple(h for h in self.handovers.values() if h.entitlement.target == target and h.until > at)

    @property
    def digest(self) -> str:
        """The digest of the last receipt's envelope, "" before the first."""
        return self.head.digest if self.head is not None else ""

    @property
    def at(self) -> datetime | None:
        """The instant of the last receipt, None before the first."""
        return self.head.at if self.head is not None else None

    @property
    def main(self) -> str:
        """The commit of main that a receipt named last, "" when none did."""
        return self.head.main if self.head is not None else ""

    def main_before(self, at: datetime) -> str:
        """Return the latest commit of main that a receipt named certainly before an instant, "" where none did."""
        seen = takewhile(lambda one: at - one[1] >= TOLERANCE, self.seen.items())
        return next(iter(deque(seen, 1)), ("", at))[0]

    @property
    def next_sequence(self) -> int:
        """The number that the next receipt will have."""
        return self.head.sequence + 1 if self.head is not None else 0

    def moved_since(self, sequence: int) -> frozenset[str] | None:
        """Return the resources of which receipts after a number tell, None where that may be any."""
        if self.moved.get(EVERYTHING, -1) > sequence:
            return None
        return frozenset(name for name, last in self.moved.items() if last > sequence)

    def within(self, resources: Collection[str]) -> Standing:
        """Return the standing without the proved grants, and what is ours, was taken or was begun, of other resources."""
        found = copy(self)
        found.__dict__.pop("_by_resource", None)
        vars(found).update(
            rows={grant: row for grant, row in self.rows.items() if folder_of(grant) in resources},
            holdings={one: held for one, held in self.holdings.items() if one.resource in resources},
            taken={one: known for one, known in self.taken.items() if one.resource in resources},
            begun={opened: begun for opened, begun in self.begun.items() if opened[1].resource in resources},
            voided={one: change for one, change in self.voided.items() if one.resource in resources},
        )
        return found

    def holding(self, entitlement: Entitlement) -> Holding | None:
        """Return what is ours of one entitlement, None where nothing is."""
        return self.holdings.get(entitlement)

    def row(self, grant: GrantId) -> AdmittedGrant | None:
        """Return a proved grant, slim, None where it is not proved now."""
        return self.rows.get(grant)

    def ends_before(self, at: datetime) -> frozenset[Entitlement]:
        """Return what is ours and was given until an instant, or until one before it."""
        return frozenset(one for one, held in self.holdings.items() if held.until is not None and held.until <= at)

    def first_end(self, but: Collection[Entitlement] = ()) -> datetime | None:
        """Return the first instant until which anything of ours was given, ``but`` for some of it; None for never."""
        ends = (held.until for one, held in self.holdings.items() if held.until is not None and one not in but)
        return min(ends, default=None)

    def admitted(self) -> Iterator[AdmittedGrant]:
        """Yield every proved grant, slim, ordered by id."""
        return iter(self.rows.values())

    def blobs(self) -> Iterator[tuple[GrantId, Oid]]:
        """Yield every proved grant with the blob that was proved, ordered by id."""
        return ((row.grant, row.blob) for row in self.rows.values())

    @cached_property
    def _by_resource(self) -> Mapping[str, OnResource]:
        found: dict[str, OnResource] = {}
        for grant, blob in self.blobs():
            found.setdefault(grant.partition("/")[0], OnResource({}, {})).blobs[grant] = blob
        for (grant, _), one in self.held.items():
            found.setdefault(grant.partition("/")[0], OnResource({}, {})).held.setdefault(grant, []).append(one)
        return found

    def on_resource(self, resource: str) -> OnResource:
        """Return what is known of the grants of one resource. It is the caller's own."""
        there = self._by_resource.get(resource, OnResource({}, {}))
        return OnResource(dict(there.blobs), {grant: list(held) for grant, held in there.held.items()})

    def admission(self, grant: GrantId) -> Admission | None:
        """Return the proof of a grant, None where it is not proved now."""
        return self.admissions.get(grant)

    def refusal(self, grant: GrantId, blob: Oid, landing: Oid | None = None) -> Refusal | None:
        """Return why these bytes, as that commit brought them where one is given, were refused; None where not."""
        found = self.refusals.get(grant)
        if found is None or found.blob != blob or landing not in (None, found.landing):
            return None
        return found
