"""Reminders, escalations and closing at GitHub, by the gate as its schedule runs it: each is told once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from daypass.core.window import format_instant
from hub import REPOSITORY, Hub

RULES = """version: 1
rules:
  - id: three-hands
    when: resource.environment == "production"
    require:
      - {approvals: {at_least: 1, from: owners}}
      - approvals: {at_least: 1, from: "person:dave"}
        after: owners
        remind: 2h
        escalate: [{after: 5h, to: "group:security-leads"}, {after: 2d, close: true}]
"""


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with Hub(tmp_path, simulated=True, files={"policies/rules/access.yaml": RULES}) as made:
        yield made


def comments(hub: Hub, number: int) -> list[str]:
    found = hub.api("olga", "GET", f"/repos/{REPOSITORY}/issues/{number}/comments")
    return [one["body"].partition("\n")[2] for one in found]


def asked(hub: Hub, number: int) -> set[str]:
    return {user["login"] for user in hub.pull(number)["requested_reviewers"]}


def run(hub: Hub, *words: str) -> str:
    """Run a verb a minute later, by GitHub's clock."""
    hub.advance(minutes=1)
    return hub.run(*words, "--at", format_instant(hub.now())).out


def passes(hub: Hub, hours: float) -> None:
    hub.advance(hours=hours)
    run(hub, "gate")


def test_people_are_asked_reminded_escalated_and_given_up_on(hub: Hub) -> None:
    number = hub.request_pull("alice", hub.grant())
    run(hub, "gate")
    assert asked(hub, number) == set()
    assert [team["slug"] for team in hub.pull(number)["requested_teams"]] == ["dba"]  # by GitHub, as code owners
    assert "2. `person:dave`: is asked once `owners` is met\n" in comments(hub, number)[0]
    hub.approve(number, "bob")
    run(hub, "gate")
    assert "kim-dave" in asked(hub, number)
    passes(hub, 2)
    passes(hub, 0)
    (notice, reminder) = comments(hub, number)
    assert "**Asked in this order:**\n\n1. `owners`: met\n2. `person:dave`: asked since `" in notice
    assert reminder.startswith("@kim-dave: this waits for 1 approval from `person:dave` since `")
    passes(hub, 3)
    (_, _, again, escalated) = sorted(
        comments(hub, number), key=lambda text: ("### " not in text, "nobody gave" in text)
    )
    assert again.startswith("@kim-dave: this waits")
    assert escalated.startswith("@erin-v: this waits for 1 approval from `person:dave` since `")
    assert escalated.endswith(
        "and nobody gave it within `5h`. You may approve it as well now, as `group:security-leads`."
    )
    assert {"kim-dave", "erin-v"} <= asked(hub, number)
    passes(hub, 0.1)  # which keeps what has become of what the one before wrote
    hub.calls.clear()
    passes(hub, 0)
    reading = ("/access_tokens", ".git/", "/graphql")
    assert [c for c in hub.calls if c.method != "GET" and not any(part in c.path for part in reading)] == []
    passes(hub, 42)
    assert hub.pull(number)["state"] == "open"
    passes(hub, 1)
    assert hub.pull(number)["state"] == "closed"
    told = hub.api("olga", "GET", f"/repos/{REPOSITORY}/issues/{number}/comments")
    assert told[-1]["body"] == "Closed: dave, erin did not give the approval from person:dave within 2d."
    assert "Closed without a merge: dave, erin did not give the approval from " in told[0]["body"]
    count = len(told)
    passes(hub, 1)
    assert len(comments(hub, number)) == count


def test_a_request_that_is_opened_again_is_closed_again(hub: Hub) -> None:
    number = hub.request_pull("alice", hub.grant())
    hub.approve(number, "bob")
    passes(hub, 49)
    hub.api("alice", "PATCH", f"/repos/{REPOSITORY}/pulls/{number}", {"state": "open"})
    passes(hub, 1)
    assert hub.pull(number)["state"] == "closed"


def test_the_next_stage_merges_what_the_escalation_answered(hub: Hub) -> None:
    number = hub.request_pull("alice", hub.grant())
    hub.approve(number, "bob")
    passes(hub, 6)
    hub.approve(number, "erin")
    assert "merged as" in run(hub, "gate")
    run(hub, "apply")
    run(hub, "audit", "verify")
