"""Writing people into files of the directory with all else of them, comments and layout too, as it stands.

What comes out is read again and must say what was meant, and nothing else: of a file that is written in an unusual way the
change is refused, and made by hand.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any, NamedTuple

import yaml

from daypass.core.errors import InvalidError
from daypass.core.files.document import POLICY_LIMIT, Document, read
from daypass.core.people.matching import Values, WrittenPerson

FOLDER = "policies/directory/"
A_FILE = 2_000
"""So many people stand in one file that is made here."""

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9 ._/()@+-]*[A-Za-z0-9.)]")
_NOT_TEXT = frozenset({"true", "false", "null", "yes", "no", "on", "off"})


class _Cut(NamedTuple):
    """What takes the place of a stretch of a text."""

    start: int
    end: int
    text: str


def with_people(
    files: Mapping[str, bytes], new: Sequence[WrittenPerson], changed: Sequence[WrittenPerson]
) -> Mapping[str, bytes]:
    """Return the files of a directory that are to be written: entries where they stand, new ones in files of their own.

    Raises InvalidError for files that do not read, or in which a change cannot be made.
    """
    read_files = {path: _read(path, raw) for path, raw in files.items() if path.startswith(FOLDER)}
    place = {h: path for path, found in reversed(list(read_files.items())) for h in found.value.get("people") or {}}
    by_file: dict[str, dict[str, Values]] = {}
    for one in changed:
        by_file.setdefault(place[one.handle], {})[one.handle] = one.say
    written = {path: _edited(path, files[path], read_files[path], say) for path, say in by_file.items()}
    rest = list(new)
    names = _own_files()
    while rest:
        path = next(names)
        raw = written.get(path, files.get(path, b""))
        count = len(_read(path, raw).value.get("people") or {}) if raw else 0
        part, rest = rest[: max(0, A_FILE - count)], rest[max(0, A_FILE - count) :]
        if part:
            written[path] = _added(path, raw, part)
    return written


def _own_files() -> Iterator[str]:
    yield f"{FOLDER}imported.yaml"
    number = 2
    while True:
        yield f"{FOLDER}imported-{number}.yaml"
        number += 1


def _read(path: str, raw: bytes) -> Document:
    found = read(path, raw, limit=POLICY_LIMIT)
    if isinstance(found, tuple):
        raise InvalidError(f"{path} cannot be read", found)
    return found


def _edited(path: str, raw: bytes, before: Document, people: Mapping[str, Values]) -> bytes:
    """Return a file in which these people's entries say this as well, or instead."""
    text = raw.decode("utf-8-sig")
    nodes = dict(_pairs(dict(_pairs(yaml.compose(text, Loader=yaml.CSafeLoader)))["people"]))
    cuts = [cut for handle, say in people.items() for cut in _cuts(nodes[handle], say)]
    for cut in sorted(cuts, reverse=True):
        text = text[: cut.start] + cut.text + text[cut.end :]
    wanted = deepcopy(before.value)
    for handle, say in people.items():
        _merge(wanted["people"][handle], say)
    return _checked(path, text, wanted)


def _pairs(node: Any) -> Iterator[tuple[str, Any]]:
    """Yield the keys of a mapping as it is written, each with the node of its value."""
    return ((key.value, value) for key, value in node.value)


def _cuts(node: Any, say: Values) -> Iterator[_Cut]:
    """Yield what makes the entry that stands at a node say something."""
    there = dict(_pairs(node))
    new: list[str] = []
    for key, value in say.items():
        known = there.get(key)
        if known is not None and isinstance(value, Mapping):
            yield from _cuts(known, value)
        elif known is not None:
            yield _Cut(known.start_mark.index, known.end_mark.index, _flow(value))
        else:
            new.append(f"{key}: {_flow(value)}")
    if not new:
        return
    if node.flow_style or not node.value:
        start = node.start_mark.index + 1
        yield _Cut(start, start, ", ".join(new) + (", " if node.value else ""))
    else:
        first = node.value[0][0].start_mark
        lead = "\n" + " " * first.column
        yield _Cut(first.index, first.index, lead.join(new) + lead)


def _merge(entry: dict[str, Any], say: Values) -> None:
    for key, value in say.items():
        if isinstance(value, Mapping):
            _merge(entry.setdefault(key, {}), value)
        else:
            entry[key] = str(value)


def _added(path: str, raw: bytes, people: Sequence[WrittenPerson]) -> bytes:
    """Return a file with further entries behind those that are there."""
    text = raw.decode("utf-8-sig") or "version: 1\npeople:\n"
    wanted: dict[str, Any] = deepcopy(_read(path, raw).value) if raw else {"version": "1"}
    if "people" not in wanted:
        text += "" if text.endswith("\n") else "\n"
        text += "people:\n" if raw else ""
    lines = [] if text.endswith("\n") else [""]
    indent = _indent(text)
    for one in people:
        lines.append(f"{indent}{one.handle}:{'' if one.say else ' {}'}")
        lines += [f"{indent}  {key}: {_flow(value)}" for key, value in one.say.items()]
        _merge(wanted.setdefault("people", {}).setdefault(one.handle, {}), one.say)
    return _checked(path, text + "\n".join(lines) + "\n", wanted)


def _indent(text: str) -> str:
    """Return what stands before the handles of a file's people."""
    found = re.search(r"^people:[^\n]*\n(?:[ ]*(?:#[^\n]*)?\n)*([ ]+)\S", text, re.MULTILINE)
    return found[1] if found is not None else "  "


def _checked(path: str, text: str, wanted: Mapping[str, Any]) -> bytes:
    raw = text.encode()
    found = read(path, raw, limit=POLICY_LIMIT)
    if isinstance(found, tuple) or found.value != wanted:
        hint = "write what is new there by hand, or move these people to a file of their own"
        raise InvalidError(f"{path} is written in a way that cannot be changed here", hint=hint)
    return raw


def _flow(value: object) -> str:
    """Write a value on one line: what could be anything but text is quoted."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_flow(one)}" for key, one in value.items()) + "}"
    plain = isinstance(value, int) or (_PLAIN.fullmatch(str(value)) and str(value).lower() not in _NOT_TEXT)
    return str(value) if plain else json.dumps(value, ensure_ascii=False)
