"""The comment of a request lives as long as its grant, at the double of GitHub: live, extended, ended, failed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from daypass.core.window import format_instant
from driver import Said
from fakes.inbox import answered
from hub import REPOSITORY, Hub

ISSUES = f"/repos/{REPOSITORY}/issues"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with Hub(tmp_path, simulated=True) as made:
        made.advance(minutes=2)
        yield made


def run(hub: Hub, *verb: str, expect: int | None = 0) -> Said:
    return hub.run(*verb, "--at", format_instant(hub.now()), expect=expect)


def story(hub: Hub, number: int) -> str:
    """The one comment of ours on a request."""
    found = [c["body"] for c in hub.api("olga", "GET", f"{ISSUES}/{number}/comments") if c["user"]["type"] == "Bot"]
    (text,) = found
    return text


def title(hub: Hub, number: int) -> str:
    """What comment and check run both say of it, once label and conclusion were seen to say so as well."""
    head = hub.pull(number)["head"]["sha"]
    checks = hub.api("olga", "GET", f"/repos/{REPOSITORY}/commits/{head}/check-runs")["check_runs"]
    (check,) = [one for one in checks if one["name"] == "daypass"]
    said = story(hub, number).split("### daypass: ", 1)[1].split("\n", 1)[0]
    assert check["output"]["title"] == said
    labels = [one["name"] for one in hub.pull(number)["labels"] if one["name"].startswith("daypass: ")]
    given = "not be proved" not in said and said != "closed without a merge"
    conclusion, label = ("success", "approved") if given else ("failure", "refused")
    assert (check["conclusion"], labels) == (conclusion, [f"daypass: {label}"])
    return said


def granted(hub: Hub, **wanted: str) -> int:
    number = hub.request_pull("alice", hub.grant(**wanted))
    run(hub, "gate", str(number), expect=12)
    for who in ("bob", "dave"):
        hub.approve(number, who)
    run(hub, "gate", str(number))
    return number


def test_a_comment_lives_as_long_as_the_grant(hub: Hub) -> None:
    number = granted(hub)
    assert title(hub, number) == "merged, and not given yet"
    end = format_instant(hub.now() + timedelta(hours=2))
    run(hub, "apply")
    assert title(hub, number) == f"live until {end}"
    assert f"live until {end}, 2h left" in run(hub, "status").out
    assert f"since the merge: live until {end}\n" in run(hub, "show", str(number)).out
    assert "**How to use it:**" in story(hub, number)
    hub.advance(hours=2, seconds=12)
    run(hub, "apply")
    assert title(hub, number) == f"ended {end}, taken away 12s late"
    assert f"since the merge: {title(hub, number)}\n" in run(hub, "show", str(number)).out
    text = story(hub, number)
    run(hub, "expire")
    assert story(hub, number) == text  # the removal of the file changes nothing of that


def test_a_run_that_changed_nothing_asks_nothing_of_the_forge(hub: Hub) -> None:
    granted(hub)
    run(hub, "apply")
    before = len(hub.calls)
    run(hub, "apply")
    asked = [call.path for call in hub.calls[before:] if ".git/" not in call.path]
    assert [path for path in asked if "/installation" not in path and "/access_tokens" not in path] == []


def test_a_comment_that_cannot_be_written_changes_no_exit_code(hub: Hub) -> None:
    number = granted(hub)
    hub.double.faults.add("PATCH", rf"{ISSUES}/comments/\d+", status=500, times=50)
    said = run(hub, "apply")
    assert f"daypass: not told on the request: #{number}: " in said.err
    assert "1 granted" in hub.run("status", "--at", format_instant(hub.now())).out


def test_an_extension_is_told_on_both_requests(hub: Hub) -> None:
    number = granted(hub)
    run(hub, "apply")
    grant = "orders-db/alice-1"
    hub.run("extend", grant, "--for", "1h", "--at", format_instant(hub.now()), who="alice")
    other = number + 1
    for who in ("bob", "dave"):
        hub.approve(other, who)
    run(hub, "gate", str(other))
    run(hub, "apply")
    assert title(hub, other).startswith("live until ")
    assert title(hub, number) == f"goes on by #{other}"
    assert "live until" not in story(hub, number)
    assert f"It goes on by [#{other}](" in story(hub, number)
    hub.advance(hours=4)
    run(hub, "apply")
    assert title(hub, other).startswith("ended ")
    _both_say_what_show_says(hub, number, other)
    run(hub, "expire")
    run(hub, "gate")
    run(hub, "apply")  # main has the grant no longer
    assert "orders-db/alice-1" not in hub.run("status", "--at", format_instant(hub.now())).out
    _both_say_what_show_says(hub, number, other)


def _both_say_what_show_says(hub: Hub, *numbers: int) -> None:
    for number in numbers:
        assert f"since the merge: {title(hub, number)}\n" in run(hub, "show", str(number)).out


def test_of_many_requests_the_newest_are_told_and_so_an_extension_is(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    number = granted(hub)
    run(hub, "apply")
    hub.run("extend", "orders-db/alice-1", "--for", "1h", "--at", format_instant(hub.now()), who="alice")
    other = number + 1
    for who in ("bob", "dave"):
        hub.approve(other, who)
    run(hub, "gate", str(other))
    monkeypatch.setattr("daypass.pipeline.tell.lives.MOST_TOLD", 1)
    said = run(hub, "apply")
    assert title(hub, other).startswith("live until ")
    assert "not told on the request: 1 more of the requests; a run tells of 1 at most, the newest\n" in said.err


def by_issue(hub: Hub) -> tuple[int, int]:
    """Have alice ask in an issue; return it and the request."""
    issue = int(hub.api("alice", "POST", ISSUES, {"title": "Access request", "body": answered()})["number"])
    event = hub.top / "event.json"
    event.write_text(f'{{"action": "opened", "issue": {{"number": {issue}}}}}', encoding="utf-8")
    hub.run("answer", "--at", format_instant(hub.now()), environ={"GITHUB_EVENT_PATH": str(event)})
    return issue, issue + 1


def test_the_issue_that_asked_is_answered_by_its_extension_and_closed_with_it(hub: Hub) -> None:
    issue, number = by_issue(hub)
    for who in ("bob", "dave"):
        hub.approve(number, who)
    run(hub, "gate", str(number))
    run(hub, "apply")
    more = hub.api("alice", "POST", f"{ISSUES}/{issue}/comments", {"body": "/extend 1h"})["id"]
    event = hub.top / "event.json"
    event.write_text(f'{{"action": "created", "issue": {{"number": {issue}}}, "comment": {{"id": {more}}}}}')
    hub.run("answer", "--at", format_instant(hub.now()), environ={"GITHUB_EVENT_PATH": str(event)})
    (other,) = [pull for pull in hub.repo.pulls if pull > number]
    run(hub, "report", str(other))
    asked = re.search(r"in \[a comment\]\((\S+)\) on \[#(\d+)\]\((\S+)\)\.", story(hub, other))
    assert asked is not None
    assert asked.groups() == (f"{asked[3]}#issuecomment-{more}", str(issue), asked[3])
    for who in ("bob", "dave"):
        hub.approve(other, who)
    run(hub, "gate", str(other))
    run(hub, "apply")
    assert title(hub, number) == f"goes on by #{other}"
    assert any(re.search(rf"Pull request \[#{other}\]\(\S+\): \*\*live until ", text) for text in said_on(hub, issue))
    hub.advance(hours=9)
    run(hub, "expire")
    assert any("taken away" in text for text in said_on(hub, issue))
    assert hub.api("olga", "GET", f"{ISSUES}/{issue}")["state"] == "closed"


def approved(hub: Hub, number: int) -> None:
    for who in ("bob", "dave"):
        hub.approve(number, who)
    run(hub, "gate", str(number))
    run(hub, "apply")


def test_the_issue_that_asked_is_answered_at_each_extension_from_the_command_line_and_closed_at_the_end(
    hub: Hub,
) -> None:
    issue, number = by_issue(hub)
    approved(hub, number)
    (grant,) = (path.removesuffix(".yaml").removeprefix("grants/") for path in granted_files(hub))
    for _ in range(2):
        hub.run("extend", grant, "--for", "1h", "--at", format_instant(hub.now()), who="alice")
        before, number = number, max(hub.repo.pulls)
        approved(hub, number)
        assert title(hub, before) == f"goes on by #{number}"
        assert re.search(rf"Pull request \[#{number}\]\(\S+\): \*\*live until ", story(hub, issue))
        assert hub.api("olga", "GET", f"{ISSUES}/{issue}")["state"] == "open"
    hub.advance(hours=11)
    run(hub, "expire")
    assert re.search(rf"Pull request \[#{number}\]\(\S+\): \*\*ended .*taken away", story(hub, issue))
    assert hub.api("olga", "GET", f"{ISSUES}/{issue}")["state"] == "closed"


def granted_files(hub: Hub) -> list[str]:
    return hub.bare("ls-tree", "-r", "--name-only", "main", "grants/").splitlines()


def test_an_extension_that_comes_to_nothing_leaves_the_issue_to_what_it_asked_for(hub: Hub) -> None:
    issue, number = by_issue(hub)
    approved(hub, number)
    more = hub.api("alice", "POST", f"{ISSUES}/{issue}/comments", {"body": "/extend 1h"})["id"]
    event = hub.top / "event.json"
    event.write_text(f'{{"action": "created", "issue": {{"number": {issue}}}, "comment": {{"id": {more}}}}}')
    hub.run("answer", "--at", format_instant(hub.now()), environ={"GITHUB_EVENT_PATH": str(event)})
    hub.api("alice", "PATCH", f"/repos/{REPOSITORY}/pulls/{max(hub.repo.pulls)}", {"state": "closed"})
    run(hub, "expire")
    assert title(hub, max(hub.repo.pulls)) == "closed without a merge"
    assert any(f"Pull request [#{number}](" in text and "live until" in text for text in said_on(hub, issue))
    assert hub.api("olga", "GET", f"{ISSUES}/{issue}")["state"] == "open"
    hub.advance(hours=9)
    run(hub, "expire")
    assert hub.api("olga", "GET", f"{ISSUES}/{issue}")["state"] == "closed"


def test_an_issue_tells_nothing_of_what_somebody_else_made_of_the_grant(hub: Hub) -> None:
    issue, number = by_issue(hub)
    approved(hub, number)
    (path,) = granted_files(hub)
    changed = hub.bare("show", f"main:{path}").replace("subject: alice", "subject: carol") + "\n"
    hub.push_branch("carol", "carols", {path: changed})
    asked = {"title": "Access for carol", "head": "carols", "base": "main"}
    other = int(hub.api("carol", "POST", f"/repos/{REPOSITORY}/pulls", asked)["number"])
    approved(hub, other)
    assert title(hub, other).startswith("live until ")
    hub.advance(hours=9)
    run(hub, "expire")
    assert title(hub, other).startswith("ended ")
    told = [text for text in said_on(hub, issue) if "Pull request" in text]
    assert len(told) == 1
    assert f"Pull request [#{number}](" in told[0]  # which says by which request it goes on
    assert "carol" not in told[0]
    assert hub.api("olga", "GET", f"{ISSUES}/{issue}")["state"] == "open"


def said_on(hub: Hub, issue: int) -> list[str]:
    return [one["body"] for one in hub.api("olga", "GET", f"{ISSUES}/{issue}/comments")]


def test_the_issue_that_asked_is_answered_and_closed(hub: Hub) -> None:
    issue, number = by_issue(hub)
    for who in ("bob", "dave"):
        hub.approve(number, who)
    run(hub, "gate", str(number))
    run(hub, "apply")
    assert re.match(rf"Pull request \[#{number}\]\(\S+\): \*\*live until ", story(hub, issue).split("\n", 1)[1])
    assert hub.api("olga", "GET", f"{ISSUES}/{issue}")["state"] == "open"
    hub.advance(hours=9)
    run(hub, "expire")
    assert "taken away" in story(hub, issue)
    assert hub.api("olga", "GET", f"{ISSUES}/{issue}")["state"] == "closed"


def test_a_grant_that_is_ended_early_is_told_so(hub: Hub) -> None:
    number = granted(hub)
    run(hub, "apply")
    hub.advance(minutes=10)
    hub.run("end", "orders-db/alice-1", "--at", format_instant(hub.now()), who="alice")
    run(hub, "gate")
    run(hub, "apply")
    assert title(hub, number) == f"ended {format_instant(hub.now())}, taken away at once"


def test_what_a_run_holds_back_is_told_so_everywhere_until_nothing_holds_it(hub: Hub) -> None:
    number = granted(hub)
    path = "policies/daypass.yaml"
    settings = hub.bare("show", f"main:{path}")
    assert "additions: 100" in settings
    hub.repo.rulesets = []  # nobody judges what changes on main
    hub.push_branch("olga", "main", {path: settings.replace("additions: 100", "additions: 0")})
    assert "HELD + alice" in run(hub, "apply", expect=14).out
    why = "the brake holds: 1 addition, where the settings allow 0 at once"
    assert title(hub, number) == "merged, and held back"
    assert f"**What holds it back:** {why}." in story(hub, number)
    assert re.search(rf"merged, and held back, [0-9hms]+ left, {why}\n", run(hub, "status").out)
    assert "since the merge: merged, and held back\n" in run(hub, "show", str(number)).out
    hub.push_branch("olga", "main", {path: settings})
    assert "merged, and not given yet, " in run(hub, "status").out
    run(hub, "apply")
    assert title(hub, number).startswith("live until ")
    assert "held back" not in run(hub, "status").out + story(hub, number)


def test_a_grant_that_cannot_be_proved_is_told_of_on_its_request(hub: Hub) -> None:
    number = hub.request_pull("alice", hub.grant())
    run(hub, "report", str(number))
    hub.approve(number, "bob")  # enough for GitHub's rules, and not for policy
    hub.api("olga", "PUT", f"/repos/{REPOSITORY}/pulls/{number}/merge", {"merge_method": "squash"})
    run(hub, "apply", expect=14)
    assert title(hub, number) == "failed: it could not be proved, and gives nothing"
    assert "To ask again, open a new request." in story(hub, number)


@pytest.mark.parametrize("verb", ["gate", "expire"])
def test_a_request_that_nobody_answered_is_told_closed_and_so_is_its_issue(hub: Hub, verb: str) -> None:
    issue, number = by_issue(hub)
    run(hub, "gate")
    hub.advance(days=8)
    run(hub, verb)
    assert "\n### daypass: closed without a merge\n" in story_of(hub, number)
    assert "Closed without a merge: nobody answered within 7d" in story(hub, issue)
    assert hub.api("olga", "GET", f"{ISSUES}/{issue}")["state"] == "closed"


def test_a_request_that_its_author_closed_is_told_closed(hub: Hub) -> None:
    granted(hub)
    run(hub, "apply")  # a ledger that knows main records what becomes of requests
    number = hub.request_pull("alice", hub.grant(reason="something else to look at"))
    run(hub, "gate")
    hub.api("alice", "PATCH", f"/repos/{REPOSITORY}/pulls/{number}", {"state": "closed"})
    run(hub, "expire")
    assert title(hub, number) == "closed without a merge"


def story_of(hub: Hub, number: int) -> str:
    """The notice among the comments of ours."""
    found = [c["body"] for c in hub.api("olga", "GET", f"{ISSUES}/{number}/comments") if c["user"]["type"] == "Bot"]
    return next(text for text in found if text.startswith("<!-- daypass:notice -->"))
