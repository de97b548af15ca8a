"""What a repository holds: blobs, commits with whole trees, and refs. Ids are git's own for blobs, and of its length."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple

from daypass.core.errors import ConflictError, EdgeError
from daypass.core.forge import Commit, Entry
from daypass.core.ids import ABSENT, Oid

Leaf = tuple[str, Oid]
"""Mode and object."""
Tree = Mapping[str, Leaf]
"""Every leaf below a commit, by its path."""
FILE_MODE = "100644"
NOTHING: Tree = MappingProxyType({})


class Stored(NamedTuple):
    """One commit and all that lies below it."""

    commit: Commit
    tree: Tree


class Objects:
    """Objects never change; refs move by compare-and-swap. A copy shares the objects and has refs of its own."""

    def __init__(self) -> None:
        self.contents: dict[Oid, bytes] = {}
        self.commits: dict[Oid, Stored] = {}
        self.refs: dict[str, Oid] = {}
        self.listed: dict[tuple[Oid, str], tuple[Entry, ...]] = {}
        """What was listed once below a folder of a commit, and stays so."""
        self._before: dict[Oid, frozenset[Oid]] = {}

    def copy(self) -> Objects:
        """Return the same repository, to go on with apart from this one."""
        made = Objects()
        made.contents, made.commits, made.refs = dict(self.contents), dict(self.commits), dict(self.refs)
        return made

    def put(self, content: bytes) -> Oid:
        """Keep a file's content."""
        oid = Oid(hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest())
        self.contents[oid] = content
        return oid

    def make(
        self,
        tree: Tree,
        parents: Sequence[Oid],
        message: str,
        *,
        author: tuple[str, str],
        at: datetime,
    ) -> Oid:
        """Make a commit; no ref moves."""
        message = message if message.endswith("\n") else message + "\n"
        told = [sorted(tree.items()), list(parents), message, author, int(at.timestamp())]
        oid = Oid(hashlib.sha1(repr(told).encode(), usedforsecurity=False).hexdigest())
        made = Commit(
            oid=oid,
            parents=tuple(parents),
            author_name=author[0],
            author_email=author[1],
            committer_email=author[1],
            authored_at=at,
            committed_at=at,
            message=message,
        )
        self.commits[oid] = Stored(made, MappingProxyType(dict(tree)))
        return oid

    def commit_files(
        self,
        parent: Oid,
        files: Iterable[tuple[str, bytes | Leaf | None]],
        parents: Sequence[Oid],
        message: str,
        *,
        author: tuple[str, str],
        at: datetime,
    ) -> Oid:
        """Commit contents (or leaves that are there; None deletes) put into the tree of ``parent``.

        Raises ConflictError where a path is to be deleted that is not there.
        """
        tree = dict(self.commits[parent].tree if parent != ABSENT else NOTHING)
        for path, content in files:
            if content is not None:
                tree[path] = (FILE_MODE, self.put(content)) if isinstance(content, bytes) else content
            elif tree.pop(path, None) is None:
                raise ConflictError(f"{path!r} is not there to be deleted")
        return self.make(tree, parents, message, author=author, at=at)

    def move(self, moves: Mapping[str, tuple[Oid, Oid]]) -> None:
        """Move refs in one step, each from where it must stand; ABSENT where there is none. Raises ConflictError."""
        for ref, (old, _) in moves.items():
            found = self.refs.get(ref, ABSENT)
            if found != old:
                raise ConflictError(f"{ref} stands at {found[:12]}, expected {old[:12]}", hint="run the command again")
        for ref, (_, new) in moves.items():
            if new == ABSENT:
                self.refs.pop(ref, None)
            else:
                self.refs[ref] = new

    def stored(self, oid: Oid) -> Stored:
        """Return a commit. Raises EdgeError where there is none."""
        if oid not in self.commits:
            raise EdgeError(f"there is no commit {oid!r}")
        return self.commits[oid]

    def ancestors(self, oid: Oid) -> frozenset[Oid]:
        """Return a commit with all that came before it."""
        if oid not in self._before:
            reached, open_ = {oid}, [oid]
            while open_:
                for parent in self.stored(open_.pop()).commit.parents:
                    if parent in self._before:
                        reached |= self._before[parent]
                    elif parent not in reached:
                        reached.add(parent)
                        open_.append(parent)
            self._before[oid] = frozenset(reached)
        return self._before[oid]
