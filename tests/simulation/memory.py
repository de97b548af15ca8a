"""The place of a life in memory: with a remote that a machine may not reach, and two machines with a state of their own."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

from daypass.cli.repository import AccessRepository, keys_folder
from daypass.cli.runs import away
from daypass.cli.verb import LEDGER, noting
from daypass.core.errors import AwayError
from daypass.core.ids import ABSENT, Oid
from daypass.core.ledger import snapshot
from daypass.core.window import parse_instant
from daypass.edges import store
from daypass.edges.ledger import outbox
from daypass.edges.ledger.signing import find_signer
from daypass.edges.ledger.standing import SignedLedger
from daypass.pipeline.judge.policies import ledger_keys
from driver import Access
from founded import in_memory
from in_memory.access import MAIN, MemoryAccess, MemoryHost, MemoryRepository, World
from in_memory.forge import Event, MemoryForge
from in_memory.ledger import Machine, MemoryLedger
from in_memory.objects import Objects, Tree
from in_memory.receipts import MemoryReceipts
from simulation.place import BEGIN, OLGA, Before, LifePorts, Place
from simulation.ports import Befallen
from simulation.story import instant
from simulation.targets import named

LEDGER_BRANCH = "daypass-ledger"
LEDGER_REF = f"refs/heads/{LEDGER_BRANCH}"
_LEAST = 6
"""After so many receipts a snapshot is left: lives are short."""


class _Clone:
    """Stands where verbs look for a machine's own files; ``git`` is what `_Trace` writes to."""

    def __init__(self, state: Path, traces: dict[Path, tuple[int, Path]]) -> None:
        self.state_dir = state
        self.git = state, traces

    def close(self) -> None:
        """There is no process to end."""


class _Trace:
    """As daypass.edges.ledger.outbox.Trace, beside no clone of git's."""

    def __init__(self, git: tuple[Path, dict[Path, tuple[int, Path]]]) -> None:
        self._state, self._traces = git

    def leave(self, count: int, path: Path) -> None:
        self._traces[self._state] = count, path

    def lost(self) -> tuple[int, str]:
        count, path = self._traces.get(self._state, (0, Path()))
        return (count, str(path)) if count and not outbox.Outbox(path).ends() else (0, "")


class _AsVerified(MemoryReceipts):
    """The ledger's branch as a machine had it when it reached the remote last."""

    def __init__(self, objects: Objects, branch: str, commit: Oid) -> None:
        super().__init__(objects, branch)
        self._commit = commit

    def head(self) -> Oid:
        return self._commit


@dataclass
class MemoryPlace(Place):
    """All of it in memory."""

    machines: dict[Path, Machine] = field(default_factory=dict)
    traces: dict[Path, tuple[int, Path]] = field(default_factory=dict)
    """How many receipts wait in the outbox of the machine whose state lies in a folder, and where."""
    reached: dict[Path, tuple[Oid, Oid]] = field(default_factory=dict)
    """Where main and the ledger stood when a machine reached the remote last."""
    pulls: list[dict[int, tuple[Event, ...]]] = field(default_factory=lambda: [{}, {}])
    """The forge's record before it last changed, and as it is."""

    @cached_property
    def access(self) -> LifeAccess:  # type: ignore[override]
        return LifeAccess(self.top, world=in_memory(self.top, BEGIN, work_tree=False).world, place=self)

    @cached_property
    def elsewhere(self) -> Access:  # type: ignore[override]
        return self._machine("elsewhere")

    @cached_property
    def auditor(self) -> Access:  # type: ignore[override]
        """The same repository as a machine has it that only looks."""
        return self._machine("auditor")

    def _machine(self, name: str) -> LifeAccess:
        world = replace(self.world, state=self.world.state.with_name(name))
        world.state.mkdir()
        return LifeAccess(self.access.top, world=world, place=self, policies=self.access.policies)

    @property
    def world(self) -> World:
        return self.access.world

    def envelopes(self, since: int) -> Iterable[bytes]:
        return [one.raw for one in MemoryReceipts(self.world.objects, LEDGER_BRANCH).envelopes(since)]

    def machine(self, state: Path) -> Machine:
        """Return what the machine remembers whose state lies in a folder."""
        return self.machines.setdefault(state, Machine())

    def reach(self, state: Path) -> None:
        """Let a machine see main and the ledger as they are. Raises AwayError."""
        if self.remote_away and state == self.world.state:
            raise AwayError("the remote does not answer")
        refs = self.world.objects.refs
        self.reached[state] = refs[MAIN], refs[LEDGER_REF]

    def over(self, at: int) -> set[tuple[str, str, str]]:
        repo = self.access.repo()
        assert isinstance(repo, LifeRepository)
        known = outbox.OutboxLedger(repo.left(AwayError("")).ledger, self.world.state).load()
        now, held = parse_instant(instant(at)), known.holdings.values()
        return {named(one.entitlement) for one in held if one.until is not None and one.until <= now}

    def waiting(self) -> int:
        return len(outbox.Outbox(self.world.state / outbox.FILE).read())

    def forget(self) -> None:
        self.machines.pop(self.world.state, None)

    def lose_outbox(self) -> None:
        (self.world.state / outbox.FILE).unlink(missing_ok=True)

    @property
    def stands(self) -> tuple[Oid, Oid]:
        refs = self.world.objects.refs
        return refs[MAIN], refs[LEDGER_REF]

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
    had: tuple[Oid, Oid]
    """Main and the ledger as this machine had them last, where it reaches no remote now."""

    @cached_property
    def ledger(self) -> SignedLedger:
        settings = self.settings
        keys = ledger_keys(self, self.tip, settings.ledger_keys)
        receipts = MemoryReceipts(self._world.objects, settings.ledger_branch)
        if self.away is not None:
            verified = self.machine.standing
            commit = verified.commit if verified is not None else self.had[1]
            receipts = _AsVerified(self._world.objects, settings.ledger_branch, commit)
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
        self.__dict__["clone"] = _Clone(world.state, place.traces)
        self._by_files = place.access.policies

    elsewhere = True
    live = True

    def sync(self) -> None:
        assert isinstance(self._place, MemoryPlace)
        self._place.reach(self._world.state)

    follow = sync

    def again(self, *, reopen: bool = False) -> AccessRepository:
        return self._anew()

    def _anew(self) -> LifeRepository:
        assert isinstance(self._place, MemoryPlace)
        return LifeRepository(self._place, self._world, self.folder, self.acting)

    def left(self, error: AwayError) -> LifeRepository:
        """Return the repository as this machine had it when it reached the remote last."""
        found = self._anew()
        assert isinstance(self._place, MemoryPlace)
        refs = self._world.objects.refs
        found.away, found.had = error, self._place.reached.get(self._world.state, (refs[MAIN], refs[LEDGER_REF]))
        found.__dict__["tip"] = found.had[0]
        return found


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


@contextmanager
def at_home(place: MemoryPlace) -> Iterator[None]:
    """Let daypass keep in memory what it keeps beside a clone, and leave a snapshot after few receipts."""

    def outbox_of(repo: LifeRepository) -> Any:
        found = outbox.OutboxLedger(repo.ledger, repo.clone.state_dir)
        return Befallen("ledger", found, place.faults)

    with ExitStack() as stack:
        stack.enter_context(patch.object(store, "Verdicts", place.machine))
        stack.enter_context(patch.object(snapshot, "LEAST", _LEAST))
        stack.enter_context(patch.object(outbox, "Trace", _Trace))
        stack.enter_context(patch.object(away, "left", lambda repo, error: repo.left(error)))
        stack.enter_context(patch.object(away, "outbox_of", outbox_of))
        yield


def _unlock() -> None:
    """Let two runs of one process work out the same property, each for itself: 3.11 has one lock for both."""
    for kind in (AccessRepository, MemoryRepository, LifePorts, _Remembered, SignedLedger, Place, MemoryPlace):
        for found in vars(kind).values():
            if isinstance(found, cached_property):
                found.lock = nullcontext()  # type: ignore[attr-defined]


_unlock()
