"""Where things stand in an expression, and where the expression stands in its file.

Nothing here decides: a missed mention leaves a variable without a value, and evaluating it is then refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from msgspec import Struct

_TOKEN = re.compile(
    r"""
    (?P<space>\s+|//[^\n]*)
    | (?P<string>[rR]?(?:'''(?:.|\n)*?'''|\"\"\"(?:.|\n)*?\"\"\"|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"))
    | (?P<name>[A-Za-z_][A-Za-z0-9_]*(?:\s*\.\s*[A-Za-z_][A-Za-z0-9_]*)*)
    | (?P<number>[0-9][0-9A-Za-z_.]*)
    | (?P<mark>==|!=|<=|>=|&&|\|\||.|\n)
    """,
    re.VERBOSE,
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "e": "\x1b", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
_HEX = {"x": 2, "u": 4, "U": 8}

_Read = Callable[[str, int], tuple[str, int]]
"""How one style writes the character at an offset: the character, and how much of the source it takes."""


class Token(Struct, frozen=True):
    """A piece of an expression. ``kind``: string, name, number or mark; ``start`` counts characters from 0."""

    kind: str
    text: str
    start: int

    @property
    def literal(self) -> str | None:
        """The value of a string written without escapes, else None."""
        if self.kind != "string" or "\\" in self.text:
            return None
        body = self.text.lstrip("rR")
        quotes = 3 if body.startswith(("'''", '"""')) else 1
        return body[quotes:-quotes]


def tokens(expression: str) -> list[Token]:
    """Cut an expression into its pieces, without spaces and comments; dotted names are one piece."""
    found = []
    for match in _TOKEN.finditer(expression):
        kind = match.lastgroup or ""
        if kind == "name":
            found.append(Token(kind, re.sub(r"\s+", "", match.group()), match.start()))
        elif kind != "space":
            found.append(Token(kind, match.group(), match.start()))
    return found


def mentions(expression: str, known: frozenset[str]) -> tuple[str, ...]:
    """Return which known variables an expression mentions, sorted; ``grant.role.size()`` mentions ``grant.role``."""
    found: set[str] = set()
    for token in tokens(expression):
        if token.kind == "name":
            parts = token.text.split(".")
            found |= known & {".".join(parts[:count]) for count in range(1, len(parts) + 1)}
    return tuple(sorted(found))


class Places(Struct, frozen=True):
    """The place in a file of each character of a scalar. Line and column count from 1."""

    places: tuple[tuple[int, int], ...]
    start: tuple[int, int]

    def at(self, offset: int) -> tuple[int, int]:
        """Return (line, column) of a character; just after the last one for an offset beyond the end."""
        if not self.places:
            return self.start
        if offset < len(self.places):
            return self.places[offset]
        line, column = self.places[-1]
        return line, column + 1


def spread(text: str, line: int, column: int, value: str) -> Places:
    """Find the place of each character of a YAML scalar's value, given the file's text and where the scalar starts.

    Plain, quoted and block scalars are followed. Where the value cannot be followed, every character is at the start.
    """
    start = (line, column)
    lines = text.lstrip("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if not 0 < line <= len(lines):
        return Places((), start)
    source = "\n".join([lines[line - 1][column - 1 :], *lines[line:]])
    places: list[tuple[int, int]] = []
    row, base = line, column
    offsets = _follow(source, value)
    if offsets is None:
        return Places((), start)
    position = 0
    for offset in offsets:
        skipped = source[position:offset]
        if "\n" in skipped:
            row += skipped.count("\n")
            base = 1
            skipped = skipped[skipped.rindex("\n") + 1 :]
        base += len(skipped)
        position = offset
        places.append((row, base))
    return Places(tuple(places), start)


def _follow(source: str, value: str) -> list[int] | None:
    """Return the offset in the source of each character of the value, None when they part."""
    style = source[:1]
    if style in ("|", ">"):
        header = source.find("\n")
        return _match(source, header + 1, value, _plain) if header >= 0 else None
    if style == "'":
        return _match(source, 1, value, _single)
    if style == '"':
        return _match(source, 1, value, _double)
    return _match(source, 0, value, _plain)


def _match(source: str, offset: int, value: str, read: _Read) -> list[int] | None:
    found: list[int] = []
    index = 0
    while index < len(value):
        if value[index].isspace() and source[offset : offset + 1].isspace():
            # Folding and indentation change how much white space there is, never that there is some.
            while index < len(value) and value[index].isspace():
                found.append(offset)
                index += 1
            while source[offset : offset + 1].isspace():
                offset += 1
            continue
        if not found and source[offset : offset + 1].isspace():
            offset += 1  # the indentation of a block's first line
            continue
        char, length = read(source, offset)
        if char != value[index]:
            return None
        found.append(offset)
        offset += length
        index += 1
    return found


def _plain(source: str, offset: int) -> tuple[str, int]:
    return source[offset : offset + 1], 1


def _single(source: str, offset: int) -> tuple[str, int]:
    return source[offset : offset + 1], 2 if source[offset : offset + 2] == "''" else 1


def _double(source: str, offset: int) -> tuple[str, int]:
    if source[offset : offset + 1] != "\\":
        return source[offset : offset + 1], 1
    sign = source[offset + 1 : offset + 2]
    if sign in _HEX:
        digits = source[offset + 2 : offset + 2 + _HEX[sign]]
        return chr(int(digits, 16)) if re.fullmatch("[0-9A-Fa-f]+", digits) else "", 2 + _HEX[sign]
    return _ESCAPES.get(sign, sign), 2
