"""Sources: who may approve, ask for or end something, by the words that rules and settings name them with.

One table says which people are behind each kind of source, given the access that it is about. A source of several parts
(``manager or group:security``) is any of them; it is written in one way, so that the same source is told by its text.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType

from msgspec import Struct

from daypass.core.catalogue import Catalogue, Subject

OWNERS = "owners"
"""The source that means: anyone in a group that owns the resource."""

GROUP = "group:"
"""How a source that names one group begins."""

ON_CALL = "on-call"
"""The kind of source behind which is who is on call by a rota at an instant; at any instant, all who ever are."""

MANAGER = "manager"
"""The source that means: whoever is next above the subject; ``manager+1`` is who is next above them, and so on."""

SPONSOR = "sponsor"
"""The source that means: who answers for the subject, a vendor's worker, a workload or an agent."""

REVOCATION = "daypass/revoke/"
"""How the branches of emergency stops begin."""

TAKEN_OUT = ("holders", "approvers")
"""The kinds that the ledger alone knows the people of; they take people out, and nobody approves by them."""

_OR = " or "


class Ending(Struct, frozen=True):
    """Access that is taken away, or asked for: whose to what, and who asked for it ("" where nobody knows)."""

    resource: str
    subject: str
    requester: str = ""


Able = Callable[[Subject], bool]
"""Says whether somebody may do what is asked of a source; who may not has the next one up stand in for them."""

SOURCES: Mapping[str, Callable[[Catalogue, Ending, str, Able], Collection[str]]] = MappingProxyType(
    {
        "owners": lambda catalogue, access, _, __: members(catalogue, owning(catalogue, access.resource)),
        "group": lambda catalogue, _, name, __: members(catalogue, (name,)),
        "person": lambda _, __, name, ___: (name,),
        "subject": lambda _, access, __, ___: (access.subject,),
        "requester": lambda _, access, __, ___: (access.requester,),
        "on-call": lambda catalogue, _, name, __: catalogue.rotas[name].people if name in catalogue.rotas else (),
        "manager": lambda catalogue, access, steps, able: _above(catalogue, access, int(steps or 0), able),
        "sponsor": lambda catalogue, access, _, able: _sponsors(catalogue, access, able),
    }
)
"""Each kind of source (``group:dba`` is of the kind ``group``) to the handles behind it, given what follows the kind."""

OF_THE_ACCESS = ("subject", "requester", "manager", "sponsor")
"""The kinds behind which there are others with each access."""


def written(source: str | Iterable[str]) -> str:
    """Return a source, or several of which any will do, in the one way that it is written."""
    return source if isinstance(source, str) else _OR.join(sorted(set(source)))


def parts(source: str) -> tuple[str, ...]:
    """Return what a source is made of, one for most; nothing for no source."""
    return tuple(source.split(_OR)) if source else ()


def parted(part: str) -> tuple[str, str]:
    """Return the kind of a part, and what follows it: the name of a group or person, how far above a manager."""
    kind, _, name = part.replace("+", ":").partition(":")
    return kind, name


def owning(catalogue: Catalogue, resource: str) -> tuple[str, ...]:
    """Return the groups that own a resource, none where nobody knows it."""
    known = catalogue.resources.get(resource)
    return known.owners if known is not None else ()


def members(catalogue: Catalogue, groups: Iterable[str]) -> frozenset[str]:
    """Return the handles in any of some groups."""
    return frozenset[str]().union(*(catalogue.directory.groups.get(group, ()) for group in groups))


def groups_in(catalogue: Catalogue, source: str, resource: str) -> tuple[str, ...]:
    """Return the groups that a source names or means, for access to a resource; people whom it means otherwise are in none."""
    found: dict[str, None] = {}
    for kind, name in map(parted, parts(source)):
        found |= dict.fromkeys(owning(catalogue, resource) if kind == OWNERS else (name,) if kind == "group" else ())
    return tuple(found)


def line_above(catalogue: Catalogue, handle: str) -> Iterator[Subject]:
    """Yield who is above somebody, the nearest first. A circle, which is a finding, is gone round once."""
    subjects, seen = catalogue.directory.subjects, {handle}
    while (below := subjects.get(handle)) is not None and below.manager not in ("", *seen):
        handle = below.manager
        seen.add(handle)
        if handle in subjects:
            yield subjects[handle]


def line_from(catalogue: Catalogue, handle: str) -> Iterator[Subject]:
    """Yield somebody and who is above them, the nearest first."""
    known = catalogue.directory.subjects.get(handle)
    yield from (known,) if known is not None else ()
    yield from line_above(catalogue, handle)


def _above(catalogue: Catalogue, access: Ending, steps: int, able: Able) -> tuple[str, ...]:
    """Return who is so many steps above the subject, of those above who may act and do not ask themselves."""
    mine = (access.subject, access.requester)
    there = [one.handle for one in line_above(catalogue, access.subject) if one.handle not in mine and able(one)]
    return tuple(there[steps : steps + 1])


def _sponsors(catalogue: Catalogue, access: Ending, able: Able) -> tuple[str, ...]:
    """Return who answers for the subject, or the next above each who asks, receives or may not act themselves.

    Nobody who works for the vendor sponsors its people, whoever they are below.
    """
    mine, vendor = (access.subject, access.requester), catalogue.directory.vendor_of(access.subject)
    theirs = vendor.name if vendor is not None else None
    found: list[str] = []
    for handle in catalogue.directory.sponsors_of(access.subject):
        line = line_from(catalogue, handle)
        found += [one.handle for one in line if one.handle not in mine and one.vendor != theirs and able(one)][:1]
    return tuple(dict.fromkeys(found))


def persons(catalogue: Catalogue, access: Ending, part: str, able: Able = lambda _: True) -> list[Subject]:
    """Return the persons behind a part of a source, by handle; nobody for a source, group or resource that is not known."""
    kind, name = parted(part)
    subjects = catalogue.directory.subjects
    handles = SOURCES[kind](catalogue, access, name, able) if kind in SOURCES else ()
    return [subjects[handle] for handle in sorted(handles) if handle in subjects and subjects[handle].is_person]


# Who may end access, and ask for that of others


def revokers(catalogue: Catalogue) -> tuple[str, ...]:
    """Return the sources of those who may use the emergency stop."""
    said = catalogue.settings.limits.revoke
    usual = (OWNERS, f"{GROUP}security") if "security" in catalogue.directory.groups else (OWNERS,)
    return said if said is not None else usual


def may_revoke(catalogue: Catalogue, ending: Ending, at: datetime) -> tuple[str, ...]:
    """Return who may end this access by the emergency stop."""
    return entitled(catalogue, ending, revokers(catalogue), at)


def may_end(catalogue: Catalogue, ending: Ending, at: datetime) -> tuple[str, ...]:
    """Return who may end this access alone, any number of such at once; anybody else's removal waits for an owner."""
    return entitled(catalogue, ending, catalogue.settings.limits.end, at)


def owners(catalogue: Catalogue, ending: Ending, at: datetime) -> tuple[str, ...]:
    """Return the owners of the resource: they, and no deputies of theirs, approve what others want ended."""
    return entitled(catalogue, ending, (OWNERS,), at, deputies=False)


def may_ask_for(catalogue: Catalogue, access: Ending, at: datetime) -> bool:
    """Say whether who asks may ask for this access: it is their own, or they have standing to ask for the subject's.

    A workload asks for nothing: the people of the groups that own it always may, and its sponsors.
    """
    sources = catalogue.settings.limits.ask_for_others
    subject = catalogue.directory.subjects.get(access.subject)
    if sources is None or subject is None or access.requester == access.subject:
        return True
    mine = [*sources, *(f"{GROUP}{group}" for group in subject.owners), *(() if subject.is_person else (SPONSOR,))]
    return access.requester in entitled(catalogue, Ending(access.resource, access.subject), mine, at)


def entitled(
    catalogue: Catalogue, access: Ending, sources: Sequence[str], at: datetime, *, deputies: bool = True
) -> tuple[str, ...]:
    """Return the people behind sources who are engaged at that instant, in the order of the sources, then their deputies.

    Of a merged grant the access may be by old names.
    """
    names = catalogue.renames
    if names:
        resource, subject = names.resource(access.resource), names.subject(access.subject)
        access = Ending(resource, subject, names.subject(access.requester))

    def able(one: Subject) -> bool:
        return not catalogue.unheard(one) and not catalogue.absence(one.handle, at)

    found = [one for source in sources for one in _there(catalogue, access, source, able, at) if able(one)]
    subjects, known = catalogue.directory.subjects, catalogue.directory.deputies
    named = [known[one.handle] for one in found if deputies and one.handle in known]
    acting = [deputy.by for deputy in named if deputy.window.holds(at)]
    return tuple(dict.fromkeys((*(one.handle for one in found), *(by for by in acting if able(subjects[by])))))


def _there(catalogue: Catalogue, access: Ending, source: str, able: Able, at: datetime) -> list[Subject]:
    """Return the persons behind a source at an instant.

    Nobody stands in for a manager or sponsor who asked for the access: they may end it themselves.
    """
    kind, name = parted(source)
    whose = Ending(access.resource, access.subject) if kind in (MANAGER, SPONSOR) else access
    there = persons(catalogue, whose, source, able)
    if kind != ON_CALL:
        return there
    return [one for one in there if one.handle == catalogue.rotas[name].on_call(at)]
