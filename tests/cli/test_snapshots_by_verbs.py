"""Snapshots as people meet them: runs leave them, a machine without a cache begins there, and `audit verify` tells."""

from __future__ import annotations

import json

import pytest

from daypass.core.ledger import snapshot
from daypass.edges.git.plumbing import Git
from daypass.edges.ledger.ledger import GitLedger
from driver import Access

pytestmark = pytest.mark.on_disk


@pytest.fixture
def access(access: Access, monkeypatch: pytest.MonkeyPatch) -> Access:
    access.scene = None
    monkeypatch.setattr(snapshot, "LEAST", 4)
    return access


def snapshots(access: Access) -> tuple[int, ...]:
    ledger = GitLedger(Git(access.top), "daypass-ledger")
    return ledger.snapshots(ledger.head())


def verified(access: Access, *more: str, expect: int = 0) -> dict:
    return json.loads(access.run("audit", "verify", "--format", "json", *more, expect=expect).out)


def test_a_run_leaves_a_snapshot_and_the_next_machine_begins_there(access: Access) -> None:
    access.grant("2026-11-20T10:00:00Z", "2026-11-20T10:05:00Z")
    access.run("apply", "--at", "2026-11-20T10:06:00Z")
    (place,) = snapshots(access)
    before = access.run("status", "--at", "2026-11-20T10:07:00Z").out
    for path in (access.top / ".git" / "daypass").glob("standing.sqlite*"):
        path.unlink()
    assert access.run("status", "--at", "2026-11-20T10:07:00Z").out == before
    access.run("apply", "--at", "2026-11-20T10:08:00Z")
    assert snapshots(access) == (place,)
    access.run("expire", "--at", "2026-11-20T23:08:00Z")
    whole = verified(access)
    assert (whole["clean"], whole["since"], whole["not_looked_at"]) == (True, None, [])
    part = verified(access, "--since", str(place))
    assert (part["clean"], part["since"], len(part["not_looked_at"])) == (True, place, 3)
    assert part["sources"]["receipts"] == whole["sources"]["receipts"]
    assert part["checked"]["receipts"] == whole["checked"]["receipts"] - place - 1
    text = access.run("audit", "verify", "--since", str(place)).out
    assert f"Not looked at: receipts 0 to {place}" in text
    assert "Not looked at" not in access.run("audit", "verify").out


def test_a_verification_since_what_is_no_snapshot_is_bad_usage(access: Access) -> None:
    said = access.run("audit", "verify", "--since", "3", expect=2)
    assert "the ledger has no snapshot 3: it has none" in said.err


def test_progress_is_told_on_a_terminal_alone(
    access: Access, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from daypass.cli import verb

    assert "\r" not in access.run("audit", "verify", "--format", "json").err
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    verb.progress(100, 2_000, "receipts")
    verb.progress(2_000, 2_000, "receipts")
    assert capsys.readouterr().err == "\rreceipts: 100/2000\rreceipts: 2000/2000\n"
