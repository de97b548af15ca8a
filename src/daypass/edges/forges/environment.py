"""What the environment says at GitHub: the API's address, and what a workflow is woken by and tells people.

Read without the client library, which takes long to load.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import SplitResult, urlsplit

from daypass.core.errors import ElsewhereError, InvalidError, UsageError
from daypass.core.forge import Occasion

API = "https://api.github.com"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def read_base(base: str) -> SplitResult:
    """Read the address of an API. Raises InvalidError for one that is not https, loopback excepted, or says more."""
    try:
        parts = urlsplit(base)
        host, _ = parts.hostname, parts.port  # which fails for one that is no number
    except ValueError as error:
        raise InvalidError(f"expected the address of GitHub's API, got {base!r}: {error}") from error
    if parts.scheme != "https" and not (parts.scheme == "http" and is_local(parts)):
        raise InvalidError(
            f"expected the address of GitHub's API to begin with https://, got {base!r}",
            hint="correct GITHUB_API_URL or forge.api_url; without both https://api.github.com is used",
        )
    if parts.username or parts.password or not host or parts.query or parts.fragment:
        raise InvalidError(f"expected the address of GitHub's API alone, got one of {host!r} with more")
    return parts


def is_local(address: SplitResult) -> bool:
    """Say whether an API is on this machine."""
    return address.hostname in _LOOPBACK


def server_of(base: str) -> str:
    """Return the host that people know a GitHub server by, which its hidden addresses end in, from its API's address.

    An API on this machine stands for github.com.
    https://docs.github.com/en/enterprise-server@latest/rest/using-the-rest-api/getting-started-with-the-rest-api
    """
    found = read_base(base)
    return "github.com" if is_local(found) else (found.hostname or "").removeprefix("api.")


SERVER = "https://github.com"
_REST, _GRAPHQL = "/api/v3", "/api/graphql"


class Addresses(NamedTuple):
    """One GitHub: its API and its pages, which git is served from as well. Neither ends in a slash."""

    api: str
    server: str


def addresses(environ: Mapping[str, str], options: Mapping[str, Any]) -> Addresses:
    """Return which GitHub is meant: the one that the settings name, else the one of the environment, else github.com.

    Of two addresses of which one is not said, it follows from the other. Raises ElsewhereError where the environment names
    another than the settings: tokens would go there.
    """
    told = Addresses(environ.get("GITHUB_API_URL", "").rstrip("/"), environ.get("GITHUB_SERVER_URL", "").rstrip("/"))
    named = Addresses(str(options.get("api_url", "")).rstrip("/"), str(options.get("server_url", "")).rstrip("/"))
    if not any(named):
        return _whole(told)
    meant = _whole(named)
    for variable, said, wanted in zip(("GITHUB_API_URL", "GITHUB_SERVER_URL"), told, meant, strict=True):
        if said and said.lower() != wanted.lower():
            raise ElsewhereError(
                f"{variable} names another GitHub than main's settings, which say {wanted}",
                hint="run it there, or correct forge.server_url and forge.api_url in policies/daypass.yaml",
            )
    return meant


def _whole(some: Addresses) -> Addresses:
    api, server = some
    return Addresses(api or api_of(server or SERVER), server or server_at(api or API))


def api_of(server: str) -> str:
    """Return the address of a server's API: github.com's and, with data residency, ghe.com's have a host of their own.

    https://docs.github.com/en/enterprise-cloud@latest/admin/data-residency/network-details-for-ghecom
    """
    parts = urlsplit(server)
    host = (parts.hostname or "").lower()
    if host == "github.com" or host.endswith(".ghe.com"):
        return f"{parts.scheme}://api.{parts.netloc}"
    return f"{server}{_REST}"


def server_at(api: str) -> str:
    """Return the address of the pages of the server whose API this is."""
    parts = urlsplit(api)
    return f"{parts.scheme}://{parts.netloc.removeprefix('api.')}"


def graphql_at(api: str) -> str:
    """Return where an API takes GraphQL: at GitHub Enterprise Server beside REST, elsewhere below it.

    https://docs.github.com/en/enterprise-server@latest/graphql/guides/forming-calls-with-graphql
    """
    return f"{api.removesuffix(_REST)}{_GRAPHQL}" if api.endswith(_REST) else f"{api}/graphql"


_SUMMARY = "GITHUB_STEP_SUMMARY"
_EVENT = "GITHUB_EVENT_PATH"
_LONGEST = 32 << 20  # an event's payload is at most 25 MB


def summary_file(environ: Mapping[str, str]) -> Path | None:
    """Return the page of the workflow's step, to which Markdown is added, None where none runs."""
    named = environ.get(_SUMMARY)
    return Path(named) if named else None


_TOO_BIG = 1 << 53  # no id of the forge is longer, and no JSON number keeps more exactly


def read_occasion(environ: Mapping[str, str], given: Path | None) -> Occasion:
    """Read what woke this run from the file that is given, else from the one that the environment names.

    Raises UsageError where there is none, and for one that is no event.
    """
    named = environ.get(_EVENT, "")
    if given is None and not named:
        raise UsageError("EVENT_FILE is missing", hint=f"name the file of the event, or set {_EVENT}")
    place = given or Path(named)
    try:
        with place.open("rb") as stream:
            return read_event(stream.read(_LONGEST))
    except OSError as error:
        raise UsageError(f"the event file {str(place)!r} cannot be read: {error.strerror}") from error


def read_event(raw: bytes) -> Occasion:
    """Read from an event's payload what it is about and nothing else.

    https://docs.github.com/en/webhooks/webhook-events-and-payloads. Raises UsageError for what is no such payload.
    """
    try:
        payload = json.loads(raw)
    except (ValueError, RecursionError):
        raise UsageError("the event file holds no JSON", hint="it is the file that $GITHUB_EVENT_PATH names") from None
    if not isinstance(payload, dict) or not isinstance(payload.get("issue"), dict):
        raise UsageError(
            "the event is about no issue", hint="`daypass answer` is for the events issues and issue_comment"
        )
    comment, action = payload.get("comment"), payload.get("action")
    wanted = "opened" if comment is None else "created"
    if action != wanted:
        return Occasion(silent=f"the action is {action!r}; only {wanted!r} is answered")
    issue = _identifier(payload["issue"].get("number"), "the issue's number")
    if comment is None:
        return Occasion(issue)
    return Occasion(issue, _identifier(comment.get("id") if isinstance(comment, dict) else None, "the comment's id"))


def _identifier(value: object, what: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < _TOO_BIG:
        raise UsageError(f"the event is not understood: expected {what}, got {str(value)[:40]!r}")
    return value
