"""What every target must do, as a base class. A new target's test is this, with what `Bench` asks for::

class TestMine(TargetContract):
    kind = "mine"
    observing = 1
    lacks = {"limits": "the server names no limits", ...}

    def make(self, folder):
        return MyTarget(folder / "store", NAME)

    def spoil(self, target):
        target.path.write_bytes(b"not a store")

    def enters(self, folder, one, handover):
        return ask_the_real_thing(folder, one.principal)

The contract has three parts: what follows is about the target alone, `InTrouble` about networks, credentials and limits,
and `InPipeline` about whole runs, their receipts and what a client sees of them. Nothing is skipped: what a target cannot
do it says, with the reason, and that is held against the table in docs/targets/index.md.
"""

from __future__ import annotations

import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from conformance.bench import (
    CAPABILITIES,
    CREDENTIALS,
    HOSTILE,
    MOMENTS,
    NAME,
    PAST,
    UNTIL,
    Bench,
    entitlement,
    needs,
    page_block,
)
from conformance.lives import InPipeline
from conformance.trouble import InTrouble
from daypass.core.errors import EdgeError
from daypass.core.plan import Entitlement
from daypass.edges.targets.registry import TARGETS, fingerprints
from daypass.ports import Dated, Fingerprinting, Inviting, Numbering, Observing, Recalling, Target, Timed

__all__ = [
    "CREDENTIALS",
    "HOSTILE",
    "MOMENTS",
    "NAME",
    "PAST",
    "UNTIL",
    "TargetContract",
    "entitlement",
    "needs",
    "page_block",
]

MANY = 1000
ABILITIES = (Observing, Fingerprinting, Recalling, Dated, Numbering, Timed, Inviting)

_TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=12) | st.sampled_from(HOSTILE)


class TargetContract(InPipeline, InTrouble, Bench):
    """The contract."""

    @pytest.fixture
    def target(self, tmp_path: Path) -> Any:
        self.welcome(tmp_path, [self.one(who, privilege=p) for who in range(3) for p in range(2)])
        made = self.make(tmp_path)
        if Recalling in self.abilities:
            made.recall([])  # as every run begins; nothing was handed over yet
        yield made
        self.forget(tmp_path)

    # What it says of itself.

    def test_it_says_what_it_can_do(self, target: Target) -> None:
        assert target.traits == self.traits
        assert {ability for ability in ABILITIES if isinstance(target, ability)} == self.abilities
        assert ("reading" in self.lacks) is (Observing not in self.abilities)
        assert ("time" in self.lacks) is (Timed not in self.abilities)

    def test_what_it_lacks_is_said(self) -> None:
        assert set(self.lacks) <= set(CAPABILITIES)
        for name, hooks in CAPABILITIES.items():
            given = [hook for hook in hooks if getattr(type(self), hook) is not getattr(Bench, hook)]
            if name in self.lacks:
                assert len(self.lacks[name]) > 10, f"say why it lacks {name}"
                assert given == [], f"it lacks {name}, and gives {given}"
            else:
                assert given == list(hooks), f"give {hooks} of {name}, or say in `lacks` why there is none"
        for hook in ("make", "spoil", "enters", *(["calls"] if "reading" not in self.lacks else [])):
            assert getattr(type(self), hook) is not getattr(Bench, hook), f"give {hook}"

    def test_its_health_has_facts_and_no_concerns(self, target: Target) -> None:
        found = target.health()
        assert found.facts
        assert found.concerns == ()
        if found.clock is not None:
            assert abs(found.clock - datetime.now(UTC)) < timedelta(minutes=1)

    def test_it_says_what_it_looked_at_and_what_it_cannot_see(self, target: Target) -> None:
        self.give(target, self.one())
        found = target.inspect()
        assert all(found.looked)
        assert found.looked
        assert all(found.unseen)
        assert found.unseen
        assert found.others == ()  # what daypass gave is no other way in

    # Add, remove, observe.

    @needs("reading")
    def test_nothing_is_there_at_first(self, target: Target) -> None:
        assert target.observe() == frozenset()

    @needs("reading")
    def test_what_was_added_is_observed(self, target: Target) -> None:
        self.give(target, self.one())
        assert target.observe() == {self.one()}

    @needs("reading")
    def test_adding_twice_is_adding_once(self, target: Target) -> None:
        self.give(target, self.one())
        self.give(target, self.one(), until=UNTIL + timedelta(hours=1))
        assert target.observe() == {self.one()}
        self.take(target, self.one())
        assert target.observe() == frozenset()

    @needs("reading")
    def test_removing_what_is_absent_is_nothing(self, target: Target) -> None:
        self.take(target, self.one())
        self.give(target, self.one(1))
        self.take(target, self.one())
        self.take(target, self.one())
        assert target.observe() == {self.one(1)}

    @needs("reading")
    @pytest.mark.parametrize(("who", "privilege"), [(1, 0), (0, 1)], ids=["principal", "privilege"])
    def test_entitlements_that_differ_in_one_part_are_apart(self, target: Target, who: int, privilege: int) -> None:
        self._apart(target, self.one(who, privilege=privilege))

    @needs("resources")
    def test_one_privilege_on_two_resources_is_two_entitlements(self, target: Target, tmp_path: Path) -> None:
        other = self.one(resource="payroll")
        self.welcome(tmp_path, [other])
        self._apart(target, other)

    def _apart(self, target: Target, other: Entitlement) -> None:
        self.give(target, self.one(), other)
        assert target.observe() == {self.one(), other}
        self.take(target, self.one())
        assert target.observe() == {other}

    @needs("reading")
    def test_a_removal_is_seen_by_whoever_reads_next(self, target: Target, tmp_path: Path) -> None:
        self.give(target, self.one())
        other = self.make(tmp_path)
        assert other.observe() == {self.one()}
        self.take(target, self.one())
        assert other.observe() == frozenset()

    @needs("reading")
    def test_complete_observation_shows_what_another_handle_added(self, target: Target, tmp_path: Path) -> None:
        theirs = self.by_hand(tmp_path, self.one(2))
        assert target.observe() == {theirs}

    # The name of what it holds, by which a run goes by what an earlier one found.

    def _named(self, target: Target) -> str:
        """Look, and return the fingerprint of what was seen; of a target that has none what it was seen to hold."""
        assert isinstance(target, Observing)
        seen = target.observe()
        return repr(sorted(target.fingerprint().items()) if isinstance(target, Fingerprinting) else sorted(seen))

    @needs("reading")
    def test_what_moves_at_a_resource_moves_its_own_fingerprint_or_that_of_all(self, target: Target) -> None:
        if not isinstance(target, Fingerprinting):
            return
        target.observe()
        before = target.fingerprint()
        self.give(target, self.one())
        target.observe()
        after = target.fingerprint()
        moved = {name for name in {*before, *after} if before.get(name) != after.get(name)}
        assert "" in moved or moved == {self.one().resource}

    @needs("reading")
    def test_its_fingerprint_moves_with_what_is_there(self, target: Target, tmp_path: Path) -> None:
        empty = self._named(target)
        self.give(target, self.one())
        held = self._named(target)
        assert empty != held
        assert held == self._named(target) == self._named(self.make(tmp_path))
        self.give(target, self.one(1))
        self.take(target, self.one())
        changed = self._named(target)
        assert changed not in {empty, held}
        self.give(target, self.one())
        assert self._named(target) not in {empty, held, changed}
        self.take(target, self.one())
        self.by_hand(tmp_path, self.one(2))
        assert self._named(target) not in {empty, held, changed}

    @needs("reading")
    def test_a_fingerprint_is_of_the_last_look_and_of_nothing_else(self, target: Target, tmp_path: Path) -> None:
        if not isinstance(target, Fingerprinting):
            return
        with pytest.raises(EdgeError):
            target.fingerprint()
        empty = self._named(target)
        self.give(target, self.one())
        assert repr(sorted(target.fingerprint().items())) == empty
        held = self._named(target)
        assert held != empty
        found = target.find({self.one(): ()}) if isinstance(target, Numbering) else {}
        numbers = {self.one(): found[self.one()].numbers} if found else {}
        fresh = self.make(tmp_path)
        assert isinstance(fresh, Fingerprinting)
        fresh.observe()
        asked = fresh.find(numbers) if isinstance(fresh, Numbering) else {}
        before = self.calls(tmp_path)
        assert repr(sorted(fresh.fingerprint().items())) == held
        assert self.calls(tmp_path) == before
        assert asked == found

    @needs("principals' names")
    def test_its_fingerprint_moves_when_somebody_is_renamed_or_made_anew(self, target: Target, tmp_path: Path) -> None:
        if not isinstance(target, Fingerprinting):
            return
        self.give(target, self.one(0), self.one(1))
        seen = [self._named(target)]
        self.rename_principal(tmp_path, self.one(0))
        seen.append(self._named(target))
        self.anew_principal(tmp_path, self.one(1))
        seen.append(self._named(target))
        assert len({*seen}) == len(seen)

    @needs("places' names")
    @pytest.mark.parametrize("how", ["rename_place", "anew_place"])
    def test_its_fingerprint_moves_when_a_place_is_renamed_or_made_anew(
        self, target: Target, tmp_path: Path, how: str
    ) -> None:
        if not isinstance(target, Fingerprinting):
            return
        self.give(target, self.one())
        held = self._named(target)
        getattr(self, how)(tmp_path, self.one())
        assert self._named(target) != held

    def test_runs_go_by_what_an_earlier_one_found_there_where_the_registry_says_so(self) -> None:
        if self.kind in TARGETS:
            assert fingerprints(self.kind) is (Fingerprinting in self.abilities)

    @needs("reading")
    @pytest.mark.parametrize("held", [0, 1])
    def test_a_world_that_cannot_be_read_is_an_error_and_never_empty(self, target: Target, held: int) -> None:
        self.give(target, *[self.one(n) for n in range(held)])
        self.spoil(target)
        for ask in (target.observe, target.health):
            with pytest.raises(EdgeError):
                ask()

    # Many orders in one step.

    def test_no_orders_have_no_answers(self, target: Target) -> None:
        assert list(target.carry_out([])) == []

    def test_orders_are_answered_one_by_one_in_order_and_a_bad_one_stops_only_itself(self, target: Target) -> None:
        stray = self.one()._replace(target="elsewhere")
        orders = [self.order(one) for one in (self.one(0), stray, self.one(1), stray, self.one(2))]
        words = "expected an entitlement of target 'under-test', got one of 'elsewhere'"
        assert [answer.error for answer in target.carry_out(orders)] == ["", words, "", words, ""]
        self._holds(target, self.one(0), self.one(1), self.one(2))
        orders = [self.order(one, remove=True) for one in (self.one(0), stray, self.one(1))]
        assert [answer.error for answer in target.carry_out(orders)] == ["", words, ""]
        self._holds(target, self.one(2))

    def test_orders_about_one_entitlement_are_carried_out_in_their_order(self, target: Target) -> None:
        self.give(target, self.one(1))
        add, remove = self.order(self.one()), self.order(self.one(), remove=True)
        assert [a.error for a in target.carry_out([add, remove])] == ["", ""]
        self._holds(target, self.one(1))
        assert [a.error for a in target.carry_out([remove, add])] == ["", ""]
        self._holds(target, self.one(), self.one(1))

    def _holds(self, target: Target, *ones: Entitlement) -> None:
        assert "reading" in self.lacks or target.observe() == {*ones}

    @needs("strangers")
    def test_who_does_not_exist_is_refused_by_name_and_stops_only_that_order(
        self, target: Target, tmp_path: Path
    ) -> None:
        self._refused_alone(target, self.stranger(tmp_path), lambda one: one.principal)

    @needs("privileges")
    def test_a_privilege_that_does_not_exist_is_refused_and_stops_only_that_order(
        self, target: Target, tmp_path: Path
    ) -> None:
        self._refused_alone(target, self.strange_privilege(tmp_path), lambda one: "")

    def _refused_alone(self, target: Target, bad: Entitlement, named: Any) -> None:
        answers = target.carry_out([self.order(one) for one in (self.one(0), bad, self.one(1))])
        assert [bool(answer.error) for answer in answers] == [False, True, False]
        assert named(bad) in answers[1].error
        assert answers[1].handover == ""
        self._holds(target, self.one(0), self.one(1))
        assert [a.error for a in target.carry_out([self.order(bad, remove=True)])] == [""]  # absent: nothing to do

    # Names.

    @needs("reading")
    def test_no_text_breaks_out_of_its_place(self, target: Target, tmp_path: Path) -> None:
        good: list[Entitlement] = []
        for name in HOSTILE:
            if self.takes(name) and not any(self.same(name, one.principal) for one in good):
                good.append(self.named(name))
        self.welcome(tmp_path, good)
        for name in (name for name in HOSTILE if not self.takes(name)):
            (answer,) = target.carry_out([self.order(self.named(name))])
            assert answer.error, f"{name!r} cannot be held, and was not refused"
            assert target.observe() == frozenset()
        self.give(target, *good)
        assert target.observe() == {*good}
        left = {*good}
        for one in good:
            self.take(target, one)
            left.discard(one)
            assert target.observe() == left

    # Size.

    @needs("reading")
    def test_a_thousand_are_all_observed_in_the_calls_it_states(self, target: Target, tmp_path: Path) -> None:
        every = [self.named(self.numbered(n)) for n in range(MANY)]
        self.welcome(tmp_path, every)
        self.give_many(target, tmp_path, every)
        fresh = self.make(tmp_path)
        before = self.calls(tmp_path)
        assert fresh.observe() == {*every}
        assert 0 < self.calls(tmp_path) - before <= self.observing

    # Whose it is, and until when.

    @needs("reading")
    def test_access_ends_by_itself_exactly_where_the_target_says_so(self, target: Target) -> None:
        end = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=2)
        self.give(target, self.one(), until=end)
        time.sleep(max(0.0, (end - datetime.now(UTC)).total_seconds()) + 0.5)
        assert target.observe() == (frozenset() if self.ends_by_itself else {self.one()})

    # The proof from the client's side.

    def test_the_subject_gets_in_exactly_while_the_target_holds_it(self, target: Target, tmp_path: Path) -> None:
        one = self.one()
        assert not self.enters(tmp_path, one, "")
        (done,) = self.give(target, one)
        assert bool(done.handover) is self.hands()
        assert self.enters(tmp_path, one, done.handover)
        assert not self.enters(tmp_path, self.one(1), done.handover)
        self.take(target, one)
        assert not self.enters(tmp_path, one, done.handover)

    def test_what_was_added_twice_is_ended_once_and_taking_what_is_absent_is_nothing_to_a_client(
        self, target: Target, tmp_path: Path
    ) -> None:
        one = self.one()
        self.take(target, one)
        handed = [done.handover for _ in range(2) for done in self.give(target, one)]
        assert self.enters(tmp_path, one, handed[-1])
        self.take(target, one)
        self.take(target, one)
        assert not any(self.enters(tmp_path, one, handover) for handover in handed)

    def test_hostile_names_stop_only_themselves(self, target: Target, tmp_path: Path) -> None:
        others = [name for name in HOSTILE if not any(self.same(name, known) for known in self.principals)]
        names = [name for name in others if name not in self.principals]
        self.welcome(tmp_path, [self.named(name) for name in names if self.takes(name)])
        good = self.one()
        answers = target.carry_out([self.order(one) for one in (*map(self.named, names), good)])
        assert [bool(answer.error) for answer in answers] == [*(not self.takes(name) for name in names), False]
        assert self.enters(tmp_path, good, answers[-1].handover)
        self.take(target, *[self.named(name) for name in names if self.takes(name)])
        assert self.enters(tmp_path, good, next(iter(self.give(target, good))).handover)
        self._holds(target, good)

    def test_what_is_handed_over_arrives_or_nothing_was_given(self, target: Target, tmp_path: Path) -> None:
        order = self.order(self.one())._replace(keys=())
        (answer,) = target.carry_out([order])
        # Who has no key cannot receive anything: that is a refusal where something would have to be handed over.
        assert bool(answer.error) is self.hands()
        assert self.enters(tmp_path, self.one(), answer.handover) is not self.hands()

    # Everything at once.

    @needs("reading")
    def test_any_order_of_calls_gives_what_a_set_gives(self) -> None:
        bench = self

        class Machine(RuleBasedStateMachine):
            def __init__(self) -> None:
                super().__init__()
                self.temporary = tempfile.TemporaryDirectory()
                self.folder = Path(self.temporary.name)
                bench.welcome(self.folder, [bench.one(who) for who in range(3)])
                self.target = bench.make(self.folder)
                self.model: set[Entitlement] = set()

            @rule(
                principal=_TEXT | st.sampled_from(bench.principals),
                privilege=st.integers(0, 1),
                hours=st.integers(0, 9),
            )
            def add(self, principal: str, privilege: int, hours: int) -> None:
                one = bench.named(principal, privilege=privilege)
                if not bench.takes(principal) or any(bench.same(principal, known.principal) for known in self.model):
                    return
                bench.welcome(self.folder, [one])
                bench.give(self.target, one, until=UNTIL + timedelta(hours=hours))
                self.model.add(one)

            @rule(data=st.data(), gone=st.booleans())
            def remove(self, data: st.DataObject, gone: bool) -> None:
                known = sorted(self.model) if gone and self.model else [bench.one(2)]
                one = data.draw(st.sampled_from(known))
                bench.take(self.target, one)
                self.model.discard(one)

            @rule()
            def open_again(self) -> None:
                self.target = bench.make(self.folder)

            @invariant()
            def same(self) -> None:
                assert self.target.observe() == self.model

            def teardown(self) -> None:
                bench.forget(self.folder)
                self.temporary.cleanup()

        few = settings(
            max_examples=self.examples, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
        )
        run_state_machine_as_test(Machine, settings=few)
