"""Runs of lives that reckon some resources anew plan what they would if they reckoned all of them."""

from collections import Counter

import pytest

from daypass.pipeline.apply import grounds, inputs
from simulation.anew import comparing
from simulation.life import play
from simulation.terms import tell


@pytest.mark.parametrize("part", range(2))
def test_what_rests_changes_no_plan(part: int) -> None:
    told: Counter[str] = Counter()
    differ: list[str] = []
    with comparing(told, differ):
        for seed in range(300 + 8 * part, 308 + 8 * part):
            play(tell(seed))
    assert differ == []
    assert told["by resource"] > 20
    assert told["resting"] > 5
    assert told["told"] > 20  # by their words in the ledger


def test_runs_that_overlook_what_main_and_the_ledger_moved_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "moved_by", lambda *_: frozenset())
    monkeypatch.setattr(grounds, "moved_since", lambda *_: frozenset())
    differ: list[str] = []
    with comparing(Counter(), differ):
        for seed in range(300, 316):
            play(tell(seed))
    assert differ
