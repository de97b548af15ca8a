"""What each kind of account at GitHub means: the table in docs/trust.md, row by row."""

from __future__ import annotations

import pytest
from github_world import BOT, World, directory

from daypass.core.approval.exclusion import excluded_people
from daypass.core.errors import EdgeError
from daypass.core.forge import Account
from daypass.edges.forges.github.answers import account_of

ALICE = Account("alice", "Alice", number=101)


def user(number: int, login: str = "somebody", kind: str = "User", **more: object) -> dict[str, object]:
    return {"id": number, "login": login, "type": kind, **more}


def test_a_known_account_is_the_person_that_the_directory_gives_its_id() -> None:
    assert account_of(user(101, "alice-ngo"), directory()) == ALICE


def test_a_renamed_account_stays_the_same_person(world: World) -> None:
    number = world.opened("alice")
    world.users["alice"].login = "alice-married"
    assert world.forge().pull(number).opened_by == ALICE


def test_a_reused_login_is_somebody_whom_nobody_knows(world: World) -> None:
    """Alice gave her login up; who took it must be neither her nor able to pass for her."""
    world.users["alice"].login = "alice-married"
    taker = world.double.user("alice-ngo", 999)
    world.repo.collaborate(taker, "write")
    world.tokens["taker"] = world.double.token(taker)
    pull = world.forge().pull(world.opened("taker"))
    assert pull.opened_by == Account("", "alice-ngo (id 999)")
    excluded = excluded_people(pull, [], "bob", directory())
    assert excluded.unresolved == (
        "pull request 1 was opened by 'alice-ngo (id 999)', whom the directory does not know",
    )
    assert set(excluded.people) == {"bob"}


def test_a_review_by_a_reused_login_is_nobodys(world: World) -> None:
    number = world.opened("alice")
    world.users["bob"].login = "bob-elsewhere"
    taker = world.double.user("bosei", 999)
    world.repo.collaborate(taker, "write")
    world.tokens["taker"] = world.double.token(taker)
    world.reviewed(number, "taker")
    assert [review.by for review in world.forge().reviews(number)] == [Account("", "bosei (id 999)")]


def test_a_deleted_account_is_nobody(world: World) -> None:
    number = world.opened("alice")
    world.reviewed(number, "bob")
    world.users["alice"].deleted = True
    world.users["bob"].deleted = True
    gone = Account("", "a deleted account", person=False)
    assert world.forge().pull(number).opened_by == gone
    assert [review.by for review in world.forge().reviews(number)] == [gone]
    assert account_of(None, directory()) == gone


@pytest.mark.parametrize("how", ["suspended", "deleted"])
def test_an_approval_of_an_account_that_github_shows_no_more_is_nobodys(world: World, how: str) -> None:
    number = world.opened("alice")
    world.reviewed(number, "bob")
    reviews = world.double.peek(f"/repos/acme/access/pulls/{number}/reviews").body
    setattr(world.users["bob"], how, True)
    world.double.faults.add("GET", f"/repos/acme/access/pulls/{number}/reviews", status=200, body=reviews)
    assert [review.by for review in world.forge().reviews(number)] == [
        Account("", "an account that GitHub shows no more (id 102)")
    ]


def test_whether_an_account_is_suspended_must_be_told(world: World) -> None:
    number = world.opened("alice")
    world.reviewed(number, "bob")
    world.double.faults.server_error("GET", "/user/102", times=9)
    with pytest.raises(EdgeError) as caught:
        world.forge().reviews(number)
    assert caught.value.message == "GitHub answered 502 to GET /user/102: Server Error"


def suspended(world: World, number: int) -> None:
    """As GitHub Enterprise Server tells it; github.com hides such an account instead (404)."""
    body = {**world.double.peek(f"/user/{number}").body, "suspended_at": "2026-11-20T09:00:00Z"}
    world.double.faults.add("GET", f"/user/{number}", status=200, body=body)


def test_a_suspended_account_approves_nothing(world: World) -> None:
    number = world.opened("alice")
    world.reviewed(number, "bob")
    suspended(world, 102)
    assert [review.by for review in world.forge().reviews(number)] == [Account("", "bosei (id 102, suspended)")]


def test_a_suspended_accounts_rejection_still_stands(world: World) -> None:
    number = world.opened("alice")
    world.reviewed(number, "bob", "REQUEST_CHANGES")
    suspended(world, 102)
    assert [(review.by.handle, review.state) for review in world.forge().reviews(number)] == [("bob", "rejected")]


def test_an_outside_collaborator_is_whom_the_directory_says_and_nobody_otherwise(world: World) -> None:
    """What GitHub thinks of an author (author_association) takes no part."""
    assert "carol" not in world.repo.collaborators  # a member of nothing but this repository
    number = world.opened("carol")
    assert world.forge().pull(number).opened_by == Account("carol", "Carol", number=103)
    assert world.forge().pull(world.opened("dora", "other")).opened_by == Account("", "dora-x (id 104)")


@pytest.mark.parametrize("kind", ["Bot", "Organization", "Mannequin", "Enterprise"])
def test_what_is_no_user_is_no_person_even_with_a_known_id(kind: str) -> None:
    assert account_of(user(101, "helper[bot]", kind), directory()) == Account("", "helper[bot] (id 101)", person=False)


def test_a_workflows_own_token_is_no_person(world: World) -> None:
    number = world.opened("alice")
    world.push("alice", "made-by-workflow")
    token = world.double.actions_token(world.repo, {"contents": "write", "pull-requests": "write"})
    world.tokens["workflow"] = token
    opened = world.open_branch("workflow", "made-by-workflow")
    pull = world.forge().pull(opened)
    assert pull.opened_by == Account("", "github-actions[bot] (id 41898282)", person=False)
    assert pull.origin == ""
    assert number != opened


def test_a_workload_of_the_directory_is_no_person() -> None:
    from daypass.core.catalogue import Directory, Subject

    known = Directory({"ci": Subject("ci", kind="workload", forge_id=7)}, {})
    assert account_of(user(7), known) == Account("ci", "ci", person=False, number=7)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("alice", "expected an account from GitHub, got 'alice'"),
        ([], "expected an account from GitHub, got []"),
        ({"login": "x"}, "expected an account with id, login and type from GitHub, got ['login']"),
        (user("101"), "expected an account with id, login and type from GitHub, got ['id', 'login', 'type']"),
        (user(True), "expected an account with id, login and type from GitHub, got ['id', 'login', 'type']"),
        (user(1, login=None), "expected an account with id, login and type from GitHub, got ['id', 'login', 'type']"),
        (user(1, kind=None), "expected an account with id, login and type from GitHub, got ['id', 'login', 'type']"),
    ],
)  # fmt: skip
def test_what_is_no_account_is_an_error(given: object, message: str) -> None:
    with pytest.raises(EdgeError) as caught:
        account_of(given, directory())
    assert caught.value.message == message


def test_who_acts_is_told(world: World) -> None:
    assert world.forge("alice").acting() == ALICE
    assert world.forge("dora").acting() == Account("", "dora-x (id 104)")
    assert world.forge("app").acting() == Account("", f"{BOT.login} (id {BOT.id})", person=False)
    assert world.forge("app", bot=None).acting() == Account("", f"the App {world.app.id}", person=False)
    assert world.forge("actions").acting() == Account("", "github-actions[bot] (id 41898282)", person=False)
