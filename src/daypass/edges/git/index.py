"""The audit index: grant steps and receipts in SQLite beside the clone, so that a question reads rows and no history.

It is a cache and proves nothing: it is keyed by main's commit and the ledger's, built on from the last indexed one, built
anew (and that is said) when history was rewritten or the file cannot be read. ``audit verify`` reads git and the ledger
instead. A whole build goes to a file of its own that replaces the old one in one step, additions are one transaction:
a killed run leaves the index as it was.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from daypass.core.audit import Anchor, Indexed, Refreshed, Step
from daypass.core.errors import EdgeError, RefusedError
from daypass.core.grant import ABSENT, GrantId, Oid
from daypass.core.receipt import Admission, Intent, Outcome, Receipt, Refusal, Retirement
from daypass.edges.git.plumbing import Git

FILE = Path("daypass/audit.sqlite")
"""Where the index lies, below the clone's own folder."""

Progress = Callable[[int, int, str], None]
SubjectReader = Callable[[str, bytes], str | None]

_VERSION = "1"
_WAIT = 60.0
_TABLES = """
create table meta (key text primary key, value text not null) without rowid;
create table steps (position integer not null, commit_id blob not null, grant_id text not null, old blob not null,
    new blob not null, subject text);
create table receipts (sequence integer primary key, digest text not null, at integer not null, statement text not null);
create table about (kind text not null, name text not null, sequence integer not null,
    primary key (kind, name, sequence)) without rowid;
"""
_INDEXES = """
create index steps_grant on steps (grant_id, position);
create index steps_subject on steps (subject, grant_id) where subject is not null;
create index receipts_digest on receipts (digest);
"""
_COLUMNS = "position, commit_id, grant_id, old, new, subject"


class AuditIndex:
    """One clone's index. Questions may be asked once `refresh` has run."""

    def __init__(self, git: Git, *, main: str, read_subject: SubjectReader) -> None:
        """Find the clone and where ``main`` (a revision) stands; nothing is read or built yet.

        ``read_subject`` reads the subject of a grant file (path, contents) strictly, None where it is no grant. Raises
        RefusedError for a shallow clone: its oldest commit seems to bring every file at once, so each answer would be
        wrong. Raises EdgeError where ``main`` names no commit.
        """
        self._git = git
        self._read_subject = read_subject
        common, self.main = _locate(git, main)
        self.path = common / FILE

    def refresh(self, progress: Progress | None = None) -> Refreshed:
        """Bring the steps up to main's commit; say how many were read, and why all of them where that was needed.

        Runs nothing of git when the index stands there already.
        """
        rebuilt = self._unusable()
        if not rebuilt:
            last = self._meta().get("main", "")
            if last == self.main:
                return Refreshed(self.main, 0, "")
            if self._git.attempt("merge-base", "--is-ancestor", last, self.main).returncode == 0:
                return Refreshed(self.main, self._extend(progress), "")
            rebuilt = f"main's history was rewritten: {last[:12]}, indexed before, is no longer in it"
        return Refreshed(self.main, self._build(progress), "" if rebuilt == _NEW else rebuilt)

    def _unusable(self) -> str:
        if not self.path.exists():
            return _NEW
        try:
            version = self._meta().get("version", "")
        except sqlite3.DatabaseError as error:
            return f"the index could not be read: {error}"
        return "" if version == _VERSION else f"the index has the format {version!r}, and this daypass writes {_VERSION!r}"

    def _build(self, progress: Progress | None) -> int:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.path.with_name(f"{self.path.name}.{os.getpid()}.new")
        fresh.unlink(missing_ok=True)
        try:
            with closing(sqlite3.connect(fresh, isolation_level=None)) as database:
                # The file is nobody's yet, and thrown away after any failure: no journal is needed to undo anything.
                database.executescript("pragma journal_mode = off; pragma synchronous = off;" + _TABLES)
                database.execute("begin")
                count = self._read(database, None, 0, progress)
                database.execute("commit")
                database.executescript(_INDEXES)
            with fresh.open("rb") as written:
                os.fsync(written.fileno())
            fresh.replace(self.path)
        finally:
            fresh.unlink(missing_ok=True)
        return count

    def _extend(self, progress: Progress | None) -> int:
        with self._transaction() as database:
            meta = _meta(database)
            if meta["main"] == self.main:  # another process was first
                return 0
            if meta["main"] and self._git.attempt("merge-base", "--is-ancestor", meta["main"], self.main).returncode:
                raise EdgeError("the index was built for another history meanwhile", hint="run the command again")
            return self._read(database, Oid(meta["main"]), int(meta["next"]), progress)

    def _read(self, database: sqlite3.Connection, since: Oid | None, first: int, progress: Progress | None) -> int:
        from daypass.edges.git import index_build  # noqa: PLC0415  (a question on an index that is up to date needs none)

        listed = index_build.steps(self._git, since, self.main)

        def tell(done: int, total: int) -> None:
            if progress is not None:
                progress(done, total, "commits")

        batches = index_build.rows(
            self._git, listed, first=first, slow_subject=self._read_subject, progress=tell
        )
        for batch in batches:
            database.executemany(f"insert into steps ({_COLUMNS}) values (?, ?, ?, ?, ?, ?)", batch)
        _put(database, version=_VERSION, main=self.main, next=str(first + len(listed)))
        return len(listed)

    @property
    def indexed(self) -> Indexed:
        """How far the ledger was read into the index; nothing where it was not."""
        meta = self._meta()
        return Indexed(Oid(meta.get("ledger", "")), int(meta.get("receipts", "0")), meta.get("digest", ""))

    def add_receipts(
        self, rows: Iterable[tuple[Receipt, str, Mapping[str, Any]]], *, after: Indexed, head: Oid
    ) -> None:
        """Add verified receipts, in order, each with its envelope's digest and its statement.

        ``after`` is what they follow: when another process added some meanwhile, nothing is written, and what it wrote
        is used. ``head`` is the ledger commit that holds them all.
        """
        with self._transaction() as database:
            meta = _meta(database)
            if int(meta.get("receipts", "0")) != after.count or meta.get("digest", "") != after.digest:
                return
            count, last = after.count, after.digest
            for receipt, digest, statement in rows:
                text = json.dumps(statement, separators=(",", ":"))
                second = int(receipt.at.timestamp())
                database.execute("insert into receipts values (?, ?, ?, ?)", (receipt.sequence, digest, second, text))
                names = [(kind, name, receipt.sequence) for kind, name in _about(receipt)]
                database.executemany("insert into about values (?, ?, ?)", names)
                count, last = count + 1, digest
            _put(database, ledger=head, receipts=str(count), digest=last)

    def forget_receipts(self) -> None:
        """Drop every receipt, to read a ledger anew that no longer continues what was indexed."""
        with self._transaction() as database:
            database.execute("delete from receipts")
            database.execute("delete from about")
            _put(database, ledger="", receipts="0", digest="")

    def grants_of(self, subject: str) -> tuple[GrantId, ...]:
        """Return the grants that ever named a subject, in files or in receipts, by name."""
        found = self._rows("select distinct grant_id from steps where subject = ?", (subject,))
        proved = self._rows("select name from about where kind = 'of ' || ?", (subject,))
        return tuple(sorted({GrantId(name) for (name,) in (*found, *proved)}))

    def steps(self, *, resource: str = "", grants: Collection[GrantId] = ()) -> tuple[tuple[Step, str], ...]:
        """Return the steps of a resource, or of grants, by position, each with the subject that its new file names."""
        if resource:
            # All names below "resource/": "0" is the character after "/".
            where, values = "grant_id >= ? and grant_id < ?", [(f"{resource}/", f"{resource}0")]
        else:
            where, values = "grant_id = ?", [(grant,) for grant in grants]
        found = [row for value in values for row in self._rows(f"select {_COLUMNS} from steps where {where}", value)]
        return tuple(sorted(((_step(row), row[5] or "") for row in found), key=lambda item: item[0]))

    def statements(self, *, resource: str = "", grants: Collection[GrantId] = ()) -> tuple[Mapping[str, Any], ...]:
        """Return the statements of the receipts about a resource, or about grants, in order; of all where neither is given."""
        if not resource and not grants:
            rows = self._rows("select statement from receipts order by sequence", ())
            return tuple(json.loads(text) for (text,) in rows)
        asked = [("resource", resource)] if resource else [("grant", str(grant)) for grant in grants]
        query = "select sequence, statement from about join receipts using (sequence) where kind = ? and name = ?"
        found = dict(row for names in asked for row in self._rows(query, names))
        return tuple(json.loads(found[sequence]) for sequence in sorted(found))

    def anchors(self, digests: Iterable[str]) -> Mapping[str, Anchor]:
        """Return which receipts have these envelope digests; those that none has are left out."""
        found = {}
        for digest in digests:
            for sequence, at in self._rows("select sequence, at from receipts where digest = ?", (digest,)):
                found[digest] = Anchor(sequence, datetime.fromtimestamp(at, UTC))
        return found

    def last_receipt(self) -> Anchor | None:
        """Return the ledger's last receipt; None while it has none."""
        for sequence, at in self._rows("select sequence, at from receipts order by sequence desc limit 1", ()):
            return Anchor(sequence, datetime.fromtimestamp(at, UTC))
        return None

    def messages(self, commits: Iterable[Oid]) -> Mapping[Oid, str]:
        """Return commits' messages. Raises EdgeError for one that is missing."""
        return messages(self._git, commits)

    def _meta(self) -> dict[str, str]:
        with closing(self._connect()) as database:
            return _meta(database)

    def _rows(self, query: str, values: tuple[str, ...]) -> list[Any]:
        with closing(self._connect()) as database:
            return database.execute(query, values).fetchall()

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self.path, timeout=_WAIT, isolation_level=None)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with closing(self._connect()) as database:
            database.execute("begin immediate")
            try:
                yield database
            except BaseException:
                database.execute("rollback")
                raise
            database.execute("commit")


_NEW = "new"


def _locate(git: Git, main: str) -> tuple[Path, Oid]:
    if main.startswith("-"):
        raise EdgeError(f"{main!r} names no commit")
    asked = git.attempt("rev-parse", "--git-common-dir", "--is-shallow-repository", f"{main}^{{commit}}", "--")
    lines = os.fsdecode(asked.stdout).splitlines()
    if asked.returncode != 0 or len(lines) < 3:  # noqa: PLR2004  (one line an answer)
        raise EdgeError(f"{main!r} names no commit", hint="audit runs inside a clone of the access repository")
    if lines[1] != "false":
        raise RefusedError(
            "this clone is shallow: its history is cut, so the audit would answer wrongly",
            hint="run `git fetch --unshallow` first",
        )
    return (git.folder / lines[0]).resolve(), Oid(lines[2])


def messages(git: Git, commits: Iterable[Oid]) -> Mapping[Oid, str]:
    """Return commits' messages by id. Raises EdgeError for one that is missing."""
    from daypass.edges.git.index_build import contents  # noqa: PLC0415  (loads threads, which a question seldom needs)

    wanted = list(dict.fromkeys(commits))
    if not wanted:
        return {}
    found = contents(git, [oid.encode() for oid in wanted])
    return {Oid(oid.decode()): raw.partition(b"\n\n")[2].decode("utf-8", "replace") for oid, raw in found}


def _about(receipt: Receipt) -> set[tuple[str, str]]:
    body = receipt.body
    if isinstance(body, Admission):
        return {("grant", body.grant), ("resource", body.resource), (f"of {body.subject}", body.grant)}
    if isinstance(body, Refusal | Retirement):
        return {("grant", body.grant), ("resource", body.grant.partition("/")[0])}
    if isinstance(body, Outcome):
        grants = {("grant", str(grant)) for grant in body.change.grants}
        return grants | {("resource", body.change.entitlement.resource)}
    if isinstance(body, Intent):
        return {("resource", change.entitlement.resource) for change in body.changes}
    return set()


def _step(row: tuple[int, bytes, str, bytes, bytes, str | None]) -> Step:
    position, commit, grant, old, new, _ = row
    return Step(position, Oid(commit.hex()), GrantId(grant), _oid(old), _oid(new))


def _oid(raw: bytes) -> Oid:
    return Oid(raw.hex()) if raw else ABSENT


def _meta(database: sqlite3.Connection) -> dict[str, str]:
    return dict(database.execute("select key, value from meta").fetchall())


def _put(database: sqlite3.Connection, **values: str) -> None:
    database.executemany("insert or replace into meta values (?, ?)", list(values.items()))
