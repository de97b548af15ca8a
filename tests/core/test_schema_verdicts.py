"""The schemas: what is committed, what they say, and that two engines say the same of everything."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import jsonschema_rs
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from daypass.core.window import parse_duration, parse_instant
from daypass.schema import generate, load, names
from examples import examples

GRANT = {
    "version": 1,
    "subject": "alice",
    "resource": "orders-db",
    "role": "readonly",
    "reason": "Duplicate charges reported by support.",
    "ticket": "INC-1234",
    "window": {"from": "2026-11-21T09:00:00Z", "until": "2026-11-21T17:00:00Z"},
    "purpose": "incident",
    "ends_when": {"issue_closed": "acme/orders#88"},
}
PERSON = {
    "name": "Alice",
    "email": "a@example.com",
    "forge": {"login": "alice", "id": 5},
    "identities": {"db": "alice"},
}
SAMPLES: dict[str, Any] = {
    "grant": GRANT,
    "directory": {
        "version": 1,
        "people": {"alice": PERSON},
        "groups": {"dba": {"members": ["alice"], "include": ["ops"]}},
    },
    "resource": {
        "version": 1,
        "title": "Orders",
        "target": "db",
        "environment": "production",
        "classification": "internal",
        "owners": ["dba"],
        "exclusive": True,
        "roles": {"readonly": {"max_duration": "8h", "privilege": {"member_of": "x"}}},
    },
}


def test_the_committed_schemas_are_what_the_models_say(capsys: pytest.CaptureFixture[str]) -> None:
    assert generate.main(["--check"]) == 0, capsys.readouterr().err
    assert set(names()) == set(generate.MODELS)


def test_generating_writes_what_differs_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(generate, "__file__", str(tmp_path / "generate.py"))
    (tmp_path / "grant.schema.json").write_text("{}")
    assert generate.main(["--check"]) == 1
    assert "grant.schema.json is not what the models say\n" in capsys.readouterr().err
    assert (tmp_path / "grant.schema.json").read_text() == "{}"
    assert generate.main([]) == 0
    assert "grant.schema.json written\n" in capsys.readouterr().err
    assert json.loads((tmp_path / "grant.schema.json").read_text()) == load("grant")
    assert generate.main([]) == 0
    assert capsys.readouterr().err == ""


def test_an_unknown_schema_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        load("../grant")


def test_reading_grants_imports_neither_pydantic_nor_the_slow_validator() -> None:
    code = (
        "import sys\nfrom daypass.core.files.grants import read_grant\n"
        "read_grant('grants/a/b.yaml', b'version: 1\\nsubject: a\\nresource: a\\nrole: r\\nreason: 0123456789\\n"
        "window: {duration: 1h}\\n')\n"
        "print(sorted({'pydantic', 'jsonschema', 'referencing'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def _nodes(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
        for below in node.values():
            yield from _nodes(below)
    elif isinstance(node, list):
        for below in node:
            yield from _nodes(below)


@pytest.mark.parametrize("name", names())
def test_every_pattern_is_held_at_both_ends_and_means_the_same_everywhere(name: str) -> None:
    for node in _nodes(load(name)):
        patterns = [*node.get("patternProperties", {})] if isinstance(node.get("patternProperties"), dict) else []
        if isinstance(node.get("pattern"), str):
            patterns.append(node["pattern"])
        for pattern in patterns:
            assert pattern.startswith("^")
            assert pattern.endswith(r"(?![\s\S])")
            assert not re.search(r"\\[dDwWbBZz]|\$", pattern)


@pytest.mark.parametrize("name", names())
def test_every_mapping_with_known_keys_is_closed_unless_it_says_so(name: str) -> None:
    for node in _nodes(load(name)):
        if node.get("type") == "object" and ("properties" in node or "patternProperties" in node):
            assert "additionalProperties" in node
            assert node["additionalProperties"] is False or "kind" in node["properties"]


ODD = [
    "\n",
    "\r",
    "\u2028",
    "\u0661",
    "\uff11",
    "\u00b2",
    "K",
    "\u212a",
    "\u017f",
    " ",
    "\x00",
    "a",
    "A",
    "1",
    "-",
    "Z",
    "\u00e9",
]
odd_texts = st.lists(st.sampled_from(ODD), max_size=3).map("".join)


def edited(text: str) -> st.SearchStrategy[str]:
    at = st.integers(0, len(text))
    return st.builds(lambda i, n, new: text[:i] + new + text[i + n :], at, st.integers(0, 2), odd_texts)


def mutated(value: Any) -> st.SearchStrategy[Any]:
    """Return values that are like a valid one, and most often are not valid."""
    other = st.one_of(st.none(), st.booleans(), st.integers(-2, 30), odd_texts, st.just([]), st.just({}), st.floats())
    if isinstance(value, str):
        return st.one_of(st.just(value), edited(value), st.just(value + "\n"), other)
    if isinstance(value, list):
        return st.one_of(st.just(value), st.lists(st.one_of(*map(mutated, value)), max_size=3), other)
    if isinstance(value, dict):
        # Strategies are made here and chosen from below: to make them costs more than to draw from them.
        items = {key: mutated(item) for key, item in value.items()}
        changes = {key: items[key].map(lambda item, key=key: {**value, key: item}) for key in value}
        renamings = {
            key: edited(key).map(lambda new, key=key: {new if k == key else k: v for k, v in value.items()})
            for key in value
        }
        whole = st.fixed_dictionaries({}, optional=items)
        # Mostly change one thing only, so that the change decides.
        one = st.sampled_from(sorted(value)).flatmap(changes.__getitem__)
        dropped = st.sampled_from(sorted(value)).map(lambda key: {k: v for k, v in value.items() if k != key})
        renamed = st.sampled_from(sorted(value)).flatmap(renamings.__getitem__)
        return st.one_of(one, one, dropped, renamed, whole, other)
    return st.one_of(st.just(value), other)


@cache
def engines(name: str) -> tuple[jsonschema_rs.Draft202012Validator, jsonschema.Draft202012Validator]:
    schema = load(name)
    return jsonschema_rs.Draft202012Validator(schema), jsonschema.Draft202012Validator(schema)


def verdicts(name: str, value: Any) -> tuple[bool, bool]:
    fast, slow = engines(name)
    return fast.is_valid(value), slow.is_valid(value)


@pytest.mark.parametrize("name", SAMPLES)
def test_the_samples_are_valid(name: str) -> None:
    assert verdicts(name, SAMPLES[name]) == (True, True)


@given(mutated(GRANT))
@example({**GRANT, "subject": "alice\n"})
@example({**GRANT, "ticket": "INC-\u0661"})
@example({**GRANT, "window": {"duration": "8h\n"}})
@example({**GRANT, "window": {"duration": "8h", "until": "2026-11-21T17:00:00Z"}})
@example({**GRANT, "reason": "\U0001f600" * 9})
@example({**GRANT, "reason": "\U0001f600" * 1000})
@example({**GRANT, "version": 1.0})
@example({**GRANT, "version": True})
@settings(max_examples=examples(400), deadline=None)
def test_both_engines_judge_grants_alike(value: Any) -> None:
    fast, slow = verdicts("grant", value)
    assert fast == slow


MUTATED_SAMPLES = {name: st.tuples(st.just(name), mutated(sample)) for name, sample in SAMPLES.items()}


@given(st.sampled_from(sorted(SAMPLES)).flatmap(MUTATED_SAMPLES.__getitem__))
@settings(max_examples=examples(200), deadline=None)
def test_both_engines_judge_policy_files_alike(sample: tuple[str, Any]) -> None:
    fast, slow = verdicts(*sample)
    assert fast == slow


def accepts(key: str, text: str) -> bool:
    window = {"duration": text} if key == "duration" else {"from": "2000-01-01T00:00:00Z", "until": text}
    return engines("grant")[0].is_valid({**GRANT, "window": window})


_PARTS = st.builds(str.__add__, st.text("0123456789", min_size=1, max_size=6), st.sampled_from("dhms"))


@given(st.lists(_PARTS, max_size=4).map("".join))
def test_the_schema_refuses_no_duration_that_can_be_read(text: str) -> None:
    try:
        parse_duration(text)
    except ValueError:
        return
    assert accepts("duration", text)


@given(
    st.from_regex(
        r"20[0-9]{2}-[0-1][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9](Z|[+-][01][0-9]:[0-5][0-9])", fullmatch=True
    )
)
def test_the_schema_refuses_no_instant_that_can_be_read(text: str) -> None:
    try:
        parse_instant(text)
    except ValueError:
        return
    assert accepts("until", text)
