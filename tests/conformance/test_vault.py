from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import ClassVar

import pytest

from conformance.suite import NAME, TargetContract, page_block
from daypass.core.bounds.settings import TargetSettings
from daypass.core.ids import canonical
from daypass.core.plan import Entitlement
from daypass.core.planning.drift import Traits
from daypass.edges.targets.vault.policy import mark_of
from daypass.edges.targets.vault.target import VaultTarget, open_vault
from daypass.ports import Fingerprinting, Observing, Target
from servers.openbao import AUDIENCE, ISSUER, openbao
from servers.proxy import Proxy

LEAST = page_block("vault", "least-privilege")
_WEAK = """
path "sys/policies/acl" { capabilities = ["list"] }
path "auth/jwt/role" { capabilities = ["list"] }
path "sys/capabilities-self" { capabilities = ["update"] }
"""


def claims(subject: str) -> str:
    return canonical({"issuer": ISSUER, "subject": subject})


class TestVault(TargetContract):
    """A real OpenBao, behind a proxy that breaks as networks do; each world is a namespace of its own."""

    kind = "vault"
    traits = Traits(marks=True)
    abilities = frozenset({Observing, Fingerprinting})
    ends_by_itself = True
    observing = 2002
    principals = tuple(claims(f"repo:acme/{name}:environment:production") for name in ("orders", "payroll", "web"))
    privileges = ({"paths": {"secret/orders/*": ["read"]}}, {"paths": {"secret/orders/*": ["list", "read", "update"]}})
    examples = 8
    lacks: ClassVar = {
        "strangers": "the server does not know for whom an issuer makes tokens",
        "privileges": "a policy may name paths at which nothing lies yet",
        "limits": "what a quota refuses fails, and the next run tries it again",
        "time": "the server ends access by its own clock; `targets` and `doctor` compare it with ours",
        "principals' names": "a workload is known by the very text of its claims: they are the number",
        "places' names": "a policy names paths by their text: what lies there is what is meant",
    }

    @pytest.fixture(autouse=True)
    def _server(self) -> Iterator[None]:
        self.server = openbao()
        self.spaces: dict[Path, tuple[str, str]] = {}
        with Proxy(self.server.port) as self.proxy:
            yield

    def make(self, folder: Path) -> VaultTarget:
        return self._open(*self._space(folder))

    def _space(self, folder: Path) -> tuple[str, str]:
        if folder not in self.spaces:
            space = self.server.space()
            self.spaces[folder] = space, self.server.made(LEAST.replace("TARGET", NAME), space=space)
        return self.spaces[folder]

    def give_many(self, target: Target, folder: Path, ones: Sequence[Entitlement]) -> None:
        direct = self._open(*self._space(folder), port=self.server.port)  # two thousand writes, past the proxy
        super().give_many(direct, folder, ones)

    def _open(self, space: str, token: str, port: int = 0) -> VaultTarget:
        options = {"url_env": "ADDRESS", "token_env": "TOKEN", "audience": AUDIENCE, "namespace": space}
        address = f"http://127.0.0.1:{port or self.proxy.port}"
        return open_vault(TargetSettings(NAME, "vault", options), {"ADDRESS": address, "TOKEN": token})

    def spoil(self, target: Target) -> None:
        for space, _ in self.spaces.values():
            self.server.boss("DELETE", "sys/auth/jwt", space=space)

    def calls(self, folder: Path) -> int:
        return sum(piece.count(b" /v1/") for piece in self.proxy.sent)

    def welcome(self, folder: Path, ones: Iterable[Entitlement]) -> None:
        self._space(folder)

    def takes(self, principal: str) -> bool:
        return principal.startswith("{") and "issuer" in principal

    def numbered(self, n: int) -> str:
        return claims(f"repo:acme/service-{n}:environment:production")

    def enters(self, folder: Path, one: Entitlement, handover: str) -> bool:
        space, _ = self._space(folder)
        token, _ = self.server.login(space, mark_of(one).name, sub=json.loads(one.principal)["subject"])
        return self.server.reads(space, token)

    def cut(self, folder: Path, moment: str) -> None:
        if moment == "before":
            self.proxy.refuse = True
            self.proxy.cut_all()
        elif moment == "during":
            self.proxy.cut_before = b"/v1/auth/jwt/role/daypass-"
        else:
            self.proxy.cut_after = b"/v1/auth/jwt/role/daypass-"

    def mend(self, folder: Path) -> None:
        self.proxy.refuse = False
        self.proxy.cut_before = self.proxy.cut_after = b""

    def with_credential(self, folder: Path, state: str) -> tuple[Target, str, str]:
        space, _ = self._space(folder)
        if state == "wrong":
            return self._open(space, "s.not-a-token"), "permission denied", "s.not-a-token"
        if state == "too strong":
            return self._open(space, "root-of-tests"), "the token is root's", "root-of-tests"
        if state == "expired":
            token = self.server.made(LEAST.replace("TARGET", NAME), space=space, ttl="1s")
            time.sleep(1.2)
            return self._open(space, token), "permission denied", token
        token = self.server.made(_WEAK, space=space)
        return self._open(space, token), "the token may not", token

    def least_privilege(self) -> str:
        return LEAST
