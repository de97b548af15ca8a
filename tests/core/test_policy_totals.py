"""How long somebody may have a role by all their grants together, and what rules read of the past."""

from __future__ import annotations

from datetime import timedelta

import pytest
from policy_samples import AT, RESOURCE, grant, policy, rules

from daypass.core.ids import GrantId
from daypass.core.policy.analysis.probe import probe, run_tests
from daypass.core.policy.decision import TOTALS, Decision, Request, decide, static_denials
from daypass.core.policy.held import Held, HeldGrant, Unmerged
from daypass.core.policy.policies import Policy
from daypass.core.record import replace
from daypass.core.window import Window

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def had(*spans: tuple[timedelta, timedelta]) -> Held:
    """Return what a subject had of the role: from so long after AT until so long after it."""
    role = [
        HeldGrant(GrantId(f"orders-db/n{n}"), "alice", "orders-db", "readonly", Window(AT + start, AT + end))
        for n, (start, end) in enumerate(spans)
    ]
    return Held(known=True, role=tuple(role))


def asked(found: Policy, held: Held, hours: int = 4, **more: object) -> Decision:
    return decide(found, replace(Request(grant(hours=hours), "alice", AT, held=held), **more))


def codes(found: Decision) -> list[str]:
    return [denial.rule or denial.code for denial in found.denials]


def total(text: str) -> Policy:
    found = RESOURCE.replace("max_duration: 8h", f"max_duration: 8h, max_total: {text}")
    return policy(resources_orders_db=found)


def test_grants_in_a_row_add_up_to_no_more_than_the_role_allows() -> None:
    assert codes(asked(policy(), had((-4 * HOUR, 0 * HOUR)))) == []
    [denial] = asked(policy(), had((-2 * HOUR, 0 * HOUR)), hours=8).denials
    assert (denial.code, denial.message) == (
        "held-too-long",
        "alice would have role readonly of orders-db for 10h without a gap, longer than the 8h that the role allows in all: "
        "at most 6h more (with orders-db/n0 until 2026-11-20T10:00:00Z)",
    )
    assert codes(asked(policy(), had((-9 * HOUR, -1 * HOUR)), hours=8)) == []  # a gap lies between


def test_a_role_may_allow_more_in_all_than_one_grant_gives() -> None:
    assert codes(asked(total("12h"), had((-8 * HOUR, 0 * HOUR)))) == []
    assert codes(asked(total("12h"), had((-8 * HOUR, 0 * HOUR)), hours=5)) == ["held-too-long"]


def test_what_was_given_before_there_was_a_total_is_judged_as_it_was() -> None:
    assert codes(asked(policy(), had((-8 * HOUR, 0 * HOUR)), judging=TOTALS - 1)) == []


def test_a_total_shorter_than_one_grant_is_a_fault() -> None:
    [found] = total("4h").faulty["orders-db"]
    assert found.code == "total-too-short"
    assert found.message == "max_total of 4h is shorter than max_duration, 8h"
    assert found.place.path == "roles.readonly.max_total"
    assert [one.code for one in total("400d").faulty["orders-db"]]


MANY = "  - {id: many, when: 'true', deny_unless: 'subject.days_held <= 20'}\n"
OFTEN = "  - {id: often, when: 'requester.denials > 3', require: [{approvals: {at_least: 1, from: group:security}}]}\n"
UNUSED = "  - {id: unused, when: 'subject.use_known', deny_unless: 'subject.last_used < 30'}\n"


def test_days_held_count_this_window_and_what_comes_of_it_after_the_asking() -> None:
    days = [(-n * DAY, -n * DAY + HOUR) for n in range(1, 20)]
    assert codes(asked(rules(MANY), had(*days))) == []
    [denial] = asked(rules(MANY), had(*days, (-20 * DAY, -20 * DAY + HOUR))).denials
    assert denial.message.startswith("rule many denies this (21 days of 90, by this and orders-db/n0, orders-db/n1, ")
    long = Request(grant(window=(AT - 30 * DAY, AT + HOUR)), "alice", AT)
    assert set(codes(decide(rules(MANY), long))) == {"too-long"}


def test_who_was_denied_often_needs_somebody_more() -> None:
    told = tuple(Unmerged(n, "denied") for n in range(4))
    assert [need.source for need in asked(rules(OFTEN), Held(denials=told)).requirements] == ["group:security"]
    assert [need.source for need in asked(rules(OFTEN), Held(denials=told[:3])).requirements] == ["owners"]
    deny = "  - {id: often, when: 'requester.denials > 1', deny: true}\n"
    [denial] = asked(rules(deny), Held(denials=told[:2])).denials
    assert denial.message == "rule often denies this (not merged: #0 denied, #1 denied)"


def test_nobody_knows_yet_when_somebody_used_what_they_have() -> None:
    assert codes(asked(rules(UNUSED), had())) == []
    bare = "  - {id: bare, when: 'true', deny_unless: 'subject.last_used < 30'}\n"
    [denial] = asked(rules(bare), had()).denials
    assert denial.code == "rule-failed"
    assert denial.message.startswith("rule bare could not be evaluated: ")
    known = Held(stated={"subject.use_known": True, "subject.last_used": 31})
    assert codes(asked(rules(UNUSED), known)) == ["unused"]


@pytest.mark.parametrize(
    ("rule", "what"),
    [
        (MANY, "on which days alice has had readonly of orders-db"),
        (OFTEN, "which requests of alice were denied or rejected"),
    ],
)
def test_a_decision_says_what_nobody_read(rule: str, what: str) -> None:
    assert decide(rules(rule), Request(grant(), "alice", AT)).untold == (what,)
    assert asked(rules(rule), had()).untold == ()


@pytest.mark.parametrize("rule", [MANY, OFTEN, UNUSED])
def test_rules_of_the_past_are_asked_of_requests_alone(rule: str) -> None:
    assert not static_denials(rules(rule), grant())


# What policy tests say of the past, and what rules are tried with

PAST = MANY + OFTEN + UNUSED
CASE = (
    "  - {{name: one, request: {{subject: alice, resource: wiki, role: editor, window: {{duration: {}}}}}, "
    "at: 2026-11-20T10:00:00Z, history: {{{}}}, expect: {{{}}}}}\n"
)


@pytest.mark.parametrize(
    ("length", "history", "expected"),
    [
        ("1h", "days_held: 20", "approvals: [{at_least: 1, from: owners}]"),
        ("1h", "days_held: 21", "denied: [many]"),
        ("1h", "denials: 3, number_of_grants: 2", "approvals: [{at_least: 1, from: owners}]"),
        ("1h", "denials: 4", "approvals: [{at_least: 1, from: group:security}]"),
        ("1h", "last_used: 29", "approvals: [{at_least: 1, from: owners}]"),
        ("1h", "last_used: 30", "denied: [unused]"),
        ("1d", "held_for: 4d", "approvals: [{at_least: 1, from: owners}]"),
        ("1d", "held_for: 97h", "denied: [held-too-long]"),
    ],
)
def test_a_policy_test_says_what_was_before(length: str, history: str, expected: str) -> None:
    found = policy(
        rules_base="version: 1\nrules:\n" + PAST,
        tests_a="version: 1\ncases:\n" + CASE.format(length, history, expected),
    )
    assert found.findings == ()
    [outcome] = run_tests(found).outcomes
    assert outcome.missing + outcome.surplus == ()


def test_a_policy_test_whose_past_is_no_duration_is_a_finding() -> None:
    case = CASE.format("1h", "held_for: 400d", "automatic: true")
    found = policy(rules_base="version: 1\nrules:\n" + PAST, tests_a="version: 1\ncases:\n" + case)
    assert [one.place.path for one in found.findings] == ["cases[0].history.held_for"]
    assert found.tests == ()


def test_rules_of_the_past_are_tried_on_both_sides_and_never_called_impossible() -> None:
    assert probe(rules(PAST)) == ()
    assert probe(rules("  - {id: x, when: 'subject.days_held > 90', deny: true}\n")) == ()
    bare = "  - {id: x, when: 'subject.last_used > 30', deny: true}\n"
    [found] = probe(rules(bare))
    assert found.code == "rule-fails"
    assert decide(rules(bare), Request(grant(), "alice", AT)).denials[0].code == "rule-failed"


def test_what_is_said_of_a_grant_has_its_window_where_there_is_one() -> None:
    [one] = had((-2 * HOUR, 0 * HOUR)).role
    assert one.said_whole == "orders-db/n0: 2026-11-20T08:00:00Z/2026-11-20T10:00:00Z"
    assert one._replace(window=None).said_whole == "orders-db/n0, not admitted yet"
