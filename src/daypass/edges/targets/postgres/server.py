"""Reaching a PostgreSQL server: its address out of the environment, TLS that proves who answers, kept connections.

What always holds: no message quotes the address, and the password in it least of all; the server's certificate and name are
verified, unless the settings say otherwise *and* the server is on this machine; names are never looked up in a search
path that somebody else can write to; no wait is without an end. What may be done twice is done once more, on a new
connection, where the first one died.

libpq begins what it says of a failure with the place that it tried and lets advice follow on lines of its own, some of
which would have TLS weakened; psycopg repeats all of it for each place. What is kept is what failed, on one line.
"""

from __future__ import annotations

import re
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import psycopg
from psycopg import conninfo

from daypass.core.errors import EdgeError, InvalidError
from daypass.edges.targets.postgres.policy import OFF_ON_LOOPBACK

OLDEST = 14
"""The oldest version that its makers still mend (https://www.postgresql.org/support/versioning/)."""

_WEAK = frozenset({"disable", "allow", "prefer", "require", "verify-ca"})
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})

_PATIENCE = {"connect_timeout": 10, "tcp_user_timeout": 30_000, "keepalives_idle": 30, "keepalives_interval": 10}
_KNOWN = frozenset(
    {
        *("host", "hostaddr", "port", "dbname", "user", "password", "passfile", "sslmode", "sslrootcert", "sslcert"),
        *("sslkey", "sslcrl", "sslcrldir", "channel_binding", "connect_timeout", "application_name"),
    }
)
"""What an address may say. Others (options, service) could change who answers or how statements are read."""

_SETUP = b"""
SELECT set_config('search_path', '', false), set_config('TimeZone', 'UTC', false),
    set_config('lock_timeout', '10s', false),
    set_config('statement_timeout', '60s', false), set_config('idle_in_transaction_session_timeout', '60s', false)
"""

_PORT = "5432"

T = TypeVar("T")
Session = psycopg.Connection[tuple[Any, ...]]


def read_address(name: str, variable: str, url: str, tls: str) -> dict[str, Any]:
    """Return libpq's parameters for target ``name`` from the value of an environment variable.

    Raises EdgeError for a value that is no address, and InvalidError where address and settings disagree about TLS.
    """
    try:
        found: dict[str, Any] = dict(conninfo.conninfo_to_dict(url))
    except (psycopg.ProgrammingError, UnicodeError):  # the environment may hold bytes that are no text
        # libpq's own message quotes the value, which holds the password.
        raise EdgeError(
            f"target {name}: the value of {variable} is no address of a PostgreSQL server",
            hint="write postgresql://user:password@host:5432/database, with special characters percent-encoded",
        ) from None
    _check_whole(name, variable, url, found)
    for key in ("host", "user", "dbname"):
        if not found.get(key):
            raise EdgeError(f"target {name}: the address in {variable} names no {key}")
    strange = sorted(set(found) - _KNOWN)
    if strange:
        raise EdgeError(f"target {name}: the address in {variable} says {', '.join(strange)}, which is not taken")
    found.setdefault("hostaddr", "")  # or libpq would take another address from the environment, and another port
    found.setdefault("port", _PORT)
    return found | _encryption(name, variable, found, tls) | {"client_encoding": "utf8", "gssencmode": "disable"}


def places_of(address: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return every host and port that an address means: libpq tries several one after the other, by name or by number."""
    hosts = [str(address.get(key) or "").split(",") for key in ("host", "hostaddr")]
    most = max(map(len, hosts))
    ports = str(address.get("port") or _PORT).split(",")
    ports = ports * most if len(ports) == 1 else [*ports, *[""] * most]
    return [(host, ports[n] or _PORT) for names in hosts for n, host in enumerate(names) if host]


def _check_whole(name: str, variable: str, url: str, found: Mapping[str, Any]) -> None:
    """Refuse an address in which a part of the password is taken for another part, which messages could name."""
    inside = any("@" in place[1:] for place in str(found.get("host") or "").split(","))
    if inside or ("://" in url and url.partition("?")[0].count("@") > 1):
        raise EdgeError(
            f"target {name}: the address in {variable} has more than one @, so that its parts cannot be told apart",
            hint="percent-encode the password: write @ as %40, / as %2F, : as %3A and % as %25",
        )
    if not set(str(found.get("port") or "")) <= set("0123456789,"):
        raise EdgeError(
            f"target {name}: the address in {variable} has a port that is no number",
            hint="special characters of the password must be percent-encoded",
        )


def is_near(address: Mapping[str, Any]) -> bool:
    """Say whether an address can mean this machine alone: loopback, or a socket of the file system."""
    places = [place for key in ("host", "hostaddr") for place in str(address.get(key) or "").split(",") if place]
    return all(place in _LOOPBACK or place.startswith(("/", "@")) for place in places)


def _encryption(name: str, variable: str, found: Mapping[str, Any], tls: str) -> dict[str, Any]:
    mode = found.get("sslmode")
    if tls == OFF_ON_LOOPBACK:
        if not is_near(found):
            raise InvalidError(
                f"target {name}: tls: {OFF_ON_LOOPBACK} is for a server on this machine, and {variable} names another",
                hint="leave tls out: certificate and name of the server are verified then",
            )
        return {"sslmode": mode or "prefer"}
    if mode not in (None, "verify-full"):
        said = f"sslmode={mode}" if mode in _WEAK else "an sslmode"
        raise InvalidError(
            f"target {name}: the address in {variable} says {said}, which does not prove who answers",
            hint="write sslmode=verify-full, and sslrootcert=FILE for an authority of your own",
        )
    return {"sslmode": "verify-full", "sslrootcert": found.get("sslrootcert") or "system"}


class Server:
    """Connections to the databases of one server, made when they are used and kept."""

    def __init__(self, name: str, variable: str, address: Mapping[str, Any]) -> None:
        self.name = name
        self.variable = variable
        self.home: str = address["dbname"]
        self._address = {"application_name": "daypass", **address}
        self._open: dict[str, Session] = {}
        self._died: set[str] = set()
        """The databases to which a connection that had stood before died last."""
        weakref.finalize(self, _close, self._open)

    def handed(self, user: str, password: str, database: str) -> str:
        """Return the parameters that somebody else comes in by, from a machine of their own.

        No file of this machine is named there: an authority's certificate of one's own lies elsewhere at theirs (libpq
        looks in ~/.postgresql/root.crt). ``system`` is no file, and means the authorities that their machine trusts.
        """
        own: dict[str, Any] = {key: self._address[key] for key in ("host", "port", "sslmode") if key in self._address}
        own |= {"sslrootcert": "system"} if self._address.get("sslrootcert") == "system" else {}
        return conninfo.make_conninfo("", **own, dbname=database or self.home, user=user, password=password)

    def twice(self, work: Callable[[Session], T], database: str = "") -> T:
        """Do work that may be done twice; once more on a new connection where the first one died. Raises EdgeError."""
        database = database or self.home
        self._died.discard(database)
        try:
            with self._session(database) as session:
                return work(session)
        except EdgeError:
            if database not in self._died:
                raise
        with self._session(database) as session:
            return work(session)

    @contextmanager
    def _session(self, database: str) -> Iterator[Session]:
        """Hold the connection to a database; failures become EdgeError, and a dead connection is let go of."""
        try:
            held = self._open.get(database)
            if held is None or held.closed:
                held = self._open[database] = self._connect(database)
            yield held
        except psycopg.Error as error:
            found = self._open.get(database)
            if found is not None and (found.closed or isinstance(error, psycopg.OperationalError)):
                found.close()
                del self._open[database]
                self._died.add(database)
            raise self._told(error) from error
        except UnicodeError as error:
            # Names of roles are bytes that all databases share, each in the encoding of where it was made.
            raise EdgeError(
                f"target {self.name}: a name at the server is no UTF-8, so nobody can tell whose it is",
                hint="rename the role; it was made in a database with another encoding",
            ) from error

    def _connect(self, database: str) -> Session:
        made = psycopg.connect(
            **{**_PATIENCE, **self._address, "dbname": database, "target_session_attrs": "read-write"}, autocommit=True
        )
        try:
            self._check_version(made)
            made.prepare_threshold = None  # a pooler between us may not know what was prepared
            made.execute(_SETUP)
        except BaseException:
            made.close()
            raise
        return made

    def _check_version(self, session: Session) -> None:
        version = session.info.server_version // 10_000
        if version < OLDEST:
            raise EdgeError(f"target {self.name}: the server is PostgreSQL {version}, expected {OLDEST} or later")

    def _told(self, error: psycopg.Error) -> EdgeError:
        told = said(error)
        hint = hint_for(error.sqlstate, told, variable=self.variable, near=is_near(self._address))
        return EdgeError(f"target {self.name}: {told}", hint=hint)


def _close(sessions: dict[str, Session]) -> None:
    while sessions:
        sessions.popitem()[1].close()


_ATTEMPT = re.compile(r"connection to server .*? failed: (?:FATAL: +)?")
_PLACES = (
    (re.compile(r"failed to resolve host '.*?': (?:\[Errno -?\d+\] )?"), "the name of the host does not resolve: "),
    (re.compile(r" file \"[^\"]*\""), " file"),
    (re.compile(r" does not match host name \".*\""), " does not match the name of the host in the address"),
)
"""Where else an address is named, and what is said there."""

_HINTS = (
    (
        "28P01",
        r"password authentication failed",
        "the password is wrong or its VALID UNTIL has passed: set a new one and put it into {variable}",
    ),
    (
        "28000",
        r"no pg_hba\.conf entry|pg_hba\.conf rejects|is not permitted to log in",
        "the role needs LOGIN, and a line of the server's pg_hba.conf that lets it in from here by TLS",
    ),
    ("3D000", r"database \".*\" does not exist", "name a database that exists in {variable}, or create it"),
    (
        "53300",
        r"too many connections|too many clients|remaining connection slots",
        "the server takes no more connections: raise max_connections, or the CONNECTION LIMIT of role or database",
    ),
    (
        "",
        r"Connection refused|No such file or directory",
        "is the server running, and do host and port in {variable} lead to it?",
    ),
    ("", r"timeout expired", "nothing answers where {variable} leads: look at host, port and the firewalls on the way"),
    ("", r"does not resolve", "correct the host in {variable}"),
)
"""SQLSTATE, the words that stand for it, and the hint. A failed connect has no SQLSTATE, and English words only where
the server speaks English; elsewhere there is no hint."""

_NO_TLS = "server does not support SSL"


def said(error: psycopg.Error) -> str:
    """Return what the server said, or the library where no server did, on one line."""
    primary, detail = error.diag.message_primary, error.diag.message_detail
    if primary:
        return " ".join((f"{primary} ({detail})" if detail else primary).split())
    return _failed(str(error)) or "the connection was lost"


def hint_for(sqlstate: str | None, told: str, *, variable: str, near: bool) -> str:
    """Return what to do about a failure, "" where nothing is known. ``near``: the server is on this machine."""
    if _NO_TLS in told:
        off = "turn ssl on at the server"
        return f"{off}, or write `tls: off-on-loopback` for this target in policies/daypass.yaml" if near else off
    for code, words, hint in _HINTS:
        if (code and sqlstate == code) or (not sqlstate and re.search(words, told)):
            return hint.format(variable=variable)
    if "certificate" in told:
        return f"sslrootcert in {variable} names the file of the authority that signed the server's certificate"
    return ""


def _failed(text: str) -> str:
    """Return what libpq says of each attempt to connect, of several places once, or else its first line."""
    lines = text.splitlines()
    tried = [line[found.end() :] for line in lines if (found := _ATTEMPT.search(line))]
    told = "; ".join(dict.fromkeys(tried)) if tried else "".join(lines[:1])
    for place, instead in _PLACES:
        told = place.sub(instead, told)
    return " ".join((f"connection failed: {told}" if tried else told).split())
