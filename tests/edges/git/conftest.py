"""Real repositories to read and write, made by git itself and away from the settings of whoever runs the tests."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from daypass.core.ids import Oid
from daypass.edges.git.plumbing import Git
from repositories import head, new_repository, store, store_tree


class Scene:
    """One repository with the few moves that tests make in it."""

    def __init__(self, folder: Path, *, bare: bool = False, algorithm: str = "sha1") -> None:
        self.folder = folder
        self.git = Git(folder)
        self.git_dir = folder if bare else folder / ".git"
        self._algorithm = algorithm

    def run(self, *arguments: str, stdin: bytes = b"", fine: bool = True) -> str:
        done = subprocess.run(
            ["git", "-C", str(self.folder), *arguments], input=stdin, capture_output=True, check=False
        )
        assert not fine or done.returncode == 0, done.stderr.decode()
        return done.stdout.decode("utf-8", "surrogateescape").strip()

    def write(self, path: str, content: bytes | str = b"x\n") -> None:
        place = self.folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content.encode() if isinstance(content, str) else content)

    def commit(self, message: str = "change", **files: str) -> Oid:
        for path, content in files.items():
            self.write(path, content)
        self.run("add", "-A")
        self.run("commit", "-q", "--allow-empty", "-m", message)
        return Oid(head(self.git_dir))

    def commit_file(self, path: str, content: bytes | str = b"x\n") -> Oid:
        self.write(path, content)
        return self.commit()

    def head(self, revision: str = "HEAD") -> Oid:
        return Oid(self.run("rev-parse", revision))

    def blob(self, content: bytes) -> Oid:
        return self._store("blob", content)

    def tree(self, *entries: tuple[str, str, bytes]) -> Oid:
        """Make a tree of (mode, oid, name), whatever the name."""
        return Oid(store_tree(self.git_dir, entries, algorithm=self._algorithm))

    def raw_tree(self, *entries: tuple[bytes, bytes, str]) -> Oid:
        """Make a tree of (mode, name, oid), whatever git thinks of it."""
        return self._store(
            "tree", b"".join(mode + b" " + name + b"\0" + bytes.fromhex(oid) for mode, name, oid in entries)
        )

    def _store(self, kind: str, content: bytes) -> Oid:
        return Oid(store(self.git_dir, kind, content, algorithm=self._algorithm))

    def commit_of(self, tree: Oid, *parents: Oid) -> Oid:
        given = [part for parent in parents for part in ("-p", parent)]
        return Oid(self.run("commit-tree", tree, *given, "-m", "made"))


@pytest.fixture(autouse=True)
def _own_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for key in [key for key in os.environ if key.startswith("GIT_")]:
        monkeypatch.delenv(key)
    settings = tmp_path / "settings"
    settings.write_text("[user]\n\tname = Alice\n\temail = alice@example.com\n[init]\n\tdefaultBranch = main\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")


@pytest.fixture
def make_scene(tmp_path: Path) -> Callable[..., Scene]:
    """Return a function that makes a repository of a name, with long ids or without a work tree where wanted."""

    def make(name: str = "here", *, bare: bool = False, algorithm: str = "sha1") -> Scene:
        new_repository(tmp_path / name, bare=bare, algorithm=algorithm)
        return Scene(tmp_path / name, bare=bare, algorithm=algorithm)

    return make


@pytest.fixture
def scene(make_scene: Callable[..., Scene]) -> Scene:
    return make_scene()


@pytest.fixture(params=[32, 0], ids=["near", "far"])
def few(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Have few commits read without git's walking, or none."""
    monkeypatch.setattr("daypass.edges.git.steps._FEW", request.param)
    return request.param
