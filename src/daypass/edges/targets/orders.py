"""Orders as targets carry them out: whose they are, and one after the other where a system takes one change at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from daypass.core.errors import EdgeError
from daypass.core.plan import Entitlement
from daypass.ports import Done, Order


def check_target(name: str, entitlement: Entitlement) -> None:
    """Refuse an entitlement of another target: what is asked of the wrong system must change nothing. Raises EdgeError."""
    if entitlement.target != name:
        raise EdgeError(f"expected an entitlement of target {name!r}, got one of {entitlement.target!r}")


def one_by_one(name: str, orders: Sequence[Order], change: Callable[[Order], None]) -> list[Done]:
    """Carry out orders of target ``name`` one after the other; one for which ``change`` raises EdgeError stops only itself."""
    found = []
    for order in orders:
        try:
            check_target(name, order.entitlement)
            change(order)
        except EdgeError as error:
            found.append(Done(error.message))
        else:
            found.append(Done())
    return found
