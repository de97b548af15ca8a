"""When a change that failed is tried again: what takes away at each run, an addition ever more seldom.

While an addition fails in the same way, each wait is as long as it has failed so far: it doubles, from a minute up to
six hours. Another window, grant or reason is another change, and waits for nothing; so does one whose policies moved.
All of it follows from the ledger and the instant, so that every reader reckons the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from daypass.core.ledger.standing import FailedChange, Opened
from daypass.core.plan import THERE_BEFORE, Action, Entitlement, Failing, Holding, Intended, Plan, Reason
from daypass.core.window import format_instant

SHORTEST = timedelta(minutes=1)
LONGEST = timedelta(hours=6)

_VARYING = re.compile(r"[0-9A-Za-z:.-]*[0-9][0-9A-Za-z:.-]*")
"""What differs between two answers that say the same: times, numbers, identifiers of requests."""


def same_change(one: Intended, other: Intended) -> bool:
    """Say whether two changes are the same but for when they fall due."""
    return replace(one, due=other.due) == other


def same_error(one: str, other: str) -> bool:
    """Say whether two errors say the same, whatever times and numbers are in them."""
    return _VARYING.sub("", one) == _VARYING.sub("", other)


def shortens(change: Intended, held: Holding | None) -> bool:
    """Say whether a change only takes away: a removal, or that a target is told of an earlier end."""
    if change.action is Action.REMOVE:
        return True
    if held is None or held.until is None or change.until is None:
        return False
    return change.reason in (Reason.WINDOW_MOVED, Reason.CONTINUED) and change.until <= held.until


def again_at(failure: FailedChange) -> datetime:
    """Return before which instant an addition that failed is not tried again."""
    return failure.last + min(max(failure.last - failure.since, SHORTEST), LONGEST)


def failed_before(change: Intended, failures: Mapping[Opened, FailedChange]) -> FailedChange | None:
    """Return how the same change failed last time; its intent is open still. None where it did not."""
    failure = failures.get((change.action, change.entitlement))
    return failure if failure is not None and same_change(failure.change, change) else None


def notes_on(
    failures: Mapping[Opened, FailedChange],
    live: Container[Entitlement],
    holdings: Container[Entitlement],
    at: datetime,
) -> dict[Entitlement, str]:
    """Return what is to be said of what should be given and is not, or should be gone and is held: how it fails."""
    notes: dict[Entitlement, str] = {}
    for (action, entitlement), failure in failures.items():
        since = f"failing since {format_instant(failure.since)}: {failure.error}"
        if action is Action.REMOVE and entitlement in holdings and entitlement not in live:
            notes[entitlement] = since
        elif action is Action.ADD and entitlement in live:
            again = again_at(failure)
            when = f"from {format_instant(again)}" if again > at else "by the next run"
            notes[entitlement] = f"{since}; tried again {when}"
    return notes


def rest(
    plan: Plan,
    failures: Mapping[Opened, FailedChange],
    holdings: Mapping[Entitlement, Holding],
    moved: Callable[[str], bool],
) -> Plan:
    """Take out of a plan the additions that failed and are not tried again yet.

    What is tried again is the change that its open intent names. ``moved`` says whether policies differ from those of a
    commit of main. A failure that lies ahead of the plan's instant, by a clock that was wrong, delays nothing.
    """
    changes: list[Intended] = []
    failing: list[Failing] = []
    for change in plan.changes:
        failure = failed_before(change, failures)
        if failure is None:
            changes.append(change)
            continue
        again = again_at(failure)
        waits = failure.last <= plan.at < again and not shortens(change, holdings.get(change.entitlement))
        if waits and not moved(failure.main):
            failing.append(Failing(failure.change, failure.error, failure.since, again))
        else:
            changes.append(failure.change)
    absent = sum(1 for one in failing if one.change.reason not in THERE_BEFORE)
    return replace(plan, changes=tuple(changes), failing=tuple(failing), live=plan.live - absent)
