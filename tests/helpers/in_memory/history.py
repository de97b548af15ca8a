"""``History`` over objects in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from daypass.core.errors import EdgeError, MissingError, RefusedError
from daypass.core.forge import Change, Commit, Entry, Landing
from daypass.core.ids import ABSENT, Oid
from daypass.edges.git.history import MOST_COMMITS
from daypass.edges.git.objects import Bound, beyond
from in_memory.objects import NOTHING, Objects, Tree

_NO_LEAF = ("000000", ABSENT)
_SHORTEST = 4


class MemoryHistory:
    """Implements ports.History."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def resolve(self, revision: str) -> Oid:
        found = self.find(revision)
        if found is None:
            raise MissingError(f"no commit is named {revision!r}", hint="fetch it, or check the spelling")
        return found

    def find(self, revision: str) -> Oid | None:
        objects = self._objects
        for name in (revision, f"refs/heads/{revision}"):
            if name in objects.refs:
                return objects.refs[name]
        if revision == "HEAD":
            return objects.refs.get("refs/heads/main")
        if revision in objects.commits:
            return Oid(revision)
        named = [oid for oid in objects.commits if len(revision) >= _SHORTEST and oid.startswith(revision)]
        return named[0] if len(named) == 1 else None

    def entries(self, revision: str, under: str = "", without: Collection[str] = ()) -> Iterator[Entry]:
        passed = tuple(f"{under}/{name}/" for name in without)
        yield from (entry for entry in self._listed(self.resolve(revision), under) if not entry.path.startswith(passed))

    def folders(self, revision: str, under: str) -> Mapping[str, str]:
        below = (entry.path[len(under) + 1 :].split("/") for entry in self.entries(revision, under))
        return {name: self.folder(revision, f"{under}/{name}") for name, *more in below if more}

    def _listed(self, commit: Oid, under: str) -> tuple[Entry, ...]:
        known = self._objects.listed
        if (commit, under) not in known:
            tree = self._objects.stored(commit).tree
            paths = (path for path in sorted(tree, key=str.encode) if not under or path.startswith(f"{under}/"))
            known[commit, under] = tuple(Entry(path, *tree[path]) for path in paths)
        return known[commit, under]

    def folder(self, revision: str, name: str) -> str:
        below = {entry.path.removeprefix(f"{name}/"): entry[1:] for entry in self.entries(revision, name)}
        return _tree_id(below) if below else ""

    def files(self, revision: str, under: str, wanted: Callable[[Entry], bool]) -> list[tuple[Entry, bytes]]:
        found = [entry for entry in self.entries(revision, under) if wanted(entry)]
        return [(entry, content) for entry, (_, content) in zip(found, self.blobs(e.oid for e in found), strict=True)]

    def blobs(self, oids: Iterable[Oid]) -> Iterator[tuple[Oid, bytes]]:
        for oid in oids:
            if oid not in self._objects.contents:
                raise EdgeError(f"object {oid} is missing or no blob")
            yield oid, self._objects.contents[oid]

    def sizes(self, oids: Iterable[Oid]) -> Mapping[Oid, int]:
        return {oid: len(content) for oid, content in self.blobs(oids)}

    def changes(self, base: str, head: str, *, most: int | None = None) -> tuple[Change, ...]:
        found = _differing(self._tree(base), self._tree(head))
        bound = Bound(most) if most is not None else None
        for _ in found if bound is not None else ():
            bound.file()
        return found

    def merge_base(self, one: str, other: str) -> Oid | None:
        found = self.merge_bases(one, other)
        return found[0] if found else None

    def merge_bases(self, one: str, other: str) -> tuple[Oid, ...]:
        ancestors = self._objects.ancestors
        shared = ancestors(self.resolve(one)) & ancestors(self.resolve(other))
        older = {old for oid in shared for old in ancestors(oid) - {oid}}
        return tuple(sorted(shared - older))

    def commits(self, base: str, head: str) -> tuple[Commit, ...]:
        wanted = self._objects.ancestors(self.resolve(head)) - self._objects.ancestors(self.resolve(base))
        if len(wanted) > MOST_COMMITS:
            hint = "squash them into a few, push, and ask again"
            raise beyond("too-many-commits", f"it has more than {MOST_COMMITS} commits", hint)
        ordered: list[Commit] = []
        done: set[Oid] = set()
        while len(ordered) < len(wanted):
            ready = [
                o for o in sorted(wanted - done) if not set(self._objects.stored(o).commit.parents) & wanted - done
            ]
            ordered += [self._objects.stored(oid).commit for oid in ready]
            done.update(ready)
        return tuple(ordered)

    def messages(self, commits: Iterable[Oid]) -> Mapping[Oid, str]:
        return {oid: self._objects.stored(oid).commit.message for oid in commits}

    def landings(self, since: Oid | None, until: Oid) -> Iterator[Landing]:
        first = None if since is None else self.resolve(since)
        steps: list[Landing] = []
        at: Oid | None = self.resolve(until)
        while at is not None and at != first:
            stored = self._objects.stored(at)
            parents = stored.commit.parents
            before = self._objects.stored(parents[0]).tree if parents else NOTHING
            steps.append(Landing(at, parents, _differing(before, stored.tree), stored.commit.message))
            at = parents[0] if parents else None
        if at != first:
            raise RefusedError(
                f"main at {until[:12]} was not reached from {str(since)[:12]} step by step: a branch was pushed over main,"
                " or main went back",
                hint="restore main, and land the work by a merge whose first parent is main",
            )
        yield from reversed(steps)

    def is_ancestor(self, old: Oid, new: Oid) -> bool:
        return self.resolve(old) in self._objects.ancestors(self.resolve(new))

    def is_shallow(self) -> bool:
        return False

    def is_partial(self) -> bool:
        return False

    def _tree(self, revision: str) -> Tree:
        return self._objects.stored(self.resolve(revision)).tree


def _differing(before: Tree, after: Tree) -> tuple[Change, ...]:
    differing = (path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
    return tuple(
        Change(path, *before.get(path, _NO_LEAF), *after.get(path, _NO_LEAF)) for path in sorted(differing, key=str)
    )


def _tree_id(files: Mapping[str, tuple[str, str]]) -> str:
    """Return the id that git gives a folder of these files, each with its mode and the id of its contents."""
    held: dict[bytes, tuple[str, str]] = {}
    deeper: dict[str, dict[str, tuple[str, str]]] = {}
    for path, (mode, oid) in files.items():
        name, below, rest = path.partition("/")
        if below:
            deeper.setdefault(name, {})[rest] = (mode, oid)
        else:
            held[name.encode("utf-8", "surrogateescape")] = (mode.lstrip("0"), oid)
    folders = {f"{name}/".encode("utf-8", "surrogateescape"): ("40000", _tree_id(b)) for name, b in deeper.items()}
    rows = [
        b"%b %b\0%b" % (mode.encode(), name.removesuffix(b"/"), bytes.fromhex(oid))
        for name, (mode, oid) in sorted((held | folders).items())
    ]
    raw = b"".join(rows)
    return hashlib.sha1(b"tree %d\0" % len(raw) + raw, usedforsecurity=False).hexdigest()
