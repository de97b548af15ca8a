"""Labels of a repository, an issue and a pull request: https://docs.github.com/en/rest/issues/labels."""

from __future__ import annotations

from typing import Any

from github_double import bodies
from github_double.registry import Refusal, Reply, Request, created, invalid, not_found, ok, paged, route
from github_double.rest.issues import READ, WRITE, issue_of, named_labels, new_label, set_labels
from github_double.state import Issue

_REPO = "/repos/{owner}/{repo}/labels"
_ISSUE = "/repos/{owner}/{repo}/issues/{number}/labels"
_MOST = 100


@route("GET", _REPO, permission=READ)
def listing(request: Request) -> Reply:
    """https://docs.github.com/en/rest/issues/labels#list-labels-for-a-repository."""
    return paged(request, request.repo.labels.values(), lambda one: bodies.label(request.hub, request.repo, one))


@route("GET", f"{_REPO}/{{name}}", permission=READ)
def one(request: Request) -> Reply:
    """https://docs.github.com/en/rest/issues/labels#get-a-label (case does not count)."""
    found = request.repo.labels.get(request.params["name"].lower())
    if found is None:
        raise not_found()
    return ok(bodies.label(request.hub, request.repo, found))


@route("POST", _REPO, permission=WRITE, role="write")
def create(request: Request) -> Reply:
    """https://docs.github.com/en/rest/issues/labels#create-a-label."""
    name, color = request.value("name", required=True), request.value("color", default="ededed")
    made = new_label(request, name, color, request.value("description", default=""))
    return created(bodies.label(request.hub, request.repo, made))


def _names(request: Request) -> list[Any]:
    """The body's labels: a list by itself, one in an object, one text."""
    body = request.body
    if isinstance(body, dict):
        body = body.get("labels", [])
    return body if isinstance(body, list) else [body] if isinstance(body, str) else []


def _all(request: Request, issue: Issue) -> Reply:
    return ok([bodies.label(request.hub, request.repo, each) for each in issue.labels])


@route("GET", _ISSUE, permission=READ)
def of_issue(request: Request) -> Reply:
    """https://docs.github.com/en/rest/issues/labels#list-labels-for-an-issue."""
    issue = issue_of(request, "read")
    return paged(request, issue.labels, lambda each: bodies.label(request.hub, request.repo, each))


@route("POST", _ISSUE, permission=WRITE, role="triage")
def add(request: Request) -> Reply:
    """Adds to those that are there. Refuses (422) more than 100."""
    issue = issue_of(request)
    more = [each for each in named_labels(request, _names(request)) if each not in issue.labels]
    if len(issue.labels) + len(more) > _MOST:
        problem = "issues may not have more than 100 labels"
        raise invalid(
            "Validation Failed", {"resource": "Issue", "code": "custom", "field": "labels", "message": problem}
        )
    set_labels(request, issue, [*issue.labels, *more])
    return _all(request, issue)


@route("PUT", _ISSUE, permission=WRITE, role="triage")
def replace(request: Request) -> Reply:
    """Takes the place of those that are there."""
    issue = issue_of(request)
    set_labels(request, issue, named_labels(request, _names(request)))
    return _all(request, issue)


@route("DELETE", f"{_ISSUE}/{{name}}", permission=WRITE, role="triage")
def remove(request: Request) -> Reply:
    """Refuses (404) one that the issue does not bear."""
    issue, name = issue_of(request), request.params["name"].lower()
    left = [each for each in issue.labels if each.name.lower() != name]
    if len(left) == len(issue.labels):
        raise Refusal(404, "Label does not exist")
    set_labels(request, issue, left)
    return _all(request, issue)
