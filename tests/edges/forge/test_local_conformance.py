from __future__ import annotations

from pathlib import Path

import pytest
from forge_world import World, world_with

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
        world = world_with(tmp_path / "access", {"README.md": "main\n", "grants/old.yaml": "old\n"})
        return LocalPlace(world)
