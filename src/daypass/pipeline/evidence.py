"""Whether people said enough: the same judgement for the gate before a merge and for the applier after it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from daypass.core.approval import NOTHING, Account, Excluded, Judgement, Need, Pull, Review, Then, judge
from daypass.core.catalogue import Catalogue
from daypass.core.errors import EdgeError, RefusedError
from daypass.core.exclusion import excluded_people
from daypass.core.finding import Finding, Place
from daypass.core.grant import ABSENT, Grant, Oid
from daypass.core.ledger.receipt import Admission, Retirement
from daypass.core.policy.decision import Decision, Request, Requirement, approvers, decide
from daypass.core.policy.ending import REVOCATION, Ending, may_end, may_revoke, owners
from daypass.core.policy.policies import SETTINGS, Policy
from daypass.core.policy.rules import OWNERS
from daypass.pipeline.policies import FOLDER as POLICIES
from daypass.pipeline.proposal import Item, PolicyAt, Proposal, meaning_of
from daypass.ports import Commit, Entry, ForgeReader, History

_SECOND = timedelta(seconds=1)
_SHORTLY = 50
"""So many steps of main before a branch left it are looked at for a change of policies."""
_UNTOLD = Then(moved="nobody can tell what main's policies were when it was given, and they have changed since")


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the forge knows of one pull request, read once.

    ``then`` has, by an approval's id, the commits of main that it can have been given under and whose policies are not
    those of the base, with these; None in their place where nobody can tell.
    """

    pull: Pull
    reviews: tuple[Review, ...]
    commits: tuple[Commit, ...]
    then: Mapping[str, tuple[tuple[Oid, Policy | None], ...]]


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


def gather(history: History, forge: ForgeReader, policy_at: PolicyAt, pull: Pull, *, base: Oid, head: Oid) -> Evidence:
    """Read the reviews and the commits of a pull request, and what main said when it was approved."""
    root = history.merge_base(base, head)
    if root is None:
        raise EdgeError(f"pull request {pull.number} shares no history with main")
    reviews = forge.reviews(pull.number)
    then = _Mains(history, policy_at, root, base)
    if any(_counts_on(review, head) for review in reviews) and then.differ():
        reviews = forge.with_mains(reviews)
    found = {review.id: tuple(then.of(review)) for review in reviews if _counts_on(review, head)}
    return Evidence(pull, reviews, history.commits(root, head), {name: mains for name, mains in found.items() if mains})


def _counts_on(review: Review, head: Oid) -> bool:
    return review.state == "approved" and review.commit == head


class _Mains:
    """What main said at other times than at the base of a request that left it at ``root``."""

    def __init__(self, history: History, policy_at: PolicyAt, root: Oid, base: Oid) -> None:
        self._history = history
        self._policy_at = policy_at
        self._root = root
        self._base = base
        self._files: dict[Oid, tuple[Entry, ...]] = {}

    def differ(self) -> bool:
        """Say whether main can have said something else when a review was given.

        It can where policies changed since the branch left main, or shortly before: who has a branch of policies can put
        a request on top, and have it approved, before that branch is pushed to main.
        """
        before = self._history.find(f"{self._root}~{_SHORTLY}")
        try:
            steps = [*self._history.landings(before, self._base)]
        except RefusedError:  # the branch left main at no step of it
            return True
        moved = False
        for step in steps:
            began = any(change.path == SETTINGS and change.added for change in step.changes)
            touches = any(change.path.startswith(f"{POLICIES}/") for change in step.changes)
            moved = not began and (moved or touches)  # without settings nothing was asked for
        return moved

    def of(self, review: Review) -> Iterator[tuple[Oid, Policy | None]]:
        """Yield the mains that a review can have been given under, and whose policies are others than the base's.

        Where the forge tells of none that leads to the base, it can have been any since the branch left main.
        """
        mains = review.mains if review.mains and all(map(self._leads, review.mains)) else self._since()
        for main in dict.fromkeys(mains):
            if main == ABSENT:
                yield main, None
            elif self._of(main) != self._of(self._base):
                yield main, self._policy_at(main)

    def _leads(self, main: Oid) -> bool:
        return self._history.find(main) is not None and self._history.is_ancestor(main, self._base)

    def _since(self) -> tuple[Oid, ...]:
        try:
            landings = self._history.landings(self._root, self._base)
            moves = [step.oid for step in landings if any(c.path.startswith(f"{POLICIES}/") for c in step.changes)]
        except RefusedError:  # the branch left main at no step of it
            return (ABSENT,)
        return (self._root, *moves)

    def _of(self, main: Oid) -> tuple[Entry, ...]:
        if main not in self._files:
            self._files[main] = tuple(self._history.entries(main, POLICIES))
        return self._files[main]


def weigh(proposal: Proposal, evidence: Evidence, *, at: datetime) -> tuple[Verdict, ...]:
    """Judge each item of a proposal by the reviews given up to ``at`` on its very head.

    While it is open a no counts as soon as it is there: a run may have begun before, or its clock be behind the forge's.
    """
    if evidence.pull.state == "open":
        seen = (replace(r, at=min(r.at, at)) if r.state != "approved" else r for r in evidence.reviews)
        evidence = replace(evidence, reviews=tuple(seen))
    return tuple(_weigh_item(item, proposal, evidence, at) for item in proposal.items)


def _weigh_item(item: Item, proposal: Proposal, evidence: Evidence, at: datetime) -> Verdict:
    alone = item.ending is None or ends_alone(proposal.ends_by, item.ending, evidence.pull, at)
    if item.decision is None or item.grant is None:
        judgement = None if alone or item.ending is None else _owner_judges(item.ending, proposal, evidence, at)
        return Verdict(item, judgement, _stranger_problems(evidence.pull))
    problems = (
        *_requester_problems(item, evidence.pull),
        *_pusher_problems(item, proposal, evidence.pull, at),
        *_absent_problems(item, proposal.policy.catalogue, evidence.pull, at),
    )
    if not alone and OWNERS not in {requirement.source for requirement in item.decision.requirements}:
        problems += (_replaces(item),)
    if item.decision.automatic and not item.decision.requirements:
        return Verdict(item, None, problems)
    asked = Request(item.grant, evidence.pull.opened_by.handle, evidence.pull.asked_at, item.kind)
    judgement = _judge(
        needs(proposal.policy, item.grant, item.decision, at),
        proposal,
        evidence,
        item.grant.subject,
        at,
        lambda then, review: _then(then, proposal.policy, asked, review.at),
    )
    return Verdict(item, judgement, problems)


def _judge(
    asked: Sequence[Need],
    proposal: Proposal,
    evidence: Evidence,
    subject: str,
    at: datetime,
    then: Callable[[Policy, Review], Then],
) -> Judgement:
    """Hold the reviews given by an instant against needs; ``then`` says what other policies asked when one was given."""
    catalogue, pull = proposal.policy.catalogue, evidence.pull
    reviews = [review for review in evidence.reviews if review.at <= at]
    return judge(
        asked,
        reviews,
        head=proposal.head,
        excluded=_without(
            excluded_people(pull, evidence.commits, subject, catalogue.directory), catalogue, reviews, at
        ),
        opened_at=pull.asked_at,
        at=at,
        moved_at=pull.pushed_at,
        then={
            review.id: [_UNTOLD if policy is None else then(policy, review) for _, policy in evidence.then[review.id]]
            for review in reviews
            if review.id in evidence.then
        },
    )


def _without(excluded: Excluded, catalogue: Catalogue, reviews: Iterable[Review], at: datetime) -> Excluded:
    """Add who has left by now: they are told why their word counts no longer."""
    handles = {review.by.handle for review in reviews if review.by.handle} - set(excluded.people)
    gone = {handle: why for handle in sorted(handles) if (why := catalogue.absence(handle, at))}
    return replace(excluded, people={**excluded.people, **gone})


def _then(then: Policy, now: Policy, asked: Request, at: datetime) -> Then:
    """Return what other policies than today's said of a request at an instant."""
    grant = asked.grant
    if meaning_of(then, grant) != meaning_of(now, grant):
        return Then(moved=f"role {grant.role} of {grant.resource} did not mean what it means now when it was given")
    return Then(needs(then, grant, decide(then, asked), at))


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
    if proposal.ends_by.broken:
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
    revoked = stops and ending is not None and by in may_revoke(proposal.ends_by.catalogue, ending, at)
    return replace(body, pull=pull.number, by=by, lack=lack, revoked=revoked)


def _owner_judges(ending: Ending, proposal: Proposal, evidence: Evidence, at: datetime) -> Judgement:
    """Hold the reviews against what a removal by anybody else needs: an owner of the resource who had no hand in it."""

    def need(policy: Policy, when: datetime) -> Need:
        return Need(source=OWNERS, at_least=1, eligible=frozenset(owners(policy.catalogue, ending, when)))

    return _judge(
        [need(proposal.ends_by, at)],
        replace(proposal, policy=proposal.ends_by),
        evidence,
        "",
        at,
        lambda then, review: Then((need(then, review.at),)),
    )


def _replaces(item: Item) -> Finding:
    """Refuse to take somebody's access away under the cover of giving some to somebody else."""
    assert item.ending is not None  # noqa: S101  (asked by the caller)
    message = f"it replaces the grant of {item.ending.subject}, which none who made this request may end alone"
    hint = "ask in a file of its own; `daypass end` asks for the end of the other"
    return Finding("ends-anothers", Place(item.grant.path if item.grant else ""), message, hint)


def needs(policy: Policy, grant: Grant, decision: Decision, at: datetime) -> tuple[Need, ...]:
    """Resolve a decision's requirements to the people who could meet them at an instant."""
    found = []
    for requirement in decision.requirements:
        escalated = approvers(policy, grant, requirement.escalate_to, at) if requirement.escalate_to else ()
        found.append(
            Need(
                source=requirement.source,
                at_least=requirement.at_least,
                eligible=frozenset(approvers(policy, grant, requirement.source, at)),
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


def _absent_problems(item: Item, catalogue: Catalogue, pull: Pull, at: datetime) -> Iterator[Finding]:
    """Refuse what somebody asked for, or pushed, who has left by its merge."""
    place = Place(item.grant.path if item.grant else "")
    for who in dict.fromkeys((pull.opened_by, *pull.pushers)):
        gone = catalogue.absence(who.handle, at) if who.handle in catalogue.directory.subjects else ""
        if gone:
            did = "opened" if who == pull.opened_by else "pushed to"
            message = f"{who.handle} {did} pull request {pull.number} and {gone}"
            hint = "somebody who is still there opens the request anew; or extend the engagement in policies/directory"
            yield Finding("engagement-over", place, message, hint)


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


def judge_again(
    policy: Policy, admission: Admission, grant: Grant, *, widened: bool, then: Mapping[str, Policy] = NOTHING
) -> str:
    """Judge an admission's recorded approvals by the policies of its base; return what they lack, "" for nothing.

    This is what an auditor can still do when the forge is gone: whoever wrote the receipt, the approvals in it must be
    ones that policy accepts. ``then`` are the policies that an approval was given under, by its review's id, where the
    receipt names another main than the base.
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
    gone = policy.catalogue.absence(admission.requester, admission.merged_at)
    if gone:
        return f"{admission.requester}, who asked for it, {gone}"
    if decision.automatic and not decision.requirements:
        return ""
    own = dict.fromkeys((admission.requester, admission.subject), "it is their own")
    reviews = [Review(Account(r.by, r.by), "approved", r.commit, r.at, r.review) for r in admission.approvals]
    judgement = judge(
        needs(policy, grant, decision, admission.merged_at),
        reviews,
        head=admission.head,
        excluded=Excluded(own),
        opened_at=admission.requested_at,
        at=admission.merged_at,
        moved_at=admission.requested_at - _SECOND,  # requests are as old as their last push, to the second
        then={r.id: [_then(then[r.id], policy, asked, r.at)] for r in reviews if r.id in then},
    )
    return "" if judgement.met else "the recorded approvals lack " + "; ".join(judgement.missing())
