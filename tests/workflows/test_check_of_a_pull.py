"""What the check workflow runs: a pull request judged as who asks there, with a token that may only read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from github_double import Call
from hub import REPOSITORY, Hub

READS = {"contents": "read", "pull_requests": "read", "issues": "read", "metadata": "read"}


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with Hub(tmp_path) as made:
        yield made


def check(hub: Hub, number: int, expect: int = 0) -> tuple[str, list[Call]]:
    """Run it in a clone of main with a workflow's own token; return what it printed and the API calls that it made."""
    before = len(hub.calls)
    environ = {
        "GITHUB_TOKEN": hub.double.actions_token(hub.repo, READS),
        "GITHUB_ACTIONS": "true",
        "GITHUB_REPOSITORY": REPOSITORY,
    }
    said = hub.run("check", "--pull", str(number), "--format", "github", who="", environ=environ, expect=expect)
    return said.out + said.err, [call for call in hub.calls[before:] if call.template]


def test_a_request_is_judged_as_who_opened_it(hub: Hub) -> None:
    number = hub.request_pull("alice", hub.grant())
    said, calls = check(hub, number)
    assert said == ""
    assert {call.method for call in calls} == {"GET"}
    assert len(calls) <= 3


def test_a_fault_is_an_annotation_and_an_exit_code(hub: Hub) -> None:
    said, _ = check(hub, hub.request_pull("alice", hub.grant(role="root")), expect=11)
    assert "title=unknown-role::orders-db offers no role 'root'" in said


def test_somebody_whom_the_directory_does_not_know_is_told_so(hub: Hub) -> None:
    said, _ = check(hub, hub.request_pull("olga", hub.grant()), expect=11)
    assert "title=unknown-requester::" in said


def test_a_request_that_is_not_open_any_more_is_no_fault(hub: Hub) -> None:
    number = hub.request_pull("alice", hub.grant())
    hub.api("alice", "PATCH", f"/repos/{REPOSITORY}/pulls/{number}", {"state": "closed"})
    assert check(hub, number)[0] == f"#{number} is closed; only open requests are checked\n"


def test_a_pull_and_a_revision_exclude_each_other(hub: Hub) -> None:
    said = hub.run("check", "--pull", "1", "--revision", "main", expect=2)
    assert "exclude each other" in said.err
