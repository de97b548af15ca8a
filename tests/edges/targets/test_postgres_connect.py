from __future__ import annotations

import gc
import signal
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from daypass.core.bounds.settings import TargetSettings
from daypass.core.errors import EdgeError, InvalidError
from daypass.edges.targets.postgres.server import hint_for, read_address, said
from daypass.edges.targets.postgres.target import open_postgres
from daypass.edges.targets.registry import open_target
from fakes.orders import remove
from servers.postgres import free_port, server
from servers.proxy import Proxy

GOOD = "postgresql://daypass:geheim@db.example:5432/orders"


def opened(options: dict[str, object], environ: dict[str, str]):
    return open_postgres(TargetSettings("orders", "postgres", options), environ)


@pytest.mark.parametrize("variable", [None, "", 7, GOOD, "A B", "1A"])
def test_settings_name_a_variable_and_hold_no_address(variable: object) -> None:
    options = {} if variable is None else {"url_env": variable}
    with pytest.raises(InvalidError) as refused:
        opened(options, {})
    assert refused.value.message == "target orders: expected url_env to name an environment variable"
    assert "geheim" not in refused.value.hint


@pytest.mark.parametrize("environ", [{}, {"ORDERS_DB_URL": ""}])
def test_a_variable_that_is_not_set_is_named(environ: dict[str, str]) -> None:
    with pytest.raises(EdgeError) as refused:
        opened({"url_env": "ORDERS_DB_URL"}, environ)
    assert refused.value.message == "target orders: the environment variable ORDERS_DB_URL is not set"
    assert "ORDERS_DB_URL" in refused.value.hint


@pytest.mark.parametrize(
    ("databases", "message"),
    [
        ("orders", "target orders: expected databases to be a list of names, got 'orders'"),
        (
            ["x" * 64],
            "target orders: the database 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...' has 64 bytes",
        ),
        ([7], "target orders: expected the name of a database, got 7"),
    ],
)
def test_databases_that_are_no_names_are_refused(databases: object, message: str) -> None:
    with pytest.raises(InvalidError) as refused:
        opened({"url_env": "URL", "databases": databases}, {"URL": GOOD})
    assert refused.value.message.startswith(message)


def test_the_registry_opens_it_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORDERS_DB_URL", GOOD)
    settings = TargetSettings("orders", "postgres", {"url_env": "ORDERS_DB_URL", "databases": ["payroll"]})
    target = open_target(settings, tmp_path)
    assert target.databases == {"orders", "payroll"}


@pytest.mark.parametrize(
    "url",
    [
        "geheim@nowhere",
        "postgresql://daypass:geheim%ZZ@h/d",
        "postgresql://[::1:geheim/",
        "host='geheim",
        "postgresql://daypass:geheim\udcff@127.0.0.1:1/x",  # a byte that is no text, as Python gives it
    ],
)
def test_an_address_that_does_not_read_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(EdgeError) as refused:
        opened({"url_env": "URL"}, {"URL": url})
    assert refused.value.message == "target orders: the value of URL is no address of a PostgreSQL server"
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__
    assert "geheim" not in refused.value.hint


@pytest.mark.parametrize(
    ("url", "lacks"),
    [
        ("postgresql://daypass:geheim@/orders", "host"),
        ("postgresql://db.example/orders", "user"),
        ("postgresql://daypass:geheim@db.example", "dbname"),
    ],
)
def test_an_address_says_where_who_and_which_database(url: str, lacks: str) -> None:
    with pytest.raises(EdgeError) as refused:
        opened({"url_env": "URL"}, {"URL": url})
    assert refused.value.message == f"target orders: the address in URL names no {lacks}"


def test_an_address_that_says_more_than_where_and_who_is_refused() -> None:
    with pytest.raises(EdgeError) as refused:
        opened({"url_env": "URL"}, {"URL": f"{GOOD}?options=-csearch_path%3Devil&service=x"})
    assert refused.value.message == "target orders: the address in URL says options, service, which is not taken"


@pytest.mark.parametrize("tls", ["verify", "off-on-loopback"])
@pytest.mark.parametrize(
    "rest",
    [
        "gehe@im@127.0.0.1:5432/orders",
        "@geheim@127.0.0.1/orders",
        "geheim@@127.0.0.1/orders",
        "g@geh/eim@127.0.0.1/orders",
        "geh@eim@127.0.0.1/orders?sslmode=verify-full",
        "ge?h@geheim@127.0.0.1/orders",
        "g@/geheim@127.0.0.1/orders",
    ],
)
def test_a_password_that_is_not_percent_encoded_is_told_without_a_part_of_it(rest: str, tls: str) -> None:
    with pytest.raises(EdgeError) as refused:
        opened({"url_env": "URL", "tls": tls}, {"URL": f"postgresql://daypass:{rest}"})
    assert refused.value.message == (
        "target orders: the address in URL has more than one @, so that its parts cannot be told apart"
    )
    assert "write @ as %40" in refused.value.hint
    whole = opened({"url_env": "URL"}, {"URL": "postgresql://d:ge%40he%2Fim@db.example/orders"})
    assert "password=ge@he/im" in whole.server.handed("d", "ge@he/im", "")


def test_what_is_handed_over_names_no_file_of_this_machine() -> None:
    url = "postgresql://d:g@db.example:5433/orders?sslrootcert=/etc/ca.pem&sslcert=/etc/d.crt&sslkey=/etc/d.key"
    handed = conninfo_to_dict(opened({"url_env": "URL"}, {"URL": url}).server.handed("alice", "secret", ""))
    assert handed == {
        "host": "db.example",
        "port": "5433",
        "dbname": "orders",
        "user": "alice",
        "password": "secret",
        "sslmode": "verify-full",
    }
    handed = conninfo_to_dict(opened({"url_env": "URL"}, {"URL": f"{GOOD}"}).server.handed("alice", "secret", ""))
    assert handed["sslrootcert"] == "system"  # whatever their own machine trusts


@pytest.mark.parametrize("url", ["postgresql://d:g@h:geheim/o", "host=h port=geheim user=d password=g dbname=o"])
def test_a_port_that_is_no_number_is_not_shown(url: str) -> None:
    with pytest.raises(EdgeError) as refused:
        opened({"url_env": "URL"}, {"URL": url})
    assert refused.value.message == "target orders: the address in URL has a port that is no number"


def test_a_word_about_tls_that_libpq_does_not_know_is_not_shown() -> None:
    with pytest.raises(InvalidError, match="the address in URL says an sslmode, which does not prove who answers"):
        opened({"url_env": "URL"}, {"URL": f"{GOOD}?sslmode=geheim"})


@pytest.mark.parametrize("mode", ["disable", "allow", "prefer", "require", "verify-ca"])
def test_tls_that_does_not_prove_who_answers_is_refused(mode: str) -> None:
    with pytest.raises(InvalidError) as refused:
        opened({"url_env": "URL"}, {"URL": f"{GOOD}?sslmode={mode}"})
    words = f"target orders: the address in URL says sslmode={mode}, which does not prove who answers"
    assert refused.value.message == words


def test_tls_is_verified_against_the_systems_authorities_unless_others_are_named() -> None:
    found = read_address("orders", "URL", GOOD, "verify")
    assert (found["sslmode"], found["sslrootcert"], found["hostaddr"]) == ("verify-full", "system", "")
    found = read_address("orders", "URL", f"{GOOD}?sslmode=verify-full&sslrootcert=/ca.pem", "verify")
    assert (found["sslmode"], found["sslrootcert"]) == ("verify-full", "/ca.pem")


@pytest.mark.parametrize("host", ["db.example", "10.0.0.1", "127.0.0.1,db.example", "127.0.0.1.evil.example"])
def test_tls_is_never_off_for_another_machine(host: str) -> None:
    with pytest.raises(InvalidError) as refused:
        opened({"url_env": "URL", "tls": "off-on-loopback"}, {"URL": f"postgresql://d:geheim@{host}/orders"})
    words = "target orders: tls: off-on-loopback is for a server on this machine, and URL names another"
    assert refused.value.message == words
    with pytest.raises(InvalidError, match="and URL names another"):
        read_address("orders", "URL", "host=localhost hostaddr=10.0.0.9 user=d dbname=o", "off-on-loopback")


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost", "%2Frun%2Fpostgresql"])
def test_tls_may_be_off_on_this_machine(host: str) -> None:
    assert read_address("o", "URL", f"postgresql://d:g@{host}/o", "off-on-loopback")["sslmode"] == "prefer"


@pytest.mark.parametrize("tls", ["off", "no", None, ["off-on-loopback"]])
def test_another_word_about_tls_is_refused(tls: object) -> None:
    with pytest.raises(InvalidError) as refused:
        opened({"url_env": "URL", "tls": tls}, {"URL": GOOD})
    assert refused.value.message == f"target orders: expected tls to be one of verify, off-on-loopback, got {tls!r}"


def test_a_server_that_another_authority_signed_is_not_talked_to(pg, tmp_path: Path) -> None:
    with server() as other:
        url = pg.cluster.url("daypass", "the-applier-knows", query=f"sslrootcert={other.authority}")
        with pytest.raises(EdgeError) as refused:
            pg.target(url=url).observe()
    assert "certificate verify failed" in refused.value.message
    assert "sslrootcert in ORDERS_DB_URL" in refused.value.hint


def test_a_server_of_another_name_is_not_talked_to(pg, monkeypatch: pytest.MonkeyPatch) -> None:
    """The certificate is for 127.0.0.1 and localhost; the name asked for is another, at the same address."""
    where = f"hostaddr=127.0.0.1 port={pg.cluster.port} user=daypass password=the-applier-knows dbname=postgres"
    with pytest.raises(EdgeError, match="does not match the name of the host in the address") as refused:
        pg.target(url=f"host=db.example {where} sslrootcert={pg.cluster.authority}").observe()
    assert "db.example" not in refused.value.message


def test_the_systems_authorities_do_not_vouch_for_a_server_of_ones_own(pg) -> None:
    url = f"postgresql://daypass:the-applier-knows@127.0.0.1:{pg.cluster.port}/postgres"
    with pytest.raises(EdgeError, match="certificate verify failed"):
        pg.target(url=url).observe()


def test_a_password_is_in_no_message_whatever_fails(pg) -> None:
    nowhere = free_port()
    for url in (
        pg.cluster.url("daypass", "geheim-1"),
        pg.cluster.url("nobody", "geheim-1"),
        pg.cluster.url("daypass", "geheim-1", "nowhere"),
        pg.cluster.url("daypass", "geheim-1", port=nowhere),
    ):
        target = pg.target(url=url)
        for ask in (target.observe, target.health, lambda target=target: remove(target, pg.one())):
            with pytest.raises(EdgeError) as refused:
                ask()
            cause = refused.value.__cause__
            said = f"{refused.value.message} {refused.value.hint} {cause}"
            assert "geheim-1" not in said
            assert refused.value.message


def failing(target) -> tuple[str, str]:
    """Return what is said when the server is asked, and the hint."""
    with pytest.raises(EdgeError) as refused:
        target.observe()
    assert refused.value.message.startswith("target orders: ")
    return refused.value.message.removeprefix("target orders: "), refused.value.hint


def test_a_wrong_password_says_what_to_do(pg) -> None:
    assert failing(pg.target(password="wrong")) == (
        'connection failed: password authentication failed for user "daypass"',
        "the password is wrong or its VALID UNTIL has passed: set a new one and put it into ORDERS_DB_URL",
    )


def test_a_database_that_is_not_there_is_said(pg) -> None:
    assert failing(pg.target(url=pg.cluster.url("daypass", "the-applier-knows", "nowhere"))) == (
        'connection failed: database "nowhere" does not exist',
        "name a database that exists in ORDERS_DB_URL, or create it",
    )


def test_a_server_that_takes_no_more_connections_says_what_to_do(pg) -> None:
    pg.cluster.boss("ALTER ROLE daypass CONNECTION LIMIT 0")
    assert failing(pg.target()) == (
        'connection failed: too many connections for role "daypass"',
        "the server takes no more connections: raise max_connections, or the CONNECTION LIMIT of role or database",
    )


def test_a_role_that_may_not_come_in_says_what_to_do(pg) -> None:
    pg.cluster.boss("ALTER ROLE daypass NOLOGIN")
    told, hint = failing(pg.target())
    assert told == 'connection failed: role "daypass" is not permitted to log in'
    assert hint.startswith("the role needs LOGIN, and a line of the server's pg_hba.conf")


@pytest.mark.parametrize("places", ["127.0.0.1:{0}", "127.0.0.1:{0},localhost:{0}"])
def test_a_server_that_does_not_listen_is_said_once_and_in_one_sentence(pg, places: str) -> None:
    url = f"postgresql://daypass:geheim@{places.format(free_port())}/orders"
    assert failing(pg.target(url=url)) == (
        "connection failed: Connection refused",
        "is the server running, and do host and port in ORDERS_DB_URL lead to it?",
    )


def test_of_several_places_each_failure_is_said(pg) -> None:
    where = f"127.0.0.1:{free_port()},127.0.0.1:{pg.cluster.port}"
    told, _ = failing(pg.target(url=f"postgresql://daypass:wrong@{where}/postgres?sslrootcert={pg.cluster.authority}"))
    assert told.startswith("connection failed: ")
    assert sorted(told.removeprefix("connection failed: ").split("; ")) == [
        "Connection refused",
        'password authentication failed for user "daypass"',
    ]


def test_a_socket_and_a_name_that_lead_nowhere_are_not_shown(pg, tmp_path: Path) -> None:
    told, hint = failing(pg.target(url=f"host={tmp_path} user=d password=g dbname=o", tls="off-on-loopback"))
    assert (told, hint[:22]) == ("connection failed: No such file or directory", "is the server running,")
    told, hint = failing(pg.target(url="postgresql://d:g@nowhere.invalid/o"))
    assert told.startswith("the name of the host does not resolve: ")
    assert "nowhere.invalid" not in told
    assert hint == "correct the host in ORDERS_DB_URL"


def test_the_file_of_an_authority_that_is_not_there_is_said_without_libpqs_bad_advice(pg) -> None:
    told, hint = failing(pg.target(url=pg.cluster.url("daypass", "x", query="sslrootcert=/nowhere.crt")))
    assert told == "connection failed: root certificate file does not exist"
    assert hint.startswith("sslrootcert in ORDERS_DB_URL names the file")


def test_a_server_without_tls_says_what_may_be_done_about_it() -> None:
    with server() as cluster:
        cluster.boss("CREATE ROLE daypass LOGIN PASSWORD 'x'", "ALTER SYSTEM SET ssl = off", "SELECT pg_reload_conf()")
        told, hint = failing(opened({"url_env": "URL"}, {"URL": cluster.url("daypass", "x")}))
        assert told == "connection failed: server does not support SSL, but SSL was required"
        assert "`tls: off-on-loopback`" in hint
        off = opened(
            {"url_env": "URL", "tls": "off-on-loopback"},
            {"URL": cluster.url("daypass", "x", query="port=" + str(cluster.port))},
        )
        assert off.observe() == frozenset()
    assert hint_for(None, told, variable="URL", near=False) == "turn ssl on at the server"


def test_what_the_server_says_later_has_its_hint_by_the_code_alone() -> None:
    """In whatever language the server speaks."""
    assert hint_for("53300", "zu viele Verbindungen", variable="URL", near=False).startswith("the server takes no more")
    assert hint_for("42501", "password authentication failed", variable="URL", near=False) == ""
    assert said(psycopg.OperationalError("")) == "the connection was lost"


def test_a_version_that_nobody_mends_any_more_is_refused(pg) -> None:
    old = b"server_version\x0013.99"

    def rewrite(piece: bytes) -> bytes:
        place = piece.find(b"server_version\x00")
        if place < 0:
            return piece
        end = piece.index(b"\0", place + len(b"server_version\x00"))
        return piece[:place] + old.ljust(end - place, b" ") + piece[end:]

    with Proxy(pg.cluster.port) as proxy:
        proxy.answer = rewrite
        url = pg.cluster.url("daypass", "the-applier-knows", port=proxy.port, query="sslmode=disable")
        with pytest.raises(EdgeError) as refused:
            pg.target(url=url, tls="off-on-loopback").observe()
    assert refused.value.message == "target orders: the server is PostgreSQL 13, expected 14 or later"


def test_a_server_that_only_reads_is_refused(pg) -> None:
    """A standby shows what was true a while ago: a removal would be read back that is not there yet, or the contrary."""
    pg.cluster.boss("ALTER ROLE daypass SET default_transaction_read_only = on")
    with pytest.raises(EdgeError, match="session is read-only"):
        pg.target().observe()


def test_a_kept_connection_that_died_is_made_again(pg) -> None:
    pg.people("alice")
    target = pg.target()
    pg.add(target, pg.one())
    end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'daypass'"
    pg.cluster.boss(end)
    assert target.observe() == {pg.one()}
    pg.cluster.boss(end)
    assert [done.error for done in pg.remove(target, pg.one())] == [""]
    assert target.observe() == frozenset()


def test_a_server_that_starts_again_is_found_again() -> None:
    with server() as cluster:
        cluster.boss("CREATE ROLE daypass LOGIN PASSWORD 'x'")
        target = opened({"url_env": "URL"}, {"URL": cluster.url("daypass", "x")})
        assert target.observe() == frozenset()
        cluster.stop(signal.SIGQUIT)
        with pytest.raises(EdgeError):
            target.observe()
        cluster.start()
        assert target.observe() == frozenset()


@pytest.mark.parametrize("moment", ["cut_before", "cut_after"])
def test_a_connection_that_dies_at_the_commit_is_made_good_at_once(pg, moment: str) -> None:
    pg.people("alice")
    with Proxy(pg.cluster.port) as proxy:
        url = pg.cluster.url("daypass", "the-applier-knows", port=proxy.port, query="sslmode=disable")
        target = pg.target(url=url, tls="off-on-loopback")
        login = pg.one(login="true", member_of="orders_readonly")
        setattr(proxy, moment, b"COMMIT")
        done = pg.add(target, pg.one(), login)
        assert (proxy.cuts, [answer.error for answer in done]) == (1, ["", ""])
        assert target.observe() == {pg.one(), login}
        with psycopg.connect(
            pg.opened(done[1].handover.strip()).replace("sslmode=prefer", "sslmode=verify-full")
        ) as ours:
            ours.execute("SELECT total FROM orders")
        with pg.enter() as connection:
            setattr(proxy, moment, b"COMMIT")
            assert [answer.error for answer in pg.remove(target, pg.one(), login)] == ["", ""]
            assert proxy.cuts == 2
            with pytest.raises(psycopg.errors.AdminShutdown):
                connection.execute("SELECT 1")
        assert target.observe() == frozenset()


def test_a_run_that_dies_at_the_commit_still_ends_the_connections(pg) -> None:
    """Commit and end are one message: what the server has, it carries out, whoever is left to hear the answer."""
    pg.people("alice")
    with Proxy(pg.cluster.port) as proxy:
        url = pg.cluster.url("daypass", "the-applier-knows", port=proxy.port, query="sslmode=disable")
        target = pg.target(url=url, tls="off-on-loopback")
        pg.add(target, pg.one())
        with pg.enter() as connection:
            connection.execute("SET ROLE orders_readonly")
            proxy.cut_after = b"COMMIT"
            proxy.refuse = True
            assert all(answer.error for answer in pg.remove(target, pg.one()))
            with pytest.raises(psycopg.errors.AdminShutdown):
                connection.execute("SELECT 1")
        assert pg.target().observe() == frozenset()


def test_a_slow_network_is_waited_for(pg) -> None:
    pg.people("alice")
    with Proxy(pg.cluster.port) as proxy:
        proxy.delay = 0.05
        url = pg.cluster.url("daypass", "the-applier-knows", port=proxy.port)
        assert [done.error for done in pg.add(pg.target(url=url), pg.one())] == [""]


def test_a_connection_to_a_proxy_in_between_is_end_to_end_encrypted(pg) -> None:
    pg.people("alice")
    with Proxy(pg.cluster.port) as proxy:
        pg.add(pg.target(url=pg.cluster.url("daypass", "the-applier-knows", port=proxy.port)), pg.one())
        assert not any(b"orders_readonly" in piece for piece in proxy.sent)
        assert proxy.sent


def test_connections_are_closed_with_the_target(pg) -> None:
    count = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'daypass'"
    target = pg.target()
    target.observe()
    assert pg.cluster.boss(count) == [(1,)]
    held = target.server
    del target
    gc.collect()
    assert held.twice(lambda session: session.execute("SELECT 1").fetchone()) == (1,)
    del held
    gc.collect()
    for _ in range(100):
        if pg.cluster.boss(count) == [(0,)]:
            break
    assert pg.cluster.boss(count) == [(0,)]


def test_nothing_is_looked_up_where_others_may_write(pg) -> None:
    """A function or table of the same name in a schema of somebody's own must not be what we ask."""
    pg.people("mallory", "alice")
    pg.cluster.boss(
        "CREATE SCHEMA daypass",
        "CREATE FUNCTION daypass.pg_has_role(name, name, text) RETURNS boolean LANGUAGE sql AS 'SELECT true'",
        "CREATE VIEW daypass.pg_roles AS SELECT 'trap'::name AS rolname",
        "GRANT ALL ON SCHEMA daypass TO PUBLIC",
        "ALTER ROLE daypass SET search_path = daypass, pg_catalog",
        "REVOKE pg_signal_backend FROM daypass",
    )
    target = pg.target()
    pg.add(target, pg.one())
    assert target.observe() == {pg.one()}
    assert target.health().concerns == ("'daypass' lacks pg_signal_backend: open connections stay when access ends",)
    pg.cluster.boss("DROP SCHEMA daypass CASCADE")
