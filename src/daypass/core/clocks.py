"""What may be done where clocks disagree: what has ended by every one of them is taken away, and nothing is given.

One clock that is wrong for an instant must neither give access that has ended, nor stop every later run from taking it
away.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from daypass.core.plan import Action, Intended, Reason
from daypass.core.window import format_duration, format_instant

TOLERANCE = timedelta(minutes=1)
"""How far two clocks may be apart for a run to give access."""

_BY_THE_CLOCK = frozenset({Reason.EXPIRED, Reason.WINDOW_MOVED, Reason.BOUND, Reason.NOT_YET})


class Doubt(NamedTuple):
    """Why a run gives nothing at a target, and the earliest instant that any clock takes it to be."""

    why: str
    earliest: datetime

    def waits(self, change: Intended) -> bool:
        """Whether a change is kept back: what gives access, and what takes it by a clock that another contradicts."""
        if change.action is Action.ADD or change.reason is Reason.NOT_YET:
            return True
        return change.reason in _BY_THE_CLOCK and change.due > self.earliest


def skew(before: datetime, theirs: datetime, after: datetime) -> timedelta:
    """Return how far their clock certainly is ahead of ours: they read it at some time between our two readings."""
    if theirs > after:
        return theirs - after
    return min(theirs - before, timedelta(0))


def apart(skew: timedelta) -> str:
    """Say how far a clock is from ours."""
    side = "ahead of" if skew > timedelta(0) else "behind"
    return f"{format_duration(abs(skew))} {side} ours"


def catch_up(at: datetime, last: datetime | None) -> datetime:
    """Return a run's instant: that of the last receipt where the clock is behind it by no more than clocks may be apart."""
    return last if last is not None and timedelta(0) < last - at <= TOLERANCE else at


def doubt(at: datetime, last: datetime | None, skews: Mapping[str, timedelta]) -> Doubt | None:
    """Return why nothing may be given at an instant of our clock, None where nothing speaks against it.

    ``last`` is when the last receipt was written, and ``skews`` say by whose clock it is how much later than by ours.
    A last receipt that lies ahead leaves it open which of the two runs was wrong, unless another clock agrees with ours.
    """
    wrong = [f"the clock of {who} is {apart(skew)}" for who, skew in sorted(skews.items()) if abs(skew) > TOLERANCE]
    if last is not None and last - at > TOLERANCE and not skews:
        wrong.append(f"the clock says {format_instant(at)}, but the last receipt was written at {format_instant(last)}")
    if not wrong:
        return None
    return Doubt(
        "; ".join(wrong) + ": nothing is given until they agree", min(at, *(at + s for s in skews.values()), at)
    )
