"""Rule files: what they may say, and where what is wrong stands."""

from datetime import timedelta

import pytest
from policy_samples import AT, RULES, files, grant, policy, read_policies, rules, shown

from daypass.core.calendar.wait import Wait
from daypass.core.policy.decision import Request, decide
from daypass.core.policy.escalation import Escalation
from daypass.core.policy.policies import rules as rules_files
from daypass.core.policy.requirement import Requirement


def test_the_rules_of_the_design_are_read():
    found = {rule.id: rule for rule in policy().rules.rules}
    assert found["production-needs-two"].require == (
        Requirement(1, "owners", ("production-needs-two",)),
        Requirement(
            1,
            "group:security",
            ("production-needs-two",),
            escalate=(Escalation(Wait(rest=timedelta(hours=4)), "group:dba"),),
        ),
    )
    assert found["restricted-in-office-hours"].deny_unless is not None
    assert found["restricted-in-office-hours"].message.startswith("Restricted data")
    assert found["low-risk-passes"].automatic
    assert str(found["low-risk-passes"].place) == "policies/rules/base.yaml:12:9"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "  - {id: a, when: 'true'}\n",
            [
                "3:5 rule-without-effect rule a does nothing "
                "[give it require, deny_unless, deny: true or approve: automatically]"
            ],
        ),
        (
            "  - {id: a, when: 'true', deny: true, approve: automatically}\n",
            ["3:5 rule-contradicts rule a has deny and approve; deny stands alone [make two rules of it]"],
        ),
        (
            "  - id: a\n    when: 'true'\n    approve: automatically\n"
            "    require: [{approvals: {at_least: 1, from: owners}}]\n",
            ["3:5 rule-contradicts rule a has require and approve; approve stands alone [make two rules of it]"],
        ),
        (
            "  - {id: a, when: 'true', deny: true}\n  - {id: a, when: 'false', deny: true}\n",
            [
                "4:10 duplicate-rule rule 'a' is defined twice; the first is at policies/rules/base.yaml:3:10 "
                "[give each rule its own id]"
            ],
        ),
        (
            "  - {id: a, when: 'true', require: [{approvals: {at_least: 1, from: 'group:securty'}}]}\n",
            ["3:69 unknown-group there is no group 'securty' in the directory [did you mean security?]"],
        ),
        (
            "  - id: a\n    when: 'true'\n    require:\n"
            "      - {approvals: {at_least: 1, from: owners}, escalate: {after: 4h, to: 'group:ledas'}}\n",
            ["6:76 unknown-group there is no group 'ledas' in the directory [groups are named in policies/directory]"],
        ),
        (
            "  - id: a\n    when: 'true'\n    require:\n"
            "      - {approvals: {at_least: 1, from: owners}, escalate: {after: 0h, to: 'group:dba'}}\n",
            ["6:68 bad-duration a duration of 0h is no time at all"],
        ),
        (
            '  - {id: a, when: grant.rol == "x", deny: true}\n',
            ["3:19 condition-invalid there is no variable or function 'grant.rol' [did you mean grant.role?]"],
        ),
        (
            "  - {id: a, when: 'true', deny_unless: 'grant.role == ''it'' && resource.nme == \"x\"'}\n",
            ["3:65 condition-invalid there is no variable or function 'resource.nme' [did you mean resource.name?]"],
        ),
        (
            '  - id: a\n    deny: true\n    when: |\n      grant.role == "x"\n        && gant.role == "x"\n',
            ["7:12 condition-invalid there is no variable or function 'gant.role' [did you mean grant.role?]"],
        ),
        (
            '  - id: a\n    deny: true\n    when: >-\n      grant.role == "x" &&\n      gant.role == "x"\n',
            ["7:7 condition-invalid there is no variable or function 'gant.role' [did you mean grant.role?]"],
        ),
        (
            '  - {id: a, when: "grant.role == \\"x\\" && gant.role == \'x\'", deny: true}\n',
            ["3:43 condition-invalid there is no variable or function 'gant.role' [did you mean grant.role?]"],
        ),
        (
            "  - {id: a, when: grant.role, deny: true}\n",
            [
                "3:19 condition-not-bool the condition gives a string, where it must say true or false "
                '[compare it, for example grant.role == "admin"]'
            ],
        ),
    ],
)
def test_what_is_wrong_with_a_rule_denies_everything_and_has_its_place(text, expected):
    found = rules(text)
    assert shown(found.findings) == expected
    assert found.broken == found.findings
    assert decide(found, Request(grant(), "alice", AT)).denials[0].code == "policy-broken"


@pytest.mark.parametrize(
    "text",
    [
        "  - {id: A, when: 'true', deny: true}\n",
        "  - {id: a_b, when: 'true', deny: true}\n",
        "  - {when: 'true', deny: true}\n",
        "  - {id: a, deny: true}\n",
        "  - {id: a, when: '', deny: true}\n",
        "  - {id: a, when: 'true', deny: false}\n",
        "  - {id: a, when: 'true', deny: 'true'}\n",
        "  - {id: a, when: 'true', approve: always}\n",
        "  - {id: a, when: 'true', require: []}\n",
        "  - {id: a, when: 'true', require: [{approvals: {at_least: 0, from: owners}}]}\n",
        "  - {id: a, when: 'true', require: [{approvals: {at_least: 1, from: anyone}}]}\n",
        "  - {id: a, when: 'true', require: [{approvals: {at_least: 1, from: owners}, escalate: {after: 4h, to: owners}}]}\n",
        "  - {id: a, when: 'true', deny: true, unless: 'false'}\n",
    ],
)
def test_a_rule_of_another_form_denies_everything(text):
    assert rules(text).broken


def test_a_group_without_people_cannot_be_asked():
    text = "  - {id: a, when: 'true', require: [{approvals: {at_least: 1, from: 'group:robots'}}]}\n"
    more = b"version: 1\ngroups: {robots: {members: [nightly]}}\n"
    base = {**files(rules_base="version: 1\nrules:\n" + text), "policies/directory/more.yaml": more}
    assert shown(read_policies(base).broken) == [
        "3:69 empty-approvers nobody could approve: group robots has no people [add people to it in policies/directory]"
    ]


def test_groups_are_not_blamed_when_the_directory_cannot_be_read():
    found = policy(directory_people="version: 1\npeople: []\n")
    assert {finding.place.file for finding in found.findings} == {"policies/directory/people.yaml"}


def test_rule_ids_are_one_space_over_all_files():
    found = read_policies({**files(), "policies/rules/zz.yaml": RULES.encode()})
    assert {finding.code for finding in found.broken} == {"duplicate-rule"}
    assert len(found.broken) == 3


def test_a_rule_file_of_the_wrong_shape_denies_everything():
    assert read_policies({**files(), "policies/rules/zz.yaml": b"version: 1\nrules: {}\n"}).broken


def test_more_rules_than_anybody_needs_are_refused_and_nothing_is_granted_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rules_files, "MOST_RULES", 3)
    lines = [f"  - {{id: r{number}, when: 'true', deny: true}}\n" for number in range(4)]
    few, many = ("version: 1\nrules:\n" + "".join(some) for some in (lines[:3], lines))
    assert not read_policies(files(rules_base=few)).broken
    broken = read_policies(files(rules_base=many)).broken
    assert [(finding.code, str(finding.place)) for finding in broken] == [
        ("too-many-rules", "policies/rules/base.yaml:6:10")
    ]
