"""The place of one life: an access repository with its targets, in memory or on git's and SQLite's files."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from base64 import b64decode
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property, partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

from daypass.cli.main import Invocation
from daypass.cli.repository import AccessRepository, keys_folder
from daypass.cli.verb import LEDGER, noting
from daypass.core.ids import ABSENT, Oid
from daypass.core.ledger.standing import Standing
from daypass.core.plan import Entitlement
from daypass.core.planning.drift import Traits
from daypass.core.window import parse_instant
from daypass.edges.git.trees import commit_files
from daypass.edges.ledger.signing import find_signer
from daypass.edges.ledger.standing import SignedLedger
from daypass.pipeline.judge.policies import ledger_keys
from daypass.ports import Forge
from driver import Access, Said
from founded import example, in_memory
from in_memory.access import MAIN, MemoryAccess, MemoryHost, MemoryRepository, World
from in_memory.forge import Event, MemoryForge
from in_memory.ledger import Machine, MemoryLedger
from in_memory.objects import Tree
from in_memory.receipts import MemoryReceipts
from simulation.faults import Faults
from simulation.files import rules_file, settings_file
from simulation.ports import Befallen, SilentForge, TimedForge
from simulation.story import TARGETS, instant
from simulation.targets import CERTIFICATE, Certificates, Members, SimulatedTarget

OLGA = ("Olga Platform", "olga@example.com")
BEGIN = "2026-11-20T07:00:00Z"
LEDGER_BRANCH = "daypass-ledger"
LEDGER_REF = f"refs/heads/{LEDGER_BRANCH}"

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
    compared: bool = False
    """Whether the forge and the targets tell what time it is; else the settings simulate the clock."""
    minute: int = 0
    off: int = 0
    _arrived: tuple[int, set[str]] = field(default_factory=lambda: (0, set()))

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
        read, found = self._arrived
        for envelope in self.envelopes(read):
            found |= set(CERTIFICATE.findall(b64decode(json.loads(envelope)["payload"]).decode()))
            read += 1
        self._arrived = read, found
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
    def standing(self) -> Standing:
        """What the ledger says by now."""
        return self.access.repo().standing

    @property
    @abstractmethod
    def tip(self) -> Oid:
        """Where main stands."""

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

    def instant(self, at: datetime | None, *, writes: bool = False) -> datetime:
        place = self._place
        if place.compared and at is None:
            return parse_instant(instant(place.minute + place.off))
        return super().instant(at, writes=writes)

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


# In memory


@dataclass
class MemoryPlace(Place):
    """All of it in memory."""

    machines: dict[Path, Machine] = field(default_factory=dict)
    pulls: list[dict[int, tuple[Event, ...]]] = field(default_factory=lambda: [{}, {}])
    """The forge's record before it last changed, and as it is."""
    read: tuple[tuple[Oid, Oid], Standing] | None = None
    """What the ledger said when somebody asked last, with where main and the ledger stood then."""

    @cached_property
    def access(self) -> LifeAccess:  # type: ignore[override]
        return LifeAccess(self.top, world=in_memory(self.top, BEGIN, work_tree=False).world, place=self)

    @cached_property
    def elsewhere(self) -> Access:  # type: ignore[override]
        world = replace(self.world, state=self.world.state.with_name("elsewhere"))
        world.state.mkdir()
        return LifeAccess(self.access.top, world=world, place=self, policies=self.access.policies)

    @property
    def world(self) -> World:
        return self.access.world

    def envelopes(self, since: int) -> Iterable[bytes]:
        return [one.raw for one in MemoryReceipts(self.world.objects, LEDGER_BRANCH).envelopes(since)]

    @property
    def standing(self) -> Standing:
        refs = self.world.objects.refs
        stand = refs[MAIN], refs[LEDGER_REF]
        if self.read is None or self.read[0] != stand:
            self.read = stand, super().standing
        return self.read[1]

    def machine(self, state: Path) -> Machine:
        """Return what the machine remembers whose state lies in a folder."""
        return self.machines.setdefault(state, Machine())

    @property
    def tip(self) -> Oid:
        return self.world.objects.refs[MAIN]

    def tree(self, commit: Oid | None = None) -> Tree:
        return self.world.objects.stored(commit or self.tip).tree

    def content(self, blob: Oid) -> bytes:
        return self.world.objects.contents[blob]

    def parent(self, commit: Oid) -> Oid:
        return (*self.world.objects.stored(commit).commit.parents, ABSENT)[0]

    def contains(self, commit: Oid, other: Oid) -> bool:
        return other in self.world.objects.ancestors(commit)

    def move_main(self, old: Oid, new: Oid) -> None:
        self.world.objects.move({MAIN: (old, new)})

    def write_main(self, files: Iterable[tuple[str, bytes | None]], at: int) -> None:
        objects, tip = self.world.objects, self.tip
        made = objects.commit_files(tip, files, (tip,), "By hand", author=OLGA, at=parse_instant(instant(at)))
        self.move_main(tip, made)

    def forge(self, who: str = "") -> MemoryForge:
        directory = self.access.repo().ends_by.catalogue.directory
        return MemoryForge(self.world.objects, self.world.pulls, directory, acting=who, identity=OLGA)

    def numbers(self) -> Collection[int]:
        return self.world.pulls.keys()

    def note_forge(self) -> None:
        if self.pulls[1] != self.world.pulls:
            self.pulls = [self.pulls[1], dict(self.world.pulls)]

    def before(self, port: str, repo: AccessRepository) -> Before:
        assert isinstance(repo, LifeRepository)
        if port == "history":
            older = self.parent(self.tip)
            return lambda name, asked: (lambda: older) if (name, asked) == ("find", (MAIN,)) else None
        if port == "ledger":
            found = repo.machine.before
            return lambda name, _: (lambda: found) if name == "load" and found is not None else None
        world = replace(self.world, pulls=dict(self.pulls[0]))

        def asked_before(name: str, arguments: tuple[Any, ...]) -> Callable[[], Any] | None:
            forge = MemoryHost(world, repo.acting, "").forge(repo.ends_by.catalogue.directory)
            return (lambda: getattr(forge, name)(*arguments)) if hasattr(forge, name) else None

        return asked_before


class _Remembered(MemoryRepository):
    """In memory, with the machine's own state there as well."""

    machine: Machine

    @cached_property
    def ledger(self) -> SignedLedger:
        settings = self.settings
        keys = ledger_keys(self, self.tip, settings.ledger_keys)
        receipts = MemoryReceipts(self._world.objects, settings.ledger_branch)
        signer = partial(find_signer, keys, keys_folder(), settings.ledger_signer, "")
        return noting(MemoryLedger(receipts, self.machine, keys, signer), LEDGER)  # type: ignore[arg-type]

    @property
    def memory(self) -> Any:  # type: ignore[override]
        return self.machine


class LifeRepository(LifePorts, _Remembered):
    """The repository of a life in memory."""

    def __init__(self, place: MemoryPlace, world: World, top: Path, acting: str = "") -> None:
        super().__init__(world, top, acting)  # type: ignore[arg-type]
        self._place = place
        self.machine = place.machine(world.state)
        self._by_files = place.access.policies

    def again(self, *, reopen: bool = False) -> AccessRepository:
        assert isinstance(self._place, MemoryPlace)
        return LifeRepository(self._place, self._world, self.folder, self.acting)


@dataclass
class LifeAccess(MemoryAccess):
    """Drives a life by the command line; nobody looks at its work tree."""

    place: MemoryPlace | None = None
    policies: dict[Any, Any] = field(default_factory=dict)

    def repo(self, acting: str = "") -> AccessRepository:
        assert self.place is not None
        return LifeRepository(self.place, self.world, self.top, acting)

    def lay_out(self, before: Tree, after: Tree) -> None:
        return


# On disk


@dataclass
class DiskPlace(Place):
    """History, forge and ledger in a repository of git's, what the machine remembers in SQLite's files beside it."""

    @cached_property
    def access(self) -> DiskAccess:  # type: ignore[override]
        on_disk = example(self.top, BEGIN)
        on_disk.git("checkout", "-q", "--detach")
        return DiskAccess(on_disk.top, place=self)

    @property
    def tip(self) -> Oid:
        return Oid(self.access.git("rev-parse", MAIN))

    def tree(self, commit: Oid | None = None) -> Tree:
        return {entry.path: (entry.mode, entry.oid) for entry in self._plain.history.entries(commit or self.tip)}

    def content(self, blob: Oid) -> bytes:
        return next(content for _, content in self._plain.history.blobs([blob]))

    def parent(self, commit: Oid) -> Oid:
        return Oid(self.access.git("rev-parse", f"{commit}^1"))

    def contains(self, commit: Oid, other: Oid) -> bool:
        return self._plain.history.is_ancestor(other, commit)

    def move_main(self, old: Oid, new: Oid) -> None:
        self.access.git("update-ref", MAIN, new, old)

    def write_main(self, files: Iterable[tuple[str, bytes | None]], at: int) -> None:
        tip, when = self.tip, parse_instant(instant(at))
        made = commit_files(self._plain.clone.git, tip, list(files), (tip,), "By hand", author=OLGA, at=when)
        self.move_main(tip, made)

    def forge(self, who: str = "") -> Forge:
        return AccessRepository(self.access.top, who).forge

    def numbers(self) -> Collection[int]:
        listed = self.access.git(
            "for-each-ref", "--format=%(refname)", "refs/heads/daypass/open", "refs/heads/daypass/done"
        )
        return {int(ref.rpartition("/")[2]) for ref in listed.split()}

    @property
    def _plain(self) -> AccessRepository:
        return AccessRepository(self.access.top)


class DiskRepository(LifePorts):
    """The repository of a life on disk."""

    def __init__(self, place: DiskPlace, top: Path, acting: str = "") -> None:
        super().__init__(top, acting)
        self._place = place

    def again(self, *, reopen: bool = False) -> AccessRepository:
        assert isinstance(self._place, DiskPlace)
        return DiskRepository(self._place, self.folder, self.acting)


@dataclass
class DiskAccess(Access):
    """Drives a life on disk by the command line."""

    place: DiskPlace = field(kw_only=True)

    def repo(self, acting: str = "") -> AccessRepository:
        return DiskRepository(self.place, self.top, acting)

    def _run(self, arguments: tuple[str, ...], acting: str) -> Said:
        with patch.object(Invocation, "repo", lambda invocation: self.repo(invocation.acting)):
            return super()._run(arguments, acting)


def found(top: Path, *, on_disk: bool = False) -> Place:
    """Found the repository of a life, on the day before its first step."""
    place: Place = DiskPlace(top) if on_disk else MemoryPlace(top)
    place.found()
    return place


def there(place: Place) -> set[tuple[str, str, str]]:
    """Return who holds what at the targets, as (resource, principal, role)."""
    return {target.access(one) for target in place.targets.values() for one in target.held}


def by_hand(target: str, number: int) -> Entitlement:
    """Return access of somebody whom no request is ever about."""
    resource = next(name for name, at in TARGETS.items() if at == target)
    return Entitlement(target, resource, f"zoe{number}", '{"member_of":"read"}')


def _unlock() -> None:
    """Let two runs of one process work out the same property, each for itself: 3.11 has one lock for both."""
    for kind in (AccessRepository, MemoryRepository, LifePorts, _Remembered, SignedLedger, Place, MemoryPlace):
        for found in vars(kind).values():
            if isinstance(found, cached_property):
                found.lock = nullcontext()  # type: ignore[attr-defined]


_unlock()
