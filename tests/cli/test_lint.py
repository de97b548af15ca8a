"""`daypass policy lint` in the worked example, with one thing in it that is odd or wrong: what it says, and where."""

from __future__ import annotations

import pytest

from driver import Access

AT = "2026-11-20T10:00:00Z"
RULES = "policies/rules/more.yaml"
PEOPLE = "policies/directory/people.yaml"
TESTS = "policies/tests/more.yaml"
OWNERS = "require: [{approvals: {at_least: 1, from: owners}}]"


def rules(*each: str) -> str:
    return "version: 1\nrules:\n" + "".join(f"  - {{{one}}}\n" for one in each)


def case(expect: str, more: str = "", window: str = "{duration: 1h}") -> str:
    request = f"{{subject: alice, resource: staging, role: deploy, window: {window}}}"
    return f"version: 1\ncases:\n  - name: one\n    request: {request}\n    at: {AT}\n{more}    expect: {expect}\n"


def with_manager(handle: str, manager: str) -> tuple[str, str]:
    email = f"email: {handle}@example.com"
    return email, f"{email}, manager: {manager}"


ODD = {
    "never applies": (
        {RULES: rules(f"id: never, when: 'resource.environment == \"development\"', {OWNERS}")},
        f"{RULES}:3:24: warning: rule never can never apply: no request that is possible here makes its condition true "
        "[rule-never-applies]",
    ),
    "always applies": (
        {RULES: rules("id: all, when: 'grant.duration > duration(\"0s\")', deny_unless: 'grant.role != \"admin\"'")},
        f"{RULES}:3:22: warning: rule all always applies: its condition is true of every request that is possible here "
        "[rule-always-applies]",
    ),
    "shadowed": (
        {RULES: rules(f"id: less, when: 'resource.name == \"payroll\"', {OWNERS}")},
        f"{RULES}:3:23: warning: rule less changes no decision: wherever it applies, as much is said by "
        "production-needs-two (policies/rules/access.yaml:4:9) [rule-shadowed]",
    ),
    "contradicting": (
        {
            RULES: rules(
                "id: urgent, when: 'grant.role == \"deploy\"', deny_unless: 'grant.emergency'",
                "id: calm, when: 'grant.role == \"deploy\"', deny_unless: '!grant.emergency'",
            )
        },
        "rules calm and urgent contradict each other: wherever both apply, one of them denies [rules-contradict]",
    ),
    "what contradicts leaves to nobody": (
        {
            RULES: rules(
                "id: urgent, when: 'grant.role == \"deploy\"', deny_unless: 'grant.emergency'",
                "id: calm, when: 'grant.role == \"deploy\"', deny_unless: '!grant.emergency'",
            )
        },
        "warning: nobody is ever given role deploy of staging, whoever asks: calm, ",
    ),
    "more than a source has": (
        {
            RULES: rules(
                "id: nine, when: 'grant.role == \"admin\"', require: [{approvals: {at_least: 9, from: 'person:dave'}}]"
            )
        },
        f"{RULES}:3:10: error: what rule nine asks for can never be met: 9 approvals from person:dave must "
        "be given, but there is only dave [requirement-unmeetable]\n  hint: ask for fewer, or name a source with more people",
    ),
    "approvers who are all subjects": (
        {
            RULES: rules(
                "id: among, when: '\"dba\" in subject.groups', require: [{approvals: {at_least: 1, from: 'group:dba'}}]"
            )
        },
        f"{RULES}:3:10: warning: everybody who can give what rule among asks of group:dba is one of those it is asked for "
        "[approvers-are-subjects]",
    ),
    "a resource that nobody can approve": (
        {
            "policies/resources/lonely.yaml": "version: 1\ntitle: Lonely\ntarget: embedded\nenvironment: staging\n"
            "classification: internal\nowners: [helpers]\nroles:\n  user: {max_duration: 1h}\n",
            PEOPLE: ("groups:\n", "groups:\n  helpers: {members: [frank]}\n"),
            "policies/daypass.yaml": ("limits: {", "limits: {approvers: {employment: [employee]}, "),
        },
        "policies/resources/lonely.yaml: warning: nobody can give the approval from owners",
    ),
    "a test of an unknown rule": (
        {TESTS: case("{denied: [restricted-in-ofice-hours]}")},
        f"{TESTS}:3:5: error: case 'one' expects a denial by restricted-in-ofice-hours, and there is no such rule [unknown-rule]\n"
        "  hint: did you mean restricted-in-office-hours?",
    ),
    "a test of an unknown group": (
        {TESTS: case("{approvals: [{at_least: 1, from: 'group:securty'}]}")},
        f"{TESTS}:6:46: error: there is no group 'securty' in the directory [unknown-group]\n  hint: did you mean security?",
    ),
    "a test of an unknown rota": (
        {TESTS: case("{automatic: true}", "    on_call: {pager: bob}\n")},
        f"{TESTS}:6:22: error: there is no rota 'pager' [unknown-rota]\n  hint: rotas are the files of policies/rotas",
    ),
    "a test of an unknown calendar": (
        {
            TESTS: case(
                "{automatic: true}",
                window="{from: 2026-12-01T00:00:00Z, until: 2026-12-20T00:00:00Z, calendar: office}",
            )
        },
        "error: there is no calendar 'office' [unknown-calendar]\n  hint: calendars are the files of policies/calendars",
    ),
    "a circle of managers": (
        {PEOPLE: with_manager("bob", "alice")},
        f"{PEOPLE}:4:63: error: alice is below bob is below alice: they are managers in a circle [manager-circle]",
    ),
    "after what nothing requires": (
        {
            RULES: rules(
                "id: last, when: 'grant.role == \"admin\"', require: [{approvals: {at_least: 1, from: owners}, after: manager}]"
            )
        },
        "warning: after manager waits for nothing: no rule asks manager [chain-vacuous]\n"
        "  hint: ask an approval from manager as well, or remove it here",
    ),
    "a vendor's worker who can approve": (
        {PEOPLE: ("dba: {members: [bob, carol]}", "dba: {members: [bob, carol, frank]}")},
        "policies/daypass.yaml: warning: people who are no employees can approve: frank (vendor) [outside-approvers]\n"
        "  hint: limits: {approvers: {employment: [employee]}} leaves it to employees; name the other kinds where they may",
    ),
}


def change(access: Access, path: str, text: str | tuple[str, str]) -> None:
    if isinstance(text, tuple):
        before = (access.top / path).read_text(encoding="utf-8")
        assert text[0] in before
        text = before.replace(*text)
    access.write(path, text)


@pytest.mark.parametrize("what", ODD)
def test_what_is_odd_is_said_with_place_reason_and_hint(access: Access, what: str) -> None:
    files, expected = ODD[what]
    for path, text in files.items():
        change(access, path, text)
    said = access.run("policy", "lint", "--at", AT, expect=10 if "error: " in expected else None)
    assert expected in said.out
    line = next(number for number, each in enumerate(said.out.splitlines()) if expected.split("\n")[0] in each)
    assert said.out.splitlines()[line + 1].startswith("  hint: ")


def test_the_example_has_nothing_odd(access: Access) -> None:
    assert (
        access.run("policy", "lint", "--at", AT).out
        == "Looked at the policies at the work tree: 0 wrong, 0 things odd.\n"
    )
