"""What must change at the targets so that they equal what main says at one instant.

A plan is a value: computing it needs no way to write, and applying it needs nothing else. It upholds invariants 1 (the
union of all live grants is desired, so the end of one never takes what another still gives), 6 (access that is not
ours is left alone unless the resource is exclusive), 8 (removals come first and wait for nothing), 9 (same inputs, same
plan) and 12 (the brake).
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import NamedTuple

from daypass.core.grant import GrantId, digest
from daypass.core.window import Window, format_instant


class Entitlement(NamedTuple):
    """What a target understands, the atom that is observed, added and removed.

    ``target`` is the name in the settings, ``resource`` the catalogue's, ``principal`` the subject's name at the
    target and ``privilege`` the role's privilege as canonical JSON. A named tuple, since plans hash and compare very many.
    """

    target: str
    resource: str
    principal: str
    privilege: str


Numbers = tuple[tuple[str, str], ...]
"""By which numbers a target knows an entitlement, whatever it is called there: (what is numbered, its number), sorted.

What is numbered (``member``, ``team``, ``system`` …) and how a number looks is the target's own; they are compared alone.
"""


class Found(NamedTuple):
    """What a target says of one entitlement, by the numbers that were recorded of it.

    ``there`` is None where nobody can tell: what it was given to or in is not found, which is no proof that it is gone.
    Where it is False, ``why`` says what became of the name: nothing may be given under it. Where it is True, ``why`` says
    what has another name now, and ``called`` are the entitlements that `observe` names it as. ``numbers`` are today's.
    """

    there: bool | None
    why: str = ""
    called: tuple[Entitlement, ...] = ()
    numbers: Numbers = ()


class Doubt(NamedTuple):
    """Something to say of an entitlement of ours, and the grants that gave it."""

    entitlement: Entitlement
    grants: tuple[GrantId, ...]
    why: str


class Failing(NamedTuple):
    """A change that has failed in the same way since an instant, and is not tried again before another."""

    change: Intended
    error: str
    since: datetime
    again: datetime


class Denied(NamedTuple):
    """One reason why the policies of today deny a live grant: ``rule`` "" for what daypass itself upholds."""

    grant: GrantId
    entitlement: Entitlement
    rule: str
    code: str
    message: str

    @property
    def said(self) -> str:
        """The reason, with the rule that gives it."""
        return f"rule {self.rule}: {self.message}" if self.rule else self.message


class Action(Enum):
    """What is done to an entitlement; removals sort first."""

    REMOVE = "remove"
    ADD = "add"


class Reason(Enum):
    """Why a change is made, or why a grant gives nothing."""

    WINDOW_OPENED = "window opened"
    WINDOW_MOVED = "window moved"
    EXPIRED = "expired"
    GRANT_REMOVED = "grant removed"
    REVOKED = "revoked"
    GRANT_INVALID = "grant invalid"
    EVIDENCE_MISSING = "evidence missing"
    MEANING_MOVED = "role means something else since approval"
    PRINCIPAL_MOVED = "subject is somebody else at the target since approval"
    NOT_YET = "window not open yet"
    BOUND = "ended early by retention or engagement"
    CONTINUED = "goes on by another grant"
    LOST = "missing at the target"
    TAKEN_OVER = "was there before, and is granted now"
    RETURNED = "there again after it was taken away"
    UNMANAGED = "not granted, and the resource is exclusive"


THERE_BEFORE = frozenset({Reason.WINDOW_MOVED, Reason.CONTINUED, Reason.TAKEN_OVER})
"""Additions of what is there already: they open no access."""

BOUND_TO_TIME = frozenset({Reason.EXPIRED, Reason.REVOKED})
"""Removals that the brake never holds back: time asks for them, or an emergency stop does."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What one proved grant of main gives: an entitlement during a window. ``blocked``: why it gives nothing now.

    ``bound`` says what ends the window before its own end, "" where nothing does. Where that was over before the window
    began, the grant gives nothing any more: it is blocked by BOUND, and has ended.
    """

    grant: GrantId
    entitlement: Entitlement
    window: Window
    blocked: Reason | None = None
    bound: str = ""

    def ended(self, at: datetime) -> bool:
        """Whether its time is over, whatever ended it."""
        return self.blocked is Reason.BOUND or (self.blocked is None and self.window.ended(at))


@dataclass(frozen=True, slots=True)
class Holding:
    """An entitlement that the ledger shows as ours: the grants that gave it, until when the target has it, its numbers."""

    entitlement: Entitlement
    grants: tuple[GrantId, ...]
    until: datetime | None = None
    numbers: Numbers = ()


@dataclass(frozen=True, slots=True)
class Intended:
    """One change. ``due``: when it should happen, the window's start or end, else the run's own instant.

    ``grants`` are the grants that give (add) or gave (remove) the entitlement; ``until`` is when an added one ends.
    """

    action: Action
    entitlement: Entitlement
    grants: tuple[GrantId, ...]
    reason: Reason
    due: datetime
    until: datetime | None = None

    def to_dict(self) -> dict[str, object]:
        """Return the change as plain data."""
        found: dict[str, object] = {
            "action": self.action.value,
            "target": self.entitlement.target,
            "resource": self.entitlement.resource,
            "principal": self.entitlement.principal,
            "privilege": self.entitlement.privilege,
            "grants": list(self.grants),
            "reason": self.reason.value,
            "due": format_instant(self.due),
        }
        return found | ({"until": format_instant(self.until)} if self.until else {})


@dataclass(frozen=True, slots=True)
class Plan:
    """The ordered changes at one instant.

    ``waiting`` are grants whose window is not open yet; ``blocked`` give nothing, and why; ``unmanaged`` is access that
    exists and that no grant of ours gave; ``unreadable`` maps a target to why it could not be observed: nothing is
    planned for it; ``live`` counts the entitlements that should exist, but for the lost, offered and unknown, and
    ``by_ledger`` those of them at targets that nobody can look at, of which the ledger's word is all there is. ``lost``
    is what somebody took away at a target whose settings say that it is to be left so; ``offered`` should exist, and
    waits for the subject to accept it.
    ``gone`` is to be taken away, and its target was seen without it: nothing is left to do but to write that down.
    ``denied`` is live, and today's policies deny it: nothing is done about it.
    ``failing`` should be made, has failed, and is tried again later: it is no change of this plan.
    Of what is ``unknown`` nobody can tell whether it exists: nothing is planned for it. ``renamed`` is ours under a name
    of today.
    """

    at: datetime
    main: str
    changes: tuple[Intended, ...]
    waiting: tuple[Claim, ...] = ()
    blocked: tuple[Claim, ...] = ()
    unmanaged: tuple[Entitlement, ...] = ()
    unreadable: Mapping[str, str] = field(default_factory=dict)
    live: int = 0
    lost: tuple[Intended, ...] = ()
    offered: tuple[Entitlement, ...] = ()
    unknown: tuple[Doubt, ...] = ()
    renamed: tuple[Doubt, ...] = ()
    failing: tuple[Failing, ...] = ()
    denied: tuple[Denied, ...] = ()
    by_ledger: int = 0
    gone: frozenset[Entitlement] = frozenset()

    @property
    def digest(self) -> str:
        """``sha256:…`` of what would be done; what ``--confirm`` names when the brake holds."""
        return changes_digest(self.main, self.changes)


def changes_digest(main: str, changes: Iterable[Intended]) -> str:
    """Return ``sha256:…`` of changes on a commit of main.

    When they fall due is left out: many are due at the run's own instant, and a person who confirms them does so in a
    later run.
    """
    told = [{key: value for key, value in change.to_dict().items() if key != "due"} for change in changes]
    return digest({"main": main, "changes": told})


@dataclass(frozen=True, slots=True)
class Observed:
    """What the targets were seen to hold, or why one could not be read. ``offered`` is no access until it is accepted.

    ``found`` is what they say by numbers, and ``entitlements`` agree with it: see `by_number`.
    ``skews`` say how far a target's clock is ahead of ours, for those that say a time. ``by_ledger`` are the targets that
    nobody can look at: what the ledger says stands for what is there.
    """

    entitlements: frozenset[Entitlement]
    unreadable: Mapping[str, str] = field(default_factory=dict)
    offered: frozenset[Entitlement] = frozenset()
    found: Mapping[Entitlement, Found] = field(default_factory=dict)
    skews: Mapping[str, timedelta] = field(default_factory=dict)
    by_ledger: frozenset[str] = frozenset()


def by_number(seen: frozenset[Entitlement], found: Mapping[Entitlement, Found]) -> frozenset[Entitlement]:
    """Return what was seen under names of today, with what is ours under its recorded name.

    What is there by its number stands under the name that the ledger has, and not under today's as somebody else's. What
    is not, or of which nobody can tell, does not stand there because somebody else bears its name.
    """
    there = {entitlement for entitlement, one in found.items() if one.there}
    called = {entitlement for one in found.values() for entitlement in one.called}
    return (seen - found.keys() - called) | there


def compute(
    claims: Iterable[Claim],
    holdings: Mapping[Entitlement, Holding],
    observed: Observed,
    *,
    at: datetime,
    main: str,
    exclusive: frozenset[str] = frozenset(),
    invalid: Mapping[GrantId, Reason] | None = None,
    taken: frozenset[Entitlement] = frozenset(),
    leave_lost: frozenset[str] = frozenset(),
    begun: Mapping[Entitlement, Holding] | None = None,
    importing: frozenset[GrantId] = frozenset(),
) -> Plan:
    """Compute the plan.

    ``begun`` is what we set about to give and what did not come about: where that is offered now, the offer is ours, and
    is withdrawn when no grant gives it any more. What is offered is not asked for again. ``importing`` are the grants
    that take over access which was there before.

    ``taken`` is what we took away before, at targets where nobody else's access can be mistaken for it; ``leave_lost``
    names the targets where access that somebody took away by hand is not given again.

    ``claims`` are all proved grants of main; ``invalid`` says why a grant that once gave a holding no longer claims
    anything (a grant named in neither was removed from main); ``exclusive`` names the resources whose unmanaged access
    is removed.
    """
    sorted_claims = _Sorted.of(claims, at)
    unreadable = observed.unreadable
    unknown = unknown_of(observed, sorted_claims.live)
    removals = [
        _removal(holding, sorted_claims, invalid or {}, at)
        for entitlement, holding in holdings.items()
        if entitlement not in sorted_claims.live and entitlement.target not in unreadable and entitlement not in unknown
    ]
    removals += [
        _removal(offer, sorted_claims, invalid or {}, at)
        for entitlement, offer in (begun or {}).items()
        if entitlement in observed.offered and entitlement not in sorted_claims.live and entitlement not in holdings
    ]
    additions = [
        addition
        for entitlement, giving in sorted_claims.live.items()
        if entitlement.target not in unreadable
        and entitlement not in observed.offered
        and entitlement not in unknown
        and (
            addition := _addition(
                entitlement, giving, holdings.get(entitlement), observed.entitlements, at, importing=importing
            )
        )
    ]
    stray = [e for e in observed.entitlements if e not in holdings and e not in sorted_claims.live]
    removals += [Intended(Action.REMOVE, e, (), Reason.UNMANAGED, at) for e in stray if e.resource in exclusive]
    returned = frozenset(e for e in stray if e in taken and e.resource not in exclusive)
    removals += [Intended(Action.REMOVE, e, (), Reason.RETURNED, at) for e in returned]
    lost = [a for a in additions if a.reason is Reason.LOST and a.entitlement.target in leave_lost]
    additions = [a for a in additions if a not in lost]
    apart = {*observed.offered, *unknown, *(change.entitlement for change in lost)}
    over = {a.entitlement for a in additions if a.reason is Reason.TAKEN_OVER}
    adopted = [e for e in sorted_claims.live if e in observed.entitlements and e not in holdings and e not in over]
    return Plan(
        at=at,
        main=main,
        changes=(*sorted(removals, key=_order), *sorted(additions, key=_order)),
        waiting=tuple(sorted(sorted_claims.waiting, key=lambda c: c.grant)),
        blocked=tuple(sorted(sorted_claims.blocked, key=lambda c: c.grant)),
        unmanaged=tuple(sorted([e for e in stray if e.resource not in exclusive and e not in returned] + adopted)),
        unreadable=dict(sorted(unreadable.items())),
        live=sum(1 for e in sorted_claims.live if e not in apart),
        gone=frozenset(
            change.entitlement
            for change in removals
            if change.entitlement not in observed.entitlements
            and change.entitlement not in observed.offered
            and change.entitlement.target not in observed.by_ledger
        ),
        by_ledger=sum(1 for e in observed.entitlements if e in sorted_claims.live and e.target in observed.by_ledger),
        lost=tuple(sorted(lost, key=_order)),
        offered=tuple(sorted(entitlement for entitlement in sorted_claims.live if entitlement in observed.offered)),
        unknown=_doubts(unknown, holdings, begun or {}),
        renamed=_doubts(
            {e: one.why for e, one in observed.found.items() if one.there and one.why}, holdings, begun or {}
        ),
    )


def unknown_of(observed: Observed, live: Container[Entitlement]) -> dict[Entitlement, str]:
    """Return of what nobody can tell whether it exists, and why.

    What is gone by its number is gone. But while a grant of it is live it would be given again, to whoever bears the name
    now: that waits for a person (invariant 15).
    """
    return {
        entitlement: one.why
        for entitlement, one in observed.found.items()
        if one.there is None or (not one.there and one.why and entitlement in live)
    }


def _doubts(
    why: Mapping[Entitlement, str],
    holdings: Mapping[Entitlement, Holding],
    begun: Mapping[Entitlement, Holding],
) -> tuple[Doubt, ...]:
    known = {e: holdings.get(e) or begun.get(e) for e in why}
    return tuple(sorted(Doubt(e, held.grants if held is not None else (), why[e]) for e, held in known.items()))


@dataclass(frozen=True, slots=True)
class _Sorted:
    live: dict[Entitlement, list[Claim]]
    waiting: list[Claim]
    blocked: list[Claim]
    ended: dict[GrantId, Claim]

    @classmethod
    def of(cls, claims: Iterable[Claim], at: datetime) -> _Sorted:
        found = cls({}, [], [], {})
        for claim in claims:
            if claim.ended(at):
                found.ended[claim.grant] = claim
            elif claim.blocked is not None:
                found.blocked.append(claim)
            elif at < claim.window.start:
                found.waiting.append(claim)
            else:
                found.live.setdefault(claim.entitlement, []).append(claim)
        return found


def _removal(holding: Holding, claims: _Sorted, invalid: Mapping[GrantId, Reason], at: datetime) -> Intended:
    """Name the reason that says most.

    It is an expiry, which no brake holds back, only where time itself ended it: the end of one grant does not excuse
    the disappearance of another that was still to run, and ends that somebody moved into the past are no better than
    files that somebody deleted.
    """
    ended = [claims.ended[grant] for grant in holding.grants if grant in claims.ended]
    if ended and len(ended) == len(holding.grants):
        # What a bound ended before its window began was over when that began, as far as anybody can tell.
        due = min(at, max(claim.window.end if claim.blocked is None else claim.window.start for claim in ended))
        moved = Reason.BOUND if any(claim.bound for claim in ended) else Reason.WINDOW_MOVED
        reason = Reason.EXPIRED if holding.until is None or holding.until <= at else moved
        return Intended(Action.REMOVE, holding.entitlement, holding.grants, reason, due)
    if holding.until is not None and holding.until <= at:
        # The grant's file may be gone or broken by now; that its time is over stands in our own receipt.
        return Intended(Action.REMOVE, holding.entitlement, holding.grants, Reason.EXPIRED, holding.until)
    blocked = {claim.grant: claim.blocked for claim in claims.blocked if claim.blocked is not None}
    waiting = {claim.grant: Reason.NOT_YET for claim in claims.waiting}
    known = blocked | waiting | dict(invalid)
    reasons = [known.get(grant, Reason.GRANT_REMOVED) for grant in holding.grants if grant not in claims.ended]
    # The emergency stop of one grant lifts no brake for another that gave the same and is gone for another reason.
    reason = next((r for r in reasons if r is not Reason.REVOKED), reasons[0] if reasons else Reason.GRANT_REMOVED)
    return Intended(Action.REMOVE, holding.entitlement, holding.grants, reason, at)


def _addition(
    entitlement: Entitlement,
    giving: list[Claim],
    holding: Holding | None,
    observed: frozenset[Entitlement],
    at: datetime,
    *,
    importing: frozenset[GrantId],
) -> Intended | None:
    grants = tuple(sorted(claim.grant for claim in giving))
    until = max(claim.window.end for claim in giving)
    if entitlement not in observed:
        # What another grant had given and what is gone with it was not lost: this one opens.
        lost = holding is not None and not set(grants).isdisjoint(holding.grants)
        reason = Reason.LOST if lost else Reason.WINDOW_OPENED
        due = at if lost else min(claim.window.start for claim in giving)
        return Intended(Action.ADD, entitlement, grants, reason, due, until)
    if holding is not None and (holding.until != until or not set(grants) & set(holding.grants)):
        # The target is told again, so that one which ends access by itself does so at the new instant; and where none
        # of the grants that gave the access gives it any longer, so that the ledger names one that does.
        reason = Reason.WINDOW_MOVED if set(grants) <= set(holding.grants) else Reason.CONTINUED
        return Intended(Action.ADD, entitlement, grants, reason, at, until)
    if holding is None and not importing.isdisjoint(grants):
        return Intended(Action.ADD, entitlement, grants, Reason.TAKEN_OVER, at, until)
    return None  # as it should be; or there already and not ours, which the plan lists as unmanaged


def _order(change: Intended) -> tuple[Entitlement, str]:
    return (change.entitlement, change.reason.value)
