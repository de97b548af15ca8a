"""Reviews of emergencies: a request of its own for each, and a receipt of what people said.

The request deletes just the grant's file. It is merged once people have reviewed what was given, a receipt says so, and the
access has ended; nothing else waits for it. Who reviews is judged by main's policies at the receipt's commit of main.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from msgspec import Struct

from daypass.core.approval.judgement import Judgement
from daypass.core.approval.review import (
    REJECTED,
    ReviewRequest,
    branch_of,
    judge_review,
    records_of,
    reviewed_on,
    title_of,
)
from daypass.core.bounds.purposes import UNREVIEWED
from daypass.core.errors import ConflictError, EdgeError, RefusedError
from daypass.core.forge import Pull
from daypass.core.ids import GrantId, Oid, grant_path
from daypass.core.ledger.receipt import Ended, Reviewed, words_digest
from daypass.core.ledger.records import Awaited
from daypass.pipeline.context import Context, WritingContext
from daypass.pipeline.judge.afterwards import review_of

_REJECTED = "the people who reviewed it rejected it"
_LATE = "nobody had reviewed it by when they were to"

_NAMES = 20
"""So many names of a branch are tried: anybody who may push can take some."""


class AwaitedReview(Struct, frozen=True):
    """An emergency that nobody has reviewed yet. ``pull`` is the open request for it, None where there is none (any more).

    ``judgement`` is what people have said so far, and ``in_time`` whether they had approved it by when they were to.
    """

    grant: GrantId
    landing: Oid
    awaited: Awaited
    pull: Pull | None = None
    judgement: Judgement | None = None
    in_time: bool = False


def awaited_reviews(context: Context, *, at: datetime) -> tuple[AwaitedReview, ...]:
    """Return the emergencies that nobody has reviewed yet, with what people have said. Asks no forge where there are none.

    Of those of one grant, which was extended meanwhile, what main has now comes last.
    """
    waiting = context.standing.unreviewed
    if not waiting:
        return ()
    pulls: dict[tuple[GrantId, Oid], Pull] = {}
    for listed in context.forge.open_pulls():
        if reviewed_on(listed.branch) is not None:
            try:
                pull = context.forge.pull(listed.number)
            except (EdgeError, RefusedError):
                continue  # anybody may make one that nobody can read; it keeps no other from being heard
            if (found := review_of(context, pull)) is not None:
                pulls.setdefault(found[0], pull)
    now = {grant: proof.landing for grant, _ in waiting if (proof := context.standing.admission(grant)) is not None}
    ordered = sorted(waiting.items(), key=lambda one: (one[0][0], now.get(one[0][0]) == one[0][1], one[1].by))
    return tuple(_one(context, *key, awaited, pulls.get(key), at) for key, awaited in ordered)


def _one(
    context: Context, grant: GrantId, landing: Oid, awaited: Awaited, pull: Pull | None, at: datetime
) -> AwaitedReview:
    if pull is None:
        return AwaitedReview(grant, landing, awaited)
    asked, reviews = ReviewRequest(pull.head, pull.asked_at, pull.pushed_at), context.forge.reviews(pull.number)
    then = context.policy_at(Oid(context.standing.main))
    judgement = judge_review(then, awaited, asked, reviews, at)
    # Whoever has left by main's last word is no reviewer any more; receipts name the main before it.
    now = judge_review(context.policy_at(context.tip), awaited, asked, reviews, at)
    in_time = judge_review(then, awaited, asked, reviews, min(at, awaited.by))
    return AwaitedReview(grant, landing, awaited, pull, judgement if now.met or now.rejections else now, in_time.met)


def reviewed(context: Context, *, at: datetime) -> Iterator[Reviewed | Ended]:
    """Yield the receipts of what was reviewed by now; what was rejected ends, and what was approved too late had ended."""
    for one in awaited_reviews(context, at=at):
        judgement, pull = one.judgement, one.pull
        if judgement is None or pull is None or not (judgement.met or judgement.rejections):
            continue
        rejected = judgement.rejections
        said = words_digest(rejected[-1].reason) if rejected else ""
        told = (pull.number, pull.head, not rejected, records_of(judgement), said)
        proof = context.standing.admission(one.grant)
        # What was narrowed since is what was approved; what was extended since is not.
        mine = proof is not None and proof.awaited is not None and proof.awaited.by == one.awaited.by
        live = mine and proof is not None and not proof.window.ended(at) and one.grant not in context.standing.ends
        if live and proof is not None and not rejected and not one.in_time:
            yield Ended(one.grant, proof.blob, proof.landing, one.awaited.by, UNREVIEWED, _LATE)
        yield Reviewed(one.grant, one.awaited.blob, one.landing, *told)
        if live and proof is not None and proof.landing != one.landing:
            yield Reviewed(one.grant, proof.blob, proof.landing, *told)
        if live and proof is not None and rejected:
            yield Ended(one.grant, proof.blob, proof.landing, at, REJECTED, _REJECTED)


def open_reviews(context: WritingContext, *, at: datetime) -> Iterator[Pull]:
    """Open the request of each emergency that has none, and yield it: on top of what brought it, so that it shows just that.

    Raises ConflictError where all names of its branch are taken.
    """
    for one in awaited_reviews(context, at=at):
        if one.pull is None:
            yield _open(context, one, at)


def _open(context: WritingContext, one: AwaitedReview, at: datetime) -> Pull:
    forge, title = context.forge, title_of(one.awaited)
    files = [(grant_path(one.grant), None)]
    for number in range(1, _NAMES + 1):
        branch = branch_of(one.grant, number)
        try:
            head = forge.commit(branch=branch, parent=one.landing, files=files, message=title, at=at, fresh=True)
        except ConflictError:
            if number == _NAMES:
                raise
            continue
        return forge.open(branch=branch, head=head, title=title, at=at, body=_body(one))
    raise RuntimeError("a branch has a name")  # pragma: no cover


def _body(one: AwaitedReview) -> str:
    return (
        f"`{one.grant}` was given without a person's approval. Approve it if it was right; reject it, and the access ends.\n\n"
        "Whoever has the access, asked for it or approved it cannot review it. This request deletes just its file, and is "
        "merged once it is reviewed and the access has ended.\n"
    )
