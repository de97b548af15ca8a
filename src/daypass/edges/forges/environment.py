"""What the environment says at GitHub: the API's address, and what a workflow is woken by and tells people.

Read without the client library, which takes long to load.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from daypass.core.errors import InvalidError, UsageError
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
            hint="correct GITHUB_API_URL; without it https://api.github.com is used",
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
