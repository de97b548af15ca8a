"""What became of changes that an earlier run began and of which no receipt says how they ended, by what is there now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from daypass.core.ledger.receipt import Outcome
from daypass.core.ledger.standing import Standing
from daypass.core.plan import THERE_BEFORE, Action, Entitlement, Holding, Observed
from daypass.core.record import replace


def recover(standing: Standing, observed: Observed, unreadable: set[str], inviting: set[str]) -> Iterable[Outcome]:
    """Settle what an earlier run left open, by looking: the change came about or it did not.

    It died, or the target said no and may have done it all the same. What is offered and not accepted yet stays open:
    nothing has come of it so far. Where nobody can look it is taken for not done, so that it is done again: changes are
    idempotent.
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
            # By receipts it is not ours: nobody has to find it, and what is there under another name is planned for anew.
            if change.action is Action.REMOVE and change.entitlement not in standing.holdings:
                yield Outcome(change, ok=False, error=found.why, recovered=True)
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
