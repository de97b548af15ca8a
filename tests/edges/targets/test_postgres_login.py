from __future__ import annotations

import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from daypass.core.plan import Action, Order
from daypass.edges.targets.postgres.policy import login_of
from fakes.orders import remove

LOGIN = {"login": "true", "member_of": "orders_readonly"}
READ = "SELECT total FROM orders"


def given(pg, target, **more: Any) -> str:
    """Give alice a login and return what she reads after opening it."""
    (done,) = pg.add(target, pg.one(**LOGIN), **more)
    assert done.error == ""
    return str(pg.opened(done.handover.strip()))


def enter(conninfo: str) -> psycopg.Connection[Any]:
    return psycopg.connect(conninfo, autocommit=True, connect_timeout=5)


def test_the_subject_comes_in_with_what_only_they_can_open(pg) -> None:
    target = pg.target()
    conninfo = given(pg, target)
    with enter(conninfo) as connection:
        assert connection.execute(READ).fetchall() == [(100,)]
        assert connection.execute("SELECT session_user").fetchone() == (login_of(pg.one(**LOGIN)).name,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT id FROM items")
    assert target.observe() == {pg.one(**LOGIN)}


def test_removal_ends_the_login_and_whoever_is_in(pg) -> None:
    target = pg.target()
    conninfo = given(pg, target)
    with enter(conninfo) as connection:
        remove(target, pg.one(**LOGIN))
        with pytest.raises(psycopg.errors.AdminShutdown):
            connection.execute(READ)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        enter(conninfo)
    assert login_of(pg.one(**LOGIN)).name not in pg.cluster.roles()
    remove(target, pg.one(**LOGIN))


def test_the_password_ends_with_the_window_though_nothing_of_ours_runs(pg) -> None:
    end = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=3)
    conninfo = given(pg, pg.target(), until=end)
    enter(conninfo).close()
    time.sleep(max(0.0, (end - datetime.now(UTC)).total_seconds()) + 0.2)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        enter(conninfo)


def test_being_given_again_moves_the_end_and_replaces_the_password(pg) -> None:
    target = pg.target()
    first = given(pg, target)
    second = given(pg, target, until=pg.until + timedelta(hours=1))
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        enter(first)
    enter(second).close()
    name = login_of(pg.one(**LOGIN)).name
    ends = dict(pg.cluster.boss("SELECT rolname, rolvaliduntil FROM pg_roles"))
    assert ends[name] == pg.until + timedelta(hours=1)


def test_a_subject_needs_no_role_of_their_own_and_no_fitting_name(pg) -> None:
    target = pg.target()
    names = ["a" * 500, 'O"Brien\n; DROP ROLE daypass --', "public", "日本語", "ALICE", "alice"]
    every = [pg.one(name, **LOGIN) for name in names]
    assert [done.error for done in pg.add(target, *every)] == [""] * len(names)
    assert target.observe() == {*every}
    assert [done.error for done in pg.remove(target, *every)] == [""] * len(names)
    assert target.observe() == frozenset()


@pytest.mark.parametrize("kind", ["none", "weak", "other"])
def test_without_a_key_that_does_nothing_is_given(pg, tmp_path: Path, kind: str) -> None:
    keys: tuple[str, ...] = ()
    if kind != "none":
        how = ("rsa", "-b", "1024") if kind == "weak" else ("ecdsa",)
        subprocess.run(["ssh-keygen", "-q", "-N", "", "-t", *how, "-f", tmp_path / "key"], check=True)
        keys = (" ".join((tmp_path / "key.pub").read_text().split()[:2]),)
    target = pg.target()
    (done,) = target.carry_out([Order(Action.ADD, pg.one(**LOGIN), pg.until, pg.until, keys)])
    assert done.error.startswith(
        "the directory names no public key of the subject"
        if kind == "none"
        else "no public key of the subject can have"
    )
    assert done.handover == ""
    assert target.observe() == frozenset()


def test_a_bad_login_stops_only_itself(pg) -> None:
    target = pg.target()
    orders = [
        Order(Action.ADD, pg.one("alice", **LOGIN), pg.until, pg.until, ()),
        Order(Action.ADD, pg.one("bob", **LOGIN), pg.until, pg.until, (pg.key(),)),
        Order(Action.ADD, pg.one("a\0b", **LOGIN), pg.until, pg.until, (pg.key(),)),
    ]
    assert [bool(done.error) for done in target.carry_out(orders)] == [True, False, True]
    assert target.observe() == {pg.one("bob", **LOGIN)}


def test_a_login_that_owns_something_is_closed_for_good_and_stays_as_a_name(pg) -> None:
    pg.cluster.boss("GRANT CREATE ON SCHEMA public TO orders_readonly")
    target = pg.target()
    conninfo = given(pg, target)
    bob = pg.one("bob", **LOGIN)
    pg.add(target, bob)
    with enter(conninfo) as connection:
        connection.execute("CREATE TABLE mine (id int)")
        assert [done.error for done in pg.remove(target, pg.one(**LOGIN), bob)] == ["", ""]
        with pytest.raises(psycopg.errors.AdminShutdown):
            connection.execute(READ)
    with pytest.raises(psycopg.OperationalError):
        enter(conninfo)
    assert target.observe() == frozenset()
    name = login_of(pg.one(**LOGIN)).name
    assert name in pg.cluster.roles()
    assert login_of(bob).name not in pg.cluster.roles()
    members = pg.cluster.boss("SELECT r.rolname FROM pg_auth_members a JOIN pg_roles r ON r.oid = a.member")
    assert (name,) not in members
    assert [done.error for done in pg.remove(target, pg.one(**LOGIN))] == [""]
    again = given(pg, target)
    with enter(again) as connection:
        connection.execute("DROP TABLE mine")
    remove(target, pg.one(**LOGIN))
    assert name not in pg.cluster.roles()


def test_a_login_that_somebody_closed_by_hand_is_missing_and_given_again(pg) -> None:
    target = pg.target()
    given(pg, target)
    pg.cluster.boss(f'ALTER ROLE "{login_of(pg.one(**LOGIN)).name}" NOLOGIN')
    assert target.observe() == frozenset()
    enter(given(pg, target)).close()
    pg.cluster.boss(f'DROP ROLE "{login_of(pg.one(**LOGIN)).name}"')
    assert target.observe() == frozenset()
    enter(given(pg, target)).close()


def test_a_role_of_the_logins_name_that_is_not_ours_is_refused(pg) -> None:
    name = login_of(pg.one(**LOGIN)).name
    pg.cluster.boss(f'CREATE ROLE "{name}" LOGIN')
    target = pg.target()
    message = f"the server has a role {name!r} that is not daypass's own"
    assert [done.error for done in pg.add(target, pg.one(**LOGIN))] == [message]
    assert [done.error for done in pg.remove(target, pg.one(**LOGIN))] == [message]
    assert name in pg.cluster.roles()


def test_given_and_taken_in_one_step_leaves_nothing(pg) -> None:
    target = pg.target()
    add = Order(Action.ADD, pg.one(**LOGIN), pg.until, pg.until, (pg.key(),))
    remove = Order(Action.REMOVE, pg.one(**LOGIN), pg.until, pg.until)
    assert [done.error for done in target.carry_out([add, remove])] == ["", ""]
    assert target.observe() == frozenset()
    (_, done) = target.carry_out([remove, add])
    assert target.observe() == {pg.one(**LOGIN)}
    enter(pg.opened(done.handover.strip())).close()


def test_the_password_is_nowhere_in_the_clear(pg) -> None:
    """Not in the server's log with every statement in it, not in what it says is running, and not in the catalogue."""
    target = pg.target()
    before = len(pg.cluster.log.read_bytes())
    with pg.cluster.connect() as watching:
        (done,) = pg.add(target, pg.one(**LOGIN))
        running = watching.execute(b"SELECT query FROM pg_stat_activity WHERE usename = 'daypass'").fetchall()
        stored = watching.execute(b"SELECT rolpassword FROM pg_authid WHERE rolname LIKE 'alice.daypass.%'").fetchone()
    conninfo = pg.opened(done.handover.strip())
    password = psycopg.conninfo.conninfo_to_dict(conninfo)["password"]
    assert isinstance(password, str)
    assert len(password) == 32
    log = pg.cluster.log.read_bytes()[before:]
    assert b"CREATE ROLE" in log
    for place in (log, str(running).encode(), str(stored).encode(), done.handover.encode(), repr(done).encode()):
        assert password.encode() not in place
    assert stored[0].startswith("SCRAM-SHA-256$")


def test_a_password_is_in_no_error_either(pg) -> None:
    """The server quotes the statement that failed in its log: what it quotes is the verifier."""
    target = pg.target()
    pg.add(target, pg.one(**LOGIN))
    pg.cluster.boss("REVOKE orders_readonly FROM daypass", "ALTER ROLE daypass NOCREATEROLE")
    (done,) = pg.add(target, pg.one("bob", **LOGIN))
    assert "ADMIN OPTION" in done.error
    pg.cluster.boss("GRANT orders_readonly TO daypass WITH ADMIN OPTION")
    before = len(pg.cluster.log.read_bytes())
    (done,) = pg.add(target, pg.one("bob", **LOGIN))
    assert done == ("permission denied to create role", "")
    assert b"PASSWORD 'SCRAM-SHA-256$" in pg.cluster.log.read_bytes()[before:]


def test_a_login_may_be_for_a_schema_alone(pg) -> None:
    pg.cluster.boss(
        "GRANT USAGE ON SCHEMA public TO daypass WITH GRANT OPTION",
        "GRANT SELECT ON ALL TABLES IN SCHEMA public TO daypass WITH GRANT OPTION",
    )
    target = pg.target()
    one = pg.one(login="true", grant="read", schema="public")
    (done,) = pg.add(target, one)
    with enter(pg.opened(done.handover.strip())) as connection:
        assert connection.execute("SELECT count(*) FROM items").fetchall() == [(0,)]
        assert target.observe() == {one}
        remove(target, one)
        with pytest.raises(psycopg.errors.AdminShutdown):
            connection.execute("SELECT 1")
