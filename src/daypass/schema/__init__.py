"""The JSON Schemas of every file that users write and of every output: generated from models, committed, read as data.

A model is the one definition of a kind of file. Pydantic makes its schema of it, which judges what a file says and places
each fault; readers take the data in the very form of the model, and a type checker holds them to it. Pydantic runs when
schemas are generated and never else, so that no verb pays for importing it.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from msgspec import Struct

if TYPE_CHECKING:
    from daypass.schema import models, policy_models, rule_models

_F = TypeVar("_F")


class Schema(Struct, Generic[_F], frozen=True):
    """The schema of one kind of file, by its name; data that it accepts has the form ``_F``."""

    name: str


GRANT: Schema[models.GrantForm] = Schema("grant")
SETTINGS: Schema[policy_models.SettingsForm] = Schema("settings")
RESOURCE: Schema[policy_models.ResourceForm] = Schema("resource")
DIRECTORY: Schema[policy_models.DirectoryForm] = Schema("directory")
ROTA: Schema[rule_models.RotaForm] = Schema("rota")
CALENDAR: Schema[rule_models.CalendarForm] = Schema("calendar")
PURPOSE: Schema[rule_models.PurposeForm] = Schema("purpose")
RULES: Schema[rule_models.RulesForm] = Schema("rules")
PROMISES: Schema[rule_models.PromisesForm] = Schema("promises")
POLICY_TEST: Schema[rule_models.PolicyTestForm] = Schema("policy-test")

SUFFIX = ".schema.json"
OUTPUTS = "outputs.json"
"""The file with the schemas of all outputs."""
_OUTPUT = "output/"
"""How their names begin: ``output/status``."""
_FOLDER = Path(__file__).parent


@cache
def load(name: str) -> dict[str, Any]:
    """Return the schema of one kind of file (``grant``) or of one verb's output (``output/status``).

    The result is shared: do not change it. Raises KeyError.
    """
    if name.startswith(_OUTPUT):
        verb, whole = name.removeprefix(_OUTPUT), _read(OUTPUTS)
        _ = whole["$defs"][verb]
        return {**whole, "title": f"daypass {verb} --format json", "$ref": f"#/$defs/{verb}"}
    if name not in names():
        raise KeyError(name)
    return _read(f"{name}{SUFFIX}")


@cache
def _read(file: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((_FOLDER / file).read_text(encoding="utf-8"))
    return found


def output_names() -> tuple[str, ...]:
    """Return the names of the schemas of outputs, sorted. Verbs are in lower case, what they have in common is not."""
    return tuple(sorted(f"{_OUTPUT}{name}" for name in _read(OUTPUTS)["$defs"] if name.islower()))


@cache
def names() -> tuple[str, ...]:
    """Return the names of the schemas of files, sorted."""
    return tuple(sorted(file.name.removesuffix(SUFFIX) for file in _FOLDER.glob(f"*{SUFFIX}")))
