"""The schema of grants that a repository's editors have follows its purposes."""

from __future__ import annotations

import json

from driver import Access

FILE = ".schemas/grant.schema.json"
PURPOSE = """version: 1
title: A report is made
fields:
  quarter: {kind: choice, of: [Q1, Q2], required: true, title: Which quarter}
"""


def test_a_new_repository_has_it_with_its_purposes_and_it_is_brought_up_to_date(access: Access) -> None:
    assert "data-subject-request" in (access.top / FILE).read_text(encoding="utf-8")
    assert access.run("schema", "--check").out == f"{FILE} is up to date.\n"
    access.write("policies/purposes/report.yaml", PURPOSE)
    said = access.run("schema", "--check", expect=13)
    assert (
        said.err
        == f"daypass: {FILE} does not match the catalogue\n  hint: run `daypass schema --write` and commit it\n"
    )
    assert access.run("schema", "grant", "--write").out == f"Wrote {FILE}.\n"
    found = json.loads((access.top / FILE).read_text(encoding="utf-8"))
    asked = next(
        one["then"] for one in found["allOf"] if one["if"].get("properties") == {"purpose": {"const": "report"}}
    )
    assert asked["properties"]["details"]["properties"] == {
        "quarter": {"description": "Which quarter", "enum": ["Q1", "Q2"]}
    }
    assert asked["required"] == ["details"]
    assert access.run("schema", "--check").code == 0


def test_it_is_not_written_of_policies_that_do_not_read_nor_through_a_link(access: Access) -> None:
    assert "are about the schema grant" in access.run("schema", "rota", "--write", expect=2).err
    access.write("policies/purposes/report.yaml", PURPOSE.replace("choice", "chioce"))
    assert "nobody knows what there is to ask for" in access.run("schema", "--write", expect=10).err
    access.write("policies/purposes/report.yaml", PURPOSE)
    (access.top / FILE).unlink()
    (access.top / FILE).symlink_to("rota.schema.json")
    assert "behind a symbolic link" in access.run("schema", "--write", expect=10).err
