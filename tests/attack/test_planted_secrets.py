"""Secrets are planted wherever daypass is given one, and looked for wherever somebody could read."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from hub import REPOSITORY, Hub

PASSWORD = "tr0ub4dor-and-three-horses"
TARGET = "postgres: {kind: postgres, url_env: ORDERS_DB_URL}"


@contextmanager
def command_lines() -> Iterator[set[str]]:
    """Gather the command lines of what this process starts while the block lasts, and of what that starts in turn.

    The first are told as they are started, and none is missed; the others are looked for again and again.
    """
    seen: set[str] = set()
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            below = [str(os.getpid())]
            while below:
                place = f"/proc/{below.pop()}"
                with suppress(OSError):
                    seen.add(_file(f"{place}/cmdline").replace("\0", " "))
                    for task in os.listdir(f"{place}/task"):  # noqa: PTH208  (two hundred times a second, no time for paths)
                        with suppress(OSError):
                            below += _file(f"{place}/task/{task}/children").split()
            time.sleep(0.005)

    watcher = threading.Thread(target=look)
    _started.append(seen)
    watcher.start()
    try:
        yield seen
    finally:
        stop.set()
        watcher.join()
        _started.remove(seen)


def _file(path: str) -> str:
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123
        return file.read().decode("utf-8", "replace")


_started: list[set[str]] = []


@cache
def _told() -> None:
    """Have each process told of that is started from now on; what Python has been told so it never forgets."""

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "subprocess.Popen":
            for seen in _started:
                seen.add(" ".join(map(os.fsdecode, arguments[1])))

    sys.addaudithook(hook)


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with Hub(tmp_path, protected=False) as found:
        yield found


def secrets(hub: Hub) -> set[str]:
    """What nobody may ever read: the middle of each key, every token of people and of the App, the password."""
    keys = {line for pem in (hub.app.private_key, hub.ledger_key) for line in pem.splitlines() if len(line) > 40}
    return {*keys, *hub.tokens.values(), *issued(hub), PASSWORD}


def issued(hub: Hub) -> set[str]:
    return {value for value in hub.double.tokens if len(value) > 20}


def everything_written(hub: Hub) -> str:
    """All that stands at the forge: commits, files and receipts of every branch, comments, issues, check runs."""
    texts = [hub.bare("log", "--all", "-p", "--format=fuller"), hub.bare("log", "--all", "--format=%B")]
    for issue in hub.api("olga", "GET", f"/repos/{REPOSITORY}/issues?state=all"):
        texts += [str(issue), str(hub.api("olga", "GET", f"/repos/{REPOSITORY}/issues/{issue['number']}/comments"))]
    head = hub.head()
    texts.append(str(hub.api("olga", "GET", f"/repos/{REPOSITORY}/commits/{head}/check-runs")))
    return "\n".join(texts)


def test_no_secret_reaches_a_log_a_plan_a_receipt_an_error_or_a_process_list(hub: Hub, tmp_path: Path) -> None:
    settings = hub.bare("show", "main:policies/daypass.yaml")
    more = settings.replace("  embedded: {kind: embedded}", f"  embedded: {{kind: embedded}}\n  {TARGET}")
    assert more != settings
    hub.push_branch("olga", "main", {"policies/daypass.yaml": more})
    # A server that is not there, by an address that holds a password; and one that is no address at all.
    away = {"ORDERS_DB_URL": f"postgresql://daypass:{PASSWORD}@127.0.0.1:9/orders?sslmode=verify-full"}
    odd = {"ORDERS_DB_URL": f"//{PASSWORD}@@:::"}
    said: list[str] = []
    _told()
    with command_lines() as lines:
        number = hub.request_pull("alice", hub.grant())
        for arguments in (["gate", str(number)], ["report", str(number)], ["status"], ["plan"]):
            done = hub.run(*arguments, expect=None, environ=away, apart=arguments == ["plan"])
            said += [done.out, done.err]
        hub.approve(number, "bob")
        hub.approve(number, "dave")
        hub.double.faults.add("PUT", rf"/repos/{REPOSITORY}/pulls/{number}/merge", status=500)
        for arguments in (["gate", str(number)], ["gate", str(number)], ["apply"], ["drift"], ["targets"], ["expire"]):
            for environ in (away, odd):
                done = hub.run(*arguments, expect=None, environ=environ, apart=arguments == ["apply"])
                said += [done.out, done.err]
        hub.double.faults.add("GET", r"/repos/.*", times=4, status=401)
        done = hub.run("gate", expect=None, environ={**away, "DAYPASS_LEDGER_KEY": hub.ledger_key[:80]})
        said += [done.out, done.err]
        broken = {**away, "DAYPASS_LEDGER_KEY": hub.ledger_key.replace("-----BEGIN", "----BEGIN")}
        done = hub.run("apply", expect=None, environ=broken)
        said += [done.out, done.err]
        broken = {"DAYPASS_APP_KEY": hub.app.private_key[:200]}
        done = hub.run("apply", expect=14, environ=broken, apart=True)
        said += [done.out, done.err]
    assert any("remote-http" in line for line in lines), "what git started was seen as well"
    hub.double.faults.clear()
    hidden = secrets(hub)
    assert len(hidden) > 10
    state = "\n".join(
        path.read_bytes().decode("utf-8", "replace") for path in (hub.top / "state").rglob("*") if path.is_file()
    )
    config = "\n".join(p.read_text(encoding="utf-8") for p in (hub.top / "clones" / "app" / ".git").glob("config*"))
    written = everything_written(hub)
    mine = {
        secret for secret in hidden if secret not in hub.tokens.values()
    }  # the test itself clones by people's tokens
    for secret in hidden:
        assert not [text for text in said if secret in text], "printed"
        assert secret not in written, "at the forge"
        assert secret not in state, "in the state"
    for secret in mine:
        assert not [line for line in lines if secret in line and "pytest" not in line], "on a command line"
        assert secret not in config, "in the clone's configuration"
