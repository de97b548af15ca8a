"""Folders that many tests begin with: made once for all workers, and copied for each test."""

from __future__ import annotations

import atexit
import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from functools import cache
from hashlib import sha256
from pathlib import Path

_ROOM = "FOLDERS_FOR_TESTS"
"""Names the folder of all of them to every worker."""
_MADE: dict[object, Path] = {}


def work_in_memory() -> None:
    """Let what is made and thrown away lie in memory, where there is room and programs may run: tens of thousands of small files."""
    memory = "/dev/shm"  # noqa: S108  (each file below it is in a folder made for it)
    if "TMPDIR" not in os.environ and os.access(memory, os.W_OK):
        there = os.statvfs(memory)
        if there.f_bavail * there.f_frsize > 4 << 30 and not there.f_flag & getattr(os, "ST_NOEXEC", 0):
            os.environ["TMPDIR"] = tempfile.tempdir = memory


@cache
def room() -> Path:
    """Return the folder for what is made once: whoever asks first makes it, and takes it away at the end."""
    if _ROOM not in os.environ:
        made = os.environ[_ROOM] = tempfile.mkdtemp(prefix="daypass-founded-")
        Path(made).chmod(0o711)  # a server that runs as somebody else finds its own folder there
        atexit.register(shutil.rmtree, made, ignore_errors=True)
    return Path(os.environ[_ROOM])


def once(name: str | tuple[object, ...], make: Callable[[Path], object]) -> Path:
    """Return a folder that ``make`` filled; made once for each name, which every worker has to write alike."""
    if name not in _MADE:
        known = room() / sha256(repr(name).encode()).hexdigest()
        with known.open("a+", encoding="utf-8") as file:  # it names the folder as soon as that is whole
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            folder = file.read()
            if not folder:
                folder = tempfile.mkdtemp(dir=room())
                make(Path(folder))
                file.write(folder)
        _MADE[name] = Path(folder)
    return _MADE[name]


def copy(folder: Path, top: Path) -> None:
    """Copy a repository that was packed, with its work tree; its files are the same to git."""
    _copy(str(folder), str(top))


def _copy(folder: str, top: str) -> None:
    """Copy what a folder has, in a fifth of the time that `shutil.copytree` takes."""
    os.makedirs(top, exist_ok=True)  # noqa: PTH103  (this and below: no time for paths)
    with os.scandir(folder) as every:
        for each in every:
            there = f"{top}/{each.name}"
            if each.is_symlink():
                os.symlink(os.readlink(each.path), there)  # noqa: PTH115, PTH211
            elif each.is_dir():
                _copy(each.path, there)
                os.chmod(there, each.stat().st_mode)  # noqa: PTH101
            else:
                with open(each.path, "rb") as old, open(there, "xb") as new:  # noqa: PTH123
                    new.write(old.read())
                    found = each.stat()
                    os.fchmod(new.fileno(), found.st_mode)
                os.utime(there, ns=(found.st_atime_ns, found.st_mtime_ns))


def pack(top: Path) -> None:
    """Leave a repository with few files, which are copied sooner: one pack of objects, and no examples of hooks.

    By its settings git knows a copied file by its size and time, so that it need not be told that it is the same.
    """
    with (top / ".git" / "config").open("a", encoding="utf-8") as settings:
        settings.write("[core]\n\tcheckStat = minimal\n\ttrustctime = false\n")
    subprocess.run(["git", "-C", str(top), "repack", "-adq"], check=True, timeout=60)
    for example in (top / ".git" / "hooks").glob("*.sample"):
        example.unlink()
