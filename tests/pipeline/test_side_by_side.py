"""Targets are served side by side: each at its own pace, and what came of every change stands in the ledger."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest

from daypass.core.errors import ConflictError, EdgeError, LedgerError
from daypass.core.ids import GrantId
from daypass.core.ledger.receipt import Body, Intent, Outcome
from daypass.core.ledger.statement import from_statement
from daypass.core.plan import Action, Done, Entitlement, Intended, Order, Reason
from daypass.core.planning.drift import Traits
from daypass.core.window import parse_instant
from daypass.pipeline.apply.executor import Executor
from daypass.pipeline.apply.inputs import prepare
from daypass.pipeline.apply.survey import survey
from driver import Access
from fakes.target import BlindFake, FakeTarget

AT = parse_instant("2026-11-20T10:00:00Z")
UNTIL = AT + timedelta(hours=2)
LONG = 30.0
"""How many seconds a test waits for what must come."""


@dataclass
class Obedient(FakeTarget):
    """Keeps every batch it was given, and does what a test wants before it and answers what a test wants after it."""

    batches: list[list[Order]] = field(default_factory=list)
    before: Callable[[], None] = lambda: None
    answers: Callable[[Sequence[Order]], Sequence[Done]] | None = None

    def carry_out(self, orders: Sequence[Order]) -> Sequence[Done]:
        self.batches.append(list(orders))
        self.before()
        done = super().carry_out(orders)
        return done if self.answers is None else self.answers(orders)


def change(target: str, principal: str, *, remove: bool = False, reason: Reason | None = None) -> Intended:
    entitlement = Entitlement(target, "orders-db", principal, "{}")
    grants = (GrantId(f"orders-db/{principal}"),)
    if remove:
        return Intended(Action.REMOVE, entitlement, grants, reason or Reason.EXPIRED, AT)
    return Intended(Action.ADD, entitlement, grants, reason or Reason.WINDOW_OPENED, AT, UNTIL)


class Scene:
    """A founded repository with a real signed ledger, and targets of the test."""

    def __init__(self, access: Access, **targets: FakeTarget | BlindFake | EdgeError) -> None:
        self.access = access
        self.targets = targets
        self.told: list[int] = []
        self.on_progress: Callable[[], None] = lambda: None
        self.ledger: Any = access.repo().ledger

    def carry_out(self, *changes: Intended, at: datetime = AT) -> list[Outcome]:
        site = self.access.repo()
        inputs = prepare(site, lambda main: {}, at=at)
        found = survey(inputs)
        standing = self.ledger.append(
            found.standing, [Intent(changes, found.plan.digest)], at=at, main=found.plan.main, run="run"
        )
        executor = Executor(self.ledger, self.targets, found, standing, "run", self._progress)
        executor.start(changes, found.plan.at)
        return executor.finish()

    def _progress(self, done: int, total: int, what: str) -> None:
        assert (what, done <= total) == ("changes", True)
        self.told.append(done)
        self.on_progress()

    def recorded(self) -> list[Outcome]:
        """Return the outcomes that stand in the ledger."""
        ledger = self.access.repo().ledger
        bodies = [from_statement(ledger.verifier.open(envelope.raw)).body for envelope in ledger.receipts.envelopes()]
        return [body for body in bodies if isinstance(body, Outcome)]

    def verify(self) -> None:
        """Prove every link and signature of the ledger, from its beginning."""
        (self.access.top / ".git" / "daypass" / "standing.sqlite").unlink()
        assert self.access.repo().ledger.load().head is not None


def said(outcomes: Iterable[Outcome]) -> dict[str, tuple[bool, str]]:
    return {outcome.change.entitlement.principal: (outcome.ok, outcome.error) for outcome in outcomes}


def test_a_target_that_hangs_delays_no_other_one(access: Access) -> None:
    others_are_written = threading.Event()
    # It is the first by name, and goes on only when all the others have been made, read back and written down.
    slow = Obedient("a-slow", before=lambda: _wait(others_are_written))
    scene = Scene(access, **{"a-slow": slow}, b=Obedient("b"), c=Obedient("c"))
    scene.on_progress = lambda: others_are_written.set() if scene.told[-1] == 3 else None
    changes = [change("a-slow", "ann"), change("b", "ben", remove=True), change("b", "bob"), change("c", "cid")]
    outcomes = scene.carry_out(*changes)
    assert [outcome.change for outcome in outcomes] == changes  # told in the plan's order all the same
    assert said(outcomes) == dict.fromkeys(["ann", "ben", "bob", "cid"], (True, ""))
    assert scene.recorded()[-1].change == changes[0]
    assert scene.told == [1, 2, 3, 4]
    scene.verify()


def test_a_target_that_is_down_or_unnamed_stops_only_itself(access: Access) -> None:
    scene = Scene(access, down=EdgeError("no route to down"), up=Obedient("up"))
    outcomes = scene.carry_out(change("down", "ann"), change("gone", "ben"), change("up", "cid"))
    assert said(outcomes) == {
        "ann": (False, "no route to down"),
        "ben": (False, "the settings name no target 'gone'"),
        "cid": (True, ""),
    }
    assert said(scene.recorded()) == said(outcomes)
    scene.verify()


def test_a_target_that_gives_no_answers_has_failed_in_each_unless_it_is_seen_otherwise(access: Access) -> None:
    def fail(orders: Sequence[Order]) -> Sequence[Done]:
        raise EdgeError("the connection was lost")

    lost = Obedient("lost", answers=fail)
    lost.dials.ignore_writes = True
    lost.dials.only = frozenset({change("lost", "ann").entitlement})
    outcomes = Scene(access, lost=lost, up=Obedient("up")).carry_out(
        change("lost", "ann"), change("lost", "ben"), change("up", "cid")
    )
    # ben's was made before the connection was lost: what is seen decides.
    assert said(outcomes) == {"ann": (False, "the connection was lost"), "ben": (True, ""), "cid": (True, "")}


def test_removals_are_finished_before_anything_is_added_at_each_target(access: Access) -> None:
    one, two = Obedient("one"), Obedient("two")
    one.give_unmanaged([change("one", "old").entitlement])
    changes = [
        change("one", "new"),
        change("two", "add"),
        change("one", "old", remove=True),
        change("two", "x", remove=True),
    ]
    Scene(access, one=one, two=two).carry_out(*changes)
    for target in (one, two):
        assert [[order.action for order in batch] for batch in target.batches] == [[Action.REMOVE], [Action.ADD]]


def test_a_removal_that_fails_holds_no_addition_back(access: Access) -> None:
    one = Obedient("one")
    one.give_unmanaged([change("one", "old").entitlement])
    one.dials.fail_before_write = True
    one.dials.only = frozenset({change("one", "old").entitlement})
    outcomes = Scene(access, one=one).carry_out(change("one", "old", remove=True), change("one", "new"))
    assert said(outcomes) == {"old": (False, "one refused to remove"), "new": (True, "")}


def test_a_target_takes_as_many_changes_at_once_as_it_says_and_each_step_is_written_before_the_next(
    access: Access,
) -> None:
    one = Obedient("one", traits=Traits(at_once=3))
    scene = Scene(access, one=one, two=Obedient("two"))
    written: list[int] = []
    one.before = lambda: written.append(sum(o.change.entitlement.target == "one" for o in scene.recorded()))
    changes = [change("one", f"person-{n}") for n in range(7)]
    outcomes = scene.carry_out(*changes, change("two", "zoe"))
    assert [[order.entitlement for order in batch] for batch in one.batches] == [
        [c.entitlement for c in part] for part in (changes[:3], changes[3:6], changes[6:])
    ]
    assert written == [0, 3, 6]
    assert all(outcome.ok for outcome in outcomes)
    assert len(scene.recorded()) == 8


def test_an_order_says_what_a_target_needs_and_nothing_of_the_grant(access: Access) -> None:
    one = Obedient("one")
    scene = Scene(access, one=one)
    scene.carry_out(change("one", "ann"))
    scene.carry_out(change("one", "ann", remove=True), at=AT + timedelta(minutes=1))
    entitlement = change("one", "ann").entitlement
    assert one.batches == [
        [Order(Action.ADD, entitlement, AT, UNTIL)],
        [Order(Action.REMOVE, entitlement, AT + timedelta(minutes=1), UNTIL)],  # when it would have ended by itself
    ]


def test_what_is_handed_over_stands_in_the_receipt(access: Access) -> None:
    one = Obedient(
        "one",
        traits=Traits(hands_over=True),
        answers=lambda orders: [Done(handover=f"for {o.entitlement.principal}") for o in orders],
    )
    scene = Scene(access, one=one, two=Obedient("two"))
    scene.carry_out(change("one", "ann"), change("one", "ben"), change("two", "cid"))
    assert {o.change.entitlement.principal: o.handover for o in scene.recorded()} == {
        "ann": "for ann",
        "ben": "for ben",
        "cid": "",
    }
    assert sorted(o.handover for o in scene.recorded()) == ["", "for ann", "for ben"]
    scene.verify()


@pytest.mark.parametrize("hands_over", [True, False])
def test_access_that_is_seen_without_what_belongs_to_it_having_arrived_is_not_done(
    access: Access, hands_over: bool
) -> None:
    one = Obedient("one", traits=Traits(hands_over=hands_over))
    one.dials.fail_after_write = True
    scene = Scene(access, one=one)
    outcomes = scene.carry_out(change("one", "ann"))
    assert change("one", "ann").entitlement in one.held
    assert said(outcomes) == {"ann": (False, "one did not answer in time") if hands_over else (True, "")}
    assert said(scene.recorded()) == said(outcomes)
    # Taking it away hands nothing over: what is seen decides.
    outcomes = scene.carry_out(change("one", "ann", remove=True), at=AT + timedelta(minutes=1))
    assert said(outcomes) == {"ann": (True, "")}


def test_a_later_end_that_was_not_taken_is_not_done_though_the_access_is_seen(access: Access) -> None:
    one = Obedient("one")
    one.give_unmanaged([change("one", "ann").entitlement])
    one.dials.fail_before_write = True
    outcomes = Scene(access, one=one).carry_out(change("one", "ann", reason=Reason.WINDOW_MOVED))
    assert said(outcomes) == {"ann": (False, "one refused to add")}


def test_where_nobody_can_look_the_answer_is_believed(access: Access) -> None:
    def answer(orders: Sequence[Order]) -> Sequence[Done]:
        return [
            Done("no key", "half a secret") if o.entitlement.principal == "ben" else Done("", "a secret")
            for o in orders
        ]

    blind = Obedient("blind", traits=Traits(hands_over=True), answers=answer)
    blind.dials.unreadable = True
    scene = Scene(access, blind=BlindFake(blind), up=Obedient("up"))
    outcomes = scene.carry_out(change("blind", "ann"), change("blind", "ben"), change("up", "cid"))
    assert said(outcomes) == {"ann": (True, ""), "ben": (False, "no key"), "cid": (True, "")}
    assert {o.change.entitlement.principal: o.handover for o in scene.recorded()} == {
        "ann": "a secret",
        "ben": "",
        "cid": "",
    }
    assert blind.reads == []


def test_what_cannot_be_read_back_is_not_done_and_the_others_are(access: Access) -> None:
    one = Obedient("one")
    one.before = lambda: setattr(one.dials, "unreadable", True)
    outcomes = Scene(access, one=one, two=Obedient("two")).carry_out(change("one", "ann"), change("two", "ben"))
    assert said(outcomes) == {"ann": (False, "not read back: one cannot be reached"), "ben": (True, "")}


@dataclass
class FailingLedger:
    """The real ledger, that fail when a change of one target is to be written."""

    real: Any
    fails: str
    error: Exception
    times: int = 1
    before: Callable[[], None] = lambda: None

    def load(self) -> Any:
        return self.real.load()

    def append(self, standing: Any, bodies: Sequence[Body], **named: Any) -> Any:
        hit = any(isinstance(b, Outcome) and b.change.entitlement.target == self.fails for b in bodies)
        if hit and self.times:
            self.times -= 1
            self.before()
            raise self.error
        return self.real.append(standing, bodies, **named)


def test_a_ledger_that_cannot_be_written_is_raised_when_the_others_have_finished(access: Access) -> None:
    failed = threading.Event()
    two = Obedient("two", before=lambda: _wait(failed))  # its whole work comes after the failure
    one = Obedient("one")
    scene = Scene(access, one=one, two=two)
    scene.ledger = FailingLedger(scene.ledger, "one", LedgerError("the disk is full"), before=failed.set)
    with pytest.raises(LedgerError, match="the disk is full"):
        scene.carry_out(
            change("one", "ann", remove=True), change("one", "bob"), change("two", "cid"), change("two", "dan")
        )
    assert said(scene.recorded()) == {"cid": (True, ""), "dan": (True, "")}
    assert [order.action for batch in one.batches for order in batch] == [Action.REMOVE]  # nothing without a receipt
    standing = access.repo().standing
    assert {opened[1].principal for opened in standing.pending} == {"ann", "bob"}  # the next run looks
    scene.verify()


def test_a_target_that_answers_for_fewer_orders_than_it_was_given_is_a_fault_of_the_program(access: Access) -> None:
    one, two = Obedient("one", answers=lambda orders: [Done()]), Obedient("two")
    scene = Scene(access, one=one, two=two)
    with pytest.raises(RuntimeError, match="target one answered 1 of 2 orders"):
        scene.carry_out(change("one", "ann"), change("one", "bob"), change("two", "cid"))
    assert said(scene.recorded()) == {"cid": (True, "")}


def test_another_run_that_was_first_at_the_ledger_costs_no_receipt(access: Access) -> None:
    scene = Scene(access, one=Obedient("one"), two=Obedient("two"))
    scene.ledger = FailingLedger(scene.ledger, "one", ConflictError("somebody was first"), times=3)
    outcomes = scene.carry_out(change("one", "ann"), change("two", "ben"))
    assert said(scene.recorded()) == said(outcomes) == {"ann": (True, ""), "ben": (True, "")}
    scene.verify()


def test_a_ledger_that_never_stops_moving_is_given_up(access: Access) -> None:
    scene = Scene(access, one=Obedient("one"))
    scene.ledger = FailingLedger(scene.ledger, "one", ConflictError("somebody was first"), times=1000)
    with pytest.raises(ConflictError, match="somebody was first"):
        scene.carry_out(change("one", "ann"))


def test_many_targets_are_served_a_bounded_number_at_a_time(access: Access) -> None:
    lock, now, most = threading.Lock(), [0], [0]
    full = threading.Barrier(8, timeout=LONG)  # passed only when eight are at work together

    def enter() -> None:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        full.wait()
        with lock:
            now[0] -= 1

    names = [f"t{n:02}" for n in range(16)]
    scene = Scene(access, **{name: Obedient(name, before=enter) for name in names})
    outcomes = scene.carry_out(*[change(name, "ann") for name in names])
    assert all(outcome.ok for outcome in outcomes)
    assert most[0] == 8
    assert [outcome.change.entitlement.target for outcome in outcomes] == names


def _wait(event: threading.Event) -> None:
    assert event.wait(LONG), "the other target was not served meanwhile"


def test_the_order_of_outcomes_is_the_plans_whichever_target_was_first(access: Access) -> None:
    scene = Scene(access, one=Obedient("one"), two=Obedient("two"))
    changes = [change("two", "a"), change("one", "b"), change("two", "c"), change("one", "d")]
    assert [outcome.change for outcome in scene.carry_out(*changes)] == changes
