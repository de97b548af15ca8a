"""What the policies say of a ``github`` target: the options of its settings, and what a role of the catalogue gives.

A privilege, of a place at GitHub and how much of it, is one of::

    {team: dba, role: member}                       role: member (also where none is named) or maintainer
    {repository: acme/app, permission: push}        permission: pull, triage, push, maintain or admin
    {organisation_role: security-auditor}           the role's name

Names that are in no such form are refused before anything is asked of GitHub: they become parts of addresses there.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, NamedTuple

from daypass.core.errors import EdgeError, InvalidError
from daypass.core.ids import canonical
from daypass.edges.forges.environment import API, read_base
from daypass.edges.pins import read_app
from daypass.edges.targets.common import VARIABLE, first_near, written

if TYPE_CHECKING:
    from collections.abc import Mapping

    from daypass.core.bounds.settings import TargetSettings


TEAM = "team"
REPOSITORY = "repository"
ROLE = "organisation_role"

_KINDS = (TEAM, REPOSITORY, ROLE)
_LEVELS = {TEAM: ("member", "maintainer"), REPOSITORY: ("pull", "triage", "push", "maintain", "admin")}
_WORD = {TEAM: "role", REPOSITORY: "permission"}
_SLUG = re.compile(r"[a-z0-9_][a-z0-9_-]{0,254}")
_REPOSITORY = re.compile(r"(?:(?P<owner>[A-Za-z0-9][A-Za-z0-9-]{0,38})/)?(?P<name>[A-Za-z0-9._-]{1,100})")
_LONGEST = 200
_HINT = "docs/targets/github.md shows the three forms that a role's privilege can have"


class GitHubPlace(NamedTuple):
    """Something at GitHub that people have a part in: its kind (TEAM, REPOSITORY or ROLE) and name, lower case."""

    kind: str
    name: str

    def __str__(self) -> str:
        """Name it for people."""
        return f"{self.kind.replace('_', ' ')} {self.name!r}"


class GitHubPrivilege(NamedTuple):
    """How much of a place: ``level`` is a team's role or a repository's permission, "" for an organisation's role."""

    place: GitHubPlace
    level: str

    def text(self, organisation: str) -> str:
        """Return the canonical JSON of a role that gives just this."""
        kind, name = self.place
        if kind == REPOSITORY:
            return canonical({kind: f"{organisation}/{name}", _WORD[kind]: self.level})
        return canonical({kind: name} | ({_WORD[kind]: self.level} if kind in _WORD else {}))


def read_privilege(text: str, organisation: str) -> GitHubPrivilege:
    """Read a privilege's canonical JSON, for one organisation. Raises EdgeError for anything that is none."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        data = None
    kinds = [kind for kind in _KINDS if isinstance(data, dict) and kind in data]
    if not isinstance(data, dict) or len(kinds) != 1:
        unknown = set(data) - {*_KINDS, *_WORD.values()} if isinstance(data, dict) and not kinds else ()
        hint = first_near(unknown, _KINDS, _HINT)
        raise _wrong("expected a privilege with one of team, repository and organisation_role", text, hint)
    (kind,) = kinds
    word = _WORD.get(kind, "")
    more = sorted(set(data) - {kind, word})
    if more:
        raise _wrong(
            f"a privilege on a {kind} has no {more[0]!r}", text, first_near(more, {word} - {""} - set(data), _HINT)
        )
    name = data[kind]
    if not isinstance(name, str) or not name or len(name) > _LONGEST:
        raise _wrong(f"expected {kind} to be a name", text)
    place = GitHubPlace(kind, _name(kind, name, organisation, text))
    if not word:
        return GitHubPrivilege(place, "")
    level = data.get(word, "member" if kind == TEAM else "")
    if level not in _LEVELS[kind]:
        raise _wrong(f"expected {word} to be one of {', '.join(_LEVELS[kind])}", text)
    return GitHubPrivilege(place, level)


def check_privilege(settings: TargetSettings, text: str) -> None:
    """Refuse a privilege that is none for the organisation of a target's settings. Raises EdgeError."""
    read_privilege(text, str(settings.options.get("organisation", "")))


def _name(kind: str, name: str, organisation: str, text: str) -> str:
    if kind == ROLE:
        return name  # looked for among the names that GitHub lists, and never a part of an address
    if kind == TEAM:
        if not _SLUG.fullmatch(name):
            raise _wrong("expected team to be as in the team's address: small letters, digits, hyphens", text)
        return name
    found = _REPOSITORY.fullmatch(name)
    if found is None or found["name"] in {".", ".."}:
        raise _wrong("expected repository to be OWNER/NAME", text)
    if found["owner"] and found["owner"].lower() != organisation.lower():
        raise _wrong(f"expected a repository of the organisation {organisation}, which this target is for", text)
    return found["name"].lower()


def _wrong(message: str, text: str, hint: str = _HINT) -> EdgeError:
    return EdgeError(f"{message}, got {written(text)}", hint=hint)


_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,38}")
ACCOUNT = re.compile(r"[1-9][0-9]{0,15}")
"""The number of an account."""

_CREDENTIALS = ("app_id_env", "app_key_env", "token_env")


def read_options(settings: TargetSettings) -> tuple[str, str, Mapping[str, str], frozenset[str], str]:
    """Read the options. Raises InvalidError for one that makes no sense.

    Returns the organisation, the address of the API, the variables of the credential by option (an App's or a token's),
    the numbers of accounts whose own access there is known, so that it is no drift: owners; and the App that it must be.
    """
    options = settings.options
    organisation = options.get("organisation")
    if not isinstance(organisation, str) or not _NAME.fullmatch(organisation):
        raise InvalidError(
            f"expected organisation of target {settings.name} to be an organisation's name, got {organisation!r}",
            hint="write `organisation: acme`, as in github.com/acme",
        )
    url = options.get("api_url", API)
    if not isinstance(url, str):
        raise InvalidError(f"expected api_url of target {settings.name} to be an address, got {url!r}")
    read_base(url)
    variables = {option: _variable(settings, option) for option in _CREDENTIALS if option in options}
    if set(variables) not in ({"app_id_env", "app_key_env"}, {"token_env"}):
        raise InvalidError(
            f"target {settings.name} names no credential, half of one or two",
            hint="name the variables of an App (app_id_env and app_key_env) or of a token (token_env)",
        )
    expected = options.get("expected", [])
    listed = expected if isinstance(expected, list | tuple) else [""]
    if not all(ACCOUNT.fullmatch(str(one)) for one in listed):
        raise InvalidError(
            f"expected expected of target {settings.name} to list accounts' numbers, got {expected!r}",
            hint="`curl https://api.github.com/users/LOGIN` shows it as id",
        )
    return organisation, url, variables, frozenset(map(str, listed)), read_app(f"target {settings.name}", options)


def _variable(settings: TargetSettings, option: str) -> str:
    variable = settings.options[option]
    if not isinstance(variable, str) or not VARIABLE.fullmatch(variable):
        raise InvalidError(
            f"expected {option} of target {settings.name} to be the name of a variable, got something else",
            hint=f"write for example `{option}: ACME_{option.removesuffix('_env').upper()}`, and the secret nowhere",
        )
    return variable
