"""A real sshd on loopback, as a host that trusts daypass's CA has it, and real ssh clients that try to get in.

It runs as the user who runs the tests, at a free port, with a host key of its own, and that user's account is the one
that is logged in to: an sshd without root can open no other.
"""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

ACCOUNT = getpass.getuser()
_PATIENCE = 15.0


def need(*programs: str) -> None:
    """Fail with a clear message where OpenSSH's programs are missing."""
    missing = [program for program in programs if shutil.which(program) is None and not Path(program).exists()]
    assert not missing, f"{', '.join(missing)} not found: apt-get install openssh-server openssh-client"


def keygen(*arguments: str) -> str:
    need("ssh-keygen")
    done = subprocess.run(["ssh-keygen", "-q", *arguments], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def make_key(path: Path, kind: str = "ed25519", bits: int = 0) -> str:
    """Make a key pair and return the public half, type and base64."""
    keygen("-t", kind, *(["-b", str(bits)] if bits else []), "-N", "", "-C", "", "-f", str(path))
    return " ".join(path.with_name(f"{path.name}.pub").read_text().split()[:2])


@dataclass
class Sshd:
    """One server. ``krl`` is its RevokedKeys, which `fetch_list` brings up to date as a host's own cron would."""

    folder: Path
    ca: str
    principals: tuple[str, ...] = ("orders-ro",)
    port: int = 0
    log: Path = field(init=False)
    _process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        sshd = "/usr/sbin/sshd"
        need(sshd, "ssh")
        self.folder.mkdir(parents=True, exist_ok=True)
        self.log = self.folder / "sshd.log"
        make_key(self.folder / "host")
        (self.folder / "ca.pub").write_text(self.ca + "\n")
        (self.folder / "principals").write_text("".join(f"{p}\n" for p in self.principals))
        keygen("-k", "-f", str(self.krl), os.devnull)
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)  # where sshd, started as root, keeps its empty room
        for _ in range(5):
            self.port = _free_port()
            (self.folder / "sshd_config").write_text(self._config())
            command = [sshd, "-D", "-f", str(self.folder / "sshd_config"), "-E", str(self.log)]
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
            if self._listening():
                return self
            self.__exit__()
        raise AssertionError(f"sshd does not start: {self.log.read_text()}")

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            if self._process.poll() is None:
                os.kill(self._process.pid, signal.SIGTERM)
            self._process.wait(_PATIENCE)
            self._process = None

    @property
    def krl(self) -> Path:
        return self.folder / "revoked.krl"

    def fetch_list(self, source: Path) -> None:
        """Do what a host does every minute: take the list, look whether it is one, put it in its place in one step."""
        fresh = self.folder / "revoked.new"
        shutil.copy(source, fresh)
        keygen("-Q", "-l", "-f", str(fresh))
        fresh.replace(self.krl)

    def _config(self) -> str:
        return f"""
ListenAddress 127.0.0.1:{self.port}
HostKey {self.folder}/host
PidFile none
StrictModes no
UsePAM no
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
AuthorizedKeysFile none
TrustedUserCAKeys {self.folder}/ca.pub
RevokedKeys {self.krl}
AuthorizedPrincipalsFile {self.folder}/principals
LogLevel VERBOSE
"""

    def _listening(self) -> bool:
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:
                return False
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return True
            time.sleep(0.05)
        return False

    def login(self, key: Path, certificate: str = "", command: str = "echo in", source: str = "127.0.0.1") -> Login:
        """Try to get in with a private key and, where one is given, a certificate for it."""
        given = []
        if certificate:
            file = self.folder / f"{key.name}-{time.monotonic_ns()}-cert.pub"
            file.write_text(certificate + "\n")
            given = ["-o", f"CertificateFile={file}"]
        known = self.folder / "known_hosts"
        known.write_text(f"[127.0.0.1]:{self.port} {(self.folder / 'host.pub').read_text()}")
        before = self.log.stat().st_size
        done = subprocess.run(
            [
                *("ssh", "-F", "none", "-p", str(self.port), "-b", source, "-i", str(key), *given),
                *("-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none", "-o", "BatchMode=yes"),
                *("-o", f"UserKnownHostsFile={known}", "-o", "StrictHostKeyChecking=yes"),
                *(f"{ACCOUNT}@127.0.0.1", command),
            ],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=60,
            check=False,
        )  # fmt: skip
        return Login(done.returncode == 0, done.stdout, done.stderr, self.log.read_text()[before:])


@dataclass(frozen=True)
class Login:
    """What came of a try: whether the subject was in, what they saw, and what sshd wrote into its log."""

    ok: bool
    out: str
    err: str
    log: str


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
