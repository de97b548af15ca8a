"""What a verb prints with ``--format json`` is as its published schema says, key by key."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from typing import Any

import jsonschema_rs

from daypass.schema import load

GROUPS = ("audit", "calendar", "ledger", "people", "policy", "rota")


def verb_of(arguments: Sequence[str]) -> str:
    """Return the name of the output of a command line that begins with its verb."""
    return "-".join(arguments[: 2 if arguments[0] in GROUPS else 1])


def check_output(arguments: Sequence[str], out: str) -> None:
    """Fail where a command line asked for JSON, and got anything but what the schema of its verb describes."""
    if not out or "json" not in arguments[1:] or arguments[arguments.index("json") - 1] != "--format":
        return
    verb = verb_of(arguments)
    told = [json.loads(line) for line in out.splitlines()] if verb == "watch" else [json.loads(out)]
    errors = [
        f"{list(error.instance_path)}: {error.message}" for data in told for error in _validator(verb).iter_errors(data)
    ]
    assert not errors, "\n".join([f"{arguments}", *errors, out])


@cache
def _validator(name: str) -> Any:
    return jsonschema_rs.Draft202012Validator(_closed(load(f"output/{name}")))


def _closed(node: Any) -> Any:
    """Take no key that the schema does not name: readers are to, tests are not."""
    if isinstance(node, list):
        return [_closed(item) for item in node]
    if not isinstance(node, dict):
        return node
    found = {key: _closed(value) for key, value in node.items()}
    return found | ({"additionalProperties": False} if isinstance(found.get("properties"), dict) else {})
