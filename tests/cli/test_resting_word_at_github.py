"""A runner that starts bare reckons anew what has moved, by what an idle run's word tells of each resource."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from test_bare_runner_at_github import Bare, admit, at, words

from begun import begun
from daypass.cli.repository import AccessRepository
from daypass.cli.runs import program, rest
from daypass.core.ledger import snapshot
from daypass.core.ledger.receipt import Receipt
from daypass.core.ledger.records import Idle, Rests
from daypass.core.planning import resting as planning
from daypass.core.record import replace
from daypass.edges.ledger import standing
from daypass.pipeline.apply import grounds
from daypass.pipeline.judge import check
from hub import Hub, environment
from simulation.anew import comparing

pytestmark = pytest.mark.on_disk


class Runs:
    """A bare runner each run of which is held to one that reckons all anew."""

    def __init__(self, hub: Hub) -> None:
        self.bare = Bare(hub)
        self.told: Counter[str] = Counter()
        self._hub = hub

    def __call__(self, expect: int | None = 0) -> str:
        self.told.clear()
        differ: list[str] = []
        with comparing(self.told, differ):
            said = self.bare("apply", "--at", at(self._hub), expect=expect)
        assert differ == []
        return said


@pytest.fixture
def hub(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A repository with access to two resources; with ``runs``, of which the last run found nothing to do."""
    monkeypatch.setattr(snapshot, "LEAST", 4)
    with begun(tmp_path, rested if "runs" in request.fixturenames else granted, simulated=True) as made:
        monkeypatch.setattr(snapshot, "LEAST", 1000)  # the next one would come before what is told
        yield made


def granted(hub: Hub) -> None:
    admit(hub)
    number = hub.request_pull("carol", hub.grant(subject="carol", resource="staging", role="deploy", duration="4h"))
    hub.run("gate", str(number), "--at", at(hub))
    hub.run("apply", "--at", at(hub))


def rested(hub: Hub) -> None:
    granted(hub)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(snapshot, "LEAST", 1000)
        runs = Runs(hub)
        assert "2 live as they should be" in runs()
    assert runs.told == {"anew": 1}
    assert rests(hub) == [{"orders-db", "staging"}]
    runs.bare.gone()


@pytest.fixture
def runs(hub: Hub) -> Runs:
    return Runs(hub)


def rests(hub: Hub) -> list[set[str]]:
    """Return of which resources each word tells."""
    return [
        set(one.body.rests.resting) for one in told(hub) if isinstance(one.body, Idle) and one.body.rests is not None
    ]


def told(hub: Hub) -> list[Receipt]:
    with environment(hub.environ("app")):
        repo = AccessRepository(hub.clone("app"))
        repo.sync()
        return list(repo.ledger.whole(repo.ledger.receipts.head()))


def leave(hub: Hub, change) -> None:
    """Leave a word of the last run once more, after what has moved since, as whoever has the ledger's key may."""
    last = next(one for one in reversed(told(hub)) if isinstance(one.body, Idle))
    with environment(hub.environ("app")):
        repo = AccessRepository(hub.clone("app"))
        repo.sync()
        word = change(last.body)
        repo.ledger.append(repo.ledger.load(), [word], at=hub.now(), main=last.main, run="x")


def test_where_one_grant_has_ended_the_other_resources_rest(hub: Hub, runs: Runs) -> None:
    hub.advance(hours=3)
    said = runs()
    assert "ok   - alice" in said
    assert runs.told == {"by resource": 1, "resting": 1}
    hub.advance(minutes=5)
    assert "1 live as they should be" in runs()
    assert runs.told == {"by resource": 1, "resting": 1}
    assert words(hub) == 2
    assert len(rests(hub)) == 1  # it went by that word itself
    hub.advance(minutes=5)
    assert "1 live as they should be" in runs()
    assert runs.told == {}
    assert hub.run("audit", "verify").code == 0


def test_where_one_is_merged_the_other_resources_rest(hub: Hub, runs: Runs) -> None:
    admit(hub, subject="carol", role="readonly")
    assert "ok   + carol" in runs()
    assert runs.told == {"by resource": 1, "resting": 1}
    assert hub.run("audit", "verify").code == 0


def test_neither_grants_that_rest_nor_the_history_since_are_fetched(hub: Hub, monkeypatch) -> None:
    admit(hub, subject="carol", role="readonly", reason="reading another order of a complaint")
    hub.run("apply", "--at", at(hub))
    bare = Bare(hub)
    assert "3 live as they should be" in bare("apply", "--at", at(hub))
    judged: list[int] = []
    real = check.judge_file
    monkeypatch.setattr(check, "judge_file", lambda *given: judged.append(1) or real(*given))
    hub.advance(hours=3)
    said = bare("apply", "--at", at(hub))
    assert "ok   - alice" in said
    assert "not told" not in said
    assert judged == []
    assert not any("--depth=64" in line for line in bare.fetched)  # what a request landed by is older than main's tip


def test_no_resource_rests_longer_than_a_day_on_words_that_only_repeat_another(
    hub: Hub, runs: Runs, monkeypatch
) -> None:
    monkeypatch.setattr(rest, "LONGEST_IDLE", timedelta(hours=10))
    monkeypatch.setattr(grounds, "LONGEST_IDLE", timedelta(hours=10))
    first = told(hub)[-1]
    hub.advance(hours=7)
    assert "ok   - alice" in runs()
    hub.advance(minutes=5)
    runs()
    assert runs.told == {"by resource": 1, "resting": 0}
    last = told(hub)[-1]
    assert isinstance(last.body, Idle)
    assert (last.body.rests, last.body.until) == (None, first.at + timedelta(hours=10))
    hub.advance(hours=4)
    runs()
    assert runs.told == {"anew": 1}
    assert len(rests(hub)) == 2
    assert hub.run("audit", "verify").code == 0


def test_resources_are_told_of_again_some_hours_after_policies_have_moved(hub: Hub, runs: Runs, monkeypatch) -> None:
    monkeypatch.setattr(standing.SignedLedger, "rested", lambda self: None)
    hub.advance(hours=3)
    runs()
    hub.advance(minutes=5)
    runs()
    assert runs.told == {"anew": 1}
    assert rests(hub) == [{"orders-db", "staging"}] * 2


@pytest.mark.parametrize("wrong", ["prints", "ledger", "program", "none", "old"])
def test_all_is_reckoned_anew_where_a_word_is_not_what_its_grounds_say(
    hub: Hub, runs: Runs, monkeypatch, wrong
) -> None:
    def other(word: Idle) -> Idle:
        assert word.rests is not None
        prints = {target: {**seen, "staging": "sha256:" + "0" * 64} for target, seen in word.rests.prints.items()}
        follows = told(hub) and word.follows[::-1]
        return {
            "prints": replace(word, rests=Rests(prints, word.rests.resting)),
            "ledger": replace(word, follows=follows),
        }.get(wrong, word)

    if wrong == "program":
        monkeypatch.setattr(program, "__version__", "0.0.0")
        program.program_digest.cache_clear()
    elif wrong == "none":
        monkeypatch.setattr(standing.SignedLedger, "rested", lambda _: None)
    elif wrong != "old":
        leave(hub, other)
    hub.advance(hours=25 if wrong == "old" else 3)
    assert "ok   - alice" in runs(expect=None)
    assert runs.told == {"anew": 1}
    program.program_digest.cache_clear()


def test_a_word_that_another_key_signed_than_those_of_today_tells_nothing(hub: Hub, runs: Runs, monkeypatch) -> None:
    monkeypatch.setattr(standing.SignedLedger, "_open_new", lambda self, raw: standing.EnvelopeVerifier({}).open(raw))
    hub.advance(hours=3)
    assert "ok   - alice" in runs()
    assert runs.told == {"anew": 1}


def test_no_word_tells_of_more_resources_than_there_is_room_for(hub: Hub, monkeypatch) -> None:
    monkeypatch.setattr(planning, "MOST_TOLD", 1)
    made = Runs(hub)
    made()
    assert words(hub) == 1
    assert rests(hub) == []
    hub.advance(hours=3)
    assert "ok   - alice" in made()
    assert made.told == {"anew": 1}


def test_the_audit_finds_a_word_that_tells_of_rest_where_access_ends(hub: Hub, runs: Runs) -> None:
    def longer(word: Idle) -> Idle:
        assert word.rests is not None
        resting = {name: replace(one, until=one.until + timedelta(days=1)) for name, one in word.rests.resting.items()}
        return replace(word, rests=replace(word.rests, resting=resting))

    leave(hub, longer)
    said = hub.run("audit", "verify", expect=None).out
    assert "idle-without-grounds" in said
    assert "that nothing ends on orders-db before" in said
