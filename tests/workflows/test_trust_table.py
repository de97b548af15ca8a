"""The table of docs/trust.md says of each workflow what its file does."""

from __future__ import annotations

import re
from typing import Any

import pytest
from kept import PIPELINE, TOP, Workflow, workflows

TEXT = (TOP / "docs" / "trust.md").read_text(encoding="utf-8").split("## The pipeline on GitHub\n")[1].split("\n## ")[0]
ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in TEXT.splitlines()
    if re.match(r"\| `[a-z]+`, `", line)
]
TABLE = {tuple(re.findall(r"`([a-z]+)`", row[0])): row[1:] for row in ROWS}
SECRETS = {
    "the App's key": "DAYPASS_APP_KEY",
    "the ledger's key": "DAYPASS_LEDGER_KEY",
    "the targets'": "ORDERS_DB_URL",
    "the source of people's": "DAYPASS_SCIM_TOKEN",
}


def _quoted(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def _permits(job: dict[str, Any]) -> list[str]:
    return sorted(f"{name}: {level}" for name, level in job["permissions"].items())


@pytest.mark.parametrize("auth", ["app", "token"])
def test_every_job_of_every_workflow_has_its_row(auth: str) -> None:
    told = {key for key, cells in TABLE.items() if not (auth == "app" and cells[3].startswith("no such job"))}
    assert told == {(workflow.name, job) for workflow in workflows(auth) for job in workflow.jobs}


@pytest.mark.parametrize("workflow", [w for auth in ("app", "token") for w in workflows(auth)], ids=str)
def test_a_row_says_what_starts_it_what_its_token_may_and_which_secrets_it_has(workflow: Workflow) -> None:
    for name, job in workflow.jobs.items():
        started, code, _, app, token, secrets = TABLE[workflow.name, name]
        assert _quoted(started) == list(workflow.triggers)
        permits = token if workflow.kept_by == "token" and token != "the same" else app
        assert sorted(_quoted(permits)) == _permits(job)
        assert (permits == "none") is (not job["permissions"])
        text = "\n".join(str(step.get("env", {})) for step in job["steps"])
        named = {SECRETS[word] for word in secrets.split(", ")} if secrets != "none" else set()
        if workflow.kept_by == "token":
            named -= {"DAYPASS_APP_KEY"}
        assert set(re.findall(r"secrets\.([A-Z_]+)", text)) == named
        # An event of a branch runs the workflow file of that branch; secrets are then out of the question.
        of_branch = bool({"pull_request", "pull_request_review"} & set(workflow.triggers))
        assert of_branch is ("branch's" in code)
        assert not (of_branch and named)


@pytest.mark.parametrize("auth", ["app", "token"])
def test_the_project_keeps_what_it_writes_for_others(auth: str) -> None:
    ours = {workflow.name: workflow for workflow in workflows("ours")}
    theirs = {workflow.name: workflow for workflow in workflows(auth)}
    for name in PIPELINE:
        assert ours[name].triggers.keys() == theirs[name].triggers.keys()


def test_every_workflow_has_its_attackers() -> None:
    rows = re.findall(r"^\| `([a-z]+)` \| (.+) \| (.+) \| (.+) \|$", TEXT, re.MULTILINE)
    assert [row[0] for row in rows] == [*PIPELINE, "ci"]
    assert all(all(cell.strip() for cell in row) for row in rows)


def test_schedules_are_those_that_the_page_on_github_names() -> None:
    page = (TOP / "docs" / "github.md").read_text(encoding="utf-8")
    for workflow in workflows("app"):
        for schedule in workflow.triggers.get("schedule", ()):
            assert re.search(rf"^\| `{workflow.name}` \| `{re.escape(schedule['cron'])}` \|", page, re.MULTILINE)
