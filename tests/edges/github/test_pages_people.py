"""Labels, review requests, and what a token may not write."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from daypass.core.catalogue import Directory, Subject
from daypass.core.errors import EdgeError
from daypass.edges.forges.github.pages import GitHubPages
from github_double.double import Double
from pages_world import NAME, World

LABELS = f"/repos/{NAME}/issues/1/labels"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with Double(tmp_path) as hub:
        yield World.made(hub)


def test_one_label_of_ours_follows_the_state_and_others_stay(world: World) -> None:
    world.api("bob").send("POST", LABELS, {"labels": ["urgent", "daypass: form"]})
    for state in ("waiting", "invalid", "approved", "refused"):
        world.pages().show(world.notice(state=state))
        assert world.labels() == sorted(["urgent", "daypass: form", f"daypass: {state}"])


def test_a_label_that_the_repository_spells_in_capitals_is_the_same(world: World) -> None:
    world.api("bob").send("POST", LABELS, {"labels": ["Daypass: Waiting", "Daypass: Approved"]})
    world.pages().show(world.notice())
    assert world.labels() == ["Daypass: Waiting"]
    _, writes = world.spent(lambda: world.pages().show(world.notice()))
    assert writes == []


def test_a_label_that_somebody_takes_off_meanwhile_is_no_failure(world: World) -> None:
    world.pages().show(world.notice())
    world.hub.faults.add("DELETE", ".*/labels/.*", status=404, body={"message": "Label does not exist"})
    assert world.pages().show(world.notice(state="approved")) == ()


def test_those_who_could_help_are_asked(world: World) -> None:
    assert world.pages().show(world.notice(ask=("bob", "dave"))) == ()
    assert world.asked() == ["bob-gh", "dave-gh"]
    _, writes = world.spent(lambda: world.pages().show(world.notice(ask=("bob", "dave"), comment="news\n")))
    assert [w for w in writes if "requested_reviewers" in w] == []


def test_the_author_the_unknown_and_those_without_a_login_are_not_asked(world: World) -> None:
    _, writes = world.spent(lambda: world.pages().show(world.notice(ask=("alice", "nologin", "nobody"))))
    assert [w for w in writes if "requested_reviewers" in w] == []
    assert world.asked() == []


def test_one_who_has_no_access_does_not_keep_the_others_from_being_asked(world: World) -> None:
    left = world.pages().show(world.notice(ask=("erin", "bob", "dave")))
    assert left == ("review request to erin-gh",)
    assert world.asked() == ["bob-gh", "dave-gh"]


def test_one_alone_who_has_no_access_is_tried_once(world: World) -> None:
    def show() -> None:
        assert world.pages().show(world.notice(ask=("erin",))) == ("review request to erin-gh",)

    _, writes = world.spent(show)
    assert len([w for w in writes if "requested_reviewers" in w]) == 1


def test_nobody_is_asked_again_while_there_is_nothing_new(world: World) -> None:
    world.pages().show(world.notice(ask=("bob", "erin")))
    world.repo.pulls[world.number].asked_users.clear()  # bob said something without deciding, or was taken off
    _, writes = world.spent(lambda: world.pages().show(world.notice(ask=("bob", "erin"))))
    assert writes == []


def test_a_token_that_may_only_read_writes_nothing_and_says_what(world: World) -> None:
    rights = {"contents": "read", "pull_requests": "read", "issues": "read", "checks": "read"}
    left = world.pages("actions", **rights).show(world.notice(ask=("bob",)))
    assert left == ("label", "review requests", "comment", "check run")
    assert (world.checks(), world.labels(), world.asked(), world.comments()) == ([], [], [], [])


def test_a_rate_limit_is_an_error_and_not_a_missing_right(world: World) -> None:
    world.hub.faults.secondary_limit("POST", ".*/check-runs$", retry_after=600)
    with pytest.raises(EdgeError, match="rate limit"):
        world.pages().show(world.notice())


def test_a_server_that_fails_is_an_error(world: World) -> None:
    world.hub.faults.server_error("POST", ".*/labels$")
    with pytest.raises(EdgeError, match="502"):
        world.pages().show(world.notice())


def test_a_pull_request_that_is_not_there_is_an_error(world: World) -> None:
    with pytest.raises(EdgeError, match="404"):
        world.pages().show(world.notice(number=99))


def test_a_notice_without_a_comment_is_a_check_run_alone(world: World) -> None:
    _, writes = world.spent(lambda: world.pages().show(world.notice(comment="", ask=("bob",))))
    assert writes == ["POST /check-runs"]


def test_people_whom_the_directory_knows_by_login_alone_are_told_apart_by_it(world: World) -> None:
    directory = Directory({n: Subject(n, login=u.login.upper()) for n, u in world.people.items()}, {})
    pages = GitHubPages(world.api("actions"), directory, None)
    pages.show(world.notice(ask=("alice", "bob")))
    assert world.asked() == ["bob-gh"]
