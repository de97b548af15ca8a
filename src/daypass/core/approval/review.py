"""Reviews afterwards: what was given for an emergency is judged by people who had no part in it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from daypass.core.approval.judgement import Judgement, judge
from daypass.core.approval.stages import Excluded
from daypass.core.catalogue import Catalogue
from daypass.core.forge import Review
from daypass.core.ids import GrantId, Oid
from daypass.core.ledger.records import ApprovalRecord, Awaited
from daypass.core.policy.policies import Policy
from daypass.core.policy.requirement import Requirement, resolve
from daypass.core.policy.sources import OWNERS, Ending

REVIEWS = "daypass/review/"
"""What the branches of the requests begin with on which emergencies are reviewed; the grant follows."""

TITLE = "Review the emergency access of"
"""What the titles of these requests begin with; the subject follows."""

REJECTED = "review-rejected"
"""The code of the end of what people rejected afterwards."""

DEFAULT = "review"
"""What stands for a rule's id where the purpose no longer says who reviews it."""


class ReviewRequest(NamedTuple):
    """A request on which an emergency is reviewed: its head, since when it is open, when it was pushed to last."""

    head: Oid
    opened_at: datetime
    pushed_at: datetime | None = None


def branch_of(grant: GrantId, number: int = 1) -> str:
    """Return the branch of the request on which a grant is reviewed; others may have taken the first names of it."""
    return f"{REVIEWS}{grant}" + (f".{number}" if number > 1 else "")


def reviewed_on(branch: str) -> GrantId | None:
    """Return the grant that is reviewed on a branch, None where it is no such branch."""
    return GrantId(branch.removeprefix(REVIEWS).partition(".")[0]) if branch.startswith(REVIEWS) else None


def title_of(awaited: Awaited) -> str:
    """Return the title of the request on which an emergency is reviewed."""
    return f"{TITLE} {awaited.subject}: {awaited.role} on {awaited.resource}"


def needed(policy: Policy, awaited: Awaited, at: datetime, opened_at: datetime) -> Requirement:
    """Return what the review takes, with the people who can give it: an owner, where the purpose no longer says."""
    need = policy.reviews.get(awaited.purpose) or Requirement(1, OWNERS, (DEFAULT,))
    names = policy.catalogue.renames
    resource, subject = names.resource(awaited.resource), names.subject(awaited.subject)
    access = Ending(resource, subject, names.subject(awaited.requester))
    (found,) = resolve(policy.catalogue, access, (need,), at, since=opened_at)
    return found


def judge_review(
    policy: Policy, awaited: Awaited, asked: ReviewRequest, reviews: Sequence[Review], at: datetime
) -> Judgement:
    """Hold what people said of an emergency by an instant against what its review takes."""
    given = [review for review in reviews if review.at <= at]
    handles = {review.by.handle for review in given if review.by.handle}
    gone = {handle: why for handle in sorted(handles) if (why := _absent(policy.catalogue, handle, at))}
    return judge(
        (needed(policy, awaited, at, asked.opened_at),),
        given,
        head=asked.head,
        # By another name they are the same people.
        excluded=Excluded(gone | {policy.catalogue.renames.subject(who): why for who, why in awaited.barred}),
        opened_at=asked.opened_at,
        at=at,
        moved_at=asked.pushed_at,
    )


def _absent(catalogue: Catalogue, handle: str, at: datetime) -> str:
    subject = catalogue.directory.subjects.get(handle)
    if subject is not None and catalogue.unheard(subject):
        return "has no SSH key in the directory, and limits.unsigned refuses what nobody signed"
    return catalogue.absence(handle, at)


def records_of(judgement: Judgement) -> tuple[ApprovalRecord, ...]:
    """Return what counted, for the receipt: the rejections where there are any, else the approvals."""
    if judgement.rejections:
        return tuple(
            ApprovalRecord(r.by.handle, "", r.commit, r.at, r.id, number=r.by.number) for r in judgement.rejections
        )
    return tuple(
        ApprovalRecord(
            c.handle,
            c.source,
            c.review.commit,
            c.review.at,
            c.review.id,
            number=c.review.by.number,
            acts_for=c.acts_for,
        )
        for c in judgement.counted
    )
