"""Who is on call approves, by the rota, at the instant of the review."""

from datetime import UTC, datetime, timedelta

import pytest
from policy_samples import DIRECTORY, SETTINGS, grant, policy, read_policies
from policy_samples import files as sample_files

from daypass.core.approval.judgement import Judgement, judge
from daypass.core.approval.stages import Excluded, Then
from daypass.core.files.codeowners import wanted_lines
from daypass.core.forge import Account, Review
from daypass.core.ids import Oid
from daypass.core.policy.analysis.probe import probe, run_tests
from daypass.core.policy.decision import Request, decide
from daypass.core.policy.policies import Policy
from daypass.core.policy.requirement import Requirement, resolve
from daypass.core.policy.sources import Ending, may_ask_for

HEAD = Oid("a" * 40)
ALICES = Ending("orders-db", "alice", "alice")
ROTA = "version: 1\nzone: UTC\nhandover: Mon 09:00\nturns: [bob, dan]\nsince: 2026-11-02\n"
"""Bob from 2 November, dan from 9 November, bob from 16 November, dan from 23 November."""

RULE = "version: 1\nrules:\n  - {id: duty, when: 'true', require: [{approvals: {at_least: 1, from: %s}}]}\n"
BOB, DAN = datetime(2026, 11, 20, 10, tzinfo=UTC), datetime(2026, 11, 23, 10, tzinfo=UTC)
BEFORE = datetime(2026, 11, 1, tzinfo=UTC)


def duty(source: str = "'on-call:payments'", rota: str = ROTA, **more: str) -> Policy:
    files = sample_files(rules_base=RULE % source, **more) | {"policies/rotas/payments.yaml": rota.encode()}
    return read_policies(files)


def ask(found: Policy, at: datetime = BOB, requester: str = "alice"):
    return decide(found, Request(grant(), requester, at))


def judged(found: Policy, *reviews: Review, opened: datetime = BOB, at: datetime = DAN) -> Judgement:
    """Judge as the gate does: by the rota of now, and by what it says of the instant of each review."""
    asked = ask(found, opened).requirements
    then = {one.id: [Then(resolve(found.catalogue, ALICES, asked, one.at))] for one in reviews}
    return judge(
        resolve(found.catalogue, ALICES, asked, at, since=opened),
        reviews,
        head=HEAD,
        excluded=Excluded({}),
        opened_at=opened,
        at=at,
        then=then,
    )


def review(by: str, at: datetime, state: str = "approved") -> Review:
    return Review(Account(by, by), state, HEAD, at, f"{by} {at}")


def test_who_is_on_call_is_asked() -> None:
    assert [ask(duty(), at).needs[0].eligible for at in (BOB, DAN)] == [{"bob"}, {"dan"}]


def test_a_review_counts_when_its_giver_was_on_call_as_they_gave_it() -> None:
    told = judged(duty(), review("bob", BOB))
    assert [one.handle for one in told.counted] == ["bob"]  # though dan is on call by the merge
    assert judged(duty(), review("dan", DAN)).met


def test_a_review_by_who_was_not_on_call_does_not_count_and_says_so() -> None:
    told = judged(duty(), review("dan", BOB))
    assert not told.met
    assert [one.why for one in told.ignored] == ["dan was not on call at 2026-11-20T10:00:00Z, when it was given"]
    assert told.statuses[0].could == ("dan",)


def test_somebody_who_is_asked_for_otherwise_need_not_be_on_call() -> None:
    found = duty("[owners, 'on-call:payments']")
    assert judged(found, review("bob", DAN)).met
    assert not judged(found, review("dan", BOB)).met


def test_who_was_on_call_says_no_and_is_heard() -> None:
    assert not judged(duty(), review("bob", BOB, "rejected"), review("dan", DAN)).met


def test_who_is_taken_out_does_not_approve_by_being_on_call() -> None:
    rule = (RULE % "'on-call:payments'").replace("payments'}", "payments', except: ['person:bob']}")
    found = read_policies(sample_files(rules_base=rule) | {"policies/rotas/payments.yaml": ROTA.encode()})
    asked = (Requirement(1, "on-call:payments", without=("person:bob",)),)
    (need,) = resolve(found.catalogue, ALICES, asked, DAN, since=BOB)
    assert (need.eligible, need.out, [turn[0] for turn in need.turns]) == (
        {"dan"},
        (("bob", "is of person:bob, who may not approve this"),),
        ["dan"],
    )


def test_nobody_on_call_is_a_denial_that_says_when() -> None:
    (denial,) = ask(duty(), BEFORE).denials
    assert denial.message == (
        "nobody can give the approval from on-call:payments: by rota payments nobody is on call at 2026-11-01T00:00:00Z"
    )
    assert denial.hint == "put somebody on call in policies/rotas/payments.yaml, or name a further source"
    assert not judged(duty(), review("bob", BEFORE), opened=BEFORE, at=BEFORE + timedelta(hours=1)).met


def test_who_is_on_call_and_has_left_is_nobody() -> None:
    gone = DIRECTORY.replace("bob: {", "bob: {until: 2026-11-19, ")
    (denial,) = ask(duty(directory_people=gone)).denials
    assert "bob, who is on call by rota payments, may not approve or has left at 2026-11-20T10:00:00Z" in denial.message


def test_who_is_on_call_may_ask_for_others_where_the_settings_say_so() -> None:
    found = duty(daypass=SETTINGS + "limits: {ask_for_others: ['on-call:payments']}\n")
    dans = Ending("orders-db", "alice", "dan")
    assert [may_ask_for(found.catalogue, dans, at) for at in (BEFORE, BOB, DAN)] == [False, False, True]


def test_a_source_that_names_no_rota_is_a_finding_with_the_likeliest() -> None:
    (finding,) = duty("'on-call:payment'").broken
    assert (finding.code, finding.hint) == ("unknown-rota", "did you mean payments?")
    (none,) = policy(rules_base=RULE % "'on-call:payments'").broken
    assert (none.message, none.hint) == ("there is no rota 'payments'", "rotas are the files of policies/rotas")


def test_a_rota_is_no_requirement_that_cannot_be_met() -> None:
    assert [f.code for f in probe(duty()) if f.code == "requirement-unmeetable"] == []
    rule = (RULE % "'on-call:payments'").replace("at_least: 1", "at_least: 2")
    two = read_policies(sample_files(rules_base=rule) | {"policies/rotas/payments.yaml": ROTA.encode()})
    (found,) = [f for f in probe(two) if f.code == "requirement-unmeetable"]
    assert found.message.endswith("2 approvals from on-call:payments must be given, but there is only on-call:payments")


def test_somebody_who_takes_turns_and_leaves_is_pointed_at() -> None:
    gone = DIRECTORY.replace("bob: {", "bob: {until: 2026-12-01, ")
    (found,) = [f for f in probe(duty(directory_people=gone)) if f.code == "rota-gap"]
    assert (
        found.message
        == "bob takes turns, and is engaged until 2026-12-01T00:00:00Z: nobody is on call in those after that"
    )
    assert not found.is_error
    assert [f for f in probe(duty()) if f.code == "rota-gap"] == []


def test_a_review_counts_when_its_giver_was_the_manager_as_they_gave_it_and_is_at_the_merge() -> None:
    line = DIRECTORY.replace("bob: {", "bob: {until: 2026-11-21, manager: carol, ")
    found = duty("manager", directory_people=line)
    assert judged(found, review("bob", BOB), at=BOB).met
    assert not judged(found, review("bob", BOB)).met  # he has left by the merge
    told = judged(found, review("carol", BOB))
    assert not told.met  # she stands in for him only since he left
    assert [one.why for one in told.ignored] == ["carol could not give the approval from manager when it was given"]
    assert judged(found, review("carol", DAN)).met


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        (("turns: [bob, dan]", "turns: [bob, dam]"), "unknown-member", "there is no person 'dam' in the directory"),
        (("zone: UTC", "zone: Berlin"), "rota-invalid", "'Berlin' is no time zone; write for example"),
        (("since: 2026-11-02\n", ""), "rota-invalid", "the turns begin at no day"),
        (("2026-11-02", "2026-11-31"), "rota-invalid", "'2026-11-31' is no possible date"),
        (("2026-11-02", "9999-12-31"), "rota-invalid", "9999-12-31 lies in no year from 1970 to 8999"),
        (("2026-11-02", "0001-01-01"), "rota-invalid", "0001-01-01 lies in no year from 1970 to 8999"),
        (("handover: Mon 09:00", "handover: Mon 9"), "bad-pattern", ""),
        (("turns: [bob, dan]\n", ""), "rota-gap", "nobody is ever on call by rota payments"),
        (("zone: UTC", "zone: UTC\nowners: [dbaa]"), "unknown-group", "there is no group 'dbaa' in the directory"),
        (
            ("zone: UTC", "zone: UTC\noverrides: [{person: vera, from: 2026-11-04, until: 2026-11-04}]"),
            "rota-invalid",
            "the override ends before it begins",
        ),
        (
            ("zone: UTC", "zone: UTC\noverrides: [{person: verra, from: 2026-11-04, until: 2026-11-05}]"),
            "unknown-member",
            "there is no person 'verra' in the directory",
        ),
        (
            (
                "zone: UTC",
                "zone: UTC\noverrides: [{person: vera, from: 2026-11-04, until: 2026-11-06}, "
                "{person: alice, from: 2026-11-05, until: 2026-11-07}]",
            ),
            "rota-overlap",
            "vera and alice are both put on call from 2026-11-05T00:00:00Z on",
        ),
        (
            (
                "turns: [bob, dan]",
                "overrides: [{person: vera, from: 2026-11-04, until: 2026-11-05}, "
                "{person: alice, from: 2026-11-06, until: 2026-11-07}]",
            ),
            "rota-gap",
            "nobody is on call from 2026-11-05T00:00:00Z until 2026-11-06T00:00:00Z",
        ),
        (
            ("zone: UTC", "zone: UTC\noverrides: [{person: vera, from: 2026-11-31, until: 2026-12-05}]"),
            "bad-instant",
            "'2026-11-31' is no possible date",
        ),
    ],
)
def test_what_is_wrong_with_a_rota_is_a_finding(change: tuple[str, str], code: str, message: str) -> None:
    found = duty(rota=ROTA.replace(*change)).broken
    assert [f.code for f in found] == [code]
    assert message in found[0].message


def test_shifts_that_were_written_down_need_no_first_day() -> None:
    alone = "version: 1\nzone: UTC\noverrides: [{person: bob, from: 2026-11-04, until: 2026-11-05}]\n"
    assert duty(rota=alone).broken == ()


def test_a_rota_whose_directory_does_not_read_misses_nobody_for_that() -> None:
    found = duty(directory_people="version: 1\npeople: []\n").broken
    assert {finding.place.file for finding in found} == {"policies/directory/people.yaml"}


def test_the_owners_of_a_rota_own_its_file() -> None:
    lines = wanted_lines(duty(rota=ROTA + "owners: [dba]\n").catalogue)
    assert [line.owners for line in lines if line.pattern == "/policies/rotas/payments.yaml"] == [
        ("@bob-ray", "carol@example.com")
    ]
    assert [line.pattern for line in wanted_lines(duty().catalogue) if "rotas" in line.pattern] == []


def test_a_daily_rota_is_read() -> None:
    daily = duty(rota=ROTA.replace("Mon 09:00", "12:30"))
    assert daily.broken == ()
    assert [daily.catalogue.rotas["payments"].on_call(datetime(2026, 11, n, 13, tzinfo=UTC)) for n in (2, 3)] == [
        "bob",
        "dan",
    ]


def test_a_policy_test_says_who_is_on_call_in_place_of_whose_turn_it_is() -> None:
    case = (
        "version: 1\ncases:\n"
        "  - name: somebody else\n"
        "    request: {subject: alice, resource: orders-db, role: readonly, window: {duration: 1h}}\n"
        "    at: 2026-11-20T10:00:00Z\n"
        "    on_call: {orders: carol}\n"
        "    expect: {asked: [carol]}\n"
    )
    rule = "  - {id: a, when: 'true', require: [{approvals: {at_least: 1, from: \"on-call:orders\"}}]}\n"
    rota = "version: 1\nzone: Europe/Berlin\nhandover: Mon 09:00\nturns: [bob]\nsince: 2026-11-16\n"

    def results(text: str) -> list[tuple[str, ...]]:
        found = policy(rules_base="version: 1\nrules:\n" + rule, rotas_orders=rota, tests_more=text)
        assert [fault.code for fault in found.faults] == []
        return [outcome.got for outcome in run_tests(found).outcomes if outcome.name == "somebody else"]

    assert results(case) == [("asked: carol",)]
    assert results(case.replace("    on_call: {orders: carol}\n", "")) == [("asked: bob",)]
    wrong = policy(
        rules_base="version: 1\nrules:\n" + rule,
        rotas_orders=rota,
        tests_more=case.replace("orders: carol", "order: carl"),
    )
    assert [(f.code, f.message) for f in wrong.findings] == [
        ("unknown-member", "there is no person 'carl' in the directory"),
        ("unknown-rota", "there is no rota 'order'"),
    ]
