"""One request to GitHub and its answer, counted: the client library with everything automatic switched off.

PyGithub would follow a redirect without the query, repeat what is not safe to repeat, and wait without an end; here
each request is sent once, and what came of it is said: what GitHub refuses, and why, and how long its rate limits ask
to wait.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

from github import Auth, Github
from github.Requester import HTTPSRequestsConnectionClass, Requester, RequestsResponse
from requests.exceptions import (
    ChunkedEncodingError,
    ConnectTimeout,
    ProxyError,
    RequestException,
    SSLError,
    Timeout,
)
from requests.exceptions import (
    ConnectionError as BrokenError,
)

from daypass.core.errors import EdgeError
from daypass.core.finding import shown
from daypass.core.record import dataclass
from daypass.core.window import format_instant
from daypass.edges.forges.github.environment import Base, read_base

VERSION = "2022-11-28"
"""The version of the API that the answers are read by: https://docs.github.com/en/rest/about-the-rest-api/api-versions"""

TIMEOUT = 15
"""Seconds without a byte after which an answer counts as lost."""

PER_PAGE = 100
_ACCEPT = "application/vnd.github+json"
_WRITE_PAUSE = 1.0
"""Seconds between writes, as GitHub asks: https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api"""


@dataclass(frozen=True, slots=True)
class Answer:
    """What GitHub answered. ``headers`` have names in lower case."""

    status: int
    headers: Mapping[str, str]
    text: str


class LostError(Exception):
    """No whole answer came: whether the request had its effect is unknown."""


class Transport:
    """The connection to one API. Raises InvalidError for an address that is not https, loopback excepted."""

    def __init__(self, base: str, timeout: int = TIMEOUT) -> None:
        found = read_base(base)
        self.base = base.rstrip("/")
        self.calls = 0
        self._pause = None if found.local else _WRITE_PAUSE
        self._timeout = timeout
        self._connection = _Once(found, timeout)
        self._clients: dict[int, Github] = {}

    def send(self, verb: str, url: str, auth: Auth.Auth, body: Any = None) -> Answer:
        """Send one request, once. ``url`` is an absolute path of the API with its query, or a whole address of it.

        Raises LostError when no whole answer came.
        """
        self.calls += 1
        try:
            status, headers, text = self._client(auth).requester.requestJson(
                verb, url, None, {"Accept": _ACCEPT}, body, self._connection
            )
        except RequestException as error:
            raise LostError(_words(error, self._timeout)) from error
        except ValueError as error:  # the library reads numbers from headers
            raise LostError("its answer makes no sense") from error
        return Answer(status, headers, text)

    def _client(self, auth: Auth.Auth) -> Github:
        """Return the client of an App's key or of a token; of tokens that were renewed, those before are forgotten."""
        found = self._clients.get(id(auth))
        if found is None:
            found = Github(
                auth=auth,
                base_url=self.base,
                timeout=self._timeout,
                user_agent="daypass",
                per_page=PER_PAGE,
                retry=None,
                seconds_between_requests=None,
                seconds_between_writes=self._pause,
                api_version=VERSION,
            )
            self._clients = {} if len(self._clients) > 1 else self._clients
            self._clients[id(auth)] = found  # which holds ``auth``, so that its id is nobody else's
        return found


class _Once(HTTPSRequestsConnectionClass):
    """Hands redirects to nobody: a renamed repository is to be named anew, not followed."""

    def __init__(self, base: Base, timeout: int) -> None:
        host = f"[{base.host}]" if ":" in base.host else base.host
        super().__init__(host, base.port or (443 if base.secure else 80), timeout=timeout, retry=0)
        self.protocol = "https" if base.secure else "http"
        self.session.trust_env = not base.local  # a proxy of the environment is not asked for this machine

    def getresponse(self) -> RequestsResponse:
        """Send it."""
        found = super().getresponse()
        if found.status == HTTPStatus.ACCEPTED and self.verb == "GET":  # the client would ask for ever
            raise RequestException("it is still making the answer")
        found.headers.pop("location", None)
        return found


def _words(error: RequestException, timeout: int) -> str:
    """Say what a request died of; the library's own words hold addresses of objects, and may hold more."""
    for kind, words in (
        (ConnectTimeout, f"it cannot be reached within {timeout} s"),
        (Timeout, f"nothing came within {timeout} s"),
        (ChunkedEncodingError, "the answer was cut off"),
        (SSLError, "its certificate does not hold"),
        (ProxyError, "the proxy does not let it through"),
        (BrokenError, "the connection failed"),
    ):
        if isinstance(error, kind):
            return words
    return str(error) if type(error) is RequestException else "the request failed"


_SILENT = logging.Logger("daypass.github", logging.CRITICAL + 1)  # noqa: LOG001  (no handler may ever be reached)
Requester.injectLogger(_SILENT)  # its log would hold whole answers, among them the tokens of installations


LONGEST_WAIT = 120.0
"""Seconds that one request waits at most, all its pauses together."""

_UNSTATED = 60.0
"""GitHub asks for at least a minute where a secondary limit states no time."""

_HINTS: Mapping[int, str] = {
    0: "is GitHub up (https://www.githubstatus.com) and can this machine reach it?",
    401: "the token is wrong, ended or revoked; make a new one",
    403: "give the App or token the permission that this needs; docs/github.md lists them",
    404: "it is not there, or the token cannot see it",
}


class ApiError(EdgeError):
    """GitHub did not do what was asked. ``status`` is 0 where no whole answer came; ``said`` is GitHub's reason.

    ``limited``: a rate limit turned it away, whatever was asked.
    """

    def __init__(self, message: str, *, status: int = 0, said: str = "", hint: str = "", limited: bool = False) -> None:
        super().__init__(message, hint=hint or _HINTS.get(status, ""))
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


def refusal(verb: str, url: str, answer: Answer) -> ApiError:
    """Return the error for an answer that is no success and no rate limit."""
    said, status = _said(answer), answer.status
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return ApiError(
            f"GitHub has moved {place(url)} elsewhere",
            status=status,
            hint="the repository was renamed or moved: name it anew in policies/daypass.yaml",
        )
    needs = shown(answer.headers.get("x-accepted-github-permissions", "")) if status == HTTPStatus.FORBIDDEN else ""
    hint = f"it needs the permission {needs}; docs/github.md says how to give it" if needs else ""
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
