"""Main's steps in their order, found by what receipts say of them: no table of them is made, since all are held at once."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Mapping

from daypass.core.audit.access import GrantStep
from daypass.core.ids import Oid
from daypass.core.ledger.receipt import Admission, Refusal


class Steps:
    """All of main's steps, ``each`` in its place; ``positions`` are those of main's commits."""

    def __init__(self, steps: Iterable[GrantStep], positions: Mapping[Oid, int]) -> None:
        self.each = sorted(steps)
        self._places = array("q", (step.position for step in self.each))
        self._positions = positions

    def brought(self, body: Admission | Refusal) -> int | None:
        """Return the place of the step by which what a receipt tells of landed, None where none did."""
        position, each = self._positions.get(body.landing, -1), self.each
        place = bisect_left(self._places, position)
        while place < len(each) and each[place].position == position:
            if each[place].grant == body.grant and each[place].new == body.blob:
                return place
            place += 1
        return None
