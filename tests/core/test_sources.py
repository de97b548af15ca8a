"""Who is behind each kind of source, and what becomes of a request when nobody is."""

import pytest
from policy_samples import AT, DIRECTORY, SETTINGS, grant, policy, rules

from daypass.core.policy.analysis.probe import probe
from daypass.core.policy.decision import Request, decide
from daypass.core.policy.policies import Policy
from daypass.core.policy.requirement import approvers
from daypass.core.policy.sources import Ending, written

LINE = DIRECTORY.replace("bob: {name: Bob Ray,", "bob: {manager: carol, name: Bob Ray,").replace(
    "carol: {name: Carol Ito,", "carol: {manager: dan, name: Carol Ito,"
)
"""Above alice is bob, above bob carol, above carol dan."""


def needs(*requirements: str, directory: str = LINE, **more: str | None) -> Policy:
    text = "".join(f"      - {{approvals: {one}}}\n" for one in requirements)
    rule = f"version: 1\nrules:\n  - id: asks\n    when: 'true'\n    require:\n{text}"
    return policy(rules_base=rule, directory_people=directory, **more)


def ask(found: Policy, requester: str = "alice", subject: str = "alice", at=AT):
    return decide(found, Request(grant(subject=subject), requester, at))


def who(found: Policy, source: str, requester: str = "alice", subject: str = "alice", at=AT) -> tuple[str, ...]:
    return approvers(found.catalogue, Ending("orders-db", subject, requester), source, at)


@pytest.mark.parametrize(
    ("source", "requester", "people"),
    [
        ("manager", "alice", ("bob",)),
        ("manager", "bob", ("carol",)),
        ("manager+1", "alice", ("carol",)),
        ("manager+1", "bob", ("dan",)),
        ("manager+1", "carol", ("dan",)),
        ("manager+2", "alice", ("dan",)),
        ("manager+3", "alice", ()),
        ("person:vera", "alice", ("vera",)),
        ("person:nightly", "alice", ()),
        ("manager or person:vera", "alice", ("bob", "vera")),
        ("group:security or owners", "alice", ("bob", "carol", "dan")),
    ],
)
def test_people_behind_a_source(source: str, requester: str, people: tuple[str, ...]) -> None:
    assert who(policy(directory_people=LINE), source, requester) == people


def test_a_manager_whom_nobody_knows_is_a_finding_and_nobody_above() -> None:
    odd = DIRECTORY.replace("manager: bob", "manager: bobb")
    found = policy(directory_people=odd)
    assert [finding.code for finding in found.broken] == ["unknown-manager"]
    assert who(found, "manager") == ()


def test_the_next_one_up_stands_in_for_a_manager_who_has_left_or_may_not_approve() -> None:
    left = LINE.replace("bob: {manager", "bob: {until: 2026-11-20, manager")
    assert who(policy(directory_people=left), "manager") == ("carol",)
    hired = LINE.replace("bob: {manager", "bob: {employment: contractor, manager")
    only = SETTINGS + "limits: {approvers: {employment: [employee]}}\n"
    assert who(policy(directory_people=hired, daypass=only), "manager") == ("carol",)


def test_a_list_is_any_of_its_sources_and_is_written_in_one_way() -> None:
    assert (
        written(["owners", "group:security", "owners"])
        == "group:security or owners"
        == written("group:security or owners")
    )
    found = needs("{at_least: 1, from: [owners, 'group:security']}", "{at_least: 2, from: ['group:security', owners]}")
    (need,) = ask(found).needs
    assert (need.at_least, need.source, need.eligible) == (2, "group:security or owners", {"bob", "carol", "dan"})


@pytest.mark.parametrize(
    ("source", "subject", "why", "hint"),
    [
        ("manager", "carol", "carol has no manager", "add manager: … to carol in policies/directory"),
        ("manager", "nightly", "nightly is a workload, and has no manager", "name a further source in the rule"),
        (
            "manager+1",
            "alice",
            "nobody who could is so far above alice (bob)",
            "add manager: … to bob in policies/directory, or name a further source in the rule",
        ),
    ],
)
def test_a_source_that_yields_nobody_is_a_denial_that_says_why(source: str, subject: str, why: str, hint: str) -> None:
    (denial,) = ask(needs(f"{{at_least: 1, from: {source}}}", directory=DIRECTORY), "vera", subject).denials
    assert (denial.code, denial.message, denial.hint) == (
        "no-approvers",
        f"nobody can give the approval from {source}: {why}",
        hint,
    )


def test_each_part_of_a_list_says_why_it_has_nobody() -> None:
    gone = DIRECTORY.replace("dan: {", "dan: {until: 2026-11-01, ")
    (denial,) = ask(needs("{at_least: 1, from: [manager, 'person:dan']}", directory=gone), "carol", "carol").denials
    assert (
        denial.message == "nobody can give the approval from manager or person:dan: carol has no manager; dan has left"
    )


@pytest.mark.parametrize(
    ("limits", "why"),
    [
        ("unsigned: refuse", "dan has no SSH key, and limits.unsigned refuses what nobody signed"),
        ("approvers: {employment: [vendor]}", "dan is not engaged as limits.approvers asks (vendor)"),
    ],
)
def test_a_person_who_may_not_approve_is_told_with_the_reason(limits: str, why: str) -> None:
    found = needs("{at_least: 1, from: 'person:dan'}", daypass=SETTINGS + f"limits: {{{limits}}}\n")
    assert ask(found).denials[0].message == f"nobody can give the approval from person:dan: {why}"


def test_somebody_in_two_sources_counts_for_one() -> None:
    found = needs("{at_least: 1, from: manager}", "{at_least: 1, from: 'person:bob'}")
    assert [denial.code for denial in ask(found).denials] == ["too-few-approvers"]


def test_managers_in_a_circle_are_a_finding_that_names_them() -> None:
    circle = LINE.replace("dan: {name", "dan: {manager: bob, name")
    (finding,) = policy(directory_people=circle).broken
    assert (finding.code, finding.message) == (
        "manager-circle",
        "bob is below carol is below dan is below bob: they are managers in a circle",
    )
    assert who(policy(directory_people=circle), "manager+2") == ("dan",)  # it is gone round once


def test_two_circles_are_two_findings_and_being_below_one_is_none() -> None:
    two = DIRECTORY.replace("bob: {name", "bob: {manager: carol, name").replace(
        "carol: {name", "carol: {manager: bob, name"
    )
    two = two.replace("dan: {name", "dan: {manager: vera, name").replace("vera: {name", "vera: {manager: dan, name")
    assert [f.message.split(":")[0] for f in policy(directory_people=two).broken] == [
        "bob is below carol is below bob",
        "dan is below vera is below dan",
    ]


@pytest.mark.parametrize(
    ("source", "code", "hint"),
    [
        ("'person:dam'", "unknown-member", "did you mean dan?"),
        ("[owners, 'group:securty']", "unknown-group", "did you mean security?"),
        ("'person:nightly'", "empty-approvers", "add people to it in policies/directory"),
        ("everybody", "bad-pattern", ""),
        ("[]", "too-few", ""),
        ("[owners, 7]", "bad-pattern", ""),
        ("{a: b}", "wrong-type", ""),
        ("'manager+0'", "bad-pattern", ""),
        ("subject", "bad-pattern", ""),
    ],
)
def test_a_source_that_makes_no_sense_is_a_finding(source: str, code: str, hint: str) -> None:
    (finding,) = needs(f"{{at_least: 1, from: {source}}}").broken
    assert finding.code == code
    assert hint in finding.hint


def test_what_no_subject_could_have_approved_is_found_before_anybody_asks() -> None:
    def codes(found: Policy) -> list[str]:
        return [f.message for f in probe(found) if f.code == "requirement-unmeetable"]

    assert codes(needs("{at_least: 1, from: manager}", "{at_least: 1, from: 'manager+1'}")) == []
    assert codes(needs("{at_least: 2, from: manager}")) == [
        "what rule asks asks for can never be met: 2 approvals from manager must be given, but there is only manager"
    ]
    assert codes(needs("{at_least: 2, from: [manager, 'person:dan']}")) == []
    flat = DIRECTORY.replace(", manager: bob", "")
    (said,) = codes(needs("{at_least: 1, from: manager}", directory=flat))
    assert said.startswith("what rule asks asks for can never be met: nobody can give the approval from manager")


def test_managers_who_are_no_employees_are_pointed_at() -> None:
    hired = LINE.replace("bob: {manager", "bob: {employment: contractor, manager")
    (found,) = [
        f for f in probe(needs("{at_least: 1, from: manager}", directory=hired)) if f.code == "outside-approvers"
    ]
    assert found.message == "people who are no employees can approve: bob (contractor)"


# Who may ask for others


def only(*sources: str, directory: str = LINE) -> Policy:
    settings = SETTINGS + f"limits: {{ask_for_others: [{', '.join(sources)}]}}\n"
    return policy(daypass=settings, directory_people=directory)


@pytest.mark.parametrize(
    ("requester", "subject", "allowed"),
    [
        ("alice", "alice", True),
        ("bob", "alice", True),
        ("dan", "alice", True),
        ("carol", "alice", False),
        ("alice", "bob", False),
        ("bob", "nightly", True),  # of the owners of the workload
        ("alice", "nightly", False),
    ],
)
def test_the_settings_say_who_may_ask_for_others(requester: str, subject: str, allowed: bool) -> None:
    denials = ask(only("manager", "'group:security'"), requester, subject).denials
    assert ("not-asked-for-them" not in [denial.code for denial in denials]) is allowed


def test_asking_for_others_without_standing_says_who_has_it() -> None:
    (denial,) = [d for d in ask(only("manager"), "dan", "alice").denials if d.code == "not-asked-for-them"]
    assert denial.message == "dan asks for access of alice, and limits.ask_for_others leaves that to manager"
    assert denial.hint == "let alice ask, or one of these"


def test_anybody_may_ask_for_others_where_the_settings_do_not_say() -> None:
    assert [d.code for d in ask(policy(), "vera", "alice").denials if d.code == "not-asked-for-them"] == []


@pytest.mark.parametrize(
    ("source", "code"),
    [("'group:nobody'", "unknown-group"), ("'person:nobody'", "unknown-member"), ("subject", "bad-pattern")],
)
def test_who_may_ask_for_others_must_be_somebody(source: str, code: str) -> None:
    assert [finding.code for finding in only(source).broken] == [code]


# Passing at once for others

PASSES = "  - {id: quick, when: 'true', approve: automatically}\n"


def test_passing_at_once_is_for_who_asks_for_themselves() -> None:
    found = rules(PASSES)
    assert ask(found).automatic
    for_her = ask(found, "carol")
    assert not for_her.automatic
    assert [(need.source, need.rules) for need in for_her.requirements] == [("owners", ("default",))]
    assert for_her.rules == ()
    assert for_her.applied == ("quick",)


def test_a_rule_may_let_pass_what_is_asked_on_behalf_of_others() -> None:
    found = ask(rules(PASSES.replace("automatically", "automatically, on_behalf: true")), "carol")
    assert (found.automatic, found.rules) == (True, ("quick",))


def test_what_an_earlier_release_let_pass_is_judged_as_it_was() -> None:
    asked = Request(grant(), "carol", AT, judging=1)
    assert decide(rules(PASSES), asked).automatic


def test_managers_in_a_circle_did_not_deny_what_an_earlier_release_judged() -> None:
    found = policy(directory_people=LINE.replace("dan: {name", "dan: {manager: bob, name"))
    codes = [
        [d.code for d in decide(found, Request(grant(), "alice", AT, judging=judging)).denials] for judging in (1, 2)
    ]
    assert codes == [[], ["policy-broken"]]


def test_on_behalf_says_nothing_of_a_rule_that_lets_nothing_pass() -> None:
    (finding,) = rules("  - {id: no, when: 'true', deny: true, on_behalf: true}\n").broken
    assert (finding.code, finding.message) == (
        "rule-contradicts",
        "rule no has on_behalf, which says for whom approve: automatically holds",
    )
