"""Issues, which pull requests are too: https://docs.github.com/en/rest/issues/issues."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from github_double import bodies, pulling
from github_double.auth import grants
from github_double.registry import Refusal, Reply, Request, created, invalid, not_found, ok, paged, route
from github_double.state import Issue, Label, Repo, User

READ = "issues:read|pull_requests:read"
WRITE = "issues:write|pull_requests:write"
_TITLE, _BODY, _NAME = 256, 65536, 50
_BASE = "/repos/{owner}/{repo}/issues"


def issue_of(request: Request, level: str = "write") -> Issue:
    """Return the issue that the path names. Refuses (404) no such number, (403) a permission for the other kind only."""
    found = request.repo.issues.get(request.number)
    if found is None:
        raise not_found()
    need(request, found, level)
    return found


def need(request: Request, issue: Issue, level: str = "write") -> None:
    """Refuse (403) a token that may do this with issues only, or with pull requests only, as the number is not."""
    wanted = f"issues:{level}|pull_requests:{level}" if issue.is_pull else f"issues:{level}"
    if not grants(request.token, wanted) and (request.repo.private or level == "write"):
        raise Refusal(403, "Resource not accessible by integration")


def text_of(request: Request, name: str, limit: int, *, required: bool = False) -> str | None:
    """A text of the body. Refuses (422) one that is too long."""
    text: str | None = request.value(name, required=required)
    if text is not None and len(text) > limit:
        problem = f"{name} is too long (maximum is {limit} characters)"
        raise invalid("Validation Failed", {"resource": "Issue", "code": "custom", "field": name, "message": problem})
    return text


def emit(request: Request, action: str, issue: Issue, **more: Any) -> None:
    """Deliver an issues event; what happens to a pull request is an event of its own."""
    if issue.is_pull:
        pulling.emit(request.hub, request.repo.pulls[issue.number], action, request.token, **more)
        return
    payload = {"issue": bodies.told_issue(request.hub, request.repo, issue), **more}
    request.hub.emit("issues", action, request.repo, payload, request.token)


def new_label(request: Request, name: str, color: str = "ededed", description: str = "") -> Label:
    """Add a label to the repository. Refuses (422) a bad name or one that is there, whatever its case."""
    repo: Repo = request.repo
    if not 0 < len(name) <= _NAME or name.lower() in repo.labels:
        code = "already_exists" if name.lower() in repo.labels else "invalid"
        raise invalid("Validation Failed", {"resource": "Label", "code": code, "field": "name"})
    made = Label(request.hub.next_id(), name, color, description)
    repo.labels[name.lower()] = made
    return made


def named_labels(request: Request, names: list[Any]) -> list[Label]:
    """The labels of these names; what is unknown is made, by who may write."""
    found = []
    for each in names:
        name = each.get("name") if isinstance(each, dict) else each
        if not isinstance(name, str):
            raise invalid("Validation Failed", {"resource": "Label", "code": "invalid", "field": "name"})
        known = request.repo.labels.get(name.lower())
        if known is None:
            if not request.may("write"):
                raise Refusal(403, "You do not have permission to create labels on this repository.")
            known = new_label(request, name)
        if known not in found:
            found.append(known)
    return found


def set_labels(request: Request, issue: Issue, wanted: list[Label]) -> None:
    """Give an issue exactly these labels, each change an event."""
    hub, repo = request.hub, request.repo
    before = issue.labels
    issue.labels, issue.updated_at = wanted, hub.now()
    for word, event, those, others in (
        ("labeled", "labeled", wanted, before),
        ("unlabeled", "unlabeled", before, wanted),
    ):
        for one in (each for each in those if each not in others):
            pulling.note(hub, repo, issue.number, word, request.actor, label={"name": one.name, "color": one.color})
            emit(request, event, issue, label=bodies.label(hub, repo, one))


def _people(request: Request) -> list[User]:
    logins = request.value("assignees", list, default=[])
    return [user for login in logins if (user := request.hub.account(login)) is not None]


@route("POST", _BASE, permission="issues:write", role="read")
def opening(request: Request) -> Reply:
    """Anybody who reads may open one; labels and assignees of those who may not set them are dropped without a word."""
    hub, repo = request.hub, request.repo
    if not repo.extras.get("has_issues", True):
        raise Refusal(410, "Issues has been disabled in this repository.")
    title = text_of(request, "title", _TITLE, required=True)
    if not title or not title.strip():
        raise invalid("Validation Failed", {"resource": "Issue", "code": "missing_field", "field": "title"})
    body, now = text_of(request, "body", _BODY), hub.now()
    made = Issue(repo.next_number(), hub.next_id(), title, body, request.actor, now, now, app=request.token.app)
    trusted = request.may("triage")
    labels = named_labels(request, request.value("labels", list, default=[])) if trusted else []
    made.assignees = _people(request) if trusted else []
    repo.issues[made.number] = made
    emit(request, "opened", made)
    set_labels(request, made, labels)
    return created(bodies.issue(hub, repo, made))


@route("GET", _BASE, permission="issues:read")
def listing(request: Request) -> Reply:
    """Open ones by default, newest first, pull requests among them; labels (all of them), creator, since choose."""
    query, repo = request.query, request.repo
    state, labels = query.get("state", "open"), [n.lower() for n in query.get("labels", "").split(",") if n]
    creator, assignee = query.get("creator", "").lower(), query.get("assignee", "").lower()
    since = _instant(query["since"]) if "since" in query else None

    def fits(one: Issue) -> bool:
        names = {label.name.lower() for label in one.labels}
        people = {user.login.lower() for user in one.assignees}
        return (
            state in {"all", one.state}
            and names.issuperset(labels)
            and (not creator or (one.user is not None and one.user.login.lower() == creator))
            and (assignee in {"", "*"} or assignee in people)
            and (since is None or one.updated_at >= since)
        )

    sort = {"created": "created_at", "updated": "updated_at"}.get(query.get("sort", "created"), "created_at")
    found = sorted(filter(fits, repo.issues.values()), key=lambda one: (getattr(one, sort), one.number))
    if query.get("direction", "desc") == "desc":
        found.reverse()
    return paged(request, found, lambda one: bodies.issue(request.hub, repo, one))


def _instant(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise invalid("Validation Failed", {"resource": "Issue", "code": "invalid", "field": "since"}) from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)


@route("GET", f"{_BASE}/{{number}}", permission=READ)
def one(request: Request) -> Reply:
    """https://docs.github.com/en/rest/issues/issues#get-an-issue."""
    return ok(bodies.issue(request.hub, request.repo, issue_of(request, "read")))


@route("PATCH", f"{_BASE}/{{number}}", permission=WRITE, role="read")
def change(request: Request) -> Reply:
    """Title and text by the author or who may write; open, closed and labels also by who may triage."""
    issue, hub, repo = issue_of(request), request.hub, request.repo
    own = request.actor is issue.user
    if not own and not request.may("triage"):
        raise Refusal(403, "Must have admin rights to Repository.")
    title, body = text_of(request, "title", _TITLE), text_of(request, "body", _BODY)
    if (title is not None or body is not None) and not own:
        request.need("write")
    _retell(request, issue, title, body)
    if request.may("triage"):
        if (labels := request.value("labels", list)) is not None:
            set_labels(request, issue, named_labels(request, labels))
        if request.value("assignees", list) is not None:
            issue.assignees = _people(request)
    _set_state(request, issue, request.value("state"), request.value("state_reason"))
    return ok(bodies.issue(hub, repo, issue))


def _retell(request: Request, issue: Issue, title: str | None, body: str | None) -> None:
    """Change title and text; both are told, with what stood there before."""
    changes = {}
    for name, text in (("title", title), ("body", body)):
        before = getattr(issue, name)
        if text is not None and text != before:
            changes[name] = {"from": before or ""}
            setattr(issue, name, text)
    if "title" in changes:
        rename = {"from": changes["title"]["from"], "to": issue.title}
        pulling.note(request.hub, request.repo, issue.number, "renamed", request.actor, rename=rename)
    issue.updated_at = request.hub.now()
    if "body" in changes:
        issue.edited_at = issue.updated_at
    if changes:
        emit(request, "edited", issue, changes=changes)


def _set_state(request: Request, issue: Issue, state: str | None, reason: str | None) -> None:
    if state not in {None, "open", "closed"}:
        raise invalid("Validation Failed", {"resource": "Issue", "code": "invalid", "field": "state"})
    if state is None or state == issue.state:
        return
    hub, repo, number = request.hub, request.repo, issue.number
    if issue.is_pull and state == "closed":
        pulling.close(hub, repo.pulls[number], request.token)
        return
    if issue.is_pull:
        raise invalid("Validation Failed", {"resource": "Issue", "code": "invalid", "field": "state"})
    closing = state == "closed"
    issue.state, issue.closed_at = state, hub.now() if closing else None
    issue.closed_by = request.actor if closing else None
    issue.state_reason = reason or ("completed" if closing else "reopened")
    event = "closed" if closing else "reopened"
    pulling.note(hub, repo, number, event, request.actor, **({"state_reason": issue.state_reason} if closing else {}))
    emit(request, event, issue)
