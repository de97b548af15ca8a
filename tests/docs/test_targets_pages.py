"""Registry, policies, pages, contracts and the index of the targets say the same."""

from __future__ import annotations

import re

import pytest
from pages import between
from targets_table import FOLDER, INDEX, NO_KIND, TABLES, contract

from daypass.edges.targets.registry import TARGETS

HEADINGS = ("What it needs", "What it grants", "What ends by itself", "What may linger", "What it costs in calls")


def test_registry_and_pages_know_the_same_kinds() -> None:
    assert {page.stem for page in FOLDER.glob("*.md")} - NO_KIND == set(TARGETS)
    assert all(contract(kind).kind == kind for kind in TARGETS)


@pytest.mark.parametrize(("name", "make"), TABLES, ids=[name for name, _ in TABLES])
def test_the_tables_of_the_index_are_what_the_contracts_say(name: str, make) -> None:
    assert between(INDEX, name) == make(), "run: PYTHONPATH=src python tests/docs/targets_table.py"


@pytest.mark.parametrize("kind", sorted(TARGETS))
def test_a_page_says_what_an_administrator_has_to_know(kind: str) -> None:
    text = (FOLDER / f"{kind}.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert [heading for heading in HEADINGS if heading not in headings] == []
    settings = re.findall(r"^```yaml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert any(f"kind: {kind}" in block for block in settings), "show the settings"
    for option in TARGETS[kind].options:
        assert option in text, f"docs/targets/{kind}.md does not speak of the option {option}"


@pytest.mark.parametrize("kind", sorted(TARGETS))
def test_what_ends_by_itself_is_said_as_the_target_says_it(kind: str) -> None:
    text = (FOLDER / f"{kind}.md").read_text(encoding="utf-8")
    ends = text.split("## What ends by itself\n", 1)[1].split("\n## ", 1)[0].strip()
    bench = contract(kind)
    if not bench.ends_by_itself and not bench.traits.hands_over:
        assert ends.startswith("Nothing"), f"{kind} ends nothing by itself, and its page says: {ends}"
    else:
        assert not ends.startswith("Nothing")
