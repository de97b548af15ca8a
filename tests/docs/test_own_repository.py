"""The project's own grants and policies are the worked example, and daypass finds nothing wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest
from pages import TOP

from driver import Access

TEMPLATE = TOP / "src" / "daypass" / "templates" / "example"
SCHEMAS = TOP / "src" / "daypass" / "schema"

OURS = Access(TOP)


def _files(folder: Path, under: str) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted((folder / under).rglob("*"))
        if path.is_file()
    }


def test_our_policies_are_those_that_init_example_writes() -> None:
    # No ledger is kept here and nothing is applied, so there is no ledger.pub: the private half would be nobody's.
    assert _files(TOP, "policies") == _files(TEMPLATE, "policies")


def test_the_schemas_that_editors_read_are_the_programs() -> None:
    assert (TOP / ".schemas").resolve() == SCHEMAS


@pytest.mark.parametrize("path", [*(TOP / "policies").rglob("*.yaml"), *(TOP / "grants").rglob("*.yaml")], ids=str)
def test_every_file_names_the_schema_that_an_editor_finds(path: Path) -> None:
    first = path.read_text(encoding="utf-8").partition("\n")[0]
    prefix = "# yaml-language-server: $schema="
    assert first.startswith(prefix)
    assert (path.parent / first.removeprefix(prefix)).resolve().parent == SCHEMAS
    assert (path.parent / first.removeprefix(prefix)).is_file()


def test_daypass_is_content_with_its_own_repository() -> None:
    said = OURS.run("check")
    assert said.out == "Checked 2 grants and the policies at the work tree: ok.\n"
    assert "0 failed" in OURS.run("policy", "test").out
    assert OURS.run("form", "--check").out == ".github/ISSUE_TEMPLATE/daypass-request.yml is up to date.\n"
    assert OURS.run("codeowners", "--check").out == ".github/CODEOWNERS is up to date.\n"


@pytest.mark.parametrize("path", sorted((TOP / "grants").rglob("*.yaml")), ids=lambda path: path.stem)
def test_our_grants_last_for_a_duration_so_that_none_is_ever_past(path: Path) -> None:
    assert "duration:" in path.read_text(encoding="utf-8")
