"""Answers of GitHub's API that are not what its documents promise: an error of ours that says so, never a traceback.

Each answer to each reader is recorded from the double, then given again with one field of it missing or of another kind.
"""

from __future__ import annotations

import copy
import dataclasses
import json
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from github_world import AT, BOT, REPOSITORY, World, directory
from msgspec.structs import replace

from daypass.core.bounds.settings import Settings
from daypass.core.catalogue import Catalogue, Resource
from daypass.core.errors import DaypassError
from daypass.core.files.codeowners import CODEOWNERS_FILE
from daypass.core.finding import Finding, Place
from daypass.core.forge import Pull, Review
from daypass.core.ids import Oid
from daypass.core.request import Notice
from daypass.edges.forges.github.answers import Answer
from daypass.edges.forges.github.api import Api
from daypass.edges.forges.github.doctor.settings import GitHubSettings
from daypass.edges.forges.github.inbox import GitHubInbox
from daypass.edges.forges.github.pages import GitHubPages
from daypass.edges.forges.github.pulls import GitHubForge

GONE = object()
WRONG = (GONE, None, 7, -1, 10**30, True, "", "x", "\ud800", [], [None], {}, {"id": "x"}, 1e300)
DEEPEST = 4
MOST = 120
"""So many of the possible faults of one answer are tried, always the same."""


class Offline:
    """What the pull request's own git would be: everything asked for is there."""

    def __init__(self, main: Oid) -> None:
        self._main = main

    def bring(self, branch: str) -> Oid:
        return self._main

    def heads(self, *branches: str) -> dict[str, Oid]:
        return dict.fromkeys(branches, self._main)

    def fetch_pull(self, number: int, head: Oid) -> None:
        return None


def places(data: Any, depth: int = 0) -> Iterator[tuple[Any, ...]]:
    """The paths of an answer's fields, outermost first; of a list the first item stands for all."""
    yield ()
    if depth < DEEPEST and isinstance(data, dict):
        for key in data:
            if not key.endswith("_url") and key not in ("url", "_links", "permissions"):
                yield from ((key, *more) for more in places(data[key], depth + 1))
    if depth < DEEPEST and isinstance(data, list) and data:
        yield from ((0, *more) for more in places(data[0], depth + 1))


def spoilt(data: Any, place: tuple[Any, ...], value: Any) -> Any:
    found = copy.deepcopy(data)
    if not place:
        return None if value is GONE else value
    inner = found
    for key in place[:-1]:
        inner = inner[key]
    if value is GONE:
        del inner[place[-1]]
    else:
        inner[place[-1]] = value
    return found


def held(
    api: Api, read: Callable[[], Any], most: int = MOST, *, never: Callable[[Any, Any], bool] = lambda *_: False
) -> int:
    """Run a reader whole once, then once for each fault; return how many of them it refused.

    ``never`` says of what it read at first, and of what it read of a wrong answer, whether that may never be.
    """
    whole: dict[tuple[str, str], Answer] = {}
    sent = api._transport.send

    def record(verb: str, url: str, auth: Any, body: Any = None) -> Answer:
        answer = sent(verb, url, auth, body)
        whole[verb, url] = answer
        return answer

    api._transport.send = record  # type: ignore[method-assign]
    truth = read()
    refused = 0
    for key, answer in list(whole.items()):
        data = json.loads(answer.text) if answer.text else None
        faults = [(place, value) for place in places(data) for value in WRONG if (place, value) != ((), GONE)]
        for place, value in random.Random(7).sample(faults, min(most, len(faults))):  # noqa: S311  (no secret)
            bad = Answer(answer.status, answer.headers, json.dumps(spoilt(data, place, value)))

            def replay(verb: str, url: str, auth: Any, body: Any = None, key: Any = key, bad: Answer = bad) -> Answer:
                if (verb, url) == key:
                    return bad
                known = whole.get((verb, url))
                return known if known is not None else Answer(404, {}, '{"message": "Not Found"}')

            api._transport.send = replay  # type: ignore[method-assign]
            try:
                assert not never(truth, read()), f"{key}: {place} as {value!r}"
            except DaypassError as error:
                refused += bool(error.message.strip())
            except AssertionError:
                raise
            except Exception as error:
                raise AssertionError(f"{key}: {place} as {value!r} ends in {error!r}") from error
    api._transport.send = sent  # type: ignore[method-assign]
    return refused


@pytest.fixture
def made(world: World) -> World:
    """A request that was opened, approved, dismissed, approved again and merged, and one that is open."""
    number = world.opened("alice")
    review = world.reviewed(number, "bob")
    world.ask("carol", "PUT", f"/pulls/{number}/reviews/{review}/dismissals", {"message": "no"})
    world.reviewed(number, "bob")
    world.squashed(number)
    world.push("alice", "more", {"grants/more.yaml": "x\n"})
    world.open_branch("alice", "more")
    world.reviewed(2, "bob")
    world.git.run("fetch", "-q", str(world.repo.path), "refs/heads/*:refs/there/*", "refs/pull/*:refs/pull/*")
    return world


def forge(world: World) -> GitHubForge:
    return GitHubForge(world.api(), directory(), BOT, Offline(world.main()), world.git)


def test_no_reader_of_requests_falls_over_a_wrong_answer(made: World) -> None:
    found, main = forge(made), made.main()
    reviews = found.reviews(2)
    readers: dict[str, Callable[[], Any]] = {
        "pull": lambda: found.pull(2),
        "reviews": lambda: found.reviews(1),
        "open_pulls": found.open_pulls,
        "merged_as": lambda: found.merged_as(main),
        "mains_at": lambda: found.mains_at([review.at for review in reviews]),
    }
    for name, reader in readers.items():

        def read(reader: Callable[[], Any] = reader) -> Any:
            found._main_moves, found._main_record, found._standing = [], ([], None), {}
            return reader()

        assert (
            held(found._api, read, 25 if name == "merged_as" else MOST) > 0 or name == "open_pulls"
        )  # a merge is read with git


def approvals(reviews: Sequence[Review]) -> set[tuple[str, Oid]]:
    """Return whose last word approves what; of people that the directory knows."""
    last = {review.by.handle: review for review in reviews if review.by.handle}
    return {(handle, review.commit) for handle, review in last.items() if review.state == "approved"}


def test_no_wrong_answer_makes_an_approval(world: World) -> None:
    number = world.opened("alice")
    for who, event in (("bob", "APPROVE"), ("carol", "REQUEST_CHANGES"), ("carol", "COMMENT")):
        world.reviewed(number, who, event)
    dismissed = world.reviewed(number, "bob")
    world.ask("carol", "PUT", f"/pulls/{number}/reviews/{dismissed}/dismissals", {"message": "no"})
    world.git.run("fetch", "-q", str(world.repo.path), "refs/heads/*:refs/there/*", "refs/pull/*:refs/pull/*")
    found = forge(world)
    assert approvals(found.reviews(number)) == set()

    def more(truth: Sequence[Review], read: Sequence[Review]) -> bool:
        return not approvals(read) <= approvals(truth)

    assert held(found._api, lambda: found.reviews(number), 400, never=more) > 0


def test_no_wrong_answer_makes_a_merge_or_another_head(made: World) -> None:
    found, main = forge(made), made.main()

    def merged(truth: Pull | None, read: Pull | None) -> bool:
        """Whether a merge is told that was none, or of other commits, or by somebody else whom the directory knows."""
        if truth is None or read is None or truth.merge is None or read.merge is None:
            return truth is not None and truth.merge is None and read is not None and read.merge is not None
        same = (read.merge.commit, read.merge.head) == (truth.merge.commit, truth.merge.head)
        return not same or read.merge.by.handle not in ("", truth.merge.by.handle)

    def read(reader: Callable[[], Any]) -> Any:
        found._main_moves, found._main_record, found._standing = [], ([], None), {}
        return reader()

    held(found._api, lambda: read(lambda: found.pull(2)), never=merged)
    held(found._api, lambda: read(lambda: found.merged_as(main)), 25, never=merged)


def test_no_reader_of_what_people_wrote_falls_over_a_wrong_answer(made: World) -> None:
    made.ask("alice", "POST", "/issues", {"title": "x", "body": "words"})
    comment = made.ask("alice", "POST", "/issues/3/comments", {"body": "/status"})["id"]
    api = made.api()
    inbox = GitHubInbox(api, directory(), BOT)
    for read in (lambda: inbox.ticket(3), lambda: inbox.remark(comment), lambda: inbox.asked("more")):
        held(api, read)


def test_no_notice_falls_over_a_wrong_answer(made: World) -> None:
    api = made.api()
    pages = GitHubPages(api, directory(), BOT)
    head = made.head("more")
    wrong = (Finding("bad-duration", Place("grants/more.yaml", 1), "message"),)
    notice = Notice(2, head, "", "title", "summary", "comment", "waiting", wrong, ("bob", "carol"))
    pages.show(notice)
    for read in (
        lambda: pages.show(notice),
        lambda: pages.show(replace(notice, comment="another", summary="other", ask=("carol",))),
        lambda: pages.say(2, topic="a", text="words"),
        lambda: pages.issue("refused", title="t", text="words"),
    ):
        held(api, read)


def test_an_answer_that_is_no_json_or_too_deep_is_lost_and_said(made: World) -> None:
    found = forge(made)
    for text in ("", "[", "[" * 200_000, "9" * 5_000, '"\\ud800"', "\x00", "NaN", "{}" * 9):
        found._api._transport.send = lambda *_, text=text: Answer(200, {}, text)  # type: ignore[method-assign]
        for read in (found.open_pulls, lambda: found.reviews(1), lambda: found.pull(2)):
            with pytest.raises(DaypassError):
                read()


def test_one_request_that_is_told_wrong_stops_no_other(made: World) -> None:
    made.push("carol", "third", {"grants/third.yaml": "x\n"})
    made.open_branch("carol", "third")
    found = forge(made)
    sent = found._api._transport.send

    def spoil(verb: str, url: str, auth: Any, body: Any = None) -> Answer:
        answer = sent(verb, url, auth, body)
        if "/pulls?" not in url:
            return answer
        rows = json.loads(answer.text)
        rows[0]["head"]["sha"] = None
        return Answer(answer.status, answer.headers, json.dumps(rows))

    found._api._transport.send = spoil  # type: ignore[method-assign]
    assert [(pull.number, pull.branch) for pull in found.open_pulls()] == [(2, ""), (3, "third")]


def test_a_request_of_a_deleted_account_from_a_deleted_fork_is_listed_and_read(made: World) -> None:
    found = forge(made)
    sent = found._api._transport.send

    def spoil(verb: str, url: str, auth: Any, body: Any = None) -> Answer:
        answer = sent(verb, url, auth, body)
        data = json.loads(answer.text)
        for row in data if isinstance(data, list) else [data]:
            if "head" in row:
                row["user"] = row["head"]["repo"] = row["head"]["user"] = None
        return Answer(answer.status, answer.headers, json.dumps(data))

    found._api._transport.send = spoil  # type: ignore[method-assign]
    (listed,) = found.open_pulls()
    assert (listed.opened_by.name, listed.opened_by.person, listed.branch) == (
        "a deleted account",
        False,
        "unknown:more",
    )
    assert found.pull(2).opened_by.handle == ""


def test_reviews_by_the_thousand_are_no_request_that_is_judged(made: World) -> None:
    (pull,) = (pull for pull in made.repo.pulls.values() if pull.number == 2)
    first = pull.reviews[0]
    pull.reviews += [dataclasses.replace(first, id=made.double.next_id(), state="COMMENTED") for _ in range(1_100)]
    with pytest.raises(DaypassError, match="GitHub lists more than 1000 at /repos/acme/access/pulls/2/reviews"):
        forge(made).reviews(2)


def test_moves_of_a_branch_by_the_thousand_are_no_request_that_is_judged(made: World) -> None:
    there = [one for one in made.repo.activity if one.ref == "refs/heads/more"]
    late = [dataclasses.replace(there[-1], id=made.double.next_id(), kind="force_push") for _ in range(1_100)]
    made.repo.activity += late
    with pytest.raises(DaypassError, match="GitHub lists more than 1000 at /repos/acme/access/activity"):
        forge(made).pull(2)


def test_no_reader_of_the_settings_falls_over_a_wrong_answer(made: World) -> None:
    api = made.api()
    settings = GitHubSettings(api, page="https://github.com/acme/access", bot=BOT, clock=lambda: AT)
    resource = Resource("orders-db", "Orders", "pg", "production", "internal", ("dba",), {})
    made_by = Catalogue(
        Settings(forge_kind="github", forge_options={"repository": REPOSITORY}),
        {"orders-db": resource},
        directory(),
        {},
    )
    assert held(api, lambda: settings.examine(made_by, {CODEOWNERS_FILE: b"* @alice\n"}), 40) > 0
