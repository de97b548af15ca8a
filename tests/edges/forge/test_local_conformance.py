from __future__ import annotations

from pathlib import Path

import pytest
from forge_world import World, world_at

from conformance.forge_suite import ForgeContract
from daypass.core.ids import Oid
from daypass.edges.forges.local.host import LocalForge
from daypass.edges.git.history import GitHistory


class LocalPlace:
    """One repository with everybody in it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.history = GitHistory(world.git)

    def forge(self, who: str) -> LocalForge:
        return self._world.forge(who)

    def main(self) -> Oid:
        return self._world.tip()

    def advance_main(self) -> Oid:
        (self._world.top / "README.md").write_text("changed\n")
        self._world.git.run("add", "README.md")
        self._world.git.run("commit", "--quiet", "-m", "change")
        return self.main()


class TestLocalForge(ForgeContract):
    @pytest.fixture
    def place(self, tmp_path: Path) -> LocalPlace:
        top = tmp_path / "access"
        (top / "grants").mkdir(parents=True)
        world = world_at(top)
        world.git.run("init", "--quiet", "--initial-branch=main")
        world.be("dave")
        (top / "README.md").write_text("main\n")
        (top / "grants" / "old.yaml").write_text("old\n")
        world.git.run("add", "README.md", "grants/old.yaml")
        world.git.run("commit", "--quiet", "-m", "first")
        return LocalPlace(world)
