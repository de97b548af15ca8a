"""An SSH target with a CA of its own, and a subject with keys, for the tests beside this file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from daypass.core.bounds.settings import TargetSettings
from daypass.core.ids import GrantId, canonical
from daypass.core.ledger.receipt import Genesis, Outcome, Receipt
from daypass.core.ledger.standing import Standing, fold
from daypass.core.plan import Action, Done, Entitlement, Intended, Order, Reason
from daypass.edges.targets.registry import open_target
from daypass.edges.targets.ssh.target import SshTarget
from servers.sshd import make_key

NAME = "bastion"
HOUR = timedelta(hours=1)


def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def entitlement(principal: str = "alice", resource: str = "orders-db", **privilege: Any) -> Entitlement:
    return Entitlement(NAME, resource, principal, canonical(privilege or {"principals": ["orders-ro"]}))


@dataclass
class World:
    """One machine that applies. ``ledger`` is what receipts say; `carry` is a run of one order, as the pipeline does it."""

    folder: Path
    options: Mapping[str, Any] = field(default_factory=dict)
    receipts: list[Receipt] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        if not (self.folder / "ca").exists():
            make_key(self.folder / "ca")
            make_key(self.folder / "alice")
        if not self.receipts:
            self.receipts.append(Receipt(0, "", now(), "", "run", Genesis(()), "sha256:0"))

    @property
    def ca(self) -> str:
        return " ".join((self.folder / "ca.pub").read_text().split()[:2])

    @property
    def key(self) -> Path:
        return self.folder / "alice"

    @property
    def public(self) -> str:
        return " ".join((self.folder / "alice.pub").read_text().split()[:2])

    @property
    def krl(self) -> Path:
        return self.folder / "state" / f"{NAME}.krl"

    def open(self) -> SshTarget:
        settings = TargetSettings(NAME, "ssh", {"ca_key_env": "BASTION_CA", "ca": self.ca} | dict(self.options))
        found = open_target(settings, self.folder / "state")
        assert isinstance(found, SshTarget)
        return found

    def standing(self) -> Standing:
        return fold(self.receipts)

    def orders(self, *orders: Order) -> list[Done]:
        """Do what a run does with a target: tell it what the ledger says, have orders carried out, write receipts."""
        at = orders[0].at
        target = self.open()
        target.recall(self.standing().handed(NAME, at))
        found = list(target.carry_out(orders))
        for order, done in zip(orders, found, strict=True):
            change = Intended(
                order.action, order.entitlement, (GrantId("orders-db/a"),), Reason.WINDOW_OPENED, at,
                order.until if order.action is Action.ADD else None,
            )  # fmt: skip
            outcome = Outcome(change, not done.error, done.error, handover=done.handover)
            self.receipts.append(Receipt(len(self.receipts), "", at, "", "run", outcome, ""))
        return found

    def give(self, one: Entitlement, at: datetime, until: datetime, *keys: str) -> str:
        (done,) = self.orders(Order(Action.ADD, one, at, until, keys or (self.public,)))
        assert not done.error, done.error
        return done.handover

    def take(self, one: Entitlement, at: datetime) -> None:
        held = self.standing().holdings.get(one)
        (done,) = self.orders(Order(Action.REMOVE, one, at, held.until if held else None))
        assert not done.error, done.error
