"""What messages say of a thing that somebody wrote in the settings or the catalogue."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from daypass.core.finding import near

_LONGEST = 200
_PLAIN = re.compile(r"[A-Za-z0-9_./][A-Za-z0-9_./-]*")


def first_near(names: Iterable[str], known: Iterable[str], otherwise: str = "") -> str:
    """Write the hint for the first of some unknown names that a known one is like, or what to say where none is."""
    found = (near(name, known) for name in sorted(names))
    return next((hint for hint in found if hint), otherwise)


def written(text: str) -> str:
    """Return canonical JSON as people write it in YAML, where that is simple: ``{login: true, member_of: readers}``."""
    try:
        return _flow(json.loads(text))[:_LONGEST]
    except (ValueError, RecursionError):
        return text[:_LONGEST]


def _flow(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_flow(key)}: {_flow(value[key])}" for key in value) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    if isinstance(value, str) and _PLAIN.fullmatch(value):
        return value  # files hold every scalar as text: whether it was quoted is not known, and the same to us
    return json.dumps(value, ensure_ascii=False)
