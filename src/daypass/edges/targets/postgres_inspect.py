"""Ways into a PostgreSQL server beside memberships that daypass gives: what its credential can read of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final

from daypass.core.drift import Inspection, OtherAccess
from daypass.edges.targets.postgres_connect import Server, Session

MOST = 200
"""Of more grantees and kinds of object a database's rest is counted."""

_THEM: Final = """
WITH me AS (SELECT oid FROM pg_roles WHERE rolname IN (current_user, session_user)),
marked AS (
    SELECT d.objoid AS oid FROM pg_shdescription d
    WHERE d.classoid = 'pg_authid'::regclass AND left(d.description, 13) = '{"daypass":1,'
),
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
"""Everybody but those who belong to the server itself, our own login and roles, and whom the settings expect; and the roles
that daypass may give, which `observe` looks at."""

_ATTRIBUTES: Final = (
    _THEM
    + """
SELECT rolname::text, array_to_string(array_remove(ARRAY[
    CASE WHEN rolsuper THEN 'SUPERUSER' END, CASE WHEN rolcreaterole THEN 'CREATEROLE' END,
    CASE WHEN rolbypassrls THEN 'BYPASSRLS' END, CASE WHEN rolreplication THEN 'REPLICATION' END], NULL), ', ')
FROM them WHERE rolsuper OR rolcreaterole OR rolbypassrls OR rolreplication
ORDER BY 1
"""
)

_MEMBERS: Final = (
    _THEM  # noqa: S608  (a constant)
    + """
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
    + """
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
    _THEM  # noqa: S608  (a constant)
    + """,
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

_OTHERS: Final = """
SELECT datname::text FROM pg_database WHERE datallowconn AND datname <> ALL (%(databases)s::text[]) ORDER BY 1
"""


def inspect(server: Server, databases: frozenset[str], named: Collection[str], expected: Collection[str]) -> Inspection:
    """Look for ways in. ``named`` are the roles that the catalogue gives, ``expected`` those of the settings.

    Raises EdgeError where a database cannot be looked into.
    """
    asked = {"named": sorted(named), "expected": sorted(expected), "predefined": list(_PREDEFINED), "most": MOST + 1}

    def roles(session: Session) -> tuple[list[OtherAccess], list[str]]:
        attributes = session.execute(_ATTRIBUTES.encode(), asked).fetchall()
        members = session.execute(_MEMBERS.encode(), asked).fetchall()
        others = session.execute(_OTHERS.encode(), {"databases": sorted(databases)}).fetchall()
        found = [OtherAccess(name, f"is {held}") for name, held in attributes]
        found += [OtherAccess(name, f"is a member of {held}") for name, held in members]
        return found, [name for (name,) in others]

    others, elsewhere = server.twice(roles)
    for database in sorted(databases):
        rows = server.twice(lambda session: session.execute(_DIRECT.encode(), asked).fetchall(), database)
        others += list(_direct(database, rows))
    through = asked | {"roles": sorted({way.who for way in others})}
    rows = server.twice(lambda session: session.execute(_THROUGH.encode(), through).fetchall())
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
