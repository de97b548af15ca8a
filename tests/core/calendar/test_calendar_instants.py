"""Calendars: which instants are in them, and which spans."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daypass.core.calendar.calendars import Calendar, Days, covered_by, meets
from daypass.core.window import Window
from examples import examples

BERLIN = "Europe/Berlin"
OFFICE = Calendar("office", BERLIN, hours="Mon-Fri 08:00-19:00", without=(Days.parse("2026-12-24..2026-12-26"),))
FREEZE = Calendar("freeze", BERLIN, days=(Days.parse("2026-12-20..2027-01-02"),))


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("instant", "expected"),
    [
        ("2026-11-20T07:00:00", True),  # a Friday, eight in Berlin
        ("2026-11-20T06:59:59", False),
        ("2026-11-20T17:59:59", True),
        ("2026-11-20T18:00:00", False),
        ("2026-12-23T10:00:00", True),
        ("2026-12-24T10:00:00", False),  # a Thursday, but taken out
        ("2026-12-28T10:00:00", True),
    ],
)
def test_holds_in_its_hours_and_on_none_of_the_days_taken_out(instant, expected):
    assert OFFICE.holds(at(instant)) is expected


def test_whole_days_are_those_of_its_zone():
    assert not FREEZE.holds(at("2026-12-19T22:59:59"))
    assert FREEZE.holds(at("2026-12-19T23:00:00"))  # midnight in Berlin
    assert FREEZE.holds(at("2027-01-02T22:59:59"))
    assert not FREEZE.holds(at("2027-01-02T23:00:00"))


def test_a_day_taken_out_is_out_whatever_else_says_it_is_in():
    both = Calendar("both", "UTC", days=(Days.parse("2026-12-24"),), without=(Days.parse("2026-12-24"),))
    assert not both.holds(at("2026-12-24T12:00:00"))


def test_a_window_is_covered_when_all_of_it_is_in():
    assert covered_by(OFFICE, at("2026-11-20T07:00:00"), at("2026-11-20T18:00:00"))
    assert not covered_by(OFFICE, at("2026-11-20T07:00:00"), at("2026-11-20T18:00:01"))
    assert not covered_by(OFFICE, at("2026-11-20T10:00:00"), at("2026-11-23T10:00:00"))  # over a weekend


def test_a_window_meets_what_it_shares_an_instant_with():
    assert not meets(FREEZE, at("2026-12-18T00:00:00"), at("2026-12-19T23:00:00"))
    assert meets(FREEZE, at("2026-12-18T00:00:00"), at("2026-12-19T23:00:01"))
    assert meets(FREEZE, at("2026-12-01T00:00:00"), at("2027-02-01T00:00:00"))


def test_hours_follow_summer_time():
    week = [
        Window(at(f"2026-03-{day}T0{6 + (day < 29)}:00:00"), at(f"2026-03-{day}T1{7 + (day < 29)}:00:00"))
        for day in (27, 30)
    ]
    assert OFFICE.intervals(at("2026-03-27T00:00:00"), at("2026-03-31T00:00:00")) == tuple(week)


def test_hours_that_fall_into_the_gap_are_shorter_and_into_the_hour_twice_longer():
    night = Calendar("night", BERLIN, hours="Sun 01:30-03:30")
    spring = night.intervals(at("2026-03-28T12:00:00"), at("2026-03-29T12:00:00"))
    autumn = night.intervals(at("2026-10-24T12:00:00"), at("2026-10-25T12:00:00"))
    assert [window.end - window.start for window in (*spring, *autumn)] == [timedelta(hours=1), timedelta(hours=3)]


def test_says_nothing_about_years_in_which_none_of_its_days_lie():
    for ask in (
        lambda: FREEZE.holds(at("2028-06-01T00:00:00")),
        lambda: meets(FREEZE, at("2027-12-31T00:00:00"), at("2027-12-31T23:00:01")),  # a second of 2028 in Berlin
        lambda: OFFICE.intervals(at("2025-12-31T22:00:00"), at("2026-01-02T00:00:00")),
    ):
        with pytest.raises(ValueError, match=r"^calendar-runs-out: calendar \w+ says nothing about 20(28$|25, since)"):
            ask()
    assert not meets(FREEZE, at("2027-12-31T00:00:00"), at("2027-12-31T23:00:00"))


def test_hours_that_got_a_first_day_of_their_own_say_why_other_years_have_no_answer():
    one = Days.parse("2026-12-24")
    ours = Calendar("office", BERLIN, hours="Mon-Fri 08:00-19:00", without=(one,))
    with pytest.raises(ValueError, match="says nothing about 2027") as caught:
        ours.holds(at("2027-06-01T10:00:00"))
    assert str(caught.value).partition(", since ")[2] == (
        "it has days of its own (except) for 2026 alone; without any its hours would hold every year. "
        "Write years: [2027] if 2027 has no such days"
    )
    both = Calendar("office", BERLIN, hours="Sun 08:00-19:00", days=(one,), without=(one,), years=(2027,))
    with pytest.raises(ValueError, match=r"\(days and except\) for 2026 to 2027 alone.*Write years: \[2028\]"):
        both.holds(at("2028-06-01T10:00:00"))
    with pytest.raises(ValueError, match=r"says nothing about 2028$"):
        Calendar("office", BERLIN, hours="Sun 08:00-19:00", years=(2027,)).holds(at("2028-06-01T10:00:00"))


def test_speaks_of_the_years_between_its_days_and_of_those_it_names_and_of_all_without_days():
    days = (Days.parse("2026-12-24"), Days.parse("2028-12-24"))
    assert Calendar("x", "UTC", days=days, years=(2030,)).spoken == {2026, 2027, 2028, 2030}
    assert Calendar("x", "UTC", hours="Mon 08:00-09:00", years=(2030,)).spoken == {2030}
    assert not Calendar("x", "UTC", hours="Mon 08:00-09:00").holds(at("2999-01-01T12:00:00"))


@pytest.mark.parametrize(
    ("start", "end", "why"),
    [
        ("2026-11-20T10:00:00", "2026-11-20T10:00:00", "ends before it begins"),
        ("2026-11-20T10:00:00", "2026-11-20T09:00:00", "ends before it begins"),
        ("2026-01-01T10:00:00", "2027-02-20T10:00:00", "longer than 400 days"),
    ],
)
def test_a_span_that_holds_nothing_or_too_much_is_refused(start, end, why):
    with pytest.raises(ValueError, match=why):
        Calendar("x", "UTC", hours="Mon 08:00-09:00").intervals(at(start), at(end))


def test_days_are_written_as_they_are_read():
    assert [str(Days.parse(text)) for text in ("2026-12-24", "2026-12-24..2026-12-26")] == [
        "2026-12-24",
        "2026-12-24..2026-12-26",
    ]


@pytest.mark.parametrize("text", ["2026-13-01", "24.12.2026", "2026-12-24..", "..2026-12-24", "2026-12-26..2026-12-24"])
def test_what_are_no_days_is_refused(text):
    with pytest.raises(ValueError, match=r"are no days|ends before"):
        Days.parse(text)


@settings(max_examples=examples(60))
@given(
    st.sampled_from(["Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "UTC"]),
    st.sampled_from(["Mon-Fri 08:00-19:00", "Sat-Sun 22:00-03:30", "Sun 01:59-02:01", "Mon-Sun 00:00-24:00"]),
    st.integers(0, 500_000),
    st.integers(1, 200_000),
    st.integers(0, 2**32),
)
def test_an_instant_is_in_an_interval_exactly_when_the_calendar_holds_it(zone, hours, start, minutes, pick):
    calendar = Calendar("x", zone, hours=hours, without=(Days.parse("2026-05-01"), Days.parse("2026-12-24")))
    first = at("2026-01-01T12:00:00") + timedelta(minutes=start)
    last = min(first + timedelta(minutes=minutes), at("2026-12-31T00:00:00"))
    found = calendar.intervals(first, last)
    assert all(one.end < two.start for one, two in pairwise(found))
    for step in range(40):
        one = first + timedelta(seconds=(pick * (step + 1) * 7919) % int((last - first).total_seconds()))
        assert any(window.holds(one) for window in found) is calendar.holds(one)
