"""What `inspect` finds at a real server beside memberships that daypass gave."""

from __future__ import annotations

from collections.abc import Iterator
from types import MappingProxyType

import pytest

from conformance.bench import UNTIL
from daypass.core.bounds.settings import TargetSettings
from daypass.core.errors import EdgeError, InvalidError
from daypass.core.ids import canonical
from daypass.core.plan import Entitlement
from daypass.edges.targets.postgres.target import PostgresTarget, open_postgres
from daypass.edges.targets.registry import Known
from fakes.orders import add
from servers.postgres import Postgres, server

ALICE = Entitlement("orders", "orders-db", "alice", canonical({"member_of": "readers"}))


@pytest.fixture(scope="module")
def cluster() -> Iterator[Postgres]:
    with server() as made:
        made.boss(
            "CREATE TABLE orders (id int, total int)", "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'"
        )
        made.boss("CREATE DATABASE payroll")
        yield made


@pytest.fixture(autouse=True)
def _fresh(cluster: Postgres) -> None:
    cluster.wipe()
    cluster.boss(
        "CREATE ROLE readers",
        "GRANT SELECT ON orders TO readers",
        "CREATE ROLE alice LOGIN",
        "CREATE ROLE r1 LOGIN",
        "CREATE ROLE daypass LOGIN CREATEROLE PASSWORD 'a-password'",
        "GRANT pg_signal_backend TO daypass",
        "GRANT readers TO daypass WITH ADMIN OPTION",
    )


def opened(cluster: Postgres, **more: object) -> PostgresTarget:
    url = cluster.url("daypass", "a-password", query="sslmode=disable")
    options = MappingProxyType({"url_env": "URL", "tls": "off-on-loopback", **more})
    known = Known(frozenset({("orders-db", ALICE.privilege), ("orders-db", "{}")}))
    return open_postgres(TargetSettings("orders", "postgres", options), {"URL": url}, known)


def found(target: PostgresTarget) -> list[tuple[str, str]]:
    return [tuple(way) for way in target.inspect().others]


def test_what_daypass_gave_and_what_roles_of_the_catalogue_mean_is_nothing_else(cluster: Postgres) -> None:
    target = opened(cluster)
    add(target, ALICE, UNTIL)
    seen = target.inspect()
    assert seen.others == ()
    assert any("readers" in line for line in seen.looked)
    assert any("SUPERUSER" in line for line in seen.looked)
    assert "what is in other databases: payroll, template1" in seen.unseen
    assert any("pg_hba.conf" in line for line in seen.unseen)


@pytest.mark.parametrize(
    ("statement", "who", "what"),
    [
        (
            "GRANT ALL ON orders TO r1",
            "r1",
            "holds DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE on tables",
        ),
        ("GRANT SELECT (total) ON orders TO r1", "r1", "holds SELECT on columns of schema public (orders.total)"),
        ("GRANT CREATE ON SCHEMA public TO r1", "r1", "holds CREATE on schema public in database postgres"),
        ("GRANT ALL ON DATABASE postgres TO r1", "r1", "holds CONNECT, CREATE, TEMPORARY on database postgres"),
        ("GRANT EXECUTE ON FUNCTION f() TO r1", "r1", "holds EXECUTE on functions of schema public (f)"),
        ("ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO r1", "r1", "holds SELECT on default privileges of boss"),
        ("ALTER TABLE orders OWNER TO r1", "r1", "holds OWNER on tables of schema public (orders)"),
        ("GRANT SELECT ON orders TO PUBLIC", "everybody (PUBLIC)", "holds SELECT on tables of schema public (orders)"),
        ("GRANT pg_read_all_data TO r1", "r1", "is a member of pg_read_all_data"),
        ("GRANT boss TO r1", "r1", "is a member of boss"),
        ("CREATE ROLE backdoor SUPERUSER LOGIN", "backdoor", "is SUPERUSER"),
        ("ALTER ROLE r1 CREATEROLE BYPASSRLS REPLICATION", "r1", "is CREATEROLE, BYPASSRLS, REPLICATION"),
    ],
)
def test_other_ways_in_are_found(cluster: Postgres, statement: str, who: str, what: str) -> None:
    cluster.boss(statement)
    try:
        ways = found(opened(cluster))
        assert any(one == who and told.startswith(what) for one, told in ways), ways
        settled = opened(cluster, expected=[who.split(maxsplit=1)[0]])
        assert who.startswith("everybody") or found(settled) == []
        assert (
            who.startswith("everybody") or f"left out, as the settings expect them: {who}" in settled.inspect().looked
        )
    finally:
        cluster.boss(
            "ALTER TABLE orders OWNER TO boss",
            "REVOKE ALL ON orders FROM PUBLIC",
            "ALTER DEFAULT PRIVILEGES REVOKE SELECT ON TABLES FROM r1",
        )


def test_who_comes_in_through_a_role_is_named(cluster: Postgres) -> None:
    cluster.boss("CREATE ROLE team", "GRANT SELECT ON orders TO team", "GRANT team TO r1")
    ((who, what),) = found(opened(cluster))
    assert who == "team"
    assert what == "holds SELECT on tables of schema public (orders) in database postgres, and through it r1"


def test_a_database_that_cannot_be_looked_into_is_an_error(cluster: Postgres) -> None:
    with pytest.raises(EdgeError, match="no_such_database"):
        opened(cluster, databases=["no_such_database"]).inspect()


def test_who_is_expected_is_a_list_of_names(cluster: Postgres) -> None:
    with pytest.raises(InvalidError, match="expected expected to be a list of names"):
        opened(cluster, expected="r1")
