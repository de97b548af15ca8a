"""What judging knows of the ledger: facts as of a place in it, worked out there by whoever judges, and no more than is asked.

The gate judges with what stands now, the applier in main's order, an auditor with what stood just before the admission.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, NamedTuple

from msgspec import Struct

from daypass.core.grant import Grant
from daypass.core.ids import GrantId
from daypass.core.window import Window, format_duration, format_instant

LATELY = timedelta(days=30)
"""So long somebody is one of the people who approved something on a resource."""

WEEK = timedelta(days=7)
"""So long what was denied or rejected counts against who asked."""

FRAME = 90
"""So many calendar days in a row are looked at to say on how many of them somebody has a role."""

GAP = timedelta(minutes=15)
"""A shorter gap between two windows is none: the run that takes access away may come so late."""

_DAY = timedelta(days=1)

_NONE: Mapping[str, Any] = MappingProxyType({})


class HeldGrant(NamedTuple):
    """A grant beside the one that is judged. ``window`` is None of one that is merged and not admitted yet.

    Of that one ``length`` says how long it lasts.
    """

    grant: GrantId
    subject: str
    resource: str
    role: str
    window: Window | None
    length: timedelta = timedelta(0)

    @classmethod
    def of(cls, grant: Grant, window: Window | None) -> HeldGrant:
        """Return what a grant gives during a window."""
        return cls(grant.id, grant.subject, grant.resource, grant.role, window, grant.span.length)

    @property
    def said_whole(self) -> str:
        """The grant in words, with its whole window."""
        return f"{self.grant}: {self.window}" if self.window else self.said

    @property
    def said(self) -> str:
        """The grant in words, with when it ends."""
        return (
            f"{self.grant} until {format_instant(self.window.end)}"
            if self.window
            else f"{self.grant}, not admitted yet"
        )

    def meets(self, window: Window) -> bool:
        """Say whether it gives access during any of a window: one that nobody has dated yet may."""
        return self.window is None or self.window.meets(window)


class Unmerged(NamedTuple):
    """A request that was not merged: ``what`` became of a head of it (denied, rejected)."""

    pull: int
    what: str


class Held(Struct, frozen=True):
    """Of the resources that were asked for: the subjects who hold something there, and who approved something lately.

    ``grants`` are those beside the one that is judged, of its subject, and ``together`` how many its request has, with
    itself. ``role`` is when its subject had, has and is to have its very role by others, and by what the same grant was
    before; ``denials`` what was denied or rejected lately of its requester's requests, and ``unreviewed`` its subject's
    emergencies whose review is missing. ``stated`` are values of variables
    that a policy test says. ``known`` says whether the ledger was read. Where it was not, nobody is known to hold or to
    have approved anything.
    """

    holders: Mapping[str, frozenset[str]] = _NONE
    approvers: Mapping[str, frozenset[str]] = _NONE
    known: bool = False
    grants: tuple[HeldGrant, ...] = ()
    together: int = 1
    role: tuple[HeldGrant, ...] = ()
    denials: tuple[Unmerged, ...] = ()
    unreviewed: tuple[GrantId, ...] = ()
    stated: Mapping[str, Any] = _NONE


UNREAD = Held()
"""What a machine without the ledger knows."""


# On how many days somebody has a role


def days_held(others: Sequence[HeldGrant], window: Window) -> int:
    """Return on how many days of FRAME in a row somebody has a role, with others and during a window.

    Days are those of the calendar in UTC, and one of which any part is held counts. Of all the days in a row that have one
    of the window in them those count that come to most. What nobody has dated yet counts with the most days it can meet.
    """
    dated = [one for one in others if one.window is not None]
    undated = sum(_most_days(one.length) for one in others if one.window is None)
    first, last = _days(window)
    windows = [*(one.window for one in dated if one.window is not None), window]
    ranges = list(_joined([_days(interval) for one in windows for interval in one.intervals]))
    begins = {first - FRAME + 1, last, *(start for start, _ in ranges), *(end - FRAME + 1 for _, end in ranges)}
    most = max(_count(ranges, begin) for begin in begins if first - FRAME < begin <= last)
    return min(FRAME, most + undated)


def _days(window: Window) -> tuple[int, int]:
    """Return the numbers of the first and of the last day of a window."""
    return window.start.toordinal(), (window.end - timedelta(microseconds=1)).toordinal()


def _most_days(length: timedelta) -> int:
    return -(-(length - timedelta(seconds=1)) // _DAY) + 1


def _joined(ranges: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield ranges of days in their order, none of which meets another."""
    ranges.sort()
    start, end = ranges[0]
    for begin, stop in ranges[1:]:
        if begin > end:
            yield start, end
            start, end = begin, stop
        end = max(end, stop)
    yield start, end


def _count(ranges: Iterable[tuple[int, int]], begin: int) -> int:
    return sum(max(0, min(end, begin + FRAME - 1) - max(start, begin) + 1) for start, end in ranges)


# How long somebody has a role without a gap


class Unbroken(NamedTuple):
    """How long somebody has a role without a gap: ``total`` with a window, ``others`` without it, by ``grants``."""

    total: timedelta
    others: timedelta
    grants: tuple[HeldGrant, ...]


def unbroken(others: Sequence[HeldGrant], window: Window) -> Unbroken:
    """Return for how long somebody has a role without a gap, during a window and by all that leads up to it or follows.

    What nobody has dated yet counts whole. Of a window that recurs it is the interval of which it comes to most.
    """
    undated = [one for one in others if one.window is None]
    dated = [(part, one) for one in others if one.window is not None for part in one.window.intervals]
    return max((_around(interval, dated, undated) for interval in window.intervals), key=lambda found: found.total)


def _around(window: Window, dated: Sequence[tuple[Window, HeldGrant]], undated: Sequence[HeldGrant]) -> Unbroken:
    start, end = window.start, window.end
    met: list[tuple[Window, HeldGrant]] = []
    grew = True
    while grew:
        near = [pair for pair in dated if pair[0].start - end < GAP and start - pair[0].end < GAP]
        grew = len(near) > len(met)
        met = near
        start, end = min([start, *(w.start for w, _ in met)]), max([end, *(w.end for w, _ in met)])
    waits = sum((one.length for one in undated), timedelta(0))
    return Unbroken(
        end - start + waits, _length(w for w, _ in met) + waits, (*dict.fromkeys(one for _, one in met), *undated)
    )


def _length(windows: Iterable[Window]) -> timedelta:
    """Return how long windows last together, what several share once."""
    total, reached = timedelta(0), datetime.min.replace(tzinfo=UTC)
    for window in sorted(windows):
        start = max(window.start, reached)
        if window.end > start:
            total, reached = total + (window.end - start), window.end
    return total


HELD_TOO_LONG = "held-too-long"


def held_too_long(
    who: str, most: timedelta, others: Sequence[HeldGrant], window: Window
) -> Iterator[tuple[str, str, str]]:
    """Yield the denial of what adds up to longer than a role may be had without a gap: code, message, hint.

    ``who`` says who has which role. What is too long by itself is denied for that alone.
    """
    if not others:
        return
    found = unbroken(others, window)
    if found.total <= most or not found.grants:
        return
    left = most - found.others
    more = f"at most {format_duration(left)} more" if left > timedelta(0) else "no more"
    message = (
        f"{who} for {format_duration(found.total)} without a gap, longer than the {format_duration(most)} that the role "
        f"allows in all: {more} (with {'; '.join(sorted(one.said for one in found.grants))})"
    )
    hint = f"ask for less, or for a window that begins {format_duration(GAP)} after the others end"
    yield HELD_TOO_LONG, message, hint
