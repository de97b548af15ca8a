"""One account of how a grant stands, which every verb renders: what one of them knows, each of them says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from msgspec import Struct, field

from daypass.core.approval.judgement import Counted, Ignored, Status
from daypass.core.bounds.watch import EndingTask
from daypass.core.catalogue import Catalogue
from daypass.core.forge import Review
from daypass.core.grant import Grant
from daypass.core.ids import GrantId, Oid
from daypass.core.ledger.receipt import Admission, Refusal
from daypass.core.ledger.records import Awaited
from daypass.core.plan import AdmittedGrant, Claim, Denied, Entitlement, Holding
from daypass.core.planning.claims import entitlement_in
from daypass.core.planning.holdback import FAILING, HELD
from daypass.core.policy.decision import Decision, Denial
from daypass.core.policy.policies import Policy
from daypass.core.request import Gated, ItemVerdict

Stage = Literal[
    "draft", "asked", "denied", "invalid", "approved", "closed", "merged",
    "unproved", "scheduled", "pending", "live", "blocked", "ended",
]  # fmt: skip
"""Where a grant is in its life, in that order.

``draft``: no request asks for it. ``asked``: an open request does, and ``missing`` says whose approval it waits for.
``denied``: policy or a reviewer forbids it. ``invalid``: something in the request is wrong. ``approved``: nothing is
missing, and it is not merged yet. ``closed``: its request ended without a merge. ``merged``: it is on main, and no run
has looked at it. ``unproved``: it is on main and gives nothing, since it could not be proved. ``scheduled``: its window
is not open yet. ``pending``: its window is open, and nothing was given yet. ``live``: it was given. ``blocked``: it was
proved and gives nothing. ``ended``: its time is over.
"""


class GrantState(NamedTuple):
    """How one grant stands; a named tuple, since a status makes very many.

    ``code`` and ``why`` say why it gives nothing, or has ended; "" where neither is so.

    ``until`` is when it ends, whatever ends it, and ``bound`` what ends it before its own window does. ``length`` is how
    long it lasts, also where a duration has not begun. ``provisioned``: the ledger shows its entitlement as given, and
    ``note`` is what was seen of that at the target, and ``taken`` when it was taken away and how ``late``, where that is
    known. ``policy_denies`` are reasons why today's policies deny what is live.

    Of an open request: its number, what it does with the grant (``kind``), whether the grant may be merged (``met``),
    why not (``denials``, ``blocks``), whose ``approvals`` policy asks for, which reviews count (``approved_by``), which
    do not (``ignored``), and which reject it (``rejected_by``).
    """

    grant: GrantId
    state: Stage
    code: str = ""
    why: str = ""
    subject: str = ""
    resource: str = ""
    role: str = ""
    entitlement: Entitlement | None = None
    start: datetime | None = None
    until: datetime | None = None
    length: timedelta | None = None
    recurs_until: datetime | None = None
    bound: str = ""
    provisioned: bool = False
    note: str = ""
    taken: datetime | None = None
    late: timedelta = timedelta(0)
    policy_denies: tuple[Denied, ...] = ()
    pull: int = 0
    kind: str = ""
    met: bool = False
    denials: tuple[Denial, ...] = ()
    blocks: tuple[str, ...] = ()
    approvals: tuple[Status, ...] = ()
    approved_by: tuple[Counted, ...] = ()
    ignored: tuple[Ignored, ...] = ()
    rejected_by: tuple[Review, ...] = ()

    @property
    def missing(self) -> tuple[Status, ...]:
        """The approvals that it waits for."""
        return tuple(status for status in self.approvals if status.missing)

    @property
    def fails(self) -> bool:
        """Whether what was tried last for it failed, by its note."""
        return self.note.startswith(FAILING)

    @property
    def kept_back(self) -> str:
        """Why no run does for it what is due, "" where none would keep it back."""
        return self.note.removeprefix(HELD).strip() if self.note.startswith(HELD) else ""


class LifeGrant(Struct, frozen=True):
    """One grant of a request that was merged: how it stands, what it says and what proved it, None where nothing did.

    ``goes_on`` is the later request that it goes on by, 0 for none.
    """

    state: GrantState
    grant: Grant | None = None
    proof: Admission | None = None
    goes_on: int = 0


class Life(Struct, frozen=True):
    """What became of a request after its merge, as the ledger, main and the run at hand know it; the forge is not asked.

    ``catalogue`` is main's. ``by`` asked, "" where no receipt says who.
    """

    pull: int
    head: Oid
    merged: Oid
    merged_at: datetime | None
    by: str
    grants: tuple[LifeGrant, ...]
    catalogue: Catalogue

    @property
    def issues(self) -> tuple[int, ...]:
        """The issues that asked for its grants, or for what they go on with."""
        return tuple(sorted({one.proof.issue for one in self.grants if one.proof is not None and one.proof.issue}))


def entitlement_of(grant: Grant, policy: Policy) -> Entitlement | None:
    """Return what a proposed grant would give; None where it names something that nobody knows."""
    found = entitlement_in(policy.catalogue, grant.subject, grant.resource, grant.role)
    return found if found is not None and found.principal else None


def draft_state(grant: Grant, decision: Decision, policy: Policy, requester: str) -> GrantState:
    """Return the account of a grant that no request asks for: what it would need, and whose approval."""
    barred = {requester, grant.subject}
    approvals = (
        Status(need.source, (), need.at_least, tuple(sorted(need.eligible - barred))) for need in decision.needs
    )
    return _proposed(grant.id, "denied" if decision.denials else "draft", grant, policy)._replace(
        code=decision.denials[0].code if decision.denials else "",
        why=decision.denials[0].message if decision.denials else "",
        kind="new",
        denials=decision.denials,
        approvals=() if decision.denials else tuple(approvals),
    )


def requested(found: Gated) -> tuple[GrantState, ...]:
    """Return an account of each grant that a request touches."""
    return tuple(_of_verdict(verdict, found) for verdict in found.verdicts)


def _of_verdict(verdict: ItemVerdict, found: Gated) -> GrantState:
    item, judgement = verdict.item, verdict.judgement
    denials = item.decision.denials if item.decision is not None else ()
    statuses = judgement.statuses if judgement is not None else ()
    blocks: tuple[str, ...] = ()
    if judgement is not None:  # where policy denies, that nobody was asked is no reason
        blocks = judgement.blocks if statuses or denials else judgement.missing()
    stage, code, why = _stage(verdict, found)
    return _proposed(item.id, stage, item.grant or item.old, found.proposal.policy)._replace(
        code=code,
        why=why,
        pull=found.pull.number,
        kind=item.kind,
        met=verdict.met,
        denials=denials,
        blocks=blocks,
        approvals=statuses,
        approved_by=judgement.counted if judgement is not None else (),
        ignored=judgement.ignored if judgement is not None else (),
        rejected_by=judgement.rejections if judgement is not None else (),
    )


def _stage(verdict: ItemVerdict, found: Gated) -> tuple[Stage, str, str]:
    """Say where a grant is whose request is looked at, with the first reason why it goes no further."""
    if found.merge is not None:
        return "merged", "", ""
    if found.closed or found.pull.state != "open":
        return "closed", "", found.closed
    wrong = (*verdict.problems, *(finding for finding in found.proposal.findings if finding.is_error))
    if wrong:
        return "invalid", wrong[0].code, wrong[0].message
    if verdict.item.decision is not None and verdict.item.decision.denials:
        denial = verdict.item.decision.denials[0]
        return "denied", denial.code, denial.message
    if verdict.judgement is not None and verdict.judgement.blocks:
        return "denied", "blocked", verdict.judgement.blocks[0]
    return ("approved" if verdict.met else "asked"), "", ""


def _proposed(name: GrantId, stage: Stage, grant: Grant | None, policy: Policy) -> GrantState:
    if grant is None:
        return GrantState(grant=name, state=stage)
    window = grant.span.window
    return GrantState(
        grant=name,
        state=stage,
        subject=grant.subject,
        resource=grant.resource,
        role=grant.role,
        entitlement=entitlement_of(grant, policy),
        start=window.start if window is not None else None,
        until=window.end if window is not None else None,
        length=grant.span.length,
    )


class Overview(Struct, frozen=True):
    """All that is going on at an instant: open requests, granted access, and what gives nothing (yet).

    ``unread`` says of open requests that cannot be read why. ``landed`` is what main changed and no run has applied.
    ``refused`` stands on main without proof, and of ``unproved`` nobody could tell. ``notes`` say what the targets told
    of access, ``claims`` what each grant gives by main's policies, and ``denied`` what these deny of it today. ``gone`` are
    grants that neither main nor the ledger has any more, and what was given by them. ``renewed`` says of a grant that recurs
    what each of its intervals hands over anew. ``tasks`` end what is live: they are done, or could not be looked at.
    ``unreviewed`` was given for an emergency and is not reviewed yet.
    """

    at: datetime
    waiting: Sequence[Gated]
    live: Sequence[AdmittedGrant]
    holdings: Mapping[Entitlement, Holding]
    unread: Mapping[int, str] = field(default_factory=dict)
    landed: Mapping[GrantId, str] = field(default_factory=dict)
    refused: Sequence[Refusal] = ()
    unproved: Sequence[Refusal] = ()
    notes: Mapping[Entitlement, str] = field(default_factory=dict)
    claims: Mapping[GrantId, Claim] = field(default_factory=dict)
    denied: Sequence[Denied] = ()
    gone: Mapping[GrantId, Entitlement] = field(default_factory=dict)
    renewed: Mapping[GrantId, str] = field(default_factory=dict)
    unreviewed: Mapping[tuple[GrantId, Oid], Awaited] = field(default_factory=dict)
    tasks: Sequence[EndingTask] = ()

    @property
    def grants(self) -> tuple[GrantState, ...]:
        """An account of each grant, by name."""
        return tuple(sorted((*self.granted, *self.ungranted), key=lambda state: state.grant))

    @property
    def granted(self) -> tuple[GrantState, ...]:
        """An account of each grant that was proved."""
        denied: dict[GrantId, list[Denied]] = {}
        for one in self.denied:
            denied.setdefault(one.grant, []).append(one)
        return tuple(self._of_proved(grant, denied.get(grant.grant, ())) for grant in self.live)

    @property
    def ungranted(self) -> Iterator[GrantState]:
        """Yield an account of each grant of main that gives nothing, since no run looked at it or it is not proved."""
        known = {grant.grant for grant in self.live}
        for grant, what in sorted(self.landed.items()):
            if grant not in known and what != "removed":
                yield GrantState(grant=grant, state="merged")
        for refusal in self.refused:
            yield GrantState(grant=refusal.grant, state="unproved", code=refusal.code, why=refusal.message)
        for one in self.unproved:
            yield GrantState(grant=one.grant, state="unproved", code="untold", why=one.message)
        for name, entitlement in self.gone.items():
            yield GrantState(
                grant=name,
                state="ended",
                code="removed",
                why="ended on main",
                resource=entitlement.resource,
                entitlement=entitlement,
                provisioned=entitlement in self.holdings,
            )

    @property
    def overdue(self) -> list[Holding]:
        """What is held although its time is over, or although no live grant gives it any more; longest first."""
        giving = {grant.grant for grant in self.live}
        over = [
            held
            for held in self.holdings.values()
            if (held.until is not None and held.until <= self.at) or giving.isdisjoint(held.grants)
        ]
        return sorted(over, key=lambda held: (held.until is None, held.until or self.at, held.entitlement))

    def _of_proved(self, grant: AdmittedGrant, denied: Iterable[Denied]) -> GrantState:
        claim = self.claims.get(grant.grant)
        window = claim.window if claim is not None else grant.window
        now = window.ahead(self.at) or window
        held = grant.entitlement in self.holdings
        stage, code, why = self._standing(grant, claim, held=held)
        return GrantState(
            grant=grant.grant,
            state=stage,
            code=code,
            why=why,
            subject=grant.subject,
            resource=grant.resource,
            role=grant.role,
            entitlement=grant.entitlement,
            start=now.start,
            until=now.end,
            length=now.longest,
            recurs_until=window.closes if window.parts else None,
            bound=claim.bound if claim is not None else "",
            provisioned=held,
            note=self.notes.get(grant.entitlement, ""),
            policy_denies=tuple(denied),
        )

    def _standing(self, grant: AdmittedGrant, claim: Claim | None, *, held: bool) -> tuple[Stage, str, str]:
        if self.landed.get(grant.grant) == "removed":
            return "ended", "removed", "ended on main"
        if claim is not None and claim.ended(self.at):
            return "ended", "bound" if claim.bound else "expired", claim.bound or "its window is over"
        if claim is not None and claim.blocked is not None:
            return "blocked", claim.blocked.name.lower().replace("_", "-"), claim.blocked.value
        if not (claim.window if claim is not None else grant.window).holds(self.at):
            return "scheduled", "", ""
        return ("live" if held else "pending"), "", ""
