"""Reading a repository's objects, one by one or in streams, each held against its id; and trees down to their leaves.

git takes a loose object as it lies on the disk: whoever can write there could put other bytes under an id. So the bytes
are hashed here. Trees are read as git's rules want them written (https://git-scm.com/docs/gitformat-pack, `git fsck`):
one that names a path twice, or out of order, is read in one way by one program and in another by the next.

A few objects are asked of the ``git cat-file`` that runs already, many of one of their own: what it is asked for lies in
a file before it starts, so that it never waits for us to write while we wait for it to read. Nothing is held but the
object at hand. Paths are decoded as UTF-8 with surrogate escapes, so that a hostile name arrives whole and can be
refused by name.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from typing import IO

from daypass.core.errors import EdgeError, InvalidError, RefusedError
from daypass.core.finding import Finding, Place
from daypass.core.forge import Change
from daypass.core.ids import ABSENT, OID, Oid
from daypass.edges.git.plumbing import Git, Header, header

FOLDER_MODE = "040000"
HASHES = {40: hashlib.sha1, 64: hashlib.sha256}

Leaf = tuple[str, str, str]
"""Path, mode, object id: what an Entry is made of."""

Held = dict[bytes, tuple[str, bytes]]
"""A tree by name, in git's order: mode in six digits, raw object id."""

Found = tuple[Oid, bytes, bytes]
"""An object's id, kind and bytes."""

_NOTHING = ("000000", b"")
_AHEAD = 256
"""Folders asked for at once: their names fit into any pipe, so that neither side waits for the other."""
_DEPTH, _PIECE = 64, 1 << 20
_NAME = 300
"""Bytes that an entry of a tree has at most, with the longest name that a file system keeps."""
_ASKED = re.compile(rb"(?:(?:[0-9a-f]{40}|[0-9a-f]{64})\n)*")
_SLOT = 4096
_FEW = 64
"""So many objects are asked for one by one, of the process that runs already."""
_SOME = 1024
"""So many are asked of it ahead, where no more than they are wanted."""


def object_id(kind: str, content: bytes, length: int = 40) -> Oid:
    """Return the id that git gives an object (``blob``, ``tree``); ``length`` is the repository's, 40 or 64 digits."""
    return Oid(HASHES[length](b"%s %d\0" % (kind.encode(), len(content)) + content).hexdigest())


def beyond(code: str, what: str, hint: str) -> InvalidError:
    """Return the refusal of what is more than anybody needs, and would keep everybody else waiting."""
    message = f"the request is not looked at: {what}"
    return InvalidError(message, (Finding(code, Place(""), message, hint),), hint=hint)


class Bound:
    """How much a comparison may come to: ``most`` files, twice as many folders, and these of ``most_bytes`` in all.

    A few small trees can name each other until there are millions. Raises InvalidError.
    """

    def __init__(self, most: int, most_bytes: float = math.inf) -> None:
        self._most = most
        self._left = most_bytes
        self._files = self._folders = 0

    def file(self) -> None:
        """Count one file that differs."""
        self._files += 1
        self._hold(self._files <= self._most)

    def folder(self, before: Held, size: int) -> None:
        """Count one folder that differs, of so many bytes where it was ``before``."""
        self._folders += 1
        self._left -= size
        known = sum(map(len, before)) + 40 * len(before)
        self._hold(self._folders <= 2 * self._most and size <= known + self._most * _NAME and self._left >= 0)

    def _hold(self, within: bool) -> None:
        if not within:
            raise beyond("too-many-files", f"it changes more than {self._most} files", "ask in several requests")


class Reader:
    """Reads objects of the ``git cat-file --batch`` that runs in a repository."""

    def __init__(self, git: Git) -> None:
        self.git = git
        self._batch = git.batch

    def get(self, name: str, limit: int | None = None) -> Found | None:
        """Return id, kind and bytes of what a name names, None where there is nothing.

        Raises EdgeError for bytes that are not those of the id, and for more than ``limit`` of them.
        """
        return self._read([name], limit)[0]

    def several(self, oids: Sequence[str], limit: int | None) -> Iterator[tuple[str, Found | None]]:
        """Stream the same for ids, some asked for ahead; of more than ``limit`` bytes the first ``limit + 1``, unhashed."""
        for start in range(0, len(oids), _AHEAD):
            asked = oids[start : start + _AHEAD]
            yield from zip(asked, self._read(asked, limit, cut=True), strict=True)

    def tree(self, name: str) -> tuple[Oid, bytes]:
        """Return id and bytes of a tree, or of a commit's tree. Raises EdgeError when the name names neither."""
        found = self.get(name)
        if found is not None and found[1] == b"commit":
            words = found[2].partition(b"\n")[0].split(b" ")
            found = self.get(words[1].decode("ascii", "replace")) if words[0] == b"tree" and words[1:] else None
        if found is None or found[1] != b"tree":
            raise EdgeError(f"expected a tree or commit, got {name!r}")
        return found[0], found[2]

    def leaves(self, tree: str, under: str = "", without: Collection[str] = ()) -> Iterator[Leaf]:
        """Stream the leaves below a folder of a commit or tree, in git's order.

        ``under`` has no slash at its end. Where the folder is itself a leaf (a symlink, a file, a submodule) that leaf is
        given, so that it can be refused; a folder that does not exist has no leaves. Folders directly below that are named
        ``without`` stay unread. Raises EdgeError for bytes that are not those of their id, RefusedError for a tree that
        could be read in two ways.
        """
        oid, raw = self.tree(tree)
        path, steps = "", under.encode("utf-8", "surrogateescape").split(b"/") if under else []
        for place, step in enumerate(steps):
            mode, found = parse_tree(oid, raw).get(step, ("", b""))
            path += ("/" if path else "") + step.decode("utf-8", "surrogateescape")
            if mode != FOLDER_MODE:
                if mode and place == len(steps) - 1:
                    yield path, mode, found.hex()
                return
            oid, raw = self.tree(found.hex())
        yield from self._walk(oid, raw, f"{path}/" if path else "", len(steps), without)

    def folders(self, tree: str, under: str) -> Iterator[tuple[str, str]]:
        """Yield name and id of the folders directly below one of a commit's; nothing where that is no folder."""
        for name, (kind, found) in parse_tree(*self.tree(tree)).items():
            if kind == FOLDER_MODE and name == under.encode():
                for below, (mode, oid) in parse_tree(*self.tree(found.hex())).items():
                    if mode == FOLDER_MODE:
                        yield below.decode("utf-8", "surrogateescape"), oid.hex()

    def _walk(self, oid: str, raw: bytes, path: str, depth: int, without: Collection[str] = ()) -> Iterator[Leaf]:
        if depth > _DEPTH:
            raise RefusedError(f"tree {oid} lies more than {_DEPTH} folders deep", hint="flatten the folders")
        held = parse_tree(oid, raw)
        if without:
            passed = {name.encode("utf-8", "surrogateescape") for name in without}
            held = {name: one for name, one in held.items() if one[0] != FOLDER_MODE or name not in passed}
        folders = self._folders([found.hex() for mode, found in held.values() if mode == FOLDER_MODE])
        for name, (mode, found) in held.items():
            below = path + name.decode("utf-8", "surrogateescape")
            if mode == FOLDER_MODE:
                yield from self._walk(found.hex(), next(folders), f"{below}/", depth + 1)
            else:
                yield below, mode, found.hex()

    def changes(self, one: str, other: str, bound: Bound | None = None) -> Iterator[Change]:
        """Stream the leaves that differ between two commits' trees. Only folders that differ are read."""
        yield from self._compare(*self._sides((self._root(one), self._root(other)), 0, bound), "", 0, bound)

    def _root(self, commit: str) -> tuple[str, bytes]:
        return FOLDER_MODE, bytes.fromhex(self.tree(commit)[0])

    def _compare(self, old: Held, new: Held, path: str, depth: int, bound: Bound | None) -> Iterator[Change]:
        for name in sorted(old.keys() | new.keys()):
            before, after = old.get(name, _NOTHING), new.get(name, _NOTHING)
            if before == after:
                continue
            below = path + name.decode("utf-8", "surrogateescape")
            leaves = [_NOTHING if side[0] == FOLDER_MODE else side for side in (before, after)]
            if leaves[0] != leaves[1]:
                (old_mode, left), (new_mode, right) = leaves
                if bound is not None:
                    bound.file()
                yield Change(below, old_mode, Oid(left.hex()) or ABSENT, new_mode, Oid(right.hex()) or ABSENT)
            if FOLDER_MODE in (before[0], after[0]):
                sides = self._sides((before, after), depth, bound)
                yield from self._compare(*sides, f"{below}/", depth + 1, bound)

    def _sides(self, sides: Sequence[tuple[str, bytes]], depth: int, bound: Bound | None) -> tuple[Held, Held]:
        """Return the two folders of a comparison, an empty one for what is no folder."""
        if depth > _DEPTH:
            raise RefusedError(f"more than {_DEPTH} folders inside each other", hint="flatten the folders")
        (old, new) = (side[1].hex() if side[0] == FOLDER_MODE else "" for side in sides)
        before = parse_tree(*self.tree(old)) if old else {}
        if bound is not None:
            bound.folder(before, self._size(new) if new else 0)
        return before, parse_tree(*self.tree(new)) if new else {}

    def _size(self, tree: str) -> int:
        return self.git.check(tree).size

    def check_trees(self, oids: Iterable[str]) -> None:
        """Read trees, and hold their bytes against their ids. Raises EdgeError for one that is missing or another."""
        for _ in self._folders(list(oids)):
            pass

    def _folders(self, oids: Sequence[str]) -> Iterator[bytes]:
        """Stream the bytes of trees, some asked for ahead."""
        for start in range(0, len(oids), _AHEAD):
            asked = oids[start : start + _AHEAD]
            found = self._read(asked, None)  # all, before anybody asks the next
            for oid, answer in zip(asked, found, strict=True):
                if answer is None or answer[1] != b"tree":
                    raise EdgeError(f"folder {oid} is missing", hint="run `git fsck`, or fetch the whole history again")
                yield answer[2]

    def _read(self, names: Sequence[str], limit: int | None, *, cut: bool = False) -> list[Found | None]:
        with self._batch.lock:
            try:
                answers = self._batch.ask(names)
                return [_answer(answers, name, limit, cut) for name in names]
            except BaseException:
                self._batch.close()  # what was not read would be taken for the next answer
                raise


def _answer(answers: IO[bytes], name: str, limit: int | None, cut: bool) -> Found | None:
    line = answers.readline()
    if not line:
        raise EdgeError(f"git cat-file ended when asked for {name}", hint="run `git fsck`")
    told = header(line)
    if told.kind == b"missing":
        return None
    if not told.kind:
        raise EdgeError(f"git cat-file answered {told.oid!r} when asked for {name}")
    if limit is not None and told.size > limit and not cut:
        raise EdgeError(f"object {told.oid[:12]} is {told.size} bytes long, at most {limit} are read")
    return told.oid, told.kind, _content(answers, told, limit)


def _content(answers: IO[bytes], told: Header, limit: int | None) -> bytes:
    """Return an object's bytes, held against its id; of more than ``limit`` the first ``limit + 1``, which nobody hashed."""
    if limit is not None and told.size > limit:
        content, left = answers.read(limit + 1), told.size - limit  # with the line end
        while left > 0 and (piece := answers.read(min(left, _PIECE))):
            left -= len(piece)
        whole = left == 0
    else:
        raw = answers.read(told.size + 1)
        content, whole = raw[:-1], len(raw) == told.size + 1
    if not whole:
        raise EdgeError("git cat-file ended in the middle of an object")
    if limit is not None and told.size > limit:
        return content
    made = HASHES[len(told.oid)](b"%b %d\0" % (told.kind, told.size))
    made.update(content)
    if made.hexdigest() != told.oid:
        raise EdgeError(
            f"object {told.oid} was changed on the disk: its bytes are not those of its id",
            hint="somebody wrote into this clone's .git/objects; run `git fsck`, and clone again from a place you trust",
        )
    return content


def blobs(git: Git, oids: Iterable[str], *, limit: int | None = None) -> Iterator[tuple[Oid, bytes]]:
    """Stream (oid, contents) of blobs in the order asked, repetitions included.

    A blob of more than ``limit`` bytes is never held whole: its first ``limit + 1`` bytes are given, so that who reads
    it refuses it by size. Raises EdgeError for an object that is missing or no blob.
    """
    for kind, oid, content in objects(git, oids, limit=limit):
        if kind != b"blob":
            raise EdgeError(f"object {oid} is a {kind.decode()}, expected a file's contents")
        yield oid, content


def objects(
    git: Git, oids: Iterable[str], *, limit: int | None = None, most: int = _FEW
) -> Iterator[tuple[bytes, Oid, bytes]]:
    """Stream (type, oid, contents) of objects in the order asked, more than ``most`` of them by a process of their own.

    Raises EdgeError for one that is missing, or whose bytes are not those of its id.
    """
    few, more = _split(oids, most)
    return _one_by_one(git, few, limit) if more is None else _streamed(git, more, limit)


def _one_by_one(git: Git, oids: Iterable[str], limit: int | None) -> Iterator[tuple[bytes, Oid, bytes]]:
    for wanted, found in Reader(git).several(list(oids), limit):
        if found is None:
            raise _unavailable(Header(Oid(wanted), b"missing", 0))
        yield found[1], found[0], found[2]


def present(git: Git, oids: Iterable[str], kind: bytes, *, limit: int | None = None) -> Iterator[tuple[Oid, bytes]]:
    """Stream (oid, contents) of those objects that are there and of a kind, in the order asked, cut like `blobs`."""
    few, more = _split(oids, _SOME)
    if more is None:
        answers = Reader(git).several(few, limit)
        yield from ((found[0], found[2]) for _, found in answers if found is not None and found[1] == kind)
        return
    there = [told.oid for told in headers(git, more) if told.kind == kind]
    yield from ((oid, content) for _, oid, content in _streamed(git, there, limit))


def _streamed(git: Git, oids: Iterable[str], limit: int | None) -> Iterator[tuple[bytes, Oid, bytes]]:
    with _asked(oids) as asked, git.stream("cat-file", "--batch", "--buffer", stdin=asked) as output:
        while line := output.readline():
            if not line.endswith(b"\n"):
                raise EdgeError("git cat-file ended in the middle of a line")
            told = header(line)
            if told.kind in (b"", b"missing"):
                raise _unavailable(told)
            yield told.kind, told.oid, _content(output, told, limit)


def headers(git: Git, oids: Iterable[str]) -> Iterator[Header]:
    """Stream what git says of objects in the order asked, unread; of one that is not there, that it is missing."""
    few, more = _split(oids)
    if more is None:
        yield from map(git.check, few)
        return
    with _asked(more) as asked, git.stream("cat-file", "--batch-check", "--buffer", stdin=asked) as output:
        yield from map(header, output)


def sizes(git: Git, oids: Iterable[str]) -> Iterator[tuple[Oid, int]]:
    """Stream (oid, size in bytes) of objects in the order asked, unread. Raises EdgeError for a missing one."""
    for told in headers(git, oids):
        if told.kind in (b"", b"missing"):
            raise _unavailable(told)
        yield told.oid, told.size


def _split(oids: Iterable[str], most: int = _FEW) -> tuple[list[str], Iterable[str] | None]:
    """Return a few ids, and None; or nothing, and all of them where they are many: those are worth a process."""
    rest = iter(oids)
    few = list(islice(rest, most + 1))
    if len(few) > most:
        return [], chain(few, rest)
    _lines(few)
    return few, None


def _unavailable(told: Header) -> EdgeError:
    why = told.kind.decode() or "not told of"
    return EdgeError(f"object {told.oid} is {why}", hint="run `git fsck`, or fetch the whole history again")


@contextmanager
def _asked(oids: Iterable[str]) -> Iterator[IO[bytes]]:
    """Hold the request in a file. Raises EdgeError for what is no object id: it would be read as a name, or as two."""
    from tempfile import TemporaryFile  # noqa: PLC0415  (short answers need no file)

    with TemporaryFile() as file:
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
        wrong = next(oid for oid in oids if not OID.fullmatch(oid))
        raise EdgeError(f"expected an object id, got {wrong!r}")
    return text


def parse_tree(oid: str, raw: bytes) -> Held:
    """Cut a tree's bytes into entries. Raises RefusedError for a tree that could be read in two ways."""
    held: Held = {}
    at, size, before = 0, len(oid) // 2, b""
    while at < len(raw):
        mode_end = raw.find(b" ", at)
        name_end = raw.find(b"\0", mode_end)
        end = name_end + 1 + size
        if mode_end < 0 or name_end < 0 or end > len(raw) or not raw[at:mode_end].isdigit():
            raise RefusedError(f"tree {oid} cannot be read", hint="run `git fsck`")
        name, mode = raw[mode_end + 1 : name_end], f"{int(raw[at:mode_end]):06d}"
        # git sorts a folder as if its name ended in a slash.
        key = name + b"/" if mode == FOLDER_MODE else name
        if name in held or key <= before:
            shown = name.decode("utf-8", "backslashreplace")
            what = f"names {shown!r} twice" if name in held else f"has {shown!r} out of order"
            raise RefusedError(f"tree {oid} {what}, so programs would read it in different ways", hint="make it again")
        if not name or b"/" in name:
            raise RefusedError(f"tree {oid} holds the name {name!r}, which is no file's", hint="make it again")
        held[name] = (mode, raw[name_end + 1 : end])
        at, before = end, key
    return held
