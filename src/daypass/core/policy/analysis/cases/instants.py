"""The instants from one on that conditions can tell apart: around what they compare with, and the edges of hours."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from daypass.core.calendar.calendars import Calendar
from daypass.core.calendar.hours import DAYS, parse_hours, parse_zone
from daypass.core.catalogue import Catalogue
from daypass.core.policy.cel.expression import CALENDAR_PLACES
from daypass.core.policy.cel.source import tokens

_SECOND = timedelta(seconds=1)
_WEEK = timedelta(days=7)
_LOOK = timedelta(days=200)
_EDGES = 20
"""So many spans of a calendar are tried."""


def instants(
    at: datetime,
    named: Iterable[datetime],
    hours: Iterable[tuple[str, str]],
    catalogue: Catalogue,
    texts: Iterable[str],
) -> tuple[list[datetime], bool]:
    """Return instants from one on, in order, and whether these are samples only.

    Between two instants that are named hours come around in the same way each week: two weeks show all of it, since the
    clock is not changed in both. With several zones they do not: how far these are apart changes.
    """
    hours = set(hours)
    starts = sorted({at, *(one + step for one in named for step in (timedelta(0), _SECOND) if one + step >= at)})
    found = set(starts)
    for start, following in pairwise([*starts, None]):
        assert start is not None  # noqa: S101  (None comes last)
        end = start + 2 * _WEEK
        found |= {one for one in _edges(hours, start, end) if following is None or one < following}
    names = {name for text in texts for name in _calendars(text)}
    asked = [calendar for name, calendar in catalogue.calendars.items() if name in names]
    for calendar in asked:
        found |= {one for one in _calendar_edges(calendar, at) if one >= at}
    return sorted(found), bool(asked) or len({zone for _, zone in hours}) > 1


def _edges(hours: Iterable[tuple[str, str]], start: datetime, end: datetime) -> Iterator[datetime]:
    """Return the edges of hours between two instants."""
    for text, zone in hours:
        clock = parse_zone(zone)
        local = start.astimezone(clock).replace(tzinfo=None)
        monday = local.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=local.weekday())
        for week in range(4):
            for minute in {edge for span in parse_hours(text) for edge in span}:
                wall = monday + week * _WEEK + timedelta(minutes=minute % (len(DAYS) * 24 * 60))
                edge = wall.replace(tzinfo=clock).astimezone(UTC)
                if start <= edge < end:
                    yield edge


def _calendars(text: str) -> Iterator[str]:
    line = tokens(text)
    for index, token in enumerate(line):
        if token.text in CALENDAR_PLACES:
            yield next((piece.literal or "" for piece in line[index + 1 : index + 12] if piece.kind == "string"), "")


def _calendar_edges(calendar: Calendar, at: datetime) -> Iterator[datetime]:
    """Return instants just out of, just in, and just after the next spans of a calendar."""
    years = calendar.spoken
    last = datetime(max(years), 12, 30, tzinfo=UTC) if years else at + _LOOK
    try:
        windows = calendar.intervals(at, min(at + _LOOK, last))
    except ValueError:
        return
    for window in windows[:_EDGES]:
        yield from (window.start - timedelta(minutes=1), window.start, window.end - timedelta(minutes=1), window.end)
