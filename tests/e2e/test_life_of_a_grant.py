"""The whole life of a grant through the real workflow files, from a pull request to its merged removal."""

from __future__ import annotations

from pathlib import Path

from budget import counted, within_budget
from life import Life, failed, minutes, names

from hub import Hub

REMOVAL = ["check", "ci", "gate", "apply", "ci"]
"""What the removal of what has ended adds to the minutes of the plan: docs/github.md, What it costs."""
HOLD_SECRETS = {"gate": {"DAYPASS_APP_KEY", "DAYPASS_LEDGER_KEY"}, "apply": {"DAYPASS_APP_KEY", "DAYPASS_LEDGER_KEY"}}
"""The runs on that way whose job is in the environment that has secrets: no other may be."""


def test_a_grant_lives_from_a_pull_request_to_its_merged_removal(tmp_path: Path) -> None:
    with Hub(tmp_path, simulated=True) as hub:
        life = Life(hub, labelled=True)
        life.runner.advance(minutes=2)  # what the ledger saw of main counts once no clock can doubt that it was before
        number = hub.request_pull("alice", hub.grant())
        head = hub.pull(number)["head"]["sha"]

        runs = life.runner.settle()
        assert names(runs)[:2] == ["check success", "gate success"], failed(runs)
        checks = life.check_runs(head)
        assert checks["daypass"]["status"] == "in_progress"
        (comment,) = life.comments(number)
        assert "Bob Osei (`bosei`) or Carol Diaz (`carol-d`)" in comment["body"]
        assert "`group:security`" in comment["body"]
        assert life.labels(number) == {"daypass: waiting"}
        assert {team["slug"] for team in hub.pull(number)["requested_teams"]} == {"dba", "security"}
        assert hub.pull(number)["requested_reviewers"] == []
        assert life.grants() == []

        hub.approve(number, "bob")
        runs = life.runner.settle()
        assert names(runs) == ["wake success", "gate success"], failed(runs)
        assert hub.pull(number)["state"] == "open"

        hub.approve(number, "dave")
        runs = counted(life)
        assert names(runs) == ["wake success", "gate success", "apply success"], failed(runs)
        assert {run.name: run.secrets for run in runs if run.secrets} == HOLD_SECRETS
        within_budget(runs)
        assert hub.pull(number)["merged"] is True
        assert hub.pull(number)["merged_by"]["id"] == hub.app.bot.id
        assert life.held() == {("alice", "orders-db")}
        assert len(life.comments(number)) == 1
        assert life.labels(number) == {"daypass: approved"}
        message = hub.bare("log", "-1", "--format=%B", "main")
        assert all(who in message for who in ("bob", "dave"))
        life.proves()

        receipts = life.receipts()
        assert names(life.runner.schedule("apply")) == ["apply success"]
        assert life.receipts() == receipts  # nothing to do, nothing written

        life.runner.advance(hours=2, minutes=1)
        runs = life.runner.schedule("expire")
        assert names(runs)[0] == "expire success", failed(runs)
        assert minutes(runs) == sorted(["expire", *REMOVAL])
        assert life.held() == set()
        assert "check success" in names(runs), failed(runs)
        assert (life.grants(), life.pulls()) == ([], [])
        removal = max(pull["number"] for pull in life.pulls("closed"))
        assert hub.pull(removal)["merged"] is True
        assert hub.pull(removal)["user"]["id"] == hub.app.bot.id
        life.proves()
        history = hub.run("audit", "history", "--subject", "alice", who="erin").out
        assert "expired; 1m" in history, history
        _proved_weekly(life)


def _proved_weekly(life: Life) -> None:
    """Each day only the targets are looked at, once a week every receipt as well."""
    (daily,) = life.runner.schedule("drift")
    (weekly,) = life.runner.schedule("drift", 1)
    assert [run.conclusion for run in (daily, weekly)] == ["success", "success"], failed([daily, weekly])
    assert "Verification of ledger and history" not in daily.log
    assert " proved over " in weekly.log
