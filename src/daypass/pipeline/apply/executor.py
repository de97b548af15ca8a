"""Making a plan's changes: target by target, side by side, each read back and written down before the next.

At each target removals are finished before anything is added. A target that is slow or down delays no other one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from threading import Lock
from typing import NamedTuple

from daypass.core.errors import ConflictError, EdgeError, LockedError
from daypass.core.ids import GrantId
from daypass.core.ledger.receipt import BATCH, Body, Outcome
from daypass.core.ledger.standing import FailedChange, Standing
from daypass.core.plan import THERE_BEFORE, Action, Done, Entitlement, Holding, Intended, Numbers, Observed, Order
from daypass.core.planning.holdback import failed_before, same_error, shortens
from daypass.core.record import replace
from daypass.pipeline.apply.readings import AT_ONCE, Readings, unforeseen
from daypass.pipeline.apply.survey import Survey
from daypass.ports import Ledger, Observing, Target

Progress = Callable[[int, int, str], None]


class _Job(NamedTuple):
    """One change, its place among all of the run, what the target is asked for, and how it failed before."""

    place: int
    change: Intended
    order: Order
    before: FailedChange | None


class Executor:
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
        self._pool = ThreadPoolExecutor(AT_ONCE)
        self._work: list[Future[list[tuple[int, Outcome]]]] = []

    def start(self, changes: Sequence[Intended], at: datetime, seen: Observed | None = None) -> None:
        """Begin to make changes that were planned at an instant, the targets side by side; ``finish`` waits for them.

        ``seen`` is what they were planned by.
        """
        returned = seen.returned if seen is not None else {}
        mine: dict[str, list[_Job]] = {}
        with self._writing:
            self._at = max(self._at, at)
            for place, change in enumerate(changes, self._total):
                # Asked of the standing here, by one thread at a time: what it knows is read from a file.
                before = failed_before(change, self._standing.failures)
                job = _Job(place, change, self._order(change, at, returned), before)
                mine.setdefault(change.entitlement.target, []).append(job)
            self._total += len(changes)
        self._work += [self._pool.submit(self._serve, name, jobs) for name, jobs in sorted(mine.items())]

    def finish(self) -> list[Outcome]:
        """Wait for all that was begun and return what came of each change, in the order of the plans.

        When one target's work ends in an error that is no answer of the target's (the ledger cannot be written), the
        others are finished first, and it is raised then.
        """
        self._pool.shutdown(wait=True)
        done = [pair for part in self._work for pair in part.result()]
        return [outcome for _, outcome in sorted(done, key=lambda pair: pair[0])]

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

    def _serve(self, name: str, jobs: list[_Job]) -> list[tuple[int, Outcome]]:
        target = self._target(name)
        step = BATCH if isinstance(target, EdgeError) else target.traits.at_once
        outcomes: list[tuple[int, Outcome]] = []
        for action in (Action.REMOVE, Action.ADD):
            part = [job for job in jobs if job.change.action is action]
            for start in range(0, len(part), step):
                batch = part[start : start + step]
                seen = self._verify(name, batch, self._make(name, batch))
                done = [_with_since(outcome, job.before) for outcome, job in zip(seen, batch, strict=True)]
                with self._writing:
                    said = [outcome for outcome in done if not self._known(outcome)]
                    for first in range(0, len(said), BATCH):
                        self._write(said[first : first + BATCH])
                    self._done += len(done)
                    self._progress(self._done, self._total, "changes")
                outcomes += [(job.place, outcome) for job, outcome in zip(batch, done, strict=True)]
        return outcomes

    def _known(self, outcome: Outcome) -> bool:
        """Whether the ledger says it already: what takes away is tried at each run, and fails as it did before.

        An addition is tried seldom, and its receipt says when it was tried last.
        """
        held = self._found.standing.holding(outcome.change.entitlement)
        return outcome.since is not None and shortens(outcome.change, held)

    def _target(self, name: str) -> Target | EdgeError:
        return self._targets.get(name) or EdgeError(f"the settings name no target {name!r}")

    def _make(self, name: str, batch: Sequence[_Job]) -> Sequence[Done]:
        """Ask the target for the changes; where it gives no answers at all, each has failed for that reason."""
        target = self._target(name)
        if isinstance(target, EdgeError):
            return [Done(target.message)] * len(batch)
        try:
            answers = target.carry_out([job.order for job in batch])
        except EdgeError as error:
            return [Done(error.message)] * len(batch)
        except Exception as error:  # noqa: BLE001  (what one server answers must not stop the others' ends)
            return [Done(unforeseen(error))] * len(batch)
        if len(answers) != len(batch):
            raise RuntimeError(f"target {name} answered {len(answers)} of {len(batch)} orders")
        return answers

    def _order(self, change: Intended, at: datetime, returned: Mapping[Entitlement, Numbers]) -> Order:
        held = self._standing.holding(change.entitlement)
        until = change.until if change.action is Action.ADD else (held.until if held is not None else None)
        keys = self._keys(change.grants) if change.action is Action.ADD else ()
        numbers = held.numbers if held is not None else returned.get(change.entitlement, ())
        return Order(change.action, change.entitlement, at, until, keys, numbers)

    def _keys(self, grants: Sequence[GrantId]) -> tuple[str, ...]:
        """Return the public keys of whom a change is for, as the directory of main has them now."""
        catalogue = self._found.policy.catalogue
        for grant in grants:
            admission = self._found.admitted.changed.get(grant) or self._found.standing.admission(grant)
            handle = catalogue.renames.subject(admission.subject) if admission is not None else ""
            subject = catalogue.directory.subjects.get(handle)
            if subject is not None:
                return subject.keys
        return ()

    def _verify(self, name: str, batch: Sequence[_Job], answers: Sequence[Done]) -> list[Outcome]:
        """Read the target again and believe only what is seen there (invariant 5)."""
        target = self._target(name)
        if isinstance(target, EdgeError):
            return [Outcome(job.change, ok=False, error=a.error) for job, a in zip(batch, answers, strict=True)]
        if not isinstance(target, Observing):
            return [
                Outcome(job.change, not a.error, a.error, handover="" if a.error else a.handover)
                for job, a in zip(batch, answers, strict=True)
            ]
        known = {j.order.entitlement: Holding(j.order.entitlement, (), j.order.until, j.order.numbers) for j in batch}
        seen = Readings({name: target}, known, self._at).look()
        if name in seen.unreadable:
            why = f"not read back: {seen.unreadable[name]}"
            return [Outcome(job.change, ok=False, error=a.error or why) for job, a in zip(batch, answers, strict=True)]
        return [
            _seen(job.change, answer, seen, hands_over=target.traits.hands_over)
            for job, answer in zip(batch, answers, strict=True)
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
                outcomes = [outcome for outcome in outcomes if not self._landed(outcome)]
                if not outcomes:
                    return
            else:
                return

    def _landed(self, outcome: Outcome) -> bool:
        """Whether the ledger has it already: it was written, and the answer was lost, or another run saw the same."""
        change, standing = outcome.change, self._standing
        if not outcome.ok or (change.action, change.entitlement) in standing.pending:
            return False
        if outcome.handover:
            return any(one.text == outcome.handover for one in standing.handovers.values())
        held = standing.holding(change.entitlement)
        if change.action is Action.REMOVE:
            return held is None
        return held is not None and (held.grants, held.until) == (change.grants, change.until)


def _with_since(outcome: Outcome, before: FailedChange | None) -> Outcome:
    """Return an outcome with since when it has failed so, where it did before."""
    again = before is not None and not outcome.ok and same_error(outcome.error, before.error)
    return replace(outcome, since=before.since) if before is not None and again else outcome


def _seen(change: Intended, answer: Done, seen: Observed, *, hands_over: bool) -> Outcome:
    """Hold what a target said against what was seen there afterwards."""
    found = seen.found.get(change.entitlement)
    if found is not None and found.there is None:
        return Outcome(change, ok=False, error=answer.error or f"nobody can tell: {found.why}")
    wanted = change.action is Action.ADD
    # An offer of it is nothing given, and something left to take away.
    present = change.entitlement in seen.entitlements or (not wanted and change.entitlement in seen.offered)
    if answer.error and wanted and (change.reason in THERE_BEFORE or hands_over):
        # It was there before, or what belongs to it never arrived: that it is there does not show that all was done.
        return Outcome(change, ok=False, error=answer.error)
    if present == wanted:
        # A write that reported an error may have taken effect all the same: what is seen decides.
        numbers = found.numbers if found is not None and wanted else ()
        return Outcome(change, ok=True, handover=answer.handover, numbers=numbers)
    state = "still there" if present else "not there"
    return Outcome(change, ok=False, error=answer.error or f"{state} when read back")
