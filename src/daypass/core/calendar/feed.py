"""Rotas that are kept in a calendar, read from the events of its feed: to be printed and reviewed, never to decide.

An event says who is on call while it lasts. Who that is, its attendee says by an address of the directory, else its title:
``On Call - Alice Ngo - Payments``, ``alice@example.com``, ``Alice Ngo (on call)``. A part of a title names somebody only as a
whole, so that nobody is on call who merely shares a name with somebody.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from daypass.core.calendar.imported import joined_shifts, within_bounds
from daypass.core.calendar.rota import Rota, Shift
from daypass.core.catalogue import Directory
from daypass.core.errors import UsageError
from daypass.core.finding import near
from daypass.core.window import Window, format_instant

_ADDRESS = re.compile(r"[^\s<>()\[\],;:|/]+@[^\s<>()\[\],;:|/]+")
_BETWEEN = re.compile(r"\s+[-\u2013\u2014]+\s+|[:|/,;()\[\]<>]")
_DUTY = re.compile(r"\b(?:is|primary|secondary|on[- ]?call|oncall)\b", re.IGNORECASE)
_NAMED = 3


class FeedEvent(NamedTuple):
    """One occurrence in a calendar: what it is called, its attendees' addresses and names, and while it lasts."""

    title: str
    attendees: tuple[str, ...]
    window: Window


class Feed(NamedTuple):
    """What a calendar holds. ``zone`` is the one whose midnights its days begin at."""

    title: str
    zone: str
    events: tuple[FeedEvent, ...]


def from_feed(name: str, feed: Feed, directory: Directory, within: Window) -> Rota:
    """Return a rota of the shifts in a calendar, as far as they lie in a window; neighbouring ones of a person are one.

    Raises UsageError for people whom the directory does not know, and where two are on call at once.
    """
    met = [event for event in feed.events if event.window.meets(within)]
    found = [(event, _people(event, directory)) for event in met]
    _check_known([event for event, people in found if not people], directory)
    for event, people in found:
        if len(people) > 1:
            begins = format_instant(event.window.start)
            message = f"{event.title!r}, which begins at {begins}, names {' and '.join(people)}"
            raise UsageError(message, hint="one person is on call at a time: name one in the calendar")
    shifts = list(within_bounds((Shift(people[0], event.window, override=True) for event, people in found), within))
    if not shifts:
        between = f"from {format_instant(within.start)} until {format_instant(within.end)}"
        raise UsageError(f"the calendar holds no shift {between}", hint="see --from and --until")
    return Rota(name, feed.zone, feed.title, overrides=_in_turn(shifts))


def _check_known(strangers: Sequence[FeedEvent], directory: Directory) -> None:
    """Raise UsageError for events that name nobody of the directory, with the likeliest name."""
    if not strangers:
        return
    called = sorted({_called(event) for event in strangers})
    more = f" and {len(called) - _NAMED} more" if len(called) > _NAMED else ""
    people = [one for one in directory.subjects.values() if one.is_person]
    names = {word for one in people for word in (one.handle, one.name, *one.emails) if word}
    parts = [part for event in strangers for part in (*event.attendees, *_parts(event.title))]
    likely = next((hint for part in parts[:50] if (hint := near(part, names))), "")
    hint = "add their address as email to people of policies/directory, or call them by their name there"
    raise UsageError(
        f"the directory knows nobody whom the calendar calls {', '.join(called[:_NAMED])}{more}",
        hint=f"{likely} Else {hint}" if likely else hint,
    )


def _called(event: FeedEvent) -> str:
    return repr(event.title) + (f" ({', '.join(event.attendees[:_NAMED])})" if event.attendees else "")


def _people(event: FeedEvent, directory: Directory) -> tuple[str, ...]:
    """Return the handles of whom an event names: by an address of its attendees, else by its title."""
    addresses = [*event.attendees, *_ADDRESS.findall(event.title)]
    known = {one.handle for each in addresses if (one := directory.by_email(each)) is not None and one.is_person}
    titled = _titled(event, directory)
    # Of several who attend, the title may say who it is; where it says somebody else, it is not known who is meant.
    return tuple(sorted(known & titled or known | titled))


def _titled(event: FeedEvent, directory: Directory) -> frozenset[str]:
    parts = frozenset(part.casefold() for part in _parts(event.title))
    people = [one for one in directory.subjects.values() if one.is_person]
    return frozenset(one.handle for one in people if {one.handle.casefold(), one.name.casefold()} & parts)


def _parts(title: str) -> Iterator[str]:
    """Yield the parts of a title, without the words that say what the event is."""
    for part in _BETWEEN.split(_ADDRESS.sub(" ", title)):
        for words in (" ".join(part.split()), " ".join(_DUTY.sub(" ", part).split()).strip(" -")):
            if words:
                yield words


def _in_turn(shifts: Sequence[Shift]) -> tuple[Shift, ...]:
    """Return shifts in order, those of one person that meet as one. Raises UsageError where two people are on call at once."""
    joined = tuple(joined_shifts(sorted(shifts, key=lambda one: (one.window, one.person))))
    for one, other in pairwise(joined):
        if other.window.start < one.window.end:
            until = format_instant(min(one.window.end, other.window.end))
            raise UsageError(
                f"{one.person} and {other.person} are both on call"
                f" from {format_instant(other.window.start)} until {until}",
                hint="two people by mistake? correct the calendar; of one with several rotas, --only TEXT takes the events"
                " whose title has a text",
            )
    return joined
