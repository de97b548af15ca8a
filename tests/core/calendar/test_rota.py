"""Who is on call at an instant."""

from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daypass.core.calendar.rota import Rota, Shift
from daypass.core.window import Window


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def shift(person: str, start: str, end: str) -> Shift:
    return Shift(person, Window(at(start), at(end)), override=True)


WEEKLY = Rota("payments", "Europe/Berlin", turns=("alice", "bob", "carol"), since=date(2026, 11, 2))
"""Mondays 09:00 in Berlin, from Monday 2 November 2026 on."""


@pytest.mark.parametrize(
    ("when", "who"),
    [
        ("2026-11-02T07:59:59", ""),
        ("2026-11-02T08:00:00", "alice"),
        ("2026-11-09T07:59:59", "alice"),
        ("2026-11-09T08:00:00", "bob"),
        ("2026-11-16T12:00:00", "carol"),
        ("2026-11-23T08:00:00", "alice"),
        ("2027-03-29T06:59:59", "carol"),  # summer time began the day before: nine o'clock is an hour earlier
        ("2027-03-29T07:00:00", "alice"),
    ],
)
def test_people_take_turns_from_handover_to_handover_by_the_wall_clock(when: str, who: str) -> None:
    assert WEEKLY.on_call(at(when)) == who


def test_the_first_turn_begins_at_the_first_handover_of_its_day_or_after() -> None:
    later = Rota("r", "UTC", turns=("alice",), since=date(2026, 11, 3))  # a Tuesday
    assert (later.on_call(at("2026-11-09T08:59:59")), later.on_call(at("2026-11-09T09:00:00"))) == ("", "alice")


def test_a_handover_may_be_daily() -> None:
    daily = Rota("r", "UTC", turns=("alice", "bob"), since=date(2026, 11, 2), weekday=None, handover=time(12))
    assert [daily.on_call(at(f"2026-11-0{n}T12:00:00")) for n in (2, 3, 4)] == ["alice", "bob", "alice"]


def test_somebody_else_may_be_put_in_place_for_a_while() -> None:
    swapped = Rota(
        "r", "UTC", turns=("alice", "bob"), since=date(2026, 11, 2),
        overrides=(shift("carol", "2026-11-05T00:00:00", "2026-11-06T00:00:00"),),
    )  # fmt: skip
    found = [
        (s.person, s.window.start.day, s.window.end.day) for s in swapped.shifts(at("2026-11-03"), at("2026-11-10"))
    ]
    assert found == [("alice", 2, 5), ("carol", 5, 6), ("alice", 6, 9), ("bob", 9, 16)]
    assert [swapped.on_call(at(f"2026-11-{day}")) for day in ("04", "05", "06")] == ["alice", "carol", "alice"]


def test_an_override_may_take_whole_turns_and_reach_over_a_handover() -> None:
    away = Rota(
        "r", "UTC", turns=("alice", "bob"), since=date(2026, 11, 2),
        overrides=(shift("carol", "2026-11-02T09:00:00", "2026-11-10T00:00:00"),),
    )  # fmt: skip
    assert [s.person for s in away.shifts(at("2026-11-03"), at("2026-11-11"))] == ["carol", "bob"]


def test_shifts_that_were_written_down_need_no_turns_and_gaps_in_them_are_told() -> None:
    alone = Rota(
        "r", "UTC",
        overrides=(
            shift("alice", "2026-11-02", "2026-11-03"), shift("bob", "2026-11-03", "2026-11-04"),
            shift("carol", "2026-11-05", "2026-11-06"),
        ),
    )  # fmt: skip
    assert alone.on_call(at("2026-11-04")) == ""
    assert list(alone.gaps()) == [Window(at("2026-11-04"), at("2026-11-05"))]
    assert alone.people == ("alice", "bob", "carol")
    assert list(WEEKLY.gaps()) == []


def test_two_people_at_once_are_told_also_where_one_override_lies_inside_another() -> None:
    twice = Rota(
        "r", "UTC",
        overrides=(
            shift("alice", "2026-11-02", "2026-11-08"), shift("bob", "2026-11-03", "2026-11-04"),
            shift("carol", "2026-11-06", "2026-11-09"), shift("dan", "2026-11-09", "2026-11-10"),
        ),
    )  # fmt: skip
    assert [(one.person, other.person) for one, other in twice.overlaps()] == [("alice", "bob"), ("alice", "carol")]


ZONES = st.sampled_from(["UTC", "Europe/Berlin", "Pacific/Auckland", "America/Los_Angeles"])


@given(ZONES, st.integers(0, 6), st.integers(0, 23), st.integers(0, 24 * 400), st.booleans())
def test_one_person_at_a_time_and_shifts_agree_with_who_is_on_call(
    zone: str, day: int, hour: int, hours: int, daily: bool
) -> None:
    rota = Rota(
        "r", zone, turns=("alice", "bob"), since=date(2026, 1, 1), weekday=None if daily else day, handover=time(hour)
    )
    when = at("2026-02-01") + timedelta(hours=hours)
    there = [s for s in rota.shifts(when - timedelta(days=3), when + timedelta(days=3)) if s.window.holds(when)]
    assert [s.person for s in there] == [rota.on_call(when)]
