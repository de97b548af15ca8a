"""How the request of a policy test stands once people have approved it: the gate's judgement, of reviews that a case has."""

from __future__ import annotations

from datetime import datetime

from daypass.core.approval.judgement import Judgement, judge
from daypass.core.approval.stages import Excluded, Then
from daypass.core.forge import Account, Review
from daypass.core.ids import Oid
from daypass.core.policy.decision import Decision, Request
from daypass.core.policy.policies import Policy, PolicyCase
from daypass.core.policy.requirement import Requirement, resolve, varies

_HEAD = Oid("0" * 40)


def standing_of(policy: Policy, case: PolicyCase, decision: Decision, seen_at: datetime) -> tuple[str, ...]:
    """Say how the request of a case stands at an instant, written as `PolicyCase` has it."""
    found = _judged(policy, case, decision, seen_at)
    if found.met:
        return ("met",)
    missing = [status for status in found.statuses if status.missing]
    closed = [one.source for one in missing if any(due.what == "close" for due in one.now_due(seen_at))]
    if closed:
        return tuple(sorted(f"closed: {source}" for source in closed))
    asked = [status for status in missing if not status.waits]
    if any(word.startswith("asked: ") for word in case.expected):
        return tuple(sorted({f"asked: {handle}" for status in asked for handle in status.could}))
    return tuple(sorted(f"waiting: {status.source}" for status in asked))


def _judged(policy: Policy, case: PolicyCase, decision: Decision, seen_at: datetime) -> Judgement:
    asked = Request(case.grant, case.requester, case.at, held=case.held)
    reviews = [Review(Account(who, who), "approved", _HEAD, at, who) for who, at in case.approved if at <= seen_at]

    def needs(at: datetime) -> tuple[Requirement, ...]:
        return resolve(policy.catalogue, asked.access, decision.requirements, at, case.held, case.at)

    gone = {who: why for who, _ in case.approved if (why := policy.catalogue.absence(who, seen_at))}
    own = dict.fromkeys((case.requester, case.grant.subject), "asks for it, or receives the access")
    return judge(
        needs(seen_at),
        reviews,
        head=_HEAD,
        excluded=Excluded({**gone, **own}),
        opened_at=case.at,
        at=seen_at,
        then={one.id: [Then(needs(one.at))] for one in reviews}
        if varies(policy.catalogue, decision.requirements)
        else {},
    )
