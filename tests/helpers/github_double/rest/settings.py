"""What administrators set: a repository's merges and visibility, and what Actions may do in it."""

from __future__ import annotations

from typing import Any

from github_double.registry import Refusal, Reply, Request, invalid, nothing, ok, route
from github_double.shapes import full_repository

_METHODS = {"allow_merge_commit": "merge", "allow_squash_merge": "squash", "allow_rebase_merge": "rebase"}
_MESSAGES = {"PR_TITLE": {"PR_BODY", "BLANK", "COMMIT_MESSAGES"}, "COMMIT_OR_PR_TITLE": {"COMMIT_MESSAGES"}}
_PLAIN = ("allow_auto_merge", "allow_update_branch", "web_commit_signoff_required", "has_projects", "has_wiki")


@route("PATCH", "/repos/{owner}/{repo}", permission="administration:write")
def change(request: Request) -> Reply:
    """What the body leaves out stays: https://docs.github.com/en/rest/repos/repos#update-a-repository."""
    repo = request.repo
    methods = set(repo.methods)
    for name, method in _METHODS.items():
        if (on := request.value(name, bool)) is not None:
            (methods.add if on else methods.discard)(method)
    if not methods:
        raise invalid("Sorry, you need to allow at least one merge strategy. (no_merge_method)")
    title = request.value("squash_merge_commit_title", default=repo.squash_title)
    message = request.value("squash_merge_commit_message", default=repo.squash_message)
    if message not in _MESSAGES.get(title, set()):
        raise invalid("Sorry, the squash commit title and message combination is invalid.")
    repo.methods, repo.squash_title, repo.squash_message = methods, title, message
    repo.delete_branch_on_merge = request.value("delete_branch_on_merge", bool, default=repo.delete_branch_on_merge)
    repo.allow_forking = request.value("allow_forking", bool, default=repo.allow_forking)
    repo.archived = request.value("archived", bool, default=repo.archived)
    if (private := request.value("private", bool)) is not None:
        repo.private = private
    if (visibility := request.value("visibility")) is not None:
        repo.private = visibility != "public"
    if (issues := request.value("has_issues", bool)) is not None:
        repo.extras["has_issues"] = issues
    settings = repo.extras.setdefault("settings", {})
    settings |= {name: value for name in _PLAIN if (value := request.value(name, bool)) is not None}
    return ok(full_repository(request.hub, repo, request.token))


def _actions(request: Request) -> dict[str, Any]:
    """What a new repository has. Tests set ``repo.extras["actions"]``."""
    found: dict[str, Any] = request.repo.extras.setdefault("actions", {})
    for name, value in {
        "enabled": True, "allowed_actions": "all", "sha_pinning_required": False, "default_workflow_permissions": "read",
        "can_approve_pull_request_reviews": False, "capped": False, "approval_policy": "first_time_contributors",
    }.items():  # fmt: skip
        found.setdefault(name, value)
    return found


_PERMISSIONS = "/repos/{owner}/{repo}/actions/permissions"
_READ, _WRITE = "administration:read", "administration:write"


@route("GET", _PERMISSIONS, permission=_READ, role="admin")
def permissions(request: Request) -> Reply:
    """https://docs.github.com/en/rest/actions/permissions#get-github-actions-permissions-for-a-repository."""
    held = _actions(request)
    if not held["enabled"]:
        return ok({"enabled": False})
    return ok({name: held[name] for name in ("enabled", "allowed_actions", "sha_pinning_required")})


@route("PUT", _PERMISSIONS, permission=_WRITE)
def set_permissions(request: Request) -> Reply:
    """https://docs.github.com/en/rest/actions/permissions#set-github-actions-permissions-for-a-repository."""
    held = _actions(request)
    if request.value("enabled", bool) is None:
        raise invalid('Invalid request.\n\n"enabled" wasn\'t supplied.')
    held["enabled"] = request.value("enabled", bool)
    held["allowed_actions"] = request.value("allowed_actions", default=held["allowed_actions"])
    held["sha_pinning_required"] = request.value("sha_pinning_required", bool, default=held["sha_pinning_required"])
    return nothing()


@route("GET", f"{_PERMISSIONS}/workflow", permission=_READ, role="admin")
def workflow_permissions(request: Request) -> Reply:
    """https://docs.github.com/en/rest/actions/permissions#get-default-workflow-permissions-for-a-repository."""
    held = _actions(request)
    return ok({name: held[name] for name in ("default_workflow_permissions", "can_approve_pull_request_reviews")})


@route("PUT", f"{_PERMISSIONS}/workflow", permission=_WRITE)
def set_workflow_permissions(request: Request) -> Reply:
    """Refuses (409) to be wider than the organisation lets it: ``repo.extras["actions"]["capped"]``."""
    held = _actions(request)
    default = request.value("default_workflow_permissions", default=held["default_workflow_permissions"])
    approve = request.value("can_approve_pull_request_reviews", bool, default=held["can_approve_pull_request_reviews"])
    if default not in {"read", "write"}:
        raise invalid("default_workflow_permissions is not included in the list")
    if held["capped"] and (default == "write" or approve):
        raise Refusal(409, "Conflict")
    held["default_workflow_permissions"], held["can_approve_pull_request_reviews"] = default, approve
    return nothing()


@route("GET", f"{_PERMISSIONS}/fork-pr-contributor-approval", permission=_READ, role="admin")
def fork_approval(request: Request) -> Reply:
    """https://docs.github.com/en/rest/actions/permissions#get-fork-pr-contributor-approval-permissions-for-a-repository."""
    return ok({"approval_policy": _actions(request)["approval_policy"]})
