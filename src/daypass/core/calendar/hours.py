"""Office hours: whether an instant falls into ranges of the week as a wall clock in some zone shows them.

A specification is ranges separated by commas, each ``Mon-Fri 08:00-19:00`` or ``Sat 10:00-14:00``. A range is
half-open: it holds at its start and no longer at its end; ``24:00`` is the end of a day. A range whose end is not
after its start runs over midnight and belongs to the day it starts on. The wall clock is what people in the zone see,
so summer time moves it.
"""

from __future__ import annotations

import re
from datetime import datetime
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_DAY_MINUTES = 24 * 60
_RANGE = re.compile(
    r"(?P<first>[A-Z][a-z]{2})(?:-(?P<last>[A-Z][a-z]{2}))? (?P<start>[0-9]{2}:[0-9]{2})-(?P<end>[0-9]{2}:[0-9]{2})"
)

Spans = tuple[tuple[int, int], ...]
"""Half-open minutes of a week that begins on Monday 00:00; an end may lie in the next week."""


@lru_cache(maxsize=256)
def parse_hours(text: str) -> Spans:
    """Read a specification. Raises ValueError, with a message for people."""
    spans: list[tuple[int, int]] = []
    for part in text.split(","):
        match = _RANGE.fullmatch(part.strip())
        if match is None or match["first"] not in DAYS or (match["last"] or "Mon") not in DAYS:
            raise ValueError(f'{part.strip()!r} are no hours; write for example "Mon-Fri 08:00-19:00"')
        start, end = _minutes(match["start"]), _minutes(match["end"])
        if start in (end, _DAY_MINUTES):
            raise ValueError(f"{part.strip()!r} holds no time; a whole day is 00:00-24:00")
        first = DAYS.index(match["first"])
        last = DAYS.index(match["last"] or match["first"])
        for step in range((last - first) % len(DAYS) + 1):
            day = (first + step) % len(DAYS) * _DAY_MINUTES
            spans.append((day + start, day + end + (_DAY_MINUTES if end <= start else 0)))
    return tuple(sorted(spans))


def _minutes(text: str) -> int:
    hours, minutes = int(text[:2]), int(text[3:])
    total = hours * 60 + minutes
    if minutes >= 60 or total > _DAY_MINUTES:  # noqa: PLR2004  (the clock's own limit)
        raise ValueError(f"{text!r} is no time of day; 00:00 to 24:00")
    return total


@cache
def _database() -> Path:
    import tzdata  # noqa: PLC0415  (only where a rule names hours; likewise below)

    return Path(tzdata.__file__).parent


@cache
def _zones() -> frozenset[str]:
    """Return the names of the time zone database (https://www.iana.org/time-zones), as the package tzdata lists them.

    A machine's own files may have others (``localtime``, ``right/UTC``), which mean something else on each.
    """
    return frozenset((_database() / "zones").read_text(encoding="utf-8").split()) - {"Factory"}


def check_zone(name: str) -> None:
    """Refuse a name that is no zone of the database. Raises ValueError, with a message for people.

    The zone itself is not loaded: rules are read at every start, and few of them are asked.
    """
    if name not in _zones():
        raise ValueError(f'{name!r} is no time zone; write for example "Europe/Berlin" or "UTC"')


@lru_cache(maxsize=64)
def parse_zone(name: str) -> ZoneInfo:
    """Find a zone of the database, such as ``Europe/Berlin``. Raises ValueError, with a message for people.

    Rules are those of the package, never those of the machine, so that every machine decides alike.
    """
    from zoneinfo import ZoneInfo  # noqa: PLC0415

    check_zone(name)
    with (_database() / "zoneinfo" / name).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


def within_hours(at: datetime, hours: str, zone: str) -> bool:
    """Say whether an aware instant is in the hours of a zone. Raises ValueError for hours or a zone that are none."""
    spans = parse_hours(hours)
    local = at.astimezone(parse_zone(zone))
    minute = local.weekday() * _DAY_MINUTES + local.hour * 60 + local.minute
    week = len(DAYS) * _DAY_MINUTES
    return any(start <= minute < end or start <= minute + week < end for start, end in spans)
