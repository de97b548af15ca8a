"""One writer at a time on one machine. Between machines the ledger's fast-forward decides who was first."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from daypass.core.errors import ConflictError, EdgeError


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold a lock file while the block runs; the kernel lets go of it when the process dies.

    Raises ConflictError when another process holds it: two appliers side by side would take each other's open intents
    for those of a run that died. Raises EdgeError where the file cannot be made.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise EdgeError(f"the lock {path} cannot be taken: {error.strerror}", hint="it must be writable") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConflictError(
                "another run is applying right now", hint=f"wait for it to end; it holds {path}"
            ) from None
        except OSError as error:  # some network file systems know no locks
            raise EdgeError(f"the lock {path} cannot be taken: {error.strerror}") from error
        yield
    finally:
        os.close(descriptor)
