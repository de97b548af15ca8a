"""Reviews of emergencies: a request of its own for each, and a receipt of what people said.

The request deletes just the grant's file. It is merged once people have reviewed what was given, a receipt says so, and the
access has ended; nothing else waits for it. Who reviews is judged by main's policies at the receipt's commit of main.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from msgspec import Struct

from daypass.core.approval.judgement import Judgement
from daypass.core.approval.review import REJECTED, ReviewRequest, branch_of, judge_review, records_of
from daypass.core.forge import Pull
from daypass.core.ids import GrantId, Oid, grant_path
from daypass.core.ledger.receipt import Ended, Reviewed, words_digest
from daypass.core.ledger.records import Awaited
from daypass.pipeline.apply.tidy import open_from
from daypass.pipeline.context import Context, WritingContext
from daypass.ports import History

_REJECTED = "the people who reviewed it rejected it"


class AwaitedReview(Struct, frozen=True):
    """An emergency that nobody has reviewed yet. ``pull`` is the open request for it, None where there is none (any more).

    ``judgement`` is what people have said so far. ``why`` says what keeps them from being heard, "" for nothing.
    """

    grant: GrantId
    landing: Oid
    awaited: Awaited
    pull: Pull | None = None
    judgement: Judgement | None = None
    why: str = ""


def awaited_reviews(context: Context, *, at: datetime) -> tuple[AwaitedReview, ...]:
    """Return the emergencies that nobody has reviewed yet, with what people have said. Asks no forge where there are none.

    Of those of one grant, which was extended meanwhile, what main has now comes last.
    """
    waiting = context.standing.unreviewed
    if not waiting:
        return ()
    pulls = {pull.branch: pull.number for pull in context.forge.open_pulls()}
    now = {grant: proof.landing for grant, _ in waiting if (proof := context.standing.admission(grant)) is not None}
    ordered = sorted(waiting.items(), key=lambda one: (one[0][0], now.get(one[0][0]) == one[0][1], one[1].by))
    return tuple(_one(context, *key, awaited, pulls.get(branch_of(key[0])), at) for key, awaited in ordered)


def _one(
    context: Context, grant: GrantId, landing: Oid, awaited: Awaited, number: int | None, at: datetime
) -> AwaitedReview:
    if number is None:
        return AwaitedReview(grant, landing, awaited)
    pull = context.forge.pull(number)
    if not _deletes_just(context.history, context.tip, pull, grant):
        why = f"#{number} does something else than to delete its file"
        return AwaitedReview(grant, landing, awaited, pull, why=why)
    policy = context.policy_at(Oid(context.standing.main))
    if policy.broken:
        return AwaitedReview(grant, landing, awaited, pull, why="main's policies have faults")
    asked = ReviewRequest(pull.head, pull.asked_at, pull.pushed_at)
    judgement = judge_review(policy, awaited, asked, context.forge.reviews(number), at)
    return AwaitedReview(grant, landing, awaited, pull, judgement)


def _deletes_just(history: History, main: Oid, pull: Pull, grant: GrantId) -> bool:
    root = history.merge_base(main, pull.head)
    changes = history.changes(root, pull.head, most=2) if root is not None else ()
    return [(change.path, change.deleted) for change in changes] == [(grant_path(grant), True)]


def reviewed(context: Context, *, at: datetime) -> Iterator[Reviewed | Ended]:
    """Yield the receipts of what was reviewed by now; what was rejected ends."""
    for one in awaited_reviews(context, at=at):
        judgement, pull = one.judgement, one.pull
        if judgement is None or pull is None or not (judgement.met or judgement.rejections):
            continue
        rejected = judgement.rejections
        said = words_digest(rejected[-1].reason) if rejected else ""
        told = records_of(judgement)
        yield Reviewed(one.grant, one.awaited.blob, one.landing, pull.number, pull.head, not rejected, told, said)
        proof = context.standing.admission(one.grant)
        if not rejected or proof is None or proof.window.ended(at) or one.grant in context.standing.ends:
            continue
        if proof.awaited is not None and proof.awaited.by == one.awaited.by:  # narrowed or not, but not extended since
            yield Ended(one.grant, proof.blob, proof.landing, at, REJECTED, _REJECTED)


def open_reviews(context: WritingContext, *, at: datetime) -> Iterator[Pull]:
    """Open the request of each emergency that has none and whose file main still has, and yield it."""
    opened: set[GrantId] = set()
    for one in awaited_reviews(context, at=at):
        if one.pull is not None or one.grant in opened or context.standing.admission(one.grant) is None:
            continue
        opened.add(one.grant)
        files = [(grant_path(one.grant), None)]
        title = f"Review the emergency access of {one.awaited.subject}: {one.awaited.role} on {one.awaited.resource}"
        yield open_from(context, branch_of(one.grant), files, title, at=at, body=_body(one), fresh=True)


def _body(one: AwaitedReview) -> str:
    return (
        f"`{one.grant}` was given without a person's approval. Approve it if it was right; reject it, and the access ends.\n\n"
        "Whoever has the access, asked for it or approved it cannot review it. This request deletes just its file, and is "
        "merged once it is reviewed and the access has ended.\n"
    )
