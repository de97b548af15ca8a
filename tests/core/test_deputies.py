"""Acting in another's place: for a while, for what that one could approve, and never twice."""

from datetime import UTC, datetime, timedelta

import pytest
from policy_samples import AT, DIRECTORY, SETTINGS, grant, policy

from daypass.core.approval.judgement import Judgement, judge
from daypass.core.approval.stages import Excluded
from daypass.core.calendar.wait import Wait
from daypass.core.forge import Account, Review
from daypass.core.ids import Oid
from daypass.core.policy.decision import Request, decide
from daypass.core.policy.escalation import Escalation
from daypass.core.policy.policies import Policy
from daypass.core.policy.requirement import Requirement, resolve, varies
from daypass.core.policy.sources import Ending, may_ask_for, may_end, owners

HEAD = Oid("a" * 40)
ALICES = Ending("orders-db", "alice", "alice")
DAYS = "from: 2026-11-19, until: 2026-11-22"
FOR_BOB = f"deputies:\n  bob: {{by: dan, {DAYS}}}\n"
OWNERS = (Requirement(1, "owners"),)


def deputised(text: str = FOR_BOB, limits: str = "") -> Policy:
    return policy(directory_people=DIRECTORY + text, daypass=SETTINGS + limits)


def needs(found: Policy, at: datetime = AT, access: Ending = ALICES, asked: tuple[Requirement, ...] = OWNERS):
    return resolve(found.catalogue, access, asked, at)


def day(number: int) -> datetime:
    return datetime(2026, 11, number, tzinfo=UTC)


@pytest.mark.parametrize(
    ("at", "acts"), [(day(19), True), (day(22) - timedelta(seconds=1), True), (day(22), False), (day(18), False)]
)
def test_somebody_acts_in_anothers_place_for_a_while(at: datetime, acts: bool) -> None:
    (need,) = needs(deputised(), at)
    assert need.eligible == {"bob", "carol", *(("dan",) if acts else ())}
    assert need.acting == ((("dan", "bob"),) if acts else ())


@pytest.mark.parametrize(
    ("access", "acting"),
    [
        (Ending("orders-db", "dan", "alice"), ()),  # their own access
        (Ending("orders-db", "alice", "dan"), ()),  # they asked for it
        (Ending("orders-db", "bob", "alice"), ()),  # bob could not approve this himself
        (Ending("orders-db", "alice", "bob"), ()),
        (Ending("orders-db", "alice", "carol"), (("dan", "bob"),)),
    ],
)
def test_a_deputy_approves_nothing_of_their_own_and_nothing_that_the_other_could_not(
    access: Ending, acting: tuple[tuple[str, str], ...]
) -> None:
    assert needs(deputised(), access=access)[0].acting == acting


def test_a_deputy_of_somebody_who_is_not_asked_or_is_taken_out_approves_nothing() -> None:
    (security,) = needs(
        deputised(f"deputies:\n  bob: {{by: vera, {DAYS}}}\n"), asked=(Requirement(1, "group:security"),)
    )
    assert security.acting == ()
    (without,) = needs(deputised(), asked=(Requirement(1, "owners", without=("person:bob",)),))
    assert (without.eligible, without.acting) == ({"carol"}, ())
    (barred,) = needs(deputised(), asked=(Requirement(1, "owners", without=("group:security",)),))
    assert barred.acting == ()


def test_who_can_approve_of_their_own_right_does_and_nobody_acts_for_two() -> None:
    assert needs(deputised(f"deputies:\n  bob: {{by: carol, {DAYS}}}\n"))[0].acting == ()
    both = f"deputies:\n  bob: {{by: dan, {DAYS}}}\n  carol: {{by: dan, {DAYS}}}\n"
    assert needs(deputised(both))[0].acting == (("dan", "bob"),)


def test_a_deputy_who_has_left_or_may_not_approve_acts_for_nobody() -> None:
    gone = policy(directory_people=DIRECTORY.replace("dan: {", "dan: {until: 2026-11-20, ") + FOR_BOB)
    assert needs(gone)[0].acting == ()
    only = "limits: {approvers: {employment: [vendor]}}\n"
    assert needs(deputised(limits=only))[0].acting == ()


def test_an_escalation_has_deputies_too() -> None:
    asked = (Requirement(1, "group:security", escalate=(Escalation(Wait.parse("1h"), "owners"),)),)
    (need,) = needs(deputised(f"deputies:\n  bob: {{by: vera, {DAYS}}}\n"), asked=asked)
    assert (need.escalated, need.eligible) == ({"bob", "carol", "vera"}, {"dan"})


def review(by: str, at: datetime = AT, state: str = "approved") -> Review:
    return Review(Account(by, by), state, HEAD, at, by)


def judged(*reviews: Review, at_least: int = 1, out: dict[str, str] | None = None) -> Judgement:
    asked = needs(deputised(), asked=(Requirement(at_least, "owners"),))
    excluded = Excluded({"alice": "opened the request"} | (out or {}))
    return judge(asked, reviews, head=HEAD, excluded=excluded, opened_at=AT, at=AT)


def test_what_a_deputy_approves_counts_and_says_for_whom() -> None:
    told = judged(review("dan"))
    assert [(one.handle, one.acts_for, one.who) for one in told.counted] == [("dan", "bob", "dan for bob")]
    assert told.statuses[0].acting == (("dan", "bob"),)
    assert judged(review("carol")).statuses[0].acting == ()


def test_somebody_and_their_deputy_are_one() -> None:
    told = judged(review("bob"), review("dan"), at_least=2)
    assert [one.handle for one in told.counted] == ["bob"]
    assert [one.why for one in told.ignored] == ["dan acts for bob, who approved it too"]
    assert judged(review("carol"), review("dan"), at_least=2).met


def test_a_deputy_of_somebody_who_had_a_hand_in_it_does_not_count() -> None:
    told = judged(review("dan"), out={"bob": "authored abc"})
    assert not told.met
    assert [one.why for one in told.ignored] == ["dan acts for bob, who authored abc"]


def test_who_approves_of_their_own_right_acts_for_nobody() -> None:
    assert judged(review("carol"), out={"": "receives the access"}).met  # a removal's subject is not looked at


def test_a_deputys_no_is_heard() -> None:
    assert not judged(review("carol"), review("dan", state="rejected")).met


def test_people_and_their_deputies_are_not_counted_twice_before_anybody_asks() -> None:
    two = "version: 1\nrules:\n  - {id: two, when: 'true', require: [{approvals: {at_least: 3, from: owners}}]}\n"
    found = policy(directory_people=DIRECTORY + FOR_BOB, rules_base=two)
    denials = decide(found, Request(grant(), "alice", AT)).denials
    assert [denial.code for denial in denials] == ["too-few-approvers"]


def test_who_can_meet_a_requirement_changes_with_time_where_managers_rotas_or_deputies_are_asked() -> None:
    plain, asked = policy().catalogue, (Requirement(1, "owners"),)
    assert not varies(plain, asked)
    assert varies(deputised().catalogue, asked)
    assert all(varies(plain, (Requirement(1, source),)) for source in ("manager+1", "on-call:x or owners"))


def test_a_deputy_ends_and_asks_in_anothers_place_and_owns_nothing() -> None:
    catalogue = deputised(limits="limits: {ask_for_others: [manager]}\n").catalogue
    assert may_end(catalogue, ALICES, AT) == ("alice", "bob", "carol", "dan")
    assert may_end(catalogue, ALICES, day(22)) == ("alice", "bob", "carol")
    assert owners(catalogue, ALICES, AT) == ("bob", "carol")
    dans = Ending("orders-db", "alice", "dan")
    assert [may_ask_for(catalogue, dans, at) for at in (AT, day(22))] == [True, False]


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        (f"bobb: {{by: dan, {DAYS}}}", "unknown-member", "there is no person 'bobb' in the directory"),
        (f"bob: {{by: dam, {DAYS}}}", "unknown-member", "there is no person 'dam' in the directory"),
        (f"bob: {{by: nightly, {DAYS}}}", "unknown-member", "there is no person 'nightly' in the directory"),
        (f"bob: {{by: bob, {DAYS}}}", "deputy-invalid", "the deputy of bob never acts: bob acts for themselves"),
        (
            "bob: {by: dan, from: 2026-11-22, until: 2026-11-22}",
            "deputy-invalid",
            "the deputy of bob never acts: it ends before it begins",
        ),
        ("bob: {by: dan, from: 2026-11-31, until: 2026-12-22}", "bad-instant", "'2026-11-31' is no possible date"),
        ("bob: {by: dan, from: 2026-11-30}", "missing-key", "the key 'until' is missing"),
    ],
)
def test_a_deputy_who_never_acts_is_a_finding(text: str, code: str, message: str) -> None:
    found = deputised(f"deputies:\n  {text}\n")
    assert [(f.code, f.message) for f in found.broken] == [(code, message)]
    assert found.catalogue.directory.deputies == {}
