"""Check runs: https://docs.github.com/en/rest/checks/runs."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from github_double import bodies, gitio
from github_double.registry import Refusal, Reply, Request, created, invalid, not_found, ok, paged, route
from github_double.state import CheckRun

_RUNS = "/repos/{owner}/{repo}/check-runs"
_BATCH, _TEXT = 50, 65535
_STALE = timedelta(days=14)
_LEVELS = {"notice", "warning", "failure"}
_CONCLUSIONS = {
    "action_required", "cancelled", "failure", "neutral", "success", "skipped", "stale", "timed_out",
}  # fmt: skip
_STATUSES = {"queued", "in_progress", "completed", "waiting", "requested", "pending"}


def _bad(field: str, message: str) -> Refusal:
    return invalid("Validation Failed", {"resource": "CheckRun", "code": "invalid", "field": field, "message": message})


def _app_only(request: Request) -> None:
    """Write access is only for Apps, a workflow's token among them."""
    if request.token.app is None:
        raise Refusal(403, "You must authenticate via a GitHub App.")


def _fill(request: Request, run: CheckRun) -> None:
    """Take what the body says of a run: a conclusion completes it; annotations add to those that are there."""
    hub = request.hub
    before = run.status
    run.name = request.value("name", default=run.name)
    run.external_id = request.value("external_id", default=run.external_id)
    run.details_url = request.value("details_url", default=run.details_url)
    status, conclusion = request.value("status", default=run.status), request.value("conclusion")
    if status not in _STATUSES or conclusion not in {None, *_CONCLUSIONS - {"stale"}}:  # which GitHub alone says
        raise _bad("status" if conclusion is None else "conclusion", "is not included in the list")
    if status == "completed" and conclusion is None and before != "completed":
        raise invalid("Invalid request.\n\nIf you set status to completed, you must provide a conclusion.")
    _output(run, request.value("output", dict))
    if conclusion is not None:
        run.status, run.conclusion, run.completed_at = "completed", conclusion, _at(request, "completed_at")
    else:
        run.status = status
        if status != "completed":
            run.conclusion = run.completed_at = None
    if run.started_at is None or request.value("started_at"):
        run.started_at = _at(request, "started_at")
    action = "created" if run.id not in request.repo.checks else ""
    action = "completed" if run.status == "completed" and before != "completed" else action
    request.repo.checks[run.id] = run
    if action:
        payload = {"check_run": bodies.check_run(hub, request.repo, run)}
        hub.emit("check_run", action, request.repo, payload, request.token)


def _at(request: Request, name: str) -> datetime:
    text = request.value(name)
    return request.hub.now() if text is None else datetime.fromisoformat(text)


def _output(run: CheckRun, output: dict[str, Any] | None) -> None:
    if output is None:
        return
    if not isinstance(output.get("title", ""), str) or not isinstance(output.get("summary"), str):
        raise invalid("Invalid request.\n\nFor 'properties/output', \"summary\" wasn't supplied.")
    for name in ("summary", "text"):
        if len((output.get(name) or "").encode()) > _TEXT:
            raise _bad(name, f"exceeds a maximum length of {_TEXT} characters")
    found = output.get("annotations", [])
    if len(found) > _BATCH:
        raise invalid(f"Invalid request.\n\nNo more than {_BATCH} items are allowed; {len(found)} were supplied.")
    for each in found:
        _judge(each)
    run.output = {name: output[name] for name in ("title", "summary", "text") if output.get(name) is not None}
    run.annotations += found


def _judge(one: dict[str, Any]) -> None:
    """Columns only on a single line; lines are in order and begin at 1; a title of at most 255, a message of 64 KB."""
    missing = {"path", "start_line", "end_line", "annotation_level", "message"} - one.keys()
    if missing:
        raise invalid(f'Invalid request.\n\n"{min(missing)}" wasn\'t supplied.')
    if one["annotation_level"] not in _LEVELS:
        raise _bad("annotation_level", "is not included in the list")
    if not 0 < one["start_line"] <= one["end_line"]:
        raise _bad("start_line", "must be a positive number before end_line")
    if one["start_line"] != one["end_line"] and {"start_column", "end_column"} & one.keys():
        raise _bad("start_column", "columns are only for annotations on a single line")
    if len(one.get("title", "")) > 255 or len(one["message"].encode()) > 64 * 1024:
        raise _bad("message", "is too long")


@route("POST", _RUNS, permission="checks:write")
def create(request: Request) -> Reply:
    """Of a commit that is there, whether or not a branch points at it."""
    _app_only(request)
    sha = request.value("head_sha", required=True)
    name = request.value("name", required=True)
    if gitio.kind(request.repo.path, sha) != "commit":
        raise Refusal(422, f"No commit found for SHA: {sha}")
    assert request.token.app is not None
    run = CheckRun(request.hub.next_id(), name, sha, request.token.app, suite=_suite(request, sha))
    _fill(request, run)
    return created(bodies.check_run(request.hub, request.repo, run))


def _suite(request: Request, sha: str) -> int:
    """One check suite a commit and App."""
    there = (c.suite for c in request.repo.checks.values() if c.head_sha == sha and c.app is request.token.app)
    return next(there, 0) or request.hub.next_id()


def _aged(request: Request, run: CheckRun) -> CheckRun:
    """Complete a run that was not for 14 days, as GitHub does: https://docs.github.com/en/rest/guides/using-the-rest-api-to-interact-with-checks."""
    begun = run.started_at or request.hub.now()
    if run.status != "completed" and request.hub.now() - begun > _STALE:
        run.status, run.conclusion, run.completed_at = "completed", "stale", begun + _STALE
    return run


def _run_of(request: Request) -> CheckRun:
    found = request.repo.checks.get(request.integer("run"))
    if found is None:
        raise not_found()
    return _aged(request, found)


@route("PATCH", f"{_RUNS}/{{run}}", permission="checks:write")
def update(request: Request) -> Reply:
    """Only by the App that made it."""
    _app_only(request)
    run = _run_of(request)
    if run.app is not request.token.app:
        raise Refusal(
            403,
            "Invalid app_id `"
            + str(run.app.id)
            + "` - check run can only be modified by the GitHub App that created it.",
        )
    _fill(request, run)
    return ok(bodies.check_run(request.hub, request.repo, run))


@route("GET", f"{_RUNS}/{{run}}", permission="checks:read")
def one(request: Request) -> Reply:
    """https://docs.github.com/en/rest/checks/runs#get-a-check-run."""
    return ok(bodies.check_run(request.hub, request.repo, _run_of(request)))


@route("GET", f"{_RUNS}/{{run}}/annotations", permission="checks:read")
def annotations(request: Request) -> Reply:
    """https://docs.github.com/en/rest/checks/runs#list-check-run-annotations."""
    run, repo = _run_of(request), request.repo
    root = f"{request.hub.server_url}/{repo.full_name}/blob/{run.head_sha}"
    empty = dict.fromkeys(("start_column", "end_column", "title", "raw_details"))
    return paged(request, run.annotations, lambda each: {**empty, "blob_href": f"{root}/{each['path']}", **each})


@route("GET", "/repos/{owner}/{repo}/commits/{ref*}/check-runs", permission="checks:read")
def of_commit(request: Request) -> Reply:
    """By commit, branch or tag, newest first; ``filter=latest`` (the default) keeps one of each name and App."""
    query, repo = request.query, request.repo
    sha = gitio.resolve(repo.path, request.params["ref"])
    if sha is None:
        raise Refusal(422, f"No commit found for SHA: {request.params['ref']}")
    name, app = query.get("check_name"), query.get("app_id")
    found = [
        _aged(request, run) for run in sorted(repo.checks.values(), key=lambda run: run.id, reverse=True)
        if run.head_sha == sha and name in {None, run.name} and query.get("status") in {None, run.status}
        and app in {None, str(run.app.id)}
    ]  # fmt: skip
    if query.get("filter", "latest") == "latest":
        found = list({(run.name, run.app.id): run for run in reversed(found)}.values())[::-1]
    return paged(request, found, lambda run: bodies.check_run(request.hub, repo, run), key="check_runs")
