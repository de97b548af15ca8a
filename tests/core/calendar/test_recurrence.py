"""Windows that recur: the intervals that hours and calendars make of them, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daypass.core.calendar.calendars import Calendar, Days
from daypass.core.calendar.hours import within_hours
from daypass.core.calendar.recurrence import (
    MOST_INTERVALS,
    RecurrenceError,
    SpanError,
    left_of,
    recurring,
    span_between,
    window_of,
)
from daypass.core.window import Recurrence, Window, parse_instant

MONDAYS = Recurrence("Mon 06:00-08:00", "Europe/Berlin")
H = timedelta(hours=1)


def berlin(start: str, until: str, hours: str = "Mon 06:00-08:00") -> Window:
    span = span_between(start, until, Recurrence(hours, "Europe/Berlin"))
    assert span.window is not None
    return span.window


def refused(
    start: str, until: str, recurs: Recurrence, calendars: dict[str, Calendar] | None = None
) -> tuple[str, ...]:
    def read() -> Window:
        return window_of(span_between(start, until, recurs), datetime(2026, 1, 1, tzinfo=UTC), calendars or {})

    with pytest.raises(RecurrenceError) as found:
        read()
    return found.value.code, found.value.message, found.value.hint


@pytest.mark.parametrize(
    ("start", "until", "opens"),
    [
        (
            "2026-10-05",
            "2026-11-16",
            ["10-05T04", "10-12T04", "10-19T04", "10-26T05", "11-02T05", "11-09T05"],
        ),
        ("2027-03-08", "2027-04-19", ["03-08T05", "03-15T05", "03-22T05", "03-29T04", "04-05T04", "04-12T04"]),
    ],
)
def test_six_mondays_in_berlin_go_with_the_clock_over_a_change_of_summer_time(start, until, opens) -> None:
    window = berlin(start, until)
    at = [parse_instant(f"{start[:4]}-{text}:00:00Z") for text in opens]
    assert window.parts == tuple((one, one + 2 * H) for one in at)
    assert window.longest == 2 * H
    assert window.closes == at[-1] + 2 * H
    assert window.end == parse_instant(f"{until}T00:00:00+0{1 if start[5:7] == '10' else 2}:00")


def test_a_date_is_the_first_instant_of_the_zone_and_an_instant_is_itself() -> None:
    assert berlin("2026-12-01", "2026-12-08").start == parse_instant("2026-11-30T23:00:00Z")
    assert berlin("2026-12-07T05:30:00Z", "2026-12-08").parts[0][0] == parse_instant("2026-12-07T05:30:00Z")


def test_an_hour_that_the_clock_shows_twice_is_one_interval() -> None:
    assert berlin("2026-10-25", "2026-10-26", "Sun 02:00-03:00").longest == 2 * H


@pytest.mark.parametrize(
    ("hours", "wall"), [("Sun 02:30-06:00", "02:30"), ("Sun 01:00-02:30", "02:30"), ("Sun 02:00-05:00", "02:00")]
)
def test_an_interval_may_not_begin_or_end_when_no_clock_shows_it(hours, wall) -> None:
    assert refused("2027-03-01", "2027-04-01", Recurrence(hours, "Europe/Berlin")) == (
        "window-in-clock-change",
        f"no clock in Europe/Berlin shows {wall} on 2027-03-28, when summer time begins",
        "choose hours that begin and end outside of the hour that is skipped",
    )


@pytest.mark.parametrize("hours", ["Sun 00:00-02:00", "Sat 22:00-06:00", "Sun 03:00-05:00", "Mon-Sun 00:00-24:00"])
def test_an_interval_may_span_the_change_or_end_with_it(hours) -> None:
    assert berlin("2027-03-27", "2027-03-29", hours).parts


def test_a_window_without_any_interval_is_refused() -> None:
    code, message, hint = refused("2026-12-01", "2026-12-05", MONDAYS)
    assert code == "window-without-interval"
    assert message == (
        "Mon 06:00-08:00 Europe/Berlin holds at no time between 2026-11-30T23:00:00Z and 2026-12-04T23:00:00Z"
    )
    assert hint == "move from or until, or the hours"


def test_a_window_has_no_more_than_so_many_intervals() -> None:
    hours = ", ".join(f"Mon-Sun {hour:02}:00-{hour:02}:30" for hour in range(10))
    assert len(berlin("2026-06-01", "2026-07-21", hours).parts) == MOST_INTERVALS
    assert refused("2026-06-01", "2026-07-22", Recurrence(hours, "Europe/Berlin")) == (
        "too-many-intervals",
        "the window has 510 intervals, more than 500",
        "ask until an earlier day, and again later",
    )


def test_a_window_of_a_calendar_holds_when_the_calendar_says_so() -> None:
    office = Calendar(
        "office", "Europe/Berlin", hours="Mon-Fri 08:00-19:00", without=(Days.parse("2026-12-24"),), years=(2026,)
    )
    span = span_between("2026-12-23", "2026-12-26", Recurrence(zone="Europe/Berlin", calendar="office"))
    window = window_of(span, datetime(2026, 1, 1, tzinfo=UTC), {"office": office})
    assert [str(one) for one in window.intervals] == [
        "2026-12-23T07:00:00Z/2026-12-23T18:00:00Z",
        "2026-12-25T07:00:00Z/2026-12-25T18:00:00Z",
    ]
    assert window.calendar == "office"
    late = Recurrence(zone="Europe/Berlin", calendar="office")
    assert refused("2026-12-23", "2027-01-05", late, {"office": office})[:2] == (
        "calendar-runs-out",
        "calendar office says nothing about 2027, since it has days of its own (except) for 2026 alone; without any its hours would hold every year. Write years: [2027] if 2027 has no such days",
    )
    assert refused("2026-12-23", "2026-12-25", late._replace(calendar="offic"), {"office": office}) == (
        "unknown-calendar",
        "there is no calendar 'offic'",
        "did you mean office?",
    )
    with pytest.raises(RecurrenceError, match="longer than 400 days"):
        recurring(late, Window(window.start, window.start + timedelta(days=401)), {"office": office})


@pytest.mark.parametrize(
    ("start", "until", "recurs"),
    [
        ("2026-12-01", "2026-12-08", Recurrence(calendar="office")),
        ("2026-12-08", "2026-12-01", MONDAYS),
        ("2026-12-01", "2026-12-08", Recurrence("Mon", "Europe/Berlin")),
        ("2026-12-01T00:00:00Z", "2026-12-08T00:00:00Z", Recurrence("Mon 06:00-08:00", "Europe/Berln")),
    ],
)
def test_bounds_that_cannot_be_read_are_errors(start, until, recurs) -> None:
    with pytest.raises(ValueError, match=r"time zone|not after|no hours"):
        span_between(start, until, recurs)


# What a later calendar leaves


def office(hours: str, **more) -> dict[str, Calendar]:
    return {"office": Calendar("office", "UTC", hours=hours, **more)}


def given_by(hours: str) -> Window:
    span = span_between("2026-12-07", "2026-12-12", Recurrence(zone="UTC", calendar="office"))
    return window_of(span, datetime(2026, 1, 1, tzinfo=UTC), office(hours))


def test_a_calendar_that_was_widened_widens_nothing_and_one_that_was_cut_takes_away() -> None:
    window = given_by("Mon-Fri 09:00-17:00")
    assert left_of(window, office("Mon-Sun 00:00-24:00")) == window
    less = left_of(window, office("Mon-Tue 12:00-20:00"))
    assert less is not None
    assert [str(one) for one in less.intervals] == [
        "2026-12-07T12:00:00Z/2026-12-07T17:00:00Z",
        "2026-12-08T12:00:00Z/2026-12-08T17:00:00Z",
    ]
    assert left_of(window, {}) is None
    assert left_of(window, office("Sat 10:00-11:00")) is None
    assert left_of(window, office("Mon-Fri 18:00-19:00")) is None
    assert left_of(window, office("Mon-Fri 09:00-17:00", years=(2027,))) is None


def test_a_window_of_hours_is_left_alone() -> None:
    window = berlin("2026-12-01", "2026-12-08")
    assert left_of(window, {}) is window


RANGES = st.tuples(st.integers(0, 6), st.integers(0, 22), st.integers(1, 23)).map(
    lambda t: f"{('Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun')[t[0]]} {t[1]:02}:00-{min(24, t[1] + t[2]):02}:00"
)
HOURS = st.lists(RANGES, min_size=1, max_size=3, unique=True).map(", ".join)
START = datetime(2026, 10, 20, tzinfo=UTC)


def read_or_none(hours: str, days: int) -> Window | None:
    try:
        return recurring(Recurrence(hours, "Europe/Berlin"), Window(START, START + timedelta(days=days)), {})
    except RecurrenceError:
        return None


@given(HOURS, st.integers(1, 30), st.integers(0, 40 * 24 * 4))
def test_it_holds_at_just_the_instants_of_its_hours_between_its_bounds(hours, days, quarter) -> None:
    window = read_or_none(hours, days)
    if window is None:
        return
    at = START - timedelta(days=2) + quarter * timedelta(minutes=15)
    inside = window.start <= at < window.end
    assert window.holds(at) == (inside and within_hours(at, hours, "Europe/Berlin"))
    assert window.ended(at) == (at >= window.parts[-1][1])
    boundary = window.next_boundary(at)
    assert boundary is None or (
        boundary > at and window.holds(boundary) != window.holds(boundary - timedelta(seconds=1))
    )


@given(HOURS, HOURS, st.integers(0, 10 * 24))
def test_what_two_have_in_common_is_in_both(one, other, hour) -> None:
    first, second = read_or_none(one, 8), read_or_none(other, 8)
    if first is None or second is None:
        return
    common, at = first.common(second), START + hour * H
    assert (common is not None and common.holds(at)) == (first.holds(at) and second.holds(at))
    assert first.meets(second) == (common is not None)
    if common is not None:
        assert common.within(first)
        assert common.within(second)
        cut = common.until(at)
        assert cut is None or (cut.within(common) and cut.closes <= at)


def test_a_calendar_of_whole_days_alone_gives_those_days() -> None:
    audit = Calendar("audit", "Europe/Berlin", days=(Days.parse("2027-03-27..2027-03-28"),))
    span = span_between("2027-03-01", "2027-04-01", Recurrence(zone="Europe/Berlin", calendar="audit"))
    window = window_of(span, datetime(2027, 1, 1, tzinfo=UTC), {"audit": audit})
    assert [str(one) for one in window.intervals] == ["2027-03-26T23:00:00Z/2027-03-28T22:00:00Z"]


def test_a_window_has_hours_or_a_calendar() -> None:
    with pytest.raises(SpanError, match="either hours or a calendar, not both") as found:
        span_between("2026-12-01", "2026-12-02", Recurrence("Mon 08:00-09:00", "UTC", "office"))
    assert found.value.code == "two-windows"
