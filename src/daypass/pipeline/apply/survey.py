"""Reading everything that a plan stands on: the ledger, main, the targets, and what an earlier run left open.

Holds no way to write (invariant 11).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from functools import partial
from types import MappingProxyType
from typing import NamedTuple

from msgspec import Struct, field

from daypass.core.bounds.watch import EndingTask
from daypass.core.errors import EdgeError, ExitCode, RefusedError
from daypass.core.files.grants import read_grant
from daypass.core.grant import IMPORT, Grant
from daypass.core.ids import GrantId, Oid, grant_path
from daypass.core.ledger.receipt import Admission, Ended, Outcome, Refusal
from daypass.core.ledger.standing import Standing
from daypass.core.plan import (
    BOUND_TO_TIME,
    THERE_BEFORE,
    Action,
    AdmittedGrant,
    Claim,
    Denied,
    Entitlement,
    Holding,
    Intended,
    Observed,
    Plan,
    Reason,
    Unchanged,
)
from daypass.core.planning.compute import FOREVER, compute, next_boundary
from daypass.core.planning.holdback import ClockDoubt, doubt, failed_before, rest
from daypass.core.planning.voided import Judged, judge_voided
from daypass.core.policy.policies import Policy
from daypass.core.record import replace
from daypass.pipeline.apply.admit import Admitted
from daypass.pipeline.apply.grounds import Grounds, Looks, prints_of
from daypass.pipeline.apply.readings import Readings
from daypass.ports import History, Inviting, Observing, TargetReader


class Survey(Struct, frozen=True):
    """Everything that reading tells: the plan, what could not be proved, and what an earlier run left open.

    ``stuck`` is why main is not followed, None when it is. ``boundary`` is the first instant at which a window opens or
    ends: nothing changes before it by itself. ``late`` names the targets that were not waited for.
    ``doubts`` say at which targets nothing is given since clocks disagree. ``claims``, ``invalid`` and ``observed`` are
    what the plan follows from. ``ended`` are the grants that something ended by now, which no receipt says yet.
    """

    plan: Plan
    admitted: Admitted
    recovered: tuple[Outcome, ...]
    standing: Standing
    policy: Policy
    removals_allowed: int
    additions_allowed: int
    stuck: RefusedError | None = None
    boundary: datetime = FOREVER
    late: frozenset[str] = frozenset()
    doubts: Mapping[str, ClockDoubt] = field(default_factory=dict)
    claims: tuple[Claim, ...] = ()
    invalid: Mapping[GrantId, Reason] = field(default_factory=dict)
    observed: Observed | None = None
    ended: tuple[Ended, ...] = ()

    def waits(self, change: Intended) -> bool:
        """Whether a change is kept back until clocks agree."""
        found = self.doubts.get(change.entitlement.target)
        return found is not None and found.waits(change)

    @property
    def clocks(self) -> str:
        """Say how clocks disagree, "" where they do not."""
        return "; ".join(dict.fromkeys(found.why for found in self.doubts.values()))

    @property
    def refusals(self) -> tuple[Refusal, ...]:
        """Grants that stand on main without proof, by name."""
        return tuple(refusal for _, refusal in sorted(self.admitted.refusals.items()))

    @property
    def unproved(self) -> tuple[Refusal, ...]:
        """Grants to be tried again."""
        return tuple(self.admitted.unproved)

    @property
    def exit_code(self) -> ExitCode:
        """PARTIAL when anything was refused, invalid, unreadable or unknown; FAILED when main is not followed."""
        if self.stuck is not None:
            return ExitCode.FAILED
        waits = (self.refusals, self.unproved, self.plan.failing)
        bad = any(claim.blocked is not None for claim in self.plan.blocked)
        return ExitCode.PARTIAL if any(waits) or bad or self.troubled else ExitCode.OK

    @property
    def troubled(self) -> bool:
        """Whether anything could not be read, or nobody can tell of it: then access may be there that should not."""
        return any((self.plan.unreadable, self.plan.unknown, self.policy.holes, self.doubts))


class Clocks(NamedTuple):
    """Our clock, None where the run's instant is not its; ``skews`` say how far others' are ahead of it.

    ``off`` is how far the instant is: the earliest of all is reckoned with.
    """

    clock: Callable[[], datetime] | None = None
    skews: Mapping[str, timedelta] = MappingProxyType({})
    off: timedelta = timedelta(0)


class Inputs(Struct, frozen=True):
    """What a plan stands on beside the targets, all of it read before any of them.

    ``targets`` are the open ones and those that cannot be. ``unchanged`` is the answer where nothing has moved since
    nothing was to be done: then no target need be read. ``keep`` remembers that nothing is to be done, as ``program``
    found. ``looks`` at these targets were begun to find out whether anything has moved. ``retry``: what has failed is tried
    again at once. ``ending`` are the grants that something ends before their windows do, some day. ``away``: the remote cannot
    be reached, and what receipts show as ended is taken away and nothing else.
    """

    history: History
    standing: Standing
    policy: Policy
    admitted: Admitted
    tip: Oid
    at: datetime
    targets: Mapping[str, TargetReader | EdgeError]
    claims: tuple[Claim, ...] = ()
    invalid: Mapping[GrantId, Reason] = field(default_factory=dict)
    stuck: RefusedError | None = None
    unchanged: Survey | None = None
    keep: Callable[[Unchanged], None] | None = None
    program: str = ""
    looks: Looks | None = None
    unsettled: frozenset[GrantId] | None = None
    clocks: Clocks = Clocks()
    retry: bool = False
    denied: tuple[Denied, ...] = ()
    tasks: tuple[EndingTask, ...] = ()
    ending: tuple[Ended, ...] = ()
    away: bool = False

    def readings(self) -> Readings:
        """Begin to read every target."""
        known = self.standing
        taken = lambda: known.taken  # noqa: E731  (read where it is asked for)
        return Readings(self.targets, known.holdings, self.at, known.unfinished, self.clocks.clock, self.looks, taken)

    def remember(self, found: Survey) -> None:
        """Keep that nothing is to be done, where that is so; what targets hold is named as it was planned by."""
        if self.keep is None or self.stuck is not None or not _nothing_to_say(found):
            return
        grounds, prints = Grounds(self.program, self.standing.commit, self.tip), prints_of(self.targets)
        if prints is not None:
            plan = found.plan
            named = (grounds.named(prints), grounds.beside)
            self.keep(Unchanged(*named, self.at, found.boundary, plan.live, plan.by_ledger))


_BY_RECEIPTS = frozenset({*BOUND_TO_TIME, Reason.WINDOW_MOVED, Reason.BOUND, Reason.GRANT_REMOVED})
"""Why receipts alone end access: time is over, or a grant is on record as narrowed, ended or retired."""


def _doubts(inputs: Inputs, observed: Observed, at: datetime) -> Mapping[str, ClockDoubt]:
    """Return at which targets clocks disagree, and how."""
    found: dict[str, ClockDoubt] = {}
    for name in inputs.targets:
        skews = {**inputs.clocks.skews, **({f"target {name}": observed.skews[name]} if name in observed.skews else {})}
        if (known := doubt(at - inputs.clocks.off, inputs.standing.at, skews)) is not None:
            found[name] = known
    return found


def plan_on(inputs: Inputs, standing: Standing, observed: Observed, at: datetime) -> Survey:
    """Plan by what was seen at the targets, and by the ledger as it stands; nothing is planned where nobody saw."""
    targets, policy = inputs.targets, inputs.policy
    unreadable = {name for name, target in targets.items() if not isinstance(target, EdgeError | Observing)}
    inviting = {name for name, t in targets.items() if isinstance(t, Inviting)}
    observed, ours = _judge_voided(inputs, standing, observed)
    recovered = (*ours, *_recover(standing, observed, unreadable, inviting))
    handing = {name for name, t in targets.items() if not isinstance(t, EdgeError) and t.traits.hands_over}
    holdings = _with_recovered(standing, recovered, handing, at)
    # What we set about to give and of which no receipt says that it came about.
    given = [*(c for c in standing.pending.values() if c.action is Action.ADD), *standing.voided.values()]
    exclusive = frozenset(n for r in policy.catalogue.resources.values() if r.exclusive for n in (r.name, *r.was))
    strays = observed.entitlements.difference(holdings)
    plan = compute(
        inputs.claims,
        holdings,
        observed,
        at=at,
        main=inputs.tip,
        exclusive=exclusive,
        invalid=inputs.invalid,
        leave_lost=frozenset(t.name for t in policy.catalogue.settings.targets.values() if t.leave_lost),
        begun={c.entitlement: Holding(c.entitlement, c.grants, c.until) for c in given},
        importing=_importing(inputs.history, standing, inputs.admitted, inputs.claims, strays),
    )
    told = replace(plan, denied=inputs.denied, tasks=inputs.tasks)
    plan = rest(told, standing.failures, standing.holdings, partial(_moved, inputs))
    # What failed and is tried again, now or later, stays open: that it has not come about is known.
    again = {one.change for one in plan.failing} | {c for c in plan.changes if failed_before(c, standing.failures)}
    recovered = tuple(outcome for outcome in recovered if outcome.ok or outcome.change not in again)
    if inputs.unsettled is not None:
        ends = (c for c in plan.changes if c.reason in BOUND_TO_TIME and inputs.unsettled.isdisjoint(c.grants))
        plan = replace(plan, changes=tuple(ends), failing=())
    if inputs.away:
        takes = (c for c in plan.changes if c.action is Action.REMOVE and c.reason in _BY_RECEIPTS and c.grants)
        plan = replace(plan, changes=tuple(takes), failing=())
        recovered = tuple(outcome for outcome in recovered if outcome.change.action is Action.REMOVE)
    doubts = _doubts(inputs, observed, at)
    return Survey(
        plan,
        inputs.admitted,
        recovered,
        standing,
        policy,
        *policy.catalogue.settings.limits.brake(len(holdings)),
        inputs.stuck,
        min([next_boundary(inputs.claims, at), *(one.again for one in plan.failing)]),
        doubts=doubts,
        claims=inputs.claims,
        invalid=inputs.invalid,
        observed=observed,
        # Where clocks disagree nobody knows that it is over, and an end is final.
        ended=() if doubts else tuple(one for one in inputs.ending if one.end <= at),
    )


def _judge_voided(inputs: Inputs, standing: Standing, observed: Observed) -> Judged:
    """Judge what only void receipts tell of, by what was proved without them: on record, or by this very run."""
    voided = standing.voided
    if not voided:
        return Judged(observed, ())
    proofs: Iterable[AdmittedGrant | Admission]
    proofs = (*standing.rows.values(), *(b for b in inputs.admitted.bodies if isinstance(b, Admission)))
    # What a window that recurs gave last ends with the interval of now, or had to end with one before it.
    proved = {(p.grant, p.entitlement): (p.window.interval_at(inputs.at) or p.window).end for p in proofs}
    named = {
        (resource.target, name, role.privilege_text)
        for resource in inputs.policy.catalogue.resources.values()
        for name in (resource.name, *resource.was)
        for role in resource.roles.values()
    }
    return judge_voided(voided, standing.holdings, observed, proved, named)


def _recover(standing: Standing, observed: Observed, unreadable: set[str], inviting: set[str]) -> Iterable[Outcome]:
    """Settle what an earlier run left open, by looking: the change came about or it did not.

    It died, or the target said no and may have done it all the same. What is offered and not accepted yet stays open:
    nothing has come of it so far. Where nobody can look it is taken for not done, so that it is done again: changes are
    idempotent.
    """
    for opened, change in standing.pending.items():
        if change.entitlement.target in observed.unreadable:
            continue
        if change.entitlement.target in unreadable:
            yield Outcome(
                change, ok=False, error="nobody can see whether it was done; it is done again", recovered=True
            )
            continue
        found = observed.found.get(change.entitlement)
        if found is not None and found.there is None:
            # By receipts it is not ours: nobody has to find it, and what is there under another name is planned for anew.
            if change.action is Action.REMOVE and change.entitlement not in standing.holdings:
                yield Outcome(change, ok=False, error=found.why, recovered=True)
            continue  # what bears the names is not there: nobody can tell what became of it
        present = change.entitlement in observed.entitlements
        held = standing.holdings.get(change.entitlement)
        told = held is None or held.until == change.until
        refused = opened in standing.failures and change.reason in THERE_BEFORE
        if change.action is Action.ADD and present and (refused or not told):
            # It was there before: that it is there says nothing of the end that the target knows. It is told again.
            yield Outcome(change, ok=False, error="nobody can see whether the target was told", recovered=True)
            continue
        offered = change.entitlement in observed.offered
        if change.action is Action.ADD and offered and not present:
            continue
        done = present if change.action is Action.ADD else not present and not offered
        if change.action is Action.REMOVE:
            why = "it is still there: an earlier run did not take it away"
        elif change.entitlement.target in inviting:
            why = "it is not there, and not offered"
        else:
            why = "it is not there: an earlier run did not bring it about"
        numbers = found.numbers if found is not None and done and change.action is Action.ADD else ()
        yield Outcome(change, done, "" if done else why, recovered=True, numbers=numbers)


def _with_recovered(
    standing: Standing, recovered: Iterable[Outcome], handing: set[str], at: datetime
) -> Mapping[Entitlement, Holding]:
    """Return what is held after an earlier run's changes are settled.

    Where a target hands something over, a run that died took it along: the target is told again, as of an end that
    nobody knows, and hands it over once more.
    """
    found = dict(standing.holdings)
    for (action, entitlement), failure in standing.failures.items():
        held = found.get(entitlement)
        again = action is Action.ADD and entitlement.target in handing and failure.change.reason in THERE_BEFORE
        if again and held is not None and held.until is not None and held.until > at:
            found[entitlement] = replace(held, until=None)  # it has not handed over what it was to
    for outcome in recovered:
        change = outcome.change
        if outcome.ok and change.action is Action.ADD:
            until = None if change.entitlement.target in handing else change.until
            found[change.entitlement] = Holding(change.entitlement, change.grants, until, outcome.numbers)
        elif outcome.ok:
            found.pop(change.entitlement, None)
    return found


def _moved(inputs: Inputs, main: str) -> bool:
    """Say whether what has failed is to be tried at once: policies, of which targets are part, are not what they were."""
    if inputs.retry or inputs.history.find(main) is None:
        return True
    return main != inputs.tip and any(c.path.startswith(_POLICIES) for c in inputs.history.changes(main, inputs.tip))


def survey(inputs: Inputs) -> Survey:
    """Wait for every target, and plan."""
    if inputs.unchanged is not None:
        return inputs.unchanged
    found = plan_on(inputs, inputs.standing, inputs.readings().look(), inputs.at)
    inputs.remember(found)
    return found


def _nothing_to_say(found: Survey) -> bool:
    """Whether a plan has neither changes nor anything else to tell that a look does not show, until the next boundary."""
    plan, admitted = found.plan, found.admitted
    said = (plan.changes, plan.waiting, plan.blocked, plan.unreadable, plan.lost, plan.offered)
    doubts = (plan.unknown, plan.renamed, plan.failing, plan.denied, found.doubts)
    left = (found.ended, admitted.bodies, admitted.refusals, admitted.unproved, found.recovered, found.policy.holes)
    # What others gave is told by every run: it can be without the ledger where targets show all of it as theirs.
    there = found.observed.entitlements if found.observed is not None else frozenset()
    others = {one for one in there if one.shown_as_others}
    return not any(said) and not any(doubts) and not any(left) and others == {*plan.unmanaged}


def _importing(
    history: History, standing: Standing, admitted: Admitted, claims: Iterable[Claim], strays: frozenset[Entitlement]
) -> frozenset[GrantId]:
    """Return the grants that take over access which is there and not ours: their own proved files say so."""
    if not strays:
        return frozenset()
    blobs: dict[Oid, list[GrantId]] = {}
    for claim in claims:
        if claim.entitlement in strays and claim.blocked is None:
            found = admitted.changed.get(claim.grant) or standing.admission(claim.grant)
            if found is not None:
                blobs.setdefault(found.blob, []).append(claim.grant)
    return frozenset(
        grant
        for oid, raw in history.blobs(blobs)
        for grant in blobs[oid]
        if isinstance(read := read_grant(grant_path(grant), raw), Grant) and read.purpose == IMPORT
    )


_POLICIES = "policies/"
