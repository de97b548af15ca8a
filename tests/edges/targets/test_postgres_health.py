from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from daypass.core.errors import EdgeError


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
