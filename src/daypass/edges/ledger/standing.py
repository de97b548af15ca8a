"""What this machine has verified of the ledger, kept in SQLite so that each receipt is verified once.

The file stands beside the clone (``<git folder>/daypass/standing.sqlite``) and belongs to the machine's own user
alone: it is believed the way the program itself is. It remembers the ledger's commit, the last receipt's number and
digest, and whose keys were believed. When the branch has grown, only what is new is verified; when it no longer
contains what was verified before, that is refused: the ledger was rewritten. A file of another version, or one that
cannot be read, is made anew, and that is said. Everything is written in one transaction, so a crash leaves the old
state or the new one.

A standing reads what it holds when first asked for, always from the state that was loaded, whatever other runs write
since.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from daypass.core.errors import EdgeError, LedgerError, LockedError
from daypass.core.grant import ABSENT, Oid
from daypass.core.ledger.chain import Head, seal, verify_chain
from daypass.core.ledger.receipt import Body, Genesis, Receipt, envelope_digest
from daypass.core.ledger.standing import FOLD_VERSION, Delta, Standing
from daypass.core.ledger.statement import kind_of
from daypass.core.record import dataclass
from daypass.core.window import format_instant, parse_instant
from daypass.edges.git.remote import Remote
from daypass.edges.git.repository import Repository
from daypass.edges.ledger.ledger import GitLedger
from daypass.edges.ledger.signing import EnvelopeSigner, EnvelopeVerifier, read_public_key
from daypass.edges.ledger.tables import TABLES_VERSION, StoredStanding, Writer, begin_anew
from daypass.edges.store import BUSY, Store, usable, writing

VERSION = f"{FOLD_VERSION}.{TABLES_VERSION}"

_BATCH = 5_000

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Loaded:
    """A verified standing; ``verified`` receipts were new here, ``rebuilt`` says why all were read again, if so."""

    standing: Standing
    verified: int
    rebuilt: str = ""


class _Verified(NamedTuple):
    """What of the ledger was verified: up to which commit of its branch, and the last receipt there."""

    commit: Oid
    head: Head


class StandingCache:
    """The cache in one SQLite file. Several processes may use it at once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._store = Store(path)

    def load(self, ledger: GitLedger, verifier: EnvelopeVerifier, *, progress: Progress | None = None) -> Loaded:
        """Verify what is new on the branch and return the standing.

        Raises LedgerError when the ledger is missing, broken, or no longer contains what was verified here before;
        LockedError when another run keeps the cache for a minute; EdgeError when it cannot be written.
        """
        verified, rebuilt = 0, ""
        with _explained(self.path):
            while True:
                commit = ledger.head()
                connection, why = self._store.open()
                rebuilt = rebuilt or why
                connection.execute("BEGIN")
                state, why = _read_state(connection, verifier)
                if state is not None and state.commit == commit:
                    _same_last(ledger, state)
                    return Loaded(StoredStanding(state.head, state.commit, connection), verified, rebuilt)
                rebuilt = rebuilt or why
                connection.execute("ROLLBACK")
                verified += self._catch_up(connection, ledger, verifier, progress)
                connection.close()

    def append(
        self,
        ledger: GitLedger,
        verifier: EnvelopeVerifier,
        signer: EnvelopeSigner,
        standing: Standing,
        bodies: Sequence[Body],
        *,
        at: datetime,
        main: str,
        run: str,
    ) -> Standing:
        """Seal receipts after ``standing``, append them in one commit and return the new standing.

        What nobody could verify is never written: each envelope is opened again first. Raises ConflictError, having
        written nothing, when the branch is not where ``standing`` left it; LedgerError when ``at`` is before the last
        receipt; EdgeError when the key does not sign.
        """
        sealed = seal(bodies, standing.head, signer.sign, at=at, main=main, run=run)
        receipts = list(verify_chain(sealed, verifier.open, standing.head))
        commit = ledger.append(standing.commit, sealed, message=_message(receipts), at=at)
        # From here on the receipts stand, whatever happens to the cache: who loads next verifies them.
        with _explained(self.path):
            connection, _ = self._store.open()
            with writing(connection):
                state, _ = _read_state(connection, verifier)
                if (state.commit if state is not None else ABSENT) == standing.commit:
                    if state is None:
                        begin_anew(connection)
                    _write(connection, receipts, standing.head, commit, verifier.fingerprints)
            connection.close()
        return self.load(ledger, verifier).standing

    def _catch_up(
        self,
        connection: sqlite3.Connection,
        ledger: GitLedger,
        verifier: EnvelopeVerifier,
        progress: Progress | None,
    ) -> int:
        """Verify what lies between the cached commit and the branch; return how many receipts that were."""
        with writing(connection):
            state, _ = _read_state(connection, verifier)
            # Asked for only now that no other run can move the cache: an answer from before could be older than what
            # the cache holds, and would look as if receipts had been cut off.
            commit = ledger.head()
            if state is not None and state.commit == commit:
                return 0  # another run was here meanwhile
            if state is None:
                begin_anew(connection)
                ledger.verify_shape(until=commit)
                envelopes = ledger.envelopes(commit=commit)
                before = None
            else:
                self._still_there(ledger, state, commit)
                ledger.verify_shape(state.commit, commit)
                before = state.head
                envelopes = ledger.added(state.commit, commit, since=before.sequence + 1)
            receipts = verify_chain(envelopes, verifier.open, before)
            return _write(connection, _counted(receipts, progress), before, commit, verifier.fingerprints)

    def _still_there(self, ledger: GitLedger, state: _Verified, commit: Oid) -> None:
        if ledger.contains(state.commit, commit):
            return
        if ledger.contains(commit, state.commit):
            wrong = f"receipts were cut off: it stands at {commit[:12]}, and this machine has verified it further"
        else:
            wrong = f"it stands at {commit[:12]}, which does not contain what this machine has verified"
        raise LedgerError(
            f"the ledger was rewritten: {wrong} (receipt {state.head.sequence}, commit {state.commit[:12]})",
            hint=f"restore the branch to {state.commit[:12]} or later; only if you know why it was rewritten, "
            f"delete {self.path}",
        )


class SignedLedger:
    """One repository's ledger: branch, cache, keys and signer joined. Implements ports.Ledger.

    ``keys`` maps a file's name below policies/ to its public key, PEM; ``signer_uri`` names a securesystemslib
    signer, or is empty: then the private half of one of the keys is ``private_key`` (PEM), else looked for in
    ``keys_folder``, as ``<key id>.pem``. With a ``remote`` the branch there is the ledger.
    """

    def __init__(
        self,
        repository: Repository,
        *,
        branch: str,
        keys: Mapping[str, bytes],
        signer_uri: str,
        keys_folder: Path,
        private_key: str = "",
        remote: Remote | None = None,
    ) -> None:
        self._keys = keys
        self._signer_uri = signer_uri
        self._keys_folder = keys_folder
        self._git = repository.git
        self._cache = StandingCache(repository.state_dir / "standing.sqlite")
        self._private_key = private_key
        self.receipts = GitLedger(repository.git, branch, remote)
        self.rebuilt = ""
        """Why the cache was made anew on the last load, "" when it was not."""

    @cached_property
    def verifier(self) -> EnvelopeVerifier:
        """Opens what one of the keys signed. Raises LedgerError where the settings name no key."""
        return EnvelopeVerifier(self._keys)

    @cached_property
    def _signer(self) -> EnvelopeSigner:
        if self._signer_uri or self._private_key:
            return self._first_fitting()
        looked = []
        for name, pem in self._keys.items():
            path = self._keys_folder / f"{read_public_key(pem, name).keyid}.pem"
            if path.exists():
                return EnvelopeSigner(path, pem)
            looked.append(str(path))
        raise EdgeError(
            f"there is no signing key at {' or '.join(looked) or self._keys_folder}",
            hint="only the applier has it; DAYPASS_KEYS names another folder, DAYPASS_SIGNER a signer URI",
        )

    def _first_fitting(self) -> EnvelopeSigner:
        """Join the signer with its public half; with several keys in use only one belongs to it."""
        problem: EdgeError | None = None
        for pem in self._keys.values():
            try:
                return EnvelopeSigner(self._private_key.encode("utf-8", "surrogateescape") or self._signer_uri, pem)
            except EdgeError as error:
                problem = error
        raise problem or LedgerError("the settings name no ledger key", hint="ledger.keys in policies/daypass.yaml")

    def ready(self) -> None:
        """Raise EdgeError, LedgerError where there is no key here that may sign: nothing could be recorded."""
        _ = self._signer

    def exists(self) -> bool:
        """Say whether the ledger's branch is there."""
        return self._git.find(f"refs/heads/{self.receipts.branch}") is not None

    def load(self) -> Standing:
        """Verify what is new since this machine last looked and return the state. Raises LedgerError."""
        self.receipts.refresh()
        found = self._cache.load(self.receipts, self.verifier)
        self.rebuilt = found.rebuilt
        return found.standing

    def append(self, standing: Standing, bodies: Sequence[Body], *, at: datetime, main: str, run: str) -> Standing:
        """Sign and append receipts after ``standing``. Raises ConflictError when the branch has moved on meanwhile."""
        return self._cache.append(
            self.receipts, self.verifier, self._signer, standing, bodies, at=at, main=main, run=run
        )

    def begin(self, *, at: datetime, main: str) -> Standing:
        """Write the ledger's first receipt. Raises ConflictError where a ledger is there."""
        genesis = Genesis(self.verifier.key_ids)
        return self.append(Standing(), [genesis], at=at, main=main, run="genesis")


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        with usable(path):
            yield
    except EdgeError as error:
        if getattr(error.__cause__, "sqlite_errorcode", None) in BUSY:
            raise LockedError(
                f"another run is writing {path}", hint="wait for it to end and run the command again"
            ) from error
        raise
    except OSError as error:
        raise EdgeError(f"{path} cannot be used: {error.strerror}", hint="it must be writable") from error


def _read_state(connection: sqlite3.Connection, verifier: EnvelopeVerifier) -> tuple[_Verified | None, str]:
    """Return what was verified, or None and why it does not count ("" where nothing was)."""
    there = connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'state'").fetchone()
    values = dict(connection.execute("SELECT name, value FROM state")) if there else {}
    if not values:
        return None, ""
    if values.get("version") != VERSION:
        return None, f"it was written by another version ({values.get('version')}, expected {VERSION})"
    believed = frozenset(json.loads(values["believed"]))
    if not believed <= verifier.fingerprints:
        return None, "a key that was believed is no longer named in the settings"
    head = Head(int(values["sequence"]), values["digest"], parse_instant(values["at"]), values["main"])
    return _Verified(Oid(values["commit"]), head), ""


def _write(
    connection: sqlite3.Connection,
    receipts: Iterable[Receipt],
    before: Head | None,
    commit: Oid,
    believed: frozenset[str],
) -> int:
    """Add receipts to the tables and remember how far they reach. Raises LedgerError where there are none at all."""
    writer = Writer(connection)
    delta = Delta(before)
    count = 0
    for receipt in receipts:
        delta.add(receipt)
        count += 1
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
        "believed": json.dumps(sorted(believed)),
    }
    connection.executemany("INSERT OR REPLACE INTO state VALUES (?, ?)", values.items())
    return count


def _same_last(ledger: GitLedger, state: _Verified) -> None:
    raw = ledger.envelope(state.head.sequence, commit=state.commit)
    if raw is None or envelope_digest(raw) != state.head.digest:
        raise LedgerError(
            f"receipt {state.head.sequence} is not the one that this machine verified",
            hint="run `git fsck`, and compare the ledger branch with another clone",
        )


def _counted(receipts: Iterable[Receipt], progress: Progress | None) -> Iterator[Receipt]:
    for receipt in receipts:
        yield receipt
        if progress is not None and receipt.sequence % 1000 == 0:
            progress(receipt.sequence, 0, "receipts")


def _message(receipts: Sequence[Receipt]) -> str:
    kinds: dict[str, int] = {}
    for receipt in receipts:
        kind = kind_of(receipt.body)
        kinds[kind] = kinds.get(kind, 0) + 1
    first, last = receipts[0].sequence, receipts[-1].sequence
    named = f"receipt {first}" if first == last else f"receipts {first} to {last}"
    about = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    return f"Append {named}\n\n{about}, run {receipts[0].run}\n"
