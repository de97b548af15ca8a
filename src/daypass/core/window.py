"""Time: instants, durations and half-open windows.

Instants are RFC 3339 with an explicit offset, to the second; durations are sums of days, hours, minutes and seconds,
where a day is 24 hours. Everything inside daypass is aware UTC. A window is [start, end): it holds at its start and no
longer at its end.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Generic, NamedTuple, TypeVar

from msgspec import Struct

_L = TypeVar("_L", bound=datetime | timedelta)

LONGEST = timedelta(days=366)
"""No duration may be longer, whatever the settings say."""

_DURATION = re.compile(r"(?:([0-9]{1,5})d)?(?:([0-9]{1,5})h)?(?:([0-9]{1,6})m)?(?:([0-9]{1,8})s)?")
_INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T([0-9]{2}):[0-9]{2}:[0-9]{2}(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_NAIVE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?)?"


@lru_cache(maxsize=4096)
def parse_duration(text: str) -> timedelta:
    """Read ``8h``, ``30m``, ``7d``, ``1h30m``, ``45s``.

    Raises ValueError, with a message for people, for anything else, for zero and for more than LONGEST.
    """
    match = _DURATION.fullmatch(text)
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
    if not _DATE.fullmatch(text):
        return parse_instant(text)
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError:
        raise ValueError(f"{text!r} is no possible date; write for example 2026-12-31") from None


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
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ").rjust(20, "0")


class Window(Struct, frozen=True, order=True):
    """Half-open [start, end), aware UTC, never empty."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if not self.start < self.end:
            raise ValueError(f"until ({format_instant(self.end)}) is not after from ({format_instant(self.start)})")

    def holds(self, at: datetime) -> bool:
        """Whether access exists at this instant."""
        return self.start <= at < self.end

    def ended(self, at: datetime) -> bool:
        """Whether the window is over."""
        return at >= self.end

    @property
    def length(self) -> timedelta:
        """From start to end."""
        return self.end - self.start

    def within(self, other: Window) -> bool:
        """Whether every instant of this window is in the other."""
        return other.start <= self.start and self.end <= other.end

    def until(self, end: datetime) -> Window | None:
        """Cut at an instant; None when nothing is left."""
        end = min(self.end, end)
        return Window(self.start, end) if self.start < end else None

    def __str__(self) -> str:
        return f"{format_instant(self.start)}/{format_instant(self.end)}"


EVER = Window(datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))
"""All of time."""

LONG_AGO = EVER.start
"""The end of access that is outside of a bound which is no date: there was never a time for it."""


class Span(Struct, frozen=True):
    """What a grant asks for: either a duration that starts at the merge, or an absolute window. Exactly one is set."""

    duration: timedelta | None = None
    window: Window | None = None

    def __post_init__(self) -> None:
        if (self.duration is None) == (self.window is None):
            raise RuntimeError("a span is a duration or a window")

    @property
    def length(self) -> timedelta:
        """How long access lasts at most."""
        if self.window is not None:
            return self.window.length
        assert self.duration is not None  # noqa: S101  (held by __post_init__)
        return self.duration

    def starting(self, merged_at: datetime) -> Window:
        """Fix the window, given when the request was merged."""
        if self.window is not None:
            return self.window
        return Window(merged_at, merged_at + self.length)


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

    def end(self, start: datetime) -> datetime:
        """Return when access that begins at an instant ends by this."""
        return self.limit if isinstance(self.limit, datetime) else start + self.limit


class Bounds(NamedTuple):
    """All that limits or ends some access: the lengths, and the ends, the earliest first."""

    lengths: tuple[AccessBound[timedelta], ...]
    ends: tuple[AccessBound[datetime], ...]

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

    def latest(self, start: datetime) -> datetime:
        """Return when access that begins at an instant ends at the latest."""
        return min(bound.end(start) for bound in self.every)


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
