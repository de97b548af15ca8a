"""A real repository for each test, and the pen of an attacker."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from forge_world import T0, World, world_with

from daypass.core.ids import Oid
from repositories import store, store_tree


@pytest.fixture
def world(tmp_path: Path) -> World:
    return world_with(tmp_path / "access", {"README": "hello\n", "other": "one\n"})


@pytest.fixture
def raw_event(world: World) -> Callable[..., Oid]:
    """Write the commit of an event as an attacker would: any bytes, any author, any parents, any key."""

    def write(
        raw: bytes,
        parents: tuple[Oid, ...],
        *,
        by: str = "bob",
        message: str = "",
        at: datetime = T0,
        key: str = "",
        name: str = "event.json",
    ) -> Oid:
        git_dir = world.top / ".git"
        tree = store_tree(git_dir, [("100644", store(git_dir, "blob", raw), name.encode())])
        stamp = f"@{int(at.timestamp())} +0000"
        who = {
            f"GIT_{role}_{part}": value
            for role in ("AUTHOR", "COMMITTER")
            for part, value in (("NAME", by.title()), ("EMAIL", f"{by}@example.com"), ("DATE", stamp))
        }
        sign = ["-c", "gpg.format=ssh", "commit-tree", f"-S{world.keys[key]}"] if key else ["commit-tree"]
        named = [part for parent in parents for part in ("-p", parent)]
        return Oid(world.git.text(*sign, tree, *named, stdin=message.encode(), environment=who))

    return write
