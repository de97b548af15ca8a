"""What a role of the catalogue gives at GitHub: a place there, and how much of it.

A privilege is one of::

    {team: dba, role: member}                       role: member (also where none is named) or maintainer
    {repository: acme/app, permission: push}        permission: pull, triage, push, maintain or admin
    {organisation_role: security-auditor}           the role's name

Names that are in no such form are refused before anything is asked of GitHub: they become parts of addresses there.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, NamedTuple

from daypass.core.errors import EdgeError
from daypass.core.grant import canonical
from daypass.edges.targets.reading import first_near, written

if TYPE_CHECKING:
    from daypass.core.catalogue import TargetSettings

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


class Place(NamedTuple):
    """Something at GitHub that people have a part in: its kind (TEAM, REPOSITORY or ROLE) and name, lower case."""

    kind: str
    name: str

    def __str__(self) -> str:
        """Name it for people."""
        return f"{self.kind.replace('_', ' ')} {self.name!r}"


class Privilege(NamedTuple):
    """How much of a place: ``level`` is a team's role or a repository's permission, "" for an organisation's role."""

    place: Place
    level: str

    def text(self, organisation: str) -> str:
        """Return the canonical JSON of a role that gives just this."""
        kind, name = self.place
        if kind == REPOSITORY:
            return canonical({kind: f"{organisation}/{name}", _WORD[kind]: self.level})
        return canonical({kind: name} | ({_WORD[kind]: self.level} if kind in _WORD else {}))


def read_privilege(text: str, organisation: str) -> Privilege:
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
    place = Place(kind, _name(kind, name, organisation, text))
    if not word:
        return Privilege(place, "")
    level = data.get(word, "member" if kind == TEAM else "")
    if level not in _LEVELS[kind]:
        raise _wrong(f"expected {word} to be one of {', '.join(_LEVELS[kind])}", text)
    return Privilege(place, level)


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
