"""How the grants stand that a plan, a run or an explanation speaks of, by what was read for it."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from daypass.core.ids import GrantId
from daypass.core.ledger.receipt import Outcome
from daypass.core.ledger.standing import Standing
from daypass.core.plan import Action, AdmittedGrant, Claim, Entitlement, Holding, Observed, Plan
from daypass.core.planning.compute import compute
from daypass.core.planning.holdback import HELD, brake, doubt, keep_back, notes_on, rest
from daypass.core.policy.decision import PAUSED
from daypass.core.record import replace
from daypass.core.state import Overview
from daypass.pipeline.apply.current import claims_on, landed, refused_there

if TYPE_CHECKING:
    from daypass.core.policy.policies import Policy
    from daypass.pipeline.apply.survey import Survey
    from daypass.pipeline.context import Context


def overview_of(found: Survey, outcomes: Iterable[Outcome] = ()) -> Overview:
    """Return how the grants stand that a plan speaks of; ``outcomes`` are what came of its changes since."""
    from daypass.pipeline.apply.readings import notes_of  # noqa: PLC0415  (`overview_of_grant` looks at no targets)

    plan, changed = found.plan, found.admitted.changed
    told = _spoken_of(plan)
    unproved = {*found.admitted.refusals, *(one.grant for one in found.unproved)}
    rows: dict[GrantId, AdmittedGrant] = {}
    for name in (told.keys() | changed.keys()) - unproved:
        proof = changed.get(name)
        row = AdmittedGrant.of(proof) if proof is not None else found.standing.row(name)
        rows |= {name: row} if row is not None else {}
    known = found.claims if rows else ()
    claims = {
        claim.grant: replace(claim, blocked=found.invalid.get(claim.grant, claim.blocked))
        for claim in known
        if claim.grant in rows
    }
    given = {*told.values(), *(row.entitlement for row in rows.values())}
    holdings = {one: held for one in given if (held := found.standing.holding(one)) is not None}
    notes: dict[Entitlement, str] = {}
    if found.observed is not None and rows:
        giving = entitlements_given(rows.values(), claims, plan.at)
        notes = failing_notes(found.standing, found.observed, giving, plan.at)
        notes |= notes_of(found.observed, giving, holdings)
    for change in (outcome.change for outcome in outcomes if outcome.ok):
        notes.pop(change.entitlement, None)  # what was seen of it was seen before
        holdings.pop(change.entitlement, None)
        if change.action is Action.ADD:
            holdings[change.entitlement] = Holding(change.entitlement, change.grants, change.until)
    return Overview(
        plan.at,
        (),
        [rows[name] for name in sorted(rows)],
        holdings,
        landed={name: "removed" for name, proof in changed.items() if proof is None and name in rows},
        refused=found.refusals,
        unproved=found.unproved,
        notes=notes,
        claims=claims,
        denied=plan.denied,
        gone={name: told[name] for name in told.keys() - rows.keys() - unproved},
        renewed=renewed_of(claims.values(), found.policy),
    )


def renewed_of(claims: Iterable[Claim], policy: Policy) -> dict[GrantId, str]:
    """Return what the targets hand over anew for each interval, of the grants that recur."""
    targets = policy.catalogue.settings.targets
    found = {
        one.grant: targets[one.entitlement.target].hands_over(one.entitlement.fields or {})
        for one in claims
        if one.window.parts and one.blocked is None and one.entitlement.target in targets
    }
    return {grant: what for grant, what in sorted(found.items()) if what}


def overview_of_grant(context: Context, grant: GrantId, at: datetime) -> Overview:
    """Return how one grant stands by the ledger and main; nobody looks at targets for it."""
    standing = context.standing
    proof = standing.admission(grant)
    rows = [AdmittedGrant.of(proof)] if proof is not None else []
    changed = landed(context) or {}
    refusal = next((one for one in refused_there(context) if one.grant == grant), None)
    claims = claims_on(context, rows)
    # What is given already, or over and gone, no run changes.
    giving = entitlements_given(rows, claims, at)
    due = any((row.entitlement in standing.holdings) != (row.entitlement in giving) for row in rows)
    return Overview(
        at,
        (),
        rows,
        {row.entitlement: standing.holdings[row.entitlement] for row in rows if row.entitlement in standing.holdings},
        landed={grant: changed[grant]} if grant in changed else {},
        refused=(refusal,) if refusal is not None else (),
        notes=held_notes(context, claims_on(context), at) if due else {},
        claims=claims,
    )


def giving_stopped(policy: Policy) -> str:
    """Return why nothing is given for now by main's policies, "" where that is not so."""
    if policy.catalogue.settings.limits.pause:
        return PAUSED
    return "nothing is given while main's policies do not read" if policy.broken else ""


def held_notes(
    context: Context, claims: Mapping[GrantId, Claim], at: datetime, seen: Observed | None = None
) -> dict[Entitlement, str]:
    """Return what the next run would hold back, and why, by all claims that the ledger has. Nothing is proved for it.

    ``seen`` is what the targets hold, None for what they hold by the ledger.
    """
    standing, policy = context.standing, context.policy_at(context.tip)
    settings, holdings = policy.catalogue.settings, standing.holdings
    left = frozenset(target.name for target in settings.targets.values() if target.leave_lost)
    seen = seen or Observed(frozenset(holdings))
    plan = compute(claims.values(), holdings, seen, at=at, main=context.tip, leave_lost=left)
    plan = rest(plan, standing.failures, holdings, lambda _: False)
    removals, additions = settings.limits.brake(len(holdings))
    part = brake(plan, removals=removals, additions=additions)
    clock = None if settings.forge.vouches else doubt(at, standing.at, {})
    waits, why = (lambda _: False, "") if clock is None else (clock.waits, clock.why)
    part = keep_back(part, waits, why, giving_stopped(policy), holdings)
    return {change.entitlement: f"{HELD} {part.message}" for change in part.held}


def entitlements_given(
    rows: Iterable[AdmittedGrant], claims: Mapping[GrantId, Claim], at: datetime
) -> set[Entitlement]:
    """Return what proved grants give at an instant."""
    return {
        row.entitlement
        for row in rows
        if row.window.holds(at) and (claim := claims.get(row.grant)) is not None and claim.blocked is None
    }


def failing_notes(
    standing: Standing, seen: Observed, giving: Container[Entitlement], at: datetime
) -> dict[Entitlement, str]:
    """Return how what should be given, or be gone, fails; what waits for its subject to accept it does not fail."""
    fails = notes_on(standing.failures, giving, standing.holdings, at)
    return {entitlement: note for entitlement, note in fails.items() if entitlement not in seen.offered}


def _spoken_of(plan: Plan) -> dict[GrantId, Entitlement]:
    """Return each grant that a plan names, with an entitlement that it is named for."""
    found: dict[GrantId, Entitlement] = {}
    for change in (*plan.changes, *plan.lost, *(failing.change for failing in plan.failing)):
        found |= dict.fromkeys(change.grants, change.entitlement)
    for one in (*plan.unknown, *plan.renamed):
        found |= dict.fromkeys(one.grants, one.entitlement)
    for claim in (*plan.waiting, *plan.blocked):
        found[claim.grant] = claim.entitlement
    return found | {one.grant: one.entitlement for one in plan.denied}
