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


_CASE = """\
  - name: case {0}
    request: {{subject: alice, resource: orders-db, role: readonly, window: {{duration: {0}m1s}}, reason: case {0}}}
    at: 2026-11-20T10:00:00Z
    expect: {{approvals: [{{at_least: 1, from: owners}}, {{at_least: 1, from: group:security}}]}}
"""


class Example:
    """The example repository below ``folder``, made anew for each row: what is live in it ends within hours.

    With ``cases`` nothing is asked there, and its policies have so many tests.
    """

    def __init__(self, folder: Path, cases: int = 0) -> None:
        self.folder = folder / "example"
        shutil.rmtree(self.folder, ignore_errors=True)
        (self.folder / "access").mkdir(parents=True)
        for step in _STEPS[: 1 if cases else None]:
            run(self.daypass(*step))
        if cases:
            tests = self.folder / "access" / "policies" / "tests"
            for file in tests.iterdir():
                file.unlink()
            (tests / "many.yaml").write_text("version: 1\ncases:\n" + "".join(map(_CASE.format, range(cases))), "utf-8")

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
