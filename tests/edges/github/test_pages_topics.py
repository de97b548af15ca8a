"""Comments and issues by topic: one each, ours, and gone when there is nothing to say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from daypass.core.errors import EdgeError
from daypass.edges.forges.github.answers import Bot
from github_double.double import Double
from pages_world import NAME, World

ISSUES = f"/repos/{NAME}/issues"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with Double(tmp_path) as hub:
        yield World.made(hub)


def test_a_topic_has_one_comment_which_follows_its_text(world: World) -> None:
    pages = world.pages()
    pages.say(world.number, topic="answer", text="one")
    pages.say(world.number, topic="answer", text="two")
    pages.say(world.number, topic="other", text="three")
    assert world.comments() == ["<!-- daypass:topic:answer -->\ntwo", "<!-- daypass:topic:other -->\nthree"]
    reads, writes = world.spent(lambda: pages.say(world.number, topic="answer", text="two"))
    assert (len(reads), writes) == (1, [])
    pages.say(world.number, topic="answer", text="")
    assert world.comments() == ["<!-- daypass:topic:other -->\nthree"]
    pages.say(world.number, topic="answer", text="")


@pytest.mark.parametrize("topic", ["", "A", "a b", "-->", "a--b", "a\n"])
def test_a_topic_is_a_short_name(world: World, topic: str) -> None:
    with pytest.raises(RuntimeError, match="a topic is a short name"):
        world.pages().say(world.number, topic=topic, text="x")


def test_a_topic_has_one_issue_which_is_closed_when_nothing_is_left_to_say(world: World) -> None:
    pages = world.pages()
    number = pages.issue("drift", title="Drift", text="one")
    assert number is not None
    issue = world.repo.issues[number]
    assert (issue.title, issue.body, world.labels(number)) == (
        "Drift",
        "<!-- daypass:topic:drift -->\none",
        ["daypass"],
    )
    reads, writes = world.spent(lambda: pages.issue("drift", title="Drift", text="one"))
    assert (len(reads), writes) == (1, [])
    assert pages.issue("drift", title="Drift of two", text="two") == number
    assert (issue.title, issue.body) == ("Drift of two", "<!-- daypass:topic:drift -->\ntwo")
    assert pages.issue("drift", title="Drift", text="") is None
    assert issue.state == "closed"
    assert pages.issue("drift", title="Drift", text="") is None
    again = pages.issue("drift", title="Drift", text="three")
    assert again is not None
    assert again > number


def test_somebody_elses_issue_with_our_mark_and_label_is_not_ours(world: World) -> None:
    forged = {"title": "x", "body": "<!-- daypass:topic:drift -->\nall is well", "labels": ["daypass"]}
    theirs = world.api("bob").send("POST", ISSUES, forged)["number"]
    number = world.pages().issue("drift", title="Drift", text="one")
    assert number != theirs
    assert world.pages().issue("drift", title="Drift", text="") is None
    assert world.repo.issues[theirs].state == "open"


def test_two_runs_that_meet_leave_one_issue_open(world: World) -> None:
    api = world.api("actions")
    met = []

    def other_run(verb: str, path: str) -> None:
        if verb == "POST" and path == ISSUES and not met:
            met.append(world.pages().issue("drift", title="Drift", text="one"))

    api.before_write = other_run
    number = world.pages(api=api).issue("drift", title="Drift", text="one")
    assert met == [number]
    ours = [i for i in world.repo.issues.values() if not i.is_pull]
    assert sorted(i.state for i in ours) == ["closed", "open"]


def test_a_lost_answer_is_looked_up_and_not_repeated(world: World) -> None:
    world.hub.faults.no_answer("POST", f"{ISSUES}$")
    number = world.pages().issue("drift", title="Drift", text="one")
    assert [i.number for i in world.repo.issues.values() if not i.is_pull] == [number]


def test_an_answer_that_never_comes_is_an_error(world: World) -> None:
    world.hub.faults.server_error("POST", f"{ISSUES}$")
    with pytest.raises(EdgeError, match="did not answer whether an issue was opened"):
        world.pages().issue("drift", title="Drift", text="one")


def test_an_issue_that_cannot_be_labelled_is_closed_and_refused(world: World) -> None:
    world.repo.collaborate(world.people["erin"], "read")
    with pytest.raises(EdgeError, match="could not be labelled 'daypass'") as error:
        world.pages("erin").issue("drift", title="Drift", text="one")
    assert "Triage" in error.value.hint
    assert [i.state for i in world.repo.issues.values() if not i.is_pull] == ["closed"]


def test_settings_that_name_another_bot_leave_no_open_issue(world: World) -> None:
    with pytest.raises(EdgeError, match="and 77 was expected"):
        world.pages("app", bot=Bot("daypass-acme[bot]", 77)).issue("drift", title="Drift", text="one")
    assert [i.state for i in world.repo.issues.values() if not i.is_pull] == ["closed"]
