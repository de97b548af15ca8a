"""Which requests a gate looks at: the one that is named, or those of all that are open which changed since it did last."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from daypass.cli.repository import AccessRepository
from daypass.cli.runs.program import program_digest
from daypass.cli.verb import say
from daypass.core.errors import EdgeError, RefusedError

if TYPE_CHECKING:
    from daypass.core.forge import Basis, Quiet
    from daypass.core.request import Gated


class Sweeping:
    """One run of the gate. ``numbers`` are what it looks at, in turn; ``same`` is how many it leaves as they are."""

    def __init__(self, repo: AccessRepository, number: int | None, at: datetime, *, keeps: bool) -> None:
        from daypass.pipeline.judge.gate import in_turn
        from daypass.pipeline.judge.meanwhile import basis_of, moved_since

        self._at, self.same = at, 0
        self._basis: Basis | None = None
        self._quiet: dict[int, Quiet] = {}
        self._sweep = None
        if number is not None:
            self.numbers = [number]
            return
        self._sweep = repo.host.sweep(repo.ends_by.catalogue.directory) if keeps else None
        if self._sweep is None:
            self.numbers = in_turn(repo.forge.open_pulls())
            return
        branch, program = repo.settings.ledger_branch, program_digest()
        try:
            seen = self._sweep.look(repo.tip, branch, program, at, partial(moved_since, repo))
        except EdgeError as error:
            say(f"{error.message}. So each open request is looked at by itself, which takes more calls")
            self._sweep, self.numbers = None, in_turn(repo.forge.open_pulls())
            return
        self.numbers = in_turn(one for one in seen if not one.known)
        self.same = len(seen) - len(self.numbers)
        if self.numbers:  # before any is judged: what comes meanwhile has those looked at again that it is about
            with suppress(EdgeError, RefusedError):  # who judges by a ledger that does not read says so
                self._basis = basis_of(repo, program)

    def judged(self, found: Gated, *, told: bool) -> None:
        """Note how a request was found, and whether its people could be told of it."""
        if self._sweep is None:
            return
        from daypass.core.approval.quiet import quiet

        holds = quiet(found, at=self._at)
        if holds is not None and told:
            self._quiet[found.pull.number] = holds

    def keep(self) -> None:
        """Keep until when what was found holds, for the next run."""
        if self._sweep is not None and self._basis is not None:
            self._sweep.keep(self._quiet, self._basis)

    @property
    def nothing(self) -> str:
        """What is said where nothing was looked at."""
        return f"{self.same} open, none changed since it was looked at last." if self.same else "No open requests."
