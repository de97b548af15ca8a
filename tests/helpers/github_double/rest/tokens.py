"""Tokens of installations, and forks."""

from __future__ import annotations

from typing import Any

from github_double.auth import issue_installation_token
from github_double.registry import Refusal, Reply, Request, created, not_found, nothing, paged, route
from github_double.shapes import full_repository, repository


@route("POST", "/app/installations/{id}/access_tokens", auth="jwt")
def access_token(request: Request) -> Reply:
    """An hour's token, narrowed to some repositories and permissions where that is asked.

    https://docs.github.com/en/rest/apps/apps#create-an-installation-access-token-for-an-app
    """
    hub, app = request.hub, request.token.app
    if app is None or app.installation != request.integer("id") or app.uninstalled:
        raise not_found()
    if app.suspended:
        raise Refusal(403, "This installation has been suspended")
    owner = app.owner.login
    names = [f"{owner}/{name}" for name in request.value("repositories", list, default=[])]
    wanted = request.value("repository_ids", list, default=[])
    by_id = {repo.id: repo.full_name for repo in hub.repositories.values()}
    names += [by_id.get(each, f"{owner}/#{each}") for each in wanted]
    token = issue_installation_token(hub, app, request.value("permissions", dict), names or None)
    body: dict[str, Any] = {
        "token": token.value, "expires_at": hub.expiry_text(token), "permissions": {"metadata": "read", **(token.permissions or {})},
        "repository_selection": "selected",
    }  # fmt: skip
    if names:
        body["repositories"] = [repository(hub, r) for r in hub.repositories.values() if r.full_name in names]
    return created(body)


@route("DELETE", "/installation/token")
def revoke(request: Request) -> Reply:
    """https://docs.github.com/en/rest/apps/installations#revoke-an-installation-access-token."""
    if request.token.kind not in {"app", "actions"}:
        raise Refusal(401, "Bad credentials")
    request.token.revoked = True
    return nothing()


@route("POST", "/repos/{owner}/{repo}/forks", permission="administration:write", role="read")
def fork(request: Request) -> Reply:
    """https://docs.github.com/en/rest/repos/forks#create-a-fork (403 where forking is off)."""
    if request.repo.private and not request.repo.allow_forking:
        raise Refusal(403, "The repository exists, but forking is disabled.")
    made = request.hub.fork(request.repo, request.actor)
    return Reply(202, full_repository(request.hub, made, request.token))


@route("GET", "/repos/{owner}/{repo}/forks", permission="metadata:read")
def forks(request: Request) -> Reply:
    """https://docs.github.com/en/rest/repos/forks#list-forks."""
    found = [r for r in request.hub.repositories.values() if r.fork_of is request.repo]
    return paged(request, found, lambda r: repository(request.hub, r))
