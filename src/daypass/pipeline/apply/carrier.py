"""Making a plan's changes: target by target, side by side, each read back and written down before the next.

At each target removals are finished before anything is added. A target that is slow or down delays no other one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from threading import Lock

from daypass.core.errors import ConflictError, EdgeError, LockedError
from daypass.core.grant import GrantId
from daypass.core.holdback import failed_before, same_error, shortens
from daypass.core.ledger.receipt import BATCH, Body, Outcome
from daypass.core.ledger.standing import FailedChange, Standing
from daypass.core.plan import THERE_BEFORE, Action, Holding, Intended, Observed
from daypass.pipeline.apply.readings import AT_ONCE, observe, unforeseen
from daypass.pipeline.apply.survey import Survey
from daypass.ports import Done, Ledger, Observing, Order, Target

Progress = Callable[[int, int, str], None]


class Carrier:
    """Makes the changes of a run's plans and writes what came of each.

    ``found`` is the run's first survey. Where another run writes to the ledger between, it may know more of a target than we
    saw there, and nothing further is planned by what was seen.
    """

    def __init__(
        self,
        ledger: Ledger,
        targets: Mapping[str, Target | EdgeError],
        found: Survey,
        standing: Standing,
        run: str,
        progress: Progress,
    ) -> None:
        self._ledger = ledger
        self._targets = targets
        self._found = found
        self._standing = standing
        self._overtaken = False
        self._at = found.plan.at
        self._main: str = found.plan.main
        self._run = run
        self._progress = progress
        self._writing = Lock()
        self._done = 0
        self._total = 0
        self._orders: dict[int, Order] = {}
        self._failed: dict[int, FailedChange] = {}
        self._pool = ThreadPoolExecutor(AT_ONCE)
        self._work: list[Future[list[Outcome]]] = []
        self._place: dict[int, int] = {}

    def carry_out(self, changes: Sequence[Intended]) -> list[Outcome]:
        """Make the changes and return what came of each, in the plan's order."""
        self.start(changes, self._at)
        return self.finish()

    def start(self, changes: Sequence[Intended], at: datetime) -> None:
        """Begin to make changes that were planned at an instant, the targets side by side; ``finish`` waits for them."""
        mine: dict[str, list[Intended]] = {}
        with self._writing:
            self._at = max(self._at, at)
            self._total += len(changes)
            for change in changes:
                # Asked of the standing here, by one thread at a time: what it knows is read from a file.
                self._orders[id(change)] = self._order(change, at)
                self._place[id(change)] = len(self._place)
                if (before := failed_before(change, self._standing.failures)) is not None:
                    self._failed[id(change)] = before
                mine.setdefault(change.entitlement.target, []).append(change)
        self._work += [self._pool.submit(self._serve, name, part) for name, part in sorted(mine.items())]

    def finish(self) -> list[Outcome]:
        """Wait for all that was begun and return what came of each change, in the order of the plans.

        When one target's work ends in an error that is no answer of the target's (the ledger cannot be written), the
        others are finished first, and it is raised then.
        """
        self._pool.shutdown(wait=True)
        outcomes = [outcome for part in self._work for outcome in part.result()]
        return sorted(outcomes, key=lambda outcome: self._place[id(outcome.change)])

    def planned(self, plan: Callable[[Standing], Survey]) -> Survey:
        """Plan by the ledger as this run left it, while nobody writes: what it knows is read from a file."""
        with self._writing:
            return plan(self._standing)

    def append(self, bodies: Sequence[Body], at: datetime) -> None:
        """Write to the ledger as this run left it. Raises ConflictError where another run wrote between."""
        with self._writing:
            if self._overtaken:
                raise ConflictError("another run has written to the ledger since this one began")
            self._at = max(self._at, at)
            if bodies:
                self._standing = self._ledger.append(
                    self._standing, bodies, at=self._at, main=self._main, run=self._run
                )

    def _serve(self, name: str, changes: list[Intended]) -> list[Outcome]:
        target = self._targets.get(name)
        step = BATCH if target is None or isinstance(target, EdgeError) else target.traits.at_once
        outcomes: list[Outcome] = []
        for action in (Action.REMOVE, Action.ADD):
            part = [change for change in changes if change.action is action]
            for start in range(0, len(part), step):
                batch = part[start : start + step]
                done = [self._dated(outcome) for outcome in self._verify(name, batch, self._make(name, batch))]
                with self._writing:
                    said = [outcome for outcome in done if not self._said(outcome)]
                    for first in range(0, len(said), BATCH):
                        self._write(said[first : first + BATCH])
                    self._done += len(done)
                    self._progress(self._done, self._total, "changes")
                outcomes += done
        return outcomes

    def _dated(self, outcome: Outcome) -> Outcome:
        """Return an outcome with since when it has failed so, where it did before."""
        before = self._failed.get(id(outcome.change))
        again = before is not None and not outcome.ok and same_error(outcome.error, before.error)
        return replace(outcome, since=before.since) if before is not None and again else outcome

    def _said(self, outcome: Outcome) -> bool:
        """Whether the ledger says it already: what takes away is tried at each run, and fails as it did before.

        An addition is tried seldom, and its receipt says when it was tried last.
        """
        held = self._found.standing.holdings.get(outcome.change.entitlement)
        return outcome.since is not None and shortens(outcome.change, held)

    def _make(self, name: str, batch: Sequence[Intended]) -> Sequence[Done]:
        """Ask the target for the changes; where it gives no answers at all, each has failed for that reason."""
        target = self._targets.get(name)
        if target is None:
            return [Done(f"the settings name no target {name!r}")] * len(batch)
        if isinstance(target, EdgeError):
            return [Done(target.message)] * len(batch)
        try:
            answers = target.carry_out([self._orders[id(change)] for change in batch])
        except EdgeError as error:
            return [Done(error.message)] * len(batch)
        except Exception as error:  # noqa: BLE001  (what one server answers must not stop the others' ends)
            return [Done(unforeseen(error))] * len(batch)
        if len(answers) != len(batch):
            raise RuntimeError(f"target {name} answered {len(answers)} of {len(batch)} orders")
        return answers

    def _order(self, change: Intended, at: datetime) -> Order:
        held = self._standing.holdings.get(change.entitlement)
        until = change.until if change.action is Action.ADD else (held.until if held is not None else None)
        keys = self._keys(change.grants) if change.action is Action.ADD else ()
        return Order(change.action, change.entitlement, at, until, keys, held.numbers if held is not None else ())

    def _keys(self, grants: Sequence[GrantId]) -> tuple[str, ...]:
        """Return the public keys of whom a change is for, as the directory of main has them now."""
        subjects = self._found.policy.catalogue.directory.subjects
        for grant in grants:
            admission = self._found.admitted.changed.get(grant) or self._found.standing.admission(grant)
            subject = subjects.get(admission.subject) if admission is not None else None
            if subject is not None:
                return subject.keys
        return ()

    def _verify(self, name: str, batch: Sequence[Intended], answers: Sequence[Done]) -> list[Outcome]:
        """Read the target again and believe only what is seen there (invariant 5)."""
        target = self._targets.get(name)
        if target is None or isinstance(target, EdgeError):
            return [Outcome(c, ok=False, error=a.error) for c, a in zip(batch, answers, strict=True)]
        if not isinstance(target, Observing):
            return [_believed(change, answer) for change, answer in zip(batch, answers, strict=True)]
        orders = [self._orders[id(change)] for change in batch]
        known = {o.entitlement: Holding(o.entitlement, (), o.until, o.numbers) for o in orders}
        seen = observe({name: target}, known, self._at)
        if name in seen.unreadable:
            why = f"not read back: {seen.unreadable[name]}"
            return [Outcome(c, ok=False, error=a.error or why) for c, a in zip(batch, answers, strict=True)]
        return [
            _seen(change, answer, seen, hands_over=target.traits.hands_over)
            for change, answer in zip(batch, answers, strict=True)
        ]

    def _write(self, outcomes: Sequence[Outcome], attempts: int = 20) -> None:
        """Append outcomes; when another run was first, go after it. What happened at a target is never dropped.

        The other run's main may be ahead of ours: a receipt does not go back to an older one.
        """
        for attempt in range(attempts):
            try:
                self._standing = self._ledger.append(
                    self._standing, list(outcomes), at=self._at, main=self._main, run=self._run
                )
            except (ConflictError, LockedError) as error:
                if attempt == attempts - 1:
                    raise
                self._overtaken |= isinstance(error, ConflictError)
                self._standing = self._ledger.load()
                self._main = self._standing.main or self._main
            else:
                return


def _there(change: Intended, seen: Observed) -> bool:
    """Say whether an entitlement is there; an offer of it is nothing given, and something left to take away."""
    offered = change.action is Action.REMOVE and change.entitlement in seen.offered
    return offered or change.entitlement in seen.entitlements


def _believed(change: Intended, answer: Done) -> Outcome:
    return Outcome(change, not answer.error, answer.error, handover="" if answer.error else answer.handover)


def _seen(change: Intended, answer: Done, seen: Observed, *, hands_over: bool) -> Outcome:
    """Hold what a target said against what was seen there afterwards."""
    found = seen.found.get(change.entitlement)
    if found is not None and found.there is None:
        return Outcome(change, ok=False, error=answer.error or f"nobody can tell: {found.why}")
    present = _there(change, seen)
    wanted = change.action is Action.ADD
    if answer.error and wanted and (change.reason in THERE_BEFORE or hands_over):
        # It was there before, or what belongs to it never arrived: that it is there does not show that all was done.
        return Outcome(change, ok=False, error=answer.error)
    if present == wanted:
        # A write that reported an error may have taken effect all the same: what is seen decides.
        numbers = found.numbers if found is not None and wanted else ()
        return Outcome(change, ok=True, handover=answer.handover, numbers=numbers)
    state = "still there" if present else "not there"
    return Outcome(change, ok=False, error=answer.error or f"{state} when read back")
