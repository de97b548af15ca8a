"""Rulesets and classic branch protection: https://docs.github.com/en/rest/repos/rules."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from github_double import bodies, gitio, rules
from github_double.auth import grants
from github_double.registry import Refusal, Reply, Request, created, invalid, not_found, nothing, ok, paged, route
from github_double.state import Bypass, Org, Rule, Ruleset

_BASE = "/repos/{owner}/{repo}/rulesets"
_READ, _WRITE = "metadata:read", "administration:write"
_ACTORS = {"Integration", "OrganizationAdmin", "RepositoryRole", "Team", "DeployKey", "User"}
_MODES, _ENFORCEMENTS = {"always", "pull_request", "exempt"}, {"disabled", "active", "evaluate"}
_MOST = 75
_LATELY = timedelta(days=7)
ACTIONS = 15368


def _administers(request: Request) -> bool:
    return request.may("admin") and grants(request.token, _WRITE)


def _body(request: Request, one: Ruleset, *, whole: bool = True) -> dict[str, Any]:
    """Who bypasses is told to those who may change the ruleset, and to nobody else."""
    administers = _administers(request)
    lifted = {m for m in (False, True) if rules.bypasses(request.repo, request.token, one, merging=m)}
    own = "always" if False in lifted else "pull_requests_only" if lifted else "never"
    return bodies.ruleset(request.hub, request.repo, one, whole=whole, bypass=administers, own_bypass=own)


def _inherited(request: Request) -> list[Ruleset]:
    owner = request.repo.owner
    wanted = request.query.get("includes_parents", "true") == "true"
    return list(owner.rulesets) if wanted and isinstance(owner, Org) else []


def _ruleset(request: Request, *, own: bool = False) -> Ruleset:
    every = [*request.repo.rulesets, *([] if own else _inherited(request))]
    number = request.integer("ruleset")
    found = next((each for each in every if each.id == number), None)
    if found is None:
        raise not_found()
    return found


@route("GET", _BASE, permission=_READ)
def listing(request: Request) -> Reply:
    """Short forms, without rules, conditions or who bypasses."""
    every = [*request.repo.rulesets, *_inherited(request)]
    return paged(request, every, lambda each: _body(request, each, whole=False))


@route("GET", f"{_BASE}/{{ruleset}}", permission=_READ)
def one(request: Request) -> Reply:
    """https://docs.github.com/en/rest/repos/rules#get-a-repository-ruleset."""
    return ok(_body(request, _ruleset(request)))


def _bindable(request: Request, one: Ruleset, wanted: list[dict[str, Any]]) -> None:
    """Refuse (422) a required check of an App that may write no statuses here, or posted none of that name for a week.

    What the ruleset asks for already it may go on asking for.
    https://docs.github.com/en/repositories/configuring-branches-and-merges-in-your-repository/managing-rulesets/available-rules-for-rulesets#require-status-checks-to-pass-before-merging
    """
    repo, hub = request.repo, request.hub
    before = {(c.get("context"), c.get("integration_id")) for rule in one.rules for c in _asked(rule.parameters)}
    for check in [c for rule in wanted for c in _asked(rule.get("parameters") or {})]:
        name, number = check.get("context"), check.get("integration_id")
        if not number or number == -1 or (name, number) in before:
            continue
        app = hub.apps.get(number)
        may = number == ACTIONS or (
            app is not None and repo.full_name in app.repositories and grants_app(app.permissions, "statuses")
        )
        seen = [c.started_at for c in repo.checks.values() if (c.name, c.app.id) == (name, number) and c.started_at]
        if not may or not any(hub.now() - at <= _LATELY for at in seen):
            raise invalid(f"Invalid rule 'required_status_checks': integration {number} cannot be the source of {name}")


def _asked(parameters: dict[str, Any]) -> list[dict[str, Any]]:
    return list(parameters.get("required_status_checks") or [])


def grants_app(held: dict[str, str], name: str) -> bool:
    """Whether an App may write something."""
    return held.get(name) in {"write", "admin"}


def _fill(request: Request, one: Ruleset) -> None:
    if request.value("name") is not None:
        one.name = request.value("name")
    one.enforcement = request.value("enforcement", default=one.enforcement)
    one.target = request.value("target", default=one.target)
    if one.enforcement not in _ENFORCEMENTS:
        raise invalid("Enforcement is not included in the list")
    if (conditions := request.value("conditions", dict)) is not None:
        names = conditions.get("ref_name", {})
        one.include, one.exclude = list(names.get("include", [])), list(names.get("exclude", []))
    if (wanted := request.value("rules", list)) is not None:
        _bindable(request, one, wanted)
        one.rules = [Rule(each["type"], dict(each.get("parameters") or {})) for each in wanted]
    if (actors := request.value("bypass_actors", list)) is not None:
        one.bypass = [_actor(each) for each in actors]
    one.updated_at = request.hub.now()


def _actor(given: dict[str, Any]) -> Bypass:
    kind, mode = given.get("actor_type", ""), given.get("bypass_mode", "always")
    if (
        kind not in _ACTORS
        or mode not in _MODES
        or (kind in _ACTORS - {"OrganizationAdmin", "DeployKey"} and not given.get("actor_id"))
    ):
        raise invalid("Bypass actors is invalid")
    return Bypass(kind, given.get("actor_id"), mode)


@route("POST", _BASE, permission=_WRITE)
def create(request: Request) -> Reply:
    """Refuses (422) a name that is taken, and more than 75."""
    repo, hub = request.repo, request.hub
    name = request.value("name", required=True)
    request.value("enforcement", required=True)
    if any(each.name == name for each in repo.rulesets):
        raise invalid("Name must be unique")
    if len(repo.rulesets) >= _MOST:
        raise invalid("Repository has reached the limit of 75 rulesets")
    made = Ruleset(hub.next_id(), name, include=[], source=repo.full_name, created_at=hub.now())
    _fill(request, made)
    repo.rulesets.append(made)
    return created(_body(request, made))


@route("PUT", f"{_BASE}/{{ruleset}}", permission=_WRITE)
def change(request: Request) -> Reply:
    """What the body leaves out stays. Refuses (404) an organisation's."""
    found = _ruleset(request, own=True)
    _fill(request, found)
    return ok(_body(request, found))


@route("DELETE", f"{_BASE}/{{ruleset}}", permission=_WRITE)
def delete(request: Request) -> Reply:
    """https://docs.github.com/en/rest/repos/rules#delete-a-repository-ruleset."""
    request.repo.rulesets.remove(_ruleset(request, own=True))
    return nothing()


@route("GET", "/repos/{owner}/{repo}/rules/branches/{branch*}", permission=_READ)
def of_branch(request: Request) -> Reply:
    """The rules of active rulesets that stand for a branch, there or not; classic protection is not among them."""
    found = [(s, rule) for s, rule in rules.active(request.repo, request.params["branch"]) if s.id]

    def shape(pair: tuple[Ruleset, Rule]) -> dict[str, Any]:
        whose, rule = pair
        more = {"parameters": rule.parameters} if rule.parameters else {}
        source = {"ruleset_source_type": whose.source_type, "ruleset_source": whose.source, "ruleset_id": whose.id}
        return {"type": rule.type, **more, **source}

    return paged(request, found, shape)


_PROTECTION = "/repos/{owner}/{repo}/branches/{branch*}/protection"
_ON_OFF = (
    "required_linear_history", "allow_force_pushes", "allow_deletions", "block_creations",
    "required_conversation_resolution", "lock_branch", "allow_fork_syncing",
)  # fmt: skip


@route("GET", _PROTECTION, permission="administration:read", role="admin")
def protection(request: Request) -> Reply:
    """Only for administrators: https://docs.github.com/en/rest/branches/branch-protection#get-branch-protection."""
    held = request.repo.protections.get(_branch(request))
    if held is None:
        raise Refusal(404, "Branch not protected")
    return ok(_protection(request, held))


def _branch(request: Request) -> str:
    name = request.params["branch"]
    if gitio.resolve(request.repo.path, f"refs/heads/{name}") is None:
        raise Refusal(404, "Branch not found")
    return name


def _protection(request: Request, held: dict[str, Any]) -> dict[str, Any]:
    url = f"{request.hub.url}{request.path}"
    admins = {"url": f"{url}/enforce_admins", "enabled": bool(held.get("enforce_admins"))}
    body: dict[str, Any] = {"url": url, "enforce_admins": admins}
    body |= {name: {"enabled": bool(held.get(name))} for name in _ON_OFF}
    body["required_signatures"] = {"url": f"{url}/required_signatures", "enabled": False}
    if checks := held.get("required_status_checks"):
        named = checks.get("checks") or [{"context": c, "app_id": None} for c in checks.get("contexts", [])]
        body["required_status_checks"] = {
            "url": f"{url}/required_status_checks", "strict": checks.get("strict", False),
            "contexts": [c["context"] for c in named], "contexts_url": f"{url}/required_status_checks/contexts",
            "checks": [{"context": c["context"], "app_id": c.get("app_id")} for c in named],
        }  # fmt: skip
    if reviews := held.get("required_pull_request_reviews"):
        body["required_pull_request_reviews"] = {
            "url": f"{url}/required_pull_request_reviews",
            "dismiss_stale_reviews": reviews.get("dismiss_stale_reviews", False),
            "require_code_owner_reviews": reviews.get("require_code_owner_reviews", False),
            "required_approving_review_count": reviews.get("required_approving_review_count", 1),
            "require_last_push_approval": reviews.get("require_last_push_approval", False),
        }  # fmt: skip
    return body


@route("PUT", _PROTECTION, permission="administration:write", role="admin")
def protect(request: Request) -> Reply:
    """All four of checks, administrators, reviews and restrictions must be said, null for none."""
    branch = _branch(request)
    asked = ("required_status_checks", "enforce_admins", "required_pull_request_reviews", "restrictions")
    body = request.body if isinstance(request.body, dict) else {}
    if missing := [name for name in asked if name not in body]:
        raise invalid(f'Invalid request.\n\n"{missing[0]}" wasn\'t supplied.')
    request.repo.protections[branch] = dict(body)
    return ok(_protection(request, request.repo.protections[branch]))


@route("DELETE", _PROTECTION, permission="administration:write", role="admin")
def unprotect(request: Request) -> Reply:
    """https://docs.github.com/en/rest/branches/branch-protection#delete-branch-protection."""
    if request.repo.protections.pop(_branch(request), None) is None:
        raise Refusal(404, "Branch not protected")
    return nothing()
