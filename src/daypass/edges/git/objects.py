"""Streams of a repository's objects: the leaves of a tree, the contents of blobs, the bytes of trees.

What git is asked for lies in a file before git starts, so that git never waits for us to write while we wait for it to
read; what it answers is read in large pieces and cut here. Nothing is held but the piece at hand, whatever the number of
objects. Paths are decoded as UTF-8 with surrogate escapes, so that a hostile name arrives whole and can be refused by name.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import IO

from daypass.core.errors import EdgeError
from daypass.core.grant import Oid
from daypass.edges.git.plumbing import Git
from daypass.ports import Entry

Leaf = tuple[str, str, str]
"""Path, mode, object id: an Entry without the cost of making one."""

_PIECE = 1 << 20
_ASKED = re.compile(rb"(?:(?:[0-9a-f]{40}|[0-9a-f]{64})\n)*")
_MISSING = 2  # words of the line "<id> missing"
_SLOT = 4096


def leaves(git: Git, tree: Oid, under: str = "") -> Iterator[Leaf]:
    """Stream (path, mode, oid) of the leaves of a commit's or tree's files in git's order.

    ``under`` is a folder, without a slash at its end. Where the folder is itself a leaf (a symlink, a file, a submodule)
    that leaf is given, so that it can be refused; a folder that does not exist has no leaves.
    """
    # --full-tree: else git would answer for the folder it is started in. The path is literal, not a pattern.
    command = ("ls-tree", "-r", "-z", "--full-tree", tree, "--", *([under] if under else []))
    with git.stream(*command) as output:
        rest = b""
        while piece := output.read(_PIECE):
            whole, cut, rest = (rest + piece).rpartition(b"\0")
            if not cut:
                continue
            for record in whole.decode("utf-8", "surrogateescape").split("\0"):
                about, _, path = record.partition("\t")
                yield path, about[:6], about.rpartition(" ")[2]
        if rest:
            raise EdgeError("git ls-tree ended in the middle of a record")


def entries(git: Git, tree: Oid, under: str = "") -> Iterator[Entry]:
    """Stream the same as `leaves`, as entries."""
    for path, mode, oid in leaves(git, tree, under):
        yield Entry(path, mode, Oid(oid))


def blobs(git: Git, oids: Iterable[str], *, limit: int | None = None) -> Iterator[tuple[Oid, bytes]]:
    """Stream (oid, contents) of blobs in the order asked, repetitions included.

    A blob of more than ``limit`` bytes is never held whole: its first ``limit + 1`` bytes are given, so that who reads it
    refuses it by size. Raises EdgeError for an object that is missing or no blob.
    """
    for kind, oid, content in objects(git, oids, limit=limit):
        if kind != b"blob":
            raise EdgeError(f"object {oid} is a {kind.decode()}, expected a file's contents")
        yield oid, content


def objects(git: Git, oids: Iterable[str], *, limit: int | None = None) -> Iterator[tuple[bytes, Oid, bytes]]:
    """Stream (type, oid, contents) of objects in the order asked. Raises EdgeError for one that is missing."""
    with _asked(oids) as asked, git.stream("cat-file", "--batch", "--buffer", stdin=asked) as output:
        reader = _Pieces(output)
        while header := reader.line():
            oid, *rest = header.split(b" ")
            if len(rest) != _MISSING:
                raise _unavailable(header)
            yield rest[0], Oid(oid.decode()), reader.content(int(rest[1]), limit)


def sizes(git: Git, oids: Iterable[str]) -> Iterator[tuple[Oid, int]]:
    """Stream (oid, size in bytes) of objects in the order asked, without reading them. Raises EdgeError for a missing one."""
    with _asked(oids) as asked, git.stream("cat-file", "--batch-check", "--buffer", stdin=asked) as output:
        for line in output:
            oid, *rest = line.rstrip(b"\n").split(b" ")
            if len(rest) != _MISSING:
                raise _unavailable(line.rstrip(b"\n"))
            yield Oid(oid.decode()), int(rest[1])


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
    if not _ASKED.fullmatch(text):
        wrong = next((oid for oid in oids if not _ASKED.fullmatch(f"{oid}\n".encode("utf-8", "surrogateescape"))), "")
        raise EdgeError(f"expected an object id, got {wrong!r}")
    return text


class _Pieces:
    """Cuts lines and sized contents from a stream that is read in large pieces."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._held = b""
        self._at = 0

    def line(self) -> bytes:
        """Return the next line without its end, empty when the stream is over."""
        while (end := self._held.find(b"\n", self._at)) < 0:
            if not self._more():
                if self._at < len(self._held):
                    raise EdgeError("git cat-file ended in the middle of a line")
                return b""
        found = self._held[self._at : end]
        self._at = end + 1
        return found

    def content(self, size: int, limit: int | None) -> bytes:
        """Return the next ``size`` bytes, or the first ``limit + 1`` of them, and pass the line end after them."""
        end = self._at + size
        if end < len(self._held):
            kept = self._held[self._at : end if limit is None else min(end, self._at + limit + 1)]
            self._at = end + 1
            return kept
        return self._long(size, size if limit is None else min(size, limit + 1))

    def _long(self, size: int, wanted: int) -> bytes:
        """Gather contents that reach beyond the piece at hand, keeping only what is wanted."""
        kept: list[bytes] = []
        left = size
        while left > len(self._held) - self._at:
            part = self._held[self._at :]
            kept.append(part[: max(wanted, 0)])
            wanted -= len(part)
            left -= len(part)
            self._at = len(self._held)
            if not self._more():
                raise EdgeError("git cat-file ended in the middle of an object")
        kept.append(self._held[self._at : self._at + min(left, max(wanted, 0))])
        self._at += left
        if self._at == len(self._held) and not self._more():
            raise EdgeError("git cat-file ended in the middle of an object")
        self._at += 1
        return b"".join(kept)

    def _more(self) -> bool:
        piece = self._stream.read1(_PIECE) if hasattr(self._stream, "read1") else self._stream.read(_PIECE)
        self._held = self._held[self._at :] + piece
        self._at = 0
        return bool(piece)
