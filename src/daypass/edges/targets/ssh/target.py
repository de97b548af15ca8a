"""The SSH target: access is a certificate, handed to the subject, that ends by itself with the window.

Nobody can see which certificates exist, and none can be called back: what was given is what the ledger says, and what
must end before its time is put on the key revocation list, which hosts fetch. What counts is therefore the ledger:
`recall` tells it before each run's changes, so that a list that was lost, or came back from an old backup, is whole
again before anything else is done.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daypass.core.errors import EdgeError
from daypass.core.plan import Action, Done
from daypass.core.planning.drift import Health, Inspection, Traits
from daypass.core.window import format_instant
from daypass.edges.targets.common import check_target
from daypass.edges.targets.ssh import certificate, revoked
from daypass.edges.targets.ssh.authority import Source, open_authority, read_options
from daypass.ports import Recalling

if TYPE_CHECKING:
    from datetime import datetime

    from daypass.core.bounds.settings import TargetSettings
    from daypass.core.ledger.records import Handed
    from daypass.core.plan import Entitlement, Order

_GOOD_RSA = 3072


class SshTarget(Recalling):
    """The certificates of one target, ``name``; ``krl`` is its key revocation list. Implements ports.Target.

    It is not `Observing`: an empty answer would look like "no access".
    """

    traits = Traits(hands_over=True)

    def __init__(self, name: str, source: Source, krl: Path, environ: Mapping[str, str]) -> None:
        self.name = name
        self.krl = krl
        self._source = source
        self._environ = environ
        self._key: tuple[Any, str] | None = None
        self._good: dict[Entitlement, dict[str, datetime]] = {}
        """The certificates that are good, one a line, each with its own end."""
        self._listed: dict[str, revoked.Entry] = {}
        """The certificates on the list, one a line."""
        self._told = False
        """Whether the ledger was heard: what is not known then was never handed over."""

    def inspect(self) -> Inspection:
        """Say that no host is asked."""
        return Inspection(
            ("the certificates that the ledger says were handed over",),
            (
                "authorized_keys, passwords and other authorities on hosts, and who may become root there",
                "which hosts trust this authority, and whether they have fetched the list of what ended early",
            ),
        )

    def health(self) -> Health:
        """Say which CA signs, where its key is, and how the list stands. Raises EdgeError when it cannot sign."""
        key, where = self._authority()
        line = certificate.public_line(key.public_key())
        facts = [f"the CA {certificate.fingerprint(line)} ({line.partition(' ')[0]}), its key {where}"]
        concerns = []
        if getattr(key, "key_size", _GOOD_RSA) < _GOOD_RSA and line.startswith("ssh-rsa"):
            concerns.append(f"the CA's key has {key.key_size} bits; {_GOOD_RSA} or more, or ed25519, are better")
        if not self._source.variable:
            key.sign(b"daypass looks whether this key signs")  # no certificate begins like this
        on_it = revoked.listed(self.krl)
        if not self.krl.exists():
            facts.append(f"the key revocation list {self.krl} is not there yet; the next apply makes it")
        elif on_it is None:
            concerns.append(f"the key revocation list {self.krl} is not whole; the next apply makes it anew")
        else:
            facts.append(f"the key revocation list {self.krl} names {len(on_it)} certificates")
        return Health(tuple(facts), tuple(concerns))

    def recall(self, handed: Sequence[Handed]) -> None:
        """Be told all that was handed over and is good by itself at the run's instant; bring the list up to it.

        Whatever is on the list and still good by itself stays there: a run that died may have put it there. Raises
        EdgeError when a certificate or the list cannot be read or written.
        """
        before = revoked.listed(self.krl)
        self._good, self._listed, self._told = {}, {}, True
        for one in handed:
            good = self._good.setdefault(one.entitlement, {})
            for line in one.text.splitlines() if certificate.is_certificate(one.text) else ():
                entry = certificate.entry_of(line)
                if one.ended or (before and revoked.shown([entry]) <= before):
                    self._listed[line] = entry
                else:
                    good[line] = one.until
        if before != revoked.shown(self._listed.values()):
            revoked.write_list(self.krl, self._listed.values())

    def carry_out(self, orders: Sequence[Order]) -> Sequence[Done]:
        """Make and revoke certificates; the list is written before anything is handed over, once for many orders."""
        found: list[Done] = []
        part: list[Order] = []
        for order in orders:
            if any(order.entitlement == other.entitlement for other in part):  # one after the other, as they were given
                found += self._at_once(part)
                part = []
            part.append(order)
        return [*found, *self._at_once(part)]

    def _at_once(self, orders: Sequence[Order]) -> list[Done]:
        """Carry out orders about different entitlements."""
        endings: list[dict[str, datetime] | str] = []
        for order in orders:
            try:
                endings.append(self._ending(order))
            except EdgeError as error:
                endings.append(error.message)
        problem = ""
        try:
            self._revoke({line: end for ending in endings if isinstance(ending, dict) for line, end in ending.items()})
        except EdgeError as error:
            problem = error.message
        return [self._do(order, ending, problem) for order, ending in zip(orders, endings, strict=True)]

    def _ending(self, order: Order) -> dict[str, datetime]:
        """Return which certificates must end before their time: all of what goes, the longer ones of what is cut."""
        check_target(self.name, order.entitlement)
        known = self._good.get(order.entitlement)
        if known is None and order.action is Action.REMOVE and not self._told:
            # Else access would be said to be gone that is not.
            raise EdgeError(
                f"nothing is known of what was handed over to {order.entitlement.principal}, so nothing can be revoked"
            )
        good = {line: end for line, end in (known or {}).items() if end > order.at and line not in self._listed}
        if order.action is Action.REMOVE:
            return good
        return {line: end for line, end in good.items() if order.until is None or end > order.until}

    def _do(self, order: Order, ending: dict[str, datetime] | str, problem: str) -> Done:
        if isinstance(ending, str):
            return Done(ending)
        if ending and problem:
            return Done(problem)
        if order.action is Action.REMOVE:
            self._good[order.entitlement] = {}
            return Done()
        try:
            return Done(handover=self._issue(order))
        except EdgeError as error:
            return Done(error.message)

    def _issue(self, order: Order) -> str:
        entitlement, end = order.entitlement, order.until
        if end is None or end <= order.at:
            raise EdgeError(f"expected a window that ends after {format_instant(order.at)}")
        fit, unfit = certificate.fit_keys(order.keys)
        if not fit:
            raise EdgeError(
                f"{entitlement.principal} has no SSH key that a certificate can be made for"
                + (f" ({'; '.join(unfit)})" if unfit else ": the directory lists none under ssh_keys")
            )
        key, _ = self._authority()
        taken = {serial for _, serial in self._listed.values()}
        turn = 0
        while (serial := certificate.serial_of(entitlement, order.at, end, turn)) in taken:
            turn += 1
        lines = [certificate.make(entitlement, one, key, begin=order.at, end=end, serial=serial) for one in fit]
        for line in lines:
            certificate.read(line)  # a signature that does not fit would be found out by the subject, at the door
        self._good[entitlement] = self._good.get(entitlement, {}) | dict.fromkeys(lines, end)
        return "\n".join(lines)

    def _revoke(self, lines: Mapping[str, datetime]) -> None:
        new = {line: certificate.entry_of(line) for line in lines if line not in self._listed}
        if new:
            wanted = self._listed | new
            revoked.write_list(self.krl, wanted.values())
            self._listed = wanted

    def _authority(self) -> tuple[Any, str]:
        if self._key is None:
            self._key = open_authority(self._source, self._environ)
        return self._key


def open_ssh(settings: TargetSettings, base_dir: Path) -> SshTarget:
    """Open an SSH target. Raises InvalidError for options that make no sense; the CA's key is looked for when used."""
    source, krl = read_options(settings)
    return SshTarget(settings.name, source, base_dir / krl, os.environ)
