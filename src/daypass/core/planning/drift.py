"""Drift: where the targets are not as main says, told as findings.

Where a target cannot tell of access, a person looks and says what it is: that settles the doubt (`settle`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct

from daypass.core.errors import RefusedError, UsageError
from daypass.core.finding import Finding, Place, Severity
from daypass.core.ids import FOLDER, GrantId, grant_path
from daypass.core.ledger.receipt import BATCH, Refusal, Settled, words_digest
from daypass.core.plan import Action, Denied, Doubt, Entitlement, Failing, Holding, Intended, Plan, Reason
from daypass.core.record import replace
from daypass.core.window import format_duration, format_instant

if TYPE_CHECKING:  # whoever only looks at a target need not know how the ledger adds up
    from daypass.core.ledger.standing import Standing

_RESOURCES = "policies/resources/"


class OtherAccess(NamedTuple):
    """A way in that is no entitlement: who has it, and what it is ("is SUPERUSER")."""

    who: str
    what: str


class Inspection(NamedTuple):
    """What was looked at at a target beside its entitlements, what of it cannot be seen, and what was found."""

    looked: tuple[str, ...]
    unseen: tuple[str, ...]
    others: tuple[OtherAccess, ...] = ()


class Traits(Struct, frozen=True):
    """Plain facts about a target. What it can do beside making changes is said by its types, in `daypass.ports`.

    Where it ``hands_over`` something, access that is there without it having arrived is no access: it is given again.
    ``at_once`` is how many changes it takes in one step; what came of them is written down after each. Where it ``marks``
    what we give, nobody else's access is ever taken for ours, so that what we took away and is there again came back by
    itself (an old backup), and goes again.
    """

    hands_over: bool = False
    at_once: int = BATCH
    marks: bool = False


class Health(Struct, frozen=True):
    """How a target is found: ``facts`` are what is so (who we are there, what that may do), ``concerns`` what is not well.

    A credential that may do too much is a concern as much as one that may do too little. ``clock`` is what the target
    takes the time to be, None where it says none.
    """

    facts: tuple[str, ...] = ()
    concerns: tuple[str, ...] = ()
    clock: datetime | None = None


class TargetState(Struct, frozen=True):
    """How one target was found.

    ``error`` is why it could not be reached or read ("" when it was), ``hint`` what to do about that. ``skew`` is how far
    its clock is ahead of ours (negative: behind), as far as the time that the answer took lets one tell; None where it
    says no time. ``ours`` counts the entitlements that the ledger says we gave and that are there, ``unmanaged`` the
    others; both are None where nobody can look. ``awaited`` counts invitations that nobody has accepted, and ``unknown``
    says of what was given why nobody can tell whether it is there.
    """

    name: str
    kind: str
    facts: tuple[str, ...] = ()
    concerns: tuple[str, ...] = ()
    error: str = ""
    hint: str = ""
    skew: timedelta | None = None
    ours: int | None = None
    unmanaged: int | None = None
    awaited: int = 0
    unknown: tuple[str, ...] = ()


def drift(
    plan: Plan,
    refusals: Iterable[Refusal] = (),
    inspections: Mapping[str, Inspection | str] | None = None,
    unproved: Iterable[Refusal] = (),
    bounds: Mapping[str, str] | None = None,
) -> tuple[Finding, ...]:
    """Return what differs, worst first: access that nobody granted, then what outlives its grant, then what is missing.

    A target that could not be read is a finding too: nobody can tell what is there (invariant 7). ``inspections`` say by
    target what was found beside entitlements, or why nobody could look. ``unproved`` are the grants of main of which it
    could not be told whether they give anything. ``bounds`` say of a grant what ended it early.
    """
    inspected = inspections or {}
    return (
        *(_unread(target, why) for target, why in plan.unreadable.items()),
        *(_unknown(doubt) for doubt in plan.unknown),
        *(_unread(target, found) for target, found in inspected.items() if isinstance(found, str)),
        *(_unmanaged(entitlement) for entitlement in plan.unmanaged),
        *(_other(name, way) for name, seen in inspected.items() if not isinstance(seen, str) for way in seen.others),
        *_changes(plan, bounds or {}),
        *(_awaited(entitlement) for entitlement in plan.offered),
        *(_renamed(doubt) for doubt in plan.renamed),
        *(_missing(change) for change in plan.lost),
        *(_failing(one) for one in plan.failing),
        *(_denied(one) for one in plan.denied),
        *(_refused(refusal) for refusal in refusals),
        *(_unproved(one) for one in unproved),
    )


def _changes(plan: Plan, bounds: Mapping[str, str]) -> Iterator[Finding]:
    for change in plan.changes:
        if change.action is Action.ADD:
            yield _missing(change)
        elif change.reason is Reason.UNMANAGED:
            yield _unmanaged(change.entitlement)
        else:
            yield _overdue(change, plan, bounds)


def entitlement_words(entitlement: Entitlement) -> str:
    """Say in words what an entitlement is."""
    return (
        f"{entitlement.principal!r} holds {entitlement.privilege} on {entitlement.resource} "
        f"at target {entitlement.target}"
    )


def _place(grants: tuple[GrantId, ...], resource: str) -> Place:
    return Place(grant_path(grants[0]) if grants else f"{_RESOURCES}{resource}.yaml")


def _unmanaged(entitlement: Entitlement) -> Finding:
    return Finding(
        "access-unmanaged",
        Place(f"{_RESOURCES}{entitlement.resource}.yaml"),
        f"{entitlement_words(entitlement)}, and no grant gave it",
        "take it away at the target, or have `daypass import` make a grant with an end of it; a resource that is "
        "`exclusive: true` loses such access",
    )


def _other(target: str, way: OtherAccess) -> Finding:
    return Finding(
        "access-other",
        Place("policies/daypass.yaml", path=f"targets.{target}"),
        f"{way.who!r} {way.what} at target {target}: no grant gives such access, and daypass takes none of it away",
        "take it away there and ask for it with a grant; `daypass import` takes memberships over, and not this",
    )


def _overdue(change: Intended, plan: Plan, bounds: Mapping[str, str]) -> Finding:
    if change.entitlement in plan.gone:
        return Finding(
            "access-overdue",
            _place(change.grants, change.entitlement.resource),
            f"{_what(change.entitlement)} for {change.entitlement.principal!r} is gone from the target, "
            "and the ledger has it still",
            "`daypass apply` writes down that it is gone",
            Severity.NOTE,
        )
    late = f" for {format_duration(plan.at - change.due)}" if change.due < plan.at else ""
    return Finding(
        "access-overdue",
        _place(change.grants, change.entitlement.resource),
        f"{entitlement_words(change.entitlement)}, which should be gone{late} ({why_words(change, bounds)})",
        "`daypass apply` takes it away; if it has run since, look at what it said",
    )


def why_words(change: Intended, bounds: Mapping[str, str]) -> str:
    """Say why a change is made. ``bounds`` say of a grant what ended it early: the reason's own word fits some of that."""
    bound = next((f": {bounds[grant]}" for grant in change.grants if grant in bounds), "")
    return f"ended early{bound}" if change.reason is Reason.BOUND else str(change.reason.value)


def _what(entitlement: Entitlement) -> str:
    return f"{entitlement.privilege} on {entitlement.resource}"


def _missing(change: Intended) -> Finding:
    entitlement = change.entitlement
    place = _place(change.grants, entitlement.resource)
    until = f" until {format_instant(change.until)}" if change.until is not None else ""
    what = f"{_what(entitlement)} for {entitlement.principal!r}{until}"
    if change.reason is Reason.LOST:
        return Finding(
            "access-lost",
            place,
            f"{what} is gone from the target, where somebody else took it away",
            "`daypass apply` gives it again; end the grant if it was meant to go",
        )
    return Finding(
        "access-pending",
        place,
        f"{what} is not there yet ({change.reason.value})",
        "`daypass apply` gives it; if it has run since, look at what it said",
        Severity.WARNING,
    )


def _denied(one: Denied) -> Finding:
    return Finding(
        "policy-denied",
        Place(grant_path(one.grant)),
        f"{one.grant} is live, and policy denies it today: {one.said}",
        f"it goes on until its window ends; `daypass end {one.grant}` ends it now",
        Severity.WARNING,
    )


def _failing(one: Failing) -> Finding:
    found = _missing(one.change)
    hint = f"mend what it says; `daypass apply` tries again from {format_instant(one.again)}, with --retry at once"
    message = f"{found.message}; it has failed since {format_instant(one.since)}: {one.error}"
    return Finding(found.code, found.place, message, hint, found.severity)


def _unknown(doubt: Doubt) -> Finding:
    return Finding(
        "access-unknown",
        _place(doubt.grants, doubt.entitlement.resource),
        f"nobody can tell whether {entitlement_words(doubt.entitlement)}: {doubt.why}",
        "nothing is taken away or given by its name; when you have looked at the target, "
        f"`daypass ledger settle {' '.join(doubt.grants) or 'GRANT'}` with --adopt or --write-off ends the doubt",
    )


def _renamed(doubt: Doubt) -> Finding:
    return Finding(
        "access-renamed",
        _place(doubt.grants, doubt.entitlement.resource),
        f"{entitlement_words(doubt.entitlement)}, under another name today: {doubt.why}",
        "it is taken away by its number all the same; write the new name in the directory or the catalogue",
        Severity.WARNING,
    )


def _awaited(entitlement: Entitlement) -> Finding:
    return Finding(
        "access-awaited",
        _place((), entitlement.resource),
        f"{entitlement.principal!r} was invited to {entitlement.privilege} on {entitlement.resource} at target "
        f"{entitlement.target}, and has not accepted: it is no access until then",
        "ask them to accept the invitation; ending the grant withdraws it",
        Severity.NOTE,
    )


def _unread(target: str, why: str) -> Finding:
    return Finding(
        "target-unread",
        Place("policies/daypass.yaml", path=f"targets.{target}"),
        f"target {target} could not be read: {why}",
        "nobody can tell what is there; mend it, since nothing can be taken away there either",
    )


def _unproved(one: Refusal) -> Finding:
    return Finding(
        "grant-unproved",
        Place(grant_path(one.grant)),
        f"nobody can tell whether it gives access: {one.message}",
        "it gives nothing until it is proved; each run tries again",
    )


def _refused(refusal: Refusal) -> Finding:
    return Finding(
        "grant-refused",
        Place(f"{FOLDER}{refusal.grant}.yaml"),
        f"it stands on main and gives nothing: {refusal.message} [{refusal.code}]",
        "remove it, or ask again with a pull request of its own",
    )


def settle(
    plan: Plan, standing: Standing, grants: Sequence[GrantId], *, adopt: bool, by: str, reason: str, number: int = 0
) -> tuple[Settled, ...]:
    """Return the receipts that end the doubts about what some grants gave.

    ``adopt``: whoever and whatever bears the names now is meant. Else what was given is written off, and no grant of the
    same access gives it any more. Of ``reason`` the receipts have the digest alone, since people write anything into it.
    Raises UsageError for a grant that gives nothing, RefusedError where there is no doubt about one, and where there is
    nothing to adopt.
    """
    found: dict[Doubt, Settled] = {}
    for grant in grants:
        doubts = [doubt for doubt in plan.unknown if grant in doubt.grants]
        if not doubts:
            named = sorted({name for doubt in plan.unknown for name in doubt.grants})
            hint = (
                f"there is doubt about {', '.join(named)}" if named else "`daypass drift` lists what nobody can tell of"
            )
            if not any(grant in row.grants for row in standing.holdings.values()):
                raise UsageError(f"nothing is given by {grant} that the ledger knows", hint=hint)
            raise RefusedError(f"there is no doubt about {grant}: the targets tell what became of it", hint=hint)
        for doubt in doubts:
            found[doubt] = replace(_settled(doubt, standing, adopt=adopt, by=by, reason=reason), number=number)
    return tuple(found[doubt] for doubt in sorted(found))


def _settled(doubt: Doubt, standing: Standing, *, adopt: bool, by: str, reason: str) -> Settled:
    held = standing.holdings.get(doubt.entitlement)
    voided = standing.voided.get(doubt.entitlement)
    begun = voided or standing.pending.get((Action.ADD, doubt.entitlement))
    if adopt and held is None and voided is None:
        raise RefusedError(
            f"nothing shows that {doubt.grants[0]} ever gave anything, so that there is nothing to adopt",
            hint="--write-off ends the doubt",
        )
    if held is None:
        assert begun is not None  # noqa: S101  (a plan has doubts about what is ours or was begun, and nothing else)
        held = Holding(doubt.entitlement, begun.grants, begun.until)
    rows = [] if adopt else [row for row in standing.admitted() if row.entitlement == doubt.entitlement]
    files = tuple((row.grant, row.blob, row.landing) for row in rows)
    return Settled(held, adopt, by, words_digest(reason), files)
