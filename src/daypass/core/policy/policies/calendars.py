"""Reading policies/calendars/*.yaml: named sets of instants. The name of a calendar is that of its file."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from daypass.core.calendar.calendars import Calendar, Days
from daypass.core.calendar.hours import check_zone, parse_hours
from daypass.core.policy.policies.file import Key, PolicyFile

if TYPE_CHECKING:
    from daypass.schema.rule_models import CalendarForm

_T = TypeVar("_T")


def read_calendar(name: str, file: PolicyFile[CalendarForm]) -> Calendar:
    """Read a calendar. One that holds nothing is a fault: whoever wrote it meant something."""
    data = file.data
    _try(file, check_zone, data["zone"], "zone")
    if "hours" in data:
        _try(file, parse_hours, data["hours"], "hours")
    if not data.get("days") and "hours" not in data:
        file.fault("calendar-invalid", (), f"calendar {name} holds no time", "give it hours, or days")
    return Calendar(
        name=name,
        zone=data["zone"],
        title=data.get("title", ""),
        hours=data.get("hours", ""),
        days=_days(file, data.get("days", []), "days"),
        without=_days(file, data.get("except", []), "except"),
        years=tuple(data.get("years", ())),
    )


def _days(file: PolicyFile[CalendarForm], texts: list[str], key: str) -> tuple[Days, ...]:
    found = [_try(file, Days.parse, text, key, index) for index, text in enumerate(texts)]
    return tuple(days for days in found if days is not None)


def _try(file: PolicyFile[CalendarForm], read: Callable[[str], _T], text: str, *at: Key) -> _T | None:
    try:
        return read(text)
    except ValueError as error:
        file.fault("calendar-invalid", at, str(error))
        return None
