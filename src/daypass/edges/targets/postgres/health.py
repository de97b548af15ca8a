"""How a PostgreSQL server is found: what its credential may do, and ways in beside memberships that daypass gives.

A credential that may do too little is a concern, and one that may do too much is one as well.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, Final

from daypass.core.planning.drift import Health, Inspection, OtherAccess
from daypass.edges.targets.postgres import sql as say
from daypass.edges.targets.postgres.roles import GRANTED_BY, not_revoked
from daypass.edges.targets.postgres.server import Server, Session

_WHO: Final = (
    say.OURS
    + b"""
SELECT current_user::text, r.rolsuper, r.rolcreaterole, r.rolcreatedb, r.rolreplication, r.rolbypassrls,
    r.rolvaliduntil, clock_timestamp(), current_database()::text, pg_encoding_to_char(d.encoding),
    COALESCE((SELECT s.ssl FROM pg_stat_ssl s WHERE s.pid = pg_backend_pid()), false),
    ARRAY(SELECT rolname::text FROM pg_roles
          WHERE oid IN (SELECT oid FROM administered) AND oid NOT IN (SELECT oid FROM marked) ORDER BY 1),
    ARRAY(SELECT u.rolname::text FROM pg_roles u WHERE u.rolname = ANY(%s::text[])
          AND pg_has_role(r.oid, u.oid, 'MEMBER') ORDER BY 1),
    pg_has_role(r.oid, 'pg_signal_backend', 'USAGE'),
    (SELECT count(*) FROM pg_roles u
     WHERE NOT u.rolcanlogin AND u.oid <> r.oid AND u.oid NOT IN (SELECT oid FROM marked)
        AND EXISTS (SELECT FROM pg_auth_members a WHERE a.member = u.oid AND a.roleid IN (SELECT oid FROM administered)))
FROM pg_roles r, pg_database d WHERE r.rolname = current_user AND d.datname = current_database()
"""
)

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


MOST = 200
"""Of more grantees and kinds of object a database's rest is counted."""

_THEM: Final = (
    b"WITH me AS (SELECT oid FROM pg_roles WHERE rolname IN (current_user, session_user)),"
    + say.MARKED
    + b""",
given AS (
    SELECT a.roleid AS oid FROM pg_auth_members a, me WHERE a.member = me.oid AND a.admin_option
    UNION SELECT oid FROM pg_roles WHERE rolname = ANY (%(named)s::text[])
),
them AS (
    SELECT r.* FROM pg_roles r
    WHERE r.oid >= 16384 AND r.oid NOT IN (SELECT oid FROM me) AND r.oid NOT IN (SELECT oid FROM marked)
        AND r.rolname <> ALL (%(expected)s::text[])
)
"""
)
"""Everybody but those who belong to the server itself, our own login and roles, and whom the settings expect; and the roles
that daypass may give, which `observe` looks at."""

_ATTRIBUTES: Final = (
    _THEM
    + b"""
SELECT rolname::text, array_to_string(array_remove(ARRAY[
    CASE WHEN rolsuper THEN 'SUPERUSER' END, CASE WHEN rolcreaterole THEN 'CREATEROLE' END,
    CASE WHEN rolbypassrls THEN 'BYPASSRLS' END, CASE WHEN rolreplication THEN 'REPLICATION' END], NULL), ', ')
FROM them WHERE rolsuper OR rolcreaterole OR rolbypassrls OR rolreplication
ORDER BY 1
"""
)

_MEMBERS: Final = (
    _THEM
    + b"""
SELECT them.rolname::text, string_agg(DISTINCT u.rolname::text, ', ' ORDER BY u.rolname::text)
FROM them JOIN pg_auth_members a ON a.member = them.oid JOIN pg_roles u ON u.oid = a.roleid
WHERE (u.rolname = ANY (%(predefined)s::text[]) OR u.rolsuper OR u.rolname = ANY (%(named)s::text[])
        AND NOT EXISTS (SELECT FROM pg_auth_members b, me WHERE b.roleid = u.oid AND b.member = me.oid AND b.admin_option))
    AND NOT them.rolsuper AND them.oid NOT IN (SELECT oid FROM given)
GROUP BY 1 ORDER BY 1
"""
)

_THROUGH: Final = (
    _THEM
    + b"""
SELECT r.rolname::text, string_agg(them.rolname::text, ', ' ORDER BY them.rolname::text)
FROM them, pg_roles r
WHERE r.rolname = ANY (%(roles)s::text[]) AND them.oid <> r.oid AND them.rolcanlogin AND NOT them.rolsuper
    AND pg_has_role(them.oid, r.oid, 'MEMBER')
GROUP BY 1
"""
)
"""Who comes in through some roles, by any number of steps."""

_PREDEFINED: Final = (
    *("pg_read_all_data", "pg_write_all_data", "pg_execute_server_program", "pg_read_server_files"),
    *("pg_write_server_files", "pg_maintain", "pg_signal_backend", "pg_create_subscription", "pg_database_owner"),
)

_DIRECT: Final = (
    _THEM
    + b""",
objects AS (
    SELECT 'database ' || quote_ident(datname) AS place, 'd' AS kind, datname::text AS name, datdba AS owner, datacl AS acl
    FROM pg_database WHERE datname = current_database()
    UNION ALL
    SELECT 'schema ' || quote_ident(nspname), 'n', nspname::text, nspowner, nspacl FROM pg_namespace
    WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
    UNION ALL
    SELECT CASE c.relkind WHEN 'S' THEN 'sequences' ELSE 'tables' END || ' of schema ' || quote_ident(n.nspname),
        CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END, c.relname::text, c.relowner, c.relacl
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'v', 'm', 'f', 'p', 'S') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    UNION ALL
    SELECT 'columns of schema ' || quote_ident(n.nspname), 'c', c.relname::text || '.' || t.attname::text, c.relowner, t.attacl
    FROM pg_attribute t JOIN pg_class c ON c.oid = t.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE t.attacl IS NOT NULL AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    UNION ALL
    SELECT 'functions of schema ' || quote_ident(n.nspname), 'f', p.proname::text, p.proowner, p.proacl
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    UNION ALL
    SELECT 'default privileges of ' || quote_ident(r.rolname), 'a', COALESCE(d.defaclnamespace::regnamespace::text, ''),
        d.defaclrole, d.defaclacl
    FROM pg_default_acl d JOIN pg_roles r ON r.oid = d.defaclrole
),
held AS (
    SELECT o.place, o.kind, o.name, x.grantee, x.privilege_type FROM objects o, aclexplode(o.acl) x
    WHERE x.grantee <> o.owner
    UNION ALL
    SELECT o.place, o.kind, o.name, o.owner, 'OWNER' FROM objects o WHERE o.kind IN ('d', 'n', 's', 'r')
)
SELECT CASE h.grantee WHEN 0 THEN '' ELSE t.rolname::text END, h.place,
    string_agg(DISTINCT h.privilege_type, ', ' ORDER BY h.privilege_type), count(DISTINCT h.name), min(h.name)
FROM held h LEFT JOIN them t ON t.oid = h.grantee
WHERE (t.oid IS NOT NULL AND t.oid NOT IN (SELECT oid FROM given))
    OR (h.grantee = 0 AND NOT (h.kind = 'd' OR h.kind = 'f' OR h.kind = 'a' OR h.kind = 'n' AND h.privilege_type = 'USAGE'))
GROUP BY 1, 2 ORDER BY 1, 2 LIMIT %(most)s
"""
)
"""What roles hold directly, or own. What every database gives everybody (CONNECT, EXECUTE, USAGE of a schema) is left out."""

_OTHERS: Final = b"""
SELECT datname::text FROM pg_database WHERE datallowconn AND datname <> ALL (%(databases)s::text[]) ORDER BY 1
"""


def inspect(server: Server, databases: frozenset[str], named: Collection[str], expected: Collection[str]) -> Inspection:
    """Look for ways in. ``named`` are the roles that the catalogue gives, ``expected`` those of the settings.

    Raises EdgeError where a database cannot be looked into.
    """
    asked = {"named": sorted(named), "expected": sorted(expected), "predefined": list(_PREDEFINED), "most": MOST + 1}

    def roles(session: Session) -> tuple[list[OtherAccess], list[str]]:
        attributes = session.execute(_ATTRIBUTES, asked).fetchall()
        members = session.execute(_MEMBERS, asked).fetchall()
        others = session.execute(_OTHERS, {"databases": sorted(databases)}).fetchall()
        found = [OtherAccess(name, f"is {held}") for name, held in attributes]
        found += [OtherAccess(name, f"is a member of {held}") for name, held in members]
        return found, [name for (name,) in others]

    others, elsewhere = server.twice(roles)
    for database in sorted(databases):
        rows = server.twice(lambda session: session.execute(_DIRECT, asked).fetchall(), database)
        others += list(_direct(database, rows))
    through = asked | {"roles": sorted({way.who for way in others})}
    rows = server.twice(lambda session: session.execute(_THROUGH, through).fetchall())
    inside = {role: f", and through it {people}" for role, people in rows}
    others = [way._replace(what=f"{way.what}{inside.get(way.who, '')}") for way in others]
    looked = [
        "every login and role but the server's own first superuser: SUPERUSER, CREATEROLE, BYPASSRLS, REPLICATION",
        f"members of superusers and of {', '.join(_PREDEFINED)}",
        f"members of roles that the catalogue gives: {', '.join(sorted(named)) or 'none'}",
        "owners of database, schemas, tables and sequences, privileges and default privileges on them, on columns and on "
        f"functions, but for what every database gives everybody: {', '.join(sorted(databases))}",
    ]
    looked.append("and whoever comes in through a role that was found, by any number of steps")
    looked += [f"left out, as the settings expect them: {', '.join(sorted(expected))}"] if expected else []
    unseen = [
        "pg_hba.conf, passwords, the server's files and its first superuser",
        "functions that act with their owner's rights (SECURITY DEFINER), views on other people's tables, row security",
        "types, languages, large objects, tablespaces, foreign servers and parameters",
    ]
    unseen += [f"what is in other databases: {', '.join(elsewhere)}"] if elsewhere else []
    return Inspection(tuple(looked), tuple(unseen), tuple(others))


def _direct(database: str, rows: list[tuple[str, str, str, int, str]]) -> Iterator[OtherAccess]:
    for grantee, place, privileges, count, first in rows[:MOST]:
        which = f" ({first}{f' and {count - 1} more' if count > 1 else ''})" if " of " in place else ""
        yield OtherAccess(
            grantee or "everybody (PUBLIC)", f"holds {privileges} on {place}{which} in database {database}"
        )
    if len(rows) > MOST:
        yield OtherAccess("others", f"hold more than is listed here in database {database}")
