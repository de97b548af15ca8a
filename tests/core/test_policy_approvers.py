"""Who can approve, and whether they are enough."""

from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from msgspec.structs import replace
from policy_samples import AT, DIRECTORY, RULES, SETTINGS, grant, policy, rules

from daypass.core.policy import requirement
from daypass.core.policy.analysis.probe import probe
from daypass.core.policy.decision import Request, decide
from daypass.core.policy.requirement import Requirement, resolve
from daypass.core.policy.shortage import shortage
from daypass.core.policy.sources import Ending

NONE = "  - {id: quiet, when: 'false', deny: true}\n"


def day(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def ask(found, wanted=None, *, requester="alice", at=AT, **more):
    return decide(found, Request(wanted or grant(), requester, at, **more))


def approvers(catalogue, wanted, source, at=None, requester=""):
    return requirement.approvers(catalogue, Ending(wanted.resource, wanted.subject, requester), source, at)


def told(denials):
    return [(d.code, d.rule, d.message, d.hint) for d in denials]


def test_owners_are_the_people_of_the_groups_that_own_the_resource():
    found = policy()
    assert approvers(found.catalogue, grant(), "owners") == ("bob", "carol")
    assert approvers(found.catalogue, grant(), "group:security") == ("dan",)
    assert approvers(found.catalogue, grant(), "group:engineering") == ("alice", "bob", "carol")


@pytest.mark.parametrize("source", ["group:nobody", "anyone", "", "security"])
def test_an_unknown_source_is_nobody(source):
    assert approvers(policy().catalogue, grant(), source) == ()


def test_a_source_that_is_of_the_access_is_asked_anew_for_each() -> None:
    found = policy().catalogue
    assert [approvers(found, grant(subject=who), "subject") for who in ("alice", "carol")] == [("alice",), ("carol",)]


def test_nobody_owns_an_unknown_resource():
    assert approvers(policy().catalogue, grant(resource="x"), "owners") == ()


def test_workloads_never_approve():
    found = policy(directory_people=DIRECTORY.replace("members: [dan]", "members: [dan, nightly]"))
    assert approvers(found.catalogue, grant(), "group:security") == ("dan",)


def test_people_whose_engagement_is_over_do_not_count():
    found = policy(directory_people=DIRECTORY.replace("members: [dan]", "members: [vera, dan]"))
    assert approvers(found.catalogue, grant(), "group:security", day("2026-11-30T00:00:00")) == ("dan", "vera")
    assert approvers(found.catalogue, grant(), "group:security", day("2026-12-01T00:00:00")) == ("dan",)


TWO = "  - {id: two, when: 'true', require: [{approvals: {at_least: 2, from: owners}}]}\n"


def test_too_few_approvers_without_subject_and_requester_are_told():
    assert told(ask(rules(TWO), grant(subject="bob"), requester="carol").denials) == [
        (
            "too-few-approvers",
            "",
            "2 approvals from owners must be given, but without bob and carol, who may not approve this themselves, "
            "there is nobody",
            "add people to owners in policies/directory",
        )
    ]
    assert told(ask(rules(TWO), requester="carol").denials)[0][2] == (
        "2 approvals from owners must be given, but without carol, who may not approve this themselves, there is only bob"
    )
    assert ask(rules(TWO)).denials == ()


def test_too_few_people_at_all_are_told_without_naming_who_is_out():
    three = TWO.replace("at_least: 2", "at_least: 3")
    assert (
        told(ask(rules(three)).denials)[0][2] == "3 approvals from owners must be given, but there is only bob, carol"
    )


def test_different_sources_need_different_people():
    text = "  - {id: a, when: 'true', require: [{approvals: {at_least: 2, from: owners}}]}\n"
    text += "  - {id: b, when: 'true', require: [{approvals: {at_least: 1, from: group:dba}}]}\n"
    assert told(ask(rules(text)).denials) == [
        (
            "too-few-approvers",
            "",
            "the approvals needed (1 from group:dba, 2 from owners) must come from different people, and there are not enough",
            "add people to the groups in policies/directory",
        )
    ]


def test_people_are_shared_out_so_that_everyone_who_can_be_met_is():
    text = "  - {id: a, when: 'true', require: [{approvals: {at_least: 1, from: group:engineering}}]}\n"
    text += "  - {id: b, when: 'true', require: [{approvals: {at_least: 1, from: owners}}]}\n"
    text += "  - {id: c, when: 'true', require: [{approvals: {at_least: 1, from: group:security}}]}\n"
    assert ask(rules(text), grant(subject="nightly"), requester="alice").denials == ()


def test_an_escalation_can_save_a_source_that_only_the_subject_is_in():
    found = policy()
    assert ask(found, grant(subject="dan"), requester="dan").denials == ()
    text = RULES.replace(", escalate: {after: 4h, to: group:dba}", "")
    alone = policy(rules_base=text)
    assert [d.code for d in ask(alone, grant(subject="dan"), requester="dan").denials] == ["too-few-approvers"]


def test_an_approver_set_that_ran_empty_is_no_pass():
    leaving = DIRECTORY.replace("dan: {name: Dan Orr,", "dan: {name: Dan Orr, until: 2026-11-20,")
    assert told(ask(policy(directory_people=leaving)).denials) == [
        (
            "no-approvers",
            "",
            "nobody can give the approval from group:security: everybody in security has left",
            "add people to security in policies/directory",
        )
    ]


def test_a_group_without_anybody_is_said_to_have_no_people():
    empty = policy().catalogue
    nobody = replace(
        empty, directory=replace(empty.directory, groups={**empty.directory.groups, "security": frozenset()})
    )
    asked = Ending("orders-db", "alice", "alice")
    (found,) = shortage(nobody, asked, resolve(nobody, asked, (Requirement(1, "group:security"),), AT), AT)
    assert found[1] == "nobody can give the approval from group:security: security has no people"


WITH_VERA = DIRECTORY.replace("members: [dan]", "members: [vera, dan]")
ONLY = "version: 1\ntargets: {{embedded: {{kind: embedded}}}}\nlimits: {{approvers: {{employment: [{}]}}}}\n"


def test_the_settings_may_leave_approving_to_some_kinds_of_employment():
    only = policy(directory_people=WITH_VERA, daypass=ONLY.format("employee, contractor"))
    assert approvers(only.catalogue, grant(), "group:security") == ("dan",)
    both = policy(directory_people=WITH_VERA, daypass=ONLY.format("employee, vendor"))
    assert approvers(both.catalogue, grant(), "group:security") == ("dan", "vera")


def test_who_can_approve_and_is_no_employee_is_pointed_at_until_the_settings_say_who_may():
    (found,) = [f for f in probe(policy(directory_people=WITH_VERA)) if f.code == "outside-approvers"]
    assert (found.message, found.severity.value) == (
        "people who are no employees can approve: vera (vendor)",
        "warning",
    )
    for said in ("employee", "employee, vendor"):
        told_of = probe(policy(directory_people=WITH_VERA, daypass=ONLY.format(said)))
        assert [f for f in told_of if f.code == "outside-approvers"] == []


def test_people_of_vendors_who_can_approve_nothing_are_no_concern():
    assert [f for f in probe(policy()) if f.code == "outside-approvers"] == []


def test_many_outsiders_are_counted():
    people_ = "".join(f"  v{n}: {{employment: contractor}}\n" for n in range(10))
    more = DIRECTORY.replace("groups:\n", f"{people_}groups:\n").replace(
        "members: [dan]", f"members: [dan, {', '.join(f'v{n}' for n in range(10))}]"
    )
    (found,) = [f for f in probe(policy(directory_people=more)) if f.code == "outside-approvers"]
    assert found.message.endswith("v7 (contractor) and 2 more")


def test_somebody_is_absent_once_their_engagement_or_their_vendors_is_over():
    catalogue = policy().catalogue
    assert catalogue.absence("vera", day("2026-11-30T00:00:00")) == ""
    assert catalogue.absence("vera", day("2026-12-01T00:00:00")) == "was engaged until 2026-12-01T00:00:00Z only"
    assert catalogue.absence("nobody", AT) == "is not in the directory"


def test_who_asks_for_somebody_else_must_be_engaged_when_they_ask():
    found = ask(policy(), requester="vera", at=day("2026-12-02T10:00:00"))
    assert [(d.code, d.message) for d in found.denials] == [
        (
            "engagement-over",
            "vera was engaged until 2026-12-01T00:00:00Z only, and opened the request at 2026-12-02T10:00:00Z",
        )
    ]


def test_where_only_what_is_signed_counts_people_without_keys_are_nobody_and_check_says_so():
    refuse = SETTINGS + "limits: {unsigned: refuse}\n"
    found = policy(daypass=refuse)
    assert approvers(found.catalogue, grant(), "owners") == ()
    (said,) = [d for d in ask(found).denials if d.code == "no-approvers" and "from owners" in d.message]
    assert said.message.endswith(
        "none of the people of dba has an SSH key, and limits.unsigned refuses what nobody signed"
    )
    assert said.hint == "add ssh_keys to them in policies/directory"
    unmet = [f for f in probe(found) if f.code == "requirement-unmeetable"]
    assert any(f.is_error for f in unmet)
    hired = DIRECTORY.replace("dan: {", "dan: {employment: contractor, ")
    assert [f for f in probe(policy(daypass=refuse, directory_people=hired)) if f.code == "outside-approvers"] == []
    at_github = refuse.replace("kind: local", "kind: github, repository: acme/access")
    assert approvers(policy(daypass=at_github).catalogue, grant(), "owners") == ("bob", "carol")


def test_where_some_have_keys_and_they_are_too_few_the_hint_names_whom_to_give_one():
    public = Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    keyed = DIRECTORY.replace("email: carol@example.com", f'email: carol@example.com, ssh_keys: ["{public}"]')
    assert keyed != DIRECTORY
    text = "version: 1\nrules:\n" + TWO
    found = policy(daypass=SETTINGS + "limits: {unsigned: refuse}\n", directory_people=keyed, rules_base=text)
    assert told(ask(found).denials) == [
        (
            "too-few-approvers",
            "",
            "2 approvals from owners must be given, but there is only carol",
            "add people to owners in policies/directory, or ssh_keys to bob: limits.unsigned refuses what nobody signed",
        )
    ]
