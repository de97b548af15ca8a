"""A target that is slow to answer delays nothing elsewhere: the others are served before anybody waits for it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
from faults_world import FaultyWorld, on, two_targets

from daypass.core.errors import EdgeError, ExitCode
from daypass.core.ledger.receipt import Outcome, Pulse
from daypass.core.plan import Done, Entitlement, Order
from daypass.core.window import parse_instant
from daypass.pipeline.apply import run as applying
from driver import Access
from fakes.target import FakeTarget

LONG = 30.0
"""How many seconds a test waits for what must come."""
SETTINGS = "policies/daypass.yaml"


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
    """Does what a test wants when it is told to change something, and again when it has done so."""

    before: Callable[[], object] = lambda: None
    then: Callable[[], object] = lambda: None

    def carry_out(self, orders: Sequence[Order]) -> Sequence[Done]:
        self.before()
        done = super().carry_out(orders)
        self.then()
        return done


@dataclass
class Scene:
    world: FaultyWorld
    slow: Slow
    quick: Watched

    def served(self, done: applying.Applied) -> list[tuple[str, bool]]:
        return [(o.change.entitlement.target, o.ok) for o in done.outcomes]

    def given(self) -> None:
        """Have alice's access given at both, and the slow one slow from then on."""
        self.slow.may.set()
        self.world.apply("10:06")
        self.slow.may.clear()

    def settings(self, old: str, new: str) -> None:
        access = self.world.access
        access.write(SETTINGS, (access.top / SETTINGS).read_text().replace(old, new))


@pytest.fixture
def scene(access: Access) -> Iterator[Scene]:
    """alice is granted 10:05 to 12:05 at a quick and at a slow target; a run waits for readings for a moment only."""
    world = two_targets(access)
    access.grant(on("10:00"), on("10:05"))
    access.grant(on("10:00"), on("10:05"), "--resource", "billing")
    quick, slow = Watched("embedded"), Slow("other")
    world.targets = {"embedded": quick, "other": slow}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(applying, "PATIENCE", 0.2)
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
    assert scene.served(done) == [("embedded", True), ("other", True)]
    assert (done.exit_code, done.survey.plan.unreadable) == (ExitCode.OK, {})
    assert [change.entitlement.target for change in done.survey.plan.changes] == ["embedded", "other"]
    assert scene.world.ours() == scene.world.held()
    assert scene.slow.begun == 2  # once to plan, and once to read the change back
    scene.world.verify("10:07")


def test_it_is_served_while_another_one_hangs_in_its_change(scene: Scene) -> None:
    answered = threading.Event()

    def hang() -> None:
        scene.slow.may.set()
        assert answered.wait(LONG)

    original = scene.slow.carry_out

    def carry_out(orders: Sequence[Order]) -> Sequence[Done]:
        answered.set()
        return original(orders)

    scene.quick.before = hang
    scene.slow.carry_out = carry_out  # type: ignore[method-assign]
    assert scene.served(scene.world.apply("10:06")) == [("embedded", True), ("other", True)]
    scene.world.verify("10:07")


def test_where_the_others_need_nothing_it_is_waited_for_all_the_same(scene: Scene) -> None:
    scene.given()
    threading.Timer(0.5, scene.slow.may.set).start()
    assert scene.served(scene.world.apply("12:06")) == [("embedded", True), ("other", True)]
    assert scene.world.held() == set()


def test_it_is_not_waited_for_beyond_the_limit(scene: Scene) -> None:
    scene.given()
    done = scene.world.apply("12:06", limit=lambda _: 0.1)
    assert scene.served(done) == [("embedded", True)]
    assert (done.survey.late, done.exit_code) == ({"other"}, ExitCode.PARTIAL)
    assert done.survey.plan.unreadable == {"other": "it has not answered in time"}
    threading.Timer(0.4, scene.slow.may.set).start()
    assert scene.served(scene.world.apply("12:06")) == [("other", True)]


def test_whoever_has_seen_enough_waits_no_longer(scene: Scene) -> None:
    scene.given()
    asked: list[None] = []
    done = scene.world.apply("12:06", enough=lambda: len(asked) > 3 or asked.append(None))
    assert (scene.served(done), done.survey.late) == ([("embedded", True)], {"other"})


def test_what_it_is_given_is_given_at_the_instant_of_its_answer(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.quick.then = scene.slow.may.set
    early, late = parse_instant(on("12:04")), parse_instant(on("12:05"))

    def clock() -> datetime:
        return late if scene.slow.may.is_set() else early

    monkeypatch.setattr(FakeTarget, "clock", lambda _: clock())  # which agrees with ours
    done = scene.world.apply("12:04", clock=clock)
    assert scene.served(done) == [("embedded", True)]  # at the other its window has ended meanwhile
    assert scene.slow.held == {}


def test_a_reading_that_another_run_may_have_outdated_is_not_planned_by(scene: Scene) -> None:
    scene.given()
    ledger = scene.world.access.repo().ledger

    def another_run() -> None:
        standing = ledger.load()
        at = parse_instant(on("12:06")) + timedelta(seconds=1)
        ledger.append(standing, [Pulse(0, 0)], at=at, main=standing.main, run="another")
        scene.slow.may.set()

    scene.quick.then = another_run
    done = scene.world.apply("12:06")
    assert scene.served(done) == [("embedded", True)]
    assert done.exit_code is ExitCode.PARTIAL
    assert "another run wrote to the ledger" in done.survey.plan.unreadable["other"]
    assert scene.served(scene.world.apply("12:07")) == [("other", True)]
    scene.world.verify("12:08")


@pytest.mark.on_disk
def test_the_brake_counts_what_the_same_run_did_before(scene: Scene) -> None:
    scene.given()
    scene.quick.then = scene.slow.may.set
    scene.settings("removals: 25%", "removals: 1")
    access = scene.world.access
    access.git("rm", "-rq", "grants/orders-db", "grants/billing")
    access.commit("a tight brake, and two grants less")
    done = scene.world.apply("10:07")
    assert scene.served(done) == [("embedded", True)]
    assert [change.entitlement.target for change in done.held] == ["other"]
    assert "the brake holds: 1 removal that" in done.held_message


@pytest.mark.on_disk
def test_what_was_held_holds_whatever_answers_later(scene: Scene) -> None:
    scene.given()
    scene.settings("removals: 25%", "removals: 0")
    access = scene.world.access
    access.git("rm", "-rq", "grants/orders-db", "grants/billing")
    access.commit("no removal at all, and two grants less")
    threading.Timer(0.5, scene.slow.may.set).start()
    done = scene.world.apply("10:07")
    assert scene.served(done) == []
    assert sorted(change.entitlement.target for change in done.held) == ["embedded", "other"]
    assert len(done.survey.plan.changes) == 2
    threading.Timer(0.5, scene.slow.may.set).start()
    confirmed = scene.world.apply("10:08", confirmed=done.survey.plan.digest)
    assert sorted(scene.served(confirmed)) == [("embedded", True), ("other", True)]


def test_what_fails_in_a_way_that_nobody_foresaw_stops_only_itself(scene: Scene) -> None:
    class Odd(FakeTarget):
        def observe(self) -> frozenset[Entitlement]:
            raise UnicodeDecodeError("utf-8", b"\xf6 secret", 0, 1, "invalid start byte")

    scene.given()
    scene.world.targets["other"] = Odd("other")
    done = scene.world.apply("12:06")
    assert scene.served(done) == [("embedded", True)]
    assert done.exit_code is ExitCode.PARTIAL
    assert done.survey.plan.unreadable == {"other": "it failed in a way that was not foreseen (UnicodeDecodeError)"}


def test_a_change_that_fails_in_a_way_that_nobody_foresaw_is_recorded_as_failed(scene: Scene) -> None:
    def fall_over() -> None:
        raise RecursionError("deep")

    scene.slow.may.set()
    scene.quick.before = fall_over
    done = scene.world.apply("10:06")
    assert sorted(scene.served(done)) == [("embedded", False), ("other", True)]
    (failed,) = [outcome for outcome in done.outcomes if not outcome.ok]
    assert failed.error == "it failed in a way that was not foreseen (RecursionError)"
    scene.quick.before = lambda: None
    again = [o for o in scene.world.apply("10:07").outcomes if isinstance(o, Outcome) and not o.recovered]
    assert [(o.change.entitlement.target, o.ok) for o in again] == [("embedded", True)]
    scene.world.verify("10:08")
