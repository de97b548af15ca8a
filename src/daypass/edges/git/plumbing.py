"""Running git's plumbing: one place that starts the process and turns failures into errors.

What of git's settings and of the environment could change an answer is switched off by `isolation`; no shell is used.
GitPython's object layer starts a process per object and is not used for bulk work; see `objects` for streams.
"""

from __future__ import annotations

import io
import os
import re
import shlex
import subprocess
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, ClassVar

from msgspec import Struct

from daypass.core.errors import ConflictError, EdgeError, RefusedError
from daypass.core.ids import ABSENT, OID, Oid
from daypass.edges.git.isolation import attempt, clean_environment, command, startable
from daypass.edges.git.locks import lock_in, locked, take_over

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

try:
    import fcntl
except ImportError:  # Windows
    _WIDEN = None
else:
    _WIDEN = getattr(fcntl, "F_SETPIPE_SZ", None)  # Linux alone can widen a pipe

# What is written is on the disk before a ref names it, and the ref before we go on: a receipt must outlive a power cut.
DURABLE = ("-c", "core.fsync=committed,reference", "-c", "core.fsyncMethod=batch")

_WAIT = ("-c", "core.filesRefLockTimeout=1000", "-c", "core.packedRefsTimeout=1000")  # for another to move a ref
_PIPE = 1 << 20
_LONG, _SHORT, _PAUSE = 1 << 18, 1 << 17, 0.002  # bytes, bytes, seconds; measured, see _Patient
# git says which ref stood elsewhere, or that another process holds its lock: both mean somebody else was first.
_FIRST = rb"cannot lock ref|\.lock'"
_IN_THE_WAY = rb"'(refs/heads/[^']+)' exists; cannot create 'refs/"
_PLAIN_REF = r"refs(/[A-Za-z0-9_-]+)+"
_REF = r"refs/[^\x00-\x20\x7f~^:?*\[\\]+"


_ref_names: dict[str, bool] = {}
_running: set[subprocess.Popen[bytes]] = set()
"""Streams that are open. Held here, so that a stream which is dropped half-read in a cycle of references (an error's
traceback makes one) is ended by its own generator before its process can be collected."""


class Header(Struct, frozen=True, gc=False):
    """What ``git cat-file`` says of an object. ``kind`` is ``missing`` where there is none, empty where it cannot tell."""

    oid: Oid
    kind: bytes
    size: int


def header(line: bytes) -> Header:
    """Read a line of ``git cat-file``; what is no answer of id, type and size is given whole as the id."""
    try:
        oid, kind, size = line.split()
        return Header(Oid(oid.decode("ascii")), kind, int(size))
    except ValueError:
        said = line.decode("utf-8", "replace").rstrip("\n")
        missing = said.removesuffix(" missing")
        return Header(Oid(missing), b"missing" if missing != said else b"", 0)


class Batch:
    """One running ``git cat-file``, asked line by line; started when first asked, and anew once it has failed.

    Whoever asks holds ``lock`` until every answer is read.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self.lock = threading.RLock()
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self._end: Callable[[], object] = bool
        self._owner = 0

    def ask(self, names: Sequence[str], what: str = "contents") -> IO[bytes]:
        """Ask for names, as many as fit into a pipe, and return where the answers come from. Raises EdgeError.

        ``what`` is wanted of them: ``contents``, or ``info``, which is their first line alone.
        """
        if any("\n" in name for name in names):
            raise EdgeError(f"git cannot be asked for names with a line end in them, got {names!r}")
        if self._process is None or self._owner != os.getpid():  # a fork's answers would go to both
            with startable(()):
                self._process = subprocess.Popen(
                    self._command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    env=clean_environment(),
                )
            self._owner = os.getpid()
            self._end = weakref.finalize(self, _end, self._process, self._owner)
        process = self._process
        assert process.stdin is not None  # noqa: S101  (asked for above)
        assert process.stdout is not None  # noqa: S101
        try:
            asked = "".join(f"{what} {name}\n" for name in names) + "flush\n"  # else git writes each answer by itself
            process.stdin.write(asked.encode("utf-8", "surrogateescape"))
            process.stdin.flush()
        except OSError as error:
            self.close()
            raise EdgeError(f"git cat-file ended: {error}") from error
        return process.stdout

    def close(self) -> None:
        """End the process: the next question goes to a new one. What was asked and not read is lost."""
        self._end()
        self._process = None


def _end(process: subprocess.Popen[bytes], owner: int) -> None:
    if owner != os.getpid():  # a fork's copy: the process is its parent's
        return
    process.kill()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(OSError):  # what was not sent yet has nobody to read it
                pipe.close()
    process.wait()


class Git:
    """One repository, found from any folder inside it; works in bare clones as well.

    ``tell`` hears what was done beside what was asked for; who runs the program says it.
    """

    tell: ClassVar[Callable[[str], None]] = staticmethod(lambda _: None)

    def __init__(self, folder: Path, common_dir: Path | None = None) -> None:
        self.folder = folder
        self._common_dir = common_dir
        self.batch = Batch(self.command("cat-file", "--batch-command", "--buffer"))
        """The process that gives objects: one for all that is read here."""

    def check(self, name: str) -> Header:
        """Return what ``git cat-file`` says of a name, not what is there; of no kind where git fails."""
        return self.checked([name])[0]

    def checked(self, names: Sequence[str]) -> list[Header]:
        """Return the same of several names, as many as fit into a pipe."""
        with self.batch.lock:
            try:
                answers = self.batch.ask(names, "info")
                found = [header(answers.readline()) for _ in names]
            except EdgeError:  # it ended at once: who needs an answer asks git again, and hears why
                found = [header(b"")] * len(names)
            if not all(told.oid for told in found):
                self.batch.close()
            return found

    def run(self, *arguments: str, stdin: bytes | None = None, environment: Mapping[str, str] | None = None) -> bytes:
        """Run git and return its standard output. Raises EdgeError, with git's own last line, when it fails."""
        done = self.attempt(*arguments, stdin=stdin, environment=environment)
        if done.returncode != 0:
            raise _failed(arguments, done.stderr)
        return done.stdout

    def text(self, *arguments: str, stdin: bytes | None = None, environment: Mapping[str, str] | None = None) -> str:
        """Run git and return its standard output as text without the last newline."""
        return (
            self.run(*arguments, stdin=stdin, environment=environment).decode("utf-8", "surrogateescape").rstrip("\n")
        )

    def attempt(
        self, *arguments: str, stdin: bytes | None = None, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        """Run git and return how it ended; only a git that cannot be started raises."""
        return attempt(self.folder, *arguments, stdin=stdin or b"", environment=environment)

    def unlocked(
        self, *arguments: str, stdin: bytes | None = None, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        """Do as `attempt`, again after each lock in the way that a dead git left behind.

        Raises LockedError, which names it, where a lock of this repository stays: its holder may live.
        """
        while True:
            done = self.attempt(*arguments, stdin=stdin, environment=environment)
            lock = lock_in(done.stderr, self.folder) if done.returncode != 0 else None
            if lock is None or not lock.is_relative_to(self.common_dir()):
                return done
            if not take_over(lock, self.common_dir(), type(self).tell):
                raise locked(lock)

    def command(self, *arguments: str) -> list[str]:
        """Return the argument list that runs git here."""
        return command(self.folder, *arguments)

    @contextmanager
    def stream(
        self,
        *arguments: str,
        stdin: IO[bytes] | int | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Iterator[IO[bytes]]:
        """Run git and yield its standard output. Raises EdgeError at the end when git failed.

        Leaving early, by an exception or a ``break``, ends the process and is no failure of git's.
        """
        # Complaints go to a file: a pipe that nobody reads meanwhile would fill and stop git for ever.
        from tempfile import TemporaryFile  # noqa: PLC0415  (`can` runs git once, and must start at once)

        with TemporaryFile() as complaints:
            with startable(arguments):
                process = subprocess.Popen(
                    self.command(*arguments),
                    stdin=stdin if stdin is not None else subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=complaints,
                    env=clean_environment(environment),
                    bufsize=0,
                )
            _running.add(process)
            with process:
                assert process.stdout is not None  # noqa: S101  (asked for above)
                output = io.BufferedReader(_Patient(process.stdout), _PIPE)
                finished = False
                try:
                    yield output
                    finished = not output.read(1)
                finally:
                    process.stdout.close()
                    if not finished:
                        process.kill()
                    code = process.wait()
                    _running.discard(process)
            if finished and code != 0:
                complaints.seek(0)
                raise _failed(arguments, complaints.read())

    def common_dir(self) -> Path:
        """Return the repository's own folder (``.git``, or the bare repository), shared by its work trees."""
        if self._common_dir is None:
            self._common_dir = (self.folder / self.text("rev-parse", "--git-common-dir")).resolve()
        return self._common_dir

    def is_shallow(self) -> bool:
        """Say whether history is cut here, so that what is told over it would be wrong."""
        return (self.common_dir() / "shallow").exists()

    def work_tree(self) -> Path | None:
        """Return the top of the work tree, None in a bare repository."""
        done = self.attempt("rev-parse", "--show-toplevel")
        return Path(os.fsdecode(done.stdout.rstrip(b"\n"))) if done.returncode == 0 and done.stdout.strip() else None

    def find(self, revision: str) -> Oid | None:
        """Return the commit that a revision names, None when it names none.

        Raises EdgeError when git cannot tell, and for a short name that several refs have.
        """
        if "\0" in revision or "\n" in revision:
            return None
        self._refuse_ambiguous(revision)
        told = self.check(f"{revision}^{{commit}}")
        if told.kind == b"commit" and OID.fullmatch(told.oid):
            return told.oid
        if told.kind == b"missing":
            return None
        done = self.attempt("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        if done.returncode not in (0, 1):
            raise _failed(("rev-parse",), done.stderr)
        found = done.stdout.decode("ascii", "replace").strip()
        # "^main" is answered with success and a "^" before the id: it excludes, it names nothing.
        return Oid(found) if done.returncode == 0 and OID.fullmatch(found) else None

    def _refuse_ambiguous(self, revision: str) -> None:
        """Refuse what git would resolve in its own order: a tag ``main`` that anybody may push hides the branch."""
        name = re.split(r"[\^~:]|@\{", revision, maxsplit=1)[0]
        if not name or name.startswith("refs/") or OID.fullmatch(name):
            return
        places = [f"refs/{name}", f"refs/tags/{name}", f"refs/heads/{name}", f"refs/remotes/{name}"]
        # An odd name may be read as a pattern and find more: only what is there word for word counts.
        listed = self.attempt("for-each-ref", "--format=%(refname)", "--", *places).stdout.decode("utf-8", "replace")
        found = [place for place in places if place in listed.splitlines()]
        if len(found) > 1:
            raise EdgeError(
                f"{name!r} names several things here: {', '.join(found)}", hint="write in full the one that is meant"
            )

    def takes_ref(self, name: str) -> bool:
        """Say whether git takes a text for a ref's name. The text alone decides that: it is asked of odd ones, once."""
        if name not in _ref_names:
            plain = re.fullmatch(_PLAIN_REF, name) is not None
            _ref_names[name] = plain or self.attempt("check-ref-format", name).returncode == 0
        return _ref_names[name]

    def update_refs(self, moves: Mapping[str, tuple[Oid, Oid]], *, reason: str) -> None:
        """Move refs from old to new values, all or none; ABSENT as old means "must not exist", as new "delete".

        Raises ConflictError when any ref does not stand at its old value: somebody else was first; LockedError where
        git's lock of a ref stays for longer than a second and its holder may live.
        """
        lines = ["start", *(_move(ref, old, new) for ref, (old, new) in moves.items()), "prepare", "commit", ""]
        done = self.unlocked(
            *DURABLE, *_WAIT, "update-ref", "--no-deref", "-m", reason, "--stdin", stdin="\n".join(lines).encode()
        )
        if done.returncode != 0:
            in_the_way = re.search(_IN_THE_WAY, done.stderr)
            if in_the_way is not None:  # no later run gets past it: waiting would stop every end
                name = in_the_way[1].decode(errors="replace").removeprefix("refs/heads/")
                raise EdgeError(
                    f"branch {name!r} stands in the way: git keeps no branch below the name of another",
                    hint=f"delete it, then run the command again: git branch -D {shlex.quote(name)}",
                )
            if not re.search(_FIRST, done.stderr):
                raise _failed(("update-ref",), done.stderr)
            raise ConflictError(f"a ref moved meanwhile: {_failure(done.stderr)}", hint="run the command again")


def _move(ref: str, old: Oid, new: Oid) -> str:
    """Write one line for ``update-ref --stdin``, in words that fit both lengths of object ids."""
    if not re.fullmatch(_REF, ref):  # a space or a line end in it would be read as another command
        raise EdgeError(f"expected the name of a ref below refs/, got {ref!r}")
    for oid in (old, new):
        if not OID.fullmatch(oid):
            raise EdgeError(f"expected an object id, got {oid!r}")
    if old == ABSENT:
        return f"verify {ref}" if new == ABSENT else f"create {ref} {new}"
    return f"delete {ref} {old}" if new == ABSENT else f"update {ref} {new} {old}"


class _Patient(io.RawIOBase):
    """Reads a long answer in few large pieces.

    git writes one object at a time; a reader that wakes for each costs git more than the work itself. So the pipe is
    made wide, and once an answer has proved long we let it fill a little before reading on. Where it cannot be made
    wide, we read as it comes.
    """

    def __init__(self, pipe: IO[bytes]) -> None:
        super().__init__()
        self._descriptor = pipe.fileno()
        self._seen = 0
        self._last = 0
        self._wide = False
        if _WIDEN is not None:
            try:
                self._wide = fcntl.fcntl(self._descriptor, _WIDEN, _PIPE) >= _PIPE
            except OSError:  # the user's share of such pipes is used up
                self._wide = False

    def readable(self) -> bool:
        """Say yes: the buffer above asks."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Read what is there into the buffer and return its length, 0 at the end."""
        if self._wide and self._seen > _LONG and self._last < _SHORT:
            time.sleep(_PAUSE)
        self._last = os.readv(self._descriptor, [buffer])
        self._seen += self._last
        return self._last


def _failed(arguments: tuple[str, ...], errors: bytes) -> EdgeError:
    verb = next((a for before, a in zip(("", *arguments), arguments, strict=False) if _is_verb(before, a)), "")
    return EdgeError(f"git {verb} failed: {_failure(errors)}")


def _is_verb(before: str, argument: str) -> bool:
    return before != "-c" and not argument.startswith("-")


def _failure(errors: bytes) -> str:
    """Return the last line that says what failed: below a mount point git explains itself after it."""
    lines = [line for line in errors.decode("utf-8", "replace").splitlines() if line.strip()]
    said = [line for line in lines if line.startswith("fatal: ")] or lines
    return said[-1].strip() if said else "no message"


def located(git: Git, main: str) -> tuple[Path, Oid]:
    """Return the folder that clones of a repository share, and a commit of it. Refuses a clone whose history is cut."""
    if main.startswith("-"):
        raise EdgeError(f"{main!r} names no commit")
    found = git.find(main)
    if found is None:
        raise EdgeError(f"{main!r} names no commit", hint="audit runs inside a clone of the access repository")
    if git.is_shallow():
        raise RefusedError(
            "this clone is shallow: its history is cut, so the audit would answer wrongly",
            hint="run `git fetch --unshallow` first",
        )
    return git.common_dir(), found
