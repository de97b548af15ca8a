"""Whether a file of this machine's own state may be believed: a cache that others can write would speak for them."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from daypass.core.errors import EdgeError

SIDE_FILES = ("", "-wal", "-shm", "-journal")
"""What SQLite reads beside a database, and believes as it believes the database."""


def others_may_write(path: Path) -> bool:
    """Say whether somebody else could have written a file of the state folder, or one beside it that speaks for it.

    So it is where the folder itself lets others put files there. False for what is not there. Others are all but the
    user who runs this and the owner of the repository, who controls it anyhow. Raises OSError where nobody can look.
    """
    try:
        allowed = {os.geteuid(), path.parent.parent.stat().st_uid}
        folder = path.parent.lstat()
    except FileNotFoundError:
        return False
    if not stat.S_ISDIR(folder.st_mode) or _writable(folder, allowed):
        return True
    for end in SIDE_FILES:
        try:
            found = Path(f"{path}{end}").lstat()
        except FileNotFoundError:
            continue
        if not stat.S_ISREG(found.st_mode) or _writable(found, allowed):
            return True
    return False


@contextmanager
def usable(path: Path) -> Iterator[None]:
    """Turn failures of SQLite's at a cache into EdgeError: what it holds can be made anew, where there is room for it."""
    import sqlite3  # noqa: PLC0415  (only where a cache is opened)

    try:
        yield
    except sqlite3.Error as error:
        hint = "it is a cache: it may be deleted. Is there room on the disk, and may this user write there?"
        raise EdgeError(f"{path} cannot be used: {error}", hint=hint) from error


def discard(path: Path) -> None:
    """Remove a cache with what lies beside it, so that nothing of it speaks for the next. Raises OSError."""
    for end in SIDE_FILES:
        Path(f"{path}{end}").unlink(missing_ok=True)


def make_folder(folder: Path) -> None:
    """Make the state folder, ours alone; one of ours that others may write to becomes so. Raises OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()
    if stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and found.st_mode & 0o077:
        folder.chmod(0o700)


def _writable(found: os.stat_result, allowed: set[int]) -> bool:
    return bool(found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)) or found.st_uid not in allowed
