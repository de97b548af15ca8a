"""A copy of the program that somebody changed as a page says, driven by the command line."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

SOURCE = Path(__file__).parents[2] / "src" / "daypass"
_VERBS = """
import contextlib, io, json, sys
from daypass.cli.main import main

for line in sys.stdin:
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = main(json.loads(line))
    print(json.dumps([code, said.getvalue()]), flush=True)
"""


def copy_program(top: Path) -> None:
    """Copy the program into a folder, what Python compiled of it included: that is still right where nothing is changed."""
    half_written = shutil.ignore_patterns("*.pyc.*")
    shutil.copytree(SOURCE, top / "daypass", ignore=half_written)


class Changed:
    """A process that has a changed program loaded and runs verbs in a new repository, one after another."""

    def __init__(self, program: Path, top: Path) -> None:
        top.mkdir()
        self.top = top
        for words in (
            ("init", "-q", "--initial-branch=main"),
            ("config", "user.name", "Olga Platform"),
            ("config", "user.email", "olga@example.com"),
        ):
            self.git(*words)
        self._process = subprocess.Popen(
            [sys.executable, "-c", _VERBS],
            cwd=top,
            env={**os.environ, "PYTHONPATH": str(program)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate(timeout=60)

    def git(self, *words: str) -> None:
        subprocess.run(["git", *words], cwd=self.top, check=True)

    def daypass(self, *words: str, expect: int = 0) -> str:
        """Run a verb and return what it said, errors included."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(words) + "\n")
        self._process.stdin.flush()
        code, said = json.loads(self._process.stdout.readline())
        assert code == expect, said
        return str(said)
