"""Checking a review of an emergency again: the people whose word a receipt has must be ones who may give it."""

from __future__ import annotations

from daypass.core.approval.review import ReviewRequest, judge_review
from daypass.core.audit.verified import Difference
from daypass.core.forge import Account, Review
from daypass.core.ledger.receipt import Receipt, Reviewed
from daypass.core.ledger.records import Awaited
from daypass.core.policy.policies import Policy


def check_review(
    receipt: Receipt, body: Reviewed, awaited: Awaited | None, policy: Policy | None
) -> tuple[Difference, ...]:
    """Return what does not agree between a review, what it is a review of, and the policies of the receipt's main.

    ``policy`` is None where nobody can read them.
    """
    why = ""
    if awaited is None or awaited.blob != body.blob:
        why = "which was not admitted then, or was to have no review"
    elif policy is None:
        why = f"and the policies of main {receipt.main[:12]} cannot be read"
    else:
        state = "approved" if body.approved else "rejected"
        reviews = [Review(Account(r.by, r.by), state, r.commit, r.at, r.review) for r in body.reviews]
        found = judge_review(policy, awaited, ReviewRequest(body.head, awaited.since), reviews, receipt.run_at)
        if not (found.met if body.approved else found.rejections):
            told = (*(f"{one.review.by.handle}: {one.why}" for one in found.ignored), *found.missing())
            why = f"and those who are said to have {state} it are not enough: {'; '.join(told)}"
    if not why:
        return ()
    message = f"receipt {receipt.sequence} says that {body.grant} was reviewed, {why}"
    return (Difference("review-without-grounds", message, grant=body.grant, receipt=receipt.sequence),)
