"""What a target must do when its network, its credential or its server's patience fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from conformance.bench import CREDENTIALS, MOMENTS, Bench, needs, page_block
from conformance.world import Around, World
from daypass.core.errors import EdgeError, ExitCode
from daypass.core.plan import Action
from daypass.ports import Target


class InTrouble(Bench):
    """The part of the contract that is about bad days."""

    @needs("network")
    @pytest.mark.parametrize("moment", MOMENTS)
    @pytest.mark.parametrize("mended", ["at once", "when the run is over"])
    def test_a_write_that_the_network_cuts_is_made_good_by_the_next_run(
        self, tmp_path: Path, moment: str, mended: str
    ) -> None:
        world = World(tmp_path / "life", self)

        def cut() -> None:
            self.cut(world.place, moment)

        def mend() -> None:
            self.mend(world.place)

        def disturbed(minutes: float) -> None:
            after = mend if mended == "at once" else lambda: None
            world.apply(minutes, lambda target: Around(target, cut, after))
            mend()

        world.grant(-120, 60)
        disturbed(-119)
        world.apply(-118)
        assert world.held() == world.ours() == {self.one()}
        world.settled(-117)
        assert self.enters(world.place, self.one(), world.handover())
        disturbed(61)
        world.apply(62)
        assert world.held() == world.ours() == set()
        world.settled(63)
        assert [o.ok for o in world.outcomes(Action.REMOVE)][-1:] == [True]
        self.forget(world.place)

    @needs("network")
    def test_a_target_that_nobody_reaches_is_an_error_and_ends_nothing(self, tmp_path: Path) -> None:
        world = World(tmp_path / "life", self)
        world.grant(-120, 60)
        world.apply(-119)
        self.cut(world.place, "before")
        target = self.make(world.place)
        for ask in (target.health, target.observe) if "reading" not in self.lacks else (target.health,):
            with pytest.raises(EdgeError) as refused:
                ask()
            assert refused.value.message
        done = world.apply(-118)
        if "reading" not in self.lacks:
            assert done.exit_code is ExitCode.PARTIAL
            assert set(done.survey.plan.unreadable) == {self.one().target}
        self.mend(world.place)
        assert world.held() == world.ours() == {self.one()}
        self.forget(world.place)

    @needs("credentials")
    @pytest.mark.parametrize("state", [state for state in CREDENTIALS if state != "too strong"])
    def test_a_credential_that_does_not_do_is_said_and_never_shown(self, tmp_path: Path, state: str) -> None:
        """One that lets nobody in fails at reading; one that is too weak at writing, and is a concern before."""
        self.welcome(tmp_path, [self.one()])
        target, words, secret = self.with_credential(tmp_path, state)
        said = _everything_said(self, target)
        assert any(words in line for line in said), f"expected {words!r} in {said}"
        assert secret
        assert not any(secret in line for line in said)
        good = self.make(tmp_path)
        assert "reading" in self.lacks or good.observe() == frozenset()
        if state == "too weak":
            assert any(words in concern for concern in target.health().concerns)
        else:
            with pytest.raises(EdgeError):
                target.health()
        self.forget(tmp_path)

    @needs("credentials")
    def test_a_credential_that_may_do_too_much_is_a_concern(self, tmp_path: Path) -> None:
        self.welcome(tmp_path, [self.one()])
        target, words, secret = self.with_credential(tmp_path, "too strong")
        concerns = target.health().concerns
        assert any(words in concern for concern in concerns), f"expected {words!r} in {concerns}"
        assert not any(secret in concern for concern in concerns)
        self.forget(tmp_path)

    @needs("credentials")
    def test_the_least_privilege_is_on_the_page_as_the_suite_gives_it(self) -> None:
        assert self.least_privilege().strip()
        assert self.least_privilege() == page_block(self.kind, "least-privilege")

    @needs("limits")
    def test_a_servers_hint_to_wait_is_followed(self, tmp_path: Path) -> None:
        self.welcome(tmp_path, [self.one()])
        self.give(self.make(tmp_path), self.one())
        target, waited = self.slowed(tmp_path, 7)
        assert target.observe() == {self.one()}
        assert sum(waited) >= 7
        self.forget(tmp_path)


def _everything_said(bench: Bench, target: Target) -> list[str]:
    """Ask and order; return every message that comes of it. Nothing may have been given."""
    said = []
    for ask in (target.observe, target.health):
        try:
            ask()
        except EdgeError as error:
            said += [error.message, error.hint]
    try:
        answers = target.carry_out([bench.order(bench.one())])
    except EdgeError as error:
        said += [error.message, error.hint]
    else:
        assert all(answer.error for answer in answers)
        said += [answer.error for answer in answers]
    return said
