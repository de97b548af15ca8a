"""Reading what somebody wrote in the settings or the catalogue, and what messages say of it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from daypass.core.errors import InvalidError
from daypass.core.finding import near

if TYPE_CHECKING:
    from daypass.core.catalogue import TargetSettings

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


def place_below(settings: TargetSettings, option: str, usual: str, base_dir: Path) -> Path:
    """Return the path that an option gives below ``base_dir``, else ``usual`` there. Raises InvalidError, see above."""
    given = settings.options.get(option, usual)
    hint = f"write a file name, for example {usual}"
    if not isinstance(given, str) or "\0" in given:
        raise InvalidError(f"expected {option} of target {settings.name} to be text, got {given!r}", hint=hint)
    place = PurePosixPath(given)
    if place.is_absolute() or ".." in place.parts or place == PurePosixPath():
        raise InvalidError(
            f"{option} of target {settings.name} is not below daypass's own folder: {given!r}", hint=hint
        )
    return base_dir / place
