"""Steps of a history compared here, each of their folders read once and held against its id.

From one step to the next a folder mostly stays as it was, but for an entry that is another, or for some more or fewer that
stand together. So each is kept as it was last, with where its entries begin: what both versions begin with is found by
comparing bytes, and so is what they end with. Only what stands between is cut into entries, and held to the rules that a whole
folder is held to (`parse_tree`). A folder that changed in any other way is cut as a whole.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import pairwise, starmap
from typing import NamedTuple

from daypass.core.errors import RefusedError
from daypass.core.forge import Change
from daypass.core.ids import ABSENT, Oid
from daypass.edges.git.objects import FOLDER_MODE, NO_ENTRY, Reader, parse_tree

Pair = tuple[str, str]
"""The trees of a step, before and after it."""

USUAL = frozenset({"000000", "100644", "100755", "120000", "160000"})
"""The modes of leaves that git writes; others it may read as one of these."""
_DEEPEST = 64


class _Version(NamedTuple):
    """A folder as it is at a step: its id, its bytes, and where each entry begins, and where the last one ends."""

    oid: str
    raw: bytes
    starts: array[int]


_Differing = list[tuple[bytes, tuple[str, bytes], tuple[str, bytes]]]
"""By name what entries were and are, mode and id."""


class Comparer:
    """Compares the trees of steps that follow each other, first to last."""

    def __init__(self, read: Reader) -> None:
        self._read = read
        self._folders: dict[str, _Version] = {}

    def changes(self, pairs: Sequence[Pair]) -> list[list[Change]]:
        """Return the leaves that differ between the trees of each of some steps, by path, as git has them.

        Raises EdgeError for a folder whose bytes are not those of its id, and RefusedError for trees that git may read and we
        do not: nothing more is to be asked then.
        """
        found: list[list[Change]] = [[] for _ in pairs]
        level = [(place, "", old, new) for place, (old, new) in enumerate(pairs) if old != new]
        for _ in range(_DEEPEST):
            below: list[tuple[int, str, str, str]] = []
            bytes_of = self._read.trees([new for *_, new in level if new])
            for place, path, old, new in level:
                for name, was, now in self._differing(path, old, new, next(bytes_of) if new else b""):
                    here = path + name.decode("utf-8", "surrogateescape")
                    if FOLDER_MODE in (was[0], now[0]):
                        below.append((place, f"{here}/", _folder(was), _folder(now)))
                    left, right = _leaf(was), _leaf(now)
                    if left != right:
                        found[place].append(_change(here, left, right))
            level = below
            if not level:
                break
        if level or any(not {one.old_mode, one.new_mode} <= USUAL for some in found for one in some):
            raise RefusedError("a tree is for git to compare")
        for some in found:
            some.sort(key=_order)
        return found

    def _differing(self, path: str, old: str, new: str, raw: bytes) -> _Differing:
        """Return what differs in a folder, "" where it is not there, and keep it as it is now."""
        known = self._folders.get(path)
        if known is not None and known.oid == old and new:
            found = _another(known, new, raw) or _more(known, new, raw)
            if found is not None:
                self._folders[path], differing = found
                return differing
        before = parse_tree(old, self._bytes(old, known)) if old else {}
        after = parse_tree(new, raw)
        self._folders.pop(path, None)
        if new:
            self._folders[path] = _Version(new, raw, _starts(raw, 0, len(raw), len(new) // 2))
        sides = ((name, before.get(name, NO_ENTRY), after.get(name, NO_ENTRY)) for name in {**before, **after})
        return [(name, was, now) for name, was, now in sides if was != now]

    def _bytes(self, oid: str, known: _Version | None) -> bytes:
        return known.raw if known is not None and known.oid == oid else next(self._read.trees([oid]))


def _folder(entry: tuple[str, bytes]) -> str:
    return entry[1].hex() if entry[0] == FOLDER_MODE else ""


def _leaf(entry: tuple[str, bytes]) -> tuple[str, bytes]:
    return NO_ENTRY if entry[0] == FOLDER_MODE else entry


def _change(path: str, left: tuple[str, bytes], right: tuple[str, bytes]) -> Change:
    return Change(path, left[0], Oid(left[1].hex()) or ABSENT, right[0], Oid(right[1].hex()) or ABSENT)


def _order(change: Change) -> bytes:
    return change.path.encode("utf-8", "surrogateescape")


def _starts(raw: bytes, at: int, end: int, size: int) -> array[int]:
    """Return where the entries of a tree that was cut begin between two places, and the later of the two."""
    found = array("I")
    while at < end:
        found.append(at)
        at = raw.index(b"\0", at) + 1 + size
    found.append(at)
    return found


def _another(old: _Version, oid: str, raw: bytes) -> tuple[_Version, _Differing] | None:
    """Return a folder, and what differs from before, where an entry has another id and all else stays; None elsewhere."""
    before, starts = old.raw, old.starts
    place = _alike(old, raw)
    if len(raw) != len(before) or place + 1 == len(starts):
        return None
    at, end, size = starts[place], starts[place + 1], len(oid) // 2
    named = end - size
    if raw[at:named] != before[at:named] or raw[end:] != before[end:]:
        return None
    mode, _, name = raw[at : named - 1].partition(b" ")
    kind = f"{int(mode):06d}"
    return _Version(oid, raw, starts), [(name, (kind, before[named:end]), (kind, raw[named:end]))]


def _more(old: _Version, oid: str, raw: bytes) -> tuple[_Version, _Differing] | None:
    """Return the same where there are more entries, or fewer, in one place; None elsewhere.

    An entry out of order, and a name that the folder may have elsewhere as well, are for who cuts the whole.
    """
    before, starts = old.raw, old.starts
    more, place = len(raw) - len(before), _alike(old, raw)
    at = starts[place]
    last = place if more > 0 else bisect_left(starts, at - more)
    if not more or last == len(starts) or raw[(end := starts[last] + more) :] != before[starts[last] :]:
        return None
    if more < 0:
        gone = parse_tree(old.oid, before[at : starts[last]])
        run = starts[:0] if end == at else None
        differing = [(name, entry, NO_ENTRY) for name, entry in gone.items()]
    else:
        new = parse_tree(oid, raw[at:end])
        ordered = [*_keys(old, place - 1), *starmap(_key, new.items()), *_keys(old, place)]
        fit = all(one < other for one, other in pairwise(ordered))
        fit = fit and all(raw.count(b" %b\0" % name) == 1 for name in new)
        run = _starts(raw, at, end, len(oid) // 2)[:-1] if fit else None
        differing = [(name, NO_ENTRY, entry) for name, entry in new.items()]
    if run is None:
        return None
    behind = array("I", [start + more for start in starts[last:]])
    return _Version(oid, raw, starts[:place] + run + behind), differing


def _keys(folder: _Version, place: int) -> Iterator[bytes]:
    """Yield what one entry is ordered by, nothing ahead of the first and behind the last."""
    if 0 <= place < len(folder.starts) - 1:
        yield from starmap(_key, parse_tree(folder.oid, folder.raw[slice(*folder.starts[place : place + 2])]).items())


def _key(name: bytes, entry: tuple[str, bytes]) -> bytes:
    return name + b"/" if entry[0] == FOLDER_MODE else name


def _alike(old: _Version, raw: bytes) -> int:
    """Return the place of the first entry that is not as it was."""
    before, starts = old.raw, old.starts
    low, high, at = 0, len(starts), 0
    while high - low > 1:
        middle = (low + high) // 2
        end = starts[middle]
        if before[at:end] == raw[at:end]:
            low, at = middle, end
        else:
            high = middle
    return low
