"""Check runs behave as GitHub documents them: https://docs.github.com/en/rest/checks/runs."""

from __future__ import annotations

import pytest

from github_double import gitio

RUNS = "/repos/acme/access/check-runs"


@pytest.fixture
def head(world):
    return gitio.resolve(world.repo.path, "refs/heads/main")


@pytest.fixture
def job(hub, world, visit):
    return visit(hub.actions_token(world.repo, {"checks": "write"}))


def note(line=1, **more):
    return {
        "path": "README.md",
        "start_line": line,
        "end_line": line,
        "annotation_level": "failure",
        "message": "no",
        **more,
    }


def run(head, **more):
    return {"name": "daypass", "head_sha": head, **more}


def output(*annotations):
    return {"title": "Not allowed", "summary": "why", "annotations": list(annotations)}


def test_an_app_writes_one_and_completes_it(hub, job, head):
    made = job.send("POST", RUNS, run(head, status="in_progress", output=output(note())), expect=201)
    assert (made["status"], made["conclusion"], made["app"]["id"]) == ("in_progress", None, 15368)
    done = job.send("PATCH", f"{RUNS}/{made['id']}", {"conclusion": "failure", "output": output(note(2), note(3))})
    assert (done["status"], done["conclusion"], done["output"]["annotations_count"]) == ("completed", "failure", 3)
    told = job.get(f"{RUNS}/{made['id']}/annotations")
    assert [(one["start_line"], one["annotation_level"]) for one in told] == [
        (1, "failure"),
        (2, "failure"),
        (3, "failure"),
    ]
    assert [(e.name, e.action) for e in hub.events] == [("check_run", "created"), ("check_run", "completed")]


def test_people_write_none_and_read_them(world, visit, head, job):
    alice = visit(world.alice)
    refused = alice.ask("POST", RUNS, run(head))
    assert (refused.status_code, refused.json()["message"]) == (403, "You must authenticate via a GitHub App.")
    made = job.send("POST", RUNS, run(head, conclusion="success"))
    assert alice.get(f"{RUNS}/{made['id']}")["conclusion"] == "success"


def test_a_job_without_the_permission_writes_none(hub, world, visit, head):
    assert visit(hub.actions_token(world.repo, {"checks": "read"})).ask("POST", RUNS, run(head)).status_code == 403


def test_only_the_app_that_made_one_changes_it(hub, world, visit, head, job):
    from github_double.auth import issue_installation_token

    app = hub.app("other", permissions={"checks": "write"}, repositories=["acme/access"])
    other = visit(issue_installation_token(hub, app, None, None).value)
    made = job.send("POST", RUNS, run(head))
    assert other.ask("PATCH", f"{RUNS}/{made['id']}", {"conclusion": "success"}).status_code == 403
    theirs = other.send("POST", RUNS, run(head, conclusion="success"))
    listed = job.get(f"/repos/acme/access/commits/{head}/check-runs", check_name="daypass")
    assert (listed["total_count"], {one["app"]["slug"] for one in listed["check_runs"]}) == (
        2,
        {"other", "github-actions"},
    )
    assert theirs["app"]["id"] == app.id


def test_fifty_annotations_go_into_a_request_and_no_more(job, head):
    many = [note() for _ in range(50)]
    assert job.ask("POST", RUNS, run(head, output=output(*many))).status_code == 201
    assert job.ask("POST", RUNS, run(head, output=output(*many, note()))).status_code == 422


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"status": "done"}, "status"), ({"conclusion": "good"}, "conclusion"), ({"status": "completed"}, "conclusion"),
        ({"output": {"title": "x"}}, "summary"), ({"output": {"title": "x", "summary": "y" * 65536}}, "summary"),
        ({"output": output(note(annotation_level="bad"))}, "annotation_level"),
        ({"output": output(note(0))}, "start_line"),
        ({"output": output(note(end_line=3, start_column=1))}, "start_column"),
        ({"output": output(note(title="x" * 256))}, "message"),
        ({"output": output({"path": "a"})}, "annotation_level"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(job, head, body, field):
    refused = job.ask("POST", RUNS, run(head, **body))
    assert refused.status_code == 422
    assert field in refused.text


def test_an_unknown_commit_has_none(job, world):
    refused = job.ask("POST", RUNS, run("0" * 40))
    assert (refused.status_code, refused.json()["message"]) == (422, f"No commit found for SHA: {'0' * 40}")
    assert job.ask("GET", "/repos/acme/access/commits/nowhere/check-runs").status_code == 422
    assert job.ask("GET", f"{RUNS}/99").status_code == 404


def test_the_newest_of_a_name_counts_unless_all_are_asked_for(job, head):
    for conclusion in ("failure", "success"):
        job.send("POST", RUNS, run(head, conclusion=conclusion))
    path = "/repos/acme/access/commits/main/check-runs"
    assert [one["conclusion"] for one in job.get(path)["check_runs"]] == ["success"]
    assert [one["conclusion"] for one in job.get(path, filter="all")["check_runs"]] == ["success", "failure"]
    assert job.get(path, status="queued")["total_count"] == 0
    assert job.get(path, app_id=1)["total_count"] == 0


def test_a_check_that_begins_again_has_no_conclusion(job, head):
    made = job.send("POST", RUNS, run(head, conclusion="success"))
    again = job.send("PATCH", f"{RUNS}/{made['id']}", {"status": "in_progress"})
    assert (again["status"], again["conclusion"], again["completed_at"]) == ("in_progress", None, None)
