"""What libyaml reads and another YAML reader refuses or reads otherwise; such a file is refused.

libyaml reads YAML 1.1 and is lenient; editors, linters and forges read YAML 1.2 (https://yaml.org/spec/1.2.2/). A
reviewer must see in theirs what we read in ours. Looked at is what stands between the values, and how lines that
continue a value are indented.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from yaml.events import MappingEndEvent, MappingStartEvent, ScalarEvent, SequenceEndEvent, SequenceStartEvent

STARTS = (MappingStartEvent, SequenceStartEvent)
ENDS = (MappingEndEvent, SequenceEndEvent)
_BLOCKS = ("|", ">")

_ODD = re.compile(rb"[?\t|>\"']|[^\s]#|[\s{\[,]:|(?:^|[\[,{]) *-|[{\[][^}\]\n]*\n|\n\.\.\.")
"""Without one of these a file holds nothing that is looked at here; most grants are read by this alone."""

_COMMENT = re.compile(r"(?<![^\s])#[^\n]*")
_END = re.compile(r"^\.\.\.(?=\s|$)", re.MULTILINE)
_HEADER = r"[|>][+-]?(?: +(?:#[^\n]*)?)?\r?"
_BETWEEN = (
    (re.compile(r"#"), "a comment needs a space before it", "put a space before the #"),
    (re.compile(r"\t"), "a tab stands between values", "use spaces"),
    (re.compile(r"\?"), "a key is marked with ?", "write `key: value`"),
    (re.compile(r":(?=\S)"), "a colon stands before a value without a space", "write `key: value`"),
)

Doubt = tuple[int, str, str, Any]
"""Offset in the text, message, hint, event."""


def doubts(raw: bytes, events: list[Any]) -> Iterator[Doubt]:
    """Yield what two readers could read differently in a whole document that libyaml has read."""
    if not _ODD.search(raw):
        return
    text = raw.decode("utf-8")
    lines = text.split("\n")
    columns: list[int] = []  # of the block collections around, the outermost first
    flows: list[Any] = []  # where each collection around begins, None for those of blocks
    before = 0
    for event in events:
        start, end = event.start_mark, event.end_mark
        yield from _between(text[before : start.index + 1], start.index - before, before, event)
        before = max(before, end.index)
        if type(event) is ScalarEvent:
            yield from _scalar(text, event)
            if event.style not in _BLOCKS:
                yield from _continued(lines, start, end, columns, event)
        elif type(event) in STARTS:
            flows.append(start if event.flow_style else None)
            columns += [] if event.flow_style else [start.column]
        elif type(event) in ENDS:
            begun = flows.pop()
            if begun is None:
                columns.pop()
            else:
                yield from _continued(lines, begun, end, columns, event)
    ends = list(_END.finditer(text))
    if len(ends) > 1:
        yield ends[1].start(), "the document is ended twice", "write ... once, or not at all", events[-1]


def _between(gap: str, length: int, offset: int, event: Any) -> Iterator[Doubt]:
    """Look at what stands between two values: ``length`` characters, and the first of the next value after them."""
    # What stands before is no comment's beginning, and no white space before one.
    plain = _COMMENT.sub(lambda match: " " * len(match.group()), f"x{gap}" if offset else gap)[1 if offset else 0 :]
    for pattern, message, hint in _BETWEEN:
        match = pattern.search(plain)
        if match is not None and match.start() < length:
            yield offset + match.start(), message, hint, event


def _scalar(text: str, event: Any) -> Iterator[Doubt]:
    start, end = event.start_mark.index, event.end_mark.index
    style, written = event.style, text[start:end]
    if not style and event.value == "-":
        yield start, "a hyphen stands for a value", "quote it", event
    if style in _BLOCKS:
        header, _, body = written.partition("\n")
        if not re.fullmatch(_HEADER, header):
            yield start, f"a block of text begins with {header.strip()!r}", "write |, |-, > or >- alone", event
        if "\t" in body:
            yield start, "a block of text holds a tab", "use spaces", event
        if not text.endswith("\n") and end >= len(text.rstrip()):
            yield start, "the file ends in a block of text without a line end", "end the last line", event
    elif "\t" in written:
        yield start, "a value holds a tab", "write a space, or \\t between double quotes", event


def _continued(lines: list[str], start: Any, end: Any, columns: list[int], event: Any) -> Iterator[Doubt]:
    """Lines that continue a value must stand further right than the keys around it."""
    least = columns[-1] + 1 if columns else 0
    at = start.index - start.column
    for number in range(start.line, min(end.line + 1, len(lines))):
        line = lines[number]
        bare = line.lstrip(" ")
        if number > start.line and bare.strip() and len(line) - len(bare) < least:
            yield at, "a line that continues a value is not indented", "indent it further than the key", event
            return
        at += len(line) + 1
