"""A real repository with a main branch, people with and without SSH keys, and a forge for each of them."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from msgspec.structs import replace

from copies import copy, once, pack
from daypass.core.catalogue import Directory, Subject, frozen
from daypass.core.ids import Oid
from daypass.edges.forges.local.host import LocalForge
from daypass.edges.git.history import GitHistory
from daypass.edges.git.plumbing import Git
from daypass.edges.git.repository import open_repository
from repositories import identify, new_repository

T0 = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
PEOPLE = ("alice", "bob", "carol", "dave")


def world_at(top: Path) -> World:
    """Return the world of a repository, people without keys."""
    subjects = {h: Subject(h, name=h.title(), emails=(f"{h}@example.com",), login=f"{h}-x") for h in PEOPLE}
    subjects["robot"] = Subject("robot", kind="workload", emails=("robot@example.com",))
    return World(top, Git(top), Directory(frozen(subjects), frozen({"dba": frozenset({"bob", "carol"})})))


def world_with(top: Path, files: Mapping[str, str]) -> World:
    """Return the world of a repository whose main begins with these files, by dave."""

    def make(folder: Path) -> None:
        made = world_at(folder)
        new_repository(folder)
        made.be("dave")
        for path, text in files.items():
            (folder / path).parent.mkdir(exist_ok=True)
            (folder / path).write_text(text)
        made.git.run("add", "-A")
        made.git.run("commit", "--quiet", "-m", "first")
        pack(folder)

    copy(once(("world of the forge", *files.items()), make), top)
    return world_at(top)


def minutes(count: int) -> datetime:
    return T0 + timedelta(minutes=count)


@dataclass
class World:
    """One repository and who works in it."""

    top: Path
    git: Git
    directory: Directory
    keys: dict[str, Path] = field(default_factory=dict)

    def forge(self, acting: str = "", top: Path | None = None) -> LocalForge:
        here = open_repository(top or self.top)
        return LocalForge(here, self.directory, main="refs/heads/main", ledger="daypass-ledger", acting=acting)

    def be(self, handle: str, key: str = "") -> None:
        """Set git up as this person, signing with the key of ``key`` (none by default)."""
        git_dir = self.top / ".git" if (self.top / ".git").exists() else self.top
        identify(git_dir, handle.title(), f"{handle}@example.com", key=Path(f"{self.keys[key]}.pub") if key else None)

    def give_key(self, handle: str) -> None:
        """Make an SSH key and put it in the directory."""
        self.make_key(handle)
        public = " ".join(Path(f"{self.keys[handle]}.pub").read_text().split()[:2])
        subjects = dict(self.directory.subjects)
        subjects[handle] = replace(subjects[handle], keys=(public,))
        self.directory = Directory(frozen(subjects), self.directory.groups)

    def make_key(self, name: str) -> Path:
        """Make an SSH key that the directory does not know."""
        file = self.top.parent / f"key-{name}"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(file)], check=True)
        self.keys[name] = file
        return file

    def branch(
        self, name: str = "b1", path: str = "grants/db/a.yaml", text: str = "version: 1\n", acting: str = "alice"
    ) -> Oid:
        """Make a branch of main with one file, without touching the work tree."""
        forge = self.forge(acting)
        files = [(path, text.encode())]
        return forge.commit(branch=name, parent=self.tip(), files=files, message=f"Add {path}", at=T0)

    def opened(self, name: str = "b1", acting: str = "alice", title: str = "Grant", **file: str) -> int:
        head = self.branch(name, acting=acting, **file)
        return self.forge(acting).open(branch=name, head=head, title=title, at=T0).number

    def tip(self, ref: str = "refs/heads/main") -> Oid:
        return GitHistory(self.git).resolve(ref)

    def refs(self) -> list[str]:
        return self.git.text("for-each-ref", "--format=%(refname)", "refs/heads").splitlines()
