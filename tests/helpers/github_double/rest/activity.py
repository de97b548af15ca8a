"""What happened: a repository's ref changes, and what issues and pull requests went through."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from github_double.pullshapes import review_body, team
from github_double.registry import Reply, Request, invalid, not_found, paged, route
from github_double.shapes import person, simple_user, stamp
from github_double.state import Activity, IssueEvent, Team, User

_READ = "issues:read|pull_requests:read"


@route("GET", "/repos/{owner}/{repo}/activity", permission="contents:read")
def activity(request: Request) -> Reply:
    """Newest first, by cursor and not by page: https://docs.github.com/en/rest/repos/repos#list-repository-activities."""
    query, hub = request.query, request.hub
    ref = query.get("ref")
    full = ref if ref is None or ref.startswith("refs/") else f"refs/heads/{ref}"
    rows = [
        a for a in request.repo.activity
        if full in {None, a.ref} and query.get("activity_type") in {None, a.kind}
        and query.get("actor") in {None, a.actor.login if a.actor else ""}
    ]  # fmt: skip
    rows.sort(key=lambda a: a.id, reverse=query.get("direction", "desc") == "desc")
    size = query.get("per_page", "30")
    if not size.isdigit() or not 1 <= int(size) <= 100:
        raise invalid("Validation Failed")
    start = _after(rows, query["after"]) if "after" in query else 0
    chosen = rows[start : start + int(size)]
    links = []
    for rel, there, cursor in (("next", start + len(chosen) < len(rows), "after"), ("prev", start > 0, "before")):
        if there and chosen:
            at = chosen[-1 if rel == "next" else 0].id
            rest = {k: v for k, v in query.items() if k not in {"after", "before"}}
            links.append(f'<{hub.url}{hub.by_id(request.path)}?{urlencode({**rest, cursor: f"c{at}"})}>; rel="{rel}"')
    return Reply(200, [_activity(request, a) for a in chosen], {"Link": ", ".join(links)} if links else {})


def _after(rows: list[Activity], cursor: str) -> int:
    for place, each in enumerate(rows):
        if f"c{each.id}" == cursor:
            return place + 1
    raise invalid("Validation Failed", "cursor is invalid")


def _activity(request: Request, one: Activity) -> dict[str, Any]:
    return {
        "id": one.id, "node_id": f"PSH_{one.id}", "before": one.before, "after": one.after, "ref": one.ref,
        "timestamp": stamp(one.at), "activity_type": one.kind, "actor": person(request.hub, one.actor),
    }  # fmt: skip


def _event(request: Request, one: IssueEvent) -> dict[str, Any]:
    hub, api = request.hub, f"{request.hub.url}/repos/{request.repo.full_name}"
    more: dict[str, Any] = {}
    for name, value in one.more.items():
        if isinstance(value, Team):
            more["requested_team"] = team(hub, value)
        elif isinstance(value, User) or value is None:
            more[{"requester": "review_requester", "reviewer": "requested_reviewer"}.get(name, name)] = simple_user(
                hub, value
            )
        else:
            more[name] = value
    return {
        "id": one.id, "node_id": f"EV_{one.id}", "url": f"{api}/issues/events/{one.id}", "actor": person(hub, one.actor),
        "event": one.event, "commit_id": one.commit_id,
        "commit_url": f"{api}/commits/{one.commit_id}" if one.commit_id else None, "created_at": stamp(one.created_at),
        "performed_via_github_app": None, **more,
    }  # fmt: skip


@route("GET", "/repos/{owner}/{repo}/issues/{number}/events", permission=_READ)
def events(request: Request) -> Reply:
    """Oldest first: https://docs.github.com/en/rest/issues/events#list-issue-events."""
    if request.number not in request.repo.issues:
        raise not_found()
    return paged(
        request, [e for e in request.repo.issue_events if e.number == request.number], lambda e: _event(request, e)
    )


@route("GET", "/repos/{owner}/{repo}/issues/events", permission=_READ)
def all_events(request: Request) -> Reply:
    """Newest first: https://docs.github.com/en/rest/issues/events#list-issue-events-for-a-repository."""
    return paged(request, reversed(request.repo.issue_events), lambda e: _event(request, e))


@route("GET", "/repos/{owner}/{repo}/issues/{number}/timeline", permission=_READ)
def timeline(request: Request) -> Reply:
    """Events, reviews and commits together: https://docs.github.com/en/rest/issues/timeline."""
    repo, number = request.repo, request.number
    if number not in repo.issues:
        raise not_found()
    rows = [(e.created_at, e.id, _event(request, e)) for e in repo.issue_events if e.number == number]
    if (pull := repo.pulls.get(number)) is not None:
        for review in pull.reviews:
            body = review_body(request.hub, pull, review)
            rows.append((review.submitted_at, review.id, {**body, "event": "reviewed", "state": body["state"].lower()}))
    rows.sort(key=lambda row: row[:2])
    return paged(request, [body for _, _, body in rows])
