"""Requests that policy lets pass without a person: only as who asks wrote them, and only for who asks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from siege import held, merge_by_hand, refused, waits

from hub import REPOSITORY, Hub

_ON_CALL = (
    "version: 1\nrules:\n"
    "  - id: on-call-passes\n    when: '\"security\" in requester.groups'\n    approve: automatically\n"
    "  - id: production-needs-two\n    when: '!(\"security\" in requester.groups)'\n    require:\n"
    "      - {approvals: {at_least: 1, from: owners}}\n"
)
_NO_CASES = {"policies/tests/access.yaml": "version: 1\ncases: []\n"}


@pytest.fixture
def on_call(tmp_path: Path) -> Iterator[Hub]:
    """The example where policy trusts who asks: what security asks for passes without a person."""
    files = {"policies/rules/access.yaml": _ON_CALL, **_NO_CASES}
    with Hub(tmp_path, protected=False, files=files) as found:
        yield found


def _mine(hub: Hub) -> dict[str, str]:
    return {"grants/orders-db/for-me.yaml": hub.grant(subject="alice", role="admin", duration="1h")}


def test_what_somebody_pushed_into_anothers_request_does_not_pass_in_their_name(on_call: Hub) -> None:
    number = on_call.request_pull("dave", on_call.grant(subject="dave", duration="30m"), branch="theirs")
    on_call.push_branch("alice", "theirs", _mine(on_call))
    said = waits(on_call, number)
    assert "alice" in said


def test_what_somebody_pushed_and_an_administrator_merged_gives_nothing(on_call: Hub) -> None:
    number = on_call.request_pull("dave", on_call.grant(subject="dave", duration="30m"), branch="theirs")
    on_call.push_branch("alice", "theirs", _mine(on_call))
    merge_by_hand(on_call, number)
    refused(on_call, "pushed-by-others")


def test_a_closed_request_that_others_open_again_with_their_own_wish_does_not_pass(on_call: Hub) -> None:
    number = on_call.request_pull("dave", on_call.grant(subject="dave", duration="30m"), branch="theirs")
    on_call.api("dave", "PATCH", f"/repos/{REPOSITORY}/pulls/{number}", {"state": "closed"})
    on_call.push_branch("alice", "theirs", _mine(on_call))
    on_call.api("alice", "PATCH", f"/repos/{REPOSITORY}/pulls/{number}", {"state": "open"})
    waits(on_call, number)


def test_what_the_requester_pushed_alone_passes(on_call: Hub) -> None:
    number = on_call.request_pull("dave", on_call.grant(subject="dave", duration="30m"), branch="theirs")
    on_call.push_branch("dave", "theirs", {"grants/orders-db/more.yaml": on_call.grant(subject="dave", duration="20m")})
    on_call.run("gate", str(number))
    on_call.run("apply")
    assert len(held(on_call)) == 1


def test_a_request_that_others_push_to_asks_for_what_policy_asks_of_them(tmp_path: Path) -> None:
    """Where policy asks fewer of some people, their requests are no way around it for others."""
    rules = _ON_CALL.replace("approve: automatically", "require: [{approvals: {at_least: 1, from: group:security}}]")
    with Hub(tmp_path, protected=False, files={"policies/rules/access.yaml": rules, **_NO_CASES}) as hub:
        number = hub.request_pull("dave", hub.grant(subject="dave", duration="30m"), branch="theirs")
        hub.push_branch("alice", "theirs", _mine(hub))
        hub.approve(number, "erin")
        assert "alice pushed" in waits(hub, number)


def test_who_pushed_to_a_request_does_not_matter_where_policy_asks_the_same_of_all(hub: Hub) -> None:
    number = hub.request_pull("alice", hub.grant(), branch="theirs")
    hub.push_branch("carol", "theirs", {}, message="Say it again")
    hub.approve(number, "bob")
    hub.approve(number, "dave")
    hub.run("gate", str(number))


def test_a_stranger_who_pushes_makes_an_automatic_request_wait(hub: Hub) -> None:
    number = hub.request_pull("alice", hub.grant(resource="staging", role="deploy"), branch="mine")
    hub.push_branch("olga", "mine", {}, message="Nobody of the directory")
    assert "olga" in waits(hub, number)
