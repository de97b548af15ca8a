"""Lives end well; and where the product is broken on purpose they do not, which shows that they look."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import pytest

from daypass.core.approval import judgement
from daypass.core.approval.judgement import Excluded, Then
from daypass.core.catalogue import Catalogue
from daypass.core.forge import Review
from daypass.core.ledger.receipt import Outcome
from daypass.core.plan import Done, Intended
from daypass.pipeline.apply import executor, inputs, run, survey
from daypass.pipeline.judge import evidence
from simulation.kept import KEPT
from simulation.life import Fault, play
from simulation.shrink import shrink
from simulation.story import tell

LIVES = 24
"""So many are played; CI's own run plays more."""
BUDGET = 150
"""Within so many lives a planted fault must be found."""


@pytest.mark.parametrize("part", range(4))
def test_lives_end_well(part: int) -> None:
    for seed in range(part, LIVES, 4):
        assert play(tell(seed)) is None, f"python -m simulation --seed {seed}"


@pytest.mark.parametrize("name", KEPT)
def test_lives_that_once_ended_badly_end_well(name: str) -> None:
    assert play(KEPT[name]) is None


def test_the_same_seed_tells_the_same_story() -> None:
    assert tell(7) == tell(7)
    assert tell(7) != tell(8)


def first_fault(beginning: int = 0) -> tuple[int, Fault]:
    """Play lives until one fails."""
    for seed in range(beginning, beginning + BUDGET):
        fault = play(tell(seed))
        if fault is not None:
            return seed, fault
    raise AssertionError(f"{BUDGET} lives did not find what was planted")


def nobody(*_: Any, **__: Any) -> Excluded:
    return Excluded({})


def seen_as_done(change: Intended, answer: Done, *_: Any, **__: Any) -> Outcome:
    return Outcome(change, ok=not answer.error, error=answer.error)


heard = judgement._last_reviews


def no_rejections(reviews: Sequence[Review], at: datetime) -> object:
    return heard([review for review in reviews if review.state != "rejected"], at)


PLANTED: dict[str, tuple[object, str, Callable[..., Any], set[str]]] = {
    "everybody may approve their own": (evidence, "excluded_people", nobody, {"1", "2"}),
    "a stale review counts": (judgement, "_outlived", lambda *_: "", {"1", "2"}),
    "a rejection blocks nothing": (judgement, "_last_reviews", no_rejections, {"1", "2"}),
    "who could not approve then may now": (Then, "lacks", lambda *_: "", {"1", "2"}),
    "intents are forgotten": (run, "_intents", lambda *_: [], {"5"}),
    "what a backup brings back stays": (survey, "_taken", lambda *_: frozenset(), {"1"}),
    "ends are not recorded": (inputs, "_ending", lambda *_: (), {"1", "2"}),
    "bounds are ignored": (Catalogue, "ends", lambda *_: (), {"1", "2"}),
    "nothing is read back": (executor, "_seen", seen_as_done, {"1", "5", "8"}),
}
"""What is planted: where, under which name, what stands there, and the invariants that it breaks."""


@pytest.mark.parametrize("what", PLANTED)
def test_a_planted_fault_is_found(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    where, name, planted, invariants = PLANTED[what]
    monkeypatch.setattr(where, name, planted)
    _, fault = first_fault()
    assert fault.invariant in invariants


def test_a_failing_story_is_made_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judgement, "_outlived", lambda *_: "")
    seed, _ = first_fault()
    story = tell(seed)
    shortest = shrink(story, play)
    assert play(shortest) is not None
    assert {"opens", "approves", "pushes"} <= {step.does for step in shortest}
    assert len(shortest) < len(story) / 3
