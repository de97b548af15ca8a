from __future__ import annotations

import sqlite3
from datetime import timedelta
from pathlib import Path
from typing import ClassVar

import pytest

from conformance.suite import NAME, TargetContract
from conformance.world import World
from daypass.core.errors import ExitCode
from daypass.core.plan import Entitlement
from daypass.core.planning.drift import Traits
from daypass.edges.targets.embedded import store
from daypass.edges.targets.embedded.store import holds
from daypass.edges.targets.embedded.target import EmbeddedTarget
from daypass.ports import Dated, Fingerprinting, Numbering, Observing


class TestEmbedded(TargetContract):
    kind = "embedded"
    traits = Traits(marks=True)
    abilities = frozenset({Observing, Fingerprinting, Dated, Numbering})
    observing = 3  # whether the store has a number, the number, and the rows
    window = timedelta(seconds=3)
    lacks: ClassVar = {
        "strangers": "whoever is asked for may be somebody: the programs that ask know who exists",
        "privileges": "a privilege is what the programs that ask take it for",
        "network": "it is a file of this machine",
        "credentials": "whoever may write the file may write it; nobody else is let in",
        "limits": "it has no server that could ask to wait",
        "time": "it is read by this machine's clock",
        "principals' names": "the programs that ask know people by the very text of the row: it is the number",
        "places' names": "the programs that ask name a privilege by the very text of the row: it is the number",
    }

    @pytest.fixture(autouse=True)
    def _count(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Count the statements that read the table, in whatever connection."""
        self.read = 0
        connect = store._connect

        def counted(path: Path, mode: str) -> sqlite3.Connection:
            connection = connect(path, mode)
            connection.set_trace_callback(self._trace)
            return connection

        monkeypatch.setattr(store, "_connect", counted)

    def _trace(self, statement: str) -> None:
        self.read += statement.startswith("SELECT")

    def make(self, folder: Path) -> EmbeddedTarget:
        return EmbeddedTarget(folder / "embedded.sqlite", NAME)

    def spoil(self, target: EmbeddedTarget) -> None:
        target.path.write_bytes(b"not a database, whatever its name says\n" * 200)

    def calls(self, folder: Path) -> int:
        return self.read

    def test_a_store_that_was_moved_or_made_anew_tells_nothing_of_what_was_given_in_the_other(
        self, tmp_path: Path
    ) -> None:
        world = World(tmp_path / "life", self)
        grant = world.grant(-120, 60)
        world.apply(-119)
        there, moved = world.place / "embedded.sqlite", world.place / "moved.sqlite"
        world.bench.make(world.place)
        for end in ("", "-wal", "-shm"):
            if Path(f"{there}{end}").exists():
                Path(f"{there}{end}").rename(f"{moved}{end}")
        for minute, words in ((-118, "is not there"), (61, "is not there")):  # neither given again nor taken for ended
            done = world.apply(minute)
            assert (done.outcomes, done.exit_code) == ([], ExitCode.PARTIAL)
            assert words in done.survey.plan.unknown[0].why
        self.give(self.make(world.place), self.one(1))
        assert "is another one than" in world.apply(62).survey.plan.unknown[0].why
        assert holds(moved, self.one())
        world.settle(grant, 63, adopt=False)
        assert world.ours() == set()

    def enters(self, folder: Path, one: Entitlement, handover: str) -> bool:
        return holds(folder / "embedded.sqlite", one)
