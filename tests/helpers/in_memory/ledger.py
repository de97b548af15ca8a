"""What one machine has verified and worked out, kept in memory: as SQLite keeps it beside a clone, in a tenth of the time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import MappingProxyType

from daypass.core.ids import Oid
from daypass.core.ledger.chain import Envelope, verify_chain
from daypass.core.ledger.merkle import Tree
from daypass.core.ledger.receipt import Receipt, Snapshot
from daypass.core.ledger.standing import Standing, fold
from daypass.core.planning.resting import Remembered
from daypass.edges.ledger.ledger import GitLedger, Trail, counted
from daypass.edges.ledger.signing import EnvelopeSigner
from daypass.edges.ledger.standing import SignedLedger, _Verified


@dataclass
class Machine:
    """One machine's own state: what it verified of the ledger, by whose keys, and what else it remembers."""

    standing: Standing | None = None
    before: Standing | None = None
    """The one before that, as a machine would have it that has not looked since."""
    trail: Trail = field(default_factory=lambda: Trail(Tree()))
    believed: frozenset[str] = frozenset()
    found: Remembered | None = None
    verdicts: dict[str, dict[bytes, tuple[str, bytes]]] = field(default_factory=dict)
    wholes: dict[str, dict[tuple[str, str], int]] = field(default_factory=dict)

    # As daypass.edges.store.AnswerCache

    def remembered(self) -> Remembered | None:
        return self.found

    def remember(self, found: Remembered) -> None:
        self.found = found

    # As daypass.edges.store.Verdicts

    def known(self, context: str, blobs: Sequence[bytes]) -> dict[bytes, tuple[str, bytes]]:
        there = self.verdicts.get(context, {})
        return {blob: there[blob] for blob in blobs if blob in there}

    def store(self, context: str, rows: Iterable[tuple[bytes, str, bytes]]) -> None:
        self.verdicts.setdefault(context, {}).update((blob, (resource, meaning)) for blob, resource, meaning in rows)

    def whole(self, context: str, folders: Mapping[str, str]) -> dict[str, int]:
        there = self.wholes.get(context, {})
        return {name: there[name, tree] for name, tree in folders.items() if (name, tree) in there}

    def store_whole(self, context: str, folders: Iterable[tuple[str, str, int]]) -> None:
        self.wholes.setdefault(context, {}).update(((name, tree), files) for name, tree, files in folders)

    def close(self) -> None:
        return


class MemoryLedger(SignedLedger):
    """Keeps the standing whole in a machine's memory; the branch, keys and signatures are as `SignedLedger` has them."""

    def __init__(
        self,
        receipts: GitLedger,
        machine: Machine,
        keys: Mapping[str, bytes],
        find_signer: Callable[[], EnvelopeSigner],
    ) -> None:
        super().__init__(receipts, Path("in memory"), keys, find_signer)
        self._machine = machine

    def _load(self) -> tuple[Standing, int, str]:
        machine, commit = self._machine, self.receipts.head()
        state = machine.standing if machine.believed <= self.verifier.fingerprints else None
        why = "a key that was believed is no longer named in the settings" if machine.standing and not state else ""
        verified = 0
        if state is None or state.commit != commit:
            before = state.head if state is not None else None
            if state is None or before is None:
                self.receipts.verify_shape(until=commit)
                delta, trail = self._begin(commit)
                state, before = delta.onto(Standing()), delta.head
                envelopes = self.receipts.envelopes(trail.tree.size, commit=commit)
            else:
                trail = machine.trail
                self._check_contained(_Verified(state.commit, before, trail), commit)
                self.receipts.verify_shape(state.commit, commit)
                envelopes = self.receipts.added(state.commit, commit, since=trail.tree.size)
            fresh = list(verify_chain(counted(envelopes, trail.tree), self.verifier.open, before))
            verified = len(fresh)
            state = self._keep(fresh, state, commit, trail)
        assert state.head is not None
        self._check_last(_Verified(state.commit, state.head, machine.trail))
        return state, verified, why

    def put(
        self,
        standing: Standing,
        sealed: Sequence[Envelope],
        *,
        at: datetime,
        beside: Mapping[str, bytes] = MappingProxyType({}),
    ) -> Standing:
        machine = self._machine
        receipts = list(verify_chain(sealed, self.verifier.open, standing.head))
        commit = self.receipts.append(standing.commit, sealed, message="Append", at=at, beside=beside)
        if machine.standing is not None and machine.standing.commit == standing.commit:
            for envelope in sealed:
                machine.trail.tree.add(envelope.raw)
            self._keep(receipts, machine.standing, commit, machine.trail)
        return self._load()[0]

    def _trail(self, standing: Standing) -> Trail | None:
        state = self._machine.standing
        return self._machine.trail if state is not None and state.commit == standing.commit else None

    def _keep(self, receipts: Sequence[Receipt], onto: Standing, commit: Oid, trail: Trail) -> Standing:
        machine, kept = self._machine, fold(receipts, onto, commit)
        machine.before = machine.standing
        machine.standing, machine.believed = kept, self.verifier.fingerprints
        snapshots = [receipt.sequence for receipt in receipts if isinstance(receipt.body, Snapshot)]
        machine.trail = Trail(trail.tree, snapshots[-1] if snapshots else trail.snapshot)
        return kept
