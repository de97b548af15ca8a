"""How an organisation at GitHub is found: how our credential stands there, and ways in beside what roles give.

Told is who the credential is, what it lacks, what it could do beyond what is asked of it, and what it can read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from daypass.core.finding import shown
from daypass.core.planning.drift import Health, Inspection, OtherAccess
from daypass.edges.forges.github.answers import ApiError, lacking, needless
from daypass.edges.forges.github.api import Api
from daypass.edges.targets.github.policy import REPOSITORY, ROLE, TEAM, GitHubPlace

NEEDS: Mapping[str, Mapping[str, str]] = {
    TEAM: {"members": "write"},
    REPOSITORY: {"administration": "write"},
    ROLE: {"members": "write", "organization_custom_org_roles": "read"},
}
"""What each kind of place asks of an App, by GitHub's own names of permissions.

https://docs.github.com/en/rest/authentication/permissions-required-for-github-apps
"""

_NAMES = {TEAM: "teams", REPOSITORY: "repositories", ROLE: "organisation roles"}


def health(api: Api, organisation: str, places: Collection[GitHubPlace]) -> Health:
    """Ask GitHub who we are, with one request as an App and two with a person's token. Raises EdgeError."""
    counts = [f"{sum(place.kind == kind for place in places)} {name}" for kind, name in _NAMES.items()]
    facts = [f"roles of the catalogue name {', '.join(counts)} of the organisation {organisation}"]
    if api.kind == "app":
        who, concerns = _app(api.own_installation(), places)
    else:
        who, concerns = _person(api, organisation)
    return Health((who, *facts), tuple(concerns), api.clock)


def _app(installed: Any, places: Collection[GitHubPlace]) -> tuple[str, list[str]]:
    data = installed if isinstance(installed, dict) else {}
    held, slug = data.get("permissions"), data.get("app_slug")
    if not isinstance(held, dict) or not isinstance(slug, str):
        raise ApiError("expected an installation with its permissions from GitHub, got something else")
    told = ", ".join(f"{name}: {level}" for name, level in sorted(held.items()))
    concerns = []
    if data.get("suspended_at") is not None:
        concerns.append("the installation is suspended: nothing can be changed, and nothing taken away")
    wanted = {"metadata": "read"}
    for place in places:
        wanted |= NEEDS[place.kind]  # no two kinds ask for one permission at different levels
    levels = {str(name): str(level) for name, level in held.items()}
    concerns += [f"the App lacks the permission {one}" for one in sorted(lacking(levels, wanted))]
    concerns += [f"the App may do more than it needs here: {shown(one)}" for one in sorted(needless(levels, wanted))]
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


MOST = 1000
"""An organisation with more owners than this is not judged."""


def inspect(api: Api, organisation: str, places: Iterable[GitHubPlace], expected: Collection[str]) -> Inspection:
    """Look for owners, and at what every member may do. ``expected`` are accounts' numbers that the settings know.

    What GitHub does not show this credential is told as not seen; a list that is only half there is an error.
    """
    named = ", ".join(str(place) for place in sorted(places)) or "nothing"
    looked = [f"members, collaborators and invitations of what the catalogue names: {named}"]
    unseen = []
    others: list[OtherAccess] = []
    try:
        owners = api.pages(f"/orgs/{organisation}/members", role="admin", limit=MOST)
    except ApiError as error:
        unseen.append(f"the owners of {organisation}, who reach all of it: {error.message}")
    else:
        looked.append(f"the owners of {organisation}, who reach all of it")
        others += [_owner(one, organisation) for one in owners if str(one.get("id")) not in expected]
    base = _base(api, organisation)
    if base:
        looked.append(f"what every member of {organisation} may do in its repositories: {base}")
        if base not in ("none", "read"):  # to read is what GitHub gives members where nobody chose
            others.append(OtherAccess("every member", f"may {base} every repository of {organisation}"))
    else:
        unseen.append(f"what every member of {organisation} may do in its repositories")
    looked += [f"left out, as the settings expect them: {', '.join(sorted(expected))}"] if expected else []
    unseen += [
        "teams and repositories that the catalogue does not name, and what else the people seen were given",
        "deploy keys, Apps, tokens, secrets and workflows, which act without being a member",
    ]
    return Inspection(tuple(looked), tuple(unseen), tuple(others))


def _owner(one: Any, organisation: str) -> OtherAccess:
    return OtherAccess(str(one.get("id")), f"({shown(str(one.get('login')))}) is an owner of {organisation}")


def _base(api: Api, organisation: str) -> str:
    """Return the base permission of members, "" where GitHub does not show it: it is for those who may read it.

    https://docs.github.com/en/rest/orgs/orgs#get-an-organization
    """
    try:
        data = api.get(f"/orgs/{organisation}")
    except ApiError:
        return ""
    found = data.get("default_repository_permission") if isinstance(data, dict) else None
    return shown(found) if isinstance(found, str) else ""
