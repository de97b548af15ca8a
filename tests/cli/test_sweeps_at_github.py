"""A gate that looks at every open request asks again of those alone that changed since it looked at them last."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from test_told_at_github import by_issue

from daypass.core.window import format_instant
from daypass.edges.forges.github.reading import GitHubReader
from daypass.edges.forges.github.sweep import GitHubSweep
from hub import REPOSITORY, Hub


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with Hub(tmp_path, simulated=True) as made:
        made.advance(minutes=2)
        yield made


def sweep(hub: Hub, expect: int = 0) -> tuple[str, int]:
    """Run the gate over all that is open, a while after the last; return what it said and how many calls it took."""
    hub.advance(seconds=3)
    before = len(hub.calls)
    said = hub.run("gate", "--at", format_instant(hub.now()), expect=expect)
    return said.out, sum(".git/" not in call.path for call in hub.calls[before:])


def settled(hub: Hub) -> None:
    """Let the gate tell everybody, and see what became of that."""
    sweep(hub)
    sweep(hub)


def test_what_is_as_it_was_is_not_asked_of_again(hub: Hub) -> None:
    numbers = [hub.request_pull("alice", hub.grant(reason=f"reading order {n} of a complaint")) for n in range(3)]
    settled(hub)
    said, calls = sweep(hub)
    assert said == "3 open, none changed since it was looked at last.\n"
    assert calls <= 3
    hub.approve(numbers[1], "bob")
    said, calls = sweep(hub)
    assert f"#{numbers[1]}" in said
    assert f"#{numbers[0]}" not in said
    hub.approve(numbers[1], "dave")
    assert "merged" in sweep(hub)[0]


PAGE = (Path(__file__).parents[2] / "docs" / "github-calls.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (\d+)" + r" \| (\d+)" * 6 + r" \|$", PAGE, re.MULTILINE)
TOLD = [[int(cell) for cell in row] for row in ROWS]


@pytest.mark.parametrize(("many", "quiet", "changed", "approved", "landed", "one", "none"), TOLD[:2])
def test_a_sweep_takes_the_calls_that_the_page_says(
    hub: Hub, many: int, quiet: int, changed: int, approved: int, landed: int, one: int, none: int
) -> None:
    numbers = [hub.request_pull("alice", hub.grant(reason=f"reading order {n} of a complaint")) for n in range(many)]
    settled(hub)
    assert sweep(hub)[1] == quiet
    hub.advance(seconds=5)
    for number in numbers:
        hub.api("bob", "POST", f"/repos/{REPOSITORY}/issues/{number}/labels", {"labels": ["urgent"]})
    assert sweep(hub)[1] == changed
    sweep(hub)
    land(hub, "carol")
    assert sweep(hub)[1] == none
    hub.run("apply", "--at", format_instant(hub.now()))
    assert sweep(hub)[1] == none
    land(hub, "carol", "dave")
    assert sweep(hub)[1] == landed
    sweep(hub)
    hub.run("apply", "--at", format_instant(hub.now()))
    assert sweep(hub)[1] == landed
    sweep(hub)
    hub.advance(seconds=5)
    for number in numbers:
        hub.approve(number, "bob")
    assert sweep(hub)[1] == approved
    sweep(hub)
    land(hub, "dave", "erin")
    assert sweep(hub)[1] == landed + many  # of what is approved it is asked who approved


@pytest.mark.parametrize(("many", "one"), [(row[0], row[5]) for row in TOLD[:2]])
def test_a_sweep_after_a_merge_that_one_request_hangs_on_takes_what_the_page_says(
    hub: Hub, many: int, one: int
) -> None:
    """Of another resource than all others it is, and waits."""
    for n in range(many - 1):
        hub.request_pull("alice", hub.grant(reason=f"reading order {n} of a complaint"))
    hub.request_pull("alice", hub.grant(resource="staging", role="deploy", duration="6h"))
    settled(hub)
    land(hub, "carol")
    assert sweep(hub)[1] == one
    sweep(hub)
    hub.run("apply", "--at", format_instant(hub.now()))
    assert sweep(hub)[1] == one


def land(hub: Hub, who: str, approver: str = "") -> None:
    """Have the request of somebody merged: to read orders, or, where nobody approves, to deploy to staging."""
    asked = hub.grant(subject=who) if approver else hub.grant(subject=who, resource="staging", role="deploy")
    number = hub.request_pull(who, asked)
    for one in ("bob", approver) if approver else ():
        hub.approve(number, one)
    assert "merged as" in hub.run("gate", str(number), "--at", format_instant(hub.now())).out


def test_a_hundred_take_what_one_does_and_at_most_six_for_each_that_changed() -> None:
    assert [row[0] for row in TOLD] == [1, 20, 100]
    for many, quiet, changed, approved, landed, one, none in TOLD:
        assert (quiet, changed, approved, landed) == (3, 3 + 1 + 3 * many, 3 + 1 + 5 * many, 3 + 1 + 3 * many)
        assert (one, none) == (3 + 1 + 3, 3)


@pytest.mark.parametrize("change", ["comment", "label", "draft", "push", "base"])
def test_whatever_happens_to_a_request_has_it_looked_at(hub: Hub, change: str) -> None:
    number = hub.request_pull("alice", hub.grant())
    settled(hub)
    hub.advance(seconds=5)
    issue = f"/repos/{REPOSITORY}/issues/{number}"
    if change == "comment":
        hub.api("bob", "POST", f"{issue}/comments", {"body": "which orders?"})
    elif change == "label":
        hub.api("olga", "POST", f"{issue}/labels", {"labels": ["urgent"]})
    elif change == "draft":
        hub.repo.pulls[number].draft = True
    elif change == "push":
        branch = hub.pull(number)["head"]["ref"]
        hub.push_branch("alice", branch, {"grants/orders-db/alice-1.yaml": hub.grant(duration="1h")})
    else:
        hub.api("alice", "PATCH", f"/repos/{REPOSITORY}/pulls/{number}", {"title": "Access, please"})
    assert f"#{number}" in sweep(hub)[0]


def test_a_main_or_a_ledger_that_moved_has_all_looked_at(hub: Hub) -> None:
    number = hub.request_pull("alice", hub.grant())
    settled(hub)
    other = hub.request_pull("carol", hub.grant(subject="carol"))
    for who in ("bob", "dave"):
        hub.approve(other, who)
    hub.run("gate", str(other), "--at", format_instant(hub.now()))
    assert f"#{number}" in sweep(hub)[0]
    sweep(hub)
    assert "none changed" in sweep(hub)[0]
    hub.run("apply", "--at", format_instant(hub.now()))
    assert f"#{number}" in sweep(hub)[0]


def test_time_alone_has_a_request_closed_that_nobody_answered(hub: Hub) -> None:
    number = hub.request_pull("alice", hub.grant())
    settled(hub)
    assert "none changed" in sweep(hub)[0]
    hub.advance(days=8)
    assert "closed" in sweep(hub)[0]
    assert hub.pull(number)["state"] == "closed"


def test_a_record_that_somebody_else_wrote_is_not_believed(hub: Hub) -> None:
    number = hub.request_pull("alice", hub.grant())
    settled(hub)
    for run in [one for one in hub.repo.checks.values() if one.name == "daypass gate"]:
        run.app = hub.double.app("another", permissions={"checks": "write"}, repositories=[REPOSITORY])
    assert f"#{number}" in sweep(hub)[0]


LIFTS = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "4102444800", "x-ratelimit-resource": "graphql"}
NO_GRAPHQL = {
    "switched off": ({"status": 404, "body": {"message": "Not Found"}}, "GitHub answered 404 to POST /graphql"),
    "a proxy": ({"status": 403, "body": "<html>blocked</html>"}, "GitHub answered 403 to POST /graphql"),
    "its rate limit": (
        {"status": 403, "body": {"message": "rate limit"}, "headers": LIFTS},
        "rate limit turns away POST",
    ),
    "its rate limit, in the answer": (
        {"status": 200, "body": {"errors": [{"type": "RATE_LIMITED", "message": "API rate limit exceeded"}]}},
        "GitHub does not list the open pull requests: API rate limit exceeded",
    ),
    "too slow": ({"status": 502, "body": {"message": "Server Error"}}, "GitHub answered 502 to POST /graphql"),
}


@pytest.mark.parametrize("why", NO_GRAPHQL)
def test_where_graphql_is_refused_each_request_is_looked_at_by_rest(hub: Hub, why: str) -> None:
    fault, said = NO_GRAPHQL[why]
    number, other = hub.request_pull("alice", hub.grant()), hub.request_pull("carol", hub.grant(subject="carol"))
    settled(hub)
    for who in ("bob", "dave"):
        hub.approve(number, who)
    hub.double.faults.add("POST", "/graphql", times=99, **fault)
    hub.advance(seconds=3)
    done = hub.run("gate", "--at", format_instant(hub.now()))
    assert said in done.err
    assert "So each open request is looked at by itself, which takes more calls" in done.err
    assert (hub.pull(number)["merged"], hub.pull(other)["merged"]) == (True, False)
    assert f"#{other} " in done.out


@pytest.mark.parametrize(("asked_in", "calls"), [("pull", 6), ("issue", 7)])
def test_by_rest_a_request_takes_the_calls_that_the_page_says(hub: Hub, asked_in: str, calls: int) -> None:
    number = ASKING[asked_in](hub)
    settled(hub)
    hub.double.faults.add("POST", "/graphql", times=99, status=404, body={"message": "Not Found"})
    assert sweep(hub)[1] == 2 + 1 + 1 + calls  # a token, what was refused, and the list
    hub.approve(number, "bob")
    sweep(hub)
    assert sweep(hub)[1] == 2 + 1 + 1 + calls + 2


def test_where_rest_is_refused_as_well_the_run_fails(hub: Hub) -> None:
    hub.request_pull("alice", hub.grant())
    settled(hub)
    hub.double.faults.add("*", "/graphql|/repos/acme/access/pulls", times=99, status=403, body={"message": "no"})
    assert "GitHub answered 403 to GET /repos/acme/access/pulls: no" in hub.run("gate", expect=1).err


def test_a_partial_answer_is_no_shorter_list(hub: Hub) -> None:
    number = hub.request_pull("alice", hub.grant())
    del hub.app.permissions["checks"]
    said = hub.run("gate", "--at", format_instant(hub.now()), expect=None)
    assert "GitHub does not list the open pull requests: Resource not accessible by integration" in said.err
    assert f"#{number} " in said.out


def by_comment(hub: Hub) -> int:
    """Have alice ask for more time in a comment on what was merged for her; return the request."""
    number = hub.request_pull("alice", hub.grant())
    for who in ("bob", "dave"):
        hub.approve(number, who)
    hub.run("gate", str(number), "--at", format_instant(hub.now()))
    hub.run("apply", "--at", format_instant(hub.now()))
    more = hub.api("alice", "POST", f"/repos/{REPOSITORY}/issues/{number}/comments", {"body": "/extend 1h"})["id"]
    event = hub.top / "event.json"
    event.write_text(f'{{"action": "created", "issue": {{"number": {number}}}, "comment": {{"id": {more}}}}}')
    hub.run("answer", "--at", format_instant(hub.now()), environ={"GITHUB_EVENT_PATH": str(event)})
    return max(hub.repo.pulls)


ASKING = {"pull": lambda hub: hub.request_pull("alice", hub.grant()), "issue": lambda hub: by_issue(hub)[1]}
ASKING |= {"comment": by_comment}


@pytest.mark.parametrize("asked_in", ASKING)
def test_a_request_that_changed_takes_six_calls_at_most_however_it_was_asked_for(hub: Hub, asked_in: str) -> None:
    """Five where it was approved for the first time, and one more where an issue or a comment says who asked.

    Of what goes on with a grant nothing is kept, since its window names instants.
    """
    number, asked = ASKING[asked_in](hub), asked_in != "pull"
    settled(hub)
    fixed = 3 + (asked_in != "comment")
    hub.advance(seconds=5)
    hub.api("bob", "POST", f"/repos/{REPOSITORY}/issues/{number}/labels", {"labels": ["urgent"]})
    assert sweep(hub)[1] == fixed + 3 + asked
    hub.advance(seconds=5)
    hub.approve(number, "bob")
    start = len(hub.calls)
    said, calls = sweep(hub)
    assert "missing: 1 approval from group:security" in said
    sent = [f"{call.method} {call.path}" for call in hub.calls[start:] if ".git/" not in call.path]
    assert calls == fixed + 5 + asked, sent
    (run, *_) = [one for one in hub.repo.checks.values() if one.head_sha == hub.pull(number)["head"]["sha"]]
    assert str(run.output["title"]).startswith("waiting for 1 approval from group:security")
    sweep(hub)
    land(hub, "carol", "dave")
    assert sweep(hub)[1] == fixed + 4 + asked


@pytest.mark.parametrize("ours", ["first", "after another"])
def test_what_says_it_already_is_not_written_again(hub: Hub, ours: str) -> None:
    """Nor read, where it is the first comment; a comment after another is looked for, and left as it is."""
    number = hub.request_pull("alice", hub.grant())
    if ours == "after another":
        hub.api("bob", "POST", f"/repos/{REPOSITORY}/issues/{number}/comments", {"body": "which orders?"})
    settled(hub)
    hub.advance(seconds=5)
    hub.api("bob", "POST", f"/repos/{REPOSITORY}/issues/{number}/labels", {"labels": ["urgent"]})
    start = len(hub.calls)
    assert sweep(hub)[1] == 3 + 1 + 3 + (2 if ours == "after another" else 0)
    sent = [
        f"{call.method} {call.path}" for call in hub.calls[start:] if "PATCH" in call.method or "graphql" in call.path
    ]
    assert len(sent) == 2, sent  # the sweep, and what it keeps
    assert sweep(hub)[1] == 3


def test_a_comment_of_ours_that_somebody_edited_is_put_right_by_one_call(hub: Hub) -> None:
    number = hub.request_pull("alice", hub.grant())
    settled(hub)
    (comment,) = hub.repo.comments.values()
    right = comment.body
    hub.advance(seconds=5)
    hub.api("olga", "PATCH", f"/repos/{REPOSITORY}/issues/comments/{comment.id}", {"body": right + "approved!"})
    hub.api("bob", "POST", f"/repos/{REPOSITORY}/issues/{number}/labels", {"labels": ["urgent"]})
    assert sweep(hub)[1] == 3 + 1 + 3 + 1
    assert comment.body == right


def told(hub: Hub, number: int) -> str:
    """What check run and comment both say of a request that waits, without since when."""
    (run,) = [one for one in hub.repo.checks.values() if one.name == "daypass"]
    (comment,) = [one for one in hub.repo.comments.values() if one.number == number]
    title = str(run.output["title"])
    assert f"### daypass: {title}\n" in comment.body
    assert run.output["summary"] in comment.body
    return title.partition(" since ")[0]


@pytest.mark.parametrize("amiss", ["gone", "led astray", "unavailable", "refused", "changed since"])
def test_what_cannot_be_written_over_at_once_is_looked_for(
    hub: Hub, amiss: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = hub.request_pull("alice", hub.grant())
    settled(hub)
    hub.advance(seconds=5)
    hub.approve(number, "bob")
    (ours,) = hub.repo.comments.values()
    (run,) = [one for one in hub.repo.checks.values() if one.name == "daypass"]
    theirs = ""
    if amiss == "gone":
        del hub.repo.comments[ours.id]
    elif amiss == "led astray":
        theirs = ours.body
        made = hub.api("bob", "POST", f"/repos/{REPOSITORY}/issues/{number}/comments", {"body": theirs})
        run.details_url = made["html_url"]
    elif amiss == "unavailable":
        hub.double.faults.add("POST", "/graphql", status=502, skip=1, times=9)
    elif amiss == "refused":
        errors = [{"type": "FORBIDDEN", "message": "Resource not accessible by integration"}]
        told_nothing = {"data": {"updateIssueComment": None, "updateCheckRun": None}, "errors": errors}
        hub.double.faults.add("POST", "/graphql", status=200, skip=1, times=9, body=told_nothing)
    else:
        review = {"event": "COMMENT", "body": "which orders?"}

        def commented() -> None:
            hub.advance(seconds=2)
            hub.api("erin", "POST", f"/repos/{REPOSITORY}/pulls/{number}/reviews", review)

        meanwhile(monkeypatch, GitHubSweep, "look", commented)
    start = len(hub.calls)
    sweep(hub)
    assert any(call.path.endswith(f"/issues/{number}/comments") for call in hub.calls[start:])
    if theirs:
        (other,) = [one for one in hub.repo.comments.values() if one.id != ours.id]
        assert other.body == theirs
        del hub.repo.comments[other.id]
    assert told(hub, number) == "waiting for 1 approval from group:security"


def test_nothing_is_told_of_a_head_that_moved_while_it_was_judged(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    number = hub.request_pull("alice", hub.grant())
    settled(hub)
    before = told(hub, number)
    hub.advance(seconds=5)
    hub.approve(number, "bob")
    branch = hub.pull(number)["head"]["ref"]
    changed = {"grants/orders-db/alice-1.yaml": hub.grant(duration="1h")}
    meanwhile(monkeypatch, GitHubReader, "reviews", lambda: hub.push_branch("alice", branch, changed))
    sweep(hub)
    assert told(hub, number) == before


def meanwhile(monkeypatch: pytest.MonkeyPatch, reader: type, reads: str, happens: Callable[[], object]) -> None:
    """Have something happen at GitHub once something was read of it."""
    real = getattr(reader, reads)

    def late(*given: object) -> object:
        found = real(*given)
        happens()
        return found

    monkeypatch.setattr(reader, reads, late)


def test_what_landed_elsewhere_has_nothing_looked_at(hub: Hub) -> None:
    numbers = [hub.request_pull("alice", hub.grant(reason=f"reading order {n} of a complaint")) for n in range(3)]
    settled(hub)
    said, quiet = sweep(hub)
    assert "3 open, none changed" in said
    land(hub, "carol")
    assert sweep(hub) == (said, quiet)
    hub.run("apply", "--at", format_instant(hub.now()))
    assert sweep(hub) == (said, quiet)
    hub.approve(numbers[1], "bob")
    said, _ = sweep(hub)
    assert f"#{numbers[1]}" in said
    assert f"#{numbers[0]}" not in said
