"""One request to GitHub, and what we are known by there: an App's key, a workflow's own token, or a person's.

PyGithub would follow a redirect without the query, repeat what is not safe to repeat, and wait without an end; here
each request is sent once and counted, and its answer is returned as it came.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import lru_cache
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from github import Auth, Github
from github.Requester import HTTPSRequestsConnectionClass, Requester, RequestsResponse
from msgspec import Struct
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
from daypass.edges.forges.environment import graphql_at, is_local, read_base
from daypass.edges.forges.github.answers import Answer, lost

VERSION = "2022-11-28"
"""The version of the API that the answers are read by: https://docs.github.com/en/rest/about-the-rest-api/api-versions"""

TIMEOUT = 15
"""Seconds without a byte after which an answer counts as lost."""

PER_PAGE = 100
_ACCEPT = "application/vnd.github+json"
_WRITE_PAUSE = 1.0
"""Seconds between writes, as GitHub asks: https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api"""


class Transport:
    """The connection to one API. Raises InvalidError for an address that is not https, loopback excepted.

    GraphQL is asked at ``/graphql``, wherever the server has it.
    """

    def __init__(self, base: str, timeout: int = TIMEOUT) -> None:
        found = read_base(base)
        self.base = base.rstrip("/")
        self.calls = 0
        self._graphql = graphql_at(self.base)
        self._pause = None if is_local(found) else _WRITE_PAUSE
        self._timeout = timeout
        self._connection = _Once(found, timeout)
        self._clients: dict[int, Github] = {}

    def send(self, verb: str, url: str, auth: Auth.Auth, body: Any = None) -> Answer:
        """Send one request, once. ``url`` is an absolute path of the API with its query, or a whole address of it.

        Raises ApiError when no whole answer came.
        """
        self.calls += 1
        url = self._graphql if url == "/graphql" else url
        try:
            status, headers, text = self._client(auth).requester.requestJson(
                verb, url, None, {"Accept": _ACCEPT}, body, self._connection
            )
        except RequestException as error:
            raise lost(verb, url, _words(error, self._timeout)) from error
        except ValueError as error:  # the library reads numbers from headers
            raise lost(verb, url, "its answer makes no sense") from error
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

    def __init__(self, base: SplitResult, timeout: int) -> None:
        host = base.hostname or ""
        port = base.port or (443 if base.scheme == "https" else 80)
        super().__init__(f"[{host}]" if ":" in host else host, port, timeout=timeout, retry=0)
        self.protocol = base.scheme
        self.session.trust_env = not is_local(base)  # a proxy of the environment is not asked for this machine

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


_PERSONAL = ("github_pat_", "ghp_")
"""How the tokens of people begin; a workflow's own does not, and only its beginning may be relied upon."""


class Credential(Struct, frozen=True):
    """Either ``fixed``, a token as it is, or ``app``, whose key signs for tokens of its installation (0: to be found)."""

    kind: str
    fixed: Auth.Token | None = None
    app: Auth.AppAuth | None = None
    app_id: str = ""
    installation: int = 0

    def __repr__(self) -> str:
        return (
            f"Credential(kind={self.kind!r}, app_id={self.app_id!r}, installation={self.installation!r})"  # no secret
        )


def credential_from(environ: Mapping[str, str]) -> Credential:
    """Return what the environment holds: the App first, then GITHUB_TOKEN, then GH_TOKEN; empty counts as not set.

    Raises EdgeError, never showing a secret, for none and for half an App.
    """
    app = environ.get("DAYPASS_APP_ID", "")
    key = environ.get("DAYPASS_APP_KEY", "") or _key_file(environ.get("DAYPASS_APP_KEY_FILE", ""))
    if bool(app) != bool(key):
        missing = "DAYPASS_APP_KEY or DAYPASS_APP_KEY_FILE" if app else "DAYPASS_APP_ID"
        raise EdgeError(f"half of the App's access is set: {missing} is missing", hint="set both, or neither")
    if app:
        number = environ.get("DAYPASS_APP_INSTALLATION", "")
        if number and not (number.isascii() and number.isdecimal()):
            raise EdgeError(f"expected a number in DAYPASS_APP_INSTALLATION, got {number!r}")
        return app_credential(app, key, int(number or 0))
    token = environ.get("GITHUB_TOKEN", "") or environ.get("GH_TOKEN", "")
    if not token:
        raise EdgeError(
            "there is neither an App nor a token here to act by at GitHub",
            hint="yours: export GH_TOKEN=$(gh auth token); else DAYPASS_APP_ID and DAYPASS_APP_KEY, as docs/github.md says",
        )
    if not token.isascii() or not token.isprintable() or " " in token:
        raise EdgeError("the token for GitHub holds characters that no token has", hint="was a line end copied along?")
    workflow = environ.get("GITHUB_ACTIONS") == "true" and not token.startswith(_PERSONAL)
    return Credential("actions" if workflow else "token", fixed=Auth.Token(token))


def app_credential(number: str, key: str, installation: int = 0) -> Credential:
    """Return what an App acts by. Raises EdgeError where that is no key."""
    signing = Auth.AppAuth(number, sign_func=_signer(key))
    return Credential("app", app=signing, app_id=number, installation=installation)


def _key_file(name: str) -> str:
    if not name:
        return ""
    try:
        return Path(name).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise EdgeError(f"the App's key cannot be read from {name!r}", hint="correct DAYPASS_APP_KEY_FILE") from error


def _signer(text: str) -> Callable[[dict[str, Any]], str]:
    key = _read_key(text)
    return lambda claims: jwt.encode(claims, key, "RS256")


@lru_cache(maxsize=8)
def _read_key(text: str) -> RSAPrivateKey:
    """Read the App's key once a process: proving that it is one takes longer than all signatures of a run."""
    try:
        key = load_pem_private_key(text.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise EdgeError("the App's key is no private key in PEM", hint="download it from the App's page") from error
    if not isinstance(key, RSAPrivateKey):
        raise EdgeError("the App's key is no RSA key", hint="GitHub makes the key; download it from the App's page")
    return key
