"""How targets are found: reached or not, concerns, clocks apart, and what is there beside our own."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from daypass.core.errors import EdgeError
from daypass.core.ids import GrantId
from daypass.core.ledger.standing import Standing
from daypass.core.plan import Action, Entitlement, Holding, Intended, Reason
from daypass.core.planning.drift import Health, TargetState
from daypass.pipeline.audit.health import look_at
from fakes.target import BlindFake, FakeTarget

NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)
GRANT = GrantId("orders-db/a")


def held(principal: str, target: str = "one") -> Entitlement:
    return Entitlement(target, "orders-db", principal, "{}")


def standing(*ours: Entitlement, begun: Entitlement | None = None) -> Standing:
    change = None if begun is None else Intended(Action.ADD, begun, (GRANT,), Reason.WINDOW_OPENED, NOW, NOW)
    unfinished = {} if change is None else {(change.action, change.entitlement): change}
    return Standing(holdings={one: Holding(one, (GRANT,), NOW) for one in ours}, begun=unfinished)


@dataclass
class Clock:
    """Ticks a second each time that it is read, as an answer takes a while."""

    now: datetime = NOW
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self) -> datetime:
        with self.lock:
            self.now += timedelta(seconds=1)
            return self.now


class Told(FakeTarget):
    """Says of itself what a test wants."""

    said: Health = Health(("here",))

    def health(self) -> Health:
        self._come_in("health")
        return self.said


def told(said: Health, *has: Entitlement) -> Told:
    made = Told("one")
    made.said = said
    made.give_unmanaged(has)
    return made


def look(target: FakeTarget | BlindFake | EdgeError, known: Standing | None = None) -> TargetState:
    (found,) = look_at({"one": target}, {"one": "fake"}, known or Standing(), clock=Clock())
    return found


def test_what_is_ours_and_what_is_not_is_counted() -> None:
    target = told(Health(("here",)), held("alice"), held("bob"), held("carol"), held("dave"))
    found = look(target, standing(held("alice"), held("gone"), begun=held("dave")))
    # dave's is what a run that died may have given: neither ours yet nor somebody else's.
    assert found == TargetState("one", "fake", ("here",), ours=1, unmanaged=2)


def test_a_target_that_nobody_reaches_is_an_error_with_its_hint() -> None:
    assert look(EdgeError("no route", hint="is the cable in?")) == TargetState(
        "one", "fake", error="no route", hint="is the cable in?"
    )
    target = told(Health())
    target.dials.unreadable = True
    assert look(target).error == "one cannot be reached"


def test_one_that_answers_and_cannot_be_read_keeps_its_facts() -> None:
    target = told(Health(("here",), ("not well",)))
    health = target.health

    def health_and_then_nothing() -> Health:
        target.dials.unreadable = False
        said = health()
        target.dials.unreadable = True
        return said

    target.health = health_and_then_nothing  # type: ignore[method-assign]
    found = look(target)
    assert (found.facts, found.concerns, found.error) == (("here",), ("not well",), "one cannot be reached")
    assert (found.ours, found.unmanaged) == (None, None)


def test_where_nobody_can_look_nothing_is_counted() -> None:
    target = BlindFake(told(Health(("here",)), held("alice")))
    assert look(target, standing(held("alice"))) == TargetState("one", "fake", ("here",))


def test_a_clock_is_only_as_far_away_as_is_certain() -> None:
    # Our clock says 10:00:01 before the answer and 10:00:02 after it.
    for theirs, skew in ((1, 0), (2, 0), (9, 7), (-9, -10)):
        found = look(told(Health(("here",), clock=NOW + timedelta(seconds=theirs))))
        assert found.skew == timedelta(seconds=skew)
    assert look(told(Health(("here",)))).skew is None


def test_a_clock_that_is_far_from_ours_is_a_concern() -> None:
    ahead = look(told(Health(("here",), ("other",), NOW + timedelta(seconds=9))))
    assert ahead.concerns == (
        "other",
        "its clock is 7s ahead of ours: what it ends by itself ends at another time",
    )
    behind = look(told(Health(("here",), clock=NOW - timedelta(minutes=2))))
    assert behind.concerns == ("its clock is 2m1s behind ours: what it ends by itself ends at another time",)
    assert look(told(Health(("here",), clock=NOW + timedelta(seconds=7)))).concerns == ()


def test_a_target_that_is_named_no_more_and_holds_access_of_ours_is_told() -> None:
    known = standing(held("alice", "old"), begun=held("bob", "older"))
    found = look_at({"one": FakeTarget("one")}, {"one": "fake"}, known, clock=Clock())
    assert [(f.name, f.kind) for f in found] == [("old", ""), ("older", ""), ("one", "fake")]
    assert found[0].error == "the settings name no target 'old', and the ledger holds access of ours there"
    assert found[0].hint == "name it again in policies/daypass.yaml until that access has ended"
    assert [f.name for f in look_at({}, {}, known, clock=Clock(), only=["older"])] == ["older"]


def test_targets_are_asked_at_the_same_time() -> None:
    both = threading.Barrier(2, timeout=20)

    class Meets(FakeTarget):
        def health(self) -> Health:
            both.wait()  # passed only once both are being asked
            return Health(("here",))

    found = look_at({"one": Meets("one"), "two": Meets("two")}, {}, Standing(), clock=Clock())
    assert [(f.name, f.error) for f in found] == [("one", ""), ("two", "")]
