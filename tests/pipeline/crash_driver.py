"""Runs the command line in children that die at a chosen write, without a word, as if they were killed.

Reads one JSON object a line: ``arguments``, ``environment``, ``die_at``, the write to die at (0: never), and
``largest``, how many bytes any file may have (0: any number), which is how a full disk is played. Writes one a line: ``said``, its stderr, ``status`` (137 for a child that died) and ``writes``, how many writes it came to. A child dies before a
write; after it is before the next one, and after the last is one more. What counts is every step at which others see
something change: git moving refs, here or at a remote, or a work tree, and each commit of SQLite, hence each change at the target. Objects
that no ref names yet are seen by nobody.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import pkgutil
import resource
import signal
import sqlite3
import sys
import traceback
from collections.abc import Callable
from typing import Any

import daypass
from daypass.cli import main
from daypass.edges.forges.github import api
from daypass.edges.git import plumbing

KILLED = 137
LATE = ("difflib", "git", "securesystemslib.signer", "zoneinfo")
"""What daypass itself loads once it needs it, and nearly every run here does."""
WRITES = {"update-ref", "read-tree", "push"}


class Clockwork:
    """Counts writes and dies at one of them."""

    def __init__(self, die_at: int, report: int) -> None:
        self.count = 0
        self.die_at = die_at
        self.report = report

    def tick(self) -> None:
        self.count += 1
        if self.count == self.die_at:
            self.say()
            os._exit(KILLED)

    def say(self) -> None:
        os.write(self.report, f"{self.count}\n".encode())

    def before(self, work: Callable[..., Any], counts: Callable[..., bool]) -> Callable[..., Any]:
        def ticking(*arguments: Any, **more: Any) -> Any:
            if counts(*arguments):
                self.tick()
            return work(*arguments, **more)

        return ticking


def arm(clockwork: Clockwork) -> None:
    """Put the clockwork around every write."""
    connect = sqlite3.connect

    execute = clockwork.before(sqlite3.Connection.execute, lambda _, statement, *__: statement == "COMMIT")

    def opened(*place: Any, factory: type[sqlite3.Connection] = sqlite3.Connection, **options: Any) -> Any:
        return connect(*place, factory=type("Connection", (factory,), {"execute": execute}), **options)

    sqlite3.connect = opened
    plumbing.Git.attempt = clockwork.before(  # type: ignore[method-assign]
        plumbing.Git.attempt, lambda _, *arguments, **__: bool(WRITES.intersection(arguments))
    )


def child(order: dict[str, Any], report: int, said: int) -> None:
    """Run the command line once and leave without looking back."""
    os.environ.clear()
    os.environ.update(order["environment"])
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(said, 2)
    sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
    clockwork = Clockwork(order["die_at"], report)
    arm(clockwork)
    if order["largest"]:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # git as well is told, not killed
        resource.setrlimit(resource.RLIMIT_FSIZE, (order["largest"], order["largest"]))
    code = main.main(order["arguments"])
    clockwork.tick()
    clockwork.say()
    os._exit(code)


def load() -> None:
    """Load all of daypass, so that no child has to."""
    ours = [module.name for module in pkgutil.walk_packages(daypass.__path__, "daypass.")]
    for name in (*ours, *LATE):
        if not name.endswith("__main__"):
            importlib.import_module(name)
    api._PAUSES = tuple(0.0 for _ in api._PAUSES)  # a server that is away stays away: nobody waits for it here
    gc.freeze()  # what is here stays, and no child looks through it


def serve() -> None:
    """Answer orders until there are none."""
    load()
    for line in sys.stdin:
        order = json.loads(line)
        (reading, report), (hearing, said) = os.pipe(), os.pipe()
        process = os.fork()
        if process == 0:
            try:
                child(order, report, said)
            except BaseException:  # noqa: BLE001  (a child of ours must not answer in our place)
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(99)
        os.close(report)
        os.close(said)
        with os.fdopen(hearing) as heard, os.fdopen(reading) as told:
            words, counted = heard.read(), told.read().strip() or "0"
        _, status = os.waitpid(process, 0)
        answer = {"status": os.waitstatus_to_exitcode(status), "writes": int(counted), "said": words}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    serve()
