"""The schema of grants as editors of one repository have it: with its purposes, and what each asks for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from daypass.core.bounds.purposes import DetailField, Purpose
from daypass.schema import GRANT, SUFFIX, load

GRANT_SCHEMA = f".schemas/{GRANT.name}{SUFFIX}"
"""Where editors find it, by the first line of each grant."""

_END = r"(?![\s\S])"
_NUMBER = r"0|-?[1-9][0-9]{0,14}"
_NAME = "[A-Za-z0-9][A-Za-z0-9._-]*"
_OWN = re.compile(r"\\[^dDwWsSbBnrtfv.*+?()\[\]{}|^$/\\-]|\(\?|\[\[:")
"""What patterns of purposes may have, and not every editor reads, or reads otherwise."""


def editor_schema(purposes: Mapping[str, Purpose]) -> str:
    """Return the schema of grants with what each purpose asks for. What it lets through, `daypass check` still judges.

    Where there are no purposes it is the one that daypass has for everybody.
    """
    whole = load(GRANT.name)
    if purposes:
        known = list(purposes.values())
        of = dict(whole["properties"])
        of["purpose"] = {
            "description": "A ready-made kind of request, from policies/purposes.",
            "oneOf": [{"const": one.name} | ({"description": one.title} if one.title else {}) for one in known],
        }
        # Numbers are written as such: each kind of detail has its form below.
        of["details"] = {"description": of["details"]["description"], "type": "object"}
        branches = [{"if": _names(one.name), "then": _asked(one)} for one in known]
        branches.append({"if": {"not": {"required": ["purpose"]}}, "then": {"properties": {"details": False}}})
        whole = whole | {"properties": of, "allOf": branches}
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


def _names(purpose: str) -> dict[str, Any]:
    return {"properties": {"purpose": {"const": purpose}}, "required": ["purpose"]}


def _asked(purpose: Purpose) -> dict[str, Any]:
    """Return what a grant of a purpose has to say."""
    required = [one.name for one in purpose.fields.values() if one.required]
    of: dict[str, Any] = {"details": False}
    if purpose.fields:
        of["details"] = {
            "properties": {one.name: _field(one) for one in purpose.fields.values()},
            "additionalProperties": False,
        }
        of["details"] |= {"required": required} if required else {}
    if purpose.ticket_pattern and _reads(purpose.ticket_pattern):
        of["ticket"] = {"pattern": _whole(purpose.ticket_pattern)}
    needed = ["details"] * bool(required) + ["ticket"] * purpose.ticket_required
    return {"properties": of} | ({"required": needed} if needed else {})


def _field(of: DetailField) -> dict[str, Any]:
    said = ", ".join(part for part in (of.title, "access ends then" * of.ends_access) if part)
    return ({"description": said} if said else {}) | _kind(of)


def _kind(of: DetailField) -> dict[str, Any]:
    whole = load(GRANT.name)
    forms: list[dict[str, Any]] = next(iter(whole["properties"]["details"]["patternProperties"].values()))["anyOf"]
    text, several = forms
    if of.kind == "moment":
        return {"type": "string", "pattern": whole["$defs"]["WindowForm"]["properties"]["from"]["pattern"]}
    if of.kind == "choice":
        return {"enum": _written(of.of)}
    if of.kind == "names":
        each = {"enum": _written(of.of)} if of.of else {"type": ["string", "integer"], "pattern": _whole(_NAME)}
        return several | {"items": each, "uniqueItems": True}
    if of.kind == "number":
        return {"type": ["integer", "string"], "pattern": _whole(_NUMBER)}
    if of.kind == "person":
        person: dict[str, Any] = whole["properties"]["subject"]
        return {key: person[key] for key in ("type", "pattern", "maxLength", "minLength")}
    form = [{"pattern": _whole(of.pattern)}] if of.pattern and _reads(of.pattern) else []
    return text | {"type": ["string", "integer"]} | ({"allOf": form} if form else {})


def _written(values: Iterable[str]) -> list[str | int]:
    """Return values as a file may have them: an editor takes 17 for a number."""
    found: list[str | int] = []
    for value in values:
        found += [value, int(value)] if re.fullmatch(_NUMBER, value) else [value]
    return found


def _reads(pattern: str) -> bool:
    return _OWN.search(pattern) is None


def _whole(pattern: str) -> str:
    return f"^(?:{pattern}){_END}"
