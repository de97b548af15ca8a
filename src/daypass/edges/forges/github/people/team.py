"""Who is in a team at GitHub, as a source of people."""

from __future__ import annotations

from urllib.parse import quote

from daypass.core.errors import EdgeError
from daypass.core.people.source import MOST, SourcePerson
from daypass.edges.forges.github.answers import Fields
from daypass.edges.forges.github.api import Api


def people_of_team(api: Api, name: str) -> tuple[SourcePerson, ...]:
    """Return the members of a team, those of teams below it too. A list that is cut is none.

    https://docs.github.com/en/rest/teams/members#list-team-members
    """
    organisation, _, slug = name.partition("/")
    place = f"/orgs/{quote(organisation)}/teams/{quote(slug)}"
    count = Fields(f"team {name}", api.get(place)).number("members_count")
    listed = api.pages(f"{place}/members", limit=MOST)
    people = [Fields(f"a member of {name}", row) for row in listed]
    found = tuple(
        SourcePerson(str(one.number("id")), one.text("login"), login=one.text("login"), forge_id=one.number("id"))
        for one in people
        if one.text("type") == "User"
    )
    if len(listed) < count:
        message = f"GitHub lists {len(listed)} members of {name} and counts {count}"
        raise EdgeError(message, hint="somebody left meanwhile, or the list is cut: run it again")
    return found
