"""A real SCIM 2.0 server for tests (`scim2-server`), in memory and on loopback, started once a process."""

from __future__ import annotations

import atexit
import subprocess
import sys
import time
from functools import cache
from pathlib import Path
from typing import Any

import requests

from servers.postgres import free_port

TOKEN = "scim-token-of-tests"
_PATIENCE = 30.0
_USER = "urn:ietf:params:scim:schemas:core:2.0:User"
_ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"


class ScimServer:
    """A running server; `empty` takes its users away."""

    def __init__(self) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}/v2"
        program = Path(sys.executable).with_name("scim2-server")
        assert program.exists(), f"{program} is missing: it comes with the extra dev"
        self._process = subprocess.Popen(
            [program, "--port", str(port), "--bearer-token", TOKEN],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        atexit.register(self._process.kill)
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {TOKEN}"
        patience = time.monotonic() + _PATIENCE
        while not self._answers():
            assert self._process.poll() is None
            assert time.monotonic() < patience
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            return self._session.get(f"{self.url}/ServiceProviderConfig", timeout=5).ok
        except requests.RequestException:
            return False

    def user(self, called: str, *, manager: str = "", **more: Any) -> str:
        """Make a user, and return its id."""
        body = {"schemas": [_USER], "userName": called, **more}
        if manager:
            body |= {"schemas": [_USER, _ENTERPRISE], _ENTERPRISE: {"manager": {"value": manager}}}
        answer = self._session.post(f"{self.url}/Users", json=body, timeout=10)
        assert answer.ok, answer.text
        return str(answer.json()["id"])

    def change(self, number: str, **values: Any) -> None:
        """Replace attributes of a user."""
        changes = [{"op": "replace", "path": path, "value": value} for path, value in values.items()]
        body = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": changes}
        answer = self._session.patch(f"{self.url}/Users/{number}", json=body, timeout=10)
        assert answer.ok, answer.text

    def delete(self, number: str) -> None:
        """Take a user away."""
        assert self._session.delete(f"{self.url}/Users/{number}", timeout=10).ok

    def empty(self) -> None:
        """Take every user away."""
        while rows := self._session.get(f"{self.url}/Users", timeout=10).json().get("Resources"):
            for row in rows:
                self.delete(row["id"])


@cache
def scim_server() -> ScimServer:
    """The server of this process."""
    return ScimServer()
