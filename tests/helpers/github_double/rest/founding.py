"""What a new repository begins with: itself, an App by its manifest, teams, and what only Actions read."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, SealedBox

from github_double import bodies
from github_double.registry import Refusal, Reply, Request, created, invalid, not_found, nothing, ok, paged, route
from github_double.rest.environments import Environment, of
from github_double.shapes import full_repository, stamp
from github_double.state import App, Org, Repo, Team

_REPO = "/repos/{owner}/{repo}"
_SECRETS = f"{_REPO}/environments/{{name}}/secrets"
_VARIABLES = f"{_REPO}/actions/variables"


def _owned(request: Request, *, admin: bool = False) -> Org:
    """The organisation of a path, for its members, or for its owners alone (others: 403, strangers: 404)."""
    found = request.hub.account(request.params["org"])
    if not isinstance(found, Org) or request.actor.id not in found.members:
        raise not_found()
    if admin and found.members[request.actor.id] != "admin":
        raise Refusal(403, "You must be an organization owner or have appropriate permissions to do this.")
    return found


# The repository


@route("POST", "/orgs/{org}/repos", permission="administration:write")
def create_in_org(request: Request) -> Reply:
    """https://docs.github.com/en/rest/repos/repos#create-an-organization-repository."""
    org = _owned(request)
    if org.members[request.actor.id] != "admin" and not org.members_create:
        raise Refusal(403, "You need admin access to the organization before adding a repository to it.")
    made = _create(request, org.login)
    made.collaborate(request.actor, "admin")
    return created(full_repository(request.hub, made, request.token))


@route("POST", "/user/repos", permission="administration:write")
def create_own(request: Request) -> Reply:
    """https://docs.github.com/en/rest/repos/repos#create-a-repository-for-the-authenticated-user."""
    return created(full_repository(request.hub, _create(request, request.actor.login), request.token))


def _create(request: Request, owner: str) -> Repo:
    name = request.value("name", required=True)
    if request.hub.find(f"{owner}/{name}") is not None:
        taken = {
            "resource": "Repository",
            "code": "custom",
            "field": "name",
            "message": "name already exists on this account",
        }
        raise invalid("Repository creation failed.", taken)
    made = request.hub.repository(f"{owner}/{name}", private=request.value("private", bool, default=False))
    for each, method in (("squash_merge", "squash"), ("merge_commit", "merge"), ("rebase_merge", "rebase")):
        if request.value(f"allow_{each}", bool, default=True) is False:
            made.methods.discard(method)
    return made


# Apps by their manifests


@route("POST", "/app-manifests/{code}/conversions", auth="anyone")
def convert(request: Request) -> Reply:
    """A code is good once, for an hour: https://docs.github.com/en/rest/apps/apps#create-a-github-app-from-a-manifest."""
    codes: dict[str, tuple[App, Any]] = request.hub.extras.setdefault("manifest_codes", {})
    found = codes.pop(request.params["code"], None)
    if found is None or request.hub.now() - found[1] > timedelta(hours=1):
        raise not_found()
    app = found[0]
    told = {"client_secret": "0" * 40, "webhook_secret": "1" * 40, "pem": app.private_key}
    return created({**bodies.app(request.hub, app), "client_id": app.client_id, **told})


@route("GET", "/orgs/{org}/installations", permission="organization_administration:read")
def installations(request: Request) -> Reply:
    """For the organisation's owners: https://docs.github.com/en/rest/orgs/orgs#list-app-installations-for-an-organization."""
    org = _owned(request, admin=True)
    found = [app for app in request.hub.apps.values() if app.owner is org and not app.uninstalled]
    return paged(request, found, lambda app: bodies.installation(request.hub, app), key="installations")


# Teams


@route("POST", "/orgs/{org}/teams", permission="members:write")
def create_team(request: Request) -> Reply:
    """Who makes a team is in it: https://docs.github.com/en/rest/teams/teams#create-a-team."""
    org = _owned(request)
    name = request.value("name", required=True)
    slug = name.lower().replace(" ", "-")
    if slug in org.teams:
        raise invalid("Validation Failed", {"resource": "Team", "code": "already_exists", "field": "name"})
    made = Team(request.hub.next_id(), slug, org, {request.actor.id: "maintainer"})
    made.privacy = request.value("privacy", default="secret")
    org.teams[slug] = made
    return created(bodies.team_full(request.hub, made))


# Secrets of an environment, sealed to its key, and variables


def _environment(request: Request) -> Environment:
    found = of(request.repo).get(request.params["name"].lower())
    if found is None:
        raise not_found()
    return found


def _key(repo: Repo) -> PrivateKey:
    key: PrivateKey = repo.extras.setdefault("secrets_key", PrivateKey.generate())
    return key


@route("GET", f"{_SECRETS}/public-key", permission="environments:read", role="write")
def public_key(request: Request) -> Reply:
    """https://docs.github.com/en/rest/actions/secrets#get-an-environment-public-key."""
    _environment(request)
    raw = bytes(_key(request.repo).public_key)
    return ok({"key_id": str(request.repo.id), "key": base64.b64encode(raw).decode("ascii")})


@route("PUT", f"{_SECRETS}/{{secret}}", permission="environments:write", role="write")
def put_secret(request: Request) -> Reply:
    """Refuses (422) what is not sealed to the key that is named.

    https://docs.github.com/en/rest/actions/secrets#create-or-update-an-environment-secret
    """
    held = _environment(request)
    sealed, named = request.value("encrypted_value", required=True), request.value("key_id", required=True)
    if named != str(request.repo.id):
        raise invalid("Validation Failed")
    try:
        text = SealedBox(_key(request.repo)).decrypt(base64.b64decode(sealed, validate=True)).decode()
    except (ValueError, CryptoError) as error:
        raise invalid("Validation Failed") from error
    name = request.params["secret"].upper()
    new = name not in held.secrets
    if new:
        held.secrets.append(name)
    held.values[name] = text
    return Reply(201, {}) if new else nothing()


def _held(request: Request) -> dict[str, str]:
    found: dict[str, str] = request.repo.extras.setdefault("variables", {})
    return found


def _variable(request: Request, name: str) -> dict[str, Any]:
    at = stamp(request.hub.now())
    return {"name": name, "value": _held(request)[name], "created_at": at, "updated_at": at}


@route("GET", _VARIABLES, permission="actions_variables:read", role="write")
def variables(request: Request) -> Reply:
    """https://docs.github.com/en/rest/actions/variables#list-repository-variables."""
    return paged(request, list(_held(request)), lambda name: _variable(request, name), key="variables")


@route("POST", _VARIABLES, permission="actions_variables:write", role="write")
def add_variable(request: Request) -> Reply:
    """Refuses (409) one that is there: https://docs.github.com/en/rest/actions/variables#create-a-repository-variable."""
    name = request.value("name", required=True).upper()
    if name in _held(request):
        raise Refusal(409, "Already exists - Variable already exists")
    _held(request)[name] = request.value("value", required=True)
    return created({})


@route("PATCH", f"{_VARIABLES}/{{variable}}", permission="actions_variables:write", role="write")
def change_variable(request: Request) -> Reply:
    """https://docs.github.com/en/rest/actions/variables#update-a-repository-variable."""
    name = request.params["variable"].upper()
    if name not in _held(request):
        raise not_found()
    _held(request)[name] = request.value("value", default=_held(request)[name])
    return nothing()


_SELECTED = f"{_REPO}/actions/permissions/selected-actions"


def _selects(request: Request) -> dict[str, Any]:
    """Which actions are selected. Refuses (409) where not only selected ones may run."""
    if request.repo.extras.get("actions", {}).get("allowed_actions", "all") != "selected":
        raise Refusal(409, "Conflict")
    found: dict[str, Any] = request.repo.extras.setdefault("selected_actions", {})
    for name, value in {"github_owned_allowed": False, "verified_allowed": False, "patterns_allowed": []}.items():
        found.setdefault(name, value)
    return found


@route("GET", _SELECTED, permission="administration:read", role="admin")
def selected_actions(request: Request) -> Reply:
    """https://docs.github.com/en/rest/actions/permissions#get-allowed-actions-and-reusable-workflows-for-a-repository."""
    return ok(_selects(request))


@route("PUT", _SELECTED, permission="administration:write")
def select_actions(request: Request) -> Reply:
    """https://docs.github.com/en/rest/actions/permissions#set-allowed-actions-and-reusable-workflows-for-a-repository."""
    held = _selects(request)
    held["github_owned_allowed"] = request.value("github_owned_allowed", bool, default=False)
    held["verified_allowed"] = request.value("verified_allowed", bool, default=False)
    held["patterns_allowed"] = request.value("patterns_allowed", list, default=[])
    return nothing()
