"""A document against the schema of its kind: typed data, or findings that people understand.

jsonschema-rs decides. Where it refuses, the hundred times slower jsonschema says why; should that find nothing to say,
the refusal stands all the same. Both are imported when they are first needed.

Types come by schema and never by guess. Every value of a document is text. Where its schema says integer or boolean, and
the text is written without quotes and looks the part (``17``, ``true``), it becomes one; anything else stays text for the
schema to refuse. ``no`` is therefore a boolean nowhere, and ``010`` a number nowhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from itertools import islice
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec import Struct, field

from daypass.core.files.document import Document, path_text
from daypass.core.files.text import MOST_FAULTS, quoted
from daypass.core.finding import Finding, near, ordered
from daypass.schema import Schema, load

if TYPE_CHECKING:
    from daypass.core.files.subset import Parts

_F = TypeVar("_F")

_NO_WORDS: Words = MappingProxyType({})


def conform(document: Document, schema: Schema[_F], words: Words = _NO_WORDS) -> _F | tuple[Finding, ...]:
    """Return a document's data, integers and booleans where the schema has them; or everything that it refuses.

    ``words`` may explain some values better than the schema (see `daypass.core.files.conform`).
    """
    typing, is_valid = _judge(schema.name)
    value: Any = typed(document, typing)
    if is_valid(value):
        accepted: _F = value
        return accepted
    found = ordered(islice(misfits(document, load(schema.name), value, words), MOST_FAULTS))
    return found or (Finding("not-conforming", document.place(), f"the file does not fit the schema {schema.name!r}"),)


@cache
def _judge(name: str) -> tuple[Typing, Callable[[Any], bool]]:
    import jsonschema_rs  # noqa: PLC0415  (not needed by verbs that read no file)

    schema = load(name)
    return typing_of(schema), jsonschema_rs.Draft202012Validator(schema).is_valid


_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,14}")
_BOOLEANS = {"true": True, "false": False}


class Typing(Struct):
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


Said = tuple[str, str, str]
"""A finding without its place: code, message, hint."""

Words = Mapping[str, Callable[[Any], Said | None]]
"""By path: says what is wrong with the value there better than the schema can; None where it cannot."""

_TYPES = {
    "string": "text",
    "integer": "a whole number",
    "boolean": "true or false",
    "object": "keys with values",
    "array": "a list",
}
# Of several faults of one value only the most basic is told: what is no text has no length to complain about.
_RANK = ("type", "const", "enum", "minLength", "maxLength", "pattern")


def misfits(document: Document, schema: dict[str, Any], value: Any, words: Words) -> Iterator[Finding]:
    """Yield what is wrong with a value (the document's, with types) according to a schema that refuses it."""
    from jsonschema import Draft202012Validator  # noqa: PLC0415  (slow to import; only faulty files come here)

    told: dict[Parts, tuple[int, Any]] = {}
    for error in Draft202012Validator(schema).iter_errors(value):
        parts: Parts = tuple(error.absolute_path)
        if "propertyNames" in list(error.relative_schema_path)[-2:-1]:
            yield _bad_name(document, (*parts, error.instance), error.schema)
        elif error.validator == "additionalProperties":
            yield from _strangers(document, parts, error)
        elif (special := _special(words, parts, error)) is not None:
            yield Finding(special[0], document.place(parts), special[1], special[2])
        elif error.validator == "required":
            yield from _missing(document, parts, error)
        else:
            rank = _RANK.index(error.validator) if error.validator in _RANK else len(_RANK)
            if parts not in told or rank < told[parts][0]:
                told[parts] = (rank, error)
    for parts, (_, error) in told.items():
        code, message, hint = _value(error)
        yield Finding(code, document.place(parts), message, hint)


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, dict):
        return _TYPES["object"]
    return _TYPES["array"] if isinstance(value, list) else str(value).lower()


def _special(words: Words, parts: Parts, error: Any) -> Said | None:
    if error.validator == "anyOf":
        return "wrong-type", f"expected {error.schema['description']}, got {_shown(error.instance)}", ""
    say = words.get(path_text(parts))
    # Words judge only what is of the right type.
    return say(error.instance) if say is not None and error.validator != "type" else None


def _strangers(document: Document, parts: Parts, error: Any) -> Iterator[Finding]:
    """Tell the keys that a closed mapping does not take: unknown ones, or names that its pattern refuses."""
    known = sorted(error.schema.get("properties", ()))
    patterns = error.schema.get("patternProperties", {})
    for key in error.instance:
        if key in known or any(re.search(pattern, key) for pattern in patterns):
            continue
        if patterns:
            yield _bad_name(document, (*parts, key), error.schema.get("propertyNames", {}))
            continue
        hint = near(key, known, f"known here: {', '.join(known)}")
        place = document.place((*parts, key), key=True)
        yield Finding("unknown-key", place, f"the key {quoted(key)} is not known here", hint)


def _bad_name(document: Document, parts: Parts, schema: Mapping[str, Any]) -> Finding:
    place = document.place(parts, key=True)
    return Finding("bad-name", place, f"{_shown(parts[-1])} is no name that may stand here", _expected(schema))


def _missing(document: Document, parts: Parts, error: Any) -> Iterator[Finding]:
    for key in error.validator_value:
        if key not in error.instance:
            what = error.schema.get("properties", {}).get(key, {})
            example = f", for example {what['examples'][0]}" if "examples" in what else ""
            described = what.get("description", "").rstrip(".")
            hint = f"{key}: {described[:1].lower()}{described[1:]}{example}" if described else f"add {key}"
            yield Finding("missing-key", document.place((*parts, key)), f"the key {key!r} is missing", hint)


def _value(error: Any) -> Said:
    got, limit, schema = _shown(error.instance), error.validator_value, error.schema
    match error.validator:
        case "type":
            unquoted = " without quotes" if limit in ("integer", "boolean") else ""
            wanted = " or ".join(_TYPES[each] for each in ([limit] if isinstance(limit, str) else limit))
            return "wrong-type", f"expected {wanted}{unquoted}, got {got}", ""
        case "const":
            return "wrong-value", f"expected {str(limit).lower()}, got {got}", ""
        case "enum":
            hint = near(str(error.instance), [str(item) for item in limit])
            return "wrong-value", f"expected one of {', '.join(map(str, limit))}, got {got}", hint
        case "pattern":
            return "bad-pattern", f"{got} is not of the form that is wanted here", _expected(schema)
        case "minLength" if not error.instance:
            return "too-short", "the value is empty", _expected(schema)
        case "minLength":
            return "too-short", f"expected at least {limit} characters, got {len(error.instance)}", _expected(schema)
        case "maxLength":
            return "too-long", f"expected at most {limit} characters, got {len(error.instance)}", _expected(schema)
        case "minimum" | "maximum":
            bound = "at least" if error.validator == "minimum" else "at most"
            return "out-of-range", f"expected {bound} {limit}, got {got}", ""
        case "minItems" | "minProperties":
            return "too-few", f"expected at least {limit} here, got {len(error.instance)}", ""
        case _:
            return "not-allowed", error.message, schema.get("description", "")


def _expected(schema: Mapping[str, Any]) -> str:
    words = schema.get("patternErrorMessage")
    return f"write {words}" if words else schema.get("description", "")
