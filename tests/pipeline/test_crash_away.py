"""A run that dies while the remote is away, or while it delivers its outbox: whoever runs next loses and doubles nothing."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from crash_driver import KILLED

from hub import Hub

DRIVER = Path(__file__).with_name("crash_driver.py")
DEAD = {"GITHUB_API_URL": "http://127.0.0.1:9", "GITHUB_SERVER_URL": "http://127.0.0.1:9"}
LEDGER = "refs/heads/daypass-ledger"


class Machine:
    """A machine that applies: its clone with everything beside it, and copies of it that die."""

    def __init__(self, hub: Hub, driver: Any) -> None:
        self.hub = hub
        self.driver = driver
        self.place = hub.clone("applier")

    def run(self, *arguments: str, away: bool = False, die_at: int = 0) -> tuple[int, int, str]:
        """Return how a run of this machine ended, how many writes it came to, and what it said on stderr."""
        order = {
            "arguments": ["-C", str(self.place), *arguments, "--at", f"{self.hub.now():%Y-%m-%dT%H:%M:%SZ}"],
            "environment": {**os.environ, **self.hub.environ(), "DAYPASS_STATE": "", **(DEAD if away else {})},
            "die_at": die_at,
            "largest": 0,
        }
        self.driver.stdin.write(json.dumps(order) + "\n")
        self.driver.stdin.flush()
        answer = json.loads(self.driver.stdout.readline())
        assert "Traceback" not in answer["said"], answer["said"]
        return answer["status"], answer["writes"], answer["said"]

    def deaths(self, *arguments: str, away: bool = False) -> Iterator[int]:
        """Let the run die at each of its writes in turn, from where this machine and the remote stand now."""
        kept, ledger = self.place.with_name("kept"), self.hub.bare("rev-parse", LEDGER)
        shutil.copytree(self.place, kept, symlinks=True)
        status, writes, said = self.run(*arguments, away=away)
        assert status == (14 if away else 0), said
        assert writes > 0
        for write in range(1, writes + 1):
            shutil.rmtree(self.place)
            shutil.copytree(kept, self.place, symlinks=True)
            self.hub.bare("update-ref", LEDGER, ledger)
            status, _, said = self.run(*arguments, away=away, die_at=write)
            assert status == KILLED, said
            yield write

    def held(self) -> set[str]:
        return {row[0] for row in self._rows("embedded.sqlite", "SELECT principal FROM entitlements")}

    def waiting(self) -> int:
        (count,) = self._rows("outbox.sqlite", "SELECT count(*) FROM receipt")[0] or (0,)
        return int(count)

    def _rows(self, name: str, query: str) -> list[tuple[Any, ...]]:
        path = self.place / ".git" / "daypass" / name
        if not path.exists() or not path.stat().st_size:
            return [(0,)] if "count" in query else []
        with closing(sqlite3.connect(path)) as connection, connection:
            found = connection.execute(query).fetchall()
        connection.close()
        return found

    def ends(self) -> list[str]:
        """What the remote's ledger says of ends: the kinds of receipt that came from an outbox."""
        import base64

        names = self.hub.bare("ls-tree", "-r", "--name-only", "daypass-ledger").splitlines()
        found = []
        for name in names:
            payload = json.loads(self.hub.bare("show", f"daypass-ledger:{name}"))["payload"]
            told = json.loads(base64.b64decode(payload))["predicate"]
            if "away" in told:
                found.append(f"{told['kind']}{' witness' if told['away'].get('witness') else ''}")
        return found

    def converges(self) -> None:
        """Hold that the next run that reaches the remote leaves everything told, and the one after has nothing to do."""
        status, _, said = self.run("apply")
        assert status == 0, said
        assert (self.held(), self.waiting()) == (set(), 0)
        receipts = self.hub.bare("rev-parse", LEDGER)
        assert self.run("apply")[0] == 0
        assert self.hub.bare("rev-parse", LEDGER) == receipts
        assert "OK:" in self.hub.run("audit", "verify", who="erin").out


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    path = os.pathsep.join(filter(None, sys.path))
    with (
        Hub(tmp_path, simulated=True, protected=False) as hub,
        subprocess.Popen(
            [sys.executable, str(DRIVER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": path},
        ) as process,
    ):  # fmt: skip
        machine = Machine(hub, process)
        wish = hub.grant(subject="alice", resource="staging", role="deploy")
        number = str(hub.request_pull("alice", wish))
        hub.run("gate", number)
        assert machine.run("apply")[0] == 0
        assert machine.held() == {"alice"}
        hub.advance(hours=3)
        yield machine
        assert process.stdin is not None
        process.stdin.close()


def test_a_run_without_the_remote_that_dies_at_any_write_is_finished_by_the_next_one(machine: Machine) -> None:
    for write in machine.deaths("expire", away=True):
        if "alice" not in machine.held():  # nothing is taken away before its intent is on the disk
            assert machine.waiting() >= 1, f"died at write {write}"
        if write % 2:  # the next one may reach the remote or not
            assert machine.run("expire", away=True)[0] == 14
            assert machine.held() == set()
            assert machine.waiting() == 2
        machine.converges()
        assert machine.ends()[:1] in ([], ["intent"])
        assert machine.ends().count("intent") <= 1


def test_a_delivery_that_dies_at_any_write_is_finished_by_the_next_run(machine: Machine) -> None:
    assert machine.run("expire", away=True)[0] == 14
    for _ in machine.deaths("apply"):
        machine.converges()
        assert machine.ends() == ["intent", "outcome"]


def test_a_delivery_behind_others_that_dies_at_any_write_is_finished_by_the_next_run(machine: Machine) -> None:
    assert machine.run("expire", away=True)[0] == 14
    other = Machine(machine.hub, machine.driver)
    other.place = machine.place.with_name("other")
    shutil.copytree(machine.place, other.place, symlinks=True)
    (other.place / ".git" / "daypass" / "outbox.sqlite").unlink()
    assert other.run("expire")[0] == 0
    for _ in machine.deaths("apply"):
        machine.converges()
        assert machine.ends() == ["intent", "outcome witness"]
