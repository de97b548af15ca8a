"""What stands at a server under the names and numbers that entitlements have to do with, and what may be done with it.

Numbers are the oids of roles and databases, and whose counting they are. Of the roles of the catalogue that could not be
given it is said why: looked for, and nothing changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import NamedTuple, Self

from msgspec import Struct
from psycopg import sql

from daypass.core.errors import EdgeError
from daypass.core.plan import Entitlement, Numbers
from daypass.core.record import replace
from daypass.edges.targets.common import NumberTrace, trace, written
from daypass.edges.targets.postgres import sql as say
from daypass.edges.targets.postgres.policy import UNMANAGED, Mark, PostgresPrivilege, read_mark, read_privilege
from daypass.edges.targets.postgres.server import Server, Session

NEW_OPTIONS = 16
"""The version that knows INHERIT and SET of a membership."""

GRANTED_BY = 16
"""The version from which on a membership is there once for each grantor, and is revoked as granted by them."""


class PostgresRole(Struct, frozen=True, dict=True):
    """A role; it leads to the roles that it is in (``above``) and to the ``databases`` that it has privileges in.

    Both are by number. Only a look for a change says who is on it (``members``: name, who granted that, whether we may
    revoke it), whether the credential has ADMIN OPTION on it (``ours_to_give``), and whether it is the credential itself.
    """

    name: str
    number: str
    can_login: bool
    comment: str | None
    above: Mapping[str, str]
    databases: Mapping[str, str]
    members: Sequence[tuple[str, str, bool]] = ()
    ours_to_give: bool = False
    ourselves: bool = False

    @cached_property
    def mark(self) -> Mark | None:
        """What it is for, None where it is not ours."""
        return read_mark(self.name, self.comment)

    @cached_property
    def means(self) -> PostgresPrivilege:
        """What it is to give; nothing where it is not ours."""
        return read_privilege(self.mark.privilege) if self.mark is not None else PostgresPrivilege()

    def leads(self, privilege: PostgresPrivilege, home: str) -> bool:
        """Say whether who is on it has a privilege. ``home`` is the database that is meant where none is named."""
        if privilege.in_schema:
            return (privilege.database or home) in self.databases.values()
        return privilege.member_of in self.above.values()

    @property
    def live(self) -> bool:
        """Whether a role of ours gives anything: a bridge that leads somewhere, or a login that may log in."""
        if self.mark is not None and self.mark.principal:
            return self.can_login
        return bool(self.databases if self.means.in_schema else self.above)

    def carries(self, login: Mark | None) -> bool:
        """Say whether a member belongs here: a login on the bridge it was made for, anybody else on a plain one."""
        if self.mark is None or self.mark.principal:
            return False
        if not self.means.login:
            return login is None
        return login is not None and replace(login, principal="") == self.mark


class ServerRoles(Struct, frozen=True):
    """One look. ``may_end``: the credential may end other people's connections."""

    roles: Mapping[str, PostgresRole]
    may_end: bool
    version: int
    user: str

    @classmethod
    def take(cls, session: Session, names: Iterable[str], bridges: Iterable[str]) -> Self:
        """Read the roles of these names, and the bridges among them."""
        asked = {"names": sorted({*names, *bridges}), "bridges": sorted({*bridges})}
        rows = session.execute(say.LOOK, asked).fetchall()
        roles = {row[0]: PostgresRole(*row[:-1]) for row in rows}
        user = next(name for name, role in roles.items() if role.ourselves)
        return cls(roles, rows[0][-1], session.info.server_version // 10_000, user)

    def leave(self, session: Session, role: str, member: str, *, passed_on: bool = True) -> list[sql.Composed]:
        """Return what takes somebody out of a role, and with ``passed_on`` whomever they let in.

        Raises EdgeError where a part of it was granted by somebody whose grants we may not revoke: the server would pass
        over it without an error, and the access would stay.
        """
        how = say.leave if passed_on else say.revoke
        if self.version < GRANTED_BY:
            return [how(role, member)]
        there = self.roles.get(role)
        found = [(grantor, ours) for name, grantor, ours in (there.members if there else ()) if name == member]
        others = [grantor for grantor, ours in found if not ours]
        if others:
            raise EdgeError(not_revoked(session, self.user, role, member, others))
        # The first is about what this very batch may have granted, after the look.
        return [how(role, member), *(how(role, member, grantor) for grantor, _ in found)]

    def own(self, name: str, mark: Mark, number: str = "") -> PostgresRole | None:
        """Return a role that is ours, None where there is none. Raises EdgeError where it is somebody else's.

        One that was given another name is known by the ``number`` that the ledger has, and by its mark.
        """
        role = self.roles.get(name)
        if role is not None and role.number == number and role.comment == mark.text:
            return role
        if role is not None and role.mark != mark:
            raise EdgeError(f"the server has a role {name!r} that is not daypass's own")
        return role

    def check_privilege(self, privilege: PostgresPrivilege) -> None:
        """Refuse what this server or this credential cannot give. Raises EdgeError."""
        if privilege.unmanaged:
            raise EdgeError(UNMANAGED)
        if self.version < NEW_OPTIONS and (privilege.inherit is not None or privilege.set_role is not None):
            raise EdgeError(
                f"inherit and set of a membership need PostgreSQL {NEW_OPTIONS}, the server is {self.version}"
            )
        if privilege.member_of:
            self.check_role(privilege.member_of)

    def check_role(self, name: str) -> None:
        """Refuse a role that the credential may not give. Raises EdgeError.

        CREATEROLE alone would do before version 16, for any role; what may be given is said by ADMIN OPTION.
        """
        role = self.roles.get(name)
        if role is None:
            raise EdgeError(f"the server has no role {name!r}")
        if not role.ours_to_give:
            raise EdgeError(f"the credential {self.user!r} may not give {name!r}: it has no ADMIN OPTION on that role")

    def check_principal(self, name: str, privilege: PostgresPrivilege) -> None:
        """Refuse somebody who cannot be given this. Raises EdgeError."""
        role = self.roles.get(name)
        if role is None:
            raise EdgeError(f"the server has no role {name!r} to give anything to")
        if role.ourselves:
            raise EdgeError(f"{name!r} is daypass's own credential, which is given nothing")
        if not role.can_login:
            raise EdgeError(f"{name!r} cannot log in: all its members would be given what one person asked for")
        if name == privilege.member_of:
            raise EdgeError(f"{name!r} cannot be a member of itself")


def not_revoked(session: Session, user: str, role: str, member: str, grantors: Iterable[str]) -> str:
    """Say who granted a membership that we may not revoke, and what who may can run."""
    by = sorted(grantors)
    statements = "; ".join(say.leave(role, member, grantor).as_string(session) for grantor in by)
    who = " and ".join(map(repr, by))
    return (
        f"{member!r} is a member of {role!r} as granted by {who}, whose grants {user!r} may not revoke: "
        f"they, or a superuser, may run {statements}"
    )


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

    def traces(self, entitlement: Entitlement, known: Mapping[str, str]) -> dict[str, NumberTrace]:
        """Say what became of the place and the member that an entitlement names.

        That an oid is in no catalogue shows that its role is no more, whatever had its name: everybody can read all of
        pg_roles. It shows nothing at another server, which counts for itself.
        """
        same = known.get("system", self.system) == self.system

        def traced(what: str, kind: str, name: str) -> NumberTrace:
            return trace(
                what,
                name,
                known.get(what, ""),
                lambda name: self.numbers.get((kind, name), ""),
                lambda number: self.names.get((kind, number), "") if same else None,
            )

        return {what: traced(what, kind, name) for what, kind, name in parts_of(entitlement)}

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


def follow(privilege: PostgresPrivilege, traces: Mapping[str, NumberTrace]) -> PostgresPrivilege:
    """Return a privilege under today's names."""
    if "role" in traces:
        return replace(privilege, member_of=traces["role"].name)
    return replace(privilege, database=traces["database"].name) if "database" in traces else privilege


_MOST = 3


def not_given(server: Server, databases: frozenset[str], roles: Iterable[Mark]) -> list[str]:
    """Say of each role that could not be given why that is; a database that is not reached speaks for all of its roles.

    ``roles`` are told by what their bridges would be for.
    """
    found: list[tuple[Mark, str]] = []
    groups: dict[str, list[tuple[Mark, PostgresPrivilege]]] = {}
    for mark in sorted(set(roles), key=lambda mark: (mark.resource, mark.privilege)):
        try:
            privilege = read_privilege(mark.privilege)
            database = database_of(privilege, server, databases, mark.target)
        except EdgeError as error:
            found.append((mark, error.message))
        else:
            groups.setdefault(database, []).append((mark, privilege))
    for database, offers in sorted(groups.items()):
        found += _of_database(server, database, offers)
    return [f"a role of {mark.resource}, {written(mark.privilege)}, cannot be given: {why}" for mark, why in found]


def database_of(privilege: PostgresPrivilege, server: Server, databases: frozenset[str], target: str) -> str:
    """Return the database that a privilege is about. Raises EdgeError where the settings do not list it."""
    database = privilege.database or server.home
    if database not in databases:
        raise EdgeError(f"database {database!r} is not among those of target {target}: {', '.join(sorted(databases))}")
    return database


def in_part(session: Session, user: str, privilege: PostgresPrivilege, lacking: Sequence[str]) -> str:
    """Say that the credential cannot pass on all of a privilege on a schema, and how it could."""
    shown = ", ".join(lacking[:_MOST]) + (", …" if lacking[_MOST:] else "")
    what = f"all of {privilege.template or 'the set'} on {privilege.schema!r}"
    return f"the credential may not give {what}: {shown}{advice(session, user, privilege)}"


def advice(session: Session, user: str, privilege: PostgresPrivilege) -> str:
    """Say what lets the credential give a privilege on a schema."""
    statements = "; ".join(part.as_string(session) for part in say.pass_on(user, privilege))
    return f" (who owns it may run {statements})"


def _of_database(
    server: Server, database: str, offers: Sequence[tuple[Mark, PostgresPrivilege]]
) -> Iterator[tuple[Mark, str]]:
    def look(session: Session) -> list[str]:
        names = {privilege.member_of for _, privilege in offers if privilege.member_of}
        seen = ServerRoles.take(session, names, {mark.name for mark, _ in offers})
        return [_why(session, seen, mark, privilege) for mark, privilege in offers]

    try:
        reasons = server.twice(look, database)
    except EdgeError as error:
        reasons = [error.message] * len(offers)
    return ((mark, why) for (mark, _), why in zip(offers, reasons, strict=True) if why)


def _why(session: Session, seen: ServerRoles, mark: Mark, privilege: PostgresPrivilege) -> str:
    """Return why a role could not be given, "" where it could be as far as can be seen."""
    try:
        seen.check_privilege(privilege)
        seen.own(mark.name, mark)
    except EdgeError as error:
        return error.message
    return _lacks(session, seen.user, mark.name, privilege) if privilege.in_schema else ""


def _lacks(session: Session, user: str, bridge: str, privilege: PostgresPrivilege) -> str:
    tables = sorted({table for _, tables in privilege.tables for table in tables})
    row = session.execute(say.SCHEMA, [tables, privilege.schema]).fetchone()
    if row is None:
        return f'schema "{privilege.schema}" does not exist'
    usable, missing = row
    if missing:
        return f'relation "{privilege.schema}.{missing[0]}" does not exist'
    if not usable:
        return f"permission denied for schema {privilege.schema}{advice(session, user, privilege)}"
    lacking = session.execute(say.NOT_PASSED_ON, say.wanted(bridge, privilege)).fetchall()
    return in_part(session, user, privilege, [what for (what,) in lacking]) if lacking else ""
