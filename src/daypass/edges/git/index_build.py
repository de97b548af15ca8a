"""Reading main's first-parent history in bulk: which grant files each step added, changed or removed, and for whom.

One ``rev-list`` names the steps with their first parents, two ``diff-tree`` processes compare their trees (so that a grant
slipped into a merge is seen, and so that the user's diff settings count for nothing), and ``cat-file`` streams the new
contents once each. No pathspec is given: git would compare every tree twice.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from queue import Queue
from threading import Thread
from typing import IO

from daypass.core.errors import EdgeError
from daypass.core.grant import FOLDER, Oid, grant_id
from daypass.edges.git.plumbing import Git

Row = tuple[int, bytes, str, bytes, bytes, str | None]
"""Position, commit, grant, old blob, new blob (ids as bytes, empty for none), subject that the new blob names."""

SubjectReader = Callable[[str, bytes], str | None]
"""Reads the subject of a grant file (path, contents); None when the file cannot be read as a grant."""

_Change = tuple[bytes, bytes, bytes, bytes, bytes]
"""Commit, old and new blob in hex, the new mode, path."""

Progress = Callable[[int, int], None]

_CHUNK = 1 << 20
_BATCH = 8_192
_WORKERS = 2
_FOLDER = FOLDER.encode()
_PLAIN = b"100"
# A line "subject: handle" is taken as it stands only where the word comes once in the whole file and nothing in it is
# escaped: then no other reading of the file can name another subject. All other files go through the real reader.
_SUBJECT = re.compile(rb"^subject:[ ]+([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)[ ]*\r?$", re.MULTILINE)
_WORD = b"subject"
_NOTHING = {40: b"0" * 40, 64: b"0" * 64}


def steps(git: Git, since: Oid | None, until: Oid) -> list[bytes]:
    """Return ``commit`` or ``commit first-parent`` for main's steps after ``since`` up to ``until``, oldest first."""
    span = [until] if since is None else [until, f"^{since}"]
    listed = git.run("rev-list", "--first-parent", "--parents", "--reverse", *span)
    return [b" ".join(line.split(b" ", 2)[:2]) for line in listed.split(b"\n") if line]


def rows(
    git: Git,
    listed: list[bytes],
    *,
    first: int,
    slow_subject: SubjectReader,
    progress: Progress | None = None,
) -> Iterator[list[Row]]:
    """Yield batches of rows for steps whose first has the position ``first``. Batches come in no particular order.

    ``slow_subject`` reads the subject of a file (path, contents) that the quick look cannot vouch for.
    """
    position = {line.partition(b" ")[0]: first + n for n, line in enumerate(listed)}
    batch: list[_Change] = []
    done = 0
    for change in _changes(git, listed):
        batch.append(change)
        if len(batch) >= _BATCH:
            yield _finish(git, batch, position, slow_subject)
            done += len(batch)
            if progress is not None:
                progress(min(done, len(listed)), len(listed))
            batch = []
    if batch:
        yield _finish(git, batch, position, slow_subject)
    if progress is not None:
        progress(len(listed), len(listed))


def _finish(
    git: Git, batch: list[_Change], position: Mapping[bytes, int], slow_subject: SubjectReader
) -> list[Row]:
    # Only plain files are read: what a submodule names is in another repository, and a symlink is no grant.
    paths = {new: path for _, _, new, mode, path in batch if mode.startswith(_PLAIN)}
    subjects = {
        oid: quick_subject(content) or slow_subject(os.fsdecode(paths[oid]), content)
        for oid, content in contents(git, paths)
    }
    return [
        (
            position[commit],
            bytes.fromhex(commit.decode()),
            grant_id(path.decode("utf-8", "backslashreplace")),
            _raw(old),
            _raw(new),
            subjects.get(new),
        )
        for commit, old, new, _, path in batch
    ]


def _raw(oid: bytes) -> bytes:
    return b"" if oid == _NOTHING[len(oid)] else bytes.fromhex(oid.decode())


def quick_subject(content: bytes) -> str | None:
    """Return the subject that a grant file names where one look can tell, else None."""
    if content.count(_WORD) != 1 or b"\\" in content:
        return None
    match = _SUBJECT.search(content)
    return match.group(1).decode() if match is not None else None


def _changes(git: Git, listed: list[bytes]) -> Iterator[_Change]:
    """Yield (commit, old, new, path) of every grant file that a step changed."""
    if not listed:
        return
    workers = _WORKERS if len(listed) >= _WORKERS * 500 else 1
    size = -(-len(listed) // workers)
    pieces: Queue[tuple[int, bytes | EdgeError]] = Queue(maxsize=16)
    with ExitStack() as stack:
        threads = [
            Thread(target=_compare, args=(git, listed[n * size : (n + 1) * size], n, pieces), daemon=True)
            for n in range(workers)
        ]
        for thread in threads:
            thread.start()
            stack.callback(thread.join)
        stack.callback(_drain, pieces, threads)
        parsers = [_Parser() for _ in threads]
        running = workers
        while running:
            worker, piece = pieces.get()
            if isinstance(piece, EdgeError):
                raise piece
            running -= not piece
            yield from parsers[worker].feed(piece)


def _drain(pieces: Queue[tuple[int, bytes | EdgeError]], threads: list[Thread]) -> None:
    """Take what is left when the reader gave up, so that no worker waits for ever to hand over its piece."""
    while any(thread.is_alive() for thread in threads):
        while not pieces.empty():
            pieces.get()
        threads[0].join(0.01)
        threads[-1].join(0.01)


def _compare(git: Git, listed: list[bytes], worker: int, pieces: Queue[tuple[int, bytes | EdgeError]]) -> None:
    """Run one ``diff-tree`` over a range and hand over its output in pieces, an empty one last."""
    try:
        with _given(b"\n".join(listed) + b"\n") as wanted:
            command = ("diff-tree", "--stdin", "-r", "--raw", "-z", "--root", "--no-renames")
            with git.stream(*command, stdin=wanted) as output:
                while piece := output.read(_CHUNK):
                    pieces.put((worker, piece))
        pieces.put((worker, b""))
    except EdgeError as error:
        pieces.put((worker, error))


def _given(content: bytes) -> IO[bytes]:
    """Return a file to read from: git then never waits for us to write while we wait for it to read."""
    file = tempfile.TemporaryFile()  # noqa: SIM115  (the caller closes it)
    file.write(content)
    file.seek(0)
    return file


class _Parser:
    """Cuts one ``diff-tree -z`` stream into changes; pieces may end anywhere."""

    def __init__(self) -> None:
        self._rest = b""
        self._commit = b""

    def feed(self, piece: bytes) -> Iterator[_Change]:
        fields = (self._rest + piece).split(b"\0")
        self._rest = fields.pop()
        if not piece and (self._rest or (fields and fields[-1].startswith(b":"))):
            raise EdgeError("git diff-tree ended in the middle of a record")
        commit, n, count = self._commit, 0, len(fields)
        while n < count:
            field = fields[n]
            if field[:1] != b":":
                commit = field
                n += 1
                continue
            if n + 1 == count:  # its path is in the next piece
                self._rest = field + b"\0" + self._rest
                break
            path = fields[n + 1]
            n += 2
            if path.startswith(_FOLDER):
                _, mode, old, new, _ = field.split(b" ")
                yield commit, old, new, mode, path
        self._commit = commit


def contents(git: Git, oids: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Stream the objects with these ids (hex) as (id, contents), in order. Raises EdgeError for one that is missing."""
    with _given(b"".join(oid + b"\n" for oid in oids)) as wanted:
        command = ("cat-file", "--batch", "--buffer")
        with git.stream(*command, stdin=wanted) as output:
            while header := output.readline():
                words = header.split()
                if len(words) != 3:  # noqa: PLR2004  (id, type, size)
                    raise EdgeError(
                        f"object {words[0].decode()} is missing from this clone", hint="fetch the whole history again"
                    )
                yield words[0], output.read(int(words[2]) + 1)[:-1]
