"""What receipts, and what they add up to, tell in parts: who approved, what somebody did, what was handed over."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, NamedTuple

from msgspec import Meta, Struct

from daypass.core.ids import GrantId, Oid
from daypass.core.plan import Entitlement
from daypass.core.window import FOREVER, Part, Window

NEVER = datetime.min.replace(tzinfo=UTC)
"""An end before every other: nothing that was handed over is good any longer."""

_KEPT = timedelta(days=90)
_Count = Annotated[int, Meta(ge=0)]


class ApprovalRecord(Struct, frozen=True, gc=False):
    """One approval that counted: ``source`` is the requirement's (``owners``, ``group:security``).

    ``main`` is where main stood when it was given, "" where the policies there were those of the merge's base. ``number``
    is that of the account at the forge, 0 where it has none; ``acts_for`` in whose place it was given, "" for their own.
    """

    by: str
    source: str
    commit: Oid
    at: datetime
    review: str
    main: str = ""
    number: int = 0
    acts_for: str = ""


class Departed(Struct, frozen=True, gc=False):
    """What the source of people said of somebody whom main's directory has from there, as of the run.

    ``number`` is the source's for them, and ``person`` their handle then. ``code`` is why they are there no longer; "" says
    that they are there again: what has ended stays ended, and what main says counts from then on.
    """

    person: str
    number: str
    code: str
    source: str


LONGEST_IDLE = timedelta(days=1)
"""No word of an idle run counts for longer: once in this long all is reckoned anew."""


class RestingResource(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A resource of which nothing was to be said, and nothing is before ``until`` while nothing moves there.

    ``live`` counts what should exist there, ``by_ledger`` how much of it nobody can look at, and ``held`` what is ours.
    ``targets`` are where these are.
    """

    until: Annotated[datetime, Meta(tz=True)] = FOREVER
    live: _Count = 0
    held: _Count = 0
    by_ledger: _Count = 0
    targets: tuple[str, ...] = ()


class Rests(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What an idle run tells resource by resource, so that one at which little has moved reckons no more than that anew.

    ``prints`` are what it saw at each target, by a digest for each resource; the grounds of its word name them. ``restless``
    are the resources that do not stand by themselves, in order; ``resting`` are all others that it knew of.
    """

    prints: Mapping[str, Mapping[str, str]]
    resting: Mapping[str, RestingResource]
    restless: tuple[str, ...] = ()


class Idle(Struct, frozen=True, gc=False):
    """A run found nothing to do, and nothing is to be done before ``until`` while all that ``grounds`` names stays as it is.

    These are the program, the commit of the ledger's branch that this receipt ``follows``, main's, and what each target
    holds. ``live`` counts what should exist, ``by_ledger`` how much of it stands at targets that nobody can look at.
    ``rests`` tells the same resource by resource, now and then.
    """

    grounds: str
    follows: Oid
    until: datetime
    live: int
    by_ledger: int
    rests: Rests | None = None


class ActRecord(Struct, frozen=True, gc=False):
    """What somebody ``did`` to a request (opened, made, pushed) and when they did it last; the rest as in approvals."""

    by: str
    did: str
    at: datetime
    main: str = ""
    number: int = 0


class Handed(NamedTuple):
    """What receipt ``sequence`` says was handed over, good by itself until ``until``. ``ended``: by us, before that."""

    sequence: int
    entitlement: Entitlement
    grants: tuple[GrantId, ...]
    until: datetime
    text: str
    ended: bool = False


def forget_before(at: datetime) -> datetime:
    """Return before which end what was handed over may be forgotten, after a receipt of ``at``.

    The clock that dated the receipt may have been ahead: what it took to have ended may be good still, and must be
    known when it is to end early.
    """
    return at - _KEPT if at - NEVER > _KEPT else NEVER


def cut_to(end: datetime | None, handed: Handed) -> Handed:
    """Return what was handed over as it is once its entitlement ends at ``end`` (None: as before)."""
    return handed._replace(ended=True) if end is not None and handed.until > end else handed


class HeldWindow(NamedTuple):
    """When somebody had, has or is to have a role on a grant's resource, by one admission of it.

    ``parts`` are the intervals of a window that recurs; what of them lies outside of ``start`` and ``until`` does not count.
    """

    subject: str
    role: str
    start: datetime
    until: datetime
    parts: tuple[Part, ...] = ()

    @property
    def window(self) -> Window | None:
        """When the role is had, None where no interval is left."""
        whole = Window(self.start, self.until)
        return Window(self.parts[0][0], self.parts[-1][1], self.parts).common(whole) if self.parts else whole


class Awaited(NamedTuple):
    """An emergency that nobody has reviewed yet: who has which access, for what, since its merge, and by when it is to be.

    ``barred`` are who may not review it, each with why. It says all that a review needs, whatever becomes of the file.
    """

    subject: str
    resource: str
    role: str
    since: datetime
    by: datetime
    blob: Oid
    purpose: str
    requester: str
    barred: tuple[tuple[str, str], ...]


def barred_of(
    subject: str,
    requester: str,
    approvals: tuple[ApprovalRecord, ...],
    acts: tuple[ActRecord, ...],
    hands: tuple[str, ...],
) -> tuple[tuple[str, str], ...]:
    """Return who may not review an emergency, each with why: all who had a part in it."""
    found = dict.fromkeys(hands, "had a hand in its commits") | {one.by: "approved it" for one in approvals}
    found |= {act.by: "pushed to its request" for act in acts}
    return tuple(sorted((found | {requester: "asked for it", subject: "has the access"}).items()))


HELD_KEPT = timedelta(days=120)
"""So long it is remembered who had which role: for 90 days, and for what is proved a month late."""


def ended_by(end: datetime | None, held: HeldWindow) -> HeldWindow | None:
    """Return when a role was had where its grant ended at an instant (None: it did not); None where that is never."""
    if end is not None and end < held.until:
        held = held._replace(until=end)
    return held if held.start < held.until else None


def held_after(at: datetime) -> datetime:
    """Return after which end it is remembered who had which role, after a receipt of ``at``."""
    return at - HELD_KEPT if at - NEVER > HELD_KEPT else NEVER
