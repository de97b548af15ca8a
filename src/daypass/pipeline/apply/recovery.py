"""What earlier runs left open: settled by looking, since a run that died or a target that failed may have done it.

Where a target cannot tell, a person looks and says what it is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from daypass.core.errors import RefusedError, UsageError
from daypass.core.ids import GrantId
from daypass.core.ledger.receipt import Outcome, Settled
from daypass.core.ledger.standing import Standing
from daypass.core.plan import THERE_BEFORE, Action, Doubt, Entitlement, Holding, Observed, Plan
from daypass.core.record import replace


def recover(standing: Standing, observed: Observed, unreadable: set[str], inviting: set[str]) -> Iterable[Outcome]:
    """Settle what an earlier run left open, by looking: the change came about or it did not.

    It died, or the target said no and may have done it all the same.

    What is offered and not accepted yet stays open: nothing has come of it so far.

    Where nobody can look it is taken for not done, so that it is done again: changes are idempotent.
    """
    for opened, change in standing.pending.items():
        if change.entitlement.target in observed.unreadable:
            continue
        if change.entitlement.target in unreadable:
            yield Outcome(
                change, ok=False, error="nobody can see whether it was done; it is done again", recovered=True
            )
            continue
        found = observed.found.get(change.entitlement)
        if found is not None and found.there is None:
            continue  # what bears the names is not there: nobody can tell what became of it
        present = change.entitlement in observed.entitlements
        held = standing.holdings.get(change.entitlement)
        told = held is None or held.until == change.until
        refused = opened in standing.failures and change.reason in THERE_BEFORE
        if change.action is Action.ADD and present and (refused or not told):
            # It was there before: that it is there says nothing of the end that the target knows. It is told again.
            yield Outcome(change, ok=False, error="nobody can see whether the target was told", recovered=True)
            continue
        offered = change.entitlement in observed.offered
        if change.action is Action.ADD and offered and not present:
            continue
        done = present if change.action is Action.ADD else not present and not offered
        if change.action is Action.REMOVE:
            why = "it is still there: an earlier run did not take it away"
        elif change.entitlement.target in inviting:
            why = "it is not there, and not offered"
        else:
            why = "it is not there: an earlier run did not bring it about"
        numbers = found.numbers if found is not None and done and change.action is Action.ADD else ()
        yield Outcome(change, done, "" if done else why, recovered=True, numbers=numbers)


def with_recovered(
    standing: Standing, recovered: Iterable[Outcome], handing: set[str], at: datetime
) -> Mapping[Entitlement, Holding]:
    """Return what is held after an earlier run's changes are settled.

    Where a target hands something over, a run that died took it along: the target is told again, as of an end that
    nobody knows, and hands it over once more.
    """
    found = dict(standing.holdings)
    for (action, entitlement), failure in standing.failures.items():
        held = found.get(entitlement)
        again = action is Action.ADD and entitlement.target in handing and failure.change.reason in THERE_BEFORE
        if again and held is not None and held.until is not None and held.until > at:
            found[entitlement] = replace(held, until=None)  # it has not handed over what it was to
    for outcome in recovered:
        change = outcome.change
        if outcome.ok and change.action is Action.ADD:
            until = None if change.entitlement.target in handing else change.until
            found[change.entitlement] = Holding(change.entitlement, change.grants, until, outcome.numbers)
        elif outcome.ok:
            found.pop(change.entitlement, None)
    return found


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
