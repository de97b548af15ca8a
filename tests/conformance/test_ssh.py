from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import ClassVar

import pytest

from conformance.suite import NAME, TargetContract
from copies import once
from daypass.core.bounds.settings import TargetSettings
from daypass.core.plan import Entitlement
from daypass.core.planning.drift import Traits
from daypass.edges.targets.registry import open_target
from daypass.edges.targets.ssh.target import SshTarget
from daypass.ports import Recalling, Target
from servers.sshd import Sshd, make_key


class TestSsh(TargetContract):
    """A real sshd stands for the hosts: it trusts the CA, lists the role's principal and fetches the list each time."""

    kind = "ssh"
    traits = Traits(hands_over=True)
    ends_by_itself = True
    abilities = frozenset({Recalling})
    privileges = ({"principals": ["orders-ro"]}, {"principals": ["orders-admin"], "extensions": ["permit-pty"]})
    window = timedelta(seconds=8)
    lacks: ClassVar = {
        "reading": "nobody can see which certificates exist, so the ledger's word stands",
        "resources": "a certificate opens every host that lists its principals",
        "strangers": "the CA signs for a key, and does not know who logs in where",
        "privileges": "the CA does not know which principals the hosts list",
        "network": "certificates are made on this machine, and no host is asked",
        "credentials": "the CA's key is no login: nobody lets daypass in",
        "limits": "it has no server that could ask to wait",
        "time": "no host is asked; a certificate is good from a minute before, for hosts whose clocks are behind",
        "principals' names": "a certificate is made for a key and names no account: whoever holds the key gets in until its end",
        "places' names": "a certificate names the principals that hosts list; it ends by itself whatever they list since",
    }

    @pytest.fixture(autouse=True)
    def _keys(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        names = ("ca", "alice", "somebody-else")
        keys = once("keys of a host's users", lambda folder: [make_key(folder / name) for name in names])
        self.ca, alice, _ = (" ".join((keys / f"{name}.pub").read_text().split()[:2]) for name in names)
        self.keys = (alice,)
        self.private_key = keys / "alice"
        self.hosts: dict[Path, Sshd] = {}
        monkeypatch.setenv("TEST_CA_KEY", str(keys / "ca"))
        yield
        for host in self.hosts.values():
            host.__exit__()

    def make(self, folder: Path) -> SshTarget:
        found = open_target(TargetSettings(NAME, "ssh", {"ca_key_env": "TEST_CA_KEY"}), folder)
        assert isinstance(found, SshTarget)
        if not found.krl.exists():
            found.recall(())  # as a ledger says in which nothing was handed over
        return found

    def spoil(self, target: Target) -> None:
        raise AssertionError("what nobody can read cannot be made unreadable")

    def enters(self, folder: Path, one: Entitlement, handover: str) -> bool:
        if folder not in self.hosts:
            self.hosts[folder] = Sshd(folder / "host", self.ca).__enter__()
        host, krl = self.hosts[folder], folder / f"{NAME}.krl"
        if krl.exists():
            host.fetch_list(krl)
        assert self.private_key is not None
        mine = one.principal == self.principals[0]
        return host.login(self.private_key if mine else self.private_key.with_name("somebody-else"), handover).ok
