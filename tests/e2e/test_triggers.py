"""What GitHub documents of workflows, as the runner holds to it: each test names the rule.

https://docs.github.com/en/actions/reference/workflows-and-actions/events-that-trigger-workflows
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from triggers import concurrency, fill, matches, permissions, react

from github_double import Double, Event, Repo, User

_JOBS = "permissions: {}\njobs:\n  one: {runs-on: ubuntu-24.04, steps: [{run: 'true'}]}\n"


class World:
    """A repository at the double with some workflow files on main."""

    def __init__(self, double: Double) -> None:
        self.double = double
        self.repo: Repo = double.repository("acme/access")
        self.who: User = double.user("alice-ngo")
        self.main = ""

    def flow(self, on: str, *, name: str = "flow", branch: str = "", message: str = "Begin") -> str:
        text = f"name: {name}\non: {on}\n{_JOBS}"
        made = self.double.seed(self.repo, {f".github/workflows/{name}.yml": text}, branch=branch, message=message)
        if not branch:
            self.main = made
        return made

    def names(self, event: str, action: str = "", *, kind: str = "user", nested: int = 0, **payload: Any) -> list[str]:
        whole = {"repository": {"full_name": "acme/access"}, **payload}
        found = react(self.repo.path, Event(event, action, self.repo, whole, self.who, kind), nested=nested)
        return [f"{each.name} at {each.ref}" for each in found]

    def push(self, ref: str, after: str, *, kind: str = "user") -> list[str]:
        return self.names("push", ref=ref, after=after, before="0" * 40, kind=kind)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with Double(tmp_path) as double:
        yield World(double)


def test_a_push_starts_what_its_own_commit_says(world: World) -> None:
    main = world.flow("{push: {branches: [main]}}")
    assert world.push("refs/heads/main", main) == ["flow at refs/heads/main"]
    assert world.push("refs/heads/other", main) == []
    other = world.flow("{push: {branches: ['**']}}", branch="other")
    assert world.push("refs/heads/other", other) == ["flow at refs/heads/other"]


def test_a_branch_that_goes_starts_nothing(world: World) -> None:
    world.flow("push")
    assert world.push("refs/heads/main", "0" * 40) == []


@pytest.mark.parametrize("words", ["Fix [skip ci] it", "Fix\n\nskip-checks: true", "[no ci]"])
def test_a_message_can_silence_a_push_and_no_schedule(world: World, words: str) -> None:
    main = world.flow("{push: {branches: [main]}, schedule: [{cron: '7 * * * *'}]}", message=words)
    assert world.push("refs/heads/main", main) == []
    assert world.names("schedule", schedule="7 * * * *") == ["flow at refs/heads/main"]
    assert world.names("schedule", schedule="8 * * * *") == []


def test_what_a_jobs_token_did_starts_nothing_but_dispatches(world: World) -> None:
    main = world.flow("{push: null, issues: null, repository_dispatch: null, workflow_dispatch: null}")
    assert world.push("refs/heads/main", main, kind="actions") == []
    assert world.names("issues", "opened", kind="actions") == []
    assert world.names("issues", "opened", kind="app") == ["flow at refs/heads/main"]
    assert world.names("repository_dispatch", "x", kind="actions") == ["flow at refs/heads/main"]
    assert world.names("workflow_dispatch", ref="main", workflow=".github/workflows/flow.yml", kind="actions") == [
        "flow at refs/heads/main"
    ]


def test_a_click_starts_the_one_workflow_that_was_meant(world: World) -> None:
    world.flow("workflow_dispatch")
    world.flow("workflow_dispatch", name="other")
    meant = {"ref": "refs/heads/main", "workflow": ".github/workflows/other.yml"}
    assert world.names("workflow_dispatch", **meant) == ["other at refs/heads/main"]


def _pull(world: World, head: str, *, fork: bool = False) -> dict[str, Any]:
    full_name = "mallory/access" if fork else "acme/access"
    return {
        "number": 7,
        "merged": False,
        "base": {"ref": "main"},
        "head": {"sha": head, "repo": {"full_name": full_name}},
    }


def test_a_pull_request_runs_the_workflows_of_its_test_merge(world: World, tmp_path: Path) -> None:
    from hub import git

    world.flow("{pull_request: null, issue_comment: null}")
    head = world.flow("pull_request", name="planted", branch="feature")
    pull = _pull(world, head)
    assert world.names("pull_request", "opened", number=7, pull_request=pull) == []  # no test merge: a conflict
    git(world.repo.path, "update-ref", "refs/pull/7/merge", head)
    assert world.names("pull_request", "opened", number=7, pull_request=pull) == [
        "flow at refs/pull/7/merge",
        "planted at refs/pull/7/merge",
    ]
    assert world.names("pull_request", "labeled", number=7, pull_request=pull) == []
    assert world.names("issue_comment", "created") == ["flow at refs/heads/main"]


def test_a_runs_end_starts_what_waits_for_its_name_three_deep(world: World) -> None:
    world.flow("{workflow_run: {workflows: [check, wake], types: [completed]}}")
    run = {"name": "check", "head_branch": "x"}
    assert world.names("workflow_run", "completed", workflow_run=run) == ["flow at refs/heads/main"]
    assert world.names("workflow_run", "requested", workflow_run=run) == []
    assert world.names("workflow_run", "completed", workflow_run={**run, "name": "other"}) == []
    assert world.names("workflow_run", "completed", workflow_run=run, nested=4) == []


def test_a_forks_token_only_reads(world: World) -> None:
    from hub import git

    head = world.flow("pull_request")
    git(world.repo.path, "update-ref", "refs/pull/7/merge", head)
    found = []
    for fork in (False, True):
        whole = {"repository": {"full_name": "acme/access"}, "pull_request": _pull(world, head, fork=fork)}
        (started,) = react(world.repo.path, Event("pull_request", "opened", world.repo, whole, world.who, "user"))
        found.append(permissions(started, {"permissions": {"checks": "write", "contents": "read", "issues": "none"}}))
        assert permissions(started, {}) == {}  # the workflow's own permissions: none
    assert found == [{"checks": "write", "contents": "read"}, {"checks": "read", "contents": "read"}]


def test_groups_are_named_by_what_started_the_run(world: World) -> None:
    head = world.flow("push")
    whole = {"repository": {"full_name": "acme/access"}, "ref": "refs/heads/main", "after": head}
    (started,) = react(world.repo.path, Event("push", "", world.repo, whole, world.who, "user"))
    group = "${{ github.workflow }}-${{ github.event.pull_request.number || github.ref }}"
    asked = {"concurrency": {"group": group, "cancel-in-progress": True}}
    assert concurrency(started, asked) == ("flow-refs/heads/main", True, False)
    assert concurrency(started, {"concurrency": "one"}) == ("one", False, False)
    assert fill(started, "${{ github.nothing || 'else' }}") == "else"


def test_branch_patterns_match_as_documented() -> None:
    assert matches("release/1", ["release/*"])
    assert not matches("release/1/x", ["release/*"])
    assert matches("release/1/x", ["**", "!main"])
    assert not matches("main", ["**", "!main"])
