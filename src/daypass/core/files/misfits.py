"""How a document misses its schema, in words: every fault at once, each at its own line and column.

The faults come from the jsonschema package, which is slow and imported only when there is something to explain.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from daypass.core.files.document import Document, path_text
from daypass.core.files.subset import Parts
from daypass.core.files.text import quoted
from daypass.core.finding import Finding, near

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
            return "wrong-type", f"expected {_TYPES[limit]}{unquoted}, got {got}", ""
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
