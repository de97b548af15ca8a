"""Whom GitHub is asked to request a review of: teams where there are any, nobody twice, and nobody who has answered.

GitHub requests the code owners of what is changed by itself when a request is opened, marked as ready or pushed to
(https://docs.github.com/en/repositories/managing-your-repositorys-settings-and-features/customizing-your-repository/about-code-owners),
and takes a team off again once somebody of it has reviewed. So what stands on the request is not all that was asked: where
there is somebody to ask after the first time, the request's events tell who was asked before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from daypass.edges.forges.github.answers import ApiError

if TYPE_CHECKING:
    from daypass.core.catalogue import Directory, Subject
    from daypass.core.request import Notice
    from daypass.edges.forges.github.api import Api

_UNFIT = 422
_MOST = 1000
"""Events of a request that are read at most; what was asked before more than these is asked again."""


class Reviewers:
    """Those who are asked for review of one request; ``first``: nothing was told of it before."""

    def __init__(self, api: Api, directory: Directory, pull: dict[str, Any], notice: Notice, *, first: bool) -> None:
        self._api = api
        self._directory = directory
        self._root = f"/repos/{api.repository}"
        self._pull = pull
        self._teams: Mapping[str, tuple[str, ...]] = dict(notice.teams)
        self._answered = frozenset(notice.reviewed)
        self._users: list[dict[str, Any] | None] = [pull["user"], *pull["requested_reviewers"]]
        self._slugs = {str(team["slug"]).lower() for team in pull["requested_teams"]}
        self._first = first

    def complete(self, people: Sequence[str]) -> bool:
        """Say whether all of some people are asked, or need not be, by what the request itself shows."""
        return not any(self._wanted(people))

    def ask(self, people: Sequence[str]) -> list[str]:
        """Ask teams for those of some people who are in one, and the others; return whom GitHub would not ask.

        https://docs.github.com/en/rest/pulls/review-requests: one that has no access has the whole request refused.
        """
        teams, alone = self._wanted(people)
        if (teams or alone) and not self._first:
            self._remember()
            teams, alone = self._wanted(people)
        if not teams and not alone:
            return []
        logins = [subject.login for subject in alone]
        if self._accepted(logins, teams):
            return []
        return self._one_by_one(people, teams, logins)

    def _wanted(self, people: Sequence[str]) -> tuple[list[str], list[Subject]]:
        """Return the teams and the people that are to be asked, who are not asked yet and have said nothing yet."""
        owner = self._api.repository.partition("/")[0].lower()
        covered: set[str] = set()
        teams: list[str] = []
        for team, members in self._teams.items():
            organisation, _, slug = team.lower().partition("/")
            mine = [one for one in people if one in members]
            if organisation != owner or not mine:
                continue
            covered |= set(mine)
            if slug not in self._slugs and self._answered.isdisjoint(members):
                teams.append(slug)
        alone = [one for one in people if one not in covered and one not in self._answered]
        return teams, self._known(alone)

    def _known(self, people: Iterable[str]) -> list[Subject]:
        subjects = (self._directory.subjects.get(handle) for handle in people)
        return [one for one in subjects if one is not None and one.login and not _among(one, self._users)]

    def _one_by_one(self, people: Sequence[str], teams: Sequence[str], logins: Sequence[str]) -> list[str]:
        """Ask each by itself; the people of a team that GitHub does not ask are asked in its place."""
        only = len(teams) + len(logins) == 1  # GitHub has just refused it
        refused = [slug for slug in teams if only or not self._accepted([], [slug])]
        members = [self._teams[team] for team in self._teams if team.lower().partition("/")[2] in refused]
        instead = self._known(one for one in people if any(one in each for each in members))
        left = [f"review request to team {slug}" for slug in refused if not instead]
        left += [f"review request to {login}" for login in logins if only or not self._accepted([login], [])]
        others = [one.login for one in instead if one.login not in logins]
        return left + [f"review request to {login}" for login in others if not self._accepted([login], [])]

    def _accepted(self, logins: Sequence[str], teams: Sequence[str]) -> bool:
        path = f"{self._root}/pulls/{self._pull['number']}/requested_reviewers"
        sent = ({"reviewers": list(logins)} if logins else {}) | ({"team_reviewers": list(teams)} if teams else {})
        try:
            self._api.send("POST", path, sent)
        except ApiError as error:
            if error.status != _UNFIT:
                raise
            return False
        asked = (one for one in self._directory.subjects.values() if one.login in logins)
        self._users += [{"id": one.forge_id, "login": one.login} for one in asked]
        self._slugs |= set(teams)
        return True

    def _remember(self) -> None:
        """Note who was asked before, whatever became of that: https://docs.github.com/en/rest/issues/events."""
        self._first = True
        events = self._api.pages(f"{self._root}/issues/{self._pull['number']}/events", limit=_MOST)
        for event in events:
            if event["event"] == "review_requested":
                self._users.append(event.get("requested_reviewer"))
                team = event.get("requested_team")
                self._slugs |= {str(team["slug"]).lower()} if team else set()


def _among(subject: Subject, users: Sequence[dict[str, Any] | None]) -> bool:
    """Say whether somebody is among some accounts: by id where the directory has it, else by login."""
    if subject.forge_id is not None:
        return any(user is not None and user.get("id") == subject.forge_id for user in users)
    return any(user is not None and str(user.get("login", "")).lower() == subject.login.lower() for user in users)
