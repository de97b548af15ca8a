"""What GitHub refuses, and why, in words; and how long its rate limits ask to wait."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from daypass.core.errors import EdgeError
from daypass.core.window import format_instant
from daypass.edges.github.transport import Answer
from daypass.edges.shown import shown

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
