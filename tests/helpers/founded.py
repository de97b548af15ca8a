"""Places that many tests begin with: made once by the real command, and copied for each test."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from copies import copy, once, pack, room
from driver import Access
from in_memory.access import MAIN, STATE, MemoryAccess, World, begin
from in_memory.objects import NOTHING
from scenes import Scene

_CONFIG = "XDG_CONFIG_HOME"
"""Below it `init` keeps the ledger's key."""
_WORLDS: dict[object, tuple[Path, MemoryAccess]] = {}
"""What this process made in memory, with the folder for its files."""


def example(top: Path, at: str) -> Access:
    """Found the worked example at an instant, on a simulated clock; its ledger's key lies where `init` puts it."""

    def found(access: Access) -> None:
        access.top.mkdir()
        access.git("init", "-q", "--initial-branch=main")
        access.git("config", "user.name", "Olga Platform")
        access.git("config", "user.email", "olga@example.com")
        access.run("init", ".", "--example", "--simulated-clock", "--at", at)
        pack(access.top)

    return _placed(("example", at), found, top)


def begun(name: str, at: str, begin: Callable[[Access], None], top: Path) -> Access:
    """Found the worked example and go on from there: ``begin`` does so once for each name."""
    return _placed(("begun", name), lambda access: begin(example(access.top, at)), top)


def _placed(name: tuple[str, ...], make: Callable[[Access], None], top: Path) -> Access:
    def filled(folder: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(_CONFIG, str(folder / "config"))
            make(Access(folder / "access"))

    found = once(name, filled)
    shutil.copytree(found / "config", os.environ[_CONFIG], dirs_exist_ok=True)
    copy(found / "access", top)
    return Access(top, scene=Scene(top, name))


def in_memory(top: Path, at: str, *, work_tree: bool = True) -> MemoryAccess:
    """Found the worked example as `example` does, in memory: for what is shown without git.

    ``work_tree``: its files are laid out for who looks at them.
    """

    def found(folder: Path) -> MemoryAccess:
        on_disk = example(folder / "access", at)
        names = on_disk.git("ls-files").splitlines()
        return begin(folder / "memory", {name: (on_disk.top / name).read_bytes() for name in names}, at)

    return _remembered(("in memory", at), found, top, work_tree=work_tree)


def begun_in_memory(name: object, at: str, begin: Callable[[MemoryAccess], None], top: Path) -> MemoryAccess:
    """Found the worked example in memory and go on from there, as `begun` does on disk."""

    def found(folder: Path) -> MemoryAccess:
        access = in_memory(folder / "memory", at)
        begin(access)
        return access

    return _remembered(("begun in memory", name), found, top)


def _remembered(
    name: object, make: Callable[[Path], MemoryAccess], top: Path, *, work_tree: bool = True
) -> MemoryAccess:
    if name not in _WORLDS:
        made = Path(tempfile.mkdtemp(dir=room()))
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(_CONFIG, str(made / "config"))
            _WORLDS[name] = made, make(made)
    folder, first = _WORLDS[name]
    world = first.world
    shutil.copytree(folder / "config", os.environ[_CONFIG], dirs_exist_ok=True)
    state = Path(shutil.copytree(world.state, top / STATE))
    access = MemoryAccess(top, world=World(state, world.objects.copy(), dict(world.pulls)))
    if work_tree:
        access.lay_out(NOTHING, access.world.objects.stored(access.world.objects.refs[MAIN]).tree)
    return access
