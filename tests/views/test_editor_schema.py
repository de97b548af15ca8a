"""The schema of grants that editors have: each purpose's details by their kinds, as `daypass check` judges them."""

from __future__ import annotations

import json

import pytest
from jsonschema import Draft202012Validator

from daypass.core.bounds.purposes import DetailField, Purpose
from daypass.core.policy.details import typed
from daypass.schema import load
from daypass.views.policy.editor import editor_schema

FIELDS = {
    "due": DetailField("due", "moment", "Answer due by", required=True, ends_access=True),
    "right": DetailField("right", "choice", of=("access", "erasure", "17")),
    "classes": DetailField("classes", "names", of=("personal", "payment")),
    "tags": DetailField("tags", "names"),
    "rows": DetailField("rows", "number"),
    "advisor": DetailField("advisor", "person"),
    "letter": DetailField("letter", "text", pattern="L[0-9]+"),
    "odd": DetailField("odd", "text", pattern=r"(?i)l\pL+"),
    "free": DetailField("free", "text"),
}
PURPOSES = {
    "case": Purpose("case", "A case", ticket_required=True, ticket_pattern="DSR-[0-9]{4,}", fields=FIELDS),
    "incident": Purpose("incident", ticket_required=True),
    "loose": Purpose("loose", ticket_pattern=r"\pL+", fields={"rows": FIELDS["rows"]}),
}
GRANT = {
    "version": 1,
    "subject": "alice",
    "resource": "orders-db",
    "role": "readonly",
    "reason": "looking at four orders",
    "window": {"duration": "1h"},
}
SCHEMA = json.loads(editor_schema(PURPOSES))


def faults(**said: object) -> list[str]:
    return [error.message for error in Draft202012Validator(SCHEMA).iter_errors(GRANT | said)]


def case(**said: object) -> list[str]:
    return faults(purpose="case", ticket="DSR-1234", details={"due": "2026-12-20"} | said)


def test_it_is_a_schema_and_without_purposes_that_of_everybody() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert json.loads(editor_schema({})) == load("grant")
    assert faults() == []


def test_purposes_are_offered_by_their_names_and_titles() -> None:
    assert SCHEMA["properties"]["purpose"]["oneOf"] == [
        {"const": "case", "description": "A case"},
        {"const": "incident"},
        {"const": "loose"},
    ]
    assert faults(purpose="cases", ticket="DSR-1234")
    assert SCHEMA["allOf"][0]["then"]["properties"]["details"]["properties"]["due"]["description"] == (
        "Answer due by, access ends then"
    )


def test_what_a_purpose_needs_must_be_there_and_nothing_else() -> None:
    assert case() == []
    assert faults(purpose="case", ticket="DSR-1234") == ["'details' is a required property"]
    assert faults(purpose="case", details={"due": "2026-12-20"}) == ["'ticket' is a required property"]
    assert faults(purpose="case", ticket="INC-1", details={"due": "2026-12-20"})
    assert faults(purpose="case", ticket="DSR-1234", details={"rows": 1}) == ["'due' is a required property"]
    assert case(dew="2026-12-20")
    assert faults(purpose="incident", ticket="INC-1") == []
    assert faults(purpose="incident", ticket="INC-1", details={"due": "2026-12-20"})
    assert faults(details={"due": "2026-12-20"})
    assert faults(purpose="loose", ticket="INC-1", details={"rows": 3}) == []
    assert faults(purpose="loose") == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("due", "2026-12-20"),
        ("due", "2026-12-20T10:00:00Z"),
        ("due", "tomorrow"),
        ("due", ["2026-12-20"]),
        ("right", "access"),
        ("right", 17),
        ("right", "acces"),
        ("right", 18),
        ("classes", ["personal"]),
        ("classes", ["personal", "payment"]),
        ("classes", ["personal", "personal"]),
        ("classes", ["salary"]),
        ("classes", "personal"),
        ("tags", ["a.b", "c"]),
        ("tags", ["a b"]),
        ("rows", 25),
        ("rows", "25"),
        ("rows", -3),
        ("rows", "025"),
        ("rows", "many"),
        ("advisor", "bob"),
        ("advisor", "Bob Osei"),
        ("free", "whatever it is"),
        ("free", ["a", "b"]),
    ],
)
def test_a_detail_is_a_fault_just_where_daypass_takes_it_for_one(name: str, value: object) -> None:
    read = tuple(map(str, value)) if isinstance(value, list) else str(value)
    try:
        typed(FIELDS[name], read)
    except ValueError:
        assert case(**{name: value})
    else:
        assert case(**{name: value}) == []


def test_the_form_of_a_text_holds_where_every_editor_reads_it() -> None:
    assert case(letter="L7") == []
    assert case(letter="M7")
    assert case(odd="anything") == []
