"""Running git's plumbing: one place that starts the process, cleans its environment and turns failures into errors.

Git is run with the user's configuration switched off where it could change what output means, and never with a shell.
GitPython's object layer starts a process per object and is not used for bulk work; see `objects` for streams.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from daypass.core.errors import ConflictError, EdgeError
from daypass.core.grant import Oid
from daypass.ports import ABSENT

_FIXED = ("-c", "core.quotepath=off", "-c", "core.commitGraph=true", "-c", "gc.auto=0", "-c", "maintenance.auto=false")

# GIT_DIR and its kin would let the caller's shell redirect us to another repository; replace refs and grafts would let
# a repository show other objects than those that its ids name.
_DROPPED = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_NAMESPACE",
    "GIT_COMMON_DIR",
    "GIT_AUTHOR_DATE",
    "GIT_COMMITTER_DATE",
)


def clean_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the process environment in which git behaves the same everywhere, with ``extra`` added."""
    environment = {key: value for key, value in os.environ.items() if key not in _DROPPED}
    environment |= {"GIT_TERMINAL_PROMPT": "0", "GIT_NO_REPLACE_OBJECTS": "1", "LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0"}
    return environment | dict(extra or {})


class Git:
    """One repository, found from any folder inside it; works in bare clones as well."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, *arguments: str, stdin: bytes | None = None, environment: Mapping[str, str] | None = None) -> bytes:
        """Run git and return its standard output. Raises EdgeError, with git's own last line, when it fails."""
        done = self.attempt(*arguments, stdin=stdin, environment=environment)
        if done.returncode != 0:
            raise EdgeError(f"git {arguments[0]} failed: {_last_line(done.stderr)}")
        return done.stdout

    def text(self, *arguments: str, stdin: bytes | None = None, environment: Mapping[str, str] | None = None) -> str:
        """Run git and return its standard output as text without the last newline."""
        return self.run(*arguments, stdin=stdin, environment=environment).decode("utf-8", "surrogateescape").rstrip("\n")

    def attempt(
        self, *arguments: str, stdin: bytes | None = None, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        """Run git and return how it ended; only a git that cannot be started raises."""
        try:
            return subprocess.run(
                self.command(*arguments),
                input=stdin if stdin is not None else b"",
                capture_output=True,
                env=clean_environment(environment),
                check=False,
            )
        except OSError as error:
            raise EdgeError(f"git cannot be started: {error}", hint="install git 2.34 or newer") from error

    def command(self, *arguments: str) -> list[str]:
        """Return the argument list that runs git here."""
        return ["git", *_FIXED, "-C", str(self.folder), *arguments]

    @contextmanager
    def stream(self, *arguments: str, stdin: IO[bytes] | int | None = None) -> Iterator[IO[bytes]]:
        """Run git and yield its standard output. Raises EdgeError at the end when git failed.

        Leaving early, by an exception or a ``break``, ends the process and is no failure of git's.
        """
        with subprocess.Popen(
            self.command(*arguments),
            stdin=stdin if stdin is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=clean_environment(),
            bufsize=1 << 20,
        ) as process:
            assert process.stdout is not None  # noqa: S101  (asked for above)
            assert process.stderr is not None  # noqa: S101
            finished = False
            try:
                yield process.stdout
                finished = not process.stdout.read(1)
            finally:
                process.stdout.close()
                if not finished:
                    process.kill()
                errors = process.stderr.read()
                code = process.wait()
        if finished and code != 0:
            raise EdgeError(f"git {arguments[0]} failed: {_last_line(errors)}")

    def common_dir(self) -> Path:
        """Return the repository's own folder (``.git``, or the bare repository), shared by its work trees."""
        return (self.folder / self.text("rev-parse", "--git-common-dir")).resolve()

    def work_tree(self) -> Path | None:
        """Return the top of the work tree, None in a bare repository."""
        done = self.attempt("rev-parse", "--show-toplevel")
        return Path(os.fsdecode(done.stdout.rstrip(b"\n"))) if done.returncode == 0 and done.stdout.strip() else None

    def find(self, revision: str) -> Oid | None:
        """Return the commit that a revision names, None when it names none."""
        done = self.attempt("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        return Oid(done.stdout.decode().strip()) if done.returncode == 0 else None

    def update_refs(self, moves: Mapping[str, tuple[Oid, Oid]], *, reason: str) -> None:
        """Move refs from old to new values, all or none; ABSENT as old means "must not exist", as new "delete".

        Raises ConflictError when any ref does not stand at its old value: somebody else was first.
        """
        lines = ["start"]
        for ref, (old, new) in moves.items():
            lines.append(f"delete {ref} {old}" if new == ABSENT else f"update {ref} {new} {old}")
        lines += ["prepare", "commit", ""]
        done = self.attempt("update-ref", "-m", reason, "--stdin", stdin="\n".join(lines).encode())
        if done.returncode != 0:
            # git says which ref stood elsewhere, or that another process holds its lock: both mean somebody else was first.
            raise ConflictError(f"a ref moved meanwhile: {_last_line(done.stderr)}", hint="run the command again")


def _last_line(errors: bytes) -> str:
    lines = [line for line in errors.decode("utf-8", "replace").splitlines() if line.strip()]
    return lines[-1].strip() if lines else "no message"
