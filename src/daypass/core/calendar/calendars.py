"""Calendars: named sets of instants, such as office hours or a freeze, as the files of ``policies/calendars`` give them.

The days and hours are those of the wall clock in the calendar's zone. An instant belongs to a calendar when it is in its
hours, or on one of its days, and on none of the days that are taken out. Whoever names days has looked at the years that
these lie in and at no others: of another year such a calendar says nothing, and asking it is an error, never a "no".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta, tzinfo
from itertools import pairwise
from typing import NamedTuple

from msgspec import Struct

from daypass.core.calendar.hours import parse_hours, parse_zone, within_hours
from daypass.core.window import YEARS, Window

RUNS_OUT = "calendar-runs-out"
"""The code of asking a calendar about a year that it says nothing of."""

RUNS_OUT_HINT = "add that year's days to the calendar, or the year to its years where it has none; ask again then"
"""What to do about it."""

LONGEST = timedelta(days=400)
"""The longest span that a calendar is asked about: longer than any window may be."""

_DAY_MINUTES = 24 * 60
_SECOND = timedelta(seconds=1)


class Days(NamedTuple):
    """Whole local days, both ends included."""

    first: date
    last: date

    @classmethod
    def parse(cls, text: str) -> Days:
        """Read ``2026-12-24`` or ``2026-12-20..2027-01-02``. Raises ValueError, with a message for people."""
        first, dots, last = text.partition("..")
        try:
            found = cls(date.fromisoformat(first), date.fromisoformat(last if dots else first))
        except ValueError:
            raise ValueError(f"{text!r} are no days; write 2026-12-24, or 2026-12-20..2027-01-02") from None
        if found.last < found.first:
            raise ValueError(f"{text!r} ends before it begins")
        if found.first.year not in YEARS or found.last.year not in YEARS:
            raise ValueError(f"{text!r} lies in no year from {YEARS[0]} to {YEARS[-1]}")
        return found

    def __str__(self) -> str:
        return self.first.isoformat() if self.first == self.last else f"{self.first}..{self.last}"


class Calendar(Struct, frozen=True):
    """A named set of instants. ``hours`` are those of `parse_hours`, "" for none.

    ``days`` belong to it whole and ``without`` do not, whatever its hours say. ``years`` are those of which it says
    everything, beside the ones that its days lie in.
    """

    name: str
    zone: str
    title: str = ""
    hours: str = ""
    days: tuple[Days, ...] = ()
    without: tuple[Days, ...] = ()
    years: tuple[int, ...] = ()

    @property
    def spoken(self) -> frozenset[int]:
        """The years that it speaks of; none where it speaks of all."""
        dated = [day.year for days in (*self.days, *self.without) for day in days]
        return frozenset((*self.years, *range(min(dated), max(dated) + 1))) if dated else frozenset(self.years)

    def holds(self, at: datetime) -> bool:
        """Say whether an aware instant belongs to it. Raises ValueError for one in a year that it says nothing of."""
        self._check(at.astimezone(parse_zone(self.zone)).year)
        return self._has(at)

    def _has(self, at: datetime) -> bool:
        day = at.astimezone(parse_zone(self.zone)).date()
        if _among(day, self.without):
            return False
        return _among(day, self.days) or bool(self.hours and within_hours(at, self.hours, self.zone))

    def intervals(self, start: datetime, end: datetime) -> tuple[Window, ...]:
        """Return the parts of [start, end), aware instants, that belong to it, in order and apart from each other.

        Raises ValueError for a span that holds nothing or more than `LONGEST`, or reaches a year that it says nothing of.
        """
        if not start < end:
            raise ValueError("the span ends before it begins")
        if end - start > LONGEST:
            raise ValueError(f"the span is longer than {LONGEST.days} days")
        zone = parse_zone(self.zone)
        for year in range(start.astimezone(zone).year, (end - _SECOND).astimezone(zone).year + 1):
            self._check(year)
        found: list[Window] = []
        for first, last in pairwise([start, *self._marks(zone, start, end), end]):
            if not self._has(first):
                continue
            if found and found[-1].end == first:
                found[-1] = Window(found[-1].start, last)
            else:
                found.append(Window(first, last))
        return tuple(found)

    def _check(self, year: int) -> None:
        if self.spoken and year not in self.spoken:
            raise ValueError(f"{RUNS_OUT}: calendar {self.name} says nothing about {year}{self._why(year)}")

    def _why(self, year: int) -> str:
        """Say why a calendar with hours of every week says nothing of a year: it has days of its own in others."""
        dated = [word for word, days in (("days", self.days), ("except", self.without)) if days]
        if not self.hours or not dated:
            return ""
        found = sorted(self.spoken)
        years = str(found[0]) if len(found) == 1 else f"{found[0]} to {found[-1]}"
        return (
            f", since it has days of its own ({' and '.join(dated)}) for {years} alone; without any its hours would hold"
            f" every year. Write years: [{year}] if {year} has no such days"
        )

    def _marks(self, zone: tzinfo, start: datetime, end: datetime) -> list[datetime]:
        """Return the instants between two at which something may begin or end, in order.

        These are the marks of the wall clock, each read by the offsets before and after a change of the clock, and the
        changes themselves.
        """
        spans = parse_hours(self.hours) if self.hours else ()
        minutes = sorted({0, *(minute % _DAY_MINUTES for span in spans for minute in span)})
        found = {mark for mark in _on_the_wall(zone, start, end, minutes) if start < mark < end}
        changes = {
            _change(zone, first, last)
            for first, last in pairwise([start, *sorted(found), end])
            if first.astimezone(zone).utcoffset() != last.astimezone(zone).utcoffset()
        }
        return sorted(found | {mark for mark in changes if start < mark < end})


class PublicHolidays(NamedTuple):
    """The public holidays of a place in some years: each day with its name, in order; and which release says so."""

    place: str
    zone: str
    years: tuple[int, ...]
    days: tuple[tuple[date, str], ...]
    release: str


def covered_by(calendar: Calendar, start: datetime, end: datetime) -> bool:
    """Say whether the whole of [start, end) belongs to a calendar. Raises ValueError as `Calendar.intervals` does."""
    return calendar.intervals(start, end) == (Window(start, end),)


def meets(calendar: Calendar, start: datetime, end: datetime) -> bool:
    """Say whether [start, end) shares an instant with a calendar. Raises ValueError as `Calendar.intervals` does."""
    return bool(calendar.intervals(start, end))


def _among(day: date, spans: Iterable[Days]) -> bool:
    return any(first <= day <= last for first, last in spans)


def _on_the_wall(zone: tzinfo, start: datetime, end: datetime, minutes: Iterable[int]) -> Iterator[datetime]:
    day, last = start.astimezone(zone).date(), end.astimezone(zone).date()
    while day <= last:
        for minute in minutes:
            wall = datetime(day.year, day.month, day.day) + timedelta(minutes=minute)  # noqa: DTZ001  (the zone comes next)
            for fold in (0, 1):
                yield wall.replace(tzinfo=zone, fold=fold).astimezone(UTC)
        day += timedelta(days=1)


def _change(zone: tzinfo, before: datetime, after: datetime) -> datetime:
    """Return the first second at which a clock shows another offset than at ``before``; there is one up to ``after``."""
    offset = before.astimezone(zone).utcoffset()
    while (after - before) // _SECOND > 1:
        middle = before + timedelta(seconds=(after - before) // _SECOND // 2)
        if middle.astimezone(zone).utcoffset() == offset:
            before = middle
        else:
            after = middle
    return after
