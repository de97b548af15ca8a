"""What a run holds back of a plan: for now, until clocks agree, or until a person confirms it.

The brake: a plan that would change more at once than the settings allow waits for a person (invariant 12).

Clocks: what has ended by every one of them is taken away, and nothing is given. One that is wrong for an instant must
neither give access that has ended, nor stop every later run from taking it away.

Retries: what takes away is tried at each run, an addition that failed ever more seldom. While it fails in the same way,
each wait is as long as it has failed so far: it doubles, from a minute up to six hours. Another window, grant or reason
is another change, and waits for nothing; so does one whose policies moved. All of it follows from the ledger and the
instant, so that every reader reckons the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from msgspec import Struct

from daypass.core.ledger.standing import FailedChange, Opened
from daypass.core.plan import (
    BOUND_TO_TIME,
    THERE_BEFORE,
    UNBRAKED,
    Action,
    Entitlement,
    Failing,
    Holding,
    Intended,
    Plan,
    Reason,
)
from daypass.core.record import replace
from daypass.core.window import TOLERANCE, apart, format_instant

SHORTEST = timedelta(minutes=1)
LONGEST = timedelta(hours=6)

_VARYING = r"[0-9A-Za-z:.-]*[0-9][0-9A-Za-z:.-]*"
"""What differs between two answers that say the same: times, numbers, identifiers of requests."""


def same_change(one: Intended, other: Intended) -> bool:
    """Say whether two changes are the same but for when they fall due."""
    return replace(one, due=other.due) == other


def same_error(one: str, other: str) -> bool:
    """Say whether two errors say the same, whatever times and numbers are in them."""
    return re.sub(_VARYING, "", one) == re.sub(_VARYING, "", other)


def shortens(change: Intended, held: Holding | None) -> bool:
    """Say whether a change only takes away: a removal, or that a target is told of an earlier end."""
    if change.action is Action.REMOVE:
        return True
    if held is None or held.until is None or change.until is None:
        return False
    return change.reason in (Reason.WINDOW_MOVED, Reason.CONTINUED) and change.until <= held.until


FAILING = "failing since"
"""How a note begins of what fails."""
HELD = "held back:"
"""How a note begins of what a run would not do."""


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
        since = f"{FAILING} {format_instant(failure.since)}: {failure.error}"
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


class Braked(Struct, frozen=True):
    """A plan cut in two by the brake: what may be done, and what a person must confirm first."""

    allowed: tuple[Intended, ...]
    held: tuple[Intended, ...]
    message: str = ""


def brake(plan: Plan, *, removals: int, additions: int, confirmed: str = "") -> Braked:
    """Hold back a mass of changes (invariant 12). Expiry always passes; ``confirmed`` is the digest a person gave.

    Who confirmed another plan than this one has not seen what this one opens and ends: none of it is done.

    Too many removals hold back everything else, since something is wrong with what main says. Too many additions hold
    back additions alone: a removal never waits for an addition (invariant 8). Only changes that open or end access
    count; telling a target again what it holds already does not.
    """
    taken, given = _weighty(plan.changes)
    problems = []
    if taken and len(taken) > removals:
        problems.append(
            f"{_counted(taken, 'removal')} that no window's end asks for, where the settings allow {removals} at once"
        )
    if given and len(given) > additions:
        problems.append(f"{_counted(given, 'addition')}, where the settings allow {additions} at once")
    if confirmed == plan.digest:
        return Braked(plan.changes, ())
    other = bool(confirmed) and bool(taken or given)
    if not problems and not other:
        return Braked(plan.changes, ())
    problems = problems or ["another plan than this one was confirmed"]
    held = set(given)
    if taken and (other or len(taken) > removals):
        held = {*taken, *(change for change in plan.changes if change.action is Action.ADD)}
    return Braked(
        tuple(change for change in plan.changes if change not in held),
        tuple(change for change in plan.changes if change in held),
        "the brake holds: " + "; ".join(problems),
    )


def _counted(changes: Sequence[Intended], what: str) -> str:
    return f"{len(changes)} {what}" + ("" if len(changes) == 1 else "s")


def keep_back(
    braked: Braked,
    waits: Callable[[Intended], bool],
    clocks: str,
    stopped: str,
    holdings: Mapping[Entitlement, Holding],
) -> Braked:
    """Keep back what waits for ``clocks`` as well, and all giving where it is ``stopped``: each says why, or is empty."""
    reasons = [part for part in (braked.message, clocks) if part]
    kept = {change for change in braked.allowed if waits(change)}
    if stopped:
        gives = {change for change in braked.allowed if not shortens(change, holdings.get(change.entitlement))}
        reasons += [stopped] if gives else []
        kept |= gives
    allowed = tuple(change for change in braked.allowed if change not in kept)
    held = braked.held + tuple(change for change in braked.allowed if change in kept)
    return Braked(allowed, held, "; ".join(reasons))


def weight(changes: Iterable[Intended]) -> tuple[int, int]:
    """Return how many of these removals and how many of these additions the brake counts."""
    taken, given = _weighty(changes)
    return len(taken), len(given)


def _weighty(changes: Iterable[Intended]) -> tuple[list[Intended], list[Intended]]:
    every = list(changes)
    taken = [c for c in every if c.action is Action.REMOVE and c.reason not in BOUND_TO_TIME]
    return taken, [c for c in every if c.action is Action.ADD and c.reason not in UNBRAKED]


_BY_THE_CLOCK = frozenset({Reason.EXPIRED, Reason.WINDOW_MOVED, Reason.BOUND, Reason.NOT_YET})


class ClockDoubt(NamedTuple):
    """Why a run gives nothing at a target, and the earliest instant that any clock takes it to be."""

    why: str
    earliest: datetime

    def waits(self, change: Intended) -> bool:
        """Whether a change is kept back: what gives access, and what takes it by a clock that another contradicts."""
        if change.action is Action.ADD or change.reason is Reason.NOT_YET:
            return True
        return change.reason in _BY_THE_CLOCK and change.due > self.earliest


def doubt(at: datetime, last: datetime | None, skews: Mapping[str, timedelta]) -> ClockDoubt | None:
    """Return why nothing may be given at an instant of our clock, None where nothing speaks against it.

    ``last`` is when the last receipt was written, and ``skews`` say by whose clock it is how much later than by ours.
    A last receipt that lies ahead leaves it open which of the two runs was wrong, unless another clock agrees with ours.
    """
    wrong = [f"the clock of {who} is {apart(skew)}" for who, skew in sorted(skews.items()) if abs(skew) > TOLERANCE]
    if last is not None and last - at > TOLERANCE and not skews:
        wrong.append(f"the clock says {format_instant(at)}, but the last receipt was written at {format_instant(last)}")
    if not wrong:
        return None
    return ClockDoubt(
        "; ".join(wrong) + ": nothing is given until they agree", min(at, *(at + s for s in skews.values()), at)
    )
