from __future__ import annotations

import psycopg
import pytest
from psycopg import sql

from daypass.edges.targets.postgres.policy import bridge_of

OPTION = "GRANT {} ON ALL {} IN SCHEMA public TO daypass WITH GRANT OPTION"
SCHEMA = "GRANT ALL ON SCHEMA public TO daypass WITH GRANT OPTION"


def passing_on(pg, database: str = "postgres") -> None:
    """Let the credential pass on everything in the schema."""
    pg.cluster.boss(
        "CREATE SEQUENCE numbers",
        "CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "REVOKE ALL ON FUNCTION one FROM PUBLIC",
        SCHEMA,
        OPTION.format("ALL", "TABLES"),
        OPTION.format("ALL", "SEQUENCES"),
        OPTION.format("ALL", "ROUTINES"),
        database=database,
    )


WHAT = {
    "SELECT id FROM items": {"read", "write", "own"},
    "INSERT INTO items VALUES (1)": {"write", "own"},
    "UPDATE items SET id = 2": {"write", "own"},
    "DELETE FROM items": {"write", "own"},
    "SELECT nextval('numbers')": {"write", "own"},
    "TRUNCATE items": {"own"},
    "SELECT one()": {"own"},
    "CREATE TABLE made (id int)": {"own"},
    "DROP TABLE items": set(),
    "ALTER TABLE items ADD x int": set(),
}


@pytest.mark.parametrize("template", ["read", "write", "own"])
def test_a_template_gives_what_the_page_says_and_takes_it_again(pg, template: str) -> None:
    pg.people("alice")
    passing_on(pg)
    target = pg.target()
    one = pg.one(grant=template, schema="public")
    assert [statement for statement in WHAT if pg.may(statement)] == []
    assert [done.error for done in pg.add(target, one)] == [""]
    assert target.observe() == {one}
    assert {statement for statement in WHAT if pg.may(statement)} == {s for s, by in WHAT.items() if template in by}
    pg.cluster.boss("DROP TABLE IF EXISTS made")
    with pg.enter() as connection:
        pg.remove(target, one)
        with pytest.raises(psycopg.errors.AdminShutdown):
            connection.execute("SELECT 1")
    assert target.observe() == frozenset()
    assert [statement for statement in WHAT if pg.may(statement)] == []


def test_an_own_set_gives_exactly_what_it_lists(pg) -> None:
    pg.people("alice")
    passing_on(pg)
    target = pg.target()
    one = pg.one(grant={"select": ["items", "orders"], "update": ["orders"]}, schema="public")
    pg.add(target, one)
    assert target.observe() == {one}
    assert pg.may("SELECT id FROM items")
    assert pg.may("UPDATE orders SET total = 7")
    assert not pg.may("UPDATE items SET id = 7")
    assert not pg.may("DELETE FROM orders")


@pytest.mark.parametrize(
    ("privilege", "message"),
    [
        ({"grant": "read", "schema": "nowhere"}, 'schema "nowhere" does not exist'),
        ({"grant": {"select": ["nothing"]}, "schema": "public"}, 'relation "public.nothing" does not exist'),
        (
            {"grant": {"select": ['x"; DROP TABLE orders; --']}, "schema": "public"},
            'relation "public.x"; DROP TABLE orders; --" does not exist',
        ),
        (
            {"grant": "read", "schema": "public", "database": "elsewhere"},
            "database 'elsewhere' is not among those of target orders: payroll, postgres",
        ),
    ],
)
def test_a_schema_or_table_that_is_not_there_stops_only_that_order(pg, privilege, message: str) -> None:
    pg.people("alice")
    passing_on(pg)
    answers = pg.add(pg.target(databases=["payroll"]), pg.one(**privilege), pg.one(grant="read", schema="public"))
    assert [answer.error for answer in answers] == [message, ""]


ADVICE = (
    ' (who owns it may run GRANT USAGE ON SCHEMA "public" TO "daypass" WITH GRANT OPTION; '
    'GRANT SELECT ON ALL TABLES IN SCHEMA "public" TO "daypass" WITH GRANT OPTION)'
)


def test_what_the_credential_may_not_pass_on_is_refused_whole_and_says_what_would_help(pg) -> None:
    pg.people("alice")
    pg.cluster.boss(SCHEMA, "GRANT SELECT ON items TO daypass WITH GRANT OPTION")
    target = pg.target()
    (done,) = pg.add(target, pg.one(grant="read", schema="public"))
    # The server passes over what may not be passed on, and only warns.
    assert done.error == f"the credential may not give all of read on 'public': public.orders: SELECT{ADVICE}"
    pg.cluster.boss("CREATE TABLE a1 (id int)", "CREATE TABLE a2 (id int)", "CREATE TABLE a3 (id int)")
    (done,) = pg.add(target, pg.one(grant="read", schema="public"))
    assert done.error in {f"permission denied for table {table}{ADVICE}" for table in ("a1", "a2", "a3")}
    pg.cluster.boss("GRANT SELECT ON a1, a2, a3 TO daypass")
    (done,) = pg.add(target, pg.one(grant="read", schema="public"))
    assert done.error.endswith(f"on 'public': public.a1: SELECT, public.a2: SELECT, public.a3: SELECT, …{ADVICE}")
    assert target.observe() == frozenset()
    assert not pg.may("SELECT id FROM items")
    pg.cluster.boss(*ADVICE.removeprefix(" (who owns it may run ").removesuffix(")").split("; "))
    (done,) = pg.add(target, pg.one(grant="read", schema="public"))
    assert done.error == ""
    assert pg.may("SELECT id FROM items")


def test_an_own_set_that_may_not_be_passed_on_is_refused_whole_as_well(pg) -> None:
    pg.people("alice")
    pg.cluster.boss(SCHEMA, "GRANT SELECT ON items TO daypass WITH GRANT OPTION", "GRANT SELECT ON orders TO daypass")
    target = pg.target()
    (done,) = pg.add(target, pg.one(grant={"select": ["items", "orders"]}, schema="public"))
    assert done.error.startswith("the credential may not give all of the set on 'public': public.orders: SELECT (who")
    assert target.observe() == frozenset()
    assert not pg.may("SELECT id FROM items")


def test_several_databases_of_one_server_are_apart_and_seen_in_one_query(pg) -> None:
    pg.people("alice")
    passing_on(pg)
    passing_on(pg, "payroll")
    target = pg.target(databases=["payroll"])
    here, there = (pg.one(grant="read", schema="public", **more) for more in ({}, {"database": "payroll"}))
    pg.add(target, there)
    assert target.observe() == {there}
    assert pg.may("SELECT id FROM items", database="payroll")
    assert not pg.may("SELECT id FROM items")
    pg.add(target, here, pg.one())
    before = pg.cluster.log.read_text(errors="replace").count(" LOG:  statement:")
    assert target.observe() == {here, there, pg.one()}
    assert pg.cluster.log.read_text(errors="replace").count(" LOG:  statement:") - before == 1
    pg.remove(target, there)
    assert target.observe() == {here, pg.one()}
    assert not pg.may("SELECT id FROM items", database="payroll")


def test_a_database_that_is_down_stops_only_its_own_changes(pg) -> None:
    pg.people("alice")
    passing_on(pg)
    pg.cluster.boss("ALTER DATABASE payroll CONNECTION LIMIT 0")
    target = pg.target(databases=["payroll"])
    there = pg.one(grant="read", schema="public", database="payroll")
    answers = pg.add(target, there, pg.one())
    assert answers[0].error.startswith("target orders: connection failed: ")
    assert answers[0].error.endswith(': too many connections for database "payroll"')
    assert answers[1].error == ""
    pg.cluster.boss("ALTER DATABASE payroll CONNECTION LIMIT -1")


def test_privileges_that_somebody_took_from_a_bridge_are_missing_and_given_again(pg) -> None:
    pg.people("alice")
    passing_on(pg)
    target = pg.target()
    one = pg.one(grant="read", schema="public")
    pg.add(target, one)
    bridge = sql.Identifier(bridge_of(one).name)
    pg.cluster.boss(
        "SET ROLE daypass",
        sql.SQL("REVOKE SELECT ON ALL TABLES IN SCHEMA public FROM {}").format(bridge),
        sql.SQL("REVOKE USAGE ON SCHEMA public FROM {}").format(bridge),
    )
    assert target.observe() == frozenset()
    pg.add(target, one)
    assert target.observe() == {one}
    assert pg.may("SELECT id FROM items")


def test_a_table_that_is_new_is_covered_from_the_next_time_on(pg) -> None:
    pg.people("alice", "bob")
    passing_on(pg)
    target = pg.target()
    alice, bob = (pg.one(who, grant="read", schema="public") for who in ("alice", "bob"))
    pg.add(target, alice)
    pg.cluster.boss("CREATE TABLE later (id int)", "GRANT SELECT ON later TO daypass WITH GRANT OPTION")
    assert not pg.may("SELECT id FROM later")
    assert target.observe() == {alice}
    pg.add(target, bob)
    assert pg.may("SELECT id FROM later")


def test_membership_that_somebody_gave_our_bridge_elsewhere_is_not_what_it_is_for(pg) -> None:
    """A bridge to a role that only has privileges of some schema leads nowhere: its mark says what it must have."""
    pg.people("alice")
    target = pg.target()
    pg.add(target, pg.one())
    bridge = bridge_of(pg.one()).name
    pg.cluster.boss(f'GRANT SELECT ON items TO "{bridge}"', f'REVOKE orders_readonly FROM "{bridge}"')
    assert target.observe() == frozenset()
