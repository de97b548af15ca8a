"""Looking at all open pull requests at once: a hundred a call, none left out, and none taken for known that is not."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from github_world import AT, BOT, World, directory

from daypass.core.errors import EdgeError
from daypass.core.forge import Basis, Quiet
from daypass.core.ids import ABSENT
from daypass.edges.forges.github.sweep import GitHubSweep

LATER = AT + timedelta(hours=1)
QUIET = Quiet(LATER, frozenset({"orders-db", "0123456789ab"}))


def sweep(world: World) -> GitHubSweep:
    return GitHubSweep(world.api("app"), directory(), BOT)


def anything(_: Basis) -> None:
    """Of what came since nothing can be told."""


def look(world: World, at=AT, *, after: int = 3, moved=anything, **other: str):
    world.double.advance(seconds=after)
    found = sweep(world)
    return found, found.look(other.get("main", world.main()), "daypass-ledger", other.get("program", "p"), at, moved)


def basis(world: World) -> Basis:
    return Basis("p", world.main(), ABSENT, -1, "")


def test_a_hundred_are_looked_at_a_call_and_none_is_left_out(world: World) -> None:
    head = world.push("alice", "wanted")
    for n in range(101):
        world.bare("update-ref", f"refs/heads/wanted-{n}", head)
        world.open_branch("alice" if n % 2 else "dora", f"wanted-{n}")
    before = len(world.double.calls)
    found, seen = look(world)
    asked = [call for call in world.double.calls[before:] if call.path == "/graphql"]
    assert (len(asked), len(seen), len({one.number for one in seen})) == (2, 101, 101)
    assert {one.opened_by.handle for one in seen} == {"alice", ""}
    assert not any(one.known for one in seen)
    found.keep({one.number: QUIET for one in seen}, basis(world))
    _, again = look(world)
    assert all(one.known for one in again)


def test_what_was_kept_holds_for_that_main_and_program_and_until_its_instant(world: World) -> None:
    number = world.opened("alice")
    found, _ = look(world)
    found.keep({number: QUIET}, basis(world))
    assert look(world)[1][0].known
    assert not look(world, LATER)[1][0].known
    assert not look(world, program="another")[1][0].known
    assert not look(world, main="0" * 40)[1][0].known
    found, _ = look(world, main="0" * 40)
    before = len(world.double.calls)
    found.keep({number: QUIET}, basis(world))  # main moved while it ran
    assert len(world.double.calls) == before


def land(world: World) -> None:
    world.double.seed(world.repo, {"grants/payroll/a.yaml": f"{world.main()}\n"})


def test_where_main_went_on_what_nothing_is_about_that_came_is_known(world: World) -> None:
    number, other = world.opened("alice"), world.opened("carol", "other")
    found, _ = look(world)
    then = basis(world)
    found.keep({number: QUIET, other: Quiet(LATER, None)}, then)
    land(world)
    asked: list[Basis] = []

    def told(*names: str):
        return lambda since: asked.append(since) or frozenset(names)

    assert [one.known for one in look(world, moved=told("payroll", "fedcba987654"))[1]] == [True, False]
    assert asked == [then]
    for name in QUIET.on:
        assert not look(world, moved=told("payroll", name))[1][0].known
    assert not look(world)[1][0].known
    assert not look(world, LATER, moved=told())[1][0].known
    assert not look(world, program="another", moved=told())[1][0].known


def test_what_is_known_still_is_kept_on_and_what_is_not_is_not(world: World) -> None:
    """By the record of before, which stays where it is: of what was looked at meanwhile nothing in it holds."""
    numbers = [world.opened(who, who) for who in ("alice", "carol")]
    found, _ = look(world)
    found.keep({numbers[0]: QUIET, numbers[1]: Quiet(LATER, frozenset({"payroll"}))}, basis(world))
    land(world)
    found, seen = look(world, moved=lambda _: frozenset({"payroll"}))
    assert [one.known for one in seen] == [True, False]
    third = world.opened("dora", "third")
    found, _ = look(world, moved=lambda _: frozenset({"payroll"}))
    found.keep({third: QUIET}, basis(world))
    assert [one.known for one in look(world)[1]] == [True, False, True]
    assert len(world.repo.checks) == 2


def test_more_than_a_check_run_has_room_for_is_not_kept(world: World) -> None:
    number, other = world.opened("alice"), world.opened("carol", "other")
    found, _ = look(world)
    found.keep({number: QUIET, other: Quiet(LATER, frozenset({"x" * 65_000}))}, basis(world))
    assert [one.known for one in look(world)[1]] == [True, False]


def test_what_has_just_changed_may_change_in_the_same_second_and_is_looked_at_again(world: World) -> None:
    number = world.opened("alice")
    found, _ = look(world, after=0)
    found.keep({number: QUIET}, basis(world))
    assert not look(world)[1][0].known


def test_what_changed_as_the_first_page_was_told_may_change_once_more_while_the_others_are(world: World) -> None:
    head = world.push("alice", "wanted")
    numbers = []
    for n in range(101):
        world.bare("update-ref", f"refs/heads/wanted-{n}", head)
        numbers.append(world.open_branch("alice", f"wanted-{n}"))
    found = sweep(world)
    world.double.advance(seconds=3)
    world.ask("alice", "PATCH", f"/pulls/{numbers[0]}", {"title": "another"})
    asked = found._ask

    def slow(variables):
        answer = asked(variables)
        world.double.advance(seconds=5)
        return answer

    found._ask = slow
    seen = found.look(world.main(), "daypass-ledger", "p", AT, anything)
    found.keep({one.number: QUIET for one in seen}, basis(world))
    assert [one.number for one in look(world)[1] if not one.known] == numbers[:1]


def elsewhere(world: World, number: int) -> None:
    """Have a request approved while its base is another branch than main."""
    world.bare("branch", "--force", "other", "main")
    world.ask("alice", "PATCH", f"/pulls/{number}", {"base": "other"})
    world.double.advance(seconds=1)
    world.reviewed(number, "bob")
    world.double.advance(seconds=1)
    world.ask("alice", "PATCH", f"/pulls/{number}", {"base": "main"})


def forced(world: World, number: int) -> None:
    world.push("alice", "wanted", {"grants/other.yaml": "other\n"}, force=True)


def dismissed(world: World, number: int) -> None:
    world.reviewed(number, "bob", "COMMENT")
    review = next(one.id for one in world.repo.pulls[number].reviews if one.state == "APPROVED")
    world.ask("alice", "PUT", f"/pulls/{number}/reviews/{review}/dismissals", {"message": "no"})


@pytest.mark.parametrize("when", ["before the sweep", "before it is read", "before its reviews are read"])
@pytest.mark.parametrize("happens", [elsewhere, forced, dismissed])
def test_no_sweep_hides_what_takes_an_approval_back(world: World, when: str, happens) -> None:
    """But for a head that moves once it was read: the merge of what was read is refused then."""
    number = world.opened("alice")
    world.double.advance(seconds=5)
    world.reviewed(number, "carol")
    world.double.advance(seconds=5)
    api = world.api("app")
    forge = world.forge()
    forge._api = api
    for place, step in {
        "before the sweep": lambda: GitHubSweep(api, directory(), BOT).look(world.main(), "l", "p", AT, anything),
        "before it is read": lambda: forge.pull(number),
        "before its reviews are read": lambda: None,
    }.items():
        if place == when:
            happens(world, number)
            world.double.advance(seconds=5)
        step()
    if (happens, when) != (forced, "before its reviews are read"):
        assert forge.reviews(number) == world.forge().reviews(number)
        assert any(one.void or one.state == "withdrawn" for one in forge.reviews(number))


@pytest.mark.parametrize("after", [0, 5])
def test_where_a_sweep_shows_that_nothing_was_taken_back_the_events_are_not_asked_for(world: World, after: int) -> None:
    """Unless that was in the second in which the request changed last: in that something more may have happened."""
    number = world.opened("alice")
    world.double.advance(seconds=5)
    world.reviewed(number, "bob")
    world.double.advance(seconds=after)
    api = world.api("app")
    forge = world.forge()
    forge._api = api
    GitHubSweep(api, directory(), BOT).look(world.main(), "l", "p", AT, anything)
    forge.pull(number)
    start = len(world.double.calls)
    (review,) = forge.reviews(number)
    asked = [call for call in world.double.calls[start:] if call.path.endswith("/events")]
    assert (review.state, review.void, len(asked)) == ("approved", "", 0 if after else 1)


@pytest.mark.parametrize("missing", ["main", "history", "checkSuites", "checkRuns", "databaseId"])
def test_a_record_that_github_does_not_show_is_none(world: World, monkeypatch, missing: str) -> None:
    number = world.opened("alice")
    found, _ = look(world)
    found.keep({number: QUIET}, basis(world))
    found = sweep(world)
    send = found._api.send
    monkeypatch.setattr(found._api, "send", lambda *asked, **more: without(send(*asked, **more), missing))
    assert not found.look(world.main(), "daypass-ledger", "p", AT, anything)[0].known


def without(told, name: str):
    """Return an answer that has null in every place of a name, but in those of pull requests."""
    if isinstance(told, list):
        return [without(one, name) for one in told]
    if not isinstance(told, dict):
        return told
    return {
        key: None if key == name else one if key == "pullRequests" else without(one, name) for key, one in told.items()
    }


def test_nothing_is_written_where_nothing_is_new(world: World) -> None:
    number = world.opened("alice")
    found, _ = look(world)
    found.keep({number: QUIET}, basis(world))
    found, _ = look(world)
    before = len(world.double.calls)
    found.keep({}, basis(world))
    assert len(world.double.calls) == before
    (run,) = world.repo.checks.values()
    assert (run.name, run.conclusion) == ("daypass gate", "neutral")


@pytest.mark.parametrize("text", ["", "[]", "{", '{"program": 1}', '{"requests": {"1": 2}}', None])
def test_a_record_that_makes_no_sense_is_none(world: World, text: str | None) -> None:
    number = world.opened("alice")
    found, _ = look(world)
    found.keep({number: QUIET}, basis(world))
    (run,) = world.repo.checks.values()
    told = json.loads(run.output["text"])
    run.output["text"] = text if text != '{"requests": {"1": 2}}' else json.dumps({**told, "requests": {"1": 2}})
    assert not look(world)[1][0].known


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda told: told["data"]["repository"]["pullRequests"]["nodes"].append(None), "some of them are missing"),
        (lambda told: told["data"]["repository"]["pullRequests"]["nodes"].clear(), "some of them are missing"),
        (lambda told: told["data"]["repository"]["pullRequests"].update(nodes=None), "some of them are missing"),
        (
            lambda told: told.update(errors=[{"type": "RATE_LIMITED", "message": "API rate limit exceeded"}]),
            "rate limit",
        ),
        (lambda told: told["data"].update(repository=None), "its answer makes no sense"),
        (lambda told: told["data"]["repository"].update(nameWithOwner="acme/other"), "is called acme/other now"),
        (
            lambda told: told["data"]["repository"]["pullRequests"].update(
                pageInfo={"hasNextPage": True, "endCursor": None}
            ),
            "endCursor",
        ),
    ],
)
def test_an_answer_that_is_short_is_an_error_and_no_shorter_list(world: World, monkeypatch, spoil, why: str) -> None:
    world.opened("alice")
    found = sweep(world)
    send = found._api.send

    def sent(method, path, body=None, **more):
        answer = send(method, path, body, **more)
        if path == "/graphql":
            spoil(answer)
        return answer

    monkeypatch.setattr(found._api, "send", sent)
    with pytest.raises(EdgeError, match=why):
        found.look(world.main(), "daypass-ledger", "p", AT, anything)
