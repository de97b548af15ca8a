"""What the ledger and main's history say about access: who could reach a resource, and how each access came to be.

Two sources, and what each is believed for:

- receipts (signed, chained) say what was proved and what was done at the targets, and when: they are the truth of
  access;
- main's first-parent history says which grant files landed, in which order. Positions order it, never the dates of
  commits, which their authors choose. A merge message's trailers are shown where no receipt tells better.

Access that daypass did not give is in neither and therefore in no answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple
from urllib.parse import unquote

from msgspec import Struct, field

from daypass.core.forge import acting_words
from daypass.core.grant import Details
from daypass.core.ids import ABSENT, GrantId, Oid
from daypass.core.ledger.receipt import (
    Admission,
    Body,
    Decided,
    Ended,
    Intent,
    Outcome,
    Receipt,
    Refusal,
    Retirement,
    Reviewed,
    Settled,
)
from daypass.core.plan import Action, Entitlement, Intended, Reason
from daypass.core.record import replace

_SEQUENCE = re.compile(r"0|[1-9][0-9]{0,8}")
_TRAILER = re.compile(r"^(Daypass-[A-Za-z-]+):[ \t]*(.*)$", re.MULTILINE)


class GrantStep(Struct, frozen=True, order=True, gc=False):
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


class Sources(Struct, frozen=True):
    """What an answer rests on, for its header.

    ``main`` and ``ledger`` are the commits that were read, ``receipts`` how many receipts the ledger has and
    ``last_at`` the instant of the last: what happened after it is not known. ``rebuilt`` says why the index was built anew, ""
    where not.
    """

    main: Oid
    ledger: Oid
    receipts: int
    last_at: datetime | None
    at: datetime
    rebuilt: str = ""


class Trailers(Struct, frozen=True, gc=False):
    """What a merge message says of itself, or the message of the commit that was merged (``reason``: why access ends).

    Everything is text as written; absent ones are empty. ``ledger`` is the digest of the last receipt of that moment, and
    ``sequence`` its number, None where none is named (earlier releases named none).
    """

    grants: tuple[str, ...] = ()
    pull: str = ""
    head: str = ""
    requester: str = ""
    approved_by: tuple[str, ...] = ()
    policy: str = ""
    rules: str = ""
    ledger: str = ""
    sequence: int | None = None
    reason: str = ""

    @property
    def empty(self) -> bool:
        """Whether the message has no trailer of ours: a merge made by hand around the gate."""
        return self == NO_TRAILERS


NO_TRAILERS = Trailers()
"""What a message made by hand has."""


def read_trailers(message: str) -> Trailers:
    """Read our trailers from a message's last paragraph; a repeated one that may stand once only is read as its last.

    Earlier paragraphs hold the request's own words: what stands there is never taken for a trailer.
    """
    block = message.rstrip().replace("\r\n", "\n").rpartition("\n\n")[2]
    found: dict[str, list[str]] = {}
    for name, value in _TRAILER.findall(block):
        found.setdefault(name.lower(), []).append(value.strip())

    def last(key: str) -> str:
        return found.get(key, [""])[-1]

    ledger, _, place = last("daypass-ledger").partition(" ")
    return Trailers(
        grants=tuple(found.get("daypass-grant", ())),
        pull=last("daypass-pull").removeprefix("#"),
        head=last("daypass-head"),
        requester=last("daypass-requester"),
        approved_by=tuple(found.get("daypass-approved-by", ())),
        policy=last("daypass-policy"),
        rules=last("daypass-rules"),
        ledger=ledger,
        sequence=int(place) if _SEQUENCE.fullmatch(place) else None,
        reason=unquote(last("daypass-reason")),
    )


class Words(NamedTuple):
    """What people wrote into a grant file: why, the ticket, the purpose and its details. Receipts hold none; git has it."""

    reason: str = ""
    ticket: str = ""
    purpose: str = ""
    details: Details = ()


UNWRITTEN = Words()
"""What stands for a file that is gone from git, or that cannot be read."""


def approvers(admission: Admission) -> tuple[str, ...]:
    """Return who approved, as the trailers write it: ``bob (owners)``."""
    return tuple(
        dict.fromkeys(f"{acting_words(record.by, record.acts_for)} ({record.source})" for record in admission.approvals)
    )


def lateness(receipt: Receipt, change: Intended, until: datetime | None) -> int | None:
    """Return how many seconds after its window's end an access was seen to be gone; None when its window had not ended.

    ``until`` is the end that the target was last told. An expiry names its own end, which may have been drawn nearer
    since.
    """
    end = change.due if change.reason is Reason.EXPIRED else until
    if end is None or end > receipt.run_at:
        return None
    return int((receipt.run_at - end).total_seconds())


class HeldAccess(Struct, frozen=True, gc=False):
    """An entitlement of ours as receipts tell it: the change that last gave it, since when, and which receipt says so.

    ``doubt`` is "" for access that a receipt proves, else why nobody can tell whether it existed. ``basis`` are the
    admissions in force of the grants that gave it, in the answer to a question.
    """

    change: Intended
    since: datetime
    receipt: int
    doubt: str = ""
    basis: tuple[Admission, ...] = ()

    def overdue(self, at: datetime) -> bool:
        """Whether its window, as the target was told it, had ended."""
        return self.change.until is not None and self.change.until <= at

    @property
    def subjects(self) -> tuple[str, ...]:
        """Whose access it was, by the directory's handles; empty when no admission says."""
        return tuple(dict.fromkeys(admission.subject for admission in self.basis))


class Holdings:
    """What receipts, taken in order, add up to.

    An addition that was begun and whose end nobody wrote down, or that failed, may have happened: it is held in
    doubt. A removal counts only when its receipt says that the access was seen to be gone.
    """

    def __init__(self, *, ends: bool = False) -> None:
        """Hold nothing. With ``ends`` it is remembered `until` when the target was told that access lasts."""
        self._ends = ends
        self.held: dict[Entitlement, HeldAccess] = {}
        self.admitted: dict[GrantId, Admission] = {}
        self.ended: dict[GrantId, Oid] = {}
        """The grants that are ended, each with main's commit that did it."""
        self.until: dict[Entitlement, datetime | None] = {}
        """Until when the target was last told of each entitlement that came about, whatever became of it."""

    @classmethod
    def at(cls, at: datetime, receipts: Iterable[Receipt]) -> Holdings:
        """Add up what was written until an instant."""
        found = cls()
        for receipt in receipts:
            if receipt.told_at <= at:
                found.add(receipt)
        return found

    def add(self, receipt: Receipt) -> None:
        """Take the next receipt."""
        body = receipt.body
        if receipt.void:
            for change in receipt.additions:
                self._give(receipt, change, VOID)
            return
        self._proved(body)
        if receipt.seconds:
            return
        if isinstance(body, Outcome) and body.recovered and not body.ok:
            self._seen_absent(body.change)
            return
        if isinstance(body, Settled):
            self._settled(body)
        for change, ok, doubt in _effects(body):
            if change.action is Action.REMOVE:
                if ok:
                    self.held.pop(change.entitlement, None)
            else:
                self._give(receipt, change, "" if ok else doubt)
                if ok and self._ends:
                    self.until[change.entitlement] = change.until

    def _proved(self, body: Body) -> None:
        if isinstance(body, Admission):
            self.admitted[body.grant] = body
            self.ended.pop(body.grant, None)
        elif isinstance(body, Retirement):
            self.ended[body.grant] = body.commit

    def _settled(self, body: Settled) -> None:
        """Hold in doubt what was written off: a person said that it is not ours any more, and nobody has seen it gone."""
        known = self.held.get(body.holding.entitlement)
        if known is not None and not body.adopted:
            doubt = f"{body.by} wrote it off, and nobody has seen it gone"
            self.held[body.holding.entitlement] = replace(known, doubt=doubt)

    def _seen_absent(self, change: Intended) -> None:
        """Drop an addition in doubt once somebody has looked and not found it."""
        known = self.held.get(change.entitlement)
        if known is not None and known.doubt and change.action is Action.ADD:
            del self.held[change.entitlement]

    def _give(self, receipt: Receipt, change: Intended, doubt: str) -> None:
        known = self.held.get(change.entitlement)
        if known is not None and not known.doubt:
            if not doubt:  # the target was told again: access goes on, its end has moved
                self.held[change.entitlement] = HeldAccess(change, known.since, receipt.sequence)
        elif known is not None and doubt:
            self.held[change.entitlement] = HeldAccess(change, known.since, receipt.sequence, doubt)
        else:
            self.held[change.entitlement] = HeldAccess(change, receipt.at, receipt.sequence, doubt)

    def basis(self, grants: Iterable[GrantId]) -> tuple[Admission, ...]:
        """Return the last admissions of some grants."""
        return tuple(self.admitted[grant] for grant in grants if grant in self.admitted)


VOID = "the key that signed the receipt was revoked"
"""Why what a void receipt says is in doubt."""


def _effects(body: Body) -> Iterable[tuple[Intended, bool, str]]:
    if isinstance(body, Intent):
        return [(change, False, "it was begun, and no receipt says how it ended") for change in body.changes]
    if isinstance(body, Outcome):
        return [(body.change, body.ok, f"it failed: {body.error}")]
    return ()


def about(receipt: Receipt) -> set[tuple[str, str]]:
    """Return what a receipt is about, by kind: its grants and resources, and whose (``of SUBJECT``) they are."""
    body = receipt.body
    if isinstance(body, Admission):
        return {("grant", body.grant), ("resource", body.resource), (f"of {body.subject}", body.grant)}
    if isinstance(body, Refusal | Retirement | Ended | Reviewed):
        return {("grant", body.grant), ("resource", body.grant.partition("/")[0])}
    if isinstance(body, Decided):
        names = {
            (kind, name)
            for f in body.asked
            for kind, name in (("grant", f.grant), ("resource", f.grant.partition("/")[0]))
        }
        return names | {(f"of {file.subject}", file.grant) for file in body.asked if file.subject}
    if isinstance(body, Outcome | Settled):
        what = body.change if isinstance(body, Outcome) else body.holding
        return {("resource", what.entitlement.resource), *(("grant", str(grant)) for grant in what.grants)}
    if isinstance(body, Intent):
        return {("resource", change.entitlement.resource) for change in body.changes}
    return set()


def access(holdings: Holdings, resource: str, at: datetime) -> tuple[HeldAccess, ...]:
    """Say who could reach a resource at an instant, by the receipts that were added up, and which grants gave it then."""
    ours = [holdings.held[entitlement] for entitlement in sorted(holdings.held) if entitlement.resource == resource]
    return tuple(_given_then(one, holdings, at) for one in ours)


def _given_then(one: HeldAccess, holdings: Holdings, at: datetime) -> HeldAccess:
    """Name of the grants that gave an access those whose windows hold; where none does, it is overdue by all of them."""
    over = {grant.grant for grant in holdings.basis(one.change.grants) if not grant.window.holds(at)}
    grants = tuple(grant for grant in one.change.grants if grant not in over) or one.change.grants
    return replace(one, change=replace(one.change, grants=grants), basis=holdings.basis(grants))


class AccessAnswer(Struct, frozen=True):
    """Who could reach a resource at ``sources.at``. ``words`` are those of the grants' files, by blob.

    ``ended`` are the grants of it that had been ended by then, each with why, as far as somebody said so.
    """

    sources: Sources
    resource: str
    found: tuple[HeldAccess, ...]
    words: Mapping[Oid, Words] = field(default_factory=dict)
    ended: Mapping[GrantId, str] = field(default_factory=dict)
