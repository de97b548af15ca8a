"""The history of access: each event from the request to the access that was seen to be gone, in order.

Landings are ordered by their position in main's first-parent history, never by the dates of commits, which their
authors choose; what receipts say lies between them by the times that the receipts prove.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import Enum

from msgspec import Struct, field

from daypass.core.audit.access import (
    NO_TRAILERS,
    UNWRITTEN,
    VOID,
    GrantStep,
    Holdings,
    Trailers,
    Words,
    approvers,
    lateness,
)
from daypass.core.forge import acting_words
from daypass.core.ids import GrantId, Oid
from daypass.core.ledger.receipt import (
    Admission,
    Certified,
    Decided,
    Ended,
    Outcome,
    Receipt,
    Refusal,
    Retirement,
    Reviewed,
    Settled,
)
from daypass.core.plan import Action, Reason
from daypass.core.record import replace


class EventKind(Enum):
    """What an event of a history is."""

    REQUESTED = "requested"
    APPROVED = "approved"
    MERGED = "merged"
    FILE_REMOVED = "file removed"
    ADMITTED = "admitted"
    REFUSED = "refused"
    RETIRED = "retired"
    ADDED = "access added"
    REMOVED = "access removed"
    FAILED = "failed"
    SETTLED = "doubt settled"
    ENDED = "ended"
    DENIED = "denied"
    REJECTED = "rejected"
    CLOSED = "closed"
    WITHDRAWN = "withdrawn"
    REVIEWED = "reviewed afterwards"
    CERTIFIED = "certified"


class HistoryEvent(Struct, frozen=True):
    """One event of a history. ``at`` is None where nothing that can be proved dates it.

    ``commit``, ``pull``, ``approvers`` and ``policy`` are those of the landing that the event belongs to (for an
    approval the commit that was approved); ``receipt`` is the sequence of the receipt that says so, None for what
    only git says; ``late`` is how many seconds after its window an access was seen to be gone; ``words`` are those of
    the file that was asked for or merged, or why it was removed.
    """

    kind: EventKind
    at: datetime | None
    grants: tuple[GrantId, ...]
    subject: str = ""
    resource: str = ""
    role: str = ""
    by: str = ""
    commit: str = ""
    pull: int | None = None
    approvers: tuple[str, ...] = ()
    policy: str = ""
    receipt: int | None = None
    late: int | None = None
    detail: str = ""
    words: Words = UNWRITTEN


class Material(Struct, frozen=True):
    """All that a history is told from: receipts in order, steps by position, and what the steps' messages say.

    ``subjects`` maps a blob to the subject that the file names, for landings that no receipt admits; ``anchors`` maps
    the digest in a ``Daypass-Ledger`` trailer to the instant of the receipt that has it; ``words`` maps a blob to what
    people wrote there, and ``reasons`` a landing to why it ended grants. ``said`` maps a digest to the words that it is of.
    """

    receipts: Sequence[Receipt] = ()
    steps: Sequence[GrantStep] = ()
    trailers: Mapping[Oid, Trailers] = field(default_factory=dict)
    subjects: Mapping[Oid, str] = field(default_factory=dict)
    anchors: Mapping[str, datetime] = field(default_factory=dict)
    words: Mapping[Oid, Words] = field(default_factory=dict)
    reasons: Mapping[Oid, str] = field(default_factory=dict)
    said: Mapping[str, str] = field(default_factory=dict)


def history(material: Material) -> tuple[HistoryEvent, ...]:
    """Tell how access came to be and what ended it, in order."""
    proofs = _Proofs.of(material.receipts)
    placed: list[tuple[_Key, HistoryEvent]] = []
    reached = _EARLIEST
    told: set[tuple[str, GrantId]] = set()
    for step in sorted(material.steps):
        reached = max(reached, _placed(step, proofs, material))
        said = _why(step.commit, material) if step.removed else material.words.get(step.new, UNWRITTEN)
        landing = replace(_landing(step, proofs, material), words=said)
        placed.append(((*reached, step.position), landing))
        told.add((step.commit, step.grant))
    for receipt in material.receipts:
        for event in _events(receipt, proofs, material) if not receipt.void else _voided(receipt, proofs, material):
            if event.kind is not EventKind.MERGED:
                placed.append(((event.at or receipt.at, _RANK.get(event.kind, _RECEIPT), receipt.sequence), event))
            elif (event.commit, event.grants[0]) not in told:
                lost = replace(event, detail="this landing is not in main's history")
                placed.append(((receipt.at, _LANDING, receipt.sequence), lost))
    return tuple(event for _, event in sorted(placed, key=lambda item: item[0]))


def _why(landing: Oid, material: Material) -> Words:
    return Words(material.reasons.get(landing, ""))


_Key = tuple[datetime, int, int]
_RANK = {EventKind.REQUESTED: 0, EventKind.APPROVED: 1}
_LANDING, _RECEIPT, _AFTER = 2, 3, 4
_DIGITS = 19
_EARLIEST = (datetime.fromisoformat("0001-01-01T00:00:00+00:00"), 0)


class _Proofs(Struct, frozen=True):
    """What receipts say of each landing, and what was in force at each outcome."""

    settled: dict[tuple[Oid, GrantId], Receipt]
    retired: dict[tuple[GrantId, Oid], Receipt]
    basis: dict[int, tuple[Admission, ...]]
    until: dict[int, datetime | None]

    @classmethod
    def of(cls, receipts: Sequence[Receipt]) -> _Proofs:
        found, holdings = cls({}, {}, {}, {}), Holdings(ends=True)
        for receipt in receipts:
            body = receipt.body
            if receipt.void:
                found.basis[receipt.sequence], found.until[receipt.sequence] = (), None
            elif isinstance(body, Admission | Refusal):
                found.settled[body.landing, body.grant] = receipt
            elif isinstance(body, Retirement):
                found.retired.setdefault((body.grant, body.blob), receipt)
                found.basis[receipt.sequence] = holdings.basis((body.grant,))
            elif isinstance(body, Ended | Reviewed):
                found.basis[receipt.sequence] = holdings.basis((body.grant,))
            elif isinstance(body, Outcome):
                found.basis[receipt.sequence] = holdings.basis(body.change.grants)
                found.until[receipt.sequence] = holdings.until.get(body.change.entitlement)
            holdings.add(receipt)
        return found


def _placed(step: GrantStep, proofs: _Proofs, material: Material) -> tuple[datetime, int]:
    """Return where among what receipts say a landing stands: only for its order, for no date of its own is proved.

    The forge's merge record dates a landing that was admitted by it. Else the merge message names the last receipt of
    that moment; where it does not, the landing is told just before the first receipt that knows of it.
    """
    receipt = proofs.settled.get((step.commit, step.grant))
    if receipt is not None and isinstance(receipt.body, Admission) and not receipt.body.narrowed_from:
        return (receipt.body.merged_at, _LANDING)
    anchor = material.anchors.get(material.trailers.get(step.commit, NO_TRAILERS).ledger)
    if anchor is not None:
        return (anchor, _AFTER)
    if receipt is None and step.removed:
        receipt = proofs.retired.get((step.grant, step.old))
    return (receipt.at, _LANDING) if receipt is not None else _EARLIEST


def _landing(step: GrantStep, proofs: _Proofs, material: Material) -> HistoryEvent:
    receipt = proofs.retired.get((step.grant, step.old)) if step.removed else None
    receipt = receipt or proofs.settled.get((step.commit, step.grant))
    sequence = receipt.sequence if receipt is not None else None
    admission = receipt.body if receipt is not None and isinstance(receipt.body, Admission) else None
    if admission is not None and not admission.narrowed_from:
        return _of_admission(EventKind.MERGED, admission, at=admission.merged_at, receipt=sequence)
    trailers = material.trailers.get(step.commit, NO_TRAILERS)
    kind = EventKind.FILE_REMOVED if step.removed else EventKind.MERGED
    return replace(
        _of_file(kind, None, step.grant, step.commit, sequence, material),
        subject=material.subjects.get(step.old if step.removed else step.new, ""),
        role=admission.role if admission is not None else "",
        by=trailers.requester,
        detail="not merged by the gate" if trailers.empty else "as the merge message says",
    )


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < _DIGITS else None


def _of_admission(
    kind: EventKind, admission: Admission, *, at: datetime, commit: str = "", by: str = "", receipt: int | None = None
) -> HistoryEvent:
    return HistoryEvent(
        kind=kind,
        at=at,
        grants=(admission.grant,),
        subject=admission.subject,
        resource=admission.resource,
        role=admission.role,
        by=by,
        commit=commit or admission.landing,
        pull=admission.pull,
        approvers=approvers(admission),
        policy=admission.policy,
        receipt=receipt,
        detail=f"narrows {admission.narrowed_from[:12]}" if admission.narrowed_from else "",
    )


def _events(receipt: Receipt, proofs: _Proofs, material: Material) -> list[HistoryEvent]:
    body, sequence = receipt.body, receipt.sequence
    if isinstance(body, Admission) and body.narrowed_from:
        # It needs no request and no approval of its own: those of the grant that it narrows were told already.
        found = _of_admission(EventKind.ADMITTED, body, at=receipt.at, receipt=sequence)
        lack = f"; nobody was entitled to narrow it [{body.lack}]" if body.lack else ""
        return [replace(found, detail=found.detail + lack)]
    if isinstance(body, Admission):
        requested = _of_admission(
            EventKind.REQUESTED, body, at=body.requested_at, commit=body.head, by=body.requester, receipt=sequence
        )
        requested = replace(requested, words=material.words.get(body.blob, UNWRITTEN))
        approved = [
            _of_admission(
                EventKind.APPROVED,
                body,
                at=record.at,
                commit=record.commit,
                by=f"{acting_words(record.by, record.acts_for)} ({record.source})",
                receipt=sequence,
            )
            for record in body.approvals
        ]
        merged = _of_admission(EventKind.MERGED, body, at=body.merged_at, receipt=sequence)
        return [requested, *approved, merged, _of_admission(EventKind.ADMITTED, body, at=receipt.at, receipt=sequence)]
    if isinstance(body, Refusal):
        found = _of_file(EventKind.REFUSED, receipt.at, body.grant, body.landing, sequence, material)
        detail = f"{body.code}: {body.message}"
        return [replace(found, subject=material.subjects.get(body.blob, ""), detail=detail)]
    if isinstance(body, Retirement):
        found = _of_file(EventKind.RETIRED, receipt.at, body.grant, body.commit, sequence, material)
        said = ["by the emergency stop"] if body.revoked else []
        said += [f"nobody was entitled to end it [{body.lack}]"] if body.lack else []
        why = _why(body.commit, material)
        found = replace(found, by=body.by, pull=body.pull or found.pull, detail="; ".join(said), words=why)
        return _whose(found, proofs.basis[sequence])
    if isinstance(body, Ended):
        found = _of_file(EventKind.ENDED, receipt.at, body.grant, body.landing, sequence, material)
        return _whose(replace(found, detail=f"{body.code}: {body.bound}"), proofs.basis[sequence])
    if isinstance(body, Reviewed):
        return _whose(_of_review(receipt, body, material), proofs.basis[sequence])
    if isinstance(body, Outcome):
        return [_of_outcome(receipt, body, proofs)]
    if isinstance(body, Settled):
        return [_of_settled(receipt, body)]
    if isinstance(body, Decided):
        return _of_decided(receipt, body, material)
    return []


def _voided(receipt: Receipt, proofs: _Proofs, material: Material) -> list[HistoryEvent]:
    """Return what a void receipt says, and that it counts for nothing. What it says that others did is left out."""
    ours = (event for event in _events(receipt, proofs, material) if event.kind not in (*_RANK, EventKind.MERGED))
    return [replace(event, detail="; ".join(filter(None, (VOID, event.detail)))) for event in ours]


def _of_decided(receipt: Receipt, body: Decided, material: Material) -> list[HistoryEvent]:
    """Tell of each file that the request changed; of the request alone where it changes none that reads."""
    said = [
        f"asked for by {body.requester}",
        *body.codes,
        *_said(body.reason, material),
    ]
    event = HistoryEvent(
        kind=EventKind(body.what.value),
        at=body.by[-1].at if body.by else receipt.at,
        grants=(),
        by=", ".join(act.by or _NOBODY for act in body.by),
        commit=body.head,
        pull=body.pull,
        receipt=receipt.sequence,
        detail="; ".join(said),
    )
    about = [
        replace(
            event,
            grants=(file.grant,),
            subject=file.subject,
            resource=file.grant.partition("/")[0],
            words=material.words.get(file.blob, UNWRITTEN),
        )
        for file in body.asked
    ]
    return about or [event]


_NOBODY = "somebody whom the directory does not know"


def _said(reason: str, material: Material) -> list[str]:
    return [f"said: {material.said.get(reason, reason)}"] if reason else []


def _of_review(receipt: Receipt, body: Reviewed, material: Material) -> HistoryEvent:
    kind = EventKind.CERTIFIED if isinstance(body, Certified) else EventKind.REVIEWED
    at = max(review.at for review in body.reviews)
    found = _of_file(kind, at, body.grant, body.head, receipt.sequence, material)
    by = ", ".join(review.by or _NOBODY for review in body.reviews)
    said = ["approved" if body.approved else "rejected", *_said(body.reason, material)]
    return replace(found, by=by, pull=body.pull, detail="; ".join(said))


def _whose(event: HistoryEvent, basis: Sequence[Admission]) -> list[HistoryEvent]:
    """Return an event with the subject and the role of what was admitted, where that is known."""
    return [replace(event, subject=proof.subject, role=proof.role) for proof in basis] or [event]


def _of_settled(receipt: Receipt, body: Settled) -> HistoryEvent:
    return HistoryEvent(
        kind=EventKind.SETTLED,
        at=receipt.at,
        grants=body.holding.grants,
        resource=body.holding.entitlement.resource,
        by=body.by,
        receipt=receipt.sequence,
        detail="adopted under the names of today" if body.adopted else "written off; nobody has seen it gone",
    )


def _of_file(
    kind: EventKind, at: datetime | None, grant: GrantId, commit: Oid, receipt: int | None, material: Material
) -> HistoryEvent:
    """Return an event of a grant's file, with what the message of its landing says."""
    trailers = material.trailers.get(commit, NO_TRAILERS)
    return HistoryEvent(
        kind=kind,
        at=at,
        grants=(grant,),
        resource=grant.partition("/")[0],
        commit=commit,
        pull=_number(trailers.pull),
        approvers=trailers.approved_by,
        policy=trailers.policy,
        receipt=receipt,
    )


def _of_outcome(receipt: Receipt, body: Outcome, proofs: _Proofs) -> HistoryEvent:
    change = body.change
    basis = proofs.basis[receipt.sequence]
    last = basis[-1] if basis else None
    kind = (EventKind.REMOVED if change.action is Action.REMOVE else EventKind.ADDED) if body.ok else EventKind.FAILED
    why = "ended early" if change.reason is Reason.BOUND else change.reason.value  # the event of its end says by what
    said = [why if body.ok else f"{change.action.value} failed: {body.error}"]
    return HistoryEvent(
        kind=kind,
        at=receipt.told_at,
        grants=change.grants,
        subject=last.subject if last is not None else "",
        resource=change.entitlement.resource,
        role=last.role if last is not None else "",
        commit=last.landing if last is not None else "",
        pull=last.pull if last is not None else None,
        approvers=tuple(dict.fromkeys(name for admission in basis for name in approvers(admission))),
        policy=last.policy if last is not None else "",
        receipt=receipt.sequence,
        late=lateness(receipt, change, proofs.until[receipt.sequence]) if kind is EventKind.REMOVED else None,
        detail="; ".join(said + _how_told(receipt, recovered=body.recovered)),
    )


def _how_told(receipt: Receipt, *, recovered: bool) -> list[str]:
    """Say what is unusual in how an outcome came on record."""
    said = ["told by a later run"] if recovered else []
    if receipt.away is not None:
        said.append("by a run that could not reach the remote")
    if receipt.seconds:
        said.append("others told of it meanwhile, which this bears out")
    return said
