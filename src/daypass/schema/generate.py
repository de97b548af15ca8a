"""Write the JSON Schemas from the models: ``python -m daypass.schema.generate``; with ``--check`` only compare.

Each kind of file has a schema of its own; those of all outputs are one file, which says once what they have in common.

What pydantic writes is changed in three ways. ``$`` at the end of a pattern becomes "and nothing follows", since in
some engines (Python's is one) ``$`` lets a newline follow and in others it does not. Mappings of files are closed: a key
that nobody knows, or that has not the pattern, is a fault. Nulls go: no file can say null. (An output can.)
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter
from pydantic.json_schema import models_json_schema

from daypass import schema
from daypass.schema import OUTPUTS, SUFFIX, models, outputs, policy_models, rule_models

_NAMES = {"models": models, "policy_models": policy_models, "rule_models": rule_models}
MODELS: dict[str, type] = {
    getattr(schema, constant).name: get_args(hint)[0]
    for constant, hint in get_type_hints(schema, globalns={**vars(schema), **_NAMES}).items()
    if get_origin(hint) is schema.Schema
}
"""Every kind of file that users write: the name of its schema to its model, as `daypass.schema` types them."""

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_BY_NAME = ("properties", "$defs")


def schema_text(name: str) -> str:
    """Return a schema as it is committed."""
    made = TypeAdapter(MODELS[name]).json_schema()
    stated = {"$schema": _DIALECT, "title": f"daypass {name}"} | _plain(made)
    return json.dumps(stated, indent=2, ensure_ascii=False) + "\n"


def outputs_text() -> str:
    """Return the schemas of all outputs as they are committed."""
    wanted = [(model, "validation") for model in outputs.OUTPUTS.values()]
    made = models_json_schema(wanted, by_alias=True)[1]  # type: ignore[arg-type]
    made["$defs"] |= {verb: {"$ref": f"#/$defs/{other}"} for verb, other in outputs.SAME.items()}
    stated = {"$schema": _DIALECT, "title": "daypass outputs"} | _plain(made, nulls=True)
    return json.dumps(stated, indent=2, ensure_ascii=False) + "\n"


def _plain(node: Any, *, nulls: bool = False) -> Any:
    if isinstance(node, list):
        return [_plain(item, nulls=nulls) for item in node]
    if not isinstance(node, dict):
        return node
    kept: dict[str, Any] = {}
    if not nulls and "properties" in node:  # a file; its model may say otherwise below
        kept["additionalProperties"] = False
    for key, value in node.items():
        if key in _BY_NAME:
            kept[key] = {name: _plain(field, nulls=nulls) for name, field in value.items()}
        elif key == "patternProperties":
            kept[key] = {_closed(pattern): _plain(field, nulls=nulls) for pattern, field in value.items()}
            kept["additionalProperties"] = False
        elif key == "pattern":
            kept[key] = _closed(value)
        elif key not in ("default", "title"):
            kept[key] = _plain(value, nulls=nulls)
    branches = [branch for branch in kept.pop("anyOf", []) if nulls or branch != {"type": "null"}]
    if len(branches) == 1:
        return branches[0] | kept
    return kept | {"anyOf": branches} if branches else kept


def _closed(pattern: str) -> str:
    """End a pattern with the end of the text, in every engine alike."""
    return pattern.removesuffix("$") + r"(?![\s\S])" if pattern.endswith("$") else pattern


def main(arguments: list[str]) -> int:
    """Write every schema beside this module; with ``--check`` return 1 when one on disk differs."""
    checking = "--check" in arguments
    stale = 0
    texts = {f"{name}{SUFFIX}": schema_text(name) for name in MODELS} | {OUTPUTS: outputs_text()}
    for name, text in texts.items():
        file = Path(__file__).parent / name
        if file.is_file() and file.read_text(encoding="utf-8") == text:
            continue
        stale += 1
        if not checking:
            file.write_text(text, encoding="utf-8", newline="\n")
        sys.stderr.write(f"{file.name} {'is not what the models say' if checking else 'written'}\n")
    return 1 if checking and stale else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
