"""What main said at other times than at the base of a request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from daypass.core.errors import RefusedError
from daypass.core.grant import ABSENT, Oid
from daypass.core.ledger.standing import Standing
from daypass.core.policy.policies import SETTINGS, Policy
from daypass.pipeline.judge.policies import FOLDER as POLICIES
from daypass.pipeline.judge.proposal import PolicyAt
from daypass.ports import Entry, History

_MOST = 50
"""So many policies of main are read for what can have been said at one time."""

Mains = tuple[tuple[Oid, Policy | None], ...]
"""Commits of main with their policies, None where nobody can tell which it was."""


class PastMains:
    """Tells where main can have stood at instants, and what it said there.

    Upholds: a branch of policies may have a request on top, approved before both are pushed to main; so where the
    request left main tells nothing of what main was then. What the ledger saw of main before does, and the forge's record.
    """

    def __init__(self, history: History, policy_at: PolicyAt, base: Oid, known: Standing | None) -> None:
        self._history = history
        self._policy_at = policy_at
        self._base = base
        self._known = known
        self._files: dict[Oid, tuple[Entry, ...]] = {}
        self._leading: dict[Oid, bool] = {}
        self._moves: dict[Oid | None, tuple[Oid, ...]] = {}

    def differ(self, at: datetime) -> bool:
        """Say whether main can have said something else than the base at an instant or after it."""
        floor = self._floor(at)
        return floor is None or bool(self._moved(floor))

    def of(self, told: Sequence[Oid], at: datetime) -> Iterator[tuple[Oid, Policy | None]]:
        """Yield the mains that there can have been at an instant and whose policies are others than the base's.

        Where none of them is told that leads to the base, it can have been any since the ledger saw main, or ever.
        """
        mains = told if told and all(map(self._leads, told)) else self._since(self._floor(at))
        for main in dict.fromkeys(mains):
            if main == ABSENT:
                yield main, None
            elif self._of(main) != self._of(self._base):
                yield main, self._policy_at(main)

    def _floor(self, at: datetime) -> Oid | None:
        """Return where the ledger saw main before an instant by every clock: main only ever goes on from there."""
        seen = self._known.main_before(at) if self._known is not None else ""
        return self._history.find(seen) if seen else None

    def _since(self, floor: Oid | None) -> tuple[Oid, ...]:
        moved = self._moved(floor)
        return (ABSENT,) if ABSENT in moved or len(moved) > _MOST else moved if floor is None else (floor, *moved)

    def _moved(self, floor: Oid | None) -> tuple[Oid, ...]:
        """Return the steps of main after one (None: from the first settings on) that changed policies; ABSENT: untold."""
        if floor not in self._moves:
            moved: list[Oid] = []
            try:
                for step in self._history.landings(floor, self._base):
                    if any(change.path == SETTINGS and change.added for change in step.changes):
                        moved = [step.oid]  # without settings nothing was asked for
                    elif any(change.path.startswith(f"{POLICIES}/") for change in step.changes):
                        moved.append(step.oid)
            except RefusedError:  # the ledger saw main where no step of it is
                moved = [ABSENT]
            self._moves[floor] = tuple(moved)
        return self._moves[floor]

    def _leads(self, main: Oid) -> bool:
        if main not in self._leading:
            there = self._history.find(main) is not None
            self._leading[main] = there and self._history.is_ancestor(main, self._base)
        return self._leading[main]

    def _of(self, main: Oid) -> tuple[Entry, ...]:
        if main not in self._files:
            self._files[main] = tuple(self._history.entries(main, POLICIES))
        return self._files[main]
