"""Proving what landed on main, grant by grant, before any of it gives access (invariant 2).

No merge is trusted for being there: the forge's own record must say which pull request it was, the approvals on its
very
head must satisfy the policy of the base it was merged into, and the bytes on main must be the bytes that were reviewed.
What was proved once is kept in a receipt and never asked again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from daypass.core.approval import Pull
from daypass.core.errors import EdgeError, RefusedError
from daypass.core.grant import FOLDER, Grant, GrantId, Oid, canonical, grant_id, narrows
from daypass.core.paths import check_path
from daypass.core.plan import Entitlement
from daypass.core.policies import Policy
from daypass.core.reading import read_grant
from daypass.core.receipt import Admission, ApprovalRecord, Body, Refusal, Retirement
from daypass.core.standing import Standing
from daypass.core.window import Window
from daypass.pipeline.evidence import Verdict, gather, weigh
from daypass.pipeline.proposal import Asked, Proposal, read_proposal
from daypass.ports import Change, ForgeReader, History, Landing

PolicyAt = Callable[[Oid], Policy]
"""Reads the policy of a commit, remembering what it read."""


@dataclass(frozen=True, slots=True)
class Unproved:
    """A grant that could not be proved now, for a reason that may pass (the forge could not be read)."""

    grant: GrantId
    message: str


@dataclass(slots=True)
class Admitted:
    """What became of the grants that landed since the ledger's last word.

    ``bodies`` are receipts to write, in order; ``changed`` holds what this run proved by grant (None: it is gone or was
    refused); ``refusals`` are all that stand on main without proof, old and new; ``unproved`` are to be tried again.
    """

    bodies: list[Body] = field(default_factory=list)
    changed: dict[GrantId, Admission | None] = field(default_factory=dict)
    refusals: dict[GrantId, Refusal] = field(default_factory=dict)
    unproved: list[Unproved] = field(default_factory=list)


def admit(
    history: History, forge: ForgeReader, policy_at: PolicyAt, standing: Standing, *, tip: Oid, at: datetime
) -> Admitted:
    """Prove every grant of main that the ledger has not settled.

    Raises RefusedError when main is not a descendant of the main that the ledger last recorded (invariant 13).
    """
    if standing.main and not history.is_ancestor(Oid(standing.main), tip):
        raise RefusedError(
            f"main stands at {tip[:12]}, which does not contain {standing.main[:12]}, which the ledger recorded",
            hint="fetch main; if its history was rewritten, restore it: access is never taken back to an older state",
        )
    prover = _Prover(history, forge, policy_at, standing, at)
    there = {grant_id(e.path): e for e in history.entries(tip, FOLDER.rstrip("/"))}
    landings = (
        list(history.landings(Oid(standing.main) if standing.main else None, tip)) if standing.main != tip else []
    )
    touched: set[GrantId] = set()
    for landing in landings:
        for change in landing.changes:
            if change.path.startswith(FOLDER):
                touched.add(grant_id(change.path))
                prover.settle(landing, change)
    blobs = {name: entry.oid for name, entry in there.items()}
    _settle_rest(history, prover, standing, blobs, touched, tip)
    for name, blob in standing.blobs():
        if name not in blobs and name not in prover.found.changed:
            prover.retire(name, blob, tip)
    return prover.found


def _settle_rest(
    history: History, prover: _Prover, standing: Standing, blobs: dict[GrantId, Oid], touched: set[GrantId], tip: Oid
) -> None:
    """Settle files that stand on main but that no receipt names: an earlier run could not prove them."""
    known = dict(standing.blobs())
    open_ones: set[GrantId] = set()
    for name, blob in blobs.items():
        if name in touched or known.get(name) == blob:
            continue
        refusal = standing.refusal(name, blob)
        if refusal is not None:
            prover.found.refusals[name] = refusal
        else:
            open_ones.add(name)
    if not open_ones:
        return
    last: dict[GrantId, tuple[Landing, Change]] = {}
    for landing in history.landings(None, tip):
        for change in landing.changes:
            if change.path.startswith(FOLDER) and grant_id(change.path) in open_ones:
                last[grant_id(change.path)] = (landing, change)
    for landing, change in last.values():
        prover.settle(landing, change)


class _Prover:
    """Settles one landed change after the other, remembering what the ones before gave."""

    def __init__(
        self, history: History, forge: ForgeReader, policy_at: PolicyAt, standing: Standing, at: datetime
    ) -> None:
        self.found = Admitted()
        self._history = history
        self._forge = forge
        self._policy_at = policy_at
        self._standing = standing
        self._at = at
        self._weighed: dict[Oid, tuple[Pull, Proposal, tuple[Verdict, ...]]] = {}

    def settle(self, landing: Landing, change: Change) -> None:
        """Admit, refuse or retire what one landing did to one grant file."""
        name = grant_id(change.path)
        if change.deleted:
            self.retire(name, change.old, landing.oid)
            return
        try:
            proved = self._prove(landing, change)
        except EdgeError as error:
            self.found.unproved.append(Unproved(name, error.message))
            self.found.changed[name] = None
            return
        self.found.bodies.append(proved)
        if isinstance(proved, Admission):
            self.found.changed[name] = proved
            self.found.refusals.pop(name, None)
        else:
            self.found.changed[name] = None
            self.found.refusals[name] = proved

    def retire(self, name: GrantId, blob: Oid, commit: Oid) -> None:
        """Record that an admitted grant is gone; what was never admitted needs no word."""
        if self._current(name) is not None:
            self.found.bodies.append(Retirement(name, blob, commit))
        self.found.changed[name] = None
        self.found.refusals.pop(name, None)

    def _current(self, name: GrantId) -> Admission | None:
        return self.found.changed[name] if name in self.found.changed else self._standing.admission(name)

    def _prove(self, landing: Landing, change: Change) -> Admission | Refusal:
        name = grant_id(change.path)

        def refuse(code: str, message: str) -> Refusal:
            return Refusal(name, change.new, landing.oid, code, message)

        wrong = check_path(change.path, change.new_mode)
        if wrong:
            return refuse(wrong[0].code, wrong[0].message)
        narrowed = self._narrowed(landing, change)
        if narrowed is not None:
            return narrowed
        pull = self._forge.merged_as(landing.oid)
        if pull is None or pull.merge is None:
            return refuse(
                "around-the-gate",
                f"commit {landing.oid[:12]} brought it to main, and the forge has no record of such a merge",
            )
        problem = self._record_problem(landing, change, pull)
        if problem:
            return refuse(*problem)
        _, proposal, verdicts = self._weigh(pull, landing)
        errors = [finding for finding in proposal.findings if finding.is_error]
        if errors:
            return refuse(errors[0].code, str(errors[0].message))
        verdict = next((v for v in verdicts if v.item.id == name), None)
        if verdict is None or verdict.item.grant is None or verdict.item.blob != change.new:
            return refuse("not-in-request", f"pull request {pull.number} did not propose these bytes")
        if not verdict.met:
            return refuse(*_why_not(verdict))
        return self._admission(landing, pull, proposal, verdict)

    def _record_problem(self, landing: Landing, change: Change, pull: Pull) -> tuple[str, str] | None:
        """Hold the forge's record of a merge against what is on main."""
        merge = pull.merge
        assert merge is not None  # noqa: S101  (asked by the caller)
        if merge.commit != landing.oid or not landing.parents or merge.base != landing.parents[0]:
            return ("merge-record", f"the forge's record of pull request {pull.number} names another merge")
        if not pull.opened_at <= merge.at <= self._at:
            return (
                "merge-time",
                f"pull request {pull.number} was merged at an impossible time, {merge.at:%Y-%m-%dT%H:%M:%SZ}",
            )
        folder = change.path.rpartition("/")[0]
        reviewed = {entry.path: entry.oid for entry in self._history.entries(merge.head, folder)}
        if reviewed.get(change.path) != change.new:
            return ("bytes-differ", f"the file on main is not the one that was reviewed in pull request {pull.number}")
        return None

    def _weigh(self, pull: Pull, landing: Landing) -> tuple[Pull, Proposal, tuple[Verdict, ...]]:
        if landing.oid not in self._weighed:
            merge = pull.merge
            assert merge is not None  # noqa: S101  (asked by the caller)
            asked = Asked(pull.opened_by.handle, pull.opened_at, self._window_of)
            policy = self._policy_at(merge.base)
            proposal = read_proposal(self._history, policy, base=merge.base, head=merge.head, asked=asked, at=merge.at)
            evidence = gather(self._history, self._forge, pull, base=merge.base, head=merge.head)
            self._weighed[landing.oid] = (pull, proposal, weigh(proposal, evidence, at=merge.at))
        return self._weighed[landing.oid]

    def _window_of(self, name: GrantId) -> Window | None:
        current = self._current(name)
        return current.window if current is not None else None

    def _narrowed(self, landing: Landing, change: Change) -> Admission | None:
        """Admit a change that only takes away, by the proof that the old bytes had; whoever brought it."""
        old = self._current(grant_id(change.path))
        if old is None or old.blob != change.old:
            return None
        contents = dict(self._history.blobs(dict.fromkeys([change.old, change.new])))
        before, after = read_grant(change.path, contents[change.old]), read_grant(change.path, contents[change.new])
        if not isinstance(before, Grant) or not isinstance(after, Grant) or not narrows(before, old.window, after):
            return None
        window = after.span.window or Window(old.window.start, old.window.start + after.span.length)
        cut = window.until(old.window.end)
        if cut is None:
            return None
        return Admission(
            grant=old.grant,
            blob=change.new,
            landing=landing.oid,
            pull=old.pull,
            head=old.head,
            base=old.base,
            merged_at=old.merged_at,
            requested_at=old.requested_at,
            requester=old.requester,
            subject=old.subject,
            resource=old.resource,
            role=old.role,
            window=cut,
            entitlement=old.entitlement,
            grant_digest=after.digest,
            policy=old.policy,
            meaning=old.meaning,
            rules=old.rules,
            approvals=old.approvals,
            narrowed_from=change.old,
        )

    def _admission(self, landing: Landing, pull: Pull, proposal: Proposal, verdict: Verdict) -> Admission | Refusal:
        grant, decision, merge = verdict.item.grant, verdict.item.decision, pull.merge
        assert grant is not None  # noqa: S101  (asked by the caller)
        assert decision is not None  # noqa: S101  (only narrowing has none, and it was settled before)
        assert merge is not None  # noqa: S101
        catalogue = proposal.policy.catalogue
        resource = catalogue.resources[grant.resource]
        role = resource.roles[grant.role]
        counted = verdict.judgement.counted if verdict.judgement is not None else ()
        return Admission(
            grant=grant.id,
            blob=verdict.item.blob,
            landing=landing.oid,
            pull=pull.number,
            head=merge.head,
            base=merge.base,
            merged_at=merge.at,
            requested_at=pull.opened_at,
            requester=pull.opened_by.handle,
            subject=grant.subject,
            resource=grant.resource,
            role=grant.role,
            window=grant.span.starting(merge.at),
            entitlement=Entitlement(
                resource.target,
                resource.name,
                catalogue.principal(grant.subject, resource),
                canonical(dict(role.privilege)),
            ),
            grant_digest=grant.digest,
            policy=proposal.policy.digest,
            meaning=catalogue.meaning(resource, role),
            rules=decision.rules,
            approvals=tuple(
                ApprovalRecord(c.handle, c.source, c.review.commit, c.review.at, c.review.id) for c in counted
            ),
        )


def _why_not(verdict: Verdict) -> tuple[str, str]:
    if verdict.problems:
        return (verdict.problems[0].code, verdict.problems[0].message)
    decision = verdict.item.decision
    if decision is not None and decision.denials:
        return (decision.denials[0].code, decision.denials[0].message)
    return ("evidence-missing", missing_text(verdict))


def missing_text(verdict: Verdict) -> str:
    """Say in one line what a verdict still waits for."""
    if verdict.judgement is None:
        return "nobody approved it and no rule lets it pass without a person"
    return "; ".join(verdict.judgement.missing()) or "approvals are missing"


__all__ = ["Admitted", "PolicyAt", "Unproved", "admit", "missing_text"]
