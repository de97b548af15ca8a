"""Judging an admission once more, years later, from what git and the ledger hold of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from daypass.core.approval.judgement import NOTHING, judge
from daypass.core.approval.stages import Excluded
from daypass.core.forge import Account, Act, Review, last_push
from daypass.core.grant import Grant, Moments
from daypass.core.ledger.receipt import Admission
from daypass.core.policy.decision import Decision, Request, decide
from daypass.core.policy.held import UNREAD, Held
from daypass.core.policy.policies import Policy
from daypass.core.policy.requirement import resolve, varies
from daypass.core.policy.sources import may_ask_for
from daypass.core.window import format_instant
from daypass.pipeline.judge.evidence import absent_then, said_then


def _instants(due: Moments) -> str:
    return ", ".join(f"{format_instant(at)} ({name})" for name, at in due) or "no instant"


def _amiss(policy: Policy, admission: Admission, asked: Request, decision: Decision, together: Iterable[str]) -> str:
    """Say what is wrong with an admission whoever approved it, "" for nothing."""
    if decision.denials:
        return f"the policies of the base deny it: {decision.denials[0].message}"
    due = policy.catalogue.due(asked.grant, admission.merged_at)
    if due != admission.due:
        return f"its details end it at {_instants(due)} by the policies of the base, and at {_instants(admission.due)} here"
    apart = {name for need in decision.requirements for name in need.of_ledger}.intersection(together)
    if apart:
        return (
            f"it was merged together with a grant on {min(apart)}, and who holds or approves that may not approve this"
        )
    return ""


def _entitled(
    policy: Policy, admission: Admission, asked: Request, people: Iterable[str], then: Mapping[str, Policy]
) -> str:
    """Say who asked for it or pushed it and was not entitled to, when they did or by the merge; "" for nobody."""
    gone = next(((who, why) for who in people if (why := policy.catalogue.absence(who, admission.merged_at))), None)
    if gone:
        return f"{gone[0]}, who asked for it or pushed it, {gone[1]}"
    if not may_ask_for(policy.catalogue, asked.access, admission.merged_at):
        return f"{admission.requester} may not ask for {admission.subject} by then"
    for record in admission.acts:
        then_was = (then[record.main],) if record.main else ()
        why = absent_then(Act(Account(record.by, record.by), record.did, record.at), then_was, asked.grant)
        if why:
            return why
    return ""


def judge_again(
    policy: Policy,
    admission: Admission,
    grant: Grant,
    *,
    widened: bool,
    then: Mapping[str, Policy] = NOTHING,
    held: Held = UNREAD,
    together: Iterable[str] = (),
) -> str:
    """Judge an admission's recorded approvals by the policies of its base; return what they lack, "" for nothing.

    This is what an auditor can still do when the forge is gone: whoever wrote the receipt, the approvals in it must be
    ones that policy accepts. ``then`` are the policies of the mains that the receipt names beside the base; ``held`` is what
    was known of the ledger at its place, ``together`` the resources of which the same merge brought other grants.
    """
    asked = Request(
        grant,
        admission.requester,
        admission.requested_at,
        "widen" if widened else "new",
        grant.span.starting(admission.merged_at),
        admission.judged,
        held,
    )
    by_calendar = grant.span.recurs is not None and grant.span.recurs.calendar  # the file itself says any other window
    if by_calendar and admission.window != policy.catalogue.window(grant.span, admission.merged_at):
        return f"its window is {admission.window}, and by the base's policies another"
    decision = decide(policy, asked)
    people = list(dict.fromkeys((admission.requester, *(act.by for act in admission.acts))))
    amiss = _amiss(policy, admission, asked, decision, together) or _entitled(policy, admission, asked, people, then)
    if amiss:
        return amiss
    if decision.automatic and not decision.requirements:
        return f"{people[1]} pushed to it, and nobody approved it" if people[1:] else ""
    changes = varies(policy.catalogue, decision.requirements)
    own = dict.fromkeys((*people, admission.subject), "it is their own")
    reviews = [Review(Account(r.by, r.by), "approved", r.commit, r.at, r.review) for r in admission.approvals]
    judgement = judge(
        resolve(
            policy.catalogue, asked.access, decision.requirements, admission.merged_at, held, admission.requested_at
        ),
        reviews,
        head=admission.head,
        excluded=Excluded(own),
        opened_at=admission.requested_at,
        at=admission.merged_at,
        moved_at=last_push(admission.acts),  # earlier releases tell of none: nothing from before the asking counts
        then={
            r.review: [said_then(then[r.main] if r.main else policy, policy, asked, r.at)]
            for r in admission.approvals
            if r.main or changes
        },
    )
    return "" if judgement.met else "the recorded approvals lack " + "; ".join(judgement.missing())
