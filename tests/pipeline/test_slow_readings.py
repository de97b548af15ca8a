"""A target that is slow to answer delays nothing elsewhere: the others are served before anybody waits for it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import pytest
from faults_world import FaultyWorld, on, two_targets

from daypass.core.errors import EdgeError, ExitCode
from daypass.core.plan import Entitlement
from daypass.pipeline import apply as applying
from daypass.pipeline.readings import Readings
from daypass.ports import Done, Order
from driver import Access
from fakes.target import FakeTarget

LONG = 30.0
"""How many seconds a test waits for what must come."""


@dataclass
class Slow(FakeTarget):
    """Answers a reading only when it may, and counts those that were begun."""

    may: threading.Event = field(default_factory=threading.Event)
    begun: int = 0

    def observe(self) -> frozenset[Entitlement]:
        self.begun += 1
        if not self.may.wait(LONG):
            raise EdgeError("nobody let it answer")
        return super().observe()


@dataclass
class Watched(FakeTarget):
    """Does what a test wants when it is told to change something."""

    then: Callable[[], None] = lambda: None

    def carry_out(self, orders: Sequence[Order]) -> Sequence[Done]:
        done = super().carry_out(orders)
        self.then()
        return done


@dataclass
class Scene:
    world: FaultyWorld
    slow: Slow
    quick: Watched


@pytest.fixture
def scene(access: Access, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """alice is granted 10:05 to 12:05 at a quick and at a slow target; a run waits for readings for a moment only."""
    monkeypatch.setattr(applying, "PATIENCE", 0.05)
    world = two_targets(access)
    access.grant(on("10:00"), on("10:05"))
    access.grant(on("10:00"), on("10:05"), "--resource", "billing")
    quick, slow = Watched("embedded"), Slow("other")
    world.targets = {"embedded": quick, "other": slow}
    yield Scene(world, slow, quick)
    slow.may.set()


def test_the_others_are_served_while_it_is_still_being_read_and_it_is_served_in_the_same_run(scene: Scene) -> None:
    recorded: list[int] = []

    def let_it_answer() -> None:
        recorded.append(len(scene.slow.held))
        scene.slow.may.set()

    scene.quick.then = let_it_answer
    done = scene.world.apply("10:06")
    assert recorded == [0]
    assert [(o.change.entitlement.target, o.ok) for o in done.outcomes] == [("embedded", True), ("other", True)]
    assert (done.exit_code, done.survey.plan.unreadable) == (ExitCode.OK, {})
    assert [change.entitlement.target for change in done.survey.plan.changes] == ["embedded", "other"]
    assert scene.world.ours() == scene.world.held()
    assert scene.slow.begun == 2  # once to plan, and once to read the change back
    scene.world.verify("10:07")


def test_where_the_others_need_nothing_it_is_waited_for_all_the_same(scene: Scene) -> None:
    scene.slow.may.set()
    scene.world.apply("10:06")
    scene.slow.may.clear()
    threading.Timer(0.3, scene.slow.may.set).start()
    done = scene.world.apply("12:06")
    assert [(o.change.entitlement.target, o.ok) for o in done.outcomes] == [("embedded", True), ("other", True)]
    assert scene.world.held() == set()


def test_in_a_hurry_it_is_left_when_something_else_is_due_and_the_next_run_waits(scene: Scene) -> None:
    scene.slow.may.set()
    scene.world.apply("10:06")
    scene.slow.may.clear()
    at = "2026-11-20T12:04:59Z"
    done = scene.world.apply(at, hurry=True)
    assert (done.survey.late, done.exit_code) == ({"other"}, ExitCode.PARTIAL)
    assert done.survey.plan.unreadable == {"other": "it has not answered within 1 s"}
    threading.Timer(0.3, scene.slow.may.set).start()
    assert scene.world.apply(at).exit_code is ExitCode.OK


def test_the_brake_counts_what_the_same_run_did_before(scene: Scene) -> None:
    scene.slow.may.set()
    scene.world.apply("10:06")
    scene.slow.may.clear()
    scene.quick.then = scene.slow.may.set
    access = scene.world.access
    path = "policies/daypass.yaml"
    access.write(path, (access.top / path).read_text().replace("removals: 25%", "removals: 1"))
    access.git("rm", "-rq", "grants/orders-db", "grants/billing")
    access.commit("a tight brake, and two grants less")
    done = scene.world.apply("10:07")
    assert [o.change.entitlement.target for o in done.outcomes] == ["embedded"]
    assert [change.entitlement.target for change in done.held] == ["other"]
    assert "the brake holds: 1 removals" in done.held_message


def test_what_another_run_did_first_is_read_anew(scene: Scene) -> None:
    readings = Readings()
    scene.slow.may.set()
    look = {"other": scene.slow}
    first = readings.look(look, {}, scene.world.survey("10:06").plan.at)
    scene.slow.give_unmanaged([Entitlement("other", "billing", "eve", "{}")])
    again = readings.look(look, {}, scene.world.survey("10:06").plan.at)
    assert again == first
    readings.forget()
    assert len(readings.look(look, {}, scene.world.survey("10:06").plan.at).entitlements) == 1
