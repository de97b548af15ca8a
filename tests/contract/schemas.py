"""Validators out of an OpenAPI 3.0 description, made when first needed.

OpenAPI 3.0 writes schemas in a dialect of its own; they become JSON Schema 2020-12 here: ``nullable`` turns into a type,
and every object that describes members admits no others, so that neither side invents one.
https://spec.openapis.org/oas/v3.0.3#schema-object
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import jsonschema_rs

_KEPT = {
    "type", "format", "enum", "pattern", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems",
    "uniqueItems", "required", "multipleOf", "minProperties", "maxProperties",
}  # fmt: skip
_MIXES = ("allOf", "anyOf", "oneOf")
_COMPONENTS = "#/components/schemas/"


class Schemas:
    """The schemas of one description."""

    def __init__(self, components: Mapping[str, Any]) -> None:
        self._components = components
        self._converted: dict[str, tuple[dict[str, Any], set[str]]] = {}

    def validator(self, schema: Mapping[str, Any], *, closed: bool = True) -> jsonschema_rs.Draft202012Validator:
        """Return what judges values of a schema. ``closed``: members that are not described are refused, at any depth."""
        used: set[str] = set()
        top = self._value(schema, used) if closed else self._convert(schema, used)
        definitions: dict[str, Any] = {}
        while missing := used - definitions.keys():
            for name in missing:
                definitions[name], more = self._component(name)
                used |= more
        return jsonschema_rs.Draft202012Validator({**top, "$defs": definitions}, validate_formats=True)

    def _component(self, name: str) -> tuple[dict[str, Any], set[str]]:
        if name not in self._converted:
            used: set[str] = set()
            self._converted[name] = (self._convert(self._components[name], used), used)
        return self._converted[name]

    def _value(self, schema: Mapping[str, Any], used: set[str]) -> dict[str, Any]:
        """Convert a schema that stands for a whole value, as opposed to one of several that a value meets at once."""
        made = self._convert(schema, used)
        return {**made, "unevaluatedProperties": False} if self._describes(schema) else made

    def _describes(self, schema: Mapping[str, Any]) -> bool:
        """Whether a schema names an object's members. One that names none admits all, and so does one that says so."""
        schema = self._resolve(schema)
        if schema.get("additionalProperties", False) is not False:
            return False
        parts = [self._resolve(part) for mix in _MIXES for part in schema.get(mix, ())]
        objects = [part for part in parts if part.get("type", "object") == "object" and part.keys() != {"required"}]
        return all(map(self._describes, objects)) if objects else bool(schema.get("properties"))

    def _resolve(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        while "$ref" in schema:
            schema = self._components[schema["$ref"].removeprefix(_COMPONENTS)]
        return schema

    def _convert(self, schema: Mapping[str, Any], used: set[str]) -> dict[str, Any]:
        if "$ref" in schema:
            name = schema["$ref"].removeprefix(_COMPONENTS)
            used.add(name)
            return {"$ref": f"#/$defs/{name}"}
        made: dict[str, Any] = {word: schema[word] for word in _KEPT & schema.keys()}
        if "properties" in schema:
            made["properties"] = {name: self._value(each, used) for name, each in schema["properties"].items()}
        if "items" in schema:
            made["items"] = self._value(schema["items"], used)
        more = schema.get("additionalProperties")
        if isinstance(more, Mapping):
            made["additionalProperties"] = self._value(more, used)
        elif more is not None:
            made["additionalProperties"] = more
        for mix in _MIXES:
            if mix in schema:
                # GitHub's alternatives overlap, so that "exactly one" would refuse what GitHub itself sends.
                name = "anyOf" if mix == "oneOf" else mix
                made.setdefault(name, []).extend(self._convert(part, used) for part in schema[mix])
        return _or_null(made) if schema.get("nullable") else made


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    if any(mix in schema for mix in _MIXES):
        return {"anyOf": [schema, {"type": "null"}]}
    if "type" in schema:
        schema["type"] = [schema["type"], "null"]
    if "enum" in schema and None not in schema["enum"]:
        schema["enum"] = [*schema["enum"], None]
    return schema


def complaints(validator: jsonschema_rs.Draft202012Validator, value: Any, where: str) -> Iterator[str]:
    """What a value has that its schema does not allow, each with its place; of alternatives only the nearest one's."""
    for error in validator.iter_errors(value):
        place = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in error.instance_path)
        yield f"{where}{place}: {error.message[:300]}"
