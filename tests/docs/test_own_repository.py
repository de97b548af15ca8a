"""The project's own grants and policies are the worked example, and daypass finds nothing wrong with them."""

from __future__ import annotations

import ast
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
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


def _imported(path: Path) -> set[str]:
    """The packages that a file imports, `daypass` left out."""
    found = {
        name.partition(".")[0]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for name in (
            [one.name for one in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""] * (not node.level)
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    return found - {"daypass", "_typeshed"} - sys.stdlib_module_names


def test_what_the_program_imports_is_declared() -> None:
    project = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    declared = {
        canonicalize_name(Requirement(line).name)
        for line in (*project["dependencies"], *extras["holidays"], *extras["icalendar"])
    }
    brought = metadata.packages_distributions()
    imported = set[str]().union(*map(_imported, (TOP / "src").rglob("*.py")))
    assert "msgspec" in imported
    undeclared = {
        name for name in imported if not {canonicalize_name(one) for one in brought.get(name, [name])} & declared
    }
    assert undeclared == set(), "what another package brings may go with its next release"
