"""What is to be said to people who leave a request unanswered, and why it is closed: by the request and policies alone."""

from __future__ import annotations

from datetime import datetime

import pytest
from msgspec.structs import replace

from daypass.core.request import Nudge, Report
from daypass.pipeline.judge.overdue import nudges_of, unanswered
from daypass.views.comment import nudge_text
from driver import Access
from report_world import GRANT, T, propose, told

RULES = """version: 1
rules:
  - id: two
    when: 'true'
    require:
      - approvals: {at_least: 1, from: owners}
        remind: 1h
        escalate: [{after: 3h, to: "group:security"}, {after: 1d, close: true}]
"""
ONE, TWO = "grants/orders-db/one.yaml", "grants/orders-db/two.yaml"


@pytest.fixture
def asked(access: Access) -> Access:
    for file in (access.top / "policies" / "tests").glob("*.yaml"):
        file.unlink()
    access.write("policies/rules/access.yaml", RULES)
    access.commit("two")
    propose(access, T("10:00"), {ONE: GRANT})
    return access


def nudges(access: Access, at: str, number: str = "1") -> list[tuple[str, tuple[str, ...]]]:
    return [(one.what, one.people) for one in said(access, at, number)]


def said(access: Access, at: str, number: str = "1") -> tuple[Nudge, ...]:
    return nudges_of(told(access, number, at), at=datetime.fromisoformat(at))


def closed(access: Access, at: str, found: Report | None = None) -> str:
    report = found or told(access, "1", at)
    return unanswered(report.found, at=datetime.fromisoformat(at))


def test_a_reminder_has_the_same_name_each_time_and_the_next_another(asked: Access) -> None:
    assert nudges(asked, T("10:59")) == []
    assert nudges(asked, T("11:00")) == [("remind", ("bob", "carol"))]
    (first,), (again,), (second,) = (said(asked, T(at)) for at in ("11:00", "11:59", "12:00"))
    assert first == again
    assert first.topic != second.topic


def test_a_run_that_comes_late_sends_the_latest_reminder_alone(asked: Access) -> None:
    assert nudges(asked, T("12:30")) == [("remind", ("bob", "carol"))]


def test_an_escalation_is_said_to_those_who_come_in(asked: Access) -> None:
    assert nudges(asked, T("13:00")) == [("escalate", ("dave", "erin")), ("remind", ("bob", "carol"))]
    escalated, reminder = said(asked, T("13:00"))
    catalogue = told(asked, "1", T("13:00")).found.proposal.policy.catalogue
    assert nudge_text(catalogue, reminder) == (
        "Bob Osei (`bob`), Carol Diaz (`carol`): this waits for 1 approval from `owners` since `2026-11-20T10:00:00Z`. "
        "Please approve it or reject it."
    )
    assert nudge_text(catalogue, escalated).endswith("You may approve it as well now, as `group:security`.")


def test_grants_of_one_resource_are_one_word(asked: Access) -> None:
    number = propose(asked, T("10:01"), {ONE: GRANT.replace("8h", "2h"), TWO: GRANT.replace("8h", "1h")})
    assert nudges(asked, T("11:01"), number) == [("remind", ("bob", "carol"))]


def test_who_asks_is_not_reminded_and_nobody_else_is_no_word(asked: Access) -> None:
    number = propose(asked, T("10:01"), {TWO: GRANT}, acting="bob", email="bob@example.com")
    assert nudges(asked, T("11:01"), number) == [("remind", ("carol",))]


def test_nothing_is_said_of_a_draft_nor_of_what_is_rejected(asked: Access) -> None:
    found = told(asked, "1", T("11:00"))
    draft = replace(found, found=replace(found.found, pull=replace(found.found.pull, draft=True)))
    assert nudges_of(draft, at=datetime.fromisoformat(T("11:00"))) == ()
    asked.run("reject", "1", "--at", T("10:30"), acting="bob")
    assert nudges(asked, T("11:00")) == []


def test_what_is_answered_in_part_waits_for_nobody_else(asked: Access) -> None:
    asked.run("approve", "1", "--at", T("10:30"), acting="bob")
    assert nudges(asked, T("11:30")) == []
    assert closed(asked, "2026-11-22T10:00:00Z") == ""


def test_it_is_closed_by_its_hour_and_says_who_did_not_answer(asked: Access) -> None:
    assert closed(asked, "2026-11-21T09:59:59Z") == ""
    assert closed(asked, "2026-11-21T10:00:00Z") == (
        "bob, carol, dave, erin did not give the approval from owners within 1d"
    )


def test_a_draft_and_what_is_denied_or_wrong_are_not_closed_for_want_of_an_answer(asked: Access) -> None:
    late = "2026-11-21T10:00:00Z"
    found = told(asked, "1", late)
    draft = replace(found, found=replace(found.found, pull=replace(found.found.pull, draft=True)))
    assert closed(asked, late, draft) == ""
    propose(asked, T("10:01"), {TWO: GRANT.replace("readonly", "readonli")})
    assert closed(asked, late, told(asked, "2", late)) == ""


def test_where_nobody_is_left_it_says_so(asked: Access) -> None:
    found = told(asked, "1", "2026-11-21T10:00:00Z")
    (verdict,) = found.found.verdicts
    judgement = replace(verdict.judgement, statuses=tuple(replace(s, could=()) for s in verdict.judgement.statuses))
    bare = replace(found, found=replace(found.found, verdicts=(replace(verdict, judgement=judgement),)))
    assert (
        closed(asked, "2026-11-21T10:00:00Z", bare)
        == "nobody was left who could give the approval from owners within 1d"
    )
    assert nudges_of(bare, at=datetime.fromisoformat("2026-11-21T10:00:00Z")) == ()
