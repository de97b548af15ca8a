"""What the table of forges says is what settings are read by."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pydantic import TypeAdapter

from daypass.core.bounds.settings import Settings, TargetFacts, Use
from daypass.core.errors import ExitCode
from daypass.core.forge import FORGES, Account, Pull, by_hand, unsigned_denial
from daypass.core.ids import GrantId, Oid
from daypass.schema.policy_models import ForgeForm


def test_the_kinds_of_the_table_are_those_that_settings_may_name() -> None:
    kinds = TypeAdapter(ForgeForm).json_schema()["properties"]["kind"]["enum"]
    assert sorted(kinds) == sorted(FORGES)


@pytest.mark.parametrize("kind", sorted(FORGES))
def test_what_a_forge_needs_it_takes(kind: str) -> None:
    assert set(FORGES[kind].needs) <= set(FORGES[kind].takes)
    assert Settings(forge_kind=kind).forge is FORGES[kind]


def test_who_has_no_key_is_told_where_it_belongs() -> None:
    refused = unsigned_denial("bob")
    assert refused.message.startswith("the directory has no SSH key of bob")
    assert refused.hint == "add the public key of bob to ssh_keys in policies/directory, and let git sign with it"
    assert refused.exit_code is ExitCode.DENIED


def test_a_target_that_says_nothing_of_its_use_has_none() -> None:
    assert TargetFacts("embedded").use("alice", {}, GrantId("orders-db/a")) == Use("", "")


def test_only_where_the_forge_merges_grants_alone_people_merge_the_rest_with_git() -> None:
    asked = datetime(2026, 11, 20, 10, tzinfo=UTC)
    pull = Pull(7, "x", "open", Account("alice", "alice"), asked, "x;reboot", Oid("a1" * 20))
    assert (
        by_hand(FORGES["local"], pull)
        == "on main `git merge --squash a1a1a1a1a1a1`, `git commit`, then `daypass close 7`"
    )
    assert by_hand(FORGES["github"], pull) == ""
