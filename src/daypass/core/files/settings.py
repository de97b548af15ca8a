"""Writing one part of policies/daypass.yaml anew, with all else of it, comments too, as it stands."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from daypass.core.ids import canonical

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*")
_NOT_TEXT = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})


def with_mapping(text: str, key: str, wanted: Mapping[str, object]) -> str:
    """Return a settings file in which a key of the top holds this mapping, on one line.

    Comments that stood in its lines are kept above it. Whoever calls reads what came out: of a file that is written in an
    unusual way it may be something else.
    """
    lines = text.splitlines(keepends=True)
    made = f"{key}: {_flow(wanted)}"
    starts = [n for n, line in enumerate(lines) if line.startswith(f"{key}:")]
    if not starts:
        return f"{text}{'' if not text or text.endswith(chr(10)) else chr(10)}{made}\n"
    first = starts[0]
    last = first
    for n in range(first + 1, len(lines)):
        if lines[n].strip() and not lines[n].startswith((" ", "#")):
            break
        if lines[n].startswith(" ") and lines[n].strip():
            last = n
    kept = [line.strip() for line in lines[first + 1 : last + 1] if line.strip().startswith("#")]
    comment = re.search(r"[ \t]+#[^\"'\r\n]*", lines[first]) if '"' not in lines[first] else None
    new = [*(f"{line}\n" for line in kept), f"{made}{comment[0] if comment else ''}\n"]
    return "".join([*lines[:first], *new, *lines[last + 1 :]])


def _flow(value: object) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_flow(str(name))}: {_flow(one)}" for name, one in value.items()) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(_flow(one) for one in value) + "]"
    plain = isinstance(value, int) or (_PLAIN.fullmatch(str(value)) and str(value).lower() not in _NOT_TEXT)
    return str(value) if plain else canonical(value)
