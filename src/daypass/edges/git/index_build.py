"""Reading main's first-parent history in bulk: which grant files each step added, changed or removed, and for whom.

One ``rev-list`` names the steps with their first parents; workers compare their trees with ``diff-tree``, chunk by
chunk
(so that a grant slipped into a merge is seen, and the user's diff settings count for nothing), and read the new
contents with ``cat-file``. Git does the work in processes of its own while the workers, plain threads, wait for it.
No pathspec is given: git would compare every tree twice.
"""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import NamedTuple

from daypass.core.grant import FOLDER, Oid, grant_id
from daypass.edges.git.objects import objects
from daypass.edges.git.plumbing import Git

Row = tuple[int, bytes, str, bytes, bytes, str | None]
"""Position, commit, grant, old blob, new blob (ids as bytes, empty for none), subject that the new blob names."""

SubjectReader = Callable[[str, bytes], str | None]
"""Reads the subject of a grant file (path, contents); None when the file cannot be read as a grant."""

Progress = Callable[[int, int], None]

_CHUNK = 4_096
_SMALLEST = 100
_AT_ONCE = 2
_WORKERS = _AT_ONCE + 1  # one worker in three is parsing while the others wait for git
_FOLDER = FOLDER.encode()
_PLAIN = b"100"
_LONGEST = 1 << 20
"""No grant is as long as this many bytes; of a longer file only the beginning is looked at."""
_NOTHING = {40: b"0" * 40, 64: b"0" * 64}
# A line "subject: handle" is taken as it stands only where the word comes once in the whole file and nothing in it is
# escaped: then no other reading of the file can name another subject. All other files go through the real reader.
_SUBJECT = re.compile(rb"^subject:[ ]+([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)[ ]*\r?$", re.MULTILINE)
_WORD = b"subject"


class _Change(NamedTuple):
    """One path that a step changed; ids in hex."""

    commit: bytes
    old: bytes
    new: bytes
    mode: bytes
    path: bytes


def list_steps(git: Git, since: Oid | None, until: Oid) -> Iterator[bytes]:
    """Stream ``commit`` or ``commit first-parent`` for main's steps after ``since`` up to ``until``, newest first."""
    span = [until] if since is None else [until, f"^{since}"]
    with git.stream("rev-list", "--first-parent", "--parents", *span, "--") as output:
        for line in output:
            yield b" ".join(line.split()[:2])


def continues(listed: Sequence[bytes], since: Oid) -> bool:
    """Say whether steps lead back to ``since`` one by one. Main may contain it and yet have come another way."""
    return bool(listed) and listed[-1].partition(b" ")[2] == since.encode()


def read_rows(
    git: Git, listed: Iterable[bytes], *, top: int, read_subject: SubjectReader, progress: Progress
) -> Iterator[tuple[int, list[Row]]]:
    """Yield (number of steps, their rows) for listed steps, the newest of which has the position ``top``.

    Work begins while git is still listing. ``read_subject`` reads what the quick look cannot vouch for.
    """
    size = _CHUNK
    if isinstance(listed, list):  # few steps: each worker takes its share
        size = max(_SMALLEST, min(_CHUNK, -(-len(listed) // _AT_ONCE)))
    lines = iter(listed)
    with ThreadPoolExecutor(_WORKERS) as pool:
        jobs: deque[tuple[int, Future[list[Row]]]] = deque()
        while chunk := list(islice(lines, size)):
            jobs.append((len(chunk), pool.submit(_rows, git, chunk, top, read_subject)))
            top -= len(chunk)
        total, done = sum(count for count, _ in jobs), 0
        try:
            while jobs:
                count, job = jobs.popleft()  # its rows are let go once they are taken
                yield count, job.result()
                done += count
                progress(done, total)
        finally:
            pool.shutdown(cancel_futures=True)


def _rows(git: Git, lines: list[bytes], top: int, read_subject: SubjectReader) -> list[Row]:
    """Compare the trees of a chunk of steps, whose newest has the position ``top``, and read what they brought."""
    position = {line.partition(b" ")[0]: top - n for n, line in enumerate(lines)}
    asked = b"\n".join(lines) + b"\n"
    output = git.run("diff-tree", "--stdin", "-r", "--raw", "-z", "--root", "--no-renames", stdin=asked)
    changes = list(_changes(output))
    subjects = _subjects(git, changes, read_subject)
    return [
        (
            position[change.commit],
            bytes.fromhex(change.commit.decode()),
            grant_id(change.path.decode("utf-8", "backslashreplace")),
            _raw(change.old),
            _raw(change.new),
            subjects.get(change.new.decode()),
        )
        for change in changes
    ]


def _changes(output: bytes) -> Iterator[_Change]:
    """Cut the output of ``diff-tree --stdin -z``: a commit's id, then ":modes ids status" and a path a change."""
    fields = iter(output.split(b"\0"))
    commit = b""
    for field in fields:
        if field[:1] != b":":
            commit = field
            continue
        path = next(fields)
        if path.startswith(_FOLDER):
            _, mode, old, new, _ = field.split(b" ")
            yield _Change(commit, old, new, mode, path)


def _subjects(git: Git, changes: Iterable[_Change], read_subject: SubjectReader) -> Mapping[str, str | None]:
    # Only plain files are read: what a submodule names is in another repository, and a symlink is no grant.
    paths = {change.new.decode(): change.path for change in changes if change.mode.startswith(_PLAIN)}
    if not paths:
        return {}
    return {
        oid: quick_subject(content) or read_subject(os.fsdecode(paths[oid]), content)
        for _, oid, content in objects(git, paths, limit=_LONGEST)
    }


def _raw(oid: bytes) -> bytes:
    return b"" if oid == _NOTHING[len(oid)] else bytes.fromhex(oid.decode())


def quick_subject(content: bytes) -> str | None:
    """Return the subject that a grant file names where one look can tell, else None."""
    if content.count(_WORD) != 1 or b"\\" in content:
        return None
    match = _SUBJECT.search(content)
    return match.group(1).decode() if match is not None else None
