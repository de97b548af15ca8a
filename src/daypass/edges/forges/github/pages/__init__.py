"""Telling people at GitHub how a pull request stands: check run, label, review requests, one comment; topics, issues.

Rules that hold here:

- what we wrote before is known by a mark at the very beginning *and* by the numeric id of the account that wrote it,
  since anybody can write a mark; it is compared and never read for anything else;
- what stands there as it should is not written again, so that a run on a schedule sends nothing;
- two runs may meet: whoever has written something new looks again and keeps the oldest of ours;
- what the token may not write is said and left out; any other failure is raised.

The words come from the views and are written as they are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from daypass.core.errors import EdgeError
from daypass.edges.forges.github.answers import ApiError, Bot, as_documented, same_text
from daypass.edges.forges.github.evidence import Swept, swept_key
from daypass.edges.forges.github.pages.check import HeadCheck
from daypass.edges.forges.github.pages.labels import LABEL, STATES, set_label
from daypass.edges.forges.github.pages.over import write_over
from daypass.edges.forges.github.people.asker import asking_issue
from daypass.edges.forges.github.people.reviewers import Reviewers
from daypass.edges.forges.github.reading import RepositoryPart, me

if TYPE_CHECKING:
    from daypass.core.catalogue import Directory
    from daypass.core.ids import Oid
    from daypass.core.request import Notice
    from daypass.edges.forges.github.api import Api

_NOTICE, _END = "<!-- daypass:notice -->", " -->"
_TOPIC = re.compile(r"[a-z0-9][a-z0-9._:/-]{0,99}")
_PER_PAGE = 100
_PAGES = 10
_FORBIDDEN, _GONE = 403, 404


class _CrowdedError(EdgeError):
    """So many comments by others stand before ours, if there is one, that it is not looked for."""


class GitHubPages(RepositoryPart):
    """The pages of one repository. Implements `daypass.ports.Pages`. ``head_of`` asks git where a request's head stands."""

    def __init__(
        self, api: Api, directory: Directory, bot: Bot | None, head_of: Callable[[int], Oid | None] | None = None
    ) -> None:
        super().__init__(api, directory, bot)
        self._head_of = head_of

    @as_documented("what was told of a request")
    def show(self, notice: Notice) -> tuple[str, ...]:
        """Bring check run, label, review requests and comment up to date; return what the token may not write.

        A notice that changes nothing costs three GETs and no write: pull request, check runs, comments. So does what our
        App has just merged: it reads the check runs alone, which lead to the comment, and writes that, the label and the
        check run, where the sweep before noted the labels' ids. In a sweep the request is taken as it was just judged, and
        one write brings both up to date where the sweep showed them. Who we are is
        asked once a run: not at all for an App that the settings name and for a workflow's own token, one GET for a
        person, two for another App. The comment is looked for among the first 1,000, 100 a GET. The first notice costs
        one more GET and four writes (check run, label, people, comment); each 50 annotations after the first 50 one
        write, each person who cannot be asked one. Where a stage waits for too long, the comments are listed once more, and
        what is new to say costs two writes and a GET.

        People are asked when there is something new, so that nobody who answered or was taken off is asked again by
        every run. Nothing is written for a head that is not the head any more: another run speaks for that.
        """
        path = f"{self._root}/pulls/{notice.number}"
        merged = self._api.noted.pop(path, None)  # what we have just merged was read for that
        seen: Swept | None = self._api.noted.pop(swept_key(notice.number), None)
        judged = self._judged(notice) if seen is not None and not merged else None
        pull = merged or judged or self._api.get(path)
        if pull["head"]["sha"] != notice.head:
            return ()
        check = HeadCheck(self._api, notice, self._own)  # that this cannot be told is no right that the token lacks
        left: list[str] = []
        page = str(pull["html_url"])
        if notice.comment:
            with _leaving_out(left, "label"):
                set_label(self._api, pull, f"{LABEL}: {notice.state}", [f"{LABEL}: {state}" for state in STATES])
            if judged is not None and seen is not None and self._rewritten(judged, notice, seen):
                return tuple(left)
            page = (merged and self._write_over(check, page, notice)) or self._tell(pull, notice, left) or page
        with _leaving_out(left, "check run"):
            check.write(page)
        return tuple(left)

    def _judged(self, notice: Notice) -> dict[str, Any] | None:
        """Return the request as the sweep's judgement has just read it, while its head stands there by git.

        git asks as freshly as the API does, at no call of it. None where it cannot be told.
        """
        judged: dict[str, Any] | None = self._api.noted.pop(f"read of {notice.number}", None)
        if judged is None or self._head_of is None:
            return None
        with suppress(EdgeError):
            return judged if self._head_of(notice.number) == notice.head else None
        return None

    def _rewritten(self, pull: dict[str, Any], notice: Notice, seen: Swept) -> bool:
        """Write over comment and check run at once where nobody is to be asked, reminded or answered besides."""
        if self._api.kind != "app" or notice.issue or notice.nudges:
            return False
        if not Reviewers(self._api, self._directory, pull, notice, first=False).complete(notice.ask):
            return False
        body = f"{_NOTICE}\n{notice.comment}"
        return write_over(self._api, pull, notice, body, seen=seen, own=self._own.id)

    def _write_over(self, check: HeadCheck, page: str, notice: Notice) -> str:
        """Write over the comment that our App's check run leads to, and return its address.

        "" where there is somebody to ask or to answer, nothing leads to the comment, or it is gone: then it is looked for.
        """
        if self._api.kind != "app" or notice.ask or notice.issue or notice.nudges:
            return ""
        with suppress(ApiError):
            number = check.comment(page)
            if number:
                said = {"body": f"{_NOTICE}\n{notice.comment}"}
                return str(self._api.send("PATCH", f"{self._root}/issues/comments/{number}", said)["html_url"])
        return ""

    def _tell(self, pull: dict[str, Any], notice: Notice, left: list[str]) -> str:
        """Ask people, and keep the comment and the reminders; return the comment's address, "" where there is none."""
        text = f"{_NOTICE}\n{notice.comment}"
        try:
            there = next(self._mine(notice.number, _NOTICE), None)
        except _CrowdedError as error:
            left.append(f"comment ({error.message})")
            return ""
        news = there is None or not same_text(there["body"], text)
        reviewers = Reviewers(self._api, self._directory, pull, notice, first=there is None)
        if news:
            with _leaving_out(left, "review requests"):
                left += reviewers.ask(notice.ask)
            with _leaving_out(left, "comment"):
                there = self._write(notice.number, _NOTICE, text, there)
            if notice.issue:
                with _leaving_out(left, "answer to the issue"):
                    self._answer(pull, notice)
        address = str(there["html_url"]) if there is not None else ""
        if notice.nudges:
            with _leaving_out(left, "reminders"):
                left += self._nudge(reviewers, notice)
        return address

    def _answer(self, pull: dict[str, Any], notice: Notice) -> None:
        """Bring the answer on the issue that asked up to date, and close it where that is the end of it.

        Receipts of earlier releases do not name it: then the request's branch leads to it.
        """
        for number in notice.issues or asking_issue(self._api, self._root, self._own.id, pull):
            self.say(number, topic="answer", text=notice.issue)
            if notice.closes:
                closed = {"state": "closed", "state_reason": "completed"}
                self._api.send("PATCH", f"{self._root}/issues/{number}", closed)

    def _nudge(self, reviewers: Reviewers, notice: Notice) -> list[str]:
        """Ask the people of stages that nobody answers, and write to them, once each: what was written is not again.

        They are asked first, but for those who were asked before: a run that is cut off before the comment leaves them
        asked, and the next one writes it.
        """
        try:
            said = [comment["body"] for comment in self._mine(notice.number, _mark("stage:")[: -len(_END)])]
        except _CrowdedError as error:
            return [f"reminders ({error.message})"]
        left: list[str] = []
        for nudge in notice.nudges:
            mark = _mark(nudge.topic)
            if not any(body.startswith(mark) for body in said):
                left += reviewers.ask(nudge.people)
                self._write(notice.number, mark, f"{mark}\n{nudge.text}", None)
        return left

    @as_documented("comments")
    def say(self, number: int, *, topic: str, text: str) -> None:
        """Keep one comment a topic on an issue or pull request up to date; an empty text takes it away.

        One GET where nothing changes, and one for who we are as in `show`.
        """
        mark = _mark(topic)
        there = next(self._mine(number, mark), None)
        body = f"{mark}\n{text}"
        if not text and there is not None:
            self._drop(f"{self._root}/issues/comments/{there['id']}")
        elif text and (there is None or not same_text(there["body"], body)):
            self._write(number, mark, body, there)

    @as_documented("our issues")
    def issue(self, topic: str, *, title: str, text: str) -> int | None:
        """Keep one open issue a topic, labelled ``daypass``, and return its number; an empty text closes it.

        One GET where nothing changes, and one for who we are as in `show`. Raises EdgeError where the label cannot be
        set, since the issue would not be found again.
        """
        mark = _mark(topic)
        body = f"{mark}\n{text}"
        mine = self._issues(mark)
        if text and not mine:
            mine = self._open_issue(mark, title, body)
        for extra in mine[1:] if text else mine:
            self._api.send("PATCH", f"{self._root}/issues/{extra['number']}", {"state": "closed"})
        if not text:
            return None
        kept = mine[0]
        if kept["title"] != title or not same_text(kept["body"], body):
            changed = {"title": title, "body": body}
            self._api.send("PATCH", f"{self._root}/issues/{kept['number']}", changed)
        return int(kept["number"])

    @property
    def _own(self) -> Bot:
        return me(self._api, self._bot)

    # Comments

    def _mine(self, number: int, mark: str) -> Iterator[dict[str, Any]]:
        """Yield our own comments with a mark, oldest first, reading no further than asked.

        https://docs.github.com/en/rest/issues/comments: comments are listed by ascending id.
        """
        path = f"{self._root}/issues/{number}/comments"
        for page in range(1, _PAGES + 1):
            comments = self._api.get(path, per_page=_PER_PAGE, page=page)
            yield from (comment for comment in comments if self._is_ours(comment, mark))
            if len(comments) < _PER_PAGE:
                return
        raise _CrowdedError(f"#{number} has more than {_PER_PAGE * _PAGES} comments before ours")

    def _is_ours(self, written: dict[str, Any], mark: str) -> bool:
        by = written["user"] or {}
        return by.get("id") == self._own.id and (written["body"] or "").startswith(mark)

    def _write(self, number: int, mark: str, body: str, there: dict[str, Any] | None) -> dict[str, Any]:
        """Write a comment, over the one that is there, and return it; where none was, only the oldest of ours stays."""
        comments = f"{self._root}/issues/comments"
        if there is None:
            made = self._create(f"{self._root}/issues/{number}/comments", {"body": body})
            there, *extra = _settled(made, self._mine(number, mark), "id", f"a comment on #{number} was written")
            for one in extra:
                self._drop(f"{comments}/{one['id']}")
        if not same_text(there["body"], body):
            self._api.send("PATCH", f"{comments}/{there['id']}", {"body": body})
        return there

    def _create(self, path: str, body: dict[str, Any]) -> dict[str, Any] | None:
        """Create a comment or an issue; None where nobody knows whether it came about, so that one looks again.

        Raises EdgeError when somebody else than we thought is writing, and takes what was written away: it would not be
        found again, and every run would write another.
        """
        try:
            made: dict[str, Any] = self._api.send("POST", path, body)
        except ApiError as error:
            if not error.unsure:
                raise
            return None
        by = made["user"]
        if by["id"] == self._own.id:
            return made
        if "number" not in made:
            self._drop(f"{self._root}/issues/comments/{made['id']}")
        else:
            self._api.send("PATCH", f"{path}/{made['number']}", {"state": "closed"})
        raise EdgeError(
            f"this token writes as {by['login']!r} with id {by['id']}, and {self._own.id} was expected",
            hint="correct forge.bot in policies/daypass.yaml: it is the account of the App whose key is used",
        )

    def _drop(self, path: str) -> None:
        """Delete something; that it is gone already is as good."""
        try:
            self._api.send("DELETE", path)
        except ApiError as error:
            if error.status != _GONE:
                raise

    # Issues

    def _issues(self, mark: str) -> list[dict[str, Any]]:
        """Return our open issues with a mark, oldest first."""
        path, limit = f"{self._root}/issues", _PER_PAGE * _PAGES
        listed = self._api.pages(path, limit=limit, state="open", labels=LABEL, sort="created", direction="asc")
        ours = [one for one in listed if "pull_request" not in one and self._is_ours(one, mark)]
        return sorted(ours, key=lambda one: int(one["number"]))

    def _open_issue(self, mark: str, title: str, body: str) -> list[dict[str, Any]]:
        path = f"{self._root}/issues"
        made = self._create(path, {"title": title, "body": body, "labels": [LABEL]})
        if made is not None and LABEL not in (label["name"].lower() for label in made["labels"]):
            self._api.send("PATCH", f"{path}/{made['number']}", {"state": "closed"})
            raise EdgeError(
                f"an issue could not be labelled {LABEL!r}, so that it would not be found again",
                hint="give the account whose token is used the role Triage, or let an App or a workflow do it",
            )
        return _settled(made, self._issues(mark), "number", "an issue was opened")


def _settled(made: dict[str, Any] | None, mine: Iterable[dict[str, Any]], key: str, what: str) -> list[dict[str, Any]]:
    """Return what we wrote now and what stands there of ours, oldest first. Raises EdgeError where nothing does."""
    found = {int(one[key]): one for one in (*mine, *([made] if made else []))}
    if not found:
        raise EdgeError(f"GitHub did not answer whether {what}")
    return [found[number] for number in sorted(found)]


@contextmanager
def _leaving_out(left: list[str], what: str) -> Iterator[None]:
    """Note what the token may not write, and go on."""
    try:
        yield
    except ApiError as error:
        # A rate limit is answered with the same status, and it passes.
        if error.status not in (_FORBIDDEN, _GONE) or "rate limit" in error.said.lower():
            raise
        left.append(what)


def _mark(topic: str) -> str:
    if not _TOPIC.fullmatch(topic) or "--" in topic:
        raise RuntimeError(f"a topic is a short name, got {topic!r}")
    return f"<!-- daypass:topic:{topic}{_END}"
