"""Rotas brought from PagerDuty: their shifts by the directory's people, or a refusal that says what is missing."""

from __future__ import annotations

from typing import Any

import pytest

from daypass.core.calendar.imported import from_pagerduty
from daypass.core.catalogue import Directory, Subject
from daypass.core.errors import UsageError
from daypass.core.window import Window, format_instant, parse_instant

ALWAYS = Window(parse_instant("1970-01-01T00:00:00Z"), parse_instant("2970-01-01T00:00:00Z"))
PEOPLE = Directory(
    {
        "alice": Subject("alice", name="Alice Ngo", emails=("alice@example.com",)),
        "bob": Subject("bob", name="Bob Osei"),
        "cara": Subject("cara", name="Twin"),
        "cora": Subject("cora", name="Twin"),
    },
    {},
)


def schedule(*entries: tuple[str, str, dict[str, str]], **changed: Any) -> dict[str, Any]:
    """Return an export with these shifts."""
    shifts = [{"start": start, "end": end, "user": user} for start, end, user in entries]
    told = {"name": "Payments", "time_zone": "Europe/Berlin", "final_schedule": {"rendered_schedule_entries": shifts}}
    return {"schedule": {**told, **changed}}


def test_shifts_are_by_the_directorys_people_and_neighbours_are_one() -> None:
    told = schedule(
        ("2026-11-16T09:00:00+01:00", "2026-11-20T09:00:00+01:00", {"id": "P1", "summary": "A. Ngo"}),
        ("2026-11-02T09:00:00+01:00", "2026-11-09T09:00:00+01:00", {"id": "P2", "summary": "Bob Osei"}),
        ("2026-11-09T09:00:00+01:00", "2026-11-16T09:00:00+01:00", {"id": "P2", "summary": "bob"}),
        users=[{"id": "P1", "email": "alice@example.com"}],
    )
    rota = from_pagerduty("payments", told, PEOPLE, ALWAYS)
    assert (rota.title, rota.zone) == ("Payments", "Europe/Berlin")
    assert [
        (one.person, format_instant(one.window.start), format_instant(one.window.end)) for one in rota.overrides
    ] == [
        ("bob", "2026-11-02T08:00:00Z", "2026-11-16T08:00:00Z"),
        ("alice", "2026-11-16T08:00:00Z", "2026-11-20T08:00:00Z"),
    ]
    within = Window(parse_instant("2026-11-10T00:00:00Z"), parse_instant("2026-11-12T00:00:00Z"))
    assert [one.window for one in from_pagerduty("payments", told, PEOPLE, within).overrides] == [within]
    assert from_pagerduty("none", schedule(), PEOPLE, ALWAYS).overrides == ()


def test_whom_the_directory_does_not_know_is_named() -> None:
    at = ("2026-11-02T09:00:00Z", "2026-11-09T09:00:00Z")
    with pytest.raises(UsageError, match="the directory knows nobody who is Twin, Zoe, without a name"):
        from_pagerduty("p", schedule((*at, {"summary": "Zoe"}), (*at, {"summary": "Twin"}), (*at, {})), PEOPLE, ALWAYS)


@pytest.mark.parametrize("none", [{}, {"id": ""}, {"id": None}])
@pytest.mark.parametrize("listed", [{"id": ""}, {"id": None}])
def test_a_user_without_an_id_is_not_another_one_without_an_id(none: dict[str, Any], listed: dict[str, Any]) -> None:
    user = {**none, "summary": "Zoe"}
    told = schedule(
        ("2026-11-02T09:00:00Z", "2026-11-09T09:00:00Z", user), users=[{**listed, "email": "alice@example.com"}]
    )
    with pytest.raises(UsageError, match="the directory knows nobody who is Zoe"):
        from_pagerduty("p", told, PEOPLE, ALWAYS)


@pytest.mark.parametrize(
    "told",
    [[], {}, {"schedule": []}, schedule(time_zone="Mars/Base"), schedule(("today", "tomorrow", {"summary": "bob"}))],
)
def test_what_is_no_export_is_refused(told: object) -> None:
    with pytest.raises(UsageError, match="this is no schedule of PagerDuty"):
        from_pagerduty("p", told, PEOPLE, ALWAYS)
