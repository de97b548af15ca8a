"""Writing a whole history through one ``git fast-import``, knowing every object's id before git does.

Receipts and merge messages name commits, so their ids are reckoned here, tree by tree; at the end git must have come
to the same one.
"""

from __future__ import annotations

import hashlib
import subprocess
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


class Folders:
    """The tree of ``grants/<resource>/<name>.yaml`` beside other folders of the root that never change."""

    def __init__(self, others: dict[str, str]) -> None:
        self._others = others
        self._leaves: dict[str, list[bytes]] = {}
        self._folders: dict[str, bytes] = {}

    def put(self, path: str, blob: str) -> None:
        """Add a file."""
        folder, name = path.split("/")[1:]
        insort(self._leaves.setdefault(folder, []), _leaf(name, blob))
        self._refresh(folder)

    def drop(self, path: str, blob: str) -> None:
        """Take a file away, and its folder with the last one."""
        folder, name = path.split("/")[1:]
        leaves = self._leaves[folder]
        del leaves[bisect_left(leaves, _leaf(name, blob))]
        if leaves:
            self._refresh(folder)
        else:  # git keeps no empty folder
            del self._leaves[folder], self._folders[folder]

    def _refresh(self, folder: str) -> None:
        oid = object_id("tree", b"".join(self._leaves[folder]))
        self._folders[folder] = b"40000 %s\0" % folder.encode() + bytes.fromhex(oid)

    def root(self) -> str:
        """Return the id of the root tree."""
        grants = object_id("tree", b"".join(self._folders[name] for name in sorted(self._folders)))
        entries = self._others | {"grants": grants}
        return object_id(
            "tree", b"".join(b"40000 %s\0" % n.encode() + bytes.fromhex(entries[n]) for n in sorted(entries))
        )


def _leaf(name: str, blob: str) -> bytes:
    return b"100644 %s\0" % name.encode() + bytes.fromhex(blob)


def commit_id(tree: str, parents: tuple[str, ...], when: int, message: str) -> str:
    """Return the id of a commit as `Stream.commit` writes it."""
    lines = [f"tree {tree}", *(f"parent {p}" for p in parents), f"author {PERSON} {when} +0000"]
    text = "\n".join([*lines, f"committer {PERSON} {when} +0000", "", message])
    return object_id("commit", text.encode())


class Stream:
    """One running ``git fast-import``; used in a ``with``, raises CalledProcessError when git did not take it all."""

    def __init__(self, folder: Path) -> None:
        self._command = ["git", "-C", str(folder), "fast-import", "--quiet", "--done", "--depth=50"]

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
