"""Issues, comments and labels behave as GitHub documents them.

https://docs.github.com/en/rest/issues and
https://docs.github.com/en/organizations/managing-user-access-to-your-organizations-repositories/managing-repository-roles/repository-roles-for-an-organization
"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

ISSUES = "/repos/acme/access/issues"


def opened(visitor, title="A question", **more):
    return visitor.send("POST", ISSUES, {"title": title, **more}, expect=201)["number"]


def test_whoever_reads_opens_issues_and_cannot_label_them(world, visit):
    rita = visit(world.rita)
    number = opened(rita, body="please", labels=["daypass"], assignees=["bob"])
    found = visit(world.alice).get(f"{ISSUES}/{number}")
    assert (found["user"]["id"], found["labels"], found["assignees"], found["state"]) == (103, [], [], "open")
    assert "pull_request" not in found


def test_whoever_writes_labels_with_words_that_were_not_there(world, visit):
    alice = visit(world.alice)
    number = opened(alice, labels=["daypass", "daypass: waiting"])
    assert [one["name"] for one in alice.get(f"{ISSUES}/{number}")["labels"]] == ["daypass", "daypass: waiting"]
    assert {one["name"] for one in alice.get("/repos/acme/access/labels")} == {"daypass", "daypass: waiting"}


def test_numbers_are_of_one_row_with_pull_requests(world, visit):
    alice = visit(world.alice, clone=world.repo)
    first = opened(alice)
    pull = alice.propose(world.repo, "change", {"README.md": "other\n"})
    assert (first, pull, opened(alice)) == (1, 2, 3)
    listed = {one["number"]: "pull_request" in one for one in alice.get(ISSUES)}
    assert listed == {1: False, 2: True, 3: False}
    assert alice.get(f"{ISSUES}/2")["pull_request"]["merged_at"] is None


def test_lists_are_chosen_by_state_labels_creator_and_time(hub, world, visit):
    hub.clock = datetime(2026, 11, 20, 8, tzinfo=UTC)
    alice, bob = visit(world.alice), visit(world.bob)
    one = opened(alice, labels=["a", "b"])
    two = opened(bob, labels=["a"])
    hub.advance(hours=1)
    three = opened(bob)
    alice.send("PATCH", f"{ISSUES}/{three}", {"state": "closed"})

    def numbers(**query):
        return [each["number"] for each in alice.get(ISSUES, **query)]

    assert numbers() == [two, one]
    assert numbers(state="all", direction="asc") == [one, two, three]
    assert numbers(state="closed") == [three]
    assert numbers(labels="a,b") == [one]
    assert numbers(creator="bob") == [two]
    assert numbers(state="all", since="2026-11-20T08:30:00Z") == [three]
    assert bob.ask("GET", ISSUES, since="yesterday").status_code == 422


def test_lists_come_in_pages(world, visit):
    alice = visit(world.alice)
    for _ in range(5):
        opened(alice)
    answer = alice.ask("GET", ISSUES, per_page=2, page=2)
    assert [one["number"] for one in answer.json()] == [3, 2]
    assert set(answer.links) == {"next", "last", "prev", "first"}


def test_an_author_changes_the_text_and_others_need_to_write(world, visit, hub):
    rita, bob = visit(world.rita), visit(world.bob)
    world.repo.collaborate(tina := hub.user("tina", 104), "triage")
    number = opened(rita, body="first")
    rita.send("PATCH", f"{ISSUES}/{number}", {"body": "second"})
    bob.send("PATCH", f"{ISSUES}/{number}", {"title": "Another title"})
    other = opened(bob)
    assert rita.ask("PATCH", f"{ISSUES}/{other}", {"body": "mine"}).status_code == 403
    assert visit(tina).ask("PATCH", f"{ISSUES}/{other}", {"title": "mine"}).status_code == 403
    visit(tina).send("PATCH", f"{ISSUES}/{other}", {"state": "closed", "state_reason": "not_planned"})
    found = bob.get(f"{ISSUES}/{other}")
    assert (found["state"], found["state_reason"], found["closed_by"]["id"]) == ("closed", "not_planned", 104)
    events = bob.get(f"{ISSUES}/{number}/events")
    assert [(e["event"], e["rename"]["from"]) for e in events] == [("renamed", "A question")]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422), ({"title": " "}, 422), ({"title": "x" * 257}, 422), ({"title": "x", "body": "y" * 65537}, 422),
        ({"title": "x", "labels": ["z" * 51]}, 422), ({"title": "x", "body": "y" * 65536}, 201),
    ],
)  # fmt: skip
def test_limits_of_an_issue(world, visit, body, status):
    assert visit(world.alice).ask("POST", ISSUES, body).status_code == status


def test_issues_that_are_switched_off_are_gone(world, visit):
    world.repo.extras["has_issues"] = False
    assert visit(world.alice).ask("POST", ISSUES, {"title": "x"}).status_code == 410


def test_closing_and_reopening_are_told(world, visit, hub):
    alice = visit(world.alice)
    number = opened(alice)
    for state in ("closed", "open"):
        alice.send("PATCH", f"{ISSUES}/{number}", {"state": state})
    assert [(e.name, e.action) for e in hub.events] == [
        ("issues", "opened"),
        ("issues", "closed"),
        ("issues", "reopened"),
    ]
    assert alice.ask("PATCH", f"{ISSUES}/{number}", {"state": "half"}).status_code == 422
    assert alice.get(f"{ISSUES}/{number}")["closed_at"] is None


def test_a_pull_request_is_closed_and_labelled_as_an_issue(world, visit):
    alice = visit(world.alice, clone=world.repo)
    number = alice.propose(world.repo, "change", {"README.md": "other\n"})
    alice.send("POST", f"{ISSUES}/{number}/labels", {"labels": ["daypass: waiting"]})
    assert [one["name"] for one in alice.get(f"/repos/acme/access/pulls/{number}")["labels"]] == ["daypass: waiting"]
    alice.send("PATCH", f"{ISSUES}/{number}", {"state": "closed"})
    assert alice.get(f"/repos/acme/access/pulls/{number}")["state"] == "closed"


# -- comments -----------------------------------------------------------------------------------------------------------


def test_comments_are_listed_oldest_first_and_told(world, visit, hub):
    rita, bob = visit(world.rita), visit(world.bob)
    number = opened(bob)
    ids = [rita.send("POST", f"{ISSUES}/{number}/comments", {"body": text}, expect=201)["id"] for text in ("a", "b")]
    assert [c["id"] for c in bob.get(f"{ISSUES}/{number}/comments")] == ids
    assert bob.get(f"{ISSUES}/comments/{ids[0]}")["body"] == "a"
    told = hub.events[-1]
    assert (told.name, told.action, told.payload["comment"]["id"]) == ("issue_comment", "created", ids[1])
    assert told.payload["issue"]["comments"] == 2


def test_who_may_write_changes_and_deletes_what_others_said(world, visit):
    """So that nobody can tell by the author alone who wrote a comment's words."""
    rita, bob = visit(world.rita), visit(world.bob)
    number = opened(rita)
    theirs = bob.send("POST", f"{ISSUES}/{number}/comments", {"body": "/end"})["id"]
    mine = rita.send("POST", f"{ISSUES}/{number}/comments", {"body": "/status"})["id"]
    assert rita.ask("PATCH", f"{ISSUES}/comments/{theirs}", {"body": "/extend 8h"}).status_code == 403
    assert rita.ask("DELETE", f"{ISSUES}/comments/{theirs}").status_code == 403
    changed = bob.send("PATCH", f"{ISSUES}/comments/{mine}", {"body": "/extend 8h"})
    assert (changed["user"]["id"], changed["body"]) == (103, "/extend 8h")
    bob.send("DELETE", f"{ISSUES}/comments/{mine}", expect=204)
    assert bob.ask("GET", f"{ISSUES}/comments/{mine}").status_code == 404


@pytest.mark.parametrize("text", ["", "  \n", "x" * 65537])
def test_a_comment_says_something_and_not_too_much(world, visit, text):
    alice = visit(world.alice)
    number = opened(alice)
    assert alice.ask("POST", f"{ISSUES}/{number}/comments", {"body": text}).status_code == 422
    assert alice.ask("POST", f"{ISSUES}/{number}/comments", {"body": "x" * 65536}).status_code == 201


def test_a_locked_conversation_is_for_those_who_write(world, visit):
    alice = visit(world.alice)
    number = opened(alice)
    world.repo.issues[number].locked = True
    assert visit(world.rita).ask("POST", f"{ISSUES}/{number}/comments", {"body": "x"}).status_code == 403
    assert alice.ask("POST", f"{ISSUES}/{number}/comments", {"body": "x"}).status_code == 201


def test_a_token_for_pull_requests_says_nothing_on_issues(world, visit, hub):
    alice = visit(world.alice, clone=world.repo)
    issue, pull = opened(alice), alice.propose(world.repo, "change", {"README.md": "other\n"})
    job = visit(hub.actions_token(world.repo, {"pull-requests": "write"}))
    said = job.send("POST", f"{ISSUES}/{pull}/comments", {"body": "hello"}, expect=201)
    assert said["user"]["login"] == "github-actions[bot]"
    assert said["performed_via_github_app"]["id"] == 15368
    assert job.ask("POST", f"{ISSUES}/{issue}/comments", {"body": "hello"}).status_code == 403
    other = visit(hub.actions_token(world.repo, {"issues": "read"}))
    assert other.ask("POST", f"{ISSUES}/{issue}/comments", {"body": "hello"}).status_code == 403


# -- labels -------------------------------------------------------------------------------------------------------------


def test_labels_are_added_replaced_and_removed_and_each_change_is_told(world, visit):
    alice = visit(world.alice)
    number = opened(alice)
    path = f"{ISSUES}/{number}/labels"
    alice.send("POST", path, {"labels": ["a", "b"]})
    alice.send("POST", path, {"labels": ["b", "c"]})
    assert [one["name"] for one in alice.send("PUT", path, {"labels": ["c", "d"]})] == ["c", "d"]
    assert [one["name"] for one in alice.send("DELETE", f"{path}/C")] == ["d"]
    assert alice.ask("DELETE", f"{path}/c").json()["message"] == "Label does not exist"
    told = [(e["event"], e["label"]["name"]) for e in alice.get(f"{ISSUES}/{number}/events")]
    assert told == [
        ("labeled", "a"), ("labeled", "b"), ("labeled", "c"), ("labeled", "d"), ("unlabeled", "a"), ("unlabeled", "b"),
        ("unlabeled", "c"),
    ]  # fmt: skip


def test_labels_of_the_repository_are_made_by_writers_and_once(world, visit, hub):
    alice, rita = visit(world.alice), visit(world.rita)
    made = alice.send("POST", "/repos/acme/access/labels", {"name": "Daypass", "color": "00ff00"}, expect=201)
    assert alice.get("/repos/acme/access/labels/daypass")["id"] == made["id"]
    assert alice.ask("POST", "/repos/acme/access/labels", {"name": "dayPASS"}).status_code == 422
    assert rita.ask("POST", "/repos/acme/access/labels", {"name": "x"}).status_code == 403
    number = opened(alice)
    assert rita.ask("POST", f"{ISSUES}/{number}/labels", {"labels": ["daypass"]}).status_code == 403
    world.repo.collaborate(tina := hub.user("tina", 104), "triage")
    triage = visit(tina)
    assert triage.ask("POST", f"{ISSUES}/{number}/labels", {"labels": ["new"]}).status_code == 403
    assert triage.send("POST", f"{ISSUES}/{number}/labels", {"labels": ["DAYPASS"]})[0]["name"] == "Daypass"


def test_an_issue_bears_at_most_a_hundred_labels(world, visit):
    alice = visit(world.alice)
    number = opened(alice)
    alice.send("PUT", f"{ISSUES}/{number}/labels", {"labels": [f"l{n}" for n in range(100)]})
    assert alice.ask("POST", f"{ISSUES}/{number}/labels", {"labels": ["more"]}).status_code == 422
    assert len(alice.get(f"{ISSUES}/{number}/labels", per_page=100)) == 100


@pytest.mark.parametrize("path", ["/99", "/99/comments", "/99/labels", "/99/events", "/comments/99"])
def test_what_is_not_there_is_not_found(world, visit, path):
    assert visit(world.alice).ask("GET", f"{ISSUES}{path}").status_code == 404
