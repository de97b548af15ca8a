"""When a wait is over: by the plain clock, and by the hours and days of a calendar."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daypass.core.calendar.calendars import Calendar, Days
from daypass.core.calendar.wait import Wait, elapse
from daypass.core.window import parse_duration
from examples import examples

OFFICE = Calendar("office", "Europe/Berlin", hours="Mon-Fri 08:00-19:00")
THURSDAY = datetime(2026, 11, 19, 14, 0, tzinfo=UTC)  # 15:00 in Berlin


def over(text: str, start: datetime = THURSDAY, calendar: Calendar | None = OFFICE) -> str:
    return elapse(calendar, start, Wait.parse(text)).strftime("%a %d %H:%M")


def test_by_the_plain_clock_a_day_is_24_hours() -> None:
    assert over("2d4h", calendar=None) == "Sat 21 18:00"


def test_hours_of_a_calendar_go_on_when_it_does() -> None:
    assert over("4h") == "Thu 19 18:00"  # as the office closes
    assert over("4h1m") == "Fri 20 07:01"
    assert over("15h") == "Fri 20 18:00"
    assert over("15h30m") == "Mon 23 07:30"


def test_days_of_a_calendar_keep_the_time_of_day() -> None:
    assert over("1d") == "Fri 20 14:00"
    assert over("2d") == "Mon 23 14:00"
    assert over("1d4h") == "Fri 20 18:00"


def test_a_wait_that_begins_outside_of_it_begins_with_its_next_instant() -> None:
    saturday = THURSDAY + timedelta(days=2)
    assert over("4h", saturday) == "Mon 23 11:00"
    assert over("1d", saturday) == "Tue 24 07:00"


def test_a_wait_in_days_that_ends_outside_of_it_ends_with_its_next_instant() -> None:
    early = Calendar("early", "UTC", hours="Mon-Thu 08:00-19:00, Fri 08:00-12:00")
    assert over("1d", calendar=early) == "Mon 23 08:00"


def test_a_day_with_a_break_is_one_day() -> None:
    halves = Calendar("halves", "UTC", hours="Mon-Fri 08:00-12:00, Mon-Fri 13:00-17:00")
    assert over("2d", calendar=halves) == "Mon 23 14:00"
    assert over("4h", calendar=halves) == "Fri 20 09:00"


def test_a_shift_over_midnight_has_two_days() -> None:
    night = Calendar("night", "UTC", hours="Mon 22:00-06:00, Thu 22:00-06:00")
    monday = datetime(2026, 11, 16, 23, 0, tzinfo=UTC)
    assert over("1d", monday, night) == "Thu 19 22:00"  # Tuesday 23:00 is outside
    assert over("2d", monday, night) == "Thu 19 23:00"


def test_days_that_are_taken_out_do_not_count() -> None:
    closed = Calendar("office", "UTC", hours="Mon-Fri 08:00-19:00", without=(Days.parse("2026-11-20"),))
    assert over("2d", calendar=closed) == "Tue 24 14:00"
    assert over("6h", calendar=closed) == "Mon 23 09:00"


def test_the_wall_clock_is_kept_over_a_change_of_it() -> None:
    assert over("1d", datetime(2026, 10, 23, 10, 0, tzinfo=UTC)) == "Mon 26 11:00"


def test_a_year_that_a_calendar_says_nothing_of_is_no_answer() -> None:
    dated = Calendar("office", "UTC", hours="Mon-Fri 08:00-19:00", years=(2026,))
    assert over("1h", datetime(2026, 12, 31, 10, 0, tzinfo=UTC), dated) == "Thu 31 11:00"
    with pytest.raises(ValueError, match=r"^calendar-runs-out: calendar office says nothing about 2027$"):
        over("1d", datetime(2026, 12, 31, 10, 0, tzinfo=UTC), dated)


def test_a_calendar_that_holds_nothing_for_years_is_no_answer() -> None:
    years = Calendar(
        "fair", "UTC", days=(Days(date(2020, 1, 1), date(2020, 1, 1)), Days(date(2030, 1, 1), date(2030, 1, 1)))
    )
    with pytest.raises(ValueError, match=r"^calendar-runs-out: calendar fair holds nothing for 400 days$"):
        over("1h", calendar=years)


@pytest.mark.parametrize("text", ["4h", "2d", "1d4h", "30h", "1d1h1m1s", "48h", "45s"])
def test_a_wait_is_written_as_it_was_read(text: str) -> None:
    assert str(Wait.parse(text)) == text
    assert Wait.parse(text).plain == parse_duration(text)


def test_which_wait_may_be_the_longer_one_a_calendar_says() -> None:
    hours, days = Wait.parse("47h"), Wait.parse("2d")
    assert days.exceeds(hours, by_calendar=False)
    assert not hours.exceeds(days, by_calendar=False)
    assert hours.exceeds(days, by_calendar=True)
    assert days.exceeds(hours, by_calendar=True)
    assert not days.exceeds(days, by_calendar=True)


ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Auckland")
calendars_ = st.builds(
    Calendar,
    st.just("some"),
    st.sampled_from(ZONES),
    hours=st.sampled_from(
        ["Mon-Fri 08:00-19:00", "Mon-Sun 00:00-24:00", "Tue 09:00-10:00, Sat 22:00-04:00", "Sun 23:00-24:00"]
    ),
)
starts_ = st.integers(0, 2 * 365 * 24 * 60).map(lambda n: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=n))
minutes_ = st.integers(1, 6_000).map(lambda n: Wait(0, timedelta(minutes=n)))
waits_ = st.builds(Wait, st.integers(0, 9), st.integers(1, 600).map(lambda n: timedelta(minutes=n)))


@settings(max_examples=examples(60))
@given(calendars_, starts_, minutes_)
def test_so_much_of_the_calendar_has_gone_by(calendar: Calendar, start: datetime, wait: Wait) -> None:
    end = elapse(calendar, start, wait)
    spent = timedelta(0)
    for first in range(0, (end - start).days + 1, 300):
        until = min(end, start + timedelta(days=first + 300))
        spent += sum((w.length for w in calendar.intervals(start + timedelta(days=first), until)), timedelta(0))
    assert spent == wait.rest


@settings(max_examples=examples(60))
@given(calendars_, starts_, minutes_, minutes_)
def test_two_waits_in_hours_end_as_one_of_both(calendar: Calendar, start: datetime, one: Wait, two: Wait) -> None:
    both = Wait(0, one.rest + two.rest)
    assert elapse(calendar, elapse(calendar, start, one), two) == elapse(calendar, start, both)


@settings(max_examples=examples(60))
@given(calendars_, starts_, waits_, st.integers(1, 5))
def test_a_longer_wait_ends_no_earlier(calendar: Calendar, start: datetime, wait: Wait, more: int) -> None:
    end = elapse(calendar, start, wait)
    assert start < end < elapse(calendar, start, Wait(wait.days, wait.rest + timedelta(minutes=more)))
    assert end <= elapse(calendar, start, Wait(wait.days + more, wait.rest))


@settings(max_examples=examples(60))
@given(calendars_.filter(lambda c: c.zone in ("UTC", "Asia/Kolkata")), starts_, waits_, st.integers(0, 6_000))
def test_who_begins_later_ends_no_earlier(calendar: Calendar, start: datetime, wait: Wait, later: int) -> None:
    assert elapse(calendar, start, wait) <= elapse(calendar, start + timedelta(minutes=later), wait)
