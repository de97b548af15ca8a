"""Rotas and deputies, from the file to the ledger: who is on call approves, and who acts for whom is said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from driver import Access

T = "2026-11-20T{}:00Z".format  # a Friday
ROTA = """version: 1
title: Who answers for the orders
zone: Europe/Berlin
handover: Fri 12:00
turns: [dave, erin]
since: 2026-11-13
overrides: [{person: bob, from: 2026-11-21, until: 2026-11-22}]
"""
RULE = """version: 1
rules:
  - {id: duty, when: 'true', require: [{approvals: {at_least: 1, from: "on-call:orders"}}]}
"""


@pytest.fixture
def duty(access: Access) -> Access:
    access.write("policies/rotas/orders.yaml", ROTA)
    access.write("policies/rules/access.yaml", RULE)
    (access.top / "policies/tests/access.yaml").unlink()
    access.commit("who is on call")
    return access


@pytest.mark.on_disk
def test_who_is_on_call_is_told_with_the_handovers_to_come(duty: Access) -> None:
    assert duty.run("rota", "show", "orders", "--at", T("10:00")).out.splitlines() == [
        "orders  Who answers for the orders",
        "  dave is on call at 2026-11-20T10:00:00Z",
        "  dave  from 2026-11-13T11:00:00Z until 2026-11-20T11:00:00Z",
        "  erin  from 2026-11-20T11:00:00Z until 2026-11-21T00:00:00Z",
        "  bob  from 2026-11-21T00:00:00Z until 2026-11-22T00:00:00Z  in place of whose turn it is",
        "  erin  from 2026-11-22T00:00:00Z until 2026-11-27T11:00:00Z",
    ]
    found = json.loads(duty.run("rota", "show", "--at", T("11:00"), "--format", "json").out)
    assert [(one["name"], one["on_call"], len(one["shifts"])) for one in found["rotas"]] == [("orders", "erin", 4)]
    assert found["rotas"][0]["shifts"][1]["override"]
    before = duty.run("rota", "show", "--at", "2026-11-01T00:00:00Z").out
    assert "nobody is on call at 2026-11-01T00:00:00Z" in before


@pytest.mark.on_disk
def test_a_rota_that_there_is_not_is_told_with_the_likeliest(duty: Access) -> None:
    said = duty.run("rota", "show", "order", expect=2)
    assert "there is no rota 'order' in policies/rotas" in said.err
    assert "orders" in said.err
    (duty.top / "policies/rotas/orders.yaml").unlink()
    assert "There are no rotas" in duty.run("rota", "show").out


def test_who_was_on_call_as_they_approved_counts_after_the_handover_and_others_do_not(duty: Access) -> None:
    number = duty.ask(T("10:00"))
    early = duty.run("approve", number, "--at", T("10:01"), acting="erin", expect=None)
    assert "erin was not on call at 2026-11-20T10:01:00Z" in early.out + early.err
    duty.run("approve", number, "--at", T("10:02"), acting="dave")
    assert "approved by dave for on-call:orders" in duty.run("gate", number, "--at", T("11:30")).out
    duty.run("apply", "--at", T("11:31"))
    duty.run("audit", "verify", "--at", T("11:32"))


@pytest.mark.on_disk
def test_who_acts_for_another_is_said_from_the_gate_to_the_audit(access: Access) -> None:
    (access.top / "policies/tests/access.yaml").unlink()
    rule = RULE.replace('"on-call:orders"', '"person:bob"')
    access.write("policies/rules/access.yaml", rule)
    people = (access.top / "policies/directory/people.yaml").read_text()
    access.write(
        "policies/directory/people.yaml",
        f"{people}deputies:\n  bob: {{by: dave, from: 2026-11-20T10:00:00Z, until: 2026-11-27}}\n",
    )
    access.commit("bob is away")
    number = access.ask(T("09:00"))
    early = access.run("approve", number, "--at", T("09:59"), acting="dave", expect=None)
    assert early.code != 0 or "does not count" in early.out
    number = access.ask(T("10:00"), "--ticket", "INC-2")
    access.run("approve", number, "--at", T("10:01"), acting="dave")
    assert "approved by dave for bob for person:bob" in access.run("gate", number, "--at", T("10:02")).out
    assert "Daypass-Approved-By: dave for bob (person:bob)" in access.git("log", "-1", "--format=%B", "main")
    access.run("apply", "--at", T("10:03"))
    access.run("audit", "verify", "--at", T("10:04"))
    for chosen in (("--subject", "alice"), ("--approver", "dave")):
        assert "dave for bob (person:bob)" in access.run("audit", "history", *chosen, "--at", T("10:05")).out


def test_a_schedule_from_elsewhere_is_printed_as_a_rota_that_reads(access: Access, tmp_path: Path) -> None:
    shift = '{"start": "2026-11-02T09:00:00Z", "end": "2026-12-09T09:00:00Z", "user": {"summary": "Bob Osei"}}'
    file = tmp_path / "schedule.json"
    told = {
        "name": "Payments",
        "time_zone": "UTC",
        "final_schedule": {"rendered_schedule_entries": [json.loads(shift)]},
    }
    file.write_text(json.dumps({"schedule": told}))
    said = access.run("rota", "import", str(file), "--name", "payments").out
    access.write("policies/rotas/payments.yaml", said)
    assert "bob" in access.run("rota", "show", "payments", "--at", "2026-11-20T10:00:00Z").out
    file.write_text("{")
    assert "is no JSON" in access.run("rota", "import", str(file), "--name", "payments", expect=2).err


CALENDAR = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//Google Inc//Google Calendar 70.9054//EN
X-WR-CALNAME:Orders on call
X-WR-TIMEZONE:Europe/Berlin
BEGIN:VEVENT
UID:a@google.com
DTSTART;TZID=Europe/Berlin:20261116T090000
DTEND;TZID=Europe/Berlin:20261123T090000
RRULE:FREQ=WEEKLY;INTERVAL=2
SUMMARY:On Call - Bob Osei
END:VEVENT
BEGIN:VEVENT
UID:b@google.com
DTSTART;TZID=Europe/Berlin:20261123T090000
DTEND;TZID=Europe/Berlin:20261130T090000
ATTENDEE;CN=Dave Kim:mailto:dave@example.com
SUMMARY:On Call
END:VEVENT
END:VCALENDAR
"""


@pytest.mark.on_disk
def test_a_calendar_from_elsewhere_is_printed_as_a_rota_that_reads(access: Access, tmp_path: Path) -> None:
    file = tmp_path / "oncall.ics"
    file.write_text(CALENDAR)
    imports = ("rota", "import", str(file), "--name", "orders")
    assert "recurs without an end" in access.run(*imports, expect=2).err
    said = access.run(*imports, "--until", "2026-12-10T00:00:00Z")
    assert said.err == ""
    assert said.out.splitlines()[2:] == [
        'title: "Orders on call"',
        "zone: Europe/Berlin",
        "overrides:",
        "  - {person: bob, from: 2026-11-16T08:00:00Z, until: 2026-11-23T08:00:00Z}",
        "  - {person: dave, from: 2026-11-23T08:00:00Z, until: 2026-11-30T08:00:00Z}",
        "  - {person: bob, from: 2026-11-30T08:00:00Z, until: 2026-12-07T08:00:00Z}",
    ]
    access.write("policies/rotas/orders.yaml", said.out)
    assert "dave is on call" in access.run("rota", "show", "orders", "--at", "2026-11-25T10:00:00Z").out
    assert access.run("check").code == 0


@pytest.mark.on_disk
def test_gaps_of_a_calendar_are_named_and_two_people_at_once_are_refused(access: Access, tmp_path: Path) -> None:
    file = tmp_path / "oncall.ics"
    file.write_text(CALENDAR)
    imports = ("rota", "import", str(file), "--name", "orders")
    said = access.run(*imports, "--until", "2026-12-20T00:00:00Z", "--only", "bob")
    assert said.out.count("# nobody is on call: {from: 2026-11-23T08:00:00Z, until: 2026-11-30T08:00:00Z}") == 1
    assert said.err.splitlines() == [
        "nobody is on call from 2026-11-23T08:00:00Z until 2026-11-30T08:00:00Z",
        "nobody is on call from 2026-12-07T08:00:00Z until 2026-12-14T08:00:00Z",
        "  hint: `daypass check` refuses these gaps: add who is on call, or turns that fill them",
    ]
    file.write_text(
        CALENDAR.replace(
            "20261123T090000\nDTEND;TZID=Europe/Berlin:20261130", "20261122T090000\nDTEND;TZID=Europe/Berlin:20261130"
        )
    )
    both = access.run(*imports, "--until", "2026-12-10T00:00:00Z", expect=2)
    assert "bob and dave are both on call from 2026-11-22T08:00:00Z until 2026-11-23T08:00:00Z" in both.err
    file.write_text(CALENDAR.replace("Bob Osei", "Bob Ossei"))
    assert "did you mean Bob Osei?" in access.run(*imports, "--until", "2026-12-10T00:00:00Z", expect=2).err


def test_what_only_calendars_have_is_refused_of_a_schedule(access: Access, tmp_path: Path) -> None:
    file = tmp_path / "schedule.json"
    file.write_text("{}")
    imports = ("rota", "import", str(file), "--name", "orders")
    assert "--zone and --only are for calendars" in access.run(*imports, "--zone", "UTC", expect=2).err
    early = ("--from", "2026-11-02T00:00:00Z", "--until", "2026-11-01T00:00:00Z")
    assert "--until is not after --from" in access.run(*imports, *early, expect=2).err
