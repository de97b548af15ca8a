"""Issues that were moved to another repository, and what a lost machine leaves in a clone."""

from __future__ import annotations

import json
from pathlib import Path

from siege import held

from daypass.core.window import format_instant
from hub import REPOSITORY, Hub


def _granted(hub: Hub) -> int:
    number = hub.request_pull("alice", hub.grant())
    hub.approve(number, "bob")
    hub.approve(number, "dave")
    hub.run("gate", str(number), "--at", format_instant(hub.now()))
    hub.run("apply", "--at", format_instant(hub.now()))
    return number


def test_a_comment_on_an_issue_that_was_moved_ends_nothing_here(tmp_path: Path) -> None:
    """Whoever may move issues must not turn somebody's word on one into their word on another of that number."""
    with Hub(tmp_path, protected=False, simulated=True) as hub:
        number = _granted(hub)
        issue = hub.api("alice", "POST", f"/repos/{REPOSITORY}/issues", {"title": "Of mine", "body": "something"})
        made = hub.api("alice", "POST", f"/repos/{REPOSITORY}/issues/{issue['number']}/comments", {"body": "/end"})
        moved = {**made, "issue_url": f"{hub.url}/repos/acme/elsewhere/issues/{number}"}
        hub.double.faults.add("GET", rf".*/issues/comments/{made['id']}", times=9, status=200, body=moved)
        event = tmp_path / "event.json"
        payload = {"action": "created", "issue": {"number": issue["number"]}, "comment": {"id": made["id"]}}
        event.write_text(json.dumps(payload), encoding="utf-8")
        said = hub.run("answer", str(event), "--at", format_instant(hub.now()), expect=1)
        assert "any more" in said.err
        assert not [pull for pull in hub.api("olga", "GET", f"/repos/{REPOSITORY}/pulls") if "nd " in pull["title"]]


def test_a_lock_that_a_lost_machine_left_is_named_with_what_to_do(tmp_path: Path) -> None:
    with Hub(tmp_path, protected=False, simulated=True) as hub:
        _granted(hub)
        hub.advance(hours=9)
        lock = hub.clone("app") / ".git/refs/heads/daypass-ledger.lock"
        lock.write_text("", encoding="utf-8")
        at = format_instant(hub.now())
        # The folder is named, since the harness would fetch into it first.
        hub.run("expire", "--at", at, folder=hub.top / "clones" / "app", expect=1)
        said = hub.run("expire", "--at", at, folder=hub.top / "clones" / "app", expect=1)
        assert "daypass-ledger.lock" in said.err
        assert f"rm {lock}" in said.err
        lock.unlink()
        hub.run("expire", "--at", at)
        assert held(hub) == set()


def test_a_forge_that_was_archived_is_named_and_ends_are_kept_until_it_takes_them(tmp_path: Path) -> None:
    with Hub(tmp_path, protected=False, simulated=True) as hub:
        _granted(hub)
        number = hub.request_pull("alice", hub.grant())
        hub.repo.archived = True
        hub.advance(hours=9)
        for verb in ("apply", "expire"):
            said = hub.run(verb, "--at", format_instant(hub.now()), expect=14)
            assert "does not take daypass-ledger: remote: This repository was archived so it is read-only." in said.err
        for who in ("bob", "erin"):
            _, body = hub.ask(who, "POST", f"/repos/{REPOSITORY}/pulls/{number}/reviews", {"event": "APPROVE"})
            assert body["message"] == "Repository was archived so is read-only."
        assert "[archived]" in hub.run("doctor", expect=14).out
        assert held(hub) == set(), "what has ended waits for no forge; its receipts are in the outbox"
        hub.repo.archived = False
        assert "recorded 2 of the outbox" in hub.run("expire", "--at", format_instant(hub.now())).err
        assert hub.run("audit", "verify", "--at", format_instant(hub.now())).code == 0
