"""Deployment environments: https://docs.github.com/en/rest/deployments/environments."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from github_double.registry import Reply, Request, invalid, not_found, nothing, ok, paged, route
from github_double.shapes import simple_user, stamp
from github_double.state import Repo, User

_BASE = "/repos/{owner}/{repo}/environments"
_ONE = f"{_BASE}/{{name}}"
_POLICIES = f"{_ONE}/deployment-branch-policies"
_READ, _WRITE = "actions:read", "administration:write"


@dataclass(eq=False)
class Environment:
    """One environment. ``custom``: only branches and tags that ``policies`` (id to name and type) fit deploy here."""

    id: int
    name: str
    created_at: datetime
    protected: bool = False
    custom: bool = False
    policies: dict[int, tuple[str, str]] = field(default_factory=dict)
    wait: int = 0
    reviewers: list[User] = field(default_factory=list)
    """Who has to approve each run."""
    secrets: list[str] = field(default_factory=list)
    values: dict[str, str] = field(default_factory=dict)
    """What secrets hold, of those that were sent here sealed."""


def of(repo: Repo) -> dict[str, Environment]:
    """A repository's environments by name in small letters; tests may put some there."""
    found: dict[str, Environment] = repo.extras.setdefault("environments", {})
    return found


def _one(request: Request) -> Environment:
    found = of(request.repo).get(request.params["name"].lower())
    if found is None:
        raise not_found()
    return found


def _body(request: Request, one: Environment) -> dict[str, Any]:
    where = f"{request.repo.full_name}/environments/{one.name}"
    limited = one.protected or one.custom
    gates: list[dict[str, Any]] = []
    if one.wait:
        gates.append({"id": one.id + 1, "node_id": f"GA_{one.id + 1}", "type": "wait_timer", "wait_timer": one.wait})
    if one.reviewers:
        people = [{"type": "User", "reviewer": simple_user(request.hub, who)} for who in one.reviewers]
        named = {"id": one.id + 2, "node_id": f"GA_{one.id + 2}", "type": "required_reviewers"}
        gates.append({**named, "prevent_self_review": False, "reviewers": people})
    if limited:
        gates.append({"id": one.id, "node_id": f"GA_{one.id}", "type": "branch_policy"})
    policy = {"protected_branches": one.protected, "custom_branch_policies": one.custom}
    return {
        "id": one.id, "node_id": f"EN_{one.id}", "name": one.name, "url": f"{request.hub.url}/repos/{where}",
        "html_url": f"{request.hub.server_url}/{request.repo.full_name}/deployments/activity_log?environments_filter={one.name}",
        "created_at": stamp(one.created_at), "updated_at": stamp(one.created_at), "protection_rules": gates,
        "deployment_branch_policy": policy if limited else None,
    }  # fmt: skip


@route("GET", _BASE, permission=_READ)
def listing(request: Request) -> Reply:
    """https://docs.github.com/en/rest/deployments/environments#list-environments."""
    return paged(request, of(request.repo).values(), lambda one: _body(request, one), key="environments")


@route("GET", _ONE, permission=_READ)
def one(request: Request) -> Reply:
    """https://docs.github.com/en/rest/deployments/environments#get-an-environment."""
    return ok(_body(request, _one(request)))


@route("PUT", _ONE, permission=_WRITE)
def put(request: Request) -> Reply:
    """Made where there is none. What the body leaves out is reset; both kinds of branch rules at once are refused (422)."""
    name = request.params["name"]
    every = of(request.repo)
    found = every.setdefault(name.lower(), Environment(request.hub.next_id(), name, request.hub.now()))
    policy = request.value("deployment_branch_policy", dict, default={})
    protected, custom = policy.get("protected_branches", False), policy.get("custom_branch_policies", False)
    if policy and protected == custom:
        raise invalid("Validation Failed")
    found.protected, found.custom = protected, custom
    found.wait = request.value("wait_timer", int, default=0)
    found.reviewers = [request.hub.accounts[row["id"]] for row in request.value("reviewers", list, default=[]) or ()]
    if not custom:
        found.policies.clear()
    return ok(_body(request, found))


def _policy(request: Request, number: int, name: str, kind: str) -> dict[str, Any]:
    return {"id": number, "node_id": f"DBP_{number}", "name": name, "type": kind}


@route("GET", _POLICIES, permission=_READ)
def policies(request: Request) -> Reply:
    """https://docs.github.com/en/rest/deployments/branch-policies#list-deployment-branch-policies."""
    found = _one(request)
    rows = [(number, *pair) for number, pair in found.policies.items()]
    return paged(request, rows, lambda row: _policy(request, *row), key="branch_policies")


@route("POST", _POLICIES, permission=_WRITE)
def add_policy(request: Request) -> Reply:
    """Only where the environment takes such rules (404); one that is there is answered with 303."""
    found = _one(request)
    name, kind = request.value("name", required=True), request.value("type", default="branch")
    if not found.custom:
        raise not_found()
    if (name, kind) in found.policies.values():
        return Reply(303)
    number = request.hub.next_id()
    found.policies[number] = (name, kind)
    return ok(_policy(request, number, name, kind))


@route("DELETE", f"{_POLICIES}/{{policy}}", permission=_WRITE)
def drop_policy(request: Request) -> Reply:
    """https://docs.github.com/en/rest/deployments/branch-policies#delete-a-deployment-branch-policy."""
    if _one(request).policies.pop(request.integer("policy"), None) is None:
        raise not_found()
    return nothing()


@route("GET", f"{_ONE}/secrets", permission="environments:read", role="write")
def secrets(request: Request) -> Reply:
    """Names only: https://docs.github.com/en/rest/actions/secrets#list-environment-secrets."""
    return _secrets(request, _one(request).secrets)


@route("GET", "/repos/{owner}/{repo}/actions/secrets", permission="secrets:read", role="write")
def repository_secrets(request: Request) -> Reply:
    """Names only, as tests put them into ``repo.extras["secrets"]``."""
    return _secrets(request, request.repo.extras.get("secrets", []))


def _secrets(request: Request, names: list[str]) -> Reply:
    at = stamp(request.hub.now())
    return paged(request, names, lambda name: {"name": name, "created_at": at, "updated_at": at}, key="secrets")
