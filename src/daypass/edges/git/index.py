"""The audit index: grant steps and receipts in SQLite beside the clone, so that a question reads rows and no history.

It is a cache and proves nothing: it is keyed by main's commit and the ledger's, built on from the last indexed one,
built anew (and that is said) when history was rewritten or the file cannot be read. ``audit verify`` reads git and
the ledger instead. A whole build goes to a file of its own that replaces the old one in one step, additions are one
transaction: a killed run leaves the index as it was.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec.json import decode

from daypass.core.audit.access import GrantStep, Sources, about
from daypass.core.errors import EdgeError, LedgerError
from daypass.core.ids import ABSENT, FOLDER, SUFFIX, GrantId, Oid
from daypass.core.ledger.chain import Head, verify_chain
from daypass.core.ledger.receipt import Body, Receipt
from daypass.core.ledger.statement import from_statement, kind_named, to_statement
from daypass.core.record import replace
from daypass.core.window import format_instant, parse_instant
from daypass.edges.git.history import GitHistory, message
from daypass.edges.git.objects import blobs as read_blobs
from daypass.edges.git.objects import present
from daypass.edges.git.plumbing import Git, located
from daypass.edges.git.steps import continues, list_steps, read_rows
from daypass.edges.kept import LONGEST, KeptFiles
from daypass.edges.store import discard, make_folder, others_may_write, usable, writing

if TYPE_CHECKING:  # a question on an index that is up to date opens no ledger
    from daypass.edges.ledger.ledger import GitLedger
    from daypass.edges.ledger.signing import EnvelopeVerifier

FILE = "audit.sqlite"
"""The index, in the folder of this machine's state."""

Progress = Callable[[int, int, str], None]
SubjectReader = Callable[[str, bytes], str | None]
OpenLedger = Callable[[], "tuple[GitLedger, EnvelopeVerifier]"]
"""Opens the ledger's branch, with what checks the signatures of its envelopes."""

_VERSION = "6"
_WAIT = 60.0
_TABLES = """
create table meta (key text primary key, value text not null) without rowid;
create table steps (position integer not null, commit_id blob not null, grant_id text not null, old blob not null,
    new blob not null, plain integer not null);
create table subjects (blob blob primary key, subject text) without rowid;
create table receipts (sequence integer primary key, digest text not null, at text not null, statement text not null,
    void integer not null);
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
_FIRST = str(-(1 << 62))  # below every position
_NEW = "new"
_LISTED = "(select value from json_each(?))"
_PAGE = 1000  # receipts read at once: nobody who writes waits for what is done with them


class AuditIndex:
    """One clone's index. Questions may be asked once `follow` has run."""

    def __init__(
        self,
        git: Git,
        *,
        main: str,
        read_subject: SubjectReader,
        open_ledger: OpenLedger | None,
        state: Path | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Find the clone and where ``main`` (a revision) stands; nothing is read or built yet.

        ``open_ledger`` is called only when the index is behind (None: EdgeError), ``progress`` meanwhile. ``state`` is the
        folder of this machine's state, within the clone by default. ``read_subject`` reads the subject of a grant file
        (path, contents), None where it has none, once for each content that a question is about. Raises RefusedError for
        a shallow clone: its oldest commit seems to bring every file at once. Raises EdgeError where ``main`` is no commit.
        """
        self._git = git
        self._read_subject = read_subject
        self._open_ledger = open_ledger
        self._progress = progress
        common, self.main = located(git, main)
        self.path = (state or common / "daypass") / FILE

    def follow(self, at: datetime) -> Sources:
        """Bring the index up to main and the ledger, whose receipts enter once proved; say what answers at an instant rest on.

        Raises LedgerError when the ledger is missing, does not continue what this clone read before, or does not verify.
        """
        rebuilt = ""
        if not self._current():
            if self._open_ledger is None:
                raise EdgeError(f"{self.path} is not up to date", hint="any question of `daypass audit` brings it up")
            rebuilt = self.refresh()
            self._read_ledger(*self._open_ledger())
        commit, head = self.read_so_far()
        if commit is None or head is None:
            raise LedgerError("the ledger has no receipt, not even the one that begins it", hint="restore its branch")
        return Sources(self.main, commit, head.sequence + 1, head.at, at, rebuilt)

    def _read_ledger(self, ledger: GitLedger, verifier: EnvelopeVerifier) -> None:
        known, head = self.read_so_far()
        now = ledger.head()
        if known is not None and not ledger.contains(known, now):
            raise LedgerError(
                f"the ledger at {now[:12]} does not contain {known[:12]}, which this clone read before",
                hint="`daypass audit verify` names what differs; restore the branch from another clone, or delete "
                f"{self.path} where it came from another one",
            )
        if known is not None and not verifier.fingerprints.issuperset(json.loads(self._meta().get("believed", "[]"))):
            self._forget_receipts()  # a key was taken out of the settings, or bounded
            known, head = None, None
        if known is None or head is None:
            stored = ledger.envelopes(0, commit=now)
        else:
            stored = ledger.added(known, now, since=head.sequence + 1) if known != now else iter(())
        receipts = ledger.own(verify_chain(stored, verifier.open, head))
        believed = json.dumps(sorted(verifier.fingerprints))
        self.add_receipts(receipts, after=head, branch=ledger.branch, commit=now, believed=believed)

    def _forget_receipts(self) -> None:
        with self._transaction() as database:
            for which in ("receipts", "about", "meta where key in ('ledger', 'branch', 'head', 'believed')"):
                database.execute(f"delete from {which}")  # noqa: S608  (names of our own)

    def _current(self) -> bool:
        """Say whether the index stands at main's commit and at the ledger's, so that a question needs nothing else.

        Where main has not moved, neither has the name of the ledger's branch, which main's settings give.
        """
        if self._unusable():
            return False
        meta = self._meta()
        if meta["main"] != self.main or not meta.get("ledger") or not meta.get("branch"):
            return False
        return self._git.find(meta["branch"]) == meta["ledger"]

    def refresh(self) -> str:
        """Bring the steps up to main's commit. Return why all were read anew, "" where they were not."""
        why = self._unusable()
        if why:
            self._build(keep=False)
            return "" if why == _NEW else why
        last = Oid(self._meta()["main"])
        if last == self.main or self._extend(last):
            return ""
        self._build(keep=True)
        return f"main's history was rewritten: {last[:12]}, indexed before, is no longer a step of it"

    def _unusable(self) -> str:
        if not self.path.exists():
            return _NEW
        if others_may_write(self.path):
            return "others may write the index, so it is not believed"
        try:
            meta = self._meta()
        except EdgeError as error:
            return f"the index could not be read: {error.__cause__}"
        version = meta.get("version", "") if "main" in meta else ""
        why = f"the index has the format {version!r}, and this daypass writes {_VERSION!r}"
        return "" if version == _VERSION else why

    def _build(self, *, keep: bool) -> None:
        make_folder(self.path.parent)
        fresh = self.path.with_name(f"{self.path.name}.{os.getpid()}.new")
        fresh.unlink(missing_ok=True)
        try:
            with usable(self.path), closing(sqlite3.connect(fresh, isolation_level=None)) as database:
                # The file is nobody's yet, and thrown away after any failure: no journal is needed to undo anything.
                database.executescript("pragma journal_mode = off; pragma synchronous = off;" + _TABLES)
                database.execute("begin")
                self._read(database, list_steps(self._git, None, self.main), 0)
                database.execute("commit")
                database.executescript(_INDEXES)
                if keep:
                    self._copy_receipts(database)
            with fresh.open("rb") as written:
                os.fsync(written.fileno())
            if not keep:
                discard(self.path)  # a journal left beside the old file would be played back into the new one
            fresh.replace(self.path)
        finally:
            fresh.unlink(missing_ok=True)

    def _copy_receipts(self, database: sqlite3.Connection) -> None:
        """Take over what was read of the ledger, which did not change because main did."""
        database.execute("attach ? as old", (str(self.path),))
        for table in ("receipts", "about", "subjects"):
            database.execute(f"insert into {table} select * from old.{table}")  # noqa: S608  (names of our own)
        database.execute(
            "insert into meta select * from old.meta where key in ('ledger', 'branch', 'head', 'believed')"
        )
        database.execute("detach old")

    def _extend(self, last: Oid) -> bool:
        """Add the steps after ``last``; False where main did not come from there step by step."""
        try:
            listed = list(list_steps(self._git, last, self.main))
        except EdgeError:  # the commit is gone altogether; whatever else is wrong stops the building anew as well
            return False
        if not continues(listed, last):
            return False
        with self._transaction() as database:
            meta = _meta(database)
            if meta["main"] == last:  # else another process was first, and what it wrote is as good
                self._read(database, listed, int(meta["top"]) + len(listed))
        return True

    def _read(self, database: sqlite3.Connection, listed: Iterable[bytes], top: int) -> None:
        for done, total, rows in read_rows(self._git, listed, top=top):
            if self._progress is not None:
                self._progress(done, total, "commits")
            database.executemany("insert into steps values (?, ?, ?, ?, ?, ?)", rows)
        _put(database, version=_VERSION, main=self.main, top=str(top))

    def read_so_far(self) -> tuple[Oid | None, Head | None]:
        """Return how far the ledger was read: its commit, and the last receipt; None where nothing was."""
        meta = self._meta()
        if not meta.get("ledger"):
            return None, None
        head = json.loads(meta["head"])
        return Oid(meta["ledger"]), Head(head[0], head[1], parse_instant(head[2]), head[3], head[4])

    def add_receipts(
        self, receipts: Iterable[Receipt], *, after: Head | None, branch: str, commit: Oid, believed: str = "[]"
    ) -> None:
        """Add receipts that were verified by the keys ``believed`` (JSON); ``commit``, on ``branch``, ends with the last.

        When another process added some after ``after`` meanwhile, nothing is written: what it wrote is as good.
        """
        with self._transaction() as database:
            known = _meta(database).get("head", "")
            if known != (_head(after) if after is not None else ""):
                return
            head = after
            for n, receipt in enumerate(receipts, 1):
                if self._progress is not None and n % 1000 == 0:
                    self._progress(n, n, "receipts")
                text = json.dumps(to_statement(receipt), separators=(",", ":"), ensure_ascii=False)
                row = (receipt.sequence, receipt.digest, format_instant(receipt.at), text, receipt.void)
                database.execute("insert into receipts values (?, ?, ?, ?, ?)", row)
                names = [(kind, name, receipt.sequence) for kind, name in about(receipt)]
                database.executemany("insert or ignore into about values (?, ?, ?)", names)
                head = Head.of(receipt, head)
            last = _head(head) if head is not None else ""
            _put(database, branch=f"refs/heads/{branch}", ledger=commit, head=last, believed=believed)

    def grants_of(self, subject: str) -> tuple[GrantId, ...]:
        """Return the grants that ever named a subject, in files or in receipts, by name."""
        self._learn_all()
        named = "select distinct grant_id from subjects join steps on new = blob where plain and subject = ?"
        found = self._rows(named, (subject,))
        proved = self._rows("select name from about where kind = 'of ' || ?", (subject,))
        return tuple(sorted({GrantId(name) for (name,) in (*found, *proved)}))

    def steps(
        self, *, resource: str = "", grants: Collection[GrantId] | None = None
    ) -> tuple[tuple[GrantStep, str], ...]:
        """Return the steps of a resource, or of grants, by position, each with the subject that its new file names.

        Where neither is named, all of them.
        """
        # All names below "resource/": "0" is the character after "/".
        which = "grant_id >= ? and grant_id < ?" if resource else "1" if grants is None else f"grant_id in {_LISTED}"
        named = () if grants is None else (json.dumps([*grants]),)
        values = (f"{resource}/", f"{resource}0") if resource else named
        self._learn(which, values)
        query = f"select steps.*, subject from steps left join subjects on plain and blob = new where {which}"  # noqa: S608  (words of our own)
        rows = self._rows(query, values)
        return tuple(sorted(((_step(row), row[6] or "") for row in rows), key=lambda item: item[0]))

    def _learn_all(self) -> None:
        """Read the subjects of all files, of which only those of the steps since the last time are new."""
        meta = self._meta()
        if meta.get("learnt") != meta["top"]:
            self._learn("position > ?", (meta.get("learnt", _FIRST),))
            with self._transaction() as database:
                _put(database, learnt=meta["top"])

    def _learn(self, which: str, values: tuple[str, ...]) -> None:
        """Read the subjects of such steps' files, where no question was about them before."""
        unread = (
            "select new, min(grant_id) from steps left join subjects on blob = new "  # noqa: S608  (see above)
            f"where plain and blob is null and {which} group by new"
        )
        paths = {new.hex(): f"{FOLDER}{grant}{SUFFIX}" for new, grant in self._rows(unread, values)}
        if not paths:
            return
        read = read_blobs(self._git, paths, limit=LONGEST)
        found = [(bytes.fromhex(oid), self._read_subject(paths[oid], raw)) for oid, raw in read]
        with self._transaction() as database:
            database.executemany("insert or ignore into subjects values (?, ?)", found)

    def receipts(self, *, resource: str = "", grants: Collection[GrantId] = ()) -> tuple[Receipt, ...]:
        """Return the receipts about a resource, or about grants, in order."""
        kind, names = ("resource", [resource]) if resource else ("grant", [*grants])
        named = f"select sequence from about where kind = ? and name in {_LISTED}"  # noqa: S608  (see above)
        query = f"select digest, statement, void from receipts where sequence in ({named}) order by sequence"  # noqa: S608  (see above)
        return tuple(_receipt(*row) for row in self._rows(query, (kind, json.dumps(names))))

    def all_receipts(self, kinds: Collection[type[Body]] = ()) -> Iterator[Receipt]:
        """Stream every receipt in order, or those alone whose bodies are of some kinds.

        The index is free between pages. Raises EdgeError where what was read is not there any more with the next one.
        """
        # What people wrote may hold the words as well: what is found is looked at again.
        names = [f'"kind":"{kind_named(kind)}"' for kind in kinds]
        meant = f"and ({' or '.join('instr(statement, ?)' for _ in names)})" if names else ""
        asked = f"select sequence, digest, statement, void from receipts where sequence >= ? {meant} order by sequence limit ?"  # noqa: S608  (words of our own)
        last, digest = 0, ""
        while True:
            rows = self._rows(asked, (last, *names, _PAGE))
            if digest and (not rows or rows[0][1] != digest):
                raise EdgeError(f"{self.path} was built anew while it was read", hint="ask again")
            for _, *row in rows[1:] if digest else rows:
                receipt = _receipt(*row)
                if not kinds or isinstance(receipt.body, tuple(kinds)):
                    yield receipt
            if len(rows) < _PAGE:
                return
            last, digest = rows[-1][:2]

    def anchors(self, digests: Iterable[str]) -> Mapping[str, datetime]:
        """Return when receipts with these envelope digests were written; those that none has are left out."""
        asked = f"select digest, at from receipts where digest in {_LISTED}"  # noqa: S608  (see above)
        return {digest: parse_instant(at) for digest, at in self._rows(asked, (json.dumps([*digests]),))}

    def messages(self, commits: Iterable[Oid]) -> Mapping[Oid, str]:
        """Return commits' messages. Raises EdgeError for one that is missing."""
        return GitHistory(self._git).messages(commits)

    def contents(self, blobs: Collection[Oid]) -> Mapping[Oid, bytes]:
        """Return what files hold, by id; an object that is not there, or is no file, is left out."""
        return KeptFiles(self._git, self.path).contents(blobs)

    def heads(self, commits: Collection[Oid]) -> Mapping[Oid, str]:
        """Return commits' messages; of what is no commit of this clone nothing."""
        return {oid: message(raw) for oid, raw in present(self._git, commits, b"commit")}

    def _meta(self) -> dict[str, str]:
        with self._opened() as database:
            return _meta(database)

    def _rows(self, query: str, values: tuple[str | int, ...]) -> list[Any]:
        with self._opened() as database, suppress(UnicodeEncodeError):  # every name in it is text
            return database.execute(query, values).fetchall()
        return []

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        with usable(self.path), closing(sqlite3.connect(self.path, timeout=_WAIT, isolation_level=None)) as database:
            yield database

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._opened() as database, writing(database):
            yield database


def _step(row: tuple[Any, ...]) -> GrantStep:
    position, commit, grant, old, new = row[:5]
    return GrantStep(position, Oid(commit.hex()), GrantId(grant), _oid(old), _oid(new))


def _receipt(digest: str, text: str, void: int) -> Receipt:
    receipt = from_statement(decode(text), digest)
    return replace(receipt, void=True) if void else receipt


def _oid(raw: bytes) -> Oid:
    return Oid(raw.hex()) if raw else ABSENT


def _head(head: Head) -> str:
    return json.dumps([head.sequence, head.digest, format_instant(head.at), head.main, head.version])


def _meta(database: sqlite3.Connection) -> dict[str, str]:
    return dict(database.execute("select key, value from meta").fetchall())


def _put(database: sqlite3.Connection, **values: str) -> None:
    database.executemany("insert or replace into meta values (?, ?)", list(values.items()))
