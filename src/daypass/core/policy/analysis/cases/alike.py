"""People, and roles, that nothing tells apart: one of each kind stands for all.

Two of them are alike where policies would read the same with the two exchanged: no fact differs, and nobody names either.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from daypass.core.bounds.outside import loose_claims
from daypass.core.catalogue import Directory, Subject
from daypass.core.policy.policies import Policy
from daypass.core.policy.requirement import Requirement
from daypass.core.policy.sources import parted, parts

_FEW = 12
"""So few need not be told apart."""


def roles(policies: Sequence[Policy], named: frozenset[str], by_name: bool) -> tuple[tuple[str, str], ...]:
    """Return one of the roles that are alike each, by resource and role; ``named`` are the texts that conditions name."""
    policy = policies[0]
    ledger = frozenset[str]().union(*(one.rules.of_ledger for one in policies))
    ledger |= {name for vendor in policy.catalogue.directory.vendors.values() for name in vendor.resources}
    held = {name.partition("/")[0] for name in named if "/" in name}
    found: dict[object, tuple[str, str]] = {}
    for resource in policy.catalogue.resources.values():
        own = resource.name if by_name or resource.name in {*named, *ledger, *held} else ""
        seen = (resource.environment, resource.classification, resource.target, resource.data, resource.owners)
        for role in resource.roles.values():
            unfit = (resource.name, role.name) in policy.unfit
            mine = role.name if by_name or own or role.name in named else ""
            found.setdefault(
                (own, mine, seen, resource.retention_until, role.max_duration, unfit), (resource.name, role.name)
            )
    return tuple(sorted(found.values()))


def pairs(policies: Sequence[Policy], named: frozenset[str], by_name: bool) -> Iterator[tuple[str, str]]:
    """Go through who may receive access and who may ask for it, oneself first; of those alike one stands for all."""
    policy = policies[0]
    directory = policy.catalogue.directory
    classes: dict[object, list[str]] = {}
    apart = frozenset[str]().union(*(_apart(one, named) for one in policies))
    few = len(directory.subjects) <= _FEW
    for handle, subject in directory.subjects.items():
        own = handle if by_name or few or handle in apart else ""
        classes.setdefault((own, _seen(policy, subject)), []).append(handle)
    first = [handles[0] for handles in classes.values()]
    for handles in classes.values():
        yield handles[0], handles[0]
    for handles in classes.values():
        yield from ((handles[0], other) for other in [*handles[1:2], *(one for one in first if one != handles[0])])


def _seen(policy: Policy, one: Subject) -> object:
    groups = tuple(policy.facts.groups_of(one.handle))
    speaks = (policy.catalogue.unheard(one), one.owners, bool(one.claims), loose_claims(one.claims))
    return one.kind, one.employment, one.vendor, one.manager, one.until, groups, tuple(sorted(one.identities)), speaks


def _apart(policy: Policy, named: frozenset[str]) -> frozenset[str]:
    """Return the handles of those whom conditions, sources, rotas and deputies name, and of managers and sponsors."""
    catalogue = policy.catalogue
    directory: Directory = catalogue.directory
    limits = catalogue.settings.limits
    said = [source for rule in policy.rules.rules for need in rule.require for source in _sources(need)]
    said += [*limits.end, *(limits.revoke or ()), *(limits.ask_for_others or ())]
    said += [source for purpose in catalogue.purposes.values() for source in purpose.asked_by]
    persons = {name for source in said for kind, name in map(parted, parts(source)) if kind == "person"}
    turns = {handle for rota in catalogue.rotas.values() for handle in rota.people}
    acting = {handle for of, deputy in directory.deputies.items() for handle in (of, deputy.by)}
    managers = {one.manager for one in directory.subjects.values()}
    managers |= {sponsor for handle in directory.subjects for sponsor in directory.sponsors_of(handle)}
    return frozenset(named | persons | turns | acting | managers)


def _sources(need: Requirement) -> tuple[str, ...]:
    return (need.source, *(step.to for step in need.escalate), *need.without)
