"""The page on writing a forge is right: its code is registered as it stands there, and is held to the contract.

What the page leaves out of its test are the place and the imports; they stand here.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any

import pytest

from conformance.changed import Changed, copy_program
from conformance.forge_suite import ForgeContract, opened
from conformance.suite import page_block
from daypass.core import forge
from daypass.core.bounds.settings import Settings
from daypass.core.catalogue import Directory, Subject, frozen
from daypass.core.errors import EdgeError
from daypass.core.forge import ForgeKind
from daypass.core.ids import Oid
from daypass.edges.forges import host
from daypass.edges.forges.host import Run, open_host
from daypass.edges.git.history import GitHistory
from daypass.edges.git.plumbing import Git
from daypass.edges.git.repository import open_repository
from daypass.ports import Forge

PAGE = "../forges/writing-one"
FILE = page_block(PAGE, "src/daypass/edges/forges/folder/host.py")
ROW = page_block(PAGE, "row")
FORM = page_block(PAGE, "form")
TEST = page_block(PAGE, "tests/conformance/test_folder.py")
MODULE = "daypass.edges.forges.folder.host"
PEOPLE = ("alice", "bob", "carol", "dave")


def _made() -> ModuleType:
    made = ModuleType(MODULE)
    sys.modules[MODULE] = made  # dataclasses and annotations look there
    exec(compile(FILE, "<writing-one.md>", "exec"), vars(made))  # noqa: S102  (our own page, and what it is for)
    return made


FOLDER = _made()


class FolderPlace:
    """One repository with everybody in it."""

    def __init__(self, folder: Path) -> None:
        self.top = folder / "access"
        (self.top / "grants").mkdir(parents=True)
        self.git = Git(self.top)
        self.git.run("init", "--quiet", "--initial-branch=main")
        self.git.run("config", "user.name", "Dave")
        self.git.run("config", "user.email", "dave@example.com")
        (self.top / "README.md").write_text("main\n")
        (self.top / "grants/old.yaml").write_text("old\n")
        self._commit("README.md", "grants/old.yaml")
        self.history = GitHistory(self.git)
        subjects = {h: Subject(h, name=h.title(), emails=(f"{h}@example.com",)) for h in PEOPLE}
        self.directory = Directory(frozen(subjects), frozen({}))

    def forge(self, who: str) -> Forge:
        run = Run(open_repository(self.top), "refs/heads/main", who, {}, lambda _: None)
        return open_host(Settings(forge_kind="folder"), run).forge(self.directory)

    def main(self) -> Oid:
        return self.history.resolve("refs/heads/main")

    def advance_main(self) -> Oid:
        self.git.run("checkout", "--quiet", "--force", "main")  # it has no work tree that follows by itself
        (self.top / "README.md").write_text("changed\n")
        self._commit("README.md")
        return self.main()

    def _commit(self, *paths: str) -> None:
        self.git.run("add", *paths)
        self.git.run("commit", "--quiet", "-m", "change")


_NAMES: dict[str, Any] = {
    "pytest": pytest,
    "Path": Path,
    "ForgeContract": ForgeContract,
    "FolderPlace": FolderPlace,
    "__name__": __name__,
}
exec(compile(TEST, "<writing-one.md: its test>", "exec"), _NAMES)  # noqa: S102  (likewise)
TestFolderForge = _NAMES["TestFolderForge"]


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    row = eval(f"{{{ROW}}}", {"ForgeKind": ForgeKind})  # noqa: S307  (likewise)
    known = MappingProxyType({**forge.FORGES, **row})
    monkeypatch.setitem(sys.modules, MODULE, FOLDER)
    monkeypatch.setattr(host, "FORGES", known)


def test_a_record_that_does_not_read_is_an_error_and_not_skipped(tmp_path: Path) -> None:
    place = FolderPlace(tmp_path)
    number = opened(place)
    (place.top / f".git/daypass/pulls/{number}.jsonl").write_text("{}\n")
    for read in (lambda f: f.pull(number), lambda f: f.reviews(number), lambda f: f.open_pulls()):
        with pytest.raises(EdgeError, match="does not read as a pull request"):
            read(place.forge("bob"))


def test_a_new_forge_is_under_two_hundred_and_fifty_lines() -> None:
    assert len(FILE.splitlines()) < 250


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of the program with the folder, the row and the name where the page says that they go."""
    top = tmp_path_factory.mktemp("built")
    copy_program(top)
    folder = top / "daypass/edges/forges/folder"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "host.py").write_text(FILE)
    _put(top / "daypass/core/forge.py", '        "github": ForgeKind(\n', ROW + '        "github": ForgeKind(\n')
    _put(top / "daypass/schema/policy_models.py", '    kind: Literal["local", "github"]\n', FORM)
    made = [sys.executable, "-m", "daypass.schema.generate"]
    subprocess.run(made, cwd=top, env={**os.environ, "PYTHONPATH": str(top)}, check=True)
    return top


def _put(path: Path, mark: str, what: str) -> None:
    text = path.read_text()
    assert text.count(mark) == 1, f"{path.name} has no place for {what!r}"
    path.write_text(text.replace(mark, what))


def test_the_gate_merges_what_is_approved_at_the_new_forge_and_nothing_else(built: Path, tmp_path: Path) -> None:
    top = tmp_path / "access"
    with Changed(built, top) as changed:
        daypass = changed.daypass
        daypass("init", ".", "--example", "--simulated-clock", "--at", "2026-11-20T08:00:00Z")
        settings = top / "policies/daypass.yaml"
        _put(settings, "forge: {kind: local}\n", page_block(PAGE, "policies/daypass.yaml"))
        changed.git("commit", "-qam", "Keep pull requests in a folder")
        daypass("check")
        assert daypass("forge") == "folder\n"
        at = ("--at", "2026-11-20T10:00:00Z")
        ask = ("--resource", "orders-db", "--role", "readonly", "--for", "2h", "--reason", "to see the new forge work")
        daypass("--as", "alice", "request", *ask, *at)
        assert (top / ".git/daypass/pulls/1.jsonl").is_file()
        daypass("gate", "1", *at, expect=12)
        daypass("--as", "alice", "approve", "1", *at, expect=11)
        for who in ("bob", "dave"):
            daypass("--as", who, "approve", "1", *at)
        daypass("gate", "1", *at)
        daypass("apply", *at)
        assert "1 ours" in daypass("targets")
        daypass("audit", "verify", "--at", "2026-11-20T10:01:00Z")
        assert "this needs a forge of kind github" in daypass("doctor", expect=2)
        assert "sync is for the local forge" in daypass("sync", expect=2)
