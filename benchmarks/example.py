"""The example that `daypass init --example` makes, with one grant that is live and one request that is open."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from benchmarks.measure import Command, run

_ASK = ("--as", "alice", "request", "--reason", "a first look", "--resource")
_STEPS = (
    ("init", ".", "--example"),
    (*_ASK, "orders-db", "--role", "readonly", "--for", "8h"),
    ("--as", "bob", "approve", "1"),
    ("--as", "dave", "approve", "1"),
    ("gate", "1"),
    ("apply",),
    (*_ASK, "staging", "--role", "deploy", "--for", "4h"),
)


class Example:
    """The example repository below ``folder``, made anew for each row: what is live in it ends within hours."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "example"
        shutil.rmtree(self.folder, ignore_errors=True)
        (self.folder / "access").mkdir(parents=True)
        for step in _STEPS:
            run(self.daypass(*step))

    @property
    def grant(self) -> str:
        """The file of the grant that is live."""
        (found,) = (self.folder / "access" / "grants" / "orders-db").iterdir()
        return f"grants/orders-db/{found.name}"

    def daypass(self, *arguments: str) -> Command:
        """Return a verb in this repository."""
        names = {"GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@example.com"}
        names |= {"GIT_COMMITTER_NAME": "A", "GIT_COMMITTER_EMAIL": "a@example.com"}
        where = ["-C", str(self.folder / "access")]
        return Command(
            [sys.executable, "-m", "daypass", *where, *arguments], {**names, "DAYPASS_KEYS": str(self.folder / "keys")}
        )
