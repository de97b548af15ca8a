"""Approvals that outlive what they approved: GitHub shows them on the new head, keeps them, and revives dismissed ones.

Whatever it shows, an approval counts for what its reviewer could see: the head that stood then, and what main said.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from siege import held

from daypass.core.window import format_instant
from hub import REPOSITORY, Hub

PEOPLE = "policies/directory/people.yaml"
RULES = "policies/rules/access.yaml"
ORDERS = "policies/resources/orders-db.yaml"
NOT_THERE = "and by main's policies of then olga is not in the directory"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with Hub(tmp_path, protected=False, simulated=True) as found:
        found.double.reviews_carried = {"repoint"}
        found.advance(minutes=1)
        yield found


def asked(hub: Hub, *approvers: str) -> int:
    """Alice asks; these approve, a minute later each."""
    number = hub.request_pull("alice", hub.grant(), branch="wish")
    approve(hub, number, *approvers)
    return number


def approve(hub: Hub, number: int, *who: str) -> None:
    for each in who:
        hub.advance(minutes=1)
        hub.approve(number, each)


def change(hub: Hub, path: str, old: str, new: str) -> None:
    """Change main's policies, a minute later."""
    text = hub.bare("show", f"main:{path}") + "\n"
    assert old in text, text
    hub.advance(minutes=1)
    hub.push_branch("olga", "main", {path: text.replace(old, new)})


def rebase(hub: Hub, *more: str) -> None:
    """Alice puts the same change (and what ``more`` says of it) on main as it stands, by force, a minute later."""
    (path,) = [f for f in hub.bare("ls-tree", "-r", "--name-only", "wish", "grants/").splitlines() if "alice-" in f]
    hub.advance(minutes=1)
    text = hub.grant(reason=more[0]) if more else hub.bare("show", f"wish:{path}") + "\n"
    hub.push_branch("alice", "wish", {path: text}, start="main", force=True, message="Again")


def run(hub: Hub, *verb: str, expect: int | None = 0) -> str:
    hub.advance(seconds=1)
    return hub.run(*verb, "--at", format_instant(hub.now()), expect=expect).out


def waits(hub: Hub, number: int) -> str:
    """The gate merges nothing; somebody who merges by hand gets nothing by it. Returns what the gate said."""
    said = run(hub, "gate", str(number), expect=12)
    hub.api("olga", "PUT", f"/repos/{REPOSITORY}/pulls/{number}/merge", {"merge_method": "squash"})
    assert "[evidence-missing]" in run(hub, "apply", expect=14)
    assert held(hub) == set()
    return said


def gives(hub: Hub, number: int) -> None:
    run(hub, "gate", str(number))
    run(hub, "apply")
    assert held(hub) == {"alice"}
    run(hub, "audit", "verify")


def test_approvals_that_github_shows_on_a_rebased_head_do_not_count(hub: Hub) -> None:
    number = asked(hub, "bob", "dave")
    change(hub, PEOPLE, "version: 1", "# who there is\nversion: 1")
    rebase(hub)
    shown = hub.api("olga", "GET", f"/repos/{REPOSITORY}/pulls/{number}/reviews")
    assert {one["commit_id"] for one in shown} == {hub.head("wish")}
    assert "and the branch was pushed to at" in waits(hub, number)


def test_after_a_rebase_a_new_approval_counts(hub: Hub) -> None:
    number = asked(hub, "bob", "dave")
    rebase(hub)
    approve(hub, number, "bob", "dave")
    gives(hub, number)


def test_a_role_that_came_to_mean_more_is_not_merged_on_rebased_approvals(hub: Hub) -> None:
    number = asked(hub, "bob", "dave")
    change(hub, ORDERS, "orders_readonly", "orders_admin")
    rebase(hub)
    waits(hub, number)


def test_approvals_that_are_kept_over_changed_files_do_not_count(hub: Hub) -> None:
    hub.double.reviews_carried = {"keep"}
    number = asked(hub, "bob", "dave")
    rebase(hub, "something else entirely")
    assert "and the branch was pushed to at" in waits(hub, number)


def test_a_dismissed_approval_that_is_revived_does_not_count(hub: Hub) -> None:
    number = asked(hub, "dave")
    hub.advance(minutes=1)
    review = hub.approve(number, "bob")
    hub.advance(minutes=1)
    path = f"/repos/{REPOSITORY}/pulls/{number}/reviews/{review}/dismissals"
    hub.api("olga", "PUT", path, {"message": "too early"})
    hub.double.find(REPOSITORY).pulls[number].reviews[-1].state = "APPROVED"
    assert "1 approval from owners" in waits(hub, number)


def test_approvals_from_while_the_role_meant_something_else_do_not_count(hub: Hub) -> None:
    number = asked(hub)
    change(hub, ORDERS, "orders_readonly", "orders_nothing")
    approve(hub, number, "bob", "dave")
    change(hub, ORDERS, "orders_nothing", "orders_readonly")
    assert "role readonly of orders-db did not mean what it means now when it was given" in waits(hub, number)


@pytest.mark.parametrize("more", [0, 60])
def test_what_was_approved_on_top_of_policies_that_were_not_main_yet_is_not_approved(hub: Hub, more: int) -> None:
    text = hub.bare("show", f"main:{ORDERS}") + "\n"
    policies = hub.push_branch("olga", "policies", {ORDERS: text.replace("orders_readonly", "orders_admin")})
    tree, ours = (
        hub.bare("rev-parse", f"{policies}^{{tree}}"),
        ("-c", "user.name=O", "-c", "user.email=olga@example.com"),
    )
    for _ in range(more):
        policies = hub.bare(*ours, "commit-tree", tree, "-p", policies, "-m", "more")
    hub.bare("update-ref", "refs/heads/policies", policies)
    subprocess.run(["git", "-C", str(hub.clone("olga")), "fetch", "-q", "origin", "policies"], check=True)
    fetch = ["git", "-C", str(hub.clone("alice")), "fetch", "-q", "origin", "policies"]
    subprocess.run(fetch, check=True)
    hub.push_branch("alice", "wish", {"grants/orders-db/alice-1.yaml": hub.grant()}, start=policies)
    sent = {"title": "Access", "head": "wish", "base": "main", "body": ""}
    number = int(hub.api("alice", "POST", f"/repos/{REPOSITORY}/pulls", sent)["number"])
    approve(hub, number, "bob", "dave")
    hub.advance(minutes=1)
    git = ["git", "-C", str(hub.clone("olga")), "push", "-q", "origin", f"{policies}:refs/heads/main"]
    subprocess.run(git, check=True)
    assert "role readonly of orders-db did not mean what it means now when it was given" in waits(hub, number)


def test_what_a_new_rule_asks_for_is_not_met_by_an_approval_from_before_it(hub: Hub) -> None:
    new = "rules:\n  - {id: payroll-too, when: 'true', require: [{approvals: {at_least: 1, from: group:payroll}}]}\n"
    number = asked(hub, "bob", "dave", "erin")
    change(hub, RULES, "rules:\n", new)
    assert "main asked for no approval from group:payroll when it was given" in run(hub, "gate", str(number), expect=12)
    approve(hub, number, "erin")
    gives(hub, number)


def test_an_approval_by_who_joined_the_group_afterwards_does_not_count(hub: Hub) -> None:
    change(hub, PEOPLE, "dba: {members: [bob, carol]}", "dba: {members: [bob]}")
    number = asked(hub, "carol", "dave")
    change(hub, PEOPLE, "dba: {members: [bob]}", "dba: {members: [bob, carol]}")
    assert "carol could not give the approval from owners when it was given" in waits(hub, number)


def test_an_approval_by_who_left_the_group_since_does_not_count(hub: Hub) -> None:
    number = asked(hub, "bob", "dave")
    change(hub, PEOPLE, "dba: {members: [bob, carol]}", "dba: {members: [carol]}")
    assert "bob is in no group that is asked" in waits(hub, number)


def test_an_approval_by_who_has_left_does_not_count(hub: Hub) -> None:
    number = asked(hub, "bob", "dave")
    ends = format_instant(hub.now())
    change(hub, PEOPLE, "bob: {", f"bob: {{until: {ends}, ")
    assert f"bob was engaged until {ends} only" in waits(hub, number)


def test_a_request_of_who_has_left_is_not_merged(hub: Hub) -> None:
    number = hub.request_pull("carol", hub.grant(subject="alice"), branch="wish")
    approve(hub, number, "bob", "dave")
    ends = format_instant(hub.now())
    change(hub, PEOPLE, "carol: {", f"carol: {{until: {ends}, ")
    said = run(hub, "gate", str(number), expect=10)
    assert f"carol opened pull request {number} and was engaged until {ends} only" in said
    hub.api("olga", "PUT", f"/repos/{REPOSITORY}/pulls/{number}/merge", {"merge_method": "squash"})
    assert "[engagement-over]" in run(hub, "apply", expect=14)
    assert held(hub) == set()


def test_a_change_of_the_directory_or_of_another_rule_voids_nothing(hub: Hub) -> None:
    number = asked(hub, "bob", "dave")
    change(hub, PEOPLE, "version: 1", "# who there is\nversion: 1")
    other = "rules:\n  - {id: other, when: 'resource.name == \"staging\"', require: [{approvals: {at_least: 1, from: group:payroll}}]}\n"
    change(hub, RULES, "rules:\n", other)
    gives(hub, number)


def olga(hub: Hub) -> None:
    """Have olga in the directory from now on."""
    change(
        hub,
        PEOPLE,
        "people:\n",
        "people:\n  olga: {email: olga@example.com, forge: {login: olga-platform, id: 583230}}\n",
    )


def test_who_was_added_to_the_directory_after_they_opened_a_request_has_not_asked(hub: Hub) -> None:
    number = hub.request_pull("olga", hub.grant(subject="alice"), branch="wish")
    olga(hub)
    approve(hub, number, "bob", "dave")
    assert NOT_THERE in run(hub, "gate", str(number), expect=10)
    hub.api("olga", "PUT", f"/repos/{REPOSITORY}/pulls/{number}/merge", {"merge_method": "squash"})
    assert "[engaged-later]" in run(hub, "apply", expect=14)
    assert held(hub) == set()


def test_who_was_added_to_the_directory_after_they_pushed_has_not_pushed(hub: Hub) -> None:
    number = asked(hub)
    hub.advance(minutes=1)
    hub.push_branch("olga", "wish", {"notes.txt": "more"})
    hub.push_branch("olga", "wish", {"notes.txt": None})
    olga(hub)
    approve(hub, number, "bob", "dave")
    assert NOT_THERE in run(hub, "gate", str(number), expect=10)


def test_who_was_added_to_the_directory_before_they_opened_a_request_has_asked(hub: Hub) -> None:
    olga(hub)
    hub.advance(minutes=1)
    number = hub.request_pull("olga", hub.grant(subject="alice"), branch="wish")
    approve(hub, number, "bob", "dave")
    run(hub, "gate", str(number), expect=0)


def test_what_nobody_can_tell_of_main_is_not_passed(hub: Hub) -> None:
    olga(hub)
    hub.advance(minutes=1)
    number = hub.request_pull("olga", hub.grant(subject="alice"), branch="wish")
    approve(hub, number, "bob", "dave")
    for move in hub.repo.activity:
        move.kind = "teleport" if move.ref == "refs/heads/main" else move.kind
    hub.double.odd.append(r'activity_type: "teleport" is not one of')
    assert NOT_THERE in run(hub, "gate", str(number), expect=10)
