"""What the files of a bare repository say, without starting git: its loose objects, its refs, its short histories.

The double asks and writes many small things, and a process for each would cost more than all else that tests do.
Whatever is not plain here (packed objects, merges on the way, odd names) is left to git: the function gives None.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

TREE = "40000"
_ID = re.compile(r"[0-9a-f]{40}")
_PLAIN_REF = re.compile(r"refs/(heads|tags|pull)(/[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*)+")
_PLAIN_NAME = re.compile(r"(\.?[A-Za-z0-9_-]+[ A-Za-z0-9._-]*)(/(\.?[A-Za-z0-9_-]+[ A-Za-z0-9._-]*))*")


class Entry(NamedTuple):
    """What a tree has under a name. ``mode`` is as trees write it: 100644, 40000."""

    mode: str
    oid: str


class Changed(NamedTuple):
    """A file that differs between two trees; None where one of them has none of that name."""

    name: str
    old: Entry | None
    new: Entry | None


# -- objects ------------------------------------------------------------------------------------------------------


def is_id(text: str) -> bool:
    """Whether a text is a whole object id."""
    return _ID.fullmatch(text) is not None


def read(path: Path, oid: str) -> tuple[str, bytes]:
    """Return an object's type and content. Raises KeyError where there is none."""
    for objects in (f"{path}/objects", *_alternates(path)):
        with suppress(OSError, zlib.error), open(f"{objects}/{oid[:2]}/{oid[2:]}", "rb") as file:  # noqa: PTH123  (often)
            head, _, raw = zlib.decompress(file.read()).partition(b"\0")
            return head.split()[0].decode(), raw
    return _packed(path, oid)


@lru_cache(maxsize=2_000)
def _alternates(path: Path) -> list[str]:
    try:
        return (path / "objects" / "info" / "alternates").read_text().splitlines()
    except FileNotFoundError:
        return []


def _packed(path: Path, oid: str) -> tuple[str, bytes]:
    command = ["git", "-C", str(path), "cat-file", "--batch"]
    said = subprocess.run(command, input=f"{oid}\n".encode(), capture_output=True, check=False).stdout
    head, _, raw = said.partition(b"\n")
    if not is_id(oid) or len(head.split()) != 3:
        raise KeyError(oid)
    return head.split()[1].decode(), raw[:-1]


def write(path: Path, kind: str, raw: bytes) -> str:
    """Write an object and return its id."""
    whole = f"{kind} {len(raw)}\0".encode() + raw
    oid = hashlib.sha1(whole, usedforsecurity=False).hexdigest()
    folder = f"{path}/objects/{oid[:2]}"
    if not os.path.exists(f"{folder}/{oid[2:]}"):  # noqa: PTH110  (likewise)
        os.makedirs(folder, exist_ok=True)  # noqa: PTH103
        made = Path(f"{folder}/tmp_obj_{oid[2:]}")  # noqa: S108  (in the repository)
        made.write_bytes(zlib.compress(whole, 1))
        made.chmod(0o444)
        made.rename(f"{folder}/{oid[2:]}")
    return oid


@lru_cache(maxsize=20_000)
def tree(path: Path, oid: str) -> Mapping[str, Entry]:
    """Return what a tree has, by name. Raises KeyError where it is none."""
    kind, raw = read(path, oid)
    if kind != "tree":
        raise KeyError(oid)
    found, at = {}, 0
    while at < len(raw):
        end = raw.index(b"\0", at)
        mode, _, name = raw[at:end].partition(b" ")
        found[name.decode("utf-8", "surrogateescape")] = Entry(mode.decode(), raw[end + 1 : end + 21].hex())
        at = end + 21
    return found


class _Commit(NamedTuple):
    tree: str
    parents: tuple[str, ...]


@lru_cache(maxsize=20_000)
def _commit(path: Path, oid: str) -> _Commit:
    kind, raw = read(path, oid)
    if kind != "commit":
        raise KeyError(oid)
    lines = raw.partition(b"\n\n")[0].decode("utf-8", "replace").split("\n")
    return _Commit(lines[0][5:], tuple(line[7:] for line in lines if line.startswith("parent ")))


def _is_commit(path: Path, oid: str) -> bool:
    try:
        return bool(_commit(path, oid))
    except KeyError:
        return False


def tree_of(path: Path, oid: str) -> str | None:
    """Return the tree of a commit, or the tree that the id itself is of; None for anything else."""
    try:
        kind, _ = read(path, oid)
        return _commit(path, oid).tree if kind == "commit" else oid if kind == "tree" else None
    except KeyError:
        return None


def find(path: Path, commit: str, name: str) -> Entry | None:
    """Return what a commit has at a path."""
    top = tree_of(path, commit)
    entry = Entry(TREE, top) if top else None
    for part in name.split("/"):
        entry = tree(path, entry.oid).get(part) if entry is not None and entry.mode == TREE else None
    return entry


def walk(
    path: Path, oid: str, under: str = "", *, deep: bool = True, trees: bool = False
) -> Iterator[tuple[str, Entry]]:
    """Yield (path, entry) of a tree in git's order; ``deep``: of all below it, with the trees themselves if wanted."""
    for name, entry in tree(path, oid).items():
        below = deep and entry.mode == TREE
        if not below or trees:
            yield under + name, entry
        if below:
            yield from walk(path, entry.oid, f"{under}{name}/", trees=trees)


def is_plain(name: str) -> bool:
    """Whether git takes a path without a second look."""
    return _PLAIN_NAME.fullmatch(name) is not None and not any(
        part.lower().startswith(".git") and part != ".github" for part in name.split("/")
    )


def make_tree(path: Path, files: Iterable[tuple[str, Entry]]) -> str:
    """Write the tree of these files, and every tree below it; return its id."""
    here: dict[str, Entry] = {}
    below: dict[str, list[tuple[str, Entry]]] = {}
    for name, entry in files:
        first, slash, rest = name.partition("/")
        if slash:
            below.setdefault(first, []).append((rest, entry))
        else:
            here[first] = entry
    here |= {name: Entry(TREE, make_tree(path, inner)) for name, inner in below.items()}
    rows = {
        f"{name}/" if mode == TREE else name: f"{mode} {name}\0".encode("utf-8", "surrogateescape") + bytes.fromhex(oid)
        for name, (mode, oid) in here.items()
    }
    return write(path, "tree", b"".join(rows[name] for name in sorted(rows, key=os.fsencode)))


def changed(path: Path, old: str, new: str) -> list[Changed]:
    """Return the files in which two commits differ, in git's order."""
    found: list[Changed] = []
    _compare(path, _commit(path, old).tree, _commit(path, new).tree, "", found)
    return sorted(found, key=lambda each: os.fsencode(each.name))


def _compare(path: Path, old: str, new: str, under: str, found: list[Changed]) -> None:
    before, after = (tree(path, oid) if oid else {} for oid in (old, new))
    for name in {**before, **after}:
        pair = [before.get(name), after.get(name)]
        if pair[0] == pair[1]:
            continue
        folders = [each.oid if each is not None and each.mode == TREE else "" for each in pair]
        if any(folders):
            _compare(path, folders[0], folders[1], f"{under}{name}/", found)
        was, now = (None if each is None or each.mode == TREE else each for each in pair)
        if was != now:
            found.append(Changed(under + name, was, now))


# -- histories ----------------------------------------------------------------------------------------------------


def ancestors(path: Path, oid: str) -> set[str] | None:
    """Return a commit and all that lies in its history; None where it is no commit."""
    found: set[str] = set()
    todo = [oid]
    try:
        while todo:
            each = todo.pop()
            if each not in found:
                found.add(each)
                todo += _commit(path, each).parents
    except KeyError:
        return None
    return found


def since(path: Path, new: str, known: set[str]) -> tuple[list[str], str | None] | None:
    """Return the commits from one back to what is known, newest first, and the known one that they stand on.

    None where a merge lies on the way, or something is no commit.
    """
    steps: list[str] = []
    at: str | None = new
    try:
        while at is not None and at not in known:
            parents = _commit(path, at).parents
            if len(parents) > 1:
                return None
            steps.append(at)
            at = parents[0] if parents else None
    except KeyError:
        return None
    return steps, at


# -- refs ---------------------------------------------------------------------------------------------------------


def refs(path: Path, under: str) -> dict[str, str] | None:
    """Return the refs below a name in their order; None where some are packed or not plain."""
    if (path / "packed-refs").exists():
        return None
    found = {}
    for folder, _, names in os.walk(path / under):
        for name in names:
            ref = os.path.relpath(f"{folder}/{name}", path)
            if name.endswith(".lock"):
                continue
            with suppress(FileNotFoundError):
                found[ref] = Path(folder, name).read_text(encoding="ascii").strip()
    return dict(sorted(found.items())) if all(map(is_id, found.values())) else None


def plain_ref(name: str) -> bool:
    """Whether git takes a ref's name without a second look."""
    return _PLAIN_REF.fullmatch(name) is not None and ".lock" not in name


def move(path: Path, ref: str, new: str | None, old: str) -> bool:
    """Point a ref at an object, or take it away (None), if it stands where it is said to ("": anywhere).

    Gives False, and changes nothing, where git should have a look.
    """
    place = path / ref
    if not plain_ref(ref) or (path / "packed-refs").exists() or place.is_dir():
        return False
    lock = place.with_name(f"{place.name}.lock")
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        with lock.open("x", encoding="ascii") as file:
            file.write(f"{new}\n")
    except OSError:
        return False  # another ref or another git is in the way
    stands = place.read_text(encoding="ascii").strip() if place.exists() else ""
    wanted = "" if set(old) == {"0"} else old
    if (old and wanted != stands) or (new is None and not stands) or (new is not None and not _is_commit(path, new)):
        lock.unlink()
        return False
    if new is not None:
        lock.replace(place)
        return True
    place.unlink()
    lock.unlink()
    with suppress(OSError):  # what is not empty stays
        for folder in place.relative_to(path).parents[:-3]:
            (path / folder).rmdir()
    return True
