"""An access repository, driven by the command line, as the tests see it."""

from __future__ import annotations

import io
import signal
import subprocess
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from outputs import check_output
from repositories import head
from scenes import Scene, T

if TYPE_CHECKING:
    from daypass.cli.repository import AccessRepository


def ended(process: subprocess.Popen[str]) -> tuple[str, str]:
    """End a process as a service manager would; return what it said. One that stays is killed and shows where it is.

    For that its environment has PYTHONFAULTHANDLER.
    """
    process.send_signal(signal.SIGTERM)
    try:
        return process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGABRT)
        raise AssertionError(f"it did not end in time: {process.communicate(timeout=60)}") from None


def readers(process: int) -> int:
    """Count the processes of git that give a process the contents of objects."""
    listed = subprocess.run(["ps", "-A", "-ww", "-o", "ppid=,args="], check=True, capture_output=True, text=True).stdout
    return sum(line.split()[0] == str(process) and " cat-file " in line for line in listed.splitlines())


def opened(process: int) -> int:
    """Count what a process has open. A number that a turn opens and closes may be among them."""
    if Path("/proc/self/fd").exists():
        return len(list(Path(f"/proc/{process}/fd").iterdir()))
    listed = subprocess.run(["lsof", "-p", str(process)], check=True, capture_output=True, text=True).stdout
    return len(listed.splitlines())


@dataclass(frozen=True)
class Said:
    """What a run of the command line said and how it ended. ``screen``: both as a terminal shows them, where that was kept."""

    code: int
    out: str
    err: str
    screen: str = ""


_SCENE = ("request", "approve", "gate", "apply")
"""The verbs that most tests begin with: the same ones in the same order run once a process (`scenes`)."""


@dataclass
class Access:
    """An access repository, driven by the command line."""

    top: Path
    scene: Scene | None = field(default=None, kw_only=True)
    """Where the repository began as others do. None: every verb is run, for a test that changes daypass itself."""

    def run(self, *arguments: str, acting: str = "", expect: int | None = 0) -> Said:
        if arguments[0] in _SCENE and "--at" in arguments:
            said = self._step((arguments, acting), lambda: self._run(arguments, acting))
        else:
            said = self._run(arguments, acting)
        assert expect is None or said.code == expect, f"exit {said.code}, expected {expect}\n{said.out}\n{said.err}"
        return said

    def _step(self, name: object, make: Callable[[], T]) -> T:
        return make() if self.scene is None else self.scene.step(name, make)

    def _run(self, arguments: tuple[str, ...], acting: str) -> Said:
        from daypass.cli.main import main

        out, err = io.StringIO(), io.StringIO()
        who = ["--as", acting] if acting else []
        with redirect_stdout(out), redirect_stderr(err):
            code = main(["-C", str(self.top), *who, *arguments])
        check_output(arguments, out.getvalue())
        return Said(code, out.getvalue(), err.getvalue())

    def repo(self, acting: str = "") -> AccessRepository:
        """Return the repository as a verb sees it."""
        from daypass.cli.repository import AccessRepository

        return AccessRepository(self.top, acting)

    def approve_elsewhere(self, number: str, *, at: str, acting: str) -> None:
        """Approve as by another program or on the forge's own pages, where nobody refuses a review that does not count."""
        from daypass.core.window import parse_instant

        forge = self.repo(acting).forge
        forge.review(int(number), commit=forge.pull(int(number)).head, state="approved", at=parse_instant(at))

    def git(self, *arguments: str, stdin: str = "") -> str:
        if arguments[0] == "config":
            return self._step(("git", arguments), lambda: self._git(arguments, stdin))
        return self._git(arguments, stdin)

    def _git(self, arguments: tuple[str, ...], stdin: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(self.top), *arguments], input=stdin, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def write(self, path: str, text: str) -> None:
        known = self.scene is not None and self.scene.known()
        place = self.top / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
        if self.scene and known:
            self.scene.note(("write", path, text))

    def commit(self, message: str, *, email: str = "olga@example.com") -> str:
        def commit() -> str:
            self.git("add", "-A")
            self.git("-c", f"user.email={email}", "commit", "-q", "-m", message)
            return head(self.top / ".git")

        return self._step(("commit", message, email), commit)

    def ask(
        self, at: str, *more: str, resource: str = "orders-db", role: str = "readonly", acting: str = "alice"
    ) -> str:
        """Open a request for two hours and return its number."""
        span = () if any(m in ("--for", "--until") for m in more) else ("--for", "2h")
        said = self.run(
            "request", "--resource", resource, "--role", role, "--reason", f"a reason that is long enough {at}",
            *span, *more, "--at", at, acting=acting,
        )  # fmt: skip
        return said.out.split("#", 1)[1].split(":", 1)[0]

    def grant(self, at: str, merged: str, *more: str) -> str:
        """Ask, have bob and dave approve, merge; return the grant's id."""
        number = self.ask(at, *more)
        for reviewer in ("bob", "dave"):  # who receives the access, or is not asked, is refused
            self.run("approve", number, "--at", at, acting=reviewer, expect=None)
        said = self.run("gate", number, "--at", merged)
        return said.out.split("grants ", 1)[1].split("\n", 1)[0].strip()
