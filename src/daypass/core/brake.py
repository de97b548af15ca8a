"""The brake: a plan that would change more at once than the settings allow waits for a person (invariant 12)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from daypass.core.plan import BOUND_TO_TIME, THERE_BEFORE, Action, Intended, Plan


@dataclass(frozen=True, slots=True)
class Braked:
    """A plan cut in two by the brake: what may be done, and what a person must confirm first."""

    allowed: tuple[Intended, ...]
    held: tuple[Intended, ...]
    message: str = ""


def brake(plan: Plan, *, removals: int, additions: int, confirmed: str = "") -> Braked:
    """Hold back a mass of changes (invariant 12). Expiry always passes; ``confirmed`` is the digest a person gave.

    Who confirmed another plan than this one has not seen what this one opens and ends: none of it is done.

    Too many removals hold back everything else, since something is wrong with what main says. Too many additions hold
    back additions alone: a removal never waits for an addition (invariant 8). Only changes that open or end access
    count; telling a target again what it holds already does not.
    """
    taken, given = _weighty(plan.changes)
    problems = []
    if taken and len(taken) > removals:
        problems.append(
            f"{len(taken)} removals that no window's end asks for, where the settings allow {removals} at once"
        )
    if given and len(given) > additions:
        problems.append(f"{len(given)} additions, where the settings allow {additions} at once")
    if confirmed == plan.digest:
        return Braked(plan.changes, ())
    other = bool(confirmed) and bool(taken or given)
    if not problems and not other:
        return Braked(plan.changes, ())
    problems = problems or ["another plan than this one was confirmed"]
    held = set(given)
    if taken and (other or len(taken) > removals):
        held = {*taken, *(change for change in plan.changes if change.action is Action.ADD)}
    return Braked(
        tuple(change for change in plan.changes if change not in held),
        tuple(change for change in plan.changes if change in held),
        "the brake holds: " + "; ".join(problems),
    )


def weight(changes: Iterable[Intended]) -> tuple[int, int]:
    """Return how many of these removals and how many of these additions the brake counts."""
    taken, given = _weighty(changes)
    return len(taken), len(given)


def _weighty(changes: Iterable[Intended]) -> tuple[list[Intended], list[Intended]]:
    every = list(changes)
    taken = [c for c in every if c.action is Action.REMOVE and c.reason not in BOUND_TO_TIME]
    return taken, [c for c in every if c.action is Action.ADD and c.reason not in THERE_BEFORE]
