"""The subset of YAML that files are written in, on libyaml's stream of events.

One document whose top is a mapping; no anchor, alias, tag, merge key or directive; no key twice, no key that is not
text; at most DEPTH levels and a bounded number of values. Every scalar stays the text that it is. Values are built in the
one pass over the events; the events are kept, so that a place can be worked out when somebody asks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import yaml
from msgspec import Struct
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from daypass.core.errors import RefusedError
from daypass.core.files.ambiguity import ENDS, STARTS, doubts
from daypass.core.files.text import MOST_FAULTS, quoted, unseen

if not yaml.__with_libyaml__:
    raise RefusedError(
        "PyYAML was built without libyaml here, so no file can be read",
        hint="install PyYAML from a wheel, or build it with libyaml's headers",
    )
from yaml._yaml import CParser

DEPTH = 12
"""Mappings and lists inside each other, the top one counted."""

Parts = tuple[str | int, ...]
"""A path into a document: keys and list positions."""

# Without one of these bytes there is no anchor and no tag, and nobody need look for one.
_INDIRECT = re.compile(rb"[&!]")
_TOO_DEEP = "too-deep"
_NODES = (ScalarEvent, *STARTS)


class Fault(Struct, frozen=True):
    """One thing wrong: where (0-based line and column; the event, where there is one), and what."""

    code: str
    line: int
    column: int
    message: str
    hint: str
    event: Event | None = None


class Parsed:
    """What reading makes of bytes: the top mapping, libyaml's events so far, and what is wrong (nothing, if valid)."""

    __slots__ = ("_cut", "_most", "_take", "complete", "events", "faults", "value")

    def __init__(self, raw: bytes, most: int, *, cut: bool = False) -> None:
        self._take: Callable[[], Any] = CParser(raw).get_event
        self._cut = cut  # a beginning of a file, read only for its depth
        self._most = most
        self.events: list[Any] = []
        self.faults: list[Fault] = []
        self.value: dict[str, Any] = {}
        self.complete = False
        """Whether the whole document was read, whatever its faults."""
        with suppress(_StopError):
            self._read(raw)

    def _read(self, raw: bytes) -> None:
        try:
            self._stream()
            self.complete = True
        except yaml.YAMLError as error:
            if not self._too_deep_before(raw, error):
                self._syntax(raw, error)
        finally:
            if _INDIRECT.search(raw):
                self._look()
            if b"\\" in raw:
                self._look_behind_escapes()
            if self.complete and not self.faults:
                self._look_between(raw)

    def _too_deep_before(self, raw: bytes, error: yaml.YAMLError) -> bool:
        """Say whether the file is too deep ahead of what libyaml refuses; then that is its fault, and the only one.

        libyaml scans ahead of the events that it has given, and releases differ in the depth that they scan to.
        """
        marks = [getattr(error, name, None) for name in ("context_mark", "problem_mark")]
        at = min((mark.index for mark in marks if mark is not None), default=0)
        if self._cut or not at:
            return False
        cut = Parsed(raw.decode("utf-8")[:at].encode(), self._most, cut=True)
        if all(fault.code != _TOO_DEEP for fault in cut.faults):
            return False
        self.events, self.faults = cut.events, cut.faults
        return True

    def _stream(self) -> None:
        take, keep = self._take, self.events.append
        keep(take())
        start = take()
        keep(start)
        if type(start) is StreamEndEvent:
            raise self._stop(
                "empty-file", start, "the file holds nothing", "write the keys that its kind of file needs"
            )
        if start.version or start.tags:
            self._fault("directive", start, "directives (lines that begin with %) are not allowed", "remove the line")
        top = take()
        keep(top)
        if type(top) is ScalarEvent and not top.value and not top.style:
            raise self._stop("empty-file", top, "the file holds nothing", "write the keys that its kind of file needs")
        if type(top) is not MappingStartEvent:
            what = "a list" if type(top) is SequenceStartEvent else "a single value"
            raise self._stop(
                "not-a-mapping", top, f"expected keys with values at the top, got {what}", "write `key: value` lines"
            )
        self.value = self._mapping(1)
        keep(take())
        after = take()
        if type(after) is DocumentStartEvent:
            raise self._stop("several-documents", after, "a second document starts here", "one file holds one document")

    def _mapping(self, depth: int) -> dict[str, Any]:
        take, keep = self._take, self.events.append
        result: dict[str, Any] = {}
        while True:
            event = take()
            keep(event)
            kind = type(event)
            if kind is ScalarEvent:
                key = event.value
                if key in result:
                    self._fault(
                        "duplicate-key",
                        event,
                        f"the key {quoted(key)} stands here a second time",
                        "keep one of the two",
                    )
                elif key == "<<":
                    self._fault("merge-key", event, "merge keys (<<) are not allowed", "write the keys out")
            elif kind is MappingEndEvent:
                return result
            else:
                key = self._no_key(event, depth)
            event = take()
            keep(event)
            result[key] = event.value if type(event) is ScalarEvent else self._collection(event, depth)
            if len(self.events) > self._most:
                raise self._too_many(event)

    def _sequence(self, depth: int) -> list[Any]:
        take, keep = self._take, self.events.append
        result: list[Any] = []
        while True:
            event = take()
            keep(event)
            kind = type(event)
            if kind is ScalarEvent:
                result.append(event.value)
            elif kind is SequenceEndEvent:
                return result
            else:
                result.append(self._collection(event, depth))
            if len(self.events) > self._most:
                raise self._too_many(event)

    def _collection(self, event: Any, depth: int) -> Any:
        if type(event) is AliasEvent:
            self._fault("alias", event, f"the alias *{event.anchor} is not allowed", "write the value out")
            return ""
        if depth == DEPTH:
            raise self._stop(_TOO_DEEP, event, f"more than {DEPTH} levels inside each other", "flatten the file")
        return self._mapping(depth + 1) if type(event) is MappingStartEvent else self._sequence(depth + 1)

    def _no_key(self, event: Any, depth: int) -> str:
        if type(event) is AliasEvent:
            self._fault("alias", event, f"the alias *{event.anchor} is not allowed", "write the value out")
        else:
            what = "a mapping" if type(event) is MappingStartEvent else "a list"
            self._fault("complex-key", event, f"a key must be text, got {what}", "write `key: value`")
            self._collection(event, depth)
        return f"?{len(self.events)}"

    def _look(self) -> None:
        """Refuse anchors and tags, which only some files can hold; see _INDIRECT."""
        for event in self.events:
            if type(event) not in _NODES:
                continue
            if event.anchor is not None:
                message = f"the anchor &{event.anchor} is not allowed"
                self._fault("anchor", event, message, "write values out where they are used")
            if event.tag is not None:
                message = f"the tag {quoted(event.tag.replace('tag:yaml.org,2002:', '!!'))} is not allowed"
                self._fault("tag", event, message, "remove it; types come from the schema")

    def _look_behind_escapes(self) -> None:
        """Refuse escapes that spell in ASCII what `daypass.core.files.text` refuses when it is written plainly."""
        for event in self.events:
            wrong = unseen(event.value) if type(event) is ScalarEvent else None
            if wrong is not None:
                self._fault(wrong[0], event, f"an escape here stands for {wrong[1]}", wrong[2])

    def _look_between(self, raw: bytes) -> None:
        """Refuse what other readers of YAML refuse or read otherwise."""
        for offset, message, hint, event in doubts(raw, self.events):
            before = raw.decode("utf-8")[:offset]
            line, column = before.count("\n"), offset - (before.rfind("\n") + 1)
            text = f"{message}, which not every reader of YAML takes, or takes alike"
            self.faults.append(Fault("ambiguous-yaml", line, column, text, hint, event))
            if len(self.faults) >= MOST_FAULTS:
                raise _StopError

    def _syntax(self, raw: bytes, error: yaml.YAMLError) -> None:
        mark = getattr(error, "problem_mark", None)
        line, column = (mark.line, mark.column) if mark is not None else (0, 0)
        rows = raw.split(b"\n")
        row = rows[line] if line < len(rows) else b""
        problem, context = getattr(error, "problem", None) or str(error), getattr(error, "context", None)
        if row.startswith(b"%"):
            message, hint = "directives (lines that begin with %) are not allowed", "remove the line"
            self.faults.append(Fault("directive", line, 0, message, hint))
            return
        message = f"not YAML: {problem}, {context}" if context else f"not YAML: {problem}"
        self.faults.append(Fault("yaml-syntax", line, column, message, _syntax_hint(problem, row)))

    def _too_many(self, event: Any) -> _StopError:
        return self._stop(
            "too-many-values", event, f"more than {self._most} keys and values in one file", "split the file"
        )

    def _fault(self, code: str, event: Any, message: str, hint: str) -> None:
        mark = event.start_mark
        self.faults.append(Fault(code, mark.line, mark.column, message, hint, event))
        if len(self.faults) >= MOST_FAULTS:
            raise _StopError

    def _stop(self, code: str, event: Any, message: str, hint: str) -> _StopError:
        self._fault(code, event, message, hint)
        return _StopError()


class _StopError(Exception):
    """Reading cannot go on; the fault is recorded."""


def _syntax_hint(problem: str, row: bytes) -> str:
    if b"\t" in row[: len(row) - len(row.lstrip())] or "cannot start any token" in problem:
        return "indent with spaces, and quote text that begins with a mark such as @, ` or a tab"
    if "mapping values" in problem:
        return "quote text that holds a colon followed by a space"
    return "check the indentation, and that quotes and brackets are closed"


def walk(events: list[Any]) -> Iterator[tuple[Parts, bool, Any]]:
    """Yield (path, whether it is a key, event) of each key and value in the events of a document, whole or cut off.

    What stands inside a key that is not text has the path of the mapping it is in.
    """
    # A frame is [path, next list position or None in a mapping, the key whose value comes next or None].
    frames: list[list[Any]] = []
    for event in events:
        kind = type(event)
        if kind in ENDS:
            frames.pop()
            continue
        if kind is not ScalarEvent and kind is not AliasEvent and kind not in STARTS:
            continue
        parts: Parts = ()
        if frames:
            frame = frames[-1]
            parts = frame[0]
            if frame[1] is not None:
                parts = (*parts, frame[1])
                frame[1] += 1
            elif frame[2] is None:
                frame[2] = event.value if kind is ScalarEvent else "?"
                if kind is ScalarEvent:
                    yield (*parts, event.value), True, event
                elif kind in STARTS:
                    frames.append([parts, 0 if kind is SequenceStartEvent else None, None])
                continue
            else:
                parts = (*parts, frame[2])
                frame[2] = None
        yield parts, False, event
        if kind in STARTS:
            frames.append([parts, 0 if kind is SequenceStartEvent else None, None])
