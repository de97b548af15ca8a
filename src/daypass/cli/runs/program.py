"""Which program this is."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from daypass import __version__


@cache
def program_digest() -> str:
    """Return a digest of all of this program that an answer can depend on, so that no cache outlives a change of it."""
    from hashlib import sha256

    found = sha256(__version__.encode())
    package = Path(__file__).parents[2]
    names = ("core", "pipeline", "schema", "edges/forges", "edges/targets")
    folders = (listed for name in names for listed in os.walk(package / name))
    files = (f"{folder}/{name}" for folder, _, names in folders for name in names if name.endswith((".py", ".json")))
    for path in sorted(files):
        found.update(Path(path).read_bytes())
    return found.hexdigest()
