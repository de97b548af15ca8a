"""Roles, bridges, logins and databases that were renamed, dropped, or counted by another server."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from types import MappingProxyType

import pytest
from psycopg import sql

from daypass.core.bounds.settings import TargetSettings
from daypass.core.errors import EdgeError
from daypass.core.ids import canonical
from daypass.core.plan import Action, Entitlement, Found, Numbers, Order
from daypass.edges.targets.postgres import sql as say
from daypass.edges.targets.postgres.policy import bridge_of
from daypass.edges.targets.postgres.sql import OBSERVE
from daypass.edges.targets.postgres.target import PostgresTarget, open_postgres
from fakes.orders import add
from servers.postgres import Postgres, server

UNTIL = datetime(2040, 1, 1, tzinfo=UTC)
ONE = Entitlement("pg", "orders-db", "alice", canonical({"member_of": "readers"}))
THERE = Entitlement("pg", "orders-db", "alice", canonical({"database": "shop", "grant": "read", "schema": "public"}))


@pytest.fixture(scope="module")
def cluster() -> Iterator[Postgres]:
    with server() as made:
        yield made


@pytest.fixture
def world(cluster: Postgres) -> Postgres:
    cluster.wipe()
    cluster.boss(
        "CREATE ROLE daypass LOGIN CREATEROLE PASSWORD 'secret'",
        "CREATE ROLE readers",
        "CREATE ROLE alice LOGIN",
        "GRANT readers TO daypass WITH ADMIN OPTION",
        "GRANT pg_signal_backend TO daypass",
    )
    return cluster


def opened(cluster: Postgres, databases: str = "") -> PostgresTarget:
    options = {"url_env": "PG", "tls": "off-on-loopback"} | ({"databases": [databases]} if databases else {})
    url = cluster.url("daypass", "secret", query="sslmode=disable")
    return open_postgres(TargetSettings("pg", "postgres", MappingProxyType(options)), {"PG": url})


def looked(target: PostgresTarget, one: Entitlement, numbers: Numbers = ()) -> Found:
    target.observe()
    return target.find({one: numbers})[one]


def taken(target: PostgresTarget, one: Entitlement, numbers: Numbers) -> str:
    (done,) = target.carry_out([Order(Action.REMOVE, one, UNTIL, UNTIL, (), numbers)])
    return done.error


def given(target: PostgresTarget, one: Entitlement) -> Numbers:
    add(target, one, UNTIL)
    found = looked(target, one)
    assert found.there
    return found.numbers


def test_all_that_access_rests_on_has_a_number(world: Postgres) -> None:
    assert [what for what, _ in given(opened(world), ONE)] == ["bridge", "member", "role", "system"]


def test_a_bridge_of_ours_that_was_renamed_is_known_by_number_and_mark(world: Postgres) -> None:
    numbers = given(opened(world), ONE)
    rename = sql.SQL("ALTER ROLE {} RENAME TO bridge")
    world.boss(rename.format(sql.Identifier(bridge_of(ONE).name)))
    found = looked(opened(world), ONE, numbers)
    assert (found.there, "is called 'bridge' now" in found.why) == (True, True)
    assert taken(opened(world), ONE, numbers) == ""
    assert looked(opened(world), ONE, numbers) == Found(False)


def test_a_bridge_that_leads_to_a_renamed_role_is_not_led_to_another_of_its_name(world: Postgres) -> None:
    numbers = given(opened(world), ONE)
    world.boss(
        "ALTER ROLE readers RENAME TO renamed",
        "CREATE ROLE readers",
        "CREATE ROLE bob LOGIN",
        "GRANT readers TO daypass WITH ADMIN OPTION",
    )
    (done,) = opened(world).carry_out([Order(Action.ADD, ONE._replace(principal="bob"), UNTIL, UNTIL)])
    assert "leads to 'renamed', and is for 'readers'" in done.error
    assert looked(opened(world), ONE, numbers).there
    assert taken(opened(world), ONE, numbers) == ""
    assert not looked(opened(world), ONE, numbers).there


def test_what_was_dropped_is_gone_and_whoever_has_its_name_is_left_alone(world: Postgres) -> None:
    numbers = given(opened(world), ONE)
    world.boss("DROP ROLE alice")
    found = looked(opened(world), ONE, numbers)
    assert (found.there, found.why) == (False, f"the member 'alice', number {dict(numbers)['member']}, is no more")
    world.boss("CREATE ROLE alice LOGIN", "GRANT readers TO alice")
    theirs = opened(world).observe()
    assert [one.principal for one in theirs] == ["alice"]
    found = looked(opened(world), ONE, numbers)
    assert (found.there, found.why.endswith("has its name")) == (False, True)
    assert taken(opened(world), ONE, numbers) == ""
    assert opened(world).observe() == theirs
    (done,) = opened(world).carry_out([Order(Action.ADD, ONE, UNTIL, UNTIL, (), numbers)])
    assert "is no more" in done.error


def test_another_server_proves_nothing(world: Postgres) -> None:
    numbers = tuple(sorted((dict(given(opened(world), ONE)) | {"system": "1"}).items()))
    assert looked(opened(world), ONE, numbers).there  # the same names and the same numbers, as an upgrade leaves them
    world.boss("DROP ROLE alice")
    found = looked(opened(world), ONE, numbers)
    assert (found.there, "is not found" in found.why) == (None, True)
    assert "is not found" in taken(opened(world), ONE, numbers)


def test_names_without_numbers_are_unknown_once_nobody_bears_them(world: Postgres) -> None:
    given(opened(world), ONE)
    world.boss("ALTER ROLE alice RENAME TO alice2")
    found = looked(opened(world), ONE)
    assert found == Found(None, "there is no member 'alice', and its number was not recorded: it may have another name")


def test_what_no_version_of_ours_means_is_unknown(world: Postgres) -> None:
    assert looked(opened(world), ONE._replace(privilege="{}")).there is None


def test_a_database_that_was_renamed_keeps_nobody_in(world: Postgres) -> None:
    world.boss("DROP DATABASE IF EXISTS shop", "DROP DATABASE IF EXISTS store", "CREATE DATABASE shop OWNER daypass")
    numbers = given(opened(world, "shop"), THERE)
    assert [what for what, _ in numbers] == ["bridge", "database", "member", "system"]
    world.boss("ALTER DATABASE shop RENAME TO store")
    found = looked(opened(world, "shop"), THERE, numbers)
    assert (found.there, found.why) == (True, "the database 'shop' is called 'store' now")
    assert taken(opened(world, "shop"), THERE, numbers) == ""
    assert looked(opened(world, "shop"), THERE, numbers) == Found(False)
    world.boss("DROP DATABASE store")


# The name of what it holds, by which a run goes by what an earlier one found.


def named(target: PostgresTarget) -> str:
    target.observe()
    return target.fingerprint()[""]


def test_what_it_holds_has_another_name_for_each_thing_that_an_answer_hangs_on(world: Postgres) -> None:
    """Each of these leaves the names of people and roles as they were, or somebody's access."""
    world.boss("CREATE ROLE bob LOGIN")
    target = opened(world)
    given(target, ONE)
    bridge = sql.Identifier(bridge_of(ONE).name)
    seen = [named(target)]
    for statement in (
        "ALTER ROLE alice NOLOGIN",
        "ALTER ROLE readers RENAME TO others",
        sql.SQL("GRANT SELECT ON TABLE pg_catalog.pg_class TO {}").format(bridge),
        sql.SQL("REVOKE others FROM {} GRANTED BY daypass").format(bridge),
        sql.SQL("COMMENT ON ROLE {} IS 'nothing'").format(bridge),
        "GRANT others TO bob",
    ):
        world.boss(statement)
        seen.append(named(target))
    assert len({*seen}) == len(seen)
    world.boss("CREATE ROLE carol LOGIN")
    assert named(target) == seen[-1]  # that somebody exists is nothing


def test_the_name_says_as_whom_and_where_it_was_looked_at(world: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    found = named(opened(world))
    assert found == named(opened(world))
    monkeypatch.setattr(say, "OBSERVE", OBSERVE.replace(b"pg_control_system()", b"(SELECT 1 AS system_identifier) s"))
    assert named(opened(world)) != found
    monkeypatch.setattr(say, "OBSERVE", OBSERVE.replace(b"current_database()", b"'another'"))
    assert named(opened(world)) != found
    monkeypatch.setattr(say, "OBSERVE", OBSERVE.replace(b"'self', current_user::text", b"'self', 'another'"))
    assert named(opened(world)) != found


def test_the_name_does_not_hang_on_the_order_in_which_the_server_counts(world: Postgres) -> None:
    target = opened(world)
    world.boss("CREATE ROLE bob LOGIN")
    two = [ONE, ONE._replace(principal="bob")]
    for one in two:
        given(target, one)
    before = named(target)
    world.boss("UPDATE pg_auth_members SET admin_option = admin_option", "VACUUM FULL pg_auth_members")
    assert named(target) == before


def test_a_look_that_failed_leaves_no_name_of_what_was_not_seen(world: Postgres) -> None:
    target = opened(world)
    with pytest.raises(EdgeError, match="was not looked at yet"):
        target.fingerprint()
