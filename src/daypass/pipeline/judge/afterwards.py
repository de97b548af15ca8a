"""Requests on which emergencies are reviewed: which one is which, and what the gate waits for.

It merges such a request once the access was reviewed, a receipt says so, and the access has ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from daypass.core.approval.review import TITLE, ReviewRequest, judge_review, reviewed_on, title_of
from daypass.core.errors import InvalidError
from daypass.core.finding import Finding, Place
from daypass.core.forge import Pull, Review
from daypass.core.ids import GrantId, Oid, grant_path
from daypass.core.ledger.records import Awaited
from daypass.core.record import replace
from daypass.core.request import CONFLICT, ItemVerdict, Proposal
from daypass.core.window import format_instant
from daypass.pipeline.context import Context


def review_of(context: Context, pull: Pull) -> tuple[tuple[GrantId, Oid], Awaited] | None:
    """Return the emergency that a request reviews, None where it reviews none that waits.

    Its branch says nothing: anybody may have made that. It must delete just the file that was given, to the byte, say in
    its title what it is, be opened after the merge, and by nobody who had a part in it.
    """
    grant = reviewed_on(pull.branch)
    waiting = {key: one for key, one in context.standing.unreviewed.items() if key[0] == grant}
    if grant is None or not waiting:
        return None
    blob = _deleted(context, pull, grant)
    for key, awaited in waiting.items():
        mine = blob == awaited.blob and pull.title == title_of(awaited) and pull.asked_at >= awaited.since
        if mine and pull.opened_by.handle not in dict(awaited.barred):
            return key, awaited
    return None


def _deleted(context: Context, pull: Pull, grant: GrantId) -> Oid | None:
    root = context.history.merge_base(context.tip, pull.head)
    try:
        changes = context.history.changes(root, pull.head, most=2) if root is not None else ()
    except InvalidError:
        return None
    alone = len(changes) == 1 and changes[0].deleted and changes[0].path == grant_path(grant)
    return changes[0].old if alone else None


def on_review(pull: Pull, proposal: Proposal) -> Proposal:
    """Say what becomes of a request for a review whose file main has changed meanwhile: nobody pushes to its branch."""
    if not proposal.conflicts or reviewed_on(pull.branch) is None:
        return proposal
    hint = (
        "review it all the same; once the access has ended, `daypass expire` proposes to remove the file, and after that"
        " the gate merges this one as well"
    )
    found = (replace(one, hint=hint) if one.code == CONFLICT else one for one in proposal.findings)
    return replace(proposal, findings=tuple(found))


def review_verdicts(
    context: Context,
    pull: Pull,
    reviews: Sequence[Review],
    verdicts: tuple[ItemVerdict, ...],
    at: datetime,
    *,
    conflicts: bool = False,
) -> tuple[ItemVerdict, ...]:
    """Return verdicts, of a request that is still open and reviews an emergency with what its review takes.

    What takes access away by another request waits for no review. One that ``conflicts`` is not merged as it is.
    """
    grant = reviewed_on(pull.branch)
    if grant is None or pull.merge is not None:
        return verdicts
    found = review_of(context, pull)
    if found is None and conflicts:  # reviewed; the finding says what becomes of it, and keeps it from being merged
        return tuple(replace(one, judgement=None) if one.item.id == grant else one for one in verdicts)
    return tuple(_one(context, pull, reviews, one, found, at) if one.item.id == grant else one for one in verdicts)


def _one(
    context: Context,
    pull: Pull,
    reviews: Sequence[Review],
    verdict: ItemVerdict,
    found: tuple[tuple[GrantId, Oid], Awaited] | None,
    at: datetime,
) -> ItemVerdict:
    grant = verdict.item.id
    place = Place(grant_path(grant))
    if found is not None:
        awaited = found[1]
        told = f"reviews the emergency access of {awaited.subject}, by {format_instant(awaited.by)}"
        asked = ReviewRequest(pull.head, pull.asked_at, pull.pushed_at)
        judgement = judge_review(context.policy_at(context.tip), awaited, asked, reviews, at)
        verdict = replace(verdict, reviews=told, judgement=judgement)
        if not judgement.met:
            return verdict
        message = f"{grant} is reviewed, and no receipt says so yet"
        return replace(verdict, problems=(Finding("review-unrecorded", place, message, "`daypass apply` writes it"),))
    if grant in context.standing.reviewed and verdict.item.ending is not None and pull.title.startswith(TITLE):
        message = f"{grant} is reviewed, and its access has not ended yet"
        hint = "it is merged once the access has ended"
        return replace(verdict, judgement=None, problems=(Finding("review-early", place, message, hint),))
    return verdict
