"""What a run goes by that remembers that nothing was to be done: each target is looked at once, and told of as ever."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from faults_world import FaultyWorld, on, two_targets

from daypass.core.errors import EdgeError
from daypass.core.ids import digest
from daypass.core.ledger.receipt import Pulse
from daypass.core.plan import Action, Entitlement, Reason
from daypass.core.planning.resting import Remembered
from daypass.core.record import replace
from daypass.core.window import parse_instant
from daypass.pipeline.apply import grounds
from daypass.pipeline.apply.survey import Survey, survey
from daypass.ports import Fingerprinting
from driver import Access
from fakes.target import FakeTarget

_SHOWN = '{"member_of":"orders_readonly","unmanaged":true}'


@dataclass
class NamedFake(FakeTarget, Fingerprinting):
    """Names what it was seen to hold. ``off``: how far its clock is from ours; ``may``: whether it answers yet."""

    seen: frozenset[Entitlement] | None = None
    off: timedelta | None = None
    may: threading.Event = field(default_factory=threading.Event)
    nameless: bool = False

    def __post_init__(self) -> None:
        self.may.set()

    def observe(self) -> frozenset[Entitlement]:
        self.reads.append("begun")
        assert self.may.wait(30)
        self.seen = super().observe()
        return self.seen

    def fingerprint(self) -> Mapping[str, str]:
        if self.seen is None or self.nameless:
            raise EdgeError("it cannot be named")
        return {"": digest(sorted(self.seen))}

    def clock(self) -> Any:
        return parse_instant(on("10:10")) + self.off if self.off is not None else None

    def looks(self) -> int:
        """Say how often it was looked at since this was asked last."""
        found = self.reads.count("observe")
        self.reads.clear()
        return found


class Memory:
    """Runs that remember: what `plan` finds with a clock that stands still."""

    def __init__(self, access: Access) -> None:
        self.world: FaultyWorld = two_targets(access)
        self.one, self.other = NamedFake("embedded"), NamedFake("other")
        self.world.targets = {"embedded": self.one, "other": self.other}
        access.grant(on("10:00"), on("10:05"))
        access.grant(on("10:00"), on("10:05"), "--resource", "billing")
        self.world.apply("10:06")
        self.kept: list[Remembered] = []
        self.program = "this one"

    def plan(self, at: str = "10:10") -> Survey:
        def clock() -> datetime:
            return parse_instant(on(at))

        self.one.reads.clear()
        self.other.reads.clear()
        recalled = self.kept[-1] if self.kept else None
        more: dict[str, Any] = {"recalled": recalled, "remember": self.kept.append, "program": self.program}
        return survey(self.world.inputs(at, clock=clock, **more))


@pytest.fixture
def memory(access: Access) -> Memory:
    """Runs of which the last one found nothing to do, at two targets."""
    made = Memory(access)
    assert made.plan().plan.changes == ()
    assert (made.one.looks(), made.other.looks(), len(made.kept)) == (1, 1, 1)
    return made


def quiet(found: Survey) -> bool:
    """Say whether a run went by what an earlier one found: it has observed nothing to plan by."""
    return found.observed is None


def test_a_run_looks_once_and_goes_by_what_was_found(memory: Memory) -> None:
    assert quiet(memory.plan())
    assert (memory.one.looks(), memory.other.looks(), len(memory.kept)) == (1, 1, 1)


def test_what_somebody_took_away_is_seen_by_the_one_look_at_it(memory: Memory) -> None:
    (gone,) = memory.one.held
    memory.one.held.clear()
    changes = memory.plan().plan.changes
    assert [(c.action, c.entitlement, c.reason) for c in changes] == [(Action.ADD, gone, Reason.LOST)]
    assert (memory.one.looks(), memory.other.looks()) == (1, 1)
    assert memory.kept[-1].unchanged is None


@pytest.mark.parametrize("what", ["program", "main", "ledger"])
def test_no_target_is_looked_at_to_compare_it_where_anything_else_has_moved(memory: Memory, what: str) -> None:
    if what == "program":
        memory.program = "another"
    elif what == "main":
        memory.world.access.write("policies/note.md", "x")
        memory.world.access.commit("a note")
    else:
        repo = memory.world.access.repo()
        repo.ledger.append(repo.standing, [Pulse(2)], at=parse_instant(on("10:09")), main=repo.tip, run="x")
    memory.one.looks()
    assert not quiet(memory.plan())
    assert memory.one.looks() == 1


def test_a_clock_that_is_off_is_told_whatever_was_found_before(memory: Memory) -> None:
    memory.one.off = timedelta(hours=2)
    found = memory.plan()
    assert "the clock of target embedded is 2h ahead" in found.clocks
    assert (memory.one.looks(), len(memory.kept)) == (1, 1)
    memory.one.off = timedelta(seconds=2)
    assert quiet(memory.plan())


def test_a_target_that_cannot_be_read_is_told_whatever_was_found_before(memory: Memory) -> None:
    memory.other.dials.unreadable = True
    assert list(memory.plan().plan.unreadable) == ["other"]


def test_one_that_cannot_be_named_is_looked_at_once_and_nothing_is_remembered(memory: Memory) -> None:
    memory.one.nameless = True
    memory.kept = memory.kept[:1]
    assert not quiet(memory.plan())
    assert (memory.one.looks(), memory.other.looks(), len(memory.kept)) == (1, 1, 1)


def test_one_that_has_no_name_keeps_runs_from_going_by_what_was_found(memory: Memory) -> None:
    held = memory.one.held
    memory.world.targets["embedded"] = FakeTarget("embedded", held)
    assert not quiet(memory.plan())
    assert (memory.other.looks(), len(memory.kept)) == (1, 1)


def test_one_that_is_slow_is_not_waited_for_and_its_look_is_planned_by(
    memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grounds, "AT_RUN", timedelta(seconds=0.1))
    memory.other.may.clear()
    memory.other.held.clear()
    threading.Timer(1, memory.other.may.set).start()
    assert [c.entitlement.target for c in memory.plan().plan.changes] == ["other"]
    assert memory.other.reads.count("begun") == 1


def test_nothing_is_waited_for_beyond_the_next_end(memory: Memory) -> None:
    before = memory.kept[-1]
    soon = parse_instant(on("10:10")) + timedelta(seconds=1)
    assert before.unchanged is not None
    memory.kept.append(replace(before, unchanged=replace(before.unchanged, until=soon)))
    memory.other.may.clear()
    threading.Timer(3, memory.other.may.set).start()
    assert not quiet(memory.plan())
    assert memory.other.reads.count("begun") == 1


def test_what_others_gave_is_told_by_each_run_and_by_none_that_could_not_tell_it_from_ours(memory: Memory) -> None:
    (ours,) = memory.one.held
    shown = [one._replace(principal="eve", privilege=text) for one in (ours,) for text in (_SHOWN, '{"unmanaged":1}')]
    memory.one.give_unmanaged(shown[:1])
    assert memory.plan().plan.unmanaged == (shown[0],)
    found = memory.plan()
    assert quiet(found)
    assert found.plan.unmanaged == (shown[0],)
    memory.one.give_unmanaged(shown)
    for _ in range(2):
        found = memory.plan()
        assert not quiet(found)
        assert found.plan.unmanaged == tuple(sorted(shown))
