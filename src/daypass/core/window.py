"""Time: instants, durations and half-open windows.

Instants are RFC 3339 with an explicit offset, to the second; durations are sums of days, hours, minutes and seconds,
where a day is 24 hours. Everything inside daypass is aware UTC. A window is [start, end): it holds at its start and no
longer at its end. One that recurs holds in its intervals only, each half-open as well.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Generic, NamedTuple, TypeVar

from msgspec import Struct

_L = TypeVar("_L", bound=datetime | timedelta)

FOREVER = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
"""Comes when nothing else does any more."""

LONGEST = timedelta(days=366)
"""No duration may be longer, whatever the settings say."""

# Texts, which `re` compiles when one is first asked for; instants are read by nearly every run.
_DURATION = r"(?:([0-9]{1,5})d)?(?:([0-9]{1,5})h)?(?:([0-9]{1,6})m)?(?:([0-9]{1,8})s)?"
_INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T([0-9]{2}):[0-9]{2}:[0-9]{2}(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
)
_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_NAIVE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?)?"


@lru_cache(maxsize=4096)
def parse_duration(text: str) -> timedelta:
    """Read ``8h``, ``30m``, ``7d``, ``1h30m``, ``45s``.

    Raises ValueError, with a message for people, for anything else, for zero and for more than LONGEST.
    """
    match = re.fullmatch(_DURATION, text)
    if not text or match is None:
        raise ValueError(f"{text!r} is not a duration; write for example 8h, 30m, 7d or 1h30m")
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    value = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    if value <= timedelta(0):
        raise ValueError(f"a duration of {text} is no time at all")
    if value > LONGEST:
        raise ValueError(f"{text} is longer than the {format_duration(LONGEST)} that any access may last")
    return value


def format_duration(value: timedelta) -> str:
    """Write a duration so that parse_duration reads it back: largest units first, at most to the second."""
    seconds = int(value.total_seconds())
    sign = "-" if seconds < 0 else ""
    seconds = abs(seconds)
    parts = []
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count}{unit}")
    return sign + ("".join(parts) or "0s")


YEARS = range(1970, 9000)
"""The years that access is given in: days can be reckoned with on both sides of them, by the clock of every zone."""
NO_ACCESS_THEN = f"is no instant that access could be given at; write a year from {YEARS[0]} to {YEARS[-1]}"


@lru_cache(maxsize=4096)
def parse_instant(text: str) -> datetime:
    """Read an RFC 3339 instant with ``Z`` or a numeric offset, to the second; return aware UTC.

    Raises ValueError, with a message for people, for naive and impossible times.
    """
    match = _INSTANT.fullmatch(text)
    if match is None:
        if re.fullmatch(_NAIVE, text):
            raise ValueError(f"{text!r} names no time zone; write for example 2026-11-21T09:00:00Z")
        raise ValueError(f"{text!r} is not an instant; write for example 2026-11-21T09:00:00Z")
    if match[1] == "24":  # which newer releases of Python take for the next day's midnight
        raise ValueError(f"{text!r} is no possible time: hour must be in 0..23")
    try:
        value = datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{text!r} is no possible time: {error}") from None
    return value


def parse_moment(text: str) -> datetime:
    """Read an instant, or a date, which means its first instant in UTC. Raises ValueError, with a message for people."""
    if not re.fullmatch(_DATE, text):
        return parse_instant(text)
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError:
        raise ValueError(f"{text!r} is no possible date; write for example 2026-12-31") from None


def as_day(text: str) -> date | None:
    """Return the day that a text is, None where it is none."""
    try:
        return date.fromisoformat(text) if re.fullmatch(_DATE, text) else None
    except ValueError:
        return None


def moment_of(value: object) -> datetime | None:
    """Return the moment that a value is, None where it is none."""
    try:
        return parse_moment(value) if isinstance(value, str) else None
    except ValueError:
        return None


def format_instant(value: datetime) -> str:
    """Write an aware instant as ``2026-11-21T09:00:00Z``."""
    if value.tzinfo is None:
        raise RuntimeError("naive time inside daypass")
    return value.astimezone(UTC).isoformat()[:19] + "Z"


Part = tuple[datetime, datetime]
"""An interval of a window that recurs: half-open, aware UTC."""


class Window(Struct, frozen=True, order=True, gc=False):
    """Half-open [start, end), aware UTC, never empty.

    ``parts`` are the intervals of one that recurs, in order and apart from each other; none: it holds throughout.
    ``calendar`` names the calendar that they were read from, "" where the hours were written down.
    """

    start: datetime
    end: datetime
    parts: tuple[Part, ...] = ()
    calendar: str = ""

    def __post_init__(self) -> None:
        if not self.start < self.end:
            raise ValueError(f"until ({format_instant(self.end)}) is not after from ({format_instant(self.start)})")

    @property
    def intervals(self) -> tuple[Window, ...]:
        """The intervals in which it holds: itself, unless it recurs."""
        return tuple(Window(*part) for part in self.parts) if self.parts else (self,)

    def interval_at(self, at: datetime) -> Window | None:
        """Return the interval that an instant lies in, None where access does not exist then."""
        if not self.start <= at < self.end:
            return None
        if not self.parts:
            return self
        found = bisect_right(self.parts, at, key=_first) - 1
        return Window(*self.parts[found]) if found >= 0 and at < self.parts[found][1] else None

    def next_boundary(self, at: datetime) -> datetime | None:
        """Return the first instant after ``at`` at which access begins or ends, None where nothing is to come."""
        ends = (end for part in self.parts or ((self.start, self.end),) for end in part)
        return next((end for end in ends if end > at), None)

    def holds(self, at: datetime) -> bool:
        """Whether access exists at this instant."""
        return self.start <= at < self.end and (not self.parts or self.interval_at(at) is not None)

    @property
    def closes(self) -> datetime:
        """The first instant after which it holds no more: the end of its last interval, where it recurs."""
        return self.parts[-1][1] if self.parts else self.end

    def ended(self, at: datetime) -> bool:
        """Whether the window is over."""
        return at >= self.closes

    def end_from(self, due: datetime, given: datetime) -> datetime:
        """Return until when access may last that was due at an instant and given at another.

        Where it recurs, that is until the last interval ends that lies in any of the time between. What is given by several
        grants is due when the first of them opens.
        """
        if not self.parts:
            return self.end
        return max((end for start, end in self.parts if start <= max(due, given) and due < end), default=self.start)

    def ahead(self, at: datetime) -> Window | None:
        """Return the interval that an instant lies in, else the next one; None where none is to come."""
        return next((one for one in self.intervals if at < one.end), None)

    @property
    def length(self) -> timedelta:
        """From start to end, whether it recurs or not."""
        return self.end - self.start

    @property
    def longest(self) -> timedelta:
        """How long access exists without a gap, at most."""
        return max(end - start for start, end in self.parts or ((self.start, self.end),))

    def longest_run(self, gap: timedelta) -> timedelta:
        """How long access exists at most, where gaps shorter than this are none."""
        runs = [self.intervals[0]]
        for one in self.intervals[1:]:
            runs[-1:] = [Window(runs[-1].start, one.end)] if one.start - runs[-1].end < gap else [runs[-1], one]
        return max(run.length for run in runs)

    def within(self, other: Window) -> bool:
        """Whether every instant of this window is in the other."""
        return all(any(o.start <= one.start and one.end <= o.end for o in other.intervals) for one in self.intervals)

    def meets(self, other: Window) -> bool:
        """Whether the two share an instant."""
        return any(o.start < one.end and one.start < o.end for one in self.intervals for o in other.intervals)

    def until(self, end: datetime) -> Window | None:
        """Cut at an instant; None when nothing is left."""
        return self.common(Window(self.start, end)) if self.start < end else None

    def common(self, other: Window) -> Window | None:
        """Return what both hold, None for nothing."""
        start, end = max(self.start, other.start), min(self.end, other.end)
        if not start < end:
            return None
        if not self.parts and not other.parts:
            return Window(start, end)
        pairs = ((max(a, c), min(b, d)) for a, b in _parts(self) for c, d in _parts(other) if a < d and c < b)
        parts = tuple(pairs)
        return Window(start, end, parts, self.calendar or other.calendar) if parts else None

    def __str__(self) -> str:
        text = f"{format_instant(self.start)}/{format_instant(self.end)}"
        return f"{text} in {len(self.parts)} interval{'s'[: len(self.parts) != 1]}" if self.parts else text


def _first(part: Part) -> datetime:
    return part[0]


def _parts(window: Window) -> tuple[Part, ...]:
    return window.parts or ((window.start, window.end),)


EVER = Window(datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))
"""All of time."""

LONG_AGO = EVER.start
"""The end of access that is outside of a bound which is no date: there was never a time for it."""


class Recurrence(NamedTuple):
    """When a window that recurs holds: ``hours`` of the week by the clock of ``zone``, or what is in a ``calendar``.

    Of a calendar ``zone`` is that of the dates that bound the window, "" where instants do.
    """

    hours: str = ""
    zone: str = ""
    calendar: str = ""

    def __str__(self) -> str:
        return f"{self.hours} {self.zone}" if self.hours else f"in calendar {self.calendar}"


class Span(Struct, frozen=True, gc=False):
    """What a grant asks for: either a duration that starts at the merge, or an absolute window. Exactly one is set.

    ``recurs``: the window holds in intervals only. Those of hours are its parts; a calendar's are read from the policies
    (`Catalogue.window`), and its parts are none.
    """

    duration: timedelta | None = None
    window: Window | None = None
    recurs: Recurrence | None = None

    def __post_init__(self) -> None:
        if (self.duration is None) == (self.window is None) or (self.recurs is not None and self.window is None):
            raise RuntimeError("a span is a duration or a window")

    @property
    def length(self) -> timedelta:
        """How long access lasts at most, from its start to its end."""
        if self.window is not None:
            return self.window.length
        assert self.duration is not None  # noqa: S101  (held by __post_init__)
        return self.duration

    def starting(self, merged_at: datetime) -> Window:
        """Fix the window, given when the request was merged; the intervals of a calendar are not in it."""
        if self.window is not None:
            return self.window
        return Window(merged_at, merged_at + self.length)

    def __str__(self) -> str:
        if self.window is None:
            return f"{format_duration(self.length)} from the merge on"
        return f"{self.recurs}, {self.window}" if self.recurs is not None else str(self.window)


# What bounds access


class AccessBound(NamedTuple, Generic[_L]):
    """What limits access: how long it may last, or when it ends. ``what`` says so, before a length or an instant.

    ``cuts``: a window may be longer, and its access ends all the same; else no window is given that is.
    """

    limit: _L
    code: str
    what: str
    cuts: bool = False

    @property
    def dated(self) -> bool:
        """Whether it is a length, or an end at some time; else it lets nothing of the access be."""
        return self.limit != LONG_AGO

    @property
    def said(self) -> str:
        """What an end says, with its instant where it has one."""
        return (
            f"{self.what} until {format_instant(self.limit)}"
            if isinstance(self.limit, datetime) and self.dated
            else self.what
        )

    def ended_at(self, at: datetime | None) -> datetime:
        """Return when an end comes: one that is no date does when somebody looks."""
        limit = self.limit
        assert isinstance(limit, datetime)  # noqa: S101  (nobody asks a length)
        return limit if self.dated or at is None else at

    def says(self, end: datetime, by: datetime) -> bool:
        """Say whether an end is this one's, as was said by an instant: of what is no date, any until then is."""
        return end == self.limit if self.dated else end <= by

    def end(self, start: datetime) -> datetime:
        """Return when access that begins at an instant ends by this."""
        return self.limit if isinstance(self.limit, datetime) else start + self.limit


class Bounds(NamedTuple):
    """All that limits or ends some access: the lengths, and the ends, the earliest first.

    Where a window recurs, the lengths hold for each interval, and ``spans`` for the whole.
    """

    lengths: tuple[AccessBound[timedelta], ...]
    ends: tuple[AccessBound[datetime], ...]
    spans: tuple[AccessBound[timedelta], ...] = ()

    @property
    def every(self) -> tuple[AccessBound[timedelta] | AccessBound[datetime], ...]:
        """Each of them, the lengths first."""
        return (*self.lengths, *self.ends)

    @property
    def longest(self) -> timedelta:
        """How long it may last at most."""
        return min(bound.limit for bound in self.lengths)

    def over(self, at: datetime) -> AccessBound[datetime] | None:
        """Return what has ended it by an instant, None where nothing has."""
        return self.ends[0] if self.ends and self.ends[0].limit <= at else None

    def latest(self, start: datetime, *, recurs: bool = False) -> datetime:
        """Return when access that begins at an instant ends at the latest, or a window that recurs does."""
        lengths = self.spans if recurs else self.lengths
        return min((*(bound.end(start) for bound in lengths), *(bound.limit for bound in self.ends)))


# What clocks say


TOLERANCE = timedelta(minutes=1)
"""How far two clocks may be apart for a run to give access."""


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
