"""Reminders and escalations at GitHub: a comment that names people and a request for their review, once each."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from daypass.core.errors import EdgeError
from daypass.core.request import Nudge
from github_double.double import Double
from pages_world import NAME, World

AT = datetime(2026, 11, 20, 10, tzinfo=UTC)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with Double(tmp_path) as hub:
        made = World.made(hub)
        made.pages().show(made.notice())
        yield made


def nudge(topic: str = "stage:one", people: tuple[str, ...] = ("bob",), text: str = "@bob-gh: please") -> Nudge:
    return Nudge(topic, "remind", "owners", 1, people, AT, "4h", text=text)


def told(world: World) -> list[str]:
    return world.comments()[1:]


def test_people_are_asked_and_written_to(world: World) -> None:
    assert world.pages().show(world.notice(nudges=(nudge(),))) == ()
    assert told(world) == ["<!-- daypass:topic:stage:one -->\n@bob-gh: please"]
    assert world.asked() == ["bob-gh"]


def test_what_was_said_is_not_said_again_nor_changed(world: World) -> None:
    world.pages().show(world.notice(nudges=(nudge(),)))
    world.repo.pulls[world.number].asked_users.clear()
    _, writes = world.spent(lambda: world.pages().show(world.notice(nudges=(nudge(text="@dave-gh: please"),))))
    assert writes == []
    world.pages().show(world.notice(nudges=(nudge(), nudge("stage:two", ("dave",), "@dave-gh: too"))))
    assert len(told(world)) == 2


def test_a_run_that_was_cut_off_before_the_comment_is_made_up_for(world: World) -> None:
    api = world.api("actions")

    def cut(verb: str, path: str) -> None:
        if path.endswith("/comments"):
            raise EdgeError("killed")

    api.before_write = cut
    with pytest.raises(EdgeError, match="killed"):
        world.pages(api=api).show(world.notice(nudges=(nudge(),)))
    assert (told(world), world.asked()) == ([], ["bob-gh"])
    world.pages().show(world.notice(nudges=(nudge(),)))
    assert len(told(world)) == 1


def test_of_two_runs_that_meet_one_is_heard(world: World) -> None:
    api = world.api("actions")

    def meet(verb: str, path: str) -> None:
        if path.endswith("/comments"):
            api.before_write = lambda verb, path: None
            world.pages().show(world.notice(nudges=(nudge(),)))

    api.before_write = meet
    world.pages(api=api).show(world.notice(nudges=(nudge(),)))
    assert len(told(world)) == 1


def test_an_answer_that_is_lost_leaves_one_comment(world: World) -> None:
    world.hub.faults.add("POST", ".*/comments", status=502, after_effect=True)
    world.pages().show(world.notice(nudges=(nudge(),)))
    assert len(told(world)) == 1


def test_a_mark_that_somebody_else_wrote_silences_nobody(world: World) -> None:
    world.api("bob").send(
        "POST", f"/repos/{NAME}/issues/{world.number}/comments", {"body": "<!-- daypass:topic:stage:one -->\n"}
    )
    world.pages().show(world.notice(nudges=(nudge(),)))
    assert len(told(world)) == 2


def test_who_cannot_be_asked_is_written_to_and_named(world: World) -> None:
    left = world.pages().show(world.notice(nudges=(nudge(people=("erin",)),)))
    assert left == ("review request to erin-gh",)
    assert len(told(world)) == 1


def test_a_token_that_may_not_write_comments_says_so(world: World) -> None:
    left = world.pages(**{"checks": "write", "contents": "read", "issues": "read", "pull-requests": "read"}).show(
        world.notice(nudges=(nudge(),))
    )
    assert "reminders" in left


def test_among_a_thousand_comments_it_is_not_told_what_was_said(world: World) -> None:
    bob = world.api("bob")
    for number in range(1000):
        bob.send("POST", f"/repos/{NAME}/issues/{world.number}/comments", {"body": str(number)})
    (left,) = world.pages().show(world.notice(nudges=(nudge(),)))
    assert left.startswith("reminders (#")
