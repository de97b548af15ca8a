"""The plan's algebra: the union of live grants, removals first, the same plan in any order, and honest reasons."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daypass.core.ids import GrantId
from daypass.core.plan import Action, Claim, Entitlement, Holding, Intended, Observed, Plan, Reason, changes_digest
from daypass.core.planning.compute import compute, next_boundary
from daypass.core.planning.holdback import brake, keep_back
from daypass.core.window import Window

T0 = datetime(2026, 11, 20, 10, tzinfo=UTC)
E = Entitlement("embedded", "orders-db", "alice", '{"member_of":"r"}')
F = Entitlement("embedded", "orders-db", "bob", '{"member_of":"r"}')
OTHER = Entitlement("other", "billing", "alice", '{"member_of":"b"}')
A, B = GrantId("orders-db/a"), GrantId("orders-db/b")


def h(hours: float) -> datetime:
    return T0 + timedelta(hours=hours)


def claim(grant: GrantId, start: float, end: float, what: Entitlement = E, blocked: Reason | None = None) -> Claim:
    return Claim(grant, what, Window(h(start), h(end)), blocked)


def holding(*grants: GrantId, until: float | None = None, what: Entitlement = E) -> dict[Entitlement, Holding]:
    return {what: Holding(what, grants, None if until is None else h(until))}


def plan(
    claims: list[Claim], held: dict[Entitlement, Holding] | None = None, seen: set[Entitlement] | None = None, **more
) -> Plan:
    more.setdefault("at", T0)
    there = frozenset(seen if seen is not None else set(held or {}))
    observed = Observed(there, more.pop("unreadable", {}), returned=dict.fromkeys(more.pop("returned", ()), ()))
    return compute(claims, held or {}, observed, main="m" * 40, **more)


# What is added


def test_a_live_grant_is_given_from_its_start_to_its_end() -> None:
    found = plan([claim(A, -1, 2)])
    assert found.changes == (Intended(Action.ADD, E, (A,), Reason.WINDOW_OPENED, h(-1), h(2)),)
    assert found.live == 1


def test_a_window_holds_at_its_start_and_no_longer_at_its_end() -> None:
    assert plan([claim(A, 0, 1)]).changes != ()
    assert plan([claim(A, -1, 0)]).changes == ()


def test_overlapping_grants_are_given_once_from_the_first_start_to_the_last_end() -> None:
    found = plan([claim(B, -1, 5), claim(A, -2, 3)])
    assert found.changes == (Intended(Action.ADD, E, (A, B), Reason.WINDOW_OPENED, h(-2), h(5)),)


def test_a_window_that_is_not_open_yet_waits() -> None:
    found = plan([claim(B, 2, 3), claim(A, 1, 3)])
    assert found.changes == ()
    assert [c.grant for c in found.waiting] == [A, B]


def test_a_blocked_grant_gives_nothing_and_is_named() -> None:
    found = plan([claim(B, -1, 3, blocked=Reason.MEANING_MOVED), claim(A, -1, 3, F, Reason.GRANT_INVALID)])
    assert found.changes == ()
    assert [c.grant for c in found.blocked] == [A, B]


def test_what_is_missing_at_the_target_is_given_again() -> None:
    found = plan([claim(A, -1, 2)], holding(A, until=2), set())
    assert found.changes == (Intended(Action.ADD, E, (A,), Reason.LOST, T0, h(2)),)


def test_a_moved_end_is_told_to_the_target() -> None:
    for end in (1, 3):
        found = plan([claim(A, -1, end)], holding(A, until=2))
        assert found.changes == (Intended(Action.ADD, E, (A,), Reason.WINDOW_MOVED, T0, h(end)),)


def test_the_ledger_is_told_which_grant_gives_what_another_gave_before() -> None:
    found = plan([claim(B, -1, 2)], holding(A, until=2))
    assert found.changes == (Intended(Action.ADD, E, (B,), Reason.CONTINUED, T0, h(2)),)


def test_another_grant_with_the_same_end_changes_nothing() -> None:
    assert plan([claim(A, -1, 2), claim(B, 0, 2)], holding(A, until=2)).changes == ()


def test_what_we_took_away_and_is_there_again_is_ours_once_a_grant_gives_it() -> None:
    found = plan([claim(A, -1, 2)], seen={E}, returned={E})
    assert found.changes == (Intended(Action.ADD, E, (A,), Reason.TAKEN_OVER, T0, h(2)),)
    assert found.unmanaged == ()
    (gone,) = plan([], seen={E}, returned={E}).changes
    assert gone.action is Action.REMOVE


def test_access_that_was_there_and_is_not_ours_is_neither_given_nor_taken() -> None:
    found = plan([claim(A, -1, 2)], {}, {E, F})
    assert found.changes == ()
    assert found.unmanaged == (E, F)


# What is removed


def test_the_end_of_one_grant_never_takes_what_another_gives() -> None:
    assert plan([claim(A, -2, 0), claim(B, -1, 2)], holding(A, B, until=2)).changes == ()


def test_an_ended_window_is_due_at_its_end() -> None:
    found = plan([claim(A, -3, -1)], holding(A, until=-1))
    assert found.changes == (Intended(Action.REMOVE, E, (A,), Reason.EXPIRED, h(-1)),)


def test_the_last_end_of_several_grants_is_when_it_was_due() -> None:
    found = plan([claim(A, -3, -2), claim(B, -3, -1)], holding(A, B, until=-1))
    assert found.changes == (Intended(Action.REMOVE, E, (A, B), Reason.EXPIRED, h(-1)),)


def test_an_end_that_was_moved_into_the_past_is_no_expiry() -> None:
    """Else one mistaken change of many windows would pass the brake."""
    found = plan([claim(A, -3, -1)], holding(A, until=5))
    assert found.changes == (Intended(Action.REMOVE, E, (A,), Reason.WINDOW_MOVED, h(-1)),)
    held = brake(found, removals=0, additions=0)
    assert held.held == found.changes


def test_a_holding_whose_end_nobody_knows_expires_with_its_grants() -> None:
    found = plan([claim(A, -3, -1)], holding(A))
    assert found.changes == (Intended(Action.REMOVE, E, (A,), Reason.EXPIRED, h(-1)),)


def test_what_the_ledger_shows_as_over_has_expired_even_when_its_file_is_gone() -> None:
    found = plan([], holding(A, until=-1), invalid={A: Reason.EVIDENCE_MISSING})
    assert found.changes == (Intended(Action.REMOVE, E, (A,), Reason.EXPIRED, h(-1)),)


@pytest.mark.parametrize(
    ("claims", "invalid", "reason"),
    [
        ([], {}, Reason.GRANT_REMOVED),
        ([], {A: Reason.EVIDENCE_MISSING}, Reason.EVIDENCE_MISSING),
        ([claim(A, -1, 3, blocked=Reason.PRINCIPAL_MOVED)], {}, Reason.PRINCIPAL_MOVED),
        ([claim(A, 1, 3)], {}, Reason.NOT_YET),
        ([claim(A, -1, 3, F)], {}, Reason.GRANT_REMOVED),
    ],
)
def test_a_removal_says_what_became_of_the_grant(claims, invalid, reason) -> None:
    removals = [c for c in plan(claims, holding(A, until=3), invalid=invalid).changes if c.action is Action.REMOVE]
    assert removals == [Intended(Action.REMOVE, E, (A,), reason, T0)]


def test_an_emergency_stop_excuses_no_other_disappearance() -> None:
    stopped = {A: Reason.REVOKED}
    (alone,) = plan([], holding(A), invalid=stopped).changes
    (beside,) = plan([], holding(A, B), invalid=stopped).changes
    assert (alone.reason, beside.reason) == (Reason.REVOKED, Reason.GRANT_REMOVED)


def test_the_end_of_one_grant_does_not_excuse_the_disappearance_of_another() -> None:
    """Else the brake, which lets every expiry pass, would let it pass."""
    found = plan([claim(A, -3, -1)], holding(A, B, until=3))
    assert found.changes == (Intended(Action.REMOVE, E, (A, B), Reason.GRANT_REMOVED, T0),)


def test_access_that_no_grant_gave_is_removed_as_such() -> None:
    found = plan([], holding(until=3))
    assert found.changes == (Intended(Action.REMOVE, E, (), Reason.GRANT_REMOVED, T0),)


def test_an_exclusive_resource_loses_what_was_not_granted() -> None:
    found = plan([claim(A, -1, 2)], {}, {F, OTHER}, exclusive=frozenset({"orders-db"}))
    assert found.changes == (
        Intended(Action.REMOVE, F, (), Reason.UNMANAGED, T0),
        Intended(Action.ADD, E, (A,), Reason.WINDOW_OPENED, h(-1), h(2)),
    )
    assert found.unmanaged == (OTHER,)


def test_nothing_is_planned_for_a_target_that_cannot_be_read() -> None:
    held = holding(A, until=-1) | holding(B, until=-1, what=OTHER)
    claims = [claim(A, -1, 2, F), claim(B, -1, 2, Entitlement("other", "billing", "bob", "{}"))]
    found = plan(claims, held, {E}, unreadable={"other": "no route"})
    assert {c.entitlement.target for c in found.changes} == {"embedded"}
    assert dict(found.unreadable) == {"other": "no route"}


# The plan as a value

CLAIMS = st.builds(
    lambda n, what, start, length, blocked: Claim(
        GrantId(f"orders-db/{n}"), what, Window(h(start), h(start + length)), blocked
    ),
    st.integers(0, 9),
    st.sampled_from([E, F, OTHER]),
    st.integers(-5, 5),
    st.integers(1, 6),
    st.sampled_from([None, None, None, Reason.MEANING_MOVED]),
)
CLAIM_LISTS = st.lists(CLAIMS, max_size=8, unique_by=lambda c: c.grant)
HOLDINGS = st.dictionaries(
    st.sampled_from([E, F, OTHER]),
    st.tuples(st.lists(st.integers(0, 9), max_size=3, unique=True), st.one_of(st.none(), st.integers(-5, 8))),
).map(
    lambda found: {
        what: Holding(what, tuple(GrantId(f"orders-db/{n}") for n in sorted(grants)), None if u is None else h(u))
        for what, (grants, u) in found.items()
    }
)
SEEN = st.frozensets(st.sampled_from([E, F, OTHER]))


@given(CLAIM_LISTS, HOLDINGS, SEEN, st.randoms(use_true_random=False))
def test_the_order_of_what_is_read_does_not_matter(claims, held, seen, random) -> None:
    first = compute(claims, held, Observed(seen), at=T0, main="m")
    random.shuffle(claims)
    keys = list(held)
    random.shuffle(keys)
    again = compute(claims, {key: held[key] for key in keys}, Observed(seen), at=T0, main="m")
    assert again == first
    assert again.digest == first.digest


@given(CLAIM_LISTS, HOLDINGS, SEEN)
def test_removals_come_first_and_nothing_is_both_removed_and_added(claims, held, seen) -> None:
    found = compute(claims, held, Observed(seen), at=T0, main="m").changes
    actions = [change.action for change in found]
    assert actions == sorted(actions, key=lambda a: a is Action.ADD)
    assert len({change.entitlement for change in found}) == len(found)


@given(CLAIM_LISTS, HOLDINGS, SEEN)
def test_carrying_a_plan_out_leaves_exactly_the_union_of_live_grants(claims, held, seen) -> None:
    seen |= frozenset(held) & seen
    found = compute(claims, held, Observed(seen), at=T0, main="m")
    after = set(seen)
    for change in found.changes:
        (after.discard if change.action is Action.REMOVE else after.add)(change.entitlement)
    live = {c.entitlement for c in claims if c.blocked is None and c.window.holds(T0)}
    foreign = set(seen) - set(held)
    assert after - foreign == live - foreign
    assert foreign <= after


@given(CLAIM_LISTS, st.integers(0, 10), st.integers(0, 10))
def test_the_passing_of_time_alone_only_shrinks_what_has_begun(claims, first, second) -> None:
    begun = [c for c in claims if c.window.start <= T0]
    sooner, later = sorted((first, second))

    def live(hours: int) -> set[Entitlement]:
        return {c.entitlement for c in compute(begun, {}, Observed(frozenset()), at=h(hours), main="m").changes}

    assert live(later) <= live(sooner)


@given(CLAIM_LISTS, HOLDINGS, SEEN, st.integers(1, 59))
def test_a_confirmation_holds_in_a_later_run_that_would_do_the_same(claims, held, seen, seconds) -> None:
    first = compute(claims, held, Observed(seen), at=T0, main="m")
    later = compute(claims, held, Observed(seen), at=T0 + timedelta(seconds=seconds), main="m")
    assert later.digest == first.digest


def test_a_digest_names_main_and_every_change() -> None:
    first = plan([claim(A, -1, 2)])
    assert first.digest != plan([claim(A, -1, 3)]).digest
    assert first.digest != plan([claim(B, -1, 2)]).digest
    assert first.digest != changes_digest("other", first.changes)
    assert first.digest == changes_digest("m" * 40, first.changes)


def test_a_change_is_told_as_plain_data() -> None:
    assert plan([claim(A, -1, 2)]).changes[0].to_dict() == {
        "action": "add",
        "target": "embedded",
        "resource": "orders-db",
        "principal": "alice",
        "privilege": '{"member_of":"r"}',
        "grants": ["orders-db/a"],
        "reason": "window opened",
        "due": "2026-11-20T09:00:00Z",
        "until": "2026-11-20T12:00:00Z",
    }
    assert "until" not in plan([], holding(A, until=3)).changes[0].to_dict()


# The brake


def many(removed: int, expired: int, added: int, moved: int) -> Plan:
    def what(kind: str, n: int) -> Entitlement:
        return Entitlement("embedded", "orders-db", f"{kind}{n}", "{}")

    changes = [Intended(Action.REMOVE, what("r", n), (), Reason.GRANT_REMOVED, T0) for n in range(removed)]
    changes += [Intended(Action.REMOVE, what("e", n), (), Reason.EXPIRED, T0) for n in range(expired)]
    changes += [Intended(Action.ADD, what("a", n), (A,), Reason.WINDOW_OPENED, T0, h(1)) for n in range(added)]
    changes += [Intended(Action.ADD, what("m", n), (A,), Reason.WINDOW_MOVED, T0, h(1)) for n in range(moved)]
    return Plan(T0, "m", tuple(changes))


def kinds(changes: tuple[Intended, ...]) -> str:
    return "".join(sorted({change.entitlement.principal[0] for change in changes}))


def test_the_brake_lets_pass_what_the_settings_allow() -> None:
    found = brake(many(2, 50, 3, 50), removals=2, additions=3)
    assert (kinds(found.allowed), found.held, found.message) == ("aemr", (), "")


def test_too_many_removals_hold_everything_but_expiry() -> None:
    found = brake(many(3, 5, 1, 1), removals=2, additions=3)
    assert (kinds(found.allowed), kinds(found.held)) == ("e", "amr")
    assert found.message == (
        "the brake holds: 3 removals that no window's end asks for, where the settings allow 2 at once"
    )


def test_too_many_additions_hold_additions_alone() -> None:
    found = brake(many(2, 5, 4, 1), removals=2, additions=3)
    assert (kinds(found.allowed), kinds(found.held)) == ("emr", "a")
    assert found.message == "the brake holds: 4 additions, where the settings allow 3 at once"


def test_both_are_named_when_both_are_too_many() -> None:
    found = brake(many(3, 0, 4, 0), removals=2, additions=3)
    assert found.message == (
        "the brake holds: 3 removals that no window's end asks for, where the settings allow 2 at once; "
        "4 additions, where the settings allow 3 at once"
    )


def test_only_the_digest_of_this_very_plan_lifts_the_brake() -> None:
    stopped = many(3, 1, 4, 1)
    assert brake(stopped, removals=0, additions=0, confirmed=stopped.digest).held == ()
    other = many(3, 1, 5, 1)
    assert brake(stopped, removals=0, additions=0, confirmed=other.digest).held != ()


def test_who_confirmed_another_plan_has_not_confirmed_this_one_however_small_it_is() -> None:
    small, other = many(1, 1, 1, 1), many(3, 1, 5, 1)
    found = brake(small, removals=5, additions=5, confirmed=other.digest)
    assert (kinds(found.allowed), kinds(found.held)) == ("e", "amr")
    assert found.message == "the brake holds: another plan than this one was confirmed"
    assert brake(small, removals=5, additions=5, confirmed=small.digest).held == ()
    nothing = many(0, 2, 0, 0)
    assert brake(nothing, removals=5, additions=5, confirmed=other.digest).held == ()


@given(*[st.integers(0, 4)] * 6)
def test_the_brake_loses_nothing_keeps_the_order_and_never_holds_an_expiry(r, e, a, m, removals, additions) -> None:
    whole = many(r, e, a, m)
    found = brake(whole, removals=removals, additions=additions)
    assert sorted(found.allowed + found.held, key=whole.changes.index) == list(whole.changes)
    assert list(found.allowed) == [c for c in whole.changes if c in found.allowed]
    assert "e" not in kinds(found.held)
    assert sum(c.reason is Reason.GRANT_REMOVED for c in found.allowed) <= removals
    assert sum(c.reason is Reason.WINDOW_OPENED for c in found.allowed) <= additions
    assert bool(found.held) == bool(found.message)


def test_what_stands_where_nobody_can_look_is_counted_apart() -> None:
    seen = frozenset({E})
    claims = [claim(A, -1, 2)]
    assert compute(claims, {}, Observed(seen), at=T0, main="m").by_ledger == 0
    found = compute(claims, {}, Observed(seen, by_ledger=frozenset({E.target})), at=T0, main="m")
    assert (found.live, found.by_ledger) == (1, 1)
    # What is still to be given there is nobody's word.
    assert compute(claims, {}, Observed(frozenset(), by_ledger=frozenset({E.target})), at=T0, main="m").by_ledger == 0


def test_of_what_is_to_be_taken_away_is_told_what_its_target_was_seen_without() -> None:
    assert plan([], holding(A), seen=set()).gone == {E}
    assert plan([], holding(A), seen={E}).gone == frozenset()
    for one in (Observed(frozenset(), by_ledger=frozenset({E.target})), Observed(frozenset(), offered=frozenset({E}))):
        assert compute([], holding(A), one, at=T0, main="m").gone == frozenset()


# Windows that recur


def weekly(grant: GrantId, *starts: float, hours: float = 2, what: Entitlement = E) -> Claim:
    parts = tuple((h(start), h(start + hours)) for start in starts)
    return Claim(grant, what, Window(h(-200), h(1000), parts))


def test_an_interval_opens_and_the_target_is_told_its_end() -> None:
    found = plan([weekly(A, -1, 23)])
    assert found.changes == (Intended(Action.ADD, E, (A,), Reason.INTERVAL_OPENED, h(-1), h(1)),)
    assert found.live == 1
    assert next_boundary([weekly(A, -1, 23)], T0) == h(1)


def test_between_two_intervals_what_was_given_has_expired_and_the_grant_waits() -> None:
    claims = [weekly(A, -3, 23)]
    found = plan(claims, holding(A, until=-1), {E})
    assert found.changes == (Intended(Action.REMOVE, E, (A,), Reason.EXPIRED, h(-1)),)
    assert found.waiting == tuple(claims)
    assert next_boundary(claims, T0) == h(23)
    assert next_boundary(claims, h(25)) == h(1000)


def test_what_ended_by_itself_before_the_next_interval_was_not_lost() -> None:
    found = plan([weekly(A, -30, -1)], holding(A, until=-28), set())
    assert [(c.reason, c.due, c.until) for c in found.changes] == [(Reason.INTERVAL_OPENED, h(-1), h(1))]
    lost = plan([weekly(A, -30, -1)], holding(A, until=1), set())
    assert [(c.reason, c.due, c.until) for c in lost.changes] == [(Reason.LOST, T0, h(1))]


def test_what_a_calendar_took_away_of_an_open_interval_is_no_expiry() -> None:
    found = plan([weekly(A, -30, 23)], holding(A, until=1), {E})
    assert found.changes == (Intended(Action.REMOVE, E, (A,), Reason.NOT_YET, T0),)


def test_another_grant_that_holds_throughout_bridges_the_intervals() -> None:
    found = plan([weekly(A, -30, 23), claim(B, -40, 40)], holding(A, until=-28), {E})
    assert [(c.action, c.grants, c.reason, c.until) for c in found.changes] == [
        (Action.ADD, (B,), Reason.CONTINUED, h(40))
    ]


def test_the_last_interval_ends_the_grant() -> None:
    found = plan([weekly(A, -30, -3)], holding(A, until=-1), {E})
    assert [(c.reason, c.due) for c in found.changes] == [(Reason.EXPIRED, h(-1))]
    assert found.waiting == ()


def test_openings_of_intervals_never_trip_the_brake() -> None:
    claims = [weekly(GrantId(f"orders-db/{n}"), -1, what=E._replace(principal=f"p{n}")) for n in range(20)]
    found = plan(claims)
    assert len(found.changes) == 20
    assert brake(found, removals=1, additions=1).held == ()


def test_what_clocks_have_wait_and_what_is_stopped_is_kept_back_as_well_and_each_says_why() -> None:
    part = brake(many(2, 5, 3, 1), removals=2, additions=3)
    clocks = keep_back(part, lambda change: change.reason is Reason.EXPIRED, "the clocks differ", "", {})
    assert (kinds(clocks.allowed), kinds(clocks.held), clocks.message) == ("amr", "e", "the clocks differ")
    stopped = keep_back(part, lambda _: False, "", "giving is paused", {})
    assert (kinds(stopped.allowed), kinds(stopped.held), stopped.message) == ("er", "am", "giving is paused")
    braked = keep_back(brake(many(0, 1, 4, 0), removals=2, additions=3), lambda _: False, "", "giving is paused", {})
    assert (kinds(braked.allowed), kinds(braked.held)) == ("e", "a")
    assert braked.message == "the brake holds: 4 additions, where the settings allow 3 at once"
