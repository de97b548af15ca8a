"""Asking a server of HashiCorp Vault or OpenBao: a few calls of its HTTP API, each answer held to what is expected.

No message shows the token or what was sent. A redirect is not followed: the token would go wherever it points.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import requests

from daypass.core.errors import EdgeError

_PATIENCE = (10, 30)
_MISSING, _DENIED = 404, 403


class VaultServer:
    """One server, or one namespace of it. ``verify`` is a file of authorities, True for those of certifi."""

    def __init__(self, name: str, address: str, token: str, namespace: str, verify: str | bool) -> None:
        self.name = name
        self._address = address
        self._verify = verify
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy and no .netrc of the machine takes part
        self._session.headers.update({"X-Vault-Token": token, "X-Vault-Request": "true"})
        if namespace:
            self._session.headers["X-Vault-Namespace"] = namespace

    def read(self, path: str) -> Mapping[str, Any] | None:
        """Return what stands at a path, None where nothing does. Raises EdgeError."""
        return self._data(self._ask("GET", path), path)

    def names(self, path: str) -> tuple[str, ...]:
        """Return the names below a path; none where nothing is there. Raises EdgeError."""
        data = self._data(self._ask("LIST", path), path)
        keys = data.get("keys") if data is not None else []
        if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
            raise EdgeError(f"target {self.name}: the server's list of {path} cannot be read")
        return tuple(keys)

    def write(self, path: str, data: Mapping[str, Any]) -> Mapping[str, Any]:
        """Write, and return what the server says of it. Raises EdgeError."""
        answer = self._ask("POST", path, data)
        if answer.status_code == _MISSING:
            raise EdgeError(f"target {self.name}: the server has nothing at {path}")
        said = self._json(answer, path).get("data") if answer.content else None  # there may be warnings alone
        return said if isinstance(said, dict) else {}

    def delete(self, path: str) -> None:
        """Take away what stands at a path; nothing there is nothing to do. Raises EdgeError."""
        self._ask("DELETE", path)

    def health(self) -> Mapping[str, Any]:
        """Return what the server says of itself. Raises EdgeError where it is sealed or not reached."""
        found = self._json(self._ask("GET", "sys/health?standbyok=true"), "sys/health")
        if found.get("sealed") is not False:
            raise EdgeError(f"target {self.name}: the server is sealed")
        return found

    def _ask(self, method: str, path: str, data: Mapping[str, Any] | None = None) -> requests.Response:
        about = path.startswith("sys/health")  # a namespace has no health of its own
        try:
            answer = self._session.request(
                method,
                f"{self._address}/v1/{path}",
                headers={"X-Vault-Namespace": ""} if about else None,
                json=data,
                timeout=_PATIENCE,
                allow_redirects=False,
                verify=self._verify,
            )
        except requests.RequestException as error:
            raise EdgeError(f"target {self.name}: the server does not answer: {type(error).__name__}") from None
        if answer.status_code == _DENIED:
            raise EdgeError(
                f"target {self.name}: the token may not {method} {path.partition('?')[0]}: permission denied",
                hint="docs/targets/vault.md has the policy that daypass's token needs; `daypass doctor` looks at it",
            )
        if not answer.ok and answer.status_code != _MISSING:
            raise EdgeError(
                f"target {self.name}: the server answers {method} {path.partition('?')[0]} with {answer.status_code}"
            )
        if answer.is_redirect:
            raise EdgeError(f"target {self.name}: the server points elsewhere", hint="name the active server itself")
        return answer

    def _data(self, answer: requests.Response, path: str) -> Mapping[str, Any] | None:
        if answer.status_code == _MISSING:
            if self._json(answer, path).get("errors"):  # what is not there has no errors; a mount that is not, has one
                raise EdgeError(f"target {self.name}: the server has nothing mounted at {path}")
            return None
        found = self._json(answer, path).get("data")
        if not isinstance(found, dict):
            raise EdgeError(f"target {self.name}: the server's answer for {path} cannot be read")
        return found

    def _json(self, answer: requests.Response, path: str) -> Mapping[str, Any]:
        try:
            found = answer.json()
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise EdgeError(f"target {self.name}: the server's answer for {path} cannot be read")
        return found
