"""The JSON Schemas of every file that users write: generated from the models, committed, read as data.

Pydantic is needed to generate them and nowhere else, so that no run pays for importing it.
"""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Any

SUFFIX = ".schema.json"


@cache
def load(name: str) -> dict[str, Any]:
    """Return the schema of one kind of file (``grant``). The result is shared: do not change it. Raises KeyError."""
    file = resources.files(__name__) / f"{name}{SUFFIX}"
    if not file.is_file():
        raise KeyError(name)
    schema: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return schema


def names() -> tuple[str, ...]:
    """Return the names that `load` knows, sorted."""
    files = (file.name for file in resources.files(__name__).iterdir())
    return tuple(sorted(name.removesuffix(SUFFIX) for name in files if name.endswith(SUFFIX)))
