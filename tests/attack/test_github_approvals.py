"""Attacks on approvals at GitHub, each through the public surface and with the attacker's own token.

Wherever GitHub itself would stop the attack (its rules of branches), these rules are off: daypass must hold alone.
"""

from __future__ import annotations

import base64
import json
import subprocess

import pytest
from siege import held, merge_by_hand, refused, waits

from hub import REPOSITORY, Hub


def test_an_author_cannot_approve_their_own_request(hub: Hub) -> None:
    number = hub.request_pull("bob", hub.grant(subject="alice"))
    status, answer = hub.ask("bob", "POST", f"/repos/{REPOSITORY}/pulls/{number}/reviews", {"event": "APPROVE"})
    assert status == 422, answer
    hub.approve(number, "dave")
    assert "1 approval from owners" in waits(hub, number)
    merge_by_hand(hub, number)
    refused(hub, "evidence-missing")


def test_a_subject_cannot_approve_access_for_themselves(hub: Hub) -> None:
    number = hub.request_pull("alice", hub.grant(subject="bob"))
    hub.approve(number, "bob")
    hub.approve(number, "dave")
    assert "bob receives the access" in waits(hub, number)
    merge_by_hand(hub, number)
    refused(hub, "evidence-missing")


def test_a_second_account_of_the_same_person_is_nobody(hub: Hub) -> None:
    second = hub.double.user("bosei-private", 999001)
    hub.repo.collaborate(second, "write")
    token = hub.double.token(second)
    number = hub.request_pull("bob", hub.grant(subject="alice"))
    hub.approve(number, token)
    hub.approve(number, "dave")
    said = waits(hub, number)
    assert "the directory does not know bosei-private (id 999001)" in said
    merge_by_hand(hub, number)
    refused(hub, "evidence-missing")


def test_an_account_that_took_over_a_login_is_not_who_had_it(hub: Hub) -> None:
    """https://docs.github.com/en/account-and-profile/concepts/account-management: a login given up may be taken."""
    hub.people["bob"].login = "bob-left"
    taker = hub.double.user("bosei", 999002)
    hub.repo.collaborate(taker, "write")
    number = hub.request_pull("alice", hub.grant())
    hub.approve(number, hub.double.token(taker))
    hub.approve(number, "dave")
    assert "the directory does not know bosei (id 999002)" in waits(hub, number)
    hub.approve(number, "bob")
    hub.run("gate", str(number))
    hub.run("apply")
    assert held(hub) == {"alice"}


def test_a_co_author_cannot_approve(hub: Hub) -> None:
    message = "Ask for access\n\nCo-authored-by: Bob Osei <bob@example.com>"
    number = hub.request_pull("alice", hub.grant(), message=message)
    hub.approve(number, "bob")
    hub.approve(number, "dave")
    assert "bob co-authored commit" in waits(hub, number)
    merge_by_hand(hub, number)
    refused(hub, "evidence-missing")


def test_a_co_author_behind_githubs_own_address_cannot_approve(hub: Hub) -> None:
    message = "Ask for access\n\nCo-authored-by: B <583232+bosei@users.noreply.github.com>"
    number = hub.request_pull("alice", hub.grant(), message=message)
    hub.approve(number, "bob")
    hub.approve(number, "dave")
    assert "bob co-authored commit" in waits(hub, number)


def test_a_push_after_the_approval_takes_the_approval_away(hub: Hub) -> None:
    number = hub.request_pull("alice", hub.grant(), branch="wish")
    hub.approve(number, "bob")
    hub.approve(number, "dave")
    (path,) = [f for f in hub.bare("ls-tree", "-r", "--name-only", "wish", "grants/").splitlines() if "alice" in f]
    hub.push_branch("alice", "wish", {path: hub.grant(role="admin", duration="1h")})
    said = waits(hub, number)
    assert "the head is" in said
    merge_by_hand(hub, number)
    refused(hub, "evidence-missing")


def test_who_pushed_last_cannot_approve_though_the_commit_names_another_author(hub: Hub) -> None:
    number = hub.request_pull("alice", hub.grant(), branch="wish")
    folder = hub.clone("bob")
    path = "grants/orders-db/more.yaml"

    def git(*arguments: str) -> None:
        subprocess.run(["git", "-C", str(folder), *arguments], check=True, capture_output=True)

    git("fetch", "origin", "wish")
    git("checkout", "-B", "wish", "FETCH_HEAD")
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_text(hub.grant(subject="alice", role="admin", duration="1h"), encoding="utf-8")
    git("add", "-A")
    git("-c", "user.name=Alice Ngo", "-c", "user.email=alice@example.com", "commit", "-m", "Also this")
    git("push", "origin", "wish")
    hub.approve(number, "bob")
    hub.approve(number, "dave")
    assert "bob pushed to the branch" in waits(hub, number)
    merge_by_hand(hub, number)
    refused(hub, "evidence-missing")


def test_a_force_push_that_hides_who_pushed_before_hides_nobody(hub: Hub) -> None:
    number = hub.request_pull("alice", hub.grant(), branch="wish")
    mine = hub.push_branch("bob", "wish", {"grants/orders-db/x.yaml": hub.grant(role="admin", duration="1h")})
    tree = hub.bare("rev-parse", f"{mine}^{{tree}}")
    folder = hub.clone("alice")
    run = ["git", "-C", str(folder)]
    subprocess.run([*run, "fetch", "-q", "origin", "wish"], check=True)
    made = subprocess.run([*run, "commit-tree", "-p", "main", "-m", "All mine", tree], check=True, capture_output=True)
    commit = made.stdout.decode().strip()
    subprocess.run([*run, "push", "-q", "--force", "origin", f"{commit}:refs/heads/wish"], check=True)
    hub.approve(number, "bob")
    hub.approve(number, "dave")
    assert "bob pushed to the branch" in waits(hub, number)


def test_a_request_whose_base_was_changed_after_its_approval_is_not_merged(hub: Hub) -> None:
    hub.push_branch("alice", "side", {"README.md": "a branch with rules of its own"})
    number = hub.request_pull("alice", hub.grant())
    hub.approve(number, "bob")
    hub.approve(number, "dave")
    hub.api("alice", "PATCH", f"/repos/{REPOSITORY}/pulls/{number}", {"base": "side"})
    said = hub.run("gate", str(number), expect=None)
    assert said.code != 0
    assert hub.pull(number)["merged"] is False
    merge_by_hand(hub, number)
    hub.run("apply", expect=None)
    assert held(hub) == set()


@pytest.mark.parametrize("method", ["squash", "merge", "rebase"])
def test_a_merge_by_an_administrator_without_approvals_gives_nothing(hub: Hub, method: str) -> None:
    number = hub.request_pull("alice", hub.grant())
    merge_by_hand(hub, number, method=method)
    assert "1 approval from" in refused(hub, "evidence-missing")


@pytest.mark.parametrize("method", ["squash", "merge"])
def test_a_merge_by_hand_with_every_approval_is_what_was_approved(hub: Hub, method: str) -> None:
    number = hub.request_pull("alice", hub.grant())
    hub.approve(number, "bob")
    hub.approve(number, "dave")
    merge_by_hand(hub, number, method=method)
    hub.run("apply")
    assert held(hub) == {"alice"}


def test_an_approval_that_was_dismissed_before_the_merge_is_none(hub: Hub) -> None:
    number = hub.request_pull("alice", hub.grant())
    review = hub.approve(number, "bob")
    hub.approve(number, "dave")
    path = f"/repos/{REPOSITORY}/pulls/{number}/reviews/{review}/dismissals"
    hub.api("olga", "PUT", path, {"message": "too early"})
    assert "1 approval from owners" in waits(hub, number)
    merge_by_hand(hub, number)
    refused(hub, "evidence-missing")


def test_an_approval_that_was_dismissed_after_the_merge_was_there_when_it_counted(hub: Hub) -> None:
    number = hub.request_pull("alice", hub.grant())
    review = hub.approve(number, "bob")
    hub.approve(number, "dave")
    hub.run("gate", str(number))
    hub.double.advance(seconds=5)
    path = f"/repos/{REPOSITORY}/pulls/{number}/reviews/{review}/dismissals"
    hub.api("olga", "PUT", path, {"message": "too late"})
    hub.run("apply")
    assert held(hub) == {"alice"}


def test_a_rejection_that_others_dismiss_still_stands(hub: Hub) -> None:
    number = hub.request_pull("alice", hub.grant())
    rejection = hub.review(number, "carol", "REQUEST_CHANGES", body="no")
    hub.approve(number, "bob")
    hub.approve(number, "dave")
    path = f"/repos/{REPOSITORY}/pulls/{number}/reviews/{rejection}/dismissals"
    hub.api("olga", "PUT", path, {"message": "never mind"})
    assert "carol rejected it" in waits(hub, number)


def test_a_review_on_an_older_commit_does_not_count(hub: Hub) -> None:
    """https://docs.github.com/en/rest/pulls/reviews: a review may be given on any commit of the request."""
    number = hub.request_pull("alice", hub.grant(), branch="wish")
    first = hub.pull(number)["head"]["sha"]
    (path,) = [f for f in hub.bare("ls-tree", "-r", "--name-only", "wish", "grants/").splitlines() if "alice" in f]
    hub.push_branch("alice", "wish", {path: hub.grant(role="admin", duration="1h")})
    hub.review(number, "bob", commit=first)
    hub.approve(number, "dave")
    assert f"it was given on {first[:12]}" in waits(hub, number)


def test_a_bot_that_approves_is_no_person(hub: Hub) -> None:
    number = hub.request_pull("alice", hub.grant())
    hub.approve(number, "app")
    hub.approve(number, "dave")
    assert "is no person" in waits(hub, number)


def test_a_request_of_a_workflows_own_token_is_nobodys(hub: Hub) -> None:
    """Whoever can write a workflow on a branch can have github-actions[bot] open a request in the name of an issue."""
    hub.api("alice", "POST", f"/repos/{REPOSITORY}/issues", {"title": "please", "body": "x"})
    hub.push_branch(
        "bob", "daypass/issue-1", {"grants/orders-db/x.yaml": hub.grant(subject="alice", role="admin", duration="1h")}
    )
    token = hub.double.actions_token(hub.repo, {"pull_requests": "write", "contents": "read"})
    made = hub.api(
        token, "POST", f"/repos/{REPOSITORY}/pulls", {"title": "t", "head": "daypass/issue-1", "base": "main"}
    )
    number = int(made["number"])
    hub.approve(number, "bob")
    hub.approve(number, "dave")
    said = waits(hub, number)
    assert "whom the directory does not know" in said
    merge_by_hand(hub, number)
    said = hub.run("apply", expect=14)
    assert held(hub) == set()


def test_a_receipt_names_who_acted_by_the_number_of_their_account_as_well(hub: Hub) -> None:
    number = hub.request_pull("alice", hub.grant())
    hub.approve(number, "bob")
    hub.approve(number, "dave")
    hub.run("gate", str(number))
    hub.run("apply")
    envelope = json.loads(hub.bare("show", "daypass-ledger:receipts/000/000/001.json"))
    proof = json.loads(base64.b64decode(envelope["payload"]))["predicate"]["body"]
    ids = {who: int(hub.api(who, "GET", "/user")["id"]) for who in ("alice", "bob", "dave")}
    assert {(one["by"], one["number"]) for one in proof["approvals"]} == {("bob", ids["bob"]), ("dave", ids["dave"])}
    assert {(one["by"], one["number"]) for one in proof["acts"]} == {("alice", ids["alice"])}
