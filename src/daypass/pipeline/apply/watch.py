"""When a watch looks again."""

from __future__ import annotations

from datetime import datetime, timedelta

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
