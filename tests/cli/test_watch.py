"""Watching: access opens and ends by the second, merges are seen, failures are outlived, and signs of life are left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

import pytest

from daypass.cli.runs.running import run_apply
from daypass.cli.verbs import apply
from daypass.core.window import parse_instant
from daypass.edges.targets.embedded.target import EmbeddedTarget
from driver import Access, ended, opened
from fakes.orders import remove
from outputs import check_output

T = "2026-11-20T{}:00Z".format
SOURCE = Path(__file__).parents[2] / "src"


@pytest.fixture
def here(access: Access) -> Access:
    """The worked example on the real clock."""
    path = "policies/daypass.yaml"
    text = (access.top / path).read_text(encoding="utf-8")
    access.write(path, text.replace("keys: [ledger.pub]", "keys: [ledger.pub], heartbeat: 1s"))
    free = "version: 1\nrules:\n  - id: free\n    when: 'true'\n    approve: automatically\n"
    access.write("policies/rules/access.yaml", free)
    (access.top / "policies/tests/access.yaml").unlink()
    access.commit("Let everything pass, and leave a pulse each second")
    return access


@contextmanager
def watching(access: Access, *options: str) -> Iterator[subprocess.Popen[str]]:
    """Run a watch in a process of its own, and end it as a service manager would."""
    command = [sys.executable, "-m", "daypass", "-C", str(access.top), "watch", "--poll", "1s", *options]
    surroundings = {**os.environ, "PYTHONPATH": str(SOURCE), "PYTHONFAULTHANDLER": "1"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=surroundings
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                ended(process)


def until(true: Callable[[], bool], seconds: float = 20) -> None:
    """Wait until something holds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if true():
            return
        time.sleep(0.05)
    raise AssertionError("it did not come about in time")


def held(access: Access) -> set[str]:
    store = EmbeddedTarget(access.top / ".git/daypass/embedded.sqlite", "embedded")
    return {entitlement.principal for entitlement in store.observe()}


def ask(access: Access, end: datetime) -> None:
    """Ask for access to staging until an instant, and merge it."""
    said = access.run(
        "request", "--resource", "staging", "--role", "deploy", "--until", f"{end:%Y-%m-%dT%H:%M:%SZ}",
        "--reason", "a reason that is long enough", acting="alice",
    )  # fmt: skip
    number = said.out.split("#", 1)[1].split(":", 1)[0]
    access.run("gate", number)


@pytest.mark.on_disk
def test_each_thing_that_happens_is_a_line_of_json(here: Access) -> None:
    with watching(here, "--format", "json") as process:
        assert process.stdout is not None
        ask(here, datetime.now(UTC) + timedelta(minutes=9))
        lines = [process.stdout.readline(), process.stdout.readline()]
        process.send_signal(signal.SIGTERM)
    check_output(("watch", "--format", "json"), "".join(lines))
    began, applied = (json.loads(line) for line in lines)
    assert (began["event"], began["messages"]) == ("watching", ["watching; main is looked at every 1s"])
    assert (applied["event"], [one["state"] for one in applied["applied"]["grants"]]) == ("applied", ["live"])
    assert applied["messages"][0].startswith("ok   + alice")


@pytest.mark.on_disk
def test_a_merge_is_seen_and_access_ends_within_the_second(here: Access) -> None:
    with watching(here) as process:
        end = (datetime.now(UTC) + timedelta(seconds=9)).replace(microsecond=0)
        ask(here, end)
        until(lambda: held(here) == {"alice"})
        assert datetime.now(UTC) < end, "the machine is too slow to tell"
        time.sleep(max(0.0, (end - datetime.now(UTC)).total_seconds() - 0.5))
        assert held(here) == {"alice"}, "not a moment before its end"
        until(lambda: held(here) == set(), 10)
        process.send_signal(signal.SIGTERM)
        assert process.stdout is not None
        out = process.stdout.read()
    assert process.returncode == 0
    assert "window opened" in out
    assert "expired" in out
    assert "Removal pull request" in out
    here.run("audit", "verify")


@pytest.mark.on_disk
def test_a_watch_holds_no_more_open_however_long_it_runs(here: Access) -> None:
    ask(here, datetime.now(UTC) + timedelta(hours=1))
    with watching(here, "--refresh", "1s") as process:
        until(lambda: held(here) == {"alice"})
        until(lambda: not grows(process.pid))  # what is left open at each turn would be more each time


def grows(process: int) -> bool:
    """Whether a process has more files and pipes open between its turns than it had some turns ago."""
    first = at_rest(process)
    time.sleep(2)
    return at_rest(process) > first


def at_rest(process: int) -> float:
    """Return how many files and pipes a process has open most of the time: a turn has a few more, or a few less."""
    counts = []
    for _ in range(20):
        counts.append(opened(process))
        time.sleep(0.06)
    return median(counts)


def test_what_fails_is_outlived_and_caught_up_with(here: Access) -> None:
    store = here.top / ".git/daypass/embedded.sqlite"
    ask(here, datetime.now(UTC) + timedelta(hours=1))
    here.run("apply")
    whole = store.read_bytes()
    for end in ("-wal", "-shm"):
        Path(f"{store}{end}").unlink(missing_ok=True)
    store.write_bytes(b"x" * 8192)
    with watching(here, "--refresh", "1s") as process:
        time.sleep(4)
        assert process.poll() is None, "a broken target ends no watch"
        store.write_bytes(whole)
        ask(here, datetime.now(UTC) + timedelta(hours=2))
        until(lambda: "alice" in held(here))


@pytest.mark.on_disk
def test_a_watch_that_is_killed_leaves_what_the_next_one_goes_on_from(here: Access) -> None:
    ask(here, datetime.now(UTC) + timedelta(seconds=6))
    with watching(here) as process:
        until(lambda: held(here) == {"alice"})
        process.kill()
    time.sleep(5)
    with watching(here):
        until(lambda: held(here) == set())
    here.run("audit", "verify")


def test_a_signal_that_arrives_at_any_step_of_waiting_ends_it() -> None:
    code = """if True:
        import signal, sys
        from daypass.cli.verbs.apply import stoppable
        def trace(frame, event, arg):
            if frame.f_code.co_name != "tell":  # it is told once more at each line that waiting comes to
                signal.raise_signal(signal.SIGTERM)
                return trace
        with stoppable() as stopped:
            sys.settrace(trace)
            stopped.wait(60)
            sys.settrace(None)
        """
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(SOURCE)}, check=True, timeout=40)


def test_a_watch_takes_no_instant_of_ones_own_choice(access: Access) -> None:
    said = access.run("watch", "--poll", "soon", expect=2)
    assert "'soon'" in said.err


def test_a_heartbeat_is_heard_while_runs_are_recorded_and_missed_when_not(here: Access) -> None:
    here.run("apply")
    assert here.run("heartbeat", "--max-age", "5m").out.startswith("The last run in the ledger was at ")
    later = f"{datetime.now(UTC) + timedelta(minutes=20):%Y-%m-%dT%H:%M:%SZ}"
    said = here.run("heartbeat", "--max-age", "5m", "--at", later, expect=13)
    assert " ago, more than the 5m that it may be." in said.out
    here.run("heartbeat", "--max-age", "5m", "--at", T("10:00").replace("11-20", "11-19"), expect=13)


def test_a_run_with_nothing_to_do_leaves_a_sign_only_where_it_is_asked_for(access: Access) -> None:
    access.run("apply", "--at", T("10:00"))
    before = access.git("rev-parse", "daypass-ledger")
    access.run("apply", "--at", T("12:00"))
    assert access.git("rev-parse", "daypass-ledger") == before
    path = "policies/daypass.yaml"
    text = (access.top / path).read_text(encoding="utf-8")
    access.write(path, text.replace("keys: [ledger.pub]", "keys: [ledger.pub], heartbeat: 1h"))
    access.commit("Leave a pulse each hour")
    access.run("apply", "--at", T("12:30"))
    first = access.git("rev-parse", "daypass-ledger")
    assert first != before
    access.run("apply", "--at", T("13:00"))
    assert access.git("rev-parse", "daypass-ledger") == first, "half an hour of silence is not yet an hour"
    access.run("apply", "--at", T("13:30"))
    assert access.git("rev-parse", "daypass-ledger") != first
    access.run("audit", "verify", "--at", T("14:00"))


def test_a_watch_names_what_nobody_can_tell_of(access: Access) -> None:
    access.grant("2026-11-20T10:00:00Z", "2026-11-20T10:05:00Z")
    access.run("apply", "--at", "2026-11-20T10:06:00Z")
    for file in (access.top / ".git/daypass").glob("embedded.sqlite*"):
        file.unlink()
    at = datetime(2026, 11, 20, 10, 7, tzinfo=UTC)
    told = apply._happened(run_apply(access.repo(), at))
    assert any(line.startswith("nobody can tell of alice on orders-db: ") for line in told)


@pytest.mark.on_disk
def test_access_ends_where_the_disk_of_the_log_is_full(here: Access) -> None:
    ask(here, datetime.now(UTC) + timedelta(seconds=6))
    here.run("apply")
    assert held(here) == {"alice"}
    command = [sys.executable, "-m", "daypass", "-C", str(here.top), "watch", "--poll", "1s"]
    with (
        Path("/dev/full").open("w", encoding="utf-8") as full,
        subprocess.Popen(command, stdout=full, stderr=full, env={**os.environ, "PYTHONPATH": str(SOURCE)}) as process,
    ):
        try:
            until(lambda: held(here) == set())
            assert process.poll() is None
        finally:
            process.kill()


@pytest.mark.on_disk
def test_a_clock_that_was_ahead_for_a_moment_keeps_no_watch_waiting(access: Access, monkeypatch) -> None:
    access.grant("2026-11-20T10:00:00Z", "2026-11-20T10:05:00Z")
    store = EmbeddedTarget(access.top / ".git/daypass/embedded.sqlite", "embedded")
    instants = iter(["11:06", "10:08"])
    at = [parse_instant(T("10:06"))]

    class Script(apply.Stop):
        def wait(self, seconds: float) -> None:
            (held_now,) = store.observe()
            at[0] = parse_instant(T(next(instants, "10:08")))
            if at[0] == parse_instant(T("10:08")):
                remove(store, held_now)
                monkeypatch.setattr(self, "wait", lambda _: self.tell())

    monkeypatch.setattr(apply, "now", lambda: at[0])
    monkeypatch.setattr(apply, "clock", lambda: at[0])
    apply._Watch(access.repo(), timedelta(seconds=1), timedelta(minutes=5), Script(), as_json=False).run()
    assert held(access) == {"alice"}
