"""The team that says who has left: main's settings name it, and the directory knows its people by its numbers."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote

from daypass.core.errors import EdgeError, UsageError
from daypass.core.files.document import POLICY_LIMIT, read
from daypass.core.files.settings import with_mapping
from daypass.core.people.matching import WrittenPerson
from daypass.core.people.writing import FOLDER, with_people
from daypass.core.policy.policies import SETTINGS
from daypass.edges.forges.github.founding.ground import Ground, GroundStep
from daypass.edges.forges.github.founding.protection import BOUND, UNTOLD
from daypass.edges.forges.github.people.team import people_of_team

_SAID = 20
"""So many people are said by name."""


class LeaversStep(GroundStep):
    """Have `people check` end the access of whoever is in a team no more, where whoever sets up names one."""

    name = "leavers"

    def __init__(self, ground: Ground) -> None:
        super().__init__(ground)
        self._named = ground.place.people_team

    def look(self) -> str:
        """Return what main's settings say. Raises UsageError for a team that they cannot name."""
        source, wanted = self._ground.policy.catalogue.settings.people, self._named
        organisation, _, slug = wanted.partition("/")
        if wanted and (not slug or "/" in slug or organisation.lower() != self._ground.owner.lower()):
            hint = f"write --people {self._ground.owner}/TEAM, a team that everybody is in who may have access"
            raise UsageError(f"{wanted!r} is no team of {self._ground.owner}", hint=hint)
        if source is not None and wanted and (source.kind, source.team.lower()) != ("forge", wanted.lower()):
            hint = "change people.source by a pull request, or leave --people out"
            raise UsageError(f"the settings of main name another source of people: {source.said}", hint=hint)
        if source is None and not wanted:
            return "nobody is asked who has left; `daypass setup --people ORG/TEAM` names the team that says so"
        return "" if source is None else f"{source.said} says who has left"

    def say(self) -> list[str]:
        """Tell what follows."""
        return [
            f"name the team {self._named} in main's settings: whoever is in it no more loses access within the hour",
            f"write its numbers for people into {FOLDER} (both committed here)",
        ]

    def do(self) -> str:
        """Name the team, and give its people the numbers that it has for them, as far as the directory knows them."""
        ground = self._ground
        ground.follow()
        there = ground.repository_there() is not None and ground.remote.heads("main").get("main")
        if there and not ground.complaints((*BOUND, UNTOLD)):
            hint = f"write people: {{source: {{kind: forge, team: {self._named}}}}} into {SETTINGS} by a pull request"
            raise EdgeError("main takes changes by pull requests alone by now", hint=hint)
        organisation, _, slug = self._named.partition("/")
        if ground.api.find(f"/orgs/{quote(organisation)}/teams/{quote(slug)}") is None:
            hint = "make it, with everybody in it who may have access, or name another; then run setup again"
            raise EdgeError(f"{organisation} has no team {slug}, or none that you are shown", hint=hint)
        numbers = {one.forge_id: one.number for one in people_of_team(ground.api, self._named)}
        people = [one for one in ground.policy.catalogue.directory.subjects.values() if one.is_person]
        known = [one for one in people if one.forge_id in numbers]
        free = set(numbers.values()) - {numbers[one.forge_id] for one in known}
        others = [one for one in people if one.forge_id not in numbers and one.source_id not in free]
        self._refuse_strangers([one.handle for one in others if one.source_id])
        told = [WrittenPerson(one.handle, "", {"source_id": numbers[one.forge_id]}) for one in known if one.forge_id]
        ground.commit("Name the team that says who has left", {SETTINGS: self._settings(), **self._directory(told)})
        if there:
            ground.remote.push("main", old=there, new=ground.tip("main"))
        ground.changed()
        if others:
            ground.talk.tell(
                f"still to do: of the directory, these are not in {self._named}, which will not say when they leave: "
                f"{_by_name(one.handle for one in others)}; add whoever may have access to it"
            )
        if len(known) < len(numbers):
            ground.talk.tell(
                f"still to do: {len(numbers) - len(known)} of {self._named} not in the directory yet: "
                "`daypass people import --open` brings them"
            )
        return self.look()

    def _refuse_strangers(self, handles: list[str]) -> None:
        """Raise EdgeError for people who came from another source: by this one they would have left, finally."""
        if handles:
            raise EdgeError(
                f"people of the directory have a source_id and are not in {self._named}, so they would be taken to have left: "
                f"{_by_name(handles)}",
                hint=f"add them to {self._named}, with forge.id in their entries, or take source_id out of these; then run "
                "setup again",
            )

    def _settings(self) -> str:
        text = (self._ground.place.top / SETTINGS).read_text(encoding="utf-8")
        changed = with_mapping(text, "people", {"source": {"kind": "forge", "team": self._named}})
        was, now = (read(SETTINGS, each.encode(), limit=POLICY_LIMIT) for each in (text, changed))
        wanted = {"people": {"source": {"kind": "forge", "team": self._named}}}
        if isinstance(was, tuple) or isinstance(now, tuple) or now.value != {**was.value, **wanted}:
            raise EdgeError(f"{SETTINGS} is written in a way that setup does not change", hint=f"write there: {wanted}")
        return changed

    def _directory(self, told: list[WrittenPerson]) -> dict[str, str | None]:
        top = self._ground.place.top
        listed = self._ground.place.git.text("ls-files", "-z", "--", FOLDER).split("\0")
        files = {path: (top / path).read_bytes() for path in listed if path.endswith(".yaml")}
        return {path: raw.decode("utf-8") for path, raw in with_people(files, (), told).items()}


def _by_name(handles: Iterable[str]) -> str:
    found = sorted(handles)
    more = f" and {len(found) - _SAID} more" if len(found) > _SAID else ""
    return ", ".join(found[:_SAID]) + more
