"""One repository as the rest uses it: where it is, who works in it, which branch is checked out.

GitPython answers about people and branches; its import costs a tenth of a second, so it waits until one of them is
asked for.
"""

from __future__ import annotations

import os
import re
import shlex
from functools import cached_property
from pathlib import Path
from typing import Any

from daypass.core.errors import EdgeError
from daypass.edges.git.plumbing import Git

_IDENTITY = re.compile(r"(?P<name>[^<>]+) <(?P<email>[^<>]+)> [0-9]+ [+-][0-9]+")


class Repository:
    """One repository. ``git`` runs plumbing in it."""

    def __init__(self, git: Git, common_dir: Path, state: Path | None = None) -> None:
        self.git = git
        self._state = state
        self.common_dir = common_dir
        """``.git``, or the bare repository; shared by all work trees."""

    @property
    def state_dir(self) -> Path:
        """Where daypass keeps caches, the index and the embedded target. Never committed."""
        return self._state or self.common_dir / "daypass"

    def identity(self) -> tuple[str, str]:
        """Return the name and email that git would write into a commit made here, without guessing them.

        Raises EdgeError where they are not set: a review by a guessed person is nobody's.
        """
        status, found = self._ask("-c", "user.useConfigOnly=true", "var", "GIT_AUTHOR_IDENT")
        match = _IDENTITY.fullmatch(found)
        if status != 0 or match is None:
            raise EdgeError(
                "git does not know who you are",
                hint='run `git config user.name "Your Name"` and `git config user.email you@example.com`',
            )
        return match["name"], match["email"]

    def signing_key(self) -> str | None:
        """Return the SSH key that git is set to sign with (``user.signingkey``), None where there is none."""
        if self._setting("gpg.format") != "ssh":
            return None
        return os.path.expanduser(self._setting("user.signingkey")) or None  # noqa: PTH111  ("key::…" is no path)

    def _setting(self, key: str) -> str:
        """Return a setting as git itself reads it: all its files, includes and the environment; empty where unset."""
        status, found = self._ask("config", "--get", key)
        if status not in (0, 1):
            raise EdgeError(f"git config {key} failed with status {status}")
        return found if status == 0 else ""

    def _ask(self, *arguments: str) -> tuple[int, str]:
        """Run git through GitPython; return how it ended and what it said."""
        # The caller's shell may name another repository; GitPython adds to the environment and takes nothing away.
        here = {"GIT_DIR": str(self._repo.git_dir), "GIT_COMMON_DIR": str(self.common_dir)}
        status, found, _ = self._repo.git.execute(
            ["git", *arguments], env=here, with_extended_output=True, with_exceptions=False
        )
        return int(status), str(found)

    @cached_property
    def _repo(self) -> Any:
        from git import Repo  # noqa: PLC0415  (slow to import)
        from git.exc import InvalidGitRepositoryError, NoSuchPathError  # noqa: PLC0415

        try:
            return Repo(self.git.folder, search_parent_directories=True)
        except (InvalidGitRepositoryError, NoSuchPathError) as error:
            raise EdgeError(f"{self.git.folder} is in no git repository") from error


def open_repository(folder: Path, state: Path | None = None) -> Repository:
    """Open the repository around a folder; ``state`` is where its state is kept, within the clone by default.

    Raises EdgeError where there is none or git does not trust its owner.
    """
    git = Git(folder)
    done = git.attempt("rev-parse", "--git-common-dir")
    if done.returncode != 0:
        reason = done.stderr.decode("utf-8", "replace").strip().removeprefix("fatal: ")
        if "dubious ownership" in reason:
            place = folder.resolve()
            raise EdgeError(
                f"{place} belongs to another user, and git reads nothing there until it is told to trust them",
                hint=f"git config --global --add safe.directory {shlex.quote(str(place))}, if you do",
            )
        raise EdgeError(f"{folder} cannot be opened as a repository: {reason}", hint="`daypass init` makes one")
    common_dir = (folder / os.fsdecode(done.stdout.rstrip(b"\n"))).resolve()
    return Repository(Git(folder, common_dir), common_dir, state)
