"""When this process looks for cycles among what it holds."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Look for none meanwhile: what a run reads it holds to its end, and to look through it again takes a sixth of it."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


@contextmanager
def collected_young() -> Iterator[None]:
    """Look meanwhile only through what is new: what is in force is held to the end, and far outweighs it."""
    before = gc.get_threshold()
    gc.set_threshold(50_000, 10, 1_000_000)
    try:
        yield
    finally:
        gc.set_threshold(*before)
