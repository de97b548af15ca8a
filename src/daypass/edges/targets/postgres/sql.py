"""Every statement that is sent to a PostgreSQL server. Names and values get into one by psycopg.sql alone."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from psycopg import sql

from daypass.edges.targets.postgres.policy import MARK, PostgresPrivilege

MARKED: Final = f"""
marked AS (
    SELECT d.objoid AS oid, d.description FROM pg_shdescription d
    WHERE d.classoid = 'pg_authid'::regclass AND left(d.description, {len(MARK)}) = '{MARK}'
)""".encode()  # noqa: S608  (a constant)
"""The roles that bear a mark of ours, for a WITH."""

OURS: Final = (
    b"WITH me AS (SELECT oid FROM pg_roles WHERE rolname = current_user),"
    + MARKED
    + b""",
administered AS MATERIALIZED (
    SELECT DISTINCT a.roleid AS oid FROM pg_auth_members a, me WHERE a.member = me.oid AND a.admin_option
)
"""
)
"""Ourselves, the roles that bear a mark of ours, and those that we may give."""

_LEADS: Final = b"""
    (SELECT COALESCE(jsonb_object_agg(u.oid::text, u.rolname::text), '{}')
     FROM pg_auth_members a JOIN pg_roles u ON u.oid = a.roleid WHERE a.member = r.oid),
    (SELECT COALESCE(jsonb_object_agg(d.oid::text, d.datname::text), '{}') FROM pg_database d
     WHERE d.oid IN (SELECT s.dbid FROM pg_shdepend s
                     WHERE s.refclassid = 'pg_authid'::regclass AND s.refobjid = r.oid AND s.deptype = 'a'))
"""
"""Where a role ``r`` leads: the roles that it is in and the databases that it has privileges in, number to name."""

OBSERVE: Final = (
    OURS
    + b"SELECT 'role', r.rolname::text, r.oid::text, r.rolcanlogin, k.description, "
    + _LEADS
    + b""", false, NULL::text
FROM marked k JOIN pg_roles r ON r.oid = k.oid
UNION ALL
SELECT DISTINCT 'member', u.rolname::text, a.roleid::text, m.rolcanlogin, m.rolname::text, NULL::jsonb, NULL::jsonb,
    a.roleid IN (SELECT oid FROM administered), a.member::text
FROM pg_auth_members a JOIN pg_roles u ON u.oid = a.roleid JOIN pg_roles m ON m.oid = a.member
WHERE a.member <> (SELECT oid FROM me)
    AND (a.roleid IN (SELECT oid FROM marked) OR a.roleid IN (SELECT oid FROM administered))
UNION ALL
SELECT 'clock', to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), NULL, false, NULL,
    NULL::jsonb, NULL::jsonb, false, NULL
UNION ALL
SELECT 'self', current_user::text, me.oid::text, false, current_database()::text, NULL::jsonb, NULL::jsonb, false,
    (SELECT system_identifier::text FROM pg_control_system())
FROM me
"""
)
"""Everything: our own roles with what they lead to, then who is a member of those and of what we administer, the time, and
as whom we look at which database of which server.

Roles, their memberships, their comments and what depends on them are the server's and not one database's, so one
query in any database sees all of it (https://www.postgresql.org/docs/current/catalogs.html).
"""

NAMES: Final = b"""
SELECT 'system', system_identifier::text, '' FROM pg_control_system()
UNION ALL SELECT 'role', oid::text, rolname::text FROM pg_roles
    WHERE rolname = ANY(%(names)s::text[]) OR oid::text = ANY(%(numbers)s::text[])
UNION ALL SELECT 'database', oid::text, datname::text FROM pg_database
"""
"""Which numbers some names have and which names some numbers have. Anybody may read all of it.

The number of a role (its oid) outlives renaming and is given to no other role while the server counts on; the system's
identifier says that it is the same server that counts.
"""

LOOK: Final = (
    b"SELECT r.rolname::text, r.oid::text, r.rolcanlogin, shobj_description(r.oid, 'pg_authid'), "
    + _LEADS
    + b""",
    (SELECT COALESCE(jsonb_agg(jsonb_build_array(m.rolname::text, g.rolname::text, pg_has_role(me.oid, g.oid, 'USAGE'))
                               ORDER BY m.rolname, g.rolname), '[]')
     FROM pg_auth_members a JOIN pg_roles m ON m.oid = a.member LEFT JOIN pg_roles g ON g.oid = a.grantor
     WHERE a.roleid = r.oid AND (m.rolname = ANY(%(names)s::text[]) OR r.rolname = ANY(%(bridges)s::text[]))),
    EXISTS (SELECT FROM pg_auth_members a WHERE a.roleid = r.oid AND a.member = me.oid AND a.admin_option),
    r.oid = me.oid, pg_has_role(me.oid, 'pg_signal_backend', 'USAGE')
FROM pg_roles r, (SELECT oid FROM pg_roles WHERE rolname = current_user) me
WHERE r.rolname = ANY(%(names)s::text[]) OR r.oid = me.oid
"""
)
"""What stands at the server under some names, and as whom we act: not always who logged in (SET ROLE).

Members are told with who granted that and whether we may revoke it; of bridges all are read, and of others those that were
asked for. From version 16 on a membership is there once for each grantor, and is revoked by them, by who has their
privileges, or by a superuser (https://www.postgresql.org/docs/16/sql-revoke.html). At last each row says whether we may end
other people's connections. (Compared as text: a name's own type would cut what is too long.)
"""

_WANTED: Final = b"""
SELECT c.oid::regclass::text || ': ' || p.privilege
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN unnest(%(privileges)s::text[], %(tables)s::text[]) p(privilege, wanted) ON COALESCE(p.wanted = c.relname, true)
WHERE n.nspname = %(schema)s AND c.relkind IN ('r', 'v', 'm', 'f', 'p')
"""
LACKING: Final = _WANTED + b"AND NOT has_table_privilege(%(bridge)s, c.oid, p.privilege) ORDER BY 1"
"""What a bridge lacks of a privilege on a schema; see `wanted` for the parameters."""

NOT_PASSED_ON: Final = (
    _WANTED
    + b"""
    AND NOT has_table_privilege(c.oid, p.privilege || ' WITH GRANT OPTION')
    AND NOT has_table_privilege('public', c.oid, p.privilege)
    AND NOT COALESCE(
        has_table_privilege((SELECT oid FROM pg_roles WHERE rolname = %(bridge)s), c.oid, p.privilege), false)
UNION ALL
SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %(schema)s AND %(sequences)s
    AND CASE WHEN c.relkind = 'S' THEN NOT has_sequence_privilege(c.oid, 'USAGE, SELECT, UPDATE') ELSE false END
UNION ALL
SELECT r.oid::regprocedure::text FROM pg_proc r JOIN pg_namespace n ON n.oid = r.pronamespace
WHERE n.nspname = %(schema)s AND %(routines)s AND NOT has_function_privilege(r.oid, 'EXECUTE')
ORDER BY 1
"""
)
"""What a bridge would lack of a privilege on a schema, or the server would refuse to let us give; likewise."""

SCHEMA: Final = b"""
SELECT has_schema_privilege(oid, 'USAGE, CREATE'),
    ARRAY(SELECT t FROM unnest(%s::text[]) t WHERE NOT EXISTS (
        SELECT FROM pg_class c WHERE c.relnamespace = n.oid AND c.relname = t))
FROM pg_namespace n WHERE nspname = %s
"""
"""Whether we may do anything with a schema, and which of some tables it has not; no row where there is no such schema."""

END: Final = sql.SQL("""
SELECT count(pg_terminate_backend(s.pid))
FROM pg_stat_activity s
JOIN unnest({who}::oid[], {what}::oid[]) AS lost(who, what) ON s.usesysid = lost.who
LEFT JOIN pg_roles r ON r.oid = lost.who
WHERE s.pid <> pg_backend_pid() AND r.rolsuper IS NOT TRUE
    AND CASE WHEN lost.what = 0 THEN r.rolcanlogin IS NOT TRUE ELSE NOT pg_has_role(lost.who, lost.what, 'MEMBER') END
""")
"""End the connections of those who lost something: of a login that is gone, and of whom nothing leads there any more.

A connection that did SET ROLE before stays that role until it ends, whatever was revoked meanwhile.
"""

FORESEEN: Final = (
    OURS
    + b"""
SELECT u.rolname::text, m.rolname::text, g.rolname::text, a.roleid IN (SELECT oid FROM marked)
FROM pg_auth_members a JOIN pg_roles u ON u.oid = a.roleid JOIN pg_roles m ON m.oid = a.member
JOIN pg_roles g ON g.oid = a.grantor
WHERE (a.roleid IN (SELECT oid FROM marked) OR a.roleid IN (SELECT oid FROM administered))
    AND a.member <> (SELECT oid FROM me) AND NOT pg_has_role(current_user, g.oid, 'USAGE')
    AND (m.rolcanlogin OR a.member NOT IN (SELECT oid FROM marked))
UNION ALL
SELECT r.rolname::text, '', '', true FROM pg_roles r JOIN marked k ON k.oid = r.oid
WHERE NOT pg_has_role(current_user, r.oid, 'USAGE WITH ADMIN OPTION')
ORDER BY 1, 2, 3
"""
)
"""Memberships that we could not revoke, then roles of ours that we could neither give nor drop, from version 16 on."""

_TABLES = {"read": ("SELECT",), "write": ("SELECT", "INSERT", "UPDATE", "DELETE")}
_ALL = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")

_TEMPLATES: Final = {
    "read": ("USAGE ON SCHEMA", "SELECT ON ALL TABLES IN SCHEMA"),
    "write": (
        "USAGE ON SCHEMA",
        "SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA",
        "USAGE ON ALL SEQUENCES IN SCHEMA",
    ),
    "own": (
        "USAGE, CREATE ON SCHEMA",
        "ALL ON ALL TABLES IN SCHEMA",
        "ALL ON ALL SEQUENCES IN SCHEMA",
        "EXECUTE ON ALL ROUTINES IN SCHEMA",
    ),
}
"""What a template on a schema comes to."""

BACK: Final = b"ROLLBACK TO SAVEPOINT changes"
"""Undoes what `in_one` began."""


def wanted(bridge: str, privilege: PostgresPrivilege) -> dict[str, object]:
    """Return what LACKING and NOT_PASSED_ON are about: a template is about every table, an own set about those listed."""
    pairs: list[tuple[str, str | None]] = [
        (word.upper(), table) for word, tables in privilege.tables for table in tables
    ]
    if privilege.template:
        pairs = [(word, None) for word in _TABLES.get(privilege.template, _ALL)]
    return {
        "bridge": bridge,
        "schema": privilege.schema,
        "privileges": [word for word, _ in pairs],
        "tables": [table for _, table in pairs],
        "sequences": privilege.template in ("write", "own"),
        "routines": privilege.template == "own",
    }


def pass_on(user: str, privilege: PostgresPrivilege) -> list[sql.Composed]:
    """Let the credential give others what a privilege on a schema means."""
    return [sql.SQL("{} WITH GRANT OPTION").format(part) for part in lead(user, privilege)]


def make_bridge(name: str, mark: str) -> list[sql.Composed]:
    """Make the role that holds what a privilege means."""
    role = sql.Identifier(name)
    return [
        sql.SQL("CREATE ROLE {} NOLOGIN").format(role),
        sql.SQL("COMMENT ON ROLE {} IS {}").format(role, sql.Literal(mark)),
    ]


def administer(name: str, user: str) -> sql.Composed:
    """Let the credential manage a role that somebody else made."""
    return sql.SQL("GRANT {} TO {} WITH ADMIN OPTION").format(sql.Identifier(name), sql.Identifier(user))


def lead(name: str, privilege: PostgresPrivilege) -> list[sql.Composed]:
    """Give a bridge what its privilege means."""
    role = sql.Identifier(name)
    if privilege.member_of:
        return [sql.SQL("GRANT {} TO {}").format(sql.Identifier(privilege.member_of), role)]
    schema = sql.Identifier(privilege.schema)
    if privilege.template:
        grant = sql.SQL("GRANT {} {} TO {}")
        return [grant.format(sql.SQL(what), schema, role) for what in _TEMPLATES[privilege.template]]
    found: list[sql.Composed] = [sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(schema, role)]
    for word, tables in privilege.tables:  # each word is one of TABLE_PRIVILEGES
        places = sql.SQL(", ").join(sql.Identifier(privilege.schema, table) for table in tables)
        found.append(sql.SQL("GRANT {} ON TABLE {} TO {}").format(sql.SQL(word.upper()), places, role))
    return found


def join(bridge: str, member: str, privilege: PostgresPrivilege) -> sql.Composed:
    """Make somebody a member of a bridge."""
    asked = (("INHERIT", privilege.inherit), ("SET", privilege.set_role))
    options = ", ".join(f"{word} {'TRUE' if value else 'FALSE'}" for word, value in asked if value is not None)
    statement = sql.SQL("GRANT {} TO {}").format(sql.Identifier(bridge), sql.Identifier(member))
    return sql.SQL("{} WITH {}").format(statement, sql.SQL(options)) if options else statement


def leave(bridge: str, member: str, grantor: str = "") -> sql.Composed:
    """Take a member off a bridge, and whomever they let onto it; ``grantor`` as `revoke` has it."""
    return sql.SQL("{} CASCADE").format(revoke(bridge, member, grantor))


def revoke(role: str, member: str, grantor: str = "") -> sql.Composed:
    """Take membership away that somebody else gave; ``grantor`` is who did, "" where the version does not ask."""
    by = sql.SQL(" GRANTED BY {}").format(sql.Identifier(grantor)) if grantor else sql.SQL("")
    return sql.SQL("REVOKE {} FROM {}{}").format(sql.Identifier(role), sql.Identifier(member), by)


def make_login(name: str, mark: str, verifier: str, until: datetime, *, exists: bool) -> list[sql.Composed]:
    """Make a login, or give one that is there a new end and password: its ``verifier``, never the password itself."""
    role = sql.Identifier(name)
    verb = sql.SQL("ALTER ROLE") if exists else sql.SQL("CREATE ROLE")
    return [
        sql.SQL("{} {} LOGIN PASSWORD {} VALID UNTIL {}").format(
            verb, role, sql.Literal(verifier), sql.Literal(until.isoformat())
        ),
        sql.SQL("COMMENT ON ROLE {} IS {}").format(role, sql.Literal(mark)),
    ]


def drop_login(name: str) -> sql.Composed:
    """Take a login away whole."""
    return sql.SQL("DROP ROLE {}").format(sql.Identifier(name))


def close_login(name: str) -> sql.Composed:
    """Leave nothing of a login but its name, where objects that it owns forbid dropping it."""
    return sql.SQL("ALTER ROLE {} NOLOGIN PASSWORD NULL").format(sql.Identifier(name))


def end_connections(lost: Iterable[tuple[int, int]]) -> sql.Composed:
    """End the connections of each (who, what they lost: a role's oid, or 0 for a login of its own)."""
    pairs = sorted(set(lost))
    return END.format(who=sql.Literal([who for who, _ in pairs]), what=sql.Literal([what for _, what in pairs]))


def in_one(statements: Iterable[sql.Composed]) -> sql.Composed:
    """Make statements one message that is carried out whole, or that BACK undoes whole."""
    return sql.SQL("SAVEPOINT changes; {}; RELEASE SAVEPOINT changes").format(sql.SQL("; ").join(statements))
