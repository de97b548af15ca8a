"""What a server's numbers say of the names in an entitlement: roles' and databases' oids, and whose counting they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple, Self

from daypass.core.errors import EdgeError
from daypass.core.plan import Entitlement, Numbers
from daypass.edges.targets import postgres_sql as say
from daypass.edges.targets.numbers import Trace, trace
from daypass.edges.targets.postgres_connect import Session
from daypass.edges.targets.postgres_privilege import Privilege, read_privilege


class Names(NamedTuple):
    """Today's names by number and numbers by name, of roles and of databases. ``system`` names the server itself."""

    system: str
    names: Mapping[tuple[str, str], str]
    numbers: Mapping[tuple[str, str], str]

    @classmethod
    def take(cls, session: Session, ours: Mapping[Entitlement, Numbers]) -> Self:
        """Read what entitlements have to do with."""
        wanted = {name for one in ours for _, kind, name in parts_of(one) if kind == "role"}
        numbers = {number for known in ours.values() for _, number in known}
        rows = session.execute(say.NAMES, {"names": sorted(wanted), "numbers": sorted(numbers)}).fetchall()
        system = next((number for kind, number, _ in rows if kind == "system"), "")
        return cls(
            system,
            {(kind, number): name for kind, number, name in rows},
            {(kind, name): number for kind, number, name in rows},
        )

    def traces(self, entitlement: Entitlement, known: Mapping[str, str]) -> dict[str, Trace]:
        """Say what became of the place and the member that an entitlement names.

        That an oid is in no catalogue shows that its role is no more, whatever had its name: everybody can read all of
        pg_roles. It shows nothing at another server, which counts for itself.
        """
        same = known.get("system", self.system) == self.system

        def name_of(kind: str, number: str) -> str | None:
            return self.names.get((kind, number), "") if same else None

        return {
            what: trace(
                what,
                name,
                known.get(what, ""),
                lambda name, kind=kind: self.numbers.get((kind, name), ""),  # type: ignore[misc]
                lambda number, kind=kind: name_of(kind, number),  # type: ignore[misc]
            )
            for what, kind, name in parts_of(entitlement)
        }

    def role(self, number: str) -> str:
        """Return the name that a role of this number has, "" where there is none."""
        return self.names.get(("role", number), "")


def parts_of(entitlement: Entitlement) -> Iterable[tuple[str, str, str]]:
    """Yield what an entitlement rests on beside roles of our own: (what, role or database, its name).

    The database that is meant where none is named is the one that the address names: no other could be connected to.
    """
    try:
        privilege = read_privilege(entitlement.privilege)
    except EdgeError:
        return
    if privilege.member_of:
        yield "role", "role", privilege.member_of
    elif privilege.database:
        yield "database", "database", privilege.database
    if not privilege.login:
        yield "member", "role", entitlement.principal


def follow(privilege: Privilege, traces: Mapping[str, Trace]) -> Privilege:
    """Return a privilege under today's names."""
    if "role" in traces:
        return replace(privilege, member_of=traces["role"].name)
    return replace(privilege, database=traces["database"].name) if "database" in traces else privilege
