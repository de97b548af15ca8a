"""The place of one life: an access repository with its targets. `memory` has it in memory, `disk` on files."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from base64 import b64decode
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from daypass.cli.repository import AccessRepository
from daypass.core.ids import Oid
from daypass.core.ledger.standing import Standing
from daypass.core.plan import Entitlement
from daypass.core.planning.drift import Traits
from daypass.core.window import parse_instant
from daypass.ports import Forge
from driver import Access
from in_memory.objects import Tree
from simulation.faults import Faults
from simulation.files import rules_file, settings_file
from simulation.ports import Befallen, SilentForge, TimedForge
from simulation.story import TARGETS, instant
from simulation.targets import CERTIFICATE, Certificates, Members, SimulatedTarget

OLGA = ("Olga Platform", "olga@example.com")
BEGIN = "2026-11-20T07:00:00Z"

Before = Callable[[str, tuple[Any, ...]], Callable[[], Any] | None]
"""What a port would have answered to a call before, None where nobody can tell."""


def _untold(*_: object) -> None:
    return None


@dataclass
class Place(ABC):
    """What lasts from one run of a life to the next. ``minute`` is the story's, and ``off`` how far a run's clock is from it."""

    top: Path
    faults: Faults = field(default_factory=Faults)
    runs: int = 0
    forge_away: bool = False
    remote_away: bool = False
    """Whether this machine reaches nothing but targets, where main and the ledger lie elsewhere."""
    compared: bool = False
    """Whether the forge and the targets tell what time it is; else the settings simulate the clock."""
    minute: int = 0
    off: int = 0
    _arrived: tuple[tuple[Oid, Oid] | None, int, set[str]] = (None, 0, set())
    read: tuple[tuple[Oid, Oid], Standing] | None = None
    """What the ledger said when somebody asked last, with where main and the ledger stood then."""

    @cached_property
    def targets(self) -> Mapping[str, SimulatedTarget | Certificates]:
        more: Mapping[str, Any] = {"faults": self.faults, "time": self.time}
        marks = Traits(marks=True)
        return {
            "one": SimulatedTarget("one", traits=marks, **more),
            "two": SimulatedTarget("two", traits=marks, ends_by_itself=True, **more),
            "three": Members("three", traits=marks, **more),
            "four": Certificates("four", arrived=self.arrived, **more),
        }

    def arrived(self) -> set[str]:
        """Return the certificates that the ledger has: so much of them as people can fetch."""
        stand, read, found = self._arrived
        if stand != self.stands:
            envelopes = [b64decode(json.loads(one)["payload"]).decode() for one in self.envelopes(read)]
            found = found.union(*map(CERTIFICATE.findall, envelopes))
            self._arrived = self.stands, read + len(envelopes), found
        return found

    def envelopes(self, since: int) -> Iterable[bytes]:
        """Return the receipts as they lie in the ledger, those before ``since`` left out."""
        return [one.raw for one in self.access.repo().ledger.receipts.envelopes(since)]

    @property
    def members(self) -> Members:
        """The target that knows people by numbers."""
        found = self.targets["three"]
        assert isinstance(found, Members)
        return found

    @property
    def certificates(self) -> Certificates:
        """The target that hands over certificates."""
        found = self.targets["four"]
        assert isinstance(found, Certificates)
        return found

    def time(self) -> datetime | None:
        """Return what the forge and the targets take the time to be."""
        return parse_instant(instant(self.minute)) if self.compared else None

    def pass_time(self, minute: int) -> None:
        """Go on to a minute."""
        self.minute = minute
        for target in self.targets.values():
            target.pass_time(parse_instant(instant(minute)))

    def found(self) -> None:
        """Leave of the example's policies the ledger's key alone, and write a life's."""
        gone = [(path, None) for path in self.tree() if path.startswith("policies/") and path != "policies/ledger.pub"]
        self.write_main(gone, 0)
        self.write_main([settings_file(compared=False), rules_file(wiki_too=False)], 0)

    @property
    @abstractmethod
    def access(self) -> Access:
        """The repository as people and runs drive it."""

    @property
    def elsewhere(self) -> Access | None:
        """The same repository driven from another machine, with a state of its own; None where there is none."""
        return None

    @property
    def auditor(self) -> Access:
        """The same repository as somebody has it who only looks."""
        return self.access

    @property
    def standing(self) -> Standing:
        """What the ledger says by now."""
        stand = self.stands
        if self.read is None or self.read[0] != stand:
            self.read = stand, self.auditor.repo().standing
        return self.read[1]

    @property
    def tip(self) -> Oid:
        """Where main stands."""
        return self.stands[0]

    @property
    @abstractmethod
    def stands(self) -> tuple[Oid, Oid]:
        """Where main and the ledger stand."""

    @abstractmethod
    def tree(self, commit: Oid | None = None) -> Tree:
        """Return what lies on main, or in another commit."""

    @abstractmethod
    def content(self, blob: Oid) -> bytes:
        """Return what a file holds."""

    @abstractmethod
    def parent(self, commit: Oid) -> Oid:
        """Return a commit's first parent."""

    @abstractmethod
    def contains(self, commit: Oid, other: Oid) -> bool:
        """Say whether a commit is another or came after it."""

    @abstractmethod
    def move_main(self, old: Oid, new: Oid) -> None:
        """Let main stand elsewhere."""

    @abstractmethod
    def write_main(self, files: Iterable[tuple[str, bytes | None]], at: int) -> None:
        """Commit to main past every request."""

    @abstractmethod
    def forge(self, who: str = "") -> Forge:
        """Return the forge as somebody reaches it who does without daypass."""

    @abstractmethod
    def numbers(self) -> Collection[int]:
        """Return the numbers of all pull requests."""

    def over(self, at: int) -> set[tuple[str, str, str]]:
        """Return what is over by a minute, by what this machine has verified of the ledger."""
        return set()

    def waiting(self) -> int:
        """Return how many receipts wait in this machine's outbox."""
        return 0

    def forget(self) -> None:  # noqa: B027  (for those that can)
        """Let this machine lose all that it remembers."""

    def lose_outbox(self) -> None:  # noqa: B027  (for those that have one)
        """Let this machine lose what waits to be told."""

    def note_forge(self) -> None:  # noqa: B027  (for those that can tell)
        """Remember the forge's record where it has changed, so that it can answer as before."""

    def before(self, port: str, repo: AccessRepository) -> Before:
        """Return what a port would have answered before."""
        return _untold


class LifePorts(AccessRepository):
    """A repository with the life's targets, and with ports at whose calls something may go wrong."""

    _place: Place

    def targets(self, revision: Oid | None = None) -> Mapping[str, Any]:
        return {name: target.opened() for name, target in self._place.targets.items()}

    def run_name(self, at: datetime) -> str:
        self._place.runs += 1
        return f"run-{self._place.runs}"

    def instant(self, at: datetime | None, *, writes: bool = False, past: bool = False) -> datetime:
        place = self._place
        if place.compared and at is None:
            return parse_instant(instant(place.minute + place.off))
        return super().instant(at, writes=writes, past=past and not place.compared)  # a life's clock is not ours

    @cached_property
    def history(self) -> Any:  # type: ignore[override]
        return Befallen("history", super().history, self._place.faults, self._place.before("history", self))

    @cached_property
    def ledger(self) -> Any:  # type: ignore[override]
        return Befallen("ledger", super().ledger, self._place.faults, self._place.before("ledger", self))

    @cached_property
    def forge(self) -> Any:  # type: ignore[override]
        place = self._place
        if place.forge_away:
            return SilentForge()
        timed = TimedForge(super().forge, place.time)
        return Befallen("forge", timed, place.faults, place.before("forge", self))


def there(place: Place) -> set[tuple[str, str, str]]:
    """Return who holds what at the targets, as (resource, principal, role)."""
    return {target.access(one) for target in place.targets.values() for one in target.held}


def by_hand(target: str, number: int) -> Entitlement:
    """Return access of somebody whom no request is ever about."""
    resource = next(name for name, at in TARGETS.items() if at == target)
    return Entitlement(target, resource, f"zoe{number}", '{"member_of":"read"}')
