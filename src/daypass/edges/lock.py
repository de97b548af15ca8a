"""One writer at a time on one machine. Between machines the ledger's fast-forward decides who was first."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from daypass.core.errors import ConflictError


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold a lock file while the block runs; the kernel lets go of it when the process dies.

    Raises ConflictError when another process holds it: two appliers side by side would take each other's open intents
    for those of a run that died.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConflictError("another run is applying right now", hint="wait for it to end") from None
        yield
    finally:
        os.close(descriptor)
