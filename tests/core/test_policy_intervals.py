"""Rules and limits of windows that recur: asked of every interval, and of the whole."""

from __future__ import annotations

from datetime import timedelta

import pytest
from policy_samples import AT, RESOURCE, SETTINGS, files, grant, read_policies

from daypass.core.approval.roles import as_held
from daypass.core.calendar.recurrence import span_between
from daypass.core.ids import GrantId
from daypass.core.ledger.records import HeldWindow
from daypass.core.policy.decision import Decision, Request, decide, static_denials
from daypass.core.policy.held import HeldGrant, days_held, held_too_long
from daypass.core.policy.intervals import room
from daypass.core.policy.policies import Policy
from daypass.core.window import Recurrence, Window

CALENDAR = (
    "version: 1\nzone: Europe/Berlin\nhours: Mon-Fri 08:00-19:00\nexcept: [2026-12-24..2026-12-26]\nyears: [2026]\n"
)
WHY = (
    ", since it has days of its own (except) for 2026 alone; without any its hours would hold every year."
    " Write years: [2027] if 2027 has no such days"
)
PURPOSE = "version: 1\nmax_duration: 4h\nmax_span: 20d\n"


def policy(rules: str = "", resource: str = RESOURCE, settings: str = SETTINGS) -> Policy:
    found = read_policies(
        files(
            daypass=settings + ("" if "limits:" in settings else "limits: {unsigned: accept}\n"),
            resources_orders_db=resource,
            rules_base="version: 1\nrules:\n" + (rules or "  - {id: q, when: 'false', deny: true}\n"),
            calendars_office=CALENDAR,
            purposes_report=PURPOSE,
        )
    )
    assert found.faults == ()
    return found


def ask(found: Policy, start: str, until: str, recurs: Recurrence, **more) -> Decision:
    return decide(found, Request(grant(span=span_between(start, until, recurs), **more), "alice", AT))


def told(found: Decision) -> list[tuple[str, str]]:
    return [(denial.code, denial.message) for denial in found.denials]


MONDAYS = Recurrence("Mon 06:00-08:00", "Europe/Berlin")


def test_an_elapsed_limit_holds_for_one_interval_and_the_span_for_the_whole() -> None:
    assert told(ask(policy(), "2026-12-01", "2027-02-28", MONDAYS)) == []
    assert told(ask(policy(), "2026-12-01", "2027-03-20", Recurrence("Mon 06:00-15:00", "Europe/Berlin"))) == [
        ("too-long", "an interval of 9h is longer than the 8h that role readonly of orders-db allows"),
        ("span-too-long", "a window of 109d is longer than the 92d that the settings allow"),
    ]


def test_role_purpose_and_settings_bound_the_span() -> None:
    ours = RESOURCE.replace("{max_duration: 8h, ", "{max_duration: 8h, max_span: 30d, ")
    found = policy(resource=ours, settings=SETTINGS + "limits: {unsigned: accept, max_span: 60d}\n")
    assert told(ask(found, "2026-12-01", "2027-02-28", MONDAYS, purpose="report")) == [
        ("span-too-long", "a window of 89d is longer than the 60d that the settings allow"),
        ("span-too-long", "a window of 89d is longer than the 30d that role readonly of orders-db allows"),
        ("span-too-long", "a window of 89d is longer than the 20d that purpose report allows"),
    ]


def test_no_role_or_purpose_allows_a_longer_span_than_the_settings() -> None:
    found = read_policies(
        files(
            resources_orders_db=RESOURCE.replace("8h, ", "8h, max_span: 93d, "),
            purposes_report=PURPOSE.replace("20d", "100d"),
        )
    )
    told = [(f.code, f.place.path, f.message) for f in found.faults if f.code == "too-long"]
    assert told == [
        ("too-long", "max_span", "100d is longer than the 92d that the settings allow"),
        ("too-long", "roles.readonly.max_span", "93d is longer than the 92d that the settings allow"),
    ]


def test_rules_of_the_time_of_access_are_asked_of_each_interval_and_name_the_first_that_fails() -> None:
    rule = '  - {id: office-only, when: "true", deny_unless: \'covered_by(access.from, access.until, "office")\'}\n'
    week = Recurrence("Mon-Fri 10:00-12:00", "Europe/Berlin")
    assert told(ask(policy(rule), "2026-12-14", "2026-12-24", week)) == []
    assert told(ask(policy(rule), "2026-12-14", "2026-12-30", week)) == [
        (
            "rule-denies",
            "rule office-only denies this (in the interval 2026-12-24T09:00:00Z/2026-12-24T11:00:00Z)",
        )
    ]
    (denial,) = told(ask(policy(rule), "2026-12-30", "2027-01-05", week))
    assert denial[0] == "calendar-runs-out"
    assert denial[1].endswith(
        f"says nothing about 2027{WHY} (in the interval 2027-01-01T09:00:00Z/2027-01-01T11:00:00Z)"
    )


def test_it_passes_by_itself_only_where_each_interval_does() -> None:
    rule = (
        "  - {id: short-days, when: 'in_calendar(access.from, \"office\") && grant.recurs', approve: automatically}\n"
        '  - {id: nights, when: \'!within_hours(access.from, "Mon-Sun 06:00-20:00", "Europe/Berlin")\', '
        "require: [{approvals: {at_least: 1, from: group:security}}]}\n"
    )
    daily = Recurrence("Mon-Fri 10:00-12:00", "Europe/Berlin")
    assert ask(policy(rule), "2026-12-14", "2026-12-19", daily).automatic
    over_christmas = ask(policy(rule), "2026-12-14", "2026-12-30", daily)
    assert not over_christmas.automatic
    assert [need.source for need in over_christmas.requirements] == ["owners"]
    nights = ask(
        policy(rule), "2026-12-14", "2026-12-19", Recurrence("Mon 10:00-11:00, Tue 20:00-21:00", "Europe/Berlin")
    )
    assert [need.source for need in nights.requirements] == ["group:security"]


def test_the_duration_that_rules_read_is_that_of_the_longest_interval() -> None:
    rule = "  - {id: short, when: 'grant.duration > duration(\"2h\")', deny: true}\n"
    assert told(ask(policy(rule), "2026-12-14", "2026-12-19", MONDAYS)) == []
    longer = Recurrence("Mon 06:00-08:00, Tue 06:00-09:00", "Europe/Berlin")
    assert [code for code, _ in told(ask(policy(rule), "2026-12-14", "2026-12-19", longer))] == ["rule-denies"]


@pytest.mark.parametrize(
    ("start", "until", "calendar", "expected"),
    [
        ("2026-12-14", "2026-12-19", "office", ("too-long", "an interval of 11h is longer than the 8h that role")),
        ("2026-12-14", "2027-01-19", "office", ("calendar-runs-out", f"calendar office says nothing about 2027{WHY}")),
        ("2026-12-24", "2026-12-27", "office", ("window-without-interval", "in calendar office holds at no time")),
        ("2026-12-14", "2026-12-19", "ofice", ("unknown-calendar", "there is no calendar 'ofice'")),
    ],
)
def test_a_window_of_a_calendar_is_told_by_the_policies_of_the_decision(start, until, calendar, expected) -> None:
    asked = grant(span=span_between(start, until, Recurrence(zone="Europe/Berlin", calendar=calendar)))
    for denials in (decide(policy(), Request(asked, "alice", AT)).denials, static_denials(policy(), asked)):
        assert denials[0].code == expected[0]
        assert denials[0].message.startswith(expected[1])


def test_how_much_longer_it_may_recur_is_what_the_spans_leave() -> None:
    asked = grant(span=span_between("2026-12-01", "2026-12-11", MONDAYS))
    assert asked.span.window is not None
    assert room(policy().catalogue, asked, asked.span.window).days == 82


# What somebody had before counts by its intervals


def weeks(*days: int) -> Window:
    parts = tuple((AT + timedelta(days=day), AT + timedelta(days=day, hours=2)) for day in days)
    return Window(AT + timedelta(days=days[0] - 1), AT + timedelta(days=days[-1] + 1), parts)


def had(window: Window) -> HeldGrant:
    return HeldGrant(GrantId("orders-db/before"), "alice", "orders-db", "readonly", window)


def test_days_are_counted_by_intervals() -> None:
    assert days_held([], weeks(0, 7, 14)) == 3
    assert days_held([had(weeks(-7, 0))], weeks(0, 7, 14)) == 4
    assert days_held([had(Window(AT, AT + timedelta(days=20)))], weeks(3, 10)) == 21


def test_intervals_that_lie_apart_add_up_to_nothing_and_what_fills_the_gap_does() -> None:
    most = timedelta(hours=8)
    assert list(held_too_long("alice", most, [had(weeks(-7, 0))], weeks(7, 14))) == []
    assert list(held_too_long("alice", most, [had(weeks(0, 7))], weeks(0, 7, 14))) == []
    before = had(Window(AT + timedelta(days=7, hours=-7), AT + timedelta(days=7)))
    ((code, message, _),) = held_too_long("alice", most, [before], weeks(0, 7, 14))
    assert code == "held-too-long"
    assert "for 9h without a gap, longer than the 8h" in message
    assert "at most 1h more" in message


def test_what_was_had_of_an_interval_that_was_cut_is_what_was_left_of_it() -> None:
    window = weeks(0, 7)
    had_then = HeldWindow("alice", "readonly", window.start, AT + timedelta(days=3), window.parts)
    assert had_then.window is not None
    assert had_then.window.parts == window.parts[:1]
    never = had_then._replace(until=AT - timedelta(hours=1))
    assert never.window is None
    assert as_held("orders-db", GrantId("orders-db/a"), never) is None


def test_where_people_have_to_accept_what_they_are_given_no_window_recurs() -> None:
    settings = SETTINGS.replace("embedded: {kind: embedded}", "embedded: {kind: github, organisation: acme}")
    resource = RESOURCE.replace("privilege: {member_of: orders_readonly}", "privilege: {team: readers}")
    found = read_policies(
        files(daypass=settings + "limits: {unsigned: accept}\n", resources_orders_db=resource, rules_base=None)
    )
    asked = grant(span=span_between("2026-12-01", "2026-12-11", MONDAYS))
    assert ("window-at-inviting", "target embedded invites people, who would have to accept each interval anew") in [
        (denial.code, denial.message) for denial in static_denials(found, asked)
    ]


def test_what_recurs_passes_by_itself_only_by_a_rule_that_says_so() -> None:
    rule = "  - {id: short, when: 'grant.duration <= duration(\"4h\")', approve: automatically}\n"
    all_day = Recurrence(", ".join(f"Mon-Sun {hour:02}:00-{hour + 3:02}:00" for hour in range(0, 24, 4)), "UTC")
    found = ask(policy(rule), "2026-12-14", "2026-12-19", all_day)
    assert not found.automatic
    assert [need.source for need in found.requirements] == ["owners"]
    meant = rule.replace('duration("4h")', 'duration("4h") && grant.recurs')
    assert ask(policy(meant), "2026-12-14", "2026-12-19", all_day).automatic


def test_intervals_that_lie_no_further_apart_than_a_run_is_late_are_one() -> None:
    hours = Recurrence("Mon-Sun 00:00-07:59, Mon-Sun 08:00-15:59, Mon-Sun 16:00-23:59", "UTC")
    (denial,) = ask(policy(), "2026-12-14", "2026-12-16", hours).denials
    assert (denial.code, denial.message) == (
        "too-long",
        "an interval of 1d23h59m is longer than the 8h that role readonly of orders-db allows",
    )


def test_an_interval_that_is_over_is_asked_nothing_any_more() -> None:
    rule = "  - {id: later, when: 'true', deny_unless: 'access.from > timestamp(\"2026-11-17T00:00:00Z\")'}\n"
    assert told(ask(policy(rule), "2026-11-10", "2026-12-10", MONDAYS)) == []
    early = decide(
        policy(rule), Request(grant(span=span_between("2026-11-10", "2026-12-10", MONDAYS)), "alice", AT.replace(day=1))
    )
    assert [denial.rule for denial in early.denials] == ["later"]
