"""Attacks by the base of a pull request: what reviewers were shown is what is merged."""

from __future__ import annotations

import time

from siege import held, merge_by_hand, refused, waits

from hub import REPOSITORY, Hub


def _hidden(hub: Hub) -> int:
    """A request whose base has more in it than main: its reviewers are shown the harmless part alone."""
    hub.push_branch("alice", "side", {"grants/orders-db/hidden.yaml": hub.grant(role="admin", duration="1h")})
    head = hub.push_branch("alice", "wish", {"grants/orders-db/shown.yaml": hub.grant()}, start="side")
    assert head
    sent = {"title": "Access for alice", "head": "wish", "base": "side", "body": ""}
    return int(hub.api("alice", "POST", f"/repos/{REPOSITORY}/pulls", sent)["number"])


def test_what_was_approved_as_a_change_of_another_branch_is_not_approved_for_main(hub: Hub) -> None:
    number = _hidden(hub)
    hub.approve(number, "bob")
    hub.approve(number, "dave")
    hub.api("alice", "PATCH", f"/repos/{REPOSITORY}/pulls/{number}", {"base": "main"})
    assert "1 approval from owners" in waits(hub, number)


def test_a_request_whose_base_became_main_can_be_approved_then(hub: Hub) -> None:
    number = _hidden(hub)
    hub.approve(number, "bob")
    hub.api("alice", "PATCH", f"/repos/{REPOSITORY}/pulls/{number}", {"base": "main"})
    time.sleep(1.1)  # GitHub tells times by the second
    hub.approve(number, "bob")
    hub.approve(number, "dave")
    hub.run("gate", str(number))
    hub.run("apply")
    assert held(hub) == {"alice"}


def test_a_merge_by_hand_counts_no_approval_for_another_base_either(hub: Hub) -> None:
    number = _hidden(hub)
    hub.approve(number, "bob")
    hub.approve(number, "dave")
    hub.api("alice", "PATCH", f"/repos/{REPOSITORY}/pulls/{number}", {"base": "main"})
    merge_by_hand(hub, number)
    refused(hub, "evidence-missing")
