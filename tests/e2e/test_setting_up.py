"""Setting up from an empty folder: every question and click counted, the self-test through the real workflow files."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from runner import Environment, Run, Runner

from administrator import REPOSITORY, TEAM, Administrator
from driver import Said
from hub import git

if TYPE_CHECKING:
    from datetime import datetime

QUESTIONS, CLICKS = 10, 12
"""How many of each setting up may ask of a person."""


class Hosted:
    """The administrator's repository as the runner wants it, on hosted machines: each run gets a new one."""

    auth = "app"
    ledger_key = ""

    def __init__(self, olga: Administrator) -> None:
        self.olga, self.top, self.double, self.repo = olga, olga.top, olga.double, olga.repo
        self.people = {"olga": olga.me}
        (self.app,) = olga.double.apps.values()
        self.events, self.calls = olga.double.events, olga.double.calls
        self.runner = Runner(self, fresh=False)  # type: ignore[arg-type]
        self.runner._seen = 0
        self.runner.meddle = self._begin

    def now(self) -> datetime:
        return self.double.now()

    def bare(self, *arguments: str) -> str:
        return git(self.repo.path, *arguments)

    def _begin(self, _: Run) -> None:
        """Give a run an empty machine, and what the environment holds by now."""
        shutil.rmtree(self.runner.state)
        self.runner.state.mkdir()
        self.runner.environments = {"daypass": Environment(dict(self.olga.environment.values))}
        self.runner.variables = dict(self.repo.extras["variables"])


def _set_up(olga: Administrator, owners: str, kind: str, *, only: set[str] | None, expect: int) -> Said:
    """Go from the empty folder to the end, while workflows run whenever daypass waits. ``only``: those that are enabled."""
    answers = {
        "Which group": owners,
        "What is the first resource": kind,
        "EXAMPLE_DB_URL": "postgresql://nobody@127.0.0.1:9/none",
    }
    hosted: list[Hosted] = []
    olga.answer = lambda question: next((said for words, said in answers.items() if words in question), "")

    def world_goes_on() -> None:
        if olga.repo.rulesets:
            hosted.extend([] if hosted else [Hosted(olga)])
            hosted[0].runner.only = only
            hosted[0].runner.settle()

    olga.meanwhile = world_goes_on
    olga.signs_in_to_gh()
    olga.run("init", "access", "--github", REPOSITORY, token=False)
    said = olga.run("setup", folder=olga.top / "access", expect=expect, token=False)
    assert len(olga.questions) <= QUESTIONS, olga.questions
    assert len(olga.clicks) <= CLICKS, olga.clicks
    runs = [f"{run.name} {run.conclusion}" for run in hosted[0].runner.runs]
    # The database of the first resource answers nobody here: runs are red for that, and for nothing else.
    failed = [run for run in hosted[0].runner.runs if run.conclusion == "failure"]
    assert all("unread   example: target example: connection failed" in run.log for run in failed), runs
    return said


def test_an_administrator_is_live_by_two_commands_and_some_clicks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Administrator(tmp_path, monkeypatch) as olga:
        said = _set_up(olga, TEAM, "embedded", only={"check", "gate", "apply"}, expect=0)
        assert "Nothing unsafe was found" in said.out
        assert "Set up in" in said.out
        _is_as_before(olga)
        checks = [rule for one in olga.repo.rulesets for rule in one.rules if rule.type == "required_status_checks"]
        (app,) = olga.double.apps.values()
        assert [rule.parameters["required_status_checks"] for rule in checks] == [
            [{"context": "daypass", "integration_id": app.id}]
        ]
        actors = {(who.actor_type, who.actor_id, who.mode) for one in olga.repo.rulesets for who in one.bypass}
        assert actors == {("Integration", app.id, "pull_request"), ("Integration", app.id, "always")}
        asked = len(olga.questions)
        again = olga.run("setup", folder=tmp_path / "access")
        assert len(olga.questions) == asked
        assert "to do" not in again.err


def test_who_is_alone_sees_a_request_through_and_is_told_what_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Administrator(tmp_path, monkeypatch, alone=True) as olga:
        said = _set_up(olga, TEAM, "postgres", only=None, expect=13)
        assert "taken away: the ledger has its receipt" in said.err
        assert [line for line in said.out.splitlines() if line.startswith("unsafe")] == [
            f"unsafe: the team acme/{TEAM} has fewer than two people, so that none of them can get access by it [team-small]"
        ]
        _is_as_before(olga)


def _is_as_before(olga: Administrator) -> None:
    """Main has nothing of the self-test, its own checks pass, and the ledger proves all that was done."""
    folder = olga.top / "access"
    main = git(olga.repo.path, "ls-tree", "-r", "--name-only", "main")
    assert "self-test" not in main
    assert "self-test" not in git(olga.repo.path, "show", "main:policies/daypass.yaml")
    assert git(folder, "status", "--porcelain") == ""
    for verb in (["check"], ["policy", "test"], ["codeowners", "--check"], ["form", "--check"]):
        olga.run(*verb, folder=folder)
    told = olga.run("audit", "history", "--resource", "daypass-self-test", folder=folder).out
    assert "access added" in told, told
    assert "access removed" in told, told
    olga.run("audit", "verify", folder=folder)
