"""Replaying what was asked for: every request that the ledger knows of, judged by two policies."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from itertools import islice

from msgspec import Struct

from daypass.core.files.grants import read_grant
from daypass.core.grant import Grant
from daypass.core.ids import GrantId, Oid, grant_path
from daypass.core.ledger.receipt import Admission, Decided, Receipt, Resolution
from daypass.core.policy.analysis.between import RulesChanged, rules_alone
from daypass.core.policy.analysis.compare import Compared, PolicyComparison, compare
from daypass.core.policy.decision import Request
from daypass.core.policy.policies import Policy
from daypass.pipeline.audit.questions import Index

_BATCH = 500


class Replayed(Struct, frozen=True):
    """What moved of requests of the past, and of those whose access is still to run; ``unread`` files are gone from git."""

    history: Compared
    live: Compared
    unread: int


class _PastRequest(Struct, frozen=True):
    """A file that somebody asked for. ``until`` is when its access ends, None where it was given none."""

    grant: GrantId
    blob: Oid
    requester: str
    opened_at: datetime
    merged_at: datetime
    until: datetime | None

    def runs(self, at: datetime) -> bool:
        """Say whether its access is still to run, or runs, at an instant."""
        return self.until is not None and self.until > at


def replay(
    index: Index,
    before: Policy,
    after: Policy,
    *,
    at: datetime,
    most: int | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> Replayed:
    """Judge by both policies what was admitted, and what policy denied, each at its own instant.

    With ``most`` no more than the last so many are, beside those whose access still runs.

    Raises LedgerError where the ledger does not verify.
    """
    sources = index.follow(at)
    history, live = PolicyComparison(), PolicyComparison()
    unread: list[GrantId] = []
    every = _every(index, sources.receipts, progress)
    changed = RulesChanged(before, after) if rules_alone(before, after) else None
    for batch in _batches(every if most is None else _last(every, most, at)):
        for asked, request in _read(index, batch, unread):
            difference = changed.moved(request) if changed is not None else compare(before, after, request)
            history.add(difference)
            if asked.runs(at):
                live.add(difference)
    return Replayed(history.result(), live.result(), len(unread))


def _every(index: Index, receipts: int, progress: Callable[[int, int, str], None] | None) -> Iterator[_PastRequest]:
    for receipt in index.all_receipts((Admission, Decided)):
        yield from _asked(receipt)
        if progress is not None and receipt.sequence % _BATCH == 0:
            progress(receipt.sequence, receipts, "receipts")


def _last(every: Iterable[_PastRequest], most: int, at: datetime) -> Iterator[_PastRequest]:
    """Keep the last so many, and before them those whose access still runs."""
    last: deque[_PastRequest] = deque()
    for one in every:
        last.append(one)
        if len(last) > most and (older := last.popleft()).runs(at):
            yield older
    yield from last


def _batches(every: Iterator[_PastRequest]) -> Iterator[list[_PastRequest]]:
    while batch := list(islice(every, _BATCH)):
        yield batch


def _asked(receipt: Receipt) -> Iterator[_PastRequest]:
    body = receipt.body
    if receipt.void:
        return
    if isinstance(body, Admission) and not body.narrowed_from:
        until = body.window.end
        yield _PastRequest(body.grant, body.blob, body.requester, body.requested_at, body.merged_at, until)
    elif isinstance(body, Decided) and body.what is Resolution.DENIED:
        for file in body.asked:
            yield _PastRequest(file.grant, file.blob, body.requester, body.requested_at, receipt.run_at, None)


def _read(index: Index, waiting: list[_PastRequest], unread: list[GrantId]) -> Iterator[tuple[_PastRequest, Request]]:
    contents = index.contents({one.blob for one in waiting})
    for one in waiting:
        grant = read_grant(grant_path(one.grant), contents[one.blob]) if one.blob in contents else None
        if isinstance(grant, Grant):
            yield one, Request(grant, one.requester, one.opened_at, window=grant.span.starting(one.merged_at))
        else:
            unread.append(one.grant)
