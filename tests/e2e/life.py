"""A repository with its whole pipeline, as a test lives in it: people and the App at the double, workflows by the runner."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runner import Run, Runner

from daypass.edges.forges.github.pages.labels import LABEL, STATES
from daypass.edges.targets.embedded.target import EmbeddedTarget
from hub import REPOSITORY, Hub


class Life:
    """The hub and its runner, and what one looks at."""

    def __init__(self, hub: Hub, *only: str, labelled: bool = False) -> None:
        """``only``: the workflows that are enabled, where a test is about these; none named: all.

        ``labelled``: the labels of requests are there, as `daypass setup` makes them.
        """
        self.hub = hub
        self.runner = Runner(hub, fresh=False)
        self.runner.only = set(only) or None
        for state in STATES if labelled else ():
            hub.api("olga", "POST", f"/repos/{REPOSITORY}/labels", {"name": f"{LABEL}: {state}"})

    def held(self) -> set[tuple[str, str]]:
        """Who has what at the target now: (principal, resource)."""
        (path,) = [*self.runner.state.rglob("embedded.sqlite")] or [None]
        return {(e.principal, e.resource) for e in EmbeddedTarget(path, "embedded").observe()} if path else set()

    def comments(self, number: int) -> list[dict[str, Any]]:
        """The comments on an issue or pull request."""
        found: list[dict[str, Any]] = self.hub.api("olga", "GET", f"/repos/{REPOSITORY}/issues/{number}/comments")
        return found

    def labels(self, number: int) -> set[str]:
        """The labels of an issue or pull request."""
        issue = self.hub.api("olga", "GET", f"/repos/{REPOSITORY}/issues/{number}")
        return {label["name"] for label in issue["labels"]}

    def check_runs(self, commit: str) -> dict[str, Mapping[str, Any]]:
        """The check runs of a commit by name; a name that stands twice is a fault."""
        found = self.hub.api("olga", "GET", f"/repos/{REPOSITORY}/commits/{commit}/check-runs")["check_runs"]
        assert len({run["name"] for run in found}) == len(found), [run["name"] for run in found]
        return {run["name"]: run for run in found}

    def pulls(self, state: str = "open") -> list[dict[str, Any]]:
        """The pull requests of a state."""
        found: list[dict[str, Any]] = self.hub.api("olga", "GET", f"/repos/{REPOSITORY}/pulls?state={state}")
        return found

    def grants(self) -> list[str]:
        """The grant files on main."""
        return self.hub.bare("ls-tree", "-r", "--name-only", "main", "grants/").splitlines()

    def receipts(self) -> int:
        """How many commits the ledger's branch has."""
        return int(self.hub.bare("rev-list", "--count", "daypass-ledger"))

    def proves(self) -> str:
        """What an auditor without any right finds in a clone: the chain, its signatures, main's place in it."""
        return self.hub.run("audit", "verify", who="erin").out


def names(runs: list[Run]) -> list[str]:
    """The names of runs with how they ended, without those left out and those of ``ci``, which have to succeed."""
    ci = [run for run in runs if run.name == "ci"]
    assert all(run.succeeded for run in ci), failed(ci)
    return [f"{run.name} {run.conclusion}" for run in runs if run.name != "ci" and run.conclusion != "skipped"]


def minutes(runs: list[Run]) -> list[str]:
    """What GitHub counts, a minute each where a job takes less: the workflows of the jobs that ran, in order of their names."""
    return sorted(run.name for run in runs for job in run.jobs.values() if job.result != "skipped")


def failed(runs: list[Run]) -> str:
    """What runs that did not succeed printed."""
    return "\n".join(f"--- {run.name} ({run.conclusion})\n{run.log}" for run in runs if run.conclusion == "failure")
