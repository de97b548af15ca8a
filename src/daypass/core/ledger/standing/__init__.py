"""What the ledger adds up to: which grants are proved, which access is ours, and what was begun and never finished.

A standing is a fold over receipts and nothing else: the same receipts give the same standing, whether they come at
once or in portions. The rules of the fold:

- an admission makes a grant proved, whatever was said of it before; a refusal or a retirement of it takes that back,
  since the bytes that were proved are no longer those on main;
- an intent opens each of its changes; an outcome of the same action on the same entitlement closes it;
- but a change that failed stays open until somebody has looked (``recovered``): a target may have done it and its
  answer was lost, and access that we may have given must not be forgotten. How it failed, and since when, is kept;
- an addition that came about makes the entitlement ours, a removal that was seen to have come about ends that: what was
  taken is remembered with the numbers by which it was held. A removal that failed changes nothing;
- a grant that something ended stays ended, narrowed or not, until it is approved anew or its file is gone;
- a doubt that was settled leaves the entitlement ours, by its name of today, or ours no longer and its grants refused;
- what an addition handed over is remembered until it ends by itself. When the entitlement is taken away before, or cut
  to an earlier end, it has ended early, and stays so even where the entitlement is given again;
- what waited in an outbox and was told by others meanwhile changes nothing, but that its own intent is closed: the
  entitlement may have been given again since, and who had left may be back;
- who approved something on a resource is remembered, with when they did last;
- who had which role when is remembered for a while after: from an admission until its end, or whatever ended it before;
- what was decided of a request that was not merged is remembered, so that it is recorded once;
- what people said of a grant afterwards changes nothing: what they ended an end tells, as of anything else;
- of each resource it is remembered which receipt told last of its grants, or of access there;
- of each commit of main that receipts name it is remembered when the first one did;
- what is void changes nothing, but that the additions which it tells of are remembered: they may have come about.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, TypeVar

from daypass.core.bounds.watch import Condition
from daypass.core.grant import REVIEW
from daypass.core.ids import ABSENT, GrantId, Oid
from daypass.core.ledger.chain import Head
from daypass.core.ledger.receipt import (
    Admission,
    Body,
    Decided,
    DecidedKey,
    Ended,
    Intent,
    Outcome,
    Receipt,
    Refusal,
    Retirement,
    Reviewed,
    Settled,
)
from daypass.core.ledger.records import (
    NEVER,
    Awaited,
    Departed,
    Handed,
    HeldWindow,
    cut_to,
    ended_by,
    forget_before,
    held_after,
)
from daypass.core.ledger.standing.moved import resources_of
from daypass.core.ledger.standing.state import (
    Begun,
    DecidedWhen,
    Departure,
    FailedChange,
    OnResource,
    Opened,
    Standing,
    TakenAway,
)
from daypass.core.plan import Action, AdmittedGrant, Entitlement, Holding, Intended, Numbers
from daypass.core.record import replace
from daypass.core.window import Window

__all__ = (
    "FOLD_VERSION",
    "Begun",
    "DecidedWhen",
    "Delta",
    "Departure",
    "FailedChange",
    "OnResource",
    "Opened",
    "Standing",
    "TakenAway",
    "fold",
    "over",
)

FOLD_VERSION = 17
"""Counts up when the rules above change, so that what was added up under other rules is added up again."""

_K = TypeVar("_K")
_V = TypeVar("_V")


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
        "departed",
        "ends",
        "handed",
        "head",
        "held",
        "held_until",
        "holdings",
        "moved",
        "refusals",
        "reviewed",
        "revoked",
        "seen",
        "taken",
        "unreviewed",
        "voided",
        "watched",
    )

    def __init__(self, head: Head | None = None) -> None:
        self.head = head
        self.count = 0
        self.admissions: dict[GrantId, Admission | None] = {}
        self.refusals: dict[GrantId, Refusal | None] = {}
        self.seen: dict[str, datetime] = {}
        self.moved: dict[str, int] = {}
        self.revoked: dict[GrantId, bool | None] = {}
        self.ends: dict[GrantId, Ended | None] = {}
        self.decided: dict[DecidedKey, DecidedWhen] = {}
        self.approved: dict[tuple[str, str], datetime] = {}
        self.holdings: dict[Entitlement, Holding | None] = {}
        self.taken: dict[Entitlement, set[Numbers | None]] = {}
        """By what numbers it was held each time; None: by those that it had before these receipts."""
        self.begun: dict[Opened, Begun | None] = {}
        self.voided: dict[Entitlement, Intended | None] = {}
        self.unreviewed: dict[tuple[GrantId, Oid], Awaited | None] = {}
        self.reviewed: dict[GrantId, Oid | None] = {}
        self.watched: dict[GrantId, tuple[Condition, ...] | None] = {}
        self.departed: dict[str, Departure | None] = {}
        self.held: dict[GrantId, dict[int, HeldWindow]] = {}
        self.held_until: dict[GrantId, datetime] = {}
        """When what was held by a grant before these receipts ended at the latest."""
        self.handed: dict[Entitlement, list[Handed]] = {}
        self.cuts: dict[Entitlement, datetime] = {}
        """Of what was handed over for an entitlement before these receipts, all that ends later has ended early."""

    def add(self, receipt: Receipt) -> None:
        """Take the next receipt in. That it is the next one is `verify_chain`'s business."""
        self.head = Head.of(receipt, self.head)
        self.count += 1
        body = receipt.body
        self.moved.update(dict.fromkeys(resources_of(body), receipt.sequence))
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
            self._end_held(body.grant, body.end)
        elif isinstance(body, Admission):
            self._admit(body, receipt)
        elif isinstance(body, Refusal | Retirement):
            self._refuse(body, receipt.run_at)
        elif isinstance(body, Settled):
            self._end_doubt(body, receipt.run_at)
        elif not receipt.seconds:
            self._tell(body, receipt.run_at)

    def _tell(self, body: Body, at: datetime) -> None:
        """Take in what people decided or said."""
        if isinstance(body, Decided):
            self.decided[body.key] = DecidedWhen(at, body.requester)
        elif isinstance(body, Departed):
            self.departed[body.number] = Departure(body.person, body.code, at) if body.code else None
        elif type(body) is Reviewed:
            self.unreviewed[body.grant, body.landing] = None
            self.reviewed[body.grant] = body.landing if body.approved else None

    def _admit(self, admission: Admission, receipt: Receipt) -> None:
        self.admissions[admission.grant] = admission
        self.watched[admission.grant] = admission.ends_when or None
        self._end_held(admission.grant, receipt.run_at)
        if (new := ended_by(None, admission.held)) is not None:
            self.held[admission.grant][receipt.sequence] = new
        if not admission.narrowed_from:  # it was not approved anew: less of what has ended is nothing
            self.ends[admission.grant] = None
            self.reviewed[admission.grant] = None
            if (awaited := admission.awaited) is not None:
                self.unreviewed[admission.grant, admission.landing] = awaited
            for record in admission.approvals:
                key = (admission.resource, record.by)
                self.approved[key] = max(record.at, self.approved.get(key, record.at))
        self.refusals[admission.grant] = None
        self.revoked[admission.grant] = None

    def _end_held(self, grant: GrantId, at: datetime) -> None:
        self.held_until[grant] = min(at, self.held_until.get(grant, at))
        new = self.held.get(grant, {}).items()
        self.held[grant] = {place: left for place, one in new if (left := ended_by(at, one)) is not None}

    def _refuse(self, why: Refusal | Retirement, at: datetime) -> None:
        """Take back what was proved: the bytes are no longer on main."""
        self._end_held(why.grant, at)
        self.admissions[why.grant] = None
        self.ends[why.grant] = None
        self.refusals[why.grant] = why if isinstance(why, Refusal) else None
        self.reviewed[why.grant] = None
        self.watched[why.grant] = None
        if isinstance(why, Retirement):
            self.revoked[why.grant] = why.revoked or None

    def _end_doubt(self, settled: Settled, at: datetime) -> None:
        held = settled.holding
        if settled.adopted:
            self.holdings[held.entitlement] = replace(held, numbers=())
        else:
            self._take(held.entitlement, held.numbers)
        self.voided[held.entitlement] = None
        for refusal in settled.refusals:
            self._refuse(refusal, at)
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
            if not added:
                self._end_holding(change)
                self._cut(change.entitlement, NEVER)
                return
            self.holdings[change.entitlement] = Holding(
                change.entitlement, change.grants, change.until, outcome.numbers
            )
            if change.until is not None:
                self._cut(change.entitlement, change.until)
                self._hand(outcome, change.until, receipt.sequence)

    def _end_holding(self, change: Intended) -> None:
        one = change.entitlement
        held = self.holdings.get(one)
        # What no grant gave was others', or came back and is on record since it was taken first. What these receipts
        # ended already is as well.
        if change.grants and (held is not None or one not in self.holdings):
            self._take(one, held.numbers if held is not None else None)
        self.holdings[one] = None

    def _take(self, one: Entitlement, numbers: Numbers | None) -> None:
        self.taken.setdefault(one, set()).add(numbers)
        self.holdings[one] = None

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

    def onto(self, standing: Standing, commit: Oid = ABSENT, *, slim: bool = True) -> Standing:
        """Return the standing after these receipts, held in memory whole, with its rows where they are asked for."""
        ends = _over(standing.ends, self.ends)
        known = _over(standing.admissions, self.admissions)
        known |= {grant: over(known[grant], end) for grant, end in ends.items() if grant in known}
        reviewed = _over(standing.reviewed, self.reviewed)
        known |= {grant: lifted(known[grant], landing) for grant, landing in reviewed.items() if grant in known}
        rows = {
            grant: AdmittedGrant.of(known[grant]) if grant in known else None
            for grant in ((*self.admissions, *ends, *reviewed) if slim else ())
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
            taken=self._taken_onto(standing),
            revoked=frozenset(_over(dict.fromkeys(standing.revoked, True), self.revoked)),
            ends=ends,
            decided=_over(standing.decided, self.decided, order=_decided_order),
            approved=_over(
                standing.approved, {k: max(at, standing.approved.get(k, at)) for k, at in self.approved.items()}
            ),
            held=self._held_onto(standing.held),
            unreviewed=_over(standing.unreviewed, self.unreviewed),
            reviewed=reviewed,
            watched=_over(standing.watched, self.watched),
            departed=_over(standing.departed, self.departed),
            moved=dict(sorted({**standing.moved, **self.moved}.items())),
            seen={**standing.seen, **{main: at for main, at in self.seen.items() if main not in standing.seen}},
        )

    def _taken_onto(self, before: Standing) -> TakenAway:
        found = dict(before.taken)
        for one, told in self.taken.items():
            known = {*found.get(one, ()), *(numbers for numbers in told if numbers is not None)}
            if None in told and (held := before.holdings.get(one)) is not None:
                known.add(held.numbers)
            elif None in told and one not in found:
                known.add(())
            found[one] = tuple(sorted(known))
        return found

    def _held_onto(self, before: Mapping[tuple[GrantId, int], HeldWindow]) -> Mapping[tuple[GrantId, int], HeldWindow]:
        found = {key: ended_by(self.held_until.get(key[0]), one) for key, one in before.items()}
        found |= {(grant, place): one for grant, new in self.held.items() for place, one in new.items()}
        least = held_after(self.head.at) if self.head is not None else NEVER
        return {key: one for key in sorted(found) if (one := found[key]) is not None and one.until > least}

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


def lifted(proof: _Proof, landing: Oid) -> _Proof:
    """Return a proof whose access no longer ends for want of a review: people approved what that commit brought."""
    if proof.landing != landing:  # what was brought since is another matter, which nobody has looked at
        return proof
    due = tuple(one for one in proof.due if one[0] != REVIEW)
    if isinstance(proof, Admission):
        return replace(proof, due=due)
    return proof._replace(due=due)


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
