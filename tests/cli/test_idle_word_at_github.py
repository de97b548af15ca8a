"""What a word that nothing is to be done is not believed for, whoever signed it, and where none is left."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from test_bare_runner_at_github import Bare, at, granted, read_nothing, words
from test_fetch_at_github import first_files

from begun import begun
from daypass.cli.repository import AccessRepository
from daypass.cli.runs.program import program_digest
from daypass.core.errors import EdgeError, LedgerError
from daypass.core.ids import Oid
from daypass.core.ledger import snapshot
from daypass.core.ledger.chain import Head, seal
from daypass.core.ledger.records import Idle
from daypass.edges.ledger.thin import ThinBranch
from daypass.pipeline.apply import run
from daypass.pipeline.apply.grounds import Grounds, prints_of
from daypass.ports import Observing
from hub import Hub, environment

pytestmark = pytest.mark.on_disk


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.setattr(snapshot, "LEAST", 4)
    with begun(tmp_path, granted, simulated=True) as made:
        yield made


def leave(hub: Hub, *, until: datetime, live: int = 1) -> None:
    """Leave a word as whoever has the ledger's key may."""
    with environment(hub.environ("app")):
        repo = AccessRepository(hub.clone("app"))
        repo.sync()
        standing = repo.ledger.load()
        targets = repo.targets()
        for target in targets.values():
            assert isinstance(target, Observing)
            target.observe()
        grounds = Grounds(program_digest(), standing.commit, repo.tip).named(prints_of(targets) or {})
        word = Idle(grounds, standing.commit or Oid(""), until, live, 0)
        repo.ledger.append(standing, [word], at=hub.now(), main=repo.tip, run="x")


def test_a_word_is_believed_for_a_day_whatever_it_says(hub: Hub) -> None:
    leave(hub, until=datetime(2099, 1, 1, tzinfo=UTC))
    hub.advance(hours=30)  # long after the grant has ended
    assert "ok   - alice" in Bare(hub)("apply", "--at", at(hub))
    assert not read_nothing(hub)


def test_another_store_in_the_place_of_the_one_that_access_was_given_in_is_seen(hub: Hub) -> None:
    bare = Bare(hub)
    bare("apply", "--at", at(hub))
    assert words(hub) == 1
    with closing(sqlite3.connect(hub.top / "state" / "embedded.sqlite")) as target, target:
        target.execute("UPDATE store SET number = 'another'")
    target.close()
    hub.advance(minutes=5)
    assert "1 that nobody can tell of" in bare("apply", "--at", at(hub), expect=None)


def test_runs_that_take_no_word_leave_no_more_than_one_an_hour(hub: Hub) -> None:
    bare = Bare(hub)
    for _ in range(3):
        hub.advance(minutes=5)
        bare("apply", "--retry", "--at", at(hub))
    assert words(hub) == 1


def test_no_word_hides_what_a_run_had_to_tell(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise EdgeError("the push was refused")

    monkeypatch.setattr(run, "keep_snapshot", refuse)
    bare = Bare(hub)
    for _ in range(2):
        hub.advance(minutes=5)
        assert "no snapshot was left in the ledger: the push was refused" in bare("apply", "--at", at(hub), expect=14)
    assert words(hub) == 0


def test_a_word_after_another_receipt_than_the_last_is_none(hub: Hub) -> None:
    """Whoever can push, and has a key, could put it upon a branch of his own."""
    with environment(hub.environ("app")):
        repo = AccessRepository(hub.clone("app"))
        repo.sync()
        standing = repo.ledger.load()
        word = Idle("sha256:" + "0" * 64, standing.commit or Oid(""), datetime(2099, 1, 1, tzinfo=UTC), 1, 0)
        assert standing.head is not None
        other = Head(standing.head.sequence, "sha256:" + "1" * 64, standing.head.at, standing.head.main, 2)
        made = seal([word], other, repo.ledger._find_signer().sign, at=hub.now(), main=repo.tip, run="x")
        repo.ledger.receipts.append(standing.commit, made, message="x", at=hub.now())
        repo.sync()
    seen: list[str] = []
    idle = ThinBranch.idle

    def told(self: ThinBranch, *words: object) -> object:
        try:
            return idle(self, *words)
        except LedgerError as error:
            seen.append(error.message)
            raise

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ThinBranch, "idle", told)
        Bare(hub)("apply", "--at", at(hub), expect=None)
    assert seen == [f"receipt {other.sequence + 1} follows another receipt than it names"]


def test_a_target_that_is_told_what_was_handed_over_has_no_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = first_files(tmp_path)
    monkeypatch.setenv("BASTION_CA", (tmp_path / "keys" / "ca").read_text())
    with Hub(tmp_path, files=files) as hub:
        number = hub.request_pull("alice", hub.grant(resource="bastion"), path="grants/bastion/alice.yaml")
        for who in ("bob", "dave"):
            hub.approve(number, who)
        hub.run("gate", str(number))
        hub.run("apply")
        bare = Bare(hub)
        bare("apply")
        bare("apply")
        assert words(hub) == 0
        said = hub.run("doctor", who="olga", expect=None).err
        assert "note: target bastion (ssh) is told by the ledger at each run what it handed over" in said
        assert "target embedded" not in said
