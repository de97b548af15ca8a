"""Comments on issues and pull requests: https://docs.github.com/en/rest/issues/comments."""

from __future__ import annotations

from typing import Any

from github_double import bodies
from github_double.registry import Refusal, Reply, Request, created, invalid, not_found, nothing, ok, paged, route
from github_double.rest.issues import READ, WRITE, issue_of, need
from github_double.state import Comment

_LIMIT = 65536
_BASE = "/repos/{owner}/{repo}/issues"


def _text(request: Request) -> str:
    text: str = request.value("body", required=True)
    wrong = ""
    if not text.strip():
        wrong = "body cannot be blank"
    elif len(text) > _LIMIT:
        wrong = f"body is too long (maximum is {_LIMIT} characters)"
    if wrong:
        raise invalid("Validation Failed", {"resource": "IssueComment", "code": "unprocessable", "message": wrong})
    return text


def _emit(request: Request, action: str, comment: Comment, **more: Any) -> None:
    hub, repo = request.hub, request.repo
    issue = bodies.told_issue(hub, repo, repo.issues[comment.number])
    payload = {"issue": issue, "comment": bodies.comment(hub, repo, comment), **more}
    hub.emit("issue_comment", action, repo, payload, request.token)


def _comment(request: Request, level: str) -> Comment:
    found = request.repo.comments.get(request.integer("comment"))
    if found is None:
        raise not_found()
    need(request, request.repo.issues[found.number], level)
    return found


def _own(request: Request, comment: Comment) -> None:
    """Refuse (403) somebody else's comment to those who may not write."""
    if request.actor is not comment.user and not request.may("write"):
        raise Refusal(403, "Must have admin rights to Repository.")


@route("GET", f"{_BASE}/{{number}}/comments", permission=READ)
def listing(request: Request) -> Reply:
    """Oldest first, by id."""
    issue, repo = issue_of(request, "read"), request.repo
    found = sorted((c for c in repo.comments.values() if c.number == issue.number), key=lambda c: c.id)
    return paged(request, found, lambda c: bodies.comment(request.hub, repo, c))


@route("POST", f"{_BASE}/{{number}}/comments", permission=WRITE, role="read")
def write(request: Request) -> Reply:
    """Whoever reads may comment; once a conversation is locked, only who may write."""
    issue, hub, repo = issue_of(request), request.hub, request.repo
    if issue.locked and not request.may("write"):
        raise Refusal(403, "Unable to create comment because issue is locked.")
    now = hub.now()
    made = Comment(hub.next_id(), issue.number, request.actor, _text(request), now, now, request.token.app)
    repo.comments[made.id] = made
    issue.updated_at = now
    _emit(request, "created", made)
    return created(bodies.comment(hub, repo, made))


@route("GET", f"{_BASE}/comments/{{comment}}", permission=READ)
def one(request: Request) -> Reply:
    """https://docs.github.com/en/rest/issues/comments#get-an-issue-comment."""
    return ok(bodies.comment(request.hub, request.repo, _comment(request, "read")))


@route("PATCH", f"{_BASE}/comments/{{comment}}", permission=WRITE, role="read")
def change(request: Request) -> Reply:
    """By who wrote it, and by anybody who may write: it still bears its author's name."""
    comment = _comment(request, "write")
    _own(request, comment)
    before, comment.body, comment.updated_at = comment.body, _text(request), request.hub.now()
    comment.edited_at = comment.updated_at
    _emit(request, "edited", comment, changes={"body": {"from": before}})
    return ok(bodies.comment(request.hub, request.repo, comment))


@route("DELETE", f"{_BASE}/comments/{{comment}}", permission=WRITE, role="read")
def delete(request: Request) -> Reply:
    """By who wrote it, and by anybody who may write."""
    comment = _comment(request, "write")
    _own(request, comment)
    _emit(request, "deleted", comment)
    del request.repo.comments[comment.id]
    return nothing()
