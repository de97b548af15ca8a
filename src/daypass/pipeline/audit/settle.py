"""Ending a doubt about access that a target cannot tell of: a person has looked, and says what it is."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from daypass.core.errors import RefusedError, UsageError
from daypass.core.grant import GrantId
from daypass.core.ledger.receipt import Settled
from daypass.core.ledger.standing import Standing
from daypass.core.plan import Action, Doubt, Holding, Plan


def settle(
    plan: Plan, standing: Standing, grants: Sequence[GrantId], *, adopt: bool, by: str, reason: str
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
            found[doubt] = _settled(doubt, standing, adopt=adopt, by=by, reason=reason)
    return tuple(found[doubt] for doubt in sorted(found))


def _settled(doubt: Doubt, standing: Standing, *, adopt: bool, by: str, reason: str) -> Settled:
    held = standing.holdings.get(doubt.entitlement)
    begun = standing.pending.get((Action.ADD, doubt.entitlement))
    if adopt and held is None:
        raise RefusedError(
            f"nothing shows that {doubt.grants[0]} ever gave anything, so that there is nothing to adopt",
            hint="--write-off ends the doubt",
        )
    if held is None:
        assert begun is not None  # noqa: S101  (a plan has doubts about what is ours or was begun, and nothing else)
        held = Holding(doubt.entitlement, begun.grants, begun.until)
    rows = [] if adopt else [row for row in standing.admitted() if row.entitlement == doubt.entitlement]
    files = tuple((row.grant, row.blob, row.landing) for row in rows)
    return Settled(held, adopt, by, "sha256:" + hashlib.sha256(reason.encode()).hexdigest(), files)
