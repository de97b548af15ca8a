from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from daypass.core.errors import EdgeError
from daypass.core.ids import canonical
from daypass.edges.targets.postgres.policy import bridge_of
from daypass.edges.targets.registry import Known


def test_a_credential_of_least_privilege_is_well(pg) -> None:
    found = pg.target().health()
    version, encrypted, may, old = found.facts
    assert version.startswith("PostgreSQL 15.")
    assert version.endswith(", database 'postgres', as 'daypass'")
    assert encrypted == "the connection is encrypted"
    assert may == "may give 'orders_admin', 'orders_readonly'"
    assert old == "CREATEROLE reaches every role that is no superuser before version 16: guard it so"
    assert found.concerns == ()
    assert found.clock is not None
    assert found.clock.tzinfo is not None
    assert abs(found.clock - datetime.now(UTC)) < timedelta(minutes=1)


def test_the_servers_own_clock_is_what_is_told(pg) -> None:
    before = pg.target().health().clock
    after = pg.target().health().clock
    assert before < after
    assert before.utcoffset() == timedelta(0)


def test_many_roles_are_counted(pg) -> None:
    names = [f"r{n}" for n in range(7)]
    pg.cluster.boss(
        *(f"CREATE ROLE {name}" for name in names), f"GRANT {', '.join(names)} TO daypass WITH ADMIN OPTION"
    )
    assert pg.target().health().facts[2] == "may give 'orders_admin', 'orders_readonly', 'r0', 'r1', 'r2' and 4 more"


@pytest.mark.parametrize(
    ("statement", "concern"),
    [
        (
            "ALTER ROLE daypass SUPERUSER",
            "'daypass' is a superuser, which may do everything; it needs CREATEROLE and ADMIN OPTION alone",
        ),
        ("ALTER ROLE daypass CREATEDB REPLICATION", "'daypass' has CREATEDB, REPLICATION, which nothing here needs"),
        ("ALTER ROLE daypass BYPASSRLS", "'daypass' has BYPASSRLS, which nothing here needs"),
        (
            "GRANT pg_execute_server_program, pg_read_all_data TO daypass",
            "'daypass' has pg_execute_server_program, pg_read_all_data, which nothing here needs",
        ),
        ("ALTER ROLE daypass NOCREATEROLE", "'daypass' lacks CREATEROLE: roles that are not there yet cannot be made"),
        (
            "REVOKE orders_readonly, orders_admin FROM daypass",
            "'daypass' has ADMIN OPTION on no role, so it can make nobody a member of one",
        ),
        (
            "REVOKE pg_signal_backend FROM daypass",
            "'daypass' lacks pg_signal_backend: open connections stay when access ends",
        ),
        (
            "GRANT orders_readonly TO orders_admin",
            "roles that cannot log in are members of roles that may be given, and who is in them is not seen: 1",
        ),
    ],
)
def test_too_much_and_too_little_are_concerns(pg, statement: str, concern: str) -> None:
    pg.cluster.boss(statement)
    assert concern in pg.target().health().concerns


def test_our_own_bridges_are_no_concern(pg) -> None:
    pg.people("alice")
    target = pg.target()
    pg.add(target, pg.one())
    assert target.health().concerns == ()


def test_the_end_of_the_credentials_own_password_is_told(pg) -> None:
    pg.cluster.boss("ALTER ROLE daypass VALID UNTIL '2040-01-02 03:04:05+00'")
    assert pg.target().health().facts[-1] == "the credential's own password ends at 2040-01-02T03:04:05+00:00"


def test_another_encoding_is_a_concern(pg) -> None:
    pg.cluster.boss("DROP DATABASE IF EXISTS latin", "CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0")
    target = pg.target(url=pg.cluster.url("daypass", "the-applier-knows", "latin"))
    assert target.health().concerns == ("the database's encoding is LATIN1: names beyond ASCII may not be read",)


def test_a_connection_without_tls_is_told(pg) -> None:
    url = pg.cluster.url("daypass", "the-applier-knows", query="sslmode=disable")
    assert pg.target(url=url, tls="off-on-loopback").health().facts[1] == "the connection is not encrypted"


def test_a_server_that_nobody_reaches_is_an_error(pg) -> None:
    with pytest.raises(EdgeError, match="password authentication failed"):
        pg.target(password="wrong").health()


# Roles of the catalogue that could not be given.

SCHEMA = "GRANT USAGE, CREATE ON SCHEMA public TO daypass WITH GRANT OPTION"


def concerns(pg, *privileges: dict[str, object], **options: object) -> list[str]:
    """Look with roles of the catalogue, and hold that it says just what giving would, and changes nothing."""
    target = pg.target(known=Known(frozenset(("orders-db", canonical(p)) for p in privileges)), **options)
    before = pg.cluster.roles()
    shown = pg.cluster.boss(
        "SELECT relname, relacl::text FROM pg_class UNION SELECT nspname, nspacl::text FROM pg_namespace"
    )
    found = [concern.partition(" cannot be given: ") for concern in target.health().concerns]
    assert pg.cluster.roles() == before
    assert shown == pg.cluster.boss(
        "SELECT relname, relacl::text FROM pg_class UNION SELECT nspname, nspacl::text FROM pg_namespace"
    )
    assert all(who.startswith("a role of orders-db, {") for who, _, _ in found)
    return [why for _, _, why in found]


@pytest.mark.parametrize(
    ("privilege", "why"),
    [
        ({"member_of": "orders_raedonly"}, "the server has no role 'orders_raedonly'"),
        (
            {"member_of": "elsewhere"},
            "the credential 'daypass' may not give 'elsewhere': it has no ADMIN OPTION on that role",
        ),
        (
            {"member_of": "orders_readonly", "inherit": "false"},
            "inherit and set of a membership need PostgreSQL 16, the server is 15",
        ),
        ({"grant": "read", "schema": "nowhere"}, 'schema "nowhere" does not exist'),
        ({"grant": {"select": ["ordres"]}, "schema": "public"}, 'relation "public.ordres" does not exist'),
        (
            {"grant": "read", "schema": "public", "database": "elsewhere"},
            "database 'elsewhere' is not among those of target orders: payroll, postgres",
        ),
        (
            {"grant": "read", "schema": "public", "database": "payroll"},
            'target orders: connection failed: permission denied for database "payroll" (User does not have CONNECT privilege.)',
        ),
    ],
)
def test_a_role_that_could_not_be_given_is_a_concern_with_the_reason(
    pg, privilege: dict[str, object], why: str
) -> None:
    pg.cluster.boss("CREATE ROLE elsewhere", "REVOKE CONNECT ON DATABASE payroll FROM PUBLIC")
    pg.people("alice")
    (found,) = concerns(pg, privilege, {"member_of": "orders_readonly"}, databases=["payroll"])
    pg.cluster.boss("GRANT CONNECT ON DATABASE payroll TO PUBLIC")
    assert found.startswith(why.partition(" (")[0])


@pytest.mark.parametrize(
    "privilege",
    [
        {"grant": "read", "schema": "public"},
        {"grant": "write", "schema": "public"},
        {"grant": "own", "schema": "public"},
        {"grant": {"select": ["orders"], "update": ["items"]}, "schema": "public"},
        {"grant": "read", "schema": "public", "login": "true"},
        {"grant": "read", "schema": "hidden"},
        {"member_of": "orders_readonly", "login": "true"},
    ],
)
@pytest.mark.parametrize(
    "world",
    [
        (),
        (SCHEMA,),
        (SCHEMA, "GRANT SELECT ON ALL TABLES IN SCHEMA public TO daypass WITH GRANT OPTION"),
        (SCHEMA, "GRANT ALL ON ALL TABLES IN SCHEMA public TO daypass WITH GRANT OPTION"),
        (SCHEMA, "GRANT SELECT ON items TO daypass", "GRANT SELECT ON orders TO daypass WITH GRANT OPTION"),
        (SCHEMA, "GRANT SELECT ON ALL TABLES IN SCHEMA public TO PUBLIC"),
        ("GRANT USAGE ON SCHEMA hidden TO daypass",),
        (
            SCHEMA,
            "GRANT ALL ON ALL TABLES IN SCHEMA public TO daypass WITH GRANT OPTION",
            "GRANT USAGE ON SEQUENCE numbers TO daypass",
            "GRANT EXECUTE ON FUNCTION one TO daypass",
        ),
        (
            "CREATE ROLE owner",
            "GRANT owner TO daypass",
            "ALTER TABLE orders OWNER TO owner",
            "ALTER TABLE items OWNER TO owner",
        ),
    ],
)
def test_looking_says_what_giving_would_say(pg, world: tuple[str, ...], privilege: dict[str, object]) -> None:
    pg.cluster.boss(
        "DROP SCHEMA IF EXISTS hidden CASCADE",
        "CREATE SCHEMA hidden",
        "CREATE SEQUENCE numbers",
        "CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "REVOKE ALL ON FUNCTION one FROM PUBLIC",
        *world,
    )
    pg.people("alice")
    said = concerns(pg, privilege)
    one = pg.one(**privilege)
    (done,) = pg.add(pg.target(), one)
    assert bool(said) == bool(done.error), (said, done.error)
    if said and done.error.startswith("the credential may not give"):
        assert said == [done.error]
    assert (bridge_of(one).name in pg.cluster.roles()) == (not done.error)


def test_a_role_under_the_name_of_a_bridge_that_is_not_ours_is_a_concern(pg) -> None:
    name = bridge_of(pg.one()).name
    pg.cluster.boss(f'CREATE ROLE "{name}"')
    assert concerns(pg, {"member_of": "orders_readonly"}) == [
        f"the server has a role {name!r} that is not daypass's own"
    ]
