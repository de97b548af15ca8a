"""Looking at all open pull requests at once: a hundred a call, none left out, and none taken for known that is not."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from github_world import AT, BOT, World, directory

from daypass.core.errors import EdgeError
from daypass.edges.forges.github.sweep import GitHubSweep

LATER = AT + timedelta(hours=1)


def sweep(world: World) -> GitHubSweep:
    return GitHubSweep(world.api("app"), directory(), BOT)


def look(world: World, at=AT, *, after: int = 3, **other: str):
    world.double.advance(seconds=after)
    found = sweep(world)
    return found, found.look(other.get("main", world.main()), "daypass-ledger", other.get("program", "p"), at)


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
    found.keep({one.number: LATER for one in seen}, main=world.main())
    _, again = look(world)
    assert all(one.known for one in again)


def test_what_was_kept_holds_for_that_main_and_program_and_until_its_instant(world: World) -> None:
    number = world.opened("alice")
    found, _ = look(world)
    found.keep({number: LATER}, main=world.main())
    assert look(world)[1][0].known
    assert not look(world, LATER)[1][0].known
    assert not look(world, program="another")[1][0].known
    assert not look(world, main="0" * 40)[1][0].known
    found, _ = look(world, main="0" * 40)
    before = len(world.double.calls)
    found.keep({number: LATER}, main="0" * 40)  # main moved while it ran
    assert len(world.double.calls) == before


def test_what_has_just_changed_may_change_in_the_same_second_and_is_looked_at_again(world: World) -> None:
    number = world.opened("alice")
    found, _ = look(world, after=0)
    found.keep({number: LATER}, main=world.main())
    assert not look(world)[1][0].known


@pytest.mark.parametrize("missing", ["main", "checkSuites", "checkRuns", "databaseId"])
def test_a_record_that_github_does_not_show_is_none(world: World, monkeypatch, missing: str) -> None:
    number = world.opened("alice")
    found, _ = look(world)
    found.keep({number: LATER}, main=world.main())
    found = sweep(world)
    send = found._api.send
    monkeypatch.setattr(found._api, "send", lambda *asked, **more: without(send(*asked, **more), missing))
    assert not found.look(world.main(), "daypass-ledger", "p", AT)[0].known


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
    found.keep({number: LATER}, main=world.main())
    found, _ = look(world)
    before = len(world.double.calls)
    found.keep({}, main=world.main())
    assert len(world.double.calls) == before
    (run,) = world.repo.checks.values()
    assert (run.name, run.conclusion) == ("daypass gate", "neutral")


@pytest.mark.parametrize("text", ["", "[]", "{", '{"grounds": 1}', '{"requests": {"1": 2}}', None])
def test_a_record_that_makes_no_sense_is_none(world: World, text: str | None) -> None:
    number = world.opened("alice")
    found, _ = look(world)
    found.keep({number: LATER}, main=world.main())
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
        found.look(world.main(), "daypass-ledger", "p", AT)
