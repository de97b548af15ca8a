"""What people do to a request before it is reviewed: each must be entitled to it when they do it, and at the merge."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from daypass.core.grant import Oid

if TYPE_CHECKING:
    from daypass.core.approval import Account
    from daypass.core.ledger.receipt import ActRecord

OPENED, MADE, PUSHED = "opened", "made", "pushed"
"""They open it, make its branch, move its head."""


@dataclass(frozen=True, slots=True)
class Act:
    """Somebody ``did`` something to a request at an instant; ``mains`` as in Review."""

    by: Account
    did: str
    at: datetime
    mains: tuple[Oid, ...] = ()


def last_push(acts: Iterable[Act | ActRecord]) -> datetime | None:
    """Return when the head was moved last, None where it never was: approvals up to then were of another head."""
    return max((act.at for act in acts if act.did == PUSHED), default=None)
