"""A run whose clock GitHub's own contradicts: it says so, gives nothing, and takes away what main no longer has."""

from __future__ import annotations

from pathlib import Path

from hub import Hub


def test_a_run_whose_clock_is_not_githubs_says_so_and_gives_nothing(tmp_path: Path) -> None:
    with Hub(tmp_path) as hub:
        first = hub.request_pull("alice", hub.grant(resource="orders-db", role="readonly"))
        hub.approve(first, "bob")
        hub.approve(first, "dave")
        hub.run("gate", str(first))
        hub.advance(hours=7)
        said = hub.run("apply", expect=14)
        assert "the clock of the forge is" in said.err
        assert "ahead of ours: nothing is given until they agree" in said.err
        assert "--confirm" not in said.err
        assert "HELD + alice" in said.out
        assert "the clock of the forge is" in hub.run("plan", expect=14).err
        assert "the clock of the forge is" in hub.run("drift", expect=14).err
        hub.advance(hours=-7)
        assert "ok   + alice" in hub.run("apply").out
