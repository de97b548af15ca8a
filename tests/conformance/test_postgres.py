from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from types import MappingProxyType

import psycopg
import pyrage
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from conformance.suite import NAME, TargetContract
from conformance.world import Around, Killed, World
from copies import once
from daypass.core.bounds.settings import TargetSettings
from daypass.core.errors import ExitCode
from daypass.core.ids import canonical
from daypass.core.plan import Entitlement, Reason
from daypass.core.planning.drift import Traits
from daypass.edges.targets.postgres.policy import LONGEST, bridge_of, login_of, read_privilege
from daypass.edges.targets.postgres.target import PostgresTarget, open_postgres
from daypass.ports import Fingerprinting, Numbering, Observing, Target, Timed
from servers.postgres import Postgres, server, verifier, versions
from servers.proxy import Proxy
from servers.sshd import make_key

LEAST = """\
CREATE ROLE daypass NOLOGIN CREATEROLE;
GRANT pg_signal_backend TO daypass;
GRANT orders_readonly, orders_admin TO daypass WITH ADMIN OPTION;
CREATE ROLE daypass_login LOGIN PASSWORD 'choose-a-long-one';
GRANT daypass TO daypass_login;
ALTER ROLE daypass_login SET role = 'daypass';
"""
"""What the whole contract runs with, as docs/targets/postgres.md gives it to be pasted."""

SECRET = "choose-a-long-one"
OWN = "what-the-subject-knows"
BEFORE = (
    "CREATE ROLE orders_readonly",
    "CREATE ROLE orders_admin",
    "CREATE TABLE IF NOT EXISTS orders (id int, total int)",
    "GRANT SELECT ON orders TO orders_readonly",
    "GRANT ALL ON orders TO orders_admin",
)


ON_EACH_VERSION = {
    "test_its_health_has_facts_and_no_concerns",
    "test_it_says_what_it_looked_at_and_what_it_cannot_see",
    "test_adding_twice_is_adding_once",
    "test_removing_what_is_absent_is_nothing",
    "test_entitlements_that_differ_in_one_part_are_apart",
    "test_a_removal_is_seen_by_whoever_reads_next",
    "test_complete_observation_shows_what_another_handle_added",
    "test_orders_about_one_entitlement_are_carried_out_in_their_order",
    "test_a_privilege_that_does_not_exist_is_refused_and_stops_only_that_order",
    "test_the_subject_gets_in_exactly_while_the_target_holds_it",
    "test_what_was_added_twice_is_ended_once_and_taking_what_is_absent_is_nothing_to_a_client",
    "test_any_order_of_calls_gives_what_a_set_gives",
    "test_who_was_renamed_keeps_access_until_its_end_and_no_longer",
    "test_what_was_renamed_is_followed_and_the_access_in_it_ends",
    "test_somebody_else_of_the_same_name_is_given_nothing",
    "test_something_else_of_the_same_name_is_given_to_nobody",
    "test_access_that_is_not_ours_is_seen_reported_and_untouched",
    "test_a_credential_that_does_not_do_is_said_and_never_shown",
    "test_a_credential_that_may_do_too_much_is_a_concern",
    "test_access_that_somebody_took_away_by_hand_is_given_again_and_said",
    "test_the_subject_really_can_from_the_start_of_the_window_and_not_after_its_end",
}
"""What depends on the server's version: who may give a role and take it away, what a membership is, and how it is read.

The rest is run on the system's own server alone: quoting, transactions and connections are the same in all of these
versions, and networks that fail, runs that are killed and what receipts say are not the server's.
"""


OF_MANY_LOGINS = {"test_a_thousand_are_all_observed_in_the_calls_it_states"}
"""Run on the newest server, which is content with one round of hashing for each password."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "cluster" not in metafunc.fixturenames:
        return
    name, known = metafunc.function.__name__, versions()
    if name not in ON_EACH_VERSION:
        known = known[-1:] if metafunc.cls is TestPostgresLogin and name in OF_MANY_LOGINS else known[:1]
    ids = [version or "system" for version in known]
    metafunc.parametrize("cluster", known, indirect=True, ids=ids, scope="module")


def test_what_is_run_on_each_version_is_there() -> None:
    assert {
        name for name in ON_EACH_VERSION | OF_MANY_LOGINS if not callable(getattr(TestPostgres, name, None))
    } == set()


@pytest.fixture(scope="module")
def cluster(request: pytest.FixtureRequest) -> Iterator[Postgres]:
    with server(version=request.param) as made:
        assert made.boss("SHOW server_version")[0][0].startswith(request.param)
        yield made


class TestPostgres(TargetContract):
    kind = "postgres"
    traits = Traits(hands_over=True, at_once=1000, marks=True)
    abilities = frozenset({Observing, Fingerprinting, Numbering, Timed})
    handing = False
    observing = 2  # one statement that sets the connection up, and the query
    examples = 10
    lacks = MappingProxyType({"limits": "a server of one's own names no limits; it is full or it is not"})

    @pytest.fixture(autouse=True)
    def _server(self, cluster: Postgres) -> Iterator[None]:
        self.cluster = cluster
        self.folder: Path | None = None
        with Proxy(cluster.port) as self.proxy:
            yield

    def _found(self, folder: Path) -> None:
        """Let the server hold the world of this folder, and nothing of the one before."""
        if folder != self.folder:
            self.folder = folder
            self.cluster.wipe()
            known = sql.SQL("ALTER ROLE daypass_login PASSWORD {}").format(sql.Literal(verifier(SECRET)))
            self.cluster.boss(*BEFORE, LEAST, known)

    def make(self, folder: Path) -> PostgresTarget:
        self._found(folder)
        return self._open("daypass_login", SECRET)

    def _open(self, user: str, password: str) -> PostgresTarget:
        # Without TLS, so that the proxy can tell one message from another.
        url = self.cluster.url(user, password, port=self.proxy.port, query="sslmode=disable")
        options = {"url_env": "ORDERS_DB_URL", "tls": "off-on-loopback"}
        return open_postgres(TargetSettings(NAME, "postgres", MappingProxyType(options)), {"ORDERS_DB_URL": url})

    def spoil(self, target: Target) -> None:
        self.cluster.boss(
            "ALTER ROLE daypass_login NOLOGIN",
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'daypass_login'",
        )

    def calls(self, folder: Path) -> int:
        said = self.cluster.log.read_text(encoding="utf-8").splitlines()
        marks = ("daypass_login@postgres LOG:  statement:", "daypass_login@postgres LOG:  execute ")
        return sum(line.startswith(marks) for line in said)

    def welcome(self, folder: Path, ones: Iterable[Entitlement]) -> None:
        self._found(folder)
        there = self.cluster.roles()
        every = list(ones)
        people = {one.principal for one in every if not read_privilege(one.privilege).login} - there
        roles = {read_privilege(one.privilege).member_of for one in every} - there - people
        make = "CREATE ROLE {} LOGIN PASSWORD {}"
        self.cluster.boss(
            *(sql.SQL(make).format(sql.Identifier(who), sql.Literal(verifier(OWN))) for who in sorted(people)),
            *(sql.SQL("CREATE ROLE {}").format(sql.Identifier(role)) for role in sorted(roles)),
            *(sql.SQL("GRANT {} TO daypass WITH ADMIN OPTION").format(sql.Identifier(role)) for role in sorted(roles)),
        )

    def takes(self, principal: str) -> bool:
        return len(principal.encode()) <= LONGEST and principal not in ("public", "none")

    def by_hand(self, folder: Path, one: Entitlement) -> Entitlement:
        self.welcome(folder, [one])
        role = read_privilege(one.privilege).member_of
        self.cluster.boss(sql.SQL("GRANT {} TO {}").format(sql.Identifier(role), sql.Identifier(one.principal)))
        return Entitlement(NAME, "", one.principal, canonical({"member_of": role, "unmanaged": True}))

    def stranger(self, folder: Path) -> Entitlement:
        return self.named("nobody-at-all")

    def strange_privilege(self, folder: Path) -> Entitlement:
        return self.one()._replace(privilege=canonical({**self.privileges[0], "member_of": "no_such_role"}))

    def enters(self, folder: Path, one: Entitlement, handover: str) -> bool:
        return _reads(self.cluster.url(one.principal, OWN))

    def cut(self, folder: Path, moment: str) -> None:
        if moment == "before":
            self.proxy.refuse = True
            self.proxy.cut_all()
        elif moment == "during":
            self.proxy.cut_before = b"COMMIT"
        else:
            self.proxy.cut_after = b"COMMIT"

    def mend(self, folder: Path) -> None:
        self.proxy.refuse = False
        self.proxy.cut_before = self.proxy.cut_after = b""

    def rename_principal(self, folder: Path, one: Entitlement) -> Entitlement:
        self.cluster.boss(
            sql.SQL("ALTER ROLE {} RENAME TO renamed").format(sql.Identifier(one.principal)),
            sql.SQL("ALTER ROLE renamed PASSWORD {}").format(sql.Literal(OWN)),
        )
        return one._replace(principal="renamed")

    def anew_principal(self, folder: Path, one: Entitlement) -> None:
        self.cluster.boss(sql.SQL("DROP ROLE {}").format(sql.Identifier(one.principal)))
        self.welcome(folder, [one])

    def rename_place(self, folder: Path, one: Entitlement) -> None:
        self.cluster.boss("ALTER ROLE orders_readonly RENAME TO orders_renamed")

    def anew_place(self, folder: Path, one: Entitlement) -> None:
        self.cluster.boss(
            "DROP OWNED BY orders_readonly",
            "DROP ROLE orders_readonly",
            "CREATE ROLE orders_readonly",
            "GRANT SELECT ON orders TO orders_readonly",
            "GRANT orders_readonly TO daypass WITH ADMIN OPTION",
        )

    def with_credential(self, folder: Path, state: str) -> tuple[Target, str, str]:
        self._found(folder)
        if state == "wrong":
            return self._open("daypass_login", "not-the-password"), "password authentication failed", "not-the-password"
        how, words = {
            "expired": ("CREATEROLE VALID UNTIL '2001-01-01'", "password authentication failed"),
            "too weak": ("", "ADMIN OPTION"),
            "too strong": ("SUPERUSER", "is a superuser"),
        }[state]
        self.cluster.boss(f"CREATE ROLE another LOGIN PASSWORD 'another-secret' {how}")
        return self._open("another", "another-secret"), words, "another-secret"

    def least_privilege(self) -> str:
        return LEAST

    # Bad days of this kind of server.

    def test_a_server_put_back_from_an_old_backup_loses_what_had_ended(self, tmp_path: Path) -> None:
        world = World(tmp_path / "life", self)
        world.grant(-120, 60)
        world.apply(-119)
        handed = world.handover()
        self.cluster.back_up(tmp_path / "backup")
        world.apply(61)
        assert not self.enters(world.place, self.one(), handed)
        self.cluster.put_back(tmp_path / "backup")
        assert self.enters(world.place, self.one(), handed)
        done = world.apply(62)
        assert [(o.change.reason, o.ok) for o in done.outcomes] == [(Reason.RETURNED, True)]
        assert not self.enters(world.place, self.one(), handed)
        assert world.held() == world.ours() == set()

    def test_what_an_old_backup_brings_back_goes_whatever_it_is_called_since_and_nobody_elses(
        self, tmp_path: Path
    ) -> None:
        world = World(tmp_path / "life", self)
        one, own = self.one(), "principals' names" in self.lacks
        world.grant(-120, 60)
        world.apply(-119)
        handed = world.handover()
        self.cluster.back_up(tmp_path / "backup")
        world.apply(61)
        self.cluster.put_back(tmp_path / "backup")
        today = one if own else self.rename_principal(world.place, one)
        self.rename_place(world.place, one)
        if not own:
            self.welcome(world.place, [one])
            give = sql.SQL("GRANT {} TO {}").format(*map(sql.Identifier, (bridge_of(one).name, one.principal)))
            self.cluster.boss(give)
        assert self.enters(world.place, today, handed)
        done = world.apply(62)
        assert [(o.change.entitlement, o.change.reason, o.ok) for o in done.outcomes] == [
            (today, Reason.RETURNED, True)
        ]
        assert not self.enters(world.place, today, handed)
        assert world.held() == set(done.survey.plan.unmanaged) == (set() if own else {one})

    def test_a_server_that_was_rebuilt_empty_is_given_again_what_main_says_once_somebody_says_so(
        self, tmp_path: Path
    ) -> None:
        world = World(tmp_path / "life", self)
        grant = world.grant(-120, 60)
        world.apply(-119)
        self.folder = None
        self.welcome(world.place, [self.one()])
        assert not self.enters(world.place, self.one(), world.handover())
        # Everybody has another number now: a person has to say that these are the same.
        done = world.apply(-118)
        assert done.outcomes == []
        assert done.exit_code is ExitCode.PARTIAL
        world.settle(grant, -117, adopt=True)
        done = world.apply(-116)
        assert [(o.change.reason, o.ok) for o in done.outcomes] == [(Reason.LOST, True)]
        assert self.enters(world.place, self.one(), world.handover())
        world.settled(-115)

    def test_access_that_somebody_took_away_by_hand_is_given_again_and_said(self, tmp_path: Path) -> None:
        world = World(tmp_path / "life", self)
        world.grant(-120, 60)
        world.apply(-119)
        name = bridge_of(self.one()).name
        self.cluster.boss(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))
        done = world.apply(-118)
        assert [(o.change.reason, o.ok) for o in done.outcomes] == [(Reason.LOST, True)]
        assert self.enters(world.place, self.one(), world.handover())

    def test_a_role_that_the_catalogue_has_and_the_server_has_not_is_said_until_it_is_there(
        self, tmp_path: Path
    ) -> None:
        world = World(tmp_path / "life", self)
        self.cluster.boss("DROP OWNED BY orders_readonly", "DROP ROLE orders_readonly")
        world.grant(-120, 60)
        done = world.apply(-119)
        assert [o.error for o in done.outcomes] == ["the server has no role 'orders_readonly'"]
        assert done.exit_code is ExitCode.PARTIAL
        self.cluster.boss(
            "CREATE ROLE orders_readonly",
            "GRANT SELECT ON orders TO orders_readonly",
            "GRANT orders_readonly TO daypass WITH ADMIN OPTION",
        )
        world.apply(-118)
        assert self.enters(world.place, self.one(), world.handover())
        world.settled(-117)


class TestPostgresLogin(TestPostgres):
    """The same contract where the subject is given a login of their own, which nobody else can know."""

    lacks = MappingProxyType(
        {
            **TestPostgres.lacks,
            "strangers": "a login is made for whoever is to have one",
            "principals' names": "a login is made for the subject alone, and bears the mark that says so",
        }
    )
    handing = True
    privileges = (
        {"login": "true", "member_of": "orders_readonly"},
        {"login": "true", "member_of": "orders_admin"},
    )

    stranger = TargetContract.stranger
    rename_principal = TargetContract.rename_principal
    anew_principal = TargetContract.anew_principal

    @pytest.fixture(autouse=True)
    def _keys(self) -> None:
        self.private_key = once("alice's key", lambda folder: make_key(folder / "id_ed25519")) / "id_ed25519"
        kind, public, *_ = self.private_key.with_suffix(".pub").read_text().split()
        self.keys = (f"{kind} {public}",)

    def takes(self, principal: str) -> bool:
        return True

    def by_hand(self, folder: Path, one: Entitlement) -> Entitlement:
        self.given = self.give(self.make(folder), one)[0].handover
        return one

    def enters(self, folder: Path, one: Entitlement, handover: str) -> bool:
        sealed = handover or getattr(self, "given", "")
        if not sealed:
            return False
        opened = self.opened(sealed)
        mine = f"user={login_of(one).name} " in opened  # nobody comes in as somebody else
        return mine and _reads(f"{opened} sslrootcert={self.cluster.authority}" if self.cluster.tls else opened)

    def test_a_secret_that_a_dying_run_took_along_is_replaced_by_the_next(self, tmp_path: Path) -> None:
        def die() -> None:
            raise Killed

        world = World(tmp_path / "life", self)
        world.grant(-120, 60)
        with pytest.raises(Killed):
            world.apply(-119, lambda target: Around(target, after=die))
        assert world.held() == {self.one()}
        assert world.handover() == ""
        world.apply(-118)
        assert self.enters(world.place, self.one(), world.handover())
        world.settled(-117)
        before = len(world.bodies())
        assert world.apply(-116).outcomes == []
        assert len(world.bodies()) == before
        with pytest.raises(Killed):
            world.apply(61, lambda target: Around(target, after=die))
        world.apply(62)
        assert world.held() == world.ours() == set()
        world.settled(63)

    def test_neither_ledger_nor_server_knows_the_secret(self, tmp_path: Path) -> None:
        world = World(tmp_path / "life", self, with_git=True)
        world.grant(-120, 60)
        done = world.apply(-119)
        password = conninfo_to_dict(self.opened(world.handover()).strip())["password"]
        assert isinstance(password, str)
        ledger = [repr(done), *map(repr, world.bodies()), world.access.git("log", "-p", "--all")]
        assert any("AGE ENCRYPTED FILE" in text for text in ledger[1:-1])  # receipts as they were opened
        assert not any(password in text or SECRET in text for text in ledger)
        assert password not in self.cluster.log.read_text(encoding="utf-8")

    def opened(self, sealed: str) -> str:
        """Open what was handed over with the subject's private key."""
        assert self.private_key is not None
        identity = pyrage.ssh.Identity.from_buffer(self.private_key.read_bytes())
        return pyrage.decrypt(sealed.encode(), [identity]).decode()


def _reads(conninfo: str) -> bool:
    """Say whether somebody comes in and reads the orders."""
    try:
        with psycopg.connect(conninfo, connect_timeout=5) as connection:
            connection.execute(b"SELECT total FROM orders")
    except psycopg.Error:
        return False
    return True
