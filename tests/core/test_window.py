"""Instants, durations and windows: read as written, and half-open everywhere."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daypass.core.window import (
    LONGEST,
    AccessBound,
    Bounds,
    Recurrence,
    Span,
    Window,
    format_duration,
    format_instant,
    parse_duration,
    parse_instant,
)

T0 = datetime(2026, 11, 20, 10, tzinfo=UTC)
DURATIONS = st.integers(1, int(LONGEST.total_seconds())).map(lambda s: timedelta(seconds=s))
INSTANTS = st.datetimes(timezones=st.just(UTC)).map(lambda d: d.replace(microsecond=0))
HOURS = st.integers(-20, 20)


def h(hours: float) -> datetime:
    return T0 + timedelta(hours=hours)


@given(DURATIONS)
def test_a_duration_reads_back_as_it_was_written(value) -> None:
    assert parse_duration(format_duration(value)) == value


@given(st.tuples(*[st.integers(0, 40)] * 4))
def test_a_duration_is_the_sum_of_its_parts(parts) -> None:
    value = timedelta(days=parts[0], hours=parts[1], minutes=parts[2], seconds=parts[3])
    text = "".join(f"{count}{unit}" for count, unit in zip(parts, "dhms", strict=True))
    if value > timedelta(0):
        assert parse_duration(text) == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'' is not a duration; write for example 8h, 30m, 7d or 1h30m"),
        ("8", "'8' is not a duration; write for example 8h, 30m, 7d or 1h30m"),
        ("8h ", "'8h ' is not a duration; write for example 8h, 30m, 7d or 1h30m"),
        ("8h\n", "'8h\\n' is not a duration; write for example 8h, 30m, 7d or 1h30m"),
        ("-8h", "'-8h' is not a duration; write for example 8h, 30m, 7d or 1h30m"),
        ("1m1h", "'1m1h' is not a duration; write for example 8h, 30m, 7d or 1h30m"),
        ("1.5h", "'1.5h' is not a duration; write for example 8h, 30m, 7d or 1h30m"),
        ("٨h", "'٨h' is not a duration; write for example 8h, 30m, 7d or 1h30m"),
        ("0h", "a duration of 0h is no time at all"),
        ("18262d", "18262d is longer than the 366d that any access may last"),
        ("366d1s", "366d1s is longer than the 366d that any access may last"),
    ],
)
def test_what_is_no_duration_is_refused(text, message) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        parse_duration(text)


def test_durations_are_written_largest_unit_first() -> None:
    assert format_duration(timedelta(days=1, hours=2, minutes=3, seconds=4)) == "1d2h3m4s"
    assert format_duration(timedelta(0)) == "0s"
    assert format_duration(timedelta(hours=-1)) == "-1h"


@given(INSTANTS)
def test_an_instant_reads_back_as_it_was_written(value) -> None:
    text = format_instant(value)
    assert len(text) == 20
    assert parse_instant(text) == value


@given(INSTANTS, st.integers(-14 * 60, 14 * 60))
def test_an_offset_names_the_same_instant(value, minutes) -> None:
    zone = timezone(timedelta(minutes=minutes))
    try:
        local = value.astimezone(zone)
    except OverflowError:
        return
    sign, (hours, rest) = "-" if minutes < 0 else "+", divmod(abs(minutes), 60)
    text = f"{local.year:04d}-{local:%m-%dT%H:%M:%S}{sign}{hours:02d}:{rest:02d}"
    assert parse_instant(text) == value
    assert format_instant(local) == format_instant(value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("2026-11-21", "'2026-11-21' names no time zone; write for example 2026-11-21T09:00:00Z"),
        ("2026-11-21T09:00:00", "'2026-11-21T09:00:00' names no time zone; write for example 2026-11-21T09:00:00Z"),
        ("2026-11-21 09:00", "'2026-11-21 09:00' names no time zone; write for example 2026-11-21T09:00:00Z"),
        ("tomorrow", "'tomorrow' is not an instant; write for example 2026-11-21T09:00:00Z"),
        (
            "2026-11-21T09:00:00Z\n",
            "'2026-11-21T09:00:00Z\\n' is not an instant; write for example 2026-11-21T09:00:00Z",
        ),
        ("2026-02-30T09:00:00Z", "'2026-02-30T09:00:00Z' is no possible time: day is out of range for month"),
        ("2026-11-21T24:00:00Z", "'2026-11-21T24:00:00Z' is no possible time: hour must be in 0..23"),
        ("2026-11-21T09:00:60Z", "'2026-11-21T09:00:60Z' is no possible time: second must be in 0..59"),
        (
            "2026-11-21T09:00:00+24:00",
            "'2026-11-21T09:00:00+24:00' is not an instant; write for example 2026-11-21T09:00:00Z",
        ),
        (
            "2026-11-21T09:00:00-09:60",
            "'2026-11-21T09:00:00-09:60' is not an instant; write for example 2026-11-21T09:00:00Z",
        ),
        ("0001-01-01T00:00:00+23:59", "'0001-01-01T00:00:00+23:59' is no possible time: date value out of range"),
    ],
)
def test_what_is_no_instant_is_refused(text, message) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        parse_instant(text)


def test_a_naive_time_never_gets_inside() -> None:
    with pytest.raises(RuntimeError, match=r"^naive time inside daypass$"):
        format_instant(datetime(2026, 11, 20))  # noqa: DTZ001  (that is the point)


@given(HOURS, HOURS, HOURS)
def test_a_window_holds_at_its_start_and_has_ended_at_its_end(start, end, at) -> None:
    if start >= end:
        with pytest.raises(ValueError, match=r"^until \(.*Z\) is not after from \(.*Z\)$"):
            Window(h(start), h(end))
        return
    window = Window(h(start), h(end))
    assert window.holds(h(at)) == (start <= at < end)
    assert window.ended(h(at)) == (at >= end)
    assert window.length == timedelta(hours=end - start)
    assert not (window.holds(h(at)) and window.ended(h(at)))


@pytest.mark.parametrize(("hour", "found"), [(7, None), (8, 8), (10, None), (11, 11), (13, None)])
def test_an_instant_lies_in_one_interval_or_in_none(hour: int, found: int | None) -> None:
    day = datetime(2026, 11, 20, tzinfo=UTC)
    eight, ten, eleven, one = (day + timedelta(hours=n) for n in (8, 10, 11, 13))
    window = Window(eight, one, parts=((eight, ten), (eleven, one)))
    interval = window.interval_at(day + timedelta(hours=hour))
    assert (interval and interval.start) == (day + timedelta(hours=found) if found else None)
    whole = Window(eight, one)
    assert whole.interval_at(day + timedelta(hours=hour)) == (whole if 8 <= hour < 13 else None)


def test_a_window_is_written_as_an_interval() -> None:
    assert str(Window(h(0), h(1))) == "2026-11-20T10:00:00Z/2026-11-20T11:00:00Z"


WINDOWS = st.tuples(HOURS, st.integers(1, 20)).map(lambda w: Window(h(w[0]), h(w[0] + w[1])))


@given(WINDOWS, WINDOWS)
def test_within_means_every_instant(one, other) -> None:
    instants = [h(n / 2) for n in range(-42, 84)]
    every = all(other.holds(at) for at in instants if one.holds(at))
    assert one.within(other) == every


@given(WINDOWS, HOURS)
def test_cutting_a_window_only_takes_its_tail(window, end) -> None:
    cut = window.until(h(end))
    instants = [h(n / 2) for n in range(-42, 84)]
    assert [at for at in instants if cut is not None and cut.holds(at)] == [
        at for at in instants if window.holds(at) and at < h(end)
    ]


@given(WINDOWS, DURATIONS)
def test_a_span_is_fixed_by_the_merge_unless_it_is_absolute(window, length) -> None:
    assert Span(window=window).starting(T0) == window
    assert Span(window=window).length == window.length
    assert Span(duration=length).starting(T0) == Window(T0, T0 + length)
    assert Span(duration=length).length == length


def test_a_span_is_one_of_both() -> None:
    for wrong in ({}, {"duration": timedelta(hours=1), "window": Window(h(0), h(1))}):
        with pytest.raises(RuntimeError, match=r"^a span is a duration or a window$"):
            Span(**wrong)


def test_what_has_no_intervals_lasts_until_its_end_whenever_it_was_given() -> None:
    assert Window(T0, h(4)).end_from(T0, h(2)) == h(4)
    assert Window(T0, h(4), ((T0, h(1)), (h(2), h(4)))).end_from(T0, T0) == h(1)


def test_all_bounds_are_told_the_lengths_first() -> None:
    length, end = AccessBound(timedelta(hours=1), "limits", "allows"), AccessBound(T0, "retention", "keeps it")
    assert Bounds((length,), (end,)).every == (length, end)


def test_a_span_says_when_it_holds() -> None:
    assert str(Span(duration=timedelta(hours=2))) == "2h from the merge on"
    window = Window(T0, h(4))
    assert str(Span(window=window)) == str(window)
    recurs = Recurrence("Mon-Fri 08:00-19:00", "UTC")
    assert str(Span(window=window, recurs=recurs)) == f"{recurs}, {window}"
