"""Reading policies/resources/*.yaml and policies/purposes/*.yaml, whose names are their files' names."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any

from daypass.core.catalogue import Directory, Purpose, Resource, Role, Settings, frozen
from daypass.core.finding import near
from daypass.core.policy.policies.sheet import Notes, Sheet
from daypass.core.window import format_duration


def read_resource(
    name: str, sheet: Sheet, settings: Settings | None, directory: Directory | None, notes: Notes
) -> Resource:
    """Read a resource and check what it refers to; ``settings`` or ``directory`` is None where unreadable."""
    data = sheet.data
    if settings is not None:
        for key, known in (
            ("target", settings.targets),
            ("environment", settings.environments),
            ("classification", settings.classifications),
        ):
            _known(sheet, key, known, notes)
    if directory is not None:
        _check_owners(sheet, directory, notes)
    return Resource(
        name=name,
        title=data["title"],
        target=data["target"],
        environment=data["environment"],
        classification=data["classification"],
        owners=tuple(data["owners"]),
        roles=_roles(sheet, settings, notes),
        data=tuple(data.get("data", ())),
        retention_until=notes.moment(sheet, data.get("retention_until"), "retention_until"),
        exclusive=bool(data.get("exclusive", False)),
        file=sheet.file,
    )


def _known(sheet: Sheet, key: str, known: Collection[str], notes: Notes) -> None:
    value = sheet.data[key]
    if value not in known:
        message = f"{key} {value!r} is not one of the settings' {key}s: {', '.join(known) or 'none'}"
        hint = near(value, known, "policies/daypass.yaml lists them")
        notes.add(f"unknown-{key}", sheet.place(key), message, hint)


def _check_owners(sheet: Sheet, directory: Directory, notes: Notes) -> None:
    for index, group in enumerate(sheet.data["owners"]):
        if group not in directory.groups:
            hint = near(group, directory.groups, "groups are named in policies/directory")
            notes.add(
                "unknown-group", sheet.place("owners", index), f"there is no group {group!r} in the directory", hint
            )
    people = {
        handle
        for group in sheet.data["owners"]
        for handle in directory.groups.get(group, ())
        if directory.subjects[handle].is_person
    }
    if not people:
        message = f"nobody could approve: the owners ({', '.join(sheet.data['owners'])}) have no people"
        notes.add("empty-approvers", sheet.place("owners"), message, "add people to the group in policies/directory")


def _roles(sheet: Sheet, settings: Settings | None, notes: Notes) -> Mapping[str, Role]:
    found = {}
    for name, role in sheet.data["roles"].items():
        longest = notes.duration(sheet, role["max_duration"], "roles", name, "max_duration")
        if longest is None:
            continue
        if settings is not None and longest > settings.limits.max_duration:
            bound = format_duration(settings.limits.max_duration)
            message = f"{role['max_duration']} is longer than the {bound} that the settings allow"
            notes.add("too-long", sheet.place("roles", name, "max_duration"), message, f"write at most {bound}")
        privilege = role.get("privilege") or {"role": name}
        found[name] = Role(name, longest, MappingProxyType(dict(privilege)), role.get("title", ""))
    return frozen(found)


def read_purpose(name: str, sheet: Sheet, settings: Settings | None, notes: Notes) -> Purpose:
    """Read a purpose."""
    data: Mapping[str, Any] = sheet.data
    longest = notes.duration(sheet, data["max_duration"], "max_duration") if "max_duration" in data else None
    if settings is not None and longest is not None and longest > settings.limits.max_duration:
        bound = format_duration(settings.limits.max_duration)
        message = f"{data['max_duration']} is longer than the {bound} that the settings allow"
        notes.add("too-long", sheet.place("max_duration"), message, f"write at most {bound}")
    return Purpose(
        name=name,
        title=data.get("title", ""),
        emergency=bool(data.get("emergency", False)),
        ticket_required=bool(data.get("ticket", {}).get("required", False)),
        max_duration=longest,
    )
