"""The checked syntax tree of a condition, as the engine writes it down: ``cel.expr.CheckedExpr`` in protobuf's wire format.

(https://github.com/google/cel-spec/blob/master/proto/cel/expr/checked.proto, syntax.proto beside it, and
https://protobuf.dev/programming-guides/encoding/).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_DOUBLE, _LENGTH, _SINGLE = 1, 2, 5
CONST, IDENT, SELECT, CALL, LIST, STRUCT, LOOP = range(3, 10)
"""The fields of ``cel.expr.Expr``, one of which is there."""

Message = Mapping[int, list[Any]]
"""A protobuf message: field number to its values, whole numbers or bytes."""


class UnboundedError(Exception):
    """A condition whose values or work cannot be bounded, or are beyond the bounds; its text is for people."""


def whole_of(checked: bytes) -> Message:
    """Return the checked expression: its references (2), its types (3) and its tree (4)."""
    return message(message(checked)[2][0])


def number_in(node: Message, field: int) -> int:
    """Return a field that is a whole number."""
    value = node.get(field, [0])[0]
    assert isinstance(value, int)  # noqa: S101  (the engine wrote it)
    return value


def bytes_in(node: Message, field: int) -> bytes:
    """Return a field that is bytes, or a message."""
    value = node.get(field, [b""])[0]
    assert isinstance(value, bytes)  # noqa: S101  (the engine wrote it)
    return value


def text_in(node: Message, field: int) -> str:
    """Return a field that is a text."""
    return bytes_in(node, field).decode()


def message(raw: bytes) -> Message:
    """Read a message."""
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
