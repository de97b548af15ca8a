"""Making many changes in one database: one look, one transaction, and an answer for each change.

What always holds: a change that is refused stops only itself, by a savepoint; what is looked at and what is done is
about roles that are ours by their marks, so that no role of somebody else's is changed or dropped; the commit and the
end of the connections of those who lost access reach the server in one message, so that a run that dies after it
leaves nobody inside.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

import psycopg
from msgspec import Struct, field
from psycopg import sql

from daypass.core.errors import EdgeError
from daypass.core.plan import Action, Done, Entitlement, Order
from daypass.edges.targets.common import seal
from daypass.edges.targets.postgres import sql as say
from daypass.edges.targets.postgres.policy import (
    Mark,
    PostgresPrivilege,
    bridge_of,
    check_name,
    check_text,
    login_of,
    read_privilege,
)
from daypass.edges.targets.postgres.roles import GRANTED_BY, Names, PostgresRole, ServerRoles, advice, follow, in_part
from daypass.edges.targets.postgres.server import Server, Session, said


class Job(Struct):
    """One order with what it means here, and its answer once there is one.

    ``privilege``, ``bridge``, ``login`` and ``member`` have the names of today; ``numbers`` are those of roles of ours.
    """

    order: Order
    privilege: PostgresPrivilege
    bridge: str
    login: str = ""
    member: str = ""
    numbers: Mapping[str, str] = field(default_factory=dict)
    done: Done | None = None
    statements: list[sql.Composed] = field(default_factory=list)
    lost: tuple[int, int] | None = None
    closes: bool = False

    @property
    def entitlement(self) -> Entitlement:
        """What is given or taken."""
        return self.order.entitlement

    @property
    def adds(self) -> bool:
        """Whether access is given."""
        return self.order.action is Action.ADD


def job_of(order: Order) -> Job:
    """Read an order. Raises EdgeError for one that cannot be meant."""
    entitlement = order.entitlement
    privilege = read_privilege(entitlement.privilege)
    check_text(entitlement.resource, "resource")
    if privilege.login:
        check_text(entitlement.principal, "principal")
        return Job(order, privilege, bridge_of(entitlement).name, login_of(entitlement).name)
    check_name(entitlement.principal, "principal")
    return Job(order, privilege, bridge_of(entitlement).name, member=entitlement.principal)


def followed(job: Job, names: Names) -> Job:
    """Return a job about what was given, by its numbers, under the names of today; with its answer where it is no more.

    Raises EdgeError where nobody can tell what became of it, and for an addition to what is no more.
    """
    known = dict(job.order.numbers)
    traces = names.traces(job.entitlement, known)
    unknown = [one.unknown for one in traces.values() if one.unknown]
    gone = [one.gone for one in traces.values() if one.gone]
    if unknown or (gone and job.adds):
        raise EdgeError("; ".join(unknown or gone))
    if gone:
        job.done = Done()  # with the role itself its memberships went; whoever has its name now was given nothing by us
        return job
    job.privilege = follow(job.privilege, traces)
    job.member = traces["member"].name if "member" in traces else ""
    if known.get("system") == names.system:
        job.numbers = known
        job.bridge = names.role(known.get("bridge", "")) or job.bridge
        job.login = (names.role(known.get("login", "")) or job.login) if job.login else ""
    return job


class PostgresBatch:
    """Jobs of one database. `run` fills in every job's ``done``."""

    def __init__(self, server: Server, database: str, jobs: Sequence[Job]) -> None:
        self._server = server
        self._database = database
        self._jobs = jobs
        self._seen: ServerRoles
        self._logins: set[str] = set()
        """The logins that are there, as the jobs before leave them."""

    def run(self) -> None:
        """Make the changes. A failure of the whole is the answer to each that has none.

        Where the connection dies nobody knows whether the commit came through, so all is done again: each change may
        be made twice, and a login is given another secret, since nobody has seen the first one.
        """
        try:
            self._server.twice(self._attempt, self._database)
        except EdgeError as error:
            for job in self._open():
                job.done = Done(error.message)

    def _attempt(self, session: Session) -> None:
        for job in self._jobs:
            job.done, job.statements, job.lost, job.closes = None, [], None, False
        self._look(session)
        self._change(session)

    def _look(self, session: Session) -> None:
        """Read what stands there under every name that the jobs have to do with."""
        names = {name for job in self._jobs for name in (job.login, job.privilege.member_of) if name}
        names |= {job.member for job in self._jobs if not job.login}
        self._seen = ServerRoles.take(session, names, {job.bridge for job in self._jobs})
        self._logins = {job.login for job in self._jobs if job.login in self._seen.roles}

    def _change(self, session: Session) -> None:
        session.execute(b"BEGIN")
        try:
            if self._build_bridges(session):
                self._look(session)
            for job in self._open():
                try:
                    self._prepare(session, job)
                except EdgeError as error:
                    job.done = Done(error.message)
            self._execute(session)
            lost = [job.lost for job in self._open() if job.lost is not None]
            last = [sql.SQL("COMMIT"), *([say.end_connections(lost)] if lost and self._seen.may_end else [])]
            session.execute(sql.SQL("; ").join(last))
        except BaseException:
            with suppress(psycopg.Error):  # the first failure is what is told
                session.execute(b"ROLLBACK")
            raise
        for job in self._open():
            job.done = job.done or Done()
            if job.lost is not None and not self._seen.may_end:
                job.done = Done("the access is gone, but open connections stay: the credential lacks pg_signal_backend")

    def _open(self) -> Iterable[Job]:
        """Return the jobs that nothing speaks against so far."""
        return [job for job in self._jobs if job.done is None or not job.done.error]

    def _build_bridges(self, session: Session) -> bool:
        """See to the roles that hold what is to be given; one that cannot be built stops its own jobs alone.

        Returns whether any was built.
        """
        built = False
        first: dict[str, Job] = {}
        for job in self._jobs:
            if job.adds:
                first.setdefault(job.bridge, job)
        for name, job in first.items():
            try:
                self._seen.check_privilege(job.privilege)
                if not self._needs_work(name, job):
                    continue
                with session.transaction():
                    self._build(session, name, job)
                built = True
            except psycopg.Error as error:
                why = self._refused(session, error, job.privilege)
            except EdgeError as error:
                why = error.message
            else:
                continue
            for other in self._jobs:
                if other.adds and other.bridge == name:
                    other.done = Done(why)
        return built

    def _bridge(self, job: Job) -> PostgresRole | None:
        """Return the bridge of a job where it is there. Raises EdgeError where its name is somebody else's."""
        return self._seen.own(job.bridge, bridge_of(job.entitlement), job.numbers.get("bridge", ""))

    def _refused(self, session: Session, error: psycopg.Error, privilege: PostgresPrivilege) -> str:
        """Return what the server said of a bridge, and what to do where we may not give what it is to hold."""
        _pass_on_death(session, error)
        lacks = isinstance(error, psycopg.errors.InsufficientPrivilege) and privilege.in_schema
        return said(error) + (advice(session, self._seen.user, privilege) if lacks else "")

    def _needs_work(self, name: str, job: Job) -> bool:
        """Say whether a bridge must be made, mended, or shown tables that are new. Raises EdgeError if it is not ours."""
        here = self._bridge(job)
        if here is None or job.privilege.in_schema:
            return True
        if elsewhere := sorted(set(here.above.values()) - {job.privilege.member_of}):
            # It was renamed, and another role has its name: whoever is on the bridge would be given both.
            raise EdgeError(f"our role {name!r} leads to {elsewhere[0]!r}, and is for {job.privilege.member_of!r}")
        return not here.leads(job.privilege, self._database)

    def _build(self, session: Session, name: str, job: Job) -> None:
        """Build one bridge, or mend it. Raises EdgeError."""
        privilege = job.privilege
        here = self._seen.roles.get(name)
        if here is None:
            self._make(session, name, bridge_of(job.entitlement))
        elif not here.leads(privilege, self._database):
            # Whoever is still on a bridge that leads nowhere lost access long ago: it must not come back with another's.
            for member in sorted({member for member, *_ in here.members} - {self._seen.user}):
                for statement in self._seen.leave(session, name, member):
                    session.execute(statement)
        for statement in say.lead(name, privilege):
            session.execute(statement)
        if privilege.in_schema:
            self._check_whole(session, name, privilege)

    def _make(self, session: Session, name: str, mark: Mark) -> None:
        statements = say.make_bridge(name, mark.text)
        try:
            for statement in statements:
                session.execute(statement)
        except psycopg.errors.InsufficientPrivilege as error:
            text = "; ".join(part.as_string(session) for part in [*statements, say.administer(name, self._seen.user)])
            raise EdgeError(
                f"the credential lacks CREATEROLE, and there is no role {name!r}: a superuser may run {text}"
            ) from error

    def _check_whole(self, session: Session, name: str, privilege: PostgresPrivilege) -> None:
        """Refuse what was given in part: the server passes over what the credential may not pass on."""
        lacking = session.execute(say.LACKING, say.wanted(name, privilege)).fetchall()
        if lacking:
            raise EdgeError(in_part(session, self._seen.user, privilege, [what for (what,) in lacking]))

    def _prepare(self, session: Session, job: Job) -> None:
        """Find out what a job comes to. Raises EdgeError for one that cannot be done."""
        if job.login:
            self._prepare_login(session, job)
        elif job.adds:
            self._seen.check_principal(job.member, job.privilege)
            job.statements = [say.join(job.bridge, job.member, job.privilege)]
        else:
            self._prepare_removal(session, job)

    def _prepare_removal(self, session: Session, job: Job) -> None:
        member = self._seen.roles.get(job.member)
        role = self._seen.roles.get(job.privilege.member_of)
        bridge = self._bridge(job)
        if member is None:
            return
        if job.privilege.unmanaged:
            if role is None:
                return
            self._seen.check_role(job.privilege.member_of)
            job.statements = self._seen.leave(session, job.privilege.member_of, job.member, passed_on=False)
        elif bridge is not None:
            job.statements = self._seen.leave(session, job.bridge, job.member)
        what = role or bridge
        if what is not None:
            job.lost = (int(member.number), int(what.number))

    def _prepare_login(self, session: Session, job: Job) -> None:
        mark = login_of(job.entitlement)
        there = self._seen.own(job.login, mark, job.numbers.get("login", ""))
        if job.adds:
            assert job.order.until is not None  # noqa: S101  (every addition has an end)
            text, verifier = self._secret(session, job.login, job.privilege.database)
            sealed = seal(text, job.order.keys)
            job.statements = [
                *say.make_login(job.login, mark.text, verifier, job.order.until, exists=job.login in self._logins),
                say.join(job.bridge, job.login, job.privilege),
            ]
            self._logins.add(job.login)
            job.done = Done(handover=sealed)
        elif job.login in self._logins:
            job.statements = [say.drop_login(job.login)]
            self._logins.discard(job.login)
            job.lost = (int(there.number), 0) if there is not None else None

    def _secret(self, session: Session, user: str, database: str) -> tuple[str, str]:
        """Make a password. Returns what its owner needs to come in, and what the server needs to know it again.

        The server is told the verifier alone, as SCRAM has it (RFC 5803): the password is in no statement and no log.
        """
        password = secrets.token_urlsafe(24)
        verifier = session.pgconn.encrypt_password(password.encode(), user.encode(), b"scram-sha-256")
        return self._server.handed(user, password, database), verifier.decode("ascii")

    def _execute(self, session: Session) -> None:
        """Make all changes in one step; where that is refused, one by one, each by itself."""
        jobs = [job for job in self._open() if job.statements]
        if not jobs:
            return
        try:
            session.execute(say.in_one([part for job in jobs for part in job.statements]))
        except psycopg.Error as error:
            _pass_on_death(session, error)
            session.execute(say.BACK)
            for job in jobs:
                self._alone(session, job)

    def _alone(self, session: Session, job: Job) -> None:
        try:
            with session.transaction():
                for statement in job.statements:
                    session.execute(statement)
        except psycopg.Error as error:
            _pass_on_death(session, error)
            owns = isinstance(error, psycopg.errors.DependentObjectsStillExist)
            if job.login and owns and not job.closes:
                # Objects that the login owns forbid dropping it; nobody comes in by it any more all the same.
                self._close(session, job)
            else:
                job.done = Done(said(error) + self._who_may(session, error, job))

    def _close(self, session: Session, job: Job) -> None:
        job.closes = True
        try:
            left = self._seen.leave(session, job.bridge, job.login) if job.bridge in self._seen.roles else []
        except EdgeError as error:
            job.done = Done(error.message)
        else:
            job.statements = [say.close_login(job.login), *left]
            self._alone(session, job)

    def _who_may(self, session: Session, error: psycopg.Error, job: Job) -> str:
        """Say what lets us manage a role of ours that somebody else made, as from version 16 on CREATEROLE does not."""
        if not isinstance(error, psycopg.errors.InsufficientPrivilege) or self._seen.version < GRANTED_BY:
            return ""
        name = job.login if job.login and not job.adds else job.bridge
        return f" (a superuser may run {say.administer(name, self._seen.user).as_string(session)})"


def _pass_on_death(session: Session, error: psycopg.Error) -> None:
    """Raise the error again where the connection did not survive it: nothing more can be asked."""
    if session.closed:
        raise error
