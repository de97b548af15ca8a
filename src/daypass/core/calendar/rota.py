"""Rotas: who is on call, and when, as the files of ``policies/rotas`` give it.

People take turns from one handover to the next, by the wall clock in the rota's zone; overrides put somebody else in their
place for a while. A rota without turns is its overrides alone: shifts that somebody wrote down, or brought from elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import NamedTuple

from msgspec import Struct

from daypass.core.calendar.hours import DAYS, parse_zone
from daypass.core.window import Window

_DAY = timedelta(days=1)


class Shift(NamedTuple):
    """Somebody's time on call. ``override``: it was put in place of a turn."""

    person: str
    window: Window
    override: bool = False


class Deputy(NamedTuple):
    """Who acts in somebody's place, and while."""

    by: str
    window: Window


class Rota(Struct, frozen=True):
    """Who is on call. ``handover`` is the time of day, on ``weekday`` (0 is Monday) or every day where that is None.

    The first of ``turns`` begins at the first handover of the day ``since`` or after. ``overrides`` come by when they begin,
    and never two at once. ``owners`` are the groups whose people review changes of the file.
    """

    name: str
    zone: str
    title: str = ""
    handover: time = time(9)
    weekday: int | None = 0
    turns: tuple[str, ...] = ()
    since: date = date(2000, 1, 1)
    overrides: tuple[Shift, ...] = ()
    owners: tuple[str, ...] = ()

    @property
    def people(self) -> tuple[str, ...]:
        """Everybody who is on call at some time, by handle."""
        return tuple(sorted({*self.turns, *(shift.person for shift in self.overrides)}))

    def held_by(self, person: str) -> Rota:
        """Return a rota by which one person is on call all the time."""
        return Rota(self.name, "UTC", weekday=None, turns=(person,), since=date(1970, 1, 1))

    def on_call(self, at: datetime) -> str:
        """Return the handle of who is on call at an instant, "" for nobody."""
        return next((s.person for s in self.shifts(at, at + timedelta(seconds=1)) if s.window.holds(at)), "")

    def shifts(self, start: datetime, end: datetime) -> Iterator[Shift]:
        """Yield who is on call from one instant until another, each whole shift that meets the time between, in order."""
        turns = list(self._turns(start, end))
        for shift in self.overrides:
            if shift.window.start < end and shift.window.end > start:
                turns = [left for turn in turns for left in _without(turn, shift.window)] + [shift]
        return iter(sorted(turns, key=lambda shift: shift.window.start))

    def gaps(self) -> Iterator[Window]:
        """Yield when nobody is on call between overrides that no turns fill."""
        if not self.turns:
            ends = ((one.window.end, other.window.start) for one, other in pairwise(self.overrides))
            yield from (Window(end, start) for end, start in ends if end < start)

    def overlaps(self) -> Iterator[tuple[Shift, Shift]]:
        """Yield overrides that put two people on call at once, each beside the one that began before it."""
        last: Shift | None = None
        for shift in self.overrides:
            if last is not None and shift.window.start < last.window.end:
                yield last, shift
            if last is None or shift.window.end > last.window.end:
                last = shift

    def _turns(self, start: datetime, end: datetime) -> Iterator[Shift]:
        if not self.turns:
            return
        step = 1 if self.weekday is None else len(DAYS)
        first = self.since
        if self.weekday is not None:
            first += _DAY * ((self.weekday - self.since.weekday()) % step)
        # One before, since days are not all of 24 hours.
        number = max(0, (start - self._handover(first)).days // step - 1)
        while (begins := self._handover(first + _DAY * step * number)) < end:
            number += 1
            ends = self._handover(first + _DAY * step * number)
            if ends > start:
                yield Shift(self.turns[(number - 1) % len(self.turns)], Window(begins, ends))

    def _handover(self, day: date) -> datetime:
        """Return the instant of a day's handover. Where summer time skips that time of day, it is as long after midnight."""
        return datetime.combine(day, self.handover, parse_zone(self.zone)).astimezone(UTC)


def _without(turn: Shift, window: Window) -> Iterator[Shift]:
    """Yield what an override leaves of a turn."""
    if turn.override or turn.window.end <= window.start or window.end <= turn.window.start:
        yield turn
        return
    if turn.window.start < window.start:
        yield turn._replace(window=Window(turn.window.start, window.start))
    if window.end < turn.window.end:
        yield turn._replace(window=Window(window.end, turn.window.end))
