from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from daypass.core.plan import Action, Entitlement, Intended, Reason
from daypass.core.planning.holdback import ClockDoubt, doubt
from daypass.core.window import catch_up, skew

NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)
HOURS = timedelta(hours=7)
MINUTE = timedelta(minutes=1)
ONE = Entitlement("db", "orders-db", "alice", "{}")


def change(reason: Reason, due: datetime = NOW, action: Action = Action.REMOVE) -> Intended:
    return Intended(action, ONE, (), reason, due)


def test_clocks_that_agree_leave_no_doubt():
    assert doubt(NOW, None, {}) is None
    assert doubt(NOW, NOW, {}) is None
    assert doubt(NOW, NOW + MINUTE, {"the forge": MINUTE, "target db": -MINUTE}) is None


@pytest.mark.parametrize(("off", "said"), [(HOURS, "7h ahead of ours"), (-HOURS, "7h behind ours")])
def test_a_clock_that_is_apart_is_named_and_the_earliest_counts(off: timedelta, said: str):
    found = doubt(NOW, None, {"the forge": off, "target db": timedelta(0)})
    assert found == ClockDoubt(
        f"the clock of the forge is {said}: nothing is given until they agree", min(NOW, NOW + off)
    )


def test_a_last_receipt_that_lies_ahead_is_doubt_unless_another_clock_agrees():
    found = doubt(NOW, NOW + HOURS, {})
    assert found is not None
    assert found.why.startswith(
        "the clock says 2026-11-20T10:00:00Z, but the last receipt was written at 2026-11-20T17:00:00Z"
    )
    assert doubt(NOW, NOW + HOURS, {"the forge": timedelta(seconds=1)}) is None
    assert doubt(NOW, NOW + HOURS, {"the forge": HOURS}) is not None


@pytest.mark.parametrize(
    ("what", "waits"),
    [
        (change(Reason.WINDOW_OPENED, action=Action.ADD), True),
        (change(Reason.LOST, action=Action.ADD), True),
        (change(Reason.EXPIRED, NOW), False),
        (change(Reason.EXPIRED, NOW + MINUTE), True),
        (change(Reason.WINDOW_MOVED, NOW + MINUTE), True),
        (change(Reason.NOT_YET, NOW - HOURS), True),
        (change(Reason.GRANT_REMOVED, NOW + MINUTE), False),
        (change(Reason.UNMANAGED, NOW + MINUTE), False),
    ],
)
def test_what_has_ended_by_every_clock_is_taken_and_nothing_is_given(what: Intended, waits: bool):
    assert ClockDoubt("", NOW).waits(what) is waits


@pytest.mark.parametrize(
    ("before", "theirs", "after", "found"),
    [(0, 5, 10, 0), (0, 12, 10, 2), (10, 3, 12, -7), (0, 0, 0, 0)],
)
def test_two_clocks_are_apart_by_what_the_time_of_an_answer_cannot_explain(before, theirs, after, found):
    one, other, last = (NOW + timedelta(seconds=n) for n in (before, theirs, after))
    assert skew(one, other, last) == timedelta(seconds=found)


def test_a_run_catches_up_with_a_receipt_that_is_a_little_ahead():
    assert catch_up(NOW, None) == NOW
    assert catch_up(NOW, NOW - HOURS) == NOW
    assert catch_up(NOW, NOW + MINUTE) == NOW + MINUTE
    assert catch_up(NOW, NOW + MINUTE + timedelta(seconds=1)) == NOW
    end = datetime.max.replace(tzinfo=UTC)
    assert catch_up(end, end) == end
