"""The place of a life on disk: history, forge and ledger are git's, what a machine remembers lies in SQLite's files."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from unittest.mock import patch

from daypass.cli.main import Invocation
from daypass.cli.repository import AccessRepository
from daypass.core.ids import Oid
from daypass.core.window import parse_instant
from daypass.edges.git.trees import commit_files
from daypass.edges.targets.embedded.target import EmbeddedTarget
from daypass.ports import Forge
from driver import Access, Said
from founded import example
from in_memory.access import MAIN
from in_memory.objects import Tree
from simulation.place import BEGIN, OLGA, LifePorts, Place
from simulation.stored import StoredTarget
from simulation.story import instant
from simulation.targets import Certificates, SimulatedTarget


@dataclass
class DiskPlace(Place):
    """History, forge and ledger in a repository of git's, what the machine remembers in SQLite's files beside it."""

    @cached_property
    def access(self) -> DiskAccess:  # type: ignore[override]
        on_disk = example(self.top, BEGIN)
        on_disk.git("checkout", "-q", "--detach")
        return DiskAccess(on_disk.top, place=self)

    @cached_property
    def targets(self) -> Mapping[str, SimulatedTarget | Certificates]:
        stored = StoredTarget(
            "one", self.top.with_name("one.sqlite"), traits=EmbeddedTarget.traits, faults=self.faults, time=self.time
        )
        return {**super().targets, "one": stored}

    policies: dict[Any, Any] = field(default_factory=dict)
    """What was read of policies once, by their files."""

    @property
    def stands(self) -> tuple[Oid, Oid]:
        main, ledger = self.access.git("rev-parse", MAIN, "refs/heads/daypass-ledger").split()
        return Oid(main), Oid(ledger)

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
        return self._repo(who).forge

    def numbers(self) -> Collection[int]:
        listed = self.access.git(
            "for-each-ref", "--format=%(refname)", "refs/heads/daypass/open", "refs/heads/daypass/done"
        )
        return {int(ref.rpartition("/")[2]) for ref in listed.split()}

    @property
    def _plain(self) -> AccessRepository:
        return self._repo()

    def _repo(self, who: str = "") -> AccessRepository:
        found = AccessRepository(self.access.top, who)
        found._by_files = self.policies
        return found


class DiskRepository(LifePorts):
    """The repository of a life on disk."""

    def __init__(self, place: DiskPlace, top: Path, acting: str = "") -> None:
        super().__init__(top, acting)
        self._place = place
        self._by_files = place.policies

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
