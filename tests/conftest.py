"""What every test shares: a machine of its own, so that nobody's git configuration or keys take part."""

from __future__ import annotations

import io
import os
import subprocess
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def own_machine(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / ".config"))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(home / ".gitconfig"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("TZ", "Pacific/Auckland")  # nothing may depend on the machine's zone
    for name in ("DAYPASS_KEYS", "DAYPASS_SIGNER", "SSH_AUTH_SOCK", "GIT_DIR", "GIT_WORK_TREE"):
        monkeypatch.delenv(name, raising=False)


@dataclass(frozen=True)
class Said:
    """What a run of the command line said and how it ended."""

    code: int
    out: str
    err: str


@dataclass
class Access:
    """An access repository, driven by the command line."""

    top: Path

    def run(self, *arguments: str, acting: str = "", expect: int | None = 0) -> Said:
        from daypass.cli.main import main

        out, err = io.StringIO(), io.StringIO()
        who = ["--as", acting] if acting else []
        with redirect_stdout(out), redirect_stderr(err):
            code = main(["-C", str(self.top), *who, *arguments])
        said = Said(code, out.getvalue(), err.getvalue())
        assert expect is None or code == expect, f"exit {code}, expected {expect}\n{said.out}\n{said.err}"
        return said

    def git(self, *arguments: str, stdin: str = "") -> str:
        done = subprocess.run(
            ["git", "-C", str(self.top), *arguments], input=stdin, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def write(self, path: str, text: str) -> None:
        place = self.top / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")

    def commit(self, message: str, *, email: str = "olga@example.com") -> str:
        self.git("add", "-A")
        self.git("-c", f"user.email={email}", "commit", "-q", "-m", message)
        return self.git("rev-parse", "HEAD")

    def ask(self, at: str, *more: str, resource: str = "orders-db", role: str = "readonly", acting: str = "alice") -> str:
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
        self.run("approve", number, "--at", at, acting="bob")
        self.run("approve", number, "--at", at, acting="dave")
        said = self.run("gate", number, "--at", merged)
        return said.out.split("grants ", 1)[1].split("\n", 1)[0].strip()


@pytest.fixture
def access(tmp_path: Path) -> Access:
    """The worked example, founded at 2026-11-20T08:00:00Z on a simulated clock."""
    top = tmp_path / "access"
    top.mkdir()
    made = Access(top)
    made.git("init", "-q", "--initial-branch=main")
    made.git("config", "user.name", "Olga Platform")
    made.git("config", "user.email", "olga@example.com")
    made.run("init", ".", "--example", "--simulated-clock", "--at", "2026-11-20T08:00:00Z")
    return made


__all__ = ["Access", "Said", "os"]
