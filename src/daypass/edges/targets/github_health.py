"""How our credential stands at GitHub: who it is, what it lacks, and what it could do beyond what is asked of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from daypass.edges.forges.github.api import Api, ApiError
from daypass.edges.shown import shown
from daypass.edges.targets.github_privilege import REPOSITORY, ROLE, TEAM, Place
from daypass.ports import Health

LEVELS = {"": 0, "read": 1, "write": 2, "admin": 3}

NEEDS: Mapping[str, Mapping[str, str]] = {
    TEAM: {"members": "write"},
    REPOSITORY: {"administration": "write"},
    ROLE: {"members": "write", "organization_custom_org_roles": "read"},
}
"""What each kind of place asks of an App, by GitHub's own names of permissions.

https://docs.github.com/en/rest/authentication/permissions-required-for-github-apps
"""

_NAMES = {TEAM: "teams", REPOSITORY: "repositories", ROLE: "organisation roles"}


def health(api: Api, organisation: str, places: Collection[Place]) -> Health:
    """Ask GitHub who we are, with one request as an App and two with a person's token. Raises EdgeError."""
    counts = [f"{sum(place.kind == kind for place in places)} {name}" for kind, name in _NAMES.items()]
    facts = [f"roles of the catalogue name {', '.join(counts)} of the organisation {organisation}"]
    if api.kind == "app":
        who, concerns = _app(api.own_installation(), places)
    else:
        who, concerns = _person(api, organisation)
    return Health((who, *facts), tuple(concerns), api.clock)


def needed(places: Collection[Place]) -> dict[str, str]:
    """Return the permissions that an App needs for some places."""
    found = {"metadata": "read"}
    for place in places:
        for name, level in NEEDS[place.kind].items():
            found[name] = max(level, found.get(name, ""), key=LEVELS.__getitem__)
    return found


def _app(installed: Any, places: Collection[Place]) -> tuple[str, list[str]]:
    data = installed if isinstance(installed, dict) else {}
    held, slug = data.get("permissions"), data.get("app_slug")
    if not isinstance(held, dict) or not isinstance(slug, str):
        raise ApiError("expected an installation with its permissions from GitHub, got something else")
    told = ", ".join(f"{name}: {level}" for name, level in sorted(held.items()))
    concerns = []
    if data.get("suspended_at") is not None:
        concerns.append("the installation is suspended: nothing can be changed, and nothing taken away")
    wanted = needed(places)
    for name, level in sorted(wanted.items()):
        if LEVELS.get(str(held.get(name, "")), 0) < LEVELS[level]:
            concerns.append(f"the App lacks the permission {name}: {level}")
    for name, level in sorted(held.items()):
        if LEVELS.get(str(level), LEVELS["admin"]) > LEVELS[wanted.get(name, "")]:
            concerns.append(f"the App may do more than it needs here: {shown(str(name))}: {shown(str(level))}")
    return f"the App {shown(slug)} may do: {shown(told)}", concerns


def _person(api: Api, organisation: str) -> tuple[str, list[str]]:
    data = api.get("/user")
    login = data.get("login") if isinstance(data, dict) else None
    if not isinstance(login, str):
        raise ApiError("expected an account from GitHub, got something else")
    concerns = [
        f"this is {shown(login)}'s own token: it may do what that person allowed it, which GitHub does not tell"
    ]
    membership = api.get(f"/orgs/{organisation}/memberships/{login}")
    role = membership.get("role") if isinstance(membership, dict) else None
    if role != "admin":
        concerns.append(f"{shown(login)} is no owner of {organisation}: teams of others cannot be changed")
    return f"{shown(login)}, by a token", concerns
