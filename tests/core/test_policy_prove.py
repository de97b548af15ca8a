"""Promises: decided where conditions only compare, searched elsewhere, and shown broken by a request that is let through."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import policy_lottery
import pytest
from policy_lottery import disagreements
from policy_samples import AT, FILES, PURPOSE, RULES, files, grant, policy, read_policies, shown

from daypass.core.policy.analysis.between import RulesChanged, between, rules_alone
from daypass.core.policy.analysis.cases import regions
from daypass.core.policy.analysis.compare import compare
from daypass.core.policy.analysis.prove import ProvedPromise, broken_promises, prove
from daypass.core.policy.decision import Request, decide
from daypass.core.policy.policies import Policy
from daypass.core.policy.rules import Rules
from daypass.core.window import format_duration


def proofs(*promises: str, **changed: str | None) -> list[ProvedPromise]:
    """Prove promises of the sample policy."""
    lines = "".join(f"  - {{id: p{number}, {promise}}}\n" for number, promise in enumerate(promises))
    found = policy(promises_main=f"version: 1\npromises:\n{lines}", **changed)
    assert not [one for one in found.findings if one.is_error], shown(found.findings)
    return list(prove(found, AT))


def proof(promise: str, **changed: str | None) -> ProvedPromise:
    """Prove one promise."""
    [found] = proofs(promise, **changed)
    return found


MANY = "  - {id: many, when: 'true', deny_unless: 'subject.days_held <= 20'}\n"
OFTEN = "  - {id: often, when: 'requester.denials > 3', require: [{approvals: {at_least: 1, from: group:security}}]}\n"
UNUSED = "  - {id: unused, when: 'subject.use_known', deny_unless: 'subject.last_used < 30'}\n"


@pytest.mark.parametrize(
    ("rule", "promise", "kept"),
    [
        (MANY, "never: 'subject.days_held > 20'", True),
        (MANY, "never: 'subject.days_held > 19'", False),
        (OFTEN, "always: 'requester.denials <= 3 || \"group:security\" in decision.sources'", True),
        (OFTEN, "always: 'requester.denials <= 2 || \"group:security\" in decision.sources'", False),
        (UNUSED, "never: 'subject.use_known && subject.last_used >= 30'", True),
        (UNUSED, "never: 'subject.use_known && subject.last_used >= 29'", False),
        (UNUSED, "always: 'subject.use_known'", False),
    ],
)
def test_promises_of_the_past_are_decided(rule: str, promise: str, kept: bool) -> None:
    found = proof(promise, rules_base="version: 1\nrules:\n" + rule)
    assert (found.kept, found.sampled) == (kept, ())


def test_random_policies_are_proved_as_brute_force_finds_them() -> None:
    tried, broken, moved, wrong = disagreements(7, 40)
    assert not wrong
    assert 0 < broken < tried == 40
    assert 0 < moved < tried


def _by_one_rule(policy: Policy, at: datetime) -> tuple[ProvedPromise, ...]:
    return prove(policy_lottery.with_rules(policy, list(policy.rules.rules[:1]), policy.promises[0]), at)


@pytest.mark.parametrize(
    ("of", "name", "instead"),
    [
        (
            policy_lottery,
            "prove",
            _by_one_rule,
        ),
        (policy_lottery, "between", lambda policy, _, at: between(policy, policy, at)),
        (Rules, "judge_grant", lambda *_: ()),
    ],
)
def test_brute_force_finds_what_is_planted(
    monkeypatch: pytest.MonkeyPatch, of: object, name: str, instead: object
) -> None:
    monkeypatch.setattr(of, name, instead)
    assert disagreements(7, 40)[-1]


def test_fewer_policies_than_wanted_are_no_success(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(policy_lottery, "ProcessPoolExecutor", ThreadPoolExecutor)
    monkeypatch.setattr(policy_lottery, "disagreements", lambda *_: (1, 0, 0, []))
    assert policy_lottery.main(["--policies", "1000"]) == 1
    assert "0 disagreements" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("promise", "kept"),
    [
        ('never: \'resource.environment == "production" && grant.duration > duration("8h")\'', True),
        ('never: \'resource.environment == "production" && grant.duration > duration("7h")\'', False),
        ("always: 'resource.environment != \"production\" || decision.approvals >= 2'", True),
        ("always: 'resource.environment != \"production\" || decision.approvals >= 3'", False),
        ('always: \'"group:security" in decision.sources || resource.environment != "production"\'', True),
        ("never: 'decision.automatic && resource.classification != \"internal\"'", True),
        ("never: 'decision.automatic && !(\"engineering\" in subject.groups)'", True),
        ("never: 'decision.automatic && request.requester != grant.subject'", True),
        ("never: 'decision.automatic'", False),
        ('never: \'grant.purpose == "incident" && grant.duration > duration("4h")\'', True),
        ('never: \'subject.kind == "workload" && resource.name == "orders-db"\'', False),
        (
            'never: \'resource.classification == "restricted" && !grant.emergency && '
            '!within_hours(access.from, "Mon-Fri 08:00-19:00", "Europe/Berlin")\'',
            True,
        ),
        (
            'never: \'resource.classification == "restricted" && '
            '!within_hours(access.from, "Mon-Fri 08:00-19:00", "Europe/Berlin")\'',
            False,
        ),
        ('never: \'grant.ticket == "X-1" && resource.name == "wiki"\'', False),
        ("never: 'subject.live_grants > 3 && grant.role == \"admin\"'", False),
        ("never: 'request.kind == \"widen\" && grant.absolute && request.number_of_grants == 7'", False),
        ('never: \'"wiki/editor" in subject.live && grant.resource == "wiki"\'', False),
        ("never: 'grant.duration / 0 == grant.duration'", False)
        if False
        else ("never: '1 / subject.groups.size() > 5'", False),
    ],
)
def test_a_promise_is_decided_where_conditions_only_compare(promise: str, kept: bool) -> None:
    found = proof(promise)
    assert (found.kept, found.decided) == (kept, True)


def test_what_breaks_a_promise_is_a_request_that_is_let_through() -> None:
    found = proof("never: 'grant.duration > duration(\"3h\") && grant.emergency'")
    assert found.broken is not None
    assert found.broken.request.grant.span.length == timedelta(hours=3, seconds=1)
    assert found.broken.brings == ("a ticket",)
    assert {denial.code for denial in decide(policy(), found.broken.request).denials} == {"ticket-missing"}


@pytest.mark.parametrize(
    ("promise", "sampled"),
    [
        ('never: \'grant.duration + duration("1h") > duration("10000h")\'', ("grant.duration",)),
        ("never: 'access.until < timestamp(\"2026-11-20T09:00:00Z\")'", ("access.until",)),
        ("never: 'grant.ticket.startsWith(\"Z\")'", ("grant.ticket",)),
        ("never: 'grant.id == \"wiki/mine\"'", ("grant.id",)),
        ("never: 'subject.use_known && subject.last_used % 2 == 3'", ("subject.last_used",)),
        ("never: 'requester.denials * 2 == 3'", ("requester.denials",)),
        ("never: 'access.from < request.opened_at'", ("access.from", "request.opened_at")),
    ],
)
def test_a_condition_that_does_more_than_compare_is_searched_and_says_of_what(
    promise: str, sampled: tuple[str, ...]
) -> None:
    found = proof(promise)
    assert (found.kept, found.decided, found.sampled) == (True, False, sampled)


def test_calendars_and_two_zones_are_searched() -> None:
    office = "version: 1\nzone: Europe/Berlin\nhours: Mon-Fri 08:00-19:00\n"
    dated = "version: 1\nzone: UTC\ndays: [2025-01-01..2025-01-02]\n"
    never = 'never: \'grant.resource == "none" || in_calendar(access.from, "office") && in_calendar(access.from, "past") && false\''
    shut = RULES + "  - {id: late, when: 'in_calendar(access.from, \"office\")', deny: true}\n"
    shut += '  - {id: rest, when: \'grant.role == "editor" && !in_calendar(access.from, "office")\', deny: true}\n'
    found = proof("never: 'grant.role == \"editor\"'", calendars_office=office, calendars_past=dated, rules_base=shut)
    assert (found.kept, found.sampled) == (True, ("access.from",))
    assert proof(never, calendars_office=office, calendars_past=dated).kept
    zones = 'never: \'within_hours(access.from, "Mon 10:00-11:00", "UTC") && within_hours(access.from, "Tue 10:00-11:00", "Asia/Tokyo")\''
    assert proof(zones).sampled == ("access.from",)


def test_instants_and_what_is_asked_when_are_cut_where_conditions_compare() -> None:
    shut = RULES + "  - {id: over, when: 'access.from >= timestamp(\"2026-12-01T00:00:00Z\")', deny: true}\n"
    assert proof("never: 'access.from > timestamp(\"2026-11-30T23:59:59Z\")'", rules_base=shut).decided
    late = proof("never: 'access.from > timestamp(\"2026-11-30T23:59:58Z\")'", rules_base=shut)
    assert late.broken is not None
    both = proof(
        'never: \'request.opened_at < timestamp("2026-11-21T00:00:00Z") && access.from > timestamp("2026-11-22T00:00:00Z")\''
    )
    assert both.broken is not None
    window = both.broken.request.window
    assert window is not None
    assert both.broken.request.opened_at == AT < window.start


DETAILS = (
    PURPOSE
    + """fields:
  right: {kind: choice, of: [access, erasure], required: true}
  classes: {kind: names, of: [personal, payment]}
  due: {kind: moment}
  count: {kind: number}
  host: {kind: person}
  change: {kind: text}
  form: {kind: text, pattern: "CHG-[0-9]+"}
  free: {kind: names}
rules:
  - {id: erasure, when: 'details.right == "erasure"', require: [{approvals: {at_least: 1, from: group:security}}]}
  - {id: payment, when: 'details.has_classes && "payment" in details.classes', deny: true}
  - {id: far, when: 'details.has_due && details.due > timestamp("2027-02-01T00:00:00Z")', deny: true}
  - {id: many, when: 'details.has_count && details.count > 3', deny: true}
  - {id: hosted, when: 'details.has_host && details.host == grant.subject', deny: true}
  - {id: other, when: 'details.has_change && details.change == "none"', deny: true}
  - {id: formed, when: 'details.has_form && details.form == "CHG-1"', deny: true}
  - {id: freely, when: 'details.has_free && "x" in details.free', deny: true}
"""
)


def test_rules_of_a_purpose_read_details_of_every_kind() -> None:
    first, second = proofs(
        "always: 'grant.purpose != \"incident\" || decision.approvals > 0'",
        'never: \'grant.purpose == "incident" && grant.resource == "wiki" && "group:security" in decision.sources\'',
        purposes_incident=DETAILS,
    )
    assert not second.kept
    assert first.kept is False  # low risk passes, an incident too


def test_who_asks_for_whom_is_every_pair_and_those_alike_are_one() -> None:
    many = "".join(f"  p{number}: {{name: Person {number}}}\n" for number in range(40))
    crowd = FILES["policies/directory/people.yaml"].replace("groups:", f"{many}groups:", 1)
    found = proof('never: \'grant.subject == "p7" && request.requester != "p7"\'', directory_people=crowd)
    assert found.broken is not None
    assert found.broken.request.grant.subject == "p7"
    assert proof(
        'never: \'subject.handle.startsWith("p39") && request.requester == "p3"\'', directory_people=crowd
    ).broken


def test_a_time_at_which_somebody_else_may_approve_is_no_proof() -> None:
    rota = "version: 1\nzone: UTC\nhandover: Mon 09:00\nturns: [dan]\nsince: 2026-01-05\n"
    asks = (
        "version: 1\nrules:\n  - {id: all, when: 'true', require: [{approvals: {at_least: 1, from: on-call:duty}}]}\n"
    )
    found = proof("never: 'grant.subject == \"dan\"'", rotas_duty=rota, rules_base=asks)
    assert (found.kept, found.sampled) == (True, (regions.OF_TIME,))


def test_rules_that_fail_deny_and_keep_what_is_promised() -> None:
    failing = "version: 1\nrules:\n  - {id: fails, when: '1 / (subject.groups.size() - subject.groups.size()) > 0', require: [{approvals: {at_least: 1, from: owners}}]}\n"
    assert proof("never: 'grant.role == \"admin\"'", rules_base=failing).decided


def test_a_search_that_grows_too_large_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(regions, "MOST", 3)
    found = proof('never: \'grant.purpose == "incident" && grant.duration > duration("4h") && decision.approvals > 9\'')
    assert found.kept
    hidden = proof("always: 'decision.approvals < 9'")
    assert hidden.sampled == (regions.TOO_MANY,)


def test_a_pause_keeps_no_promise() -> None:
    paused = FILES["policies/daypass.yaml"] + "limits: {unsigned: accept, pause: true}\n"
    assert not proof("never: 'grant.role == \"editor\"'", daypass=paused).kept


def test_promises_decide_nothing_and_their_faults_deny_nothing() -> None:
    wrong = (
        "version: 1\npromises:\n  - {id: one, never: 'grant.rle == \"x\"'}\n  - {id: one, always: 'true'}\n"
        "  - {id: none}\n  - {id: both, never: 'true', always: 'true'}\n"
    )
    found = policy(promises_main=wrong)
    assert found.digest == policy().digest
    assert not found.broken
    assert shown(found.findings) == [
        "3:23 condition-invalid there is no variable or function 'grant.rle' [did you mean grant.role?]",
        "4:10 duplicate-promise promise 'one' is made twice; the first is at policies/promises/main.yaml:3:10 [give each promise its own id]",
        "5:5 promise-unclear promise none has neither never nor always [give each promise one condition: never or always]",
        "6:5 promise-unclear promise both has never and always [give each promise one condition: never or always]",
    ]
    shapeless = read_policies(files() | {"policies/promises/main.yaml": b"version: 1\n"})
    assert (shapeless.promises, bool(shapeless.findings)) == ((), True)


def test_a_broken_promise_is_a_finding_at_its_place() -> None:
    found = policy(promises_main="version: 1\npromises:\n  - {id: short, never: 'grant.duration > duration(\"1h\")'}\n")
    assert shown(broken_promises(found, AT)) == [
        "3:10 promise-broken promise short is broken: readonly on orders-db for alice, asked for by alice, is let through "
        "[mend the rules, or what is promised; `daypass policy prove` shows the request]"
    ]


def test_a_change_of_rules_alone_is_decided_over_every_request() -> None:
    same = between(policy(), policy(), AT)
    assert (same.decided, same.differences) == (True, ())
    longer = between(policy(), policy(rules_base=RULES.replace('duration("4h")', 'duration("6h")')), AT)
    assert (longer.decided, longer.sampled, longer.looser) == (True, (), True)
    first = longer.differences[0].request.grant
    assert format_duration(first.span.length) == "4h1s"
    named = between(policy(), policy(rules_base=RULES.replace("low-risk-passes", "little-risk-passes")), AT)
    assert named.differences == ()


def test_a_change_of_who_there_is_is_searched() -> None:
    joined = FILES["policies/directory/people.yaml"].replace("groups:", "  erin: {name: Erin Vogt}\ngroups:", 1)
    assert not between(policy(), policy(directory_people=joined), AT).decided


@pytest.mark.parametrize("at", [AT, datetime.fromisoformat("2027-03-28T00:30:00+00:00")])
def test_hours_are_cut_at_every_edge_whatever_the_season(at: datetime) -> None:
    shut = RULES.replace("08:00-19:00", "08:00-18:59")
    found = between(policy(), policy(rules_base=shut), at)
    assert [one.looser for one in found.differences] == [False]
    assert found.differences[0].request.opened_at.minute == 59


def test_what_hours_are_made_of_and_other_numbers_are_read_loosely() -> None:
    made = 'never: \'within_hours(access.from, "Mon 10:00-11:00" + grant.ticket, "UTC") && grant.resource == "none"\''
    assert proof(made).sampled == ("access.from", "grant.ticket")
    assert proof(
        "never: 'subject.live_grants > -1 && double(subject.live_grants) > 0.5 && grant.resource == \"x\"'"
    ).kept


def test_a_purpose_whose_requests_are_none_of_those_is_passed_over() -> None:
    more = (
        PURPOSE + "rules:\n  - {id: own, when: 'true', require: [{approvals: {at_least: 1, from: group:security}}]}\n"
    )
    first, second = proofs(
        'always: \'grant.purpose != "" || resource.name == "wiki" || decision.approvals == 2\'',
        'always: \'grant.purpose != "incident" || "group:security" in decision.sources\'',
        purposes_incident=more,
    )
    assert (first.kept, second.kept) == (True, True)


def test_a_search_for_a_request_that_grows_too_large_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(regions, "MOST", 8)
    found = proof('never: \'grant.purpose == "incident" && grant.subject != "none" && grant.role == "none"\'')
    assert found.decided
    asked = PURPOSE + "asked_by: [group:security]\n"
    far = proof('never: \'grant.purpose == "incident" && !("security" in requester.groups)\'', purposes_incident=asked)
    assert (far.kept, far.sampled) == (True, (regions.TOO_MANY,))


def test_what_both_deny_moves_nothing_and_a_rule_that_both_have_hides_it() -> None:
    shut = RULES + "  - {id: shut, when: 'grant.role == \"editor\"', deny: true}\n"
    more = "  - {id: more, when: 'grant.role == \"editor\"', require: [{approvals: {at_least: 2, from: owners}}]}\n"
    assert between(policy(rules_base=shut), policy(rules_base=shut + more), AT).differences == ()
    asks = RULES + more.replace("more", "most").replace("at_least: 2", "at_least: 3")
    assert between(policy(rules_base=asks), policy(rules_base=asks + more), AT).differences == ()
    denies = RULES + "  - {id: one, when: 'grant.role == \"editor\"', deny: true}\n"
    assert (
        between(
            policy(rules_base=denies), policy(rules_base=denies.replace("when: 'g", "when: 'true && g")), AT
        ).differences
        == ()
    )


VENDORS = FILES["policies/directory/people.yaml"].replace(
    "acme: {title: Acme Support, until: 2026-12-01}",
    "acme: {title: Acme Support, sponsor: bob, agreement: {from: 2026-01-01, until: 2027-12-01}, dpa: {until: 2027-12-01}, "
    "resources: [wiki], data: [], purposes: []}",
)


def test_a_vendors_people_get_nothing_outside_its_terms_and_their_sponsor_counts() -> None:
    outside, sponsored = proofs(
        'never: \'subject.vendor == "acme" && resource.name == "orders-db"\'',
        'always: \'subject.vendor != "acme" || "sponsor" in decision.sources\'',
        directory_people=VENDORS,
    )
    assert (outside.kept, outside.decided) == (True, True)
    assert sponsored.kept


def test_of_which_requests_two_policies_say_the_same_is_told_by_the_rules_that_differ() -> None:
    short = RULES + "  - {id: short, when: 'grant.duration > duration(\"4h\")', deny: true}\n"
    held = RULES + "  - {id: many, when: 'subject.live_grants > 3', deny: true}\n"
    asked = {hours: Request(grant(hours=hours), "alice", AT) for hours in (4, 5)}
    changed = RulesChanged(policy(), policy(rules_base=short))
    assert changed.moved(asked[4]) is None
    found = changed.moved(asked[5])
    assert found is not None
    assert found == compare(policy(), policy(rules_base=short), asked[5])
    assert RulesChanged(policy(), policy(rules_base=held)).moved(asked[4]) is None
    assert RulesChanged(policy(), policy()).moved(asked[4]) is None
    nobody = RulesChanged(policy(), policy()).moved(Request(grant(subject="nobody"), "alice", AT))
    assert nobody is not None
    assert (nobody.shifts, nobody.after.denials[0].code) == (frozenset(), "unknown-subject")
    assert not rules_alone(policy(), policy(purposes_incident=PURPOSE.replace("4h", "3h")))
