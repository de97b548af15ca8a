"""Rules of a purpose: they hold for its requests alone, and read the details that it asks for."""

import pytest
from policy_samples import AT, grant, policy, shown

from daypass.core.policy.analysis.options import options
from daypass.core.policy.analysis.probe import probe
from daypass.core.policy.decision import Request, decide, static_denials

CASE = """version: 1
fields:
  due: {kind: moment}
  right: {kind: choice, of: [access, erasure], required: true}
  classes: {kind: names}
  rows: {kind: number}
  advisor: {kind: person}
  letter: {kind: text}
rules:
"""


def case(text, **more):
    return policy(purposes_case=CASE + text, **more)


def rule(when, rest="deny: true"):
    return f"  - {{id: own, when: '{when}', {rest}}}\n"


def judged(found, *, trace=False, **details):
    details.setdefault("right", "access")
    wanted = grant(purpose="case", details=tuple(sorted(details.items())))
    return decide(found, Request(wanted, "alice", AT), trace=trace)


def denied(found, **details):
    return [(d.code, d.rule) for d in judged(found, **details).denials]


OWN = [("rule-denies", "own")]


@pytest.mark.parametrize(
    ("when", "details", "others"),
    [
        ('details.right == "erasure"', {"right": "erasure"}, {}),
        ('details.has_due && details.due < timestamp("2026-12-01T00:00:00Z")', {"due": "2026-11-30"}, {"due": "2026-12-01"}),
        ("details.has_rows && details.rows > 100", {"rows": "101"}, {"rows": "100"}),
        ('details.has_classes && "health" in details.classes', {"classes": ("a", "health")}, {"classes": ("a",)}),
        ("details.has_advisor && details.advisor == grant.subject", {"advisor": "alice"}, {"advisor": "bob"}),
        ('details.has_letter && details.letter.startsWith("L")', {"letter": "L1"}, {"letter": "X"}),
        ("!details.has_due", {}, {"due": "2026-12-20"}),
    ],
)  # fmt: skip
def test_a_rule_reads_details_as_their_fields_are(when, details, others):
    found = case(rule(when))
    assert found.findings == ()
    assert denied(found, **details) == OWN
    assert denied(found, **others) == []


def test_a_detail_that_is_not_there_fails_the_rule_that_reads_it_and_that_denies():
    found = case(rule("details.rows > 100"))
    assert denied(found, rows="100") == []
    decision = judged(found, trace=True)
    assert [(d.code, d.rule) for d in decision.denials] == [("rule-failed", "own")]
    (trace,) = [trace for trace in decision.traces if trace.rule == "own"]
    assert trace.values == ()
    assert "details.rows" in trace.error


def test_a_detail_of_another_type_is_not_there():
    found = case(rule("details.has_rows && details.rows > 100"))
    assert denied(found, rows="many") == [("detail-invalid", "")]
    # One that cannot be read for that says nothing beside it; every other failure is told.
    assert denied(case(rule("details.rows > 100")), rows="many") == [("detail-invalid", "")]
    assert denied(case(rule("int(grant.ticket) > 100"))) == [("rule-failed", "own")]


def test_a_rule_of_a_purpose_is_asked_of_its_grants_alone():
    found = case(rule("true"))
    assert denied(found) == OWN
    assert decide(found, Request(grant(), "alice", AT)).denials == ()
    assert decide(found, Request(grant(purpose="incident", ticket="INC-1"), "alice", AT)).denials == ()


def test_a_rule_of_a_purpose_adds_up_with_those_of_all():
    found = case(rule("true", "require: [{approvals: {at_least: 2, from: owners}}]"))
    assert [(r.at_least, r.source) for r in judged(found).requirements] == [(1, "group:security"), (2, "owners")]
    assert "own" in judged(found).rules


def test_a_merged_grant_is_not_held_to_what_its_purpose_says_by_now():
    found = case(rule("details.rows > 100"))
    assert static_denials(found, grant(purpose="case", details=(("rows", "200"),))) == ()


def test_a_rule_reads_only_what_its_purpose_defines_and_others_read_no_details():
    assert shown(case(rule("details.du == details.letter")).broken) == [
        "10:22 condition-invalid there is no variable or function 'details.du' [did you mean details.due?]"
    ]
    assert shown(case(rule('details.rows == "many"')).broken) == [
        "10:35 condition-invalid '==' does not go between (int, string) [both sides must be of one type]"
    ]
    outside = policy(rules_base="version: 1\nrules:\n" + rule('details.zzz == "x"'))
    assert shown(outside.broken) == [
        "3:22 condition-invalid there is no variable or function 'details.zzz' [only a rule in a purpose's own file reads "
        "the details that the purpose asks for]"
    ]


def test_a_rules_id_is_its_own_wherever_the_rule_stands():
    found = case("  - {id: low-risk-passes, when: 'true', deny: true}\n")
    assert [finding.code for finding in found.broken] == ["duplicate-rule"]


def test_no_field_may_be_called_as_rules_ask_for_another():
    text = CASE.replace("rows: {kind: number}", "has_due: {kind: number}").replace("rules:\n", "")
    assert shown(policy(purposes_case=text).broken) == [
        "6:12 field-contradicts has_due: names that begin with has_ say in rules whether a grant has a detail "
        "[call it due]"
    ]


def test_rules_of_purposes_are_tried_with_what_their_fields_may_hold():
    def codes(when):
        found = case(rule(when))
        assert found.broken == ()
        return [(f.code, f.message) for f in probe(found) if f.code != "outside-approvers"]

    assert codes('details.right == "access"') == []
    never = "rule own can never apply: no request that is possible here makes its condition true"
    assert codes("grant.emergency") == [("rule-never-applies", never)]
    assert codes('details.right == "acess"') == [("unknown-name", "there is no choice of right 'acess'")]
    fails = 'rule own fails: No value with name "details.rows" found in Activation'
    assert codes("details.rows > 10") == [("rule-fails", fails)]
    assert codes("details.has_rows && details.rows > 10") == []
    assert codes('details.has_due && details.due < timestamp("2026-12-01T00:00:00Z")') == []
    assert codes('details.has_classes && "x" in details.classes') == []
    assert codes('details.has_advisor && details.advisor == "bob"') == []
    assert codes('details.has_letter && details.letter == "L"') == []


def test_what_may_be_asked_for_says_that_details_are_still_to_be_judged():
    def brought(text):
        found = policy(purposes_case=text)
        ways = options(found, "alice", "orders-db", "readonly", at=AT)
        return {way.brings for way in ways if "case" in way.purposes}

    assert brought(CASE.replace("rules:\n", "")) == {("its details",)}
    assert brought(CASE + rule("details.rows > 100")) == {("its details, which its rules judge",)}
