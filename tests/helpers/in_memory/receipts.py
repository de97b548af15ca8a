"""The ledger's branch in memory, as `daypass.edges.ledger.standing.SignedLedger` uses a branch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from types import MappingProxyType

from daypass.core.errors import ConflictError, LedgerError
from daypass.core.ids import ABSENT, Oid
from daypass.core.ledger.chain import Envelope, Open, verify_chain
from daypass.core.ledger.merkle import Tree
from daypass.core.ledger.receipt import Receipt
from daypass.core.ledger.snapshot import Proof, form
from daypass.core.ledger.standing import Standing
from daypass.edges.ledger.ledger import Trail, counted, receipt_path, standing_folder
from in_memory.objects import Objects

_AUTHOR = ("daypass", "daypass@localhost")


def _count(tree: Mapping[str, object]) -> int:
    return sum(path.startswith("receipts/") for path in tree)


class MemoryReceipts:
    """One commit an append, one file a receipt, as on a branch of git."""

    thin = None
    """It is whole."""

    def __init__(self, objects: Objects, branch: str) -> None:
        self.branch = branch
        self._objects = objects
        self._ref = f"refs/heads/{branch}"

    def exists(self) -> bool:
        return self._ref in self._objects.refs

    def head(self) -> Oid:
        if not self.exists():
            raise LedgerError(f"the ledger is missing: there is no branch {self.branch!r}")
        return self._objects.refs[self._ref]

    def refresh(self) -> None:
        return

    def envelopes(self, since: int = 0, *, commit: Oid | None = None) -> Iterator[Envelope]:
        tree = self._objects.stored(commit or self.head()).tree
        for sequence in range(since, _count(tree)):
            yield Envelope(sequence, self._objects.contents[tree[receipt_path(sequence)][1]])

    def added(self, old: Oid, new: Oid, *, since: int) -> Iterator[Envelope]:
        assert _count(self._objects.stored(old).tree) == since
        return self.envelopes(since, commit=new)

    def proved(self, open_: Open, since: str = "", known: str = "") -> Proof:
        commit, tree = self.head(), Tree()
        assert not since
        receipts = verify_chain(counted(self.envelopes(0, commit=commit), tree), open_)
        beside = partial(self.beside, commit=commit)
        count = partial(_count, self._objects.stored(commit).tree)
        last, follows = partial(self.newest, commit), partial(self._follows, commit)
        return Proof(commit, receipts, tree, Standing(), beside, count, form(), follows, last)

    def _follows(self, tip: Oid, sequence: int, before: Oid) -> bool:
        having = {one for one in self._objects.ancestors(tip) if self.envelope(sequence, commit=one) is not None}
        parents = [self._objects.stored(one).commit.parents for one in having]
        return (before,) in parents and before not in having

    def own(self, receipts: Iterable[Receipt]) -> Iterator[Receipt]:
        return iter(receipts)

    def envelope(self, sequence: int, *, commit: Oid) -> bytes | None:
        leaf = self._objects.stored(commit).tree.get(receipt_path(sequence))
        return self._objects.contents[leaf[1]] if leaf is not None else None

    def snapshots(self, commit: Oid) -> tuple[int, ...]:
        beside = [
            path.split("/")[1:4] for path in sorted(self._objects.stored(commit).tree) if path.startswith("standing/")
        ]
        return tuple(dict.fromkeys(int("".join(parts)) for parts in beside))

    def newest(self, commit: Oid) -> int:
        return max(self.snapshots(commit), default=0)

    def verify_since(self, trail: Trail, until: Oid) -> None:
        self.verify_shape(until=until)

    def hold_main(self, last: str, first: Callable[[], Receipt]) -> None:
        return

    def beside(self, sequence: int, *, commit: Oid) -> Mapping[str, bytes]:
        folder = f"{standing_folder(sequence)}/"
        tree = self._objects.stored(commit).tree
        found = {path.removeprefix(folder): leaf for path, leaf in tree.items() if path.startswith(folder)}
        return {name: self._objects.contents[leaf[1]] for name, leaf in found.items()}

    def append(
        self,
        parent: Oid,
        envelopes: Sequence[Envelope],
        *,
        message: str,
        at: datetime,
        beside: Mapping[str, bytes] = MappingProxyType({}),
    ) -> Oid:
        found = self._objects.refs.get(self._ref, ABSENT)
        if found != parent:
            raise ConflictError(
                f"another run was first: the ledger stands at {found[:12]}, expected {parent[:12]}",
                hint="run the command again",
            )
        parents = () if parent == ABSENT else (parent,)
        files = [(receipt_path(envelope.sequence), envelope.raw) for envelope in envelopes]
        files += [(f"{standing_folder(envelopes[-1].sequence)}/{name}", raw) for name, raw in beside.items()]
        made = self._objects.commit_files(parent, files, parents, message, author=_AUTHOR, at=at)
        self._objects.move({self._ref: (parent, made)})
        return made

    def contains(self, old: Oid, new: Oid) -> bool:
        return old in self._objects.commits and old in self._objects.ancestors(new)

    def verify_shape(self, since: Oid | None = None, until: Oid | None = None) -> int:
        before = self._objects.ancestors(since) if since is not None else frozenset[Oid]()
        return len(self._objects.ancestors(until or self.head()) - before)
