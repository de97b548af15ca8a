"""What one machine has verified and worked out, kept in memory: as SQLite keeps it beside a clone, in a tenth of the time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from daypass.core.ledger.chain import Envelope, verify_chain
from daypass.core.ledger.standing import Standing, fold
from daypass.core.plan import Unchanged
from daypass.edges.ledger.ledger import GitLedger
from daypass.edges.ledger.signing import EnvelopeSigner
from daypass.edges.ledger.standing import SignedLedger, _Verified


@dataclass
class Machine:
    """One machine's own state: what it verified of the ledger, by whose keys, and what else it remembers."""

    standing: Standing | None = None
    before: Standing | None = None
    """The one before that, as a machine would have it that has not looked since."""
    believed: frozenset[str] = frozenset()
    nothing_to_do: Unchanged | None = None
    verdicts: dict[str, dict[bytes, tuple[str, bytes]]] = field(default_factory=dict)

    # As daypass.edges.store.AnswerCache

    def unchanged(self) -> Unchanged | None:
        return self.nothing_to_do

    def keep_unchanged(self, unchanged: Unchanged) -> None:
        self.nothing_to_do = unchanged

    # As daypass.edges.store.Verdicts

    def known(self, context: str, blobs: Sequence[bytes]) -> dict[bytes, tuple[str, bytes]]:
        there = self.verdicts.get(context, {})
        return {blob: there[blob] for blob in blobs if blob in there}

    def store(self, context: str, rows: Iterable[tuple[bytes, str, bytes]]) -> None:
        self.verdicts.setdefault(context, {}).update((blob, (resource, meaning)) for blob, resource, meaning in rows)

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
                envelopes = self.receipts.envelopes(commit=commit)
            else:
                self._check_contained(_Verified(state.commit, before), commit)
                self.receipts.verify_shape(state.commit, commit)
                envelopes = self.receipts.added(state.commit, commit, since=before.sequence + 1)
            fresh = list(verify_chain(envelopes, self.verifier.open, before))
            verified = len(fresh)
            state = self._keep(fold(fresh, state, commit))
        assert state.head is not None
        self._check_last(_Verified(state.commit, state.head))
        return state, verified, why

    def put(self, standing: Standing, sealed: Sequence[Envelope], *, at: datetime) -> Standing:
        receipts = list(verify_chain(sealed, self.verifier.open, standing.head))
        commit = self.receipts.append(standing.commit, sealed, message="Append", at=at)
        if self._machine.standing is not None and self._machine.standing.commit == standing.commit:
            self._keep(fold(receipts, self._machine.standing, commit))
        return self._load()[0]

    def _keep(self, standing: Standing) -> Standing:
        self._machine.before = self._machine.standing
        self._machine.standing, self._machine.believed = standing, self.verifier.fingerprints
        return standing
