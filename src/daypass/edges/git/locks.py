"""Lock files that git left behind: a process that is killed while it moves a ref leaves its lock, and nobody moves it again.

git names the lock and gives up. It writes no process into it, so that a holder is taken to be dead only where all of it
holds: the file is ours and old, no process has it open, and no git is at work in the repository. Else it is named.
"""

from __future__ import annotations

import os
import re
import shlex
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from daypass.core.errors import LockedError

OLD = 600.0
"""Seconds after which a lock may be taken over; git holds one for milliseconds, a hook of the user's for longer."""

_LOCK = rb"Unable to create '([^\n]+?\.lock)': File exists"
_PROCESSES = Path("/proc")


def lock_in(errors: bytes, folder: Path) -> Path | None:
    """Return the lock file that git's complaint names, None where it names none; git stood in ``folder``."""
    found = re.search(_LOCK, errors)
    return (folder / os.fsdecode(found[1])).resolve().parent / Path(os.fsdecode(found[1])).name if found else None


def take_over(lock: Path, repository: Path, tell: Callable[[str], None]) -> bool:
    """Remove a lock whose holder is certainly dead, and tell so; say whether it is gone.

    ``repository`` is git's own folder: a path outside of it is none of ours. Where processes cannot be looked at (no
    ``/proc``), nothing is certain.
    """
    try:
        found = lock.lstat()
    except OSError:
        return not os.path.lexists(lock)
    inside = lock.parent.resolve().is_relative_to(repository.resolve())
    plain = stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid()
    if not inside or not plain or time.time() - found.st_mtime < OLD or _in_use(found, repository):
        return False
    try:
        lock.unlink()
    except OSError:
        return False
    minutes = int((time.time() - found.st_mtime) // 60)
    tell(f"took over {lock}, which a git that died {minutes} minutes ago or more left behind: no process has it open")
    return True


def locked(lock: Path) -> LockedError:
    """Return what to say of a lock that is not taken over."""
    return LockedError(
        f"{lock} is in the way: a git is at work there, or one that died left it behind",
        hint=f"where no git is at work in this repository: rm {shlex.quote(str(lock))}",
        path=str(lock),
    )


def _in_use(found: os.stat_result, repository: Path) -> bool:
    """Say whether a process has the file open or is a git inside the repository; yes where nobody can tell."""
    try:
        processes = [entry for entry in _PROCESSES.iterdir() if entry.name.isdigit()]
    except OSError:
        return True
    tops = (repository.resolve(), repository.resolve().parent if repository.name == ".git" else repository.resolve())
    return not processes or any(_holds(process, found, tops) for process in processes)


def _holds(process: Path, found: os.stat_result, tops: tuple[Path, ...]) -> bool:
    try:
        if process.stat().st_uid != found.st_uid:
            return False  # the lock is ours, and somebody else's process did not make it
        # `git cat-file`, of which every run of ours has one, only reads and takes no lock.
        reads = b"cat-file" in (process / "cmdline").read_bytes().split(b"\0")
        git = not reads and (process / "comm").read_text().startswith("git")
    except OSError:
        return False  # it has ended
    try:
        inside = git and any((process / "cwd").resolve(strict=True).is_relative_to(top) for top in tops)
        return inside or any(os.path.samestat(one, found) for one in _open_files(process / "fd"))
    except FileNotFoundError:
        return False
    except OSError:
        return git  # agents that keep keys show nothing of themselves, and make no locks


def _open_files(folder: Path) -> Iterator[os.stat_result]:
    for one in folder.iterdir():
        try:
            yield one.stat()
        except FileNotFoundError:
            continue
