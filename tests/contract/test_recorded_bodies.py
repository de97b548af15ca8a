"""The adapter reads what the real GitHub said when it was recorded, and what its own documents show as answers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from contract.contract import Contract, Exchange
from contract.description import description, recorded
from contract.replay import Replay, recorded_answer
from daypass.core.catalogue import Directory, Subject
from daypass.core.errors import EdgeError
from daypass.core.ids import Oid
from daypass.core.request import Notice
from daypass.edges.forges.github.answers import ApiError, Bot
from daypass.edges.forges.github.api import Api
from daypass.edges.forges.github.inbox import GitHubInbox
from daypass.edges.forges.github.pages import GitHubPages
from daypass.edges.forges.github.reading import GitHubReader
from daypass.edges.git.plumbing import Git

OCTOCAT = "octocat/Hello-World"
HEAD = "6dcb09b5b57875f334f61aebed695e2e4193db5e"
ZERO = "0" * 40


def examples(name: str) -> Any:
    return description()["components"]["examples"][name]["value"]


def api(replay: Replay, repository: str = OCTOCAT) -> Api:
    return Api.from_environment({"GITHUB_API_URL": replay.url, "GH_TOKEN": "t"}, repository, wait=lambda _: None)


def directory() -> Directory:
    return Directory({"octo": Subject("octo", name="Octo", login="octocat", forge_id=1)}, {})


class Nowhere:
    """Git's way to a repository that is not there: nothing here asks it for anything but the head of a pull request."""

    def __init__(self) -> None:
        self.fetched: list[tuple[int, str]] = []

    def fetch_pull(self, number: int, head: Oid) -> None:
        self.fetched.append((number, head))

    def bring(self, branch: str) -> Oid:
        raise EdgeError(f"{branch} is not to be had here")

    def heads(self, *branches: str) -> Mapping[str, Oid]:
        return {}

    def push(self, branch: str, *, old: Oid, new: Oid) -> None:
        raise EdgeError(f"{branch} is not to be had here")


def reader(replay: Replay, tmp_path: Any, remote: Nowhere) -> GitHubReader:
    return GitHubReader(
        api(replay),
        directory(),
        Bot("daypass-acme[bot]", 4242),
        remote,
        Git(tmp_path),
    )


# -- recorded -----------------------------------------------------------------------------------------------------------


def test_recorded_issues_are_read_to_the_last_page() -> None:
    repository = "octokit-fixture-org/paginate-issues"
    with Replay(recorded("paginate-issues")) as replay:
        github = api(replay, repository)
        found = github.pages(f"/repos/{repository}/issues")
    assert [one["number"] for one in found] == list(range(13, 0, -1))
    assert (github.calls, replay.unknown) == (5, [])


def test_each_recorded_issue_is_read_as_a_ticket() -> None:
    repository = "octokit-fixture-org/paginate-issues"
    issues = [issue for page in recorded("paginate-issues") for issue in page["response"]]
    exchanges = [recorded_answer("GET", f"/repos/{repository}/issues/{one['number']}", one) for one in issues]
    exchanges.append(recorded_answer("POST", "/graphql", {"data": {"node": {"lastEditedAt": None}}}))
    with Replay(exchanges) as replay:
        inbox = GitHubInbox(api(replay, repository), directory(), None)
        tickets = [inbox.ticket(one["number"]) for one in issues]
    assert {ticket.title for ticket in tickets} == {f"Test issue {number}" for number in range(1, 14)}
    assert {(ticket.by.handle, ticket.by.name, ticket.is_pull) for ticket in tickets} == {
        ("", "octokit-fixture-user-a (id 1000)", False)
    }


def test_recorded_labels_are_read() -> None:
    with Replay(recorded("labels")) as replay:
        github = api(replay, "octokit-fixture-org/labels")
        found = github.pages("/repos/octokit-fixture-org/labels/labels")
        one = github.get("/repos/octokit-fixture-org/labels/labels/test-label")
        made = github.send(
            "POST", "/repos/octokit-fixture-org/labels/labels", {"name": "test-label", "color": "663399"}
        )
        gone = github.send("DELETE", "/repos/octokit-fixture-org/labels/labels/test-label-updated")
    assert all(isinstance(each["name"], str) for each in found)
    assert one["name"] == made["name"] == "test-label"
    assert gone is None


def test_a_recorded_refusal_says_what_github_said() -> None:
    with Replay(recorded("errors")) as replay, pytest.raises(ApiError) as caught:
        api(replay).send("POST", "/repos/octokit-fixture-org/errors/labels", {"name": "foo", "color": "invalid"})
    assert caught.value.status == 422
    assert "Validation Failed" in f"{caught.value.message} {caught.value.hint}"


def test_a_recorded_unprotected_branch_is_not_found() -> None:
    path = "/repos/octokit-fixture-org/branch-protection/branches/main/protection"
    with Replay(recorded("branch-protection")) as replay, pytest.raises(ApiError) as caught:
        api(replay).get(path)
    assert caught.value.status == 404


def test_a_recorded_renaming_is_no_answer() -> None:
    """A repository that bears another name now is not the one that the settings name."""
    path = "/repos/octokit-fixture-org/rename-repository"
    renamed = [each for each in recorded("rename-repository") if each["status"] in (301, 307)]
    with Replay(renamed) as replay:
        github = api(replay)
        with pytest.raises(ApiError) as read:
            github.get(path)
        with pytest.raises(ApiError) as written:
            github.send("PATCH", path, {"description": "test description"})
    assert (read.value.status, written.value.status) == (301, 307)


def test_recorded_labels_of_an_issue_are_as_they_are_described_today() -> None:
    """The recording and the description are GitHub's own: a contract that they do not keep would be our mistake."""
    contract = Contract(description())
    for each in recorded("labels"):
        answer = each["response"] or None
        exchange = Exchange(each["method"].upper(), each["path"], each["status"], {}, each["body"] or None, answer)
        assert contract.problems(exchange) == []


# -- as documented ------------------------------------------------------------------------------------------------------


def documented_pull(**changed: Any) -> dict[str, Any]:
    """GitHub's example, for main, and not merged a second time while it is open."""
    pull = examples("pull-request")
    return {**pull, "base": {**pull["base"], "ref": "main"}, "merged_at": None, **changed}


def documented_activity() -> dict[str, Any]:
    """GitHub's example, as the beginning of the branch. Time, kind and person have other names in the schema by now."""
    one = examples("activity-items")[0]
    begun = examples("pull-request")["created_at"]
    now = {"timestamp": begun, "actor": one["pusher"], "activity_type": "branch_creation"}
    moved = {**one, **now, "before": ZERO, "after": HEAD, "ref": "refs/heads/new-topic"}
    return {name: moved[name] for name in description()["components"]["schemas"]["activity"]["required"]}


def test_a_documented_pull_request_is_read(tmp_path: Any) -> None:
    remote = Nowhere()
    exchanges = [
        recorded_answer("GET", f"/repos/{OCTOCAT}/pulls/1347", documented_pull()),
        recorded_answer("GET", f"/repos/{OCTOCAT}/activity?ref=refs/heads/new-topic", [documented_activity()]),
    ]
    with Replay(exchanges) as replay:
        pull = reader(replay, tmp_path, remote).pull(1347)
        assert replay.unknown == []
    assert (pull.number, pull.title, pull.state, pull.head) == (1347, "Amazing new feature", "open", HEAD)
    assert (pull.opened_by.handle, pull.branch) == ("octo", "new-topic")
    assert pull.opened_at == datetime(2011, 1, 26, 19, 1, 12, tzinfo=UTC)
    assert [who.handle for who in pull.pushers] == ["octo"]
    assert remote.fetched == [(1347, HEAD)]


def test_the_documented_pull_request_for_another_branch_is_none_of_ours(tmp_path: Any) -> None:
    exchanges = [recorded_answer("GET", f"/repos/{OCTOCAT}/pulls/1347", examples("pull-request"))]
    said = "pull request 1347 is for branch 'master', not for main"
    with Replay(exchanges) as replay, pytest.raises(EdgeError, match=said):
        reader(replay, tmp_path, Nowhere()).pull(1347)


def test_documented_lists_of_pull_requests_are_read(tmp_path: Any) -> None:
    listed = [{**one, "merged_at": None} for one in examples("pull-request-simple-items")]
    path = f"/repos/{OCTOCAT}/pulls?state=open&base=main&sort=created&direction=asc"
    with Replay([recorded_answer("GET", path, listed)]) as replay:
        (pull,) = reader(replay, tmp_path, Nowhere()).open_pulls()
        assert replay.unknown == []
    assert (pull.number, pull.head, pull.opened_by.handle) == (1347, HEAD, "octo")


def test_documented_reviews_and_their_dismissal_are_read(tmp_path: Any) -> None:
    approved = examples("pull-request-review-items")[0]
    dismissed = {**approved, "id": approved["id"] + 1, "state": "DISMISSED"}
    event = {
        **examples("issue-event"), "event": "review_dismissed", "created_at": "2019-11-18T10:00:00Z",
        "dismissed_review": {"state": "approved", "review_id": dismissed["id"], "dismissal_message": "not now"},
    }  # fmt: skip
    exchanges = [
        recorded_answer("GET", f"/repos/{OCTOCAT}/pulls/1347/reviews", [approved, dismissed]),
        recorded_answer("GET", f"/repos/{OCTOCAT}/issues/1347/events", [event]),
        recorded_answer("GET", "/user/1", approved["user"]),
    ]  # fmt: skip
    with Replay(exchanges) as replay:
        found = reader(replay, tmp_path, Nowhere()).reviews(1347)
        assert replay.unknown == []
    assert [(one.by.handle, one.state) for one in found][:2] == [("octo", "approved"), ("octo", "approved")]
    assert found[-1].state == "withdrawn"
    assert {one.commit for one in found} == {approved["commit_id"]}


def test_a_documented_comment_is_read_as_a_remark() -> None:
    comment = examples("issue-comment")
    exchanges = [
        recorded_answer("GET", f"/repos/{OCTOCAT}/issues/comments/1", comment),
        recorded_answer("POST", "/graphql", {"data": {"node": {"lastEditedAt": "2011-04-15T09:00:00Z"}}}),
    ]
    with Replay(exchanges) as replay:
        remark = GitHubInbox(api(replay), directory(), None).remark(1)
        assert replay.unknown == []
    assert (remark.by.handle, remark.body, remark.edited) == ("octo", "Me too", True)


def test_a_documented_check_run_and_comments_are_found_and_brought_up_to_date() -> None:
    root = f"/repos/{OCTOCAT}"
    run = examples("check-run")
    ours = {**examples("issue-comment"), "body": "<!-- daypass:notice -->\nold words"}
    exchanges = [
        recorded_answer("GET", f"{root}/pulls/1347", documented_pull()),
        recorded_answer("GET", "/user", examples("pull-request-review-items")[0]["user"]),
        recorded_answer("GET", f"{root}/commits/{HEAD}/check-runs?check_name=daypass&filter=latest",
                        {"total_count": 1, "check_runs": [run]}),
        recorded_answer("GET", f"{root}/issues/1347/comments?page=1", [ours]),
        recorded_answer("POST", f"{root}/issues/1347/labels", examples("label-items")),
        recorded_answer("POST", f"{root}/pulls/1347/requested_reviewers", examples("pull-request-review-request"), status=201),
        recorded_answer("PATCH", f"{root}/issues/comments/{ours['id']}", ours),
    ]  # fmt: skip
    with Replay(exchanges) as replay:
        pages = GitHubPages(api(replay), directory(), None)
        left = pages.show(
            Notice(number=1347, head=Oid(HEAD), state="waiting", conclusion="neutral", title="Waits", summary="for two",
                   comment="new words", findings=(), ask=())
        )  # fmt: skip
        assert replay.unknown == []
    assert [each.partition(" (")[0] for each in left] == ["check run"]
