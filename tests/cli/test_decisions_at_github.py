"""What became of requests at GitHub is on record, of the directory's people alone, with the numbers of their accounts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from daypass.core.window import format_instant
from hub import REPOSITORY, Hub


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with Hub(tmp_path, simulated=True) as made:
        made.advance(minutes=2)
        yield made


def expire(hub: Hub) -> str:
    hub.advance(minutes=1)
    return hub.run("expire", "--at", format_instant(hub.now())).err


def decided(hub: Hub) -> list[tuple[str, str, str]]:
    said = hub.run("audit", "history", "--subject", "alice", "--format", "json").out
    events = json.loads(said)["events"]
    return [(e["event"], e["by"], e["detail"]) for e in events if e["event"] in ("rejected", "closed", "withdrawn")]


def test_who_rejected_and_who_closed_is_recorded(hub: Hub) -> None:
    hub.run("apply", "--at", format_instant(hub.now()))
    number = hub.request_pull("alice", hub.grant())
    sent = {"event": "REQUEST_CHANGES", "body": "not this week", "commit_id": hub.pull(number)["head"]["sha"]}
    hub.api("bob", "POST", f"/repos/{REPOSITORY}/pulls/{number}/reviews", sent)
    assert f"Recorded: #{number} was rejected\n" in expire(hub)
    assert "Recorded" not in expire(hub)
    hub.api("dave", "PATCH", f"/repos/{REPOSITORY}/pulls/{number}", {"state": "closed"})
    assert f"Recorded: #{number} was closed\n" in expire(hub)
    assert "Recorded" not in expire(hub)
    (rejected, closed) = decided(hub)
    assert rejected[:2] == ("rejected", "bob")
    assert rejected[2].startswith("asked for by alice; said: sha256:"), "words are at GitHub, and not in the ledger"
    assert closed == ("closed", "dave", "asked for by alice")


def test_a_request_that_was_closed_before_any_run_saw_it_is_recorded(hub: Hub) -> None:
    hub.run("apply", "--at", format_instant(hub.now()))
    number = hub.request_pull("alice", hub.grant())
    hub.api("alice", "PATCH", f"/repos/{REPOSITORY}/pulls/{number}", {"state": "closed"})
    assert f"Recorded: #{number} was withdrawn\n" in expire(hub)
    assert decided(hub) == [("withdrawn", "alice", "asked for by alice")]
