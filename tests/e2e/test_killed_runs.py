"""A run of the applier that is killed in the middle, at each point where something outside has just changed."""

from __future__ import annotations

from pathlib import Path

import pytest
from life import Life, failed, names
from runner import Run

from github_double import Call
from hub import Hub

_PUSH = "/acme/access.git/git-receive-pack"
_ABOUT_TO_PUSH = "/acme/access.git/info/refs"


@pytest.mark.parametrize(
    ("path", "count", "given"),
    [
        pytest.param(_PUSH, 1, False, id="the intent is recorded and nothing is given yet"),
        pytest.param(_ABOUT_TO_PUSH, 2, True, id="access is given and that is not recorded yet"),
        pytest.param(_PUSH, 2, True, id="all is recorded and the run never heard so"),
    ],
)
def test_a_killed_run_leaves_what_the_next_one_converges_from(
    tmp_path: Path, path: str, count: int, given: bool
) -> None:
    with Hub(tmp_path) as hub:
        life = Life(hub)
        number = hub.request_pull("alice", hub.grant())
        hub.approve(number, "bob")
        hub.approve(number, "dave")
        killed: list[str] = []

        def watch(call: Call) -> None:
            seen.append(call.path)
            if applying and not killed and seen.count(path) == count and call.path == path:
                killed.append(f"{life.runner.kill()}")

        def begins(run: Run) -> None:
            applying[:] = [run.name] if run.name == "apply" else []
            seen.clear()

        seen: list[str] = []
        applying: list[str] = []
        hub.double.watchers.append(watch)
        life.runner.meddle = begins
        runs = life.runner.settle()
        assert killed, seen
        assert life.runner.last("apply").conclusion == "failure"
        assert hub.pull(number)["merged"] is True, failed(runs)
        assert (life.held() == {("alice", "orders-db")}) is given
        life.proves()

        life.runner.meddle = None
        hub.double.watchers.remove(watch)
        runs = life.runner.schedule("apply")
        assert names(runs) == ["apply success"], failed(runs)
        assert life.held() == {("alice", "orders-db")}
        life.proves()
        receipts = life.receipts()
        assert names(life.runner.schedule("apply")) == ["apply success"]
        assert life.receipts() == receipts
