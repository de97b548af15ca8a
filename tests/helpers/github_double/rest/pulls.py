"""Pull requests: https://docs.github.com/en/rest/pulls/pulls."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from github_double import gitio, pulling
from github_double.auth import sees
from github_double.commitshapes import commit
from github_double.pullshapes import commits_of, files, pull_request, pull_simple
from github_double.registry import Refusal, Reply, Request, created, invalid, not_found, ok, paged, route
from github_double.state import Pull, Repo

_READ = "pull_requests:read"
_WRITE = "pull_requests:write"


def pull_of(request: Request) -> Pull:
    """Return the pull request that the path names. Refuses (404) a number that is none's."""
    found = request.repo.pulls.get(request.number)
    if found is None:
        raise not_found()
    return found


@route("GET", "/repos/{owner}/{repo}/pulls", permission=_READ)
def listing(request: Request) -> Reply:
    """Open ones by default, newest first; state, head (owner:branch), base, sort and direction choose."""
    query = request.query
    state, head, base = query.get("state", "open"), query.get("head", ""), query.get("base", "")
    key = "updated_at" if query.get("sort") == "updated" else "created_at"
    found = [
        p for p in request.repo.pulls.values()
        if state in {"all", p.issue.state} and base in {"", p.base_ref}
        and (":" not in head or head.lower() == p.head_label.lower())
    ]  # fmt: skip
    ascending = query.get("direction", "asc" if query.get("sort") else "desc") == "asc"
    found.sort(key=lambda p: (getattr(p.issue, key), p.number), reverse=not ascending)
    return paged(request, found, lambda p: pull_simple(request.hub, p))


@route("GET", "/repos/{owner}/{repo}/pulls/{number}", permission=_READ)
def one(request: Request) -> Reply:
    """Mergeability is worked out after it was first asked for where the hub is set so: null until then."""
    pull = pull_of(request)
    body = pull_request(request.hub, pull)
    if pull.unread and request.hub.slow_mergeability:
        body |= {"mergeable": None, "rebaseable": None, "mergeable_state": "unknown"}
    pull.unread = False
    return ok(body)


def _head(request: Request, text: str) -> tuple[Repo, str]:
    """Return what ``branch`` or ``owner:branch`` (with head_repo, where owners share one) names."""
    owner, colon, ref = text.rpartition(":")
    repo, hub = request.repo, request.hub
    if not colon or owner.lower() == repo.owner.login.lower():
        return repo, ref
    named = request.value("head_repo")
    for each in hub.repositories.values():
        if each.fork_of is repo and each.owner.login.lower() == owner.lower() and named in {None, each.name}:
            return each, ref
    raise invalid("Validation Failed", {"resource": "PullRequest", "field": "head", "code": "invalid"})


@route("POST", "/repos/{owner}/{repo}/pulls", permission=_WRITE)
def opening(request: Request) -> Reply:
    """Refuses (422) what has no such head or base, no commits of its own, or a pull request already."""
    repo, hub = request.repo, request.hub
    title = request.value("title", required=True)
    base = request.value("base", required=True)
    source, ref = _head(request, request.value("head", required=True))
    if source is not repo and not sees(hub, request.token, source):
        raise not_found()
    if source is repo and request.token.kind in {"user", "fine"}:
        request.need("read")
    sha, tip = gitio.resolve(source.path, f"refs/heads/{ref}"), gitio.resolve(repo.path, f"refs/heads/{base}")
    if tip is None or sha is None:
        name = "base" if tip is None else "head"
        raise invalid("Validation Failed", {"resource": "PullRequest", "field": name, "code": "invalid"})
    label = f"{source.owner.login}:{ref}"
    if any(p.open and (p.head_repo, p.head_ref, p.base_ref) == (source, ref, base) for p in repo.pulls.values()):
        raise invalid("Validation Failed", _custom(f"A pull request already exists for {label}."))
    if source is not repo:
        gitio.run(repo.path, "fetch", "-q", "--no-tags", str(source.path), sha)
    if gitio.ancestor(repo.path, sha, tip):
        raise invalid("Validation Failed", _custom(f"No commits between {base} and {ref}"))
    if gitio.merge_base(repo.path, sha, tip) is None:
        raise invalid("Validation Failed", _custom(f"The {ref} branch has no history in common with {base}"))
    pull = pulling.create(
        hub, request.token, repo, title=title, body=request.value("body"), head_repo=source, head_ref=ref, head_sha=sha,
        base_ref=base, draft=request.value("draft", bool, default=False),
    )  # fmt: skip
    return created(pull_request(hub, pull))


def _custom(message: str) -> dict[str, Any]:
    return {"resource": "PullRequest", "code": "custom", "message": message}


@route("PATCH", "/repos/{owner}/{repo}/pulls/{number}", permission=_WRITE)
def change(request: Request) -> Reply:
    """Title, body, base, open or closed: by its author, or by who may write."""
    pull, hub = pull_of(request), request.hub
    if request.actor is not pull.user and not request.may("write"):
        raise Refusal(403, "Must have push access to repository")
    issue = pull.issue
    changes: dict[str, Any] = {}
    for name in ("title", "body"):
        if (text := request.value(name)) is not None:
            changes[name] = {"from": getattr(issue, name) or ""}
            setattr(issue, name, text)
    if (base := request.value("base")) is not None and base != pull.base_ref:
        changes["base"] = _retarget(request, pull, base)
    issue.updated_at = hub.now()
    if changes:
        pulling.emit(hub, pull, "edited", request.token, changes=changes)
    _set_state(request, pull, request.value("state"))
    return ok(pull_request(hub, pull))


def _retarget(request: Request, pull: Pull, base: str) -> dict[str, Any]:
    """Point at another base: what is to be reviewed may be something else now."""
    tip = gitio.resolve(pull.repo.path, f"refs/heads/{base}")
    if tip is None or not pull.open:
        raise invalid("Validation Failed", {"resource": "PullRequest", "field": "base", "code": "invalid"})
    was = {"ref": {"from": pull.base_ref}, "sha": {"from": pull.base_sha}}
    pull.base_ref, pull.base_sha = base, tip
    pulling.note(request.hub, pull.repo, pull.number, "base_ref_changed", request.actor)
    pulling.refresh(pull, request.hub)
    pulling.rejudge(request.hub, pull, request.token)
    return was


def _set_state(request: Request, pull: Pull, state: str | None) -> None:
    if state == "closed" and pull.open:
        pulling.close(request.hub, pull, request.token)
    elif state == "open" and not pull.open:
        source = pull.head_repo.path if pull.head_repo else None
        if pull.merged or source is None or gitio.resolve(source, f"refs/heads/{pull.head_ref}") is None:
            raise invalid("Validation Failed", _custom("state cannot be changed. The pull request cannot be reopened."))
        pull.issue.state, pull.issue.closed_at, pull.issue.closed_by = "open", None, None
        pulling.note(request.hub, pull.repo, pull.number, "reopened", request.actor)
        pulling.refresh(pull, request.hub)
        pulling.emit(request.hub, pull, "reopened", request.token)


@route("GET", "/repos/{owner}/{repo}/pulls/{number}/files", permission=_READ)
def changed(request: Request) -> Reply:
    """What is changed: at most 3,000 files, however many there are."""
    pull, hub = pull_of(request), request.hub
    api, page = f"{hub.url}/repos/{pull.repo.full_name}", f"{hub.server_url}/{pull.repo.full_name}"

    def shape(one: dict[str, Any]) -> dict[str, Any]:
        name = quote(one["filename"])
        at = f"{pull.head_sha}/{name}"
        urls = {"blob_url": f"{page}/blob/{at}", "raw_url": f"{page}/raw/{at}"}
        return {**one, **urls, "contents_url": f"{api}/contents/{name}?ref={pull.head_sha}"}

    return paged(request, files(pull)[:3000], shape)


@route("GET", "/repos/{owner}/{repo}/pulls/{number}/commits", permission=_READ)
def commits(request: Request) -> Reply:
    """Its own commits, oldest first: at most 250, however many there are."""
    pull = pull_of(request)
    return paged(request, commits_of(pull)[:250], lambda sha: commit(request.hub, pull.repo, sha))


@route("GET", "/repos/{owner}/{repo}/pulls/{number}/merge", permission=_READ)
def is_merged(request: Request) -> Reply:
    """204 when it is merged, 404 when not."""
    if not pull_of(request).merged:
        raise not_found()
    return Reply(204)
