"""What accounts that the directory does not know can bring about from a fork of a public repository: nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from siege import held, waits

from hub import REPOSITORY, Hub, git


@pytest.fixture
def public(tmp_path: Path) -> Iterator[Hub]:
    """The example where everybody can see it."""
    with Hub(tmp_path, protected=False, private=False) as found:
        yield found


def _stranger(hub: Hub) -> None:
    user = hub.double.user("mallory", 666001, email="mallory@example.org")
    hub.people["mallory"], hub.tokens["mallory"] = user, hub.double.token(user)


def _live(hub: Hub) -> str:
    number = hub.request_pull("alice", hub.grant(), path="grants/orders-db/live.yaml")
    hub.approve(number, "bob")
    hub.approve(number, "dave")
    hub.run("gate", str(number))
    hub.run("apply")
    return "grants/orders-db/live.yaml"


def _from_fork(hub: Hub, path: str, text: str | None) -> int:
    fork = hub.fork("mallory")
    folder = hub.clone("mallory")
    if text is None:
        (folder / path).unlink()
    else:
        (folder / path).write_text(text, encoding="utf-8")
    git(folder, "commit", "-q", "-a", "-m", "Tidy")
    host = hub.double.server_url.removeprefix("http://")
    git(
        folder,
        "push",
        "-q",
        f"http://x-access-token:{hub.tokens['mallory']}@{host}/{fork.full_name}.git",
        "HEAD:refs/heads/tidy",
    )
    sent = {"title": "Tidy", "head": "mallory:tidy", "base": "main", "body": ""}
    return int(hub.api("mallory", "POST", f"/repos/{REPOSITORY}/pulls", sent)["number"])


def test_a_stranger_with_a_fork_ends_nobodys_access(public: Hub) -> None:
    path = _live(public)
    _stranger(public)
    number = _from_fork(public, path, None)
    assert "mallory" in waits(public, number)
    public.run("apply")
    assert held(public) == {"alice"}


def test_a_stranger_with_a_fork_shortens_nobodys_access(public: Hub) -> None:
    path = _live(public)
    _stranger(public)
    number = _from_fork(public, path, public.grant(duration="1h"))
    assert "mallory" in waits(public, number)


def test_a_strangers_requests_do_not_take_the_others_turn(public: Hub) -> None:
    _live(public)
    _stranger(public)
    strange = _from_fork(public, "grants/orders-db/live.yaml", None)
    known = public.request_pull("alice", public.grant(resource="staging", role="deploy"))
    assert strange < known
    public.calls.clear()
    public.run("gate")
    assert public.pull(known)["merged"] is True
    reads = [call.path for call in public.calls if call.path.startswith(f"/repos/{REPOSITORY}/pulls/")]
    first = [next(n for n, path in enumerate(reads) if path.split("/")[5] == str(each)) for each in (known, strange)]
    assert first == sorted(first)
