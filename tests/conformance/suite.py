"""What every target must do, as a base class. A new target's test is this, with its own two methods::

class TestMine(TargetContract):
    def make(self, folder):
        return MyTarget(folder / "store", NAME)

    def spoil(self, target):
        target.path.write_bytes(b"not a store")
"""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from daypass.core.errors import EdgeError
from daypass.core.grant import canonical
from daypass.core.plan import Entitlement
from daypass.ports import Target

NAME = "under-test"
UNTIL = datetime(2040, 1, 2, 3, 4, 5, tzinfo=UTC)
PAST = datetime(2001, 1, 2, 3, 4, 5, tzinfo=UTC)

HOSTILE = (
    "o'brien",
    'double"quote',
    "back\\slash",
    "semi; DROP TABLE entitlements; --",
    "' OR '1'='1",
    "%",
    "_",
    "alice\nbob",
    "tab\there",
    " leading and trailing ",
    "ünïcödé-日本語-🔑",
    "e\u0301",
    "\u00e9",
    "ALICE",
    "alice",
    "$(touch x)`id`",
    "{}",
    "NULL",
    "0",
    "00",
    "a" * 1000,
)
"""Principals that must neither break out of a statement nor be taken for one another."""

_TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=12) | st.sampled_from(HOSTILE)


def entitlement(
    principal: str = "alice", *, resource: str = "orders-db", privilege: str = "orders_readonly"
) -> Entitlement:
    return Entitlement(NAME, resource, principal, canonical({"member_of": privilege}))


class TargetContract:
    """The contract. Subclasses give ``make`` and ``spoil``."""

    def make(self, folder: Path) -> Target:
        """Return a target called NAME whose world is the folder; a second call opens the same world again."""
        raise NotImplementedError

    def spoil(self, target: Target) -> None:
        """Make the target's world impossible to read."""
        raise NotImplementedError

    @pytest.fixture
    def target(self, tmp_path: Path) -> Target:
        return self.make(tmp_path)

    def test_nothing_is_there_at_first(self, target: Target) -> None:
        assert target.observe() == frozenset()

    def test_what_was_added_is_observed(self, target: Target) -> None:
        target.add(entitlement(), UNTIL)
        assert target.observe() == {entitlement()}

    def test_adding_twice_is_adding_once(self, target: Target) -> None:
        target.add(entitlement(), UNTIL)
        target.add(entitlement(), UNTIL + timedelta(hours=1))
        assert target.observe() == {entitlement()}
        target.remove(entitlement())
        assert target.observe() == frozenset()

    def test_removing_what_is_absent_is_nothing(self, target: Target) -> None:
        target.remove(entitlement())
        target.add(entitlement("bob"), UNTIL)
        target.remove(entitlement())
        target.remove(entitlement())
        assert target.observe() == {entitlement("bob")}

    @pytest.mark.parametrize(
        "other",
        [entitlement("bob"), entitlement(resource="payroll"), entitlement(privilege="orders_admin")],
        ids=["principal", "resource", "privilege"],
    )
    def test_entitlements_that_differ_in_one_part_are_apart(self, target: Target, other: Entitlement) -> None:
        target.add(entitlement(), UNTIL)
        target.add(other, UNTIL)
        assert target.observe() == {entitlement(), other}
        target.remove(entitlement())
        assert target.observe() == {other}

    def test_a_removal_is_seen_by_whoever_reads_next(self, target: Target, tmp_path: Path) -> None:
        target.add(entitlement(), UNTIL)
        other = self.make(tmp_path)
        assert other.observe() == {entitlement()}
        target.remove(entitlement())
        assert other.observe() == frozenset()

    def test_no_text_breaks_out_of_its_place(self, target: Target) -> None:
        every = {entitlement(p) for p in HOSTILE} | {entitlement(privilege=p) for p in HOSTILE}
        for one in sorted(every):
            target.add(one, UNTIL)
        assert target.observe() == every
        for one in sorted(every):
            target.remove(one)
            every.discard(one)
            assert target.observe() == every

    def test_a_thousand_are_all_observed(self, target: Target) -> None:
        every = {entitlement(f"person-{n}", resource=f"resource-{n % 7}") for n in range(1000)}
        for one in sorted(every):
            target.add(one, UNTIL)
        assert target.observe() == every

    def test_another_targets_entitlement_is_refused(self, target: Target) -> None:
        stray = Entitlement("elsewhere", "orders-db", "alice", "{}")
        message = "expected an entitlement of target 'under-test', got one of 'elsewhere'"
        with pytest.raises(EdgeError) as refused:
            target.add(stray, UNTIL)
        assert refused.value.message == message
        with pytest.raises(EdgeError) as refused:
            target.remove(stray)
        assert refused.value.message == message
        assert target.observe() == frozenset()

    def test_access_ends_by_itself_exactly_where_the_target_says_so(self, target: Target) -> None:
        target.add(entitlement(), PAST)
        assert target.observe() == (frozenset() if target.abilities.native_expiry else {entitlement()})

    def test_complete_observation_shows_what_another_handle_added(self, target: Target, tmp_path: Path) -> None:
        if not target.abilities.complete_observation:
            pytest.skip("this target does not list everything it holds")
        self.make(tmp_path).add(entitlement("mallory"), UNTIL)
        assert target.observe() == {entitlement("mallory")}

    @pytest.mark.parametrize("held", [0, 1])
    def test_a_world_that_cannot_be_read_is_an_error_and_never_empty(self, target: Target, held: int) -> None:
        for n in range(held):
            target.add(entitlement(f"person-{n}"), UNTIL)
        self.spoil(target)
        with pytest.raises(EdgeError):
            target.observe()

    def test_any_order_of_calls_gives_what_a_set_gives(self) -> None:
        make = self.make

        class Machine(RuleBasedStateMachine):
            def __init__(self) -> None:
                super().__init__()
                self.folder = tempfile.TemporaryDirectory()
                self.target = make(Path(self.folder.name))
                self.model: set[Entitlement] = set()

            @rule(principal=_TEXT, resource=st.sampled_from(["orders-db", "payroll"]), hours=st.integers(0, 99))
            def add(self, principal: str, resource: str, hours: int) -> None:
                one = entitlement(principal, resource=resource)
                self.target.add(one, UNTIL + timedelta(hours=hours))
                self.model.add(one)

            @rule(data=st.data(), gone=st.booleans())
            def remove(self, data: st.DataObject, gone: bool) -> None:
                known = sorted(self.model) if gone and self.model else [entitlement("nobody")]
                one = data.draw(st.sampled_from(known))
                self.target.remove(one)
                self.model.discard(one)

            @rule()
            def open_again(self) -> None:
                self.target = make(Path(self.folder.name))

            @invariant()
            def same(self) -> None:
                assert self.target.observe() == self.model

            def teardown(self) -> None:
                self.folder.cleanup()

        few = settings(max_examples=25, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck))
        run_state_machine_as_test(Machine, settings=few)
