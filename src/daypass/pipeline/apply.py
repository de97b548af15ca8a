"""Making targets equal what main says, with a receipt for everything.

The order is what makes a crash harmless: intents are in the ledger before a target is touched, removals come before
additions, a change counts only when the target has been read again, and whatever an earlier run left open is settled by
looking. Running twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import cast

from daypass.core.errors import ConflictError, EdgeError, ExitCode, worst
from daypass.core.grant import Oid
from daypass.core.ledger.receipt import BATCH, Body, Intent, Outcome
from daypass.core.ledger.standing import Standing
from daypass.core.plan import (
    BOUND_TO_TIME,
    Action,
    Braked,
    Entitlement,
    Holding,
    Intended,
    Observed,
    Reason,
    brake,
    weight,
)
from daypass.pipeline.carrier import Carrier, Progress
from daypass.pipeline.readings import PATIENCE, Look, Readings
from daypass.pipeline.survey import Survey
from daypass.ports import Books, Recaller, Target, TargetReader

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


Take = Callable[[Look], Survey]
"""Reads and plans afresh; the targets are read by what it is given."""


def apply(
    take: Take,
    books: Books,
    open_targets: OpenTargets,
    *,
    run: str,
    confirmed: str = "",
    progress: Progress,
    hurry: bool = False,
    attempts: int = 5,
) -> Applied:
    """Carry a survey's plan out.

    ``take`` is called again when another run was first at the ledger. Raises ConflictError when that happens
    ``attempts`` times, and lets no target be touched before the intents are in the ledger. The targets are those of
    the commit that the survey stands on.

    A target that is slow to answer delays nothing elsewhere: the others are served first, and then it is waited for;
    in a ``hurry``, no longer than until the next window opens or ends.
    """
    readings = Readings()
    work = _Work(take, books, open_targets, run, confirmed, progress, attempts)
    first = work.round(readings, PATIENCE)
    if not first.survey.late:
        return first
    readings.forget(outcome.change.entitlement.target for outcome in first.outcomes)
    rest = work.round(readings, _left(first.survey) if hurry else None, before=first)
    changes = first.survey.plan.changes + rest.survey.plan.changes
    whole = replace(rest.survey, plan=replace(rest.survey.plan, changes=changes))
    return Applied(whole, first.outcomes + rest.outcomes, rest.held, rest.held_message)


def _left(found: Survey) -> float:
    """Return for how many seconds nothing is due, an hour at most."""
    return max(0.0, min((found.boundary - found.plan.at).total_seconds(), 3600.0))


@dataclass(frozen=True, slots=True)
class _Work:
    """What one run works with."""

    take: Take
    books: Books
    open_targets: OpenTargets
    run: str
    confirmed: str
    progress: Progress
    attempts: int

    def round(self, readings: Readings, patience: float | None, before: Applied | None = None) -> Applied:
        """Plan by what has answered within ``patience`` seconds, and carry that out.

        What was done ``before`` in this run counts at the brake.
        """

        def look(
            targets: Mapping[str, TargetReader | EdgeError], holdings: Mapping[Entitlement, Holding], at: datetime
        ) -> Observed:
            return readings.look(targets, holdings, at, patience)

        taken, given = (0, 0) if before is None else weight(o.change for o in before.outcomes if not o.recovered)
        for attempt in range(self.attempts):
            found = self.take(look)
            braked = brake(
                found.plan,
                removals=found.removals_allowed - taken,
                additions=found.additions_allowed - given,
                confirmed=self.confirmed,
            )
            changes, held, why = _allowed(found, braked)
            try:
                standing = _write_intents(found, self.books, changes, self.run)
            except ConflictError:
                if attempt == self.attempts - 1:
                    raise
                readings.forget()
                continue
            done = Applied(found, list(found.recovered), held, why)
            targets = self.open_targets(Oid(found.plan.main))
            told = _recalled({n: t for n, t in targets.items() if n not in found.late}, standing, found.plan.at)
            done.outcomes += Carrier(self.books, told, found, standing, self.run, self.progress).carry_out(changes)
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


def _recalled(
    targets: Mapping[str, Target | EdgeError], standing: Standing, at: datetime
) -> Mapping[str, Target | EdgeError]:
    """Tell the targets that keep a list what the ledger says was handed over. One that fails stops only itself."""
    found = dict(targets)
    for name, target in targets.items():
        if not isinstance(target, EdgeError) and target.abilities.recalls:
            try:
                cast("Recaller", target).recall(standing.handed(name, at))
            except EdgeError as error:
                found[name] = error
    return found


def _write_intents(found: Survey, books: Books, changes: tuple[Intended, ...], run: str) -> Standing:
    bodies: list[Body] = [*found.admitted.bodies, *found.recovered]
    bodies += [Intent(changes[n : n + BATCH], found.plan.digest) for n in range(0, len(changes), BATCH)]
    if not bodies:
        return found.standing
    return books.append(found.standing, bodies, at=found.plan.at, main=found.plan.main, run=run)
