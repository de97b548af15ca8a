"""Whether an exchange with the API is one that GitHub's own description allows: path, parameters, request, answer."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import jsonschema_rs

from contract.schemas import Schemas, complaints

_ERRORS = {400, 401, 403, 404, 405, 409, 410, 412, 413, 422, 429, 500, 502, 503, 504}
"""GitHub answers these everywhere, and describes them in some places only."""
_ANY_ERROR = {"$ref": "#/components/schemas/basic-error"}
_SAMPLE = "sample.collected"
_TO_AN_APP = {"installation": {"id": 1, "node_id": "I_1"}}
"""What an event bears when it goes to an App; one that goes to a workflow does not."""
_REFUSED_AS_SENT = {400, 401, 403, 404, 405, 413, 415, 422}
"""Statuses that say that something about the request is wrong: what is wrong with it is then the answer's business."""


@dataclass(frozen=True)
class Exchange:
    """One request and its answer. ``body`` and ``answer`` are parsed JSON, None for none."""

    method: str
    path: str
    status: int
    query: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    answer: Any = None


@dataclass(frozen=True)
class Operation:
    """One method of one path template."""

    method: str
    template: str
    pattern: re.Pattern[str]
    described: Mapping[str, Any]

    @property
    def weight(self) -> tuple[int, int]:
        """Literal parts come before variable ones, so that /issues/comments is not taken for an issue's number."""
        parts = self.template.split("/")
        return -sum(not part.startswith("{") for part in parts), len(parts)


class Contract:
    """GitHub's description, ready to judge. Validators are made once and kept."""

    def __init__(self, description: Mapping[str, Any]) -> None:
        self._description = description
        self._schemas = Schemas(description["components"]["schemas"])
        self._validators: dict[tuple[str, ...], jsonschema_rs.Draft202012Validator] = {}
        self._found: dict[tuple[str, str], Operation | None] = {}

    def problems(self, exchange: Exchange) -> list[str]:
        """Everything about an exchange that the description does not allow; empty when it is as GitHub says."""
        operation = self.operation(exchange.method, exchange.path)
        if operation is None:
            return [f"{exchange.method} {exchange.path}: GitHub has no such endpoint"]
        found: list[str] = []
        if exchange.status not in _REFUSED_AS_SENT:
            found += self._parameters(operation, exchange)
            found += self._request(operation, exchange.body)
        found += self._answer(operation, exchange.status, exchange.answer)
        return [f"{exchange.method} {exchange.path} -> {exchange.status}: {each}" for each in found]

    def event(self, name: str, action: str, payload: Any) -> list[str]:
        """What of an event's payload is not as GitHub describes the webhook of that name and action."""
        hooks = self._description["x-webhooks"]
        key = f"{name}-{action}".replace("_", "-") if action else name.replace("_", "-")
        if name == "repository_dispatch":  # whose action is the caller's word; one is described as a sample
            key, payload = f"repository-dispatch-{_SAMPLE}", {**_TO_AN_APP, **payload, "action": _SAMPLE}
        hook = hooks.get(key)
        if hook is None:
            return [f"event {name} {action}: GitHub has no such event"]
        schema = hook["post"]["requestBody"]["content"]["application/json"]["schema"]
        made = self._kept(("event", key), lambda: self._schemas.validator(schema, closed=False))
        return list(complaints(made, payload, f"event {name} {action}"))

    def operation(self, method: str, path: str) -> Operation | None:
        """Return the description's operation for a request, the most literal where several fit."""
        key = (method, path)
        if key not in self._found:
            fitting = (each for each in self._operations if each.method == method and each.pattern.fullmatch(path))
            self._found[key] = next(fitting, None)
        return self._found[key]

    @cached_property
    def _operations(self) -> list[Operation]:
        made = []
        for template, item in self._description["paths"].items():
            for method in item.keys() & {"get", "put", "post", "patch", "delete", "head"}:
                described = item[method]
                pattern = re.compile(_expression(template, self._long(template, described)))
                made.append(Operation(method.upper(), template, pattern, described))
        return sorted(made, key=lambda each: each.weight)

    def _long(self, template: str, described: Mapping[str, Any]) -> set[str]:
        """The parameters that may hold slashes. The description marks most of them."""
        marked = {p["name"] for p in map(self._parameter, described.get("parameters", ())) if p.get("x-multi-segment")}
        return marked | ({"ref"} if "/git/refs/{ref}" in template else set())

    def _parameter(self, parameter: Mapping[str, Any]) -> Mapping[str, Any]:
        if "$ref" in parameter:
            found: Mapping[str, Any] = self._description["components"]["parameters"][
                parameter["$ref"].rsplit("/", 1)[1]
            ]
            return found
        return parameter

    def _parameters(self, operation: Operation, exchange: Exchange) -> Iterator[str]:
        every = map(self._parameter, operation.described.get("parameters", ()))
        described = {p["name"]: p for p in every if p["in"] == "query"}
        for name, text in exchange.query.items():
            if name not in described:
                yield f"query parameter {name!r} is not described"
                continue
            made = self._kept(
                ("query", operation.method, operation.template, name),
                lambda schema=described[name]["schema"]: self._schemas.validator(schema),
            )
            yield from complaints(made, _typed(text, described[name]["schema"]), f"query parameter {name}")
        for name, each in described.items():
            if each.get("required") and name not in exchange.query:
                yield f"query parameter {name!r} is missing"

    def _request(self, operation: Operation, body: Any) -> Iterator[str]:
        asked = operation.described.get("requestBody")
        if asked is None:
            if body:
                yield "a request body is sent where none is described"
            return
        if body is None:
            if asked.get("required"):
                yield "the request body is missing"
            return
        schema = asked["content"]["application/json"]["schema"]
        made = self._kept(("body", operation.method, operation.template), lambda: self._schemas.validator(schema))
        yield from complaints(made, body, "request")

    def _answer(self, operation: Operation, status: int, answer: Any) -> Iterator[str]:
        described = operation.described["responses"].get(str(status))
        if described is None and status not in _ERRORS:
            yield f"status {status} is not described (but {', '.join(operation.described['responses'])})"
            return
        schema = self._content(described or {})
        if schema is None and status in _ERRORS:
            if answer is None and described is not None:
                return
            schema = _ANY_ERROR
        if schema is None:
            if answer is not None:
                yield "an answer's body stands where none is described"
            return
        if answer is None:
            yield "the answer has no body"
            return
        closed = status < 400
        key = ("answer", operation.method, operation.template, str(status))
        made = self._kept(key, lambda: self._schemas.validator(schema, closed=closed))
        yield from complaints(made, answer, "answer")

    def _content(self, described: Mapping[str, Any]) -> Any:
        """The schema of a described answer's JSON, None where it has no body."""
        if "$ref" in described:
            described = self._description["components"]["responses"][described["$ref"].rsplit("/", 1)[1]]
        return next((each["schema"] for kind, each in described.get("content", {}).items() if "json" in kind), None)

    def _kept(
        self, key: tuple[str, ...], make: Callable[[], jsonschema_rs.Draft202012Validator]
    ) -> jsonschema_rs.Draft202012Validator:
        if key not in self._validators:
            self._validators[key] = make()
        return self._validators[key]


def _expression(template: str, long: set[str]) -> str:
    parts = re.split(r"\{([^{}]+)\}", template)
    names = [".+" if name in long else "[^/]+" for name in parts[1::2]]
    literal = [re.escape(part) for part in parts[::2]]
    return "".join(text for pair in zip(literal, [*names, ""], strict=True) for text in pair)


def _typed(text: str, schema: Mapping[str, Any]) -> Any:
    """A query's text as the kind of value that is described."""
    kinds = {schema.get("type"), *(part.get("type") for mix in ("oneOf", "anyOf") for part in schema.get(mix, ()))}
    if "integer" in kinds and re.fullmatch(r"-?[0-9]+", text):
        return int(text)
    if "boolean" in kinds and text in {"true", "false"}:
        return text == "true"
    return text.split(",") if kinds == {"array"} else text
