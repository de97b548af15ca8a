"""When nothing is to be done, and until when, so that a run which finds all as it was need not reckon again.

A plan follows from the ledger, main, the program, what the targets hold, and the instant; while none of the first four
moves, it changes only where some window opens or ends. So a plan without changes stays one until the next boundary.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from daypass.core.plan import Claim

FOREVER = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Unchanged:
    """Nothing is to be done from ``since`` on and before ``until``, while all of ``grounds`` stays as it is.

    ``grounds`` names the program, the ledger's commit, main's, and a digest of what each target holds. ``live`` counts
    what should exist, ``by_ledger`` how many of it stand at targets that nobody can look at.
    """

    grounds: str
    since: datetime
    until: datetime
    live: int
    by_ledger: int

    def holds(self, grounds: str, at: datetime) -> bool:
        """Say whether this still says what a fresh reckoning would."""
        return self.grounds == grounds and self.since <= at < self.until


def next_boundary(claims: Iterable[Claim], at: datetime) -> datetime:
    """Return the first instant after ``at`` at which any window opens or ends; FOREVER where none does."""
    boundary = FOREVER
    for claim in claims:
        window = claim.window
        if at < window.end < boundary:
            boundary = window.end
        if at < window.start < boundary:
            boundary = window.start
    return boundary
