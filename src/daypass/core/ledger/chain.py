"""The chain of receipts: how new ones are numbered, linked and sealed, and how stored ones are proved.

What a chain that verifies has been shown to be, receipt by receipt:

(1) it stands at the next place, and none is missing before it;
(2) its envelope carries the signature of a known key over exactly these bytes;
(3) it says itself that it belongs at this place: it was neither dropped before, reordered nor replayed;
(4) it names the digest of the very envelope before it, so that no other history fits under it;
(5) its instant is not before that of its predecessor;
(6) it is the genesis exactly when it is the first;
(7) its version is not older than that of its predecessor: who holds a key of an earlier release writes no more;
(8) a snapshot tells of as many receipts as stand before it;
(9) it moves no target to another lane or here from one: this release reads one chain, and would miss what is told there.

A receipt whose key was revoked from its place on (`daypass.core.ledger.keys`) is held to (1) to (4) and (6) alone, and
yielded as ``void``: who stole a key may have dated it as they like, and (5) and (7) go by the last one that counts.

What no chain can show is that its newest receipts were cut off. Who has seen a head before (this machine's cache, the
trailer of a merge message) compares it with the chain; see `daypass.core.ledger.standing` and the audit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct

from daypass.core.errors import LedgerError
from daypass.core.ledger.codec import LATER
from daypass.core.ledger.keys import Void
from daypass.core.ledger.receipt import Away, Body, Genesis, Receipt, Release, Snapshot, Take, envelope_digest
from daypass.core.ledger.records import Idle
from daypass.core.ledger.statement import from_statement, kind_of, to_statement
from daypass.core.record import replace
from daypass.core.window import format_instant

_HINT = "compare the ledger branch with another clone; `daypass audit verify` reads all of it"


class Head(Struct, frozen=True, gc=False):
    """The last receipt of a chain: its number and envelope's digest; instant, version and main are those recorded last.

    What is void records none of the three.
    """

    sequence: int
    digest: str
    at: datetime
    main: str = ""
    version: int = 1

    @classmethod
    def of(cls, receipt: Receipt, before: Head | None) -> Head:
        """Return the head once a receipt has come; one that names no main keeps the main known before."""
        if receipt.void and before is not None:
            return Head(receipt.sequence, receipt.digest, before.at, before.main, before.version)
        main = receipt.main or (before.main if before is not None else "")
        return cls(receipt.sequence, receipt.digest, receipt.at, main, receipt.version)


class Envelope(Struct, frozen=True, gc=False):
    """The exact bytes of a signed envelope, at their place in the ledger, from 0."""

    sequence: int
    raw: bytes


Open = Callable[[bytes], dict[str, Any]]
"""Returns the statement in an envelope, `Void` where it counts for nothing.

Raises LedgerError when it is not signed by a known key, or not in time.
"""


def seal(
    bodies: Sequence[Body],
    head: Head | None,
    sign: Callable[[dict[str, Any]], bytes],
    *,
    at: datetime,
    main: str,
    run: str,
    away: Away | None = None,
) -> list[Envelope]:
    """Give receipts their numbers, links and signatures, after ``head`` (None: they begin a ledger).

    ``sign`` turns a statement into an envelope's bytes, and ``away`` marks what goes into an outbox. Receipts never go back
    in time: where ``at`` is before the last one, they are dated as that one is, and say what the clock said.
    """
    clock = at if head is not None and at < head.at else None
    at = head.at if head is not None and clock is not None else at
    found: list[Envelope] = []
    sequence, previous = (head.sequence + 1, head.digest) if head is not None else (0, "")
    for body in bodies:
        if isinstance(body, Genesis) != (sequence == 0):
            raise RuntimeError("a ledger begins with its genesis and has no other")
        receipt = Receipt(sequence, previous, at, main, run, body, clock=clock, away=away)
        raw = sign(to_statement(receipt))
        previous = envelope_digest(raw)
        found.append(Envelope(sequence, raw))
        sequence += 1
    return found


def verify_chain(envelopes: Iterable[Envelope], open_: Open, after: Head | None = None) -> Iterator[Receipt]:
    """Yield receipts as they are proved, in order; ``after`` is a head proved before, None for a whole chain.

    Raises LedgerError naming the receipt and what is wrong with it. Nothing after a fault is yielded.
    """
    head = after
    rest = iter(envelopes)
    for envelope in rest:
        receipt = _prove(envelope, open_, head, rest)
        head = Head.of(receipt, head)
        yield receipt


def _prove(envelope: Envelope, open_: Open, head: Head | None, rest: Iterator[Envelope]) -> Receipt:
    place = head.sequence + 1 if head is not None else 0
    if envelope.sequence != place:  # (1)
        raise LedgerError(f"receipt {place} is missing: the next one there is {envelope.sequence}", hint=_HINT)
    receipt = _open(envelope, open_)  # (2)
    if receipt.sequence != place:  # (3)
        raise LedgerError(_misplaced(receipt, place, open_, rest), hint=_HINT)
    if head is not None and receipt.previous != head.digest:  # (4)
        raise LedgerError(
            f"receipt {place} follows another receipt {place - 1} than the one that stands there: it names "
            f"{receipt.previous or 'none'}, expected {head.digest}; one of the two is from a fork or was replaced",
            hint=_HINT,
        )
    if head is None and receipt.previous:
        raise LedgerError(f"receipt 0 names one before it ({receipt.previous}), expected none", hint=_HINT)
    if head is not None and receipt.at < head.at and not receipt.void:  # (5)
        raise LedgerError(
            f"receipt {place} was written at {format_instant(receipt.at)}, before receipt {place - 1} at "
            f"{format_instant(head.at)}",
            hint=_HINT,
        )
    if isinstance(receipt.body, Genesis) != (place == 0):  # (6)
        wrong = "is a second genesis" if place else "is no genesis, with which every ledger begins"
        raise LedgerError(f"receipt {place} {wrong}", hint=_HINT)
    if head is not None and receipt.version < head.version and not receipt.void:  # (7)
        raise LedgerError(
            f"receipt {place} is of version {receipt.version}, after one of version {head.version}", hint=_HINT
        )
    if isinstance(receipt.body, Snapshot) and receipt.body.size != place:  # (8)
        raise LedgerError(
            f"receipt {place} is a snapshot of {receipt.body.size} receipts, expected {place}", hint=_HINT
        )
    if isinstance(receipt.body, Release | Take) and not receipt.void:  # (9)
        moved = f"a {kind_of(receipt.body)} of the target {receipt.body.target}"
        raise LedgerError(f"receipt {place} is {moved}, and this release knows one lane alone", hint=LATER)
    return receipt


def open_snapshot(envelope: Envelope, open_: Open) -> tuple[Receipt, Snapshot]:
    """Prove a snapshot alone, without what stands before it: (2), (3) and (8).

    Whoever signed it answers for the receipts before. Raises LedgerError for what is none, and for one that names no main:
    a chain that goes on from it would not know which one was recorded last.
    """
    receipt = _open(envelope, open_)
    body, place = receipt.body, envelope.sequence
    if (
        receipt.void
        or not isinstance(body, Snapshot)
        or (receipt.sequence, body.size) != (place, place)
        or not receipt.main
    ):
        raise LedgerError(f"receipt {place} is no snapshot of what stands before it", hint=_HINT)
    return receipt, body


def open_idle(envelope: Envelope, open_: Open) -> tuple[Receipt, Idle]:
    """Prove a run's word that nothing is to be done alone, without what stands before it: (2) and (3).

    Whoever signed it answers for the receipts before, which the commit has that it follows. Raises LedgerError for any other.
    """
    receipt = _open(envelope, open_)
    body = receipt.body
    if receipt.void or not isinstance(body, Idle) or receipt.sequence != envelope.sequence or not receipt.main:
        raise LedgerError(f"receipt {envelope.sequence} does not say that nothing is to be done", hint=_HINT)
    return receipt, body


def _open(envelope: Envelope, open_: Open) -> Receipt:
    try:
        statement = open_(envelope.raw)
        receipt = from_statement(statement, envelope_digest(envelope.raw))
    except LedgerError as error:
        raise LedgerError(f"receipt {envelope.sequence}: {error.message}", hint=error.hint or _HINT) from error
    return replace(receipt, void=True) if isinstance(statement, Void) else receipt


def _misplaced(receipt: Receipt, place: int, open_: Open, rest: Iterator[Envelope]) -> str:
    """Say what happened: a receipt from before came again, or the right one stands further on, or is nowhere."""
    if receipt.sequence < place:
        return f"receipt {receipt.sequence} stands again at place {place}: it was replayed"
    for later in rest:
        try:
            found = _open(later, open_)
        except LedgerError:
            continue  # already refusing; whatever else is broken does not change what is said of this place
        if found.sequence == place:
            return f"receipt {receipt.sequence} stands at place {place}, and {place} after it: they were reordered"
    return f"receipt {receipt.sequence} stands at place {place}: {receipt.sequence - place} before it were dropped"
