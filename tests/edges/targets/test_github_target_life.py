"""Grants on the GitHub target through whole runs: offers, their acceptance and their end, and what a run costs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.test_github import TestGitHub as Contract
from conformance.world import World
from daypass.core.errors import ExitCode
from daypass.core.plan import Action, Reason
from daypass.edges.targets.github.organisation import INVITED
from github_double.rest import people as endpoints


@pytest.fixture
def bench() -> Iterator[Contract]:
    made = Contract()
    made.places = {}
    yield made
    for place in made.places.values():
        place.close()


@pytest.fixture
def world(tmp_path: Path, bench: Contract) -> World:
    """alice of the example is a person outside of the organisation."""
    made = World(tmp_path / "life", bench)
    del bench.place(made.place).org.members[700_001]
    return made


def test_an_offer_is_told_once_awaited_in_silence_and_becomes_ours_when_accepted(world: World, bench: Contract) -> None:
    world.grant(-120, 60)
    done = world.apply(-119)
    assert done.exit_code is ExitCode.PARTIAL
    assert [(o.ok, o.error) for o in done.outcomes] == [(False, INVITED)]
    assert world.ours() == world.held() == set()
    written, hub = len(world.bodies()), bench.place(world.place).hub
    for minutes in (-118, -117, -60):
        hub.calls.clear()
        done = world.apply(minutes)
        assert (done.exit_code, done.outcomes) == (ExitCode.OK, [])
        assert done.survey.plan.offered == (bench.one(),)
        assert not [call for call in hub.calls if call.method == "PUT"]
    assert len(world.bodies()) == written
    assert not bench.enters(world.place, bench.one(), "")
    place = bench.place(world.place)
    endpoints.accept(place.hub, place.hub.repositories["acme/app"], place.hub.accounts[700_001])
    assert bench.enters(world.place, bench.one(), "")
    done = world.apply(-30)
    assert [(o.ok, o.recovered) for o in done.outcomes] == [(True, True)]
    assert world.ours() == world.held() == {bench.one()}
    world.apply(61)
    assert not bench.enters(world.place, bench.one(), "")
    world.settled(62)


def test_an_offer_that_nobody_accepted_is_withdrawn_at_the_end(world: World, bench: Contract) -> None:
    world.grant(-120, 60)
    world.apply(-119)
    done = world.apply(61)
    assert [(o.change.action, o.change.reason, o.ok) for o in done.outcomes] == [(Action.REMOVE, Reason.EXPIRED, True)]
    place = bench.place(world.place)
    assert endpoints.invitations(place.hub, place.hub.repositories["acme/app"]) == {}
    (last,) = world.apply(62).outcomes
    assert (last.change.action, last.recovered, last.error) == (
        Action.ADD,
        True,
        "it is not there, and not offered",
    )
    assert world.apply(63).outcomes == []
    world.settled(64)


def test_an_offer_of_a_grant_that_was_ended_is_withdrawn(world: World, bench: Contract) -> None:
    grant = world.grant(-120, 60)
    world.apply(-119)
    world.end(grant, -100)
    done = world.apply(-99)
    assert [(o.change.reason, o.ok) for o in done.outcomes] == [(Reason.GRANT_REMOVED, True)]
    place = bench.place(world.place)
    assert endpoints.invitations(place.hub, place.hub.repositories["acme/app"]) == {}


def test_an_offer_that_cannot_be_withdrawn_is_not_recorded_as_gone(world: World, bench: Contract) -> None:
    world.grant(-120, 60)
    world.apply(-119)
    faults = bench.place(world.place).hub.faults
    faults.add("DELETE", "/repos/.*", status=422, body={"message": "not today"})
    done = world.apply(61)
    assert [(o.ok, "not today" in o.error) for o in done.outcomes] == [(False, True)]
    assert [o.ok for o in world.apply(62).outcomes if not o.recovered] == [True]
    world.apply(63)
    world.settled(64)


def test_an_offer_that_ran_out_is_made_again_while_the_window_lasts(world: World, bench: Contract) -> None:
    world.grant(-120, 60)
    world.apply(-119)
    place = bench.place(world.place)
    endpoints.expire(place.hub, place.hub.repositories["acme/app"], place.hub.accounts[700_001])
    done = world.apply(-60)
    assert [o.error for o in done.outcomes] == [INVITED]


def test_an_offer_of_somebody_else_is_left_and_not_made_ours(world: World, bench: Contract) -> None:
    place = bench.place(world.place)
    bench.make(world.place).carry_out([bench.order(bench.one())])
    world.grant(-120, 60)
    done = world.apply(-119)
    assert (done.outcomes, done.survey.plan.offered) == ([], (bench.one(),))
    assert world.apply(61).outcomes == []
    assert len(endpoints.invitations(place.hub, place.hub.repositories["acme/app"])) == 1


def test_a_run_that_died_after_the_invitation_finds_its_own_offer(world: World, bench: Contract) -> None:
    from conformance.world import Around, Killed

    def die() -> None:
        raise Killed

    world.grant(-120, 60)
    with pytest.raises(Killed):
        world.apply(-119, lambda target: Around(target, lambda: None, die))
    assert world.apply(-118).outcomes == []
    assert [(o.change.action, o.ok) for o in world.apply(61).outcomes] == [(Action.REMOVE, True)]
    world.apply(62)
    world.settled(63)
