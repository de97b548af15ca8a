"""What GitHub says of issues and comments is read whole or refused; half an answer is never taken for words."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, cast

import pytest

from daypass.core.catalogue import Directory, Subject
from daypass.core.errors import EdgeError
from daypass.edges.forges.github.answers import ApiError, Bot
from daypass.edges.forges.github.api import Api
from daypass.edges.forges.github.inbox import EDITED, GitHubInbox, read_form

REPOSITORY = "acme/access"
ALICE = {"id": 583231, "login": "whatever-she-is-called-now", "type": "User"}
BOT = {"id": 4242, "login": "daypass-acme[bot]", "type": "Bot"}
ISSUE: dict[str, Any] = {
    "number": 12,
    "node_id": "I_1",
    "repository_url": "https://api.github.com/repos/Acme/Access",
    "user": ALICE,
    "created_at": "2026-11-20T09:00:00Z",
    "title": "Access request",
    "body": "words",
    "labels": [{"name": "daypass-request"}, "old"],
}
COMMENT: dict[str, Any] = {
    "id": 77,
    "node_id": "IC_1",
    "issue_url": "https://api.github.com/repos/acme/access/issues/12",
    "user": ALICE,
    "created_at": "2026-11-20T09:00:00Z",
    "body": "/end",
}
NEVER = {"data": {"node": {"lastEditedAt": None}}}


class Answers:
    """GitHub's answers, as a test has them: the API's surface, without the wire."""

    repository = REPOSITORY

    def __init__(self, found: Any, edited: Any = NEVER) -> None:
        self.found = found
        self.edited = list(edited) if isinstance(edited, list) else [edited]
        self.asked: list[tuple[Any, ...]] = []

    def get(self, path: str) -> Any:
        self.asked.append(("GET", path))
        return self.found

    def pages(self, path: str, **params: str) -> Any:
        self.asked.append(("GET", path, params))
        return self.found

    def send(self, verb: str, path: str, body: Any, *, safe: bool) -> Any:
        assert safe  # what was lost on the way is asked again: it changes nothing
        self.asked.append((verb, path, body))
        answer = self.edited.pop(0) if len(self.edited) > 1 else self.edited[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def inbox(answers: Answers, bot: Bot | None = Bot("daypass-acme[bot]", 4242)) -> GitHubInbox:  # noqa: B008  (a constant)
    alice = Subject("alice", name="Alice Ngo", login="alice-ngo", forge_id=583231)
    directory = Directory(MappingProxyType({"alice": alice}), MappingProxyType({}))
    return GitHubInbox(cast("Api", answers), directory, bot)


def test_an_issue_is_read_and_its_edits_are_asked_after_its_words() -> None:
    answers = Answers(ISSUE)
    ticket = inbox(answers).ticket(12)
    assert ticket.by.handle == "alice"
    assert ticket.asked == read_form("issue 12", "words")  # it bears the form's label
    assert (ticket.is_pull, ticket.edited, ticket.title) == (False, False, "Access request")
    assert answers.asked == [
        ("GET", "/repos/acme/access/issues/12"),
        ("POST", "/graphql", {"query": EDITED, "variables": {"id": "I_1"}}),
    ]


def test_a_pull_request_without_a_text_is_one() -> None:
    ticket = inbox(Answers({**ISSUE, "body": None, "pull_request": {}})).ticket(12)
    assert (ticket.is_pull, ticket.asked) == (True, read_form("issue 12", ""))


def test_an_issue_about_something_else_asks_for_nothing() -> None:
    assert inbox(Answers({**ISSUE, "labels": []})).ticket(12).asked is None


def test_an_edit_is_told() -> None:
    edited = {"data": {"node": {"lastEditedAt": "2026-11-20T09:01:00Z"}}}
    assert inbox(Answers(ISSUE, edited)).ticket(12).edited
    assert inbox(Answers(COMMENT, edited)).remark(77).edited


def test_a_comment_is_read_with_the_number_it_stands_on() -> None:
    remark = inbox(Answers(COMMENT)).remark(77)
    assert (remark.id, remark.number, remark.by.handle, remark.body, remark.edited) == (77, 12, "alice", "/end", False)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"number": 13}, "issue 12 is not acme/access's any more"),
        ({"repository_url": "https://api.github.com/repos/acme/other"}, "issue 12 is not acme/access's any more"),
        ({"repository_url": "https://api.github.com/repos/evil-acme/access"}, "issue 12 is not acme/access's any more"),
        ({"labels": None}, "it names no labels"),
        ({"title": None}, "expected a text in title, got None"),
        ({"body": 7}, "expected a text in body, got 7"),
        ({"node_id": None}, "expected a text in node_id, got None"),
        ({"created_at": "yesterday"}, "expected an instant in created_at, got 'yesterday'"),
        ({"user": "alice"}, "expected an account"),
    ],
)
def test_an_issue_that_is_not_understood_is_refused(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(EdgeError, match=message):
        inbox(Answers({**ISSUE, **changed})).ticket(12)


@pytest.mark.parametrize("number", ["", "x", "١٢", None])
def test_a_comment_that_names_no_issue_is_refused(number: str | None) -> None:
    with pytest.raises(EdgeError, match="it names no issue"):
        inbox(Answers({**COMMENT, "issue_url": f"https://api.github.com/repos/acme/access/issues/{number}"})).remark(77)


@pytest.mark.parametrize("answer", [None, [], "an issue"])
def test_what_is_no_object_is_refused(answer: Any) -> None:
    with pytest.raises(EdgeError, match=r"GitHub.s answer about issue 12 has no "):
        inbox(Answers(answer)).ticket(12)


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"data": None},
        {"data": {"node": None}},
        {"data": {"node": {}}},
        {**NEVER, "errors": [{"message": "half an answer"}]},
    ],
)
def test_where_github_does_not_say_whether_it_was_edited_nothing_is_taken(answer: Any) -> None:
    with pytest.raises(EdgeError, match="GitHub does not say whether issue 12 was edited"):
        inbox(Answers(ISSUE, answer)).ticket(12)


def test_a_question_that_is_not_answered_is_a_failure() -> None:
    with pytest.raises(ApiError, match="lost"):
        inbox(Answers(ISSUE, ApiError("lost"))).ticket(12)
    answers = Answers(ISSUE, [ApiError("no", status=403), NEVER])
    with pytest.raises(ApiError, match="no"):
        inbox(answers).ticket(12)
    assert len(answers.asked) == 2


def pull(
    number: int, user: dict[str, Any] | None, *, ref: str = "daypass/issue-12", repo: str | None = "Acme/access"
) -> Any:
    here = {"id": 1 if repo and repo.lower() == REPOSITORY else 2, "full_name": repo} if repo else None
    return {"number": number, "user": user, "head": {"ref": ref, "repo": here}, "base": {"repo": {"id": 1}}}


def test_only_what_our_own_bot_opened_from_this_repository_counts() -> None:
    answers = Answers(
        [
            pull(9, ALICE),
            pull(8, None),
            pull(7, BOT, repo="mallory/access"),
            pull(6, BOT, repo=None),
            pull(5, BOT, ref="daypass/issue-1"),
            pull(4, BOT),
            pull(3, BOT),
        ]
    )
    assert inbox(answers).asked("daypass/issue-12") == 4
    assert answers.asked == [
        ("GET", "/repos/acme/access/pulls", {"state": "all", "head": "acme:daypass/issue-12", "base": None}),
    ]
    assert inbox(Answers([pull(9, ALICE)])).asked("daypass/issue-12") is None


def test_without_a_bot_of_ours_nothing_was_opened_and_nobody_is_asked() -> None:
    answers = Answers([pull(4, BOT)])
    assert inbox(answers, bot=None).asked("daypass/issue-12") is None
    assert answers.asked == []
