"""Windows that recur: from hours of the week, or a calendar, to the intervals in which access exists.

The clock on the wall decides when an interval begins and ends, so summer time moves it. One that would begin or end at a
time that no clock shows, since summer time skips it, is refused: nobody could say when access begins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import TypeVar

from daypass.core.calendar.calendars import LONGEST, RUNS_OUT, RUNS_OUT_HINT, Calendar
from daypass.core.calendar.hours import check_zone, parse_hours, parse_zone
from daypass.core.finding import near
from daypass.core.window import (
    NO_ACCESS_THEN,
    YEARS,
    Part,
    Recurrence,
    Span,
    Window,
    as_day,
    format_instant,
    parse_instant,
)

_T = TypeVar("_T")

MOST_INTERVALS = 500
"""A window has no more intervals than this."""

_DAY_MINUTES = 24 * 60
_INSTANT = "write for example 2026-11-21T09:00:00Z"
_SECOND = timedelta(seconds=1)


class SpanError(ValueError):
    """What is no window, with the code of why and a hint."""

    def __init__(self, code: str, message: str, hint: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint


class RecurrenceError(SpanError):
    """A window that recurs and cannot be told."""


def local_midnight(day: date, zone: str) -> datetime:
    """Return the first instant of a day by the clock of a zone, aware UTC. Raises ValueError for no zone."""
    return datetime(day.year, day.month, day.day, tzinfo=parse_zone(zone)).astimezone(UTC)


def span_between(start: str, until: str, recurs: Recurrence) -> Span:
    """Return the span of a window with two bounds, each an instant, or a date of the zone that is named.

    ``recurs`` is empty where it does not recur. Raises SpanError.
    """
    if recurs.hours and recurs.calendar:
        message = "a window that recurs has either hours or a calendar, not both"
        raise SpanError("two-windows", message, "keep one of the two")
    if recurs.hours and not recurs.zone:
        raise SpanError(
            "hours-without-zone", "hours need the zone whose clock shows them", "add for example Europe/Berlin"
        )
    if recurs.zone and not (recurs.hours or recurs.calendar):
        message = "a zone says where hours hold, and there are none"
        raise SpanError(
            "zone-without-hours", message, "add hours or a calendar; without them write instants and no zone"
        )
    if recurs.zone:
        reading("bad-zone", check_zone, recurs.zone)
    if recurs.hours:
        reading("bad-hours", parse_hours, recurs.hours)
    first, end = _bound(start, recurs.zone), _bound(until, recurs.zone)
    if not first < end:
        message = f"until ({until}) is not after from ({start})"
        raise SpanError("until-before-from", message, "a window ends after it begins")
    return spanning(Window(first, end), None if recurs == Recurrence() else recurs)


def reading(code: str, parse: Callable[[str], _T], text: str, hint: str = "") -> _T:
    """Return what a parser reads. Raises SpanError where it refuses; the ``hint`` is for refusals that have none."""
    try:
        return parse(text)
    except ValueError as error:
        message, _, more = str(error).rpartition("; ")
        raise SpanError(code, message or more, more if message else hint) from None


def _bound(text: str, zone: str) -> datetime:
    found = (as_day(text) if zone else None) or reading("bad-instant", parse_instant, text, _INSTANT)
    if found.year not in YEARS:
        message, _, hint = f"{text} {NO_ACCESS_THEN}".partition("; ")
        raise SpanError("bad-instant", message, hint)
    return found if isinstance(found, datetime) else local_midnight(found, zone)


def spanning(window: Window, recurs: Recurrence | None) -> Span:
    """Return the span of a window, with the intervals of its hours where it recurs. Raises ValueError as `recurring` does."""
    if recurs is None or recurs.calendar:
        return Span(window=window, recurs=recurs)
    check_zone(recurs.zone)
    parse_hours(recurs.hours)
    return Span(window=recurring(recurs, window, {}), recurs=recurs)


def recurring(recurs: Recurrence, window: Window, calendars: Mapping[str, Calendar]) -> Window:
    """Return a window with the intervals in which it holds. Raises RecurrenceError where they cannot be told."""
    return _told(_calendar(recurs, calendars), recurs, Window(window.start, window.end))


@lru_cache(maxsize=4096)
def _told(calendar: Calendar, recurs: Recurrence, window: Window) -> Window:
    if window.end - window.start > LONGEST:
        raise RecurrenceError("window-too-long", f"it lasts longer than {LONGEST.days} days", "ask for less")
    try:
        found = calendar.intervals(window.start, window.end)
    except ValueError as error:
        message = str(error).removeprefix(f"{RUNS_OUT}: ")
        raise RecurrenceError(RUNS_OUT, message, RUNS_OUT_HINT) from None
    if not found:
        raise RecurrenceError(
            "window-without-interval",
            f"{recurs} holds at no time between {format_instant(window.start)} and {format_instant(window.end)}",
            "move from or until, or the hours",
        )
    if len(found) > MOST_INTERVALS:
        raise RecurrenceError(
            "too-many-intervals",
            f"the window has {len(found)} intervals, more than {MOST_INTERVALS}",
            "ask until an earlier day, and again later",
        )
    for wall in _skipped(calendar, window):
        raise RecurrenceError(
            "window-in-clock-change",
            f"no clock in {calendar.zone} shows {wall:%H:%M} on {wall:%Y-%m-%d}, when summer time begins",
            "choose hours that begin and end outside of the hour that is skipped",
        )
    parts: tuple[Part, ...] = tuple((one.start, one.end) for one in found)
    return Window(window.start, window.end, parts, recurs.calendar)


def window_of(span: Span, merged_at: datetime, calendars: Mapping[str, Calendar]) -> Window:
    """Return the window that a merge gives, with its intervals where it recurs. Raises RecurrenceError, see `recurring`."""
    window = span.starting(merged_at)
    if span.recurs is None or window.parts:
        return window
    return recurring(span.recurs, window, calendars)


def left_of(window: Window, calendars: Mapping[str, Calendar]) -> Window | None:
    """Return what a calendar of today leaves of a window that was given by it, None for nothing.

    It may take intervals away or shorten them and adds none. One that is not there any more, or says nothing of the time,
    leaves nothing: whoever took it away may have meant just that.
    """
    if not window.calendar:
        return window
    try:
        now = recurring(Recurrence(calendar=window.calendar), Window(window.start, window.end), calendars)
    except RecurrenceError:
        return None
    return window.common(now)


def _calendar(recurs: Recurrence, calendars: Mapping[str, Calendar]) -> Calendar:
    if not recurs.calendar:
        return Calendar("", recurs.zone, hours=recurs.hours)
    found = calendars.get(recurs.calendar)
    if found is None:
        hint = near(recurs.calendar, calendars, "calendars are the files of policies/calendars")
        raise RecurrenceError("unknown-calendar", f"there is no calendar {recurs.calendar!r}", hint)
    return found


def _skipped(calendar: Calendar, window: Window) -> Iterator[datetime]:
    """Yield the times of the wall at which an interval of a window would begin or end, and that no clock shows."""
    if not calendar.hours:
        return
    zone = parse_zone(calendar.zone)
    day, last = window.start.astimezone(zone).date(), (window.end - _SECOND).astimezone(zone).date()
    spans = parse_hours(calendar.hours)
    while day <= last:
        if _offset(zone, day) < _offset(zone, day + timedelta(days=1)):
            midnight = datetime(day.year, day.month, day.day)  # noqa: DTZ001  (the clock on the wall)
            week = day.weekday() * _DAY_MINUTES
            for start, end in spans:
                begins, ends = (midnight + timedelta(minutes=minute - week) for minute in (start, end))
                if begins.date() == day and not _shown(begins, zone):
                    yield begins
                # An end is the first instant without access: that of the change itself is told by the second before it.
                if ends.date() == day and not _shown(ends, zone) and not _shown(ends - _SECOND, zone):
                    yield ends
        day += timedelta(days=1)


def _offset(zone: tzinfo, day: date) -> timedelta:
    return datetime(day.year, day.month, day.day, tzinfo=zone).utcoffset() or timedelta(0)


def _shown(wall: datetime, zone: tzinfo) -> bool:
    return wall.replace(tzinfo=zone).astimezone(UTC).astimezone(zone).replace(tzinfo=None) == wall
