"""Attempts to hold up everybody: by what one request holds, however long its reading takes."""

from __future__ import annotations

import time

import pytest
from siege import held, waits

from hub import Hub, git

_PATIENCE = 60
"""Seconds. What these messages cost before was hours."""


@pytest.mark.parametrize(
    "trailers",
    ["Co-authored-by: " + "a" * 600_000, " Co-authored-by: a\n" * 30_000, "Co-authored-by: a\n" + " b\n" * 200_000],
    ids=["one long word", "trailers within trailers", "a long fold"],
)
def test_a_commit_message_of_any_length_holds_up_nobody(hub: Hub, trailers: str) -> None:
    stalling = hub.request_pull("carol", hub.grant(subject="carol"), branch="long")
    folder = hub.clone("carol")
    git(folder, "checkout", "-q", "long")
    git(folder, "commit", "-q", "--allow-empty", "-F", "-", stdin=f"Ask\n\n{trailers}")
    git(folder, "push", "-q", "origin", "long")
    git(folder, "checkout", "-q", "main")
    mine = hub.request_pull("alice", hub.grant())
    hub.approve(mine, "bob")
    hub.approve(mine, "dave")
    began = time.monotonic()
    hub.run("gate")
    assert time.monotonic() - began < _PATIENCE
    assert hub.pull(mine)["merged"] is True
    waits(hub, stalling)
    hub.run("apply")
    assert len(held(hub)) == 1
