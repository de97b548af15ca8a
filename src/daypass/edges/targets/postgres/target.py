"""The target ``postgres``: roles, privileges and logins at a PostgreSQL server.

See policy.py for what may be given and how it stands at the server, and docs/targets/postgres.md for what an
administrator needs to know. ``databases`` are those that privileges on schemas may name, besides the address's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

from daypass.core.catalogue import TargetSettings
from daypass.core.drift import Health, Inspection, Traits
from daypass.core.errors import EdgeError
from daypass.core.grant import canonical
from daypass.core.plan import Entitlement, Found, Numbers
from daypass.edges.targets.common import NumberTrace, check_target, join, understood
from daypass.edges.targets.postgres import sql as say
from daypass.edges.targets.postgres.batch import Job, PostgresBatch, followed, job_of
from daypass.edges.targets.postgres.health import inspect, look_around, not_revocable
from daypass.edges.targets.postgres.policy import (
    Mark,
    PostgresPrivilege,
    bridge_of,
    login_of,
    read_mark,
    read_options,
    read_privilege,
)
from daypass.edges.targets.postgres.roles import Names, database_of, not_given
from daypass.edges.targets.postgres.server import Server, read_address
from daypass.edges.targets.registry import NOTHING, Known
from daypass.ports import Done, Numbering, Observing, Order, Timed

AT_ONCE = 1000
"""Changes in one transaction."""


def open_postgres(settings: TargetSettings, environ: Mapping[str, str], known: Known = NOTHING) -> PostgresTarget:
    """Open the target with the address that ``url_env`` names in ``environ``; nothing is sent yet.

    Raises InvalidError for a bad option and EdgeError when the environment holds no usable address.
    """
    name = settings.name
    variable, databases, tls, expected = read_options(settings)
    url = environ.get(variable, "")
    if not url:
        raise EdgeError(
            f"target {name}: the environment variable {variable} is not set",
            hint=f"put the server's address into {variable}: postgresql://user:password@host:5432/database",
        )
    server = Server(name, variable, read_address(name, variable, url, tls))
    return PostgresTarget(name, server, known, databases, expected)


class PostgresTarget(Observing, Numbering, Timed):
    """What one server holds. Implements ports.Target.

    ``known`` are the resources and privileges that the catalogue gives here, ``databases`` those that schemas may be named
    in, and ``expected`` the roles whose own access there is known and no drift.
    """

    traits = Traits(hands_over=True, at_once=AT_ONCE, marks=True)

    def __init__(
        self, name: str, server: Server, known: Known, databases: frozenset[str], expected: frozenset[str]
    ) -> None:
        self.name = name
        self.server = server
        self.databases = databases | {server.home}
        self._named = known.named
        self._expected = expected
        self._roles: set[str] = set()
        self._resources: dict[str, set[str]] = {}
        """Role to the resources that membership in it is access to, where others gave that."""
        for resource, _, means in understood(known.named, read_privilege):
            self._roles |= {means.member_of} - {""}
            if means.member_of and not means.login:
                self._resources.setdefault(means.member_of, set()).add(resource)
        self._exclusive = {role for role, given in self._resources.items() if given & known.exclusive}
        self._clock: datetime | None = None
        self._seen = _Seen({}, {}, {})

    def health(self) -> Health:
        """Say who we are there and what that may do, too much included, and which roles of the catalogue it cannot give.

        Changes nothing. Raises EdgeError when it cannot be reached.
        """
        found = self.server.twice(look_around)
        facts, concerns = self.server.twice(lambda session: not_revocable(session, self._exclusive))
        marks = [Mark(self.name, resource, privilege) for resource, privilege in self._named]
        concerns = [*found.concerns, *concerns, *not_given(self.server, self.databases, marks)]
        return replace(found, facts=(*found.facts, *facts), concerns=tuple(concerns))

    def inspect(self) -> Inspection:
        """Look for ways in beside memberships; see health.py. Raises EdgeError."""
        return inspect(self.server, self.databases, self._roles, self._expected)

    def observe(self) -> frozenset[Entitlement]:
        """Return every entitlement of ours, and memberships that others gave in roles that we may give.

        The latter are marked as unmanaged, so that they are never taken for ours, and are of each resource that the
        catalogue gives the role for ("" where it does for none). Raises EdgeError.
        """
        rows = self.server.twice(lambda session: session.execute(say.OBSERVE).fetchall())
        self._clock = next((datetime.fromisoformat(row[1]) for row in rows if row[0] == "clock"), None)
        self._seen = _Seen(
            {row[1]: found for row in rows if row[0] == "role" and (found := _Ours.of(row, self.server.home))},
            {row[7]: row for row in rows if row[0] == "role"},
            {(row[7], row[8]): row for row in rows if row[0] == "member"},
        )
        return frozenset(one for row in self._seen.members.values() for one in self._held(row))

    def clock(self) -> datetime | None:
        """Return what the server's clock said at the last `observe`."""
        return self._clock

    def find(self, ours: Mapping[Entitlement, Numbers]) -> Mapping[Entitlement, Found]:
        """Say what the last `observe` saw of entitlements, by the oids of the roles that it is about."""
        names = self.server.twice(lambda session: Names.take(session, ours))
        return {entitlement: self._find(names, entitlement, dict(known)) for entitlement, known in ours.items()}

    def _find(self, names: Names, entitlement: Entitlement, known: Mapping[str, str]) -> Found:
        try:
            privilege = read_privilege(entitlement.privilege)
        except EdgeError as error:
            return Found(None, error.message)  # written by another version, or for another kind of target
        if privilege.unmanaged:
            return Found(any(entitlement in self._held(row) for row in self._seen.members.values()))
        traces = names.traces(entitlement, known)
        ours = {"bridge": self._seen.own(bridge_of(entitlement), known.get("bridge", ""))}
        if privilege.login:
            ours["login"] = self._seen.own(login_of(entitlement), known.get("login", ""))
        member = ours["login"] if privilege.login else traces["member"]
        row = self._seen.members.get((ours["bridge"].number, member.number))
        there = row is not None and (row[3] or not privilege.login)
        there = there and self._seen.leads(ours["bridge"].number, privilege, traces, self.server.home)
        every = {**traces, **ours, "system": NumberTrace(number=names.system)}
        return join(
            every.values(),
            there=there,
            called=self._held(row) if row is not None else (),
            numbers=tuple(sorted((what, one.number) for what, one in every.items() if one.number)),
        )

    def _held(self, row: tuple[Any, ...]) -> Iterator[Entitlement]:
        """Turn one membership into what it is access to; a bridge that leads nowhere gives nobody anything."""
        _, name, member, can_login, administered, *_ = row
        bridge, own = self._seen.ours.get(name), self._seen.ours.get(member)
        if bridge is not None and bridge.carries(own):
            if bridge.mark.target == self.name and bridge.live and (own is None or own.live):
                principal = own.mark.principal if own is not None else member
                yield Entitlement(self.name, bridge.mark.resource, principal, bridge.mark.privilege)
        elif can_login and (administered or bridge is not None):
            privilege = canonical({"member_of": name, "unmanaged": True})
            for resource in self._resources.get(name, ("",)):
                yield Entitlement(self.name, resource, member, privilege)

    def carry_out(self, orders: Sequence[Order]) -> Sequence[Done]:
        """Make changes in one transaction a database; one that is refused stops only itself."""
        recorded = {order.entitlement: order.numbers for order in orders if order.numbers}
        names = self.server.twice(lambda session: Names.take(session, recorded)) if recorded else None
        answers: list[Done | Job] = []
        groups: dict[str, list[Job]] = {}
        for order in orders:
            try:
                check_target(self.name, order.entitlement)
                job = job_of(order)
                job = followed(job, names) if names is not None and order.numbers else job
                if job.done is not None:
                    answers.append(job.done)
                    continue
                database = self._database(job)
                groups.setdefault(database, []).append(job)
            except EdgeError as error:
                answers.append(Done(error.message))
            else:
                answers.append(job)
        for database, jobs in sorted(groups.items()):
            PostgresBatch(self.server, database, jobs).run()
        return [answer if isinstance(answer, Done) else answer.done or Done() for answer in answers]

    def _database(self, job: Job) -> str:
        """Return where a job is done. A bridge is left in any database, so that one which was renamed keeps nobody in."""
        if job.numbers and not job.adds and job.privilege.database not in self.databases:
            return self.server.home
        return database_of(job.privilege, self.server, self.databases, self.name)


class _Seen(NamedTuple):
    """The last look: roles of ours by name; all that bear a mark by number, and memberships by both numbers, as rows."""

    ours: Mapping[str, _Ours]
    marked: Mapping[str, tuple[Any, ...]]
    members: Mapping[tuple[str, str], tuple[Any, ...]]

    def own(self, mark: Mark, number: str) -> NumberTrace:
        """Say what became of a role of ours: one with its number and its mark, else the one with its name and its mark.

        Where it is no more, nobody else can have it: its name is made of the mark, and we make it again.
        """
        row = self.marked.get(number)
        if row is not None and row[2] == mark.text:
            return NumberTrace(
                row[1], number, said="" if row[1] == mark.name else f"our {mark.name!r} is called {row[1]!r} now"
            )
        found = self.ours.get(mark.name)
        return NumberTrace(mark.name, found.number) if found is not None and found.mark == mark else NumberTrace()

    def leads(self, bridge: str, privilege: PostgresPrivilege, traces: Mapping[str, NumberTrace], home: str) -> bool:
        """Say whether a bridge, by its number, leads to what an entitlement is for."""
        *_, databases, _, _, roles, numbers = self.marked[bridge]
        if privilege.member_of:
            return traces["role"].number in roles
        return traces["database"].number in numbers if privilege.database else home in databases


class _Ours(NamedTuple):
    """A role of ours. ``live``: a bridge that leads somewhere, or a login that may log in."""

    mark: Mark
    privilege: PostgresPrivilege
    live: bool
    number: str

    @classmethod
    def of(cls, row: tuple[Any, ...], home: str) -> _Ours | None:
        _, name, comment, can_login, _, roles, databases, *_ = row
        mark = read_mark(name, comment)
        if mark is None:
            return None
        means = read_privilege(mark.privilege)
        return cls(mark, means, can_login if mark.principal else means.leads(roles, databases, home), row[7])

    def carries(self, member: _Ours | None) -> bool:
        """Say whether a member belongs here: a login on the bridge it was made for, anybody else on a plain one."""
        if self.mark.principal:
            return False
        if not self.privilege.login:
            return member is None
        return member is not None and replace(member.mark, principal="") == self.mark
