"""Who asks, and how much more they may: users, the rate limit, a repository's own description."""

from __future__ import annotations

from typing import Any

from github_double.registry import Reply, Request, not_found, ok, route
from github_double.shapes import full_repository, simple_user, stamp
from github_double.state import User


def _public_user(request: Request, user: User) -> dict[str, Any]:
    begun = stamp(request.hub.now())
    return {
        **(simple_user(request.hub, user) or {}), "name": user.name or None, "company": None, "blog": "", "location": None,
        "email": None, "hireable": None, "bio": None, "twitter_username": None, "public_repos": 0, "public_gists": 0,
        "followers": 0, "following": 0, "created_at": begun, "updated_at": begun,
    }  # fmt: skip


@route("GET", "/user")
def me(request: Request) -> Reply:
    """https://docs.github.com/en/rest/users/users#get-the-authenticated-user (no installation is a user: 403)."""
    from github_double.registry import Refusal

    if request.token.kind in {"app", "actions"}:
        raise Refusal(403, "Resource not accessible by integration")
    return ok(_public_user(request, request.actor))


@route("GET", "/users/{login}", auth="anyone")
def user(request: Request) -> Reply:
    """https://docs.github.com/en/rest/users/users#get-a-user."""
    found = request.hub.account(request.params["login"])
    if found is None or found.suspended:
        raise not_found()  # GitHub hides a suspended account
    return ok(_public_user(request, found))


@route("GET", "/user/{id}", auth="anyone")
def user_by_id(request: Request) -> Reply:
    """https://docs.github.com/en/rest/users/users#get-a-user-using-their-id."""
    found = request.hub.accounts.get(request.integer("id"))
    if found is None or found.deleted or found.suspended:
        raise not_found()
    return ok(_public_user(request, found))


@route("GET", "/rate_limit", auth="anyone")
def rate_limit(request: Request) -> Reply:
    """https://docs.github.com/en/rest/rate-limit/rate-limit."""
    token = request.token
    assert token.resets_at is not None
    left = {
        "limit": token.limit, "used": token.used, "remaining": token.limit - token.used,
        "reset": int(token.resets_at.timestamp()),
    }  # fmt: skip
    return ok({"resources": {"core": left, "search": {**left, "limit": 30, "used": 0, "remaining": 30}}, "rate": left})


@route("GET", "/repos/{owner}/{repo}", permission="metadata:read")
def repository(request: Request) -> Reply:
    """https://docs.github.com/en/rest/repos/repos#get-a-repository."""
    return ok(full_repository(request.hub, request.repo, request.token))
