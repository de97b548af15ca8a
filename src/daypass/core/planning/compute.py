"""What must change at the targets so that they equal what proved grants give, at one instant.

A plan upholds invariants 1 (the union of all live grants is desired, so the end of one never takes what another still
gives), 6 (access that is not ours is left alone unless the resource is exclusive), 8 (removals come first and wait for
nothing), 9 (same inputs, same plan) and 12 (the brake). It follows from the ledger, main, the program, what the targets
hold, and the instant; while none of the first four moves, it changes only where some window opens or ends. So a plan
without changes stays one until the next boundary, and a run that finds all as it was need not reckon again.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Mapping
from datetime import datetime

from msgspec import Struct

from daypass.core.ids import GrantId
from daypass.core.plan import (
    Action,
    Claim,
    Doubt,
    Entitlement,
    Holding,
    Intended,
    Observed,
    Plan,
    Reason,
    renamed_of,
    unknown_of,
)
from daypass.core.window import FOREVER


def compute(
    claims: Iterable[Claim],
    holdings: Mapping[Entitlement, Holding],
    observed: Observed,
    *,
    at: datetime,
    main: str,
    exclusive: frozenset[str] = frozenset(),
    invalid: Mapping[GrantId, Reason] | None = None,
    leave_lost: frozenset[str] = frozenset(),
    begun: Mapping[Entitlement, Holding] | None = None,
    importing: frozenset[GrantId] = frozenset(),
) -> Plan:
    """Compute the plan.

    ``claims`` are all proved grants of main; ``invalid`` says why a grant that once gave a holding no longer claims
    anything (a grant named in neither was removed from main); ``exclusive`` names the resources whose unmanaged access
    is removed. ``begun`` is what we set about to give and what did not come about: where that is offered now, the offer
    is ours, and is withdrawn when no grant gives it any more. ``importing`` are the grants that take over access which
    was there before; ``leave_lost`` names the targets where access that somebody took away by hand is not given again.
    """
    known = _Sorted.of(claims, at, invalid or {})
    live, begun = known.live, begun or {}
    unknown = unknown_of(observed, live)
    strays = observed.entitlements.difference(holdings)
    additions = _additions(known, holdings, observed, unknown, importing, strays=strays)
    lost = [a for a in additions if a.reason is Reason.LOST and a.entitlement.target in leave_lost]
    additions = [a for a in additions if a not in lost]
    removals = _removals(known, holdings, begun, observed, unknown)
    stray = {e for e in strays if e not in live}
    left = {e for e in stray if e.resource not in exclusive and e not in observed.returned}
    removals += [_removal_of_stray(e, exclusive, at) for e in stray - left]
    over = {a.entitlement for a in additions if a.reason is Reason.TAKEN_OVER}
    adopted = {e for e in strays if e in live and e not in over}
    apart = {*observed.offered, *unknown, *(change.entitlement for change in lost)}
    return Plan(
        at=at,
        main=main,
        changes=(*sorted(removals, key=_order), *sorted(additions, key=_order)),
        waiting=tuple(sorted(known.waiting, key=lambda c: c.grant)),
        blocked=tuple(sorted(known.blocked, key=lambda c: c.grant)),
        unmanaged=tuple(sorted(left | adopted)),
        unreadable=dict(sorted(observed.unreadable.items())),
        live=len(live) - len(apart & live.keys()),
        gone=_gone(removals, observed),
        by_ledger=_by_ledger(live, observed),
        lost=tuple(sorted(lost, key=_order)),
        offered=tuple(sorted(e for e in observed.offered if e in live)),
        unknown=_doubts(unknown, holdings, begun),
        renamed=_doubts(renamed_of(observed), holdings, begun),
    )


def _by_ledger(live: Container[Entitlement], observed: Observed) -> int:
    """Return how much of what is live stands at targets of which the ledger's word is all there is."""
    told = observed.by_ledger
    return sum(1 for e in observed.entitlements if e.target in told and e in live) if told else 0


def _gone(removals: Iterable[Intended], observed: Observed) -> frozenset[Entitlement]:
    """Return what is to be taken away and was not seen, where somebody could look."""
    going = (change.entitlement for change in removals)
    seen = observed.entitlements | observed.offered
    return frozenset(e for e in going if e not in seen and e.target not in observed.by_ledger)


def _doubts(
    why: Mapping[Entitlement, str],
    holdings: Mapping[Entitlement, Holding],
    begun: Mapping[Entitlement, Holding],
) -> tuple[Doubt, ...]:
    known = {e: holdings.get(e) or begun.get(e) for e in why}
    return tuple(sorted(Doubt(e, held.grants if held is not None else (), why[e]) for e, held in known.items()))


class _Sorted(Struct, frozen=True):
    """The claims by what they come to at an instant; ``invalid`` has why other grants claim nothing any more."""

    at: datetime
    invalid: Mapping[GrantId, Reason]
    live: dict[Entitlement, list[Claim]]
    waiting: list[Claim]
    blocked: list[Claim]
    ended: dict[GrantId, Claim]

    @classmethod
    def of(cls, claims: Iterable[Claim], at: datetime, invalid: Mapping[GrantId, Reason]) -> _Sorted:
        found = cls(at, invalid, {}, [], [], {})
        for claim in claims:
            window = claim.window
            if claim.blocked is None and not window.parts and window.start <= at < window.end:  # as most are
                found.live.setdefault(claim.entitlement, []).append(claim)
            elif claim.ended(at):
                found.ended[claim.grant] = claim
            elif claim.blocked is not None:
                found.blocked.append(claim)
            elif not claim.window.holds(at):
                found.waiting.append(claim)
            else:
                found.live.setdefault(claim.entitlement, []).append(claim)
        return found

    def removal(self, holding: Holding) -> Intended:
        """Return the removal of what no claim gives any more, with the reason that says most.

        It is an expiry, which no brake holds back, only where time itself ended it: the end of one grant does not
        excuse the disappearance of another that was still to run, and ends that somebody moved into the past are no
        better than files that somebody deleted.
        """
        at, ended = self.at, [self.ended[grant] for grant in holding.grants if grant in self.ended]
        if ended and len(ended) == len(holding.grants):
            # What a bound ended before its window began was over when that began, as far as anybody can tell.
            due = min(at, max(claim.window.closes if claim.blocked is None else claim.window.start for claim in ended))
            moved = Reason.BOUND if any(claim.bound for claim in ended) else Reason.WINDOW_MOVED
            reason = Reason.EXPIRED if holding.until is None or holding.until <= at else moved
            return Intended(Action.REMOVE, holding.entitlement, holding.grants, reason, due)
        if holding.until is not None and holding.until <= at:
            # The grant's file may be gone or broken by now; that its time is over stands in our own receipt.
            return Intended(Action.REMOVE, holding.entitlement, holding.grants, Reason.EXPIRED, holding.until)
        blocked = {claim.grant: claim.blocked for claim in self.blocked if claim.blocked is not None}
        waiting = {claim.grant: Reason.NOT_YET for claim in self.waiting}
        known = blocked | waiting | dict(self.invalid)
        reasons = [known.get(grant, Reason.GRANT_REMOVED) for grant in holding.grants if grant not in self.ended]
        # The emergency stop of one grant lifts no brake for another that gave the same and is gone for another reason.
        reason = next((r for r in reasons if r is not Reason.REVOKED), reasons[0] if reasons else Reason.GRANT_REMOVED)
        return Intended(Action.REMOVE, holding.entitlement, holding.grants, reason, at)


def _removals(
    known: _Sorted,
    holdings: Mapping[Entitlement, Holding],
    begun: Mapping[Entitlement, Holding],
    observed: Observed,
    unknown: Container[Entitlement],
) -> list[Intended]:
    """Return the removals of what is ours, or offered by us, and given by no claim."""
    return [
        *(
            known.removal(holdings[e])
            for e in set(holdings).difference(known.live)
            if e.target not in observed.unreadable and e not in unknown
        ),
        *(
            known.removal(offer)
            for e, offer in begun.items()
            if e in observed.offered and e not in known.live and e not in holdings
        ),
    ]


def _removal_of_stray(entitlement: Entitlement, exclusive: Container[str], at: datetime) -> Intended:
    reason = Reason.UNMANAGED if entitlement.resource in exclusive else Reason.RETURNED
    return Intended(Action.REMOVE, entitlement, (), reason, at)


def _additions(
    known: _Sorted,
    holdings: Mapping[Entitlement, Holding],
    observed: Observed,
    unknown: Container[Entitlement],
    importing: frozenset[GrantId],
    *,
    strays: Collection[Entitlement],
) -> list[Intended]:
    """Return the additions of what claims give; what is offered is not asked for again."""
    seen: Container[Entitlement] = observed.entitlements
    if not strays and len(observed.entitlements) == len(holdings):
        seen = holdings  # the very same, and claims speak of it by the same objects: it is found there at once
    held, back, given = holdings.get, observed.returned, list[Intended]()
    for entitlement, giving in known.live.items():
        holding = held(entitlement)
        if holding is not None and len(giving) == 1 and giving[0].grant in holding.grants and entitlement in seen:
            window = giving[0].window
            if window.end == holding.until and not window.parts:
                continue  # as it should be, as most are
        if entitlement.target in observed.unreadable or entitlement in observed.offered or entitlement in unknown:
            continue
        addition = _addition(entitlement, giving, holding, seen, known.at, importing=importing, returned=back)
        if addition is not None:
            given.append(addition)
    return given


def _addition(
    entitlement: Entitlement,
    giving: list[Claim],
    holding: Holding | None,
    observed: Container[Entitlement],
    at: datetime,
    *,
    importing: frozenset[GrantId],
    returned: Container[Entitlement],
) -> Intended | None:
    grants = tuple(sorted(claim.grant for claim in giving))
    open_now = [interval for claim in giving if (interval := claim.window.interval_at(at)) is not None]
    until = max(interval.end for interval in open_now)
    if entitlement not in observed:
        # What another grant had given and what is gone with it was not lost: this one opens.
        # Nor was what the target was told would have ended by then: the next interval opens.
        opens = min(interval.start for interval in open_now)
        over = holding is not None and holding.until is not None and holding.until <= opens
        lost = holding is not None and not over and not set(grants).isdisjoint(holding.grants)
        recurs = all(claim.window.parts for claim in giving)
        reason = Reason.LOST if lost else Reason.INTERVAL_OPENED if recurs else Reason.WINDOW_OPENED
        due = at if lost else opens
        return Intended(Action.ADD, entitlement, grants, reason, due, until)
    if holding is not None and (holding.until != until or not set(grants) & set(holding.grants)):
        # The target is told again, so that one which ends access by itself does so at the new instant; and where none
        # of the grants that gave the access gives it any longer, so that the ledger names one that does.
        reason = Reason.WINDOW_MOVED if set(grants) <= set(holding.grants) else Reason.CONTINUED
        return Intended(Action.ADD, entitlement, grants, reason, at, until)
    # What we took away and a backup brought back is ours again once a grant gives it: else no receipt would say who has it.
    if holding is None and (entitlement in returned or not importing.isdisjoint(grants)):
        return Intended(Action.ADD, entitlement, grants, Reason.TAKEN_OVER, at, until)
    return None  # as it should be; or there already and not ours, which the plan lists as unmanaged


def _order(change: Intended) -> tuple[Entitlement, str]:
    return (change.entitlement, change.reason.value)


def next_boundary(claims: Iterable[Claim], at: datetime) -> datetime:
    """Return the first instant after ``at`` at which any window opens or ends; FOREVER where none does."""
    boundary = FOREVER
    for claim in claims:
        window = claim.window
        if window.parts:
            boundary = min(boundary, window.next_boundary(at) or FOREVER)
        if at < window.end < boundary:
            boundary = window.end
        if at < window.start < boundary:
            boundary = window.start
    return boundary
