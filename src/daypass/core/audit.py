"""What the ledger and main's history say about access: who could reach a resource, and how each access came to be.

Two sources, and what each is believed for:

- receipts (signed, chained) say what was proved and what was done at the targets, and when: they are the truth of access;
- main's first-parent history says which grant files landed, in which order. Positions order it, never the dates of
  commits, which their authors choose. A merge message's trailers are shown where no receipt tells better.

Access that daypass did not give is in neither and therefore in no answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from daypass.core.grant import ABSENT, GrantId, Oid
from daypass.core.plan import Action, Entitlement, Intended
from daypass.core.receipt import Admission, Body, Intent, Outcome, Receipt, Refusal, Retirement

_TRAILER = re.compile(r"(Daypass-[A-Za-z-]+):[ \t]*(.*)")


@dataclass(frozen=True, slots=True, order=True)
class Step:
    """One grant file added, changed or removed by one step of main's first-parent history.

    ``position`` orders the steps of one index and means nothing else. ``old`` and ``new`` are blobs, ABSENT for none.
    """

    position: int
    commit: Oid
    grant: GrantId
    old: Oid
    new: Oid

    @property
    def removed(self) -> bool:
        """Whether the file is gone after it."""
        return self.new == ABSENT


@dataclass(frozen=True, slots=True)
class Refreshed:
    """How an index was brought up to main: its commit, how many steps were read, and why all of them ("" where not)."""

    main: Oid
    commits: int
    rebuilt: str


@dataclass(frozen=True, slots=True)
class Indexed:
    """How far an index has read the ledger: its branch's commit, the number of receipts, the last envelope's digest."""

    head: Oid
    count: int
    digest: str


@dataclass(frozen=True, slots=True)
class Trailers:
    """What a merge message says of itself. Everything is text as written; absent ones are empty."""

    grants: tuple[str, ...] = ()
    pull: str = ""
    head: str = ""
    requester: str = ""
    approved_by: tuple[str, ...] = ()
    policy: str = ""
    rules: str = ""
    ledger: str = ""

    @property
    def empty(self) -> bool:
        """Whether the message has no trailer of ours: a merge made by hand around the gate."""
        return self == _NO_TRAILERS


_NO_TRAILERS = Trailers()


def read_trailers(message: str) -> Trailers:
    """Read our trailers from a message's last paragraph; a repeated one that may stand once only is read as its last.

    Earlier paragraphs hold the request's own words: what stands there is never taken for a trailer.
    """
    block = message.rstrip().replace("\r\n", "\n").rpartition("\n\n")[2]
    found: dict[str, list[str]] = {}
    for line in block.split("\n"):
        match = _TRAILER.fullmatch(line)
        if match is not None:
            found.setdefault(match.group(1).lower(), []).append(match.group(2).strip())

    def last(key: str) -> str:
        return found.get(key, [""])[-1]

    return Trailers(
        grants=tuple(found.get("daypass-grant", ())),
        pull=last("daypass-pull").removeprefix("#"),
        head=last("daypass-head"),
        requester=last("daypass-requester"),
        approved_by=tuple(found.get("daypass-approved-by", ())),
        policy=last("daypass-policy"),
        rules=last("daypass-rules"),
        ledger=last("daypass-ledger"),
    )


def approvers(admission: Admission) -> tuple[str, ...]:
    """Return who approved, as the trailers write it: ``bob (owners)``."""
    return tuple(dict.fromkeys(f"{record.by} ({record.source})" for record in admission.approvals))


@dataclass(frozen=True, slots=True)
class Access:
    """An entitlement that existed, or may have existed, at the instant asked about.

    ``until`` is when the window that the target was told ends; ``overdue`` says that it had ended already. ``doubt`` is ""
    for access that a receipt proves, else why nobody can tell. ``basis`` are the admissions in force of the grants that
    gave it; ``receipt`` is the sequence of the outcome (or intent) that says so.
    """

    entitlement: Entitlement
    grants: tuple[GrantId, ...]
    since: datetime
    until: datetime | None
    overdue: bool
    receipt: int
    basis: tuple[Admission, ...] = ()
    doubt: str = ""

    @property
    def subjects(self) -> tuple[str, ...]:
        """Whose access it was, by the directory's handles; empty when no admission says."""
        return tuple(dict.fromkeys(admission.subject for admission in self.basis))


@dataclass(slots=True)
class _Held:
    change: Intended
    since: datetime
    receipt: int
    doubt: str = ""


def access(receipts: Iterable[Receipt], *, resource: str, at: datetime) -> tuple[Access, ...]:
    """Say who could reach a resource at an instant. ``receipts`` are in order; those of other resources are skipped.

    An addition that was begun and whose end nobody wrote down, or that failed, may have happened: it is listed with the
    doubt named. A removal counts only when its receipt says that the access was seen to be gone.
    """
    held: dict[Entitlement, _Held] = {}
    admitted: dict[GrantId, Admission] = {}
    for receipt in receipts:
        if receipt.at > at:
            continue
        if isinstance(receipt.body, Admission):
            admitted[receipt.body.grant] = receipt.body
        for change, ok, doubt in _effects(receipt.body):
            if change.entitlement.resource == resource:
                _follow(held, receipt, change, ok=ok, doubt=doubt)
    found = [
        Access(
            entitlement=entitlement,
            grants=holding.change.grants,
            since=holding.since,
            until=holding.change.until,
            overdue=holding.change.until is not None and holding.change.until <= at,
            receipt=holding.receipt,
            basis=tuple(admitted[grant] for grant in holding.change.grants if grant in admitted),
            doubt=holding.doubt,
        )
        for entitlement, holding in held.items()
    ]
    return tuple(sorted(found, key=lambda item: item.entitlement))


def _effects(body: Body) -> Iterable[tuple[Intended, bool, str]]:
    if isinstance(body, Intent):
        return [(change, False, "an addition was begun, and no receipt says how it ended") for change in body.changes]
    if isinstance(body, Outcome):
        return [(body.change, body.ok, "" if body.ok else f"an addition failed: {body.error}")]
    return ()


def _follow(held: dict[Entitlement, _Held], receipt: Receipt, change: Intended, *, ok: bool, doubt: str) -> None:
    known = held.get(change.entitlement)
    certain = known is not None and not known.doubt
    if change.action is Action.REMOVE:
        if ok:
            held.pop(change.entitlement, None)
    elif ok:
        since = known.since if certain and known is not None else receipt.at
        held[change.entitlement] = _Held(change, since, receipt.sequence)
    elif not certain:
        since = known.since if known is not None else receipt.at
        held[change.entitlement] = _Held(change, since, receipt.sequence, doubt)


class Kind(Enum):
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


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a history. ``at`` is None where nothing that can be proved dates it.

    ``commit``, ``pull``, ``approvers`` and ``policy`` are those of the landing that the event belongs to (for an approval the
    commit that was approved); ``receipt`` is the sequence of the receipt that says so, None for what only git says;
    ``late`` is how many seconds after its window an access was seen to be gone.
    """

    kind: Kind
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


@dataclass(frozen=True, slots=True)
class Anchor:
    """Which receipt was the ledger's last when a merge was made, by the digest in its message."""

    sequence: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Material:
    """All that a history is told from: receipts in order, steps by position, and what the steps' messages say.

    ``subjects`` maps a blob to the subject that the file names, for landings that no receipt admits; ``anchors`` maps the
    digest in a ``Daypass-Ledger`` trailer to the receipt that has it.
    """

    receipts: Sequence[Receipt] = ()
    steps: Sequence[Step] = ()
    trailers: Mapping[Oid, Trailers] = field(default_factory=dict)
    subjects: Mapping[Oid, str] = field(default_factory=dict)
    anchors: Mapping[str, Anchor] = field(default_factory=dict)


def lateness(receipt: Receipt, change: Intended, until: datetime | None) -> int | None:
    """Return how many seconds after its window's end an access was seen to be gone; None when its window had not ended.

    ``until`` is the end that the target was last told. An expiry names its own end, which may have been drawn nearer since.
    """
    end = change.due if change.reason.value == "expired" else until
    if end is None or end > receipt.at:
        return None
    return int((receipt.at - end).total_seconds())


def history(material: Material) -> tuple[Event, ...]:
    """Tell how access came to be and what ended it, in order.

    Landings are ordered by their position in main; what receipts say lies between them by the times that they prove.
    """
    proofs = _Proofs.of(material.receipts)
    placed: list[tuple[tuple[datetime, int, int], Event]] = []
    reached = _EARLIEST
    told: set[tuple[Oid, GrantId]] = set()
    for step in sorted(material.steps):
        reached = max(reached, _dated(step, proofs, material))
        event = _landing(step, proofs, material)
        placed.append(((reached, _RANK_LANDING, step.position), event))
        told.add((step.commit, step.grant))
    for receipt in material.receipts:
        for event in _events(receipt, proofs):
            if event.kind is Kind.MERGED and (Oid(event.commit), event.grants[0]) in told:
                continue
            moment = event.at or receipt.at
            placed.append(((moment, _RANK.get(event.kind, _RANK_RECEIPT), receipt.sequence), event))
    return tuple(event for _, event in sorted(placed, key=lambda item: item[0]))


_EARLIEST = datetime.fromisoformat("0001-01-01T00:00:00+00:00")
_RANK = {Kind.REQUESTED: 0, Kind.APPROVED: 1, Kind.MERGED: 2}
_RANK_LANDING = 2
_RANK_RECEIPT = 3


@dataclass(frozen=True, slots=True)
class _Proofs:
    """What receipts say of each landing, and what was in force at each outcome."""

    admitted: dict[tuple[Oid, GrantId], Receipt]
    retired: dict[tuple[GrantId, Oid], Receipt]
    basis: dict[int, tuple[Admission, ...]]
    until: dict[int, datetime | None]

    @classmethod
    def of(cls, receipts: Sequence[Receipt]) -> _Proofs:
        found = cls({}, {}, {}, {})
        in_force: dict[GrantId, Admission] = {}
        told: dict[Entitlement, datetime | None] = {}
        for receipt in receipts:
            body = receipt.body
            if isinstance(body, Admission):
                found.admitted[body.landing, body.grant] = receipt
                in_force[body.grant] = body
            elif isinstance(body, Retirement):
                found.retired.setdefault((body.grant, body.blob), receipt)
            elif isinstance(body, Outcome):
                change = body.change
                found.basis[receipt.sequence] = tuple(in_force[g] for g in change.grants if g in in_force)
                found.until[receipt.sequence] = told.get(change.entitlement)
                if body.ok and change.action is Action.ADD:
                    told[change.entitlement] = change.until
        return found


def _dated(step: Step, proofs: _Proofs, material: Material) -> datetime:
    """Return the latest instant before which a step cannot have landed, for ordering only."""
    receipt = proofs.admitted.get((step.commit, step.grant))
    if receipt is not None and isinstance(receipt.body, Admission):
        return receipt.body.merged_at
    trailers = material.trailers.get(step.commit, _NO_TRAILERS)
    anchor = material.anchors.get(trailers.ledger)
    if anchor is not None:
        return anchor.at
    gone = proofs.retired.get((step.grant, step.old)) if step.removed else None
    return gone.at if gone is not None else _EARLIEST


def _landing(step: Step, proofs: _Proofs, material: Material) -> Event:
    receipt = proofs.admitted.get((step.commit, step.grant))
    if receipt is not None and isinstance(receipt.body, Admission):
        return _of_admission(Kind.MERGED, receipt.body, at=receipt.body.merged_at, commit=step.commit)
    trailers = material.trailers.get(step.commit, _NO_TRAILERS)
    said = "as the merge message says; no receipt proves it" if not trailers.empty else "not merged by the gate"
    return Event(
        kind=Kind.FILE_REMOVED if step.removed else Kind.MERGED,
        at=None,
        grants=(step.grant,),
        subject=material.subjects.get(step.old if step.removed else step.new, ""),
        resource=step.grant.partition("/")[0],
        by=trailers.requester,
        commit=step.commit,
        pull=int(trailers.pull) if trailers.pull.isascii() and trailers.pull.isdigit() else None,
        approvers=trailers.approved_by,
        policy=trailers.policy,
        detail=said,
    )


def _of_admission(
    kind: Kind, admission: Admission, *, at: datetime, commit: str = "", by: str = "", receipt: int | None = None
) -> Event:
    return Event(
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
        detail=f"narrows {admission.narrowed_from}" if admission.narrowed_from else "",
    )


def _events(receipt: Receipt, proofs: _Proofs) -> list[Event]:
    body, sequence = receipt.body, receipt.sequence
    if isinstance(body, Admission):
        requested = _of_admission(
            Kind.REQUESTED, body, at=body.requested_at, commit=body.head, by=body.requester, receipt=sequence
        )
        approved = [
            _of_admission(
                Kind.APPROVED,
                body,
                at=record.at,
                commit=record.commit,
                by=f"{record.by} ({record.source})",
                receipt=sequence,
            )
            for record in body.approvals
        ]
        merged = _of_admission(Kind.MERGED, body, at=body.merged_at)
        return [requested, *approved, merged, _of_admission(Kind.ADMITTED, body, at=receipt.at, receipt=sequence)]
    if isinstance(body, Refusal):
        return [_of_file(Kind.REFUSED, receipt, body.grant, body.landing, f"{body.code}: {body.message}")]
    if isinstance(body, Retirement):
        return [_of_file(Kind.RETIRED, receipt, body.grant, body.commit, "")]
    if isinstance(body, Outcome):
        return [_of_outcome(receipt, body, proofs)]
    return []


def _of_file(kind: Kind, receipt: Receipt, grant: GrantId, commit: Oid, detail: str) -> Event:
    resource = grant.partition("/")[0]
    return Event(
        kind, receipt.at, (grant,), resource=resource, commit=commit, receipt=receipt.sequence, detail=detail
    )


def _of_outcome(receipt: Receipt, body: Outcome, proofs: _Proofs) -> Event:
    change = body.change
    removal = change.action is Action.REMOVE
    basis = proofs.basis[receipt.sequence]
    last = basis[-1] if basis else None
    kind = (Kind.REMOVED if removal else Kind.ADDED) if body.ok else Kind.FAILED
    said = [change.reason.value] if body.ok else [f"{change.action.value} failed: {body.error}"]
    return Event(
        kind=kind,
        at=receipt.at,
        grants=change.grants,
        subject=last.subject if last is not None else "",
        resource=change.entitlement.resource,
        role=last.role if last is not None else "",
        commit=last.landing if last is not None else "",
        pull=last.pull if last is not None else None,
        approvers=tuple(dict.fromkeys(name for admission in basis for name in approvers(admission))),
        policy=last.policy if last is not None else "",
        receipt=receipt.sequence,
        late=lateness(receipt, change, proofs.until[receipt.sequence]) if kind is Kind.REMOVED else None,
        detail="; ".join(said + (["told by a later run"] if body.recovered else [])),
    )
