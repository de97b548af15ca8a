"""From the ledger's receipts to what judging knows of them: one way for gate, applier and auditor."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from daypass.core.ids import GrantId
from daypass.core.ledger.receipt import Admission, Body, Ended, Refusal, Retirement
from daypass.core.ledger.standing import Standing, over
from daypass.core.plan import AdmittedGrant
from daypass.core.policy.held import LATELY, Held


class HeldBook:
    """Who holds what, and who approved what when, after a standing and the receipts that were added since, in their order.

    What one landing gave counts for the others alone: its grants were judged together, by what stood before it.
    """

    def __init__(self, standing: Standing) -> None:
        self._standing = standing
        self._held: dict[str, dict[GrantId, AdmittedGrant]] | None = None
        self._approved: dict[str, dict[str, datetime]] = {}
        self._later: list[Body] = []
        self._landed: list[Admission] = []

    def add(self, body: Body) -> None:
        """Take in what a receipt says next."""
        if isinstance(body, Admission | Retirement | Refusal | Ended):
            self._later.append(body)

    def of(self, resources: Collection[str], at: datetime, landing: str = "") -> Held:
        """Return what is known of some resources at an instant, for what a landing brought ("" for what is yet to land)."""
        held = self._added_up()
        if self._landed and self._landed[0].landing != landing:
            self._settle(held)
        return Held(
            {name: frozenset(_holding(held.get(name, {}), at)) for name in resources},
            {name: frozenset(_lately(self._approved.get(name, {}), at)) for name in resources},
            known=True,
        )

    def _added_up(self) -> dict[str, dict[GrantId, AdmittedGrant]]:
        """Add up what waits; nothing is gone through before anybody asks."""
        if self._held is None:
            self._held = {}
            for row in self._standing.admitted():
                self._held.setdefault(row.resource, {})[row.grant] = row
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
        there = held.get(body.grant.partition("/")[0], {})
        if isinstance(body, Admission):
            there[body.grant] = AdmittedGrant.of(body)
        elif not isinstance(body, Ended):
            there.pop(body.grant, None)
        elif body.grant in there:
            there[body.grant] = over(there[body.grant], body)

    def _settle(self, held: dict[str, dict[GrantId, AdmittedGrant]]) -> None:
        for admission in self._landed:
            held.setdefault(admission.resource, {})[admission.grant] = AdmittedGrant.of(admission)
            approved = self._approved.setdefault(admission.resource, {})
            for record in admission.approvals:
                approved[record.by] = max(record.at, approved.get(record.by, record.at))
        self._landed.clear()


def _holding(rows: Mapping[GrantId, AdmittedGrant], at: datetime) -> set[str]:
    return {row.subject for row in rows.values() if row.window.holds(at)}


def _lately(approved: Mapping[str, datetime], at: datetime) -> set[str]:
    return {handle for handle, when in approved.items() if when > at - LATELY}
