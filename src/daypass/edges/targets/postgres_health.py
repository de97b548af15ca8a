"""What a credential at a PostgreSQL server may do: too little is a concern, and too much is one as well."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from daypass.edges.targets import postgres_sql as say
from daypass.edges.targets.postgres_connect import Session
from daypass.edges.targets.postgres_look import GRANTED_BY, not_revoked
from daypass.ports import Health

_WHO: Final = b"""
SELECT current_user::text, r.rolsuper, r.rolcreaterole, r.rolcreatedb, r.rolreplication, r.rolbypassrls,
    r.rolvaliduntil, clock_timestamp(), current_database()::text, pg_encoding_to_char(d.encoding),
    COALESCE((SELECT s.ssl FROM pg_stat_ssl s WHERE s.pid = pg_backend_pid()), false),
    ARRAY(SELECT u.rolname::text FROM pg_auth_members a JOIN pg_roles u ON u.oid = a.roleid
          WHERE a.member = r.oid AND a.admin_option
            AND COALESCE(left(shobj_description(u.oid, 'pg_authid'), 13) <> '{"daypass":1,', true) ORDER BY 1),
    ARRAY(SELECT u.rolname::text FROM pg_roles u WHERE u.rolname = ANY(%s::text[])
          AND pg_has_role(r.oid, u.oid, 'MEMBER') ORDER BY 1),
    pg_has_role(r.oid, 'pg_signal_backend', 'USAGE'),
    (SELECT count(*) FROM pg_roles u WHERE NOT u.rolcanlogin AND u.oid <> r.oid AND EXISTS (
        SELECT FROM pg_auth_members a JOIN pg_auth_members mine ON mine.roleid = a.roleid
        WHERE a.member = u.oid AND mine.member = r.oid AND mine.admin_option)
        AND COALESCE(left(shobj_description(u.oid, 'pg_authid'), 13) <> '{"daypass":1,', true))
FROM pg_roles r, pg_database d WHERE r.rolname = current_user AND d.datname = current_database()
"""

_DANGEROUS: Final = (
    *("pg_execute_server_program", "pg_read_server_files", "pg_write_server_files", "pg_read_all_data"),
    *("pg_write_all_data", "pg_checkpoint", "pg_database_owner", "pg_create_subscription", "pg_maintain"),
)
"""Roles that a credential which gives access has no use for (https://www.postgresql.org/docs/current/predefined-roles.html)."""

_SAFE_CREATEROLE: Final = 16


def look_around(session: Session) -> Health:
    """Say who we are at the server and what that may do."""
    row = session.execute(_WHO, [list(_DANGEROUS)]).fetchone()
    assert row is not None  # noqa: S101  (one's own role and database are always there)
    version = session.info.server_version
    user, clock, database, encoding, encrypted, roles = row[0], row[7], row[8], row[9], row[10], row[11]
    facts = [
        f"PostgreSQL {version // 10_000}.{version % 10_000}, database {database!r}, as {user!r}",
        "the connection is encrypted" if encrypted else "the connection is not encrypted",
        f"may give {_names(roles)}" if roles else "may give no role",
    ]
    if row[2] and version // 10_000 < _SAFE_CREATEROLE:
        facts.append(
            f"CREATEROLE reaches every role that is no superuser before version {_SAFE_CREATEROLE}: guard it so"
        )
    if row[6] is not None:
        facts.append(f"the credential's own password ends at {row[6].isoformat()}")
    return Health(tuple(facts), tuple(_concerns(row, roles, encoding)), clock)


def _concerns(row: Any, roles: list[str], encoding: str) -> list[str]:
    user = row[0]
    found = []
    if row[1]:
        found.append(f"{user!r} is a superuser, which may do everything; it needs CREATEROLE and ADMIN OPTION alone")
    too_much = [w for w, held in zip(("CREATEDB", "REPLICATION", "BYPASSRLS"), row[3:6], strict=True) if held]
    too_much += [] if row[1] else row[12]
    if too_much:
        found.append(f"{user!r} has {', '.join(too_much)}, which nothing here needs")
    if not row[1] and not row[2]:
        found.append(f"{user!r} lacks CREATEROLE: roles that are not there yet cannot be made")
    if not roles:
        found.append(f"{user!r} has ADMIN OPTION on no role, so it can make nobody a member of one")
    if not row[13]:
        found.append(f"{user!r} lacks pg_signal_backend: open connections stay when access ends")
    if row[14]:
        found.append(
            f"roles that cannot log in are members of roles that may be given, and who is in them is not seen: {row[14]}"
        )
    if encoding != "UTF8":
        found.append(f"the database's encoding is {encoding}: names beyond ASCII may not be read")
    return found


def not_revocable(session: Session, exclusive: Collection[str]) -> tuple[list[str], list[str]]:
    """Return facts and concerns about what we could not take away, from the version on that asks who granted it.

    That is a concern for what daypass gave itself (by a login before this one), and for roles in which nobody may be but
    by a grant: ``exclusive``.
    """
    if session.info.server_version // 10_000 < GRANTED_BY:
        return [], []
    user = session.execute(b"SELECT current_user::text").fetchall()[0][0]
    rows = session.execute(say.FORESEEN).fetchall()
    held = [row for row in rows if row[1]]
    facts: list[str] = []
    concerns: list[str] = []
    for role, member, grantor, ours in held[:_MOST]:
        where = concerns if ours or role in exclusive else facts
        where.append(not_revoked(session, user, role, member, [grantor]))
    if len(held) > _MOST:
        concerns.append(f"{len(held) - _MOST} more memberships could not be revoked, as granted by others")
    for role, member, *_ in rows:
        if not member:
            given = say.administer(role, user).as_string(session)
            concerns.append(f"{role!r} was made by a login before this one: a superuser may run {given}")
    return facts, concerns


_MOST = 20


def _names(roles: list[str], most: int = 5) -> str:
    shown = ", ".join(repr(role) for role in roles[:most])
    return f"{shown} and {len(roles) - most} more" if len(roles) > most else shown
