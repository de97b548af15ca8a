"""Of which resources a receipt tells, so that whoever knows how others stood need not look at them again."""

from __future__ import annotations

from collections.abc import Iterable

from daypass.core.ids import GrantId, folder_of
from daypass.core.ledger.receipt import (
    Admission,
    Body,
    Decided,
    Ended,
    Intent,
    Outcome,
    Pulse,
    Refusal,
    Retirement,
    Reviewed,
    Settled,
    Snapshot,
)
from daypass.core.ledger.records import Idle
from daypass.core.plan import Entitlement

EVERYTHING = ""
"""Stands for all resources, where a receipt may tell of any."""


def resources_of(body: Body) -> frozenset[str]:
    """Return the resources of whose grants, or of access to which, a receipt tells: by their folders, and by name."""
    match body:
        case Intent() | Outcome():
            changes = body.changes if isinstance(body, Intent) else (body.change,)
            return frozenset(name for one in changes for name in _named(one.entitlement, one.grants))
        case Admission():
            return _named(body.entitlement, (body.grant,))
        case Settled():
            return _named(body.holding.entitlement, (*body.holding.grants, *(one.grant for one in body.refusals)))
        case Ended() | Refusal() | Retirement() | Reviewed():
            return frozenset({folder_of(body.grant)})
        case Pulse() | Snapshot() | Idle() | Decided():  # these change nothing that access hangs on
            return frozenset()
        case _:
            return frozenset({EVERYTHING})


def _named(entitlement: Entitlement, grants: Iterable[GrantId]) -> frozenset[str]:
    return frozenset({entitlement.resource, *map(folder_of, grants)})
