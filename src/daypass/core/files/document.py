"""A file, read strictly: values as text, and the line and column of each.

`read` takes bytes and returns a Document, or everything that is wrong. What may be written is stated in
`daypass.core.files.text` (characters) and `daypass.core.files.subset` (YAML); `daypass.core.files.conform` gives types,
by schema.

    document = read("grants/orders-db/a.yaml", raw)
    document.value["window"]["until"]        # "2026-11-21T17:00:00Z"
    document.place("window.until")           # line 8, column 10
    document.place("window.until", key=True) # line 8, column 3
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from daypass.core.files.plain import read_plain
from daypass.core.files.text import BOM, decode
from daypass.core.finding import Finding, Place, ordered

if TYPE_CHECKING:
    from daypass.core.files.subset import Parts

GRANT_LIMIT = 32 * 1024
"""Bytes that a grant file may have."""

POLICY_LIMIT = 1024 * 1024
"""Bytes that a file under policies/ may have."""

_BYTES_A_VALUE = 4
"""A file may hold one value or list for so many bytes of its limit; what people write has ten or more."""

_NAME = re.compile(r"[^.\[\]\"\s]+")
_STEP = re.compile(r'\.?([^.\[\]"\s]+)|\[([0-9]+)\]|\[("(?:[^"\\]|\\.)*")\]')


def path_text(parts: Sequence[str | int]) -> str:
    """Write a path as ``rules[2].when``; other keys than plain names are quoted in brackets."""
    written = ""
    for part in parts:
        if isinstance(part, int):
            written += f"[{part}]"
        elif _NAME.fullmatch(part):
            written += f".{part}" if written else part
        else:
            written += f"[{json.dumps(part)}]"
    return written


def path_parts(path: str) -> Parts:
    """Read what path_text writes. Raises RuntimeError for anything else, since paths are the program's own."""
    parts: list[str | int] = []
    offset = 0
    while offset < len(path):
        match = _STEP.match(path, offset)
        if match is None:
            raise RuntimeError(f"{path!r} is no path into a document")
        name, index, quoted = match.groups()
        parts.append(name if name is not None else int(index) if index is not None else json.loads(quoted))
        offset = match.end()
    return tuple(parts)


class Document:
    """One valid file: ``value`` holds mappings, lists and text. Made by `read`, and not changed afterwards.

    Every method takes a path as text (``rules[2].when``) or as its parts (``("rules", 2, "when")``).
    """

    __slots__ = ("_events", "_found", "_walk", "file", "value")

    def __init__(self, file: str, value: dict[str, Any], events: list[Any] | str) -> None:
        """Hold what was read. Instead of its events there may be a text of plain scalars alone, for when somebody asks."""
        self.file = file
        self.value = value
        self._events = events
        self._found: dict[tuple[Parts, bool], Any] = {}
        self._walk: Iterator[tuple[Parts, bool, Any]] | None = None

    def place(self, path: str | Parts = "", *, key: bool = False) -> Place:
        """Return where the value (or the key) at a path stands; where there is none, where its nearest parent does."""
        parts = path_parts(path) if isinstance(path, str) else path
        for length in range(len(parts), -1, -1):
            event = self._find(parts[:length], key=key and length == len(parts))
            if event is not None:
                mark = event.start_mark
                return Place(self.file, mark.line + 1, mark.column + 1, path_text(parts))
        return Place(self.file, 1, 1, path_text(parts))

    def is_plain(self, path: str | Parts) -> bool:
        """Say whether a scalar without quotes stands at a path, in which a schema may see a number."""
        parts = path_parts(path) if isinstance(path, str) else path
        if isinstance(self._events, str) and len(parts) == 1:
            return isinstance(self.value.get(str(parts[0])), str)
        from yaml.events import ScalarEvent  # noqa: PLC0415  (see `read_on`)

        event = self._find(parts, key=False)
        return isinstance(event, ScalarEvent) and not event.style

    def _find(self, parts: Parts, *, key: bool) -> Any | None:
        """Return the event at a path. The walk goes only as far as was asked, and never back."""
        wanted = (parts, key)
        if wanted in self._found:
            return self._found[wanted]
        if self._walk is None:
            from daypass.core.files.subset import Parsed, walk  # noqa: PLC0415  (see `read_on`)

            events = self._events
            self._walk = walk(Parsed(events.encode(), len(events)).events if isinstance(events, str) else events)
        for at, is_key, event in self._walk:
            self._found[at, is_key] = event
            if (at, is_key) == wanted:
                return event
        return None


def read(file: str, raw: bytes, *, limit: int = GRANT_LIMIT) -> Document | tuple[Finding, ...]:
    """Read a file of at most ``limit`` bytes (GRANT_LIMIT or POLICY_LIMIT); return everything wrong with it instead.

    Nothing is raised, whatever the bytes are. Characters that must not be there, and a fault of syntax, end the
    reading; all other faults are collected.
    """
    document, faults = read_on(file, raw, limit=limit)
    return document if document is not None and not faults else faults


def read_on(file: str, raw: bytes, *, limit: int = GRANT_LIMIT) -> tuple[Document | None, tuple[Finding, ...]]:
    """Read a file past its faults: return the document, where all of it could be read, and everything wrong with it.

    A document with faults is only for finding more of them at once; it must not be used.
    """
    if len(raw) > limit:
        message = f"the file has {len(raw)} bytes, more than the {limit} that it may have"
        return None, (Finding("too-large", Place(file), message, "shorten it, or split it into several files"),)
    text = decode(file, raw)
    if isinstance(text, tuple):
        return None, text
    plain = read_plain(text)
    if plain is not None:
        return Document(file, plain, text), ()
    # Most files are plain, and questions about many of them start at once without a YAML parser.
    from daypass.core.files.subset import Parsed, walk  # noqa: PLC0415

    parsed = Parsed(raw.removeprefix(BOM), limit // _BYTES_A_VALUE)
    document = Document(file, parsed.value, parsed.events) if parsed.complete else None
    if not parsed.faults:
        return document, ()
    paths = {id(event): path_text(parts) for parts, _, event in walk(parsed.events)}
    return document, ordered(
        Finding(
            fault.code,
            Place(file, fault.line + 1, fault.column + 1, paths.get(id(fault.event), "")),
            fault.message,
            fault.hint,
        )
        for fault in parsed.faults
    )
