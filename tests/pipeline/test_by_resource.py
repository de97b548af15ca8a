"""Which resources a run reckons anew after one that had something to remember, and that it plans as one that knows nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from faults_world import on
from test_idle_looks import Memory, NamedFake, memory

from daypass.core.errors import EdgeError
from daypass.core.ids import digest
from daypass.core.ledger.receipt import Pulse
from daypass.core.ledger.records import Departed
from daypass.core.plan import Reason
from daypass.core.record import replace
from daypass.core.window import parse_instant
from daypass.pipeline.apply.survey import Survey, plan_on

__all__ = ("memory",)


@dataclass
class NamedByResource(NamedFake):
    """Names what it was seen to hold resource by resource."""

    def fingerprint(self) -> Mapping[str, str]:
        if self.seen is None:
            raise EdgeError("it was not looked at")
        names = {one.resource for one in self.seen}
        return {"": "", **{name: digest(sorted(one for one in self.seen if one.resource == name)) for name in names}}


def scope_at(memory: Memory, at: str, **more: Any) -> set[str] | None:
    """Return what a run reckons anew (None: everything), held to a run that knows nothing, with which it shares a look."""

    def clock() -> Any:
        return parse_instant(on(at))

    found = memory.world.inputs(at, clock=clock, recalled=memory.kept[-1], program=memory.program, **more)
    whole = memory.world.inputs(at, clock=clock)
    if found.unchanged is None:
        seen = whole.readings().look()
        one, other = (plan_on(inputs, inputs.standing, seen, inputs.at) for inputs in (found, whole))
        assert (one.plan, one.boundary, one.recovered, one.ended) == (
            other.plan,
            other.boundary,
            other.recovered,
            other.ended,
        )
        assert (one.removals_allowed, one.additions_allowed) == (other.removals_allowed, other.additions_allowed)
    return {*found.scope.resources} if found.scope is not None else None


def test_a_merge_has_its_own_resource_reckoned_anew(memory: Memory) -> None:
    memory.world.access.grant(on("10:11"), on("10:12"), "--resource", "billing", "--subject", "erin")
    assert scope_at(memory, "10:15") == {"billing"}


def test_what_a_run_wrote_has_its_own_resource_reckoned_anew(memory: Memory) -> None:
    memory.world.access.grant(on("10:11"), on("10:12"), "--resource", "billing", "--subject", "erin")
    memory.world.apply("10:15")
    assert scope_at(memory, "10:16") == {"billing"}


def test_an_end_has_its_own_resource_reckoned_anew(memory: Memory) -> None:
    memory.world.access.grant(on("10:11"), on("10:12"), "--resource", "billing", "--subject", "erin", "--for", "10m")
    memory.world.apply("10:15")
    memory.plan("10:16")
    assert {*memory.kept[-1].resting} == {"orders-db", "billing"}
    assert scope_at(memory, "10:30") == {"billing"}


def test_what_moved_at_a_target_is_found_by_its_resource(memory: Memory) -> None:
    memory.world.targets["other"] = NamedByResource("other", memory.other.held)
    memory.plan()
    (ours,) = memory.other.held
    memory.world.targets["other"].give_unmanaged([ours._replace(resource="stray")])  # type: ignore[union-attr]
    assert scope_at(memory, "10:16") == {"stray"}
    memory.plan("10:16")
    assert (memory.kept[-1].unchanged, memory.kept[-1].restless) == (None, {"stray"})
    assert scope_at(memory, "10:17") == {"stray"}


def test_a_target_that_is_named_whole_has_all_its_resources_reckoned_anew(memory: Memory) -> None:
    memory.other.held.clear()
    assert scope_at(memory, "10:16") == {"billing"}
    found = memory.plan("10:16")
    assert [change.reason for change in found.plan.changes] == [Reason.LOST]
    assert {*memory.kept[-1].resting} == {"orders-db"}


def test_words_about_nothing_move_nothing(memory: Memory) -> None:
    memory.world.access.write("README.md", "x")
    memory.world.access.commit("a note")
    repo = memory.world.access.repo()
    repo.ledger.append(repo.standing, [Pulse(2)], at=parse_instant(on("10:09")), main=repo.standing.main, run="x")
    assert scope_at(memory, "10:15") == set()


def moved_policies(memory: Memory) -> None:
    memory.world.access.write("policies/note.md", "x")
    memory.world.access.commit("a note")


def left(memory: Memory) -> None:
    repo = memory.world.access.repo()
    word = Departed("alice", "1", "account-gone", "scim")
    repo.ledger.append(repo.standing, [word], at=parse_instant(on("10:09")), main=repo.tip, run="x")


def other_program(memory: Memory) -> None:
    memory.program = "another"


def other_ledger(memory: Memory) -> None:
    memory.kept.append(replace(memory.kept[-1], ledger=memory.kept[-1].main))


def other_main(memory: Memory) -> None:
    memory.kept.append(replace(memory.kept[-1], main=memory.kept[-1].ledger))


def of_later(memory: Memory) -> None:
    memory.kept.append(replace(memory.kept[-1], since=parse_instant(on("11:00"))))


@pytest.mark.parametrize("what", [moved_policies, left, other_program, other_ledger, other_main, of_later])
def test_all_is_reckoned_anew_where_anything_may_have_moved(memory: Memory, what: Callable[[Memory], None]) -> None:
    what(memory)
    assert scope_at(memory, "10:15") is None


def test_all_is_reckoned_anew_where_a_target_does_not_answer_in_time(
    memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    from daypass.pipeline.apply import grounds

    monkeypatch.setattr(grounds, "AT_MOST", timedelta(seconds=0.05))
    memory.kept.append(replace(memory.kept[-1], unchanged=None))
    memory.other.may.clear()

    def clock() -> Any:
        return parse_instant(on("10:15"))

    found = memory.world.inputs("10:15", clock=clock, recalled=memory.kept[-1], program=memory.program)
    memory.other.may.set()
    assert found.scope is None


def test_a_change_that_is_held_back_is_told_again_by_each_run(memory: Memory) -> None:
    memory.world.access.grant(on("10:11"), on("10:12"), "--resource", "billing", "--subject", "erin")
    memory.other.dials.fail_before_write = True
    memory.world.apply("10:15")
    told: list[Survey] = [memory.plan(at) for at in ("10:16", "10:17")]
    assert {*memory.kept[-1].restless} == {"billing"}
    assert [len(found.plan.failing) + len(found.plan.changes) for found in told] == [1, 1]
    assert scope_at(memory, "10:18") == {"billing"}
