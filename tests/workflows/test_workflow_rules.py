"""What must hold of every workflow, whoever keeps it; each rule blocks an attack or a loss that docs/trust.md names."""

from __future__ import annotations

import re
from typing import Any

import pytest
from kept import ALL, KEEPERS, OURS, PIPELINE, PRIVILEGED, TOP, Workflow, files, workflows

from daypass.pipeline.ask.approving import WORDS

EACH = pytest.mark.parametrize("workflow", ALL, ids=str)
OF_PIPELINE = pytest.mark.parametrize("workflow", [w for w in ALL if w.name in PIPELINE], ids=str)
WITH_SECRETS = pytest.mark.parametrize("workflow", [w for w in ALL if w.name in PRIVILEGED], ids=str)
CHECKOUT: dict[str, Any] = next(w for w in ALL if str(w) == "app-check").jobs["check"]["steps"][0]
"""The step that checks main's tip out, and little more."""
PINNED = re.compile(r"uses: [\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$")
ACTIONS = {"actions/checkout"}
ONLY_HERE = {
    "ours-ci": {"actions/setup-python"},
    "ours-lives": {"actions/setup-python"},
    "ours-newest": {"actions/setup-python"},
    "ours-release": {"actions/upload-artifact", "actions/download-artifact", "actions/attest-build-provenance"},
}


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return "\n".join(_text(each) for each in value.values())
    if isinstance(value, list):
        return "\n".join(_text(each) for each in value)
    return str(value)


@pytest.mark.parametrize("kept_by", KEEPERS)
def test_the_pipeline_is_whole(kept_by: str) -> None:
    whole = {*OURS} if kept_by == "ours" else {*PIPELINE, "ci"}
    assert {workflow.name for workflow in workflows(kept_by)} == whole
    assert {workflow.data["name"] for workflow in workflows(kept_by)} == whole


KEPT = {"name": "daypass", "deployment": False}
"""The environment that main alone can use; its runs are no deployments."""


@EACH
def test_nothing_is_permitted_at_the_top_and_each_job_says_what_it_needs(workflow: Workflow) -> None:
    assert workflow.data["permissions"] == {}
    assert all(isinstance(job["permissions"], dict) for job in workflow.jobs.values())


@EACH
def test_every_permission_has_its_reason_beside_it(workflow: Workflow) -> None:
    granted = re.findall(r"^ {6}(?:# )?[a-z-]+: (?:read|write)\b.*$", workflow.text, re.MULTILINE)
    assert len(granted) >= sum(len(job["permissions"]) for job in workflow.jobs.values())
    assert [line for line in granted if not re.search(r"(read|write) # \w+", line)] == []


@EACH
def test_actions_are_few_and_pinned_by_their_commit(workflow: Workflow) -> None:
    lines = [line.strip().removeprefix("- ") for line in workflow.text.splitlines() if "uses:" in line]
    assert [line for line in lines if not PINNED.fullmatch(line)] == []
    used = {line.partition(" ")[2].partition("@")[0] for line in lines}
    assert used <= ACTIONS | ONLY_HERE.get(str(workflow), set())


@EACH
def test_no_command_holds_an_expression(workflow: Workflow) -> None:
    assert [step["run"] for _, step in workflow.steps() if "${{" in str(step.get("run", ""))] == []


@EACH
def test_what_a_command_takes_from_an_event_is_quoted(workflow: Workflow) -> None:
    for _, step in workflow.steps():
        for name in step.get("env", {}):
            assert not re.search(rf'(?<!")\$\{{?{name}\b', str(step.get("run", ""))), step["run"]


@EACH
def test_events_that_run_a_branchs_words_with_our_rights_are_not_used(workflow: Workflow) -> None:
    assert "pull_request_target" not in workflow.triggers
    assert not {"pull_request_review_comment", "discussion_comment", "fork", "watch"} & set(workflow.triggers)


@EACH
def test_secrets_are_named_one_by_one_and_lie_in_the_environment_that_only_main_can_use(workflow: Workflow) -> None:
    assert "secrets: inherit" not in workflow.text
    for job in workflow.jobs.values():
        named = re.findall(r"secrets[.\[]\s*([^\s}]+)", _text(job))
        assert not named or job["environment"] == KEPT
        assert all(re.fullmatch(r"[A-Z][A-Z0-9_]*", name) for name in named)
        # Where an action could read them too, they are out of place.
        assert "secrets." not in _text({key: value for key, value in job.items() if key != "steps"})
        assert not any("secrets." in _text(step) for step in job["steps"] if "uses" in step)


@WITH_SECRETS
def test_a_job_with_secrets_runs_main_and_nothing_else(workflow: Workflow) -> None:
    for job, step in workflow.steps():
        assert workflow.jobs[job]["environment"] == KEPT
        if "uses" in step:
            assert step["with"]["ref"] == "refs/heads/main"
            assert step["with"]["persist-credentials"] is False
            assert step["with"]["fetch-depth"] == 0
        elif step["run"] == CHECKOUT["run"]:
            assert step["env"]["GITHUB_TOKEN"] == CHECKOUT["env"]["GITHUB_TOKEN"] == "${{ github.token }}"
            assert set(step["env"]) == {"GITHUB_TOKEN", "FOLDERS"}
        else:
            assert re.fullmatch(
                r"bash \.github/daypass/run ([a-z]+|--told ([a-z]+ --issue|gate|people check)|audit verify)",
                step["run"],
            )
            assert not [value for value in step.get("env", {}).values() if "github.event" in value]


@OF_PIPELINE
def test_no_job_of_the_pipeline_brings_a_proposal_to_disk(workflow: Workflow) -> None:
    for _, step in workflow.steps():
        if "uses" in step:
            assert step["with"]["ref"] == "refs/heads/main"
            assert step["with"]["persist-credentials"] is False
        commands = str(step.get("run", "")).splitlines()
        if brought := [
            line.strip() for line in commands if re.search(r"\b(checkout|switch|worktree|read-tree)\b", line)
        ]:
            assert step["run"] == CHECKOUT["run"]
            assert brought[-1] == "git checkout --quiet --no-track -B main refs/remotes/origin/main"
            assert [line for line in brought[:-1] if not line.startswith("git sparse-checkout set ")] == []
            (fetched,) = (line.strip() for line in commands if "--depth=1" in line)
            assert fetched.endswith(" origin +refs/heads/main:refs/remotes/origin/main")
        assert "artifact" not in _text(step)
        assert "cache" not in _text(step)


@EACH
def test_no_token_is_left_in_a_clone(workflow: Workflow) -> None:
    for _, step in workflow.steps():
        if "checkout" in step.get("uses", ""):
            assert step["with"]["persist-credentials"] is False


@pytest.mark.parametrize("kept_by", KEEPERS)
def test_the_job_that_a_ruleset_requires_cannot_be_skipped(kept_by: str) -> None:
    (check,) = (workflow for workflow in workflows(kept_by) if workflow.name == "check")
    job = check.jobs["check"]
    assert not {"if", "needs", "strategy", "continue-on-error"} & set(job)
    assert not any({"if", "continue-on-error"} & set(step) for step in job["steps"])
    assert set(check.triggers["pull_request"]) == {"branches", "types"}  # a path filter would leave it pending for ever
    assert check.triggers["pull_request"]["branches"] == ["main"]
    assert {"opened", "synchronize", "reopened", "edited"} <= set(check.triggers["pull_request"]["types"])


@pytest.mark.parametrize("kept_by", KEEPERS)
def test_a_review_only_wakes(kept_by: str) -> None:
    (wake,) = (workflow for workflow in workflows(kept_by) if workflow.name == "wake")
    assert wake.triggers == {"pull_request_review": {"types": ["submitted", "dismissed", "edited"]}}
    assert wake.jobs["wake"]["permissions"] == {}
    assert [step["run"] for _, step in wake.steps()] == ["true"]


@pytest.mark.parametrize("kept_by", KEEPERS)
def test_the_applier_runs_on_every_push_to_main(kept_by: str) -> None:
    (apply,) = (workflow for workflow in workflows(kept_by) if workflow.name == "apply")
    assert apply.triggers["push"] == {"branches": ["main"]}
    assert set(apply.triggers) == {"push", "schedule", "repository_dispatch", "workflow_dispatch"}
    assert apply.data["jobs"]["apply"].get("if") is None


@pytest.mark.parametrize("kept_by", KEEPERS)
def test_runs_that_change_targets_share_a_group_and_are_never_cut_short(kept_by: str) -> None:
    groups = {workflow.name: workflow.data["concurrency"] for workflow in workflows(kept_by)}
    assert groups["apply"] == groups["expire"] == {"group": "daypass-apply", "cancel-in-progress": False}
    alone = {"gate": "daypass-gate", "drift": "daypass-drift"}
    assert {name: groups[name] for name in alone} == {
        name: {"group": group, "cancel-in-progress": False} for name, group in alone.items()
    }
    # GitHub keeps one waiting run a group: what each answers for itself must have a group for itself.
    assert groups["request"] == {
        "group": "daypass-request-${{ github.event.comment.id || github.event.issue.id }}",
        "cancel-in-progress": False,
    }
    stems = [group["group"].partition("-${{")[0] for name, group in groups.items() if name != "expire"]
    assert len(stems) == len(set(stems))


@OF_PIPELINE
def test_schedules_keep_away_from_the_minutes_that_everybody_takes(workflow: Workflow) -> None:
    for schedule in workflow.triggers.get("schedule", ()):
        minutes = [int(minute) for minute in schedule["cron"].split(" ")[0].split(",")]
        assert all(minute % 2 == 1 and minute % 15 for minute in minutes)


@pytest.mark.parametrize("kept_by", KEEPERS)
def test_no_two_schedules_meet(kept_by: str) -> None:
    minutes = [
        minute
        for workflow in workflows(kept_by)
        for schedule in workflow.triggers.get("schedule", ())
        for minute in schedule["cron"].split(" ")[0].split(",")
    ]
    assert len(minutes) == len(set(minutes))


@OF_PIPELINE
def test_every_job_names_its_image_and_its_longest_time(workflow: Workflow) -> None:
    for job in workflow.jobs.values():
        assert job["runs-on"] == "ubuntu-24.04"
        assert 0 < job["timeout-minutes"] <= 60


@pytest.mark.parametrize("kept_by", KEEPERS)
def test_the_gate_is_woken_by_what_starts_nothing_else(kept_by: str) -> None:
    (gate,) = (workflow for workflow in workflows(kept_by) if workflow.name == "gate")
    woken_by = set(gate.triggers["workflow_run"]["workflows"])
    assert woken_by == ({"check", "wake", "request", "expire"} if kept_by == "token" else {"check", "wake"})
    assert woken_by < set(PIPELINE)
    permits = gate.jobs["gate"]["permissions"]
    assert ("actions" in permits) is (kept_by == "token")


@pytest.mark.parametrize("kept_by", ["ours", "app"])
def test_with_an_app_the_workflows_own_token_only_reads(kept_by: str) -> None:
    for workflow in workflows(kept_by):
        for name, job in workflow.jobs.items():
            if (workflow.name, name) != ("release", "publish"):
                assert "write" not in job["permissions"].values()


def test_what_may_publish_runs_nothing_that_was_built() -> None:
    (release,) = (workflow for workflow in workflows("ours") if workflow.name == "release")
    assert release.triggers == {"push": {"tags": ["v*"]}}
    assert release.jobs["build"]["permissions"] == {"contents": "read"}
    publish = release.jobs["publish"]
    assert publish["needs"] == "build"
    assert publish["environment"] == "release"
    commands = [step["run"].split()[:2] for step in publish["steps"] if "run" in step]
    assert commands == [["(cd", "dist"]]
    assert not any("checkout" in step.get("uses", "") for step in publish["steps"])


def test_the_newest_of_everything_is_tried_on_every_python_and_system() -> None:
    (newest,) = (workflow for workflow in workflows("ours") if workflow.name == "newest")
    assert newest.triggers.keys() == {"schedule", "workflow_dispatch"}
    matrix = newest.jobs["newest"]["strategy"]["matrix"]
    assert matrix["python"] == ["3.11", "3.12", "3.13", "3.14"]
    assert {name.partition("-")[0] for name in matrix["os"]} == {"ubuntu", "macos"}
    assert "locked" not in newest.text.split("jobs:")[1]


@pytest.mark.parametrize("kept_by", ["app", "token"])
def test_targets_get_the_variables_that_they_are_reached_by(kept_by: str) -> None:
    handed = {
        workflow.name
        for workflow in workflows(kept_by)
        if any("ORDERS_DB_URL" in step.get("env", {}) for _, step in workflow.steps())
    }
    assert handed == {"apply", "expire", "drift"}
    keyed = {w.name for w in workflows(kept_by) if "secrets.DAYPASS_LEDGER_KEY" in w.text}
    assert keyed == {"apply", "expire"}


@pytest.mark.parametrize("kept_by", KEEPERS)
def test_talk_wakes_nothing_but_what_is_answered(kept_by: str) -> None:
    (workflow,) = [one for one in workflows(kept_by) if one.name == "request"]
    woken = re.findall(r"startsWith\(github\.event\.comment\.body, '([^']+)'\)", workflow.jobs["request"]["if"])
    assert set(woken) == {"/", *(word for word in WORDS if not word.startswith("/"))}


@pytest.mark.parametrize("kept_by", KEEPERS)
def test_no_mark_of_a_template_is_left(kept_by: str) -> None:
    assert [path for path, text in files(kept_by).items() if re.search(r"@[a-z]+@", text)] == []


@pytest.mark.parametrize("kept_by", KEEPERS)
def test_the_schedules_take_the_minutes_that_the_page_says(kept_by: str) -> None:
    runs = 0.0
    for workflow in (one for one in workflows(kept_by) if one.name in PIPELINE):
        for schedule in workflow.triggers.get("schedule", ()):
            minutes, hours, *_, days = schedule["cron"].split(" ")
            a_day = len(minutes.split(",")) * (24 if hours == "*" else 1)
            runs += a_day * (30 if days == "*" else 30 / 7)
    page = (TOP / "docs" / "github.md").read_text(encoding="utf-8")
    assert f"| every hour, as the workflows are | {round(runs):,} |" in page
