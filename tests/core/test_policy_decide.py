"""What policy says of requests."""

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace
from policy_samples import AT, DIRECTORY, RESOURCE, SETTINGS, files, grant, policy, read_policies, rules

from daypass.core.calendar.wait import Wait
from daypass.core.policy.decision import Request, decide, static_denials
from daypass.core.policy.escalation import Escalation
from daypass.core.policy.held import Held, HeldGrant
from daypass.core.policy.intervals import room
from daypass.core.policy.requirement import Requirement
from daypass.core.window import Window

NONE = "  - {id: quiet, when: 'false', deny: true}\n"


def day(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def ask(found, wanted=None, *, requester="alice", at=AT, **more):
    return decide(found, Request(wanted or grant(), requester, at, **more))


def told(denials):
    return [(d.code, d.rule, d.message, d.hint) for d in denials]


def test_without_any_rule_one_owner_approves():
    found = ask(rules(NONE))
    assert found.requirements == (Requirement(1, "owners", ("default",)),)
    assert (found.denials, found.automatic, found.rules) == ((), False, ())
    assert not found.denied


def test_requirements_of_all_rules_add_up():
    found = ask(policy())
    assert found.denials == ()
    assert found.requirements == (
        Requirement(
            1, "group:security", ("production-needs-two",), escalate=(Escalation(Wait.parse("4h"), "group:dba"),)
        ),
        Requirement(1, "owners", ("production-needs-two",)),
    )
    assert found.rules == ("production-needs-two",)
    assert found.applied == ("production-needs-two", "restricted-in-office-hours")


def test_a_denial_carries_the_rules_message_and_what_would_pass():
    found = ask(policy(), at=day("2026-11-21T10:00:00"))  # a Saturday
    assert told(found.denials) == [
        (
            "rule-denies",
            "restricted-in-office-hours",
            "Restricted data is opened in office hours only; use purpose incident outside them.",
            'passes when within_hours(access.from, "Mon-Fri 08:00-19:00", "Europe/Berlin")',
        )
    ]
    assert found.denied
    assert not found.automatic


def test_a_rule_without_message_denies_in_its_own_words():
    found = ask(rules('  - {id: no, when: grant.role == "readonly", deny: true}\n'))
    assert told(found.denials) == [
        ("rule-denies", "no", "rule no denies this", 'denied because grant.role == "readonly"')
    ]


def test_automatic_approval_lifts_the_default():
    found = ask(policy(), grant(resource="wiki", role="editor"))
    assert found.automatic
    assert found.requirements == ()
    assert found.rules == ("low-risk-passes",)


def test_automatic_approval_never_lifts_what_another_rule_asks():
    text = "  - {id: a, when: 'true', approve: automatically}\n"
    text += "  - {id: b, when: 'true', require: [{approvals: {at_least: 1, from: owners}}]}\n"
    found = ask(rules(text))
    assert found.requirements == (Requirement(1, "owners", ("b",)),)
    assert not found.automatic


def test_a_rule_that_fails_denies_and_is_named():
    found = ask(rules("  - {id: bad, when: 'int(grant.ticket) > 1', approve: automatically}\n"))
    assert told(found.denials) == [
        (
            "rule-failed",
            "bad",
            "rule bad could not be evaluated: cannot convert string to int",
            "mend the rule in policies/rules/base.yaml:3:10",
        )
    ]


def test_everything_wrong_is_said_at_once():
    wanted = grant(subject="alicia", resource="orders", role="read", hours=31 * 24, purpose="incidnt")
    assert told(ask(policy(), wanted, requester="bop").denials) == [
        ("unknown-subject", "", "there is no subject 'alicia' in the directory", "did you mean alice?"),
        ("unknown-resource", "", "there is no resource 'orders' in the catalogue", "did you mean orders-db?"),
        ("unknown-purpose", "", "there is no purpose 'incidnt'", "did you mean incident?"),
        ("too-long", "", "31d is longer than the 30d that the settings allow", "ask for at most 30d"),
        ("unknown-requester", "", "'bop', who opened the request, is not known to the directory", "did you mean bob?"),
    ]


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (
            {"subject": "zoe"},
            ("unknown-subject", "", "there is no subject 'zoe' in the directory", "add them to policies/directory"),
        ),
        (
            {"role": "admn"},
            ("unknown-role", "", "orders-db offers no role 'admn'", "did you mean admin? it offers admin, readonly"),
        ),
        ({"role": "x"}, ("unknown-role", "", "orders-db offers no role 'x'", "it offers admin, readonly")),
        (
            {"hours": 9},
            ("too-long", "", "9h is longer than the 8h that role readonly of orders-db allows", "ask for at most 8h"),
        ),
        (
            {"hours": 5, "purpose": "incident", "ticket": "INC-1"},
            ("too-long", "", "5h is longer than the 4h that purpose incident allows", "ask for at most 4h"),
        ),
        (
            {"purpose": "incident"},
            ("ticket-missing", "", "purpose incident demands a ticket", "add ticket: …"),
        ),
        (
            {"ends_when": (("issue_closed", "acme/orders#88"),)},
            (
                "ends-when-unwatched",
                "",
                "ends_when: nobody can look at issue_closed acme/orders#88",
                "remove ends_when: the local forge has no issues; the window ends the access",
            ),
        ),
        (
            {"window": (AT - timedelta(hours=2), AT)},
            (
                "window-past",
                "",
                "the window ended at 2026-11-20T10:00:00Z, before the request was opened at 2026-11-20T10:00:00Z",
                "ask for a window that is still to come",
            ),
        ),
    ],
)
def test_what_is_outside_the_bounds_is_denied_with_what_would_help(changed, expected):
    assert told(ask(policy(), grant(**changed)).denials) == [expected]


def test_who_opened_the_request_must_be_known():
    (found,) = told(ask(policy(), requester="").denials)
    assert found == (
        "unknown-requester",
        "",
        "who opened the request is not known to the directory",
        "add them to policies/directory",
    )


def test_a_subject_needs_an_identity_where_the_target_does_not_know_handles():
    found = read_policies(
        files(daypass=SETTINGS.replace("embedded: {kind: embedded}", "embedded: {kind: postgres}")),
    )
    assert told(ask(found).denials) == [
        (
            "no-identity",
            "",
            "alice has no identity at target embedded",
            "add identities: {embedded: …} to alice in policies/directory",
        )
    ]
    named = DIRECTORY.replace("manager: bob}", "manager: bob, identities: {postgres: al}}")
    settings_text = SETTINGS.replace("embedded: {kind: embedded}", "embedded: {kind: postgres}")
    again = read_policies(files(daypass=settings_text, directory_people=named))
    assert ask(again).denials == ()


def test_policies_with_faults_deny_everything():
    found = rules('  - {id: a, when: grant.rol == "x", deny: true}\n  - {id: b, when: nothing, deny: true}\n')
    assert told(ask(found).denials) == [
        (
            "policy-broken",
            "",
            "the policies have faults, so nothing is granted: policies/rules/base.yaml:3:19: "
            "there is no variable or function 'grant.rol' (and 1 more)",
            "did you mean grant.role?",
        )
    ]
    assert [d.code for d in static_denials(found, grant())] == ["policy-broken"]


def test_missing_settings_deny_everything_and_lift_no_limit():
    found = policy(daypass=None)
    assert next(d.code for d in ask(found, grant(hours=40 * 24)).denials) == "policy-broken"
    assert "too-long" in [d.code for d in ask(found, grant(hours=31 * 24)).denials]


def test_where_policies_have_faults_people_are_told_of_those_alone():
    found = ask(policy(directory_people="version: 9\n"))
    assert [d.code for d in found.denials][:2] == ["policy-broken", "unknown-subject"]
    assert [d.code for d in found.told] == ["policy-broken"]
    whole = ask(policy(), grant(hours=31 * 24))
    assert whole.told == whole.denials != ()


def test_a_resource_with_faults_denies_its_own_grants_alone():
    found = policy(resources_orders_db=RESOURCE.replace("production", "prodution"))
    assert told(ask(found).denials) == [
        (
            "resource-broken",
            "",
            "the catalogue's file of orders-db has faults: policies/resources/orders-db.yaml:4:14: environment 'prodution' "
            "is not one of the settings' environments: production, staging, development",
            "did you mean production?",
        )
    ]
    assert ask(found, grant(resource="wiki", role="editor")).denials == ()


def test_access_may_not_outlive_the_data():
    found = policy(resources_orders_db=RESOURCE + "retention_until: 2026-12-01\n")
    wanted = grant(window=(day("2026-11-30T17:00:00"), day("2026-12-01T00:00:01")))
    assert told(ask(found, wanted).denials) == [
        (
            "beyond-retention",
            "",
            "the data of orders-db is kept until 2026-12-01T00:00:00Z, but access would last until 2026-12-01T00:00:01Z: "
            "the grant would turn invalid on 2026-12-01",
            "end the window by 2026-12-01T00:00:00Z",
        )
    ]
    exactly = grant(window=(day("2026-11-30T17:00:00"), day("2026-12-01T00:00:00")))
    assert ask(found, exactly).denials == ()
    assert [d.code for d in static_denials(found, wanted)] == ["beyond-retention"]


def test_a_duration_counts_from_the_request_until_the_merge_is_known():
    found = policy(resources_orders_db=RESOURCE + "retention_until: 2026-11-20T13:00:00Z\n")
    assert [d.code for d in ask(found, grant(hours=4)).denials] == ["beyond-retention"]
    assert ask(found, grant(hours=3)).denials == ()
    merged = Window(AT + timedelta(hours=1), AT + timedelta(hours=4))
    assert [d.code for d in ask(found, grant(hours=3), window=merged).denials] == ["beyond-retention"]
    assert static_denials(found, grant(hours=4)) == ()
    assert [d.code for d in static_denials(found, grant(hours=3), merged)] == ["beyond-retention"]


def test_access_may_not_outlive_the_engagement_of_a_person_or_their_vendor():
    found = rules(NONE)
    wanted = grant(subject="vera", window=(day("2026-11-30T20:00:00"), day("2026-12-01T01:00:00")))
    assert told(ask(found, wanted, requester="bob").denials) == [
        (
            "beyond-engagement",
            "",
            "vera's vendor acme is engaged until 2026-12-01T00:00:00Z, but access would last until 2026-12-01T01:00:00Z: "
            "the grant would turn invalid on 2026-12-01",
            "end the window by 2026-12-01T00:00:00Z",
        )
    ]


def test_a_request_after_the_engagement_is_over_is_denied():
    found = rules(NONE)
    at = day("2026-12-01T00:00:00")
    denials = ask(found, grant(subject="vera"), requester="bob", at=at).denials
    assert [d.code for d in denials] == ["engagement-over", "beyond-engagement"]
    assert denials[0].message == (
        "vera's vendor acme is engaged until 2026-12-01T00:00:00Z only, and the request was opened at 2026-12-01T00:00:00Z"
    )


def test_a_merged_grant_that_is_over_is_no_fault():
    over = grant(window=(day("2025-01-01T00:00:00"), day("2025-01-01T01:00:00")))
    assert static_denials(rules(NONE), over) == ()


def test_rules_that_read_the_request_are_not_asked_without_one():
    found = rules("  - {id: a, when: request.kind == \"new\", deny: true}\n  - {id: b, when: 'true', deny: true}\n")
    assert [d.rule for d in static_denials(found, grant())] == ["b"]
    assert [d.rule for d in ask(found).denials] == ["a", "b"]


def test_bulk_checks_tell_unknown_names_too():
    found = static_denials(policy(), grant(subject="alicia", resource="orders", role="read"))
    assert [d.code for d in found] == ["unknown-subject", "unknown-resource"]


def test_denials_become_findings_in_the_grants_file():
    by_rule, built_in = ask(rules("  - {id: no, when: 'true', deny: true}\n"), grant(hours=9)).denials[::-1]
    assert by_rule.finding("grants/x.yaml").code == "policy-denied"
    found = built_in.finding("grants/x.yaml")
    assert (found.code, found.place.file, found.hint) == ("too-long", "grants/x.yaml", "ask for at most 8h")


def test_the_trace_tells_each_rule_and_the_values_it_saw():
    found = decide(policy(), Request(grant(ticket="INC-1"), "alice", AT), trace=True)
    traces = {trace.rule: trace for trace in found.traces}
    assert list(traces) == ["low-risk-passes", "production-needs-two", "restricted-in-office-hours"]
    assert not traces["low-risk-passes"].applied
    assert traces["low-risk-passes"].values == (
        ("grant.duration", "4h"),
        ("resource.classification", '"restricted"'),
        ("subject.groups", '["engineering"]'),
    )
    assert traces["restricted-in-office-hours"].applied
    assert ("access.from", "2026-11-20T10:00:00Z") in traces["restricted-in-office-hours"].values
    assert ("grant.emergency", "false") in traces["restricted-in-office-hours"].values
    assert traces["production-needs-two"].effect == "needs 1 from owners; needs 1 from group:security"


def test_a_purpose_decides_what_is_an_emergency():
    wanted = grant(purpose="incident", ticket="INC-1")
    assert ask(policy(), wanted, at=day("2026-11-21T10:00:00")).denials == ()


def test_a_naive_time_is_a_fault_of_the_program():
    with pytest.raises(RuntimeError, match="naive time"):
        ask(rules(NONE), at=datetime(2026, 11, 20, 10))  # noqa: DTZ001  (the very thing that is refused)


def test_a_role_that_its_target_can_give_to_nobody_is_denied():
    found = replace(policy(), unfit={("orders-db", "readonly"): ("its server knows no such thing", "")})
    assert told(ask(found).denials) == [
        (
            "role-unfit",
            "",
            "role readonly of orders-db can be given to nobody: its server knows no such thing",
            "whoever owns the resource mends its role first",
        )
    ]
    assert ask(found, grant(role="admin")).denials == ask(policy(), grant(role="admin")).denials


def test_the_room_for_an_extension_is_what_the_nearest_bound_leaves():
    window = Window(AT, AT + timedelta(hours=2))
    assert room(policy().catalogue, grant(hours=2), window) == timedelta(hours=6)
    assert room(policy().catalogue, grant(hours=2, purpose="incident"), window) == timedelta(hours=2)
    kept = policy(resources_orders_db=RESOURCE + "retention_until: 2026-11-20T13:00:00Z\n")
    assert room(kept.catalogue, grant(hours=2), window) == timedelta(hours=1)
    assert room(policy().catalogue, grant(hours=2), Window(AT, AT + timedelta(hours=8))) == timedelta(0)


# The time of access

FREEZE = "version: 1\nzone: UTC\ndays: [2026-12-20..2027-01-02]\n"
NO_FREEZE = "  - {id: freeze, when: 'true', deny_unless: '!meets(access.from, access.until, \"freeze\")'}\n"


def frozen_policy(text=NO_FREEZE, calendar=FREEZE):
    return policy(rules_base="version: 1\nrules:\n" + text, calendars_freeze=calendar)


@pytest.mark.parametrize(
    ("start", "merged", "denied"),
    [
        (None, "2026-11-20T10:00:00", False),
        (None, "2026-11-20T21:07:00", True),  # asked in the afternoon, and merged at night
        ("2026-11-20T21:00:00", "2026-11-20T10:00:00", True),  # asked in the morning, for the night
        ("2026-11-20T12:00:00", "2026-11-20T10:00:00", False),
    ],
)
def test_rules_of_time_go_by_when_access_begins_and_not_by_when_it_is_asked_for(start, merged, denied):
    span = {"window": (day(start), day(start) + timedelta(hours=1))} if start else {}
    wanted = grant(**span)
    asked = Request(wanted, "alice", AT, window=wanted.span.starting(day(merged)))
    assert ("restricted-in-office-hours" in {d.rule for d in decide(policy(), asked).denials}) is denied


@pytest.mark.parametrize(("until", "denied"), [("2026-12-20T00:00:00", False), ("2026-12-20T00:00:01", True)])
def test_what_meets_a_calendar_of_a_freeze_is_denied_whenever_it_was_asked_for(until, denied):
    wanted = grant(window=(day("2026-12-19T20:00:00"), day(until)))
    assert bool([d for d in ask(frozen_policy(), wanted).denials if d.rule == "freeze"]) is denied


def test_a_calendar_that_says_nothing_about_the_year_denies():
    wanted = grant(window=(day("2028-02-01T10:00:00"), day("2028-02-01T12:00:00")))
    assert told(ask(frozen_policy(), wanted).denials) == [
        (
            "calendar-runs-out",
            "",
            "rule freeze could not be evaluated: calendar freeze says nothing about 2028",
            "add that year's days to the calendar, or the year to its years where it has none; ask again then",
        )
    ]
    assert not ask(frozen_policy(calendar=FREEZE + "years: [2028]\n"), wanted).denials


@pytest.mark.parametrize(
    ("condition", "column", "message", "hint"),
    [
        ('in_calendar(access.from, "frezee")', 66, "there is no calendar 'frezee'", "did you mean freeze?"),
        (
            'meets(access.from, access.until, "office")',
            74,
            "there is no calendar 'office'",
            "calendars are the files of policies/calendars",
        ),
        (
            "covered_by(access.from, access.until, grant.purpose)",
            79,
            "the name of a calendar is written out, in quotes",
            "there are: freeze",
        ),
    ],
)
def test_a_calendar_is_named_in_quotes_and_must_be_there(condition, column, message, hint):
    found = frozen_policy(f"  - {{id: x, when: 'true', deny_unless: '{condition}'}}\n").broken
    assert [(f.code, f.place.line, f.place.column, f.message, f.hint) for f in found] == [
        ("condition-invalid", 3, column, message, hint)
    ]


def test_rules_of_time_are_asked_of_requests_alone():
    assert not static_denials(frozen_policy(), grant(window=(day("2026-12-21T10:00:00"), day("2026-12-21T12:00:00"))))


# What stands beside a grant

APART = "  - {id: apart, when: 'grant.resource == \"orders-db\"', deny_unless: '!(\"wiki/editor\" in subject.live)'}\n"
THREE = "  - {id: three, when: 'true', deny_unless: 'subject.live_grants < 3'}\n"


def held(*roles, window=None, subject="alice"):
    """What a subject holds beside the grant that is asked for."""
    grants = [
        HeldGrant(f"{role.split('/')[0]}/n{n}", subject, *role.split("/"), window) for n, role in enumerate(roles)
    ]
    return Held(known=True, grants=tuple(grants))


def beside(found, known, **changed):
    return [d.rule for d in decide(found, Request(grant(**changed), "alice", AT, held=known)).denials]


def test_toxic_combinations_are_denied_while_both_would_be_held():
    later = Window(AT + timedelta(hours=4), AT + timedelta(hours=5))
    assert beside(rules(APART), held("wiki/editor")) == ["apart"]
    assert beside(rules(APART), held("wiki/editor", window=Window(AT, AT + timedelta(seconds=1)))) == ["apart"]
    assert beside(rules(APART), held("wiki/editor", window=later)) == []  # it opens when this one is over
    assert beside(rules(APART), held("wiki/reader")) == []
    assert beside(rules(APART), held("wiki/editor", subject="bob")) == []


def test_the_message_names_what_is_held_beside():
    [denial] = decide(rules(APART), Request(grant(), "alice", AT, held=held("wiki/editor"))).denials
    assert denial.message == "rule apart denies this (held beside it: wiki/n0, not admitted yet)"
    [denial] = decide(
        rules(APART),
        Request(grant(), "alice", AT, held=held("wiki/editor", window=Window(AT, AT + timedelta(hours=9)))),
    ).denials
    assert denial.message == "rule apart denies this (held beside it: wiki/n0)"


def test_at_most_so_many_at_once():
    assert beside(rules(THREE), held("wiki/editor", "wiki/editor")) == []
    assert beside(rules(THREE), held("wiki/editor", "wiki/editor", "orders-db/admin")) == ["three"]


def test_how_many_grants_a_request_has():
    one = "  - {id: one, when: 'request.number_of_grants > 1', deny: true}\n"
    assert beside(rules(one), Held(known=True, together=2)) == ["one"]
    assert beside(rules(one), Held(known=True)) == []


def test_a_decision_says_where_nobody_read_the_ledger():
    asked = Request(grant(), "alice", AT)
    assert decide(rules(THREE), asked).untold == ("what else alice holds",)
    assert decide(rules(THREE), replace(asked, held=held())).untold == ()
    assert decide(policy(), asked).untold == ()


def test_rules_of_history_are_asked_of_requests_alone():
    assert not static_denials(rules("  - {id: none, when: 'subject.live_grants == 0', deny: true}\n"), grant())
