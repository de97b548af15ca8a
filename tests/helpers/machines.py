"""Machines that apply one repository at GitHub's double, each with a clone and a state of its own; the server may be away."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

from daypass.edges.targets.embedded.target import EmbeddedTarget
from driver import Said
from hub import Hub

GIT = r"/acme/access\.git/.*"
AT = {"apply", "expire", "gate", "status", "drift", "people"}


class Machines:
    """One repository at GitHub and the machines that apply it, each with a clone and a state folder of its own."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.store = hub.top / "target" / "embedded.sqlite"
        self.store.parent.mkdir(mode=0o700)

    def state(self, machine: str) -> Path:
        return self.hub.top / f"state-{machine}"

    def outbox(self, machine: str) -> Path:
        return self.state(machine) / "outbox.sqlite"

    def run(self, machine: str, *arguments: str, expect: int | None = 0, **more: str) -> Said:
        """Run as the App on a machine; the target is one for all."""
        place = self.hub.top / "clones" / machine
        if not place.exists():
            self.hub.clone(machine)
        environ = {"DAYPASS_STATE": str(self.state(machine)), **more}
        at = ("--at", f"{self.hub.now():%Y-%m-%dT%H:%M:%SZ}") if arguments[0] in AT else ()
        with self.one_target():
            return self.hub.run(*arguments, *at, folder=place, expect=expect, environ=environ)

    @contextmanager
    def one_target(self) -> Iterator[None]:
        """Let all machines have one store, as they would have one server: each has a folder of its own else."""
        make = EmbeddedTarget.__init__
        with patch.object(EmbeddedTarget, "__init__", lambda target, _, name: make(target, self.store, name)):
            yield

    def give(self, who: str, *, duration: str = "2h") -> None:
        """Ask and merge; no run has given it yet."""
        wish = self.hub.grant(subject=who, resource="staging", role="deploy", duration=duration)
        self.run("gate", "gate", str(self.hub.request_pull(who, wish)))

    def held(self) -> set[str]:
        """Who has access at the target."""
        with self.one_target():
            return {e.principal for e in EmbeddedTarget(self.store, "embedded").observe()}

    def receipts(self) -> list[dict[str, object]]:
        """The predicates of all receipts at the remote."""
        import base64

        names = self.hub.bare("ls-tree", "-r", "--name-only", "daypass-ledger").splitlines()
        raws = (json.loads(self.hub.bare("show", f"daypass-ledger:{name}")) for name in names)
        return [json.loads(base64.b64decode(raw["payload"]))["predicate"] for raw in raws]

    def late(self) -> list[tuple[object, bool]]:
        """The receipts that came from outboxes: kind, and whether it is a second witness."""
        away = [(one["kind"], one["away"]) for one in self.receipts() if "away" in one]
        return [(kind, bool(mark.get("witness"))) for kind, mark in away if isinstance(mark, dict)]

    def proves(self) -> str:
        """What an auditor without any right finds in a clone."""
        return self.hub.run("audit", "verify", who="erin").out

    @contextmanager
    def away(self, path: str = GIT) -> Iterator[None]:
        """Let the server answer nobody who asks for this."""
        self.hub.double.faults.add("*", path, times=10_000, drop=True)
        try:
            yield
        finally:
            self.hub.double.faults.clear()
