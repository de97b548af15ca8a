"""A run of the applier that is killed in the middle, at each point where something outside has just changed."""

from __future__ import annotations

from pathlib import Path

import pytest
from life import Life, failed, names
from runner import Run

from github_double import Call
from hub import Hub

_ASKS, _PUSHES = "/acme/access.git/info/refs", "/acme/access.git/git-receive-pack"


@pytest.mark.parametrize(
    ("moment", "given", "recorded"),
    [
        pytest.param([_ASKS, _PUSHES], False, False, id="the intent is recorded and nothing is given yet"),
        pytest.param([_ASKS, _PUSHES, _ASKS], True, False, id="access is given and that is not recorded yet"),
        pytest.param([_ASKS, _PUSHES, _ASKS, _PUSHES], True, True, id="all is recorded and the run never heard so"),
    ],
)
def test_a_killed_run_leaves_what_the_next_one_converges_from(
    tmp_path: Path, moment: list[str], given: bool, recorded: bool
) -> None:
    with Hub(tmp_path) as hub:
        life = Life(hub, "wake", "gate", "apply")
        number = hub.request_pull("alice", hub.grant())
        hub.approve(number, "bob")
        hub.approve(number, "dave")
        seen: list[str] = []
        killed: list[int] = []

        def watch(call: Call) -> None:
            """Kill the applier when its requests so far end as the moment says; the answer never reaches it."""
            seen.append(call.path)
            pushing = [path for path in seen if path in (_ASKS, _PUSHES)][-len(moment) :]
            if "apply" in seen and not killed and pushing == moment:
                killed.append(life.runner.kill())

        def begins(run: Run) -> None:
            seen[:] = [run.name]

        hub.double.watchers.append(watch)
        life.runner.meddle = begins
        runs = life.runner.settle()
        hub.double.watchers.remove(watch)
        life.runner.meddle = None
        assert killed, names(runs)
        assert life.runner.last("apply").conclusion == "failure"
        assert hub.pull(number)["merged"] is True, failed(runs)
        assert (life.held() == {("alice", "orders-db")}) is given
        said = hub.run("audit", "verify", who="erin", expect=0 if recorded else 13).out
        assert ("intent-without-outcome" in said) is not recorded

        runs = life.runner.schedule("apply")
        assert names(runs) == ["apply success"], failed(runs)
        assert life.held() == {("alice", "orders-db")}
        life.proves()
        receipts = life.receipts()
        assert names(life.runner.schedule("apply")) == ["apply success"]
        assert life.receipts() == receipts
