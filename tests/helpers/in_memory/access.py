"""An access repository in memory, driven by the command line as one on disk is, in a tenth of the time."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NoReturn
from unittest.mock import patch

from daypass.cli.main import Invocation
from daypass.cli.repository import AccessRepository, keys_folder
from daypass.cli.verb import LEDGER, noting
from daypass.core.catalogue import Directory
from daypass.core.ids import ABSENT, Oid
from daypass.core.ledger.keys import limits_of
from daypass.core.window import parse_instant
from daypass.edges.forges.host import Host
from daypass.edges.ledger.signing import find_signer
from daypass.edges.ledger.standing import SignedLedger
from daypass.pipeline.judge.policies import ledger_keys
from driver import Access, Said
from in_memory.forge import Event, MemoryForge
from in_memory.history import MemoryHistory
from in_memory.objects import Objects, Tree
from in_memory.receipts import MemoryReceipts

MAIN = "refs/heads/main"
STATE = ".git/daypass"
"""Where a clone keeps this machine's own state."""
WHO = ("Olga Platform", "olga@example.com")
"""Who uses this machine."""


@dataclass
class World:
    """What lasts between two runs: the repository with its pull requests, and the machine's own state."""

    state: Path
    objects: Objects = field(default_factory=Objects)
    pulls: dict[int, tuple[Event, ...]] = field(default_factory=dict)


class _Clone:
    """Stands where verbs look for this machine's own files."""

    def __init__(self, state: Path) -> None:
        self.state_dir = state

    def close(self) -> None:
        """There is no process to end."""

    @property
    def git(self) -> NoReturn:
        raise RuntimeError("this is in memory: what asks git itself is shown at a repository on disk")


class MemoryHost(Host):
    """The forge in memory as one run reaches it."""

    def __init__(self, world: World, acting: str, unsigned: str) -> None:
        self._world = world
        self._acting = acting
        self._unsigned = unsigned

    def forge(self, directory: Directory) -> MemoryForge:
        world = self._world
        return MemoryForge(
            world.objects, world.pulls, directory, acting=self._acting, identity=WHO, unsigned=self._unsigned
        )


class MemoryRepository(AccessRepository):
    """The repository of a world as a verb sees it."""

    def __init__(self, world: World, top: Path, acting: str = "") -> None:
        super().__init__(top, acting)
        self._world = world
        self.__dict__["clone"] = _Clone(world.state)

    def again(self, *, reopen: bool = False) -> AccessRepository:
        return MemoryRepository(self._world, self.folder, self.acting)

    @cached_property
    def top(self) -> Path:
        return self.folder

    @property
    def host(self) -> Host:
        if self._host is None:
            self._host = MemoryHost(self._world, self.acting, self.settings.limits.unsigned)
        return self._host

    @cached_property
    def history(self) -> MemoryHistory:  # type: ignore[override]
        return MemoryHistory(self._world.objects)

    def _back_from(self, revision: Oid) -> MemoryHistory:  # type: ignore[override]
        return self.history

    @cached_property
    def ledger(self) -> SignedLedger:
        settings = self.settings
        signing = ledger_keys(self, self.tip, settings.ledger_keys)
        keys = {**ledger_keys(self, self.tip, settings.ledger_bounded), **signing}
        limits = limits_of(settings.ledger_retired, settings.ledger_revoked)
        receipts = MemoryReceipts(self._world.objects, self.settings.ledger_branch)
        path = self._world.state / "standing.sqlite"
        signer = self.settings.ledger_signer
        return noting(
            SignedLedger(receipts, path, keys, lambda: find_signer(signing, keys_folder(), signer, ""), limits),  # type: ignore[arg-type]
            LEDGER,
        )


@dataclass
class MemoryAccess(Access):
    """Drives a world by the command line. Its work tree is a folder of files; of git's own commands it knows a few."""

    world: World = field(kw_only=True)
    branch: str = "main"
    """What is checked out."""

    def repo(self, acting: str = "") -> AccessRepository:
        return MemoryRepository(self.world, self.top, acting)

    def _run(self, arguments: tuple[str, ...], acting: str) -> Said:
        before = self._tree(self.branch)
        with patch.object(Invocation, "repo", lambda invocation: self.repo(invocation.acting)):
            said = super()._run(arguments, acting)
        self.lay_out(before, self._tree(self.branch))
        return said

    def commit(self, message: str, *, email: str = WHO[1]) -> str:
        """Commit all that lies in the work tree on the branch that is checked out."""
        objects, tip = self.world.objects, self._tip(self.branch)
        here = {
            str(p.relative_to(self.top)): p.read_bytes()
            for p in sorted(self.top.rglob("*"))
            if p.is_file() and p.parts[len(self.top.parts)] != ".git"
        }
        gone = [(path, None) for path in objects.stored(tip).tree if path not in here]
        at = objects.stored(tip).commit.committed_at
        made = objects.commit_files(tip, [*here.items(), *gone], (tip,), message, author=(WHO[0], email), at=at)
        objects.move({f"refs/heads/{self.branch}": (tip, made)})
        return str(made)

    def git(self, *arguments: str, stdin: str = "") -> str:
        """Do what a few commands of git do; whatever needs more is shown at a repository on disk."""
        match arguments:
            case ["switch", "-q", "-c", name, *start]:
                start_at = self._tip(start[0] if start else self.branch)
                self.world.objects.move({f"refs/heads/{name}": (ABSENT, start_at)})
                self._switch(name)
            case ["switch", "-q", name]:
                self._switch(name)
            case ["rm", "-q", path]:
                (self.top / path).unlink()
            case ["rev-parse", name]:
                return str(self._tip(name))
            case ["ls-files", *under]:
                return "\n".join(
                    path for path in sorted(self._tree(self.branch)) if path.startswith(tuple(under) or "")
                )
            case ["for-each-ref", "--format=%(refname:short)", *under]:
                refs = (ref for ref in sorted(self.world.objects.refs) if ref.startswith(tuple(under) or ""))
                return "\n".join(ref.removeprefix("refs/heads/") for ref in refs)
            case _:
                raise RuntimeError(f"this is in memory, git {arguments} needs a repository on disk: {stdin!r}")
        return ""

    def _switch(self, name: str) -> None:
        self.lay_out(self._tree(self.branch), self._tree(name))
        self.branch = name

    def _tip(self, name: str) -> Oid:
        return MemoryHistory(self.world.objects).resolve(name)

    def _tree(self, name: str) -> Tree:
        return self.world.objects.stored(self._tip(name)).tree

    def lay_out(self, before: Tree, after: Tree) -> None:
        """Bring the work tree from one tree to another."""
        for path in before.keys() - after.keys():
            (self.top / path).unlink()
        for path, leaf in after.items():
            if before.get(path) != leaf:
                self.write(path, self.world.objects.contents[leaf[1]].decode())


def begin(top: Path, files: dict[str, bytes], at: str) -> MemoryAccess:
    """Begin a repository with these files on main, and its ledger with the key that lies where `init` puts it."""
    world = World(top / STATE)
    world.state.mkdir(parents=True)
    instant = parse_instant(at)
    first = world.objects.commit_files(ABSENT, files.items(), (), "Begin", author=WHO, at=instant)
    world.objects.move({MAIN: (ABSENT, first)})
    repo = MemoryRepository(world, top)
    repo.ledger.begin(at=instant, main=repo.tip)
    return MemoryAccess(top, world=world)
