"""Sources: who may approve or end something, by the words that rules and settings name them with.

One table says which people are behind each kind of source. What rules require and who can meet it is one value, and one
function says whether different people meet different requirements: before anybody is asked, and once they have approved.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType

from msgspec import Struct

from daypass.core.catalogue import Catalogue, Subject
from daypass.core.grant import Grant
from daypass.core.record import replace

OWNERS = "owners"
"""The source that means: anyone in a group that owns the resource."""

GROUP = "group:"
"""How a source that names one group begins."""

REVOCATION = "daypass/revoke/"
"""How the branches of emergency stops begin."""


class Ending(Struct, frozen=True):
    """Access that is taken away, or asked for: whose to what, and who asked for it ("" where nobody knows)."""

    resource: str
    subject: str
    requester: str = ""


SOURCES: Mapping[str, Callable[[Catalogue, Ending, str], Collection[str]]] = MappingProxyType(
    {
        "owners": lambda catalogue, access, _: _members(catalogue, _owning(catalogue, access.resource)),
        "group": lambda catalogue, _, name: _members(catalogue, (name,)),
        "person": lambda _, __, name: (name,),
        "subject": lambda _, access, __: (access.subject,),
        "requester": lambda _, access, __: (access.requester,),
    }
)
"""Each kind of source (``group:dba`` is of the kind ``group``) to the handles behind it, given what follows the colon."""

_OF_THE_ACCESS = ("subject", "requester")
"""Those behind whom there are others with each access."""


def _owning(catalogue: Catalogue, resource: str) -> tuple[str, ...]:
    known = catalogue.resources.get(resource)
    return known.owners if known is not None else ()


def _members(catalogue: Catalogue, groups: Iterable[str]) -> frozenset[str]:
    return frozenset[str]().union(*(catalogue.directory.groups.get(group, ()) for group in groups))


def _persons(catalogue: Catalogue, access: Ending, source: str) -> list[Subject]:
    """Return the persons behind a source, by handle; nobody for a source, group or resource that is not known."""
    kind, _, name = source.partition(":")
    subjects = catalogue.directory.subjects
    handles = SOURCES[kind](catalogue, access, name) if kind in SOURCES else ()
    return [subjects[handle] for handle in sorted(handles) if handle in subjects and subjects[handle].is_person]


# Who may end access


def revokers(catalogue: Catalogue) -> tuple[str, ...]:
    """Return the sources of those who may use the emergency stop."""
    said = catalogue.settings.limits.revoke
    usual = (OWNERS, f"{GROUP}security") if "security" in catalogue.directory.groups else (OWNERS,)
    return said if said is not None else usual


def may_revoke(catalogue: Catalogue, ending: Ending, at: datetime) -> tuple[str, ...]:
    """Return who may end this access by the emergency stop."""
    return _enders(catalogue, ending, revokers(catalogue), at)


def may_end(catalogue: Catalogue, ending: Ending, at: datetime) -> tuple[str, ...]:
    """Return who may end this access alone, any number of such at once; anybody else's removal waits for an owner."""
    return _enders(catalogue, ending, catalogue.settings.limits.end, at)


def owners(catalogue: Catalogue, ending: Ending, at: datetime) -> tuple[str, ...]:
    """Return the owners of the resource: they approve what others want ended."""
    return _enders(catalogue, ending, (OWNERS,), at)


def _enders(catalogue: Catalogue, ending: Ending, sources: Iterable[str], at: datetime) -> tuple[str, ...]:
    """Return the people behind sources who are engaged at that instant, in the order of the sources."""
    found = (one for source in sources for one in _persons(catalogue, ending, source))
    able = (one.handle for one in found if not catalogue.unheard(one) and not catalogue.absence(one.handle, at))
    return tuple(dict.fromkeys(able))


# Who can approve


class Requirement(Struct, frozen=True):
    """Approvals that must be there: how many, from whom, which rules ask ("default" when none did).

    After ``escalate_after`` without an answer the people of ``escalate_to`` (a source) may approve as well; "" = never.
    ``eligible`` and ``escalated`` are the people who can meet it, once `resolve` has found them.
    """

    at_least: int
    source: str
    rules: tuple[str, ...] = ()
    escalate_to: str = ""
    escalate_after: timedelta | None = None
    eligible: frozenset[str] = frozenset()
    escalated: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if self.at_least < 1:
            raise RuntimeError(f"a requirement asks for at least one approval, got {self.at_least}")

    def escalates_at(self, opened_at: datetime) -> datetime | None:
        """Return when the escalation's people may approve too; None where nobody comes in."""
        return opened_at + self.escalate_after if self.escalate_after is not None and self.escalated else None

    def allows(self, handle: str, given_at: datetime, opened_at: datetime) -> bool:
        """Say whether an approval by this person, given then, is of the kind that is asked for."""
        since = self.escalates_at(opened_at)
        return handle in self.eligible or (since is not None and given_at >= since and handle in self.escalated)


def approvers(catalogue: Catalogue, grant: Grant, source: str, at: datetime | None = None) -> tuple[str, ...]:
    """Return the handles of the people who can give a source's approval, sorted; nobody for an unknown source.

    Workloads never count, nor does whose kind of employment the settings leave out, or who has no key where they ask
    for signatures; with ``at``, only whose engagement is not over by then. Subject and requester are still among them:
    the caller excludes whoever may not approve *this*.
    """
    key = (source, grant.resource)
    able = catalogue.remembered.get(key)
    if able is None:
        there = _persons(catalogue, Ending(grant.resource, grant.subject), source)
        able = tuple((one.handle, _gone_at(catalogue, one)) for one in there if _may_approve(catalogue, one))
        if source not in _OF_THE_ACCESS:
            catalogue.remembered[key] = able
    return tuple(handle for handle, gone_at in able if at is None or gone_at is None or at < gone_at)


def _gone_at(catalogue: Catalogue, person: Subject) -> datetime | None:
    return next((bound.limit for bound in catalogue.ends(person.handle, "")), None)


def resolve(
    catalogue: Catalogue, grant: Grant, requirements: Iterable[Requirement], at: datetime
) -> tuple[Requirement, ...]:
    """Return requirements with the people who could meet them at an instant."""
    return tuple(
        replace(
            one,
            eligible=frozenset(approvers(catalogue, grant, one.source, at)),
            escalated=frozenset(approvers(catalogue, grant, one.escalate_to, at)),
        )
        for one in requirements
    )


def assign(counts: Sequence[int], able: Mapping[str, Collection[int]]) -> list[set[str]]:
    """Give each person to at most one of some requirements so that as many as possible are filled (augmenting paths).

    ``counts`` says how many people each requirement asks for, and ``able`` which requirements, by place, each can meet.
    The same people and requirements give the same answer.
    """
    taken: list[set[str]] = [set() for _ in counts]
    serves: dict[str, int] = {}

    def fill(index: int, visited: set[int]) -> bool:
        visited.add(index)
        for handle, places in able.items():
            if handle in taken[index] or index not in places:
                continue
            holder = serves.get(handle)
            if holder is None or (holder not in visited and fill(holder, visited)):
                if holder is not None:
                    taken[holder].discard(handle)
                serves[handle] = index
                taken[index].add(handle)
                return True
        return False

    for index, count in enumerate(counts):
        while len(taken[index]) < count and fill(index, set()):
            pass
    return taken


def _may_approve(catalogue: Catalogue, subject: Subject) -> bool:
    kinds = catalogue.settings.limits.approvers
    return (not kinds or subject.employment in kinds) and not catalogue.unheard(subject)


def outsiders(catalogue: Catalogue, requirements: Iterable[Requirement]) -> tuple[Subject, ...]:
    """Return the people who can approve something and are no employees, by handle; nobody where the settings say who may."""
    if catalogue.settings.limits.approvers:
        return ()
    able = (one for one in possible(catalogue, requirements) if not catalogue.unheard(one))
    return tuple(one for one in able if one.employment != "employee")


def possible(catalogue: Catalogue, requirements: Iterable[Requirement]) -> Iterator[Subject]:
    """Return the people who can approve something, by handle: owners, and whoever these requirements name."""
    groups = {owner for resource in catalogue.resources.values() for owner in resource.owners}
    sources = {source for each in requirements for source in (each.source, each.escalate_to)}
    groups |= {source.removeprefix(GROUP) for source in sources if source.startswith(GROUP)}
    subjects = catalogue.directory.subjects
    named = (subjects[handle] for handle in sorted(_members(catalogue, groups)) if handle in subjects)
    return (one for one in named if one.is_person)


def shortage(
    catalogue: Catalogue, grant: Grant, requester: str, requirements: Sequence[Requirement], at: datetime
) -> list[tuple[str, str, str]]:
    """Say why the requirements can never be met: (code, message, hint) each, nothing where they can.

    Subject and requester are left out, as is anyone whose engagement is over at ``at``. People whom an escalation adds
    count, but they are no excuse for an empty source. Different sources need different people.
    """
    found: list[tuple[str, str, str]] = []
    able: dict[str, set[int]] = {}
    for place, requirement in enumerate(resolve(catalogue, grant, requirements, at)):
        if not requirement.eligible:
            found.append(_nobody(catalogue, grant, requirement.source))
            continue
        every = requirement.eligible | requirement.escalated
        out = every & {grant.subject, requester}
        if len(every - out) < requirement.at_least:
            found.append(_too_few(requirement, every - out, out, _mute(catalogue, grant, requirement.source)))
        for handle in every - out:
            able.setdefault(handle, set()).add(place)
    counts = [requirement.at_least for requirement in requirements]
    if not found and any(len(taken) < count for taken, count in zip(assign(counts, able), counts, strict=True)):
        sources = ", ".join(f"{r.at_least} from {r.source}" for r in requirements)
        message = f"the approvals needed ({sources}) must come from different people, and there are not enough"
        found.append(("too-few-approvers", message, "add people to the groups in policies/directory"))
    return found


def _nobody(catalogue: Catalogue, grant: Grant, source: str) -> tuple[str, str, str]:
    """Say why nobody can give a source's approval: it has no people, or none of them may approve."""
    named = _owning(catalogue, grant.resource) if source == OWNERS else (source.removeprefix(GROUP),)
    groups = ", ".join(named) or source
    there = _persons(catalogue, Ending(grant.resource, grant.subject), source)
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


def _mute(catalogue: Catalogue, grant: Grant, source: str) -> str:
    """Name the persons behind a source who could approve if they had a key, a few of them."""
    return ", ".join(
        [
            one.handle
            for one in _persons(catalogue, Ending(grant.resource, grant.subject), source)
            if catalogue.unheard(one)
        ][:3]
    )


def _too_few(requirement: Requirement, able: frozenset[str], out: frozenset[str], mute: str) -> tuple[str, str, str]:
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
