"""Whether people said enough: the same judgement for the gate before a merge and for the applier after it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from daypass.core.approval import Account, Excluded, Judgement, Need, Pull, Review, judge
from daypass.core.errors import EdgeError
from daypass.core.exclusion import excluded_people
from daypass.core.finding import Finding, Place
from daypass.core.grant import Grant
from daypass.core.ledger.receipt import Admission, Retirement
from daypass.core.policy.decision import Decision, Request, Requirement, approvers, decide
from daypass.core.policy.ending import REVOCATION, Ending, may_end, may_revoke, owners
from daypass.core.policy.policies import Policy
from daypass.core.policy.rules import OWNERS
from daypass.pipeline.proposal import Item, Proposal
from daypass.ports import Commit, ForgeReader, History


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the forge knows of one pull request, read once."""

    pull: Pull
    reviews: tuple[Review, ...]
    commits: tuple[Commit, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether one item may be merged. ``judgement`` is None where no person is needed; ``problems`` forbid it."""

    item: Item
    judgement: Judgement | None
    problems: tuple[Finding, ...] = ()

    @property
    def met(self) -> bool:
        """Whether nothing is missing."""
        if self.problems:
            return False
        decision = self.item.decision
        if decision is None:
            return self.item.kind in ("narrow", "remove") and (self.judgement is None or self.judgement.met)
        if decision.denials:
            return False
        return self.judgement.met if self.judgement is not None else decision.automatic


def gather(history: History, forge: ForgeReader, pull: Pull, *, base: str, head: str) -> Evidence:
    """Read the reviews and the commits of a pull request."""
    root = history.merge_base(base, head)
    if root is None:
        raise EdgeError(f"pull request {pull.number} shares no history with main")
    return Evidence(pull, forge.reviews(pull.number), history.commits(root, head))


def weigh(proposal: Proposal, evidence: Evidence, *, at: datetime) -> tuple[Verdict, ...]:
    """Judge each item of a proposal by the reviews given up to ``at`` on its very head.

    While it is open a no counts as soon as it is there: a run may have begun before, or its clock be behind the forge's.
    """
    if evidence.pull.state == "open":
        seen = (replace(r, at=min(r.at, at)) if r.state != "approved" else r for r in evidence.reviews)
        evidence = replace(evidence, reviews=tuple(seen))
    return tuple(_weigh_item(item, proposal, evidence, at) for item in proposal.items)


def _weigh_item(item: Item, proposal: Proposal, evidence: Evidence, at: datetime) -> Verdict:
    alone = item.ending is None or ends_alone(proposal.policy, item.ending, evidence.pull, at)
    if item.decision is None or item.grant is None:
        judgement = None if alone or item.ending is None else _owner_judges(item.ending, proposal, evidence, at)
        return Verdict(item, judgement, _stranger_problems(evidence.pull))
    problems = (*_requester_problems(item, evidence.pull), *_pusher_problems(item, proposal, evidence.pull, at))
    if not alone and OWNERS not in {requirement.source for requirement in item.decision.requirements}:
        problems += (_replaces(item),)
    if item.decision.automatic and not item.decision.requirements:
        return Verdict(item, None, problems)
    excluded = excluded_people(evidence.pull, evidence.commits, item.grant.subject, proposal.policy.catalogue.directory)
    judgement = judge(
        needs(proposal.policy, item.grant, item.decision),
        [review for review in evidence.reviews if review.at <= at],
        head=proposal.head,
        excluded=excluded,
        opened_at=evidence.pull.asked_at,
        at=at,
    )
    return Verdict(item, judgement, problems)


def ends_alone(policy: Policy, ending: Ending, pull: Pull, at: datetime) -> bool:
    """Say whether all who made a request may end this access: who opened it, and who pushed to it.

    The emergency stop is a request from a branch of its own name, and has people of its own (`limits.revoke`).
    """
    may = set(may_end(policy.catalogue, ending, at))
    if is_revocation(pull):
        may |= set(may_revoke(policy.catalogue, ending, at))
    return all(
        account.person and account.proved and account.handle in may for account in (pull.opened_by, *pull.pushers)
    )


def is_revocation(pull: Pull) -> bool:
    """Say whether a request says that it is an emergency stop; who made it decides whether it is one."""
    return pull.branch.startswith(REVOCATION)


def ended_by(body: Retirement, proposal: Proposal, pull: Pull, verdict: Verdict | None, *, at: datetime) -> Retirement:
    """Return a retirement with who removed the grant, and why nobody was entitled to where that is so.

    Nothing is said of it where the policies did not read then: they say who may.
    """
    if proposal.policy.broken:
        return body
    errors = [finding.code for finding in proposal.findings if finding.is_error]
    lack = errors[0] if errors else ""
    if verdict is None:
        lack = lack or "not-in-request"
    elif not verdict.met:
        lack = lack or "end-unentitled"
    ending = verdict.item.ending if verdict is not None else None
    by = pull.opened_by.handle
    stops = not lack and ending is not None and is_revocation(pull)
    revoked = stops and ending is not None and by in may_revoke(proposal.policy.catalogue, ending, at)
    return replace(body, pull=pull.number, by=by, lack=lack, revoked=revoked)


def _owner_judges(ending: Ending, proposal: Proposal, evidence: Evidence, at: datetime) -> Judgement:
    """Hold the reviews against what a removal by anybody else needs: an owner of the resource who had no hand in it."""
    catalogue = proposal.policy.catalogue
    return judge(
        [Need(source=OWNERS, at_least=1, eligible=frozenset(owners(catalogue, ending, at)))],
        [review for review in evidence.reviews if review.at <= at],
        head=proposal.head,
        excluded=excluded_people(evidence.pull, evidence.commits, "", catalogue.directory),
        opened_at=evidence.pull.asked_at,
        at=at,
    )


def _replaces(item: Item) -> Finding:
    """Refuse to take somebody's access away under the cover of giving some to somebody else."""
    assert item.ending is not None  # noqa: S101  (asked by the caller)
    message = f"it replaces the grant of {item.ending.subject}, which none who made this request may end alone"
    hint = "ask in a file of its own; `daypass end` asks for the end of the other"
    return Finding("ends-anothers", Place(item.grant.path if item.grant else ""), message, hint)


def needs(policy: Policy, grant: Grant, decision: Decision) -> tuple[Need, ...]:
    """Resolve a decision's requirements to the people who could meet them."""
    found = []
    for requirement in decision.requirements:
        escalated = approvers(policy, grant, requirement.escalate_to) if requirement.escalate_to else ()
        found.append(
            Need(
                source=requirement.source,
                at_least=requirement.at_least,
                eligible=frozenset(approvers(policy, grant, requirement.source)),
                escalate_after=requirement.escalate_after,
                escalated=frozenset(escalated),
            )
        )
    return tuple(found)


def _stranger_problems(pull: Pull) -> tuple[Finding, ...]:
    """Refuse to take access away for somebody whom nobody let in: a fork of a public repository is anybody's.

    Who may push to the repository itself, and our own removals with them, need not be known to end access.
    """
    opener = pull.opened_by
    if ":" not in pull.branch or (opener.person and opener.handle):
        return ()
    who = f"{opener.name!r}, whom the directory does not know"
    message = f"pull request {pull.number} comes from a fork and was opened by {who}"
    return (Finding("requester-unknown", Place(""), message, "open it as somebody who is in policies/directory"),)


def _requester_problems(item: Item, pull: Pull) -> tuple[Finding, ...]:
    """Refuse an opener whom nobody knows: they could be the reviewer under another name."""
    opener = pull.opened_by
    place = Place(item.grant.path if item.grant else "")
    if not opener.person or not opener.handle:
        return (
            Finding(
                "requester-unknown",
                place,
                f"pull request {pull.number} was opened by {opener.name!r}, whom the directory does not know",
                "add the person to policies/directory or open the request as somebody who is there",
            ),
        )
    if not opener.proved:
        return (
            Finding(
                "requester-unproved",
                place,
                f"pull request {pull.number} says it was opened by {opener.handle}, but is not signed with their key",
                "open the request again with the key that the directory names",
            ),
        )
    return ()


def _pusher_problems(item: Item, proposal: Proposal, pull: Pull, at: datetime) -> tuple[Finding, ...]:
    """Refuse what others wrote into somebody's request where policy looks at who asks: it is not theirs alone.

    What passes without a person was seen by nobody but who asked, so that nobody else may have pushed at all. Elsewhere
    policy must answer the same whoever of them is taken for the requester.
    """
    decision, grant = item.decision, item.grant
    assert decision is not None  # noqa: S101  (asked by the caller)
    assert grant is not None  # noqa: S101  (asked by the caller)
    for other in pull.pushers:
        if other == pull.opened_by:
            continue
        if decision.requirements:
            as_theirs = Request(grant, other.handle, pull.asked_at, item.kind, grant.span.starting(at))
            if not other.handle or _answer(decide(proposal.policy, as_theirs)) == _answer(decision):
                continue  # who is not known blocks already, whoever approves
        who = other.handle or repr(other.name)
        message = f"{who} pushed to pull request {pull.number}, and policy goes by who asks"
        hint = "let each ask for themselves: open a request that nobody else pushes to"
        return (Finding("pushed-by-others", Place(grant.path), message, hint),)
    return ()


def _answer(decision: Decision) -> tuple[frozenset[str], frozenset[Requirement]]:
    """Return what rules say; that an approver is lacking where they ask for themselves is no matter of rules."""
    return frozenset(denial.rule for denial in decision.denials if denial.rule), frozenset(decision.requirements)


def judge_again(policy: Policy, admission: Admission, grant: Grant, *, widened: bool) -> str:
    """Judge an admission's recorded approvals by the policies of its base; return what they lack, "" for nothing.

    This is what an auditor can still do when the forge is gone: whoever wrote the receipt, the approvals in it must be
    ones that policy accepts.
    """
    asked = Request(
        grant,
        admission.requester,
        admission.requested_at,
        "widen" if widened else "new",
        grant.span.starting(admission.merged_at),
    )
    decision = decide(policy, asked)
    if decision.denials:
        return f"the policies of the base deny it: {decision.denials[0].message}"
    if decision.automatic and not decision.requirements:
        return ""
    own = dict.fromkeys((admission.requester, admission.subject), "it is their own")
    judgement = judge(
        needs(policy, grant, decision),
        [Review(Account(r.by, r.by), "approved", r.commit, r.at, r.review) for r in admission.approvals],
        head=admission.head,
        excluded=Excluded(own),
        opened_at=admission.requested_at,
        at=admission.merged_at,
    )
    return "" if judgement.met else "the recorded approvals lack " + "; ".join(judgement.missing())
