"""How long access is asked for, in one line, as people answer in a form or on a terminal.

That is a duration, or ``FROM until UNTIL``, each an instant; or two dates or instants and, after commas, hours of the week
(or ``calendar`` and its name) and the zone whose clock shows them and the dates.
"""

from __future__ import annotations

import re

from daypass.core.calendar.recurrence import SpanError, reading, span_between
from daypass.core.files.text import quoted
from daypass.core.window import Recurrence, Span, parse_duration

_LONGEST = 500
_MINUTES = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(?=(?:Z|[+-][0-9]{2}:[0-9]{2})\Z)")
_DATED = re.compile(r"\buntil\b|[0-9]{4}-[0-9]{2}-[0-9]{2}|,")
_BOUNDS = re.compile(r"(\S+)\s+until\s+(\S+)")
_CALENDAR = re.compile(r"calendar\s+(\S+)")
_AN_EXAMPLE = "write for example 8h, or 2026-12-01T09:00Z until 2026-12-01T17:00Z"


def with_seconds(text: str) -> str:
    """Return an instant that people wrote to the minute as one to the second; everything else as it is."""
    return _MINUTES.sub(lambda found: f"{found[0]}:00", text)


def span_said(text: str) -> Span:
    """Read how long. Raises SpanError; whether a calendar is there is not judged here: that takes the policies."""
    if len(text) > _LONGEST:
        message = f"{quoted(text)} has {len(text)} characters, more than the {_LONGEST} that are read"
        raise SpanError("bad-window", message, _AN_EXAMPLE)
    if not _DATED.search(text):
        return Span(duration=reading("bad-duration", parse_duration, text, _AN_EXAMPLE))
    between, *more = (part.strip() for part in text.split(","))
    bounds = _BOUNDS.fullmatch(between)
    if bounds is None:
        message = f"expected FROM until UNTIL at the beginning, got {quoted(between)}"
        raise SpanError("bad-window", message, _AN_EXAMPLE)
    return span_between(with_seconds(bounds[1]), with_seconds(bounds[2]), _recurrence(more))


def _recurrence(said: list[str]) -> Recurrence:
    """Read what follows the bounds. The zone comes last: it is one word, and hours and a calendar are more than one."""
    zone = said.pop() if said and " " not in said[-1] else ""
    calendars = [found[1] for found in map(_CALENDAR.fullmatch, said) if found is not None]
    hours = [part for part in said if not _CALENDAR.fullmatch(part)]
    if len(calendars) > 1:
        raise SpanError("bad-window", f"expected one calendar, got {len(calendars)}", "ask for each by itself")
    return Recurrence(", ".join(hours), zone, "".join(calendars))
