"""A generated repository as it is measured: made once, its caches put where a row wants them."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from copy import copy
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.measure import Command

ROOT = Path(__file__).parents[1]
_FINE = frozenset({0})


class Place:
    """One generated repository below ``folder``; made when it is not there."""

    def __init__(self, folder: Path, live: int, removed: int, *, receipts: bool) -> None:
        self.folder = folder / f"{live}-{removed}-{'receipts' if receipts else 'plain'}"
        if not self.folder.exists():
            print(f"generating {live} grants and {removed} that came and went …", file=sys.stderr, flush=True)
            draft = self.folder.with_name(f"{self.folder.name}.new")
            shutil.rmtree(draft, ignore_errors=True)
            asked = [str(draft), str(live), str(removed), str(int(receipts))]
            # In a process of its own, since it grows large: see `benchmarks.measure`.
            subprocess.run([sys.executable, "-m", "benchmarks.repository", *asked], check=True, cwd=ROOT)
            draft.rename(self.folder)

    @property
    def git(self) -> Path:
        """The repository."""
        return self.folder / "access.git"

    @property
    def _state(self) -> Path:
        return self.git / "daypass"

    def daypass(self, *arguments: str, codes: frozenset[int] = _FINE) -> Command:
        """Return a verb in this repository; its exit code must be one of ``codes``."""
        command = [sys.executable, "-m", "daypass", "-C", str(self.git), *arguments]
        return Command(command, {"DAYPASS_KEYS": str(self.folder / "keys")}, codes=codes)

    def without(self, names: tuple[str, ...], command: Command) -> Command:
        """Return the command with caches dropped ahead of each run."""
        return replace(command, before=lambda: self._drop(*names))

    def from_here(self, name: str, command: Command) -> Command:
        """Return the command with a cache put back, ahead of each run, as it is now, and without earlier answers."""
        kept = (self._state / name).read_bytes()

        def put_back() -> None:
            self._drop(name, "answers.sqlite")
            (self._state / name).touch(0o600)
            (self._state / name).write_bytes(kept)

        return replace(command, before=put_back)

    def copied(self, name: str) -> Place:
        """Return a copy of the repository as it is now, for what moves its ledger."""
        found = copy(self)
        found.folder = self.folder.with_name(f"{self.folder.name}-{name}")
        shutil.rmtree(found.folder, ignore_errors=True)
        shutil.copytree(self.folder, found.folder)
        return found

    def first_end(self) -> str:
        """Return, as ``--at`` takes it, the instant at which the first grant has ended. A verb has read the ledger before."""
        with closing(sqlite3.connect(self._state / "standing.sqlite")) as connection:
            ((until,),) = connection.execute("SELECT min(until) FROM holding").fetchall()
        return f"{datetime.fromtimestamp(until, UTC):%Y-%m-%dT%H:%M:%SZ}"

    def as_now(self, command: Command) -> Command:
        """Return the command with all that a run changes put back ahead of each run: the ledger, the store, the caches."""
        kept = self.folder / "kept"
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(self._state, kept)
        git = ["git", "-C", str(self.git)]
        told = subprocess.run([*git, "rev-parse", "daypass-ledger"], check=True, capture_output=True).stdout.decode()

        def put_back() -> None:
            shutil.rmtree(self._state)
            shutil.copytree(kept, self._state)
            subprocess.run([*git, "update-ref", "refs/heads/daypass-ledger", told.strip()], check=True)

        return replace(command, before=put_back)

    def _drop(self, *names: str) -> None:
        for name in names:
            for path in self._state.glob(f"{name}*"):  # with SQLite's own files beside it
                path.unlink()

    def changed(self, path: str, old: str, new: str) -> str:
        """Return a commit on top of main that changes words of one file."""
        git = ["git", "-C", str(self.git)]
        told = subprocess.run([*git, "show", f"main:{path}"], check=True, capture_output=True).stdout.decode()
        index = {**os.environ, "GIT_INDEX_FILE": str(self.folder / "changed.index")}

        def said(*arguments: str, text: str = "") -> str:
            done = subprocess.run([*git, *arguments], input=text.encode(), env=index, check=True, capture_output=True)
            return done.stdout.decode().strip()

        said("read-tree", "main")
        blob = said("hash-object", "-w", "--stdin", text=told.replace(old, new))
        said("update-index", "--cacheinfo", f"100644,{blob},{path}")
        who = ["-c", "user.name=Bench", "-c", "user.email=bench@example.com"]
        return said(*who, "commit-tree", "-p", "main", "-m", "Change a rule", said("write-tree"))

    def move_main(self, revision: str) -> None:
        """Point main at another commit."""
        subprocess.run(["git", "-C", str(self.git), "update-ref", "refs/heads/main", revision], check=True)

    def blobs(self) -> Command:
        """Return git's own way to stream every grant of main to nothing."""
        git = f"git -C '{self.git}'"
        return Command(
            ["sh", "-c", f"{git} ls-tree -r --object-only main -- grants | {git} cat-file --batch --buffer >/dev/null"]
        )

    def log(self, span: str) -> Command:
        """Return git's own way to list what each step of main changed."""
        return Command(["git", "-C", str(self.git), "log", "--first-parent", "-m", "--raw", "-z", "--no-renames", span])

    def receipts(self) -> int:
        """Return how many receipts the ledger holds."""
        listed = ["git", "-C", str(self.git), "ls-tree", "-r", "--name-only", "daypass-ledger"]
        return subprocess.run(listed, check=True, capture_output=True).stdout.count(b"\n")
