"""One request to GitHub and its answer, counted: the client library with everything automatic switched off.

PyGithub would follow a redirect without the query, repeat what is not safe to repeat, and wait without an end; here
each request is sent once, and what came of it is said.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from github import Auth
from github.Requester import (
    HTTPRequestsConnectionClass,
    HTTPSRequestsConnectionClass,
    Requester,
    RequestsResponse,
)
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

from daypass.edges.github.address import read_base

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
        host, port, secure, local = read_base(base)
        self.base = base.rstrip("/")
        self.calls = 0
        self._pause = None if local else _WRITE_PAUSE
        self._timeout = timeout
        self._connection = _connection(self, host, port, secure=secure, timeout=timeout)
        if local:
            self._connection.session.trust_env = False  # a proxy of the environment is not asked for this machine
        self._requesters: dict[int, tuple[Auth.Auth, Requester]] = {}

    def send(self, verb: str, url: str, auth: Auth.Auth, body: Any = None) -> Answer:
        """Send one request, once. ``url`` is an absolute path of the API with its query, or a whole address of it.

        Raises LostError when no whole answer came.
        """
        try:
            status, headers, text = self._requester(auth).requestJson(
                verb, url, None, {"Accept": _ACCEPT}, body, self._connection
            )
        except RequestException as error:
            raise LostError(_words(error, self._timeout)) from error
        except ValueError as error:  # the library reads numbers from headers
            raise LostError("its answer makes no sense") from error
        return Answer(status, headers, text)

    def _requester(self, auth: Auth.Auth) -> Requester:
        kept = self._requesters.get(id(auth))
        if kept is not None:
            return kept[1]
        requester = Requester(
            auth=auth,
            base_url=self.base,
            timeout=self._timeout,
            user_agent="daypass",
            per_page=PER_PAGE,
            verify=True,
            retry=0,
            pool_size=None,
            seconds_between_requests=None,
            seconds_between_writes=self._pause,
            api_version=VERSION,
        )
        self._requesters = {id(auth): (auth, requester)} if len(self._requesters) > 1 else self._requesters
        self._requesters[id(auth)] = (auth, requester)
        return requester


class _Once:
    """Counts what is sent and hands redirects to nobody: a renamed repository is to be named anew, not followed."""

    owner: Transport

    def getresponse(self) -> RequestsResponse:
        self.owner.calls += 1
        found: RequestsResponse = super().getresponse()  # type: ignore[misc]  # mixed into PyGithub's connections below
        if found.status == HTTPStatus.ACCEPTED and self.verb == "GET":  # type: ignore[attr-defined]  # likewise; it would ask for ever
            raise RequestException("it is still making the answer")
        found.headers.pop("location", None)
        return found


class _Plain(_Once, HTTPRequestsConnectionClass):
    pass


class _Secure(_Once, HTTPSRequestsConnectionClass):
    pass


def _connection(owner: Transport, host: str, port: int | None, *, secure: bool, timeout: int) -> _Plain | _Secure:
    made = (_Secure if secure else _Plain)(f"[{host}]" if ":" in host else host, port, timeout=timeout, retry=0)
    made.owner = owner
    return made


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
