"""Making targets equal what main says, with a receipt for everything.

The order is what makes a crash harmless: intents are in the ledger before a target is touched, removals come before
additions, a change counts only when the target has been read again, and whatever an earlier run left open is settled by
looking. Running twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from daypass.core.errors import ConflictError, EdgeError, ExitCode, worst
from daypass.core.grant import Oid
from daypass.core.ledger.receipt import BATCH, Body, Intent, Outcome
from daypass.core.ledger.standing import Standing
from daypass.core.plan import BOUND_TO_TIME, Action, Braked, Intended, Reason, brake
from daypass.pipeline.survey import Survey, observe
from daypass.ports import Books, Target

Progress = Callable[[int, int, str], None]

OpenTargets = Callable[[Oid], Mapping[str, Target | EdgeError]]
"""Opens the targets of a commit's settings; one that cannot be opened is an error in its place."""


@dataclass(slots=True)
class Applied:
    """What a run did. ``held`` are changes that were kept back, and ``held_message`` says why."""

    survey: Survey
    outcomes: list[Outcome] = field(default_factory=list)
    held: tuple[Intended, ...] = ()
    held_message: str = ""

    @property
    def exit_code(self) -> ExitCode:
        """The worst of what was refused, held and failed."""
        codes = [self.survey.exit_code]
        if self.held or any(not outcome.ok and not outcome.recovered for outcome in self.outcomes):
            codes.append(ExitCode.PARTIAL)
        return worst(codes)

    @property
    def changed(self) -> bool:
        """Whether anything was changed at a target."""
        return any(outcome.ok and not outcome.recovered for outcome in self.outcomes)


def apply(
    take: Callable[[], Survey],
    books: Books,
    open_targets: OpenTargets,
    *,
    run: str,
    confirmed: str = "",
    progress: Progress,
    attempts: int = 5,
) -> Applied:
    """Carry a survey's plan out.

    ``take`` reads and plans afresh: it is called again when another run was first at the ledger. Raises ConflictError
    when that happens ``attempts`` times, and lets no target be touched before the intents are in the ledger. The
    targets are those of the commit that the survey stands on.
    """
    for attempt in range(attempts):
        found = take()
        braked = brake(
            found.plan, removals=found.removals_allowed, additions=found.additions_allowed, confirmed=confirmed
        )
        changes, held, why = _allowed(found, braked)
        try:
            standing = _write_intents(found, books, changes, run)
        except ConflictError:
            if attempt == attempts - 1:
                raise
            continue
        done = Applied(found, list(found.recovered), held, why)
        carrier = _Carrier(
            books, open_targets(Oid(found.plan.main)), standing, found.plan.at, found.plan.main, run, progress
        )
        done.outcomes += carrier.carry_out(changes)
        return done
    raise ConflictError("the ledger kept moving")  # pragma: no cover  (attempts is at least 1)


def _allowed(found: Survey, braked: Braked) -> tuple[tuple[Intended, ...], tuple[Intended, ...], str]:
    """Part the changes to make from those held back, and say why these are.

    While the policies of main cannot be read nothing is given, and what is to be taken is taken (invariants 7 and 8).
    While main cannot be followed, only what has ended by its own window is taken.
    """
    if found.stuck is not None:
        over = {*BOUND_TO_TIME, Reason.WINDOW_MOVED}  # a window that receipts moved has ended by them all the same
        passes = {c for c in found.plan.changes if c.action is Action.REMOVE and c.reason in over}
        held = tuple(change for change in found.plan.changes if change not in passes)
        return tuple(c for c in found.plan.changes if c in passes), held, found.stuck.message
    if not found.policy.broken:
        return braked.allowed, braked.held, braked.message
    additions = tuple(change for change in braked.allowed if change.action is Action.ADD)
    allowed = tuple(change for change in braked.allowed if change.action is Action.REMOVE)
    reasons = [braked.message] if braked.message else []
    if additions:
        reasons.append("nothing is given while main's policies do not read")
    return allowed, braked.held + additions, "; ".join(reasons)


def _write_intents(found: Survey, books: Books, changes: tuple[Intended, ...], run: str) -> Standing:
    bodies: list[Body] = [*found.admitted.bodies, *found.recovered]
    bodies += [Intent(changes[n : n + BATCH], found.plan.digest) for n in range(0, len(changes), BATCH)]
    if not bodies:
        return found.standing
    return books.append(found.standing, bodies, at=found.plan.at, main=found.plan.main, run=run)


class _Carrier:
    """Makes changes in order and writes what came of each."""

    def __init__(
        self,
        books: Books,
        targets: Mapping[str, Target | EdgeError],
        standing: Standing,
        at: datetime,
        main: str,
        run: str,
        progress: Progress,
    ) -> None:
        self._books = books
        self._targets = targets
        self._standing = standing
        self._at = at
        self._main = main
        self._run = run
        self._progress = progress

    def carry_out(self, changes: tuple[Intended, ...]) -> list[Outcome]:
        """Make the changes batch by batch; removals stand first in a plan and are finished before any addition."""
        outcomes: list[Outcome] = []
        for action in (Action.REMOVE, Action.ADD):
            mine = [change for change in changes if change.action is action]
            for start in range(0, len(mine), BATCH):
                batch = mine[start : start + BATCH]
                done = self._verify(batch, [self._make(change) for change in batch])
                self._write(done)
                outcomes += done
                self._progress(len(outcomes), len(changes), "changes")
        return outcomes

    def _make(self, change: Intended) -> str:
        """Make one change; return why it failed, "" when the target took it."""
        target = self._targets.get(change.entitlement.target)
        if target is None:
            return f"the settings name no target {change.entitlement.target!r}"
        if isinstance(target, EdgeError):
            return target.message
        try:
            if change.action is Action.REMOVE:
                target.remove(change.entitlement)
            else:
                assert change.until is not None  # noqa: S101  (every addition has an end)
                target.add(change.entitlement, change.until)
        except EdgeError as error:
            return error.message
        return ""

    def _verify(self, batch: list[Intended], errors: list[str]) -> list[Outcome]:
        """Read the targets again and believe only what is seen there (invariant 5)."""
        names = {change.entitlement.target for change in batch}
        seen = observe({name: target for name, target in self._targets.items() if name in names})
        outcomes = []
        for change, error in zip(batch, errors, strict=True):
            target = change.entitlement.target
            present = change.entitlement in seen.entitlements
            wanted = change.action is Action.ADD
            if target in seen.unreadable or target not in self._targets:
                outcomes.append(Outcome(change, ok=False, error=error or f"not read back: {seen.unreadable[target]}"))
            elif error and wanted and change.reason is Reason.WINDOW_MOVED:
                # It was there before: that it is there does not show that the target was told the new end.
                outcomes.append(Outcome(change, ok=False, error=error))
            elif present == wanted:
                # A write that reported an error may have taken effect all the same: what is seen decides.
                outcomes.append(Outcome(change, ok=True))
            else:
                state = "still there" if present else "not there"
                outcomes.append(Outcome(change, ok=False, error=error or f"{state} when read back"))
        return outcomes

    def _write(self, outcomes: list[Outcome], attempts: int = 20) -> None:
        """Append outcomes; when another run was first, go after it. What happened at a target is never dropped.

        The other run's clock and main may be ahead of ours: a receipt neither goes back in time nor to an older main.
        """
        for attempt in range(attempts):
            try:
                self._standing = self._books.append(
                    self._standing, list(outcomes), at=self._at, main=self._main, run=self._run
                )
            except ConflictError:
                if attempt == attempts - 1:
                    raise
                self._standing = self._books.load()
                self._at = max(self._at, self._standing.at or self._at)
                self._main = self._standing.main or self._main
            else:
                return
