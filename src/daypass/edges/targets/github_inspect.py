"""Ways into an organisation at GitHub beside what roles of the catalogue give: what its credential can read of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from daypass.core.drift import Inspection, OtherAccess
from daypass.edges.forges.github.api import Api, ApiError
from daypass.edges.shown import shown
from daypass.edges.targets.github_privilege import Place

MOST = 1000
"""An organisation with more owners than this is not judged."""


def inspect(api: Api, organisation: str, places: Iterable[Place], expected: Collection[str]) -> Inspection:
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
