"""How large the values of a condition can become, and how much work it can be, told from its checked syntax tree.

A list that is joined with itself again and again doubles each time: four hundred characters fill any memory, and the
engine ends the process then. What a condition may build is therefore bounded before it is ever evaluated. The bounds
are never too low: each node's is reckoned from the largest that its parts can be; what cannot be bounded is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet

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
    UnboundedError,
    bytes_in,
    message,
    number_in,
    text_in,
    whole_of,
)
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


def check_cost(checked: bytes) -> None:
    """Bound what a condition's evaluation can need; ``checked`` is what the engine serializes. Raises UnboundedError."""
    whole = whole_of(checked)
    overloads = {
        number_in(entry, 1): [name.decode() for name in message(bytes_in(entry, 2)).get(3, [])]
        for entry in map(message, whole.get(2, []))
    }
    types = {number_in(entry, 1): message(bytes_in(entry, 2)) for entry in map(message, whole.get(3, []))}
    plain = {
        number
        for number, kind in types.items()
        if _TYPE_OF in kind or any((field, value) in _PLAIN_TYPES for field in kind for value in kind[field])
    }
    estimate = _Estimate(overloads, plain)
    estimate.size(message(bytes_in(whole, 4)), {name: _SIZES[kind] for name, kind in KINDS.items()}, 1)


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
        if CONST in node:
            return _constant(message(bytes_in(node, CONST)))
        if IDENT in node:
            name = text_in(message(bytes_in(node, IDENT)), 1)
            return known.get(name, _ONE)  # what is neither a variable nor bound by a loop is the name of a type
        if SELECT in node:
            select = message(bytes_in(node, SELECT))
            operand = self.size(message(bytes_in(select, 1)), known, times)
            return operand.item or _ONE
        if CALL in node:
            return self._call(number_in(node, 2), message(bytes_in(node, CALL)), known, times)
        if LIST in node:
            parts = message(bytes_in(node, LIST)).get(1, [])
            return self._held([self.size(message(part), known, times) for part in parts])
        if STRUCT in node:
            entries = [message(entry) for entry in message(bytes_in(node, STRUCT)).get(2, [])]
            parts = [bytes_in(entry, field) for entry in entries for field in (3, 4) if field in entry]
            return replace(self._held([self.size(message(part), known, times) for part in parts]), length=len(entries))
        if LOOP in node:
            return self._loop(message(bytes_in(node, LOOP)), known, times)
        raise UnboundedError("it holds something that is not known here")

    @staticmethod
    def _held(items: list[Size]) -> Size:
        item = _ONE
        for one in items:
            item = item.join(one)
        return Size(len(items), item)

    def _call(self, number: int, call: Message, known: Mapping[str, Size], times: int) -> Size:
        function = text_in(call, 2)
        parts = [*call.get(1, []), *call.get(3, [])]
        sizes = [self.size(message(part), known, times) for part in parts]
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
        over = self.size(message(bytes_in(loop, 2)), known, times)
        if self._depth >= _DEEPEST:
            raise UnboundedError(f"it has loops inside of loops more than {_DEEPEST} deep")
        self._depth += 1
        begin = self.size(message(bytes_in(loop, 4)), known, times)
        item, gathered = over.item or _ONE, text_in(loop, 3)
        inner = {**known, **{text_in(loop, name): item for name in (1, 8) if name in loop}}
        often = times * max(1, over.length)

        def once(held: Size, count: int) -> Size:
            self.size(message(bytes_in(loop, 5)), {**inner, gathered: held}, count)
            return self.size(message(bytes_in(loop, 6)), {**inner, gathered: held}, count)

        after = begin.join(once(begin, 0))
        most = Size(begin.length + over.length * (after.length - begin.length), after.item)
        last = once(most, often)
        if last.length > most.length + after.length - begin.length or begin.join(last).item != most.item:
            raise UnboundedError("what it gathers grows with itself")
        self._depth -= 1
        return self.size(message(bytes_in(loop, 7)), {**known, gathered: most}, times)


def _constant(constant: Message) -> Size:
    return next((Size(max(1, len(constant[field][0]))) for field in (6, 7) if field in constant), _ONE)
