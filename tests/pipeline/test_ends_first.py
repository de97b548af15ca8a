"""Ends wait for no request: what receipts show as over is taken away before, and while, landings are proved."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from faults_world import FaultyWorld, on, two_targets

from daypass.core.errors import EdgeError, ExitCode
from daypass.core.window import parse_instant
from daypass.pipeline.apply.tidy import close_stale
from driver import Access
from fakes.target import FakeTarget


class Watched:
    """The real forge; ``asked`` is called before each question about a landing."""

    def __init__(self, forge: Any, asked: Callable[[], None]) -> None:
        self._forge = forge
        self._asked = asked

    def merged_as(self, commit: Any) -> Any:
        self._asked()
        return self._forge.merged_as(commit)

    def watch(self, conditions: Any) -> Any:
        self._asked()
        return self._forge.watch(conditions)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._forge, name)


@pytest.fixture
def world(access: Access) -> FaultyWorld:
    """Alice holds both targets from 10:05 to 12:05; a grant of carol's has landed since and is not proved yet."""
    made = two_targets(access)
    access.grant(on("10:00"), on("10:05"))
    access.grant(on("10:00"), on("10:05"), "--resource", "billing")
    made.apply("10:06")
    assert {e.target for e in made.held()} == {"embedded", "other"}
    access.grant(on("11:00"), on("11:05"), "--role", "admin", "--for", "1h")
    return made


def watched(world: FaultyWorld, asked: Callable[[], None]) -> Watched:
    return Watched(world.access.repo().forge, asked)


def readonly(world: FaultyWorld) -> set[str]:
    return {e.target for e in world.held() if "readonly" in e.privilege}


def test_what_has_ended_is_away_and_written_down_before_the_forge_is_asked_for_anything(world: FaultyWorld) -> None:
    seen: list[tuple[set[str], int]] = []
    forge = watched(world, lambda: seen.append((readonly(world), len(world.ours()))))
    done = world.apply("12:06", forge=forge)
    assert seen == [(set(), 0)]
    assert done.exit_code is ExitCode.OK
    assert {(o.change.action.value, o.ok) for o in done.outcomes} == {("remove", True)}
    assert {c.entitlement for c in done.survey.plan.changes} == {o.change.entitlement for o in done.outcomes}
    world.verify("12:07")


def test_what_has_ended_is_away_before_the_forge_is_asked_what_became_of_tasks(world: FaultyWorld) -> None:
    access = world.access
    name = access.grant(on("11:10"), on("11:15"), "--resource", "billing", "--for", "4h", "--reason", "another reason")
    world.apply("11:16")
    path = f"grants/{name}.yaml"
    access.write(path, (access.top / path).read_text() + "ends_when: {issue_closed: acme/orders#8}\n")
    access.commit("It ends with its task")
    world.apply("11:17")
    assert readonly(world) == {"embedded", "other"}
    seen: list[set[str]] = []
    world.apply("12:06", forge=watched(world, lambda: seen.append(readonly(world))))
    assert seen == [{"other"}]


def test_a_forge_that_cannot_be_read_leaves_no_end_undone(world: FaultyWorld) -> None:
    def gone() -> None:
        raise EdgeError("GitHub lists more than 1000 events")

    done = world.apply("12:06", forge=watched(world, gone))
    assert world.held() == world.ours() == set()
    assert done.exit_code is ExitCode.PARTIAL
    assert [found.message for found in done.survey.unproved] == ["GitHub lists more than 1000 events"]


def test_what_ends_while_proofs_are_gathered_is_taken_away_between_two_landings(world: FaultyWorld) -> None:
    world.access.grant(on("11:10"), on("11:15"), "--resource", "billing", "--for", "4h", "--reason", "another reason")
    minutes: list[int] = []
    seen: list[set[str]] = []

    def asked() -> None:
        seen.append(readonly(world))
        minutes.append(1)

    def clock() -> Any:  # 11:20 at first; the proof of each landing takes an hour
        return parse_instant(on("11:20")) + timedelta(hours=len(minutes))

    done = world.apply("11:20", forge=watched(world, asked), clock=clock)
    assert seen == [{"embedded", "other"}, set()]
    taken = [o for o in done.outcomes if o.ok and o.change.action.value == "remove"]
    assert {o.change.entitlement.target for o in taken} == {"embedded", "other"}
    world.verify("13:00")


def test_an_extension_that_landed_in_time_is_proved_before_its_old_end_takes_anything_away(
    world: FaultyWorld,
) -> None:
    target = world.targets["other"]
    assert isinstance(target, FakeTarget)
    (grant,) = (h.grants[0] for e, h in world.standing().holdings.items() if e.target == "other")
    said = world.access.run("extend", grant, "--for", "4h", "--at", on("11:30"), acting="alice")
    number = said.out.split("#", 1)[1].split(":", 1)[0]
    world.access.run("approve", number, "--at", on("11:31"), acting="bob")
    world.access.run("approve", number, "--at", on("11:31"), acting="dave")
    world.access.run("gate", number, "--at", on("11:32"))
    seen: list[set[str]] = []
    done = world.apply("12:06", forge=watched(world, lambda: seen.append(readonly(world))))
    assert "other" in seen[0]
    assert "embedded" not in seen[0]
    assert not [
        o for o in done.outcomes if o.change.entitlement.target == "other" and o.change.action.value == "remove"
    ]
    assert "other" in readonly(world)


def test_an_end_that_failed_at_first_is_tried_again_by_the_same_run_which_has_the_last_word(world: FaultyWorld) -> None:
    target = world.targets["other"]
    assert isinstance(target, FakeTarget)
    target.dials.fail_before_write = True

    def mended() -> None:
        target.dials.fail_before_write = False

    done = world.apply("12:06", forge=watched(world, mended))
    assert world.held() == set()
    assert done.exit_code is ExitCode.OK
    assert "other" in {o.change.entitlement.target for o in done.outcomes if o.ok}
    world.verify("12:07")


def test_a_target_that_cannot_be_reached_keeps_its_end_for_the_next_run_and_says_so(world: FaultyWorld) -> None:
    lost = world.targets["other"]
    world.targets["other"] = EdgeError("no route to other")
    done = world.apply("12:06")
    assert done.exit_code is ExitCode.PARTIAL
    assert done.survey.plan.unreadable == {"other": "no route to other"}
    world.targets["other"] = lost
    assert {e.target for e in world.held()} == {"other"}
    assert world.apply("12:08").exit_code is ExitCode.OK
    assert world.held() == set()


def test_tidying_stops_between_two_requests_when_something_ends_and_goes_on_in_the_next_run(access: Access) -> None:
    for number in range(3):
        access.ask(on("10:00"), "--reason", f"nobody will answer request {number}")
    later = parse_instant("2026-12-20T10:00:00Z")
    turns = iter([False, True, True])

    def closed(enough: Callable[[], bool]) -> list[int]:
        site = access.repo("bob")
        limit = timedelta(days=7)
        found = close_stale(site, limit=limit, at=later, why=lambda _: "no answer", enough=enough)
        return [pull.number for pull in found]

    assert closed(lambda: next(turns)) == [1]
    assert closed(lambda: False) == [2, 3]
