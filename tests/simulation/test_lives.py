"""Lives end well; and where the product is broken on purpose they do not, which shows that they look."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import policies_once
from daypass.cli.runs import away
from daypass.core import catalogue
from daypass.core.approval import judgement
from daypass.core.approval.stages import Excluded, Then
from daypass.core.audit.access import Holdings
from daypass.core.bounds.vendors import Vendor
from daypass.core.catalogue import Catalogue
from daypass.core.forge import Review
from daypass.core.grant import Grant, Moments
from daypass.core.ids import GrantId
from daypass.core.ledger.receipt import Outcome, Receipt, Settled
from daypass.core.ledger.standing import Delta, Standing
from daypass.core.plan import Claim, Done, Entitlement, Intended, Numbers, Observed, Reason
from daypass.core.planning import claims, drift
from daypass.core.planning.compute import _Sorted
from daypass.core.policy import decision
from daypass.core.record import replace
from daypass.core.window import Window
from daypass.pipeline.apply import decisions, executor, inputs, readings, run, survey
from daypass.pipeline.judge import evidence
from daypass.ports import Observing
from simulation.kept import KEPT
from simulation.life import Fault, play
from simulation.many import Played, Task, play_task, report
from simulation.shrink import shrink
from simulation.story import Step, Wish
from simulation.terms import PLAIN, tell

LIVES = PLAIN
"""So many are played whenever tests run. CI plays 10,000 beside that, or for a minute, and a nightly job for an hour."""
SEARCHED = 200
"""Each planted fault is found by one of so many."""
PARTS = 8
TERMS = 120
"""Among so many after those, each fault that is planted in what terms are is found."""
_ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("part", range(PARTS))
def test_lives_end_well(part: int) -> None:
    for seed in range(part, LIVES, PARTS):
        assert play(tell(seed)) is None, f"python -m simulation --seed {seed}"


@pytest.mark.parametrize("seed", range(LIVES + 1, LIVES + 33, 2))
def test_lives_on_terms_end_well(seed: int) -> None:
    assert play(tell(seed)) is None, f"python -m simulation --seed {seed}"


@pytest.mark.on_disk
def test_a_life_on_git_and_sqlite_ends_well() -> None:
    assert play(tell(99, 15)) is None


@pytest.mark.parametrize("name", KEPT)
def test_lives_that_once_ended_badly_end_well(name: str) -> None:
    assert play(KEPT[name], traced=True) is None


def test_what_is_counted_is_written_down_as_it_is() -> None:
    said, ci = ((_ROOT / name).read_text("utf-8") for name in ("docs/development.md", ".ci/run"))
    assert max(planted.seed for planted in PLANTED.values()) < SEARCHED
    assert (said.count(f"first {LIVES}"), said.count(f"first {SEARCHED}")) == (1, 1)
    assert "10,000 of them or until a minute is over" in said
    assert "-m simulation --seed 0 --lives 10000 --seconds 60" in ci


def test_the_same_seed_tells_the_same_story() -> None:
    assert tell(7) == tell(7)
    assert tell(7) != tell(8)


def first_fault(known: int) -> tuple[int, Fault]:
    """Return the first of the lives above that fails, and how; ``known`` is tried first, which it was when written down."""
    for seed in (known, *range(SEARCHED)):
        fault = play(tell(seed))
        if fault is not None:
            return seed, fault
    raise AssertionError(f"{SEARCHED} lives did not find what was planted")


def nobody(*_: Any, **__: Any) -> Excluded:
    return Excluded({})


def seen_as_done(change: Intended, answer: Done, *_: Any, **__: Any) -> Outcome:
    return Outcome(change, ok=not answer.error, error=answer.error)


def without_numbers(change: Intended, answer: Done, seen: Observed, *, hands_over: bool) -> Outcome:
    return replace(held_against(change, answer, seen, hands_over=hands_over), numbers=())


held_against = executor._seen
heard = judgement._last_reviews


def no_rejections(reviews: Sequence[Review], at: datetime) -> object:
    return heard([review for review in reviews if review.state != "rejected"], at)


def with_offers(target: Observing, ours: Mapping[Entitlement, Numbers], *there: frozenset[Entitlement]) -> Observed:
    seen = looked(target, ours, *there)
    return replace(seen, entitlements=seen.entitlements | seen.offered, offered=frozenset())


def of_now(_: datetime, receipts: Iterable[Receipt]) -> Holdings:
    return then(datetime.max.replace(tzinfo=UTC), receipts)


def without_files(*settled: Any, **more: Any) -> Settled:
    return replace(end_doubt(*settled, **more), files=())


end_doubt = drift._settled
then = Holdings.at
looked = readings.seen_at
whole = _Sorted.of


def without_union(claims: Iterable[Claim], at: datetime, invalid: Mapping[GrantId, Reason]) -> _Sorted:
    found = whole(claims, at, invalid)
    for ended in found.ended.values():
        found.live.pop(ended.entitlement, None)
    return found


class Planted(NamedTuple):
    """What is planted: where, under which name, what stands there, the invariants that it breaks, a life that finds it."""

    where: object
    name: str
    what: object
    invariants: set[str]
    seed: int


PLANTED = {
    "everybody may approve their own": Planted(evidence, "excluded_people", nobody, {"1", "2"}, 0),
    "a stale review counts": Planted(judgement, "_outlived", lambda *_: "", {"1", "2"}, 63),
    "a rejection blocks nothing": Planted(judgement, "_last_reviews", no_rejections, {"1", "2"}, 1),
    "who could not approve then may now": Planted(Then, "lacks", lambda *_: "", {"1", "2"}, 6),
    "intents are forgotten": Planted(run, "_intents", lambda *_: [], {"5"}, 0),
    "what a backup brings back stays": Planted(readings, "_returned", lambda *_: {}, {"1"}, 55),
    "ends are not recorded": Planted(inputs, "ending_of", lambda *_: (), {"1", "2"}, 6),
    "bounds are ignored": Planted(Catalogue, "ends", lambda *_: (), {"1", "2"}, 6),
    "nothing is read back": Planted(executor, "_seen", seen_as_done, {"1", "5", "8"}, 4),
    "a name is trusted": Planted(executor, "_seen", without_numbers, {"15"}, 8),
    "offers are taken for access": Planted(readings, "seen_at", with_offers, {"5"}, 0),
    "what was handed over is forgotten": Planted(Standing, "handed", lambda *_: (), {"1", "5"}, 54),
    "nothing ends while the remote is away": Planted(survey, "_BY_RECEIPTS", frozenset(), {"1"}, 2),
    "the outbox is not delivered": Planted(away, "deliver", lambda *_: "", {"5"}, 2),
    "rejections are not recorded": Planted(decisions, "_rejections", lambda *_: [], {"5"}, 1),
    "the audit tells of now when asked of then": Planted(Holdings, "at", staticmethod(of_now), {"5"}, 0),
    "what was written off gives on": Planted(drift, "_settled", without_files, {"1", "2"}, 8),
    "a doubt that was settled lasts": Planted(Delta, "_end_doubt", lambda *_: None, {"8"}, 168),
    "the union is dropped": Planted(_Sorted, "of", staticmethod(without_union), {"1", "2", "8"}, 6),
    "a clock that others contradict is believed": Planted(survey, "doubt", lambda *_: None, {"1", "2", "7"}, 15),
}


def no_bound(*_: Any, **__: Any) -> tuple[()]:
    return ()


def whole_window(window: Window, _: object) -> Window:
    return window


def no_names(_: Mapping[str, tuple[str, ...]]) -> Mapping[str, str]:
    return {}


def no_review(known: Catalogue, grant: Grant, merged_at: datetime) -> Moments:
    return known.bounded(grant).due


PLANTED_IN_TERMS = {
    "an end of an agreement is no bound": Planted(Vendor, "bounds", no_bound, {"1", "2"}, 83),
    "what adds up is not looked at": Planted(decision, "held_too_long", no_bound, {"1", "2"}, 77),
    "a calendar that is cut takes nothing away": Planted(claims, "left_of", whole_window, {"1", "2"}, 81),
    "old names are forgotten": Planted(catalogue, "known_as", no_names, {"8", "10"}, 77),
    "emergencies need no review": Planted(Catalogue, "due", no_review, {"1", "2"}, 89),
}


@pytest.mark.parametrize("what", PLANTED_IN_TERMS)
def test_a_fault_planted_in_terms_is_found(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    planted = PLANTED_IN_TERMS[what]
    monkeypatch.setattr(planted.where, planted.name, planted.what)
    faults = (play(tell(seed)) for seed in (planted.seed, *range(LIVES + 1, LIVES + TERMS, 2)))
    fault = next(one for one in faults if one is not None)
    assert fault.invariant in planted.invariants


def test_what_a_planted_fault_made_of_policies_is_gone_with_it() -> None:
    seed = PLANTED_IN_TERMS["old names are forgotten"].seed
    with policies_once.apart(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalogue, "known_as", no_names)
        assert play(tell(seed)) is not None
    assert play(tell(seed)) is None


@pytest.mark.parametrize("what", PLANTED)
def test_a_planted_fault_is_found(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    planted = PLANTED[what]
    monkeypatch.setattr(planted.where, planted.name, planted.what)
    _, fault = first_fault(planted.seed)
    assert fault.invariant in planted.invariants


def test_what_breaks_off_says_which_life_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survey, "recover", None)
    with pytest.raises(TypeError) as caught:
        play_task(Task(55))
    assert caught.value.__notes__ == ["seed 55, which `python -m simulation` plays again"]


def test_a_life_that_ends_well_when_it_is_played_again_is_told_as_that() -> None:
    told = report(Played(Task(3), 1, Counter(), tell(3), Fault("5", 1, "the ledger says not")))
    assert told[0] == "seed 3: invariant 5 does not hold after step 1: the ledger says not"
    assert told[1:] == ["played again it ended well: something beside the seed takes part in it"]


def test_a_failing_story_is_made_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judgement, "_outlived", lambda *_: "")
    seed, _ = first_fault(PLANTED["a stale review counts"].seed)
    played = play_task(Task(seed))
    shortest = shrink(played.story, play)
    assert play(shortest) is not None
    assert {"opens", "pushes"} <= {step.does for step in shortest}
    assert len(shortest) < len(played.story) / 3
    told = report(played)
    assert told[:2] == [f"seed {seed}: {played.fault}", f"made short: {play(shortest)}"]
    assert eval(f"({told[-1]})", {"Step": Step, "Wish": Wish}) == shortest  # noqa: S307  (it is to be kept as it was printed)
