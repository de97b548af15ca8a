"""How large the values of a condition can become, and how much work it can be, told from its checked syntax tree.

A list that is joined with itself again and again doubles each time: four hundred characters fill any memory, and the
engine ends the process then. What a condition may build is therefore bounded before it is ever evaluated. The bounds
are never too low: each node's is reckoned from the largest that its parts can be; what cannot be bounded is refused.

The tree is the engine's own: ``cel.expr.CheckedExpr`` in protobuf's wire format
(https://github.com/google/cel-spec/blob/master/proto/cel/expr/checked.proto, syntax.proto beside it, and
https://protobuf.dev/programming-guides/encoding/).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from msgspec import Struct

from daypass.core.policy.facts import KINDS, VariableKind
from daypass.core.record import replace

MOST_CELLS = 1_000_000
"""Characters and elements that one value may have, those inside of it included."""

MOST_WORK = 1_000_000_000
"""Steps that an evaluation may take; a step is about a nanosecond."""

_NODE = 100
"""Steps that any node costs."""

_TEXT = 4_000
"""Characters that a text of the request has at most, and a name in a list far fewer."""
_NAME = 130
_NAMES = 300
"""Names that a list of the request is reckoned with."""

_DEEPEST = 4
"""Loops inside of loops: each is walked twice."""

_JOINING = frozenset({"add_string", "add_bytes", "add_list"})
_PLAIN_TYPES = frozenset({(3, 1), (3, 2), (3, 3), (3, 4), (5, 2), (5, 3)})
"""Types of one cell: field and value of ``cel.expr.Type`` (bool, numbers, instants, durations)."""
_TYPE_OF = 11
_AS_TEXT = frozenset({"string", "bytes"})
_NUMBER_TEXT = 64
"""Characters in which any number, instant or duration is written."""

_DOUBLE, _LENGTH, _SINGLE = 1, 2, 5
_CONST, _IDENT, _SELECT, _CALL, _LIST, _STRUCT, _LOOP = range(3, 10)
"""The fields of ``cel.expr.Expr``, one of which is there."""


class UnboundedError(Exception):
    """A condition whose values or work cannot be bounded, or are beyond the bounds; its text is for people."""


class Size(Struct, frozen=True):
    """The largest that a value can be: ``length`` elements or characters, each no larger than ``item``."""

    length: int = 1
    item: Size | None = None

    @property
    def cells(self) -> int:
        """Everything in it."""
        return 1 + self.length * (self.item.cells if self.item is not None else 1)

    def join(self, other: Size) -> Size:
        """Return the smallest bound for either of two."""
        if self.item is None or other.item is None:
            return Size(max(self.length, other.length), self.item or other.item)
        return Size(max(self.length, other.length), self.item.join(other.item))


_ONE = Size()
_SIZES = {
    VariableKind.STRING: Size(_TEXT),
    VariableKind.STRINGS: Size(_NAMES, Size(_NAME)),
    VariableKind.BOOL: _ONE,
    VariableKind.DURATION: _ONE,
    VariableKind.TIMESTAMP: _ONE,
    VariableKind.INT: _ONE,
}

Message = Mapping[int, list[Any]]
"""A protobuf message: field number to its values, whole numbers or bytes."""


def check_cost(checked: bytes) -> None:
    """Bound what a condition's evaluation can need; ``checked`` is what the engine serializes. Raises UnboundedError."""
    whole = _message(_message(checked)[2][0])
    overloads = {
        _number(entry, 1): [name.decode() for name in _message(_bytes(entry, 2)).get(3, [])]
        for entry in map(_message, whole.get(2, []))
    }
    types = {_number(entry, 1): _message(_bytes(entry, 2)) for entry in map(_message, whole.get(3, []))}
    plain = {
        number
        for number, kind in types.items()
        if _TYPE_OF in kind or any((field, value) in _PLAIN_TYPES for field in kind for value in kind[field])
    }
    estimate = _Estimate(overloads, plain)
    estimate.size(_message(_bytes(whole, 4)), {name: _SIZES[kind] for name, kind in KINDS.items()}, 1)


class _Estimate:
    """Walks a tree, adding up the work; ``times`` is how often a node is evaluated at most."""

    def __init__(self, overloads: Mapping[int, list[str]], plain: AbstractSet[int]) -> None:
        self._overloads = overloads
        self._plain = plain
        self._depth = 0
        self._work = 0

    def size(self, node: Message, known: Mapping[str, Size], times: int) -> Size:
        found = self._size(node, known, times)
        self._work += times * (_NODE + found.cells)
        if found.cells > MOST_CELLS:
            raise UnboundedError(f"it can build a value of more than {MOST_CELLS} characters and elements")
        if self._work > MOST_WORK:
            raise UnboundedError(f"it can take more than {MOST_WORK} steps")
        return found

    def _size(self, node: Message, known: Mapping[str, Size], times: int) -> Size:
        if _CONST in node:
            return _constant(_message(_bytes(node, _CONST)))
        if _IDENT in node:
            name = _text(_message(_bytes(node, _IDENT)), 1)
            return known.get(name, _ONE)  # what is neither a variable nor bound by a loop is the name of a type
        if _SELECT in node:
            select = _message(_bytes(node, _SELECT))
            operand = self.size(_message(_bytes(select, 1)), known, times)
            return operand.item or _ONE
        if _CALL in node:
            return self._call(_number(node, 2), _message(_bytes(node, _CALL)), known, times)
        if _LIST in node:
            parts = _message(_bytes(node, _LIST)).get(1, [])
            return self._held([self.size(_message(part), known, times) for part in parts])
        if _STRUCT in node:
            entries = [_message(entry) for entry in _message(_bytes(node, _STRUCT)).get(2, [])]
            parts = [_bytes(entry, field) for entry in entries for field in (3, 4) if field in entry]
            return replace(self._held([self.size(_message(part), known, times) for part in parts]), length=len(entries))
        if _LOOP in node:
            return self._loop(_message(_bytes(node, _LOOP)), known, times)
        raise UnboundedError("it holds something that is not known here")

    @staticmethod
    def _held(items: list[Size]) -> Size:
        item = _ONE
        for one in items:
            item = item.join(one)
        return Size(len(items), item)

    def _call(self, number: int, call: Message, known: Mapping[str, Size], times: int) -> Size:
        function = _text(call, 2)
        parts = [*call.get(1, []), *call.get(3, [])]
        sizes = [self.size(_message(part), known, times) for part in parts]
        self._work += times * sum(one.cells for one in sizes)
        if function == "_?_:_":
            return sizes[1].join(sizes[2])
        if function == "_[_]":
            return sizes[0].item or _ONE
        if function == "dyn":
            return sizes[0]
        if function in _AS_TEXT:
            return Size(max(sizes[0].length, _NUMBER_TEXT))
        if function == "_+_":
            meant = self._overloads.get(number, [])
            if meant and _JOINING.isdisjoint(meant):
                return _ONE
            return replace(sizes[0].join(sizes[1]), length=sizes[0].length + sizes[1].length)
        if number not in self._plain:
            raise UnboundedError(f"what {function} gives cannot be bounded")
        return _ONE

    def _loop(self, loop: Message, known: Mapping[str, Size], times: int) -> Size:
        """Bound a macro (all, exists, map, filter …): what it gathers may grow by as much each time round, no more."""
        over = self.size(_message(_bytes(loop, 2)), known, times)
        if self._depth >= _DEEPEST:
            raise UnboundedError(f"it has loops inside of loops more than {_DEEPEST} deep")
        self._depth += 1
        begin = self.size(_message(_bytes(loop, 4)), known, times)
        item, gathered = over.item or _ONE, _text(loop, 3)
        inner = {**known, **{_text(loop, name): item for name in (1, 8) if name in loop}}
        often = times * max(1, over.length)

        def once(held: Size, count: int) -> Size:
            self.size(_message(_bytes(loop, 5)), {**inner, gathered: held}, count)
            return self.size(_message(_bytes(loop, 6)), {**inner, gathered: held}, count)

        after = begin.join(once(begin, 0))
        most = Size(begin.length + over.length * (after.length - begin.length), after.item)
        last = once(most, often)
        if last.length > most.length + after.length - begin.length or begin.join(last).item != most.item:
            raise UnboundedError("what it gathers grows with itself")
        self._depth -= 1
        return self.size(_message(_bytes(loop, 7)), {**known, gathered: most}, times)


def _constant(constant: Message) -> Size:
    return next((Size(max(1, len(constant[field][0]))) for field in (6, 7) if field in constant), _ONE)


def _number(message: Message, field: int) -> int:
    value = message.get(field, [0])[0]
    assert isinstance(value, int)  # noqa: S101  (the engine wrote it)
    return value


def _bytes(message: Message, field: int) -> bytes:
    value = message.get(field, [b""])[0]
    assert isinstance(value, bytes)  # noqa: S101  (the engine wrote it)
    return value


def _text(message: Message, field: int) -> str:
    return _bytes(message, field).decode()


def _message(raw: bytes) -> Message:
    found: dict[int, list[Any]] = {}
    for field, value in _fields(raw):
        found.setdefault(field, []).append(value)
    return found


def _fields(raw: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Cut a message into (field number, value)."""
    at = 0
    while at < len(raw):
        tag, at = _varint(raw, at)
        kind = tag & 7
        if kind == 0:
            value, at = _varint(raw, at)
            yield tag >> 3, value
            continue
        if kind == _LENGTH:
            length, at = _varint(raw, at)
        elif kind in (_DOUBLE, _SINGLE):
            length = 8 if kind == _DOUBLE else 4
        else:
            raise UnboundedError("its syntax tree cannot be read")
        yield tag >> 3, raw[at : at + length]
        at += length


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = raw[at]
        value |= (byte & 0x7F) << shift
        shift += 7
        at += 1
        if not byte & 0x80:
            return value, at
