"""One repository as the rest uses it: where it is, who works in it, and files as they lie in its work tree.

GitPython answers about people; its import costs a tenth of a second, so it waits until it is asked. Symbolic links in a
work tree are read as links and never followed, so that no file outside the repository is ever read as a grant.
"""

from __future__ import annotations

import os
import re
import shlex
import stat
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from daypass.core.errors import EdgeError
from daypass.edges.git.plumbing import Git

_IDENTITY = r"(?P<name>[^<>]+) <(?P<email>[^<>]+)> [0-9]+ [+-][0-9]+"

WorkFile = tuple[str, str, bytes]
"""Path, git's mode, contents (a link's target; nothing for a submodule)."""

LIMIT = 1 << 20
"""Of a file larger than this many bytes only one byte more is read: more than any reader of ours accepts."""

_SUBMODULE, _LINK, _EXECUTABLE, _PLAIN, _NONE = "160000", "120000", "100755", "100644", "000000"


class Repository:
    """One repository. ``git`` runs plumbing in it."""

    def __init__(
        self, git: Git, common_dir: Path, top: Path | None = None, tracks: bool = True, state: Path | None = None
    ) -> None:
        self.git = git
        self._state = state
        self.common_dir = common_dir
        """``.git``, or the bare repository; shared by all work trees."""
        self.top = top
        """The top of the work tree, None in a bare repository."""
        self.tracks = tracks
        """Whether it remembered a branch of a remote's when it was opened."""

    @property
    def state_dir(self) -> Path:
        """Where daypass keeps caches, the index and the embedded target. Never committed."""
        return self._state or self.common_dir / "daypass"

    def close(self) -> None:
        """End the process that gives objects; who asks later starts another."""
        self.git.batch.close()

    def left_out(self, folders: Sequence[str]) -> list[str]:
        """Return the paths in these folders that a sparse checkout leaves out of the work tree."""
        if self.git.attempt("config", "--type=bool", "core.sparseCheckout").stdout != b"true\n":
            return []
        listed = self.git.text("ls-files", "-t", "--", *(f":/{folder}" for folder in folders))
        return [line[2:] for line in listed.splitlines() if line.startswith("S ")]

    def identity(self) -> tuple[str, str]:
        """Return the name and email that git would write into a commit made here, without guessing them.

        Raises EdgeError where they are not set: a review by a guessed person is nobody's.
        """
        status, found = self._ask("-c", "user.useConfigOnly=true", "var", "GIT_AUTHOR_IDENT")
        match = re.fullmatch(_IDENTITY, found)
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
    done = git.attempt(
        *("rev-parse", "--git-common-dir", "--is-inside-work-tree", "--show-cdup", "--symbolic-full-name", "--remotes")
    )
    if done.returncode != 0:
        reason = done.stderr.decode("utf-8", "replace").strip().removeprefix("fatal: ")
        if "dubious ownership" in reason:
            place = folder.resolve()
            raise EdgeError(
                f"{place} belongs to another user, and git reads nothing there until it is told to trust them",
                hint=f"git config --global --add safe.directory {shlex.quote(str(place))}, if you do",
            )
        raise EdgeError(f"{folder} cannot be opened as a repository: {reason}", hint="`daypass init` makes one")
    common, inside, *more = os.fsdecode(done.stdout).split("\n")
    common_dir = (folder / common).resolve()
    top = (folder / more[0]).resolve() if inside == "true" else None
    tracks = any(line.startswith("refs/remotes/") for line in more)
    return Repository(Git(folder, common_dir), common_dir, top, tracks, state)


def commit_alone(git: Git, message: str, paths: Sequence[str]) -> None:
    """Commit paths of the work tree as they lie there, gone ones too, and nothing else.

    People's settings may ask for a signature that they have no key for here, refuse line ends of ours, or ignore wheels.
    """
    safe = ("-c", "core.safecrlf=false")
    git.run(*safe, "add", "--force", "--all", "--", *paths)
    git.run(*safe, "commit", "--quiet", "--no-gpg-sign", "--no-verify", "-m", message, "--", *paths)


def worktree_files(top: Path, folder: str, *, limit: int | None = LIMIT) -> Iterator[WorkFile]:
    """Stream (path, mode, contents) of everything below a folder of a work tree, in git's order.

    Paths are relative to ``top``, with surrogate escapes for what is not UTF-8. Where the folder itself is a link or a
    file, that is given; a folder that does not exist has no files. Raises EdgeError for what cannot be read.
    """
    root = os.fsencode(top)
    path = folder.strip("/").encode("utf-8", "surrogateescape")
    try:
        mode = os.lstat(os.path.join(root, path)).st_mode  # noqa: PTH118  (bytes: names need not be text)
    except FileNotFoundError:
        return
    except OSError as error:
        raise EdgeError(f"{folder} cannot be read: {error.strerror}") from error
    yield from _walk(root, path, mode, limit)


def _walk(root: bytes, path: bytes, mode: int, limit: int | None) -> Iterator[WorkFile]:
    place = os.path.join(root, path)  # noqa: PTH118
    shown = path.decode("utf-8", "surrogateescape")
    try:
        if stat.S_ISLNK(mode):
            yield shown, _LINK, os.readlink(place)  # noqa: PTH115
        elif stat.S_ISREG(mode):
            yield shown, _EXECUTABLE if mode & stat.S_IXUSR else _PLAIN, _read(place, limit)
        elif stat.S_ISDIR(mode):
            with os.scandir(place) as listed:
                below = [(entry.name, entry.stat(follow_symlinks=False).st_mode) for entry in listed]
            if any(name == b".git" for name, _ in below):
                if path:
                    yield shown, _SUBMODULE, b""
                    return
                below = [item for item in below if item[0] != b".git"]
            below.sort(key=lambda item: item[0] + b"/" if stat.S_ISDIR(item[1]) else item[0])
            for name, kind in below:
                yield from _walk(root, path + b"/" + name if path else name, kind, limit)
        # Pipes, sockets and devices are nothing to git, which cannot hold them; opening one could wait for ever.
    except OSError as error:
        raise EdgeError(f"{shown} cannot be read: {error.strerror}") from error


def _read(place: bytes, limit: int | None) -> bytes:
    # NOFOLLOW: it may have become a link since it was looked at; NONBLOCK: or a pipe, which would be waited for.
    descriptor = os.open(place, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    with open(descriptor, "rb") as file:  # noqa: PTH123  (a descriptor)
        return file.read() if limit is None else file.read(limit + 1)
