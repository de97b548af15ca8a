"""Which events of a history are asked for, and the answer."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from msgspec import Struct

from daypass.core.audit.access import Sources
from daypass.core.audit.events import EventKind, HistoryEvent
from daypass.core.ids import GrantId
from daypass.core.ledger.receipt import Admission, Body, Decided, Receipt

_DENIED = frozenset({EventKind.DENIED, EventKind.REJECTED, EventKind.REFUSED, EventKind.FAILED})


class Selection(Struct, frozen=True):
    """What is asked for; "" and None ask for nothing in particular.

    ``ticket``, ``purpose``, ``approvers`` (one's handles), ``rule`` and ``subjects`` choose grants, of which all is told;
    ``denied`` (what was denied, rejected or refused, or failed), ``since`` and ``until`` (the first instant after) choose
    events. An event that nothing dates may lie within: it is told.
    """

    ticket: str = ""
    purpose: str = ""
    approvers: frozenset[str] = frozenset()
    rule: str = ""
    subjects: frozenset[str] | None = None
    denied: bool = False
    since: datetime | None = None
    until: datetime | None = None

    @property
    def whole(self) -> bool:
        """Whether everything is asked for."""
        return self == _WHOLE

    def of(self, events: Iterable[HistoryEvent], receipts: Iterable[Receipt]) -> tuple[HistoryEvent, ...]:
        """Return the events that are asked for, in their order; ``receipts`` are those that they are told from."""
        told = tuple(events)
        grants = self._grants(told, receipts)
        return tuple(event for event in told if (grants is None or grants & set(event.grants)) and self._chooses(event))

    def _grants(self, events: tuple[HistoryEvent, ...], receipts: Iterable[Receipt]) -> set[GrantId] | None:
        """Return the grants to tell of; None: of all."""
        found: set[GrantId] | None = None
        for asked, having in (
            (self.ticket, lambda event: event.words.ticket == self.ticket),
            (self.purpose, lambda event: event.words.purpose == self.purpose),
            (self.approvers, lambda event: not self.approvers.isdisjoint(map(_handle, event.approvers))),
            (self.subjects is not None, lambda event: event.subject in (self.subjects or ())),
        ):
            if asked:
                these = {grant for event in events if having(event) for grant in event.grants}
                found = these if found is None else found & these
        if self.rule:
            ruled = {grant for receipt in receipts for grant in self._ruled(receipt.body)}
            found = ruled if found is None else found & ruled
        return found

    def _ruled(self, body: Body) -> Iterable[GrantId]:
        """Return the grants that the rule had a part in."""
        if isinstance(body, Admission) and self.rule in body.rules:
            return (body.grant,)
        if isinstance(body, Decided) and self.rule in body.codes:
            return (file.grant for file in body.asked)
        return ()

    def _chooses(self, event: HistoryEvent) -> bool:
        if self.denied and event.kind not in _DENIED:
            return False
        if event.at is None:
            return True
        return (self.since is None or self.since <= event.at) and (self.until is None or event.at < self.until)


_WHOLE = Selection()


def _handle(approver: str) -> str:
    """Return who approved, of ``bob (owners)`` and ``dan for bob (owners)``."""
    return approver.partition(" (")[0].partition(" for ")[0]


NOT_ON_RECORD = (
    "requests of people whom the directory does not know, and drafts",
    "what was decided of a request's head before any run saw it, in the ledger's first version, or over a day's limit",
    "what people said when they rejected or closed a request: its digest is, and words that the forge's record has here",
    "what was refused on a machine without the ledger's key",
    "access that daypass did not give",
)
"""What no history has, by its nature; each answer says so."""


class HistoryAnswer(Struct, frozen=True):
    """The events of what was asked about: ``about`` is subject, resource or grant, ``name`` which; "" for everything."""

    sources: Sources
    about: str
    name: str
    events: tuple[HistoryEvent, ...]
