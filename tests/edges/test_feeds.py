"""Feeds of calendars as services give them, and hostile ones: what is read from them, within bounds."""

from __future__ import annotations

import sys
import time

import pytest

from daypass.core.calendar.feed import Feed
from daypass.core.errors import UsageError
from daypass.core.window import Window, format_instant, parse_instant
from daypass.edges import feeds
from daypass.edges.feeds import LARGEST, MOST, expand, is_calendar, read_feed

YEAR = Window(parse_instant("2026-01-01T00:00:00Z"), parse_instant("2027-01-01T00:00:00Z"))
BERLIN = "X-WR-TIMEZONE:Europe/Berlin"
ZONE = """BEGIN:VTIMEZONE
TZID:{name}
BEGIN:STANDARD
DTSTART:19701025T030000
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
RRULE:{rule}
END:STANDARD
BEGIN:DAYLIGHT
DTSTART:19700329T020000
TZOFFSETFROM:+0100
TZOFFSETTO:+0200
RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU
END:DAYLIGHT
END:VTIMEZONE"""


def feed(*parts: str) -> bytes:
    """Return a calendar with lines, and events given as their lines."""
    body = "\n".join(
        part if part.startswith(("X-", "BEGIN")) else f"BEGIN:VEVENT\n{part}\nEND:VEVENT" for part in parts
    )
    return f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//x//EN\n{body}\nEND:VCALENDAR\n".replace("\n", "\r\n").encode()


def event(start: str, end: str, *more: str, title: str = "On Call - Alice", uid: str = "1") -> str:
    return "\n".join((f"UID:{uid}", f"DTSTART{start}", f"DTEND{end}", f"SUMMARY:{title}", *more))


def told(raw: bytes, *, zone: str = "", only: str = "", bounded: bool = True, within: Window = YEAR) -> Feed:
    return expand(raw, within, zone, only, bounded=bounded)


def times(found: Feed) -> list[tuple[str, str]]:
    spans = sorted((one.window.start, one.window.end) for one in found.events)
    return [(format_instant(start), format_instant(end)) for start, end in spans]


def test_a_feed_of_pagerduty_is_read_in_a_process_of_its_own() -> None:
    shift = """DTEND;VALUE=DATE-TIME:20260709T220000Z
DTSTART;VALUE=DATE-TIME:20260708T220000Z
ATTENDEE:alice@example.com
UID:Q1S46N8B8ADP9D
URL:https://acme.pagerduty.com/schedules#KXQAOAO
SUMMARY:On Call - Alice Ngo - Pay
 ments"""
    raw = feed("X-WR-CALNAME:On Call Schedule for Payments", shift)
    assert is_calendar(raw)
    assert is_calendar(b"\xef\xbb\xbf" + raw)
    assert not is_calendar(b'{"schedule": {}}')
    found = read_feed(raw, YEAR)
    assert (found.title, found.zone) == ("On Call Schedule for Payments", "UTC")
    (one,) = found.events
    assert (one.title, one.attendees) == ("On Call - Alice Ngo - Payments", ("alice@example.com",))
    assert times(found) == [("2026-07-08T22:00:00Z", "2026-07-09T22:00:00Z")]
    assert read_feed(raw, YEAR, only="payments") == found
    assert read_feed(raw, YEAR, only="orders").events == ()


def test_a_series_keeps_to_the_clock_of_its_zone_with_what_was_taken_out_and_changed() -> None:
    series = event(
        ";TZID=Europe/Berlin:20261012T090000",
        ";TZID=Europe/Berlin:20261013T090000",
        "RRULE:FREQ=WEEKLY;COUNT=5",
        "EXDATE;TZID=Europe/Berlin:20261019T090000",
    )
    changed = event(
        ";TZID=Europe/Berlin:20261103T120000",
        ";TZID=Europe/Berlin:20261104T120000",
        "RECURRENCE-ID;TZID=Europe/Berlin:20261102T090000",
        "ATTENDEE;CN=Bob;PARTSTAT=ACCEPTED:mailto:bob@example.com",
        title="Bob, in her place",
    )
    cancelled = event(
        ";TZID=Europe/Berlin:20261109T090000",
        ";TZID=Europe/Berlin:20261110T090000",
        "RECURRENCE-ID;TZID=Europe/Berlin:20261109T090000",
        "STATUS:CANCELLED",
    )
    zone = ZONE.format(name="Europe/Berlin", rule="FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU")
    found = told(feed(zone, series, changed, cancelled))
    assert found.zone == "Europe/Berlin"
    assert times(found) == [
        ("2026-10-12T07:00:00Z", "2026-10-13T07:00:00Z"),
        ("2026-10-26T08:00:00Z", "2026-10-27T08:00:00Z"),
        ("2026-11-03T11:00:00Z", "2026-11-04T11:00:00Z"),
    ]
    assert [one.attendees for one in found.events if one.title == "Bob, in her place"] == [("bob@example.com",)]
    assert len(told(feed(zone, series, changed, cancelled), only="on call").events) == 2


@pytest.mark.parametrize("name", ["W. Europe Standard Time", "Our own zone"])
def test_zones_are_read_by_their_own_rules_or_by_what_others_call_them(name: str) -> None:
    zone = ZONE.format(name=name, rule="FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU")
    raw = feed(zone, event(f";TZID={name}:20260701T090000", f";TZID={name}:20260702T090000"))
    assert times(told(raw)) == [("2026-07-01T07:00:00Z", "2026-07-02T07:00:00Z")]


def test_days_and_floating_times_go_by_the_zone_of_the_calendar_or_the_one_that_is_asked_for() -> None:
    days = event(";VALUE=DATE:20260701", ";VALUE=DATE:20260703", "RRULE:FREQ=WEEKLY;UNTIL=20260708")
    floating = event(":20260801T090000", ":20260801T170000", uid="2")
    expected = [
        ("2026-06-30T22:00:00Z", "2026-07-02T22:00:00Z"),
        ("2026-07-07T22:00:00Z", "2026-07-09T22:00:00Z"),
        ("2026-08-01T07:00:00Z", "2026-08-01T15:00:00Z"),
    ]
    assert times(told(feed(BERLIN, days, floating))) == expected
    assert times(told(feed(days, floating), zone="Europe/Berlin")) == expected
    with pytest.raises(UsageError, match="does not say by which clock 2026-07-01 is meant") as caught:
        told(feed(days))
    assert "--zone" in caught.value.hint
    with pytest.raises(UsageError, match="Mars/Base"):
        told(feed(days), zone="Mars/Base")


def test_a_series_in_utc_stays_in_utc_whatever_the_calendar_says_of_zones() -> None:
    raw = feed(BERLIN, event(":20261024T090000Z", ":20261024T170000Z", "RRULE:FREQ=DAILY;COUNT=2"))
    assert times(told(raw)) == [
        ("2026-10-24T09:00:00Z", "2026-10-24T17:00:00Z"),
        ("2026-10-25T09:00:00Z", "2026-10-25T17:00:00Z"),
    ]


def test_a_series_without_an_end_needs_an_until() -> None:
    raw = feed(event(":20260101T000000Z", ":20260102T000000Z", "RRULE:FREQ=DAILY"))
    assert len(told(raw).events) == 365
    with pytest.raises(UsageError, match="recurs without an end") as caught:
        told(raw, bounded=False)
    assert caught.value.hint == "say how far with --until"


AN_HOUR = (":20260101T000000Z", ":20260101T010000Z")


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (feed(event(*AN_HOUR, "RRULE:FREQ=SECONDLY")), "recurs SECONDLY"),
        (feed(event(*AN_HOUR, "RRULE:FREQ=HOURLY;COUNT=3")), "recurs HOURLY"),
        (feed(event(*AN_HOUR, "RRULE:FREQ=DAILY;BYSECOND=0,1,2,3,4,5")), "recurs by BYSECOND, which no shift does"),
        (feed(event(*AN_HOUR, "RRULE:FREQ=DAILY;INTERVAL=0;COUNT=3")), "recurs every no time"),
        (feed(event(*AN_HOUR, "RRULE:FREQ=OFTEN")), "RRULE of the event 'On Call - Alice' does not read"),
        (feed(event(*AN_HOUR, "RRULE:COUNT=3")), "recurs at no interval"),
        (feed(event(*AN_HOUR, "RRULE:FREQ=DAILY;UNTIL=garbage")), "does not read"),
        (feed(event(":garbage", ":20260101T010000Z")), "DTSTART of the event 'On Call - Alice' does not read"),
        (feed(event(":20260102T000000Z", ":20260101T000000Z")), "lasts no time"),
        (feed(event(":20260102T000000Z", ":20260102T000000Z")), "lasts no time"),
        (
            feed(event(";TZID=Mars/Base:20260102T000000", ":20260103T000000Z")),
            "in the zone 'Mars/Base', which nobody knows",
        ),
        (feed("UID:1\nSUMMARY:a"), "the calendar does not read"),
        (feed("UID:1\nDTSTART:20260101T000000Z\nSUMMARY:a"), "lasts no time"),
        (feed("X-WR-TIMEZONE:../../etc/passwd", event(*AN_HOUR)), "passwd"),
        (b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\n", "the calendar does not read"),
        (b"BEGIN:VCALENDAR\x00\xff\xfe", "the calendar does not read"),
        (b"BEGIN:VCALENDAR" + b"\r\n" * LARGEST, "more than the 4194304 that it may have"),
        (feed(*[event(*AN_HOUR, uid=str(number)) for number in range(MOST + 1)]), "more than 5000 events"),
        (
            feed(*[event(*AN_HOUR, "RRULE:FREQ=DAILY", uid=str(number)) for number in range(20)]),
            "more than 5000 shifts between 2026-01-01T00:00:00Z and 2027-01-01T00:00:00Z",
        ),
    ],
)
def test_what_does_not_read_or_costs_too_much_is_refused_with_why(raw: bytes, message: str) -> None:
    with pytest.raises(UsageError, match=r"calendar|event|zone") as caught:
        told(raw)
    assert message in caught.value.message


def test_what_the_process_of_its_own_refuses_is_refused_here_in_the_same_words() -> None:
    raw = feed(event(*AN_HOUR, "RRULE:FREQ=SECONDLY"))
    refusals = []
    for read in (told, lambda raw: read_feed(raw, YEAR)):
        with pytest.raises(UsageError) as caught:
            read(raw)
        refusals.append((caught.value.message, caught.value.hint))
    assert refusals[0] == refusals[1]
    assert "recurs SECONDLY" in refusals[0][0]


def test_a_series_that_never_comes_does_not_keep_anybody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "SECONDS", 1)
    never = [event(*AN_HOUR, "RRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30", uid=str(number)) for number in range(1000)]
    begun = time.monotonic()
    with pytest.raises(UsageError, match="takes longer than 1 seconds to read"):
        read_feed(feed(*never), YEAR)
    assert time.monotonic() - begun < 10


@pytest.mark.skipif(sys.platform != "linux", reason="memory is bounded on Linux")
def test_a_calendar_that_would_fill_the_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "SECONDS", 200)
    monkeypatch.setattr(feeds, "_MEMORY", 96 * 1024 * 1024)
    assert len(read_feed(feed(event(*AN_HOUR)), YEAR).events) == 1
    many = [event(*AN_HOUR, "RRULE:FREQ=DAILY", uid=str(number)) for number in range(50)]
    with pytest.raises(UsageError, match="cannot be read in the memory that it may take"):
        read_feed(feed(*many), Window(YEAR.start, parse_instant("2199-01-01T00:00:00Z")))


def test_without_the_library_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match="which is not installed") as caught:
        read_feed(feed(event(*AN_HOUR)), YEAR)
    assert caught.value.hint == 'pip install "daypass[icalendar]"'
