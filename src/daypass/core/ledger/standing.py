"""What the ledger adds up to: which grants are proved, which access is ours, and what was begun and never finished.

A standing is a fold over receipts and nothing else: the same receipts give the same standing, whether they come at
once or in portions. The rules of the fold:

- an admission makes a grant proved, whatever was said of it before; a refusal or a retirement of it takes that back,
  since the bytes that were proved are no longer those on main;
- an intent opens each of its changes; an outcome of the same action on the same entitlement closes it;
- but a change that failed stays open until somebody has looked (``recovered``): a target may have done it and its
  answer was lost, and access that we may have given must not be forgotten. How it failed, and since when, is kept;
- an addition that came about makes the entitlement ours, a removal that was seen to have come about ends that. A
  removal that failed changes nothing;
- a grant that something ended stays ended, narrowed or not, until it is approved anew or its file is gone;
- a doubt that was settled leaves the entitlement ours, by its name of today, or ours no longer and its grants refused;
- what an addition handed over is remembered until it ends by itself. When the entitlement is taken away before, or cut
  to an earlier end, it has ended early, and stays so even where the entitlement is given again;
- what waited in an outbox and was told by others meanwhile changes nothing, but that its own intent is closed: the
  entitlement may have been given again since;
- who approved something on a resource is remembered, with when they did last;
- what was decided of a request that was not merged is remembered, so that it is recorded once;
- what people said of a grant afterwards changes nothing: what they ended an end tells, as of anything else;
- of each commit of main that receipts name it is remembered when the first one did;
- what is void changes nothing, but that the additions which it tells of are remembered: they may have come about.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from itertools import takewhile
from types import MappingProxyType
from typing import Any, Final, NamedTuple, TypeVar

from daypass.core.ids import ABSENT, GrantId, Oid
from daypass.core.ledger.chain import Head
from daypass.core.ledger.receipt import (
    Admission,
    Decided,
    DecidedKey,
    Ended,
    Intent,
    Outcome,
    Receipt,
    Refusal,
    Retirement,
    Settled,
)
from daypass.core.ledger.records import NEVER, Handed, cut_to, forget_before
from daypass.core.plan import Action, AdmittedGrant, Entitlement, Holding, Intended
from daypass.core.record import replace
from daypass.core.window import TOLERANCE, Window

FOLD_VERSION = 11
"""Counts up when the rules above change, so that what was added up under other rules is added up again."""

_K = TypeVar("_K")
_V = TypeVar("_V")
_NONE: Mapping[Any, Any] = MappingProxyType({})


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


Begun = Intended | FailedChange
"""What was begun and never finished: how it ended is not known, or it failed, and may have come about all the same."""


class Standing:
    """The state after ``head``, the last receipt (None: none yet); ``commit`` is the ledger branch's, or ABSENT.

    ``rows`` are the proved grants, slim, ``admissions`` their proofs, whole: dear where there are many, and `admission`
    reads one. ``refusals`` are the grants that were refused last, with why; ``holdings`` is what is ours; ``begun`` what
    was begun and not finished; ``handovers``, by the receipt's number, what was handed over and had not ended by itself
    at the last receipt. ``taken`` was given by us, was seen gone when we took it away, and has not been given again.
    ``ends`` are the proved grants that something other than their windows ended; the windows of their rows and proofs are
    over by then, so that whoever asks for them finds them ended.
    ``voided`` are the additions that only receipts tell of which count for nothing (`daypass.core.planning.voided`).
    ``revoked`` are the grants that an emergency stop ended and that have not been proved again: no brake holds back what
    takes their access away. ``seen`` are the commits of main that receipts named, in their order, each with when the first
    one did. ``approved`` is, by resource and handle, when somebody last approved there. ``decided`` are the decisions on
    requests that were not merged, and when each was recorded. Answers never change; mappings but ``holdings`` are in order.

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
        taken: frozenset[Entitlement] = frozenset(),
        revoked: frozenset[GrantId] = frozenset(),
        seen: Mapping[str, datetime] = _NONE,
        ends: Mapping[GrantId, Ended] = _NONE,
        decided: Mapping[DecidedKey, DecidedWhen] = _NONE,
        voided: Mapping[Entitlement, Intended] = _NONE,
        approved: Mapping[tuple[str, str], datetime] = _NONE,
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

    def admitted(self) -> Iterator[AdmittedGrant]:
        """Yield every proved grant, slim, ordered by id."""
        return iter(self.rows.values())

    def blobs(self) -> Iterator[tuple[GrantId, Oid]]:
        """Yield every proved grant with the blob that was proved, ordered by id."""
        return ((row.grant, row.blob) for row in self.rows.values())

    def admission(self, grant: GrantId) -> Admission | None:
        """Return the proof of a grant, None where it is not proved now."""
        return self.admissions.get(grant)

    def refusal(self, grant: GrantId, blob: Oid, landing: Oid | None = None) -> Refusal | None:
        """Return why these bytes, as that commit brought them where one is given, were refused; None where not."""
        found = self.refusals.get(grant)
        if found is None or found.blob != blob or landing not in (None, found.landing):
            return None
        return found


class Delta:
    """What a run of receipts changes: per key the new value, or None where there is none any more.

    Later receipts win, and nothing depends on the standing before: deltas of two portions, one after the other, are the
    delta of both. Mutable while it gathers.
    """

    __slots__ = (
        "admissions",
        "approved",
        "begun",
        "count",
        "cuts",
        "decided",
        "ends",
        "handed",
        "head",
        "holdings",
        "refusals",
        "revoked",
        "seen",
        "voided",
    )

    def __init__(self, head: Head | None = None) -> None:
        self.head = head
        self.count = 0
        self.admissions: dict[GrantId, Admission | None] = {}
        self.refusals: dict[GrantId, Refusal | None] = {}
        self.seen: dict[str, datetime] = {}
        self.revoked: dict[GrantId, bool | None] = {}
        self.ends: dict[GrantId, Ended | None] = {}
        self.decided: dict[DecidedKey, DecidedWhen] = {}
        self.approved: dict[tuple[str, str], datetime] = {}
        self.holdings: dict[Entitlement, Holding | None] = {}
        self.begun: dict[Opened, Begun | None] = {}
        self.voided: dict[Entitlement, Intended | None] = {}
        self.handed: dict[Entitlement, list[Handed]] = {}
        self.cuts: dict[Entitlement, datetime] = {}
        """Of what was handed over for an entitlement before these receipts, all that ends later has ended early."""

    def add(self, receipt: Receipt) -> None:
        """Take the next receipt in. That it is the next one is `verify_chain`'s business."""
        self.head = Head.of(receipt, self.head)
        self.count += 1
        body = receipt.body
        if receipt.void:
            self.voided |= {change.entitlement: change for change in receipt.additions}
            return
        if receipt.main:
            self.seen.setdefault(receipt.main, receipt.at)
        if isinstance(body, Outcome):
            self._settle(body, receipt)
        elif isinstance(body, Intent):
            self.begun |= {(change.action, change.entitlement): change for change in body.changes}
        elif isinstance(body, Ended):
            self.ends[body.grant] = body
        elif isinstance(body, Admission):
            self._admit(body)
        elif isinstance(body, Refusal | Retirement):
            self._refuse(body)
        elif isinstance(body, Settled):
            self._end_doubt(body)
        elif isinstance(body, Decided):
            self.decided[body.key] = DecidedWhen(receipt.at, body.requester)

    def _admit(self, admission: Admission) -> None:
        self.admissions[admission.grant] = admission
        if not admission.narrowed_from:  # it was not approved anew: less of what has ended is nothing
            self.ends[admission.grant] = None
            for record in admission.approvals:
                key = (admission.resource, record.by)
                self.approved[key] = max(record.at, self.approved.get(key, record.at))
        self.refusals[admission.grant] = None
        self.revoked[admission.grant] = None

    def _refuse(self, why: Refusal | Retirement) -> None:
        """Take back what was proved: the bytes are no longer on main."""
        self.admissions[why.grant] = None
        self.ends[why.grant] = None
        self.refusals[why.grant] = why if isinstance(why, Refusal) else None
        if isinstance(why, Retirement):
            self.revoked[why.grant] = why.revoked or None

    def _end_doubt(self, settled: Settled) -> None:
        held = settled.holding
        self.holdings[held.entitlement] = replace(held, numbers=()) if settled.adopted else None
        self.voided[held.entitlement] = None
        for refusal in settled.refusals:
            self._refuse(refusal)
        if not settled.adopted:
            for action in Action:
                self.begun[action, held.entitlement] = None
            self._cut(held.entitlement, NEVER)

    def _settle(self, outcome: Outcome, receipt: Receipt) -> None:
        change = outcome.change
        added = change.action is Action.ADD
        opened = (change.action, change.entitlement)
        if outcome.ok or outcome.recovered or receipt.seconds:
            self.begun[opened] = None
        else:
            at = receipt.run_at
            self.begun[opened] = FailedChange(change, outcome.error, outcome.since or at, at, receipt.main)
        if added and outcome.recovered:
            self.voided[change.entitlement] = None
        if outcome.ok and not receipt.seconds:
            holding = Holding(change.entitlement, change.grants, change.until, outcome.numbers) if added else None
            self.holdings[change.entitlement] = holding
            if not added:
                self._cut(change.entitlement, NEVER)
            elif change.until is not None:
                self._cut(change.entitlement, change.until)
                self._hand(outcome, change.until, receipt.sequence)

    def _hand(self, outcome: Outcome, until: datetime, sequence: int) -> None:
        if outcome.handover:
            change = outcome.change
            handed = Handed(sequence, change.entitlement, change.grants, until, outcome.handover)
            self.handed.setdefault(change.entitlement, []).append(handed)

    def _cut(self, entitlement: Entitlement, end: datetime) -> None:
        self.cuts[entitlement] = min(end, self.cuts.get(entitlement, end))
        before = self.handed.get(entitlement)
        if before is not None:
            self.handed[entitlement] = [cut_to(end, handed) for handed in before]

    def onto(self, standing: Standing, commit: Oid = ABSENT) -> Standing:
        """Return the standing after these receipts, held in memory whole."""
        ends = _over(standing.ends, self.ends)
        known = _over(standing.admissions, self.admissions)
        known |= {grant: over(known[grant], end) for grant, end in ends.items() if grant in known}
        rows = {
            grant: AdmittedGrant.of(known[grant]) if grant in known else None for grant in (*self.admissions, *ends)
        }
        return Standing(
            head=self.head if self.head is not None else standing.head,
            commit=commit,
            rows=_over(standing.rows, rows),
            admissions=known,
            refusals=_over(standing.refusals, self.refusals),
            holdings=_over(standing.holdings, self.holdings),
            begun=_over(standing.begun, self.begun, order=_opened_order),
            voided=_over(standing.voided, self.voided),
            handovers=self._given(standing.handovers),
            taken=(standing.taken | {e for e, held in self.holdings.items() if held is None})
            - {e for e, held in self.holdings.items() if held is not None},
            revoked=frozenset(_over(dict.fromkeys(standing.revoked, True), self.revoked)),
            ends=ends,
            decided=_over(standing.decided, self.decided, order=_decided_order),
            approved=_over(
                standing.approved, {k: max(at, standing.approved.get(k, at)) for k, at in self.approved.items()}
            ),
            seen={**standing.seen, **{main: at for main, at in self.seen.items() if main not in standing.seen}},
        )

    def _given(self, before: Mapping[int, Handed]) -> Mapping[int, Handed]:
        rows = [cut_to(self.cuts.get(handed.entitlement), handed) for handed in before.values()]
        rows += [handed for new in self.handed.values() for handed in new]
        return {h.sequence: h for h in sorted(rows) if self.head is None or h.until > forget_before(self.head.at)}


_Proof = TypeVar("_Proof", Admission, AdmittedGrant)


def over(proof: _Proof, end: Ended) -> _Proof:
    """Return a proof whose window is over from its end on; one that had not begun then is over all the same."""
    window = proof.window.until(end.end) or Window(end.end - timedelta(seconds=1), end.end)
    if isinstance(proof, Admission):
        return replace(proof, window=window)
    return proof._replace(window=window)


def _decided_order(key: DecidedKey) -> tuple[int, Oid, str]:
    return (key[0], key[1], key[2].value)


def _opened_order(opened: Opened) -> tuple[Entitlement, str]:
    return (opened[1], opened[0].value)


def _over(below: Mapping[_K, _V], above: Mapping[_K, _V | None], order: Any = None) -> dict[_K, _V]:
    merged = {**below, **above}
    return {key: value for key in sorted(merged, key=order) if (value := merged[key]) is not None}


def fold(receipts: Iterable[Receipt], standing: Standing | None = None, commit: Oid = ABSENT) -> Standing:
    """Add receipts, in order, to a standing (None: to the empty one)."""
    base = standing if standing is not None else Standing()
    delta = Delta(base.head)
    for receipt in receipts:
        delta.add(receipt)
    return delta.onto(base, commit)
