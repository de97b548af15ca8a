"""Places that many tests begin with: made once a process by the real command, and copied for each test."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from driver import Access

_CONFIG = "XDG_CONFIG_HOME"
"""Below it `init` keeps the ledger's key."""
_MADE: dict[object, Path] = {}


@cache
def _room() -> Path:
    room = tempfile.mkdtemp(prefix="daypass-founded-")
    atexit.register(shutil.rmtree, room, ignore_errors=True)
    return Path(room)


def once(name: object, make: Callable[[Path], None]) -> Path:
    """Return a folder that ``make`` filled; made once a process for each name."""
    if name not in _MADE:
        folder = Path(tempfile.mkdtemp(dir=_room()))
        make(folder)
        _MADE[name] = folder
    return _MADE[name]


def copy(folder: Path, top: Path) -> None:
    """Copy a repository with its work tree; git is told that the files are the same."""
    shutil.copytree(folder, top, symlinks=True, dirs_exist_ok=True)
    subprocess.run(["git", "-C", str(top), "update-index", "-q", "--refresh"], check=True, timeout=60)


def example(top: Path, at: str) -> Access:
    """Found the worked example at an instant, on a simulated clock; its ledger's key lies where `init` puts it."""

    def make(folder: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(_CONFIG, str(folder / "config"))
            made = Access(folder / "access")
            made.top.mkdir()
            made.git("init", "-q", "--initial-branch=main")
            made.git("config", "user.name", "Olga Platform")
            made.git("config", "user.email", "olga@example.com")
            made.run("init", ".", "--example", "--simulated-clock", "--at", at)

    found = once(("example", at), make)
    shutil.copytree(found / "config", os.environ[_CONFIG], dirs_exist_ok=True)
    copy(found / "access", top)
    return Access(top)
