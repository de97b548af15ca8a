"""Whether a file of this machine's own state may be believed: a cache that others can write would speak for them."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def others_may_write(path: Path) -> bool:
    """Say whether somebody else could have written a file of ``.git/daypass``; False for one that is not there.

    Others are all but the user who runs this and the owner of the repository, who controls it anyhow. Raises OSError
    where nobody can look.
    """
    try:
        found = path.lstat()
        repository = path.parent.parent.stat()
    except FileNotFoundError:
        return False
    if not stat.S_ISREG(found.st_mode) or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return True
    return found.st_uid not in (os.geteuid(), repository.st_uid)
