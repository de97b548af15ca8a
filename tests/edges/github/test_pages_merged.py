"""What our App tells of a request that it has just merged: by what it knows already, and by looking where that does not do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from daypass.edges.forges.github.answers import Bot
from daypass.edges.forges.github.pages.labels import APPROVED, label_key
from github_double.double import Double
from pages_world import NAME, World

LABELS = f"/repos/{NAME}/issues/1/labels"
BRIEF = ["POST /graphql", "PATCH /issues/comments/{}", "PATCH /check-runs/{}"]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with Double(tmp_path) as hub:
        yield World.made(hub)


def told(world: World, meanwhile: Callable[[], object] = lambda: None) -> tuple[int, list[str]]:
    """Tell of a merge what was told as waiting before; return how many GETs it took and the writes, without numbers.

    Somebody puts a label on after the request was read, and ``meanwhile`` happens.
    """
    api, bob = world.api("app"), world.api("bob")
    assert world.app is not None
    pages = world.pages("app", bot=Bot(world.app.bot.login, world.app.bot.id), api=api)
    pages.show(world.notice())
    bob.send("POST", f"/repos/{NAME}/labels", {"name": APPROVED})
    bob.send("POST", LABELS, {"labels": ["urgent"]})
    path = f"/repos/{NAME}/pulls/{world.number}"
    api.noted |= {path: api.get(path), label_key(APPROVED): f"LA_{world.repo.labels[APPROVED.lower()].id}"}
    bob.send("POST", LABELS, {"labels": ["of the meantime"]})
    meanwhile()
    news = world.notice(state="approved", conclusion="success", comment="merged\n")
    left: list[tuple[str, ...]] = []
    reads, writes = world.spent(lambda: left.append(pages.show(news)))
    assert left == [()]
    assert world.labels() == [APPROVED, "of the meantime", "urgent"]
    assert [text for text in world.comments() if "merged" in text] == ["<!-- daypass:notice -->\nmerged\n"]
    assert [run.conclusion for run in world.checks() if run.app.id == world.app.id] == ["success"]
    return len(reads), ["/".join("{}" if part.isdecimal() else part for part in write.split("/")) for write in writes]


def test_it_takes_one_look_and_three_writes(world: World) -> None:
    assert told(world) == (1, BRIEF)


def test_a_label_whose_id_github_does_not_know_is_put_on_by_its_name(world: World) -> None:
    def anew() -> None:  # somebody deleted the label and made it again
        world.repo.labels[APPROVED.lower()].id += 10_000

    reads, writes = told(world, anew)
    assert (reads, writes[:2]) == (1, ["POST /graphql", "POST /issues/{}/labels"])


def test_a_waiting_label_that_somebody_has_taken_off_is_no_failure(world: World) -> None:
    waiting = quote("daypass: waiting")
    assert told(world, lambda: world.api("bob").send("DELETE", f"{LABELS}/{waiting}"))[0] == 1


@pytest.mark.parametrize("status", [200, 502])
def test_labels_that_graphql_does_not_change_are_changed_one_by_one(world: World, status: int) -> None:
    body = {"data": None, "errors": [{"type": "FORBIDDEN", "message": "Resource not accessible by integration"}]}
    reads, writes = told(world, lambda: world.hub.faults.add("POST", "/graphql", status=status, body=body))
    assert reads == 1
    assert writes == [
        "POST /graphql",
        "POST /issues/{}/labels",
        "DELETE /issues/{}/labels/daypass%3A%20waiting",
        *BRIEF[1:],
    ]


def test_a_comment_that_is_gone_is_written_anew(world: World) -> None:
    def gone() -> None:
        (number,) = world.repo.comments
        world.api("bob").send("DELETE", f"/repos/{NAME}/issues/comments/{number}")

    reads, writes = told(world, gone)
    assert reads > 1
    assert writes == ["POST /graphql", "PATCH /issues/comments/{}", "POST /issues/{}/comments", "PATCH /check-runs/{}"]


def test_only_a_check_of_our_own_leads_to_the_comment(world: World) -> None:
    """Another App may name its check alike, and have it lead to what somebody else wrote."""
    said = world.api("dave").send("POST", f"/repos/{NAME}/issues/1/comments", {"body": "by dave"})

    def alike() -> None:
        for check in world.checks():
            check.details_url = "https://example.com/elsewhere"
        run = {"name": "daypass", "head_sha": world.head, "details_url": said["html_url"]}
        world.api("actions").send("POST", f"/repos/{NAME}/check-runs", run)

    assert told(world, alike)[0] > 1
    assert world.repo.comments[said["id"]].body == "by dave"
