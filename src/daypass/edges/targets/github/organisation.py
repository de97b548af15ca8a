"""Teams, repositories and organisation roles at GitHub: who has a part in each, and how that is changed.

People are known by their accounts' numbers, which outlive renaming; a login is asked for at the moment it is needed.
Nothing that cannot be seen looks empty: what GitHub refuses to show is an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cached_property
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from msgspec import Struct, field

from daypass.core.errors import EdgeError
from daypass.core.finding import shown
from daypass.edges.forges.github.answers import ApiError
from daypass.edges.forges.github.api import Api
from daypass.edges.targets.github.policy import REPOSITORY, ROLE, TEAM, GitHubPlace

MOST = 50_000
"""A list of people longer than this is refused."""

INVITED = "invited, not accepted yet: it is no access until then"

_NOT_UNDER_THIS_NAME = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.MOVED_PERMANENTLY, HTTPStatus.PERMANENT_REDIRECT})
"""What GitHub answers where nothing is shown under a name: the last two where it has another one today.

https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api#follow-redirects
"""

_PERMISSIONS = {"read": "pull", "write": "push"}
"""A repository's roles as lists name them, where they are named otherwise when they are given."""
_KEPT_ELSEWHERE = re.compile(
    r"externally managed|external(?:ly)?[ -]group|identity provider|synchroni[sz]", re.IGNORECASE
)


class Offer(Struct, frozen=True):
    """An invitation that is not accepted yet. ``alone``: it was made by us, and for nothing but this place."""

    level: str
    number: int
    alone: bool = True


class Seen(Struct):
    """Who has a part in a place: account numbers to levels, and to invitations. ``closed``: why nobody can be added.

    ``logins`` are what the accounts were called then.
    """

    holders: dict[int, str] = field(default_factory=dict)
    logins: dict[int, str] = field(default_factory=dict)
    offers: dict[int, Offer] = field(default_factory=dict)
    closed: str = ""


class Organisation:
    """One organisation, as it is from the first question on: what was read is not read again.

    ``seen`` is who has a part in each place that was looked at, with what was done to it since.
    """

    def __init__(self, api: Api, name: str) -> None:
        self._api = api
        self.name = name
        self.seen: dict[GitHubPlace, Seen] = {}
        self._root = f"/orgs/{name}"
        self._numbers: dict[str, str] = {}
        """Of repositories, by their names; "" where nothing is shown under one."""

    def login(self, number: int, before: str = "") -> str:
        """Return the login that an account has now; where GitHub shows none, the one that it was seen with ``before``.

        It shows an account that is no more and one that is suspended alike. Raises EdgeError where there is no such person.
        https://docs.github.com/en/rest/users/users#get-a-user-using-their-id
        """
        data = self._api.find(f"/user/{number}")
        if data is None:
            if before:
                return before
            raise EdgeError(f"GitHub has no account {number}", hint="was it deleted?")
        login = _text(data, "login")
        if _number(data) != number or data.get("type") != "User":
            raise EdgeError(f"expected the account {number} to be a person's, got {shown(login)!r}, which is not")
        return login

    def look(self, place: GitHubPlace) -> Seen:
        """Return who has a part in what has a name now; nobody where there is no such place, which proves nothing."""
        if place not in self.seen:
            if place.kind == TEAM:
                self.seen[place] = self._team(place.name)
            else:
                self.seen[place] = self._repository(place) if place.kind == REPOSITORY else self._role(place)
        return self.seen[place]

    def number(self, place: GitHubPlace) -> str:
        """Return the number of what has a name now, "" where nothing is shown under it."""
        if place.kind == TEAM:
            row = self._teams.get(place.name)
            return str(_number(row)) if row is not None else ""
        if place.kind == ROLE:
            return str(self._roles.get(place.name, ""))
        if place.name not in self._numbers:
            row = self._api.find(f"/repos/{self.name}/{quote(place.name)}", gone=_NOT_UNDER_THIS_NAME)
            self._numbers[place.name] = str(_number(row)) if row is not None else ""
        return self._numbers[place.name]

    def place(self, kind: str, number: str) -> str | None:
        """Return the name of what has a number, None where it is not found.

        GitHub shows what was deleted and what a credential may not see alike (404), so that "not found" proves nothing.
        """
        if kind == TEAM:
            return next((slug for slug, row in self._teams.items() if str(_number(row)) == number), None)
        if kind == ROLE:
            return next((name for name, known in self._roles.items() if str(known) == number), None)
        return next((_text(row, "name").lower() for row in self._repositories if str(_number(row)) == number), None)

    def give(self, place: GitHubPlace, number: int, login: str, level: str) -> Offer | None:
        """Give somebody a part in a place, who has none; return the invitation where it is one."""
        try:
            if place.kind == TEAM:
                return self._join(place.name, login, level)
            if place.kind == REPOSITORY:
                return self._collaborate(place.name, number, login, level)
            self._api.send("PUT", self._path(place, login), safe=True)
        except ApiError as error:
            raise _reason(error)  # noqa: B904  (the same refusal, in other words)
        return None

    def take(self, place: GitHubPlace, login: str) -> None:
        """Take somebody's part in a place away."""
        self._delete(self._path(place, login))

    def _path(self, place: GitHubPlace, login: str) -> str:
        if place.kind == TEAM:
            return self._membership(place.name, login)
        if place.kind == REPOSITORY:
            return f"/repos/{self.name}/{quote(place.name)}/collaborators/{quote(login)}"
        return f"{self._root}/organization-roles/users/{quote(login)}/{self._role_id(place)}"

    def cancel(self, place: GitHubPlace, number: int, offer: Offer, seen: Seen) -> None:
        """Take an invitation back. One that leads elsewhere as well, or that somebody else made, loses this place alone."""
        if place.kind == REPOSITORY:
            self._delete(f"/repos/{self.name}/{quote(place.name)}/invitations/{offer.number}")
        elif offer.alone:
            self._delete(f"{self._root}/invitations/{offer.number}")
        else:
            self.take(place, self.login(number, seen.logins.get(number, "")))

    def _delete(self, path: str) -> None:
        try:
            self._api.send("DELETE", path, safe=True)
        except ApiError as error:
            if error.status != HTTPStatus.NOT_FOUND:  # else it is gone already; reading it again shows whether it is
                raise _reason(error)  # noqa: B904  (the same refusal, in other words)

    # Teams: https://docs.github.com/en/rest/teams/members

    @cached_property
    def _teams(self) -> Mapping[str, Any]:
        rows = self._api.pages(f"{self._root}/teams", limit=MOST)
        return {_text(row, "slug").lower(): row for row in rows}

    @cached_property
    def _parents(self) -> frozenset[str]:
        above = (row.get("parent") for row in self._teams.values())
        return frozenset(_text(row, "slug").lower() for row in above if row is not None)

    @cached_property
    def _invites(self) -> bool:
        """Whether anybody is invited to the organisation: else no team has to be asked whom it waits for."""
        return bool(self._api.pages(f"{self._root}/invitations", limit=MOST))

    @cached_property
    def _own_login(self) -> str:
        """The account that our invitations are made by."""
        if self._api.kind == "app":
            return f"{_text(self._api.own_app(), 'slug')}[bot]"
        return _text(self._api.get("/user"), "login")

    def _membership(self, slug: str, login: str) -> str:
        return f"{self._root}/teams/{quote(slug)}/memberships/{quote(login)}"

    def _team(self, slug: str) -> Seen:
        row = self._teams.get(slug)
        if row is None:
            return Seen(closed=f"the organisation {self.name} has no team {slug!r}")
        path = f"{self._root}/teams/{quote(slug)}"
        # All of them first: whoever is made a maintainer or a member meanwhile is in this list either way.
        found = _people(self._api.pages(f"{path}/members", role="all", limit=MOST), "member")
        above = _people(self._api.pages(f"{path}/members", role="maintainer", limit=MOST), "maintainer")
        found.holders |= above.holders
        found.logins |= above.logins
        if row.get("type") == "enterprise":
            found.closed = f"team {slug!r} is the enterprise's, and its members are not the organisation's to change"
        elif slug in self._parents:
            found.closed = f"team {slug!r} has teams below it, whose members GitHub counts as its own"
        if self._invites:
            self._await(slug, path, found)
        return found

    def _await(self, slug: str, path: str, seen: Seen) -> None:
        for row in self._api.pages(f"{path}/invitations", limit=MOST):
            login = row.get("login")
            if not isinstance(login, str):
                continue  # to an address, of whom nobody knows yet which account it will be
            membership = self._api.get(self._membership(slug, login))
            if _text(membership, "state") != "pending":
                continue
            number = _number(self._api.get(f"/users/{quote(login)}"))
            inviter = row.get("inviter")
            alone = row.get("team_count") == 1 and isinstance(inviter, dict) and inviter.get("login") == self._own_login
            seen.logins.setdefault(number, login)
            seen.offers[number] = Offer(_text(membership, "role"), _number(row), alone)

    def _join(self, slug: str, login: str, level: str) -> Offer | None:
        path = self._membership(slug, login)
        answer = self._api.send("PUT", path, {"role": level}, safe=True)
        made = _text(answer, "role")
        if made != level:
            self._delete(path)  # somebody who could not be read back as what was granted would keep it for ever
            raise EdgeError(
                f"GitHub makes {shown(login)} {made} of team {slug!r} and not {level}: an owner of the organisation is that"
            )
        if _text(answer, "state") != "pending":
            return None
        self.__dict__.pop("_invites", None)
        return Offer(level, 0)

    # Repositories: https://docs.github.com/en/rest/collaborators

    @cached_property
    def _repositories(self) -> list[Any]:
        """All that are shown; asked for only where one is not what its name says.

        https://docs.github.com/en/rest/repos/repos#list-organization-repositories
        """
        return self._api.pages(f"{self._root}/repos", type="all", limit=MOST)

    def _repository(self, place: GitHubPlace) -> Seen:
        path = f"/repos/{self.name}/{quote(place.name)}"
        try:
            rows = self._api.pages(f"{path}/collaborators", affiliation="direct", limit=MOST)
            waiting = self._api.pages(f"{path}/invitations", limit=MOST)
        except ApiError as error:
            if error.status not in _NOT_UNDER_THIS_NAME:
                raise
            return Seen(
                closed=f"GitHub shows no {place} of {self.name}: it is not there, or hidden from this credential"
            )
        found = _people(rows, "")
        for row in rows:
            role = _text(row, "role_name")
            found.holders[_number(row)] = _PERMISSIONS.get(role, role)
        for row in waiting:
            who = row.get("invitee")
            if who is not None and row.get("expired") is not True:
                role = _text(row, "permissions")
                found.offers[_number(who)] = Offer(_PERMISSIONS.get(role, role), _number(row))
        return found

    def _collaborate(self, name: str, number: int, login: str, level: str) -> Offer | None:
        path = f"/repos/{self.name}/{quote(name)}"
        answer = self._api.send("PUT", f"{path}/collaborators/{quote(login)}", {"permission": level}, safe=True)
        if answer is None:
            return None
        made = Offer(level, _number(answer))
        invitee = answer.get("invitee")
        if not isinstance(invitee, dict) or invitee.get("id") != number:
            self._delete(f"{path}/invitations/{made.number}")  # the login went to somebody else a moment ago
            raise EdgeError(f"expected an invitation of account {number}, got one of {shown(login)!r}, who is another")
        return made

    # Roles: https://docs.github.com/en/rest/orgs/organization-roles

    @cached_property
    def _roles(self) -> Mapping[str, int]:
        data = self._api.get(f"{self._root}/organization-roles")
        rows = data.get("roles") if isinstance(data, dict) else None
        if not isinstance(rows, list):
            raise ApiError("expected the organisation's roles from GitHub, got something else")
        return {_text(row, "name"): _number(row) for row in rows}

    def _role_id(self, place: GitHubPlace) -> int:
        if place.name not in self._roles:
            raise EdgeError(f"the organisation {self.name} has no role {place.name!r}")
        return self._roles[place.name]

    def _role(self, place: GitHubPlace) -> Seen:
        if place.name not in self._roles:
            return Seen(closed=f"the organisation {self.name} has no role {place.name!r}")
        path = f"{self._root}/organization-roles/{self._role_id(place)}/users"
        rows = self._api.pages(path, limit=MOST)
        # Who has it through a team alone has not been given it, and cannot lose it here.
        return _people((row for row in rows if row.get("assignment") != "indirect"), "")


def _reason(error: ApiError) -> EdgeError:
    """Say what GitHub's refusal means where an identity provider keeps a team, or a repository is archived.

    https://docs.github.com/en/repositories/archiving-a-github-repository/archiving-repositories
    """
    if error.status == HTTPStatus.FORBIDDEN and "archived" in error.said.lower():
        return EdgeError(
            "the repository is archived, and GitHub changes nobody's access there until somebody who administers it "
            f"unarchives it: {error.said}"
        )
    if error.status == HTTPStatus.FORBIDDEN and _KEPT_ELSEWHERE.search(error.said):
        return EdgeError(
            f"an identity provider keeps this team's members, and GitHub lets nobody else change them: {error.said}",
            hint="give the access in the provider's group, or name a team that is not synchronised",
        )
    return error


def _people(rows: Iterable[Any], level: str) -> Seen:
    every = [(_number(row), _text(row, "login")) for row in rows]
    return Seen({number: level for number, _ in every}, dict(every))


def _number(data: Any) -> int:
    number = data.get("id") if isinstance(data, dict) else None
    if type(number) is not int:
        raise ApiError("expected an id from GitHub, got something else")
    return number


def _text(data: Any, name: str) -> str:
    value = data.get(name) if isinstance(data, dict) else None
    if not isinstance(value, str) or not value:
        raise ApiError(f"expected {name} from GitHub, got something else")
    return value
