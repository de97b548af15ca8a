"""What a condition tells apart of each variable that it reads, told from its checked syntax tree.

Where a variable is only compared with what is written out, two of its values that stand alike to all of that are the same
to the condition. Of any other use of it (arithmetic, a pattern, a calendar) nothing like that is known: it is read *loosely*.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import cache, lru_cache
from types import MappingProxyType

from cel_expr_python import cel
from msgspec import Struct

from daypass.core.policy.cel.tree import (
    CALL,
    CONST,
    IDENT,
    LIST,
    LOOP,
    SELECT,
    STRUCT,
    Message,
    bytes_in,
    message,
    number_in,
    text_in,
    whole_of,
)

Literal = str | int | bool | timedelta | datetime
"""What a condition compares with."""

_JOINING = frozenset({"_&&_", "_||_", "!_", "_?_:_"})
_COMPARING = frozenset({"_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_"})
_MADE = ("duration", "timestamp")
_BOOL, _INT, _TEXT = 2, 3, 6
"""The fields of ``cel.expr.Constant`` that are read."""
_SIGN = 1 << 63


class Reads(Struct):
    """What conditions read: the literals that each variable is compared with, the hours it is asked to lie in.

    ``beside`` are pairs of variables that are compared with each other, and ``loose`` what is read in any other way.
    """

    literals: dict[str, set[Literal]]
    hours: dict[str, set[tuple[str, str]]]
    beside: set[tuple[str, str]]
    loose: set[str]


@lru_cache(maxsize=1_000)
def reads(checked: bytes) -> Reads:
    """Return what a condition reads; ``checked`` is what the engine serializes. The result is shared: do not change it."""
    found = Reads({}, {}, set(), set())
    _walk(message(bytes_in(whole_of(checked), 4)), found)
    return found


def _walk(node: Message, found: Reads) -> None:
    if CALL in node:
        _call(message(bytes_in(node, CALL)), found)
    elif IDENT in node:
        found.literals.setdefault(text_in(message(bytes_in(node, IDENT)), 1), set()).add(True)
    elif CONST not in node:
        _loosely(node, found)


def _call(call: Message, found: Reads) -> None:
    function = text_in(call, 2)
    parts = [message(part) for part in (*call.get(1, []), *call.get(3, []))]
    if function in _JOINING:
        for part in parts:
            _walk(part, found)
    elif function == "within_hours" and (name := _name(parts[0])):
        hours, zone = _constant(parts[1]), _constant(parts[2])
        if isinstance(hours, str) and isinstance(zone, str):
            found.hours.setdefault(name, set()).add((hours, zone))
        else:
            found.loose.add(name)
    elif function in _COMPARING or function == "@in":
        _compared(parts[0], parts[1], found)
    else:
        for part in parts:
            _loosely(part, found)


def _compared(left: Message, right: Message, found: Reads) -> None:
    names = [_name(left), _name(right)]
    if all(names):
        found.beside.add((names[0], names[1]))
        return
    for name, other in zip(names, (right, left), strict=True):
        several = [_constant(message(one)) for one in message(bytes_in(other, LIST)).get(1, [])]
        values = several if LIST in other else [_constant(other)]
        if name and all(value is not None for value in values):
            found.literals.setdefault(name, set()).update(value for value in values if value is not None)
            return
    _loosely(left, found)
    _loosely(right, found)


def _loosely(node: Message, found: Reads) -> None:
    """Note every variable that a part mentions."""
    if IDENT in node:
        found.loose.add(_name(node))
        return
    kind = next((field for field in (SELECT, CALL, LIST, STRUCT, LOOP) if field in node), 0)
    for part in _PARTS[kind](message(bytes_in(node, kind))) if kind else ():
        _loosely(message(part), found)


_PARTS: Mapping[int, Callable[[Message], list[bytes]]] = MappingProxyType(
    {
        SELECT: lambda node: node.get(1, []),
        CALL: lambda node: [*node.get(1, []), *node.get(3, [])],
        LIST: lambda node: node.get(1, []),
        STRUCT: lambda node: [
            part for one in map(message, node.get(2, [])) for part in one.get(3, []) + one.get(4, [])
        ],
        LOOP: lambda node: [part for field in (2, 4, 5, 6, 7) for part in node.get(field, [])],
    }
)
"""The parts of each kind of node."""


def _name(node: Message) -> str:
    return text_in(message(bytes_in(node, IDENT)), 1) if IDENT in node else ""


def _constant(node: Message) -> Literal | None:
    """Return what is written out, a duration or an instant too; None for anything else."""
    if CONST in node:
        value = message(bytes_in(node, CONST))
        if _TEXT in value:
            return text_in(value, _TEXT)
        if _INT in value:
            number = number_in(value, _INT)
            return number - 2 * _SIGN if number >= _SIGN else number
        return bool(number_in(value, _BOOL)) if _BOOL in value else None
    call = message(bytes_in(node, CALL)) if CALL in node else {}
    made = text_in(call, 2) if call else ""
    arguments = [message(one) for one in call.get(3, [])]
    text = _constant(arguments[0]) if made in _MADE and len(arguments) == 1 else None
    return _made(made, text) if isinstance(text, str) else None


@cache
def _made(function: str, text: str) -> Literal | None:
    """Return a duration or an instant as the engine reads it."""
    answer = cel.NewEnv(variables={"text": cel.Type.STRING}).compile(f"{function}(text)").eval(data={"text": text})
    value = answer.value()
    return value if isinstance(value, timedelta | datetime) else None
