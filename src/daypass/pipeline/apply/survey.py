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
from daypass.core.ids import GrantId, Oid, folder_of, grant_path
from daypass.core.ledger.receipt import Admission, Ended, Outcome, Refusal
from daypass.core.ledger.standing import Standing
from daypass.core.ledger.standing.moved import resources_of
from daypass.core.plan import (
    BOUND_TO_TIME,
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
)
from daypass.core.planning.compute import compute, next_boundary
from daypass.core.planning.holdback import ClockDoubt, doubt, failed_before, rest
from daypass.core.planning.recovery import recover, with_recovered
from daypass.core.planning.resting import Remembered, Scope, Unchanged, resting_at, said_of, shown_as_others
from daypass.core.planning.voided import Judged, judge_voided
from daypass.core.policy.policies import Policy
from daypass.core.record import replace
from daypass.core.window import FOREVER
from daypass.pipeline.apply.admit import Admitted
from daypass.pipeline.apply.grounds import POLICIES, Grounds, Looks, prints_of
from daypass.pipeline.apply.readings import Readings
from daypass.ports import History, Inviting, Observing, TargetReader


class Survey(Struct, frozen=True):
    """Everything that reading tells: the plan, what could not be proved, and what an earlier run left open.

    ``stuck`` is why main is not followed, None when it is. ``boundary`` is the first instant at which a window opens or
    ends: nothing changes before it by itself. ``late`` names the targets that were not waited for.
    ``doubts`` say at which targets nothing is given since clocks disagree. ``claims``, ``invalid`` and ``observed`` are
    what the plan follows from. ``ended`` are the grants that something ended by now, which no receipt says yet.
    ``in_part``: of some resources it goes by what an earlier run found.
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
    in_part: bool = False

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
    nothing was to be done: then no target need be read. ``keep`` remembers of what there was nothing to say, as ``program``
    found. ``scope`` has the resources that are reckoned anew, None for all: of no other there is anything here. ``looks``
    at these targets were begun to find out whether anything has moved. ``retry``: what has failed is tried again at once.
    ``ending`` are the grants that something ends before their windows do, some day. ``away``: the remote cannot be reached,
    and what receipts show as ended is taken away and nothing else.
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
    keep: Callable[[Remembered], None] | None = None
    scope: Scope | None = None
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
        """Keep of which resources there is nothing to say; what targets hold is named as it was planned by."""
        plan, standing = found.plan, self.standing
        if self.keep is None or self.stuck is not None or plan.unreadable or found.doubts or found.policy.holes:
            return
        prints = prints_of(self.targets)
        if prints is None:
            return
        grounds, unchanged = Grounds(self.program, standing.commit, self.tip), None
        if _nothing_to_say(found):
            named = (grounds.named(prints), grounds.beside)
            unchanged = Unchanged(*named, self.at, found.boundary, plan.live, plan.by_ledger)
        held = ((one, holding.grants) for one, holding in standing.holdings.items())
        by_ledger = found.observed.by_ledger if found.observed is not None else frozenset()
        numbers, restless = resting_at(found.claims, held, by_ledger, self.at)
        restless |= said_of(plan) | _said_beside(found)
        resting = {name: one for name, one in numbers.items() if name not in restless}
        if self.scope is not None:
            resting |= self.scope.resting
        last = standing.next_sequence - 1
        at = (standing.commit, last, self.tip, self.at)
        self.keep(Remembered(self.program, *at, prints, resting, frozenset(restless), unchanged))


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
    targets, policy, scope = inputs.targets, inputs.policy, inputs.scope
    if scope is not None:
        standing, observed = standing.within(scope.resources), observed.within(scope.resources)
    unreadable = {name for name, target in targets.items() if not isinstance(target, EdgeError | Observing)}
    inviting = {name for name, t in targets.items() if isinstance(t, Inviting)}
    observed, ours = _judge_voided(inputs, standing, observed)
    recovered = (*ours, *recover(standing, observed, unreadable, inviting))
    handing = {name for name, t in targets.items() if not isinstance(t, EdgeError) and t.traits.hands_over}
    holdings = with_recovered(standing, recovered, handing, at)
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
    boundary = min([next_boundary(inputs.claims, at), *(one.again for one in plan.failing)])
    if scope is not None:
        plan, boundary = scope.joined(plan), min(boundary, scope.until)
    doubts = _doubts(inputs, observed, at)
    return Survey(
        plan,
        inputs.admitted,
        recovered,
        standing,
        policy,
        *policy.catalogue.settings.limits.brake(len(holdings) + (scope.held if scope is not None else 0)),
        inputs.stuck,
        boundary,
        doubts=doubts,
        claims=inputs.claims,
        invalid=inputs.invalid,
        observed=observed,
        # Where clocks disagree nobody knows that it is over, and an end is final.
        ended=() if doubts else tuple(one for one in inputs.ending if one.end <= at),
        in_part=scope is not None,
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


def _moved(inputs: Inputs, main: str) -> bool:
    """Say whether what has failed is to be tried at once: policies, of which targets are part, are not what they were."""
    if inputs.retry or inputs.history.find(main) is None:
        return True
    return main != inputs.tip and any(c.path.startswith(POLICIES) for c in inputs.history.changes(main, inputs.tip))


def survey(inputs: Inputs) -> Survey:
    """Wait for every target, and plan."""
    if inputs.unchanged is not None:
        return inputs.unchanged
    found = plan_on(inputs, inputs.standing, inputs.readings().look(), inputs.at)
    inputs.remember(found)
    return found


def _nothing_to_say(found: Survey) -> bool:
    """Whether a plan has neither changes nor anything else to tell that a look does not show, until the next boundary."""
    # What others gave is told by every run: it can be without the ledger where targets show all of it as theirs.
    there = found.observed.entitlements if found.observed is not None else frozenset()
    shown = set(shown_as_others(there))
    return not said_of(found.plan) and not _said_beside(found) and shown.issubset(found.plan.unmanaged)


def _said_beside(found: Survey) -> set[str]:
    """Return the resources of whose grants there is something to say beside the plan, or to write."""
    changes = [outcome.change for outcome in found.recovered]
    grants = {one.grant for some in (found.ended, found.refusals, found.unproved) for one in some}
    grants |= {*found.admitted.changed, *(grant for change in changes for grant in change.grants)}
    written = {name for body in found.admitted.bodies for name in resources_of(body)}
    return {*written, *map(folder_of, grants), *(change.entitlement.resource for change in changes)}


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
