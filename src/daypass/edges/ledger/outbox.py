"""What runs did while the remote was away: signed, beside the clone, until a run that reaches the remote delivers it.

The receipts continue the ledger as this machine verified it last, so that each proves its place, and are delivered as
they are where nobody else wrote meanwhile. They lie in one SQLite file of the state folder, whose commits are on the disk
before a target is touched: several receipts are there together or not at all, and taking them out is one step as well.
Refs of the clone would be lost with a clone that is thrown away, and git does not write its objects through to the disk.

The file is no cache. It is never made anew, whatever is wrong with it, since nothing else has what it holds.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from daypass.core.errors import ConflictError, EdgeError, LedgerError
from daypass.core.ids import ABSENT, GrantId, Oid, canonical, digest
from daypass.core.ledger.chain import Envelope, Head, seal, verify_chain
from daypass.core.ledger.late import rebase
from daypass.core.ledger.receipt import Admission, Away, Body, Receipt, envelope_digest
from daypass.core.ledger.standing import Standing, fold
from daypass.core.ledger.statement import from_statement
from daypass.edges.git.plumbing import Git
from daypass.edges.ledger.signing import stated
from daypass.edges.ledger.standing import SignedLedger
from daypass.edges.store import SIDE_FILES, Store, discard, writing

FILE = "outbox.sqlite"
_TABLE = "receipt(sequence INTEGER PRIMARY KEY, raw BLOB NOT NULL) STRICT"
_KEPT = "it is left as it is, nothing of it was recorded; `daypass ledger outbox` says what it holds, and sets it aside"


class Outbox:
    """The file, in which envelopes lie in the order of their numbers; one that was set ``aside`` is only looked at."""

    def __init__(self, path: Path, *, aside: bool = False) -> None:
        self.path = path
        self._aside = aside
        self._store = Store(path, [_TABLE], journal="delete", synchronous="EXTRA")

    def read(self) -> list[Envelope]:
        """Return what waits. Raises EdgeError where the file cannot be believed or read."""
        return self._select("SELECT sequence, raw FROM receipt ORDER BY sequence")

    def ends(self) -> list[Envelope]:
        """Return the first and the last that wait, one where there is no other. Raises as `read` does."""
        edges = "SELECT min(sequence) FROM receipt UNION SELECT max(sequence) FROM receipt"
        return self._select(f"SELECT sequence, raw FROM receipt WHERE sequence IN ({edges}) ORDER BY sequence")  # noqa: S608  (constants)

    def _select(self, query: str) -> list[Envelope]:
        if not self.path.exists():
            return []
        with self._open() as connection:
            found = connection.execute(query).fetchall()
        return [Envelope(sequence, raw) for sequence, raw in found]

    def add(self, envelopes: Sequence[Envelope]) -> None:
        """Put envelopes behind those that wait; they are on the disk when this returns. Raises EdgeError."""
        with self._open() as connection, writing(connection):
            self._insert(connection, envelopes)

    def replace(self, envelopes: Sequence[Envelope]) -> None:
        """Put envelopes in the place of all that wait, in one step. Raises EdgeError."""
        with self._open() as connection, writing(connection):
            connection.execute("DELETE FROM receipt")
            self._insert(connection, envelopes)

    def _insert(self, connection: sqlite3.Connection, envelopes: Sequence[Envelope]) -> None:
        rows = [(envelope.sequence, envelope.raw) for envelope in envelopes]
        connection.executemany("INSERT INTO receipt VALUES (?, ?)", rows)

    def set_aside(self, place: Path) -> None:
        """Move the file, whatever is in it, to a place where there is none, with what SQLite keeps beside it.

        It is on the disk there before it is gone here. Raises EdgeError, and has moved nothing then.
        """
        try:
            there = [end for end in SIDE_FILES if Path(f"{self.path}{end}").exists()]
            for end in there:
                made = os.open(f"{place}{end}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                with os.fdopen(made, "wb") as file:
                    file.write(Path(f"{self.path}{end}").read_bytes())
                    file.flush()
                    os.fsync(file.fileno())
            discard(self.path)
        except OSError as error:
            raise EdgeError(f"the outbox {self.path} cannot be moved to {place}: {error}") from error

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(self._store.look() if self._aside else self._store.keep()) as connection:
                (whole,) = connection.execute("PRAGMA quick_check(1)").fetchone()
                if whole != "ok":
                    raise sqlite3.DatabaseError(whole)
                yield connection
        except (sqlite3.Error, OSError) as error:
            raise EdgeError(f"the outbox {self.path} cannot be used: {error}", hint=_KEPT) from error


class Trace:
    """A ref of the clone that says that an outbox waits, and where: somebody may take its folder for a cache and delete it.

    It is for people to be told. Nothing is believed for it.
    """

    REF = "refs/daypass/outbox"

    def __init__(self, git: Git) -> None:
        self._git = git

    def leave(self, count: int, path: Path) -> None:
        """Say that so many receipts wait there, or none. Raises EdgeError, ConflictError."""
        there = self._git.check(self.REF)
        old = Oid(there.oid) if there.kind == b"blob" else ABSENT
        text = canonical({"count": count, "path": str(path)}).encode("utf-8", "surrogateescape")
        new = Oid(self._git.text("hash-object", "-w", "--stdin", stdin=text)) if count else ABSENT
        if old != new:
            self._git.update_refs({self.REF: (old, new)}, reason="daypass: outbox")

    def lost(self) -> tuple[int, str]:
        """Return how many receipts waited in an outbox that has none now, and where; 0 where that is not so."""
        if self._git.check(self.REF).kind != b"blob":
            return 0, ""
        try:
            told = json.loads(self._git.run("cat-file", "blob", self.REF))
            count, path = int(told["count"]), str(told["path"])
        except (ValueError, TypeError, LookupError, RecursionError):
            return 0, ""
        return (count, path) if count > 0 and not Outbox(Path(path)).ends() else (0, "")


class OutboxLedger:
    """The ledger as far as this machine verified it, continued in the outbox. Implements ports.Ledger.

    Only one run at a time may have it: see `daypass.edges.store.exclusive`.
    """

    def __init__(self, ledger: SignedLedger, folder: Path, name: str = "") -> None:
        self._ledger = ledger
        self._outbox = Outbox(folder / (name or FILE), aside=bool(name))

    @property
    def path(self) -> Path:
        """Where the outbox lies."""
        return self._outbox.path

    def waiting(self) -> int:
        """Return how many receipts wait. Raises EdgeError."""
        return len(self._outbox.read())

    def look(self) -> tuple[list[tuple[int, Receipt | None]], LedgerError | EdgeError | None]:
        """Return what waits, unproved, for people to look at (None: no receipt), and why no run would record it.

        It is held against the ledger as this machine knows it, and nothing is changed.
        """
        told: list[tuple[int, Receipt | None]] = []
        try:
            envelopes = self._outbox.read()
            told = [(envelope.sequence, _unproved(envelope.raw)) for envelope in envelopes]
            standing = self._ledger.load()
            if envelopes and standing.head is not None:
                self._proved(standing, envelopes)
        except (LedgerError, EdgeError) as error:
            return told, error
        return told, None

    def set_aside(self, place: Path) -> None:
        """Move the file, whatever is in it. Raises EdgeError."""
        self._outbox.set_aside(place)

    def load(self) -> Standing:
        """Return the state after all that is verified and all that waits.

        Raises LedgerError where what waits does not continue this ledger, or is signed by none of its keys.
        """
        standing = self._ledger.load()
        waiting = self._waiting(standing)
        return _Continued(standing, waiting) if waiting else standing

    def append(self, standing: Standing, bodies: Sequence[Body], *, at: datetime, main: str, run: str) -> Standing:
        """Sign receipts after ``standing`` and put them into the outbox; return the new state.

        Raises ConflictError, having written nothing, where it is not the state that the outbox ends with; LedgerError for
        anything but that access is taken away, and who left.
        """
        there = self._outbox.ends()
        tip = envelope_digest(there[-1].raw) if there else self._ledger.load().digest
        if standing.head is None or tip != standing.digest:
            raise ConflictError("another run wrote into the outbox", hint="run the command again")
        if there:
            name, after = self._name(there[0]), there[0].sequence - 1
        else:
            name, after = digest({"after": standing.digest, "run": run}), standing.head.sequence
        mark = Away(name, after)
        sealed = seal(bodies, standing.head, self._ledger.sign, at=at, main=main, run=run, away=mark)
        receipts = list(verify_chain(sealed, self._ledger.verifier.open, standing.head))
        self._outbox.add(sealed)
        return _Continued(standing, receipts)

    def deliver(self, attempts: int = 10, *, recorded: Callable[[], None] = lambda: None) -> int:
        """Append what waits to the ledger, and empty the outbox; return how many receipts that were.

        ``recorded`` is called once they stand in the ledger, before the outbox is emptied.
        A run may be killed at any step: the next one finds what was delivered in the ledger, and does not do it again.
        Raises LedgerError, EdgeError where what waits cannot be believed, having changed nothing; ConflictError where
        others were first each time.
        """
        for _ in range(attempts):
            if not self._outbox.read():
                return 0
            standing = self._ledger.load()
            waiting = self._waiting(standing)
            try:
                if waiting:
                    self._ledger.put(standing, self._outbox.read(), at=waiting[-1].at)
            except ConflictError:
                continue
            recorded()
            self._outbox.replace([])
            return len(waiting)
        raise ConflictError("others wrote to the ledger again and again", hint="run the command again")

    def _waiting(self, standing: Standing) -> list[Receipt]:
        """Return what waits, as it follows on a state of the ledger: sealed anew where others wrote meanwhile."""
        envelopes = self._outbox.read()
        if not envelopes or standing.head is None:
            return []
        verifier = self._ledger.verifier
        before, waiting = self._proved(standing, envelopes)
        if before.sequence == standing.head.sequence:
            return waiting
        later = self._ledger.receipts.envelopes(before.sequence + 1, commit=standing.commit)
        marked = [(receipt, _mark(receipt)) for receipt in waiting]
        sealed = rebase(marked, verify_chain(later, verifier.open, before), standing.head, self._ledger.sign)
        self._outbox.replace(sealed)
        return list(verify_chain(sealed, verifier.open, standing.head))

    def _proved(self, standing: Standing, envelopes: Sequence[Envelope]) -> tuple[Head, list[Receipt]]:
        """Return what waits, and the receipt of the ledger that it goes on from. Raises LedgerError."""
        try:
            before = self._before(standing, envelopes[0].sequence)
            waiting = list(verify_chain(envelopes, self._ledger.verifier.open, before))
            for receipt in waiting:
                _mark(receipt)
        except LedgerError as error:
            raise LedgerError(f"the outbox {self.path} is not believed: {error.message}", hint=_KEPT) from error
        return before, waiting

    def _before(self, standing: Standing, first: int) -> Head:
        """Return the receipt of the ledger that stands before a number."""
        raw = self._ledger.receipts.envelope(first - 1, commit=standing.commit) if first > 0 else None
        if raw is None:
            raise LedgerError(f"it goes on from receipt {first - 1}, which the ledger has not")
        return Head.of(from_statement(self._ledger.verifier.open(raw), envelope_digest(raw)), None)

    def _name(self, envelope: Envelope) -> str:
        return _mark(from_statement(self._ledger.verifier.open(envelope.raw))).outbox


class _Continued(Standing):
    """The standing after what waits. What that may change is added up; the rest is that of the standing below."""

    def __init__(self, below: Standing, receipts: Sequence[Receipt]) -> None:
        parts = {
            name: getattr(below, name) for name in ("holdings", "begun", "handovers", "taken", "departed", "moved")
        }
        after = fold(receipts, Standing(below.head, below.commit, **parts), below.commit)
        vars(self).update({name: getattr(after, name) for name in ("head", "commit", *parts)})
        self._below = below

    def __getattr__(self, name: str) -> Any:
        """Take a part from below for the first time; from then on it is an attribute like any other."""
        if name.startswith("_"):
            raise AttributeError(name)
        found = vars(self)[name] = getattr(self._below, name)
        return found

    def admission(self, grant: GrantId) -> Admission | None:
        """Return one proof, without reading the others."""
        return self._below.admission(grant)


def _mark(receipt: Receipt) -> Away:
    if receipt.away is None:
        raise LedgerError(f"receipt {receipt.sequence} in it was not written for an outbox")
    if receipt.void:  # sealed anew, a thief's word would have our signature
        raise LedgerError(f"receipt {receipt.sequence} in it is signed by a key that was revoked")
    return receipt.away


def _unproved(raw: bytes) -> Receipt | None:
    try:
        return from_statement(stated(raw), envelope_digest(raw))
    except LedgerError:
        return None
