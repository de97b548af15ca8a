"""When access exists by windows that recur, reckoned in minutes of a story, with nothing of the product."""

from __future__ import annotations

from collections.abc import Sequence

from simulation.story import Hours, Wish

Intervals = tuple[tuple[int, int], ...]
"""Half-open minutes of a story, in order and apart from each other."""

_BEGINS = 9 * 60
"""A story begins at this minute of the day by the clock of Berlin, which is not changed while it lasts."""
_DAY = 24 * 60
_GAP = 15
"""A shorter gap between two intervals is none."""


def asked(wish: Wish, duty: Hours) -> Intervals:
    """Return when a wish that recurs asks for access; ``duty`` are the calendar's hours of now."""
    if wish.start is None:
        return ()
    start, end = wish.start, wish.start + wish.length
    return common(_daily(duty if wish.on_duty else wish.hours, end), ((start, end),))


def still(given: Intervals, duty: Hours) -> Intervals:
    """Return what the calendar of now leaves of intervals that were read from it."""
    return common(given, _daily(duty, given[-1][1])) if given else ()


def common(some: Sequence[tuple[int, int]], others: Sequence[tuple[int, int]]) -> Intervals:
    """Return when both hold."""
    return tuple((max(a, c), min(b, d)) for a, b in some for c, d in others if max(a, c) < min(b, d))


def longest(intervals: Intervals) -> int:
    """Return for how long access exists at most, without a gap that counts."""
    return max((end - begin for begin, end in joined(intervals)), default=0)


def joined(intervals: Sequence[tuple[int, int]]) -> Intervals:
    """Return intervals joined where no gap between them counts."""
    runs: list[tuple[int, int]] = []
    for begin, end in sorted(intervals):
        if runs and begin - runs[-1][1] < _GAP:
            runs[-1] = runs[-1][0], max(end, runs[-1][1])
        else:
            runs.append((begin, end))
    return tuple(runs)


def _daily(hours: Hours, until: int) -> Intervals:
    first = -_BEGINS - 10 * _DAY  # windows may begin before the story
    return tuple((day + a, day + b) for day in range(first, until + _BEGINS, _DAY) for a, b in hours)
