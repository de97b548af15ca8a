"""Calendars as feeds give them (RFC 5545), by the libraries icalendar and recurring-ical-events: to be printed and reviewed.

Whoever keeps a calendar wrote the file. It is read in a process of its own, with bounded time and memory, and what it may
hold is bounded as well: a rule of recurrence costs what it pleases.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta, tzinfo
from importlib.util import find_spec
from typing import Any

from daypass.core.calendar.feed import Feed, FeedEvent
from daypass.core.calendar.hours import check_zone, parse_zone
from daypass.core.calendar.recurrence import local_midnight
from daypass.core.errors import UsageError
from daypass.core.window import Window, format_instant, parse_instant

LARGEST = 4 * 1024 * 1024
"""No file may have more bytes."""
MOST = 5000
"""No calendar may hold more events, nor more occurrences of them in the time that is asked for."""
SECONDS = 20
_MEMORY = 1024 * 1024 * 1024
_DAY = timedelta(days=1)
_OFTEN = ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")
_PARTS = ("FREQ", "INTERVAL", "COUNT", "UNTIL", "BYDAY", "BYMONTH", "BYMONTHDAY", "BYSETPOS", "WKST")
_HINT = "export it again; daypass reads calendars as RFC 5545 has them"
_CHILD = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from daypass.edges.feeds import answer; answer()"


def is_calendar(raw: bytes) -> bool:
    """Whether a file begins as a calendar does."""
    return raw.removeprefix(b"\xef\xbb\xbf").lstrip()[:15].upper() == b"BEGIN:VCALENDAR"


def read_feed(raw: bytes, within: Window, *, zone: str = "", only: str = "", bounded: bool = True) -> Feed:
    """Read the events of a calendar that meet a window, in a process of its own.

    ``zone`` is the one whose midnights its days begin at, where the file does not say; ``only`` takes the events with a
    text in their title. Without ``bounded``, nobody said where the window ends, and a series without an end is refused.
    Raises UsageError for what cannot be read, or not in bounded time.
    """
    if find_spec("icalendar") is None or find_spec("recurring_ical_events") is None:
        hint = 'pip install "daypass[icalendar]"'
        raise UsageError("calendars are read by the library icalendar, which is not installed", hint=hint)
    asked = {
        "start": format_instant(within.start),
        "end": format_instant(within.end),
        "zone": zone,
        "only": only,
        "bounded": bounded,
        "memory": _MEMORY,
    }
    command = [sys.executable, "-I", "-c", _CHILD, json.dumps([one for one in sys.path if one]), json.dumps(asked)]
    try:
        ran = subprocess.run(command, input=raw, capture_output=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        message = f"the calendar takes longer than {SECONDS} seconds to read"
        raise UsageError(message, hint="export less of it, or ask for less with --from and --until") from None
    if ran.returncode != 0:
        raise UsageError("the calendar cannot be read in the memory that it may take", hint="export less of it")
    told = json.loads(ran.stdout)
    if "refused" in told:
        raise UsageError(told["refused"], hint=told["hint"])
    events = (
        FeedEvent(title, tuple(attendees), Window(parse_instant(start), parse_instant(end)))
        for title, attendees, start, end in told["events"]
    )
    return Feed(told["title"], told["zone"], tuple(events))


def answer() -> None:
    """Read the calendar on standard input, and write its events, or why it is refused: what the process of its own runs."""
    asked = json.loads(sys.argv[2])
    _hold_memory(asked["memory"])
    window = Window(parse_instant(asked["start"]), parse_instant(asked["end"]))
    try:
        feed = expand(sys.stdin.buffer.read(), window, asked["zone"], asked["only"], bounded=asked["bounded"])
    except UsageError as error:
        told: dict[str, Any] = {"refused": error.message, "hint": error.hint}
    else:
        events = [
            [one.title, one.attendees, format_instant(one.window.start), format_instant(one.window.end)]
            for one in feed.events
        ]
        told = {"title": feed.title, "zone": feed.zone, "events": events}
    sys.stdout.write(json.dumps(told))


def _hold_memory(most: int) -> None:
    if sys.platform == "linux":
        import resource  # noqa: PLC0415  (there is none on every system)

        resource.setrlimit(resource.RLIMIT_AS, (most, most))


def expand(raw: bytes, within: Window, zone: str, only: str, *, bounded: bool) -> Feed:
    """Return the events of a calendar that meet a window; see `read_feed`, which bounds what it costs."""
    import icalendar  # noqa: PLC0415  (an extra: only whoever brings a calendar has it)

    if len(raw) > LARGEST:
        raise UsageError(f"the calendar has {len(raw)} bytes, more than the {LARGEST} that it may have", hint=_HINT)
    try:
        calendar = icalendar.Calendar.from_ical(raw.removeprefix(b"\xef\xbb\xbf"))
        events = calendar.walk("VEVENT")
        if len(events) > MOST:
            raise UsageError(f"the calendar has more than {MOST} events", hint="export less of it")
        for event in events:
            _check(event, bounded=bounded)
        home = _home(calendar, events, zone)
        found = [one for one in _occurrences(events, within, home) if only.casefold() in one.title.casefold()]
    except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError, RecursionError) as error:
        raise UsageError(f"the calendar does not read: {str(error)[:200]}", hint=_HINT) from None
    return Feed(_line(calendar.get("X-WR-CALNAME", "")), home, tuple(found))


def _occurrences(events: Iterable[Any], within: Window, home: str) -> Iterator[FeedEvent]:
    """Yield each occurrence of events that meets a window, with what was changed and taken out."""
    import icalendar  # noqa: PLC0415
    import recurring_ical_events  # noqa: PLC0415

    # Without what the file says of zones: every time has its own by now, and a series in UTC stays one.
    bare = icalendar.Calendar()
    for event in events:
        bare.add_component(event)
    start = max(within.start, datetime(1970, 1, 3, tzinfo=UTC)) - 2 * _DAY
    count = 0
    for one in recurring_ical_events.of(bare).between(start, within.end + 2 * _DAY):
        window = Window(_instant(one.start, home), _instant(one.end, home))
        if _text(one, "STATUS").upper() == "CANCELLED" or not window.meets(within):
            continue
        count += 1
        if count > MOST:
            message = f"the calendar has more than {MOST} shifts between"
            between = f"{format_instant(within.start)} and {format_instant(within.end)}"
            raise UsageError(f"{message} {between}", hint="ask for less with --from and --until")
        yield FeedEvent(_text(one, "SUMMARY"), tuple(_attendees(one)), window)


def _check(event: Any, *, bounded: bool) -> None:
    """Raise UsageError for an event that cannot be told, or whose recurrence costs too much."""
    named = repr(_text(event, "SUMMARY"))
    for key, why in event.errors:
        raise UsageError(f"{key} of the event {named} does not read: {str(why)[:200]}", hint=_HINT)
    for key in ("DTSTART", "DTEND", "RECURRENCE-ID"):
        zone = event[key].params.get("TZID") if key in event else None
        if zone is not None and isinstance(event[key].dt, datetime) and event[key].dt.tzinfo is None:
            raise UsageError(f"{key} of the event {named} is in the zone {zone!r}, which nobody knows", hint=_HINT)
    start, end = event.start, event.end
    if _wall(end) <= _wall(start) or isinstance(start, datetime) != isinstance(end, datetime):
        raise UsageError(
            f"the event {named} at {start.isoformat()} lasts no time", hint="give it an end in the calendar"
        )
    rules = event.get("RRULE", [])
    for rule in rules if isinstance(rules, list) else [rules]:
        _check_rule(rule, named, bounded=bounded)


def _wall(moment: date) -> datetime:
    """Return what orders the two ends of an event: the instant, or what the clock on the wall shows."""
    if not isinstance(moment, datetime):
        return datetime(moment.year, moment.month, moment.day, tzinfo=UTC)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _check_rule(rule: Mapping[str, Any], named: str, *, bounded: bool) -> None:
    often = str(next(iter(rule.get("FREQ", ())), ""))
    if often not in _OFTEN:
        raise UsageError(
            f"the event {named} recurs {often or 'at no interval'}", hint="shifts recur daily, or less often"
        )
    strange = next((str(part) for part in rule if part not in _PARTS), None)
    if strange is not None:
        raise UsageError(f"the event {named} recurs by {strange}, which no shift does", hint=_HINT)
    if any(int(each) <= 0 for part in ("INTERVAL", "COUNT") for each in rule.get(part, ())):
        raise UsageError(f"the event {named} recurs every no time", hint=_HINT)
    if not bounded and "COUNT" not in rule and "UNTIL" not in rule:
        raise UsageError(f"the event {named} recurs without an end", hint="say how far with --until")


def _home(calendar: Any, events: Iterable[Any], zone: str) -> str:
    """Return the zone of a rota: as asked for, as the calendar says, or that of its events; UTC where all are in that."""
    told = zone or _line(calendar.get("X-WR-TIMEZONE", ""))
    if told:
        try:
            check_zone(told)
        except ValueError as error:
            raise UsageError(str(error), hint="--zone says which is meant") from None
        return told
    starts = [event.start for event in events]
    floating = next((one for one in starts if not isinstance(one, datetime) or one.tzinfo is None), None)
    if floating is not None:
        message = f"the calendar does not say by which clock {floating.isoformat()} is meant"
        raise UsageError(message, hint="say it with --zone, as Europe/Berlin")
    known = {str(key) for one in starts if (key := getattr(one.tzinfo, "key", None)) is not None}
    return known.pop() if len(known) == 1 else "UTC"


def _instant(moment: date, home: str) -> datetime:
    if not isinstance(moment, datetime):
        return local_midnight(moment, home)
    zone: tzinfo = moment.tzinfo or parse_zone(home)
    return moment.replace(tzinfo=zone, microsecond=0).astimezone(UTC)


def _attendees(event: Any) -> Iterator[str]:
    told = event.get("ATTENDEE", [])
    for one in told if isinstance(told, list) else [told]:
        yield _line(one).removeprefix("mailto:").removeprefix("MAILTO:")


def _text(event: Any, key: str) -> str:
    return _line(event.get(key, ""))


def _line(value: object) -> str:
    """Return a text of the file as one line that is not too long."""
    return " ".join(str(value).split())[:200]
