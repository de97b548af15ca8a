"""How long access is asked for, as people say it in one line: read like the options of a request, or refused with a hint."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daypass.core.calendar.asked import span_said, with_seconds
from daypass.core.calendar.recurrence import SpanError, span_between
from daypass.core.window import Recurrence, Span


@pytest.mark.parametrize(
    ("text", "recurs"),
    [
        ("2026-12-01T00:00Z until 2026-12-12T00:00Z", Recurrence()),
        ("2026-12-01 until 2026-12-12, Mon 06:00-08:00, Etc/GMT+3", Recurrence("Mon 06:00-08:00", "Etc/GMT+3")),
        ("2026-12-01  until 2026-12-12 ,Mon 06:00-08:00,UTC", Recurrence("Mon 06:00-08:00", "UTC")),
        (
            "2026-12-01 until 2026-12-12, Mon 06:00-08:00, Tue 07:00-09:00, UTC",
            Recurrence("Mon 06:00-08:00, Tue 07:00-09:00", "UTC"),
        ),
        ("2026-12-01 until 2026-12-12, calendar  office, UTC", Recurrence("", "UTC", "office")),
        ("2026-12-01T00:00Z until 2026-12-12T00:00Z, calendar office", Recurrence(calendar="office")),
    ],
)
def test_a_line_is_read_like_the_options_of_a_request(text: str, recurs: Recurrence) -> None:
    bounds = ("2026-12-01", "2026-12-12") if recurs.zone else ("2026-12-01T00:00:00Z", "2026-12-12T00:00:00Z")
    assert span_said(text) == span_between(*bounds, recurs)


def test_a_duration_is_one() -> None:
    assert span_said("1h30m") == Span(duration=timedelta(minutes=90))


@pytest.mark.parametrize(
    ("text", "code", "message", "hint"),
    [
        ("long", "bad-duration", "'long' is not a duration", "write for example 8h, 30m, 7d or 1h30m"),
        (
            "367d",
            "bad-duration",
            "367d is longer than the 366d that any access may last",
            "write for example 8h, or 2026-12-01T09:00Z until 2026-12-01T17:00Z",
        ),
        (
            "2026-12-01 to 2026-12-12",
            "bad-window",
            "expected FROM until UNTIL at the beginning, got '2026-12-01 to 2026-12-12'",
            "write for example 8h, or 2026-12-01T09:00Z until 2026-12-01T17:00Z",
        ),
        (
            "2026-12-01 until 2026-12-12, calendar a, calendar b, UTC",
            "bad-window",
            "expected one calendar, got 2",
            "ask for each by itself",
        ),
        (
            "2026-12-01 until 2026-12-12, UTC",
            "zone-without-hours",
            "a zone says where hours hold, and there are none",
            "add hours or a calendar; without them write instants and no zone",
        ),
        (
            "2026-12-01 until 2026-12-12, Mon 06:00-08:00, Europe/Berlin, Tue 06:00-08:00",
            "hours-without-zone",
            "hours need the zone whose clock shows them",
            "add for example Europe/Berlin",
        ),
        (
            "2026-12-12 until 2026-12-01, calendar office, UTC",
            "until-before-from",
            "until (2026-12-01) is not after from (2026-12-12)",
            "a window ends after it begins",
        ),
        (
            "2026-12-01T09:00:61Z until 2026-12-01T17:00Z",
            "bad-instant",
            "'2026-12-01T09:00:61Z' is no possible time: second must be in 0..59",
            "write for example 2026-11-21T09:00:00Z",
        ),
        (
            "9999-12-31 until 2026-12-01, calendar office, Pacific/Kiritimati",
            "bad-instant",
            "9999-12-31 is no instant that access could be given at",
            "write a year from 1970 to 8999",
        ),
    ],
)
def test_what_is_neither_is_refused_with_a_hint(text: str, code: str, message: str, hint: str) -> None:
    with pytest.raises(SpanError) as found:
        span_said(text)
    assert (found.value.code, found.value.message, found.value.hint) == (code, message, hint)


def test_a_line_beyond_measure_is_refused_unread() -> None:
    with pytest.raises(SpanError, match="has 501 characters, more than the 500 that are read"):
        span_said("8" * 501)


_PIECES = [" until ", ", ", " ", "2026-12-01", "2027-01-15", "0001-01-01", "9999-12-31", "T09:00Z", "T25:00:00+23:59"]
_PIECES += [
    "Mon 06:00-08:00",
    "Sun 00:00-24:00",
    "calendar ",
    "office",
    "Europe/Berlin",
    "UTC",
    "8h",
    "400d",
    "-",
    "\n",
]


@given(st.lists(st.one_of(st.sampled_from(_PIECES), st.text(max_size=4)), max_size=12).map("".join))
def test_any_line_is_a_span_or_refused_with_a_hint(text: str) -> None:
    refused = None
    try:
        span_said(text)
    except SpanError as error:
        refused = error
    assert refused is None or (refused.code and refused.message and refused.hint)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2026-12-01T09:00Z", "2026-12-01T09:00:00Z"),
        ("2026-12-01T09:00+01:00", "2026-12-01T09:00:00+01:00"),
        ("2026-12-01T09:00:30Z", "2026-12-01T09:00:30Z"),
        ("2026-12-01T09:00", "2026-12-01T09:00"),
        ("2026-12-01T09:00Z\n", "2026-12-01T09:00Z\n"),
        ("2026-12-01", "2026-12-01"),
    ],
)
def test_seconds_are_added_to_an_instant_alone(written: str, meant: str) -> None:
    assert with_seconds(written) == meant
