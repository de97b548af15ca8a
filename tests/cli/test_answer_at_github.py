"""`daypass answer` against the double of GitHub: issues and comments as people write them, events as GitHub sends them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from daypass.core.calendar.recurrence import span_between
from daypass.core.files.grants import read_grant
from daypass.core.grant import Grant
from daypass.core.window import Recurrence
from driver import Said
from fakes.inbox import answered
from hub import REPOSITORY, Hub

ISSUES = f"/repos/{REPOSITORY}/issues"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with Hub(tmp_path) as made:
        made.api("olga", "POST", f"/repos/{REPOSITORY}/labels", {"name": "daypass-request", "color": "ededed"})
        yield made


def ask(hub: Hub, who: str, body: str, *, labels: tuple[str, ...] = ("daypass-request",)) -> int:
    """Open an issue as a person."""
    sent = {"title": "Access request", "body": body, "labels": list(labels)}
    return int(hub.api(who, "POST", ISSUES, sent)["number"])


def remark(hub: Hub, who: str, number: int, body: str) -> int:
    """Write a comment as a person; return its id."""
    return int(hub.api(who, "POST", f"{ISSUES}/{number}/comments", {"body": body})["id"])


def answer(
    hub: Hub, number: int, comment: int = 0, *options: str, who: str = "app", expect: int | None = 0, **more: str
) -> Said:
    """Run the verb as the workflow does. The event lies about everything but its numbers."""
    lies: dict[str, Any] = {"user": {"login": "bosei", "id": 583232, "type": "User"}, "body": "/end"}
    payload: dict[str, Any] = {"action": "opened", "issue": {"number": number, **lies}}
    if comment:
        payload = {"action": "created", "issue": {"number": number, **lies}, "comment": {"id": comment, **lies}}
    path = hub.top / "event.json"
    path.write_text(json.dumps(payload), encoding="utf-8")
    return hub.run("answer", *options, who=who, expect=expect, environ={"GITHUB_EVENT_PATH": str(path), **more})


def said(hub: Hub, number: int) -> list[str]:
    """What the App wrote on an issue or pull request."""
    found = hub.api("olga", "GET", f"{ISSUES}/{number}/comments")
    return [one["body"] for one in found if one["user"]["type"] == "Bot"]


def requests(hub: Hub) -> list[str]:
    """The requests to the API since the hub was asked last, git's and the making of tokens aside."""
    found = [f"{call.method} {call.path}" for call in hub.calls if ".git/" not in call.path]
    hub.calls.clear()
    return found


def test_an_issue_becomes_a_pull_request_of_its_author(hub: Hub) -> None:
    number = ask(hub, "alice", answered())
    done = answer(hub, number)
    assert done.out == "#1: request by alice: #2 opened\n"
    pull = hub.pull(2)
    assert (pull["user"]["login"], pull["head"]["ref"]) == ("daypass-acme[bot]", "daypass/issue-1")
    assert pull["body"] == "Asked for by alice in #1."
    (comment,) = said(hub, number)
    assert "Opened #2 for `orders-db/alice-" in comment
    assert "in the name of `alice`, who can therefore not approve it" in comment
    told = json.loads(answer(hub, number, 0, "--format", "json").out)
    assert (told["number"], told["kind"], told["by"], told["pull"]) == (1, "there", "alice", 2)


def test_a_window_that_recurs_and_what_ends_it_are_asked_for_with_the_form(hub: Hub) -> None:
    hub.run("form", who="alice")
    form = (hub.clone("alice") / ".github/ISSUE_TEMPLATE/daypass-request.yml").read_text(encoding="utf-8")
    assert 'label: "Ends when"' in form
    watched = ask(hub, "olga", "Weekly report", labels=())
    today = datetime.now(UTC).date()
    first, last = str(today + timedelta(days=1)), str(today + timedelta(days=12))
    number = ask(
        hub,
        "alice",
        answered(
            duration=f"{first} until {last}, Mon 06:00-08:00, Europe/Berlin",
            ends_when=f"issue_closed {REPOSITORY}#{watched}",
        ),
    )
    assert f"#{number}: request by alice: #3 opened" in answer(hub, number).out
    (path,) = grants_of(hub, 3)
    grant = read_grant(path, (hub.bare("show", f"daypass/issue-{number}:{path}") + "\n").encode())
    assert isinstance(grant, Grant)
    assert grant.span == span_between(first, last, Recurrence("Mon 06:00-08:00", "Europe/Berlin"))
    assert grant.ends_when == (("issue_closed", f"{REPOSITORY}#{watched}"),)


def grants_of(hub: Hub, number: int) -> dict[str, str]:
    """What a pull request changes: path -> status."""
    return {
        one["filename"]: one["status"] for one in hub.api("olga", "GET", f"/repos/{REPOSITORY}/pulls/{number}/files")
    }


def merged(hub: Hub) -> tuple[int, int]:
    """Alice's issue 1 and its pull request 2, approved, merged and applied."""
    number = ask(hub, "alice", answered())
    answer(hub, number)
    for who in ("bob", "dave"):
        hub.approve(2, who)
    hub.run("gate", "2")
    hub.run("apply")
    return number, 2


def test_the_author_of_the_issue_is_the_requester_whatever_the_pull_request_says(hub: Hub) -> None:
    answer(hub, ask(hub, "bob", answered(subject="alice")))
    hub.approve(2, "bob")
    hub.approve(2, "dave")
    shown = hub.run("gate", "2", "--dry-run", expect=12)
    assert "(open, by bob)" in shown.out
    assert "does not count: approved by bob: bob opened the request" in shown.out
    hub.approve(2, "carol")
    done = hub.run("gate", "2")
    assert "merged as" in done.out
    assert "Daypass-Requester: bob" in hub.bare("log", "-1", "--format=%B", "main")


def test_a_second_run_opens_and_says_nothing_twice(hub: Hub) -> None:
    number = ask(hub, "alice", answered())
    answer(hub, number)
    done = answer(hub, number)
    assert done.out == "#1: request by alice: #2 was opened before\n"
    assert len(said(hub, number)) == 1
    assert len(hub.api("olga", "GET", f"/repos/{REPOSITORY}/pulls?state=all")) == 1


def test_a_run_that_died_after_the_branch_is_made_good(hub: Hub) -> None:
    number = ask(hub, "alice", answered())
    hub.double.faults.add("POST", r"/repos/acme/access/pulls$", status=422)
    answer(hub, number, expect=1)
    assert answer(hub, number).out == "#1: request by alice: #2 opened\n"


def test_an_answer_that_was_lost_on_its_way_is_found_again(hub: Hub) -> None:
    number = ask(hub, "alice", answered())
    hub.double.faults.add("POST", r"/repos/acme/access/pulls$", status=502, after_effect=True)
    assert answer(hub, number).out.startswith("#1: request by alice: #2 ")
    assert len(hub.api("olga", "GET", f"/repos/{REPOSITORY}/pulls?state=all")) == 1


def test_a_lost_answer_about_edits_is_asked_again_and_a_refused_one_is_not(hub: Hub) -> None:
    number = ask(hub, "alice", answered())
    hub.double.faults.add("POST", "/graphql$", status=502)
    assert answer(hub, number).code == 0
    hub.double.faults.add("POST", "/graphql$", status=403)
    assert "GitHub" in answer(hub, ask(hub, "alice", answered(duration="1h")), expect=1).err


def test_an_edited_issue_is_refused_though_its_words_are_good(hub: Hub) -> None:
    number = ask(hub, "alice", answered(role="staging/deploy"))
    hub.advance(seconds=1)
    hub.api("bob", "PATCH", f"{ISSUES}/{number}", {"body": answered(role="orders-db/admin")})
    assert answer(hub, number).out.startswith("#1: refused request by alice")
    assert "this issue was edited after it was opened" in said(hub, number)[0]
    assert hub.api("olga", "GET", f"/repos/{REPOSITORY}/pulls?state=all") == []


def test_another_title_or_label_is_no_edit(hub: Hub) -> None:
    number = ask(hub, "alice", answered())
    hub.advance(seconds=1)
    hub.api("alice", "PATCH", f"{ISSUES}/{number}", {"title": "Please"})
    remark(hub, "bob", number, "I will look at it")
    assert "#2 opened" in answer(hub, number).out


def test_a_stranger_is_told_and_a_reused_login_is_a_stranger(hub: Hub) -> None:
    mallory = hub.double.user("mallory", 666)
    hub.repo.collaborate(mallory, "write")
    hub.tokens["mallory"] = hub.double.token(mallory)
    number = ask(hub, "mallory", answered(subject="alice"))
    answer(hub, number)
    assert "the directory does not know mallory " in said(hub, number)[0]
    alice = hub.people["alice"]
    alice.login, mallory.login = "alice-married", "alice-ngo"  # she renamed herself, and somebody took the old name
    number = ask(hub, "mallory", answered())
    answer(hub, number)
    assert "the directory does not know" in said(hub, number)[0]
    number = ask(hub, "alice", answered())
    assert "request by alice: #4 opened" in answer(hub, number).out


def test_a_broken_form_is_told_what_is_wrong_and_corrected_in_one_comment(hub: Hub) -> None:
    number = ask(hub, "alice", "please")
    assert answer(hub, number).out == "#1: refused request by alice: the answers cannot be read\n"
    (comment,) = said(hub, number)
    assert "[form-broken]" in comment
    assert f"({hub.double.server_url}/acme/access/issues/new?template=daypass-request.yml)" in comment
    answer(hub, number)
    assert len(said(hub, number)) == 1


def test_other_issues_are_left_alone(hub: Hub) -> None:
    number = ask(hub, "alice", "It does not work", labels=())
    assert answer(hub, number).out == "#1: nothing to answer by alice: it is no request made with the form\n"
    assert said(hub, number) == []


def test_bots_are_not_answered_and_our_own_words_do_not_wake_us(hub: Hub) -> None:
    number = ask(hub, "app", answered())
    assert "is no person" in answer(hub, number).out
    mine = ask(hub, "alice", answered())
    answer(hub, mine)
    ours = hub.api("olga", "GET", f"{ISSUES}/{mine}/comments")[0]["id"]
    assert "the comment is no command" in answer(hub, mine, ours).out
    command = remark(hub, "app", mine, "/end")
    assert "is no person" in answer(hub, mine, command).out
    assert len(said(hub, mine)) == 2  # the answer, and the command that nobody followed


def test_who_approves_by_a_comment_is_told_once_that_only_reviews_count(hub: Hub) -> None:
    number = hub.request_pull("alice", hub.grant())
    for who, line in (("bob", "LGTM"), ("dave", "+1"), ("bob", "/approve")):
        done = answer(hub, number, remark(hub, who, number, line))
        assert f"#{number}: told that only reviews count by {who}" in done.out
    (told,) = said(hub, number)
    page = f"{hub.double.server_url}/{REPOSITORY}/pull/{number}/files"
    assert f"open [Files changed]({page}), press **Review changes**" in told
    ours = hub.api("olga", "GET", f"{ISSUES}/{number}/comments")[1]["id"]
    assert "the comment is no command" in answer(hub, number, ours).out
    assert "missing: 1 approval from owners" in hub.run("gate", str(number), "--dry-run", expect=12).out


def test_a_person_who_writes_like_our_bot_changes_nothing(hub: Hub) -> None:
    number = ask(hub, "alice", answered())
    answer(hub, number)
    (ours,) = said(hub, number)
    fake = remark(hub, "erin", number, ours.replace("Opened #2", "Opened #66"))
    assert "the comment is no command" in answer(hub, number, fake).out
    answer(hub, number)
    assert "Opened #66" in hub.api("olga", "GET", f"{ISSUES}/comments/{fake}")["body"]
    assert len(said(hub, number)) == 1


def test_a_branch_of_our_name_that_a_person_opened_is_that_persons_request(hub: Hub) -> None:
    number = ask(hub, "alice", answered())
    hub.request_pull("bob", hub.grant(subject="bob"), branch=f"daypass/issue-{number}")
    failed = answer(hub, number, expect=1)
    assert failed.err
    shown = hub.run("gate", "2", "--dry-run", expect=None)
    assert "by alice)" not in shown.out


def test_a_grant_is_extended_and_ended_by_comments(hub: Hub) -> None:
    number, pull = merged(hub)
    more = remark(hub, "alice", number, "/extend 1h\n\nstill reading")
    done = answer(hub, number, more)
    assert done.out == "#1: extend by alice: #3 opened\n"
    assert hub.pull(3)["head"]["ref"] == f"daypass/comment-{more}"
    assert list(grants_of(hub, 3).values()) == ["modified"]
    end = remark(hub, "carol", pull, "/end")
    assert answer(hub, pull, end).out == "#2: end by carol: #4 opened\n"
    assert list(grants_of(hub, 4).values()) == ["removed"]
    assert "Daypass-Requester: carol" in (hub.run("gate", "4"), hub.bare("log", "-1", "--format=%B", "main"))[1]
    assert answer(hub, pull, end).out == "#2: end by carol: #4 was opened before\n"


def test_the_author_of_a_comment_is_the_requester_of_what_it_opened(hub: Hub) -> None:
    number, _ = merged(hub)
    answer(hub, number, remark(hub, "alice", number, "/extend 1h"))
    hub.approve(3, "bob")
    hub.approve(3, "dave")
    assert "(open, by alice)" in hub.run("gate", "3", "--dry-run").out


def test_the_wrong_person_is_told_who_may(hub: Hub) -> None:
    number, _ = merged(hub)
    comment = remark(hub, "dave", number, "/end")
    assert answer(hub, number, comment).out.startswith("#1: refused end by dave")
    assert "may be ended by alice or bob or carol" in said(hub, number)[-1]
    comment = remark(hub, "bob", number, "/extend 1h")
    answer(hub, number, comment)
    assert "only alice may extend" in said(hub, number)[-1]


def test_status_is_told_on_issue_and_pull_request(hub: Hub) -> None:
    number, pull = merged(hub)
    for place in (number, pull):
        comment = remark(hub, "erin", place, "/status")
        assert answer(hub, place, comment).out == f"#{place}: status status by erin\n"
        assert "1 granted:" in said(hub, place)[-1]


def test_an_edited_comment_is_refused(hub: Hub) -> None:
    number, _ = merged(hub)
    comment = remark(hub, "alice", number, "thanks")
    hub.advance(seconds=1)
    hub.api("bob", "PATCH", f"{ISSUES}/comments/{comment}", {"body": "/end"})
    assert "refused end by alice" in answer(hub, number, comment).out
    assert "this comment was edited" in said(hub, number)[-1]


def test_without_the_app_the_author_is_given_the_file_to_propose(hub: Hub) -> None:
    number = ask(hub, "alice", answered())
    token = hub.double.actions_token(hub.repo, {"contents": "read", "issues": "write", "pull_requests": "read"})
    done = answer(hub, number, who="", GITHUB_TOKEN=token, GITHUB_ACTIONS="true")
    assert done.out == "#1: told where to open it request by alice\n"
    (comment,) = said(hub, number)
    assert f"{hub.double.server_url}/acme/access/new/main/grants/orders-db?filename=alice-" in comment
    assert hub.api("olga", "GET", f"/repos/{REPOSITORY}/pulls?state=all") == []


def test_an_event_of_what_is_not_there_is_a_failure(hub: Hub) -> None:
    assert answer(hub, 99, expect=1).err
    assert answer(hub, 1, 4711, expect=1).err


def test_each_answer_costs_as_many_requests_as_documented(hub: Hub) -> None:
    def cost(number: int, line: str = "") -> int:
        comment = remark(hub, "alice", number, line) if line else 0
        hub.calls.clear()
        answer(hub, number, comment)
        return len(requests(hub))

    issue = ask(hub, "alice", answered())
    found = {"an issue": cost(issue), "an issue, again": cost(issue)}
    for who in ("bob", "dave"):
        hub.approve(2, who)
    hub.run("gate", "2")
    hub.run("apply")
    found |= {line: cost(issue, line) for line in ("/extend 1h", "/end", "/status", "thank you")}
    found["lgtm"] = cost(3, "lgtm")
    found["/status"] = max(found["/status"], cost(3, "/status"))  # 3 is open, and has its reviews read
    page = (Path(__file__).parents[2] / "docs" / "requests.md").read_text(encoding="utf-8")
    written = {
        what.strip("`"): int(count) for what, count in re.findall(r"^\| ([^|]+) \| ([0-9]+) \|$", page, re.MULTILINE)
    }
    assert list(written) == list(found)
    assert {what: count for what, count in found.items() if count > written[what]} == {}
