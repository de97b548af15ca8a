"""Words of others in the log of a privileged workflow: they are shown, and command nothing.

A runner obeys ``::name::`` where it begins a line, after blanks too, and ``##[name]`` wherever in a line it stands.
https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
"""

from __future__ import annotations

import pytest

from daypass.core.finding import Finding, Place
from daypass.views.findings import findings_github, joined, printable
from driver import Said
from hub import REPOSITORY, Hub

_SPELL = "##[add-mask]e ##[stop-commands]x"


def _harmless(said: Said) -> None:
    for line in (said.out + said.err).splitlines():
        assert "##[" not in line
        assert not line.lstrip().startswith("::")


def test_a_title_commands_nothing(hub: Hub) -> None:
    number = hub.request_pull("alice", hub.grant(), title=_SPELL)
    _harmless(hub.run("gate"))
    _harmless(hub.run("status"))
    hub.advance(days=8)
    hub.api("alice", "PATCH", f"/repos/{REPOSITORY}/pulls/{number}", {"title": f"::error::{_SPELL}"})
    _harmless(hub.run("expire", expect=None))


def test_names_and_values_command_nothing(hub: Hub) -> None:
    hub.request_pull("alice", hub.grant(role='"##[add-mask]e"'), files={"::add-mask::e": "", "##[error]x": ""})
    said = hub.run("gate")
    assert "add-mask" in said.out
    _harmless(said)


def test_a_request_that_cannot_be_read_commands_nothing(hub: Hub) -> None:
    number = hub.request_pull("alice", hub.grant(), title=_SPELL)
    hub.push_branch("alice", "side", {"a": "b"})
    hub.api("alice", "PATCH", f"/repos/{REPOSITORY}/pulls/{number}", {"base": "side"})
    _harmless(hub.run("gate", str(number), expect=1))


@pytest.mark.parametrize("text", ["::error::x", "  ::add-mask::e", "\t::group::", "##[error]x", "a ##[add-mask]e"])
def test_no_line_that_is_joined_begins_a_command(text: str) -> None:
    _harmless(Said(0, joined([text]), ""))


def test_an_annotation_commands_only_what_it_is() -> None:
    said = findings_github([Finding("code", Place("##[error]x"), "##[add-mask]e", "##[group]")])
    assert said.startswith("::error file=")
    assert "##[" not in said


def test_what_is_harmless_stays_as_it_is() -> None:
    assert printable("a ## [b] #[c] :: d") == "a ## [b] #[c] :: d"
