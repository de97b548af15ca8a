"""Which requests a gate looks at: the one that is named, or those of all that are open which changed since it did last."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from daypass.cli.repository import AccessRepository
from daypass.cli.runs.program import program_digest

if TYPE_CHECKING:
    from daypass.core.request import Gated


class Sweeping:
    """One run of the gate. ``numbers`` are what it looks at, in turn; ``same`` is how many it leaves as they are."""

    def __init__(self, repo: AccessRepository, number: int | None, at: datetime, *, keeps: bool) -> None:
        from daypass.pipeline.judge.gate import in_turn

        self._repo, self._at, self.same = repo, at, 0
        self._quiet: dict[int, datetime] = {}
        self._sweep = None
        if number is not None:
            self.numbers = [number]
            return
        self._sweep = repo.host.sweep(repo.ends_by.catalogue.directory) if keeps else None
        if self._sweep is None:
            self.numbers = in_turn(repo.forge.open_pulls())
            return
        seen = self._sweep.look(repo.tip, repo.settings.ledger_branch, program_digest(), at)
        self.numbers = in_turn(one for one in seen if not one.known)
        self.same = len(seen) - len(self.numbers)

    def judged(self, found: Gated, *, told: bool) -> None:
        """Note how a request was found, and whether its people could be told of it."""
        if self._sweep is None:
            return
        from daypass.core.approval.quiet import quiet_until

        until = quiet_until(found, at=self._at)
        if until is not None and told:
            self._quiet[found.pull.number] = until

    def keep(self, *, merged: bool) -> None:
        """Keep until when what was found holds, for the next run; nothing where a merge has moved main."""
        if self._sweep is not None and not merged:
            self._sweep.keep(self._quiet, main=self._repo.tip)

    @property
    def nothing(self) -> str:
        """What is said where nothing was looked at."""
        return f"{self.same} open, none changed since it was looked at last." if self.same else "No open requests."
