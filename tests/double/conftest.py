"""A hub for each test, with one private repository and three people.

What it delivered is held to GitHub's own description when the test is over, as all answers are everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from github_double import Double, Repo, User
from github_double.visitor import Visitor


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Double]:
    with Double(tmp_path) as made:
        yield made


@pytest.fixture
def visit(hub: Double, tmp_path: Path) -> Callable[..., Visitor]:
    """Whoever holds a token; made from a person, an App or a token's text."""

    def make(who: User | str, permissions: dict[str, str] | None = None, *, clone: Repo | None = None) -> Visitor:
        token = who if isinstance(who, str) else hub.token(who, permissions)
        email = "" if isinstance(who, str) else who.email
        visitor = Visitor(hub, token, tmp_path / "clones" / str(hub.next_id()), email or "somebody@example.com")
        if clone is not None:
            visitor.clone(clone)
        return visitor

    return make


@pytest.fixture
def world(hub: Double) -> SimpleNamespace:
    """acme/access with alice and bob as writers and rita who only reads."""
    alice, bob, rita = hub.user("alice", 101), hub.user("bob", 102), hub.user("rita", 103)
    repo = hub.repository("acme/access")
    repo.collaborate(alice, "write")
    repo.collaborate(bob, "write")
    repo.collaborate(rita, "read")
    hub.seed(repo, {"README.md": "access\n", "grants/orders-db/one.yaml": "version: 1\n"})
    return SimpleNamespace(alice=alice, bob=bob, rita=rita, repo=repo, path="/repos/acme/access")
