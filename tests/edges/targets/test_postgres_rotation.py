"""Another login takes over from ours, or somebody else granted what must go: on each version that can be had."""

from __future__ import annotations

from collections.abc import Iterator
from types import MappingProxyType

import pytest
from psycopg import sql

from conformance.bench import UNTIL
from daypass.core.bounds.settings import TargetSettings
from daypass.core.errors import EdgeError
from daypass.core.ids import canonical
from daypass.core.plan import Entitlement
from daypass.edges.targets.postgres.policy import bridge_of
from daypass.edges.targets.postgres.target import PostgresTarget, open_postgres
from daypass.edges.targets.registry import Known
from fakes.orders import add, remove
from servers.postgres import Postgres, server, versions

ALICE = Entitlement("orders", "orders-db", "alice", canonical({"member_of": "readers"}))
BRIDGE = bridge_of(ALICE).name
STAYS = """\
CREATE ROLE daypass NOLOGIN CREATEROLE;
GRANT pg_signal_backend TO daypass;
GRANT readers TO daypass WITH ADMIN OPTION;
"""


@pytest.fixture(scope="module", params=versions(), ids=lambda version: version or "system")
def cluster(request: pytest.FixtureRequest) -> Iterator[Postgres]:
    with server(version=request.param) as made:
        assert made.boss("SHOW server_version")[0][0].startswith(request.param)
        yield made


@pytest.fixture(autouse=True)
def _fresh(cluster: Postgres) -> None:
    cluster.wipe()
    cluster.boss("CREATE ROLE readers", "CREATE ROLE alice LOGIN")


def version(cluster: Postgres) -> int:
    return int(cluster.boss("SHOW server_version_num")[0][0]) // 10_000


def opened(cluster: Postgres, user: str, *, exclusive: bool = False) -> PostgresTarget:
    url = cluster.url(user, "a-password", query="sslmode=disable")
    options = MappingProxyType({"url_env": "URL", "tls": "off-on-loopback"})
    known = Known(frozenset({("orders-db", ALICE.privilege)}), exclusive=frozenset({"orders-db"} if exclusive else ()))
    return open_postgres(TargetSettings("orders", "postgres", options), {"URL": url}, known)


def login(cluster: Postgres, name: str, *, alone: bool) -> None:
    """Make a login for daypass, which does all by itself, or acts as the role that stays."""
    if alone:
        cluster.boss(
            f"CREATE ROLE {name} LOGIN CREATEROLE PASSWORD 'a-password'",
            f"GRANT pg_signal_backend TO {name}",
            f"GRANT readers TO {name} WITH ADMIN OPTION",
        )
    else:
        cluster.boss(
            f"CREATE ROLE {name} LOGIN PASSWORD 'a-password'",
            f"GRANT daypass TO {name}",
            f"ALTER ROLE {name} SET role = 'daypass'",
        )


def test_where_a_role_that_stays_acts_another_login_takes_over(cluster: Postgres) -> None:
    cluster.boss(STAYS)
    login(cluster, "first", alone=False)
    add(opened(cluster, "first"), ALICE, UNTIL)
    cluster.boss("DROP ROLE first")
    login(cluster, "second", alone=False)
    after = opened(cluster, "second", exclusive=True)
    assert after.health().concerns == ()
    assert "as 'daypass'" in after.health().facts[0]
    assert after.observe() == {ALICE}
    remove(after, ALICE)
    assert after.observe() == frozenset()
    add(after, ALICE, UNTIL)
    assert after.observe() == {ALICE}


def test_a_login_of_its_own_foresees_what_the_one_before_it_granted(cluster: Postgres) -> None:
    login(cluster, "first", alone=True)
    add(opened(cluster, "first"), ALICE, UNTIL)
    login(cluster, "second", alone=True)
    after = opened(cluster, "second")
    if version(cluster) < 16:
        assert after.health().concerns == ()
        remove(after, ALICE)
        assert ALICE not in after.observe()
        return
    concerns = after.health().concerns
    statement = f'REVOKE "{BRIDGE}" FROM "alice" GRANTED BY "first" CASCADE'
    granted = f"'alice' is a member of {BRIDGE!r} as granted by 'first', whose grants 'second' may not revoke"
    assert f"{granted}: they, or a superuser, may run {statement}" in concerns
    manage = f'GRANT "{BRIDGE}" TO "second" WITH ADMIN OPTION'
    assert f"{BRIDGE!r} was made by a login before this one: a superuser may run {manage}" in concerns
    with pytest.raises(EdgeError) as refused:
        remove(after, ALICE)
    assert refused.value.message == f"{granted}: they, or a superuser, may run {statement}"
    assert ALICE in after.observe()
    cluster.boss(sql.SQL(statement))
    assert ALICE not in after.observe()
    with pytest.raises(EdgeError) as refused:
        add(after, ALICE, UNTIL)
    assert f"a superuser may run {manage}" in refused.value.message
    cluster.boss(sql.SQL(manage))
    add(after, ALICE, UNTIL)
    assert ALICE in after.observe()
    remove(after, ALICE)
    assert ALICE not in after.observe()


def test_a_successor_that_has_the_privileges_of_the_login_before_it_revokes_what_that_granted(
    cluster: Postgres,
) -> None:
    login(cluster, "first", alone=True)
    add(opened(cluster, "first"), ALICE, UNTIL)
    cluster.boss("CREATE ROLE second LOGIN PASSWORD 'a-password'")
    cluster.boss("GRANT first TO second", "ALTER ROLE second SET role = 'first'", "ALTER ROLE first NOLOGIN")
    after = opened(cluster, "second")
    assert after.health().concerns == ()
    remove(after, ALICE)
    assert after.observe() == frozenset()


@pytest.mark.parametrize("exclusive", [True, False])
def test_what_an_administrator_granted_is_foreseen_and_its_removal_names_them(
    cluster: Postgres, exclusive: bool
) -> None:
    login(cluster, "first", alone=True)
    cluster.boss("CREATE ROLE admin LOGIN CREATEROLE", "GRANT readers TO admin WITH ADMIN OPTION")
    cluster.boss("SET ROLE admin", "GRANT readers TO alice")
    target = opened(cluster, "first", exclusive=exclusive)
    (theirs,) = (one for one in target.observe() if one.principal == "alice")
    assert theirs.privilege == canonical({"member_of": "readers", "unmanaged": True})
    if version(cluster) < 16:
        remove(target, theirs)
        assert theirs not in target.observe()
        return
    said = "'alice' is a member of 'readers' as granted by 'admin', whose grants 'first' may not revoke: they, or a "
    said += 'superuser, may run REVOKE "readers" FROM "alice" GRANTED BY "admin" CASCADE'
    health = target.health()
    assert said in (health.concerns if exclusive else health.facts)
    assert said not in (health.facts if exclusive else health.concerns)
    with pytest.raises(EdgeError) as refused:
        remove(target, theirs)
    assert refused.value.message == said
    cluster.boss('REVOKE "readers" FROM "alice" GRANTED BY "admin" CASCADE')
    assert theirs not in target.observe()
