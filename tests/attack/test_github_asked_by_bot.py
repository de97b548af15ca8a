"""Requests that our App opens in somebody's name: what others push there is not what was asked for."""

from __future__ import annotations

import json
from pathlib import Path

from siege import held, waits

from daypass.edges.forges.github.inbox import LABEL
from fakes.inbox import answered
from hub import REPOSITORY, Hub


def _asked(hub: Hub, who: str, top: Path, **said: str) -> int:
    """Ask with the form and have it answered; return the pull request that the App opened."""
    sent = {"title": "Access", "body": answered(**said), "labels": [LABEL]}
    number = hub.api(who, "POST", f"/repos/{REPOSITORY}/issues", sent)["number"]
    event = top / "event.json"
    event.write_text(json.dumps({"action": "opened", "issue": {"number": number}}), encoding="utf-8")
    hub.run("answer", str(event))
    pulls = hub.api("olga", "GET", f"/repos/{REPOSITORY}/pulls")
    return next(int(p["number"]) for p in pulls if p["head"]["ref"] == f"daypass/issue-{number}")


def test_what_was_asked_for_in_an_issue_passes_where_policy_lets_it(hub: Hub, tmp_path: Path) -> None:
    number = _asked(hub, "alice", tmp_path, role="staging/deploy")
    hub.run("gate", str(number))
    hub.run("apply")
    assert held(hub) == {"alice"}


def test_what_others_push_onto_the_branch_of_an_issue_does_not_pass(hub: Hub, tmp_path: Path) -> None:
    number = _asked(hub, "alice", tmp_path, role="staging/deploy")
    more = {"grants/staging/mine.yaml": hub.grant(subject="bob", resource="staging", role="deploy")}
    hub.push_branch("erin", hub.pull(number)["head"]["ref"], more)
    assert "erin pushed" in waits(hub, number)


def test_a_closed_request_of_the_app_is_nobodys_way_to_ask_in_anothers_name(hub: Hub, tmp_path: Path) -> None:
    """Its branch stays, and who may write can open it again."""
    number = _asked(hub, "alice", tmp_path, role="staging/deploy")
    branch = hub.pull(number)["head"]["ref"]
    hub.api("alice", "PATCH", f"/repos/{REPOSITORY}/pulls/{number}", {"state": "closed"})
    hub.push_branch(
        "erin", branch, {"grants/staging/mine.yaml": hub.grant(subject="bob", resource="staging", role="deploy")}
    )
    hub.api("erin", "PATCH", f"/repos/{REPOSITORY}/pulls/{number}", {"state": "open"})
    assert "erin pushed" in waits(hub, number)
