"""Rotas that are kept elsewhere, read from what that place exports: to be printed and reviewed, never to decide.

PagerDuty's API answers for a schedule (https://developer.pagerduty.com/api-reference/, "Get a schedule", with ``since`` and
``until``) with its final shifts. Who somebody is there, the directory says: by an address, or by the very name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from daypass.core.calendar.hours import check_zone
from daypass.core.calendar.rota import Rota, Shift
from daypass.core.catalogue import Directory
from daypass.core.errors import UsageError
from daypass.core.window import Window, parse_instant

_HINT = 'ask the API for it with since and until: {"schedule": {"time_zone": …, "final_schedule": …}}'


def from_pagerduty(name: str, told: object, directory: Directory, within: Window) -> Rota:
    """Return a rota of the final shifts of a schedule in a window; neighbouring ones of a person are one.

    Raises UsageError for what is no such export, and for people whom the directory does not know.
    """
    try:
        schedule = _mapping(_mapping(told)["schedule"])
        zone, title = str(schedule["time_zone"]), str(schedule.get("name", ""))
        check_zone(zone)
        users = [_mapping(user) for user in schedule.get("users", [])]
        mails = {str(user["id"]): str(user.get("email", "")) for user in users if user["id"]}  # no id is nobody's
        entries = [_mapping(one) for one in _mapping(schedule["final_schedule"])["rendered_schedule_entries"]]
        shifts = [Shift(_who(_mapping(one["user"]), mails, directory), _window(one), override=True) for one in entries]
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"this is no schedule of PagerDuty: {error}", hint=_HINT) from None
    unknown = sorted({shift.person.removeprefix("?") for shift in shifts if shift.person.startswith("?")})
    if unknown:
        hint = "add their address there as email to people of policies/directory, or call them by the same name"
        raise UsageError(f"the directory knows nobody who is {', '.join(unknown)}", hint=hint)
    ordered = sorted(within_bounds(shifts, within), key=lambda one: one.window.start)
    return Rota(name, zone, title, overrides=tuple(joined_shifts(ordered)))


def within_bounds(shifts: Iterable[Shift], within: Window) -> Iterator[Shift]:
    """Yield what lies of shifts in a window."""
    for shift in shifts:
        common = shift.window.common(within)
        if common is not None:
            yield shift._replace(window=common)


def joined_shifts(shifts: Iterable[Shift]) -> Iterator[Shift]:
    """Yield shifts, those of one person that meet or overlap and follow each other as one."""
    held: Shift | None = None
    for shift in shifts:
        if held is not None and held.person == shift.person and shift.window.start <= held.window.end:
            held = held._replace(window=Window(held.window.start, max(held.window.end, shift.window.end)))
            continue
        if held is not None:
            yield held
        held = shift
    if held is not None:
        yield held


def _mapping(value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise TypeError("expected an object")
    return value


def _window(entry: Mapping[str, Any]) -> Window:
    return Window(parse_instant(str(entry["start"])), parse_instant(str(entry["end"])))


def _who(user: Mapping[str, Any], mails: Mapping[str, str], directory: Directory) -> str:
    """Return the handle of somebody, or what they are called with a mark where nobody is known by that."""
    called = str(user.get("summary") or user.get("name") or "")
    found = directory.by_email(str(user.get("email") or mails.get(str(user.get("id"))) or ""))
    named = [
        one for one in directory.subjects.values() if one.is_person and called and called in (one.name, one.handle)
    ]
    found = found or (named[0] if len(named) == 1 else None)
    return found.handle if found is not None and found.is_person else f"?{called or 'without a name'}"
