"""What is offered and not accepted, and what a grant takes over, in a plan."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from daypass.core.ids import GrantId
from daypass.core.plan import Action, Claim, Entitlement, Holding, Observed, Reason
from daypass.core.planning.compute import compute
from daypass.core.planning.holdback import brake
from daypass.core.window import Window

AT = datetime(2026, 11, 20, 9, tzinfo=UTC)
ONE = Entitlement("github", "dba-team", "101", '{"team":"dba"}')
GRANT = GrantId("dba-team/alice")
LIVE = Claim(GRANT, ONE, Window(AT - timedelta(hours=1), AT + timedelta(hours=1)))
OVER = Claim(GRANT, ONE, Window(AT - timedelta(hours=2), AT))
BEGUN = {ONE: Holding(ONE, (GRANT,), AT)}
OFFERED = Observed(frozenset(), offered=frozenset({ONE}))


def test_what_is_offered_is_told_and_not_asked_for_again() -> None:
    plan = compute([LIVE], {}, OFFERED, at=AT, main="m", begun=BEGUN)
    assert (plan.changes, plan.offered, plan.unmanaged) == ((), (ONE,), ())
    assert compute([LIVE], {}, Observed(frozenset()), at=AT, main="m", begun=BEGUN).changes[0].action is Action.ADD


@pytest.mark.parametrize(
    ("claims", "reason"), [([OVER], Reason.EXPIRED), ([], Reason.EXPIRED)], ids=["over", "its file is gone too"]
)
def test_our_offer_is_withdrawn_when_no_grant_gives_it(claims: list[Claim], reason: Reason) -> None:
    (change,) = compute(claims, {}, OFFERED, at=AT, main="m", begun=BEGUN).changes
    assert (change.action, change.reason, change.grants) == (Action.REMOVE, reason, (GRANT,))


def test_an_offer_that_we_did_not_make_is_left() -> None:
    assert compute([OVER], {}, OFFERED, at=AT, main="m").changes == ()


def test_what_is_held_and_offered_is_withdrawn_once() -> None:
    held = {ONE: Holding(ONE, (GRANT,), AT)}
    assert len(compute([OVER], held, OFFERED, at=AT, main="m", begun=BEGUN).changes) == 1


def test_a_grant_that_imports_takes_over_what_is_there_and_any_other_does_not() -> None:
    there = Observed(frozenset({ONE}))
    plan = compute([LIVE], {}, there, at=AT, main="m", importing=frozenset({GRANT}))
    (change,) = plan.changes
    assert (change.action, change.reason, change.until) == (Action.ADD, Reason.TAKEN_OVER, LIVE.window.end)
    assert plan.unmanaged == ()
    assert brake(plan, removals=0, additions=0).held == ()
    plan = compute([LIVE], {}, there, at=AT, main="m", importing=frozenset({GrantId("dba-team/bob")}))
    assert (plan.changes, plan.unmanaged) == ((), (ONE,))


def test_what_is_held_is_not_taken_over_again() -> None:
    held = {ONE: Holding(ONE, (GRANT,), LIVE.window.end)}
    there = Observed(frozenset({ONE}))
    assert compute([LIVE], held, there, at=AT, main="m", importing=frozenset({GRANT})).changes == ()
