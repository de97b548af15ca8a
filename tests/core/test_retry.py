"""What failed is tried again ever more seldom, what takes away at each run; and all of it follows from the ledger."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from daypass.core.ids import GrantId, Oid
from daypass.core.ledger.receipt import Intent, Outcome, Receipt
from daypass.core.ledger.standing import FailedChange, Standing, fold
from daypass.core.plan import Action, Entitlement, Holding, Intended, Plan, Reason
from daypass.core.planning.holdback import LONGEST, again_at, failed_before, notes_on, rest, same_error, shortens

AT = datetime(2026, 12, 1, 9, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
MAIN = "a" * 40
DOOR = Entitlement("db", "orders", "alice", '{"role":"read"}')
ADD = Intended(Action.ADD, DOOR, (GrantId("orders/one"),), Reason.WINDOW_OPENED, AT, AT + timedelta(days=1))
REMOVE = Intended(Action.REMOVE, DOOR, (GrantId("orders/one"),), Reason.EXPIRED, AT)


def _told(*bodies: tuple[datetime, Intent | Outcome]) -> Standing:
    return fold(Receipt(n, "", at, Oid(MAIN), "run", body) for n, (at, body) in enumerate(bodies))


def _failed(change: Intended, error: str, at: datetime, since: datetime | None = None) -> tuple[datetime, Outcome]:
    return at, Outcome(change, ok=False, error=error, since=since)


def _plan(*changes: Intended, at: datetime) -> Plan:
    return Plan(at, MAIN, changes, live=sum(1 for c in changes if c.action is Action.ADD))


def _rest(standing: Standing, change: Intended, at: datetime, *, moved: bool = False) -> Plan:
    return rest(_plan(change, at=at), standing.failures, standing.holdings, lambda _: moved)


def test_an_addition_that_failed_waits_a_minute_and_then_as_long_as_it_has_failed_up_to_six_hours() -> None:
    tried, at = [], AT
    for _ in range(13):
        at = again_at(FailedChange(ADD, "no", AT, at, MAIN))
        tried.append((at - AT) // MINUTE)
    assert tried == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 872, 1232, 1592]
    assert timedelta(minutes=872 - 512) == LONGEST


def test_what_waits_is_no_change_and_is_told_with_its_error_and_when_it_is_tried_again() -> None:
    standing = _told((AT, Intent((ADD,), "p")), _failed(ADD, "archived", AT))
    waiting = _rest(standing, replace(ADD, due=AT + MINUTE), AT + MINUTE / 2)
    assert waiting.changes == ()
    assert [(f.error, f.since, f.again) for f in waiting.failing] == [("archived", AT, AT + MINUTE)]
    assert waiting.live == 0
    due = _rest(standing, replace(ADD, due=AT + MINUTE), AT + MINUTE)
    assert due.changes == (ADD,)  # the very change that the open intent names
    assert due.failing == ()


def test_a_change_that_is_there_already_counts_as_live_while_it_waits() -> None:
    told = replace(ADD, reason=Reason.TAKEN_OVER)
    standing = _told((AT, Intent((told,), "p")), _failed(told, "no", AT))
    assert _rest(standing, told, AT).live == 1


@pytest.mark.parametrize(
    "other",
    [
        replace(ADD, until=AT + timedelta(days=2)),
        replace(ADD, grants=(GrantId("orders/two"),)),
        replace(ADD, reason=Reason.LOST),
        replace(ADD, entitlement=DOOR._replace(privilege='{"role":"write"}')),
        replace(ADD, entitlement=DOOR._replace(target="other")),
    ],
)
def test_another_window_grant_reason_role_or_target_waits_for_nothing(other: Intended) -> None:
    standing = _told((AT, Intent((ADD,), "p")), _failed(ADD, "no", AT))
    assert _rest(standing, other, AT).changes == (other,)
    assert failed_before(other, standing.failures) is None


def test_policies_that_moved_and_a_failure_from_the_future_end_the_waiting() -> None:
    standing = _told((AT, Intent((ADD,), "p")), _failed(ADD, "no", AT))
    assert _rest(standing, ADD, AT, moved=True).changes == (ADD,)
    assert _rest(standing, ADD, AT - MINUTE).changes == (ADD,)


def test_what_takes_away_never_waits() -> None:
    standing = _told((AT, Intent((REMOVE,), "p")), _failed(REMOVE, "no", AT))
    assert _rest(standing, REMOVE, AT).changes == (REMOVE,)
    held = Holding(DOOR, ADD.grants, AT + timedelta(days=2))
    earlier = replace(ADD, reason=Reason.WINDOW_MOVED)
    assert shortens(earlier, held)
    assert not shortens(replace(earlier, until=AT + timedelta(days=3)), held)
    assert not shortens(ADD, held)
    assert not shortens(earlier, None)
    assert not shortens(earlier, replace(held, until=None))


def test_since_when_it_fails_so_is_carried_by_receipts_and_another_error_begins_anew() -> None:
    later = AT + 5 * MINUTE
    standing = _told((AT, Intent((ADD,), "p")), _failed(ADD, "no", AT), _failed(ADD, "no", later, AT))
    assert standing.failures == {(Action.ADD, DOOR): FailedChange(ADD, "no", AT, later, MAIN)}
    assert standing.pending == {(Action.ADD, DOOR): ADD}
    anew = fold([Receipt(9, "", later, Oid(MAIN), "run", Outcome(ADD, ok=False, error="other"))], standing)
    assert anew.failures[Action.ADD, DOOR].since == later


@pytest.mark.parametrize("ended", [Outcome(ADD, ok=True), Outcome(ADD, ok=False, recovered=True), Intent((ADD,), "p")])
def test_a_success_a_look_and_a_new_intent_forget_the_failure(ended: Outcome | Intent) -> None:
    standing = _told((AT, Intent((ADD,), "p")), _failed(ADD, "no", AT), (AT, ended))
    assert standing.failures == {}


def test_times_and_numbers_of_requests_make_no_other_error() -> None:
    assert same_error("403 at 10:01:02 (request 8F3A:11)", "403 at 10:07:59 (request 77BC:02)")
    assert not same_error("the repository is archived", "the repository is locked")


def test_what_is_said_of_a_failure_names_since_when_and_when_it_is_tried_again() -> None:
    adding = _told((AT, Intent((ADD,), "p")), _failed(ADD, "no", AT)).failures
    since = "failing since 2026-12-01T09:00:00Z: no"
    assert notes_on(adding, {DOOR}, (), AT) == {DOOR: f"{since}; tried again from 2026-12-01T09:01:00Z"}
    assert notes_on(adding, {DOOR}, (), AT + MINUTE) == {DOOR: f"{since}; tried again by the next run"}
    assert notes_on(adding, (), (), AT) == {}
    removing = _told((AT, Intent((REMOVE,), "p")), _failed(REMOVE, "no", AT)).failures
    assert notes_on(removing, (), {DOOR}, AT) == {DOOR: since}
    assert notes_on(removing, {DOOR}, {DOOR}, AT) == {}
