"""Two policies side by side: what one lets through that the other did not."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from policy_samples import AT, DIRECTORY, PURPOSE, RESOURCE, RULES, grant, policy, rules

from daypass.core.policy.analysis.between import between
from daypass.core.policy.analysis.compare import MOST, Move, PolicyChange, PolicyComparison, compare, search, shifts
from daypass.core.policy.decision import Request, decide
from daypass.core.window import Span
from examples import examples

TWO = "  - {id: two, when: 'true', require: [{approvals: {at_least: 2, from: owners}}]}\n"
ONE = TWO.replace("2", "1")


def moved(before, after):
    """Write what a search finds: how it moved, and who shows it with which role for how long."""
    return [
        (
            " and ".join(shift.value for shift in Move if shift in one.shifts),
            one.request.grant.subject,
            f"{one.request.grant.resource}/{one.request.grant.role}",
            one.request.grant.span.length,
        )
        for one in search(before, after, AT, 1_500).differences
    ]


def test_the_same_policies_say_the_same():
    found = search(policy(), policy(), AT, 500)
    assert (found.differences, found.looser) == ((), False)
    assert 0 < found.tried <= found.possible


@pytest.mark.parametrize(
    ("before", "after", "expected", "looser"),
    [
        (TWO, ONE, {"asks fewer", "permits"}, True),
        (ONE, TWO, {"asks more", "denies"}, False),
        ("  - {id: no, when: 'true', deny: true}\n", ONE, {"permits"}, True),
        (ONE, "  - {id: no, when: 'true', deny: true}\n", {"denies"}, False),
        (ONE, ONE.replace("owners", "group:security"), {"asks fewer and asks more", "denies"}, True),
        (ONE, "  - {id: yes, when: 'true', approve: automatically}\n", {"asks fewer"}, True),
        (ONE, ONE.replace("}}]", "}, escalate: {after: 4h, to: group:security}}]"), {"asks fewer"}, True),
        (ONE.replace("}}]", "}, escalate: {after: 4h, to: group:security}}]"), ONE, {"asks more"}, False),
        (
            ONE.replace("}}]", "}, escalate: {after: 4h, to: group:security}}]"),
            ONE.replace("}}]", "}, escalate: [{after: 3h, to: group:security}, {after: 2d, close: true}]}]"),
            {"asks fewer"},
            True,
        ),
    ],
)
def test_each_way_in_which_a_decision_may_move(before, after, expected, looser):
    found = search(rules(before), rules(after), AT, 500)
    assert {" and ".join(s.value for s in Move if s in one.shifts) for one in found.differences} == expected
    assert found.looser is looser


CHAIN = """  - id: chain
    when: 'true'
    require:
      - {approvals: {at_least: 1, from: owners}}
      - {approvals: {at_least: 1, from: group:security}, after: owners}
"""


def test_an_approval_that_need_not_wait_for_another_any_more_is_looser():
    plain = CHAIN.replace(", after: owners", "")
    for found in (search(rules(CHAIN), rules(plain), AT, 500), between(rules(CHAIN), rules(plain), AT)):
        assert {one.shifts for one in found.differences} == {frozenset({Move.FEWER})}
    assert not between(rules(plain), rules(CHAIN), AT).looser


def test_to_come_after_what_nobody_asks_is_no_order():
    vain = CHAIN.replace("after: owners", "after: group:dba")
    assert not between(rules(vain), rules(CHAIN.replace(", after: owners", "")), AT).differences


def test_the_loosest_comes_first_and_what_moved_alike_is_one():
    after = RULES.replace('duration("4h")', 'duration("6h")').replace("Mon-Fri 08:00-19:00", "Mon-Fri 09:00-19:00")
    found = search(policy(), policy(rules_base=after), AT, 1_500)
    assert [one.looser for one in found.differences] == sorted((one.looser for one in found.differences), reverse=True)
    first = found.differences[0]
    assert timedelta(hours=4) < first.request.grant.span.length <= timedelta(hours=6)
    assert first.count > 1


def test_who_came_and_what_was_widened_is_found_with_its_first_request():
    joined = DIRECTORY.replace("groups:", "  erin: {name: Erin Vogt}\ngroups:", 1)
    assert {(how, who) for how, who, *_ in moved(policy(), policy(directory_people=joined))} == {("permits", "erin")}
    longer = RESOURCE.replace("max_duration: 8h", "max_duration: 9h")
    [(how, role, length)] = [
        (how, role, length) for how, _, role, length in moved(policy(), policy(resources_orders_db=longer))
    ]
    assert (how, role) == ("permits", "orders-db/readonly")
    assert timedelta(hours=8) < length <= timedelta(hours=9)


def test_who_may_approve_from_now_on_is_told_with_the_first_request_for_it():
    joined = DIRECTORY.replace("security: {members: [dan]}", "security: {members: [dan, carol]}")
    more = RESOURCE.replace("owners: [dba]", "owners: [dba, security]")
    for after in (policy(directory_people=joined), policy(resources_orders_db=more)):
        found = search(policy(), after, AT, 1_500)
        assert found.looser
        assert {shift for one in found.differences for shift in one.shifts} == {Move.APPROVERS}
        assert {one.request.grant.resource for one in found.differences} == {"orders-db"}
        assert not search(after, policy(), AT, 1_500).looser


def test_an_approver_who_is_only_called_otherwise_is_nobody_new():
    called = DIRECTORY.replace("dan: {name: Dan Orr,", "daniel: {name: Dan Orr, was: [dan],").replace(
        "[dan]}", "[daniel]}"
    )
    found = search(policy(), policy(directory_people=called), AT, 1_500)
    assert not {shift for one in found.differences for shift in one.shifts} & {Move.APPROVERS}


def test_a_ticket_that_is_no_longer_demanded_is_found():
    free = PURPOSE.replace("required: true", "required: false")
    assert {how for how, *_ in moved(policy(), policy(purposes_incident=free))} == {"permits"}


def test_what_both_demand_of_a_request_hides_nothing_else():
    longer = PURPOSE.replace("4h", "5h")
    found = moved(policy(), policy(purposes_incident=longer))
    assert found
    assert all(how == "permits" and timedelta(hours=4) < length <= timedelta(hours=5) for how, *_, length in found)
    more = PURPOSE + "fields: {due: {kind: moment, required: true}}\n"
    assert {how for how, *_ in moved(policy(), policy(purposes_incident=more))} == {"denies"}
    assert {how for how, *_ in moved(policy(purposes_incident=more), policy())} == {"permits"}


def test_a_rule_about_one_person_is_tried_with_that_person():
    shut = RULES + "  - {id: dan, when: 'grant.subject == \"dan\"', deny: true}\n"
    assert {(how, who) for how, who, *_ in moved(policy(), policy(rules_base=shut))} == {("denies", "dan")}


def test_a_rule_about_who_asks_is_tried_with_everybody():
    shut = RULES + '  - {id: dan, when: \'request.requester == "dan" && grant.subject != "dan"\', deny: true}\n'
    found = search(policy(), policy(rules_base=shut), AT, 1_500)
    assert {one.request.requester for one in found.differences} == {"dan"}


def test_a_search_that_is_too_large_tries_some_and_says_so():
    named = "".join(
        f"  - {{id: r{n}, when: 'grant.duration > duration(\"{n}m\")', deny: true}}\n" for n in range(1, 100)
    )
    found = search(rules(named), rules(named), AT, 300)
    assert 100 < found.tried <= 300 < MOST < found.possible


def test_requests_of_the_past_are_judged_as_they_were_asked():
    asked = [Request(grant(hours=hours), "alice", AT) for hours in (1, 3)]
    short = rules("  - {id: short, when: 'grant.duration > duration(\"2h\")', deny: true}\n")
    gathered = PolicyComparison()
    for request in asked:
        gathered.add(compare(rules(ONE), short, request))
    found = gathered.result()
    assert [(one.request, one.shifts) for one in found.differences] == [(asked[1], frozenset({Move.DENIES}))]
    assert (found.tried, found.possible) == (2, 2)


CONDITIONS = (
    "true",
    'grant.role == "admin"',
    'grant.duration > duration("3h")',
    'grant.duration <= duration("90m")',
    '"engineering" in subject.groups',
    "grant.emergency",
    'within_hours(access.from, "Mon-Fri 08:00-19:00", "Europe/Berlin")',
)
EFFECTS = ("deny: true", "approve: automatically", "require: [{approvals: {at_least: 1, from: group:security}}]")
MADE = st.lists(st.tuples(st.sampled_from(CONDITIONS), st.sampled_from(EFFECTS)), max_size=3)


def made(parts):
    return (
        rules("".join(f"  - {{id: r{n}, when: '{when}', {what}}}\n" for n, (when, what) in enumerate(parts)))
        if parts
        else policy(rules_base=None)
    )


@settings(max_examples=examples(40))
@given(MADE, MADE)
def test_what_trying_everything_finds_a_search_finds_too(one, other):
    before, after = made(one), made(other)
    brute = False
    for who in ("alice", "bob", "dan"):
        for minutes in (30, 90, 91, 180, 181, 240, 480):
            for resource, role in (("orders-db", "readonly"), ("orders-db", "admin"), ("wiki", "editor")):
                for purpose, ticket in (("", ""), ("incident", "INC-1")):
                    for at in (AT, AT + timedelta(hours=12)):
                        asked = grant(subject=who, resource=resource, role=role, purpose=purpose, ticket=ticket)
                        request = Request(replace(asked, span=Span(duration=timedelta(minutes=minutes))), who, at)
                        brute = brute or bool(
                            shifts(decide(before, request), decide(after, request)) & {Move.PERMITS, Move.FEWER}
                        )
    assert search(before, after, AT, 800).looser or not brute


def test_a_change_is_looser_where_what_was_compared_is():
    loose = search(policy(), rules("  - {id: all, when: 'true', approve: automatically}\n"), AT, 300)
    assert PolicyChange(loose).looser
    assert not PolicyChange(why="it does not read").looser
