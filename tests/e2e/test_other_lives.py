"""Requests that go another way than the usual one, each through the real workflow files."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from budget import counted, within_budget
from life import Life, failed, names

from daypass.core.people.leaving import LEAVING
from github_double import Rule
from hub import PEOPLE, REPOSITORY, Hub

DIRECTORY = "policies/directory/people.yaml"


def _next_sunday() -> datetime:
    today = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
    return today + timedelta(days=(6 - today.weekday()) % 7 or 7)


def test_what_policy_denies_gives_nothing_whoever_approves_it(tmp_path: Path) -> None:
    with Hub(tmp_path, simulated=True) as hub:
        life = Life(hub, "check", "wake", "gate", "apply")
        life.runner.set_clock(_next_sunday())  # outside of office hours
        number = hub.request_pull("alice", hub.grant(resource="payroll", duration="1h"))
        runs = life.runner.settle()
        assert names(runs)[:1] == ["check failure"]
        (comment,) = life.comments(number)
        assert "Restricted data is opened in office hours only" in comment["body"]
        assert life.labels(number) == {"daypass: refused"}
        assert life.check_runs(hub.pull(number)["head"]["sha"])["daypass"]["conclusion"] == "failure"

        hub.approve(number, "carol")
        hub.approve(number, "dave")
        runs = life.runner.settle()
        assert "gate success" in names(runs), failed(runs)
        life.runner.schedule("gate")
        life.runner.schedule("apply")
        assert hub.pull(number)["state"] == "open"
        assert life.grants() == []
        assert life.held() == set()
        assert len(life.comments(number)) == 1


def test_what_passes_by_itself_is_given_without_a_person(tmp_path: Path) -> None:
    with Hub(tmp_path) as hub:
        life = Life(hub, "check", "gate", "apply")
        number = hub.request_pull("alice", hub.grant(resource="staging", role="deploy"))
        runs = life.runner.settle()
        assert [name for name in names(runs) if "ci" not in name] == [
            "check success",
            "gate success",
            "apply success",
        ], failed(runs)
        assert hub.pull(number)["merged"] is True
        assert life.held() == {("alice", "staging")}
        life.proves()


def test_a_fork_is_checked_without_rights_and_merged_like_any_other(tmp_path: Path) -> None:
    with Hub(tmp_path, private=False) as hub:
        life = Life(hub)
        number = hub.request_from_fork("alice", hub.fork("alice"), hub.grant())
        runs = life.runner.settle()
        check, gate = life.runner.last("check"), life.runner.last("gate")
        assert check.succeeded, check.log
        assert {call.kind for call in check.calls if call.method not in {"GET", "HEAD"}} <= {"actions"}
        assert gate.succeeded, failed(runs)
        (comment,) = life.comments(number)  # shown by the gate, whose code is main's
        assert comment["user"]["id"] == hub.app.bot.id
        hub.approve(number, "bob")
        hub.approve(number, "dave")
        runs = life.runner.settle()
        assert hub.pull(number)["merged"] is True, failed(runs)
        assert life.held() == {("alice", "orders-db")}


def test_a_merge_queue_is_refused_by_the_doctor_and_gives_nothing_by_itself(tmp_path: Path) -> None:
    with Hub(tmp_path) as hub:
        life = Life(hub, "check", "wake", "gate")
        hub.double.ruleset(hub.repo, "queue", [Rule("merge_queue")], include=["~DEFAULT_BRANCH"])
        number = hub.request_pull("alice", hub.grant())
        hub.approve(number, "bob")
        hub.approve(number, "dave")
        life.runner.settle()
        assert life.runner.last("gate").succeeded  # the comment tells it
        assert hub.pull(number)["merged"] is False
        (comment,) = life.comments(number)
        assert "Changes must be made through the merge queue" in comment["body"]
        assert "[main-queue]" in hub.run("doctor", who="olga", expect=None).out


def test_the_pipeline_works_with_the_workflows_own_token(tmp_path: Path) -> None:
    with Hub(tmp_path, auth="token", simulated=True) as hub:
        life = Life(hub, "check", "wake", "gate", "apply", "expire")
        number = hub.request_pull("alice", hub.grant())
        runs = life.runner.settle()
        assert "gate success" in names(runs), failed(runs)
        (comment,) = life.comments(number)
        assert comment["user"]["login"] == "github-actions[bot]"
        assert life.check_runs(hub.pull(number)["head"]["sha"])["daypass"]["status"] == "in_progress"
        hub.approve(number, "bob")
        hub.approve(number, "dave")
        runs = life.runner.settle()  # its merge starts no push run: the gate starts the applier by itself
        assert "apply success" in names(runs), failed(runs)
        assert life.runner.last("apply").started.event == "workflow_dispatch"
        assert hub.pull(number)["merged"] is True
        assert life.held() == {("alice", "orders-db")}

        life.runner.advance(hours=2, minutes=1)
        runs = life.runner.schedule("expire")
        assert names(runs)[0] == "expire success", failed(runs)
        assert life.held() == set()
        life.proves()


def test_who_leaves_the_team_loses_access_by_the_schedule_of_expire_and_the_request_says_so(tmp_path: Path) -> None:
    with Hub(tmp_path, simulated=True) as hub:
        hub.double.team(hub.org, "staff", [hub.people[handle] for handle in PEOPLE])
        hub.run("people", "import", "--team", "acme/staff", who="alice")
        place = hub.clone("alice")
        files = {path: (place / path).read_text(encoding="utf-8") for path in (DIRECTORY, "policies/daypass.yaml")}
        files["policies/daypass.yaml"] += "people: {source: {kind: forge, team: acme/staff}}\n"
        kept, hub.repo.rulesets = hub.repo.rulesets, []  # as a founder does
        hub.push_branch("olga", "main", files)
        hub.repo.rulesets = kept
        life = Life(hub, "check", "wake", "gate", "apply", "expire", labelled=True)
        life.runner.advance(minutes=2)  # what the ledger saw of main counts once no clock can doubt that it was before
        number = hub.request_pull("alice", hub.grant(duration="8h"))
        hub.approve(number, "bob")
        hub.approve(number, "dave")
        runs = life.runner.settle()
        assert life.held() == {("alice", "orders-db")}, failed(runs)

        life.runner.advance(minutes=30)
        life.runner.schedule("expire")
        assert life.held() == {("alice", "orders-db")}
        del hub.org.teams["staff"].members[PEOPLE["alice"][1]]
        life.runner.advance(minutes=30)
        runs = life.runner.schedule("expire")
        assert names(runs)[0] == "expire success", failed(runs)
        assert life.held() == set()
        assert "alice: {until: " in hub.bare("show", f"main:{DIRECTORY}")
        (leaving,) = [pull for pull in life.pulls("closed") if pull["head"]["ref"] == LEAVING]
        assert hub.pull(leaving["number"])["merged"] is True
        (changed,) = hub.api("olga", "GET", f"/repos/{REPOSITORY}/pulls/{leaving['number']}/files")
        assert changed["filename"] == DIRECTORY
        (comment,) = life.comments(number)
        assert "ended" in comment["body"].partition("\n\n")[0], comment["body"]
        assert "the source of people has alice no more" in comment["body"]
        assert not failed(life.runner.runs), failed(life.runner.runs)
        life.proves()


FORM = """### Resource and role

orders-db/readonly

### Who receives the access

_No response_

### How long

2h

### Purpose

None

### Ticket

INC-77

### Reason

Duplicate charges, seen by support."""


def test_an_issue_form_becomes_a_pull_request_for_who_wrote_it(tmp_path: Path) -> None:
    with Hub(tmp_path, simulated=True) as hub:
        hub.repo.collaborate(hub.people["alice"], "read")  # who asks by the form needs no more
        life = Life(hub, "request", "check", "wake", "gate", "apply", labelled=True)
        life.runner.advance(minutes=2)  # what the ledger saw of main counts once no clock can doubt that it was before
        asked = {"title": "Access to orders-db", "body": FORM, "labels": ["daypass-request"]}
        issue = hub.api("alice", "POST", f"/repos/{REPOSITORY}/issues", asked)["number"]
        runs = life.runner.settle()
        assert names(runs)[0] == "request success", failed(runs)
        (pull,) = life.pulls()
        assert pull["user"]["id"] == hub.app.bot.id
        assert pull["head"]["ref"] == f"daypass/issue-{issue}"
        assert any(f"#{pull['number']}" in comment["body"] for comment in life.comments(issue))

        number = pull["number"]
        hub.approve(number, "alice")  # her own request, by whatever name: it does not count
        hub.approve(number, "dave")
        life.runner.settle()
        assert hub.pull(number)["state"] == "open"
        hub.approve(number, "bob")
        runs = counted(life)
        assert hub.pull(number)["merged"] is True, failed(runs)
        within_budget(runs, issue=True, more=1)  # alice's own approval is looked at as well
        assert life.labels(number) == {"daypass: approved"}
        assert hub.bare("for-each-ref", "refs/heads/daypass/") == ""
        assert life.held() == {("alice", "orders-db")}
        life.proves()
