"""Holding the word of a run that found nothing to do to what the receipts before it leave to be done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from heapq import heapify, heappop, heappush

from daypass.core.audit.access import Holdings
from daypass.core.audit.verified import words_of
from daypass.core.ledger.receipt import Outcome, Receipt, Settled
from daypass.core.ledger.records import LONGEST_IDLE, Idle, RestingResource, Rests
from daypass.core.plan import Action, Entitlement, Intended
from daypass.core.window import format_duration, format_instant


class IdleGrounds:
    """Knows which access ends first, and what was written off, by the receipts so far.

    The ends are kept in a heap from the first such word on; what has been taken away or told anew since it was put there
    is dropped once it comes first. So a word costs what came since the last one, however much is held.
    """

    def __init__(self, holdings: Holdings) -> None:
        self._holdings = holdings
        self._ends: list[tuple[datetime, Entitlement]] | None = None
        self._written_off: dict[Entitlement, int] = {}

    def add(self, receipt: Receipt) -> None:
        """Take the next receipt that counts."""
        body = receipt.body
        if isinstance(body, Settled) and not body.adopted:
            self._written_off[body.holding.entitlement] = receipt.sequence
        elif isinstance(body, Outcome) and self._ends is not None:
            change = body.change
            if change.action is Action.ADD and change.until is not None:
                heappush(self._ends, (change.until, change.entitlement))

    def wrong(self, receipt: Receipt, body: Idle, opened: Mapping[Intended, Sequence[int]]) -> str:
        """Say why there was something to do before the instant of a word, "" where nothing shows it.

        ``opened`` are the changes that no receipt tells the end of, each with those that intend it. What is held in doubt ends
        by no word of ours, and what was written off is nobody's to look at any more.
        """
        if body.until <= receipt.run_at:
            return "which had passed"
        if body.until > receipt.run_at + LONGEST_IDLE:
            return f"which is more than {format_duration(LONGEST_IDLE)} after it"
        for change, sequences in opened.items():
            if sequences[-1] > self._written_off.get(change.entitlement, -1):
                return f"and receipt {sequences[-1]} intends {words_of(change)}, and none before it says how that ended"
        if body.rests is not None and (why := self._rests(body.rests, body.live)):
            return why
        first = self._first()
        if first is not None and first[0] < body.until:
            end, held = first
            return f"and {held.principal} has {held.privilege} on {held.resource} only until {format_instant(end)}"
        return ""

    def _rests(self, rests: Rests, live: int) -> str:
        """Say what of its words on resources is not what receipts leave there, "" where nothing shows it."""
        counts: Counter[str] = Counter()
        ends: dict[str, datetime] = {}
        doubted: set[str] = {*rests.restless}
        for one, held in self._holdings.held.items():
            if held.doubt:
                doubted.add(one.resource)
            counts[one.resource] += 1
            if held.change.until is not None:
                ends[one.resource] = min(held.change.until, ends.get(one.resource, held.change.until))
        for name in sorted({*counts, *rests.resting} - doubted):
            told = rests.resting.get(name, RestingResource())
            if told.held != counts[name]:
                return f"and tells of {told.held} on {name}, where receipts have {counts[name]}"
            if name in ends and ends[name] < told.until:
                return f"and that nothing ends on {name} before {format_instant(told.until)}, where access does before"
        if not rests.restless and live != sum(told.live for told in rests.resting.values()):
            return f"and of {live} that should exist, of which its words on resources have another number"
        return ""

    def _first(self) -> tuple[datetime, Entitlement] | None:
        if self._ends is None:
            held = self._holdings.held.items()
            self._ends = [(one.change.until, entitlement) for entitlement, one in held if one.change.until is not None]
            heapify(self._ends)
        while self._ends and not self._stands(*self._ends[0]):
            heappop(self._ends)
        return self._ends[0] if self._ends else None

    def _stands(self, until: datetime, entitlement: Entitlement) -> bool:
        """Say whether somebody surely has an entitlement, and it ends then."""
        held = self._holdings.held.get(entitlement)
        return held is not None and not held.doubt and held.change.until == until
