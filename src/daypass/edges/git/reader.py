"""Reading objects one by one, each held against the id that it was asked by, and trees down to their leaves.

git takes a loose object as it lies on the disk: whoever can write there could put other bytes under an id. So the bytes
are hashed here. Trees are read as git's rules want them written (https://git-scm.com/docs/gitformat-pack, `git fsck`):
one that names a path twice, or out of order, is read in one way by one program and in another by the next.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import IO

from daypass.core.errors import EdgeError, RefusedError
from daypass.core.grant import ABSENT, Oid
from daypass.edges.git.plumbing import Batch, Git
from daypass.ports import Change

FOLDER_MODE = "040000"

Leaf = tuple[str, str, str]
"""Path, mode, object id: an Entry without the cost of making one."""

Held = dict[bytes, tuple[str, bytes]]
"""A tree by name, in git's order: mode in six digits, raw object id."""

_NOTHING = ("000000", b"")
HASHES = {40: hashlib.sha1, 64: hashlib.sha256}
_WORDS = 3  # of an answer: id, type, size
_AHEAD = 256
"""Folders asked for at once: their names fit into any pipe, so that neither side waits for the other."""
_DEPTH = 64
_PIECE = 1 << 20


def object_id(kind: str, content: bytes, length: int = 40) -> Oid:
    """Return the id that git gives an object (``blob``, ``tree``); ``length`` is the repository's, 40 or 64 digits."""
    return Oid(HASHES[length](b"%s %d\0" % (kind.encode(), len(content)) + content).hexdigest())


def check_bytes(oid: str, kind: bytes, content: bytes) -> None:
    """Raise EdgeError where bytes are not those of the id that they were asked by."""
    if HASHES[len(oid)](b"%s %d\0" % (kind, len(content)) + content).hexdigest() != oid:
        raise EdgeError(
            f"object {oid} was changed on the disk: its bytes are not those of its id",
            hint="somebody wrote into this clone's .git/objects; run `git fsck`, and clone again from a place you trust",
        )


class Reader:
    """Reads objects from one running ``git cat-file --batch``."""

    def __init__(self, batch: Batch) -> None:
        self._batch = batch

    def get(self, name: str, limit: int | None = None) -> tuple[Oid, bytes, bytes] | None:
        """Return id, kind and bytes of what a name names, None where there is nothing.

        Raises EdgeError for bytes that are not those of the id, and for more than ``limit`` of them.
        """
        return self._read([name], limit)[0]

    def first(self, oid: str, limit: int | None) -> tuple[Oid, bytes, bytes] | None:
        """Return the same for an id, but of more than ``limit`` bytes the first ``limit + 1``, which nobody hashed."""
        return self._read([oid], limit, cut=True)[0]

    def tree(self, name: str) -> tuple[Oid, bytes]:
        """Return id and bytes of a tree, or of a commit's tree. Raises EdgeError when the name names neither."""
        found = self.get(name)
        if found is not None and found[1] == b"commit":
            words = found[2].partition(b"\n")[0].split(b" ")
            found = self.get(words[1].decode("ascii", "replace")) if words[0] == b"tree" and words[1:] else None
        if found is None or found[1] != b"tree":
            raise EdgeError(f"expected a tree or commit, got {name!r}")
        return found[0], found[2]

    def leaves(self, tree: str, under: str = "") -> Iterator[Leaf]:
        """Stream the leaves below a folder of a commit or tree, as `daypass.edges.git.objects.leaves` says."""
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
        yield from self._walk(oid, raw, f"{path}/" if path else "", len(steps))

    def _walk(self, oid: str, raw: bytes, path: str, depth: int) -> Iterator[Leaf]:
        if depth > _DEPTH:
            raise RefusedError(f"tree {oid} lies more than {_DEPTH} folders deep", hint="flatten the folders")
        held = parse_tree(oid, raw)
        folders = self._folders([found.hex() for mode, found in held.values() if mode == FOLDER_MODE])
        for name, (mode, found) in held.items():
            below = path + name.decode("utf-8", "surrogateescape")
            if mode == FOLDER_MODE:
                yield from self._walk(found.hex(), next(folders), f"{below}/", depth + 1)
            else:
                yield below, mode, found.hex()

    def changes(self, one: str, other: str) -> Iterator[Change]:
        """Stream the leaves that differ between two commits' trees. Only folders that differ are read."""
        (old, old_raw), (new, new_raw) = self.tree(one), self.tree(other)
        yield from self._compare(parse_tree(old, old_raw), parse_tree(new, new_raw), "", 0)

    def _compare(self, old: Held, new: Held, path: str, depth: int) -> Iterator[Change]:
        for name in sorted(old.keys() | new.keys()):
            before, after = old.get(name, _NOTHING), new.get(name, _NOTHING)
            if before == after:
                continue
            below = path + name.decode("utf-8", "surrogateescape")
            leaves = [_NOTHING if side[0] == FOLDER_MODE else side for side in (before, after)]
            if leaves[0] != leaves[1]:
                (old_mode, left), (new_mode, right) = leaves
                yield Change(below, old_mode, Oid(left.hex()) or ABSENT, new_mode, Oid(right.hex()) or ABSENT)
            if FOLDER_MODE in (before[0], after[0]):
                yield from self._compare(self._below(before, depth), self._below(after, depth), f"{below}/", depth + 1)

    def _below(self, side: tuple[str, bytes], depth: int) -> Held:
        if depth > _DEPTH:
            raise RefusedError(f"more than {_DEPTH} folders inside each other", hint="flatten the folders")
        return parse_tree(*self.tree(side[1].hex())) if side[0] == FOLDER_MODE else {}

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

    def _read(
        self, names: Sequence[str], limit: int | None, *, cut: bool = False
    ) -> list[tuple[Oid, bytes, bytes] | None]:
        with self._batch.lock:
            try:
                answers = self._batch.ask(names)
                return [_answer(answers, name, limit, cut) for name in names]
            except BaseException:
                self._batch.close()  # what was not read would be taken for the next answer
                raise


def _answer(answers: IO[bytes], name: str, limit: int | None, cut: bool) -> tuple[Oid, bytes, bytes] | None:
    header = answers.readline().decode("ascii", "replace").split()
    if header[-1:] == ["missing"]:
        return None
    if not header:
        raise EdgeError(f"git cat-file ended when asked for {name}", hint="run `git fsck`")
    if len(header) != _WORDS:
        raise EdgeError(f"git cat-file answered {' '.join(header)!r} when asked for {name}")
    size = int(header[2])
    if limit is not None and size > limit:
        if cut:
            content, left = answers.read(limit + 1), size - limit
            while left > 0 and (piece := answers.read(min(left, _PIECE))):
                left -= len(piece)
            return Oid(header[0]), header[1].encode(), content
        raise EdgeError(f"object {header[0][:12]} is {size} bytes long, at most {limit} are read")
    raw = answers.read(size + 1)
    if len(raw) != size + 1:
        raise EdgeError("git cat-file ended in the middle of an object")
    kind, content = header[1].encode(), raw[:-1]
    check_bytes(header[0], kind, content)
    return Oid(header[0]), kind, content


@contextmanager
def object_reader(git: Git) -> Iterator[Reader]:
    """Give a reader of a repository's objects."""
    yield Reader(git.batch("--batch"))


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
