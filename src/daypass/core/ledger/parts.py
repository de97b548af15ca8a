"""What a standing holds, and where it has that from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, Protocol

from daypass.core.grant import GrantId, Oid
from daypass.core.ledger.receipt import Admission, Refusal
from daypass.core.plan import Action, Entitlement, Holding, Intended
from daypass.core.window import Window

Opened = tuple[Action, Entitlement]
"""What an intent and its outcome have in common."""


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

    @classmethod
    def of(cls, admission: Admission) -> AdmittedGrant:
        """Return an admission's slim row."""
        return cls(
            admission.grant,
            admission.blob,
            admission.landing,
            admission.subject,
            admission.resource,
            admission.role,
            admission.window,
            admission.entitlement,
            admission.meaning,
        )


class Failure(NamedTuple):
    """A change that was tried and failed last time.

    ``error`` says how, ``since`` is when it first failed so, ``last`` when it did last, and ``main`` the commit of main that
    the run stood on.
    """

    change: Intended
    error: str
    since: datetime
    last: datetime
    main: str


Begun = Intended | Failure
"""What was begun and never finished: how it ended is not known, or it failed, and may have come about all the same."""


class Handed(NamedTuple):
    """What receipt ``sequence`` says was handed over, good by itself until ``until``. ``ended``: by us, before that."""

    sequence: int
    entitlement: Entitlement
    grants: tuple[GrantId, ...]
    until: datetime
    text: str
    ended: bool = False


class Parts(Protocol):
    """Where a standing has what it holds from. Answers never change; all but holdings are ordered by key."""

    def rows(self) -> Mapping[GrantId, AdmittedGrant]:
        """Return every proved grant, slim."""
        ...

    def admissions(self) -> Mapping[GrantId, Admission]:
        """Return every proof, whole. Dear where there are many; `admission` reads one."""
        ...

    def admission(self, grant: GrantId) -> Admission | None:
        """Return one proof."""
        ...

    def refusals(self) -> Mapping[GrantId, Refusal]:
        """Return what was refused."""
        ...

    def holdings(self) -> Mapping[Entitlement, Holding]:
        """Return what is ours."""
        ...

    def pending(self) -> Mapping[Opened, Begun]:
        """Return what was begun and not finished."""
        ...

    def handed(self) -> Mapping[int, Handed]:
        """Return what was handed over and had not ended by itself at the last receipt, by the receipt's number."""
        ...

    def taken(self) -> frozenset[Entitlement]:
        """Return what was taken away and has not been given again."""
        ...

    def revoked(self) -> frozenset[GrantId]:
        """Return the grants that an emergency stop ended and that have not been proved again."""
        ...

    def seen(self) -> Mapping[str, datetime]:
        """Return the commits of main that receipts named, in their order, each with when the first one did."""
        ...


@dataclass(frozen=True, slots=True)
class Held:
    """Parts that are held in memory. ``slim`` and ``proofs`` have the same keys."""

    slim: Mapping[GrantId, AdmittedGrant] = field(default_factory=dict)
    proofs: Mapping[GrantId, Admission] = field(default_factory=dict)
    refused: Mapping[GrantId, Refusal] = field(default_factory=dict)
    held: Mapping[Entitlement, Holding] = field(default_factory=dict)
    opened: Mapping[Opened, Begun] = field(default_factory=dict)
    given: Mapping[int, Handed] = field(default_factory=dict)
    gone: frozenset[Entitlement] = frozenset()
    stopped: frozenset[GrantId] = frozenset()
    mains: Mapping[str, datetime] = field(default_factory=dict)

    def rows(self) -> Mapping[GrantId, AdmittedGrant]:
        """Return every proved grant, slim."""
        return self.slim

    def admissions(self) -> Mapping[GrantId, Admission]:
        """Return every proof."""
        return self.proofs

    def admission(self, grant: GrantId) -> Admission | None:
        """Return one proof."""
        return self.proofs.get(grant)

    def refusals(self) -> Mapping[GrantId, Refusal]:
        """Return what was refused."""
        return self.refused

    def holdings(self) -> Mapping[Entitlement, Holding]:
        """Return what is ours."""
        return self.held

    def pending(self) -> Mapping[Opened, Begun]:
        """Return what was begun and not finished."""
        return self.opened

    def handed(self) -> Mapping[int, Handed]:
        """Return what was handed over."""
        return self.given

    def taken(self) -> frozenset[Entitlement]:
        """Return what was taken away and has not been given again."""
        return self.gone

    def revoked(self) -> frozenset[GrantId]:
        """Return what an emergency stop ended."""
        return self.stopped

    def seen(self) -> Mapping[str, datetime]:
        """Return where main was seen, and since when."""
        return self.mains
