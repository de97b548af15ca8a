"""Receipts that come late: what runs wrote into an outbox while the remote was away, recorded behind what others wrote since.

A removal that waited must not undo what others did meanwhile. They may have taken the same access away, or given it
again for another grant: a receipt of the old removal that counted like a new one would hide access that is there. So
what others have told of since is a *second witness*. It stands in the record as what it was, and changes nothing. So is
word of somebody who left, where others have told since how it stands with them: they may be back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from daypass.core.ledger.chain import Envelope, Head, seal
from daypass.core.ledger.receipt import VERSION, Away, Body, Outcome, Receipt, Settled, envelope_digest
from daypass.core.ledger.records import Departed
from daypass.core.plan import Entitlement
from daypass.core.record import replace


class LastTold:
    """The last receipt that told how each entitlement stands, or each person of the source, by their id there.

    Those of each outbox are kept by themselves.
    """

    def __init__(self) -> None:
        self._told: dict[Entitlement | str, int] = {}
        self._away: dict[Entitlement | str, dict[str, int]] = {}

    def add(self, receipt: Receipt) -> None:
        """Take the next receipt; a second witness tells nothing new."""
        told = _told_of(receipt.body)
        if told is None or receipt.seconds:
            return
        if receipt.away is None:
            self._told[told] = receipt.sequence
        else:
            self._away.setdefault(told, {})[receipt.away.outbox] = receipt.sequence

    def since(self, body: Body, away: Away) -> int | None:
        """Return which receipt, written by others and not known to that run, tells of what this one tells; None: none."""
        told = _told_of(body)
        if told is None:
            return None
        others = (n for outbox, n in self._away.get(told, {}).items() if outbox != away.outbox)
        last = max(self._told.get(told, -1), *others, -1)
        return last if last > away.after else None


def _told_of(body: Body) -> Entitlement | str | None:
    if isinstance(body, Outcome):
        return body.change.entitlement
    if isinstance(body, Departed):
        return body.number
    return body.holding.entitlement if isinstance(body, Settled) else None


def rebase(
    waiting: Iterable[tuple[Receipt, Away]],
    since: Iterable[Receipt],
    head: Head,
    sign: Callable[[dict[str, Any]], bytes],
) -> list[Envelope]:
    """Seal anew what waits in an outbox, behind ``head``; ``since`` are the receipts from where it stood up to there.

    What stands among these already is left out: a run that was killed had delivered it, or it was delivered from a copy.
    """
    last, there = LastTold(), set[str]()
    for receipt in since:
        last.add(receipt)
        there |= {receipt.digest} if receipt.away is None else {receipt.digest, receipt.away.original}
    found: list[Envelope] = []
    for receipt, away in waiting:
        original = away.original or receipt.digest
        if not there.isdisjoint((receipt.digest, original)):
            continue
        witness = away.witness or last.since(receipt.body, away) is not None
        mark = replace(away, original=original, witness=witness)
        at = receipt.run_at
        found += seal([receipt.body], head, sign, at=at, main=head.main, run=receipt.run, away=mark)
        raw = found[-1].raw
        head = Head(found[-1].sequence, envelope_digest(raw), max(at, head.at), head.main, VERSION)
    return found
