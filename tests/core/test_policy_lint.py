"""What is odd about rules taken together, decided over every request."""

from __future__ import annotations

import pytest
from policy_samples import AT, FILES, RESOURCE, RULES, policy, rules

from daypass.core.policy.analysis import lint as module
from daypass.core.policy.analysis.cases.regions import candidates
from daypass.core.policy.analysis.lint import lint
from daypass.core.policy.policies import Policy
from daypass.core.record import replace

ASK = "require: [{approvals: {at_least: 1, from: owners}}]"


def codes(found: Policy) -> list[tuple[str, str]]:
    """Return the codes of what is found, with what each says first."""
    return [(one.code, one.message.partition(":")[0].partition(",")[0]) for one in lint(found, AT)]


def test_the_samples_have_nothing_odd() -> None:
    assert codes(policy()) == []
    assert lint(policy(daypass="version: 2\n"), AT) == ()


def test_a_rule_that_always_applies_and_one_that_changes_nothing_are_named() -> None:
    always = "  - {id: all, when: 'grant.duration > duration(\"0s\")', require: [{approvals: {at_least: 2, from: owners}}]}\n"
    less = f"  - {{id: some, when: 'grant.role == \"admin\"', {ASK}}}\n"
    never = f"  - {{id: never, when: 'resource.environment == \"development\"', {ASK}}}\n"
    assert codes(rules(always + less + never)) == [
        ("rule-always-applies", "rule all always applies"),
        ("rule-shadowed", "rule some changes no decision"),
        ("rule-never-applies", "rule never can never apply"),
    ]
    denying = always.replace(
        "require: [{approvals: {at_least: 2, from: owners}}]", "deny_unless: 'grant.role != \"admin\"'"
    )
    assert ("rule-always-applies", "rule all always applies") in codes(rules(denying))


def test_a_purposes_rule_and_what_is_only_searched_are_not_said_to_apply_always() -> None:
    loose = '  - {id: loose, when: \'grant.duration + duration("1h") > duration("0s")\', deny_unless: \'grant.role != "admin"\'}\n'
    assert "rule-always-applies" not in {code for code, _ in codes(rules(loose))}


def test_rules_that_contradict_each_other_leave_a_role_to_nobody() -> None:
    against = (
        "  - {id: short, when: 'grant.role == \"admin\"', deny_unless: 'grant.emergency'}\n"
        "  - {id: calm, when: 'grant.role == \"admin\"', deny_unless: '!grant.emergency'}\n"
    )
    both = lint(rules(against), AT)
    assert [(one.code, one.message) for one in both if one.code == "rules-contradict"] == [
        ("rules-contradict", "rules calm and short contradict each other: wherever both apply, one of them denies")
    ]
    found = [one for one in both if one.code == "role-never-given"]
    assert [one.message for one in found] == ["nobody is ever given role admin of orders-db, whoever asks: calm, short"]
    assert found[0].place.file == "policies/resources/orders-db.yaml"


def test_rules_that_let_through_something_of_what_both_are_asked_do_not_contradict_each_other() -> None:
    apart = (
        "  - {id: short, when: 'grant.role == \"admin\"', deny_unless: 'grant.emergency'}\n"
        "  - {id: quiet, when: '!grant.emergency', deny_unless: 'grant.ticket != \"\"'}\n"
        "  - {id: brief, when: 'true', deny_unless: 'grant.duration <= duration(\"30m\")'}\n"
    )
    assert "rules-contradict" not in {code for code, _ in codes(rules(apart))}


def shadowed(text: str) -> list[str]:
    """Return what is said of rules that change nothing."""
    return [one.message for one in lint(rules(text), AT) if one.code == "rule-shadowed"]


def test_of_a_rule_that_changes_nothing_it_is_said_which_rules_hide_it() -> None:
    two = "  - {id: two, when: 'true', require: [{approvals: {at_least: 2, from: owners}}]}\n"
    one = f"  - {{id: one, when: 'grant.role == \"admin\"', {ASK}}}\n"
    other = "  - {id: other, when: 'grant.role == \"admin\"', require: [{approvals: {at_least: 1, from: group:security}}]}\n"
    assert shadowed(two + one + other) == [
        "rule one changes no decision: wherever it applies, as much is said by two (policies/rules/base.yaml:3:10)"
    ]
    assert shadowed(f"  - {{id: default, when: 'grant.role == \"admin\"', {ASK}}}\n") == [
        "rule default changes no decision: wherever it applies, it is as it would be without any rule"
    ]


def test_of_several_rules_that_each_hide_another_all_are_named() -> None:
    deny = "  - {{id: {0}, when: 'grant.role == \"{1}\"', deny: true}}\n"
    part = "  - {id: part, when: 'grant.role == \"admin\" && grant.emergency', deny: true}\n"
    (said,) = [
        each for each in shadowed(deny.format("a", "admin") + deny.format("b", "admin") + part) if "part" in each
    ]
    assert "as much is said by a (policies/rules/base.yaml:3:10), b (policies/rules/base.yaml:4:10)" in said


def test_approvers_who_are_just_those_they_approve_are_pointed_at() -> None:
    among = f"  - {{id: among, when: '\"dba\" in subject.groups', {ASK}}}\n"
    assert (
        "approvers-are-subjects",
        "everybody who can give what rule among asks of owners is one of those it is asked for",
    ) in codes(rules(among))
    others = among.replace("from: owners", "from: group:security")
    assert "approvers-are-subjects" not in {code for code, _ in codes(rules(others))}
    above = among.replace("from: owners", "from: manager")
    assert "approvers-are-subjects" not in {code for code, _ in codes(rules(above))}


def test_a_case_that_expects_a_rule_that_there_is_not_is_found() -> None:
    case = (
        "version: 1\ncases:\n  - name: one\n    request: {subject: alice, resource: wiki, role: editor, window: {duration: 1h}}\n"
        "    at: 2026-11-20T10:00:00Z\n    expect: {denied: [restricted-in-ofice-hours, too-long]}\n"
    )
    found = policy(tests_main=case)
    assert [(one.code, one.hint) for one in lint(found, AT)] == [
        ("unknown-rule", "did you mean restricted-in-office-hours?")
    ]
    (far,) = lint(policy(tests_main=case.replace("restricted-in-ofice-hours", "xyz")), AT)
    assert far.message == "case 'one' expects a denial by xyz, and there is no such rule"
    assert far.hint == "write the id of a rule, or the code of a denial (docs/findings.md)"


def test_a_case_that_names_a_group_a_rota_or_a_calendar_that_there_is_not_is_found() -> None:
    window = "{from: 2026-12-01T00:00:00Z, until: 2026-12-20T00:00:00Z, calendar: ofice}"
    request = f"{{subject: alice, resource: wiki, role: editor, window: {window}}}"
    case = (
        f"version: 1\ncases:\n  - name: one\n    request: {request}\n"
        "    at: 2026-11-20T10:00:00Z\n    on_call: {pager: bob}\n"
        "    expect: {approvals: [{at_least: 1, from: 'group:securty'}]}\n"
    )
    calendar = "version: 1\ntitle: Office\nzone: Europe/Berlin\nhours: Mon-Fri 08:00-19:00\n"
    found = policy(tests_main=case, calendars_office=calendar).findings
    assert [(one.code, one.place.line, one.message, one.hint) for one in found] == [
        ("unknown-calendar", 4, "there is no calendar 'ofice'", "did you mean office?"),
        ("unknown-rota", 6, "there is no rota 'pager'", "rotas are the files of policies/rotas"),
        ("unknown-group", 7, "there is no group 'securty' in the directory", "did you mean security?"),
    ]


def test_of_very_many_rules_none_is_tried_against_all_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_RULES", 1)
    twice = f"  - {{id: one, when: 'grant.role == \"admin\"', {ASK}}}\n  - {{id: two, when: 'grant.role == \"admin\"', {ASK}}}\n"
    assert codes(rules(twice)) == []
    assert "wiki" in FILES["policies/resources/wiki.yaml"].lower()
    assert RESOURCE in FILES.values()
    assert RULES in FILES.values()


def test_a_role_that_its_target_cannot_give_is_told_of_elsewhere_and_a_rule_for_all_people_is_no_circle() -> None:
    everybody = f"  - {{id: everybody, when: 'subject.handle != \"\"', {ASK}}}\n"
    found = rules(everybody)
    unfit = replace(found, unfit={("orders-db", "admin"): ("why", "")})
    assert {code for code, _ in codes(unfit)} == {"rule-always-applies", "rule-shadowed"}
    assert list(candidates(((),) * 6)) == []


def test_rules_of_two_purposes_never_meet_and_so_do_not_contradict_each_other() -> None:
    of = "version: 1\ntitle: {}\nrules:\n  - {{id: {}, when: 'true', deny_unless: 'grant.role {} \"admin\"'}}\n"
    found = policy(purposes_calm=of.format("Calm", "calm", "=="), purposes_short=of.format("Short", "short", "!="))
    assert not found.broken
    assert {one.purpose for one in found.rules.rules} == {"", "calm", "short"}
    assert "rules-contradict" not in {code for code, _ in codes(found)}
