"""Who may take access away: the people behind `limits.end` and `limits.revoke`.

Giving is decided by rules; taking away is not, since it must be quick. Whoever is behind one of these sources ends any
number of grants at once; anybody else's removal waits for an owner of each grant's resource.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from daypass.core.catalogue import Catalogue
from daypass.core.policy.rules import GROUP, OWNERS

REVOCATION = "daypass/revoke/"
"""How the branches of emergency stops begin."""

PERSON = "person:"
SUBJECT = "subject"
REQUESTER = "requester"
_USUAL_REVOKERS = (OWNERS, f"{GROUP}security")


@dataclass(frozen=True, slots=True)
class Ending:
    """What a change takes away: whose access to what, and who asked for it ("" where nobody knows)."""

    resource: str
    subject: str
    requester: str = ""


def revokers(catalogue: Catalogue) -> tuple[str, ...]:
    """Return the sources of those who may use the emergency stop."""
    said = catalogue.settings.limits.revoke
    usual = (source for source in _USUAL_REVOKERS if source == OWNERS or "security" in catalogue.directory.groups)
    return said if said is not None else tuple(usual)


def may_revoke(catalogue: Catalogue, ending: Ending, at: datetime) -> tuple[str, ...]:
    """Return who may end this access by the emergency stop."""
    return _people(catalogue, ending, revokers(catalogue), at)


def may_end(catalogue: Catalogue, ending: Ending, at: datetime) -> tuple[str, ...]:
    """Return who may end this access alone."""
    return _people(catalogue, ending, catalogue.settings.limits.end, at)


def owners(catalogue: Catalogue, ending: Ending, at: datetime) -> tuple[str, ...]:
    """Return the owners of the resource: they approve what others want ended."""
    return _people(catalogue, ending, (OWNERS,), at)


def _people(catalogue: Catalogue, ending: Ending, sources: tuple[str, ...], at: datetime) -> tuple[str, ...]:
    """Return the people behind sources who are engaged at that instant, in the order of the sources."""
    found: dict[str, None] = {}
    for handle in (handle for source in sources for handle in _handles(catalogue, ending, source)):
        known = catalogue.directory.subjects.get(handle)
        if known is None or not known.is_person or catalogue.unheard(known):
            continue
        if not catalogue.absence(handle, at):
            found[handle] = None
    return tuple(found)


def _handles(catalogue: Catalogue, ending: Ending, source: str) -> tuple[str, ...]:
    """Return the handles behind a source, sorted; nobody for a group or resource that is not known."""
    if source in (SUBJECT, REQUESTER):
        return (ending.subject if source == SUBJECT else ending.requester,)
    if source.startswith(PERSON):
        return (source.removeprefix(PERSON),)
    resource = catalogue.resources.get(ending.resource)
    usual = resource.owners if resource is not None else ()
    groups = usual if source == OWNERS else (source.removeprefix(GROUP),)
    return tuple(sorted({handle for group in groups for handle in catalogue.directory.groups.get(group, ())}))
