"""All that is known of a vendor: its terms, its people, what they hold, and every access that they were ever given."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from msgspec import Struct

from daypass.core.audit.access import UNWRITTEN, Sources, Words
from daypass.core.audit.events import EventKind, HistoryEvent
from daypass.core.bounds.vendors import Vendor
from daypass.core.catalogue import Subject
from daypass.core.ids import GrantId
from daypass.core.ledger.receipt import Admission, Receipt
from daypass.core.state import GrantState


class Worker(Struct, frozen=True):
    """Somebody who works for a vendor, or did when they received access. ``now``: main's directory says that they do."""

    handle: str
    name: str = ""
    now: bool = True
    until: datetime | None = None

    @classmethod
    def of(cls, subject: Subject) -> Worker:
        """Return what main's directory says of a worker."""
        return cls(subject.handle, subject.name, True, subject.until)


class GivenGrant(Struct, frozen=True):
    """Access that a worker was given, or was given more of, as it was proved: ``receipt`` says so.

    ``state`` is how it stands at the instant that is asked about; ``ended`` why it is over, and ``gone_at`` when access was
    seen to be gone, None where it was not. ``words`` are those of its file, as far as git has it.
    """

    admission: Admission
    receipt: int
    state: str
    ended: str = ""
    gone_at: datetime | None = None
    words: Words = UNWRITTEN

    @property
    def purpose(self) -> str:
        """For what it was given."""
        return self.admission.purpose or self.words.purpose


class VendorAnswer(Struct, frozen=True):
    """What there is to tell of a vendor. ``terms`` is None where main's directory has the vendor no more.

    ``unread`` counts admissions whose own directory cannot be read: whose worker their subject was is taken from main's.
    """

    sources: Sources
    name: str
    terms: Vendor | None
    workers: tuple[Worker, ...]
    live: tuple[GrantState, ...]
    given: tuple[GivenGrant, ...]
    unread: int = 0


def admissions(receipts: Iterable[Receipt], at: datetime) -> Iterator[tuple[int, Admission]]:
    """Yield what was proved up to an instant and counts, with the sequence of the receipt: not what only narrowed."""
    for receipt in receipts:
        body = receipt.body
        if isinstance(body, Admission) and not receipt.void and not body.narrowed_from and receipt.run_at <= at:
            yield receipt.sequence, body


def endings(events: Iterable[HistoryEvent]) -> tuple[dict[GrantId, str], dict[GrantId, datetime]]:
    """Return why grants ended, by the ledger or by git, and when access by them was last seen to be gone."""
    why: dict[GrantId, str] = {}
    gone: dict[GrantId, datetime] = {}
    for event in events:
        if event.kind is EventKind.ADMITTED:
            for grant in event.grants:
                why.pop(grant, None)
                gone.pop(grant, None)
        elif event.kind is EventKind.ENDED:
            why |= dict.fromkeys(event.grants, event.detail)
        elif event.kind is EventKind.FILE_REMOVED and event.words.reason:
            why |= {grant: event.words.reason for grant in event.grants if grant not in why}
        elif event.kind is EventKind.REMOVED and event.at is not None:
            gone |= dict.fromkeys(event.grants, event.at)
    return why, gone
