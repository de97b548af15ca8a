"""The check run: batched, at the right head, ours, and written when something changed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from daypass.core.errors import EdgeError
from github_double.double import Double
from pages_world import NAME, World, annotations


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with Double(tmp_path) as hub:
        yield World.made(hub)


def test_it_says_what_the_notice_says(world: World) -> None:
    one, other = annotations(2)
    world.pages().show(world.notice(findings=(one, replace(other, hint="mend it"))))
    (check,) = world.checks()
    assert (check.name, check.head_sha, check.status, check.conclusion) == (
        "daypass", world.head, "in_progress", None,
    )  # fmt: skip
    assert check.details_url.endswith(
        f"/acme/access/pull/{world.number}#issuecomment-{next(iter(world.repo.comments))}"
    )
    assert (check.output["title"], check.output["summary"]) == ("waiting for 1 approval", "### summary\n")
    first = check.annotations[0]
    assert {key: first[key] for key in ("path", "start_line", "end_line", "start_column", "end_column")} == {
        "path": "grants/orders-db/x.yaml", "start_line": 1, "end_line": 1, "start_column": 3, "end_column": 3,
    }  # fmt: skip
    assert (first["annotation_level"], first["title"], first["message"]) == ("failure", "bad-duration", "wrong 0")
    assert check.annotations[1]["message"] == "wrong 1\nHow to fix it: mend it"


@pytest.mark.parametrize(("count", "requests"), [(0, 1), (50, 1), (51, 2), (100, 2), (150, 3)])
def test_fifty_annotations_go_into_one_request(world: World, count: int, requests: int) -> None:
    _, writes = world.spent(lambda: world.pages().show(world.notice(findings=annotations(count))))
    (check,) = world.checks()
    assert [w for w in writes if "check-runs" in w] == [
        "POST /check-runs", *[f"PATCH /check-runs/{check.id}"] * (requests - 1)
    ]  # fmt: skip
    assert [a["message"] for a in check.annotations] == [f"wrong {n}" for n in range(count)]
    assert (check.status, check.conclusion) == ("in_progress", None)
    _, writes = world.spent(lambda: world.pages().show(world.notice(findings=annotations(count))))
    assert writes == []


def test_another_verdict_with_the_same_annotations_goes_into_the_same_run(world: World) -> None:
    world.pages().show(world.notice(findings=annotations(3)))
    world.pages().show(world.notice(findings=annotations(3), conclusion="success", title="everything is there"))
    (check,) = world.checks()
    assert (check.conclusion, check.output["title"], len(check.annotations)) == ("success", "everything is there", 3)


def test_other_annotations_take_another_run_since_they_cannot_be_taken_back(world: World) -> None:
    world.pages().show(world.notice(findings=annotations(3)))
    world.pages().show(world.notice(findings=annotations(3, "worse")))
    assert [next(a["message"] for a in check.annotations) for check in world.checks()] == ["wrong 0", "worse 0"]
    _, writes = world.spent(lambda: world.pages().show(world.notice(findings=annotations(3, "worse"))))
    assert writes == []


def test_a_run_that_died_between_two_batches_is_not_taken_for_done(world: World) -> None:
    world.hub.faults.server_error("PATCH", r".*/check-runs/[0-9]+$")
    with pytest.raises(EdgeError):
        world.pages().show(world.notice(findings=annotations(60)))
    assert [(c.status, c.conclusion) for c in world.checks()] == [("in_progress", None)]
    world.pages().show(world.notice(findings=annotations(60)))
    assert len(world.checks()[-1].annotations) == 60
    assert len(world.checks()) == 2
    _, writes = world.spent(lambda: world.pages().show(world.notice(findings=annotations(60))))
    assert writes == []


def test_what_is_decided_completes_it_and_what_waits_again_takes_another_run(world: World) -> None:
    for conclusion in ("", "success", "failure", ""):
        world.pages().show(world.notice(conclusion=conclusion))
    assert [(c.status, c.conclusion) for c in world.checks()] == [("completed", "failure"), ("in_progress", None)]
    _, writes = world.spent(lambda: world.pages().show(world.notice()))
    assert writes == []


def test_a_run_that_github_closed_as_stale_is_begun_anew(world: World) -> None:
    world.pages().show(world.notice())
    world.hub.advance(days=14, seconds=1)
    world.hub.odd.append('conclusion: "stale" is not one of')  # GitHub's description leaves out what its pages tell of
    _, writes = world.spent(lambda: world.pages().show(world.notice()))
    assert writes == ["POST /check-runs"]
    assert [(c.status, c.conclusion) for c in world.checks()] == [("completed", "stale"), ("in_progress", None)]
    _, writes = world.spent(lambda: world.pages().show(world.notice()))
    assert writes == []


def test_a_check_without_a_comment_leads_to_the_pull_request(world: World) -> None:
    world.pages().show(world.notice(comment="", conclusion="success"))
    (check,) = world.checks()
    assert check.details_url.endswith(f"/acme/access/pull/{world.number}")
    assert (check.status, check.conclusion) == ("completed", "success")


def test_another_apps_check_of_that_name_is_not_ours(world: World) -> None:
    other = {"name": "daypass", "head_sha": world.head, "status": "completed", "conclusion": "success"}
    app = world.api("app")
    app.send("POST", f"/repos/{NAME}/check-runs", other)
    world.pages().show(world.notice())
    assert [(c.app.slug, c.conclusion) for c in world.checks()] == [
        ("daypass-acme", "success"), ("github-actions", None),
    ]  # fmt: skip


def test_a_person_may_write_none_and_the_rest_is_written(world: World) -> None:
    assert world.pages("bob").show(world.notice()) == ("check run",)
    assert world.checks() == []
    assert len(world.comments()) == 1
    assert world.labels() == ["daypass: waiting"]
