from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from github_world import World

from conformance.forge_suite import ForgeContract
from daypass.core.ids import Oid
from daypass.edges.forges.github.pulls import GitHubForge
from daypass.edges.git.history import GitHistory
from github_double import Double
from github_double.state import ZERO, Activity


class GitHubPlace:
    """The small repository at the double, each person with a token of their own."""

    def __init__(self, world: World) -> None:
        self._world = world
        double, repo = world.double, world.repo
        began = Activity(
            double.next_id(), ZERO, world.main(), "refs/heads/main", double.now(), "branch_creation", world.repo.owner
        )
        repo.activity.append(began)
        self.history = GitHistory(world.git)

    def forge(self, who: str) -> GitHubForge:
        return self._world.forge(who)

    def main(self) -> Oid:
        return self._world.forge("carol")._remote.bring("main")

    def advance_main(self) -> Oid:
        self._world.push("carol", "main", {"README.md": "changed\n"})
        return self.main()


class TestGitHubForge(ForgeContract):
    @pytest.fixture
    def place(self, tmp_path: Path) -> Iterator[GitHubPlace]:
        with Double(tmp_path) as double:
            yield GitHubPlace(World(double, tmp_path))
