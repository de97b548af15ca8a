"""Reading everything that a plan stands on: the ledger, main, the targets, and what an earlier run left open.

Holds no way to write (invariant 11).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial

from daypass.core.calm import FOREVER, Calm, next_boundary
from daypass.core.claims import ClaimMaker
from daypass.core.clocks import Doubt, catch_up, doubt, skew
from daypass.core.drift import Unproved
from daypass.core.errors import EdgeError, ExitCode, RefusedError
from daypass.core.files.reading import read_grant
from daypass.core.grant import FOLDER, IMPORT, Grant, GrantId, Oid, digest, grant_id, grant_path
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
    compute,
)
from daypass.core.policy.policies import Policy
from daypass.core.retry import failed_before, rest
from daypass.pipeline.apply.admit import Admitted, PolicyAt, admit
from daypass.pipeline.apply.readings import PATIENCE, Aside, observe
from daypass.pipeline.apply.recovery import recover, with_recovered
from daypass.pipeline.judge.check import Deny, deny_nothing
from daypass.pipeline.judge.policies import last_read
from daypass.ports import Fingerprinting, ForgeReader, History, Inviting, Memory, Observing, TargetReader

OpenReaders = Callable[[Oid], Mapping[str, TargetReader | EdgeError]]
"""Opens the targets of a commit's settings for reading; one that cannot be opened is an error in its place."""

ByReceipts = Callable[[Standing, datetime, frozenset[str]], "Ground"]
"""Returns what follows from a ledger alone, at an instant, for the targets with these names; see `by_receipts`."""

Attend = Callable[[Standing, ByReceipts, datetime, timedelta], Standing]
"""Called before each landing is proved, so that no end waits for the forge; returns the ledger as it leaves it.

The last is how far the instant to reckon with is from this machine's clock."""


def _attend_to_nothing(standing: Standing, *_: object) -> Standing:
    return standing


@dataclass(frozen=True, slots=True)
class Survey:
    """Everything that reading tells: the plan, what could not be proved, and what an earlier run left open.

    ``stuck`` is why main is not followed, None when it is. ``boundary`` is the first instant at which a window opens or
    ends: nothing changes before it unless something else moves. ``late`` names the targets that were not waited for.
    ``doubts`` say at which targets nothing is given since clocks disagree.
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
    doubts: Mapping[str, Doubt] = field(default_factory=dict)

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


@dataclass(frozen=True, slots=True)
class Ground:
    """What a plan stands on beside the targets, all of it read before any of them.

    ``targets`` are the open ones and those that cannot be. ``calm`` is the answer where nothing has moved since nothing
    was to be done: then no target need be read. ``grounds`` names all this for that memory, "" where it cannot. ``clock``
    is ours, None where the instant is not the clock's; ``skews`` say how far others' are ahead of it, and ``off`` how far
    the instant is: the earliest is reckoned with. ``retry``: what has failed is tried again at once.
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
    calm: Survey | None = None
    memory: Memory | None = None
    program: str = ""
    grounds: str = ""
    unsettled: frozenset[GrantId] | None = None
    clock: Callable[[], datetime] | None = None
    skews: Mapping[str, timedelta] = field(default_factory=dict)
    off: timedelta = timedelta(0)
    retry: bool = False
    denied: tuple[Denied, ...] = ()

    @property
    def begun(self) -> frozenset[Entitlement]:
        """What was begun and never finished."""
        return frozenset(change.entitlement for change in self.standing.pending.values())

    def remember(self, found: Survey) -> None:
        """Keep that nothing is to be done, where that is so and nothing moved while it was found out."""
        if self.memory is None or not self.grounds or self.stuck is not None or not _nothing_to_say(found):
            return
        # Targets are asked once more: what was planned by must be what the grounds name.
        if self.grounds == _grounds(self.program, self.standing, self.tip, self.targets):
            plan = found.plan
            self.memory.keep(Calm(self.grounds, self.at, found.boundary, plan.live, plan.by_ledger))


def prepare(
    history: History,
    forge: ForgeReader,
    policy_at: PolicyAt,
    standing: Standing,
    open_readers: OpenReaders,
    *,
    tip: Oid,
    at: datetime,
    memory: Memory | None = None,
    program: str = "",
    attend: Attend = _attend_to_nothing,
    clock: Callable[[], datetime] | None = None,
    retry: bool = False,
    deny: Deny = deny_nothing,
) -> Ground:
    """Read everything but the targets. Holds no way to write (invariant 11), but for what ``attend`` does meanwhile.

    Where ``memory`` knows that nothing was to be done and nothing has moved since, that is the answer; ``program``
    names the program that reckons, so that another version reckons anew.

    When main cannot be followed (it went backwards, or was not reached step by step), the plan stands on the main
    that the ledger recorded last instead: what has ended there by its own window can be taken away all the same, since
    windows and entitlements are in signed receipts and the targets in that commit's settings. Nothing of the new main
    is believed, nothing else is changed, and the run fails with ``stuck``. Without that commit the targets are not
    known, and RefusedError is raised.

    ``clock`` is the one that ``at`` was read from, and is compared with others': see core.clocks. ``retry``: what has
    failed is tried again at once. ``deny`` says what of the live policies deny.
    """
    skews = _forge_skew(forge, clock)
    ours = catch_up(at, standing.at)
    at = min(ours, *(ours + skew for skew in skews.values()), ours)
    apart = doubt(ours, standing.at, skews) is not None
    policy = policy_at(tip)
    targets = open_readers(tip)
    grounds = _grounds(program, standing, tip, targets) if memory is not None else ""
    calm = memory.recall() if memory is not None and grounds else None
    if calm is not None and calm.holds(grounds, at) and not apart:
        plan = Plan(at, tip, (), live=calm.live, by_ledger=calm.by_ledger)
        answer = Survey(plan, Admitted(), (), standing, policy, 0, 0, boundary=calm.until)
        return Ground(history, standing, policy, Admitted(), tip, at, targets, calm=answer)
    stuck: RefusedError | None = None
    latest = standing

    def before() -> None:
        nonlocal latest
        ends = partial(by_receipts, history, policy_at, open_readers, tip, clock=clock, skews=skews, off=at - ours)
        latest = attend(latest, ends, at, at - ours)

    try:
        admitted = admit(history, forge, policy_at, standing, tip=tip, at=at, before=before)
    except RefusedError as error:
        if not standing.main or history.find(standing.main) is None:
            raise
        admitted, stuck, tip = Admitted(), error, Oid(standing.main)
        policy = policy_at(tip)
        targets = open_readers(tip)
    if latest is not standing:
        # Ends were carried out meanwhile. Targets are opened anew: one of them may still be read from.
        standing, targets = latest, open_readers(tip)
        ours, at = (ours, at) if clock is None else (max(ours, clock()), max(at, clock() + (at - ours)))
    claims, invalid = _claims(standing, admitted, policy, _last_read(history, policy_at, standing, tip))
    every = {**targets, **_unnamed(standing, targets)}
    return Ground(
        history,
        standing,
        policy,
        admitted,
        tip,
        at,
        every,
        tuple(claims),
        invalid,
        stuck,
        memory=memory,
        program=program,
        grounds=grounds,
        clock=clock,
        skews=skews,
        off=at - ours,
        retry=retry,
        denied=deny(policy, live_claims(standing, claims, at, admitted)),
    )


def by_receipts(
    history: History,
    policy_at: PolicyAt,
    open_readers: OpenReaders,
    tip: Oid,
    standing: Standing,
    at: datetime,
    names: frozenset[str],
    *,
    clock: Callable[[], datetime] | None,
    skews: Mapping[str, timedelta],
    off: timedelta,
) -> Ground:
    """Return what follows from the ledger and the main that it recorded last, for the targets with these names.

    Nothing of what landed since is believed, and the receipts that come of it record no newer main: what landed is
    still to be settled. A grant whose file was changed since is left alone: it may have been extended.
    """
    main = Oid(standing.main)
    policy = policy_at(main)
    opened = open_readers(main)
    unasked = EdgeError("it is not looked at yet")
    targets = {name: target if name in names else unasked for name, target in opened.items()}
    there = {grant_id(entry.path): entry.oid for entry in history.entries(tip, FOLDER.rstrip("/"))}
    unsettled = frozenset(name for name, blob in standing.blobs() if there.get(name, blob) != blob)
    claims, _ = _claims(standing, Admitted(), policy, _last_read(history, policy_at, standing, main))
    every = {**targets, **_unnamed(standing, targets)}
    return Ground(
        history,
        standing,
        policy,
        Admitted(),
        main,
        at,
        every,
        tuple(claims),
        unsettled=unsettled,
        clock=clock,
        skews=skews,
        off=off,
    )


def _forge_skew(forge: ForgeReader, clock: Callable[[], datetime] | None) -> Mapping[str, timedelta]:
    """Return how far the forge's clock is ahead of ours; nothing where it has none, or cannot be asked."""
    if clock is None:
        return {}
    before = clock()
    try:
        theirs = forge.clock()
    except EdgeError:
        return {}
    return {"the forge": skew(before, theirs, clock())} if theirs is not None else {}


def _doubts(ground: Ground, observed: Observed, at: datetime) -> Mapping[str, Doubt]:
    """Return at which targets clocks disagree, and how."""
    found: dict[str, Doubt] = {}
    for name in ground.targets:
        mine = {f"target {name}": observed.skews[name]} if name in observed.skews else {}
        if (known := doubt(at - ground.off, ground.standing.at, {**ground.skews, **mine})) is not None:
            found[name] = known
    return found


def plan_on(ground: Ground, standing: Standing, observed: Observed, at: datetime) -> Survey:
    """Plan by what was seen at the targets, and by the ledger as it stands; nothing is planned where nobody saw."""
    targets, policy = ground.targets, ground.policy
    unreadable = {name for name, target in targets.items() if not isinstance(target, EdgeError | Observing)}
    inviting = {name for name, t in targets.items() if isinstance(t, Inviting)}
    recovered = tuple(recover(standing, observed, unreadable, inviting))
    handing = {name for name, t in targets.items() if not isinstance(t, EdgeError) and t.traits.hands_over}
    holdings = with_recovered(standing, recovered, handing, at)
    exclusive = frozenset(r.name for r in policy.catalogue.resources.values() if r.exclusive)
    strays = observed.entitlements - holdings.keys()
    plan = compute(
        ground.claims,
        holdings,
        observed,
        at=at,
        main=ground.tip,
        exclusive=exclusive,
        invalid=ground.invalid,
        taken=_taken(standing, holdings, observed, targets),
        leave_lost=frozenset(t.name for t in policy.catalogue.settings.targets.values() if t.leave_lost),
        begun=_begun(standing),
        importing=_importing(ground.history, standing, ground.admitted, ground.claims, strays),
    )
    plan = replace(plan, denied=ground.denied)
    plan = rest(plan, standing.failures, standing.holdings, partial(_moved, ground))
    # What failed and is tried again, now or later, stays open: that it has not come about is known.
    again = {one.change for one in plan.failing} | {c for c in plan.changes if failed_before(c, standing.failures)}
    recovered = tuple(outcome for outcome in recovered if outcome.ok or outcome.change not in again)
    if ground.unsettled is not None:
        ends = (c for c in plan.changes if c.reason in BOUND_TO_TIME and ground.unsettled.isdisjoint(c.grants))
        plan = replace(plan, changes=tuple(ends), failing=())
    limits = policy.catalogue.settings.limits
    return Survey(
        plan,
        ground.admitted,
        recovered,
        standing,
        policy,
        limits.brake_removals.of(len(holdings)),
        limits.brake_additions.of(len(holdings)),
        ground.stuck,
        min([next_boundary(ground.claims, at), *(one.again for one in plan.failing)]),
        doubts=_doubts(ground, observed, at),
    )


def live_claims(
    standing: Standing, claims: Iterable[Claim], at: datetime, admitted: Admitted | None = None
) -> dict[Claim, Oid]:
    """Return the claims that give something at an instant, with the blob that was proved of each."""
    blobs = dict(standing.blobs())
    changed = admitted.changed.items() if admitted is not None else ()
    blobs |= {grant: proof.blob for grant, proof in changed if proof is not None}
    return {c: blobs[c.grant] for c in claims if c.blocked is None and c.window.holds(at)}


def _moved(ground: Ground, main: str) -> bool:
    """Say whether what has failed is to be tried at once: policies, of which targets are part, are not what they were."""
    if ground.retry or ground.history.find(main) is None:
        return True
    return main != ground.tip and any(c.path.startswith(_POLICIES) for c in ground.history.changes(main, ground.tip))


def survey(ground: Ground) -> Survey:
    """Wait for every target, and plan."""
    if ground.calm is not None:
        return ground.calm
    found = plan_on(
        ground,
        ground.standing,
        observe(ground.targets, ground.standing.holdings, ground.at, ground.begun, ground.clock),
        ground.at,
    )
    ground.remember(found)
    return found


def _unnamed(standing: Standing, targets: Mapping[str, TargetReader | EdgeError]) -> Mapping[str, EdgeError]:
    """Return the targets that hold access of ours and that the settings no longer name: nobody can read them.

    What was begun and never finished may be access as well, though nothing shows it as ours yet.
    """
    named = {entitlement.target for entitlement in standing.holdings}
    named |= {change.entitlement.target for change in standing.pending.values()}
    return {name: EdgeError(f"the settings name no target {name!r}") for name in named - set(targets)}


def _grounds(program: str, standing: Standing, tip: Oid, targets: Mapping[str, TargetReader | EdgeError]) -> str:
    """Name everything but the instant that a plan follows from; "" where a target cannot be named cheaply."""
    if any(isinstance(t, EdgeError | Observing) and not isinstance(t, Fingerprinting) for t in targets.values()):
        return ""
    openly = {name: t.fingerprint for name, t in sorted(targets.items()) if isinstance(t, Fingerprinting)}
    asked = Aside(openly)
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


def claims_on(history: History, policy_at: PolicyAt, standing: Standing, tip: Oid) -> Mapping[GrantId, Claim]:
    """Return what each grant that the ledger has as proved gives by the policies of a commit of main."""
    claims, invalid = _claims(standing, Admitted(), policy_at(tip), _last_read(history, policy_at, standing, tip))
    return {c.grant: replace(c, blocked=invalid.get(c.grant, c.blocked)) for c in claims}


def _last_read(history: History, policy_at: PolicyAt, standing: Standing, tip: Oid) -> Policy:
    """Return main's policies; while they do not read, the last ones before that did: access ends by them."""
    since = Oid(standing.main) if standing.main and history.find(standing.main) is not None else None
    return last_read(history, policy_at, tip, since)


_POLICIES = "policies/"


def _claims(
    standing: Standing, admitted: Admitted, policy: Policy, read: Policy
) -> tuple[list[Claim], dict[GrantId, Reason]]:
    """Turn proved grants into claims; ``read`` are the policies that ends are taken from."""
    maker = ClaimMaker(policy, read, standing.holdings)
    claims = [
        maker.claim(a.grant, a.subject, a.resource, a.role, a.entitlement, a.window, a.meaning)
        for a in (*standing.admitted(), *admitted.changed.values())
        if a is not None and (a is admitted.changed.get(a.grant, a))
    ]
    stopped = (g for g in (*standing.revoked, *admitted.revoked) if admitted.changed.get(g) is None)
    invalid = dict.fromkeys(stopped, Reason.REVOKED)
    invalid |= dict.fromkeys(admitted.refusals, Reason.EVIDENCE_MISSING)
    invalid |= dict.fromkeys((u.grant for u in admitted.unproved), Reason.EVIDENCE_MISSING)
    return claims, invalid
