"""Attempts to hold up everybody: by what one request holds, however long its reading takes."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from siege import held, waits

from daypass.core.window import format_instant
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


def test_a_request_that_cannot_be_read_keeps_no_other_open_for_ever(tmp_path: Path) -> None:
    with Hub(tmp_path, simulated=True) as hub:
        broken = hub.request_pull("carol", hub.grant(subject="carol"))
        mine = hub.request_pull("alice", hub.grant())
        hub.advance(days=8)
        hub.double.faults.add("GET", rf".*/pulls/{broken}", times=99, status=422)
        said = hub.run("expire", "--at", format_instant(hub.now()), expect=14)
        assert f"#{broken} cannot be closed" in said.err
        assert hub.pull(mine)["state"] == "closed"
