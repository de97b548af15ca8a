"""What the table of forges says is what settings are read by."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter

from daypass.core.bounds.settings import Settings
from daypass.core.forge import FORGES
from daypass.schema.policy_models import ForgeForm


def test_the_kinds_of_the_table_are_those_that_settings_may_name() -> None:
    kinds = TypeAdapter(ForgeForm).json_schema()["properties"]["kind"]["enum"]
    assert sorted(kinds) == sorted(FORGES)


@pytest.mark.parametrize("kind", sorted(FORGES))
def test_what_a_forge_needs_it_takes(kind: str) -> None:
    assert set(FORGES[kind].needs) <= set(FORGES[kind].takes)
    assert Settings(forge_kind=kind).forge is FORGES[kind]
