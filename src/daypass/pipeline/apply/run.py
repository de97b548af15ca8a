"""Making targets equal what main says, with a receipt for everything.

The order is what makes a crash harmless: intents are in the ledger before a target is touched, removals come before
additions, a change counts only when the target has been read again, and whatever an earlier run left open is settled by
looking. Running twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial

from msgspec import Struct, field

from daypass.core.bounds.watch import ENDS_WHEN
from daypass.core.errors import ConflictError, EdgeError, ExitCode, worst
from daypass.core.ids import Oid
from daypass.core.ledger.receipt import BATCH, Body, Ended, Intent, Outcome, Pulse
from daypass.core.ledger.standing import Standing
from daypass.core.ledger.statement import admission_digest
from daypass.core.people.leaving import LEFT
from daypass.core.plan import BOUND_TO_TIME, Action, Entitlement, Intended, Reason
from daypass.core.planning.holdback import Braked, brake, failed_before, keep_back, weight
from daypass.core.policy.rules import RULE_DENIES
from daypass.core.record import replace
from daypass.pipeline.apply.executor import Executor, Progress
from daypass.pipeline.apply.inputs import Attend, ByReceipts
from daypass.pipeline.apply.overview import giving_stopped
from daypass.pipeline.apply.readings import PATIENCE, Readings, unforeseen
from daypass.pipeline.apply.survey import Inputs, Survey, plan_on
from daypass.ports import Ledger, Recalling, SummingLedger, Target

OpenTargets = Callable[[Oid], Mapping[str, Target | EdgeError]]
"""Opens the targets of a commit's settings; one that cannot be opened is an error in its place."""


class Applied(Struct):
    """What a run did. ``held`` are changes that were kept back, and ``held_message`` says why.

    ``silent`` says why it could leave no sign of life, or no snapshot, in the ledger, "" where it could or had none to leave.
    ``away`` says why the remote could not be reached, and ``undelivered`` why what waits in the outbox was not delivered.
    """

    survey: Survey
    outcomes: list[Outcome] = field(default_factory=list)
    held: tuple[Intended, ...] = ()
    held_message: str = ""
    silent: str = ""
    away: str = ""
    undelivered: str = ""

    @property
    def exit_code(self) -> ExitCode:
        """The worst of what was refused, held and failed."""
        codes = [self.survey.exit_code]
        if self.away or self.undelivered:
            codes.append(ExitCode.PARTIAL)
        if self.silent or self.held or any(not outcome.ok and not outcome.recovered for outcome in self.outcomes):
            codes.append(ExitCode.PARTIAL)
        return worst(codes)

    @property
    def changed(self) -> bool:
        """Whether anything was changed at a target."""
        return any(outcome.ok and not outcome.recovered for outcome in self.outcomes)


Take = Callable[[Attend], Inputs]
"""Reads everything but the targets, afresh, and has ends attended to meanwhile."""

ENDS_PATIENCE = 10.0
"""For how many seconds a run waits for targets at which something has ended before it goes on asking for proofs."""


def apply(
    take: Take,
    ledger: Ledger,
    open_targets: OpenTargets,
    *,
    run: str,
    confirmed: str = "",
    progress: Progress,
    timer: Callable[[], float],
    clock: Callable[[], datetime] | None = None,
    limit: Callable[[Survey], float | None] = lambda _: None,
    enough: Callable[[], bool] = lambda: False,
    attempts: int = 5,
) -> Applied:
    """Carry out what follows from main, the ledger and what is at the targets.

    What receipts show as ended is taken away first, and whenever more ends while proofs are gathered: it waits for no
    request. No target is touched before the intents are in the ledger; the targets are those of the commit that the plan
    stands on. ``take`` is called again when another run was first at the ledger, ConflictError raised after ``attempts``.

    A target that is slow to answer delays nothing elsewhere: after PATIENCE those that have answered are served, and
    each of the others as soon as it answers, at the instant that ``clock`` says then (the first one by default).
    ``limit`` says for how many seconds of ``timer`` they are waited for, given the first plan (None: as long as it
    takes), and ``enough`` ends the waiting at any time; where a person ``confirmed`` a plan, all are waited for first.
    """
    ends = partial(
        apply,
        ledger=ledger,
        open_targets=open_targets,
        run=run,
        progress=progress,
        timer=timer,
        clock=clock,
        enough=enough,
    )
    early = _Early(ledger, ends, clock)
    for attempt in range(attempts):
        inputs = _taken(take, early, attempts)
        if inputs.unchanged is not None:
            _recalled(open_targets(inputs.tip), inputs.standing, inputs.at)
            return early.joined(Applied(inputs.unchanged))
        readings, first = _read(inputs, None if confirmed else PATIENCE, enough)
        plans = _Plans(confirmed, first)
        part = plans.allow(first)
        try:
            standing = _write_intents(first, ledger, part.allowed, run)
        except ConflictError:
            if attempt == attempts - 1:
                raise
            continue
        targets = _recalled(open_targets(Oid(first.plan.main)), standing, first.plan.at)
        executor = Executor(ledger, targets, first, standing, run, progress)
        executor.start(part.allowed, inputs.at, first.observed)
        plans.add(first, part)
        try:
            _serve_late(inputs, readings, executor, plans, _over(limit(first), timer, enough))
        finally:
            outcomes = executor.finish()
        return early.joined(plans.done(outcomes, readings.late))
    raise ConflictError("the ledger kept moving")  # pragma: no cover  (attempts is at least 1)


def _taken(take: Take, early: _Early, attempts: int) -> Inputs:
    """Read everything but the targets, anew where another run settled meanwhile what landed on main."""
    for _ in range(attempts - 1):
        with suppress(ConflictError):
            return take(early.attend)
    return take(early.attend)


def _read(inputs: Inputs, patience: float | None, enough: Callable[[], bool]) -> tuple[Readings, Survey]:
    """Begin to read every target, and plan by those that have answered after so many seconds."""
    readings = inputs.readings()
    first = plan_on(inputs, inputs.standing, readings.look(patience, enough=enough), inputs.at)
    if not readings.late:
        inputs.remember(first)
    return readings, first


class _Early:
    """Takes away what has ended while a run still gathers proofs at the forge, and remembers what came of it.

    What could not be taken away is left to the run itself; it is tried here once.
    """

    def __init__(self, ledger: Ledger, carry_out: Callable[..., Applied], clock: Callable[[], datetime] | None) -> None:
        self._ledger = ledger
        self._carry_out = carry_out
        self._clock = clock
        self._tried: set[Entitlement] = set()
        self._done: list[Applied] = []
        self._next: tuple[Oid | None, datetime | None] = (None, None)

    def attend(self, standing: Standing, by_receipts: ByReceipts, at: datetime, off: timedelta) -> Standing:
        """Carry out what has ended by the receipts; return the ledger as it stands then.

        ``off`` is how far the instant to reckon with is from this machine's clock.
        """
        at = at if self._clock is None else max(at, self._clock() + off)
        if not standing.main or not self._due(standing, at):
            return standing
        ends = standing.ends_before(at) - self._tried
        self._tried |= ends
        self._next = (None, None)
        names = frozenset(entitlement.target for entitlement in ends)
        done = self._carry_out(lambda _: by_receipts(self._ledger.load(), at, names), limit=lambda _: ENDS_PATIENCE)
        self._done.append(done)
        return self._ledger.load()

    def _due(self, standing: Standing, at: datetime) -> bool:
        """Say whether anything not tried yet has ended; asked often, so that it is reckoned once for each ledger."""
        if self._next[0] != standing.commit:
            self._next = (standing.commit, standing.first_end(self._tried))
        return self._next[1] is not None and self._next[1] <= at

    def joined(self, done: Applied) -> Applied:
        """Return what a run did with what was done before it. What it tried again it has the last word on."""
        again = {outcome.change.entitlement for outcome in done.outcomes}
        early = [o for one in self._done for o in one.outcomes if o.ok or o.change.entitlement not in again]
        changes = tuple(change for one in self._done for change in one.survey.plan.changes)
        survey = replace(done.survey, plan=replace(done.survey.plan, changes=(*changes, *done.survey.plan.changes)))
        return replace(done, survey=survey, outcomes=[*early, *done.outcomes]) if early else done


_OVERTAKEN = "another run wrote to the ledger after this was read; the next run looks again"


def _over(most: float | None, timer: Callable[[], float], enough: Callable[[], bool]) -> Callable[[], bool]:
    """Return what says whether waiting is over: after so many seconds from now on (None: never), or once it is enough."""
    began = timer()
    return lambda: enough() or (most is not None and timer() - began >= most)


class _Plans:
    """The plans of one run, joined: what each may do, and what is told of them at the end."""

    def __init__(self, confirmed: str, first: Survey) -> None:
        self._confirmed = confirmed
        self._first = first
        self._surveys: list[Survey] = []
        self._parts: list[Braked] = []
        self._braked = False
        self.unreadable = dict(first.plan.unreadable)

    def allow(self, found: Survey) -> Braked:
        """Return what of a plan is to be done. What the run did before counts at the brake, and once it held it holds."""
        taken, given = weight(change for before in self._parts for change in before.allowed)
        left = (self._first.removals_allowed - taken, self._first.additions_allowed - given)
        if self._braked:
            left = (0, 0)
        confirmed = "" if self._parts else self._confirmed  # of targets that answered late nobody was shown a plan
        braked = brake(found.plan, removals=left[0], additions=left[1], confirmed=confirmed)
        self._braked = self._braked or bool(braked.held)
        return _allowed(found, braked)

    def add(self, found: Survey, part: Braked) -> None:
        """Take in a plan, the allowed part of whose changes was begun."""
        self._surveys.append(found)
        self._parts.append(part)

    def done(self, outcomes: list[Outcome], late: frozenset[str]) -> Applied:
        """Join everything that was planned and done; ``late`` were not waited for any longer."""
        plans = [found.plan for found in self._surveys]
        recovered = tuple(outcome for found in self._surveys for outcome in found.recovered)
        plan = replace(
            plans[0],
            changes=tuple(change for plan in plans for change in plan.changes),
            unmanaged=tuple(sorted(entitlement for plan in plans for entitlement in plan.unmanaged)),
            unreadable=dict(sorted(self.unreadable.items())),
            lost=tuple(change for plan in plans for change in plan.lost),
            failing=tuple(one for plan in plans for one in plan.failing),
            offered=tuple(sorted(entitlement for plan in plans for entitlement in plan.offered)),
            unknown=tuple(sorted(doubt for plan in plans for doubt in plan.unknown)),
            renamed=tuple(sorted(doubt for plan in plans for doubt in plan.renamed)),
        )
        whole = replace(self._first, plan=plan, recovered=recovered, late=late)
        held = tuple(change for part in self._parts for change in part.held)
        why = next((part.message for part in self._parts if part.message), "")
        return Applied(whole, [*recovered, *outcomes], held, why)


def _serve_late(
    inputs: Inputs, readings: Readings, executor: Executor, plans: _Plans, over: Callable[[], bool]
) -> None:
    """Serve each target that answers after the others, as soon as it does, until waiting is ``over``.

    What was seen there was seen after the ledger was read, and nobody but this run has written since: else another run
    may have changed the target after it was seen, and the next run looks again.
    """
    while readings.late and not over():
        before = readings.late
        seen = readings.look(first=True, enough=over)
        came = before - readings.late
        if not came:
            return
        clock, at = inputs.clocks.clock, inputs.at
        at = at if clock is None else max(at, clock() + inputs.clocks.off)
        found = executor.planned(partial(plan_on, inputs, observed=seen, at=at))
        part = plans.allow(found)
        try:
            executor.append([*found.recovered, *_intents(found, part.allowed)], at)
        except ConflictError:
            plans.unreadable |= dict.fromkeys(came, _OVERTAKEN)
            return
        plans.add(found, part)
        for name in came:
            del plans.unreadable[name]
        plans.unreadable |= {name: seen.unreadable[name] for name in came & set(seen.unreadable)}
        executor.start(part.allowed, at, found.observed)


def _allowed(found: Survey, braked: Braked) -> Braked:
    """Part the changes to make from those held back, and say why these are.

    While the policies of main cannot be read nothing is given, and what is to be taken is taken (invariants 7 and 8).
    While main cannot be followed, only what has ended by its own window is taken. Where clocks disagree nothing is given,
    and what has ended by every one of them is taken.
    """
    if found.stuck is not None:
        # A window that receipts moved has ended by them all the same.
        over = {*BOUND_TO_TIME, Reason.WINDOW_MOVED, Reason.BOUND}
        allowed = tuple(
            c for c in found.plan.changes if c.action is Action.REMOVE and c.reason in over and not found.waits(c)
        )
        held = tuple(change for change in found.plan.changes if change not in allowed)
        why = "; ".join(filter(None, (found.stuck.message, found.clocks)))
        return Braked(allowed, held, why)
    return keep_back(braked, found.waits, found.clocks, giving_stopped(found.policy), found.standing.holdings)


def _recalled(
    targets: Mapping[str, Target | EdgeError], standing: Standing, at: datetime
) -> Mapping[str, Target | EdgeError]:
    """Tell the targets that keep a list what the ledger says was handed over. One that fails stops only itself."""
    found = dict(targets)
    for name, target in targets.items():
        if isinstance(target, Recalling):
            try:
                target.recall(standing.handed(name, at))
            except EdgeError as error:
                found[name] = error
            except Exception as error:  # noqa: BLE001  (what is wrong with one target must not stop the others' ends)
                found[name] = EdgeError(unforeseen(error))
    return found


def _write_intents(found: Survey, ledger: Ledger, changes: tuple[Intended, ...], run: str) -> Standing:
    ended = _over_for_good(found, changes)
    bodies: list[Body] = [*found.admitted.bodies, *ended, *found.recovered, *_intents(found, changes)]
    if not bodies:
        return found.standing
    return ledger.append(found.standing, bodies, at=found.plan.at, main=found.plan.main, run=run)


_UNDONE = frozenset({RULE_DENIES, *LEFT, *(kind.code for kind in ENDS_WHEN.values())})


def _over_for_good(found: Survey, changes: tuple[Intended, ...]) -> Iterator[Ended]:
    """Yield what has ended for good.

    By a rule, a task or the source of people only what the brake lets go, or is gone: a slip can be undone.
    """
    held = {grant for change in found.plan.changes if change not in changes for grant in change.grants}
    held |= {claim.grant for claim in found.claims if claim.entitlement.target in found.plan.unreadable}
    yield from (one for one in found.ended if one.code not in _UNDONE or one.grant not in held)


def _intents(found: Survey, changes: tuple[Intended, ...]) -> list[Intent]:
    """Return the intents to write: what failed before and is tried again stands on the one that is open still."""
    failures = found.standing.failures
    new = [change for change in changes if failed_before(change, failures) is None]
    parts = [tuple(new[n : n + BATCH]) for n in range(0, len(new), BATCH)]
    return [Intent(part, found.plan.digest, _basis(found, part)) for part in parts]


def _basis(found: Survey, changes: Iterable[Intended]) -> tuple[str, ...]:
    """Return the digests of the admissions that additions stand on, those of this very run among them."""
    grants = {grant for change in changes if change.action is Action.ADD for grant in change.grants}
    proofs = (found.admitted.changed.get(grant) or found.standing.admission(grant) for grant in grants)
    return tuple(sorted(admission_digest(proof) for proof in proofs if proof is not None))


def keep_snapshot(ledger: SummingLedger, found: Survey, run: str) -> None:
    """Leave a snapshot where one is due. Another run that was first leaves one itself, or the next one does.

    A run that could not follow main leaves none: a snapshot says that what main holds was looked at, as every receipt does.
    """
    if found.stuck is None:
        with suppress(ConflictError):
            ledger.snapshot(at=found.plan.at, main=found.plan.main, run=run)


def beat(ledger: Ledger, found: Survey, *, every: timedelta | None, exit_code: int, run: str) -> bool:
    """Leave a pulse when the ledger has been silent for ``every`` (None: never); say whether one was left.

    Where another run was first it has left a sign itself. A run that could not follow main leaves none: it has not done
    what it is there for. Raises LockedError where a lock keeps it from the ledger: nobody else left a sign then.
    """
    if every is None or found.stuck is not None:
        return False
    standing = ledger.load()
    at = found.plan.at
    if standing.at is not None and at - standing.at < every:
        return False
    try:
        ledger.append(standing, [Pulse(found.plan.live, exit_code)], at=at, main=found.plan.main, run=run)
    except ConflictError:
        return False
    return True
