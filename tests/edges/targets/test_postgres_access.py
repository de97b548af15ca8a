from __future__ import annotations

import time

import psycopg
import pytest

from daypass.core.errors import EdgeError
from daypass.core.plan import Action, Order
from daypass.edges.targets.postgres.policy import bridge_of
from daypass.edges.targets.registry import Known
from fakes.orders import add, remove

READ = "SELECT total FROM orders"


def test_membership_opens_and_closes_and_an_open_connection_ends_with_it(pg) -> None:
    pg.people("alice")
    target = pg.target()
    assert not pg.may(READ)
    add(target, pg.one(), pg.until)
    with pg.enter() as connection:
        assert connection.execute(READ).fetchall() == [(100,)]
        connection.execute("SET ROLE orders_readonly")
        remove(target, pg.one())
        with pytest.raises(psycopg.errors.AdminShutdown):
            connection.execute(READ)
    assert not pg.may(READ)
    assert not pg.may("SET ROLE orders_readonly")


def test_connections_stay_while_something_else_still_gives_the_same_role(pg) -> None:
    pg.people("alice")
    target = pg.target()
    pg.add(target, pg.one(), pg.one(resource="reports"))
    with pg.enter() as connection:
        pg.remove(target, pg.one())
        assert connection.execute(READ).fetchall() == [(100,)]
        pg.remove(target, pg.one(resource="reports"))
        with pytest.raises(psycopg.errors.AdminShutdown):
            connection.execute(READ)


def test_the_end_of_one_role_ends_connections_though_another_role_goes_on(pg) -> None:
    """Nobody can see which role a connection has set, so that none that might have the lost one goes on."""
    pg.people("alice", "bob")
    target = pg.target()
    pg.add(target, pg.one(), pg.one(member_of="orders_admin"), pg.one("bob"))
    with pg.enter() as connection, pg.enter("bob") as other:
        connection.execute("SET ROLE orders_admin")
        pg.remove(target, pg.one(member_of="orders_admin"))
        with pytest.raises(psycopg.errors.AdminShutdown):
            connection.execute(READ)
        assert other.execute(READ).fetchall() == [(100,)]
    assert pg.may(READ)


def test_without_the_right_to_end_connections_the_access_goes_all_the_same_and_it_is_said(pg) -> None:
    pg.people("alice")
    pg.cluster.boss("REVOKE pg_signal_backend FROM daypass")
    target = pg.target()
    pg.add(target, pg.one())
    with pg.enter() as connection:
        (done,) = pg.remove(target, pg.one())
        words = "the access is gone, but open connections stay: the credential lacks pg_signal_backend"
        assert done.error == words
        assert target.observe() == frozenset()
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(READ)


def test_a_superusers_connections_are_left_alone(pg) -> None:
    pg.people("alice", "bob")
    target = pg.target()
    pg.add(target, pg.one(), pg.one("bob"))
    pg.cluster.boss("ALTER ROLE alice SUPERUSER")
    with pg.enter() as connection, pg.enter("bob") as other:
        assert [done.error for done in pg.remove(target, pg.one(), pg.one("bob"))] == ["", ""]
        assert connection.execute(READ).fetchall() == [(100,)]
        with pytest.raises(psycopg.errors.AdminShutdown):
            other.execute(READ)


def test_two_resources_that_share_a_role_are_two_entitlements(pg) -> None:
    pg.people("alice")
    target = pg.target()
    both = pg.one(), pg.one(resource="reports")
    pg.add(target, *both)
    assert target.observe() == {*both}
    pg.remove(target, both[0])
    assert target.observe() == {both[1]}
    assert pg.may(READ)
    pg.remove(target, both[1])
    assert not pg.may(READ)


@pytest.mark.parametrize(
    ("principal", "privilege", "message"),
    [
        ("bob", {"member_of": "orders_readonly"}, "the server has no role 'bob' to give anything to"),
        ("alice", {"member_of": "orders_reedonly"}, "the server has no role 'orders_reedonly'"),
        (
            "alice",
            {"member_of": "pg_execute_server_program"},
            "the credential 'daypass' may not give 'pg_execute_server_program': it has no ADMIN OPTION on that role",
        ),
        ("daypass", {"member_of": "orders_readonly"}, "'daypass' is daypass's own credential, which is given nothing"),
        (
            "orders_admin",
            {"member_of": "orders_readonly"},
            "'orders_admin' cannot log in: all its members would be given what one person asked for",
        ),
        (
            "alice",
            {"member_of": "alice"},
            "the credential 'daypass' may not give 'alice': it has no ADMIN OPTION on that role",
        ),
        (
            "public",
            {"member_of": "orders_readonly"},
            "the principal 'public' is a word of PostgreSQL's own, and nobody's name",
        ),
        (
            "alice",
            {"member_of": "orders_readonly", "inherit": "false"},
            "inherit and set of a membership need PostgreSQL 16, the server is 15",
        ),
        (
            "alice",
            {"member_of": "orders_readonly", "unmanaged": True},
            "unmanaged is how access that others gave is shown, and nothing to give",
        ),
        (
            "al\0ice",
            {"member_of": "orders_readonly"},
            r"the principal 'al\x00ice' holds a character that PostgreSQL cannot",
        ),
        ("alice", {"member_of": ""}, "expected the name of a role, got ''"),
    ],
)
def test_what_cannot_be_given_is_refused_and_stops_only_itself(pg, principal, privilege, message) -> None:
    pg.people("alice", "carol")
    target = pg.target()
    answers = pg.add(target, pg.one(), pg.one(principal, **privilege), pg.one("carol"))
    assert [answer.error for answer in answers] == ["", message, ""]
    assert target.observe() == {pg.one(), pg.one("carol")}


def test_a_role_that_names_itself_is_refused(pg) -> None:
    pg.people("alice")
    pg.cluster.boss("GRANT alice TO daypass WITH ADMIN OPTION")
    assert [d.error for d in pg.add(pg.target(), pg.one(member_of="alice"))] == ["'alice' cannot be a member of itself"]


def test_what_the_server_refuses_stops_only_itself_by_a_savepoint(pg) -> None:
    pg.people("alice", "bob", "carol")
    # Nothing that is looked at shows a circle: the server finds it while the changes are made.
    pg.cluster.boss("GRANT bob TO orders_readonly")
    target = pg.target()
    answers = pg.add(target, pg.one("alice"), pg.one("bob"), pg.one("carol"))
    assert [bool(answer.error) for answer in answers] == [False, True, False]
    assert "is a member of role" in answers[1].error
    assert {one.principal for one in target.observe() if "unmanaged" not in one.privilege} == {"alice", "carol"}


def test_membership_that_others_gave_is_seen_as_theirs_and_never_touched(pg) -> None:
    pg.people("alice", "mallory")
    pg.cluster.boss("GRANT orders_readonly TO mallory", "GRANT orders_readonly TO alice")
    target = pg.target()
    theirs = {pg.one(who, "", member_of="orders_readonly", unmanaged=True) for who in ("alice", "mallory")}
    assert target.observe() == theirs
    pg.add(target, pg.one())
    assert target.observe() == {*theirs, pg.one()}
    with pg.enter() as connection:
        pg.remove(target, pg.one(), pg.one("mallory"))
        assert target.observe() == theirs
        assert connection.execute(READ).fetchall() == [(100,)]  # she lost nothing: the other membership is still there


def test_membership_that_others_gave_belongs_to_the_resources_whose_roles_give_it(pg) -> None:
    pg.people("mallory")
    pg.cluster.boss("GRANT orders_readonly, orders_admin TO mallory")
    named = {
        ("orders-db", '{"member_of":"orders_readonly"}'),
        ("reports", '{"member_of":"orders_readonly"}'),
        ("visits", '{"login":"true","member_of":"orders_admin"}'),
        ("broken", "{}"),
    }
    target = pg.target(known=Known(named=frozenset(named)))
    seen = {(one.resource, one.privilege) for one in target.observe()}
    readonly, admin = (f'{{"member_of":"orders_{role}","unmanaged":true}}' for role in ("readonly", "admin"))
    assert seen == {("orders-db", readonly), ("reports", readonly), ("", admin)}


def test_an_exclusive_resource_can_lose_what_others_gave(pg) -> None:
    pg.people("mallory")
    pg.cluster.boss("GRANT orders_readonly TO mallory")
    target = pg.target()
    (theirs,) = target.observe()
    with pg.enter("mallory") as connection:
        remove(target, theirs)
        with pytest.raises(psycopg.errors.AdminShutdown):
            connection.execute(READ)
    assert target.observe() == frozenset()
    remove(target, theirs)
    remove(target, pg.one("mallory", member_of="gone", unmanaged=True))


def test_membership_that_the_credential_may_not_take_is_not_taken(pg) -> None:
    pg.people("mallory")
    pg.cluster.boss("GRANT pg_read_all_data TO mallory")
    (done,) = pg.remove(pg.target(), pg.one("mallory", member_of="pg_read_all_data", unmanaged=True))
    assert done.error == "the credential 'daypass' may not give 'pg_read_all_data': it has no ADMIN OPTION on that role"


def test_roles_that_we_do_not_administer_are_not_ours_to_report(pg) -> None:
    pg.people("alice")
    pg.cluster.boss("CREATE ROLE payroll_readonly", "GRANT payroll_readonly TO alice")
    assert pg.target().observe() == frozenset()


def test_what_somebody_took_away_by_hand_is_missing_and_given_again(pg) -> None:
    pg.people("alice")
    target = pg.target()
    pg.add(target, pg.one())
    pg.cluster.boss(f'REVOKE "{bridge_of(pg.one()).name}" FROM alice')
    assert target.observe() == frozenset()
    pg.add(target, pg.one())
    assert pg.may(READ)


def test_a_bridge_that_was_cut_by_hand_gives_nobody_anything_and_brings_nobody_back_when_mended(pg) -> None:
    pg.people("alice", "bob")
    target = pg.target()
    pg.add(target, pg.one("alice"))
    pg.cluster.boss(f'REVOKE orders_readonly FROM "{bridge_of(pg.one()).name}"')
    assert target.observe() == frozenset()
    pg.add(target, pg.one("bob"))
    assert target.observe() == {pg.one("bob")}
    assert pg.may(READ, "bob")
    assert not pg.may(READ, "alice")


def test_removing_takes_somebody_off_a_bridge_that_was_cut(pg) -> None:
    pg.people("alice")
    target = pg.target()
    pg.add(target, pg.one())
    bridge = bridge_of(pg.one()).name
    pg.cluster.boss(f'REVOKE orders_readonly FROM "{bridge}"')
    pg.remove(target, pg.one())
    pg.cluster.boss(f'GRANT orders_readonly TO "{bridge}"')
    assert target.observe() == frozenset()
    assert not pg.may(READ)


def test_removing_what_is_gone_with_its_role_is_nothing(pg) -> None:
    pg.people("alice")
    target = pg.target()
    pg.add(target, pg.one())
    pg.cluster.boss("DROP ROLE alice")
    assert [done.error for done in pg.remove(target, pg.one())] == [""]
    assert target.observe() == frozenset()


def test_removing_ends_access_though_the_catalogues_role_is_gone(pg) -> None:
    pg.people("alice")
    target = pg.target()
    pg.add(target, pg.one())
    pg.cluster.boss("DROP OWNED BY orders_readonly", "DROP ROLE orders_readonly")
    assert [done.error for done in pg.remove(target, pg.one())] == [""]
    assert target.observe() == frozenset()


def test_no_comment_makes_a_role_ours_or_hides_one(pg) -> None:
    pg.people("alice", "mallory")
    text = bridge_of(pg.one()).text
    pg.cluster.boss(f"COMMENT ON ROLE orders_readonly IS '{text}'", "GRANT orders_readonly TO mallory")
    target = pg.target()
    theirs = pg.one("mallory", "", member_of="orders_readonly", unmanaged=True)
    assert target.observe() == {theirs}
    pg.add(target, pg.one())
    pg.remove(target, pg.one(), pg.one("mallory"))
    assert target.observe() == {theirs}


def test_a_role_of_our_name_that_is_not_ours_is_refused(pg) -> None:
    pg.people("alice")
    name = bridge_of(pg.one()).name
    pg.cluster.boss(f'CREATE ROLE "{name}"')
    target = pg.target()
    message = f"the server has a role {name!r} that is not daypass's own"
    assert [done.error for done in pg.add(target, pg.one())] == [message]
    assert [done.error for done in pg.remove(target, pg.one())] == [message]


def test_what_another_target_gave_at_the_same_server_is_not_ours(pg) -> None:
    pg.people("alice")
    target = pg.target()
    pg.add(target, pg.one())
    other = pg.target()
    other.name = "elsewhere"
    assert other.observe() == frozenset()


def test_roles_of_ours_that_somebody_moved_by_hand_are_shown_as_theirs(pg) -> None:
    pg.people("mallory")
    target = pg.target()
    login = pg.one(login="true", member_of="orders_readonly")
    pg.add(target, login)
    pg.cluster.boss(f'GRANT "{bridge_of(login).name}" TO mallory')
    shown = pg.one("mallory", "", member_of=bridge_of(login).name, unmanaged=True)
    assert target.observe() == {login, shown}


def test_without_createrole_bridges_that_somebody_made_will_do(pg) -> None:
    pg.people("alice")
    pg.cluster.boss("ALTER ROLE daypass NOCREATEROLE")
    target = pg.target()
    (refused,) = pg.add(target, pg.one())
    name = bridge_of(pg.one()).name
    start = f"the credential lacks CREATEROLE, and there is no role {name!r}: a superuser may run "
    assert refused.error.startswith(start)
    pg.cluster.boss(refused.error.removeprefix(start))
    pg.add(target, pg.one())
    assert target.observe() == {pg.one()}
    assert pg.may(READ)
    pg.remove(target, pg.one())
    assert not pg.may(READ)


def test_orders_without_a_single_change_reach_nobody(pg) -> None:
    assert pg.target(url="postgresql://nobody:x@127.0.0.1:1/none").carry_out([]) == []


def test_a_batch_is_one_transaction(pg) -> None:
    pg.people(*(f"p{n}" for n in range(50)))
    target = pg.target()
    pg.add(target, pg.one("p0"))
    before = pg.cluster.log.read_text(errors="replace")
    pg.add(target, *(pg.one(f"p{n}") for n in range(50)))
    said = [
        line
        for line in pg.cluster.log.read_text(errors="replace")[len(before) :].splitlines()
        if line.startswith("daypass@")
    ]
    statements = [line.split(":", 2)[-1].strip() for line in said if "statement:" in line or "execute" in line]
    assert sum(statement.startswith("BEGIN") for statement in statements) == 1
    assert sum("COMMIT" in statement for statement in statements) == 1
    assert len(statements) == 4
    assert len(target.observe()) == 50


def test_ten_thousand_memberships_are_one_query(pg) -> None:
    pg.people("seed")
    target = pg.target()
    pg.add(target, pg.one("seed"))
    name = bridge_of(pg.one()).name
    pg.cluster.boss(
        "DO $$ BEGIN FOR n IN 1..10000 LOOP"
        f" EXECUTE format('CREATE ROLE many%s LOGIN IN ROLE \"{name}\"', n); END LOOP; END $$"
    )
    before = pg.cluster.log.read_text(errors="replace").count("daypass@postgres LOG:  statement:")
    began = time.monotonic()
    assert len(target.observe()) == 10_001
    assert time.monotonic() - began < 10
    assert pg.cluster.log.read_text(errors="replace").count("daypass@postgres LOG:  statement:") - before == 1


def test_a_privilege_that_does_not_read_is_an_answer(pg) -> None:
    target = pg.target()
    orders = [Order(Action.ADD, pg.one()._replace(privilege="{"), pg.until, pg.until)]
    assert [done.error for done in target.carry_out(orders)] == ["expected a privilege as JSON, got '{'"]
    with pytest.raises(EdgeError, match="expected a privilege as JSON"):
        add(target, pg.one()._replace(privilege="{"), pg.until)


def test_what_a_subject_passed_on_is_seen_and_is_nobodys_grant(pg) -> None:
    """Somebody made alice an administrator of our bridge by hand, and she let a friend on."""
    pg.people("alice", "mallory")
    target = pg.target()
    pg.add(target, pg.one())
    bridge = bridge_of(pg.one()).name
    pg.cluster.boss(f'GRANT "{bridge}" TO alice WITH ADMIN OPTION')
    with pg.enter() as connection:
        connection.execute(f'GRANT "{bridge}" TO mallory')
    assert target.observe() == {pg.one(), pg.one("mallory")}
    pg.remove(target, pg.one())
    pg.remove(target, pg.one("mallory"))
    assert target.observe() == frozenset()
    assert not pg.may(READ, "mallory")


def test_a_role_whose_name_is_no_text_makes_the_target_unreadable_and_says_why(pg) -> None:
    made = "CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'"
    pg.cluster.boss("DROP DATABASE IF EXISTS latin", made)
    try:
        utf8 = "SET client_encoding TO 'UTF8'"
        pg.cluster.boss(utf8, 'CREATE ROLE "josé"', 'GRANT orders_readonly TO "josé"', database="latin")
        with pytest.raises(EdgeError, match="a name at the server is no UTF-8") as caught:
            pg.target().observe()
        assert "rename the role" in caught.value.hint
    finally:
        pg.cluster.boss("SET client_encoding TO 'UTF8'", 'DROP ROLE "josé"', database="latin")
        pg.cluster.boss("DROP DATABASE latin")
