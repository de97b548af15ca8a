"""What had another name before: `was` of people, workloads, resources, roles and groups.

A grant that was merged by an old name goes on by the new one. Nothing new is asked for by an old name.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType

from msgspec import Struct

_NONE: Mapping[str, str] = MappingProxyType({})


class Renames(Struct, frozen=True):
    """Old names to those of today. Those of roles are by the resource's name of today."""

    subjects: Mapping[str, str] = _NONE
    resources: Mapping[str, str] = _NONE
    roles: Mapping[tuple[str, str], str] = MappingProxyType({})

    def __bool__(self) -> bool:
        """Whether anything was renamed."""
        return bool(self.subjects or self.resources or self.roles)

    def subject(self, name: str) -> str:
        """Return a person's or workload's name of today."""
        return self.subjects.get(name, name)

    def resource(self, name: str) -> str:
        """Return a resource's name of today."""
        return self.resources.get(name, name)

    def role(self, resource: str, name: str) -> str:
        """Return the name of today of a role on a resource, which may have its old name."""
        return self.roles.get((self.resource(resource), name), name)

    def of(self, subject: str, resource: str, role: str) -> tuple[str, str, str]:
        """Return the names of today of a subject, a resource and its role."""
        return self.subject(subject), self.resource(resource), self.role(resource, role)

    def names_of_subject(self, name: str) -> tuple[str, ...]:
        """Return somebody's name of today, and those before."""
        return _names(self.subjects, name)

    def names_of_resource(self, name: str) -> tuple[str, ...]:
        """Return a resource's name of today, and those before."""
        return _names(self.resources, name)

    def names_of_role(self, resource: str, name: str) -> tuple[str, ...]:
        """Return the name of today of a role, and those before; ``resource`` is the resource's of today."""
        return (name, *(old for (where, old), new in self.roles.items() if (where, new) == (resource, name)))


def _names(renamed: Mapping[str, str], name: str) -> tuple[str, ...]:
    return (name, *(old for old, new in renamed.items() if new == name))


def known_as(was: Mapping[str, Collection[str]]) -> dict[str, str]:
    """Return old names to new ones, of what has which old names; a name that something has today is no old one."""
    return {old: new for new, names in was.items() for old in names if old not in was}
