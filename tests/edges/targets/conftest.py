"""One PostgreSQL server for all tests of its target, wiped between them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import psycopg
import pyrage
import pytest

from copies import once
from daypass.core.bounds.settings import TargetSettings
from daypass.core.plan import Action, Done, Entitlement, Order
from daypass.edges.targets.postgres.target import PostgresTarget, open_postgres
from daypass.edges.targets.registry import NOTHING, Known
from servers.postgres import Postgres, server, verifier
from servers.sshd import make_key

UNTIL = datetime(2040, 1, 2, 3, 4, 5, tzinfo=UTC)
SECRET = "the-applier-knows"
OWN = "the-subject-knows"
LEAST = (
    "CREATE ROLE orders_readonly",
    "CREATE ROLE orders_admin",
    f"CREATE ROLE daypass LOGIN CREATEROLE PASSWORD '{verifier(SECRET)}'",
    "GRANT pg_signal_backend TO daypass",
    "GRANT orders_readonly, orders_admin TO daypass WITH ADMIN OPTION",
)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    with server() as made:
        made.boss("CREATE DATABASE payroll")
        yield made


@pytest.fixture
def pg(postgres_server: Postgres) -> World:
    for database in ("postgres", "payroll"):
        postgres_server.boss(
            "DROP SCHEMA IF EXISTS public, other CASCADE",
            "CREATE SCHEMA public",
            "GRANT USAGE ON SCHEMA public TO PUBLIC",
            "CREATE TABLE orders (id int, total int)",
            "INSERT INTO orders VALUES (1, 100)",
            "CREATE TABLE items (id int)",
            database=database,
        )
    postgres_server.wipe(("postgres", "payroll"))
    postgres_server.boss(*LEAST, "GRANT SELECT ON orders TO orders_readonly", "GRANT ALL ON orders TO orders_admin")
    return World(postgres_server)


class World:
    """The server with one credential of least privilege, and people who try to get in."""

    until = UNTIL

    def __init__(self, cluster: Postgres) -> None:
        self.cluster = cluster

    def people(self, *names: str) -> None:
        """Let people exist, with a password and no rights."""
        self.cluster.boss(*(f"""CREATE ROLE "{name}" LOGIN PASSWORD '{verifier(OWN)}'""" for name in names))

    def target(
        self, *, url: str = "", known: Known = NOTHING, user: str = "daypass", password: str = SECRET, **options: Any
    ) -> PostgresTarget:
        """Open the target; ``url`` in place of the right one."""
        found = {"url_env": "ORDERS_DB_URL", **options}
        address = url or self.cluster.url(user, password)
        return open_postgres(
            TargetSettings("orders", "postgres", MappingProxyType(found)), {"ORDERS_DB_URL": address}, known
        )

    def one(self, principal: str = "alice", resource: str = "orders-db", **privilege: Any) -> Entitlement:
        """Return an entitlement, to orders_readonly where nothing else is said."""
        what = privilege or {"member_of": "orders_readonly"}
        text = json.dumps(what, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return Entitlement("orders", resource, principal, text)

    def key(self) -> str:
        """Return the public half of the subject's key pair."""
        kind, public, *_ = self._private_key().with_suffix(".pub").read_text().split()
        return f"{kind} {public}"

    def _private_key(self) -> Path:
        return once("alice's key", lambda folder: make_key(folder / "id_ed25519")) / "id_ed25519"

    def add(self, target: PostgresTarget, *ones: Entitlement, until: datetime = UNTIL) -> Sequence[Done]:
        return target.carry_out([Order(Action.ADD, one, UNTIL, until, (self.key(),)) for one in ones])

    def remove(self, target: PostgresTarget, *ones: Entitlement) -> Sequence[Done]:
        return target.carry_out([Order(Action.REMOVE, one, UNTIL, UNTIL) for one in ones])

    def opened(self, sealed: str) -> str:
        """Open what was handed over, as its owner does, and say which authority to trust."""
        identity = pyrage.ssh.Identity.from_buffer(self._private_key().read_bytes())
        text = pyrage.decrypt(sealed.encode(), [identity]).decode()
        return f"{text} sslrootcert={self.cluster.authority}"

    def enter(self, who: str = "alice", database: str = "postgres") -> psycopg.Connection[Any]:
        """Come in as somebody with a password of their own, by TLS."""
        return psycopg.connect(self.cluster.url(who, OWN, database), autocommit=True, connect_timeout=5)

    def may(self, statement: str, who: str = "alice", database: str = "postgres") -> bool:
        """Say whether somebody may do something right now."""
        with self.enter(who, database) as connection:
            try:
                connection.execute(statement.encode())
            except psycopg.errors.InsufficientPrivilege:
                return False
            return True
