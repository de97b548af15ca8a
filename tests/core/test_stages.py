"""Approvals in an order: since when each stage is open, what counts when, and what rules may say of it."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from policy_samples import AT, DIRECTORY, SETTINGS, files, grant, read_policies, shown

from daypass.core.approval.judgement import Judgement, judge
from daypass.core.approval.stages import Excluded, Then
from daypass.core.calendar.wait import Wait
from daypass.core.forge import Account, Review
from daypass.core.ids import Oid
from daypass.core.policy.analysis.probe import probe
from daypass.core.policy.decision import Request, decide
from daypass.core.policy.escalation import Escalation
from daypass.core.policy.policies import Policy
from daypass.core.policy.requirement import Requirement, resolve
from daypass.core.policy.sources import Ending
from examples import examples

HEAD = Oid("a" * 40)
HOUR = timedelta(hours=1)
CHAIN = """  - id: chain
    when: 'true'
    require:
      - {approvals: {at_least: 1, from: manager}}
      - {approvals: {at_least: 1, from: owners}, after: manager, remind: 4h}
      - approvals: {at_least: 1, from: 'group:security'}
        after: owners
        escalate: [{after: 4h, to: 'group:leads'}, {after: 2d, close: true}]
"""
PEOPLE = (
    DIRECTORY.replace("vera: {", "hugo: {name: Hugo Lim}\n  vera: {")
    .replace("  security: {", "  leads: {members: [hugo]}\n  security: {")
    .replace("manager: bob", "manager: vera")
    .replace("until: 2027-03-01}", "until: 2027-03-01, identities: {}}")
)
OFFICE = "version: 1\nzone: Europe/Berlin\nhours: Mon-Fri 08:00-19:00\n"


def chained(text: str = CHAIN, **more: str) -> Policy:
    base = {"rules_base": "version: 1\nrules:\n" + text, "directory_people": PEOPLE, "calendars_office": OFFICE} | more
    return read_policies(files(**base))


def review(by: str, after: timedelta = timedelta(0), state: str = "approved") -> Review:
    return Review(Account(by, by), state, HEAD, AT + after, f"{by} {after}")


def judged(found: Policy, *reviews: Review, at: timedelta = timedelta(days=9), **more) -> Judgement:
    decision = decide(found, Request(grant(), "alice", AT))
    assert decision.denials == ()
    needs = resolve(found.catalogue, Ending("orders-db", "alice", "alice"), decision.requirements, AT + at)
    more = {"excluded": Excluded({}), **more}
    return judge(needs, reviews, head=HEAD, opened_at=AT, at=AT + at, **more)


def test_the_stages_come_in_their_order() -> None:
    assert [one.source for one in judged(chained()).statuses] == ["manager", "owners", "group:security"]


def test_a_stage_is_open_once_what_is_before_it_is_met() -> None:
    found = judged(chained(), at=HOUR)
    assert [(one.source, one.since, one.waits) for one in found.statuses] == [
        ("manager", AT, ()),
        ("owners", None, ("manager",)),
        ("group:security", None, ("owners",)),
    ]
    assert found.missing() == (
        "1 approval from manager (vera)",
        "1 approval from owners (bob, carol), once manager is met",
        "1 approval from group:security (dan), once owners is met",
    )
    found = judged(chained(), review("vera", HOUR), review("bob", 3 * HOUR))
    assert [one.since for one in found.statuses] == [AT, AT + HOUR, AT + 3 * HOUR]
    assert judged(chained(), review("vera", HOUR), review("bob", 3 * HOUR), review("dan", 4 * HOUR)).met


def test_an_approval_from_before_its_stage_opened_counts_once_it_does() -> None:
    found = judged(chained(), review("dan"), review("bob", HOUR))
    assert not found.met
    assert [(one.source, one.missing) for one in found.statuses] == [
        ("manager", 1),
        ("owners", 0),
        ("group:security", 0),
    ]
    found = judged(chained(), review("dan"), review("bob", HOUR), review("vera", 2 * HOUR))
    assert found.met
    assert [one.since for one in found.statuses] == [AT, AT + 2 * HOUR, AT + 2 * HOUR]


def test_people_of_an_escalation_count_only_by_reviews_after_its_instant() -> None:
    before = (review("vera", HOUR), review("bob", 3 * HOUR))
    assert judged(chained(), *before, review("hugo", 7 * HOUR)).met
    found = judged(chained(), *before, review("hugo", 7 * HOUR - timedelta(seconds=1)))
    assert not found.met
    assert [one.why for one in found.ignored] == ["hugo may approve only after the escalation, and approved before"]


def test_nobody_comes_in_by_an_escalation_of_a_stage_that_is_not_open() -> None:
    assert not judged(chained(), review("bob"), review("hugo", 200 * HOUR)).met


def test_what_becomes_of_a_stage_is_known_once_it_is_open() -> None:
    owners, security = judged(chained(), review("vera", HOUR)).statuses[1:]
    assert [(due.what, due.at - AT) for due in owners.due] == [
        ("remind", 5 * HOUR),
        ("remind", 9 * HOUR),
        ("remind", 13 * HOUR),
    ]
    assert security.due == ()
    security = judged(chained(), review("vera"), review("bob", HOUR), at=2 * HOUR).statuses[2]
    assert [(due.what, due.at - AT, due.to, due.people) for due in security.due] == [
        ("escalate", 5 * HOUR, "group:leads", ("hugo",)),
        ("close", 49 * HOUR, "", ()),
    ]
    assert (security.joining, security.joining_at) == (("hugo",), AT + 5 * HOUR)
    assert security.now_due(AT + 5 * HOUR) == security.due[:1]


def test_by_a_calendar_waits_are_its_hours_and_days() -> None:
    text = CHAIN + "        clock: office\n"
    before = (review("vera"), review("bob", 6 * HOUR))  # Friday 17:00 in Berlin
    due = judged(chained(text), *before).statuses[2].due
    assert [one.at for one in due] == [datetime(2026, 11, 23, 9, tzinfo=UTC), datetime(2026, 11, 24, 16, tzinfo=UTC)]
    monday = timedelta(days=2, hours=23)
    assert judged(chained(text), *before, review("hugo", monday)).met
    assert not judged(chained(text), *before, review("hugo", monday - timedelta(seconds=1))).met


def test_where_a_calendar_does_not_say_when_nobody_comes_in() -> None:
    text = CHAIN + "        clock: office\n        remind: 1h\n"
    found = chained(text, calendars_office=OFFICE + "years: [2025]\n")
    (need,) = [one for one in found.rules.rules[0].require if one.clock]
    (need,) = resolve(found.catalogue, Ending("orders-db", "alice"), [need], AT)
    assert not need.allows("hugo", AT + 999 * HOUR, AT)
    need = replace(need, after=())
    (status,) = judge([need], [], head=HEAD, excluded=Excluded({}), opened_at=AT, at=AT).statuses
    assert {(due.what, due.at) for due in status.due} == {("remind", None), ("escalate", None), ("close", None)}
    assert status.joining == status.now_due(AT) == ()


def test_one_person_fills_one_stage_and_the_earlier_one_first() -> None:
    found = chained(CHAIN.replace("manager", "'group:dba'"))
    one = judged(found, review("bob"))
    assert [(status.source, status.approved_by) for status in one.statuses] == [
        ("group:dba", ("bob",)),
        ("owners", ()),
        ("group:security", ()),
    ]
    assert judged(found, review("bob"), review("carol", HOUR)).statuses[2].since == AT + HOUR


def test_those_that_count_alone_open_each_stage_when_all_of_them_did() -> None:
    found = chained(CHAIN.replace("manager", "'group:dba'"))
    every = (review("carol", HOUR), review("bob", 2 * HOUR), review("dan", 3 * HOUR), review("hugo", 30 * HOUR))
    told = judged(found, *every)
    again = judged(found, *(one.review for one in told.counted))
    assert [one.since for one in again.statuses] == [one.since for one in told.statuses]


def test_what_main_said_then_counts_for_a_stage_as_well() -> None:
    found = chained()
    asked = decide(found, Request(grant(), "alice", AT)).requirements
    later = replace(asked[0], escalate=(Escalation(Wait.parse("9h"), "group:leads"),))
    ending = Ending("orders-db", "alice")
    reviews = (review("vera"), review("bob"), review("hugo", 5 * HOUR))
    then = {reviews[2].id: [Then(resolve(found.catalogue, ending, [later], AT))]}
    told = judged(found, *reviews, then=then)
    assert [one.why for one in told.ignored] == [
        "hugo could not give the approval from group:security when it was given"
    ]
    assert judged(found, *reviews).met


def test_an_approver_who_left_between_stages_does_not_count() -> None:
    gone = Excluded({"vera": "has left"})
    told = judged(chained(), review("vera"), review("bob", HOUR), review("dan", 2 * HOUR), excluded=gone)
    assert told.missing() == ("1 approval from manager, and nobody is left who could give it",)
    assert [one.why for one in told.ignored] == ["vera has left"]
    assert [one.since for one in told.statuses] == [AT, None, None]


def test_an_order_in_a_circle_is_never_met() -> None:
    people = {"bob": "owners", "dan": "group:security"}
    needs = [
        Requirement(1, source, after=(other,), eligible=frozenset({who}))
        for (who, source), other in zip(people.items(), ("group:security", "owners"), strict=True)
    ]
    told = judge(needs, [review("bob"), review("dan")], head=HEAD, excluded=Excluded({}), opened_at=AT, at=AT)
    assert not told.met
    assert told.blocks == (
        "the order of its approvals is a circle, and none of it ever opens: owners, then group:security, then owners",
    )


ONE = "  - {id: %s, when: 'true', require: [{approvals: {at_least: 1, from: %s}, %s}]}\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            ONE % ("a", "owners", "after: 'group:security'") + ONE % ("b", "'group:security'", "after: owners"),
            "4:95 chain-circle the order of approvals is a circle: group:security, then owners, then group:security "
            "[take out one `after` of it; what asks one source is one stage, whichever rules ask it]",
        ),
        (
            ONE % ("a", "[owners, 'group:security']", "after: owners"),
            "3:105 chain-circle the order of approvals is a circle: group:security or owners, then "
            "group:security or owners [take out one `after` of it; what asks one source is one stage, whichever rules ask it]",
        ),
        (
            ONE % ("a", "owners", "remind: 4h") + ONE % ("b", "owners", "remind: 5h"),
            "4:86 chain-differs rules a and b ask owners with different remind "
            "[say the same in both, or nothing in one of them: a request may need both at once]",
        ),
        (
            ONE % ("a", "owners", "remind: 4h") + ONE % ("b", "owners", "escalate: {after: 4h, close: true}"),
            "4:37 chain-differs rules a and b ask owners with different remind "
            "[say the same in both, or nothing in one of them: a request may need both at once]",
        ),
        (
            ONE % ("a", "owners", "remind: 4h, clock: offices"),
            "3:97 unknown-calendar there is no calendar 'offices' [did you mean office?]",
        ),
        (
            ONE % ("a", "owners", "clock: office"),
            "3:85 clock-idle nothing goes by the clock office: nobody is reminded, and nothing escalates "
            "[add remind or escalate, or remove clock]",
        ),
        (
            ONE % ("a", "owners", "escalate: [{after: 4h, to: manager}, {after: 4h, close: true}]"),
            "3:123 escalation-order after 4h is not later than the step before it, after 4h "
            "[put the steps in the order in which they come]",
        ),
        (
            ONE % ("a", "owners", "escalate: [{after: 4h, close: true}, {after: 5h, to: manager}]"),
            "3:115 escalation-order nothing comes after the request was closed, 4h after it was asked [put close last]",
        ),
        (
            ONE % ("a", "owners", "escalate: {after: 4h, to: owners}"),
            "3:104 escalation-to-nobody escalating to owners adds nobody: they are asked already "
            "[name a source that is not asked yet]",
        ),
        (
            ONE % ("a", "owners", "escalate: {after: 4h, to: 'group:robots'}"),
            "3:104 empty-approvers nobody could approve: group robots has no people [add people to it in policies/directory]",
        ),
        (
            ONE % ("a", "owners", "after: 'group:securty'"),
            "3:85 unknown-group there is no group 'securty' in the directory [did you mean security?]",
        ),
        (ONE % ("a", "owners", "remind: 0h"), "3:86 bad-duration a duration of 0h is no time at all"),
    ],
)
def test_a_chain_that_cannot_work_is_found(text: str, expected: str) -> None:
    robots = PEOPLE.replace("  security: {", "  robots: {members: [nightly]}\n  security: {")
    assert shown(chained(text, directory_people=robots).broken) == [expected]


@pytest.mark.parametrize("step", ["{after: 4h}", "{after: 4h, to: manager, close: true}", "[]", "{to: manager}"])
def test_a_step_of_another_form_denies_everything(step: str) -> None:
    assert chained(ONE % ("a", "owners", f"escalate: {step}")).broken


def test_after_a_source_that_nobody_asks_is_pointed_at() -> None:
    found = chained(ONE % ("a", "owners", "after: manager"))
    assert found.broken == ()
    assert found.faults == ()
    assert shown(one for one in found.warnings if one.code == "chain-vacuous") == [
        "3:85 chain-vacuous after manager waits for nothing: no rule asks manager "
        "[ask an approval from manager as well, or remove it here]"
    ]
    assert judged(found, review("bob")).met


def test_a_rule_that_says_nothing_of_it_joins_any_chain() -> None:
    plain = "  - {id: plain, when: 'true', require: [{approvals: {at_least: 2, from: owners}}]}\n"
    (need,) = [
        one
        for one in decide(chained(CHAIN + plain), Request(grant(), "alice", AT)).requirements
        if one.source == "owners"
    ]
    assert (need.at_least, need.after, need.remind) == (2, ("manager",), Wait.parse("4h"))
    text = plain.replace("owners", "'group:security'")
    needs = decide(chained(CHAIN + text), Request(grant(), "alice", AT))
    assert [str(d.code) for d in needs.denials] == ["too-few-approvers"]
    (need,) = [one for one in needs.requirements if one.source == "group:security"]
    assert [(str(step.wait), step.to) for step in need.escalate] == [("2d", "")]  # closing is no way around anybody


def test_rules_of_different_purposes_may_differ() -> None:
    purpose = "version: 1\nrules:\n" + ONE
    found = chained(
        purposes_one=purpose % ("one", "'group:leads'", "after: owners, remind: 1h"),
        purposes_two=purpose % ("two", "'group:leads'", "after: owners, remind: 2h"),
    )
    assert found.faults == ()
    found = chained(purposes_one=purpose % ("one", "manager", "after: owners"))
    assert [one.code for one in found.broken] == ["chain-circle"]
    assert found.broken[0].place.file == "policies/purposes/one.yaml"


def test_what_an_earlier_release_let_differ_denies_nothing_that_it_judged() -> None:
    text = ONE % ("a", "owners", "escalate: {after: 4h, to: 'group:leads'}")
    found = chained(text + text.replace("id: a", "id: b").replace("4h", "5h"))
    codes = [[d.code for d in decide(found, Request(grant(), "alice", AT, judging=n)).denials] for n in (2, 3)]
    assert codes == [[], ["policy-broken"]]
    (need,) = decide(found, Request(grant(), "alice", AT, judging=2)).requirements
    assert [(str(one.wait), one.to) for one in need.escalate] == [("5h", "group:leads")]


WHO = ("ann", "ben", "cat", "dan", "eve", "fay")
some_ = st.frozensets(st.sampled_from(WHO), min_size=1)
chains_ = st.lists(st.tuples(st.integers(1, 2), some_, some_, st.sets(st.integers(0, 3))), min_size=1, max_size=4).map(
    lambda drawn: [
        Requirement(
            count,
            f"group:s{place}",
            after=tuple(f"group:s{other}" for other in sorted(ahead) if other < place),
            escalate=(Escalation(Wait.parse("4h"), "group:more", more),),
            eligible=own,
        )
        for place, (count, own, more, ahead) in enumerate(drawn)
    ]
)
reviews_ = st.lists(st.tuples(st.sampled_from(WHO), st.integers(0, 12)), max_size=8)


def held(needs: list[Requirement], reviews: list[Review]) -> Judgement:
    return judge(needs, reviews, head=HEAD, excluded=Excluded({}), opened_at=AT, at=AT + 99 * HOUR)


@settings(max_examples=examples(200))
@given(chains_, reviews_)
def test_an_auditor_who_has_the_reviews_that_counted_judges_as_the_gate_did(needs, drawn) -> None:
    reviews = [review(by, hours * HOUR) for by, hours in sorted(drawn, key=lambda one: one[1])]
    told = held(needs, reviews)
    again = held(needs, [one.review for one in told.counted])
    assert again.met == told.met
    assert {one.handle for one in again.counted} == {one.handle for one in told.counted}
    assert [one.since for one in again.statuses] == [one.since for one in told.statuses]


@settings(max_examples=examples(200))
@given(chains_, reviews_, st.permutations(range(4)))
def test_how_rules_are_ordered_changes_nothing(needs, drawn, turned) -> None:
    reviews = [review(by, hours * HOUR) for by, hours in sorted(drawn, key=lambda one: one[1])]
    other = held([needs[place] for place in turned if place < len(needs)], reviews)
    told = held(needs, reviews)
    assert (other.met, {one.source: one.since for one in other.statuses}) == (
        told.met,
        {one.source: one.since for one in told.statuses},
    )


@settings(max_examples=examples(200))
@given(chains_, reviews_)
def test_what_is_met_in_an_order_is_met_without_one(needs, drawn) -> None:
    reviews = [review(by, hours * HOUR) for by, hours in sorted(drawn, key=lambda one: one[1])]
    free = [replace(need, after=(), escalate=(), eligible=need.eligible | need.escalated) for need in needs]
    assert held(free, reviews).met or not held(needs, reviews).met


def test_a_clock_that_says_nothing_of_the_year_denies_as_the_request_is_opened() -> None:
    text = ONE % ("a", "owners", "remind: 4h, escalate: {after: 2d, close: true}, clock: office") + ONE % (
        "b", "'group:security'", "remind: 4h, clock: office",
    )  # fmt: skip
    found = chained(text, calendars_office=OFFICE + "years: [2026]\n")
    assert decide(found, Request(grant(), "alice", AT)).denials == ()
    late = datetime(2026, 12, 31, 10, tzinfo=UTC)
    assert [(d.code, d.message, d.hint) for d in decide(found, Request(grant(), "alice", late)).denials] == [
        (
            "calendar-runs-out",
            "the approval from owners goes by calendar office, and calendar office says nothing about 2027",
            "add that year's days to the calendar, or the year to its years where it has none; ask again then",
        )
    ]


def test_an_escalation_to_people_of_whom_none_may_approve_is_pointed_at() -> None:
    limits = "limits: {approvers: {employment: [employee]}, unsigned: accept}\n"
    people = PEOPLE.replace("leads: {members: [hugo]}", "leads: {members: [vera]}").replace(
        "manager: vera", "manager: bob"
    )
    text = ONE % ("a", "owners", "escalate: [{after: 4h, to: 'group:leads'}, {after: 2d, close: true}]")
    found = chained(text, directory_people=people, daypass=SETTINGS + limits)
    assert [(one.code, one.message) for one in probe(found)] == [
        ("escalation-to-nobody", "rule a escalates to group:leads, and nobody there may ever approve")
    ]
    for source in ("group:dba", "manager", "owners"):
        more = text.replace("owners", "'group:security'").replace("group:leads", source)
        assert [one.code for one in probe(chained(more, directory_people=people, daypass=SETTINGS + limits))] == []
