"""A process may die at any instant. Whoever runs next brings everything to where an undisturbed run would have."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from crash_driver import KILLED
from msgspec.structs import replace

from driver import Access

pytestmark = pytest.mark.on_disk

T = "2026-11-20T{}:00Z".format
DRIVER = Path(__file__).with_name("crash_driver.py")


@pytest.fixture(scope="module")
def driver() -> Iterator[subprocess.Popen[str]]:
    """One process that has everything loaded, so that each child starts at once."""
    path = os.pathsep.join(filter(None, sys.path))
    with subprocess.Popen(
        [sys.executable, str(DRIVER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": path},
    ) as process:  # fmt: skip
        yield process
        assert process.stdin is not None
        process.stdin.close()


@dataclass
class Crasher:
    """Lets copies of an access repository die."""

    driver: Any
    access: Access
    folder: Path

    def run(
        self, place: Access, *arguments: str, die_at: int = 0, acting: str = "", largest: int = 0
    ) -> tuple[int, int, str]:
        """Return how the run ended, how many writes it came to, and what it said on stderr."""
        who = ["--as", acting] if acting else []
        order = {
            "arguments": ["-C", str(place.top), *who, *arguments],
            "environment": dict(os.environ),
            "die_at": die_at,
            "largest": largest,
        }
        self.driver.stdin.write(json.dumps(order) + "\n")
        self.driver.stdin.flush()
        answer = json.loads(self.driver.stdout.readline())
        assert "Traceback" not in answer["said"], answer["said"]
        return answer["status"], answer["writes"], answer["said"]

    def copies(self, *arguments: str, acting: str = "") -> Iterator[tuple[int, Access]]:
        """Yield (the write it died at, a copy in which the run died there) for every write of the run."""
        whole = self.copy("whole")
        status, writes, said = self.run(whole, *arguments, acting=acting)
        assert status in (0, 12, 14), said
        assert writes > 0
        for write in range(1, writes + 1):
            place = self.copy(f"copy{write}")
            status, _, said = self.run(place, *arguments, die_at=write, acting=acting)
            assert status == KILLED, said
            yield write, place
            shutil.rmtree(place.top)

    def copy(self, name: str) -> Access:
        top = self.folder / name
        shutil.copytree(self.access.top, top, symlinks=True)
        return Access(top)


@pytest.fixture
def crasher(driver: subprocess.Popen[str], access: Access, tmp_path: Path) -> Crasher:
    return Crasher(driver, access, tmp_path)


def rows(place: Access) -> list[tuple[Any, ...]]:
    """Return what the target holds, read past daypass."""
    store = place.top / ".git/daypass/embedded.sqlite"
    if not store.exists():
        return []
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as connection, connection:
        found = connection.execute("SELECT * FROM entitlements ORDER BY 1, 2, 3, 4").fetchall()
    connection.close()
    return found


def recorded(place: Access) -> tuple[list[Any], list[Any], list[Any]]:
    """Return what the ledger shows as ours, as proved, and as begun."""

    standing = place.repo().standing
    # A copy that was made before the store was has a store of its own, with another number.
    return (
        [replace(held, numbers=()) for held in standing.holdings.values()],
        list(standing.admitted()),
        list(standing.pending.values()),
    )


def expect_same(place: Access, whole: Access, at: str, write: int) -> None:
    assert rows(place) == rows(whole), f"died at write {write}"
    assert recorded(place) == recorded(whole), f"died at write {write}"
    assert recorded(place)[2] == []
    place.run("audit", "verify", "--at", at)
    assert "No changes" in place.run("plan", "--at", at).out


def test_apply_that_dies_at_any_write_is_finished_by_the_next_one(crasher: Crasher) -> None:
    access = crasher.access
    access.grant(T("10:00"), T("10:05"), "--for", "1h")
    access.run("apply", "--at", T("10:06"))
    access.grant(T("10:10"), T("11:05"), "--subject", "carol")
    for write, place in crasher.copies("apply", "--at", T("11:06")):
        held = {row[2] for row in rows(place)}
        assert held <= {"alice", "carol"}
        if "carol" in held:  # nothing is given before its proof and its intent are in the ledger
            assert any(admitted.subject == "carol" for admitted in recorded(place)[1])
        place.run("apply", "--at", T("11:07"))
        expect_same(place, Access(crasher.folder / "whole"), T("11:08"), write)


def test_apply_that_dies_twice_is_finished_by_the_third(crasher: Crasher) -> None:
    access = crasher.access
    access.grant(T("10:00"), T("10:05"))
    whole = crasher.copy("other")
    whole.run("apply", "--at", T("10:06"))
    for write, place in crasher.copies("apply", "--at", T("10:06")):
        status, _, _ = crasher.run(place, "apply", "--at", T("10:07"), die_at=max(1, 8 - write))
        assert status in (0, KILLED)
        place.run("apply", "--at", T("10:08"))
        expect_same(place, whole, T("10:09"), write)


def test_expire_that_dies_at_any_write_leaves_no_access_behind_and_one_removal_request(crasher: Crasher) -> None:
    access = crasher.access
    access.grant(T("10:00"), T("10:05"))
    access.run("apply", "--at", T("10:06"))
    for write, place in crasher.copies("expire", "--at", T("12:05")):
        place.run("expire", "--at", T("12:06"))
        expect_same(place, Access(crasher.folder / "whole"), T("12:07"), write)
        assert place.run("status", "--at", T("12:07")).out.count("removes ") == 1
        place.run("gate", "2", "--at", T("12:08"))


def test_gate_that_dies_at_any_write_merges_exactly_once(crasher: Crasher) -> None:
    access = crasher.access
    number = access.ask(T("10:00"))
    access.run("approve", number, "--at", T("10:01"), acting="bob")
    access.run("approve", number, "--at", T("10:01"), acting="dave")
    for _, place in crasher.copies("gate", number, "--at", T("10:05")):
        said = place.run("gate", number, "--at", T("10:06"))
        assert "merged as" in said.out
        assert place.git("rev-list", "--count", "--merges", "--first-parent", "main") == "1"
        place.run("apply", "--at", T("10:07"))
        assert [row[2] for row in rows(place)] == ["alice"]
        place.run("audit", "verify", "--at", T("10:08"))


def expect_full(crasher: Crasher, largest: int, *arguments: str) -> None:
    """Run where no file may be larger, and expect an error, or, where a cache or a store was met first, a run in part."""
    status, _, said = crasher.run(crasher.access, *arguments, largest=largest)
    assert status in (1, 14), (largest, said)
    assert status == 14 or said.startswith("daypass: "), (largest, said)


def test_a_disk_that_is_full_fails_clearly_and_the_next_run_goes_on(crasher: Crasher) -> None:
    access = crasher.access
    access.grant(T("10:00"), T("10:05"))
    for largest in (300, 1_500, 6_000, 30_000):  # first git's objects do not fit, then the caches, the store
        expect_full(crasher, largest, "apply", "--at", T("10:07"))
        assert rows(access) == []
    access.run("apply", "--at", T("10:08"), expect=None)
    assert "No changes: 1 live" in access.run("apply", "--at", T("10:09")).out
    access.run("audit", "verify", "--at", T("10:10"))
    expect_full(crasher, 300, "expire", "--at", T("12:05"))
    access.run("expire", "--at", T("12:06"))
    assert rows(access) == []
    access.run("audit", "verify", "--at", T("12:07"))


def test_a_request_that_dies_at_any_write_can_be_made_again(crasher: Crasher) -> None:
    wish = (
        "request", "--resource", "orders-db", "--role", "readonly", "--for", "2h",
        "--reason", "a reason that is long enough", "--at", T("10:00"),
    )  # fmt: skip
    for _, place in crasher.copies(*wish, acting="alice"):
        said = place.run(*wish, acting="alice", expect=None)
        assert said.code == 0 or "you have #1 open for this already" in said.err
        assert "1 open:" in place.run("status", "--at", T("10:01")).out


def test_a_review_that_dies_at_any_write_can_be_given_again(crasher: Crasher) -> None:
    number = crasher.access.ask(T("10:00"))
    for _, place in crasher.copies("approve", number, "--at", T("10:01"), acting="bob"):
        place.run("approve", number, "--at", T("10:02"), acting="bob")
        place.run("approve", number, "--at", T("10:02"), acting="dave")
        place.run("gate", number, "--at", T("10:03"))
