"""What stood on main at each place of the ledger, and nobody had admitted or refused yet."""

from __future__ import annotations

from daypass.core.approval.held import HeldView
from daypass.core.audit.access import GrantStep
from daypass.core.ids import ABSENT, GrantId, Oid
from daypass.pipeline.judge.beside import Files


class Unsettled:
    """Main's files that no receipt settles yet, followed step by step as admissions are."""

    def __init__(self, steps: list[GrantStep]) -> None:
        self._steps = steps
        self._next = 0
        self._position = -1
        self._open: dict[GrantId, tuple[Oid, Oid]] = {}

    def waiting(self, position: int, view: HeldView) -> Files | None:
        """Return the files that stood open at a position of main; None for one that was passed: all are looked at then."""
        if position < self._position:
            return None
        self._position = position
        while self._next < len(self._steps) and self._steps[self._next].position <= position:
            step = self._steps[self._next]
            self._next += 1
            self._open.pop(step.grant, None)
            if step.new != ABSENT:
                self._open[step.grant] = (step.new, step.commit)
        files = tuple((grant, blob, brought) for grant, (blob, brought) in self._open.items())
        self._open = {grant: self._open[grant] for grant, _ in view.waiting(files)}
        return tuple(file for file in files if file[0] in self._open)
