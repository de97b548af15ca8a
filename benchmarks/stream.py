"""Writing whole histories: straight into a pack, or through one ``git fast-import``.

Receipts and merge messages name commits, so that the ids of main's are known here as they are written.
"""

from __future__ import annotations

import hashlib
import subprocess
import zlib
from bisect import bisect_left, insort
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Self

Change = tuple[str, bytes | str | None]
"""A path, and its contents, the id of a blob that is there, or None to delete it."""

PERSON = "Bench <bench@example.com>"


def object_id(kind: str, raw: bytes) -> str:
    """Return the id that git gives an object."""
    return hashlib.sha1(b"%s %d\0" % (kind.encode(), len(raw)) + raw, usedforsecurity=False).hexdigest()


class Pack:
    """A history written straight into a pack, which git then reads whole and holds to its ids.

    Used in a ``with``. Trees that differ in one entry are written as that difference, as git packs them; to have
    ``git fast-import`` find it out takes several times as long.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / "new.pack"
        self._count = 0
        self._written: set[bytes] = set()  # git takes no pack that has the base of a difference twice

    def __enter__(self) -> Self:
        self._out = self._path.open("w+b")
        self._out.write(b"PACK" + (2).to_bytes(4) + (0).to_bytes(4))
        return self

    def __exit__(self, *error: object) -> None:
        if error[0] is None:
            self._out.seek(8)
            self._out.write(self._count.to_bytes(4))
            self._out.seek(0)
            told = hashlib.file_digest(self._out, lambda: hashlib.sha1(usedforsecurity=False)).digest()
            self._out.seek(0, 2)
            self._out.write(told)
            self._out.seek(0)
            command = ["git", "-C", str(self._folder), "index-pack", "--stdin"]
            subprocess.run(command, stdin=self._out, check=True, stdout=subprocess.DEVNULL)
        self._out.close()
        self._path.unlink()

    def add(self, kind: str, raw: bytes) -> str:
        """Write an object, and return its id."""
        oid = object_id(kind, raw)
        if self._is_new(oid):
            self._put(_KINDS[kind], len(raw), b"", raw)
        return oid

    def change(self, oid: str, base: str, old: bytes, new: bytes, at: int, gone: int, came: bytes) -> None:
        """Write what ``new`` is, an object, by what it differs in: at a place ``came`` stands for what is ``gone``."""
        if not self._is_new(oid):
            return
        parts = [_size(len(old)), _size(len(new)), _copy(0, at)]
        parts += [len(came).to_bytes(1) + came if came else b"", _copy(at + gone, len(old) - at - gone)]
        delta = b"".join(parts)
        self._put(_DIFFERENCE, len(delta), bytes.fromhex(base), delta)

    def _is_new(self, oid: str) -> bool:
        before = len(self._written)
        self._written.add(bytes.fromhex(oid))
        return len(self._written) > before

    def _put(self, kind: int, length: int, base: bytes, raw: bytes) -> None:
        head = bytearray([kind << 4 | length & 15])
        length >>= 4
        while length:
            head[-1] |= 128
            head.append(length & 127)
            length >>= 7
        self._out.write(bytes(head) + base + zlib.compress(raw, 1))
        self._count += 1


_KINDS = {"commit": 1, "tree": 2, "blob": 3}
_DIFFERENCE = 7


def _size(number: int) -> bytes:
    found = bytearray()
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    return bytes([*found, number])


def _copy(at: int, length: int) -> bytes:
    """Return the order to copy a piece; nothing for none."""
    if not length:
        return b""
    return b"\xbf" + at.to_bytes(4, "little") + length.to_bytes(2, "little")


class Tree:
    """A tree of many entries, by name, that is written with each change."""

    def __init__(self, pack: Pack) -> None:
        self._pack = pack
        self._entries: list[bytes] = []
        self._raw = b""
        self.oid = ""
        self._depth = _DEEP

    def __bool__(self) -> bool:
        return bool(self._entries)

    def change(self, old: bytes, new: bytes) -> None:
        """Put an entry in the place of another; b"" for none."""
        known, at = self._raw, len(self._raw)
        if old:
            place = bisect_left(self._entries, old)
            at = known.index(old)
            del self._entries[place]
        if new:
            insort(self._entries, new)
            place = bisect_left(self._entries, new)
            if not old and place + 1 < len(self._entries):
                at = known.index(self._entries[place + 1])
        self._raw = raw = known[:at] + new + known[at + len(old) :]
        oid = object_id("tree", raw)
        if not raw:
            return  # whoever holds it lets go of it
        if self._depth < _DEEP and len(raw) < _LARGEST and len(known) < _LARGEST:
            self._pack.change(oid, self.oid, known, raw, at, len(old), new)
            self._depth += 1
        else:
            self._pack.add("tree", raw)
            self._depth = 0
        self.oid = oid


_DEEP = 50
_LARGEST = 1 << 16


class Folders:
    """The tree of ``grants/<resource>/<name>.yaml`` beside other folders of the root that never change."""

    def __init__(self, pack: Pack, others: dict[str, str]) -> None:
        self._pack = pack
        self._others = others
        self._folders: dict[str, Tree] = {}
        self._grants = Tree(pack)

    def put(self, path: str, blob: str) -> str:
        """Add a file; return the id of the root tree."""
        return self._change(path, blob, add=True)

    def drop(self, path: str, blob: str) -> str:
        """Take a file away, and its folder with the last one; return the id of the root tree."""
        return self._change(path, blob, add=False)

    def _change(self, path: str, blob: str, *, add: bool) -> str:
        folder, name = path.split("/")[1:]
        held = self._folders.setdefault(folder, Tree(self._pack))
        before = _entry(folder, held.oid) if held else b""
        leaf = b"100644 %s\0" % name.encode() + bytes.fromhex(blob)
        held.change(b"" if add else leaf, leaf if add else b"")
        self._grants.change(before, _entry(folder, held.oid) if held else b"")
        if not held:  # git keeps no empty folder
            del self._folders[folder]
        entries = self._others | ({"grants": self._grants.oid} if self._grants else {})
        return self._pack.add("tree", b"".join(_entry(name, entries[name]) for name in sorted(entries)))


def _entry(folder: str, oid: str) -> bytes:
    return b"40000 %s\0" % folder.encode() + bytes.fromhex(oid)


def commit_bytes(tree: str, parents: tuple[str, ...], when: int, message: str) -> bytes:
    """Return a commit."""
    lines = [f"tree {tree}", *(f"parent {p}" for p in parents), f"author {PERSON} {when} +0000"]
    return "\n".join([*lines, f"committer {PERSON} {when} +0000", "", message]).encode()


class Stream:
    """One running ``git fast-import``; used in a ``with``, raises CalledProcessError when git did not take it all."""

    def __init__(self, folder: Path) -> None:
        self._command = [
            "git",
            "-C",
            str(folder),
            "-c",
            "core.compression=1",
            "fast-import",
            "--quiet",
            "--done",
            "--depth=50",
        ]

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE)
        assert self._process.stdin is not None
        self._out: IO[bytes] = self._process.stdin
        return self

    def __exit__(self, *error: object) -> None:
        if error[0] is None:
            self._out.write(b"done\n")
        self._out.close()
        code = self._process.wait()
        if error[0] is None and code != 0:
            raise subprocess.CalledProcessError(code, self._command)

    def commit(
        self,
        ref: str,
        when: int,
        message: str,
        changes: Sequence[Change],
        *,
        start: str = "",
        merge: str = "",
    ) -> None:
        """Write one commit; ``start`` is what the branch is set to first, ``merge`` a second parent."""
        raw = message.encode()
        parts = [b"commit %s\ncommitter %s %d +0000\ndata %d\n%s\n" % (
            ref.encode(), PERSON.encode(), when, len(raw), raw,
        )]  # fmt: skip
        if start:
            parts.append(b"from %s\n" % start.encode())
        if merge:
            parts.append(b"merge %s\n" % merge.encode())
        for path, content in changes:
            if content is None:
                parts.append(b"D %s\n" % path.encode())
            elif isinstance(content, str):
                parts.append(b"M 100644 %s %s\n" % (content.encode(), path.encode()))
            else:
                parts.append(b"M 100644 inline %s\ndata %d\n%s\n" % (path.encode(), len(content), content))
        parts.append(b"\n")
        self._out.write(b"".join(parts))
