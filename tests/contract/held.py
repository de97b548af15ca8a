"""Holds the double to the contract: every exchange of every test, when its hub closes."""

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


def inspect(hub: Double) -> None:
    """Judge every exchange that a hub answered. Raises AssertionError with what GitHub's description does not allow."""
    found = problems(hub)
    if found:
        more = f"\n… and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        raise AssertionError("not as GitHub describes its API:\n" + "\n".join(found[:_SHOWN]) + more)


def problems(hub: Double) -> list[str]:
    """What is wrong with a hub's exchanges, each told once however often it happened."""
    judge = contract()
    found: dict[str, None] = {}
    for call in hub.exchanges:
        if _GIT.match(call.path):
            continue
        exchange = Exchange(call.method, call.path, call.status, call.query, call.body, call.answer)
        for problem in judge.problems(exchange):
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
