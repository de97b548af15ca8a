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

from daypass.core.errors import EdgeError, ExitCode, RefusedError
from daypass.core.files.grants import read_grant
from daypass.core.grant import IMPORT, Grant
from daypass.core.ids import GrantId, Oid, digest, grant_path
from daypass.core.ledger.receipt import Outcome, Refusal
from daypass.core.ledger.standing import Standing
from daypass.core.plan import (
    BOUND_TO_TIME,
    Action,
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
from daypass.core.planning.drift import Unproved
from daypass.core.planning.holdback import ClockDoubt, doubt, failed_before, rest
from daypass.core.policy.policies import Policy
from daypass.core.record import replace
from daypass.pipeline.apply.admit import Admitted
from daypass.pipeline.apply.readings import PATIENCE, BackgroundCalls, observe
from daypass.pipeline.apply.recovery import recover, with_recovered
from daypass.ports import Fingerprinting, History, Inviting, Observing, TargetReader


class Survey(Struct, frozen=True):
    """Everything that reading tells: the plan, what could not be proved, and what an earlier run left open.

    ``stuck`` is why main is not followed, None when it is. ``boundary`` is the first instant at which a window opens or
    ends: nothing changes before it unless something else moves. ``late`` names the targets that were not waited for.
    ``doubts`` say at which targets nothing is given since clocks disagree. ``claims``, ``invalid`` and ``observed`` are
    what the plan follows from.
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
    def unproved(self) -> tuple[Unproved, ...]:
        """Grants to be tried again."""
        return tuple(self.admitted.unproved)

    @property
    def exit_code(self) -> ExitCode:
        """PARTIAL when anything was refused, invalid, unreadable or unknown; FAILED when main is not followed."""
        if self.stuck is not None:
            return ExitCode.FAILED
        broken = (
            self.refusals,
            self.unproved,
            self.plan.unreadable,
            self.plan.unknown,
            self.plan.failing,
            self.policy.holes,
            self.doubts,
        )
        bad = any(claim.blocked is not None for claim in self.plan.blocked)
        return ExitCode.PARTIAL if any(broken) or bad else ExitCode.OK


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
    nothing was to be done: then no target need be read. ``grounds`` names all this for ``keep``, which remembers that
    nothing is to be done; it is "" where it cannot. ``retry``: what has failed is tried again
    at once.
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
    grounds: str = ""
    unsettled: frozenset[GrantId] | None = None
    clocks: Clocks = Clocks()
    retry: bool = False
    denied: tuple[Denied, ...] = ()

    @property
    def begun(self) -> frozenset[Entitlement]:
        """What was begun and never finished."""
        return frozenset(change.entitlement for change in self.standing.pending.values())

    def remember(self, found: Survey) -> None:
        """Keep that nothing is to be done, where that is so and nothing moved while it was found out."""
        if self.keep is None or not self.grounds or self.stuck is not None or not _nothing_to_say(found):
            return
        # Targets are asked once more: what was planned by must be what the grounds name.
        if self.grounds == digest_of_inputs(self.program, self.standing, self.tip, self.targets):
            plan = found.plan
            self.keep(Unchanged(self.grounds, self.at, found.boundary, plan.live, plan.by_ledger))


def _doubts(inputs: Inputs, observed: Observed, at: datetime) -> Mapping[str, ClockDoubt]:
    """Return at which targets clocks disagree, and how."""
    found: dict[str, ClockDoubt] = {}
    for name in inputs.targets:
        mine = {f"target {name}": observed.skews[name]} if name in observed.skews else {}
        if (known := doubt(at - inputs.clocks.off, inputs.standing.at, {**inputs.clocks.skews, **mine})) is not None:
            found[name] = known
    return found


def plan_on(inputs: Inputs, standing: Standing, observed: Observed, at: datetime) -> Survey:
    """Plan by what was seen at the targets, and by the ledger as it stands; nothing is planned where nobody saw."""
    targets, policy = inputs.targets, inputs.policy
    unreadable = {name for name, target in targets.items() if not isinstance(target, EdgeError | Observing)}
    inviting = {name for name, t in targets.items() if isinstance(t, Inviting)}
    recovered = tuple(recover(standing, observed, unreadable, inviting))
    handing = {name for name, t in targets.items() if not isinstance(t, EdgeError) and t.traits.hands_over}
    holdings = with_recovered(standing, recovered, handing, at)
    exclusive = frozenset(r.name for r in policy.catalogue.resources.values() if r.exclusive)
    strays = observed.entitlements - holdings.keys()
    plan = compute(
        inputs.claims,
        holdings,
        observed,
        at=at,
        main=inputs.tip,
        exclusive=exclusive,
        invalid=inputs.invalid,
        taken=_taken(standing, holdings, observed, targets),
        leave_lost=frozenset(t.name for t in policy.catalogue.settings.targets.values() if t.leave_lost),
        begun=_begun(standing),
        importing=_importing(inputs.history, standing, inputs.admitted, inputs.claims, strays),
    )
    plan = replace(plan, denied=inputs.denied)
    plan = rest(plan, standing.failures, standing.holdings, partial(_moved, inputs))
    # What failed and is tried again, now or later, stays open: that it has not come about is known.
    again = {one.change for one in plan.failing} | {c for c in plan.changes if failed_before(c, standing.failures)}
    recovered = tuple(outcome for outcome in recovered if outcome.ok or outcome.change not in again)
    if inputs.unsettled is not None:
        ends = (c for c in plan.changes if c.reason in BOUND_TO_TIME and inputs.unsettled.isdisjoint(c.grants))
        plan = replace(plan, changes=tuple(ends), failing=())
    limits = policy.catalogue.settings.limits
    return Survey(
        plan,
        inputs.admitted,
        recovered,
        standing,
        policy,
        limits.brake_removals.of(len(holdings)),
        limits.brake_additions.of(len(holdings)),
        inputs.stuck,
        min([next_boundary(inputs.claims, at), *(one.again for one in plan.failing)]),
        doubts=_doubts(inputs, observed, at),
        claims=inputs.claims,
        invalid=inputs.invalid,
        observed=observed,
    )


def _moved(inputs: Inputs, main: str) -> bool:
    """Say whether what has failed is to be tried at once: policies, of which targets are part, are not what they were."""
    if inputs.retry or inputs.history.find(main) is None:
        return True
    return main != inputs.tip and any(c.path.startswith(_POLICIES) for c in inputs.history.changes(main, inputs.tip))


def survey(inputs: Inputs) -> Survey:
    """Wait for every target, and plan."""
    if inputs.unchanged is not None:
        return inputs.unchanged
    found = plan_on(
        inputs,
        inputs.standing,
        observe(inputs.targets, inputs.standing.holdings, inputs.at, inputs.begun, inputs.clocks.clock),
        inputs.at,
    )
    inputs.remember(found)
    return found


def digest_of_inputs(
    program: str, standing: Standing, tip: Oid, targets: Mapping[str, TargetReader | EdgeError]
) -> str:
    """Name everything but the instant that a plan follows from; "" where a target cannot be named cheaply."""
    if any(isinstance(t, EdgeError | Observing) and not isinstance(t, Fingerprinting) for t in targets.values()):
        return ""
    openly = {name: t.fingerprint for name, t in sorted(targets.items()) if isinstance(t, Fingerprinting)}
    asked = BackgroundCalls(openly)
    asked.wait(PATIENCE)
    if asked.waiting:
        return ""
    try:
        prints = {name: asked.answer(name) for name in openly}
    except Exception:  # noqa: BLE001  (whatever is wrong with a target is told by reading it)
        return ""
    return digest({"program": program, "ledger": standing.commit, "main": tip, "targets": prints})


def _nothing_to_say(found: Survey) -> bool:
    """Whether a plan has neither changes nor anything else to tell, now or before the next boundary."""
    plan, admitted = found.plan, found.admitted
    said = (plan.changes, plan.waiting, plan.blocked, plan.unmanaged, plan.unreadable, plan.lost, plan.offered)
    doubts = (plan.unknown, plan.renamed, plan.failing, plan.denied, found.doubts)
    left = (admitted.bodies, admitted.refusals, admitted.unproved, found.recovered, found.policy.holes)
    return not any(said) and not any(doubts) and not any(left)


def _taken(
    standing: Standing,
    holdings: Mapping[Entitlement, Holding],
    observed: Observed,
    targets: Mapping[str, TargetReader | EdgeError],
) -> frozenset[Entitlement]:
    """Return what is there and not held, though we took it away, at targets that know ours from others'.

    The ledger is asked only where something is there that it does not show as held.
    """
    marking = {name for name, t in targets.items() if not isinstance(t, EdgeError) and t.traits.marks}
    stray = {e for e in observed.entitlements if e not in holdings and e.target in marking}
    return standing.taken & stray if stray else frozenset()


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


def _begun(standing: Standing) -> Mapping[Entitlement, Holding]:
    """Return what we set about to give and of which no receipt says that it came about."""
    return {
        change.entitlement: Holding(change.entitlement, change.grants, change.until)
        for change in standing.pending.values()
        if change.action is Action.ADD
    }


_POLICIES = "policies/"
