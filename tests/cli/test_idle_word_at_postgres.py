"""Idle runs on a runner that starts bare, where access stands at a real PostgreSQL server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from test_bare_runner_at_github import Bare, admit, at, fetched_little, read_nothing, words

from daypass.cli.init import template_files
from daypass.core.ledger import snapshot
from daypass.edges.forges.github.setup import forge_line
from daypass.edges.targets.postgres import sql as say
from hub import APP_ID, BOT_ID, PEOPLE, REPOSITORY, Hub
from servers.postgres import Postgres, server, verifier

pytestmark = pytest.mark.on_disk

SECRET = "the-applier-knows"
BEFORE = (
    "CREATE ROLE orders_readonly",
    "CREATE ROLE orders_admin",
    "CREATE ROLE alice LOGIN",
    "CREATE ROLE carol LOGIN",
    f"CREATE ROLE daypass LOGIN CREATEROLE PASSWORD '{verifier(SECRET)}'",
    "GRANT pg_signal_backend TO daypass",
    "GRANT orders_readonly, orders_admin TO daypass WITH ADMIN OPTION",
)


def first_files(*, simulated: bool = True) -> dict[str, str]:
    """Main's first commit: orders-db is at PostgreSQL, where people have the names that the directory gives them."""
    example = template_files("example", ("olga", "Olga", "olga@example.com"))
    people = example["policies/directory/people.yaml"]
    for handle, (login, number) in PEOPLE.items():
        address = f"email: {handle}@example.com"
        more = f"forge: {{login: {login}, id: {number}}}, identities: {{postgres: {handle}}}"
        people = people.replace(address, f"{address}, {more}")
    line = "  embedded: {kind: embedded}"
    settings = example["policies/daypass.yaml"].replace(
        line, f"{line}\n  postgres: {{kind: postgres, url_env: ORDERS_DB_URL}}"
    )
    forge = forge_line(REPOSITORY, "app", f"daypass-acme[bot]:{BOT_ID}", str(APP_ID))
    resource = example["policies/resources/orders-db.yaml"].replace("target: embedded", "target: postgres")
    return {
        "policies/directory/people.yaml": people,
        "policies/daypass.yaml": settings.replace("forge: {kind: local}", forge) + ("clock: simulated\n" * simulated),
        "policies/resources/orders-db.yaml": resource,
    }


@pytest.fixture(scope="module")
def postgres_server() -> Iterator[Postgres]:
    with server() as made:
        yield made


@pytest.fixture
def orders(postgres_server: Postgres, monkeypatch: pytest.MonkeyPatch) -> Postgres:
    postgres_server.wipe()
    postgres_server.boss(*BEFORE)
    monkeypatch.setenv("ORDERS_DB_URL", postgres_server.url("daypass", SECRET))
    return postgres_server


@pytest.fixture
def hub(tmp_path: Path, orders: Postgres, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.setattr(snapshot, "LEAST", 4)
    with Hub(tmp_path, simulated=True, files=first_files()) as made:
        yield made


@pytest.fixture
def resting(hub: Hub) -> Bare:
    """A runner whose last run found nothing to do."""
    admit(hub)
    hub.run("apply", "--at", at(hub))
    bare = Bare(hub)
    assert "1 live as they should be" in bare("apply", "--at", at(hub))
    assert words(hub) == 1
    assert not read_nothing(hub)
    hub.advance(minutes=5)
    return bare


def looks(orders: Postgres) -> int:
    """Say how often the server was asked for all that it holds of ours."""
    return orders.log.read_text(encoding="utf-8").count("SELECT 'clock', to_char(")


def bridge(orders: Postgres) -> str:
    """The role of ours by which alice has what she was given."""
    ((name,),) = orders.boss("SELECT a.roleid::regrole::text FROM pg_auth_members a WHERE a.member = 'alice'::regrole")
    return str(name)


def test_the_next_runs_go_by_the_word_and_read_the_server_once(hub: Hub, resting: Bare, orders: Postgres) -> None:
    for _ in range(2):
        before = looks(orders)
        assert "1 live as they should be" in resting("apply", "--at", at(hub))
        assert read_nothing(hub)
        assert looks(orders) == before + 1
        hub.advance(minutes=5)
        assert fetched_little(resting)
    assert words(hub) == 1
    assert hub.run("audit", "verify").code == 0
    told = resting("apply", "--at", at(hub), "--format", "json")
    assert told == hub.run("apply", "--at", at(hub), "--format", "json").out


def test_a_run_that_reckons_all_anew_reads_the_server_once(hub: Hub, resting: Bare, orders: Postgres) -> None:
    before = looks(orders)
    assert "1 live as they should be" in resting("apply", "--retry", "--at", at(hub))
    assert not read_nothing(hub)
    assert looks(orders) == before + 1


def test_a_membership_that_somebody_took_away_is_given_again(hub: Hub, resting: Bare, orders: Postgres) -> None:
    orders.boss(f"REVOKE {bridge(orders)} FROM alice GRANTED BY daypass")
    assert "ok   + alice" in resting("apply", "--at", at(hub))
    hub.advance(hours=1, minutes=10)
    assert "1 live as they should be" in resting("apply", "--at", at(hub))
    assert words(hub) == 2


def test_a_membership_that_somebody_gave_is_said_at_each_run(hub: Hub, resting: Bare, orders: Postgres) -> None:
    """Standing access of others keeps no run from going by a word: the server shows by itself that it is theirs."""
    orders.boss("GRANT orders_readonly TO carol")
    hub.advance(hours=1)
    assert "not ours carol" in resting("apply", "--at", at(hub))
    assert not read_nothing(hub)
    assert words(hub) == 2
    hub.advance(minutes=5)
    assert "not ours carol" in resting("apply", "--at", at(hub))
    assert read_nothing(hub)
    hub.advance(minutes=5)
    told = resting("apply", "--at", at(hub), "--format", "json")
    assert read_nothing(hub)
    assert told == hub.run("apply", "--at", at(hub), "--format", "json").out
    assert hub.run("audit", "verify").code == 0
    orders.boss("REVOKE orders_readonly FROM carol")
    assert "carol" not in resting("apply", "--at", at(hub))
    assert not read_nothing(hub)


def test_a_machine_that_remembers_says_the_same_of_others(hub: Hub, resting: Bare, orders: Postgres) -> None:
    orders.boss("GRANT orders_readonly TO carol", "GRANT orders_admin TO carol")
    told = [
        hub.run(
            "drift", "--format", "json", "--at", at(hub), expect=13, environ={"DAYPASS_STATE": str(hub.top / state)}
        )
        for state in ("one", "one", "two")
    ]
    assert told[0].out == told[1].out == told[2].out.replace("acme/two/", "acme/one/")
    assert told[0].out.count("carol") >= 2


@pytest.mark.parametrize(
    "anew",
    [
        ("DROP ROLE alice", "CREATE ROLE alice LOGIN"),
        ("DROP ROLE alice", "CREATE ROLE alice LOGIN", "GRANT {bridge} TO alice GRANTED BY daypass"),
        (
            "DROP ROLE orders_readonly",
            "CREATE ROLE orders_readonly",
            "GRANT orders_readonly TO daypass WITH ADMIN OPTION",
            "GRANT orders_readonly TO {bridge} GRANTED BY daypass",
        ),
    ],
    ids=["somebody", "somebody, who was let in again", "something, to which ours leads again"],
)
def test_a_role_that_was_made_anew_under_its_name_is_another(
    hub: Hub, resting: Bare, orders: Postgres, anew: tuple[str, ...]
) -> None:
    ours = bridge(orders)
    orders.boss(*(statement.format(bridge=ours) for statement in anew))
    said = resting("apply", "--at", at(hub), expect=None)
    assert not read_nothing(hub)
    assert "is no more" in said


def test_another_server_in_its_place_is_read_and_told_of(
    hub: Hub, resting: Bare, orders: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    with server() as other:
        other.boss(*BEFORE)
        number = "SELECT oid FROM pg_roles WHERE rolname = 'alice'"
        if other.boss(number) == orders.boss(number):  # servers of tests are copies of one, and count from there
            other.boss("DROP ROLE alice", "CREATE ROLE alice LOGIN")
        monkeypatch.setenv("ORDERS_DB_URL", other.url("daypass", SECRET))
        said = resting("apply", "--at", at(hub), expect=None)
    assert not read_nothing(hub)
    assert "1 that nobody can tell of" in said


def test_a_server_that_does_not_answer_is_said_whatever_was_said_before(
    hub: Hub, resting: Bare, orders: Postgres
) -> None:
    orders.boss("ALTER ROLE daypass NOLOGIN")
    assert "is not permitted to log in" in resting("apply", "--at", at(hub), expect=14)


def test_a_servers_clock_that_is_off_by_now_is_told_whatever_was_said_before(
    tmp_path: Path, orders: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Hub(tmp_path, files=first_files(simulated=False)) as hub:
        number = hub.request_pull("alice", hub.grant())
        for who in ("bob", "dave"):
            hub.approve(number, who)
        hub.run("gate", str(number))
        hub.run("apply")
        bare = Bare(hub)
        bare("apply")
        assert "1 live as they should be" in bare("apply")
        assert read_nothing(hub)
        later = say.OBSERVE.replace(b"clock_timestamp()", b"(clock_timestamp() + interval '2 hours')")
        monkeypatch.setattr(say, "OBSERVE", later)
        assert "the clock of target postgres is 2h" in bare("apply", expect=14)
        assert not read_nothing(hub)
