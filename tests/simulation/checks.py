"""What must hold after each run and at the end of a life, by the numbers of the design."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from daypass.core.ledger.receipt import Intent
from daypass.core.plan import Entitlement
from fakes.target import Dials
from simulation.oracle import Access, Oracle
from simulation.place import Place, named
from simulation.story import TARGETS, instant

ByHand = Mapping[str, set[Entitlement]]
"""What somebody gave past daypass, by target."""


class Unkept(Exception):  # noqa: N818  (it is raised where an invariant is not kept)
    """An invariant does not hold: its number, and what was found."""


def keep(holds: bool, invariant: str, what: str) -> None:
    """Raise Unkept where an invariant does not hold."""
    if not holds:
        raise Unkept(invariant, what)


def check_by_hand(place: Place, by_hand: ByHand) -> None:
    """What is not ours is there still, whatever became of the run."""
    for name, target in place.targets.items():
        gone = by_hand[name] - target.held.keys()
        keep(not gone, "6", f"what was given by hand is gone: {gone}")


def check_access(
    place: Place,
    oracle: Oracle,
    by_hand: ByHand,
    touched: Collection[str],
    at: int,
    allowed: set[Access],
    *,
    every: bool,
) -> None:
    """Each target that works has what the oracle allows and the ledger says, and all that was granted if ``every``."""
    ledger = place.access.repo().standing.holdings.keys()
    required = oracle.required(at)
    for name, target in place.targets.items():
        if target.dials != Dials() or name in touched:
            continue
        ours = {named(one) for one in target.held.keys() - by_hand[name]}
        held = {named(one) for one in ledger if one.target == name}
        here = {one for one in required if TARGETS[one[0]] == name}
        keep(ours <= allowed, "1", f"{sorted(ours - allowed)} is at target {name}, and nothing gives it")
        keep(not every or here <= ours, "8", f"{sorted(here - ours)} is not at target {name}, and was granted")
        keep(ours == held, "5", f"target {name} has {sorted(ours)}, and by the ledger {sorted(held)}")


def check_read_back(place: Place, by_hand: ByHand, brought_back: ByHand, touched: Collection[str]) -> None:
    """The ledger says of nothing that it is gone while it is there, but of what a backup brought back since.

    Where a target was touched by a fault, what is there may be begun and never finished: that is told as well.
    """
    standing = place.access.repo().standing
    for name, target in place.targets.items():
        if not target.dials.unreadable:
            unknown = target.held.keys() - by_hand[name] - brought_back[name] - standing.holdings.keys()
            unknown -= standing.unfinished if name in touched else set()
            keep(not unknown, "5", f"target {name} still has {sorted(map(named, unknown))}, and the ledger says not")


def check_ledger(place: Place, at: int) -> None:
    """The ledger verifies, and has an intent of every change that was asked of a target."""
    said = place.access.run("audit", "verify", "--at", instant(at), expect=None)
    keep(said.code == 0, "5", f"audit verify: {said.out}{said.err}")
    intended = _intended(place)
    for target in place.targets.values():
        for verb, one in target.calls:
            keep((verb, one) in intended, "5", f"{verb} {named(one)} has no receipt")


def _intended(place: Place) -> set[tuple[str, Entitlement]]:
    """Return every change that the ledger has an intent of."""
    ledger = place.access.repo().ledger
    receipts = ledger.receipts.proved(ledger.verifier.open).receipts
    intents = (receipt.body for receipt in receipts if isinstance(receipt.body, Intent))
    return {(change.action.value, change.entitlement) for intent in intents for change in intent.changes}
