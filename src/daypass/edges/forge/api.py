"""GitHub's REST API as the adapters use it: counted, bounded, and never half an answer.

Upholds: only what is safe to repeat is repeated (reading, and what a rate limit turned away before it began); a list is
read to its last page or not at all; nothing that fails looks like nothing found; tokens appear in no message.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlencode

from github import Auth

from daypass.core.errors import EdgeError
from daypass.core.window import format_instant
from daypass.edges.forge.access import Access, access_from
from daypass.edges.forge.records import shown
from daypass.edges.forge.transport import PER_PAGE, Answer, LostError, Transport

API = "https://api.github.com"
LIMIT = 5000
"""A list longer than this is refused where the caller names no limit of its own."""

LONGEST_WAIT = 120.0
"""Seconds that one request waits at most, all its pauses together."""

_ATTEMPTS = 4
_PAUSES = (1.0, 2.0, 4.0)
_UNSTATED = 60.0
"""GitHub asks for at least a minute where a secondary limit states no time."""

_RENEW_EARLY = 300.0
_HINTS: Mapping[int, str] = {
    0: "is GitHub up (https://www.githubstatus.com) and can this machine reach it?",
    401: "the token is wrong, ended or revoked; make a new one",
    403: "give the App or token the permission that this needs; docs/github.md lists them",
    404: "it is not there, or the token cannot see it",
}


class ApiError(EdgeError):
    """GitHub did not do what was asked. ``status`` is 0 where no whole answer came; ``said`` is GitHub's reason."""

    def __init__(self, message: str, *, status: int = 0, said: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint or _HINTS.get(status, ""))
        self.status = status
        self.said = said


class Api:
    """GitHub's REST API for one repository, with whatever the environment holds to be known by.

    ``calls`` counts every request sent, repeated ones and those for tokens included. Paths are absolute, as in
    ``/repos/acme/access/pulls/7``; what people chose in them is to be quoted by the caller.
    """

    def __init__(self, transport: Transport, access: Access, repository: str, *, wait: Callable[[float], None]) -> None:
        self._transport = transport
        self._access = access
        self._repository = repository
        self._wait = wait
        self._installed: Auth.Token | None = None
        self._renew_at = 0.0

    @classmethod
    def from_environment(cls, environ: Mapping[str, str], repository: str, *, wait: Callable[[float], None]) -> Api:
        """Return the API with the App's key or the token that the environment holds; nothing is sent yet.

        Raises EdgeError where it holds none, or one that cannot be used; InvalidError for an address without https.
        """
        return cls(Transport(environ.get("GITHUB_API_URL") or API), access_from(environ), repository, wait=wait)

    @property
    def kind(self) -> str:
        """Who acts: ``app``, ``actions`` (a workflow's own token) or ``token`` (a person's)."""
        return self._access.kind

    @property
    def app_id(self) -> str:
        """The App's id, "" for a token."""
        return self._access.app_id

    @property
    def calls(self) -> int:
        """How many requests were sent."""
        return self._transport.calls

    def token(self) -> str:
        """Return the token for git over https, renewed when it is about to end."""
        return self._auth().token

    def get(self, path: str, **params: str | int | None) -> Any:
        """Read one thing. Raises ApiError when GitHub refuses or keeps failing."""
        return self._read(_url(path, params))[1]

    def pages(self, path: str, *, key: str = "", limit: int = LIMIT, **params: str | int | None) -> list[Any]:
        """Read a list to its last page. ``key`` names the list inside an object.

        Raises ApiError for a list of more than ``limit``, for a page that is no list of objects, and for pages that
        lead in a circle or to another server.
        """
        url = _url(path, {**params, "per_page": PER_PAGE})
        found: list[Any] = []
        seen: set[str] = set()
        while url:
            seen.add(url)
            headers, data = self._read(url)
            found += _items(path, data, key)
            if len(found) > limit:
                raise ApiError(f"GitHub lists more than {limit} at {shown(path)}", hint="such a list is not judged")
            url = self._next(path, headers.get("link", ""))
            if url in seen:
                raise ApiError(f"GitHub's pages of {shown(path)} lead in a circle")
        return found

    def send(self, verb: str, path: str, body: Any = None) -> Any:
        """Change something (POST, PUT, PATCH, DELETE) and return the answer, None for an empty one.

        It is sent again only where a rate limit or an ended token turned it away before it began. ApiError with status
        0 or 5xx says nothing about whether it came about: look before you try again.
        """
        answer = self._exchange(verb, path, body, self._auth, safe=False)
        return _parsed(verb, path, answer)

    # One request and what may be repeated

    def _read(self, url: str) -> tuple[Mapping[str, str], Any]:
        answer = self._exchange("GET", url, None, self._auth, safe=True)
        return answer.headers, _parsed("GET", url, answer)

    def _exchange(self, verb: str, url: str, body: Any, auth: Callable[[], Auth.Auth], *, safe: bool) -> Answer:
        """Send a request until it is answered; raises ApiError for anything but a success."""
        waited, failures, renewed = 0.0, 0, False
        while True:
            try:
                answer = self._transport.send(verb, url, auth(), body)
                if safe and answer.status < 300:
                    _parsed(verb, url, answer)  # half an answer is no answer
            except (LostError, _HalfError) as error:
                failures += 1
                if not safe or failures >= _ATTEMPTS:
                    raise ApiError(f"GitHub did not answer {verb} {_place(url)}: {error}") from error
                pause = _PAUSES[failures - 1]
            else:
                if answer.status < 300:
                    return answer
                limited = _limited(answer)
                if answer.status == 401 and self._installed is not None and auth == self._auth and not renewed:
                    renewed, self._installed = True, None  # it was turned away unread, so that any verb may go again
                    continue
                if limited is not None:
                    pause = limited
                    if waited + pause > LONGEST_WAIT:
                        raise _limit_error(verb, url, answer, pause)
                elif safe and answer.status >= 500 and failures < _ATTEMPTS - 1:
                    failures += 1
                    pause = _PAUSES[failures - 1]
                else:
                    raise _refused(verb, url, answer)
            self._wait(pause)
            waited += pause

    def _next(self, path: str, link: str) -> str:
        """Return the address of the next page, "" on the last: https://docs.github.com/en/rest/using-the-rest-api/using-pagination-in-the-rest-api."""
        for part in link.split(","):
            address, _, relation = part.partition(";")
            if 'rel="next"' not in relation:
                continue
            url = address.strip().removeprefix("<").removesuffix(">")
            if not url.startswith(f"{self._transport.base}/"):
                raise ApiError(f"GitHub's pages of {shown(path)} lead to another server")
            return url
        return ""

    # Tokens

    def _auth(self) -> Auth.Auth:
        fixed = self._access.fixed
        if fixed is not None:
            return fixed
        if self._installed is None or time.monotonic() >= self._renew_at:
            self._install()
        assert self._installed is not None  # noqa: S101  (_install sets it or raises)
        return self._installed

    def _install(self) -> None:
        """Get a token of the App's installation, for this repository alone.

        https://docs.github.com/en/rest/apps/apps#create-an-installation-access-token-for-an-app. When it ends is
        reckoned from GitHub's own clock, so that a wrong one here does not matter.
        """
        number = self._access.installation or self._find_installation()
        path = f"/app/installations/{number}/access_tokens"
        body = {"repositories": [self._repository.partition("/")[2]]}
        answer = self._exchange("POST", path, body, self._signed, safe=True)
        data = _parsed("POST", path, answer)
        token, ends = (data.get("token"), data.get("expires_at")) if isinstance(data, dict) else (None, None)
        if not isinstance(token, str) or not token or not isinstance(ends, str):
            raise ApiError("expected a token with token and expires_at from GitHub, got something else")
        try:
            lasts = (datetime.fromisoformat(ends) - (_date(answer) or datetime.now(UTC))).total_seconds()
        except (ValueError, TypeError) as error:
            raise ApiError(f"expected the instant a token ends, got {shown(ends)!r}") from error
        self._installed = Auth.Token(token)
        self._renew_at = time.monotonic() + max(lasts - _RENEW_EARLY, 0.0)

    def _find_installation(self) -> int:
        path = f"/repos/{self._repository}/installation"
        try:
            data = _parsed("GET", path, self._exchange("GET", path, None, self._signed, safe=True))
        except ApiError as error:
            if error.status == 404:  # noqa: PLR2004  (not found)
                raise ApiError(
                    f"the App {self._access.app_id} is not installed on {self._repository}",
                    status=404,
                    hint="install it on the repository: the App's page, Install App",
                ) from error
            raise
        number = data.get("id") if isinstance(data, dict) else None
        if type(number) is not int:
            raise ApiError("expected an installation with its id from GitHub, got something else")
        return number

    def _signed(self) -> Auth.Auth:
        app = self._access.app
        assert app is not None  # noqa: S101  (asked for only where there is no token)
        return app


class _HalfError(Exception):
    """A success whose body cannot be read."""


def _url(path: str, params: Mapping[str, str | int | None]) -> str:
    query = urlencode({name: value for name, value in params.items() if value is not None})
    return f"{path}?{query}" if query else path


def _place(url: str) -> str:
    return shown(url.partition("?")[0])


def _parsed(verb: str, url: str, answer: Answer) -> Any:
    if not answer.text:
        return None
    try:
        return json.loads(answer.text)
    except ValueError as error:
        if verb == "GET":
            raise _HalfError("the answer is no JSON") from error
        raise ApiError(f"GitHub's answer to {verb} {_place(url)} is no JSON") from error


def _items(path: str, data: Any, key: str) -> list[Any]:
    found = data.get(key) if key and isinstance(data, dict) else None if key else data
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        what = f"a list {key!r}" if key else "a list"
        raise ApiError(f"expected {what} at {shown(path)} from GitHub, got something else")
    return found


def _said(answer: Answer) -> str:
    """Return GitHub's own words for a refusal, fit to be shown."""
    try:
        data = json.loads(answer.text)
    except ValueError:
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
    return shown("; ".join(words))


def _refused(verb: str, url: str, answer: Answer) -> ApiError:
    said, status = _said(answer), answer.status
    if 300 <= status < 400:  # noqa: PLR2004  (redirects)
        return ApiError(
            f"GitHub has moved {_place(url)} elsewhere",
            status=status,
            hint="the repository was renamed or moved: name it anew in policies/daypass.yaml",
        )
    needs = shown(answer.headers.get("x-accepted-github-permissions", "")) if status == 403 else ""  # noqa: PLR2004
    hint = f"it needs the permission {needs}; docs/github.md says how to give it" if needs else ""
    return ApiError(f"GitHub answered {status} to {verb} {_place(url)}: {said}", status=status, said=said, hint=hint)


def _limited(answer: Answer) -> float | None:
    """Return the seconds that a rate limit asks to wait, None where the answer is no rate limit.

    https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api#exceeding-the-rate-limit
    """
    if answer.status not in (403, 429):
        return None
    stated = answer.headers.get("retry-after", "")
    if stated.isascii() and stated.isdecimal():
        return float(stated)
    if answer.headers.get("x-ratelimit-remaining") == "0":
        reset, now = answer.headers.get("x-ratelimit-reset", ""), _date(answer)
        if reset.isascii() and reset.isdecimal() and now is not None:
            return max(float(reset) - now.timestamp(), 0.0) + 1
        return LONGEST_WAIT + 1  # nobody says when it lifts
    return _UNSTATED if answer.status == 429 or "rate limit" in _said(answer).lower() else None  # noqa: PLR2004


def _limit_error(verb: str, url: str, answer: Answer, pause: float) -> ApiError:
    now = _date(answer)
    reset = answer.headers.get("x-ratelimit-reset", "")
    primary = answer.headers.get("x-ratelimit-remaining") == "0" and reset.isascii() and reset.isdecimal()
    lifts = int(reset) if primary else int(now.timestamp() + pause) if now is not None else 0
    when = f"until {format_instant(datetime.fromtimestamp(lifts, UTC))}" if lifts else "for an unknown time"
    return ApiError(
        f"GitHub's rate limit turns away {verb} {_place(url)} {when}",
        status=answer.status,
        said=_said(answer),
        hint=f"run it again then; no request waits longer than {LONGEST_WAIT:.0f} s",
    )


def _date(answer: Answer) -> datetime | None:
    """Return the instant on GitHub's clock, None where it does not say."""
    try:
        return parsedate_to_datetime(answer.headers.get("date", ""))
    except (ValueError, TypeError):
        return None
