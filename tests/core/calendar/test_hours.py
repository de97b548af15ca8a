"""Office hours."""

import zoneinfo
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daypass.core.calendar.hours import parse_hours, parse_zone, within_hours

WEEK = "Mon-Fri 08:00-19:00"


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("instant", "expected"),
    [
        ("2026-01-05T06:59:59", False),  # Monday, Berlin is one hour ahead in winter
        ("2026-01-05T07:00:00", True),
        ("2026-01-05T17:59:59", True),
        ("2026-01-05T18:00:00", False),
        ("2026-07-06T06:00:00", True),  # and two in summer
        ("2026-07-06T17:00:00", False),
        ("2026-01-10T10:00:00", False),  # Saturday
    ],
)
def test_holds_from_its_start_until_before_its_end_on_the_zones_own_clock(instant, expected):
    assert within_hours(at(instant), WEEK, "Europe/Berlin") is expected


def test_knows_the_weekday_of_the_zone_and_not_of_utc():
    late = at("2026-01-04T23:30:00")  # Sunday in UTC, Monday in Berlin
    assert within_hours(late, "Mon 00:00-01:00", "Europe/Berlin")
    assert not within_hours(late, "Mon 00:00-01:00", "UTC")


def test_summer_time_moves_the_edge_by_an_hour():
    friday, monday = at("2026-03-27T07:30:00"), at("2026-03-30T06:30:00")
    assert within_hours(friday, WEEK, "Europe/Berlin")
    assert within_hours(monday, WEEK, "Europe/Berlin")
    assert not within_hours(friday - timedelta(hours=1), WEEK, "Europe/Berlin")


def test_a_range_over_midnight_belongs_to_the_day_it_starts_on():
    night = "Fri 22:00-06:00"
    assert within_hours(at("2026-01-09T22:00:00"), night, "UTC")
    assert within_hours(at("2026-01-10T05:59:00"), night, "UTC")
    assert not within_hours(at("2026-01-10T06:00:00"), night, "UTC")
    assert not within_hours(at("2026-01-09T05:00:00"), night, "UTC")


def test_a_night_at_the_end_of_the_week_reaches_into_the_next():
    assert within_hours(at("2026-01-05T03:00:00"), "Sun 22:00-06:00", "UTC")
    assert within_hours(at("2026-01-11T23:00:00"), "Sun 22:00-06:00", "UTC")


def test_several_ranges_add_up_and_days_may_wrap():
    hours = "Mon-Fri 08:00-19:00, Sat 10:00-14:00"
    assert within_hours(at("2026-01-10T13:00:00"), hours, "UTC")
    assert within_hours(at("2026-01-11T13:00:00"), "Fri-Mon 00:00-24:00", "UTC")
    assert not within_hours(at("2026-01-08T13:00:00"), "Fri-Mon 00:00-24:00", "UTC")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'' are no hours; write for example \"Mon-Fri 08:00-19:00\""),
        ("Mon-Fri 8-19", "'Mon-Fri 8-19' are no hours; write for example \"Mon-Fri 08:00-19:00\""),
        ("Xyz 08:00-19:00", "'Xyz 08:00-19:00' are no hours; write for example \"Mon-Fri 08:00-19:00\""),
        ("Mon-Xyz 08:00-19:00", "'Mon-Xyz 08:00-19:00' are no hours; write for example \"Mon-Fri 08:00-19:00\""),
        ("Mon 08:00-19:00,", "'' are no hours; write for example \"Mon-Fri 08:00-19:00\""),
        ("Mon 08:00-08:00", "'Mon 08:00-08:00' holds no time; a whole day is 00:00-24:00"),
        ("Mon 24:00-08:00", "'Mon 24:00-08:00' holds no time; a whole day is 00:00-24:00"),
        ("Mon 08:60-19:00", "'08:60' is no time of day; 00:00 to 24:00"),
        ("Mon 08:00-24:01", "'24:01' is no time of day; 00:00 to 24:00"),
    ],
)
def test_refuses_hours_that_make_no_sense(text, message):
    with pytest.raises(ValueError, match="no") as caught:
        parse_hours(text)
    assert str(caught.value) == message


@pytest.mark.parametrize("name", ["Europe/Berln", "", "../etc/passwd", "Europe", "CET "])
def test_refuses_unknown_zones(name):
    with pytest.raises(ValueError, match="is no time zone") as caught:
        parse_zone(name)
    assert str(caught.value) == f'{name!r} is no time zone; write for example "Europe/Berlin" or "UTC"'


@given(
    st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)),  # noqa: DTZ001  (the strategy wants naive bounds)
    st.integers(0, 6),
    st.integers(0, 1439),
    st.integers(1, 1439),
)
def test_agrees_with_walking_back_to_the_start_of_the_range(moment, day, start, length):
    names = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
    end = (start + length) % 1440
    hours = f"{names[day]} {start // 60:02}:{start % 60:02}-{end // 60:02}:{end % 60:02}"
    moment = moment.replace(second=0, microsecond=0)
    begun = [moment - timedelta(minutes=back) for back in range(length)]
    expected = any(one.weekday() == day and one.hour * 60 + one.minute == start for one in begun)
    assert within_hours(moment.replace(tzinfo=UTC), hours, "UTC") is expected


@pytest.mark.parametrize(
    "name", ["localtime", "posixrules", "Factory", "right/UTC", "posix/UTC", "../etc", "", "europe/berlin", "zones"]
)
def test_a_zone_that_machines_differ_in_is_none(name: str) -> None:
    with pytest.raises(ValueError, match="is no time zone"):
        parse_zone(name)


def test_a_zone_is_read_from_the_package_and_never_from_the_machine(tmp_path: Path) -> None:
    """A machine's own files say that Berlin is in New York."""
    source = resources.files("tzdata") / "zoneinfo" / "America" / "New_York"
    (tmp_path / "Europe").mkdir()
    (tmp_path / "Europe/Berlin").write_bytes(source.read_bytes())
    zoneinfo.reset_tzpath([str(tmp_path)])
    try:
        zone = parse_zone.__wrapped__("Europe/Berlin")
    finally:
        zoneinfo.reset_tzpath()
    assert datetime(2026, 11, 20, 10, tzinfo=UTC).astimezone(zone).hour == 11
