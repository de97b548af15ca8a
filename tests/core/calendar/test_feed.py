"""Rotas brought from a calendar: its events by the directory's people, or a refusal that says what to correct."""

from __future__ import annotations

import pytest

from daypass.core.calendar.feed import Feed, FeedEvent, from_feed
from daypass.core.catalogue import Directory, Subject
from daypass.core.errors import UsageError
from daypass.core.window import Window, format_instant, parse_instant

PEOPLE = Directory(
    {
        "alice": Subject("alice", name="Alice Ngo", emails=("alice@example.com",)),
        "bob": Subject("bob", name="Bob Osei", emails=("bob@example.com",)),
        "ci": Subject("ci", kind="workload", name="Deployer"),
    },
    {},
)
ALL = Window(parse_instant("2026-11-01T00:00:00Z"), parse_instant("2026-12-01T00:00:00Z"))


def event(title: str, first: int, last: int, *attendees: str) -> FeedEvent:
    start, end = (parse_instant(f"2026-11-{day:02}T09:00:00Z") for day in (first, last))
    return FeedEvent(title, attendees, Window(start, end))


def shifts(*events: FeedEvent, within: Window = ALL) -> list[tuple[str, str, str]]:
    rota = from_feed("orders", Feed("Orders", "Europe/Berlin", events), PEOPLE, within)
    assert (rota.name, rota.title, rota.zone) == ("orders", "Orders", "Europe/Berlin")
    return [(one.person, format_instant(one.window.start), format_instant(one.window.end)) for one in rota.overrides]


@pytest.mark.parametrize(
    ("title", "attendees"),
    [
        ("On Call - Alice Ngo - Payments Primary", ()),
        ("On Call - A. Ngo - Payments", ("alice@example.com",)),
        ("Alice Ngo", ()),
        ("alice", ()),
        ("ALICE NGO (on call)", ()),
        ("On-call: Alice  Ngo", ()),
        ("Alice Ngo is on call", ()),
        ("Primary on call Alice Ngo", ()),
        ("Alice@Example.com", ()),
        ("Somebody (alice@example.com)", ()),
        ("Team", ("room@resource.example.com", "alice@example.com")),
        ("Alice Ngo", ("alice@example.com", "bob@example.com")),
    ],
)
def test_who_is_on_call_is_read_from_addresses_and_titles(title: str, attendees: tuple[str, ...]) -> None:
    assert [person for person, _, _ in shifts(event(title, 2, 9, *attendees))] == ["alice"]


def test_shifts_come_in_order_and_neighbours_of_a_person_are_one_within_what_is_asked_for() -> None:
    events = [event("bob", 16, 23), event("alice", 2, 9), event("alice", 9, 16), event("alice", 9, 16)]
    assert shifts(*events) == [
        ("alice", "2026-11-02T09:00:00Z", "2026-11-16T09:00:00Z"),
        ("bob", "2026-11-16T09:00:00Z", "2026-11-23T09:00:00Z"),
    ]
    within = Window(parse_instant("2026-11-10T00:00:00Z"), parse_instant("2026-11-12T00:00:00Z"))
    assert shifts(*events, within=within) == [("alice", "2026-11-10T00:00:00Z", "2026-11-12T00:00:00Z")]


def test_two_people_at_once_are_refused_with_the_time_that_they_share() -> None:
    with pytest.raises(UsageError, match="alice and bob are both on call from 2026-11-08T09:00:00Z until 2026-11-09"):
        shifts(event("alice", 2, 9), event("bob", 8, 16))
    with pytest.raises(UsageError, match="bob and alice are both on call") as caught:
        shifts(event("bob", 2, 20), event("bob", 3, 4), event("alice", 10, 12))
    assert "two people by mistake?" in caught.value.hint


@pytest.mark.parametrize(
    ("title", "attendees"),
    [
        ("Alice Ngo - Bob Osei", ()),
        ("Bob Osei", ("alice@example.com",)),
        ("Payments", ("alice@example.com", "bob@example.com")),
    ],
)
def test_an_event_that_names_two_people_is_refused(title: str, attendees: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match=r"begins at 2026-11-02T09:00:00Z, names alice and bob"):
        shifts(event(title, 2, 9, *attendees))


@pytest.mark.parametrize("title", ["Bob", "Bob Osei Junior", "Alice", "Deployer", "", "On Call"])
def test_nobody_is_taken_for_somebody_of_a_like_name(title: str) -> None:
    if title == "Bob":  # a handle, whatever its case
        assert shifts(event(title, 2, 9))[0][0] == "bob"
    elif title == "Alice":
        assert shifts(event(title, 2, 9))[0][0] == "alice"
    else:
        with pytest.raises(UsageError, match="the directory knows nobody whom the calendar calls"):
            shifts(event(title, 2, 9))


def test_whom_the_directory_does_not_know_is_named_with_the_likeliest() -> None:
    with pytest.raises(UsageError) as caught:
        shifts(event("On Call - Alise Ngo - X", 2, 9, "alise@example.com"), event("alice", 9, 16))
    assert caught.value.message == (
        "the directory knows nobody whom the calendar calls 'On Call - Alise Ngo - X' (alise@example.com)"
    )
    assert caught.value.hint.startswith("did you mean alice@example.com? Else add their address as email")
    strangers = [event(f"Q{number}", number, number + 1) for number in range(2, 9)]
    with pytest.raises(UsageError) as caught:
        shifts(*strangers)
    assert caught.value.message.endswith("'Q2', 'Q3', 'Q4' and 4 more")
    assert caught.value.hint.startswith("add their address")


def test_a_calendar_without_a_shift_in_the_time_asked_for_is_refused() -> None:
    with pytest.raises(UsageError, match="holds no shift from 2026-11-01T00:00:00Z until 2026-12-01T00:00:00Z"):
        shifts(
            FeedEvent("alice", (), Window(parse_instant("2026-12-01T00:00:00Z"), parse_instant("2026-12-02T00:00:00Z")))
        )
