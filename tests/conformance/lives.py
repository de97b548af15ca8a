"""What a target must do in whole runs: with grants, a forge, receipts, and clients who try to get in."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from conformance.bench import Bench, needs
from conformance.world import Around, Deaf, Killed, World
from daypass.core.errors import ExitCode
from daypass.core.ledger.receipt import Outcome
from daypass.core.plan import Action, Reason
from daypass.ports import Numbering


class InPipeline(Bench):
    """The part of the contract that is about runs."""

    @pytest.fixture
    def world(self, tmp_path: Path) -> World:
        made = World(tmp_path / "life", self)
        yield made
        self.forget(made.place)

    def test_two_grants_of_one_entitlement_and_the_end_of_one(self, world: World) -> None:
        first = world.grant(-130, 60, start=-120)
        second = world.grant(-129, 120, start=-110)
        assert first != second
        assert world.apply(-125).outcomes == []
        assert world.held() == frozenset()
        assert _said(world.apply(-119).outcomes) == [("add", Reason.WINDOW_OPENED, True)]
        assert world.held() == {self.one()}
        assert _said(world.apply(-109).outcomes) == [("add", Reason.CONTINUED, True)]  # told of the later end
        assert world.held() == {self.one()}
        world.apply(61)  # the first is over, and the second goes on
        assert world.held() == {self.one()}
        assert world.outcomes(Action.REMOVE) == []
        assert _said(world.apply(121).outcomes) == [("remove", Reason.EXPIRED, True)]
        assert world.held() == frozenset()
        (removal,) = world.outcomes(Action.REMOVE)
        assert second in removal.change.grants
        world.settled(122)

    def test_the_end_of_one_grant_before_its_time_leaves_what_the_other_gives(self, world: World) -> None:
        first, second = world.grant(-120, 120), world.grant(-119, 60)
        world.apply(-118)
        world.end(first, -100)
        world.apply(-98)
        assert world.held() == {self.one()}
        assert world.outcomes(Action.REMOVE) == []
        world.apply(61)
        assert world.held() == frozenset()
        (removal,) = world.outcomes(Action.REMOVE)
        assert second in removal.change.grants
        world.settled(62)

    def test_a_second_run_changes_nothing(self, world: World) -> None:
        world.grant(-120, 60)
        world.apply(-119)
        before = len(world.bodies())
        assert world.apply(-118).outcomes == []
        assert len(world.bodies()) == before
        world.settled(-117)

    # Names that change, and numbers that do not.

    def _given(self, world: World) -> str:
        grant = world.grant(-120, 60)
        world.apply(-119)
        assert self.enters(world.place, self.one(), world.handover())
        assert [bool(o.numbers) for o in world.outcomes(Action.ADD)] == [Numbering in self.abilities]
        return grant

    @needs("principals' names")
    def test_who_was_renamed_keeps_access_until_its_end_and_no_longer(self, world: World) -> None:
        self._given(world)
        today = self.rename_principal(world.place, self.one())
        done = world.apply(-118)
        assert done.outcomes == []
        assert done.survey.plan.unmanaged == ()
        assert bool(done.survey.plan.renamed) is (today != self.one())
        assert self.enters(world.place, today, world.handover())
        assert _said(world.apply(61).outcomes) == [("remove", Reason.EXPIRED, True)]
        assert not self.enters(world.place, today, world.handover())
        assert world.held() == frozenset()
        world.settled(62)

    @needs("places' names")
    def test_what_was_renamed_is_followed_and_the_access_in_it_ends(self, world: World) -> None:
        self._given(world)
        self.rename_place(world.place, self.one())
        done = world.apply(-118)
        assert done.outcomes == []
        assert [doubt.entitlement for doubt in done.survey.plan.renamed] == [self.one()]
        assert done.survey.plan.unmanaged == ()
        assert self.enters(world.place, self.one(), world.handover())
        assert _said(world.apply(61).outcomes) == [("remove", Reason.EXPIRED, True)]
        assert not self.enters(world.place, self.one(), world.handover())
        world.settled(62)

    @needs("principals' names")
    def test_somebody_else_of_the_same_name_is_given_nothing(self, world: World) -> None:
        grant = self._given(world)
        self.anew_principal(world.place, self.one())
        self._waits_for_a_person(world, grant)

    @needs("places' names")
    def test_something_else_of_the_same_name_is_given_to_nobody(self, world: World) -> None:
        grant = self._given(world)
        self.anew_place(world.place, self.one())
        self._waits_for_a_person(world, grant)

    def _waits_for_a_person(self, world: World, grant: str) -> None:
        for minute in (-118, -117):  # named by every run
            done = world.apply(minute)
            assert done.outcomes == []
            assert done.exit_code is ExitCode.PARTIAL
            assert [doubt.grants for doubt in done.survey.plan.unknown] == [(grant,)]
        assert not self.enters(world.place, self.one(), world.handover())
        world.settle(grant, -116, adopt=True)
        assert _said(world.apply(-115).outcomes) == [("add", Reason.LOST, True)]
        assert self.enters(world.place, self.one(), world.handover())
        assert _said(world.apply(61).outcomes) == [("remove", Reason.EXPIRED, True)]
        assert not self.enters(world.place, self.one(), world.handover())
        world.settled(62)

    @needs("places' names")
    def test_what_was_written_off_is_given_no_more(self, world: World) -> None:
        grant = self._given(world)
        self.anew_place(world.place, self.one())
        world.settle(grant, -118, adopt=False)
        done = world.apply(-117)
        assert done.outcomes == []
        assert [refusal.code for refusal in done.survey.refusals] == ["written-off"]
        assert not self.enters(world.place, self.one(), world.handover())
        assert world.ours() == set()

    @needs("reading")
    def test_access_that_is_not_ours_is_seen_reported_and_untouched(self, world: World) -> None:
        theirs = self.by_hand(world.place, self.one(2))
        world.grant(-120, 60)
        done = world.apply(-119)
        assert done.survey.plan.unmanaged == (theirs,)
        assert world.held() == {self.one(), theirs}
        done = world.apply(61)
        assert done.survey.plan.unmanaged == (theirs,)
        assert world.held() == {theirs}
        assert self.enters(world.place, self.one(2), "")
        assert world.ours() == set()
        assert {o.change.entitlement for o in world.outcomes()} == {self.one()}

    @needs("strangers")
    def test_somebody_who_does_not_exist_stops_only_their_own_grant(self, tmp_path: Path) -> None:
        place = tmp_path / "life"
        stranger = self.stranger(place / "world")
        world = World(place, self, {"bob": stranger.principal})
        world.grant(-120, 60, who="bob")
        world.grant(-119, 60)
        done = world.apply(-118)
        assert done.exit_code is ExitCode.PARTIAL
        assert {(o.change.entitlement.principal, o.ok) for o in done.outcomes} == {
            (stranger.principal, False),
            (self.principals[0], True),
        }
        (error,) = [o.error for o in done.outcomes if not o.ok]
        assert stranger.principal in error
        assert world.held() == world.ours() == {self.one()}
        world.apply(61)
        assert world.held() == world.ours() == set()
        world.access.run("audit", "verify", "--at", world.at(62))
        self.forget(world.place)

    @needs("reading")
    def test_a_removal_is_recorded_only_after_reading_back(self, world: World) -> None:
        world.grant(-120, 60)
        world.apply(-119)
        for minutes in (61, 62):
            done = world.apply(minutes, Deaf)
            assert [(o.ok, o.error) for o in done.outcomes if not o.recovered] == [
                (False, "still there when read back")
            ]
            assert world.held() == world.ours() == {self.one()}
        world.apply(63)
        assert world.held() == world.ours() == set()
        world.settled(64)

    @pytest.mark.parametrize("when", ["before the write", "after the write"])
    def test_a_run_that_is_killed_is_completed_by_the_next(self, world: World, when: str) -> None:
        def die() -> None:
            raise Killed

        def killed(minutes: float) -> None:
            wrap: dict[str, Callable[[], None]] = {"before" if when.startswith("before") else "after": die}
            with pytest.raises(Killed):
                world.apply(minutes, lambda target: Around(target, **wrap))

        world.grant(-120, 60)
        killed(-119)
        world.apply(-118)
        assert world.held() == world.ours() == {self.one()}
        world.settled(-117)
        killed(61)
        world.apply(62)
        assert world.held() == world.ours() == set()
        world.settled(63)

    @needs("time")
    def test_a_run_whose_clock_is_ahead_of_the_targets_gives_nothing_and_takes_nothing_that_runs(
        self, world: World
    ) -> None:
        world.grant(-120, 60)
        world.apply(-119)
        world.grant(-110, 300)
        done = world.apply(180, clock=lambda: _now() + timedelta(hours=3))
        assert world.held() == world.ours() == {self.one()}
        assert done.outcomes == []
        assert [change.action for change in done.held] == [Action.ADD]
        assert f"the clock of target {self.one().target} is" in done.held_message
        assert "behind ours: nothing is given until they agree" in done.held_message
        assert done.exit_code is ExitCode.PARTIAL
        now = (_now() - world.start).total_seconds() / 60
        assert _said(world.apply(now, clock=_now).outcomes) == [("add", Reason.CONTINUED, True)]
        world.settled(now)

    @needs("time")
    def test_a_run_whose_clock_is_ahead_takes_what_has_ended_by_the_targets_clock_too(self, world: World) -> None:
        world.grant(-120, -1)
        world.apply(-119)
        done = world.apply(180, clock=lambda: _now() + timedelta(hours=3))
        assert _said(done.outcomes) == [("remove", Reason.EXPIRED, True)]
        assert world.held() == world.ours() == set()
        world.settled(181)
        world.grant(-110, 300)
        now = (_now() - world.start).total_seconds() / 60
        done = world.apply(now, clock=_now)  # the last receipt lies ahead, and the target's clock agrees with ours
        assert _said(done.outcomes) == [("add", Reason.WINDOW_OPENED, True)]
        world.settled(now)

    def test_the_subject_really_can_from_the_start_of_the_window_and_not_after_its_end(self, world: World) -> None:
        """With the clock that clients and servers have."""
        now = (datetime.now(UTC) - world.start).total_seconds() + 3
        opens, ends = int(now), int(now + self.window.total_seconds())
        world.grant(-1, ends / 60, start=opens / 60)
        world.apply(0)
        assert not self.enters(world.place, self.one(), "")
        _wait_for(world, opens)
        world.apply(opens / 60)
        assert self.enters(world.place, self.one(), world.handover())
        _wait_for(world, ends)
        if self.ends_by_itself:
            time.sleep(1)  # nothing of ours runs
            assert not self.enters(world.place, self.one(), world.handover())
        world.apply(ends / 60)
        assert not self.enters(world.place, self.one(), world.handover())
        assert world.ours() == set()
        world.settled((ends + 1) / 60)


def _said(outcomes: list[Outcome]) -> list[tuple[str, Reason, bool]]:
    return [(o.change.action.value, o.change.reason, o.ok) for o in outcomes]


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def _wait_for(world: World, seconds: int) -> None:
    left = seconds - (datetime.now(UTC) - world.start).total_seconds()
    time.sleep(max(0.0, left))
