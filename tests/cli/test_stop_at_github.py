"""The emergency stop at GitHub names the requests that are open still, whoever opened them and whatever they are called."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from daypass.core.window import format_instant
from hub import Hub


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with Hub(tmp_path, simulated=True) as made:
        made.advance(minutes=2)
        yield made


def test_requests_of_the_subject_are_named_whatever_they_are_called(hub: Hub) -> None:
    first = hub.request_pull("alice", hub.grant(), title="Tidy the pages")
    hub.request_pull("bob", hub.grant(subject="bob"))
    hub.advance(minutes=1)
    stop = ("revoke", "--subject", "alice", "--now", "--reason", "INC-7", "--at", format_instant(hub.now()))
    said = hub.run(*stop, who="dave", expect=2).err
    assert f"1 open request of alice is still there: #{first}; `daypass close N`" in said
    assert "main has no grant of alice" in said
    number = hub.request_pull("alice", hub.grant(reason="another four orders of a complaint"))
    hub.approve(number, "bob")
    hub.approve(number, "dave")
    hub.advance(minutes=1)
    hub.run("gate", str(number), "--at", format_instant(hub.now()))
    stop = (*stop[:-1], format_instant(hub.now()), "--format", "json")
    found = json.loads(hub.run(*stop, who="dave").out)
    assert (found["open"], found["open_unread"]) == ([first], [])
