"""Single changes at a target, for tests that need access to be there or gone."""

from __future__ import annotations

from datetime import UTC, datetime

from daypass.core.errors import EdgeError
from daypass.core.plan import Action, Entitlement, Order
from daypass.ports import Target

_AT = datetime(2026, 1, 1, tzinfo=UTC)


def add(target: Target, one: Entitlement, until: datetime) -> None:
    """Have one entitlement given. Raises EdgeError with what the target says against it."""
    _carry_out(target, Order(Action.ADD, one, _AT, until))


def remove(target: Target, one: Entitlement) -> None:
    """Have one entitlement taken away, likewise."""
    _carry_out(target, Order(Action.REMOVE, one, _AT, None))


def _carry_out(target: Target, order: Order) -> None:
    (done,) = target.carry_out([order])
    if done.error:
        raise EdgeError(done.error)
