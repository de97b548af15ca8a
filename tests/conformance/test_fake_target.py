from __future__ import annotations

from pathlib import Path

import pytest

from conformance.suite import NAME, UNTIL, TargetContract, entitlement
from daypass.core.errors import EdgeError
from fakes.target import Died, FakeTarget


class TestFake(TargetContract):
    @pytest.fixture(autouse=True)
    def worlds(self) -> None:
        self.worlds_by_folder: dict[Path, FakeTarget] = {}

    def make(self, folder: Path) -> FakeTarget:
        first = self.worlds_by_folder.setdefault(folder, FakeTarget(NAME))
        return FakeTarget(NAME, held=first.held)

    def spoil(self, target: FakeTarget) -> None:
        target.dials.unreadable = True


def test_a_write_that_fails_before_has_done_nothing() -> None:
    target = FakeTarget(NAME)
    target.dials.fail_before_write = True
    with pytest.raises(EdgeError, match="under-test refused to add"):
        target.add(entitlement(), UNTIL)
    assert target.observe() == frozenset()


def test_a_write_that_fails_after_has_taken_effect() -> None:
    target = FakeTarget(NAME)
    target.dials.fail_after_write = True
    with pytest.raises(EdgeError, match="under-test did not answer in time"):
        target.add(entitlement(), UNTIL)
    assert target.observe() == {entitlement()}


def test_a_dial_may_concern_one_entitlement_only() -> None:
    target = FakeTarget(NAME)
    target.dials.ignore_writes = True
    target.dials.only = frozenset({entitlement("bob")})
    target.add(entitlement("bob"), UNTIL)
    target.add(entitlement("alice"), UNTIL)
    assert target.observe() == {entitlement("alice")}


def test_a_stale_reading_does_not_see_what_was_written_since() -> None:
    target = FakeTarget(NAME)
    target.freeze_reading()
    target.add(entitlement(), UNTIL)
    assert target.observe() == frozenset()
    target.thaw_reading()
    assert target.observe() == {entitlement()}


@pytest.mark.parametrize(("dial", "held"), [("die_before_write", 1), ("die_after_write", 2)])
def test_it_dies_at_the_write_it_was_told_and_only_then(dial: str, held: int) -> None:
    target = FakeTarget(NAME)
    setattr(target.dials, dial, 1)
    target.add(entitlement("a"), UNTIL)
    with pytest.raises(Died):
        target.add(entitlement("b"), UNTIL)
    assert len(target.held) == held
    target.add(entitlement("b"), UNTIL)
