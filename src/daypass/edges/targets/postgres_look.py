"""What stands at a server under the names that a batch has to do with, and what may be done with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

from psycopg import sql

from daypass.core.errors import EdgeError
from daypass.edges.targets import postgres_sql as say
from daypass.edges.targets.postgres_connect import Session
from daypass.edges.targets.postgres_privilege import UNMANAGED, Mark, Privilege, read_mark

NEW_OPTIONS = 16
"""The version that knows INHERIT and SET of a membership."""

GRANTED_BY = 16
"""The version from which on a membership is there once for each grantor, and is revoked as granted by them."""


@dataclass(frozen=True, slots=True)
class Role:
    """A role. ``ours_to_give``: the credential has ADMIN OPTION on it; ``ourselves``: it is the credential."""

    oid: int
    can_login: bool
    comment: str | None
    ours_to_give: bool
    ourselves: bool


@dataclass(frozen=True, slots=True)
class Lead:
    """Where a bridge leads, and who is on it."""

    roles: frozenset[str]
    databases: frozenset[str]
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Look:
    """One look. ``may_end``: the credential may end other people's connections."""

    roles: Mapping[str, Role]
    leads: Mapping[str, Lead]
    may_end: bool
    version: int
    user: str
    grantors: Mapping[tuple[str, str], tuple[tuple[str, bool], ...]]
    """(Role, member) to who granted that, and whether we may revoke it; only from GRANTED_BY on."""

    @classmethod
    def take(cls, session: Session, names: Iterable[str], bridges: Iterable[str]) -> Self:
        """Read the roles of these names, and the bridges among them."""
        rows = session.execute(say.LOOK, [sorted({*names, *bridges})]).fetchall()
        leads = session.execute(say.LEADS, [sorted({*bridges})]).fetchall()
        row = session.execute(say.MAY_END).fetchone()
        version = session.info.server_version // 10_000
        asked = [sorted({*names, *bridges})]
        known = session.execute(say.GRANTORS, asked).fetchall() if version >= GRANTED_BY else []
        grantors: dict[tuple[str, str], tuple[tuple[str, bool], ...]] = {}
        for role, member, grantor, ours in known:
            grantors[role, member] = (*grantors.get((role, member), ()), (grantor, ours))
        return cls(
            {name: Role(*rest) for name, *rest in rows},
            {name: Lead(frozenset(to), frozenset(there), tuple(on)) for name, to, there, on in leads},
            row is not None and bool(row[0]),
            version,
            row[1] if row is not None else session.info.user,
            grantors,
        )

    def leave(self, session: Session, role: str, member: str, *, passed_on: bool = True) -> list[sql.Composed]:
        """Return what takes somebody out of a role, and with ``passed_on`` whomever they let in.

        Raises EdgeError where a part of it was granted by somebody whose grants we may not revoke: the server would pass
        over it without an error, and the access would stay.
        """
        how = say.leave if passed_on else say.revoke
        if self.version < GRANTED_BY:
            return [how(role, member)]
        found = self.grantors.get((role, member), ())
        others = [grantor for grantor, ours in found if not ours]
        if others:
            raise EdgeError(not_revoked(session, self.user, role, member, others))
        # The first is about what this very batch may have granted, after the look.
        return [how(role, member), *(how(role, member, grantor) for grantor, _ in found)]

    def own(self, name: str, mark: Mark, number: str = "") -> Role | None:
        """Return a role that is ours, None where there is none. Raises EdgeError where it is somebody else's.

        One that was given another name is known by the ``number`` that the ledger has, and by its mark.
        """
        role = self.roles.get(name)
        if role is not None and str(role.oid) == number and role.comment == mark.text:
            return role
        if role is not None and read_mark(name, role.comment) != mark:
            raise EdgeError(f"the server has a role {name!r} that is not daypass's own")
        return role

    def check_privilege(self, privilege: Privilege) -> None:
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

    def check_principal(self, name: str, privilege: Privilege) -> None:
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
