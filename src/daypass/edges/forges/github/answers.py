"""Reading GitHub's answers field by field: what is missing or of another type is an error that names it.

Of accounts, the numeric id alone decides who somebody is in the directory. A login is display: it can be renamed, given
up, and taken by somebody else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, NamedTuple

from daypass.core.catalogue import Directory
from daypass.core.errors import EdgeError
from daypass.core.finding import shown
from daypass.core.forge import Account
from daypass.core.grant import ABSENT, Oid
from daypass.core.record import dataclass
from daypass.core.window import parse_instant

MAIN = "main"
CHECK = "daypass"
"""The branch that everything is merged into, and the check that it asks for."""

_OID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


@contextmanager
def as_documented(what: str) -> Iterator[None]:
    """Raise EdgeError where code that takes an answer for what GitHub documents meets another shape."""
    try:
        yield
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise EdgeError(
            f"GitHub's answer about {what} is not as its documents promise: {shown(repr(error))}",
            hint="is forge.repository right, and does a proxy change answers on the way?",
        ) from error


@dataclass(frozen=True, slots=True)
class Fields:
    """An object of an answer. ``what`` says whose it is, for messages. Names are given as ``head.repo.full_name``."""

    what: str
    data: Any

    def value(self, name: str) -> Any:
        """Return a field as it is. Raises EdgeError where it, or an object on the way to it, is missing."""
        found: Any = self.data
        for part in name.split("."):
            if not isinstance(found, dict) or part not in found:
                raise EdgeError(f"GitHub's answer about {self.what} has no {name}")
            found = found[part]
        return found

    def text(self, name: str) -> str:
        """Return a text."""
        found = self.value(name)
        if not isinstance(found, str):
            raise self._wrong(name, "a text", found)
        return found

    def number(self, name: str) -> int:
        """Return a whole number."""
        found = self.value(name)
        if type(found) is not int:
            raise self._wrong(name, "a number", found)
        return found

    def truth(self, name: str) -> bool:
        """Return a yes or no."""
        found = self.value(name)
        if not isinstance(found, bool):
            raise self._wrong(name, "true or false", found)
        return found

    def instant(self, name: str) -> datetime:
        """Return an instant."""
        found = self.text(name)
        try:
            return parse_instant(found)
        except ValueError as error:
            raise self._wrong(name, "an instant", found) from error

    def oid(self, name: str) -> Oid:
        """Return the id of a commit."""
        found = self.text(name)
        if not _OID.fullmatch(found):
            raise self._wrong(name, "a commit's id", found)
        return Oid(found)

    def oid_or_absent(self, name: str) -> Oid:
        """Return the id of a commit, ABSENT where GitHub has none any more (null)."""
        return ABSENT if self.value(name) is None else self.oid(name)

    def _wrong(self, name: str, wanted: str, found: object) -> EdgeError:
        return EdgeError(f"GitHub's answer about {self.what}: expected {wanted} in {name}, got {shown(repr(found))}")


_GHOST = 10137
"""The account that GitHub shows in place of a deleted one: https://github.com/ghost, the same for all of them."""


class Bot(NamedTuple):
    """The account of our own GitHub App, as the settings name it."""

    login: str
    id: int


ACTIONS = Bot("github-actions[bot]", 41898282)
"""The account of every workflow's own token: https://docs.github.com/en/actions/concepts/security/github_token"""


def account_of(user: Any, directory: Directory) -> Account:
    """Return whom GitHub means by a user object of its API.

    Nobody (``handle`` "") is: a deleted account (null, or GitHub's ghost), a suspended one (``suspended_at``), an id
    that the directory does not have. What is not of type User is no person. Raises EdgeError for what is no user.

    The name of somebody unknown carries the id, so that it can never be taken for the login of somebody known.
    https://docs.github.com/en/rest/users/users
    """
    if user is None:
        return Account("", "a deleted account", person=False)
    if not isinstance(user, dict):
        raise EdgeError(f"expected an account from GitHub, got {shown(repr(user))}")
    number, login, kind = user.get("id"), user.get("login"), user.get("type")
    if type(number) is not int or not isinstance(login, str) or not isinstance(kind, str):
        raise EdgeError(f"expected an account with id, login and type from GitHub, got {shown(repr(sorted(user)))}")
    name = f"{shown(login)} (id {number})"
    if number == _GHOST:
        return Account("", "a deleted account", person=False)
    if kind != "User":
        return Account("", name, person=False)
    if user.get("suspended_at") is not None:
        return Account("", f"{shown(login)} (id {number}, suspended)")
    known = directory.by_forge_id(number)
    if known is None:
        return Account("", name)
    return Account(known.handle, known.name or known.handle, person=known.is_person)
