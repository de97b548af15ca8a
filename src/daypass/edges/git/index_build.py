"""Reading main's first-parent history in bulk: which grant files each step added, changed or removed.

One ``rev-list`` names the steps with their first parents; workers compare their trees with ``diff-tree``, chunk by
chunk (so that a grant slipped into a merge is seen, and the user's diff settings count for nothing). Git does the work
in processes of its own while the workers, plain threads, wait for it. No pathspec is given: git would compare every
tree twice.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice

from daypass.core.grant import FOLDER, Oid, grant_id
from daypass.edges.git.plumbing import Git

Row = tuple[int, bytes, str, bytes, bytes, bool]
"""Position, commit, grant, old blob, new blob (ids as bytes, empty for none), whether the new one is a plain file.

Only plain files are read: what a submodule names is in another repository, and a symlink is no grant.
"""

Progress = Callable[[int, int], None]

_CHUNK = 4_096
_SMALLEST = 100
_AT_ONCE = 2
_WORKERS = _AT_ONCE + 1  # one worker in three is parsing while the others wait for git
_FOLDER = FOLDER.encode()
_PLAIN = b"100"
_NOTHING = {40: b"0" * 40, 64: b"0" * 64}


def list_steps(git: Git, since: Oid | None, until: Oid) -> Iterator[bytes]:
    """Stream ``commit`` or ``commit first-parent`` for main's steps after ``since`` up to ``until``, newest first."""
    span = [until] if since is None else [until, f"^{since}"]
    with git.stream("rev-list", "--first-parent", "--parents", *span, "--") as output:
        for line in output:
            yield b" ".join(line.split()[:2])


def continues(listed: Sequence[bytes], since: Oid) -> bool:
    """Say whether steps lead back to ``since`` one by one. Main may contain it and yet have come another way."""
    return bool(listed) and listed[-1].partition(b" ")[2] == since.encode()


def read_rows(git: Git, listed: Iterable[bytes], *, top: int, progress: Progress) -> Iterator[tuple[int, list[Row]]]:
    """Yield (number of steps, their rows) for listed steps, the newest of which has the position ``top``.

    Work begins while git is still listing.
    """
    size = _CHUNK
    if isinstance(listed, list):  # few steps: each worker takes its share
        size = max(_SMALLEST, min(_CHUNK, -(-len(listed) // _AT_ONCE)))
    lines = iter(listed)
    with ThreadPoolExecutor(_WORKERS) as pool:
        jobs: deque[tuple[int, Future[list[Row]]]] = deque()
        while chunk := list(islice(lines, size)):
            jobs.append((len(chunk), pool.submit(_rows, git, chunk, top)))
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


def _rows(git: Git, lines: list[bytes], top: int) -> list[Row]:
    """Compare the trees of a chunk of steps, whose newest has the position ``top``."""
    position = {line.partition(b" ")[0]: top - n for n, line in enumerate(lines)}
    asked = b"\n".join(lines) + b"\n"
    output = git.run("diff-tree", "--stdin", "-r", "--raw", "-z", "--root", "--no-renames", stdin=asked)
    rows: list[Row] = []
    fields = iter(output.split(b"\0"))  # a commit's id, then ":modes ids status" and a path for each change
    commit = b""
    for field in fields:
        if field[:1] != b":":
            commit = field
            continue
        path = next(fields)
        if path.startswith(_FOLDER):
            _, mode, old, new, _ = field.split(b" ")
            grant, plain = grant_id(path.decode("utf-8", "backslashreplace")), mode.startswith(_PLAIN)
            rows.append((position[commit], bytes.fromhex(commit.decode()), grant, _raw(old), _raw(new), plain))
    return rows


def _raw(oid: bytes) -> bytes:
    return b"" if oid == _NOTHING[len(oid)] else bytes.fromhex(oid.decode())
