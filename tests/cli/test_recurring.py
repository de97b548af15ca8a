"""Windows that recur, from the request to the last interval."""

from __future__ import annotations

import json

import pytest

from driver import Access

MONDAYS = ("--from", "2026-12-01", "--until", "2027-01-15", "--hours", "Mon 06:00-08:00", "--zone", "Europe/Berlin")
ASKED, MERGED = "2026-11-30T10:00:00Z", "2026-11-30T10:05:00Z"
OFFICE = "version: 1\nzone: Europe/Berlin\nhours: Mon-Fri 09:00-17:00\n"


def held(access: Access, at: str) -> list[str]:
    said = access.run("audit", "access", "--resource", "orders-db", "--format", "json", "--at", at).out
    return [row["until"] for row in json.loads(said)["access"]]


@pytest.mark.on_disk
def test_every_monday_is_given_and_taken_and_the_last_one_ends_the_grant(access: Access) -> None:
    grant = access.grant(ASKED, MERGED, *MONDAYS)
    assert "6 intervals of at most 2h" in access.run("explain", grant, "--at", ASKED).out
    said = access.run("apply", "--at", "2026-12-01T00:00:00Z").out
    assert f"waiting  {grant}: opens 2026-12-07T05:00:00Z, interval 1 of 6" in said
    opened = access.run("apply", "--at", "2026-12-07T05:00:00Z").out
    assert "interval opened, until 2026-12-07T07:00:00Z" in opened
    assert held(access, "2026-12-07T06:00:00Z") == ["2026-12-07T07:00:00Z"]
    status = access.run("status", "--at", "2026-12-07T06:00:00Z").out
    assert ", again until 2027-01-11T07:00:00Z, 1h left" in status
    assert "expired" in access.run("apply", "--at", "2026-12-07T07:00:00Z").out
    assert held(access, "2026-12-07T07:30:00Z") == []
    assert (
        "opens 2026-12-14T05:00:00Z, until 2026-12-14T07:00:00Z, in 6d21h"
        in access.run("status", "--at", "2026-12-07T08:00:00Z").out
    )
    for monday in ("2026-12-14", "2026-12-21", "2026-12-28", "2027-01-04", "2027-01-11"):
        assert "interval opened" in access.run("apply", "--at", f"{monday}T05:00:00Z").out
        assert "expired" in access.run("apply", "--at", f"{monday}T07:00:00Z").out
    assert "Removal pull request" in access.run("expire", "--at", "2027-01-11T07:05:00Z").err
    assert "OK: " in access.run("audit", "verify", "--at", "2027-01-11T08:00:00Z").out


@pytest.mark.on_disk
def test_what_recurred_for_weeks_was_not_had_without_a_gap(access: Access) -> None:
    grant = access.grant(ASKED, MERGED, *MONDAYS)
    for at in ("2026-12-07T05:00:00Z", "2026-12-07T07:00:00Z", "2026-12-14T05:00:00Z", "2026-12-14T07:00:00Z"):
        access.run("apply", "--at", at)
    later = "2026-12-15T10:00:00Z"
    number = access.run("extend", grant, "--for", "7d", "--at", later, acting="alice").out.split("#")[1].split(":")[0]
    for who in ("bob", "dave"):
        access.run("approve", number, "--at", "2026-12-15T11:00:00Z", acting=who)
    access.run("gate", number, "--at", "2026-12-15T11:01:00Z")
    assert "interval 3 of 7" in access.run("apply", "--at", "2026-12-15T11:02:00Z").out
    assert "OK: " in access.run("audit", "verify", "--at", "2026-12-15T12:00:00Z").out


@pytest.mark.on_disk
def test_who_recurs_by_a_calendar_loses_what_is_cut_from_it_and_gains_nothing(access: Access) -> None:
    access.write("policies/calendars/office.yaml", OFFICE)
    access.commit("Say when the office is open")
    grant = access.grant(
        ASKED,
        MERGED,
        "--from",
        "2026-12-01",
        "--until",
        "2026-12-05",
        "--calendar",
        "office",
        "--zone",
        "Europe/Berlin",
    )
    access.run("apply", "--at", "2026-12-01T08:00:00Z")
    access.write("policies/calendars/office.yaml", OFFICE.replace("Mon-Fri 09:00-17:00", "Mon-Sun 00:00-24:00"))
    access.commit("Never close")
    assert "expired" in access.run("apply", "--at", "2026-12-01T16:00:00Z").out
    access.write("policies/calendars/office.yaml", OFFICE + "except: [2026-12-02]\nyears: [2026]\n")
    access.commit("Close on a day")
    said = access.run("apply", "--at", "2026-12-02T09:00:00Z").out
    assert f"waiting  {grant}: opens 2026-12-03T08:00:00Z, interval 2 of 3" in said
    (access.top / "policies/calendars/office.yaml").unlink()
    access.commit("Forget the calendar")
    said = access.run("apply", "--at", "2026-12-03T09:00:00Z", expect=14).out
    assert f"blocked  {grant}: calendar leaves nothing of the window" in said
    assert "OK: " in access.run("audit", "verify", "--at", "2026-12-03T10:00:00Z").out


@pytest.mark.on_disk
def test_it_is_extended_by_days_and_shortened_by_hand(access: Access) -> None:
    grant = access.grant(ASKED, MERGED, *MONDAYS)
    access.run("apply", "--at", "2026-11-30T10:06:00Z")
    number = access.run("extend", grant, "--for", "7d", "--at", ASKED, acting="alice").out.split("#")[1].split(":")[0]
    for who in ("bob", "dave"):
        access.run("approve", number, "--at", "2026-11-30T11:00:00Z", acting=who)
    access.run("gate", number, "--at", "2026-11-30T11:01:00Z")
    said = access.run("apply", "--at", "2026-11-30T11:02:00Z").out
    assert "interval 1 of 7" in said
    path = f"grants/{grant}.yaml"
    text = (access.top / path).read_text()
    access.write(path, text.replace("until: 2027-01-21T23:00:00Z", "until: 2026-12-15T00:00:00Z"))
    access.commit("Less will do")
    assert "interval 1 of 2" in access.run("apply", "--at", "2026-12-01T00:00:00Z").out
    assert "OK: " in access.run("audit", "verify", "--at", "2026-12-01T10:00:00Z").out
    denied = access.run("extend", grant, "--for", "100d", "--at", "2026-12-01T00:00:00Z", acting="alice", expect=11)
    assert "a window of" in denied.err
    assert "hint: at most 77d23h more is possible" in denied.err


@pytest.mark.on_disk
def test_what_is_over_after_its_last_interval_ended_then_and_not_at_until(access: Access) -> None:
    grant = access.grant(ASKED, MERGED, *MONDAYS)
    said = access.run("explain", grant, "--at", "2027-01-12T10:00:00Z", expect=11).out
    assert "the window ended at 2027-01-11T07:00:00Z, before the request was opened at 2027-01-12T10:00:00Z" in said
    assert "the window ended at 2027-01-14" not in said
    asked = ("request", "--resource", "orders-db", "--role", "readonly", "--reason", "every Monday", *MONDAYS)
    late = access.run(*asked, "--at", "2027-01-12T10:00:00Z", acting="alice", expect=None)
    assert "the window ended at 2027-01-11T07:00:00Z" in late.out + late.err


@pytest.mark.on_disk
def test_of_two_that_recur_and_overlap_only_what_held_then_gave_access(access: Access) -> None:
    file = access.top / "policies/resources/orders-db.yaml"
    file.write_text(file.read_text().replace("readonly: {", "readonly: {max_total: 300d, "))
    access.commit("Let readers have it for long")
    weeks = ("--from", "2026-12-01", "--until", "2026-12-18", "--zone", "UTC", "--hours")
    one = access.grant(ASKED, MERGED, *weeks, "Mon 06:00-10:00")
    two = access.grant("2026-11-30T10:06:00Z", "2026-11-30T10:08:00Z", *weeks, "Mon 08:00-12:00", "--ticket", "INC-2")
    for hour, names in (("06", [one]), ("08", [one, two]), ("10", [two])):
        access.run("apply", "--at", f"2026-12-07T{hour}:00:00Z")
        asked = ("audit", "access", "--resource", "orders-db", "--format", "json", "--at", f"2026-12-07T{hour}:30:00Z")
        (row,) = json.loads(access.run(*asked).out)["access"]
        assert (row["grants"], len(row["pulls"])) == (sorted(names), len(names))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--hours", "Mon 06:00-08:00"), "a window needs an end: add --until"),
        (("--for", "2h", "--calendar", "office"), "exclude each other"),
        (("--until", "2026-12-30", "--hours", "Mon 06:00-08:00"), "hours need the zone whose clock shows them"),
        (("--until", "2026-12-30", "--zone", "UTC"), "a zone says where hours hold, and there are none"),
        (
            ("--until", "2026-12-30", "--zone", "UTC", "--calendar", "a", "--hours", "b"),
            "either hours or a calendar, not both",
        ),
        (("--until", "2026-12-30", "--zone", "UTC", "--hours", "Mo"), "'Mo' are no hours"),
        (
            ("--from", "2026-12-01T09:00Z", "--until", "2026-12-01T10:00+01:00"),
            "until (2026-12-01T10:00:00+01:00) is not after from (2026-12-01T09:00:00Z)\n  hint: a window ends after it begins",
        ),
        (
            ("--for", "2h", "--ends-when", "tomorrow"),
            "--ends-when: 'tomorrow' names nothing that ends access\n  hint: write for example issue_closed=acme/orders#88 or ",
        ),
        (("--until", "2026-12-02", "--zone", "UTC", "--hours", "Mon 06:00-08:00"), "holds at no time between"),
        (
            ("--until", "9999-12-30", "--zone", "UTC", "--hours", "Mon 06:00-08:00"),
            "9999-12-30 is no instant that access could be given at",
        ),
    ],
)
def test_options_that_make_no_window_are_refused(access: Access, options: tuple[str, ...], said: str) -> None:
    asked = ("request", "--resource", "orders-db", "--role", "readonly", "--reason", "every Monday")
    found = access.run(*asked, *options, "--at", "2026-12-01T00:00:00Z", acting="alice", expect=2)
    assert said in found.err
