"""An embedded target that keeps nothing: the ledger alone says who has access, for as long as the grant lasts.

For trying daypass out where runners keep nothing: what such a run wrote beside its clone would be gone in the next one.
"""

from __future__ import annotations

from collections.abc import Sequence

from daypass.core.plan import Done, Order
from daypass.core.planning.drift import Health, Inspection, Traits
from daypass.edges.targets.common import one_by_one


class UnkeptTarget:
    """The entitlements of one target, ``name``, which are nowhere but in the ledger. Implements ports.Target.

    It is not `Observing`: nobody can look anything up in it, and what ends is over because nobody was ever let in.
    """

    traits = Traits()

    def __init__(self, name: str) -> None:
        self.name = name

    def health(self) -> Health:
        """Say that nobody is let in anywhere."""
        return Health(("it keeps nothing and lets nobody in: the ledger alone says who would have access",))

    def inspect(self) -> Inspection:
        """Say that there is nothing to look at."""
        return Inspection(("what the ledger says was given",), ("nothing: nobody is let in anywhere by it",))

    def carry_out(self, orders: Sequence[Order]) -> Sequence[Done]:
        """Do nothing, of what is this target's."""
        return one_by_one(self.name, orders, lambda _: None)
