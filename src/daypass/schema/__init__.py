"""The JSON Schemas of every file that users write: generated from the models, committed, read as data.

Pydantic is needed to generate them and nowhere else, so that no run pays for importing it.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

SUFFIX = ".schema.json"
_FOLDER = Path(__file__).parent


@cache
def load(name: str) -> dict[str, Any]:
    """Return the schema of one kind of file (``grant``). The result is shared: do not change it. Raises KeyError."""
    if name not in names():
        raise KeyError(name)
    schema: dict[str, Any] = json.loads((_FOLDER / f"{name}{SUFFIX}").read_text(encoding="utf-8"))
    return schema


def names() -> tuple[str, ...]:
    """Return the names that `load` knows, sorted."""
    return tuple(sorted(file.name.removesuffix(SUFFIX) for file in _FOLDER.glob(f"*{SUFFIX}")))
