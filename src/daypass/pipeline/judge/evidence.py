"""Whether people said enough: the same judgement for the gate before a merge and for the applier after it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime

from daypass.core.approval.exclusion import excluded_people
from daypass.core.approval.judgement import Judgement, judge
from daypass.core.approval.stages import Excluded, Then
from daypass.core.catalogue import Catalogue
from daypass.core.errors import EdgeError
from daypass.core.finding import Finding, Place
from daypass.core.forge import OPENED, Account, Act, Pull, Review
from daypass.core.grant import Grant
from daypass.core.ids import Oid
from daypass.core.ledger.receipt import Retirement
from daypass.core.policy.decision import Decision, Request, decide
from daypass.core.policy.details import NOT_ASKED_BY, may_ask
from daypass.core.policy.policies import Policy
from daypass.core.policy.requirement import Requirement, resolve, varies
from daypass.core.policy.sources import OWNERS, REVOCATION, Ending, may_ask_for, may_end, may_revoke, owners
from daypass.core.record import replace
from daypass.core.request import Evidence, Gated, Item, ItemVerdict, Proposal
from daypass.core.window import format_instant
from daypass.pipeline.context import Context
from daypass.pipeline.judge.afterwards import on_review, review_verdicts
from daypass.pipeline.judge.policies import PastMains
from daypass.pipeline.judge.proposal import meaning_of

_NOT_TOLD = "nobody can tell what main's policies were when it was"
_UNSIGNED = "has no SSH key in the directory, and limits.unsigned refuses what nobody signed"
_UNTOLD = Then(moved=f"{_NOT_TOLD} given, and they have changed since")


def judge_request(
    context: Context, pull: Pull, proposal: Proposal, *, at: datetime, more: tuple[Review, ...] = ()
) -> Gated:
    """Judge what a pull request proposes by what people said to it, and by reviews that nobody has given.

    What proposes nothing, or too much to be judged, has nothing that could be judged: its findings refuse it.
    """
    proposal = on_review(pull, proposal)
    if not proposal.items:
        return Gated(pull, proposal)
    evidence = gather(context, pull, base=proposal.base, head=proposal.head)
    evidence = replace(evidence, reviews=(*evidence.reviews, *more))
    weighed = weigh(proposal, evidence, at=at)
    verdicts = review_verdicts(context, pull, evidence.reviews, weighed, at, conflicts=proposal.conflicts)
    return Gated(pull, proposal, verdicts, evidence)


def gather(context: Context, pull: Pull, *, base: Oid, head: Oid) -> Evidence:
    """Read the reviews and the commits of a pull request, and what main said when people did what they did.

    What the ledger holds saves asking the forge where main's policies have not moved since.
    """
    history, forge = context.history, context.forge
    root = history.merge_base(base, head)
    if root is None:
        raise EdgeError(f"pull request {pull.number} shares no history with main")
    reviews = forge.reviews(pull.number)
    given = [review for review in reviews if review.state == "approved" and review.commit == head]
    acts = [act for act in pull.acts if act.by.person and act.by.handle]
    mains = PastMains(context, base)
    untold = {one.at for one in given if not one.mains} | {act.at for act in acts if not act.mains}
    told = forge.mains_at(untold) if untold and mains.differ(min(untold)) else {}
    found = {one.id: tuple(mains.of(one.mains or told.get(one.at, ()), one.at)) for one in given}
    then = {name: mains for name, mains in found.items() if mains}
    done = tuple((act, tuple(mains.of(act.mains or told.get(act.at, ()), act.at))) for act in acts)
    return Evidence(pull, reviews, history.commits(root, head), then, done)


def weigh(proposal: Proposal, evidence: Evidence, *, at: datetime) -> tuple[ItemVerdict, ...]:
    """Judge each item of a proposal by the reviews given up to ``at`` on its very head.

    While it is open a no counts as soon as it is there: a run may have begun before, or its clock be behind the forge's.
    """
    if evidence.pull.state == "open":
        seen = (replace(r, at=min(r.at, at)) if r.state != "approved" else r for r in evidence.reviews)
        evidence = replace(evidence, reviews=tuple(seen))
    return tuple(_weigh_item(item, proposal, evidence, at) for item in proposal.items)


def _weigh_item(item: Item, proposal: Proposal, evidence: Evidence, at: datetime) -> ItemVerdict:
    alone = item.ending is None or ends_alone(proposal.ends_by, item.ending, evidence, at)
    if item.decision is None or item.grant is None:
        judgement = None if alone or item.ending is None else _owner_judges(item.ending, proposal, evidence, at)
        return ItemVerdict(item, judgement, _stranger_problems(evidence.pull))
    problems = (
        *_requester_problems(item, evidence.pull),
        *_pusher_problems(item, proposal, evidence.pull, at),
        *_absent_problems(item, proposal.policy.catalogue, evidence, at),
        *_together_problems(item, proposal),
    )
    if not alone and OWNERS not in {requirement.source for requirement in item.decision.requirements}:
        problems += (_replaces(item),)
    if item.decision.automatic and not item.decision.requirements:
        return ItemVerdict(item, None, problems)
    pull, held = evidence.pull, item.held
    asked = Request(item.grant, pull.opened_by.handle, pull.asked_at, item.kind, held=held)
    judgement = _judge(
        resolve(proposal.policy.catalogue, asked.access, item.decision.requirements, at, held, pull.asked_at),
        proposal,
        evidence,
        item.grant.subject,
        at,
        lambda then, review: said_then(then, proposal.policy, asked, review.at),
    )
    return ItemVerdict(item, judgement, problems)


def _judge(
    asked: Sequence[Requirement],
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
            review.id: [_UNTOLD if policy is None else then(policy, review) for policy in policies]
            for review in reviews
            if (policies := _policies_of(review, evidence, proposal.policy, asked))
        },
    )


def _policies_of(
    review: Review, evidence: Evidence, now: Policy, asked: Sequence[Requirement]
) -> Sequence[Policy | None]:
    """Return what a review is to be held against beside what stands now: other policies, or these at another time."""
    then = evidence.then.get(review.id)
    if then is not None:
        return [policy for _, policy in then]
    return [now] if varies(now.catalogue, asked) else []


def _without(excluded: Excluded, catalogue: Catalogue, reviews: Iterable[Review], at: datetime) -> Excluded:
    """Add who has left by now, or of whom only what they sign counts: they are told why their word does not."""
    handles = {review.by.handle for review in reviews if review.by.handle} - set(excluded.people)
    gone = {handle: why for handle in sorted(handles) if (why := catalogue.absence(handle, at))}
    known = ((handle, catalogue.directory.subjects.get(handle)) for handle in handles - set(gone))
    gone |= {handle: _UNSIGNED for handle, subject in known if subject is not None and catalogue.unheard(subject)}
    return replace(excluded, people={**excluded.people, **gone})


def said_then(then: Policy, now: Policy, asked: Request, at: datetime) -> Then:
    """Return what other policies than today's said of a request at an instant."""
    grant = asked.grant
    if meaning_of(then, grant) != meaning_of(now, grant):
        return Then(moved=f"role {grant.role} of {grant.resource} did not mean what it means now when it was given")
    return Then(resolve(then.catalogue, asked.access, decide(then, asked).requirements, at, asked.held))


def ends_alone(policy: Policy, ending: Ending, evidence: Evidence, at: datetime) -> bool:
    """Say whether all who made a request may end this access, and could when they did: who opened it, and who pushed.

    The emergency stop is a request from a branch of its own name, and has people of its own (`limits.revoke`).
    """
    pull = evidence.pull

    def may(account: Account, by: Policy | None, when: datetime) -> bool:
        if by is None or not account.person or not account.proved:
            return False
        handles = may_end(by.catalogue, ending, when)
        return account.handle in (*handles, *(may_revoke(by.catalogue, ending, when) if is_revocation(pull) else ()))

    return all(may(account, policy, at) for account in dict.fromkeys((pull.opened_by, *pull.pushers))) and all(
        may(act.by, then, act.at) for act, mains in evidence.acts for _, then in mains
    )


def is_revocation(pull: Pull) -> bool:
    """Say whether a request says that it is an emergency stop; who made it decides whether it is one."""
    return pull.branch.startswith(REVOCATION)


def ended_by(body: Retirement, case: Gated, verdict: ItemVerdict | None) -> Retirement:
    """Return a retirement with who removed the grant by a merged request, and why nobody was entitled to where that is so.

    Nothing is said of it where the policies did not read then: they say who may.
    """
    proposal, pull = case.proposal, case.pull
    if proposal.ends_by.broken or pull.merge is None:
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
    revoked = stops and ending is not None and by in may_revoke(proposal.ends_by.catalogue, ending, pull.merge.at)
    return replace(body, pull=pull.number, by=by, lack=lack, revoked=revoked, number=pull.opened_by.number)


def _owner_judges(ending: Ending, proposal: Proposal, evidence: Evidence, at: datetime) -> Judgement:
    """Hold the reviews against what a removal by anybody else needs: an owner of the resource who had no hand in it."""

    def need(policy: Policy, when: datetime) -> Requirement:
        return Requirement(1, OWNERS, eligible=frozenset(owners(policy.catalogue, ending, when)))

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
    opener, place = pull.opened_by, Place(item.grant.path if item.grant else "")
    if not opener.person or not opener.handle:
        message = f"pull request {pull.number} was opened by {opener.name!r}, whom the directory does not know"
        hint = "add the person to policies/directory or open the request as somebody who is there"
        return (Finding("requester-unknown", place, message, hint),)
    if not opener.proved:
        message = f"pull request {pull.number} says it was opened by {opener.handle}, but is not signed with their key"
        hint = "open the request again with the key that the directory names"
        return (Finding("requester-unproved", place, message, hint),)
    return ()


def _absent_problems(item: Item, catalogue: Catalogue, evidence: Evidence, at: datetime) -> Iterator[Finding]:
    """Refuse what somebody asked for, or pushed, who was not there when they did or has left by its merge."""
    place, pull = Place(item.grant.path if item.grant else ""), evidence.pull
    grant = item.grant
    for act, mains in evidence.acts:
        why = absent_then(act, tuple(policy for _, policy in mains), grant)
        if why:
            hint = f"close #{pull.number}, and ask anew from a new branch"
            yield Finding("engaged-later", place, f"{why}: pull request {pull.number}", hint)
            return
    denied = {denial.code for denial in item.decision.denials} if item.decision is not None else ()
    if grant is not None and NOT_ASKED_BY not in denied and not may_ask(catalogue, grant, pull.opened_by.handle, at):
        message = (
            f"{pull.opened_by.handle} may not ask for purpose {grant.purpose} when pull request {pull.number} merges"
        )
        hint = "whom the purpose's asked_by names then opens the request anew"
        yield Finding(NOT_ASKED_BY, place, message, hint)
    if grant is not None and not may_ask_for(catalogue, _asked(grant, pull.opened_by.handle), at):
        message = f"{pull.opened_by.handle} may not ask for {grant.subject} when pull request {pull.number} merges"
        yield Finding("not-asked-for-them", place, message, f"let {grant.subject} ask, or one whom main names")
    for who in dict.fromkeys((pull.opened_by, *pull.pushers)):
        gone = catalogue.absence(who.handle, at) if who.handle in catalogue.directory.subjects else ""
        if gone:
            did = "opened" if who == pull.opened_by else "pushed to"
            message = f"{who.handle} {did} pull request {pull.number} and {gone}"
            hint = "somebody who is still there opens the request anew; or extend the engagement in policies/directory"
            yield Finding("engagement-over", place, message, hint)


def _asked(grant: Grant, requester: str) -> Ending:
    return Ending(grant.resource, grant.subject, requester)


def absent_then(act: Act, policies: Sequence[Policy | None], grant: Grant | None) -> str:
    """Say why somebody was not entitled to what they did by what main can have said then, "" where they were."""
    what = f"{act.by.handle} {act.did} it at {format_instant(act.at)}"
    for policy in policies:
        gone = policy.catalogue.absence(act.by.handle, act.at) if policy is not None else ""
        if gone:
            return f"{what}, and by main's policies of then {act.by.handle} {gone}"
        asks = grant if act.did == OPENED else None
        if policy is not None and asks is not None and not may_ask(policy.catalogue, asks, act.by.handle, act.at):
            return f"{what}, and by main's policies of then they could not ask for purpose {asks.purpose}"
        whose = _asked(asks, act.by.handle) if asks is not None else None
        if policy is not None and whose is not None and not may_ask_for(policy.catalogue, whose, act.at):
            return f"{what}, and by main's policies of then they could not ask for {whose.subject}"
        if policy is None:
            return f"{what}, and {_NOT_TOLD} done; they have changed since"
    return ""


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
            window, held = grant.span.starting(at), item.held
            as_theirs = Request(grant, other.handle, pull.asked_at, item.kind, window, held=held)
            if not other.handle or _answer(decide(proposal.policy, as_theirs)) == _answer(decision):
                continue  # who is not known blocks already, whoever approves
        who = other.handle or repr(other.name)
        message = f"{who} pushed to pull request {pull.number}, and policy goes by who asks"
        hint = "let each ask for themselves: open a request that nobody else pushes to"
        return (Finding("pushed-by-others", Place(grant.path), message, hint),)
    return ()


def _together_problems(item: Item, proposal: Proposal) -> Iterator[Finding]:
    """Refuse to ask at once for what nobody may approve twice, or hold both of: its other part would count too late."""
    needs = item.decision.requirements if item.decision is not None else ()
    apart = frozenset[str]().union(*(need.of_ledger for need in needs))
    for other in proposal.items:
        resource = other.id.partition("/")[0]
        if other.id != item.id and other.grant is not None and resource in apart:
            message = f"the request asks for {resource} as well, and who holds or approves that may not approve this"
            hint = "ask for one of the two in a request of its own"
            yield Finding("asked-together", Place(item.grant.path if item.grant else ""), message, hint)
            return


def _answer(decision: Decision) -> tuple[frozenset[str], frozenset[Requirement]]:
    """Return what rules say; that an approver is lacking where they ask for themselves is no matter of rules."""
    said = frozenset(d.rule or d.code for d in decision.denials if d.rule or d.code == NOT_ASKED_BY)
    return said, frozenset(decision.requirements)
