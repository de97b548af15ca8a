"""Reviews as GitHub keeps them, and what was said when."""

from __future__ import annotations

from typing import Any

import pytest
from github_world import World, directory

from daypass.core.errors import EdgeError
from daypass.core.forge import Account
from daypass.core.ids import ABSENT
from daypass.core.window import format_instant
from daypass.edges.forges.github.answers import account_of
from daypass.edges.forges.github.evidence import needs_events, reviews_of

HEAD = "a" * 40
BOB = {"id": 102, "login": "bosei", "type": "User"}
CAROL = {"id": 103, "login": "carol-d", "type": "User"}


def clock(minute: int) -> str:
    return f"2026-11-20T09:{minute:02}:00Z"


def review(number: int, state: str, minute: int, *, user: Any = BOB, commit: Any = HEAD) -> dict[str, Any]:
    return {"id": number, "state": state, "user": user, "commit_id": commit, "submitted_at": clock(minute)}


def dismissal(number: int, was: str, minute: int, *, actor: Any = CAROL) -> dict[str, Any]:
    told = {"review_id": number, "state": was, "dismissal_message": ""}
    return {"event": "review_dismissed", "created_at": clock(minute), "actor": actor, "dismissed_review": told}


def said(found: list[Any], events: list[Any] | None = None) -> list[tuple[str, str, str, str]]:
    read = reviews_of(found, events or [], lambda user, _: account_of(user, directory()))
    return [(one.by.handle, one.state, format_instant(one.at)[14:16], one.id) for one in read]


def test_approvals_and_requests_for_changes_are_what_was_said() -> None:
    found = [review(1, "CHANGES_REQUESTED", 1), review(2, "APPROVED", 2), review(3, "APPROVED", 3, user=CAROL)]
    assert said(found) == [
        ("bob", "rejected", "01", "1"),
        ("bob", "approved", "02", "2"),
        ("carol", "approved", "03", "3"),
    ]


def test_comments_and_drafts_say_nothing_and_take_nothing_back() -> None:
    found = [review(1, "APPROVED", 1), review(2, "COMMENTED", 2), {"id": 3, "state": "PENDING", "user": BOB}]
    assert said(found) == [("bob", "approved", "01", "1")]


def test_the_oldest_comes_first_whatever_the_order_told() -> None:
    assert [one[3] for one in said([review(9, "APPROVED", 5), review(3, "APPROVED", 5), review(7, "APPROVED", 1)])] == [
        "7", "3", "9",
    ]  # fmt: skip


def test_a_dismissed_approval_was_given_and_then_withdrawn() -> None:
    assert said([review(1, "DISMISSED", 1)], [dismissal(1, "approved", 4)]) == [
        ("bob", "approved", "01", "1"),
        ("bob", "withdrawn", "04", "1-dismissed"),
    ]


def test_a_rejection_dismissed_by_another_stays() -> None:
    assert said([review(1, "DISMISSED", 1)], [dismissal(1, "changes_requested", 4)]) == [("bob", "rejected", "01", "1")]
    assert said([review(1, "DISMISSED", 1)], [dismissal(1, "changes_requested", 4, actor=None)]) == [
        ("bob", "rejected", "01", "1")
    ]


def test_ones_own_rejection_can_be_taken_back() -> None:
    assert said([review(1, "DISMISSED", 1)], [dismissal(1, "changes_requested", 4, actor=BOB)]) == [
        ("bob", "rejected", "01", "1"),
        ("bob", "withdrawn", "04", "1-dismissed"),
    ]


def test_two_deleted_accounts_are_not_the_same_person() -> None:
    found = said([review(1, "DISMISSED", 1, user=None)], [dismissal(1, "changes_requested", 4, actor=None)])
    assert found == [("", "rejected", "01", "1")]


def test_a_later_approval_outlives_the_dismissal_of_an_earlier_one() -> None:
    found = [review(1, "DISMISSED", 1), review(2, "APPROVED", 2)]
    assert said(found, [dismissal(1, "approved", 3)]) == [
        ("bob", "approved", "01", "1"),
        ("bob", "approved", "02", "2"),
    ]


def test_a_dismissed_comment_says_nothing() -> None:
    assert said([review(1, "DISMISSED", 1)], [dismissal(1, "commented", 3)]) == []


def test_an_approval_on_a_commit_that_is_gone_is_on_none() -> None:
    (one,) = reviews_of([review(1, "APPROVED", 1, commit=None)], [], lambda user, _: Account("bob", "Bob"))
    assert one.commit == ABSENT


def test_a_dismissed_approval_that_is_shown_as_one_again_stays_withdrawn() -> None:
    assert said([review(1, "APPROVED", 1)], [dismissal(1, "approved", 4)]) == [
        ("bob", "approved", "01", "1"),
        ("bob", "withdrawn", "04", "1-dismissed"),
    ]


def voids(*events: tuple[str, int]) -> list[str]:
    told = [{"event": event, "created_at": f"2026-11-20T09:{at:02}:00Z"} for event, at in events]
    found = [review(1, "APPROVED", 1), review(2, "APPROVED", 5)]
    return [one.void for one in reviews_of(found, told, lambda user, _: Account("bob", "Bob"))]


def test_an_approval_from_before_a_forced_push_or_another_base_is_void() -> None:
    forced = "it was given at 2026-11-20T09:01:00Z, and the branch was pushed to by force at 2026-11-20T09:04:00Z"
    assert voids(("head_ref_force_pushed", 2), ("head_ref_force_pushed", 4)) == [forced, ""]
    assert voids(("base_ref_changed", 1))[0].endswith("and the base of the request was changed at 2026-11-20T09:01:00Z")
    assert voids(("labeled", 9)) == ["", ""]


def test_what_becomes_of_a_branch_after_its_merge_takes_nothing_back() -> None:
    assert voids(("merged", 6), ("head_ref_force_pushed", 7)) == ["", ""]


def test_events_are_read_only_where_they_could_take_something_back() -> None:
    assert not needs_events([review(1, "CHANGES_REQUESTED", 1)], settled=False)
    assert needs_events([review(1, "APPROVED", 1)], settled=False)
    assert not needs_events([review(1, "APPROVED", 1)], settled=True)
    assert needs_events([review(1, "APPROVED", 1), review(2, "DISMISSED", 1)], settled=True)


@pytest.mark.parametrize(
    ("found", "events", "message"),
    [
        ([review(1, "DISMISSED", 1)], [], "review 1 was dismissed, but GitHub does not tell when"),
        ([review(1, "BLESSED", 1)], [], "review 1 has a state that is not known here: 'BLESSED'"),
        ([review(1, "DISMISSED", 1)], [dismissal(1, "blessed", 1)], "review 1 was dismissed in a state that is not known here"),
        ([{"id": 1, "state": "APPROVED"}], [], "GitHub's answer about review 1 has no user"),
        ([{**review(1, "APPROVED", 1), "submitted_at": None}], [], "GitHub's answer about review 1: expected a text in submitted_at, got None"),
        ([{**review(1, "APPROVED", 1), "submitted_at": "now"}], [], "GitHub's answer about review 1: expected an instant in submitted_at, got 'now'"),
        ([{**review(1, "APPROVED", 1), "commit_id": "main"}], [], "GitHub's answer about review 1: expected a commit's id in commit_id, got 'main'"),
        ([{**review(1, "APPROVED", 1), "id": "1"}], [], "GitHub's answer about a review: expected a number in id, got '1'"),
        (["APPROVED"], [], "GitHub's answer about a review has no state"),
        ([], [{"event": "review_dismissed"}], "GitHub's answer about an event has no dismissed_review.review_id"),
        ([], [{}], "GitHub's answer about an event has no event"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_an_error_that_names_it(found: list[Any], events: list[Any], message: str) -> None:
    with pytest.raises(EdgeError) as caught:
        said(found, events)
    assert caught.value.message == message


# At the double


def test_a_push_after_approval_takes_it_away_where_the_rules_say_so(world: World) -> None:
    world.double.protect(world.repo)
    number = world.opened("alice")
    first = world.head("wanted")
    world.reviewed(number, "bob")
    world.push("alice", "wanted", {"grants/more.yaml": "more\n"})
    assert [(r.state, r.commit == first) for r in world.forge().reviews(number)] == [
        ("approved", True),
        ("withdrawn", True),
    ]


def test_an_approval_is_on_the_commit_it_was_given_on(world: World) -> None:
    number = world.opened("alice")
    first = world.head("wanted")
    second = world.push("alice", "wanted", {"grants/more.yaml": "more\n"})
    world.reviewed(number, "bob", commit=first)
    world.reviewed(number, "carol")
    assert [(r.by.handle, r.commit) for r in world.forge().reviews(number)] == [("bob", first), ("carol", second)]


def test_reviews_are_read_to_the_last_page(world: World) -> None:
    number = world.opened("alice")
    for _ in range(120):
        world.reviewed(number, "bob", "COMMENT")
    world.reviewed(number, "bob")
    forge = world.forge("carol")
    assert [review.state for review in forge.reviews(number)] == ["approved"]
    assert forge._api.calls == 4  # two pages, the events, and whether bob is suspended
