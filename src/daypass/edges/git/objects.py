"""Streams of a repository's objects: the leaves of a tree, the contents of blobs, the bytes of trees.

What git is asked for lies in a file before git starts, so that git never waits for us to write while we wait for it to
read; what it answers is read in large pieces and cut here. Nothing is held but the piece at hand, whatever the number
of objects. Paths are decoded as UTF-8 with surrogate escapes, so that a hostile name arrives whole and can be refused
by name.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, islice
from typing import IO

from daypass.core.errors import EdgeError
from daypass.core.grant import Oid
from daypass.edges.git.plumbing import Git
from daypass.edges.git.reader import Leaf, check_bytes, object_reader
from daypass.ports import Entry

_PIECE = 1 << 20
_ASKED = re.compile(rb"(?:(?:[0-9a-f]{40}|[0-9a-f]{64})\n)*")
_OID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_WORDS = 3  # of an answer: id, type, size
_SLOT = 4096
_FEW = 64
"""So many objects are asked for one by one, of the process that runs already."""


def leaves(git: Git, tree: Oid, under: str = "") -> Iterator[Leaf]:
    """Stream (path, mode, oid) of the leaves of a commit's or tree's files in git's order.

    ``under`` is a folder, without a slash at its end. Where the folder is itself a leaf (a symlink, a file, a
    submodule) that leaf is given, so that it can be refused; a folder that does not exist has no leaves.
    Raises EdgeError for bytes that are not those of their id, RefusedError for a tree that could be read in two ways.
    """
    with object_reader(git) as read:
        yield from read.leaves(tree, under)


def entries(git: Git, tree: Oid, under: str = "") -> Iterator[Entry]:
    """Stream the same as `leaves`, as entries."""
    for path, mode, oid in leaves(git, tree, under):
        yield Entry(path, mode, Oid(oid))


def blobs(git: Git, oids: Iterable[str], *, limit: int | None = None) -> Iterator[tuple[Oid, bytes]]:
    """Stream (oid, contents) of blobs in the order asked, repetitions included.

    A blob of more than ``limit`` bytes is never held whole: its first ``limit + 1`` bytes are given, so that who reads
    it refuses it by size. Raises EdgeError for an object that is missing or no blob.
    """
    for kind, oid, content in objects(git, oids, limit=limit):
        if kind != b"blob":
            raise EdgeError(f"object {oid} is a {kind.decode()}, expected a file's contents")
        yield oid, content


def objects(git: Git, oids: Iterable[str], *, limit: int | None = None) -> Iterator[tuple[bytes, Oid, bytes]]:
    """Stream (type, oid, contents) of objects in the order asked.

    Raises EdgeError for one that is missing, or whose bytes are not those of its id.
    """
    few, more = _split(oids)
    return _one_by_one(git, few, limit) if more is None else _streamed(git, more, limit)


def _one_by_one(git: Git, oids: Iterable[str], limit: int | None) -> Iterator[tuple[bytes, Oid, bytes]]:
    with object_reader(git) as read:
        for wanted in oids:
            found = read.first(wanted, limit)
            if found is None:
                raise _unavailable(f"{wanted} missing".encode())
            yield found[1], found[0], found[2]


def _streamed(git: Git, oids: Iterable[str], limit: int | None) -> Iterator[tuple[bytes, Oid, bytes]]:
    with _asked(oids) as asked, git.stream("cat-file", "--batch", "--buffer", stdin=asked) as output:
        most = sys.maxsize if limit is None else limit
        held, at = output.read(_PIECE), 0
        while True:
            end = held.find(b"\n", at)
            if end >= 0:
                try:
                    oid, kind, size = held[at:end].split(b" ")
                except ValueError:
                    raise _unavailable(held[at:end]) from None
                start, stop = end + 1, end + 1 + int(size)
                if stop < len(held) and int(size) <= most:
                    at = stop + 1
                    content = held[start:stop]
                else:
                    content, held, at = _long(output, held[start:], int(size), most)
                if int(size) <= most:  # else it is cut, and refused by who reads it
                    check_bytes(oid.decode(), kind, content)
                yield kind, Oid(oid.decode()), content
                continue
            piece = output.read(_PIECE)
            if not piece:
                break
            held, at = held[at:] + piece, 0
        if at < len(held):
            raise EdgeError("git cat-file ended in the middle of a line")


def _long(output: IO[bytes], held: bytes, size: int, most: int) -> tuple[bytes, bytes, int]:
    """Gather contents that begin with ``held`` and reach beyond it; return them, the next piece and the place in it."""
    kept: list[bytes] = []
    wanted = min(size, most + 1)
    left = size + 1  # with the line end after it
    while True:
        kept.append(held[:wanted])
        wanted -= len(kept[-1])
        if left <= len(held):
            return b"".join(kept), held, left
        left -= len(held)
        held = output.read(_PIECE)
        if not held:
            raise EdgeError("git cat-file ended in the middle of an object")


def sizes(git: Git, oids: Iterable[str]) -> Iterator[tuple[Oid, int]]:
    """Stream (oid, size in bytes) of objects in the order asked, unread. Raises EdgeError for a missing one."""
    few, more = _split(oids)
    if more is None:
        for wanted in few:
            yield _size(git.check(wanted))
        return
    with _asked(more) as asked, git.stream("cat-file", "--batch-check", "--buffer", stdin=asked) as output:
        for line in output:
            yield _size(line)


def _size(line: bytes) -> tuple[Oid, int]:
    words = line.rstrip(b"\n").split(b" ")
    if len(words) != _WORDS:
        raise _unavailable(line.rstrip(b"\n"))
    return Oid(words[0].decode()), int(words[2])


def _split(oids: Iterable[str]) -> tuple[list[str], Iterable[str] | None]:
    """Return a few ids, and None; or nothing, and all of them where they are many: those are worth a process."""
    rest = iter(oids)
    few = list(islice(rest, _FEW + 1))
    if len(few) > _FEW:
        return [], chain(few, rest)
    _lines(few)
    return few, None


def _unavailable(header: bytes) -> EdgeError:
    oid, _, why = header.decode("ascii", "replace").partition(" ")
    return EdgeError(f"object {oid} is {why or 'missing'}", hint="run `git fsck`, or fetch the whole history again")


@contextmanager
def _asked(oids: Iterable[str]) -> Iterator[IO[bytes]]:
    """Hold the request in a file. Raises EdgeError for what is no object id: it would be read as a name, or as two."""
    with tempfile.TemporaryFile() as file:
        slot: list[str] = []
        for oid in oids:
            slot.append(oid)
            if len(slot) == _SLOT:
                file.write(_lines(slot))
                slot.clear()
        file.write(_lines(slot))
        file.seek(0)
        yield file


def _lines(oids: list[str]) -> bytes:
    text = "".join([f"{oid}\n" for oid in oids]).encode("utf-8", "surrogateescape")
    if not _ASKED.fullmatch(text) or text.count(b"\n") != len(oids):
        wrong = next(oid for oid in oids if not _OID.fullmatch(oid))
        raise EdgeError(f"expected an object id, got {wrong!r}")
    return text
