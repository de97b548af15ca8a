"""A second lane, which this release has not: settings that ask for one, and a receipt of a later release that moves a target."""

from __future__ import annotations

import pytest

from daypass.cli.repository import keys_folder
from daypass.core.ledger.chain import seal
from daypass.core.ledger.receipt import Body, Release, Take
from daypass.core.window import parse_instant
from daypass.edges.ledger.signing import find_signer
from driver import Access

T = "2026-11-20T{}:00Z".format
SETTINGS = "policies/daypass.yaml"
MOVES = (Release("embedded", "", "databases"), Take("embedded", "databases", "", 7, "sha256:" + "5" * 64))


def held(access: Access) -> set[str]:
    """Who has access at the target itself."""
    return {one.principal for one in access.repo().targets()["embedded"].observe()}


def change(access: Access, old: str, new: str) -> None:
    text = (access.top / SETTINGS).read_text()
    assert old in text
    access.write(SETTINGS, text.replace(old, new))
    access.commit("Change the settings")


def begin(access: Access) -> None:
    """Alice has access until 12:01, and Erin until 16:01."""
    access.grant(T("10:00"), T("10:01"))
    access.grant(T("10:00"), T("10:01"), "--for", "6h", "--subject", "erin")
    access.run("apply", "--at", T("10:02"))
    assert held(access) == {"alice", "erin"}


def test_settings_that_ask_for_another_lane_are_named_and_what_has_ended_ends(access: Access) -> None:
    begin(access)
    lanes = "ledger: {lanes: {databases: [embedded]}, "
    change(access, "ledger: {", lanes)
    assert "the key 'lanes' is not known here [unknown-key]" in access.run("check", expect=10).out
    said = access.run("apply", "--at", T("12:30"), expect=14)
    assert "invalid  policies/daypass.yaml:6:10: the key 'lanes' is not known here" in said.out
    assert held(access) == {"erin"}
    change(access, lanes, "ledger: {")
    assert "No changes: 1 live as they should be" in access.run("apply", "--at", T("12:31")).out
    access.run("audit", "verify", "--at", T("12:31"))


@pytest.mark.parametrize("move", MOVES, ids=["release", "take"])
def test_a_receipt_that_moves_a_target_is_refused_and_nothing_is_lost(access: Access, move: Body) -> None:
    begin(access)
    pem = {"ledger.pub": (access.top / "policies/ledger.pub").read_bytes()}
    ledger, at = access.repo().ledger, parse_instant(T("10:03"))
    standing = ledger.load()
    assert standing.head is not None
    sealed = seal(
        [move], standing.head, find_signer(pem, keys_folder(), "", "").sign, at=at, main=standing.main, run="later"
    )
    moved = ledger.receipts.append(standing.commit, sealed, message="Append", at=at)
    for verb in ("apply", "expire"):
        said = access.run(verb, "--at", T("12:30"), expect=1)
        assert (
            "this release knows one lane alone\n  hint: a later release of daypass wrote it: install that one"
            in said.err
        )
    assert (held(access), ledger.receipts.head()) == ({"alice", "erin"}, moved)
    # Where no later release wrote it, its key is a thief's: what that signs from there on keeps its place and counts for nothing.
    access.run("ledger", "rekey")
    revoked = f"keys: [ledger-2.pub], revoked: {{ledger.pub: {standing.next_sequence}}}"
    change(access, "keys: [ledger-2.pub, ledger.pub]", revoked)
    access.run("apply", "--at", T("12:31"))
    assert held(access) == {"erin"}
    assert "knows one lane alone" not in access.run("audit", "verify", "--at", T("12:31")).out
