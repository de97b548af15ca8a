"""GitHub's REST API as the adapters use it: counted, bounded, and never half an answer.

Upholds: only what is safe to repeat is repeated (reading, and what a rate limit turned away before it began); a list is
read to its last page or not at all; nothing that fails looks like nothing found; tokens appear in no message.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from types import MappingProxyType
from typing import Any
from urllib.parse import urlencode

from github import Auth

from daypass.core.finding import shown
from daypass.edges.forges.environment import addresses, server_of
from daypass.edges.forges.github.answers import (
    LONGEST_WAIT,
    Answer,
    ApiError,
    date_of,
    limit_error,
    limited_for,
    parsed,
    refusal,
)
from daypass.edges.forges.github.transport import PER_PAGE, Credential, Transport, app_credential, credential_from
from daypass.edges.pins import hold_app

LIMIT = 5000
"""A list longer than this is refused where the caller names no limit of its own."""

_PAUSES = (1.0, 2.0, 4.0)
"""Seconds before each new attempt at what was lost on the way."""

_RENEW_EARLY = 300.0
"""Seconds before its end at which a token is renewed, so that it outlives what is done with it."""


class Api:
    """GitHub's REST API for one repository or one organisation, with whatever the environment holds to be known by.

    ``kind`` is who acts: ``app``, ``actions`` (a workflow's own token) or ``token`` (a person's); ``app_id`` is "" for a
    token. ``server`` is the host that people know the server by. ``repository`` is ``owner/name``, to which an App's
    tokens are then confined, or an organisation's name alone. ``pause`` waits for so many seconds. ``clock`` is what
    GitHub last took the time to be, None before its first answer. ``scopes`` are those of a person's classic token or of one
    that `gh` made, None where GitHub tells of none. ``calls`` counts every request sent, repeated ones and
    those for tokens included. Paths are absolute, as in ``/repos/acme/access/pulls/7``; what people chose in them is to
    be quoted by the caller.
    """

    def __init__(
        self, transport: Transport, credential: Credential, repository: str, *, wait: Callable[[float], None]
    ) -> None:
        self._transport = transport
        self._credential = credential
        self.kind = credential.kind
        self.app_id = credential.app_id
        self.noted: dict[str, Any] = {}
        """What was read last of something that changes no more in this run, by its path."""
        self.server = server_of(transport.base)
        self.repository = repository
        self.pause = wait
        self._installed: Auth.Token | None = None
        self._renew_at = 0.0
        self.clock: datetime | None = None
        self.scopes: frozenset[str] | None = None

    @classmethod
    def from_environment(
        cls,
        environ: Mapping[str, str],
        repository: str,
        *,
        wait: Callable[[float], None],
        options: Mapping[str, Any] = MappingProxyType({}),
    ) -> Api:
        """Return the API with the App's key or the token that the environment holds; nothing is sent yet.

        ``options`` are the settings' own of the forge, which pin the server and the App. Raises EdgeError where there is
        none, one that cannot be used, or another; InvalidError for an address without https.
        """
        base = addresses(environ, options).api
        hold_app("the forge", "DAYPASS_APP_ID", environ.get("DAYPASS_APP_ID", ""), str(options.get("app", "")))
        return cls(Transport(base), credential_from(environ), repository, wait=wait)

    def acting_as(self, number: str, key: str, *, whole: bool = False) -> Api:
        """Return the same API for an App with this key; ``whole``: with all that its installation opens.

        Raises EdgeError where it is no key.
        """
        about = self.repository.partition("/")[0] if whole else self.repository
        return Api(self._transport, app_credential(number, key), about, wait=self.pause)

    @property
    def calls(self) -> int:
        """How many requests were sent."""
        return self._transport.calls

    def token(self) -> str:
        """Return the token for git over https, renewed when it is about to end."""
        return self._auth().token

    def time(self) -> datetime | None:
        """Ask what time it is there, once. Raises ApiError where no answer comes.

        https://docs.github.com/en/rest/rate-limit/rate-limit#get-rate-limit-status-for-the-authenticated-user, which
        counts towards no limit.
        """
        self._exchange("GET", "/rate_limit", None, self._auth, safe=False)
        return self.clock

    def get(self, path: str, **params: str | int | None) -> Any:
        """Read one thing. Raises ApiError when GitHub refuses or keeps failing."""
        return self._read(_url(path, params))[1]

    def find(self, path: str, *, gone: Collection[int] = (HTTPStatus.NOT_FOUND,), words: str = "") -> Any:
        """Read one thing, None where GitHub says by one of these statuses, and with these words, that there is none."""
        try:
            found = self.get(path)
        except ApiError as error:
            if error.status in gone and words in error.said:
                return None
            raise
        if found is None:
            raise ApiError(f"expected something at {shown(path)} from GitHub, got nothing")
        return found

    def pages(
        self,
        path: str,
        *,
        key: str = "",
        limit: int = LIMIT,
        until: Callable[[Any], bool] | None = None,
        **params: str | int | None,
    ) -> list[Any]:
        """Read a list to its last page, or up to the first page with an item that ``until`` accepts.

        ``key`` names the list inside an object. Raises ApiError for a list of more than ``limit``, for a page that is
        no list of objects, and for pages that lead in a circle or to another server.
        """
        url = _url(path, {**params, "per_page": PER_PAGE})
        found: list[Any] = []
        seen: set[str] = set()
        while url:
            seen.add(url)
            answer, data = self._read(url)
            items = _items(path, data, key)
            found += items
            if until is not None and any(until(item) for item in items):
                return found
            if max(len(found), len(seen)) > limit:  # as many pages: empty ones could go on without end
                raise ApiError(f"GitHub lists more than {limit} at {shown(path)}", hint="such a list is not judged")
            url = self._next(path, answer.headers.get("link", ""))
            if url in seen:
                raise ApiError(f"GitHub's pages of {shown(path)} lead in a circle")
        return found

    def send(self, verb: str, path: str, body: Any = None, *, safe: bool = False) -> Any:
        """Change something (POST, PUT, PATCH, DELETE) and return the answer, None for an empty one.

        It is sent again only where a rate limit or an ended token turned it away before it began. ApiError with status
        0 or 5xx says nothing about whether it came about: look before you try again. ``safe``: doing it twice is the
        same as doing it once, so that what was lost on the way is sent again too.
        """
        return self._exchange(verb, path, body, self._auth, safe=safe)[1]

    def own_app(self) -> Any:
        """Return the App whose key this is, asked with the key itself; for the kind ``app`` alone.

        https://docs.github.com/en/rest/apps/apps#get-the-authenticated-app
        """
        return self._exchange("GET", "/app", None, self._signed, safe=True)[1]

    def own_installation(self) -> Any:
        """Return where the App is installed, and what it may do there; for the kind ``app`` alone.

        https://docs.github.com/en/rest/apps/apps#get-an-organization-installation-for-the-authenticated-app
        """
        whole = "/" in self.repository
        path = f"/{'repos' if whole else 'orgs'}/{self.repository}/installation"
        try:
            return self._exchange("GET", path, None, self._signed, safe=True)[1]
        except ApiError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                kind = "repository" if whole else "organisation"
                raise ApiError(
                    f"the App {self.app_id} is not installed on {self.repository}",
                    status=404,
                    hint=f"install it on the {kind}: the App's page, Install App",
                ) from error
            raise

    # One request and what may be repeated

    def _read(self, url: str) -> tuple[Answer, Any]:
        return self._exchange("GET", url, None, self._auth, safe=True)

    def _exchange(
        self, verb: str, url: str, body: Any, auth: Callable[[], Auth.Auth], *, safe: bool
    ) -> tuple[Answer, Any]:
        """Send a request until it is answered, and read the answer; raises ApiError for anything but a success."""
        waited, pauses, renewed = 0.0, list(_PAUSES if safe else ()), False
        while True:
            key = auth()
            try:
                answer = self._transport.send(verb, url, key, body)
                data = parsed(verb, url, answer) if answer.succeeded else None
            except ApiError:  # no whole answer came
                if not pauses:
                    raise
                pause = pauses.pop(0)
            else:
                self.clock = date_of(answer) or self.clock
                if "x-oauth-scopes" in answer.headers:
                    self.scopes = frozenset(answer.headers["x-oauth-scopes"].replace(",", " ").split())
                if answer.succeeded:
                    return answer, data
                if self._ended(answer, auth) and not renewed:
                    renewed, self._installed = True, None  # it was turned away unread, so that any verb may go again
                    continue
                limit = limited_for(answer)
                if limit is not None and waited + limit > LONGEST_WAIT:
                    raise limit_error(verb, url, answer, limit)
                if limit is None and not (pauses and answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR):
                    raise refusal(verb, url, answer)
                pause = limit if limit is not None else pauses.pop(0)
            self.pause(pause)
            waited += pause

    def _ended(self, answer: Answer, auth: Callable[[], Auth.Auth]) -> bool:
        """Whether the installation's token was turned away, as it is when somebody revokes it."""
        return answer.status == HTTPStatus.UNAUTHORIZED and self._installed is not None and auth == self._auth

    def _next(self, path: str, link: str) -> str:
        """Return the address of the next page, "" on the last: https://docs.github.com/en/rest/using-the-rest-api/using-pagination-in-the-rest-api."""
        for part in link.split(","):
            address, _, relation = part.partition(";")
            if 'rel="next"' not in relation:
                continue
            url = address.strip().removeprefix("<").removesuffix(">")
            if not url.startswith(f"{self._transport.base}/"):
                raise ApiError(f"GitHub's pages of {shown(path)} lead to another server")
            return url.removeprefix(self._transport.base)
        return ""

    # Tokens

    def _auth(self) -> Auth.Auth:
        fixed = self._credential.fixed
        if fixed is not None:
            return fixed
        if self._installed is None or time.monotonic() >= self._renew_at:
            self._install()
        assert self._installed is not None  # noqa: S101  (_install sets it or raises)
        return self._installed

    def _install(self) -> None:
        """Get a token of the App's installation, for this repository alone where there is one.

        https://docs.github.com/en/rest/apps/apps#create-an-installation-access-token-for-an-app. When it ends is
        reckoned from GitHub's own clock, so that a wrong one here does not matter.
        """
        named = self._credential.installation
        try:
            answer, data = self._ask_token(named or self._find_installation())
        except ApiError as error:
            if not named or error.status != HTTPStatus.NOT_FOUND:
                raise
            answer, data = self._ask_token(self._find_installation())  # it may be installed anew, by another number
        token, ends = (data.get("token"), data.get("expires_at")) if isinstance(data, dict) else (None, None)
        if not isinstance(token, str) or not token or not isinstance(ends, str):
            raise ApiError("expected a token with token and expires_at from GitHub, got something else")
        try:
            lasts = (datetime.fromisoformat(ends) - (date_of(answer) or datetime.now(UTC))).total_seconds()
        except (ValueError, TypeError) as error:
            raise ApiError(f"expected the instant a token ends, got {shown(ends)!r}") from error
        self._installed = Auth.Token(token)
        self._renew_at = time.monotonic() + max(lasts - _RENEW_EARLY, 0.0)

    def _ask_token(self, installation: int) -> tuple[Answer, Any]:
        path = f"/app/installations/{installation}/access_tokens"
        name = self.repository.partition("/")[2]
        body = {"repositories": [name]} if name else None
        return self._exchange("POST", path, body, self._signed, safe=True)

    def _find_installation(self) -> int:
        data = self.own_installation()
        number = data.get("id") if isinstance(data, dict) else None
        if type(number) is not int:
            raise ApiError("expected an installation with its id from GitHub, got something else")
        return number

    def _signed(self) -> Auth.Auth:
        app = self._credential.app
        assert app is not None  # noqa: S101  (asked for only where there is no token)
        return app


def _url(path: str, params: Mapping[str, str | int | None]) -> str:
    query = urlencode({name: value for name, value in params.items() if value is not None})
    return f"{path}?{query}" if query else path


def _items(path: str, data: Any, key: str) -> list[Any]:
    found = data.get(key) if key and isinstance(data, dict) else None if key else data
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        what = f"a list {key!r}" if key else "a list"
        raise ApiError(f"expected {what} at {shown(path)} from GitHub, got something else")
    return found
