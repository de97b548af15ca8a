"""What this machine has verified of the ledger, kept in SQLite so that each receipt is verified once.

The file stands beside the clone (``<git folder>/daypass/standing.sqlite``) and belongs to the machine's own user
alone: it is believed the way the program itself is. It remembers the ledger's commit, the last receipt's number and
digest, and whose keys were believed. When the branch has grown, only what is new is verified; when it no longer
contains what was verified before, that is refused: the ledger was rewritten. A file of another version, or one that
cannot be read, is made anew, and that is said. All is written in one transaction: a crash leaves the old or the new.

Where there is no file yet, and the ledger has a snapshot that fits, what stands before it is not verified here: whoever
signed the snapshot answers for it (see `daypass.core.ledger.snapshot`).

A standing reads what it holds when first asked for, from the state that was loaded, whatever others write since.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from datetime import datetime
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from daypass.core.errors import DaypassError, LedgerError
from daypass.core.ids import ABSENT, Oid
from daypass.core.ledger.chain import Envelope, Head, open_idle, seal, verify_chain
from daypass.core.ledger.keys import KeyLimits
from daypass.core.ledger.merkle import Tree
from daypass.core.ledger.receipt import Body, Genesis, Receipt, Snapshot, envelope_digest
from daypass.core.ledger.records import Idle
from daypass.core.ledger.snapshot import INDEX, due, form, write
from daypass.core.ledger.standing import FOLD_VERSION, Delta, Standing
from daypass.core.ledger.statement import from_statement
from daypass.core.window import format_instant, parse_instant
from daypass.edges.ledger.ledger import GitLedger, Trail, begin_at_snapshot, counted
from daypass.edges.ledger.shape import message_of
from daypass.edges.ledger.signing import EnvelopeSigner, EnvelopeVerifier
from daypass.edges.ledger.tables import StoredStanding
from daypass.edges.ledger.writer import TABLES_VERSION, Writer, begin_anew, explained
from daypass.edges.store import Store, writing

VERSION = f"{FOLD_VERSION}.{TABLES_VERSION}"

_BATCH = 5_000


class _Verified(NamedTuple):
    """What of the ledger was verified: up to which commit of its branch, the last receipt there, and the trail to it."""

    commit: Oid
    head: Head
    trail: Trail


class SignedLedger:
    """One repository's ledger: its branch, what was verified of it, keys and signer joined. Implements ports.Ledger.

    ``receipts`` is the branch, and ``path`` the file of what was verified, which several processes may use at once.
    ``keys`` maps a file's name below policies/ to its public key, PEM, and ``limits`` to how far the key's word reaches;
    ``find_signer`` is asked once, when something is to be signed; EdgeError, LedgerError: no key here may sign.
    """

    def __init__(
        self,
        receipts: GitLedger,
        path: Path,
        keys: Mapping[str, bytes],
        find_signer: Callable[[], EnvelopeSigner],
        limits: Mapping[str, KeyLimits] | None = None,
    ) -> None:
        self.receipts = receipts
        self.path = path
        self.keys = keys
        self._limits = limits
        self._find_signer = find_signer
        self._store = Store(path)
        self.verified = 0
        """How many receipts the last load verified."""
        self.began = 0
        """At which snapshot the file began where it was made by the last load; what stands before it was not verified."""
        self._rested, self._refreshed = 0, False
        self.rebuilt = ""
        """Why the file was made anew, and the receipts read again, on the last load, "" when it was not."""

    @cached_property
    def verifier(self) -> EnvelopeVerifier:
        """Opens what one of the keys signed. Raises LedgerError where the settings name no key."""
        return EnvelopeVerifier(self.keys, self._limits)

    @cached_property
    def form(self) -> str:
        """The form of the snapshots that count."""
        return form(self.verifier.revoked)

    @cached_property
    def _signer(self) -> EnvelopeSigner:
        return self._find_signer()

    def sign(self, statement: dict[str, Any]) -> bytes:
        """Return the envelope of a statement. Raises EdgeError, LedgerError where there is no key here that may sign."""
        return self._signer.sign(statement)

    @property
    def signs_as(self) -> str:
        """The id of the key that signs here. Raises EdgeError, LedgerError where none does."""
        return self._signer.key_id

    def ready(self) -> None:
        """Raise EdgeError, LedgerError where there is no key here that may sign: nothing could be recorded."""
        _ = self._signer

    def verified_last(self) -> Oid | None:
        """Return the branch's commit as this machine verified it last, whatever has become of the branch; None: never."""
        with explained(self.path):
            connection = self._store.read()
            if connection is None:
                return None
            with closing(connection):
                return Oid(found) if (found := _state(connection).get("commit")) is not None else None

    def whole(self, commit: Oid) -> Iterator[Receipt]:
        """Prove the chain that a commit ends, from its first receipt on, and yield it. Raises LedgerError."""
        self.receipts.verify_shape(until=commit)
        yield from self.receipts.own(verify_chain(self.receipts.envelopes(commit=commit), self.verifier.open))

    def load(self) -> Standing:
        """Verify what is new since this machine last looked and return the state.

        Raises LedgerError when the ledger is missing, broken, or no longer contains what was verified here before;
        LockedError when another run keeps the file for a minute; EdgeError when it cannot be written.
        """
        if not self._refreshed:
            self.receipts.refresh()
        self._refreshed = False
        standing, self.verified, self.rebuilt = self._load()
        return standing

    def idle(self) -> tuple[Standing, Idle] | None:
        """Return the last receipt's word that nothing is to be done; None where this machine has verified some of it."""
        if self.receipts.thin is not None and not self.path.exists():
            self.receipts.refresh()
            self._refreshed = True  # for the load that follows where the word does not hold
            with suppress(DaypassError):
                return self.receipts.thin.idle(self.receipts.head(), self._open_new)
        return None

    def rested(self) -> Receipt | None:
        """Return the last word of those that loads have read which tells what rests; None where none does."""
        with suppress(LedgerError):
            raw = self.receipts.envelope(self._rested, commit=self.receipts.head()) if self._rested else None
            return open_idle(Envelope(self._rested, raw or b""), self._open_new)[0]
        return None

    def _open_new(self, raw: bytes) -> dict[str, Any]:
        # A retired key signs nothing new: whoever still has it could put a word after nothing at all.
        return EnvelopeVerifier({n: pem for n, pem in self.keys.items() if n not in (self._limits or {})}).open(raw)

    def _noted(self, receipts: Iterable[Receipt]) -> Iterator[Receipt]:
        for receipt in receipts:
            if isinstance(receipt.body, Idle) and receipt.body.rests is not None:
                self._rested = receipt.sequence
            yield receipt

    def _load(self) -> tuple[Standing, int, str]:
        verified, rebuilt = 0, ""
        with explained(self.path):
            while True:
                commit = self.receipts.head()
                connection, why = self._store.open()
                rebuilt = rebuilt or why
                connection.execute("BEGIN")
                state, why = _read_state(connection, self.verifier)
                if state is not None and state.commit == commit:
                    self._check_last(state)
                    return StoredStanding(state.head, state.commit, connection), verified, rebuilt
                rebuilt = rebuilt or why
                connection.execute("ROLLBACK")
                verified += self._catch_up(connection)
                connection.close()

    def append(self, standing: Standing, bodies: Sequence[Body], *, at: datetime, main: str, run: str) -> Standing:
        """Seal receipts after ``standing``, append them in one commit and return the new standing.

        What nobody could verify is never written: each envelope is opened again first. Raises ConflictError, having
        written nothing, when the branch is not where ``standing`` left it; LedgerError when ``at`` is before the last
        receipt; EdgeError when the key does not sign.
        """
        sealed = seal(bodies, standing.head, self._signer.sign, at=at, main=main, run=run)
        return self.put(standing, sealed, at=at)

    def snapshot(self, *, at: datetime, main: str, run: str) -> Standing | None:
        """Append a snapshot where many receipts have come since the last one; return the new state, None where not.

        The branch is taken as it stands here. What has signed nothing adds none, and may have no key. Raises as `append` does.
        """
        if "_signer" not in vars(self):
            return None
        standing = self._load()[0]
        trail = self._trail(standing)
        if trail is None or not due(standing, standing.next_sequence - trail.snapshot):
            return None
        tree, files = trail.tree, write(standing)
        body = Snapshot(tree.size, tree.root, tree.frontier, envelope_digest(files[INDEX]), self.form, standing.commit)
        sealed = seal([body], standing.head, self._signer.sign, at=at, main=main, run=run)
        return self.put(standing, sealed, at=at, beside=files)

    def _trail(self, standing: Standing) -> Trail | None:
        """Return the trail to a standing, None where what was verified is elsewhere."""
        with explained(self.path):
            connection, _ = self._store.open()
            state, _ = _read_state(connection, self.verifier)
            connection.close()
        return state.trail if state is not None and state.commit == standing.commit else None

    def put(
        self,
        standing: Standing,
        sealed: Sequence[Envelope],
        *,
        at: datetime,
        beside: Mapping[str, bytes] = MappingProxyType({}),
    ) -> Standing:
        """Append what was sealed after ``standing`` already, and return the new standing; raises as `append` does.

        ``beside`` are the files that the last of them, a snapshot, names.
        """
        receipts = list(verify_chain(sealed, self.verifier.open, standing.head))
        commit = self.receipts.append(standing.commit, sealed, message=message_of(receipts), at=at, beside=beside)
        # From here on the receipts stand, whatever happens to the file: who loads next verifies them.
        with explained(self.path):
            connection, _ = self._store.open()
            with writing(connection):
                state, _ = _read_state(connection, self.verifier)
                if (state.commit if state is not None else ABSENT) == standing.commit:
                    if state is None:
                        begin_anew(connection)
                    trail = state.trail if state is not None else Trail(Tree())
                    for envelope in sealed:
                        trail.tree.add(envelope.raw)
                    _write(connection, receipts, standing.head, trail, commit, self.verifier)
            connection.close()
        return self._load()[0]

    def begin(self, *, at: datetime, main: str) -> Standing:
        """Write the ledger's first receipt. Raises ConflictError where a ledger is there."""
        return self.append(Standing(), [Genesis(self.verifier.key_ids)], at=at, main=main, run="genesis")

    def _catch_up(self, connection: sqlite3.Connection) -> int:
        """Verify what lies between the commit in the file and the branch; return how many receipts that were."""
        ledger = self.receipts
        with writing(connection):
            state, _ = _read_state(connection, self.verifier)
            # Asked for only now that no other run can move the file: an answer from before could be older than what
            # the file holds, and would look as if receipts had been cut off.
            commit = ledger.head()
            if state is not None and state.commit == commit:
                return 0  # another run was here meanwhile
            if state is None:
                self._check_as_far(connection, commit)
                begin_anew(connection)
                delta, trail = self._begin(commit)
                ledger.verify_since(trail, commit)
                before = delta.head
                Writer(connection).write(delta)
                envelopes = ledger.envelopes(trail.tree.size, commit=commit)
            else:
                self._check_contained(state, commit)
                ledger.verify_shape(state.commit, commit)
                before, trail = state.head, state.trail
                envelopes = ledger.added(state.commit, commit, since=trail.tree.size)
            receipts = ledger.own(verify_chain(counted(envelopes, trail.tree), self.verifier.open, before))
            found = _write(connection, self._noted(receipts), before, trail, commit, self.verifier)
            if state is None:
                ledger.hold_main(_state(connection)["main"], lambda: self._first(commit))
            return found

    def _first(self, commit: Oid) -> Receipt:
        raw = self.receipts.envelope(0, commit=commit)
        return from_statement(self.verifier.open(raw or b""))

    def _begin(self, commit: Oid) -> tuple[Delta, Trail]:
        """Return what leads to the newest snapshot, and the trail to it: nothing, where anything about it is odd.

        Then receipts are read from the first one on, and what is a fault of theirs is refused there.
        """
        self.began = 0
        try:
            delta, trail = begin_at_snapshot(self.receipts, commit, self.verifier.open, known_form=self.form)
        except DaypassError:
            return Delta(), Trail(Tree())
        self.began = trail.snapshot
        return delta, trail

    def _check_as_far(self, connection: sqlite3.Connection, commit: Oid) -> None:
        """Refuse a branch that is cut behind what was verified by keys, or by a version, that count no longer."""
        known = _state(connection)
        if "commit" in known and not self.receipts.contains(Oid(known["commit"]), commit):
            raise LedgerError(
                f"the ledger was rewritten: it stands at {commit[:12]}, which does not contain what this machine has "
                f"verified (commit {known['commit'][:12]})",
                hint=f"`daypass ledger restore` puts it back; only if you know why it was rewritten, delete {self.path}",
            )

    def _check_contained(self, state: _Verified, commit: Oid) -> None:
        """Refuse a branch that no longer contains what was verified."""
        if self.receipts.contains(state.commit, commit):
            return
        if self.receipts.contains(commit, state.commit):
            wrong = f"receipts were cut off: it stands at {commit[:12]}, and this machine has verified it further"
        else:
            wrong = f"it stands at {commit[:12]}, which does not contain what this machine has verified"
        raise LedgerError(
            f"the ledger was rewritten: {wrong} (receipt {state.head.sequence}, commit {state.commit[:12]})",
            hint=f"restore the branch to {state.commit[:12]} or later (`daypass ledger restore`); only if you know why it "
            f"was rewritten, delete {self.path}",
        )

    def _check_last(self, state: _Verified) -> None:
        """Refuse a branch whose last receipt is another than the one that was verified."""
        raw = self.receipts.envelope(state.head.sequence, commit=state.commit)
        if raw is None or envelope_digest(raw) != state.head.digest:
            raise _another(state.head.sequence)


def _another(sequence: int) -> LedgerError:
    return LedgerError(
        f"receipt {sequence} is not the one that this machine verified",
        hint="run `git fsck`, and compare the ledger branch with another clone",
    )


def _state(connection: sqlite3.Connection) -> dict[str, str]:
    there = connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'state'").fetchone()
    return dict(connection.execute("SELECT name, value FROM state")) if there else {}


def _read_state(connection: sqlite3.Connection, verifier: EnvelopeVerifier) -> tuple[_Verified | None, str]:
    """Return what was verified, or None and why it does not count ("" where nothing was)."""
    values = _state(connection)
    if not values:
        return None, ""
    if values.get("version") != VERSION:
        return None, f"it was written by another version ({values.get('version')}, expected {VERSION})"
    believed = frozenset(json.loads(values["believed"]))
    if not believed <= verifier.fingerprints:
        return None, "a key that was believed is no longer named in the settings, or within other limits"
    head = Head(
        int(values["sequence"]), values["digest"], parse_instant(values["at"]), values["main"], int(values["format"])
    )
    try:
        tree = Tree(head.sequence + 1, json.loads(values["tree"]))
    except ValueError:
        raise _another(head.sequence) from None
    return _Verified(Oid(values["commit"]), head, Trail(tree, int(values["snapshot"]))), ""


def _write(
    connection: sqlite3.Connection,
    receipts: Iterable[Receipt],
    before: Head | None,
    trail: Trail,
    commit: Oid,
    verifier: EnvelopeVerifier,
) -> int:
    """Add receipts to the tables and remember how far they reach. Raises LedgerError where there are none at all.

    The trail's tree holds them once they were read.
    """
    writer = Writer(connection)
    delta = Delta(before)
    count, snapshot, known = 0, trail.snapshot, form(verifier.revoked)
    for receipt in receipts:
        delta.add(receipt)
        count += 1
        if isinstance(receipt.body, Snapshot) and receipt.body.form == known:
            snapshot = receipt.sequence
        if delta.count == _BATCH:
            writer.write(delta)
            delta = Delta(delta.head)
    writer.write(delta)
    head = delta.head
    if head is None:
        raise LedgerError("the ledger holds no receipt, expected a genesis", hint="`daypass init` begins a ledger")
    values = {
        "version": VERSION,
        "commit": commit,
        "sequence": str(head.sequence),
        "digest": head.digest,
        "at": format_instant(head.at),
        "main": head.main,
        "format": str(head.version),
        "tree": json.dumps(trail.tree.frontier),
        "snapshot": str(snapshot),
        "believed": json.dumps(sorted(verifier.fingerprints)),
    }
    connection.executemany("INSERT OR REPLACE INTO state VALUES (?, ?)", values.items())
    return count
