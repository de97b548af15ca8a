"""GitHub's answers: what a refusal or a rate limit says, and reading what came, field by field.

What is missing or of another type is an error that names it.

Of accounts, the numeric id alone decides who somebody is in the directory. A login is display: it can be renamed, given
up, and taken by somebody else.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, NamedTuple

from msgspec import Struct

from daypass.core.catalogue import Directory
from daypass.core.errors import EdgeError
from daypass.core.finding import shown
from daypass.core.forge import Account
from daypass.core.ids import ABSENT, OID, Oid
from daypass.core.window import format_instant, parse_instant

MAIN = "main"
CHECK = "daypass"
"""The branch that everything is merged into, and the check that it asks for."""

_MOST = 2**63


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


def same_text(there: str | None, wanted: str) -> bool:
    """Say whether a text stands there, line ends and blanks around it aside, which forges change."""
    return (there or "").replace("\r\n", "\n").strip() == wanted.strip()


class Fields(Struct, frozen=True):
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
        """Return a whole number; GitHub's have 64 bits, and what goes by their order must not be moved by a larger one."""
        found = self.value(name)
        if type(found) is not int or abs(found) >= _MOST:
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
        if not OID.fullmatch(found):
            raise self._wrong(name, "a commit's id", found)
        return Oid(found)

    def oid_or_absent(self, name: str) -> Oid:
        """Return the id of a commit, ABSENT where GitHub has none any more (null)."""
        return ABSENT if self.value(name) is None else self.oid(name)

    def _wrong(self, name: str, wanted: str, found: object) -> EdgeError:
        return EdgeError(f"GitHub's answer about {self.what}: expected {wanted} in {name}, got {shown(repr(found))}")


def nodes_of(found: Any, *path: str) -> list[Mapping[str, Any]]:
    """Return what a connection of GraphQL's answer has, at the end of a path; what makes no sense is nothing."""
    for name in (*path, "nodes"):
        found = found.get(name) if isinstance(found, dict) else None
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


_GHOST = 10137
"""The account that GitHub shows in place of a deleted one: https://github.com/ghost, the same for all of them."""


BOT = "[bot]"
"""How the login of an App's account ends."""


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
    return Account(known.handle, known.name or known.handle, person=known.is_person, number=number)


_LEVELS = ("none", "read", "write", "admin")


def lacking(held: Mapping[str, str], needed: Mapping[str, str]) -> list[str]:
    """Return the permissions, ``name: level``, that an App needs and does not have."""
    return [f"{name}: {level}" for name, level in needed.items() if _level(held.get(name, "none")) < _level(level)]


def needless(held: Mapping[str, str], allowed: Mapping[str, str]) -> list[str]:
    """Return the permissions that an App has beyond those that it may have; a level that is not known is beyond any."""
    return [f"{name}: {level}" for name, level in held.items() if _level(level) > _level(allowed.get(name, "none"))]


def _level(name: str) -> int:
    return _LEVELS.index(name) if name in _LEVELS else len(_LEVELS)


class Answer(Struct, frozen=True):
    """What GitHub answered. ``headers`` have names in lower case."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def succeeded(self) -> bool:
        """Whether it is a success."""
        return self.status < HTTPStatus.MULTIPLE_CHOICES


LONGEST_WAIT = 120.0
"""Seconds that one request waits at most, all its pauses together."""

_UNSTATED = 60.0
"""GitHub asks for at least a minute where a secondary limit states no time."""

_HINTS: Mapping[int, str] = {
    0: "is GitHub up (https://www.githubstatus.com) and can this machine reach it? What becomes of access meanwhile: "
    "docs/github.md#when-it-is-late-down-or-gone",
    401: "the token is wrong, ended or revoked; make a new one",
    403: "give the App or token the permission that this needs; docs/github.md lists them",
    404: "it is not there, or the token cannot see it",
}


class ApiError(EdgeError):
    """GitHub did not do what was asked. ``status`` is 0 where no whole answer came; ``said`` is GitHub's reason.

    ``limited``: a rate limit turned it away, whatever was asked.
    """

    def __init__(self, message: str, *, status: int = 0, said: str = "", hint: str = "", limited: bool = False) -> None:
        super().__init__(
            message, hint=hint or _HINTS.get(0 if status >= HTTPStatus.INTERNAL_SERVER_ERROR else status, "")
        )
        self.status = status
        self.said = said
        self.limited = limited

    @property
    def unsure(self) -> bool:
        """Whether the request may have had its effect all the same."""
        return self.status == 0 or self.status >= HTTPStatus.INTERNAL_SERVER_ERROR


def place(url: str) -> str:
    """Return what a request was about, without its query, fit to be shown."""
    return shown(url.partition("?")[0])


def lost(verb: str, url: str, why: str) -> ApiError:
    """Return the error for a request to which no whole answer came: whether it had its effect is unknown."""
    return ApiError(f"GitHub did not answer {verb} {place(url)}: {why}")


def parsed(verb: str, url: str, answer: Answer) -> Any:
    """Return what an answer says in JSON, None for nothing. Raises ApiError for half an answer."""
    try:
        return json.loads(answer.text) if answer.text else None
    except (ValueError, RecursionError) as error:
        raise lost(verb, url, "its answer is no JSON") from error


def _said(answer: Answer) -> str:
    """Return GitHub's own words for a refusal, fit to be shown."""
    try:
        data = json.loads(answer.text)
    except (ValueError, RecursionError):
        return "no reason given"
    if not isinstance(data, dict) or not isinstance(data.get("message"), str):
        return "no reason given"
    errors = data.get("errors")
    more = (
        [e.get("message") or e.get("code") if isinstance(e, dict) else e for e in errors]
        if isinstance(errors, list)
        else []
    )
    words = [data["message"], *(str(m) for m in more if m)]
    return shown("; ".join(" ".join(each.split()) for each in words))  # reasons of rules come in paragraphs


_PAGE = "docs/github.md, Elsewhere than at github.com"


def fence_of(said: str, sso: str = "") -> str:
    """Return what to do about a refusal that is of the organisation or the repository, and of no permission; "" for others.

    ``sso`` is the header that says where a token is authorised.
    """
    words = said.lower()
    if "ip allow list" in words:
        return f"the organisation lets in other addresses than this machine's: run it on a machine of yours ({_PAGE})"
    if sso or "saml" in words:
        address = sso.partition("url=")[2].strip()
        where = f" at {shown(address)}" if address.startswith("https://") else ""
        return f"authorise this token for the organisation{where}, or act as the App, which needs none ({_PAGE})"
    if "archived" in words:
        return "unarchive the repository: nothing is merged, given or recorded meanwhile"
    return ""


def refusal(verb: str, url: str, answer: Answer) -> ApiError:
    """Return the error for an answer that is no success and no rate limit."""
    said, status = _said(answer), answer.status
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return ApiError(
            f"GitHub has moved {place(url)} elsewhere",
            status=status,
            hint="the repository was renamed or moved: name it anew in policies/daypass.yaml on main, then `git pull` here",
        )
    needs = shown(answer.headers.get("x-accepted-github-permissions", "")) if status == HTTPStatus.FORBIDDEN else ""
    hint = fence_of(said, answer.headers.get("x-github-sso", ""))
    if needs and not hint:
        hint = f"it needs the permission {needs}; docs/github.md says how to give it"
    return ApiError(f"GitHub answered {status} to {verb} {place(url)}: {said}", status=status, said=said, hint=hint)


def limited_for(answer: Answer) -> float | None:
    """Return the seconds that a rate limit asks to wait, None where the answer is no rate limit.

    https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api#exceeding-the-rate-limit
    """
    if answer.status not in (HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS):
        return None
    stated = answer.headers.get("retry-after", "")
    if stated.isascii() and stated.isdecimal():
        return float(stated)
    if answer.headers.get("x-ratelimit-remaining") == "0":
        reset, now = answer.headers.get("x-ratelimit-reset", ""), date_of(answer)
        if reset.isascii() and reset.isdecimal() and now is not None:
            return max(float(reset) - now.timestamp(), 0.0) + 1
        return LONGEST_WAIT + 1  # nobody says when it lifts
    told = answer.status == HTTPStatus.TOO_MANY_REQUESTS or "rate limit" in _said(answer).lower()
    return _UNSTATED if told else None


def limit_error(verb: str, url: str, answer: Answer, pause: float) -> ApiError:
    """Return the error for a rate limit that lifts too late to wait for."""
    now = date_of(answer)
    reset = answer.headers.get("x-ratelimit-reset", "")
    primary = answer.headers.get("x-ratelimit-remaining") == "0" and reset.isascii() and reset.isdecimal()
    lifts = int(reset) if primary else int(now.timestamp() + pause) if now is not None else 0
    when = f"until {format_instant(datetime.fromtimestamp(lifts, UTC))}" if lifts else "for an unknown time"
    return ApiError(
        f"GitHub's rate limit turns away {verb} {place(url)} {when}",
        status=answer.status,
        said=_said(answer),
        hint=f"run it again then; no request waits longer than {LONGEST_WAIT:.0f} s",
        limited=True,
    )


def date_of(answer: Answer) -> datetime | None:
    """Return the instant on GitHub's clock, None where it does not say."""
    try:
        return parsedate_to_datetime(answer.headers.get("date", ""))
    except (ValueError, TypeError):
        return None
