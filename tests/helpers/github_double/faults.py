"""Dials for what goes wrong between GitHub and its callers."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from github_double.double import Double


@dataclass
class Fault:
    """One fault, for the next ``times`` requests that fit after ``skip`` others did.

    ``status``: answered instead; ``after_effect``: only once the request has had its effect; ``delay``: seconds before
    anything happens; ``cut``: the connection ends after that many bytes of the body; ``drop``: it ends without an
    answer; ``headers`` and ``body`` are the answer's.
    """

    method: str
    path: re.Pattern[str]
    times: int = 1
    skip: int = 0
    status: int | None = None
    after_effect: bool = False
    delay: float = 0.0
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None
    cut: int | None = None
    drop: bool = False
    hits: int = 0


class Faults:
    """What is set to go wrong. Faults are tried in the order they were added; the first that fits takes place."""

    def __init__(self, hub: Double) -> None:
        self._hub = hub
        self._faults: list[Fault] = []
        self._lost: dict[str, int] = {}

    def add(
        self, method: str, path_regex: str, *, times: int = 1, skip: int = 0, status: int | None = None,
        after_effect: bool = False, delay: float = 0.0, headers: dict[str, str] | None = None, body: Any = None,
        cut: int | None = None, drop: bool = False,
    ) -> Fault:  # fmt: skip
        """Add a fault. ``method`` may be "*", or "!GET" for all others.

        The path is the API's (``/repos/…``) or git's (``/owner/name.git/…``).
        """
        path = re.compile(path_regex)
        fault = Fault(method, path, times, skip, status, after_effect, delay, dict(headers or {}), body, cut, drop)
        with self._hub.lock:
            self._faults.append(fault)
        return fault

    def server_error(
        self, method: str, path: str, *, status: int = 502, times: int = 1, after_effect: bool = False
    ) -> Fault:
        """Answer with a 5xx, before or after the effect."""
        return self.add(
            method, path, status=status, times=times, after_effect=after_effect, body={"message": "Server Error"}
        )

    def no_answer(self, method: str, path: str, *, after_effect: bool = True, times: int = 1) -> Fault:
        """End the connection without an answer, by default once the effect took place."""
        return self.add(method, path, drop=True, after_effect=after_effect, times=times)

    def half_answer(self, method: str, path: str, *, cut: int = 10, times: int = 1) -> Fault:
        """End the connection in the middle of a body."""
        return self.add(method, path, cut=cut, after_effect=True, times=times)

    def slow(self, method: str, path: str, seconds: float, *, times: int = 1) -> Fault:
        """Let the caller wait; the request then takes place."""
        return self.add(method, path, delay=seconds, times=times)

    def secondary_limit(
        self, method: str, path: str, *, retry_after: int | None = 60, times: int = 1, status: int = 403
    ) -> Fault:
        """Refuse with a secondary rate limit.

        https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api#exceeding-the-rate-limit
        """
        text = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
        headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        return self.add(method, path, status=status, headers=headers, times=times, body={"message": text})

    def primary_limit(self, method: str, path: str, *, resets_in: int = 60, times: int = 1) -> Fault:
        """Refuse as when an hour's requests are used up (`Double.exhaust` uses them up for one token)."""
        headers = {
            "X-RateLimit-Remaining": "0",
            "X-RateLimit-Reset": str(int(self._hub.now().timestamp()) + resets_in),
        }
        body = {
            "message": "API rate limit exceeded for user ID 1.",
            "documentation_url": "https://docs.github.com/rest",
        }
        return self.add(method, path, status=403, headers=headers, times=times, body=body)

    def not_ready(self, *, times: int = 1) -> Fault:
        """Refuse merges as while GitHub has not yet looked at what a merge just before did to main.

        The words are those that its merge API answers with; they ask for another try.
        """
        body = {"message": "Base branch was modified. Review and try the merge again."}
        return self.add("PUT", r"/repos/[^/]+/[^/]+/pulls/\d+/merge", status=405, body=body, times=times)

    def stale(self, path: str, *, times: int = 1) -> Fault:
        """Answer the next reads of this very path as they would be answered now, whatever changes meanwhile."""
        reply = self._hub.peek(path)
        return self.add(
            "GET", re.escape(path), status=reply.status, body=reply.body, headers=reply.headers, times=times
        )

    def lose_event(self, name: str, *, times: int = 1) -> None:
        """Deliver the next events of this name to nobody."""
        with self._hub.lock:
            self._lost[name] = self._lost.get(name, 0) + times

    def loses(self, name: str) -> bool:
        """Whether this event gets lost; counts it."""
        left = self._lost.get(name, 0)
        self._lost[name] = max(0, left - 1)
        return left > 0

    def take(self, method: str, path: str) -> Fault | None:
        """Return the fault that this request meets, and count it."""
        for fault in self._faults:
            fits = fault.method in {"*", method} or (fault.method == "!GET" and method != "GET")
            if fits and fault.times > 0 and fault.path.fullmatch(path):
                if fault.skip > 0:
                    fault.skip -= 1
                    continue
                fault.times -= 1
                fault.hits += 1
                return fault
        return None

    def clear(self) -> None:
        """Let nothing go wrong any more."""
        with self._hub.lock:
            self._faults.clear()
            self._lost.clear()
