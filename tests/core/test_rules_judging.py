"""Asking rules, one by one and all at once."""

from datetime import timedelta
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from policy_samples import AT, grant, rules

from daypass.core.finding import Place
from daypass.core.policy.cel.expression import EvaluationFailure, compile_condition
from daypass.core.policy.cel.source import spread
from daypass.core.policy.requirement import Requirement
from daypass.core.policy.rules import Rule, Rules
from daypass.core.window import Window

PLACE = Place("policies/rules/x.yaml", 3, 5)


def condition(text):
    found = compile_condition(text, PLACE, spread(text, 1, 1, text))
    assert not isinstance(found, tuple), found
    return found


def rule(name, when="true", **parts):
    unless = parts.pop("deny_unless", None)
    return Rule(name, condition(when), PLACE, deny_unless=condition(unless) if unless else None, **parts)


@pytest.fixture
def facts():
    found = rules("  - {id: a, when: 'true', deny: true}\n").facts
    return found.of_grant(grant()) | found.of_request("alice", AT, "new", Window(AT, AT + timedelta(hours=4)))


def told(verdicts):
    return [(v.rule.id, v.applies, v.denies, v.failure.message if v.failure is not None else "") for v in verdicts]


def test_every_rule_says_whether_it_applies_and_denies(facts):
    asked = Rules.of(
        [
            rule("a", deny=True),
            rule("b", "false", deny=True),
            rule("c", deny_unless="grant.role == 'readonly'"),
            rule("d", deny_unless="grant.role == 'admin'"),
            rule("e", "false", deny_unless="false"),
            rule("f", automatic=True),
        ]
    )
    assert told(asked.judge(facts)) == [
        ("a", True, True, ""),
        ("b", False, False, ""),
        ("c", True, False, ""),
        ("d", True, True, ""),
        ("e", False, False, ""),
        ("f", True, False, ""),
    ]


def test_a_rule_that_fails_is_named_and_the_others_still_speak(facts):
    asked = Rules.of(
        [
            rule("a", "1 / 0 == 1", automatic=True),
            rule("b", deny_unless="1 / 0 == 1"),
            rule("c", "false", deny_unless="1 / 0 == 1"),
            rule("d", deny=True),
        ]
    )
    assert told(asked.judge(facts)) == [
        ("a", False, False, "divide by zero"),
        ("b", True, False, "divide by zero"),
        ("c", False, False, ""),
        ("d", True, True, ""),
    ]


def test_rules_that_read_the_request_are_kept_apart(facts):
    asks, plain = rule("a", "request.kind == 'new'", deny=True), rule("b", deny=True)
    unless = rule("c", deny_unless="'dba' in requester.groups")
    asked = Rules.of([plain, asks, unless])
    assert [one.asks for one in (asks, plain, unless)] == [True, False, True]
    static = {name: value for name, value in facts.items() if not name.startswith(("request.", "requester."))}
    assert [verdict.rule.id for verdict in asked.judge_grant(static)] == ["b"]
    assert [verdict.rule.id for verdict in asked.judge(facts)] == ["a", "b", "c"]


def test_answers_are_remembered_by_the_values_they_depend_on_alone(facts):
    asked = Rules.of([rule("a", "grant.role == 'admin' && 'dba' in subject.groups", deny=True)])
    other = facts | {"grant.role": "admin", "subject.groups": ["dba"]}
    assert [v.denies for v in asked.judge(facts)] == [False]
    assert [v.denies for v in asked.judge(other)] == [True]
    assert [v.denies for v in asked.judge(facts | {"grant.reason": "another"})] == [False]
    assert [v.denies for v in asked.judge(other | {"subject.groups": []})] == [False]


def test_remembering_is_bounded(facts, monkeypatch):
    monkeypatch.setattr("daypass.core.policy.rules._REMEMBERED", 2)
    asked = Rules.of([rule("a", "grant.role == 'r3'", deny=True)])
    answers = [asked.judge(facts | {"grant.role": f"r{number}"})[0].denies for number in (1, 2, 3, 1, 3)]
    assert answers == [False, False, True, False, True]


def test_rules_about_what_differs_everywhere_are_asked_each_time(facts):
    asked = Rules.of([rule("a", "grant.ticket == ''", deny=True)])
    assert [asked.judge(facts | {"grant.ticket": ticket})[0].denies for ticket in ("", "INC-1")] == [True, False]


def test_no_rules_say_nothing(facts):
    assert Rules().judge(facts) == ()
    assert Rules.of([]).judge(facts) == ()


def test_rules_that_are_too_much_as_one_program_are_asked_one_by_one(facts, monkeypatch):
    monkeypatch.setattr("daypass.core.policy.rules.combine", lambda *_: None)
    asked = Rules.of([rule("a", deny=True), rule("b", deny_unless="true")])
    assert told(asked.judge(facts)) == [("a", True, True, ""), ("b", True, False, "")]


def test_the_order_of_rules_does_not_count(facts):
    some = [
        rule("a", deny=True),
        rule("b", "request.kind == 'new'", automatic=True),
        rule("c", "1 / 0 == 1", deny=True),
    ]
    assert len({tuple(told(Rules.of(order).judge(facts))) for order in permutations(some)}) == 1


def test_effects_are_told_in_words():
    needs = (Requirement(2, "group:security", ("a",)), Requirement(1, "owners", ("a",)))
    assert rule("a", require=needs).effect == "needs 2 from group:security; needs 1 from owners"
    assert rule("a", deny=True).effect == "denies"
    assert rule("a", deny_unless="1\n  == 1").effect == "denies unless 1 == 1"
    assert rule("a", automatic=True).effect == "lifts the default approval of who asks for themselves"
    assert rule("a", automatic=True, on_behalf=True).effect == "lifts the default approval"


CONDITIONS = [
    "true",
    "false",
    "grant.role == 'readonly'",
    "grant.emergency",
    "1 / 0 == 1",
    "request.kind == 'new'",
    "grant.ticket == ''",
    "true || 1 / 0 == 1",
]
MADE = st.builds(
    lambda when, unless, deny: (when, unless, deny),
    st.sampled_from(CONDITIONS),
    st.sampled_from([None, *CONDITIONS]),
    st.booleans(),
)


def plainly(one, facts):
    """Ask a rule by its conditions alone: nothing joined, nothing remembered, nothing put off."""
    applies = one.when.holds(facts)
    if isinstance(applies, EvaluationFailure):
        return one.id, False, False, applies.message
    unless = one.deny_unless.holds(facts) if applies and one.deny_unless is not None else True
    if isinstance(unless, EvaluationFailure):
        return one.id, True, False, unless.message
    return one.id, applies, applies and (one.deny or not unless), ""


OTHER_FACTS = st.fixed_dictionaries(
    {
        "grant.role": st.sampled_from(["readonly", "admin"]),
        "grant.ticket": st.sampled_from(["", "INC-1"]),
        "grant.emergency": st.booleans(),
        "request.kind": st.sampled_from(["new", "widen"]),
    }
)


@given(st.lists(MADE, max_size=5), st.lists(OTHER_FACTS, min_size=1, max_size=4))
def test_rules_joined_and_remembered_say_what_each_says_plainly(made, asked):
    some = [rule(f"r{n}", when, deny_unless=unless, deny=deny) for n, (when, unless, deny) in enumerate(made)]
    book, joined = rules("  - {id: a, when: 'true', deny: true}\n").facts, Rules.of(some)
    known = book.of_grant(grant()) | book.of_request("alice", AT, "new", Window(AT, AT + timedelta(hours=4)))
    for other in asked:
        facts = known | other
        assert told(joined.judge(facts)) == [plainly(one, facts) for one in some]
        assert sorted(told(joined.judge_grant(facts))) == [plainly(one, facts) for one in some if not one.asks]
