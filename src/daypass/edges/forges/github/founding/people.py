"""The teams that own something, and the directory: who is in the one is in the other, by number."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from daypass.core.errors import EdgeError
from daypass.core.files.codeowners import team_of
from daypass.core.files.document import POLICY_LIMIT, read
from daypass.edges.forges.beginnings import PEOPLE, TESTS, cases_again, people_text
from daypass.edges.forges.github.answers import Fields
from daypass.edges.forges.github.doctor.people import groups_wanted
from daypass.edges.forges.github.founding.ground import GroundStep

_HEADER = re.compile(r"# yaml-language-server: .*|# Who there is\. .*")


class PeopleStep(GroundStep):
    """Have each group that owns something be a team, and the directory know who is in it."""

    name = "people"
    codes = ("teams", "team-missing", "team-cannot-write", "team-secret", "team-differs", "person-without-id")

    def look(self) -> str:
        """Return that teams and directory agree."""
        ground = self._ground
        if ground.repository_there() is None or ground.complaints(self.codes):
            return ""
        return "teams and directory agree"

    def _teams(self) -> dict[str, str]:
        """Return the slug of each group that owns something, of this organisation."""
        ground, catalogue = self._ground, self._ground.policy.catalogue
        named = {group: team_of(catalogue, group).lower().partition("/") for group in groups_wanted(catalogue)}
        return {group: slug for group, (owner, _, slug) in named.items() if owner == ground.owner.lower()}

    def say(self) -> list[str]:
        """Tell which teams, and what is written into the directory."""
        ground = self._ground
        named = ", ".join(f"{ground.owner}/{slug}" for slug in self._teams().values()) if ground.organisation else ""
        lines = (
            [f"make the team of each owner ({named}) where there is none, let it write to {ground.repository}"]
            if named
            else []
        )
        return [*lines, f"write you and who is in them into {PEOPLE}, by number (committed here)"]

    def do(self) -> str:
        """Make the teams, then write the directory that `init` wrote; anybody else's is for its owner to change."""
        ground = self._ground
        ground.follow()
        teams = {group: self._members(slug) for group, slug in self._teams().items()} if ground.organisation else {}
        files = self._directory(teams)
        if files:
            ground.commit("Name who is in the teams", files)
        ground.changed()
        said = self.look()
        if said:
            return said
        ground.talk.tell(
            "still to do: "
            + "; ".join(one.message for one in ground.complaints(self.codes))
            + f" (mend it in {PEOPLE}, or at GitHub)"
        )
        return "what could be written"

    def _members(self, slug: str) -> list[Fields]:
        """Have a team that may write, and return who is in it.

        https://docs.github.com/en/rest/teams/teams#create-a-team
        """
        ground = self._ground
        path = f"/orgs/{ground.owner}/teams"
        found = ground.api.find(f"{path}/{quote(slug)}")
        if found is None:
            ground.send("POST", path, {"name": slug, "privacy": "closed", "description": "Approves access by daypass"})
        elif Fields("a team", found).text("privacy") == "secret":
            ground.send("PATCH", f"{path}/{quote(slug)}", {"privacy": "closed"})
        ground.send("PUT", f"{path}/{quote(slug)}{ground.root}", {"permission": "push"})
        return [Fields("a member of a team", row) for row in ground.api.pages(f"{path}/{quote(slug)}/members")]

    def _directory(self, teams: Mapping[str, list[Fields]]) -> dict[str, str | None]:
        """Return the files to write, none where people have changed the directory."""
        ground = self._ground
        text = (ground.place.top / PEOPLE).read_text(encoding="utf-8") if (ground.place.top / PEOPLE).is_file() else ""
        document = read(PEOPLE, text.encode(), limit=POLICY_LIMIT)
        comments = [line for line in text.splitlines() if line.lstrip().startswith("#") and not _HEADER.fullmatch(line)]
        if isinstance(document, tuple) or comments or set(document.value) - {"version", "people", "groups"}:
            return {}
        people = {handle: _person(person) for handle, person in document.value.get("people", {}).items()}
        groups = {name: list(group.get("members", [])) for name, group in document.value.get("groups", {}).items()}
        self._name_me(people)
        for group, members in teams.items():
            handles = [self._handle(people, member) for member in members]
            mine = [handle for handle in groups.get(group, []) if handle not in handles]
            self._join(teams, group, [people[handle] for handle in mine])
            groups[group] = [*handles, *mine]
        written = people_text(people, groups)
        files: dict[str, str | None] = {PEOPLE: written} if written != text else {}
        return files | self._tests(groups)

    def _name_me(self, people: dict[str, dict[str, Any]]) -> None:
        """Give whoever sets this up their number, where the directory has one person without."""
        me = Fields("you", self._ground.api.get("/user"))
        unknown = [person for person in people.values() if "id" not in person.get("forge", {})]
        known = any(person.get("forge", {}).get("id") == me.number("id") for person in people.values())
        if len(unknown) == 1 and not known:
            unknown[0]["forge"] = {"login": me.text("login"), "id": me.number("id")}

    def _handle(self, people: dict[str, dict[str, Any]], member: Fields) -> str:
        number, login = member.number("id"), member.text("login")
        for handle, person in people.items():
            if person.get("forge", {}).get("id") == number:
                return handle
        handle = re.sub(r"[^a-z0-9]+", "-", login.lower()).strip("-")[:40]
        if handle in people:
            raise EdgeError(
                f"the directory has another {handle} than the account {login}", hint=f"name them in {PEOPLE}"
            )
        name = self._ground.api.get(f"/users/{quote(login)}").get("name")
        people[handle] = {"name": name or login, "forge": {"login": login, "id": number}}
        return handle

    def _join(self, teams: Mapping[str, list[Fields]], group: str, people: list[dict[str, Any]]) -> None:
        """Have people of the group in its team: https://docs.github.com/en/rest/teams/members."""
        ground, slug = self._ground, self._teams()[group]
        there = {member.number("id") for member in teams[group]}
        for person in people:
            forge = person.get("forge", {})
            if "id" in forge and forge["id"] not in there:
                path = f"/orgs/{ground.owner}/teams/{quote(slug)}/memberships/{quote(forge['login'])}"
                ground.send("PUT", path, {"role": "member"})

    def _tests(self, groups: Mapping[str, list[str]]) -> dict[str, str | None]:
        """Return the tests that `init` wrote, by who is known now."""
        place = self._ground.place.top / TESTS
        text = place.read_text(encoding="utf-8") if place.is_file() else ""
        for members in groups.values():
            for subject in members:
                again = cases_again(text, subject, alone=len(members) == 1)
                if again is not None:
                    return {TESTS: again} if again != text else {}
        return {}


def _person(read_of: Mapping[str, Any]) -> dict[str, Any]:
    """Return somebody of a directory as written, with the number of their account as one."""
    found = dict(read_of)
    if "id" in found.get("forge", {}):
        found["forge"] = {**found["forge"], "id": int(found["forge"]["id"])}
    return found
