"""Approvals in an order from the command line: asked in turn, judged alike everywhere, and closed when nobody answers."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from msgspec.structs import replace

from daypass.core.approval.stages import Due
from daypass.core.window import parse_instant
from daypass.views.policy.chain import due_words
from driver import Access

T = "2026-11-20T{}:00Z".format  # a Friday; Berlin is an hour ahead
MONDAY = "2026-11-23T{}:00Z".format
OFFICE = "version: 1\nzone: Europe/Berlin\nhours: Mon-Fri 08:00-19:00\n"
ROTA = "version: 1\nzone: Europe/Berlin\nhandover: Mon 09:00\nturns: [dave]\nsince: 2026-11-02\n"
RULES = """version: 1
rules:
  - id: three-hands
    when: resource.name == "payroll"
    require:
      - {approvals: {at_least: 1, from: manager}}
      - {approvals: {at_least: 1, from: owners}, after: manager, remind: 4h, clock: office}
      - approvals: {at_least: 1, from: "on-call:security"}
        after: owners
        escalate: [{after: 4h, to: "group:security"}, {after: 2d, close: true}]
        clock: office
"""


@pytest.fixture
def chained(access: Access) -> Access:
    for file in (access.top / "policies" / "tests").glob("*.yaml"):
        file.unlink()
    access.write("policies/calendars/office.yaml", OFFICE)
    access.write("policies/rotas/security.yaml", ROTA)
    access.write("policies/rules/access.yaml", RULES)
    access.commit("three hands")
    return access


def ask(access: Access, at: str = T("10:00")) -> str:
    return access.ask(at, "--for", "1h", resource="payroll")


def waits(access: Access, number: str, at: str) -> dict[str, dict]:
    (pull,) = json.loads(access.run("gate", number, "--dry-run", "--format", "json", "--at", at, expect=12).out)[
        "pulls"
    ]
    return {one["from"]: one for one in pull["grants"][0]["missing"]}


def test_each_stage_is_asked_once_the_one_before_is_met(chained: Access) -> None:
    number = ask(chained)
    assert {source: one["waits_for"] for source, one in waits(chained, number, T("10:01")).items()} == {
        "manager": [],
        "owners": ["manager"],
        "on-call:security": ["owners"],
    }
    chained.run("approve", number, "--at", T("10:02"), acting="bob")
    said = chained.run("status", "--at", T("10:03")).out
    assert "    missing: 1 approval from owners (carol, erin)\n" in said
    assert (
        "      owners: asked since 2026-11-20T10:02:00Z; reminder at 2026-11-20T14:02:00Z; "
        "reminder at 2026-11-23T07:02:00Z; reminder at 2026-11-23T11:02:00Z\n"
    ) in said
    assert "    missing: 1 approval from on-call:security (dave), once owners is met\n" in said
    assert "      on-call:security: is asked once owners is met\n" in said
    chained.run("approve", number, "--at", T("10:04"), acting="carol")
    assert waits(chained, number, T("10:05"))["on-call:security"]["due"] == [
        {"what": "escalate", "at": T("14:04"), "to": "group:security"},
        {"what": "close", "at": "2026-11-24T10:04:00Z", "to": ""},
    ]


def test_an_escalation_counts_from_the_hour_of_the_calendar_on_and_is_proved_again(chained: Access) -> None:
    number = ask(chained, T("15:00"))
    chained.run("approve", number, "--at", T("15:30"), acting="bob")
    chained.run("approve", number, "--at", T("16:00"), acting="carol")  # two hours of the office are left
    chained.run("approve", number, "--at", MONDAY("08:59"), acting="erin")
    early = chained.run("gate", number, "--at", MONDAY("09:00"), expect=12).out
    assert "missing: 1 approval from on-call:security (dave, erin)" in early
    chained.run("approve", number, "--at", MONDAY("09:00"), acting="erin")
    chained.run("gate", number, "--at", MONDAY("09:01"))
    chained.run("apply", "--at", MONDAY("09:02"))
    chained.run("audit", "verify", "--at", MONDAY("09:03"))


def test_the_auditor_refuses_an_approval_from_before_the_escalation(chained: Access) -> None:
    number = ask(chained, T("15:00"))
    for who, at in (("bob", T("15:30")), ("carol", T("16:00")), ("erin", MONDAY("09:00"))):
        chained.run("approve", number, "--at", at, acting=who)
    chained.run("gate", number, "--at", MONDAY("09:01"))
    chained.run("apply", "--at", MONDAY("09:02"))
    site = chained.repo()
    standing = site.ledger.load()
    (admission,) = [one for name, _ in standing.blobs() if (one := standing.admission(name)) is not None]
    early = tuple(
        replace(one, at=one.at - timedelta(minutes=1)) if one.by == "erin" else one for one in admission.approvals
    )
    forged = replace(admission, approvals=early)
    site.ledger.append(standing, [forged], at=parse_instant(MONDAY("09:03")), main=site.tip, run="forged")
    said = chained.run("audit", "verify", "--at", MONDAY("09:04"), expect=13).out
    assert "the recorded approvals lack 1 approval from on-call:security" in said


def test_a_request_that_nobody_answers_is_closed_and_says_who_did_not(chained: Access) -> None:
    number = ask(chained)
    chained.run("approve", number, "--at", T("10:01"), acting="bob")
    chained.run("approve", number, "--at", T("10:02"), acting="carol")
    assert "open" in chained.run("gate", number, "--at", "2026-11-24T10:01:59Z", expect=12).out
    said = chained.run("gate", "--at", "2026-11-24T10:02:00Z").out
    assert ": closed, dave, erin did not give the approval from on-call:security within 2d of office\n" in said
    assert chained.run("gate", "--at", "2026-11-24T10:03:00Z").out == "No open requests.\n"
    chained.run("approve", number, "--at", "2026-11-24T10:04:00Z", acting="erin", expect=2)


def test_who_rejected_it_is_said_as_it_closes(chained: Access) -> None:
    number = ask(chained)
    chained.run("approve", number, "--at", T("10:01"), acting="bob")
    chained.run("approve", number, "--at", T("10:02"), acting="carol")
    chained.run("reject", number, "--at", T("10:03"), acting="dave")
    said = chained.run("gate", number, "--at", "2026-11-24T10:02:00Z", expect=12).out
    assert ": closed, dave rejected it, and did not take that back within 2d of office\n" in said


def test_an_approver_who_left_between_stages_is_refused(chained: Access) -> None:
    number = ask(chained)
    chained.run("approve", number, "--at", T("10:01"), acting="bob")
    chained.run("approve", number, "--at", T("10:02"), acting="carol")
    people = chained.top / "policies/directory/people.yaml"
    text = people.read_text(encoding="utf-8").replace("bob: {", "bob: {until: 2026-11-20T10:30:00Z, manager: carol, ")
    chained.write("policies/directory/people.yaml", text)
    chained.commit("bob leaves")
    chained.run("approve", number, "--at", T("11:00"), acting="dave")
    said = chained.run("gate", number, "--at", T("11:01"), expect=12).out
    assert "does not count: approved by bob: bob was engaged until 2026-11-20T10:30:00Z only" in said
    assert "missing: 1 approval from manager" in said


def test_a_source_that_was_empty_when_the_review_was_given_is_said(chained: Access) -> None:
    chained.write(
        "policies/rotas/security.yaml",
        ROTA.replace(
            "turns: [dave]\nsince: 2026-11-02\n",
            ("overrides:\n  - {person: dave, from: 2026-11-20T12:00:00Z, until: 2026-11-21T12:00:00Z}\n"),
        ).replace("handover: Mon 09:00\n", ""),
    )
    chained.commit("nobody before noon")
    said = chained.run(
        "request",
        "--resource",
        "payroll",
        "--role",
        "readonly",
        "--for",
        "1h",
        "--reason",
        "x" * 20,
        "--at",
        T("10:00"),
        acting="alice",
        expect=11,
    ).err
    assert "nobody can give the approval from on-call:security: by rota security nobody is on call" in said


GRANT = "version: 1\nsubject: alice\nresource: payroll\nrole: readonly\nreason: looking at salaries\nwindow: {duration: 1h}\n"


def test_explain_says_the_stages_in_their_order(chained: Access) -> None:
    chained.write("grants/payroll/mine.yaml", GRANT)
    words = ("explain", "grants/payroll/mine.yaml", "--requester", "alice", "--at", T("10:00"))
    assert chained.run(*words).out.rpartition("Decision:\n")[2] == (
        "  needs  1 approval from manager: bob (Bob Osei)  (three-hands)\n"
        "  needs  1 approval from owners: carol (Carol Diaz), erin (Erin Vogt)  (three-hands)\n"
        "         once what is asked from manager is met\n"
        "         after 4h of office a reminder\n"
        "  needs  1 approval from on-call:security: dave (Dave Kim)  (three-hands)\n"
        "         once what is asked from owners is met\n"
        "         after 4h of office also group:security: dave (Dave Kim), erin (Erin Vogt)\n"
        "         after 2d of office the request is closed\n"
    )
    approvals = json.loads(chained.run(*words, "--format", "json").out)["approvals"]
    assert [(one["from"], one["after"], one["remind"], one["clock"]) for one in approvals] == [
        ("manager", [], None, ""),
        ("owners", ["manager"], "4h", "office"),
        ("on-call:security", ["owners"], None, "office"),
    ]
    assert approvals[2]["escalate"] == [
        {"after": "4h", "to": "group:security", "people": ["dave", "erin"], "close": False},
        {"after": "2d", "to": "", "people": [], "close": True},
    ]


def test_the_comment_lists_the_stages_and_what_each_waits_for(chained: Access) -> None:
    number = ask(chained)
    chained.run("approve", number, "--at", T("10:01"), acting="carol")
    said = chained.run("report", number, "--at", T("10:02")).out
    assert (
        "**Asked in this order:**\n\n"
        "1. `manager`: asked since `2026-11-20T10:00:00Z`\n"
        "2. `owners`: met, which counts once `manager` is met\n"
        "3. `on-call:security`: is asked once `owners` is met\n"
        "   - after 4h of office also `group:security`\n"
        "   - after 2d of office the request is closed\n"
    ) in said
    chained.run("approve", number, "--at", T("10:03"), acting="bob")
    said = chained.run("report", number, "--at", T("10:04")).out
    assert (
        "1. `manager`: met\n2. `owners`: met\n3. `on-call:security`: asked since `2026-11-20T10:03:00Z`; "
        "also `group:security` from `2026-11-20T14:03:00Z` on; closed at `2026-11-24T10:03:00Z`\n"
    ) in said


def test_what_no_calendar_tells_is_said_so() -> None:
    assert due_words(Due("remind", None, "4h of office")) == "reminder when its calendar tells, which it does not yet"
    assert due_words(Due("close", None, "4h of office")) == "closed when its calendar tells, which it does not yet"
