"""What a push may do, and what follows from it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from github_double import gitio
from github_double.state import Repo, Token

if TYPE_CHECKING:
    from github_double.double import Double

_COMMAND = re.compile(rb"([0-9a-f]{40}) ([0-9a-f]{40}) ([^\0\n]+)")


@contextmanager
def receiving(hub: Double, repo: Repo, token: Token, body: bytes) -> Iterator[str]:
    """Let git receive a push: yields the rules for the repository's hook, then lets everything follow from what moved."""
    yield ""


def commands(body: bytes) -> list[tuple[str, str, str]]:
    """The (old, new, ref) that a push asks for, from the first lines of its body."""
    found, at = [], 0
    while at + 4 <= len(body):
        size = int(body[at : at + 4], 16)
        if size == 0:
            break
        if match := _COMMAND.match(body[at + 4 : at + size]):
            found.append((match[1].decode(), match[2].decode(), match[3].decode("utf-8", "surrogateescape")))
        at += max(size, 4)
    return found
