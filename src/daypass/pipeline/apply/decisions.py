"""What became of requests that were not merged, for the ledger: denied by policy, rejected, closed.

The forge's record tells, and only requests of the directory's people count: a stranger with a fork must not fill the
ledger. Each decision on one head is told once, and a day has so many.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta

from msgspec import Struct, field

from daypass.core.approval.review import reviewed_on
from daypass.core.errors import EdgeError, RefusedError
from daypass.core.forge import CLOSED, Account, Pull, Review
from daypass.core.ledger.receipt import AskedFile, Decided, Resolution, words_digest
from daypass.core.ledger.records import ActRecord
from daypass.core.ledger.standing import Standing
from daypass.core.request import Gated
from daypass.pipeline.apply.tidy import GENERATED, REMOVAL
from daypass.pipeline.context import Context
from daypass.pipeline.judge.gate import look

SPAN = timedelta(days=7)
"""What happened so long ago is still looked at, or as long as nothing was written: a run that was cut short left some."""

MOST_A_DAY = 200
MOST_OF_ONE = 20
"""How many decisions a day's receipts tell of, and of one requester's requests."""

_DAY = timedelta(days=1)


class Decisions(Struct):
    """What there is to record. ``left`` are over the day's limits, ``unread`` says which requests could not be judged.

    ``closed`` are those of which it is recorded that people closed them, as they were found.
    """

    bodies: list[Decided] = field(default_factory=list)
    closed: list[Gated] = field(default_factory=list)
    left: int = 0
    unread: list[str] = field(default_factory=list)


def decisions(context: Context, *, at: datetime, enough: Callable[[], bool] = lambda: False) -> Decisions:
    """Gather what was decided and is in no receipt yet; ``enough`` leaves the rest to the next run."""
    standing, found = context.standing, Decisions()
    recent = [told.requester for told in standing.decided.values() if told.at > at - _DAY]
    count, of_one = len(recent), Counter(recent)
    for pull in context.forge.unmerged_pulls(min(at - SPAN, standing.at or at)):
        if enough():
            break
        if _told(standing, pull):
            continue
        try:
            seen = look(context, pull.number, at=at)
            new = [body for body in _of(context, seen) if body.key not in standing.decided]
        except (EdgeError, RefusedError) as error:
            found.unread.append(f"what became of #{pull.number} cannot be told: {error.message}")
            continue
        for body in new:
            if count >= MOST_A_DAY or of_one[body.requester] >= MOST_OF_ONE:
                found.left += 1
                continue
            count += 1
            of_one[body.requester] += 1
            found.bodies.append(body)
            by_people = seen.pull.closing is not None and seen.pull.closing.by.person  # what we close we tell at once
            found.closed += [seen] if body.what in _ENDS and by_people else []
    return found


_ENDS = (Resolution.CLOSED, Resolution.WITHDRAWN)


def _told(standing: Standing, pull: Pull) -> bool:
    """Whether a request, as a list shows it, has nothing to tell: nobody of ours asks, or its end is on record."""
    stranger = pull.opened_by.person and not pull.opened_by.handle
    over = pull.state == "closed" and any((pull.number, pull.head, end) in standing.decided for end in _ENDS)
    # A person who names a branch so hides nothing.
    ours = pull.branch in (REMOVAL, GENERATED) or reviewed_on(pull.branch) is not None
    ours = ours and not pull.opened_by.person
    return ours or stranger or over or (pull.draft and pull.state == "open")


def _of(context: Context, found: Gated) -> Iterator[Decided]:
    pull, proposal = found.pull, found.proposal
    by = pull.opened_by
    if pull.state == "merged" or not (by.person and by.handle) or found.no_request:
        return

    def decided(what: Resolution, by: Iterable[ActRecord] = (), codes: Iterable[str] = (), said: str = "") -> Decided:
        who, number, asked = pull.opened_by.handle, pull.opened_by.number, _asked(found)
        told = tuple(by), tuple(codes), words_digest(said), number
        return Decided(what, pull.number, pull.head, who, pull.asked_at, proposal.base, asked, *told)

    # While main's policies do not read, nobody knows what they would have said.
    if pull.state == "open" and proposal.denied and not proposal.policy.broken:
        yield decided(Resolution.DENIED, codes=_codes(found))
    rejections = _rejections(context, found)
    if rejections:
        acts = [_act(review.by, "rejected", review.at) for review in rejections]
        yield decided(Resolution.REJECTED, acts, said=rejections[-1].reason)
    if pull.closing is not None:
        own = pull.closing.by.handle == by.handle
        what = Resolution.WITHDRAWN if own else Resolution.CLOSED
        yield decided(what, [_act(pull.closing.by, CLOSED, pull.closing.at)], said=pull.closed_reason)


def _asked(found: Gated) -> tuple[AskedFile, ...]:
    people = found.proposal.policy.catalogue.directory.subjects
    files = []
    for item in found.proposal.items:
        grant = item.grant or item.old
        known = grant is not None and grant.subject in people  # what else stands there is somebody's free text
        files.append(AskedFile(item.id, item.blob, item.kind, grant.subject if grant is not None and known else ""))
    return tuple(files)


def _codes(found: Gated) -> list[str]:
    items = (item.decision for item in found.proposal.items if item.decision is not None)
    return sorted({denial.rule or denial.code for decision in items for denial in decision.denials})


def _rejections(context: Context, found: Gated) -> list[Review]:
    """Return the rejections of the head that stand, of the directory's people: the last word of each counts."""
    # What cannot be judged as it is, since its window has passed meanwhile, was rejected all the same.
    reviews = found.evidence.reviews if found.evidence is not None else context.forge.reviews(found.pull.number)
    last = {
        review.by.handle: review for review in reviews if review.by.handle and review.by.person and review.by.proved
    }
    return [one for one in last.values() if one.state == "rejected" and one.commit == found.pull.head]


def _act(account: Account, did: str, at: datetime) -> ActRecord:
    return ActRecord(account.handle, did, at, number=account.number)
