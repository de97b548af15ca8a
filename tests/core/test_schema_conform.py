"""Types by schema, and how a document that misses its schema is told so."""

from __future__ import annotations

from typing import Any

import pytest

from daypass.core.files.conform import conform, misfits, typed, typing_of
from daypass.core.files.document import POLICY_LIMIT, Document, read
from daypass.schema import RESOURCE as RESOURCE_SCHEMA
from daypass.schema import Schema

RESOURCE = """version: 1
title: 12
target: db
environment: production
classification: internal
owners: [dba]
exclusive: true
roles:
  readonly: {max_duration: 8h, privilege: {level: 3, on: yes}}
"""


def document(text: str) -> Document:
    found = read("f.yaml", text.encode(), limit=POLICY_LIMIT)
    assert isinstance(found, Document), found
    return found


def told(text: str, schema: str) -> list[str]:
    found: Any = conform(document(text), Schema(schema))
    assert isinstance(found, tuple), "the file was accepted"
    return [f"{f.place.line}:{f.place.column} [{f.place.path}] {f.code}: {f.message} ({f.hint})" for f in found]


def test_types_come_from_the_schema() -> None:
    data = conform(document(RESOURCE), RESOURCE_SCHEMA)
    assert isinstance(data, dict)
    assert data["version"] == 1
    assert data["exclusive"] is True
    assert data["title"] == "12"
    assert data["roles"]["readonly"]["privilege"] == {"level": "3", "on": "yes"}


SCHEMA: dict[str, Any] = {
    "$defs": {"Count": {"type": "integer"}},
    "type": "object",
    "properties": {
        "n": {"$ref": "#/$defs/Count"},
        "b": {"type": "boolean"},
        "t": {"type": "string"},
        "l": {"type": "array", "items": {"type": "object", "properties": {"n": {"type": "integer"}}}},
        "m": {"type": "object", "patternProperties": {"^[a-z]+$": {"type": "integer"}, "^[0-9]+$": {"type": "string"}}},
        "s": {"type": "array", "items": {"type": "string"}},
    },
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("n: 1", {"n": 1}),
        ("n: 0", {"n": 0}),
        ("n: -7", {"n": -7}),
        ("n: '1'", {"n": "1"}),
        ('n: "1"', {"n": "1"}),
        ("n: |-\n  1\n", {"n": "1"}),
        ("n: 01", {"n": "01"}),
        ("n: -0", {"n": "-0"}),
        ("n: +1", {"n": "+1"}),
        ("n: 1.0", {"n": "1.0"}),
        ("n: 1_000", {"n": "1_000"}),
        ("n: 0x10", {"n": "0x10"}),
        ("n: 1234567890123456", {"n": "1234567890123456"}),
        ("n: [1]", {"n": ["1"]}),
        ("b: true", {"b": True}),
        ("b: false", {"b": False}),
        ("b: 'true'", {"b": "true"}),
        ("b: True", {"b": "True"}),
        ("b: yes", {"b": "yes"}),
        ("b: 1", {"b": "1"}),
        ("t: 1", {"t": "1"}),
        ("s: [1, true]", {"s": ["1", "true"]}),
        ("l: [{n: 1, x: 2}, 3, {n: '4'}]", {"l": [{"n": 1, "x": "2"}, "3", {"n": "4"}]}),
        ("m: {a: 1, 2: 3, B: 4}", {"m": {"a": 1, "2": "3", "B": "4"}}),
        ("u: 1", {"u": "1"}),
    ],
)
def test_only_plain_scalars_in_typed_places_get_a_type(text: str, value: dict[str, Any]) -> None:
    found = typed(document(text), typing_of(SCHEMA))
    assert found == value
    assert repr(found) == repr(value)  # since 1 == True


def test_reading_changes_no_document() -> None:
    some = document(RESOURCE)
    conform(some, RESOURCE_SCHEMA)
    assert some.value["version"] == "1"


def test_a_schema_without_types_types_nothing() -> None:
    assert typed(document("a: 1"), typing_of({"type": "object"})) == {"a": "1"}


NAME = "write lower-case letters, digits and hyphens, a letter or digit first"


@pytest.mark.parametrize(
    ("schema", "text", "expected"),
    [
        (
            "resource",
            RESOURCE.replace("exclusive: true", "exclusive: yes"),
            ["7:12 [exclusive] wrong-type: expected true or false without quotes, got 'yes' ()"],
        ),
        (
            "resource",
            RESOURCE.replace("owners: [dba]", "owners: []"),
            ["6:9 [owners] too-few: expected at least 1 here, got 0 ()"],
        ),
        (
            "resource",
            RESOURCE.replace("[dba]", "dba"),
            ["6:9 [owners] wrong-type: expected a list, got 'dba' ()"],
        ),
        (
            "resource",
            RESOURCE.replace("8h", "8 hours"),
            [
                "9:28 [roles.readonly.max_duration] bad-pattern: '8 hours' is not of the form that is wanted here "
                "(write a duration, for example 8h, 30m, 7d or 1h30m)"
            ],
        ),
        (
            "directory",
            "version: 1\npeople:\n  Alice: {forge: {login: a, id: 0}, employment: employe}\n",
            ["3:3 [people.Alice] bad-name: 'Alice' is no name that may stand here"],
        ),
        (
            "directory",
            "version: 1\npeople:\n  alice: {forge: {login: a, id: 0}, employment: employe}\n",
            [
                "3:33 [people.alice.forge.id] out-of-range: expected at least 1, got 0 ()",
                "3:49 [people.alice.employment] wrong-value: expected one of employee, contractor, vendor, got 'employe' "
                "(did you mean employee?)",
            ],
        ),
        (
            "directory",
            "version: 1\npeople:\n  alice: {employment: zzz}\n",
            ["3:23 [people.alice.employment] wrong-value: expected one of employee, contractor, vendor, got 'zzz' ()"],
        ),
        (
            "directory",
            f"version: 1\ngroups:\n  {'g' * 64}: {{}}\n",
            [f"3:3 [groups.{'g' * 64}] bad-name: '{'g' * 60}…' is no name that may stand here"],
        ),
        (
            "rules",
            "version: 1\nrules:\n  - id: a\n    when: 'true'\n    require: [{approvals: {at_least: 21, from: owners}}]\n",
            ["5:38 [rules[0].require[0].approvals.at_least] out-of-range: expected at most 20, got 21 ()"],
        ),
    ],
)
def test_a_misfit_is_told_in_words(schema: str, text: str, expected: list[str]) -> None:
    found = told(text, schema)
    assert len(found) == len(expected)
    assert all(line.startswith(start) for line, start in zip(found, expected, strict=True)), found


def test_of_several_faults_of_one_value_the_most_basic_is_told() -> None:
    schema = {"properties": {"a": {"type": "string", "minLength": 3, "pattern": "^x"}}}
    some = document("a: b")
    assert [f.code for f in misfits(some, schema, {"a": "b"}, {})] == ["too-short"]
    assert [f.code for f in misfits(some, schema, {"a": 1}, {})] == ["wrong-type"]


def test_what_there_are_no_words_for_is_told_in_the_validators() -> None:
    schema = {"properties": {"a": {"multipleOf": 2, "description": "an even number"}}}
    (found,) = misfits(document("a: 1"), schema, {"a": 1}, {})
    assert (found.code, found.message, found.hint) == ("not-allowed", "1 is not a multiple of 2", "an even number")


def test_a_missing_key_without_description_is_told_all_the_same() -> None:
    (found,) = misfits(document("b: 1"), {"required": ["a"]}, {"b": "1"}, {})
    assert (found.code, found.hint) == ("missing-key", "add a")


def test_a_refusal_without_words_stays_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daypass.core.files.conform.misfits", lambda *_: iter(()))
    assert told("a: b", "grant") == ["1:1 [] not-conforming: the file does not fit the schema 'grant' ()"]
