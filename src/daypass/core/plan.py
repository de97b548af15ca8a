"""A plan, and what it speaks of: entitlements, what grants give, what the ledger and the targets have, and the changes.

A plan is a value: computing it needs no way to write, and applying it needs nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Container, Iterable, Mapping
from datetime import datetime, timedelta
from enum import Enum
from operator import attrgetter
from typing import Any, NamedTuple

from msgspec import Struct, field, structs

from daypass.core.bounds.watch import EndingTask
from daypass.core.grant import Bounded, Moments
from daypass.core.ids import GrantId, Oid, digest
from daypass.core.window import Window, format_instant


class Entitlement(NamedTuple):
    """What a target understands, the atom that is observed, added and removed.

    ``target`` is the name in the settings, ``resource`` the catalogue's, ``principal`` the subject's name at the
    target and ``privilege`` the role's privilege as canonical JSON. A named tuple, since plans hash and compare very many.
    """

    target: str
    resource: str
    principal: str
    privilege: str

    @property
    def fields(self) -> dict[str, Any] | None:
        """The privilege as the catalogue writes it; None for other text, such as what a target holds that no role gives."""
        try:
            found = json.loads(self.privilege)
        except (ValueError, RecursionError):
            return None
        return found if isinstance(found, dict) else None

    @property
    def shown_as_others(self) -> bool:
        """Whether its target shows by itself that others gave it, so that nobody need ask what is ours."""
        return '"unmanaged"' in self.privilege and (self.fields or {}).get("unmanaged") is True


class AdmittedGrant(NamedTuple):
    """The part of an admission that planning needs; fields as in Admission."""

    grant: GrantId
    blob: Oid
    landing: Oid
    subject: str
    resource: str
    role: str
    window: Window
    entitlement: Entitlement
    meaning: str
    purpose: str = ""
    due: Moments = ()

    @property
    def bounded(self) -> Bounded:
        """What bounds are asked of."""
        return Bounded(self.subject, self.resource, self.role, self.purpose, self.due, self.window.start)

    @classmethod
    def of(cls, admission: object) -> AdmittedGrant:
        """Return the slim row of an Admission."""
        return cls._make(_slim(admission))


_slim = attrgetter(*AdmittedGrant._fields)


Numbers = tuple[tuple[str, str], ...]
"""By which numbers a target knows an entitlement, whatever it is called there: (what is numbered, its number), sorted.

What is numbered (``member``, ``team``, ``system`` …) and how a number looks is the target's own; they are compared alone.
"""


class Found(NamedTuple):
    """What a target says of one entitlement, by the numbers that were recorded of it.

    ``there`` is None where nobody can tell: what it was given to or in is not found, which is no proof that it is gone.
    Where it is False, ``why`` says what became of the name: nothing may be given under it. Where it is True, ``why`` says
    what has another name now, and ``called`` are the entitlements that `observe` names it as. ``numbers`` are today's.
    """

    there: bool | None
    why: str = ""
    called: tuple[Entitlement, ...] = ()
    numbers: Numbers = ()


class Doubt(NamedTuple):
    """Something to say of an entitlement of ours, and the grants that gave it."""

    entitlement: Entitlement
    grants: tuple[GrantId, ...]
    why: str


class Failing(NamedTuple):
    """A change that has failed in the same way since an instant, and is not tried again before another."""

    change: Intended
    error: str
    since: datetime
    again: datetime


class Denied(NamedTuple):
    """One reason why the policies of today deny a live grant: ``rule`` "" for what daypass itself upholds.

    ``ends``: the rule ends what is live, at the next run.
    """

    grant: GrantId
    entitlement: Entitlement
    rule: str
    code: str
    message: str
    ends: bool = False

    @property
    def said(self) -> str:
        """The reason, with the rule that gives it."""
        return f"rule {self.rule}: {self.message}" if self.rule else self.message


class Action(Enum):
    """What is done to an entitlement; removals sort first."""

    REMOVE = "remove"
    ADD = "add"

    __hash__ = object.__hash__  # there is one of each; Enum works the hash of its name out in Python


class Reason(Enum):
    """Why a change is made, or why a grant gives nothing."""

    __hash__ = object.__hash__  # as of Action

    WINDOW_OPENED = "window opened"
    INTERVAL_OPENED = "interval opened"
    WINDOW_MOVED = "window moved"
    EXPIRED = "expired"
    GRANT_REMOVED = "grant removed"
    REVOKED = "revoked"
    GRANT_INVALID = "grant invalid"
    EVIDENCE_MISSING = "evidence missing"
    MEANING_MOVED = "role means something else since approval"
    PRINCIPAL_MOVED = "subject is somebody else at the target since approval"
    NOT_YET = "window not open yet"
    CALENDAR_MOVED = "calendar leaves nothing of the window"
    BOUND = "ended early by retention or engagement"
    CONTINUED = "goes on by another grant"
    LOST = "missing at the target"
    TAKEN_OVER = "was there before, and is granted now"
    RETURNED = "there again after it was taken away"
    UNMANAGED = "not granted, and the resource is exclusive"


THERE_BEFORE = frozenset({Reason.WINDOW_MOVED, Reason.CONTINUED, Reason.TAKEN_OVER})
"""Additions of what is there already: they open no access."""

BOUND_TO_TIME = frozenset({Reason.EXPIRED, Reason.REVOKED})
"""Removals that the brake never holds back: time asks for them, or an emergency stop does."""

UNBRAKED = THERE_BEFORE | {Reason.INTERVAL_OPENED}
"""Additions that the brake never holds back: they open no access, or the next interval of a window that was approved."""


class Claim(Struct, frozen=True, gc=False):
    """What one proved grant of main gives: an entitlement during a window. ``blocked``: why it gives nothing now.

    ``bound`` says what ends the window before its own end, "" where nothing does. Where that was over before the window
    began, the grant gives nothing any more: it is blocked by BOUND, and has ended.
    """

    grant: GrantId
    entitlement: Entitlement
    window: Window
    blocked: Reason | None = None
    bound: str = ""

    def ending(self, at: datetime, bound: str) -> Claim:
        """Return the claim of a live grant as it is when something ends it at an instant."""
        cut = self.window.until(at)
        return Claim(self.grant, self.entitlement, cut or self.window, None if cut else Reason.BOUND, bound)

    def ended(self, at: datetime) -> bool:
        """Whether its time is over, whatever ended it."""
        return self.blocked is Reason.BOUND or (self.blocked is None and self.window.ended(at))


class Holding(Struct, frozen=True, gc=False):
    """An entitlement that the ledger shows as ours: the grants that gave it, until when the target has it, its numbers."""

    entitlement: Entitlement
    grants: tuple[GrantId, ...]
    until: datetime | None = None
    numbers: Numbers = ()


class Intended(Struct, frozen=True, gc=False):
    """One change. ``due``: when it should happen, the window's start or end, else the run's own instant.

    ``grants`` are the grants that give (add) or gave (remove) the entitlement; ``until`` is when an added one ends.
    """

    action: Action
    entitlement: Entitlement
    grants: tuple[GrantId, ...]
    reason: Reason
    due: datetime
    until: datetime | None = None

    def to_dict(self) -> dict[str, object]:
        """Return the change as plain data."""
        found: dict[str, object] = {
            "action": self.action.value,
            **self.entitlement._asdict(),
            "grants": list(self.grants),
            "reason": self.reason.value,
            "due": format_instant(self.due),
        }
        return found | ({"until": format_instant(self.until)} if self.until else {})


class Plan(Struct, frozen=True):
    """The ordered changes at one instant.

    ``waiting`` are grants whose window is not open yet; ``blocked`` give nothing, and why; ``unmanaged`` is access that
    exists and that no grant of ours gave; ``unreadable`` maps a target to why it could not be observed: nothing is
    planned for it; ``live`` counts the entitlements that should exist, but for the lost, offered and unknown, and
    ``by_ledger`` those of them at targets that nobody can look at, of which the ledger's word is all there is. ``lost``
    is what somebody took away at a target whose settings say that it is to be left so; ``offered`` should exist, and
    waits for the subject to accept it.
    ``gone`` is to be taken away, and its target was seen without it: nothing is left to do but to write that down.
    ``denied`` is live, and today's policies deny it: nothing is done about it. ``tasks`` end what is live: they are done,
    or could not be looked at. ``failing`` should be made, has failed, and is tried again later: it is no change of this plan.
    Of what is ``unknown`` nobody can tell whether it exists: nothing is planned. ``renamed`` is ours under today's name.
    """

    at: datetime
    main: str
    changes: tuple[Intended, ...]
    waiting: tuple[Claim, ...] = ()
    blocked: tuple[Claim, ...] = ()
    unmanaged: tuple[Entitlement, ...] = ()
    unreadable: Mapping[str, str] = field(default_factory=dict)
    live: int = 0
    lost: tuple[Intended, ...] = ()
    offered: tuple[Entitlement, ...] = ()
    unknown: tuple[Doubt, ...] = ()
    renamed: tuple[Doubt, ...] = ()
    failing: tuple[Failing, ...] = ()
    denied: tuple[Denied, ...] = ()
    tasks: tuple[EndingTask, ...] = ()
    by_ledger: int = 0
    gone: frozenset[Entitlement] = frozenset()

    @property
    def digest(self) -> str:
        """``sha256:…`` of what would be done; what ``--confirm`` names when the brake holds."""
        return changes_digest(self.main, self.changes)


def changes_digest(main: str, changes: Iterable[Intended]) -> str:
    """Return ``sha256:…`` of changes on a commit of main.

    When they fall due is left out: many are due at the run's own instant, and a person who confirms them does so in a
    later run.
    """
    told = [{key: value for key, value in change.to_dict().items() if key != "due"} for change in changes]
    return digest({"main": main, "changes": told})


class Observed(Struct, frozen=True):
    """What the targets were seen to hold, or why one could not be read. ``offered`` is no access until it is accepted.

    ``found`` is what they say by numbers, and ``entitlements`` agree with it: see `by_number`. ``skews`` say how far a
    target's clock is ahead of ours, for those that say a time. ``by_ledger`` are those that nobody can look at: the ledger's
    word stands for what is there. ``returned`` was taken away and is there again, under today's names, with its numbers.
    """

    entitlements: frozenset[Entitlement]
    unreadable: Mapping[str, str] = field(default_factory=dict)
    offered: frozenset[Entitlement] = frozenset()
    found: Mapping[Entitlement, Found] = field(default_factory=dict)
    skews: Mapping[str, timedelta] = field(default_factory=dict)
    by_ledger: frozenset[str] = frozenset()
    returned: Mapping[Entitlement, Numbers] = field(default_factory=dict)

    def within(self, resources: Container[str]) -> Observed:
        """Return what was seen of some resources alone."""
        return structs.replace(
            self,
            entitlements=frozenset(one for one in self.entitlements if one.resource in resources),
            offered=frozenset(one for one in self.offered if one.resource in resources),
            found={one: told for one, told in self.found.items() if one.resource in resources},
            returned={one: known for one, known in self.returned.items() if one.resource in resources},
        )

    @classmethod
    def joined(cls, parts: Collection[Observed]) -> Observed:
        """Return what was seen at several targets."""
        found: dict[Entitlement, Found] = {}
        for part in parts:
            found.update(part.found)
        return cls(
            frozenset().union(*(part.entitlements for part in parts)),
            {name: why for part in parts for name, why in part.unreadable.items()},
            frozenset().union(*(part.offered for part in parts)),
            found,
            {name: skew for part in parts for name, skew in part.skews.items()},
            frozenset().union(*(part.by_ledger for part in parts)),
            {one: known for part in parts for one, known in part.returned.items()},
        )


def by_number(seen: frozenset[Entitlement], found: Mapping[Entitlement, Found]) -> frozenset[Entitlement]:
    """Return what was seen under names of today, with what is ours under its recorded name.

    What is there by its number stands under the name that the ledger has, and not under today's as somebody else's. What
    is not, or of which nobody can tell, does not stand there because somebody else bears its name.
    """
    if all(one.there and not one.called for one in _said(found)) and seen.issuperset(set(found)):
        return seen  # as most targets are found
    there = {entitlement for entitlement, one in found.items() if one.there}
    called = {entitlement for one in found.values() for entitlement in one.called}
    return (seen - found.keys() - called) | there


def unknown_of(observed: Observed, live: Container[Entitlement]) -> dict[Entitlement, str]:
    """Return of what nobody can tell whether it exists, and why.

    What is gone by its number is gone. But while a grant of it is live it would be given again, to whoever bears the name
    now: that waits for a person (invariant 15).
    """
    if all(one.there for one in _said(observed.found)):
        return {}
    return {
        entitlement: one.why
        for entitlement, one in observed.found.items()
        if one.there is None or (not one.there and one.why and entitlement in live)
    }


def renamed_of(observed: Observed) -> dict[Entitlement, str]:
    """Return what is ours and has another name now at its target, and why it has."""
    found = observed.found if any(one.there and one.why for one in _said(observed.found)) else {}
    return {entitlement: one.why for entitlement, one in found.items() if one.there and one.why}


def _said(found: Mapping[Entitlement, Found]) -> Collection[Found]:
    """Return what is said of any; of very many entitlements targets say it by the same object."""
    return {id(one): one for one in found.values()}.values()


class Order(NamedTuple):
    """One change as a target is asked for it, at the run's instant ``at``.

    ``until`` is when an added entitlement ends, and when one to be removed would have ended by itself (None: never).
    ``keys`` are the subject's public keys (as in authorized_keys), to which alone anything is handed over. ``numbers`` are
    those by which the entitlement was given: they say what is meant, whatever has its names now.
    """

    action: Action
    entitlement: Entitlement
    at: datetime
    until: datetime | None
    keys: tuple[str, ...] = ()
    numbers: Numbers = ()


class Done(NamedTuple):
    """What a target says of one order: why it failed ("" when it did not), and what the subject receives.

    ``handover`` goes into the ledger, which many can read: a certificate, or a secret encrypted to the subject's key.
    """

    error: str = ""
    handover: str = ""
