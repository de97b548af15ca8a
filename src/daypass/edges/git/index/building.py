"""Building the audit index, and building on: main's steps as git tells them, and receipts once they are proved."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from typing import TYPE_CHECKING

from daypass.core.audit.access import about
from daypass.core.errors import EdgeError, LedgerError
from daypass.core.ids import Oid
from daypass.core.ledger.chain import Head, verify_chain
from daypass.core.ledger.receipt import Receipt
from daypass.core.ledger.rows import to_row
from daypass.core.window import format_instant, parse_instant
from daypass.edges.git.index.file import NEW, VERSION, IndexFile, meta_of, put
from daypass.edges.git.plumbing import Git
from daypass.edges.git.steps import continues, list_steps, read_rows
from daypass.edges.store import discard, make_folder, usable

if TYPE_CHECKING:
    from daypass.edges.ledger.ledger import GitLedger
    from daypass.edges.ledger.signing import EnvelopeVerifier

Progress = Callable[[int, int, str], None]

_TABLES = """
create table meta (key text primary key, value text not null) without rowid;
create table steps (position integer not null, commit_id blob not null, grant_id text not null, old blob not null,
    new blob not null, plain integer not null);
create table subjects (blob blob primary key, subject text) without rowid;
create table receipts (sequence integer primary key, digest text not null, at text not null, kind text not null,
    place text not null, body text not null);
create table files (oid text primary key, raw blob not null) without rowid;
create table about (kind text not null, name text not null, sequence integer not null,
    primary key (kind, name, sequence)) without rowid;
"""
_INDEXES = """
create index steps_grant on steps (grant_id, position);
create index steps_new on steps (new) where plain;
create index subjects_subject on subjects (subject);
create index receipts_digest on receipts (digest);
"""


class IndexBuilder:
    """Builds the index of one clone up to a commit of its main; ``progress`` is called meanwhile."""

    def __init__(self, git: Git, file: IndexFile, *, main: Oid, progress: Progress | None = None) -> None:
        self._git = git
        self._file = file
        self._main = main
        self._progress = progress

    def refresh(self) -> str:
        """Bring the steps up to main's commit. Return why all were read anew, "" where they were not."""
        meta, why = self._file.read()
        if why:
            self._build(keep=False)
            return "" if why == NEW else why
        last = Oid(meta["main"])
        if last == self._main or self._extend(last):
            return ""
        self._build(keep=True)
        return f"main's history was rewritten: {last[:12]}, indexed before, is no longer a step of it"

    def read_ledger(self, ledger: GitLedger, verifier: EnvelopeVerifier) -> None:
        """Add what receipts follow, proved. Raises LedgerError where the ledger does not go on with what was read before."""
        known, head = self._read_so_far()
        now = ledger.head()
        if known is not None and not ledger.contains(known, now):
            raise LedgerError(
                f"the ledger at {now[:12]} does not contain {known[:12]}, which this clone read before",
                hint="`daypass audit verify` names what differs; restore the branch from another clone, or delete "
                f"{self._file.path} where it came from another one",
            )
        if known is not None and not verifier.fingerprints.issuperset(
            json.loads(self._file.meta().get("believed", "[]"))
        ):
            self._forget_receipts()  # a key was taken out of the settings, or bounded
            known, head = None, None
        if known is None or head is None:
            stored = ledger.envelopes(0, commit=now)
        else:
            stored = ledger.added(known, now, since=head.sequence + 1) if known != now else iter(())
        receipts = ledger.own(verify_chain(stored, verifier.open, head))
        believed = json.dumps(sorted(verifier.fingerprints))
        self._add_receipts(receipts, after=head, branch=ledger.branch, commit=now, believed=believed)

    def _forget_receipts(self) -> None:
        with self._file.transaction() as database:
            for which in ("receipts", "about", "meta where key in ('ledger', 'branch', 'head', 'believed')"):
                database.execute(f"delete from {which}")  # noqa: S608  (names of our own)

    def _build(self, *, keep: bool) -> None:
        make_folder(self._file.path.parent)
        fresh = self._file.path.with_name(f"{self._file.path.name}.{os.getpid()}.new")
        fresh.unlink(missing_ok=True)
        try:
            with usable(self._file.path), closing(sqlite3.connect(fresh, isolation_level=None)) as database:
                # The file is nobody's yet, and thrown away after any failure: no journal is needed to undo anything.
                database.executescript("pragma journal_mode = off; pragma synchronous = off;" + _TABLES)
                database.execute("begin")
                self._read(database, list_steps(self._git, None, self._main), 0)
                database.execute("commit")
                database.executescript(_INDEXES)
                if keep:
                    self._copy_receipts(database)
            with fresh.open("rb") as written:
                os.fsync(written.fileno())
            if not keep:
                discard(self._file.path)  # a journal left beside the old file would be played back into the new one
            fresh.replace(self._file.path)
        finally:
            fresh.unlink(missing_ok=True)

    def _copy_receipts(self, database: sqlite3.Connection) -> None:
        """Take over what was read of the ledger, which did not change because main did."""
        database.execute("attach ? as old", (str(self._file.path),))
        for table in ("receipts", "about", "subjects"):
            database.execute(f"insert into {table} select * from old.{table}")  # noqa: S608  (names of our own)
        database.execute(
            "insert into meta select * from old.meta where key in ('ledger', 'branch', 'head', 'believed')"
        )
        database.execute("detach old")

    def _extend(self, last: Oid) -> bool:
        """Add the steps after ``last``; False where main did not come from there step by step."""
        try:
            listed = list(list_steps(self._git, last, self._main))
        except EdgeError:  # the commit is gone altogether; whatever else is wrong stops the building anew as well
            return False
        if not continues(listed, last):
            return False
        with self._file.transaction() as database:
            meta = meta_of(database)
            if meta["main"] == last:  # else another process was first, and what it wrote is as good
                self._read(database, listed, int(meta["top"]) + len(listed))
        return True

    def _read(self, database: sqlite3.Connection, listed: Iterable[bytes], top: int) -> None:
        for done, total, rows in read_rows(self._git, listed, top=top):
            if self._progress is not None:
                self._progress(done, total, "commits")
            database.executemany("insert into steps values (?, ?, ?, ?, ?, ?)", rows)
        put(database, version=VERSION, main=self._main, top=str(top))

    def _read_so_far(self) -> tuple[Oid | None, Head | None]:
        """Return how far the ledger was read: its commit, and the last receipt; None where nothing was."""
        meta = self._file.meta()
        if not meta.get("ledger"):
            return None, None
        head = json.loads(meta["head"])
        return Oid(meta["ledger"]), Head(head[0], head[1], parse_instant(head[2]), head[3], head[4])

    def _add_receipts(
        self, receipts: Iterable[Receipt], *, after: Head | None, branch: str, commit: Oid, believed: str = "[]"
    ) -> None:
        """Add receipts that were verified by the keys ``believed`` (JSON); ``commit``, on ``branch``, ends with the last.

        When another process added some after ``after`` meanwhile, nothing is written: what it wrote is as good.
        """
        with self._file.transaction() as database:
            known = meta_of(database).get("head", "")
            if known != (_head(after) if after is not None else ""):
                return
            head = after
            for n, receipt in enumerate(receipts, 1):
                if self._progress is not None and n % 1000 == 0:
                    self._progress(n, n, "receipts")
                row = (receipt.sequence, receipt.digest, format_instant(receipt.at), *to_row(receipt))
                database.execute("insert into receipts values (?, ?, ?, ?, ?, ?)", row)
                names = [(kind, name, receipt.sequence) for kind, name in about(receipt)]
                database.executemany("insert or ignore into about values (?, ?, ?)", names)
                head = Head.of(receipt, head)
            last = _head(head) if head is not None else ""
            put(database, branch=f"refs/heads/{branch}", ledger=commit, head=last, believed=believed)


def _head(head: Head) -> str:
    return json.dumps([head.sequence, head.digest, format_instant(head.at), head.main, head.version])
