"""docs/formats.md has every key of every schema, and its examples are files that daypass takes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from pages import TOP, blocks

from daypass.core.ledger.receipt import Body
from daypass.core.ledger.statement import KINDS
from daypass.edges.forges.local.records import _FIELDS
from daypass.schema import load, names, output_names
from driver import Access

PAGE = TOP / "docs" / "formats.md"
TEXT = PAGE.read_text(encoding="utf-8")
SECTIONS = {
    "grant": "Grants",
    "settings": "Settings",
    "resource": "Resources",
    "directory": "Directory",
    "rules": "Rule files",
    "purpose": "Purposes",
    "calendar": "Calendars",
    "rota": "Rotas",
    "promises": "Promises",
    "policy-test": "Policy tests",
}


def _section(title: str) -> str:
    return TEXT.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def _keys(schema: dict[str, Any], node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if "$ref" in node:
            yield from _keys(schema, schema["$defs"][node["$ref"].removeprefix("#/$defs/")])
        for name, below in node.get("properties", {}).items():
            yield name
            yield from _keys(schema, below)
        for key, below in node.items():
            if key not in ("properties", "$defs"):
                yield from _keys(schema, below)
    elif isinstance(node, list):
        for below in node:
            yield from _keys(schema, below)


def test_every_schema_has_its_section() -> None:
    assert set(SECTIONS) == set(names())


@pytest.mark.parametrize("name", SECTIONS)
def test_every_key_of_a_schema_is_in_its_section(name: str) -> None:
    schema = load(name)
    quoted = " ".join(re.findall(r"`([^`\n]+)`", _section(SECTIONS[name])))
    missing = {key for key in _keys(schema, schema) if not re.search(rf"(?<![a-z_]){key}(?![a-z_])", quoted)}
    assert missing == set()


def test_the_examples_make_a_repository_that_is_in_order(access: Access) -> None:
    files = [block for block in blocks(PAGE) if block.file]
    assert len(files) == len(SECTIONS)
    for block in files:
        access.write(block.file, block.text)
    ours = ("purposes/data-subject-request", "purposes/deploy", "purposes/maintenance", "purposes/vendor-support")
    for name in ("resources/payroll", "resources/staging", "tests/purposes", *ours):
        (access.top / f"policies/{name}.yaml").unlink()
    assert access.run("check").out == "Checked 1 grant and the policies at the work tree: ok.\n"
    assert "2 passed, 0 failed" in access.run("policy", "test").out


def test_the_example_of_the_rules_page_is_in_order(access: Access) -> None:
    example = next(block for block in blocks(TOP / "docs" / "rules.md") if block.info == "yaml")
    access.write("policies/rules/access.yaml", example.text)
    access.run("check")
    access.run("policy", "test")


@pytest.mark.parametrize(
    ("condition", "code"),
    [
        ('grant.duration <= duration("4h")', ""),
        ('grant.duration <= "4h"', "condition-invalid"),
        ('"enginering" in subject.groups', "unknown-name"),
        ('within_hours(request.opened_at, "Mon-Fri 08:00-19:00, Sat 10:00-14:00", "Europe/Berlin")', ""),
        ('within_hours(request.opened_at, "Mon-Fri 8-19", "Europe/Berlin")', "condition-invalid"),
    ],
)
def test_conditions_that_the_rules_page_speaks_of_are_taken_or_refused(
    access: Access, condition: str, code: str
) -> None:
    rule = f"version: 1\nrules:\n  - id: one\n    when: '{condition}'\n    approve: automatically\n"
    access.write("policies/rules/access.yaml", rule)
    said = access.run("check", expect=10 if code else 0).out
    assert f"[{code}]" in said or not code


def test_every_variable_of_the_environment_is_in_operating() -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in (TOP / "src").rglob("*.py"))
    named = set(re.findall(r'"(DAYPASS_[A-Z]+)"', source))
    assert named
    assert [
        name for name in named if f"`{name}`" not in (TOP / "docs" / "operating.md").read_text(encoding="utf-8")
    ] == []


def test_receipts_and_events_are_documented_as_they_are_written() -> None:
    ledger = _section("The ledger")
    assert all(f"| `{kind}` |" in ledger for kind in KINDS)
    for body in get_args(Body):
        assert [name for name in body.__struct_fields__ if f"`{name}`" not in ledger] == [], body.__name__
    forge = _section("The local forge")
    for kind, fields in _FIELDS.items():
        assert all(f"`{word}`" in forge for word in (kind, *fields))


@pytest.mark.parametrize("name", output_names())
def test_every_key_of_an_output_is_documented(name: str) -> None:
    whole, verb = load(name)["$defs"], name.removeprefix("output/")
    shape = whole[verb]
    if "$ref" in shape:
        shape = whole[shape["$ref"].removeprefix("#/$defs/")]
    rows = [line.split("|", 2) for line in _section("Output for programs").splitlines() if line.startswith("|")]
    audits = verb.startswith("audit-")
    shown = "audit …" if audits else verb.replace("-", " ", 1)
    (written,) = (keys for _, verbs, keys in rows if f"`{shown}`" in verbs or f"`{shown} --" in verbs)
    if verb in {"apply", "expire"}:
        written += next(keys for _, verbs, keys in rows if "`plan`" in verbs)
    known = {"version"} | ({"resource", "subject", "grant"} if audits else set())
    assert [key for key in shape["properties"].keys() - known if f"`{key}`" not in written] == []


def test_every_key_of_the_account_of_a_grant_is_documented() -> None:
    keys = load("output/status")["$defs"]
    section = _section("Output for programs").split("A grant is the same object", 1)[1].split("`daypass schema", 1)[0]
    for name in ("Grant", "Missing", "Approval"):
        assert [key for key in keys[name]["properties"] if f"`{key}`" not in section] == []


@pytest.mark.on_disk
def test_what_is_kept_beside_a_clone_is_documented(access: Access) -> None:
    access.grant("2026-11-20T10:00:00Z", "2026-11-20T10:05:00Z")
    access.run("apply", "--at", "2026-11-20T10:06:00Z")
    access.run("apply", "--at", "2026-11-20T10:07:00Z")
    access.run("can", "alice", "orders-db", "readonly")
    access.run("check", "--revision", "main")
    access.run("audit", "stats")
    section = _section("Below .git/daypass")
    kept = {
        path.name for path in (access.top / ".git" / "daypass").iterdir() if not path.name.endswith(("-wal", "-shm"))
    }
    assert [name for name in kept if f"| `{name}` |" not in section] == []
    told = set(re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE))
    told -= {name for name in told if name.startswith("<target>")}  # other targets have these
    assert kept | {"outbox.sqlite"} == told, "a run that reaches its remote makes no outbox"
