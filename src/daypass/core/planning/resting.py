"""What one run found, for the next: all of it where nothing was to be done, and else resource by resource.

A plan takes each resource by itself. What it says of one follows from the program, main's policies, the grants in the
resource's folder, what the ledger has of these and of access there, what the targets hold there, and the instant. So a
resource of which nothing was to be said rests until a window opens or ends there, while none of these moves.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

from msgspec import Struct

from daypass.core.ids import GrantId, Oid, folder_of
from daypass.core.ledger.records import RestingResource, Rests
from daypass.core.plan import Claim, Entitlement, Intended, Plan
from daypass.core.planning.compute import next_boundary
from daypass.core.record import replace
from daypass.core.window import FOREVER

Prints = Mapping[str, Mapping[str, str]]
"""What each target was seen to hold, by a digest for each resource; WHOLE has the digest of what is not told apart."""

WHOLE = ""

MOST_TOLD = 10_000
"""No receipt tells of more resources, and of what targets hold of them."""


class Unchanged(Struct, frozen=True):
    """Nothing is to be done from ``since`` on and before ``until``, while all of ``grounds`` stays as it is.

    ``grounds`` names the program, the ledger's commit, main's, and a digest of what each target holds, ``beside`` all but
    the last. ``live`` counts what should exist, ``by_ledger`` how many of it stand at targets that nobody can look at.
    """

    grounds: str
    beside: str
    since: datetime
    until: datetime
    live: int
    by_ledger: int

    def may_hold(self, beside: str, at: datetime) -> bool:
        """Say whether this is still what a fresh reckoning would find, as far as that can be said without the targets."""
        return self.beside == beside and self.since <= at < self.until


class Remembered(Struct, frozen=True):
    """What a run found at ``since``, by a ``program``, a commit of the ``ledger``, and ``main``.

    ``sequence`` is the number of the ledger's last receipt there.
    ``prints`` name what it saw at the targets. ``resting`` are the resources of which it had nothing to say, and
    ``restless`` all others that it knew of. ``unchanged``, where it had nothing at all to say.
    """

    program: str
    ledger: Oid
    sequence: int
    main: Oid
    since: datetime
    prints: Mapping[str, Mapping[str, str]]
    resting: Mapping[str, RestingResource]
    restless: frozenset[str] = frozenset()
    unchanged: Unchanged | None = None

    @property
    def told(self) -> Rests | None:
        """What a receipt tells of it, None where that would be too much."""
        if len(self.resting) + sum(map(len, self.prints.values())) > MOST_TOLD:
            return None
        return Rests(self.prints, self.resting, tuple(sorted(self.restless)))

    def seen_otherwise(self, prints: Prints, there: Iterable[Entitlement]) -> frozenset[str]:
        """Return the resources of which targets hold something else by now; ``there`` is what they hold."""
        moved: set[str] = set()
        whole: set[str] = set()
        for target in {*prints, *self.prints}:
            now, then = prints.get(target, {}), self.prints.get(target, {})
            moved |= {name for name in {*now, *then} if now.get(name) != then.get(name)}
            if now.get(WHOLE) != then.get(WHOLE):
                whole.add(target)
        if whole:
            moved |= {name for name, one in self.resting.items() if not whole.isdisjoint(one.targets)}
            moved |= {one.resource for one in there if one.target in whole}
        return frozenset(moved - {WHOLE})


class Scope(NamedTuple):
    """The resources that a run reckons anew; of the others, which rest, the numbers, and what ``others`` gave there."""

    resources: frozenset[str]
    resting: Mapping[str, RestingResource]
    others: frozenset[Entitlement] = frozenset()

    @property
    def until(self) -> datetime:
        """The first instant at which a window opens or ends where nothing is reckoned anew."""
        return min((one.until for one in self.resting.values()), default=FOREVER)

    @property
    def held(self) -> int:
        """How much there is ours."""
        return sum(one.held for one in self.resting.values())

    def joined(self, plan: Plan) -> Plan:
        """Return the plan of the resources that were reckoned anew as that of all."""
        live = plan.live + sum(one.live for one in self.resting.values())
        by_ledger = plan.by_ledger + sum(one.by_ledger for one in self.resting.values())
        others = tuple(sorted({*plan.unmanaged, *self.others}))
        return replace(plan, live=live, by_ledger=by_ledger, unmanaged=others)


def scope_of(found: Remembered, moved: frozenset[str], there: frozenset[Entitlement], at: datetime) -> Scope:
    """Return what is to be reckoned anew at an instant, where ``moved`` has moved and targets hold what is ``there``."""
    due = {name for name, one in found.resting.items() if one.until <= at}
    resources = frozenset({*moved, *found.restless, *due})
    resting = {name: one for name, one in found.resting.items() if name not in resources}
    return Scope(resources, resting, frozenset(one for one in shown_as_others(there) if one.resource not in resources))


def shown_as_others(there: Collection[Entitlement]) -> list[Entitlement]:
    """Return what targets show by themselves to be others', as privileges alone say, of which there are few."""
    known = {one.privilege for one in there}
    theirs = {privilege for privilege in known if Entitlement("", "", "", privilege).shown_as_others}
    return [one for one in there if one.privilege in theirs] if theirs else []


def said_of(plan: Plan) -> set[str]:
    """Return the resources of which a plan has something to say, by name and by folder; not what others are shown to have."""
    changes: tuple[Intended, ...] = (*plan.changes, *plan.lost, *(one.change for one in plan.failing))
    claims: tuple[Claim, ...] = (*plan.waiting, *plan.blocked)
    doubts = (*plan.unknown, *plan.renamed)
    entitlements = [one.entitlement for some in (changes, claims, doubts, plan.denied) for one in some]
    entitlements += [*plan.offered, *(one for one in plan.unmanaged if not one.shown_as_others)]
    grants: list[GrantId] = [grant for some in (changes, doubts) for one in some for grant in one.grants]
    grants += [one.grant for some in (claims, plan.denied, plan.tasks) for one in some]
    return {*(one.resource for one in entitlements), *map(folder_of, grants)}


def resting_at(
    claims: Iterable[Claim],
    held: Iterable[tuple[Entitlement, tuple[GrantId, ...]]],
    by_ledger: frozenset[str],
    at: datetime,
) -> tuple[dict[str, RestingResource], set[str]]:
    """Return each resource's numbers, and those that do not stand by themselves, of which folders have other names.

    ``held`` is what is ours, each with the grants that give it; ``by_ledger`` names the targets that nobody can look at.
    """
    mixed: set[str] = set()
    named: dict[str, list[Claim]] = defaultdict(list)
    for claim in claims:
        named[folder := folder_of(claim.grant)].append(claim)
        if claim.entitlement.resource != folder:
            mixed |= {folder, claim.entitlement.resource}
    ours: Counter[str] = Counter()
    targets: dict[str, set[str]] = defaultdict(set)
    for entitlement, grants in held:
        ours[entitlement.resource] += 1
        targets[entitlement.resource].add(entitlement.target)
        if any(folder_of(grant) != entitlement.resource for grant in grants):
            mixed |= {entitlement.resource, *map(folder_of, grants)}
    found: dict[str, RestingResource] = {}
    for name in {*named, *ours}:
        giving = named[name]
        live = {claim.entitlement for claim in giving if claim.blocked is None and claim.window.holds(at)}
        told = sum(1 for one in live if one.target in by_ledger) if by_ledger else 0
        where = {*targets[name], *(claim.entitlement.target for claim in giving)}
        found[name] = RestingResource(next_boundary(giving, at), len(live), ours[name], told, tuple(sorted(where)))
    return found, mixed
