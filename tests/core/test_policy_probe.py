"""Rules that can never apply, that fail, and that name what is not there."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from msgspec.structs import replace
from policy_samples import AT, DIRECTORY, RESOURCE, SETTINGS, files, grant, policy, read_policies, rules, shown

from daypass.core.policy.analysis.probe import probe
from daypass.core.policy.analysis.samples import MOST, samples_of
from daypass.core.policy.decision import Request, decide

NEVER = (
    "can never apply: no request that is possible here makes its condition true [mend the condition or remove the rule]"
)


def found(when, effect="deny: true"):
    return shown(probe(rules(f"  - {{id: a, when: '{when}', {effect}}}\n")))


def test_the_sample_policy_has_nothing_to_tell():
    assert probe(policy()) == ()


@pytest.mark.parametrize(
    "when",
    [
        "false",
        'resource.environment == "production" && resource.environment == "staging"',
        'grant.duration > duration("721h")',
        'grant.duration > duration("8h") && grant.duration < duration("8h")',
        "grant.emergency && !grant.emergency",
        'grant.absolute && subject.kind == "person" && !grant.absolute',
        'request.kind == "new" && request.kind == "widen"',
        'within_hours(request.opened_at, "Mon 08:00-09:00", "UTC") && within_hours(request.opened_at, "Tue 08:00-09:00", "UTC")',
        'within_hours(access.from, "Mon 08:00-09:00", "UTC") && within_hours(access.from, "Tue 08:00-09:00", "UTC")',
        'role.max_duration > duration("9000h")',
        'grant.role == "admin" && resource.name == "wiki"',
        'request.requester == "bob" && request.requester == "dan"',
        "requester.groups.size() > 3",
    ],
)
def test_a_rule_that_can_never_apply_is_found(when):
    assert found(when) == [f"3:20 rule-never-applies rule a {NEVER}"]


@pytest.mark.parametrize(
    "when",
    [
        'resource.environment == "development"',  # no such resource yet, but there may be one tomorrow
        'resource.environment == "staging" && resource.classification == "public"',
        '"security" in subject.groups && subject.employment == "vendor"',
        'grant.duration == duration("8h")',
        'grant.duration > duration("2h45m30s") && grant.duration < duration("2h46m")',
        'grant.purpose == "incident"',
        "grant.emergency",
        'subject.vendor == "acme"',
        'within_hours(request.opened_at, "Sun 03:00-03:01", "Asia/Tokyo")',
        'within_hours(access.from, "Sun 03:00-03:01", "Asia/Tokyo")',
        '!within_hours(request.opened_at, "Mon-Sun 00:00-23:59", "Europe/Berlin")',
        '"dba" in requester.groups && request.kind == "widen"',
        "grant.absolute",
    ],
)
def test_a_rule_that_may_apply_is_left_alone(when):
    assert found(when) == []


@pytest.mark.parametrize(
    "when",
    [
        'grant.ticket == "never"',
        'grant.reason.contains("zzz")',
        'grant.id == "orders-db/nothing"',
        'request.opened_at > timestamp("2030-01-01T00:00:00Z")',
        "request.opened_at.getFullYear() == 1999",
        'grant.duration + grant.duration == duration("7h")',
        "grant.duration.getHours() == 5",
        'within_hours(request.opened_at, grant.ticket, "UTC") && false',
        'duration("1h") in [grant.duration]',
        "access.from > access.until",
        'access.until - access.from == duration("7h")',
        'within_hours(request.opened_at, grant.ticket + "Mon 08:00-09:00", "UTC") && false',
    ],
)
def test_what_cannot_be_tried_out_in_full_is_never_called_impossible(when):
    assert not any("rule-never-applies" in line for line in found(when))


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        (
            "1 / (request.opened_at.getHours() - 9) == 3",
            "3:20 rule-fails rule a fails: divide by zero, for example with request.opened_at = 2026-01-05T09:00:00Z "
            "[a rule that fails denies; guard it with a condition]",
        ),
        (
            "int(grant.ticket) > 3",
            '3:20 rule-fails rule a fails: cannot convert string to int, for example with grant.ticket = "" '
            "[a rule that fails denies; guard it with a condition]",
        ),
        (
            "1 / 0 == 1",
            "3:20 rule-fails rule a fails: divide by zero [a rule that fails denies; guard it with a condition]",
        ),
    ],
)
def test_a_rule_that_fails_is_found_with_an_example(when, expected):
    assert found(when) == [expected]


def test_what_a_denial_depends_on_is_tried_where_the_rule_applies():
    failing = 'resource.owners[1] == "dba"'
    lines = shown(probe(rules(f"  - {{id: a, when: 'true', deny_unless: '{failing}'}}\n")))
    assert lines[0].startswith("3:41 rule-fails rule a fails: ")
    assert 'for example with resource.owners = ["dba"]' in lines[0]
    assert shown(probe(rules(f"  - {{id: a, when: 'grant.role == \"\"', deny_unless: '{failing}'}}\n"))) != []


def test_a_failure_found_here_is_a_denial_there():
    bad = rules("  - {id: a, when: 'int(grant.ticket) > 3', deny: true}\n")
    (case,) = read_policies(
        {
            **files(),
            "policies/tests/a.yaml": b"version: 1\ncases:\n  - {name: x, request: {subject: alice, resource: wiki, "
            b"role: editor, window: {duration: 1h}}, at: 2026-11-20T10:00:00Z, expect: {denied: [a]}}\n",
        }
    ).tests
    assert [d.code for d in decide(bad, Request(case.grant, "alice", case.at)).denials] == ["rule-failed"]


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        (
            'true || resource.environment == "prodution"',
            "3:52 unknown-name there is no environment 'prodution' [did you mean production?]",
        ),
        (
            'true || "enginering" in subject.groups',
            "3:28 unknown-name there is no group 'enginering' [did you mean engineering?]",
        ),
        (
            'true || grant.role in ["admin", "rot"]',
            "3:52 unknown-name there is no role 'rot' [known: admin, editor, readonly]",
        ),
        (
            'true || "orders" != resource.name',
            "3:28 unknown-name there is no resource 'orders' [did you mean orders-db?]",
        ),
        (
            'true || subject.vendor == "acmee"',
            "3:46 unknown-name there is no vendor 'acmee' [did you mean acme?]",
        ),
        (
            'true || request.kind == "old"',
            "3:44 unknown-name there is no kind of request 'old' [known: new, widen]",
        ),
    ],
)
def test_names_that_do_not_exist_are_found_at_their_character(when, expected):
    assert found(when) == [expected]


@pytest.mark.parametrize(
    "when",
    [
        'grant.purpose == "" || grant.ticket == "INC-1" || "personal" in resource.data',
        'subject.handle == "alice" || grant.subject in ["bob", "dan"]',
        '["a"] == ["a"] && "a" == "a" && grant.role in [grant.role]',
        '{"a": grant.role}["a"] == grant.role',
    ],
)
def test_names_that_are_free_or_exist_are_left_alone(when):
    assert found(when) == []


def test_a_resource_with_a_fault_is_still_a_name():
    base = files(resources_wiki="version: 2\n", rules_base=None)
    base["policies/rules/base.yaml"] = (
        b"version: 1\nrules:\n  - {id: a, when: 'true || resource.name == \"wiki\"', deny: true}\n"
    )
    assert probe(read_policies(base)) == ()


def test_policies_that_are_broken_are_not_tried():
    assert probe(rules("  - {id: a, when: 'fals', deny: true}\n")) == ()


def test_an_empty_catalogue_is_tried_with_what_it_could_hold():
    text = "version: 1\nrules:\n  - {id: a, when: 'resource.environment == \"production\"', deny: true}\n"
    empty = policy(resources_orders_db=None, resources_wiki=None, rules_base=text)
    assert probe(empty) == ()


def test_trying_ends_even_when_the_worlds_do_not():
    groups = "".join(f"  g{n}: {{members: [bob]}}\n" for n in range(30))
    people = "".join(f"  p{n}: {{name: P}}\n" for n in range(60))
    directory = f"version: 1\npeople:\n  bob: {{}}\n{people}groups:\n  dba: {{members: [bob]}}\n{groups}"
    when = (
        'subject.handle == "p1" && grant.reason == "x" && request.requester == "p2" && grant.duration > duration("1h")'
    )
    big = policy(
        directory_people=directory, rules_base=f"version: 1\nrules:\n  - {{id: a, when: '{when}', deny: true}}\n"
    )
    samples = samples_of(big.rules.rules[0], big.catalogue, big.facts)
    assert samples.count > MOST
    assert not samples.complete
    assert 0 < sum(1 for _ in samples) <= MOST
    assert probe(big) == ()


def test_a_requirement_that_nobody_could_ever_meet_is_found():
    (only,) = probe(rules('  - {id: a, when: "true", require: [{approvals: {at_least: 9, from: group:security}}]}\n'))
    assert (only.code, only.is_error) == ("requirement-unmeetable", True)
    assert "what rule a asks for can never be met: 9 approvals from group:security must be given" in only.message


def owned_by_security(when, at_least):
    """Two owners on the wiki, one on the database."""
    asks = f"require: [{{approvals: {{at_least: {at_least}, from: owners}}}}]"
    return policy(
        rules_base=f"version: 1\nrules:\n  - {{id: a, when: '{when}', {asks}}}\n",
        resources_orders_db=RESOURCE.replace("owners: [dba]", "owners: [security]"),
    )


def test_owners_that_are_too_few_on_one_resource_are_a_warning_and_on_all_an_error():
    (few,) = probe(owned_by_security("true", 2))
    assert (few.code, few.severity.value) == ("requirement-unmeetable", "warning")
    assert "what rule a asks for on orders-db can never be met: 2 approvals from owners" in few.message
    assert [finding.is_error for finding in probe(owned_by_security("true", 3))] == [True, True]


def test_a_resource_that_the_rule_never_applies_to_needs_no_people_for_it():
    assert probe(owned_by_security('resource.name == "wiki"', 2)) == ()
    (found,) = probe(owned_by_security('grant.role == "admin" && subject.handle == "alice"', 2))
    assert found.is_error


def test_people_who_come_in_later_can_meet_it():
    asks = "{approvals: {at_least: 2, from: group:security}"
    assert found("true", f"require: [{asks}}}]")
    assert not found("true", f"require: [{asks}, escalate: {{after: 4h, to: group:dba}}}}]")


def local(unsigned):
    return SETTINGS + f"limits: {{unsigned: {unsigned}}}\n"


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (SETTINGS, "anybody who can write to this repository can approve as bob, carol, dan: they have no ssh_keys"),
        (
            local("refuse"),
            "people without ssh_keys in the directory cannot approve (limits.unsigned): bob, carol, dan",
        ),
        (local("accept"), ""),
        (SETTINGS.replace("kind: local", "kind: github, repository: acme/access"), ""),
    ],
)
def test_on_the_local_forge_who_can_approve_without_a_key_is_named(settings, expected):
    told = [f for f in probe(policy(daypass=settings)) if f.code == "unsigned-approvers"]
    assert all(f.hint.startswith("give each their public SSH key") and "; accept" not in f.hint for f in told)
    assert [(f.message, f.severity.value) for f in told] == ([(expected, "warning")] if expected else [])


def test_people_with_keys_are_no_matter_and_many_are_counted():
    many = "".join(f"  p{n}: {{email: p{n}@example.com}}\n" for n in range(9))
    public = Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    keyed = DIRECTORY.replace("email: dan@example.com", f'email: dan@example.com, ssh_keys: ["{public}"]')
    crowd = keyed.replace("groups:\n", many + "groups:\n").replace(
        "[bob, carol]", "[" + ", ".join(f"p{n}" for n in range(9)) + "]"
    )
    (told,) = [f for f in probe(policy(directory_people=crowd, daypass=SETTINGS)) if f.code == "unsigned-approvers"]
    assert "p0, p1, p2, p3, p4, p5, p6, p7 and 1 more" in told.message
    assert "dan" not in told.message


def test_owners_none_of_whom_may_approve_are_pointed_at_with_the_true_cause():
    hired = DIRECTORY.replace("carol: {", "carol: {employment: contractor, ").replace(
        "bob: {", "bob: {employment: contractor, "
    )
    only = SETTINGS + "limits: {approvers: {employment: [employee]}, unsigned: accept}\n"
    passes = "version: 1\nrules:\n  - {id: a, when: 'true', approve: automatically}\n"
    told = probe(policy(rules_base=passes, directory_people=hired, daypass=only))
    assert [(f.code, f.severity.value) for f in told] == [("requirement-unmeetable", "warning")] * 2
    assert "none of the people of dba is engaged as limits.approvers asks (employee)" in told[0].message


def test_owners_who_have_all_left_are_told_so():
    left = DIRECTORY.replace("carol: {", "carol: {until: 2026-11-01, ").replace("bob: {", "bob: {until: 2026-11-01, ")
    found = decide(policy(directory_people=left), Request(grant(), "alice", AT))
    assert any("everybody in dba has left" in denial.message for denial in found.denials)


def test_where_everybody_has_a_key_there_is_nobody_to_name():
    found = policy(daypass=SETTINGS)
    people = {name: replace(one, keys=("ssh-ed25519 …",)) for name, one in found.catalogue.directory.subjects.items()}
    catalogue = replace(found.catalogue, directory=replace(found.catalogue.directory, subjects=people))
    assert not [f for f in probe(replace(found, catalogue=catalogue)) if f.code == "unsigned-approvers"]


@pytest.mark.parametrize(
    "calendar",
    [
        "zone: Europe/Berlin\nhours: Mon-Fri 08:00-19:00\nexcept: [2026-12-24]\n",
        "zone: UTC\ndays: [2031-12-20..2032-01-02]\n",
    ],
)
def test_a_rule_is_tried_at_the_edges_of_the_calendar_that_it_names(calendar):
    one = policy(
        rules_base="version: 1\nrules:\n  - {id: a, when: 'in_calendar(access.from, \"x\")', deny: true}\n",
        calendars_x="version: 1\n" + calendar,
    )
    samples = samples_of(one.rules.rules[0], one.catalogue, one.facts)
    assert not samples.complete
    assert {one.rules.rules[0].when.holds(facts) for facts in samples} == {True, False}
    assert probe(one) == ()


def test_a_calendar_of_no_zone_is_tried_nowhere():
    one = policy(
        rules_base="version: 1\nrules:\n  - {id: a, when: 'in_calendar(access.from, \"x\")', deny: true}\n",
        calendars_x="version: 1\nzone: Mars/Olympus\nhours: Mon 08:00-09:00\n",
    )
    assert (
        samples_of(one.rules.rules[0], one.catalogue, one.facts).count == 7 * 24 + 1
    )  # at, or up to, each hour of a week
