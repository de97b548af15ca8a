"""What holds for decisions whatever the rules are."""

from datetime import UTC, datetime, timedelta
from itertools import permutations

from hypothesis import given, settings
from hypothesis import strategies as st
from policy_samples import AT, DIRECTORY, RESOURCE, files, grant, policy, read_policies, rules

from daypass.core.calendar.wait import Wait
from daypass.core.policy.decision import Request, decide, static_denials
from daypass.core.policy.escalation import Escalation
from daypass.core.policy.requirement import Requirement, merge
from daypass.core.window import Span, Window

NONE = "  - {id: quiet, when: 'false', deny: true}\n"


def day(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def ask(found, wanted=None, *, requester="alice", at=AT, **more):
    return decide(found, Request(wanted or grant(), requester, at, **more))


def told(denials):
    return [(d.code, d.rule, d.message, d.hint) for d in denials]


SOURCES = st.sampled_from(["owners", "group:a", "group:b"])
REQUIREMENTS = st.lists(
    st.builds(
        lambda n, source, rule, after, to: Requirement(
            n, source, (rule,), escalate=(Escalation(Wait(rest=timedelta(hours=after)), to),) if to else ()
        ),
        st.integers(1, 3),
        SOURCES,
        st.sampled_from(["r", "s", "t"]),
        st.integers(1, 3),
        st.sampled_from(["", "group:x", "group:y"]),
    ),
    max_size=5,
)


@given(REQUIREMENTS)
def test_a_merged_requirement_is_as_strict_as_each_of_its_parts(parts):
    found = {one.source: one for one in merge(parts)}
    assert set(found) == {part.source for part in parts}
    for part in parts:
        merged = found[part.source]
        assert merged.at_least >= part.at_least
        assert set(part.rules) <= set(merged.rules)
        for step in merged.escalate:
            assert [(one.to, one.wait.plain <= step.wait.plain) for one in part.escalate] == [(step.to, True)]


@given(REQUIREMENTS)
def test_merging_does_not_depend_on_order_nor_on_doing_it_twice(parts):
    once = merge(parts)
    assert merge(parts[::-1]) == once
    assert merge([*once, *parts]) == once


PIECES = [
    "  - {id: a, when: 'grant.role == \"readonly\"', approve: automatically}\n",
    "  - {id: b, when: 'grant.ticket == \"\"', require: [{approvals: {at_least: 2, from: owners}}]}\n",
    "  - {id: c, when: 'request.kind == \"widen\"', require: [{approvals: {at_least: 1, from: group:security}}]}\n",
    "  - {id: d, when: 'grant.duration > duration(\"2h\")', deny_unless: 'grant.ticket != \"\"'}\n",
    "  - {id: e, when: 'int(grant.reason) > 1', approve: automatically}\n",
]
DENY = "  - {id: z, when: 'grant.emergency', deny: true}\n"
GRANTS = st.builds(
    grant,
    hours=st.integers(1, 9),
    role=st.sampled_from(["readonly", "admin"]),
    ticket=st.sampled_from(["", "INC-1"]),
    reason=st.sampled_from(["some words", "5"]),
    purpose=st.sampled_from(["", "incident"]),
)
CHOSEN = st.lists(st.sampled_from(PIECES), unique=True, min_size=1)
KINDS = st.sampled_from(["new", "widen"])


@settings(max_examples=50)
@given(CHOSEN, GRANTS, KINDS)
def test_a_further_denying_rule_never_allows_more(chosen, wanted, kind):
    before = ask(rules("".join(chosen)), wanted, kind=kind)
    after = ask(rules("".join([*chosen, DENY])), wanted, kind=kind)
    assert set(before.denials) <= set(after.denials)
    assert before.requirements == after.requirements
    assert after.automatic <= before.automatic


@settings(max_examples=50)
@given(CHOSEN, GRANTS, KINDS)
def test_automatic_approval_never_takes_away_what_rules_ask(chosen, wanted, kind):
    asked = [piece for piece in chosen if "approve" not in piece] or [DENY]
    without = ask(rules("".join(asked)), wanted, kind=kind)
    lifted = ask(rules("".join([*asked, PIECES[0]])), wanted, kind=kind)
    if without.requirements != (Requirement(1, "owners", ("default",)),):
        assert lifted.requirements == without.requirements
    assert set(without.denials) <= set(lifted.denials)


def test_the_order_of_rules_and_of_files_does_not_count():
    split = {
        f"policies/rules/{n}.yaml": ("version: 1\nrules:\n" + piece).encode() for n, piece in enumerate(PIECES[:3])
    }
    base = {path: raw for path, raw in files().items() if "/rules/" not in path}
    found = set()
    for order in permutations(split):
        both = read_policies({**{path: split[path] for path in order}, **base})
        assert both.findings == ()
        found.add(ask(both))
    for order in permutations(PIECES[:3]):
        decision = ask(rules("".join(order)))
        found_here = (decision.denials, decision.requirements, decision.automatic, decision.rules)
        assert found_here == next((d.denials, d.requirements, d.automatic, d.rules) for d in found)
    assert len(found) == 1


READ_TWICE = policy(), policy()


@given(GRANTS, KINDS)
def test_the_same_request_gets_the_same_decision(wanted, kind):
    one, other = READ_TWICE
    assert ask(one, wanted, kind=kind) == ask(other, wanted, kind=kind) == ask(one, wanted, kind=kind)


BASE = day("2026-11-01T00:00:00")
HOURS = st.integers(0, 200)


@settings(max_examples=60)
@given(start=HOURS, length=st.integers(1, 8), keep=HOURS, person=HOURS, vendor=HOURS)
def test_invariant_10_what_passes_today_passes_at_every_boundary_of_its_window(start, length, keep, person, vendor):
    def moment(hours):
        return (BASE + timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ")

    directory = DIRECTORY.replace("until: 2027-03-01", f"until: {moment(person)}").replace("2026-12-01", moment(vendor))
    found = policy(
        rules_base="version: 1\nrules:\n" + NONE,
        resources_orders_db=RESOURCE + f"retention_until: {moment(keep)}\n",
        directory_people=directory,
    )
    window = Window(BASE + timedelta(hours=start), BASE + timedelta(hours=start + length))
    wanted = grant(subject="vera", window=(window.start, window.end))
    edges = [BASE + timedelta(hours=hours) for hours in (keep, person, vendor, start, start + length)]
    instants = [edge + timedelta(seconds=step) for edge in edges for step in (-1, 0, 1)]
    # Brute force: at each instant of the window, are the data still kept and everybody still engaged?
    always = all(at < BASE + timedelta(hours=min(keep, person, vendor)) for at in instants if window.holds(at))
    assert (static_denials(found, wanted) == ()) is always
    assert [bound.limit for bound in found.catalogue.bounds(found.catalogue.bounded(wanted)).ends] == sorted(
        BASE + timedelta(hours=h) for h in (keep, person, vendor)
    )


def test_a_span_of_a_window_is_what_the_grant_says():
    assert grant(window=(AT, AT + timedelta(hours=1))).span == Span(window=Window(AT, AT + timedelta(hours=1)))
