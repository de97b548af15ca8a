"""Attempts to hold up everybody: by what one request holds, however long its reading takes."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from siege import held, merge_by_hand, waits

from daypass.core.window import format_instant
from github_double.pulling import note
from hub import REPOSITORY, Hub, git

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
    git(folder, "fetch", "-q", "origin", "long:long")
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


def _crowded(hub: Hub, number: int, times: int = 1_500) -> None:
    """Let somebody rename a request to and fro, which costs them a second each and leaves an event each time."""
    for _ in range(times):
        note(hub.double, hub.repo, number, "renamed", hub.people["carol"])


def test_a_request_with_junk_events_by_the_thousand_is_refused_by_name_and_stops_no_other(tmp_path: Path) -> None:
    with Hub(tmp_path, protected=False) as hub:
        junk = hub.request_pull("carol", hub.grant(subject="carol"))
        mine = hub.request_pull("alice", hub.grant())
        for number in (junk, mine):
            hub.approve(number, "bob")
            hub.approve(number, "erin")
        _crowded(hub, junk)
        hub.calls.clear()
        said = hub.run("gate", expect=14)
        assert (
            f"#{junk}: GitHub lists more than 1000 at /repos/{REPOSITORY}/issues/{junk}/events; left open" in said.err
        )
        assert len([call for call in hub.calls if f"/issues/{junk}/events" in call.path]) <= 11
        assert (hub.pull(mine)["merged"], hub.pull(junk)["merged"]) == (True, False)
        said = hub.run("gate", str(junk), expect=1)
        assert "GitHub lists more than 1000" in said.err
        assert f"#{junk}: GitHub lists more than 1000" in hub.run("status", expect=14).err


@pytest.mark.parametrize("verb", ["apply", "expire"])
def test_an_end_waits_for_no_request_with_junk_events_that_was_merged(tmp_path: Path, verb: str) -> None:
    with Hub(tmp_path, protected=False, simulated=True) as hub:
        mine = hub.request_pull("alice", hub.grant())
        for who in ("bob", "erin"):
            hub.approve(mine, who)
        hub.run("gate", str(mine), "--at", format_instant(hub.now()))
        hub.run("apply", "--at", format_instant(hub.now()))
        assert held(hub) == {"alice"}
        hub.advance(hours=9)
        junk = hub.request_pull("carol", hub.grant(subject="carol"))
        for who in ("bob", "erin"):
            hub.approve(junk, who)
        _crowded(hub, junk)
        merge_by_hand(hub, junk)
        hub.calls.clear()
        said = hub.run(verb, "--at", format_instant(hub.now()), expect=14)
        assert held(hub) == set()
        assert f"GitHub lists more than 1000 at /repos/{REPOSITORY}/issues/{junk}/events" in said.out + said.err
        order = [call.path for call in hub.calls]
        pushed = next(n for n, path in enumerate(order) if path.endswith("git-receive-pack"))
        assert pushed < next(n for n, path in enumerate(order) if "/events" in path), "the end was served first"
