"""Main's steps, each compared with its first parent, so that a grant slipped into a merge is seen.

`landings` proves what it says: git is given the trees that the commits' own bytes name, and says which folders differ. Each
of them is read once more and held against its id, so that what was overwritten on the disk is noticed. Comparing in Python
would take many times longer, but for a few steps, which `near` reads sooner than a process starts.

`read_rows` believes git, for the audit's index, which proves nothing: which grant files each step added, changed or
removed, of all steps in bulk. The user's settings for diff count for nothing in either.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from itertools import islice
from typing import IO

from daypass.core.errors import EdgeError, InvalidError, RefusedError
from daypass.core.forge import Change, Landing
from daypass.core.ids import ABSENT, FOLDER, Oid, grant_id
from daypass.edges.git import objects
from daypass.edges.git.objects import FOLDER_MODE, Bound, Reader
from daypass.edges.git.plumbing import Git
from daypass.edges.git.promised import cut, promised

EMPTY = {size: hashlib.new(name, b"tree 0\0").hexdigest() for size, name in ((40, "sha1"), (64, "sha256"))}
"""The tree without files, by how long ids are."""

_COMPARE = ("diff-tree", "-r", "-t", "--raw", "-z", "--no-renames", "--ignore-submodules=none", "--stdin", "--always")
_PIECE = 1 << 20
_BATCH = 256
_NOTHING = frozenset({"0" * 40, "0" * 64})

Row = tuple[int, bytes, str, bytes, bytes, bool]
"""Position, commit, grant, old blob, new blob (ids as bytes, empty for none), whether the new one is a plain file.

Only plain files are read: what a submodule names is in another repository, and a symlink is no grant.
"""

_FEW = 32
"""So many commits, of so many bytes each and with so many changed files, are read before git is asked to walk."""
_SHORT = 1 << 16
_LITTLE = 1 << 18
"""Bytes of folders that are compared here: git is faster with more."""
_USUAL = frozenset({"000000", "100644", "100755", "120000", "160000"})

_CHUNK = 4_096
_SMALLEST = 100
_AT_ONCE = 2
_WORKERS = _AT_ONCE + 1  # one worker in three is parsing while the others wait for git
_FOLDER = FOLDER.encode()
_PLAIN = b"100"


def links(raw: bytes) -> tuple[str, list[str]]:
    """Return the tree and the parents that a commit's bytes name."""
    header = raw.partition(b"\n\n")[0].decode("ascii", "replace").split("\n")
    return header[0].removeprefix("tree "), [line[7:] for line in header if line.startswith("parent ")]


def message(commit: bytes) -> str:
    """Return a commit's message: what stands before the first empty line are its own fields."""
    return commit.partition(b"\n\n")[2].decode("utf-8", "replace")


def parents_of(read: Reader, commit: str) -> list[str] | None:
    """Return the parents that a commit's bytes name, held against its id; None for one that is long or not here.

    None as well where this clone is cut: nobody is to ask for what lies behind.
    """
    if commit in cut(read.git):
        return None
    ((_, found),) = read.several([commit], _SHORT)
    return links(found[2])[1] if found is not None and found[1] == b"commit" and len(found[2]) <= _SHORT else None


def first_parents(read: Reader, since: str | None, until: str) -> dict[str, list[str]] | None:
    """Return the commits after ``since`` (None: from the root) up to ``until`` along first parents, oldest first.

    Each comes with all of its parents, as the commits' own bytes tell. None where they are more than a few, or where
    ``since`` is not among them.
    """
    found: dict[str, list[str]] = {}
    at: str | None = until
    while at != since:
        parents = parents_of(read, at) if at is not None and len(found) < _FEW else None
        if at is None or parents is None:
            return None
        found[at] = parents
        at = parents[0] if parents else None
    return dict(reversed(found.items()))


def leads_to(git: Git, old: Oid, new: Oid) -> bool:
    """Say whether ``new`` is ``old`` or comes after it; False for a commit that is not there at all."""
    if promised(git).thin and not promised(git).has(old):
        return False
    found = first_parents(Reader(git), old, new)
    return found is not None or git.attempt("merge-base", "--is-ancestor", old, new).returncode == 0


def near(git: Git, since: Oid | None, until: Oid) -> list[Landing] | None:
    """Return main's steps after ``since`` up to ``until`` as `landings` does, without asking git to walk or to compare.

    None where there is more to read than a little, and for trees that git may read and we do not.
    """
    read = Reader(git)
    found = first_parents(read, since, until)
    steps: list[Landing] = []
    bound = Bound(_FEW, _LITTLE)
    few = found or {}
    for (commit, parents), (_, _, raw) in zip(few.items(), objects.objects(git, few), strict=True):
        try:
            compared = list(read.changes(parents[0] if parents else EMPTY[len(commit)], commit, bound))
        except (InvalidError, RefusedError):
            return None
        if any({change.old_mode, change.new_mode} - _USUAL for change in compared):
            return None
        compared.sort(key=lambda change: change.path.encode("utf-8", "surrogateescape"))  # as git has them
        steps.append(Landing(Oid(commit), tuple(map(Oid, parents)), tuple(compared), message(raw)))
    return steps if found is not None else None


def check_links(oid: str, told: list[str], raw: bytes) -> None:
    """Raise EdgeError where git told other parents of a commit than its bytes do: a cache may have said them."""
    if links(raw)[1] != told:
        raise EdgeError(
            f"git tells other parents of commit {oid} than the commit does",
            hint="delete .git/objects/info/commit-graph and commit-graphs, and run `git fsck`",
        )


def _write_pairs(git: Git, since: Oid | None, listed: IO[bytes], pairs: IO[bytes], texts: IO[bytes]) -> None:
    """Write ``tree tree`` for each step that is ``listed`` (``commit parents...``), oldest first, as their bytes say.

    Its message goes into ``texts``, ahead of it a line with its length, so that no commit is read twice.
    """
    asked = [line.split(maxsplit=1)[0].decode() for line in listed]
    listed.seek(0)
    before, tree = since, ""
    if since is not None:
        tree = links(next(objects.objects(git, [since]))[2])[0]
    for line, (_, oid, raw) in zip(listed, objects.objects(git, asked), strict=True):
        words = line.decode().split()
        check_links(oid, words[1:], raw)
        if before is not None and words[1:2] != [before]:
            raise EdgeError(f"git tells that commit {oid} follows {before}, which is not its first parent")
        then = tree or EMPTY[len(oid)]
        before, tree = oid, links(raw)[0]
        pairs.write(f"{then} {tree}\n".encode())
        told = raw.partition(b"\n\n")[2]
        texts.write(b"%d\n%b" % (len(told), told))
    for file in (listed, pairs, texts):
        file.seek(0)


def landings(git: Git, since: Oid | None, listed: IO[bytes]) -> Iterator[Landing]:
    """Stream steps with what each changed; ``listed`` names those after ``since``, oldest first: ``commit parents...``.

    Trees are compared without the index, which git would read first: one of folders only it would fill up, fetching each.
    Raises EdgeError for a folder whose bytes are not those of its id, and for a step that does not follow the one before.
    """
    known: dict[str, str] = {}
    read = Reader(git)
    from tempfile import TemporaryFile  # noqa: PLC0415  (short answers need no file)

    with TemporaryFile() as pairs, TemporaryFile() as texts:
        _write_pairs(git, since, listed, pairs, texts)
        no_index = {"GIT_INDEX_FILE": str(git.common_dir() / "daypass.no_index")}
        with git.stream(*_COMPARE, stdin=pairs, environment=no_index) as output:
            steps = _joined(listed, texts, output)
            while batch := list(islice(steps, _BATCH)):
                read.check_trees(oid for _, folders in batch for oid in _unread(folders, known))
                yield from (landing for landing, _ in batch)


def _unread(folders: list[Change], known: dict[str, str]) -> Iterator[str]:
    """Yield the trees of both sides, but for those that were the other side of an earlier step."""
    for folder in folders:
        if folder.old != ABSENT and known.get(folder.path) != folder.old:
            yield folder.old
        if folder.new != ABSENT:
            yield folder.new
        known[folder.path] = folder.new


def _joined(listed: IO[bytes], texts: IO[bytes], output: IO[bytes]) -> Iterator[tuple[Landing, list[Change]]]:
    """Join the steps with what git says of each pair of trees, in the same order; folders apart from files."""
    found: list[Change] = []
    folders: list[Change] = []
    for item in _changes(output):
        if isinstance(item, Change):
            (folders if FOLDER_MODE in (item.old_mode, item.new_mode) else found).append(item)
            continue
        if folders:
            yield _landing(listed, texts, found), folders
        old, new = item
        found, folders = [], [Change("", FOLDER_MODE, Oid(old), FOLDER_MODE, Oid(new))]
    if folders:
        yield _landing(listed, texts, found), folders
    if listed.readline():
        raise EdgeError("git diff-tree ended before the last commit")


def _landing(listed: IO[bytes], texts: IO[bytes], found: list[Change]) -> Landing:
    oids = listed.readline().decode().split()
    if not oids:
        raise EdgeError("git diff-tree answered for more commits than it was asked for")
    told = texts.read(int(texts.readline())).decode("utf-8", "replace")
    return Landing(Oid(oids[0]), tuple(map(Oid, oids[1:])), tuple(found), told)


def _changes(output: IO[bytes]) -> Iterator[Change | list[str]]:
    """Cut what ``diff-tree -z`` answers to pairs of trees: each pair on a line, then its records."""
    rest = b""
    about: str | None = None
    while piece := output.read(_PIECE):
        whole, cut, rest = (rest + piece).rpartition(b"\0")
        if not cut:
            continue
        for field in whole.decode("utf-8", "surrogateescape").split("\0"):
            if about is not None:
                old_mode, new_mode, old, new, _ = about.split(" ")
                yield Change(field, old_mode, _side(old), new_mode, _side(new))
                about = None
                continue
            *pairs, record = field.split("\n")
            yield from (pair.split(" ") for pair in pairs)
            if not record.startswith(":"):
                raise EdgeError(f"git diff-tree answered {record!r}, expected a record")
            about = record[1:]
    if about is not None or (rest and not rest.endswith(b"\n")):
        raise EdgeError("git diff-tree ended in the middle of a record")
    yield from (pair.split(" ") for pair in rest.decode("ascii", "replace").splitlines())


def _side(oid: str) -> Oid:
    return ABSENT if oid in _NOTHING else Oid(oid)


def list_steps(git: Git, since: Oid | None, until: Oid) -> Iterator[bytes]:
    """Stream ``commit`` or ``commit first-parent`` for main's steps after ``since`` up to ``until``, newest first."""
    span = [until] if since is None else [until, f"^{since}"]
    with git.stream("rev-list", "--first-parent", "--parents", *span, "--") as output:
        for line in output:
            yield b" ".join(line.split()[:2])


def continues(listed: Sequence[bytes], since: Oid) -> bool:
    """Say whether steps lead back to ``since`` one by one. Main may contain it and yet have come another way."""
    return bool(listed) and listed[-1].partition(b" ")[2] == since.encode()


def read_rows(git: Git, listed: Iterable[bytes], *, top: int) -> Iterator[tuple[int, int, list[Row]]]:
    """Yield (steps done, steps in all, rows) for listed steps, the newest of which has the position ``top``.

    Workers compare the steps' trees, chunk by chunk; plain threads, since git does the work in processes of its own while
    they wait for it. Work begins while git is still listing. No pathspec is given: git would compare every tree twice.
    """
    from concurrent.futures import Future, ThreadPoolExecutor  # noqa: PLC0415  (most runs need no threads)

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
                done += count
                yield done, total, job.result()
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
    text = oid.decode()
    return b"" if text in _NOTHING else bytes.fromhex(text)


def one_after(git: Git, tip: Oid) -> Callable[[Oid], Oid | None]:
    """Return what names the commit right after another up to a tip, each having one parent; None where none is."""

    @cache
    def order() -> str:  # newest first; one text, since a list of 300,000 takes six times the memory
        return git.text("rev-list", "--topo-order", tip)

    def find(commit: Oid) -> Oid | None:
        newer, found, _ = order().partition(f"\n{commit}")
        return Oid(newer[-len(tip) :]) if found else None

    return find
