"""Drift of what fails: what should be there, since when it is not, and when it is tried again."""

from datetime import UTC, datetime, timedelta

from daypass.core.ids import GrantId
from daypass.core.plan import Action, Entitlement, Failing, Intended, Plan, Reason
from daypass.core.planning.drift import drift

AT = datetime(2026, 11, 20, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_an_addition_that_fails_is_missing_with_its_error_and_when_it_is_tried_again() -> None:
    one = Entitlement("embedded", "orders-db", "alice", '{"member_of":"r"}')
    change = Intended(Action.ADD, one, (GrantId("orders-db/a"),), Reason.WINDOW_OPENED, AT, AT + 4 * HOUR)
    failing = Failing(change, "the server said no", AT - HOUR, AT + HOUR)
    (found,) = drift(Plan(AT, "m", (), failing=(failing,)))
    assert found.code == "access-pending"
    assert found.message.endswith("it has failed since 2026-11-20T09:00:00Z: the server said no")
    assert found.hint == (
        "mend what it says; `daypass apply` tries again from 2026-11-20T11:00:00Z, with --retry at once"
    )
