"""Files as they lie in a work tree, seen as git would take them: modes, contents, ids, and what differs from a commit.

Symbolic links are read as links and never followed, so that no file outside the repository is ever read as a grant.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from daypass.core.errors import EdgeError
from daypass.core.grant import Oid
from daypass.edges.git.objects import object_id

WorkFile = tuple[str, str, bytes]
"""Path, git's mode, contents (a link's target; nothing for a submodule)."""

LIMIT = 1 << 20
"""Of a file larger than this many bytes only one byte more is read: more than any reader of ours accepts."""

_SUBMODULE, _LINK, _EXECUTABLE, _PLAIN, _NONE = "160000", "120000", "100755", "100644", "000000"


def blob_id(content: bytes, length: int = 40) -> Oid:
    """Return the id that git gives a file with these contents; ``length`` is the repository's, 40 or 64 digits."""
    return object_id("blob", content, length)


def worktree_files(top: Path, folder: str, *, limit: int | None = LIMIT) -> Iterator[WorkFile]:
    """Stream (path, mode, contents) of everything below a folder of a work tree, in git's order.

    Paths are relative to ``top``, with surrogate escapes for what is not UTF-8. Where the folder itself is a link or a
    file, that is given; a folder that does not exist has no files. Raises EdgeError for what cannot be read.
    """
    root = os.fsencode(top)
    path = folder.strip("/").encode("utf-8", "surrogateescape")
    try:
        mode = os.lstat(os.path.join(root, path)).st_mode  # noqa: PTH118  (bytes: names need not be text)
    except FileNotFoundError:
        return
    except OSError as error:
        raise EdgeError(f"{folder} cannot be read: {error.strerror}") from error
    yield from _walk(root, path, mode, limit)


def _walk(root: bytes, path: bytes, mode: int, limit: int | None) -> Iterator[WorkFile]:
    place = os.path.join(root, path)  # noqa: PTH118
    shown = path.decode("utf-8", "surrogateescape")
    try:
        if stat.S_ISLNK(mode):
            yield shown, _LINK, os.readlink(place)  # noqa: PTH115
        elif stat.S_ISREG(mode):
            yield shown, _EXECUTABLE if mode & stat.S_IXUSR else _PLAIN, _read(place, limit)
        elif stat.S_ISDIR(mode):
            with os.scandir(place) as listed:
                below = [(entry.name, entry.stat(follow_symlinks=False).st_mode) for entry in listed]
            if any(name == b".git" for name, _ in below):
                if path:
                    yield shown, _SUBMODULE, b""
                    return
                below = [item for item in below if item[0] != b".git"]
            below.sort(key=lambda item: item[0] + b"/" if stat.S_ISDIR(item[1]) else item[0])
            for name, kind in below:
                yield from _walk(root, path + b"/" + name if path else name, kind, limit)
        # Pipes, sockets and devices are nothing to git, which cannot hold them; opening one could wait for ever.
    except OSError as error:
        raise EdgeError(f"{shown} cannot be read: {error.strerror}") from error


def _read(place: bytes, limit: int | None) -> bytes:
    # NOFOLLOW: it may have become a link since it was looked at; NONBLOCK: or a pipe, which would be waited for.
    descriptor = os.open(place, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    with open(descriptor, "rb") as file:  # noqa: PTH123  (a descriptor)
        return file.read() if limit is None else file.read(limit + 1)
