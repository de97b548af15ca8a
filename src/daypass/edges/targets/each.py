"""Targets that make one change at a time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from daypass.core.errors import EdgeError

if TYPE_CHECKING:
    from daypass.core.plan import Entitlement
    from daypass.ports import Done, Order


def check_mine(target: str, entitlement: Entitlement) -> None:
    """Refuse an entitlement of another target: what is asked of the wrong system must change nothing. Raises EdgeError."""
    if entitlement.target != target:
        raise EdgeError(f"expected an entitlement of target {target!r}, got one of {entitlement.target!r}")


class OneByOne:
    """Gives a target with ``add`` and ``remove`` the rest of the port: orders are carried out one after the other."""

    def add(self, entitlement: Entitlement, until: datetime) -> None:
        """Make the entitlement exist."""
        raise NotImplementedError

    def remove(self, entitlement: Entitlement) -> None:
        """Make the entitlement not exist."""
        raise NotImplementedError

    def fingerprint(self) -> str:
        """Say that observing is the cheapest way to see whether anything has changed."""
        return ""

    def today(self, order: Order) -> Entitlement | None:
        """Return what an order is about under its names of today; None for a removal of what is no more, by its number.

        A target that ``numbers`` goes by ``order.numbers``. Raises EdgeError where nobody can tell.
        """
        return order.entitlement

    def carry_out(self, orders: Sequence[Order]) -> Sequence[Done]:
        """Make changes one by one; one that fails stops only itself."""
        from daypass.core.plan import Action  # noqa: PLC0415  (scripts that only ask must not pay for it)
        from daypass.ports import Done  # noqa: PLC0415

        found = []
        for order in orders:
            try:
                what = self.today(order)
                if what is None:
                    pass
                elif order.action is Action.REMOVE:
                    self.remove(what)
                else:
                    assert order.until is not None  # noqa: S101  (every addition has an end)
                    self.add(what, order.until)
            except EdgeError as error:
                found.append(Done(error.message))
            else:
                found.append(Done())
        return found
