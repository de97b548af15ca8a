"""Who can approve: the people behind a requirement's source, and whether they are enough."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Protocol

from daypass.core.catalogue import Catalogue, Subject
from daypass.core.grant import Grant
from daypass.core.policy.rules import GROUP, OWNERS, Requirement


class HasCatalogue(Protocol):
    """What is needed of a policy here."""

    @property
    def catalogue(self) -> Catalogue:
        """Who there is."""
        ...


def approvers(policy: HasCatalogue, grant: Grant, source: str, at: datetime | None = None) -> tuple[str, ...]:
    """Return the handles of the people who can give a source's approval, sorted; nobody for an unknown source.

    Workloads never count, nor does whose kind of employment the settings leave out, or who has no key where they ask
    for signatures. Subject and requester are still among them: the caller excludes whoever may not approve *this*.
    """
    return people(policy.catalogue, grant, source, at)


def people(catalogue: Catalogue, grant: Grant, source: str, at: datetime | None = None) -> tuple[str, ...]:
    """Return the people behind a source who may approve; with ``at``, only those whose engagement is not over by then."""
    directory = catalogue.directory
    handles: set[str] = set()
    for group in _groups(catalogue, grant, source):
        handles |= directory.groups.get(group, frozenset())
    found = []
    for handle in sorted(handles):
        subject = directory.subjects.get(handle)
        if (
            subject is not None
            and _may_approve(catalogue, subject)
            and (at is None or not catalogue.absence(handle, at))
        ):
            found.append(handle)
    return tuple(found)


def _may_approve(catalogue: Catalogue, subject: Subject) -> bool:
    kinds = catalogue.settings.limits.approvers
    return subject.is_person and (not kinds or subject.employment in kinds) and not catalogue.unheard(subject)


def outsiders(catalogue: Catalogue, requirements: Iterable[Requirement]) -> tuple[Subject, ...]:
    """Return the people who can approve something and are no employees, by handle; nobody where the settings say who may."""
    if catalogue.settings.limits.approvers:
        return ()
    able = (one for one in possible(catalogue, requirements) if not catalogue.unheard(one))
    return tuple(one for one in able if one.employment != "employee")


def possible(catalogue: Catalogue, requirements: Iterable[Requirement]) -> tuple[Subject, ...]:
    """Return the people who can approve something, by handle: owners, and whoever these requirements name."""
    groups = {owner for resource in catalogue.resources.values() for owner in resource.owners}
    sources = {source for each in requirements for source in (each.source, each.escalate_to)}
    groups |= {source.removeprefix(GROUP) for source in sources if source.startswith(GROUP)}
    directory = catalogue.directory
    handles = {handle for group in groups for handle in directory.groups.get(group, frozenset())}
    named = (directory.subjects[handle] for handle in sorted(handles) if handle in directory.subjects)
    return tuple(one for one in named if one.is_person)


def _groups(catalogue: Catalogue, grant: Grant, source: str) -> tuple[str, ...]:
    if source == OWNERS:
        resource = catalogue.resources.get(grant.resource)
        return resource.owners if resource is not None else ()
    return (source.removeprefix(GROUP),) if source.startswith(GROUP) else ()


def shortage(
    catalogue: Catalogue, grant: Grant, requester: str, requirements: Sequence[Requirement], at: datetime
) -> list[tuple[str, str, str]]:
    """Say why the requirements can never be met: (code, message, hint) each, nothing where they can.

    Subject and requester are left out, as is anyone whose engagement is over at ``at``. People whom an escalation adds
    count, but they are no excuse for an empty source. Different sources need different people.
    """
    found: list[tuple[str, str, str]] = []
    slots: list[frozenset[str]] = []
    for requirement in requirements:
        every = people(catalogue, grant, requirement.source, at)
        if not every:
            found.append(_nobody(catalogue, grant, requirement.source))
            continue
        more = people(catalogue, grant, requirement.escalate_to, at) if requirement.escalate_to else ()
        able = frozenset({*every, *more}) - {grant.subject, requester}
        if len(able) < requirement.at_least:
            mute = _mute(catalogue, grant, requirement.source)
            found.append(_too_few(requirement, able, {grant.subject, requester} & {*every, *more}, mute))
        slots += [able] * requirement.at_least
    if not found and not _distinct(slots):
        sources = ", ".join(f"{r.at_least} from {r.source}" for r in requirements)
        message = f"the approvals needed ({sources}) must come from different people, and there are not enough"
        found.append(("too-few-approvers", message, "add people to the groups in policies/directory"))
    return found


def _nobody(catalogue: Catalogue, grant: Grant, source: str) -> tuple[str, str, str]:
    """Say why nobody can give a source's approval: it has no people, or none of them may approve."""
    groups = ", ".join(_groups(catalogue, grant, source)) or source
    there = _there(catalogue, grant, source)
    what = f"nobody can give the approval from {source}: "
    if not there:
        return ("no-approvers", f"{what}{groups} has no people", f"add people to {groups} in policies/directory")
    if all(map(catalogue.unheard, there)):
        why = f"none of the people of {groups} has an SSH key, and limits.unsigned refuses what nobody signed"
        return ("no-approvers", f"{what}{why}", "add ssh_keys to them in policies/directory")
    if not any(_may_approve(catalogue, one) for one in there):
        kinds = ", ".join(catalogue.settings.limits.approvers)
        why = f"none of the people of {groups} is engaged as limits.approvers asks ({kinds})"
        return ("no-approvers", f"{what}{why}", f"add such people to {groups}, or widen limits.approvers")
    return ("no-approvers", f"{what}everybody in {groups} has left", f"add people to {groups} in policies/directory")


def _there(catalogue: Catalogue, grant: Grant, source: str) -> list[Subject]:
    """Return the persons behind a source, whether they may approve or not, by handle."""
    names = _groups(catalogue, grant, source)
    handles = sorted({handle for name in names for handle in catalogue.directory.groups.get(name, ())})
    subjects = catalogue.directory.subjects
    return [subjects[handle] for handle in handles if handle in subjects and subjects[handle].is_person]


def _mute(catalogue: Catalogue, grant: Grant, source: str) -> str:
    """Name the persons behind a source who could approve if they had a key, a few of them."""
    return ", ".join([one.handle for one in _there(catalogue, grant, source) if catalogue.unheard(one)][:3])


def _too_few(requirement: Requirement, able: frozenset[str], out: set[str], mute: str) -> tuple[str, str, str]:
    needs = f"{requirement.at_least} approval{'s' * (requirement.at_least > 1)} from {requirement.source}"
    without = f" without {' and '.join(sorted(out))}, who may not approve this themselves," if out else ""
    who = ", ".join(sorted(able)) or "nobody"
    message = (
        f"{needs} must be given, but{without} there is only {who}"
        if able
        else f"{needs} must be given, but{without} there is nobody"
    )
    hint = f"add people to {requirement.source} in policies/directory"
    if mute:
        hint += f", or ssh_keys to {mute}: limits.unsigned refuses what nobody signed"
    return ("too-few-approvers", message, hint)


def _distinct(slots: Sequence[frozenset[str]]) -> bool:
    """Say whether each slot can have a person of its own (augmenting paths)."""
    holder: dict[str, int] = {}

    def place(slot: int, tried: set[str]) -> bool:
        for person in sorted(slots[slot]):
            if person in tried:
                continue
            tried.add(person)
            if person not in holder or place(holder[person], tried):
                holder[person] = slot
                return True
        return False

    return all(place(slot, set()) for slot in range(len(slots)))
