"""Types for scalars, by schema and never by guess.

Every value of a document is text. Where its schema says integer or boolean, and the text is written without quotes and
looks the part (``17``, ``true``), it becomes one; anything else stays text for the schema to refuse. ``no`` is therefore
a boolean nowhere, and ``010`` a number nowhere.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from daypass.core.files.document import Document
from daypass.core.files.subset import Parts

_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,14}")
_BOOLEANS = {"true": True, "false": False}


@dataclass(slots=True)
class Typing:
    """Where in a value of some schema integers and booleans stand. Parts that hold none are left out."""

    integer: bool = False
    boolean: bool = False
    keys: dict[str, Typing] = field(default_factory=dict)
    others: list[tuple[re.Pattern[str], Typing]] = field(default_factory=list)
    items: Typing | None = None

    def under(self, key: str) -> Typing | None:
        """Return the typing of a key's value, None where it is text throughout."""
        found = self.keys.get(key)
        return found or next((typing for pattern, typing in self.others if pattern.search(key)), None)


def typing_of(schema: dict[str, Any]) -> Typing:
    """Work out where a schema (with its ``$defs``; no reference in a circle) allows integers and booleans."""
    return _typing(schema, schema.get("$defs", {})) or Typing()


def _typing(node: dict[str, Any], definitions: dict[str, Any]) -> Typing | None:
    if "$ref" in node:
        return _typing(definitions[node["$ref"].removeprefix("#/$defs/")], definitions)
    typing = Typing(integer=node.get("type") == "integer", boolean=node.get("type") == "boolean")
    for key, below in node.get("properties", {}).items():
        found = _typing(below, definitions)
        if found is not None:
            typing.keys[key] = found
    for pattern, below in node.get("patternProperties", {}).items():
        found = _typing(below, definitions)
        if found is not None:
            typing.others.append((re.compile(pattern), found))
    if "items" in node:
        typing.items = _typing(node["items"], definitions)
    holds = typing.integer or typing.boolean or typing.keys or typing.others or typing.items
    return typing if holds else None


def typed(document: Document, typing: Typing) -> dict[str, Any]:
    """Return the document's value with integers and booleans in the places that the schema gives them."""
    value: dict[str, Any] = _typed(document, document.value, typing, ())
    return value


def _typed(document: Document, value: Any, typing: Typing, parts: Parts) -> Any:
    if isinstance(value, str):
        return _scalar(document, value, typing, parts)
    if isinstance(value, list):
        if typing.items is None:
            return value
        return [_typed(document, item, typing.items, (*parts, index)) for index, item in enumerate(value)]
    if typing.others:
        below = {key: typing.under(key) for key in value}
        changed = {key: found for key, found in below.items() if found is not None}
    else:
        changed = {key: found for key, found in typing.keys.items() if key in value}
    return {**value, **{key: _typed(document, value[key], found, (*parts, key)) for key, found in changed.items()}}


def _scalar(document: Document, text: str, typing: Typing, parts: Parts) -> Any:
    if typing.integer and _INTEGER.fullmatch(text) and document.is_plain(parts):
        return int(text)
    if typing.boolean and text in _BOOLEANS and document.is_plain(parts):
        return _BOOLEANS[text]
    return text
