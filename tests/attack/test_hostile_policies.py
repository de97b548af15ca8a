"""Policies that say less than they seem to, and people who are one person somewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from driver import Access

T = "2026-11-20T{}:00Z".format
PEOPLE = "policies/directory/people.yaml"


def change(access: Access, old: str, new: str) -> None:
    text = (access.top / PEOPLE).read_text()
    assert old in text
    access.write(PEOPLE, text.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("alice@example.com,", "alice@example.com, identities: {embedded: bob},", "bob has the same identity at"),
        ("alice@example.com,", "alice@example.com, identities: {embedded: BOB},", "bob has the same identity at"),
    ],
)
def test_nobody_is_somebody_else_at_a_target(access: Access, old: str, new: str, said: str) -> None:
    """Bob, an owner, would approve access that is his own."""
    change(access, old, new)
    assert f"{said} embedded as alice: bob" in access.run("check", expect=10).out
    access.commit("one principal for two")
    denied = access.run(
        "request", "--resource", "orders-db", "--role", "readonly", "--for", "1h", "--reason", "a reason long enough",
        "--at", T("10:00"), acting="alice", expect=11,
    )  # fmt: skip
    assert "same identity" in denied.err


def test_two_may_not_share_an_account_at_a_target(access: Access) -> None:
    change(access, "carol@example.com", "carol@example.com, identities: {embedded: oncall}")
    change(access, "dave@example.com", "dave@example.com, identities: {embedded: oncall}")
    assert "dave has the same identity at embedded as carol: oncall" in access.run("check", expect=10).out


@pytest.mark.on_disk
@pytest.mark.parametrize("name", ["rules/more.yaml", "resources/orders2.yaml", "anything"])
def test_a_link_among_policies_is_not_passed_over(access: Access, tmp_path: Path, name: str) -> None:
    """A rule that is a link looks as if it held, and nobody reads it."""
    (access.top / "policies" / name).symlink_to(tmp_path)
    said = access.run("check", expect=10).out
    assert f"policies/{name}: error: this is no plain file, and nothing reads it [stray-policy-file]" in said
    access.commit("a link")
    assert "[stray-policy-file]" in access.run("check", "--revision", "main", expect=10).out


@pytest.mark.on_disk
def test_a_whole_folder_of_rules_may_not_be_a_link(access: Access) -> None:
    rules = access.top / "policies/rules"
    rules.rename(access.top / "elsewhere")
    rules.symlink_to("../elsewhere")
    assert "policies/rules: error: this is no plain file" in access.run("check", expect=10).out
    access.commit("rules elsewhere")
    number = access.run(
        "request", "--resource", "orders-db", "--role", "readonly", "--for", "1h", "--reason", "a reason long enough",
        "--at", T("10:00"), acting="alice", expect=11,
    )  # fmt: skip
    assert "no plain file" in number.err
