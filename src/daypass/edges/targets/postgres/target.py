"""The target ``postgres``: roles, privileges and logins at a PostgreSQL server.

See policy.py for what may be given and how it stands at the server, and docs/targets/postgres.md for what an
administrator needs to know. ``databases`` are those that privileges on schemas may name, besides the address's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from daypass.core.bounds.settings import TargetSettings
from daypass.core.errors import EdgeError
from daypass.core.ids import canonical, digest
from daypass.core.plan import Done, Entitlement, Found, Numbers, Order
from daypass.core.planning.drift import Health, Inspection, Traits
from daypass.core.record import replace
from daypass.edges.pins import hold
from daypass.edges.targets.common import NumberTrace, check_target, join, understood
from daypass.edges.targets.postgres import sql as say
from daypass.edges.targets.postgres.batch import Job, PostgresBatch, followed, job_of
from daypass.edges.targets.postgres.health import inspect, look_around, not_revocable
from daypass.edges.targets.postgres.policy import (
    Mark,
    PostgresPrivilege,
    bridge_of,
    login_of,
    read_options,
    read_privilege,
)
from daypass.edges.targets.postgres.roles import Names, PostgresRole, database_of, not_given
from daypass.edges.targets.postgres.server import Server, places_of, read_address
from daypass.edges.targets.registry import NOTHING, Known
from daypass.ports import Fingerprinting, Numbering, Timed

AT_ONCE = 1000
"""Changes in one transaction."""


def open_postgres(settings: TargetSettings, environ: Mapping[str, str], known: Known = NOTHING) -> PostgresTarget:
    """Open the target with the address that ``url_env`` names in ``environ``; nothing is sent yet.

    Raises InvalidError for a bad option and EdgeError when the environment holds no usable address.
    """
    name = settings.name
    variable, databases, tls, expected, pins = read_options(settings)
    url = environ.get(variable, "")
    if not url:
        raise EdgeError(
            f"target {name}: the environment variable {variable} is not set",
            hint=f"put the server's address into {variable}: postgresql://user:password@host:5432/database",
        )
    address = read_address(name, variable, url, tls)
    hold(f"target {name}", variable, places_of(address), pins)
    server = Server(name, variable, address)
    return PostgresTarget(name, server, known, databases, expected)


class PostgresTarget(Fingerprinting, Numbering, Timed):
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
        self._self: tuple[str, ...] = ()
        """As whom the last `observe` looked, by name and number, at which database, and whose numbers those are."""
        self._marked: Mapping[str, PostgresRole] = {}
        """By number, the roles that bore a mark at the last `observe`."""
        self._ours: Mapping[str, PostgresRole] = {}
        """By name, those of them that are ours."""
        self._members: Mapping[tuple[str, str], tuple[str, str, bool, bool]] = {}
        """By both numbers, who was a member of what: role, member, whether it can log in, whether the role is ours to give."""

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
        self._self = next((row[1], row[2], row[4], row[8]) for row in rows if row[0] == "self")
        self._marked = {row[2]: PostgresRole(*row[1:7]) for row in rows if row[0] == "role"}
        self._ours = {role.name: role for role in self._marked.values() if role.mark is not None}
        self._members = {(row[2], row[8]): (row[1], row[4], row[3], row[7]) for row in rows if row[0] == "member"}
        return frozenset(one for member in self._members.values() for one in self._held(*member))

    def fingerprint(self) -> Mapping[str, str]:
        """Return a digest of the rows that the last `observe` saw, but for the time.

        What `find` asks besides are the names and numbers of what these rows name, where they give what is ours.
        """
        if not self._self:
            raise EdgeError(f"target {self.name} was not looked at yet")
        roles = [
            [number, role.name, role.can_login, role.comment, role.above, role.databases]
            for number, role in sorted(self._marked.items())
        ]
        return {"": digest({"self": self._self, "roles": roles, "members": sorted(self._members.items())})}

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
            return Found(any(entitlement in self._held(*member) for member in self._members.values()))
        traces = names.traces(entitlement, known)
        ours = {"bridge": self._own(bridge_of(entitlement), known.get("bridge", ""))}
        if privilege.login:
            ours["login"] = self._own(login_of(entitlement), known.get("login", ""))
        who = ours["login"] if privilege.login else traces["member"]
        member = self._members.get((ours["bridge"].number, who.number))
        there = member is not None and (member[2] or not privilege.login)
        there = there and self._leads(self._marked[ours["bridge"].number], privilege, traces)
        every = {**traces, **ours, "system": NumberTrace(number=names.system)}
        return join(
            every.values(),
            there=there,
            called=self._held(*member) if member is not None else (),
            numbers=tuple(sorted((what, one.number) for what, one in every.items() if one.number)),
        )

    def _own(self, mark: Mark, number: str) -> NumberTrace:
        """Say what became of a role of ours: one with its number and its mark, else the one with its name and its mark.

        Where it is no more, nobody else can have it: its name is made of the mark, and we make it again.
        """
        role = self._marked.get(number)
        if role is not None and role.comment == mark.text:
            said = "" if role.name == mark.name else f"our {mark.name!r} is called {role.name!r} now"
            return NumberTrace(role.name, number, said=said)
        found = self._ours.get(mark.name)
        return NumberTrace(mark.name, found.number) if found is not None and found.mark == mark else NumberTrace()

    def _leads(self, bridge: PostgresRole, privilege: PostgresPrivilege, traces: Mapping[str, NumberTrace]) -> bool:
        """Say whether a bridge leads to what an entitlement is for, by its number where one is known."""
        if privilege.member_of:
            return traces["role"].number in bridge.above
        return (
            traces["database"].number in bridge.databases
            if privilege.database
            else bridge.leads(privilege, self.server.home)
        )

    def _held(self, role: str, member: str, can_login: bool, administered: bool) -> Iterator[Entitlement]:
        """Turn one membership into what it is access to; a bridge that leads nowhere gives nobody anything."""
        bridge, own = self._ours.get(role), self._ours.get(member)
        mark, login = bridge.mark if bridge is not None else None, own.mark if own is not None else None
        if bridge is not None and mark is not None and bridge.carries(login):
            if mark.target == self.name and bridge.live and (own is None or own.live):
                principal = login.principal if login is not None else member
                yield Entitlement(self.name, mark.resource, principal, mark.privilege)
        elif can_login and (administered or bridge is not None):
            privilege = canonical({"member_of": role, "unmanaged": True})
            for resource in self._resources.get(role, ("",)):
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
