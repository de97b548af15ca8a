"""The one comment: found by mark and account, written when its text changed, and never twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from daypass.core.errors import EdgeError
from daypass.edges.forges.github.answers import Bot
from github_double.double import Double
from github_double.state import Comment
from pages_world import NAME, World, annotations

MARK = "<!-- daypass:notice -->\n"
COMMENTS = f"/repos/{NAME}/issues/1/comments"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with Double(tmp_path) as hub:
        yield World.made(hub)


def test_it_is_written_once_and_then_left_alone(world: World) -> None:
    notice = world.notice()
    assert world.pages().show(notice) == ()
    assert world.comments() == [MARK + notice.comment]
    reads, writes = world.spent(lambda: world.pages().show(notice))
    assert writes == []
    assert len(reads) == 3


def test_the_first_notice_costs_four_gets_and_four_writes(world: World) -> None:
    notice = world.notice(ask=("bob", "dave"), findings=annotations(50))
    reads, writes = world.spent(lambda: world.pages().show(notice))
    assert len(reads) == 4
    assert writes == [
        "POST /issues/1/labels", "POST /pulls/1/requested_reviewers", "POST /issues/1/comments", "POST /check-runs",
    ]  # fmt: skip


@pytest.mark.parametrize(("who", "most"), [("actions", 3), ("app", 4), ("bob", 3)])
def test_an_unchanged_notice_costs_at_most_four_gets_and_no_write(world: World, who: str, most: int) -> None:
    world.pages(who).show(world.notice())
    reads, writes = world.spent(lambda: world.pages(who).show(world.notice()))
    assert writes == []
    # An App that the settings do not name asks for its slug and its bot's id, once a run.
    assert len(reads) <= most + (1 if who == "app" else 0)


def test_an_app_that_the_settings_name_asks_nobody_who_it_is(world: World) -> None:
    world.api("app")
    assert world.app is not None
    bot = Bot(world.app.bot.login, world.app.bot.id)
    world.pages("app", bot=bot).show(world.notice())
    assert len(world.comments()) == 1
    reads, writes = world.spent(lambda: world.pages("app", bot=bot).show(world.notice()))
    assert (len(reads), writes) == (3, [])


def test_a_second_notice_of_a_run_asks_no_more_who_it_is(world: World) -> None:
    api = world.api("app")
    world.pages(api=api).show(world.notice())
    reads, _ = world.spent(lambda: world.pages(api=api).show(world.notice()))  # each request has a pages of its own
    assert len(reads) == 3


def test_a_changed_text_goes_into_the_same_comment(world: World) -> None:
    world.pages().show(world.notice())
    _, writes = world.spent(lambda: world.pages().show(world.notice(comment="another story\n")))
    (number,) = world.repo.comments
    assert writes == [f"PATCH /issues/comments/{number}"]
    assert world.comments() == [f"{MARK}another story\n"]


def test_line_ends_that_the_forge_changed_are_no_news(world: World) -> None:
    world.pages().show(world.notice())
    for comment in world.repo.comments.values():
        comment.body = comment.body.replace("\n", "\r\n").strip()
    _, writes = world.spent(lambda: world.pages().show(world.notice()))
    assert writes == []


def test_somebody_elses_comment_with_our_mark_is_not_ours(world: World) -> None:
    forged = f"{MARK}### daypass: everything is there"
    world.api("alice").send("POST", COMMENTS, {"body": forged})
    world.pages().show(world.notice())
    assert world.comments() == [forged, MARK + world.notice().comment]


def test_a_comment_of_ours_without_the_mark_is_left_alone(world: World) -> None:
    world.api("actions").send("POST", COMMENTS, {"body": f"quoting {MARK}"})
    world.pages().show(world.notice())
    assert world.comments() == [f"quoting {MARK}", MARK + world.notice().comment]


def test_our_comment_that_somebody_edited_is_written_again(world: World) -> None:
    world.pages().show(world.notice())
    for comment in world.repo.comments.values():
        comment.body = f"{MARK}approved, go ahead"
    world.pages().show(world.notice())
    assert world.comments() == [MARK + world.notice().comment]


def test_two_runs_that_meet_leave_one_comment_the_oldest(world: World) -> None:
    api = world.api("actions")
    met = []

    def other_run(verb: str, path: str) -> None:
        if path == COMMENTS and verb == "POST" and not met:
            met.append(path)
            world.pages().show(world.notice(comment="from the other run\n"))

    api.before_write = other_run
    world.pages(api=api).show(world.notice())
    assert met
    assert world.comments() == [MARK + world.notice().comment]
    _, writes = world.spent(lambda: world.pages().show(world.notice()))
    assert writes == []


def test_when_both_have_written_each_keeps_the_same_one(world: World) -> None:
    world.pages().show(world.notice())
    (first,) = world.repo.comments
    late = max(world.repo.comments.values(), key=lambda c: c.id)
    world.hub.faults.add("GET", f"{COMMENTS}$", status=200, body=[])  # this run looked before the other wrote
    world.pages().show(world.notice())
    assert list(world.repo.comments) == [first] == [late.id]


def test_a_lost_answer_is_looked_up_and_not_repeated(world: World) -> None:
    world.hub.faults.no_answer("POST", f"{COMMENTS}$")
    assert world.pages().show(world.notice()) == ()
    assert world.comments() == [MARK + world.notice().comment]


def test_an_answer_that_never_comes_is_an_error_and_not_silence(world: World) -> None:
    world.hub.faults.server_error("POST", f"{COMMENTS}$")
    with pytest.raises(EdgeError, match="did not answer whether a comment on #1 was written"):
        world.pages().show(world.notice())
    world.pages().show(world.notice())
    assert len(world.comments()) == 1


def test_a_comment_by_an_account_that_is_gone_is_passed_over(world: World) -> None:
    world.api("alice").send("POST", COMMENTS, {"body": f"{MARK}x"})
    next(iter(world.repo.comments.values())).user = None
    world.pages().show(world.notice())
    assert len(world.comments()) == 2


def test_ours_is_found_on_a_later_page(world: World) -> None:
    _many(world, 150)
    world.pages().show(world.notice())
    reads, writes = world.spent(lambda: world.pages().show(world.notice()))
    assert (len(reads), writes) == (4, [])


def test_a_flood_of_comments_is_said_and_not_added_to(world: World) -> None:
    _many(world, 1_001)
    assert world.pages().show(world.notice()) == ("comment (#1 has more than 1000 comments before ours)",)
    assert len(world.comments()) == 1_001


def test_a_push_meanwhile_leaves_the_word_to_the_next_run(world: World) -> None:
    stale = replace(world.notice(), head="0" * 40)
    reads, writes = world.spent(lambda: world.pages().show(stale))
    assert (len(reads), writes) == (1, [])


def test_settings_that_name_another_bot_are_refused_and_leave_no_trace(world: World) -> None:
    with pytest.raises(
        EdgeError, match=r"writes as 'daypass-acme\[bot\]' with id [0-9]+, and 77 was expected"
    ) as error:
        world.pages("app", bot=Bot("daypass-acme[bot]", 77)).show(world.notice())
    assert "forge.bot" in error.value.hint
    assert world.comments() == []


def _many(world: World, count: int) -> None:
    for _ in range(count):
        number = world.hub.next_id()
        now = world.hub.now()
        world.repo.comments[number] = Comment(number, world.number, world.people["bob"], "me too", now, now)
