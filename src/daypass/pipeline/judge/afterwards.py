"""The gate of a request on which an emergency is reviewed: it waits for the review, its receipt, and the end of the access."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from daypass.core.approval.review import ReviewRequest, judge_review, reviewed_on
from daypass.core.finding import Finding, Place
from daypass.core.forge import Pull, Review
from daypass.core.record import replace
from daypass.core.request import ItemVerdict
from daypass.core.window import format_instant
from daypass.pipeline.context import Context


def review_verdicts(
    context: Context, pull: Pull, reviews: Sequence[Review], verdicts: tuple[ItemVerdict, ...], at: datetime
) -> tuple[ItemVerdict, ...]:
    """Return verdicts, of a request that is still open and reviews an emergency with what its review takes.

    What takes access away by another request waits for no review.
    """
    grant = reviewed_on(pull.branch)
    if grant is None or pull.merge is not None:
        return verdicts
    return tuple(_one(context, pull, reviews, one, at) if one.item.id == grant else one for one in verdicts)


def _one(context: Context, pull: Pull, reviews: Sequence[Review], verdict: ItemVerdict, at: datetime) -> ItemVerdict:
    standing, grant = context.standing, verdict.item.id
    if verdict.item.kind != "remove":
        return verdict
    place = Place(f"grants/{grant}.yaml")
    awaited = next((one for (waiting, _), one in standing.unreviewed.items() if waiting == grant), None)
    if awaited is not None:
        told = f"reviews the emergency access of {awaited.subject}, by {format_instant(awaited.by)}"
        verdict = replace(verdict, reviews=told)
        policy = context.policy_at(context.tip)
        judgement = judge_review(policy, awaited, ReviewRequest(pull.head, pull.asked_at, pull.pushed_at), reviews, at)
        if not judgement.met:
            return replace(verdict, judgement=judgement)
        message = f"{grant} is reviewed, and no receipt says so yet"
        return replace(
            verdict,
            judgement=judgement,
            problems=(Finding("review-unrecorded", place, message, "`daypass apply` writes it"),),
        )
    if verdict.item.ending is not None:
        message = f"{grant} is reviewed, and its access has not ended yet"
        hint = "it is merged once the access has ended"
        return replace(verdict, judgement=None, problems=(Finding("review-early", place, message, hint),))
    return verdict
