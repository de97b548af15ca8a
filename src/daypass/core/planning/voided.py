"""What becomes of access of which only receipts tell that count for nothing, since their key was revoked.

An honest run may have given it, or a thief may have made it up: to take it away could take what was never ours
(invariant 6), and to forget it would leave it there for good (invariant 1). So it is ours where a grant that was proved
without those receipts gives the very same, and else nobody can tell: it is in doubt until a person settles it.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from datetime import datetime
from typing import NamedTuple

from daypass.core.ids import GrantId
from daypass.core.ledger.receipt import Outcome
from daypass.core.plan import Action, Entitlement, Found, Holding, Intended, Observed
from daypass.core.record import replace

_DOUBT = "only receipts say that it was given whose key was revoked, and no grant that was proved gives it"

Proved = Mapping[tuple[GrantId, Entitlement], datetime]
"""Until when grants give entitlements by proofs that count."""


class Judged(NamedTuple):
    """What was ``seen``, with what is in doubt apart, and what receipts are to say now of the rest."""

    seen: Observed
    outcomes: tuple[Outcome, ...]


def judge_voided(
    voided: Mapping[Entitlement, Intended],
    holdings: Mapping[Entitlement, Holding],
    observed: Observed,
    proved: Proved,
    looked_at: Container[tuple[str, str, str]],
) -> Judged:
    """Judge additions that only void receipts tell of, by what is at the targets.

    ``looked_at`` are target, resource and privilege of all that main's catalogue names: of anything else a target may not
    have been asked, and that it was not seen says nothing (invariant 15).
    """
    outcomes: list[Outcome] = []
    doubts: dict[Entitlement, Found] = {}
    for entitlement, change in sorted(voided.items()):
        ends = {g: proved[g, entitlement] for g in change.grants if (g, entitlement) in proved}
        target = entitlement.target
        there = entitlement in observed.entitlements | observed.offered
        blind = target in observed.unreadable or target in observed.by_ledger
        named = (target, entitlement.resource, entitlement.privilege) in looked_at
        if entitlement in holdings:
            outcomes.append(_not_so(change, "it is ours by other receipts"))
        elif named and not blind and not there:
            outcomes.append(_not_so(change, "it is not there"))
        elif ends and (there or target in observed.by_ledger):
            given = Intended(
                Action.ADD, entitlement, tuple(sorted(ends)), change.reason, change.due, max(ends.values())
            )
            outcomes.append(Outcome(given, ok=True, recovered=True))
        elif not ends or not blind:
            doubts[entitlement] = Found(None, _DOUBT)
    if not doubts:
        return Judged(observed, tuple(outcomes))
    seen = replace(
        observed,
        entitlements=observed.entitlements - doubts.keys(),
        offered=observed.offered - doubts.keys(),
        found={**observed.found, **doubts},
    )
    return Judged(seen, tuple(outcomes))


def _not_so(change: Intended, why: str) -> Outcome:
    return Outcome(change, ok=False, error=why, recovered=True)
