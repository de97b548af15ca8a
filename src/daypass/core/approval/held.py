"""From the ledger's receipts to what judging knows of them: one way for gate, applier and auditor."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime

from msgspec import Struct

from daypass.core.approval.roles import File, RoleBook
from daypass.core.ids import GrantId, Oid
from daypass.core.ledger.receipt import (
    Admission,
    Body,
    Decided,
    Ended,
    Refusal,
    Resolution,
    Retirement,
    Reviewed,
    Settled,
)
from daypass.core.ledger.standing import Standing, over
from daypass.core.plan import AdmittedGrant
from daypass.core.policy.held import LATELY, WEEK, Held, HeldGrant, Unmerged

_NOT_MERGED = (Resolution.DENIED, Resolution.REJECTED)
"""What counts against who asked."""

_MOST_WAITING = 1_000
"""Receipts that are kept whole at most, until somebody asks."""


class HeldBook:
    """Who holds what, and who approved what when, after a standing and the receipts that were added since, in their order.

    What one landing gave counts for the others alone: its grants were judged together, by what stood before it.
    """

    def __init__(self, standing: Standing, *, whole: bool = True) -> None:
        """Begin at a standing. What is not ``whole`` has no part of who holds what else, and is not asked of it."""
        self._standing = standing
        self._whole = whole
        self.roles = RoleBook(standing)
        self._decided: list[tuple[Decided, datetime]] = []
        self._unreviewed = dict(standing.unreviewed) if standing.unreviewed else {}
        self._held: dict[str, dict[GrantId, AdmittedGrant]] | None = None
        self._approved: dict[str, dict[str, datetime]] = {}
        self._later: list[Body] = []
        self._landed: list[Admission] = []
        self._of_subject: dict[str, dict[GrantId, AdmittedGrant]] = {}

    def add(self, body: Body, at: datetime) -> None:
        """Take in what a receipt says next, of a run at an instant."""
        if isinstance(body, Settled):
            for refusal in body.refusals:
                self.add(refusal, at)
        if isinstance(body, Decided):
            self._decided.append((body, at))
        if type(body) is Reviewed:
            self._unreviewed.pop((body.grant, body.landing), None)
        if isinstance(body, Admission) and not body.narrowed_from and (awaited := body.awaited) is not None:
            self._unreviewed[body.grant, body.landing] = awaited
        if isinstance(body, Admission | Retirement | Refusal | Ended):
            self.roles.add(body, at)
            if self._whole:
                self._later.append(body)
            if len(self._later) >= _MOST_WAITING:
                self._added_up()

    def before(self, landing: str = "") -> HeldView:
        """Return what is known before a landing, or before what is yet to land, up to what was added when it is asked."""
        return HeldView(self, landing)

    def rows(self, landing: str) -> dict[str, dict[GrantId, AdmittedGrant]]:
        """Return the admitted grants by resource, without those that the same landing brought."""
        held = self._added_up()
        if self._landed and self._landed[0].landing != landing:
            self._settle(held)
        return held

    def approved(self, resource: str) -> Mapping[str, datetime]:
        """Return who approved something on a resource, and when last; `rows` comes first."""
        return self._approved.get(resource, {})

    def rows_of(self, subject: str) -> Iterable[AdmittedGrant]:
        """Return the admitted grants of a subject; `rows` comes first."""
        return self._of_subject.get(subject, {}).values()

    @property
    def main(self) -> str:
        """The commit of main that the standing named last, "" where it named none."""
        return self._standing.main

    def denials(self, requester: str) -> Iterator[tuple[Unmerged, datetime]]:
        """Yield what was denied and rejected of somebody's requests, and when that was recorded."""
        for (pull, _, what), told in self._standing.decided.items():
            if told.requester == requester and what in _NOT_MERGED:
                yield Unmerged(pull, what.value), told.at
        for body, at in self._decided:
            if body.requester == requester and body.what in _NOT_MERGED:
                yield Unmerged(body.pull, body.what.value), at

    def unreviewed(self, subject: str) -> Iterator[tuple[GrantId, datetime]]:
        """Yield the emergencies of somebody that nobody has reviewed, and by when they are to be."""
        for (grant, _), awaited in self._unreviewed.items():
            if awaited.subject == subject:
                yield grant, awaited.by

    def _added_up(self) -> dict[str, dict[GrantId, AdmittedGrant]]:
        """Add up what waits; nothing is gone through before anybody asks."""
        if self._held is None:
            self._held = {}
            for row in self._standing.admitted():
                self._put(self._held, row)
            for (resource, handle), at in self._standing.approved.items():
                self._approved.setdefault(resource, {})[handle] = at
        for body in self._later:
            self._take(self._held, body)
        self._later.clear()
        return self._held

    def _take(self, held: dict[str, dict[GrantId, AdmittedGrant]], body: Body) -> None:
        if isinstance(body, Admission) and not body.narrowed_from:
            if self._landed and self._landed[0].landing != body.landing:
                self._settle(held)
            self._landed.append(body)
            return
        assert isinstance(body, Admission | Retirement | Refusal | Ended)  # noqa: S101  (nothing else is added)
        if any(one.grant == body.grant for one in self._landed):
            self._settle(held)
        row = held.get(body.grant.partition("/")[0], {}).get(body.grant)
        if isinstance(body, Admission):
            self._put(held, AdmittedGrant.of(body))
        elif row is not None and isinstance(body, Ended):
            self._put(held, over(row, body))
        elif row is not None:
            del held[row.resource][row.grant]
            del self._of_subject[row.subject][row.grant]

    def _put(self, held: dict[str, dict[GrantId, AdmittedGrant]], row: AdmittedGrant) -> None:
        before = held.setdefault(row.resource, {}).get(row.grant)
        if before is not None and before.subject != row.subject:
            del self._of_subject[before.subject][row.grant]
        held[row.resource][row.grant] = row
        self._of_subject.setdefault(row.subject, {})[row.grant] = row

    def _settle(self, held: dict[str, dict[GrantId, AdmittedGrant]]) -> None:
        for admission in self._landed:
            self._put(held, AdmittedGrant.of(admission))
            approved = self._approved.setdefault(admission.resource, {})
            for record in admission.approvals:
                approved[record.by] = max(record.at, approved.get(record.by, record.at))
        self._landed.clear()


class HeldView(Struct, frozen=True):
    """What is known of the ledger before one landing of main, "" for what is yet to land."""

    book: HeldBook
    landing: str

    def of(self, resources: Collection[str], at: datetime) -> Held:
        """Return who holds something on resources at an instant, and who approved something there lately."""
        held = self.book.rows(self.landing)
        return Held(
            {name: frozenset(_holding(held.get(name, {}), at)) for name in resources},
            {name: frozenset(_lately(self.book.approved(name), at)) for name in resources},
            known=True,
        )

    def grants_of(self, subject: str) -> tuple[HeldGrant, ...]:
        """Return the admitted grants of a subject."""
        self.book.rows(self.landing)
        return tuple(
            HeldGrant(row.grant, row.subject, row.resource, row.role, row.window) for row in self.book.rows_of(subject)
        )

    def role(self, resource: str, subject: str, role: str) -> tuple[HeldGrant, ...]:
        """Return when somebody had, has and is to have a role, by each grant."""
        return tuple(self.book.roles.when(resource, subject, role, self.landing))

    def denials(self, requester: str, at: datetime) -> tuple[Unmerged, ...]:
        """Return what was denied and rejected of somebody's requests in the week before an instant.

        What was recorded after a merge counts too until its grants are admitted; what one run records counts for the next.
        """
        told = self.book.denials(requester)
        return tuple(one for one, when in told if when > at - WEEK and (self.landing or when < at))

    def unreviewed(self, subject: str, at: datetime) -> tuple[GrantId, ...]:
        """Return the emergencies of somebody whose review is missing: it was to be there before an instant."""
        return tuple(sorted(grant for grant, by in self.book.unreviewed(subject) if by <= at))

    def waiting(self, files: Iterable[File]) -> Iterator[tuple[GrantId, Oid]]:
        """Yield which files of main are not admitted yet; none of those that were refused for good."""
        return self.book.roles.waiting(files, self.landing)

    @property
    def main(self) -> str:
        """The commit of main that the ledger named last, "" where it named none or where this is about a landing."""
        return "" if self.landing else self.book.main


def _holding(rows: Mapping[GrantId, AdmittedGrant], at: datetime) -> set[str]:
    return {row.subject for row in rows.values() if row.window.holds(at)}


def _lately(approved: Mapping[str, datetime], at: datetime) -> set[str]:
    return {handle for handle, when in approved.items() if when > at - LATELY}
