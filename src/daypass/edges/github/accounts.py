"""Who an account of GitHub is in the directory.

Upholds: the numeric id alone decides. A login is display: it can be renamed, given up, and taken by somebody else.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from daypass.core.approval import Account
from daypass.core.catalogue import Directory
from daypass.core.errors import EdgeError
from daypass.edges.shown import shown

_GHOST = 10137
"""The account that GitHub shows in place of a deleted one: https://github.com/ghost, the same for all of them."""


class Bot(NamedTuple):
    """The account of our own GitHub App, as the settings name it."""

    login: str
    id: int


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
