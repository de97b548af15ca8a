"""A real repository for each test, and the pen of an attacker."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest
from forge_world import T0, World, world_at

from daypass.core.ids import Oid


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    top = tmp_path / "access"
    top.mkdir()
    made = world_at(top)
    git = made.git
    git.run("init", "--quiet", "--initial-branch=main")
    made.be("dave")
    (top / "README").write_text("hello\n")
    (top / "other").write_text("one\n")
    git.run("add", "README", "other")
    git.run("commit", "--quiet", "-m", "first")
    return made


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
        blob = world.git.text("hash-object", "-w", "--stdin", stdin=raw)
        tree = world.git.text("mktree", stdin=f"100644 blob {blob}\t{name}\n".encode())
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
