"""The runner itself, with small workflows: what starts when, whose code runs, and with which rights."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from runner import Runner

from hub import Hub

CHECKOUT = "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1"
TO_MAIN = {"push": {"branches": ["main"]}}


def job(*steps: str | Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """A job; a step that is a text is a command."""
    return {
        "runs-on": "ubuntu-24.04",
        "steps": [{"run": each} if isinstance(each, str) else dict(each) for each in steps],
        **more,
    }


def checkout(**inputs: Any) -> dict[str, Any]:
    """A step that checks out; inputs by name, with underscores for dashes."""
    return {"uses": CHECKOUT, "with": {name.replace("_", "-"): value for name, value in inputs.items()}}


@contextmanager
def running(
    top: Path, on: Mapping[str, Any] = TO_MAIN, *, more: Mapping[str, Any] | None = None, **jobs: Any
) -> Iterator[tuple[Hub, Runner]]:
    """A hub whose main has one workflow ``flow`` (and ``more`` of them) enabled and none else."""
    flows = {"flow": {"name": "flow", "on": on, "permissions": {}, "jobs": jobs}, **(more or {})}
    files = {f".github/workflows/{name}.yml": json.dumps(flow) for name, flow in flows.items()}
    with Hub(top, protected=False, files=files) as hub:
        runner = Runner(hub)
        runner.only = set(flows)
        yield hub, runner


def test_a_push_to_main_runs_with_the_secrets_of_main_and_wakes_what_waits_for_it(tmp_path: Path) -> None:
    pushed = job(
        checkout(ref="main", persist_credentials=False, fetch_depth=0),
        {
            "run": '"$DAYPASS_HOME/bin/daypass" check\necho "key of ${#KEY} letters in $GITHUB_REPOSITORY at $REF"',
            "env": {"KEY": "${{ secrets.DAYPASS_LEDGER_KEY }}", "REF": "${{ github.ref }}"},
        },
        environment="daypass",
        permissions={"contents": "read"},
    )
    after = {
        "name": "after",
        "on": {"workflow_run": {"workflows": ["flow"], "types": ["completed"]}},
        "jobs": {"one": job('echo "${{ github.event.workflow_run.conclusion }} <${{ secrets.DAYPASS_LEDGER_KEY }}>"')},
    }
    with running(tmp_path, more={"after": after}, one=pushed) as (hub, runner):
        assert runner.settle() == []
        hub.push_branch("olga", "main", {"README.md": "Access for acme.\n"})
        runs = runner.settle()
        assert [(run.name, run.conclusion) for run in runs] == [("flow", "success"), ("after", "success")], runs[0].log
        assert f"key of {len(hub.ledger_key)} letters in acme/access at refs/heads/main" in runs[0].log
        assert "success <>" in runs[1].log
        (spent,) = runs[0].spent
        assert (spent.words, spent.code) == ("check", 0)
        assert 0.05 < spent.seconds < 10
        assert {call.kind for call in runs[0].calls} == {"actions"}  # the checkout's, with the job's own token


def test_another_branch_gets_no_environment_of_main(tmp_path: Path) -> None:
    with running(tmp_path, {"workflow_dispatch": None}, one=job("true", environment="daypass")) as (hub, runner):
        hub.push_branch("alice", "feature", {"README.md": "Mine.\n"})
        (run,) = runner.dispatch("flow", ref="feature")
        assert run.conclusion == "failure"
        assert run.log == 'Branch "feature" is not allowed to deploy to daypass due to environment protection rules.'
        assert run.calls == []


def test_of_many_waiting_runs_of_a_group_the_newest_stays(tmp_path: Path) -> None:
    alone = {"name": "alone", "on": TO_MAIN, "concurrency": "alone", "jobs": {"one": job("true")}}
    with running(tmp_path, {"issues": None}, more={"alone": alone}, one=job("true")) as (hub, runner):
        pushed = [hub.push_branch("olga", "main", {"README.md": f"{n}\n"}) for n in range(4)]
        runs = runner.settle()
        assert [run.started.sha for run in runs] == [pushed[0], pushed[3]]
        assert [run.conclusion for run in runner.runs] == ["success", "cancelled", "cancelled", "success"]


def test_a_token_can_do_what_its_job_says_and_nothing_else(tmp_path: Path) -> None:
    ask = 'curl -s -o /dev/null -w "%{http_code}" -H "Authorization: Bearer $TOKEN" "$GITHUB_API_URL/repos/acme/access'
    try_both = f'echo "commits $({ask}/commits/main")"\necho "a label $({ask}/labels" -d \'{{"name": "x"}}\')"'
    token = {"TOKEN": "${{ github.token }}"}
    with running(
        tmp_path,
        reads=job(try_both, env=token, permissions={"contents": "read"}),
        labels=job(try_both, env=token, permissions={"issues": "write"}),
    ) as (hub, runner):
        hub.push_branch("olga", "main", {"README.md": "Hello.\n"})
        (run,) = runner.settle()
        logs = {name: each.log for name, each in run.jobs.items()}
        assert "commits 200" in logs["reads"], run.log
        assert "a label 403" in logs["reads"]
        assert "commits 403" in logs["labels"]
        assert "a label 201" in logs["labels"]


def test_a_job_that_fails_fails_its_run_and_one_left_out_is_skipped(tmp_path: Path) -> None:
    out = {"name": "out", "on": TO_MAIN, "jobs": {"one": job("true", **{"if": "false"})}}
    with running(tmp_path, more={"out": out}, good=job("true"), bad=job("exit 3")) as (hub, runner):
        hub.push_branch("olga", "main", {"README.md": "Hello.\n"})
        runs = {run.name: run for run in runner.settle()}
        assert {name: run.conclusion for name, run in runs.items()} == {"flow": "failure", "out": "skipped"}
        assert {name: each.result for name, each in runs["flow"].jobs.items()} == {"good": "success", "bad": "failure"}


def test_a_checkout_brings_as_much_as_it_is_asked_for(tmp_path: Path) -> None:
    little = checkout(
        path="little", filter="blob:none", persist_credentials=False, sparse_checkout="policies\n.github\n"
    )
    look = """echo "little has" $(ls -A little) and $(git -C little rev-list --count HEAD) commits
git -C little config --get-regexp extraheader || echo "little has no token"
echo "all has" $(git -C all rev-list --count HEAD) commits
git -C all fetch -q origin main && echo "all has a token"
"""
    one = job(little, checkout(path="all", fetch_depth=0), look, permissions={"contents": "read"})
    with running(tmp_path, one=one) as (hub, runner):
        hub.push_branch("olga", "main", {"README.md": "Hello.\n", "other/file": "x\n"})
        (run,) = runner.settle()
        said = [line.strip() for line in run.log.splitlines()]
        assert run.succeeded, run.log
        (has,) = [line for line in said if line.startswith("little has .")]
        assert {"policies", ".github"} <= set(has.split()) - {"other"}
        assert "other" not in has
        assert has.endswith("and 1 commits")
        assert "little has no token" in said
        assert f"all has {hub.bare('rev-list', '--count', 'main')} commits" in said
        assert "all has a token" in said
