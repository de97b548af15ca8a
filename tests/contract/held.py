"""Holds the double to the contract: every exchange of every test, and every event, when its hub closes."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from contract.contract import Contract, Exchange
from contract.description import Missing, description

if TYPE_CHECKING:
    from github_double import Double

_SHOWN = 25
_GIT = re.compile(r"/[^/]+/[^/]+(\.git/|/(info/refs|git-upload-pack|git-receive-pack)$)|/graphql$")
"""Git's own protocol over HTTP, and GraphQL, which has a description of its own: no parts of the REST API."""


_TOLD_OTHERWISE = {
    r"(GET|POST|PATCH|DELETE) \S+/pulls\S* .*\.head\.(repo|user): null is not": "a fork that is gone: the description of "
    "events lets both be null, and GitHub answers so: https://docs.github.com/en/webhooks/webhook-events-and-payloads#pull_request",
    r"^GET /repos/\S+ -> 301: status 301 is not described": "a repository that was renamed: "
    "https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api#follow-redirects",
    r"^event push .*\[bot\]@users\.noreply\.github\.com\" is not a \"email\"": "the address that GitHub gives an App's bot, "
    "whose brackets no standard for addresses has: "
    "https://github.com/actions/checkout#push-a-commit-using-the-built-in-token",
}
"""What GitHub answers although its description of that endpoint says otherwise, and how that is known."""


def inspect(hub: Double) -> None:
    """Judge every exchange that a hub answered, and what it delivered. Raises AssertionError with what GitHub rules out.

    ``hub.odd`` are expressions of what a test has the hub answer wrongly on purpose; each must have been of use.
    """
    every = problems(hub)
    idle = [odd for odd in hub.odd if not any(re.search(odd, each) for each in every)]
    found = [each for each in every if not any(re.search(known, each) for known in [*_TOLD_OTHERWISE, *hub.odd])]
    if found or idle:
        more = f"\n… and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        unused = "".join(f"\nnothing was answered that is odd in this way: {odd}" for odd in idle)
        raise AssertionError("not as GitHub describes its API:\n" + "\n".join(found[:_SHOWN]) + more + unused)


def problems(hub: Double) -> list[str]:
    """What is wrong with a hub's exchanges and events, each told once however often it happened."""
    judge = contract()
    found: dict[str, None] = {}
    for call in hub.exchanges:
        if _GIT.match(call.path):
            continue
        exchange = Exchange(call.method, call.path, call.status, call.query, call.body, call.answer)
        for problem in judge.problems(exchange):
            found.setdefault(re.sub(r"\[\d+\]", "[…]", problem))
    for event in hub.events:
        for problem in judge.event(event.name, event.action, event.payload):
            found.setdefault(re.sub(r"\[\d+\]", "[…]", problem))
    return list(found)


@cache
def contract() -> Contract:
    """The contract, read once a process. Raises AssertionError where GitHub's description is not to be had."""
    try:
        return Contract(description())
    except Missing as missing:
        text = f"GitHub's description of its API is not here, so nothing can be held against it: {missing}"
        raise AssertionError(text) from missing
