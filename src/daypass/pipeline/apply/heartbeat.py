"""Signs of life: what tells somebody outside that runs still happen, and when a watch looks again."""

from __future__ import annotations

from datetime import datetime, timedelta

from msgspec import Struct

from daypass.core.errors import ConflictError
from daypass.core.ledger.receipt import Pulse
from daypass.core.ledger.standing import Standing
from daypass.pipeline.apply.survey import Survey
from daypass.ports import Ledger


def beat(ledger: Ledger, found: Survey, *, every: timedelta | None, exit_code: int, run: str) -> bool:
    """Leave a pulse when the ledger has been silent for ``every`` (None: never); say whether one was left.

    Where another run was first it has left a sign itself. A run that could not follow main leaves none: it has not done
    what it is there for. Raises LockedError where a lock keeps it from the ledger: nobody else left a sign then.
    """
    if every is None or found.stuck is not None:
        return False
    standing = ledger.load()
    at = found.plan.at
    if standing.at is not None and at - standing.at < every:
        return False
    try:
        ledger.append(standing, [Pulse(found.plan.live, exit_code)], at=at, main=found.plan.main, run=run)
    except ConflictError:
        return False
    return True


class Heartbeat(Struct, frozen=True):
    """When the last run left its mark in the ledger; ``age`` is None where none ever did."""

    last: datetime | None
    age: timedelta | None
    limit: timedelta

    @property
    def alive(self) -> bool:
        """Whether the last mark is young enough. One from the future counts for nothing: a clock is wrong somewhere."""
        return self.age is not None and timedelta(0) <= self.age <= self.limit


def heartbeat(standing: Standing, *, limit: timedelta, at: datetime) -> Heartbeat:
    """Look at when the last run left its mark."""
    last = standing.at
    return Heartbeat(last, at - last if last is not None else None, limit)


SHORTEST = timedelta(milliseconds=1)
LONGEST = timedelta(minutes=1)
"""However long something has failed, it is tried this often: access that has ended waits for it."""


def pause(wake: datetime, at: datetime, *, poll: timedelta, failures: int) -> timedelta:
    """Return how long to sleep: until ``wake``, no longer than ``poll``, and ever longer while it fails.

    After the first failure a second passes, then twice as much each time, up to LONGEST.
    """
    if failures:
        return min(timedelta(seconds=2 ** min(failures - 1, 10)), LONGEST)
    return max(SHORTEST, min(poll, wake - at))
