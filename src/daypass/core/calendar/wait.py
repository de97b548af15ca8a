"""Waiting: how long people are given to answer, by the plain clock or by the hours and days of a calendar.

By a calendar, hours, minutes and seconds are those that belong to it: ``4h`` is over at the first instant by which four hours
of it have gone by. A day of it is a day of its zone on which some instant belongs to it: ``2d`` is over at the same time of
day on the second such day after the one that the wait begins on. A wait that begins outside of the calendar begins with
its next instant, and one that ends so by its days ends with the next; of ``1d4h`` the day comes first. By the plain clock
a day is 24 hours.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

from msgspec import Struct

from daypass.core.calendar.calendars import LONGEST, RUNS_OUT, Calendar
from daypass.core.calendar.hours import parse_zone
from daypass.core.window import Window, format_duration, parse_duration

_DAY = timedelta(days=1)
_REACH = 28
"""How many days of a calendar are looked at together."""


class Wait(Struct, frozen=True):
    """How long somebody is waited for: days, and the rest. Which of them is longer a calendar says."""

    days: int = 0
    rest: timedelta = timedelta(0)

    @classmethod
    def parse(cls, text: str) -> Wait:
        """Read a duration such as ``4h``, ``2d`` or ``1d4h``. Raises ValueError, with a message for people."""
        whole = parse_duration(text)
        days = int(text.partition("d")[0]) if "d" in text else 0
        return cls(days, whole - days * _DAY)

    @property
    def plain(self) -> timedelta:
        """How long it is by the plain clock."""
        return self.days * _DAY + self.rest

    def exceeds(self, other: Wait, *, by_calendar: bool) -> bool:
        """Say whether it may end later than another that begins with it."""
        if not by_calendar:
            return self.plain > other.plain
        return self.days > other.days or self.rest > other.rest

    def __str__(self) -> str:
        hours, left = divmod(self.rest, timedelta(hours=1))
        parts = [f"{self.days}d"] * bool(self.days) + [f"{hours}h"] * bool(hours)
        return "".join(parts) + (format_duration(left) if left else "")


@lru_cache(maxsize=4096)
def elapse(calendar: Calendar | None, start: datetime, wait: Wait) -> datetime:
    """Return when a wait that begins at an aware instant is over, by a calendar or (None) by the plain clock.

    Raises ValueError where the calendar says nothing of a year before that, or holds nothing for `LONGEST`.
    """
    if calendar is None:
        return start + wait.plain
    if wait.days:
        start = _days_on(calendar, start, wait.days)
    left = wait.rest
    for window in _from(calendar, start) if left else ():
        if window.length >= left:
            return window.start + left
        left -= window.length
    return start


def _days_on(calendar: Calendar, start: datetime, days: int) -> datetime:
    zone = parse_zone(calendar.zone)
    begun = next(_from(calendar, start)).start.astimezone(zone)
    later = datetime.combine(begun.date() + _DAY, datetime.min.time(), zone).astimezone(UTC)
    windows, seen = _from(calendar, later), list[date]()
    while len(seen) < days:
        window = next(windows)
        day, last = window.start.astimezone(zone).date(), (window.end - timedelta(seconds=1)).astimezone(zone).date()
        every = (day + n * _DAY for n in range((last - day).days + 1))
        seen += [one for one in every if one not in seen[-1:]]
    same = datetime.combine(seen[days - 1], begun.time(), zone).astimezone(UTC)
    return next(_from(calendar, same)).start


def _from(calendar: Calendar, start: datetime) -> Iterator[Window]:
    """Yield what belongs to a calendar from an instant on, in order, for as long as it says something."""
    zone, last = parse_zone(calendar.zone), start
    while start - last <= LONGEST:
        local = start.astimezone(zone)
        ahead = min(local.date() + _REACH * _DAY, date(local.year + 1, 1, 1))
        end = datetime.combine(ahead, datetime.min.time(), zone).astimezone(UTC)
        for window in calendar.intervals(start, end):
            last = window.end
            yield window
        start = end
    raise ValueError(f"{RUNS_OUT}: calendar {calendar.name} holds nothing for {LONGEST.days} days")
