"""What is said while a gate runs, or by a clock that is ahead of ours: a no counts at once."""

from __future__ import annotations

from siege import waits

from hub import REPOSITORY, Hub


def _approved(hub: Hub) -> int:
    number = hub.request_pull("alice", hub.grant())
    hub.approve(number, "dave")
    hub.approve(number, "bob")
    return number


def test_a_rejection_given_after_the_run_began_stops_the_merge(hub: Hub) -> None:
    """GitHub's clock is ahead, as it seems to a run that began before somebody said no."""
    number = _approved(hub)
    hub.advance(minutes=5)
    hub.review(number, "dave", "REQUEST_CHANGES", body="Not like this.")
    assert "dave rejected it" in waits(hub, number)


def test_a_dismissal_after_the_run_began_stops_the_merge(hub: Hub) -> None:
    number = hub.request_pull("alice", hub.grant())
    hub.approve(number, "dave")
    review = hub.approve(number, "bob")
    hub.advance(minutes=5)
    hub.api("bob", "PUT", f"/repos/{REPOSITORY}/pulls/{number}/reviews/{review}/dismissals", {"message": "No."})
    assert "1 approval from owners" in waits(hub, number)


def test_an_approval_from_the_future_still_does_not_count(hub: Hub) -> None:
    number = hub.request_pull("alice", hub.grant())
    hub.approve(number, "dave")
    hub.advance(minutes=5)
    hub.approve(number, "bob")
    assert "1 approval from owners" in waits(hub, number)
