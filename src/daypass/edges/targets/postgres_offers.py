"""Which roles of the catalogue could not be given at a server, and why: looked for, and nothing changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from daypass.core.errors import EdgeError
from daypass.edges.targets import postgres_sql as say
from daypass.edges.targets.postgres_connect import Server, Session
from daypass.edges.targets.postgres_look import Look
from daypass.edges.targets.postgres_privilege import Mark, Privilege, read_privilege
from daypass.edges.targets.reading import written

_MOST = 3


def not_given(server: Server, databases: frozenset[str], roles: Iterable[Mark]) -> list[str]:
    """Say of each role that could not be given why that is; a database that is not reached speaks for all of its roles.

    ``roles`` are told by what their bridges would be for.
    """
    found: list[tuple[Mark, str]] = []
    groups: dict[str, list[tuple[Mark, Privilege]]] = {}
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


def database_of(privilege: Privilege, server: Server, databases: frozenset[str], target: str) -> str:
    """Return the database that a privilege is about. Raises EdgeError where the settings do not list it."""
    database = privilege.database or server.home
    if database not in databases:
        raise EdgeError(f"database {database!r} is not among those of target {target}: {', '.join(sorted(databases))}")
    return database


def in_part(session: Session, user: str, privilege: Privilege, lacking: Sequence[str]) -> str:
    """Say that the credential cannot pass on all of a privilege on a schema, and how it could."""
    shown = ", ".join(lacking[:_MOST]) + (", …" if lacking[_MOST:] else "")
    what = f"all of {privilege.template or 'the set'} on {privilege.schema!r}"
    return f"the credential may not give {what}: {shown}{advice(session, user, privilege)}"


def advice(session: Session, user: str, privilege: Privilege) -> str:
    """Say what lets the credential give a privilege on a schema."""
    statements = "; ".join(part.as_string(session) for part in say.pass_on(user, privilege))
    return f" (who owns it may run {statements})"


def _of_database(server: Server, database: str, offers: Sequence[tuple[Mark, Privilege]]) -> Iterator[tuple[Mark, str]]:
    def look(session: Session) -> list[str]:
        names = {privilege.member_of for _, privilege in offers if privilege.member_of}
        seen = Look.take(session, names, {mark.name for mark, _ in offers})
        return [_why(session, seen, mark, privilege) for mark, privilege in offers]

    try:
        reasons = server.twice(look, database)
    except EdgeError as error:
        reasons = [error.message] * len(offers)
    return ((mark, why) for (mark, _), why in zip(offers, reasons, strict=True) if why)


def _why(session: Session, seen: Look, mark: Mark, privilege: Privilege) -> str:
    """Return why a role could not be given, "" where it could be as far as can be seen."""
    try:
        seen.check_privilege(privilege)
        seen.own(mark.name, mark)
    except EdgeError as error:
        return error.message
    return _lacks(session, seen.user, mark.name, privilege) if privilege.in_schema else ""


def _lacks(session: Session, user: str, bridge: str, privilege: Privilege) -> str:
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
