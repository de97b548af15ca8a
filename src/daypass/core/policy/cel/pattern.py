"""Patterns of purposes: what a ticket or a text must look like, as a whole.

The engine is CEL's own (RE2): its time grows with the length of the text alone, whatever the pattern, so that nobody's
text can make a run wait.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from cel_expr_python import cel


def whole(pattern: str, text: str) -> bool:
    """Say whether a text as a whole is of the form of a pattern; nothing is of the form of one that is none."""
    return _match(rf"\A(?:{pattern})\z", text) is True


def fault(pattern: str) -> str:
    """Say what is wrong with a pattern, "" where nothing is: by itself as well, so that it closes no group of ours."""
    for written in (pattern, rf"\A(?:{pattern})\z"):
        found = _match(written, "")
        if not isinstance(found, bool):
            return found
    return ""


def _match(pattern: str, text: str) -> bool | str:
    answer = _program().eval(data={"text": text, "pattern": pattern})
    value = answer.value()
    # An evaluation that fails gives a value that is an error, and that Python takes for true.
    return value if answer.type() == cel.Type.BOOL and isinstance(value, bool) else _words(str(value))


def _words(error: str) -> str:
    """Keep what the engine says of the pattern, without its codes."""
    first = error.splitlines()[0] if error else "no answer"
    return first.removeprefix("INVALID_ARGUMENT: ")


@cache
def _program() -> Any:
    variables = {"text": cel.Type.STRING, "pattern": cel.Type.STRING}
    return cel.NewEnv(variables=variables).compile("text.matches(pattern)")
