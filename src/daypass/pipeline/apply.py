"""Making targets equal what main says, with a receipt for everything.

The order is what makes a crash harmless: intents are in the ledger before a target is touched, removals come before
additions, a change counts only when the target has been read again, and whatever an earlier run left open is settled by
looking. Running twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from daypass.core.calm import Calm, next_boundary
from daypass.core.catalogue import Catalogue
from daypass.core.errors import ConflictError, EdgeError, ExitCode, LedgerError, worst
from daypass.core.grant import GrantId, Oid, canonical, digest
from daypass.core.plan import (
    Action,
    Braked,
    Claim,
    Entitlement,
    Holding,
    Intended,
    Observed,
    Plan,
    Reason,
    brake,
    compute,
)
from daypass.core.policies import Policy
from daypass.core.receipt import BATCH, Body, Intent, Outcome, Refusal
from daypass.core.standing import Standing
from daypass.core.window import Window, format_instant
from daypass.pipeline.admit import Admitted, PolicyAt, Unproved, admit
from daypass.ports import Books, ForgeReader, History, Memory, Target, TargetReader

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Survey:
    """Everything that reading tells: the plan, what could not be proved, and what an earlier run left open."""

    plan: Plan
    admitted: Admitted
    recovered: tuple[Outcome, ...]
    standing: Standing
    policy: Policy
    removals_allowed: int
    additions_allowed: int

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
        """PARTIAL when anything was refused, invalid or unreadable."""
        broken = self.refusals or self.unproved or self.plan.unreadable or self.policy.broken
        bad = any(claim.blocked is not None for claim in self.plan.blocked)
        return ExitCode.PARTIAL if broken or bad else ExitCode.OK


def survey(
    history: History,
    forge: ForgeReader,
    policy_at: PolicyAt,
    standing: Standing,
    targets: Mapping[str, TargetReader | EdgeError],
    *,
    tip: Oid,
    at: datetime,
    memory: Memory | None = None,
    program: str = "",
) -> Survey:
    """Read everything and plan. Holds no way to write (invariant 11).

    Where ``memory`` knows that nothing was to be done and nothing has moved since, that is the answer; ``program``
    names the program that reckons, so that another version reckons anew. Raises LedgerError when the clock stands before
    the last receipt, RefusedError when main went backwards.
    """
    if standing.at is not None and at < standing.at:
        raise LedgerError(
            f"the clock says {format_instant(at)}, but the last receipt was written at {format_instant(standing.at)}",
            hint="set the clock right; acting in the past could give access that has ended",
        )
    policy = policy_at(tip)
    grounds = _grounds(program, standing, tip, targets) if memory is not None else ""
    calm = memory.recall() if memory is not None and grounds else None
    if calm is not None and calm.holds(grounds, at):
        plan = Plan(at, tip, (), live=calm.live)
        return Survey(plan, Admitted(), (), standing, policy, 0, 0)
    admitted = admit(history, forge, policy_at, standing, tip=tip, at=at)
    gone = {holding.target for holding in standing.holdings} - set(targets)
    observed = _observe({**targets, **{name: EdgeError(f"the settings name no target {name!r}") for name in gone}})
    recovered = tuple(_recover(standing, observed))
    holdings = _with_recovered(standing.holdings, recovered)
    claims, invalid = _claims(standing, admitted, policy)
    exclusive = frozenset(r.name for r in policy.catalogue.resources.values() if r.exclusive)
    plan = compute(claims, holdings, observed, at=at, main=tip, exclusive=exclusive, invalid=invalid)
    limits = policy.catalogue.settings.limits
    found = Survey(
        plan,
        admitted,
        recovered,
        standing,
        policy,
        limits.brake_removals.of(len(holdings)),
        limits.brake_additions.of(len(holdings)),
    )
    # Targets are asked once more: what was planned by must be what the grounds name.
    if (
        memory is not None
        and grounds
        and _nothing_to_say(found)
        and grounds == _grounds(program, standing, tip, targets)
    ):
        memory.keep(Calm(grounds, at, next_boundary(claims, at), plan.live))
    return found


def _grounds(program: str, standing: Standing, tip: Oid, targets: Mapping[str, TargetReader | EdgeError]) -> str:
    """Name everything but the instant that a plan follows from; "" where a target cannot be named cheaply."""
    prints = {}
    for name, target in sorted(targets.items()):
        try:
            prints[name] = "" if isinstance(target, EdgeError) else target.fingerprint()
        except EdgeError:
            return ""
        if not prints[name]:
            return ""
    return digest({"program": program, "ledger": standing.commit, "main": tip, "targets": prints})


def _nothing_to_say(found: Survey) -> bool:
    """Whether a plan has neither changes nor anything else to tell, now or before the next boundary."""
    plan, admitted = found.plan, found.admitted
    said = (plan.changes, plan.waiting, plan.blocked, plan.unmanaged, plan.unreadable)
    left = (admitted.bodies, admitted.refusals, admitted.unproved, found.recovered, found.policy.broken)
    return not any(said) and not any(left)


def _observe(targets: Mapping[str, TargetReader | EdgeError]) -> Observed:
    """Read every target; one that fails stops only itself (invariant 8)."""
    found: set[Entitlement] = set()
    unreadable: dict[str, str] = {}
    for name, target in sorted(targets.items()):
        if isinstance(target, EdgeError):
            unreadable[name] = target.message
            continue
        try:
            found |= target.observe()
        except EdgeError as error:
            unreadable[name] = error.message
    return Observed(frozenset(found), unreadable)


def _recover(standing: Standing, observed: Observed) -> Iterable[Outcome]:
    """Settle what a run that died left open, by looking: the change came about or it did not."""
    for change in standing.pending.values():
        if change.entitlement.target in observed.unreadable:
            continue
        present = change.entitlement in observed.entitlements
        done = present if change.action is Action.ADD else not present
        yield Outcome(change, done, "" if done else "the run died before the change was made", recovered=True)


def _with_recovered(
    holdings: Mapping[Entitlement, Holding], recovered: Iterable[Outcome]
) -> Mapping[Entitlement, Holding]:
    found = dict(holdings)
    for outcome in recovered:
        change = outcome.change
        if outcome.ok and change.action is Action.ADD:
            found[change.entitlement] = Holding(change.entitlement, change.grants, change.until)
        elif outcome.ok:
            found.pop(change.entitlement, None)
    return found


def _claims(standing: Standing, admitted: Admitted, policy: Policy) -> tuple[list[Claim], dict[GrantId, Reason]]:
    """Turn proved grants into claims, blocking each whose meaning moved since it was approved (invariant 2)."""
    ruler = _Ruler(policy)
    claims = [
        ruler.claim(a.grant, a.subject, a.resource, a.role, a.entitlement, a.window, a.meaning)
        for a in (*standing.admitted(), *admitted.changed.values())
        if a is not None and (a is admitted.changed.get(a.grant, a))
    ]
    invalid = dict.fromkeys(admitted.refusals, Reason.EVIDENCE_MISSING)
    invalid |= dict.fromkeys((u.grant for u in admitted.unproved), Reason.EVIDENCE_MISSING)
    return claims, invalid


class _Ruler:
    """Holds proved grants against the policies at the tip of main, remembering what each role means there."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._catalogue: Catalogue = policy.catalogue
        self._roles: dict[tuple[str, str], tuple[str, str, str] | None] = {}

    def claim(
        self,
        grant: GrantId,
        subject: str,
        resource: str,
        role: str,
        entitlement: Entitlement,
        window: Window,
        meaning: str,
    ) -> Claim:
        """Return what a proved grant gives today."""
        key = (resource, role)
        if key not in self._roles:
            self._roles[key] = self._meaning(resource, role)
        now = self._roles[key]
        known = self._catalogue.directory.subjects.get(subject)
        if self._policy.broken:
            # Nothing new is given while the policies cannot be read; what is live ends by its window, not by a typing
            # error.
            return Claim(grant, entitlement, window)
        if now is None or known is None:
            return Claim(grant, entitlement, window, Reason.GRANT_INVALID)
        principal = self._catalogue.principal(subject, self._catalogue.resources[resource])
        if (now[0], now[1], now[2]) != (meaning, entitlement.target, entitlement.privilege):
            return Claim(grant, entitlement, window, Reason.MEANING_MOVED)
        if principal != entitlement.principal:
            return Claim(grant, entitlement, window, Reason.PRINCIPAL_MOVED)
        return self._cut(grant, subject, resource, entitlement, window)

    def _cut(self, grant: GrantId, subject: str, resource: str, entitlement: Entitlement, window: Window) -> Claim:
        """End access no later than the data's retention and the subject's own engagement."""
        ends = [self._catalogue.resources[resource].retention_until, self._catalogue.engagement_end(subject)]
        for end in ends:
            if end is not None and end < window.end:
                cut = window.until(end)
                if cut is None:
                    return Claim(grant, entitlement, window, Reason.GRANT_INVALID)
                window = cut
        return Claim(grant, entitlement, window)

    def _meaning(self, resource: str, role: str) -> tuple[str, str, str] | None:
        found = self._catalogue.resources.get(resource)
        level = found.roles.get(role) if found is not None else None
        if found is None or level is None:
            return None
        return (self._catalogue.meaning(found, level), found.target, canonical(dict(level.privilege)))


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
    targets: Mapping[str, Target | EdgeError],
    *,
    run: str,
    confirmed: str = "",
    progress: Progress,
    attempts: int = 5,
) -> Applied:
    """Carry a survey's plan out.

    ``take`` reads and plans afresh: it is called again when another run was first at the ledger. Raises ConflictError
    when that happens ``attempts`` times, and lets no target be touched before the intents are in the ledger.
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
        carrier = _Carrier(books, targets, standing, found.plan.at, found.plan.main, run, progress)
        done.outcomes += carrier.carry_out(changes)
        return done
    raise ConflictError("the ledger kept moving")  # pragma: no cover  (attempts is at least 1)


def _allowed(found: Survey, braked: Braked) -> tuple[tuple[Intended, ...], tuple[Intended, ...], str]:
    """Part the changes to make from those held back, and say why these are.

    While the policies of main cannot be read nothing is given, and what is to be taken is taken (invariants 7 and 8).
    """
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
        seen = _observe({name: target for name, target in self._targets.items() if name in names})
        outcomes = []
        for change, error in zip(batch, errors, strict=True):
            target = change.entitlement.target
            present = change.entitlement in seen.entitlements
            wanted = change.action is Action.ADD
            if target in seen.unreadable or target not in self._targets:
                outcomes.append(Outcome(change, ok=False, error=error or f"not read back: {seen.unreadable[target]}"))
            elif present == wanted:
                # A write that reported an error may have taken effect all the same: what is seen decides.
                outcomes.append(Outcome(change, ok=True))
            else:
                state = "still there" if present else "not there"
                outcomes.append(Outcome(change, ok=False, error=error or f"{state} when read back"))
        return outcomes

    def _write(self, outcomes: list[Outcome], attempts: int = 20) -> None:
        """Append outcomes; when another run was first, go after it. What happened at a target is never dropped."""
        for attempt in range(attempts):
            try:
                self._standing = self._books.append(
                    self._standing, list(outcomes), at=self._at, main=self._main, run=self._run
                )
            except ConflictError:
                if attempt == attempts - 1:
                    raise
                self._standing = self._books.load()
            else:
                return
