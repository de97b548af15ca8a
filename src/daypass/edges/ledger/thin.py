"""The ledger's branch in a thin clone: its newest commit is here, and what a run that begins at the newest snapshot reads.

Nothing is taken on trust for being left out. What stands before the snapshot, whoever signed that answers for; each commit
from the one that brought it on is fetched, and has one parent and adds files alone: one that takes receipts away again
is seen however new the snapshot is that it leaves. That the branch ends where main's merges say is looked at by who admits.
"""

from __future__ import annotations

from collections.abc import Iterator

from daypass.core.errors import LedgerError
from daypass.core.ids import Oid
from daypass.core.ledger.chain import Envelope, Head, Open, open_idle
from daypass.core.ledger.receipt import envelope_digest
from daypass.core.ledger.records import Idle
from daypass.core.ledger.standing import Standing
from daypass.edges.git.objects import FOLDER_MODE, Leaf, Reader, parse_tree
from daypass.edges.git.plumbing import Git
from daypass.edges.git.promised import cut, promised
from daypass.edges.git.remote import Remote
from daypass.edges.git.trees import FILE_MODE
from daypass.edges.ledger.shape import added, receipt_path, standing_folder

_DEPTHS = (32, 512)
"""How many commits are fetched at once while the one that brought the snapshot is looked for."""
_LEVELS = 3
_AT_ONCE = 8192
"""So many receipts are asked for at once."""


class ThinBranch:
    """The branch as it is fetched, piece by piece. ``remote`` is where from; None where nobody may ask."""

    def __init__(self, git: Git, branch: str, remote: Remote | None) -> None:
        self._git = git
        self._branch = branch
        self._remote = remote
        self._here = promised(git)

    def newest(self, commit: Oid, *beside: str) -> tuple[int, int]:
        """Return the numbers of the newest snapshot, 0 for none, and of the last receipt, with all folders on the way.

        The folders that these numbers have in the commits ``beside`` it come with them.
        """
        ways = {"standing": "standing", "receipts": "receipts"}
        for _ in range(_LEVELS):
            found = self._here.bring_paths(commit, ways.values(), *beside)
            for top, way in ways.items():
                names = self._here.names(found[way]) if way in found else []
                ways[top] = f"{way}/{max(names)}" if names else way
        return _number(ways["standing"]), _number(ways["receipts"])

    def bring_snapshot(self, commit: Oid, sequence: int, last: int) -> None:
        """Fetch the first receipt, a snapshot and what follows it, up to a gap: whoever may push can name any number."""
        more = [receipt_path(0), standing_folder(sequence)]
        for first in range(sequence, last + 1, _AT_ONCE):
            since = [receipt_path(number) for number in range(first, min(first + _AT_ONCE, last + 1))]
            if not self.bring(commit, [*more, *since]):
                return
            more = []

    def bring(self, commit: Oid, paths: list[str]) -> bool:
        """Fetch files, and all files of folders, at once. Return whether all of them are there."""
        found = self._here.bring_paths(commit, paths)
        folders = {path: self._here.names(oid) for path, oid in found.items() if not path.endswith(".json")}
        inside = [f"{path}/{name}" for path, names in folders.items() for name in names]
        if inside:
            self._here.bring_paths(commit, inside)
        return len(found) == len(paths)

    def leaves(self, commit: Oid, first: str) -> Iterator[Leaf]:
        """Stream the leaves of the branch that come after a path, or are it, of the folders that are here."""
        read = Reader(self._git)
        yield from self._leaves(read, read.tree(commit), "", first)

    def _leaves(self, read: Reader, tree: tuple[Oid, bytes], at: str, first: str) -> Iterator[Leaf]:
        for raw, (mode, oid) in parse_tree(*tree).items():
            path = at + raw.decode("utf-8", "surrogateescape")
            if mode != FOLDER_MODE:
                if path >= first or not at:
                    yield path, mode, oid.hex()
            elif path >= first[: len(path)] and path != "standing":
                yield from self._leaves(read, read.tree(oid.hex()), f"{path}/", first)

    def steps_since(self, commit: Oid, path: str, most: int) -> list[str] | None:
        """Return the commits up to one, the newest last, of which the first brought a file; their changed folders are here.

        None where it is not among ``most``: then the branch has been written by somebody else.
        """
        for depth in (*(depth for depth in _DEPTHS if depth < most), most):
            self.reach(depth)
            lines = self._git.text("rev-list", "--parents", "--topo-order", commit).splitlines()
            steps = [line.split() for line in lines if line.split()[0] not in cut(self._git)]
            self._here.bring_steps([((*words[1:], "")[0], words[0]) for words in steps])
            read, found = Reader(self._git), list[str]()
            for oid, *parents in steps:
                found.insert(0, oid)
                if not parents or read.get(f"{parents[0]}:{path}") is None:
                    return found
            if not cut(self._git) & {line.split()[0] for line in lines}:
                return None
        return None

    def bring_steps(self, since: Oid | None, until: Oid) -> None:
        """Have the folders here that commits of the branch changed."""
        span = [until, *([f"^{since}"] if since is not None else [])]
        lines = [line.split() for line in self._git.text("rev-list", "--parents", *span).splitlines()]
        self._here.bring_steps([((*words[1:], "")[0], words[0]) for words in lines])

    def idle(self, commit: Oid, open_: Open) -> tuple[Standing, Idle]:
        """Return the word of the last receipt that nothing is to be done, believed as far as who signed it.

        With it comes the ledger as of then, without its parts. The receipt has to be all that its commit adds to the one
        that it follows, whose last receipt it names. Raises LedgerError for anything else.
        """
        if commit in cut(self._git):
            self.reach(2)
        parents = self._git.text("rev-parse", f"{commit}^@").split()
        number = self.newest(commit, *parents[:1])[1]
        path, before = receipt_path(number), receipt_path(number - 1)
        self._here.bring_paths(commit, [path, before], *parents[:1])
        found = Reader(self._git).get(f"{commit}:{path}")
        receipt, body = open_idle(Envelope(number, found[2] if found is not None else b""), open_)
        if parents != [body.follows]:
            raise LedgerError(f"receipt {number} follows another commit than it names")
        self._here.bring_steps([(body.follows, commit)])
        changes = Reader(self._git).changes(body.follows, commit)
        if [(at, mode) for at, mode, _ in added(changes, commit)] != [(path, FILE_MODE)]:
            raise LedgerError(f"more was written with receipt {number} than it says")
        last = Reader(self._git).get(f"{body.follows}:{before}")
        if last is None or envelope_digest(last[2]) != receipt.previous:
            raise LedgerError(f"receipt {number} follows another receipt than it names")
        return Standing(Head.of(receipt, None), commit), body

    def look_for(self, commit: Oid) -> None:
        """Fetch more of the branch until a commit of it is here, all of it in the end."""
        for depth in (*_DEPTHS, 0):
            if self._here.has(commit):
                return
            self.reach(depth)

    def reach(self, depth: int = 0) -> None:
        """Have so many commits of the branch, all of them for none. Raises LedgerError where nobody may fetch them."""
        if self._remote is None:
            raise LedgerError("the ledger's history is cut off in this clone", hint="git fetch --unshallow")
        self._remote.reach(self._branch, depth)


def _number(path: str) -> int:
    digits = path.removesuffix(".json").split("/")[1:]
    return int("".join(digits)) if len(digits) == _LEVELS and all(part.isdecimal() for part in digits) else 0
