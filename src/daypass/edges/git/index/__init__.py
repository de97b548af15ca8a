"""The audit index: grant steps and receipts in SQLite beside the clone, so that a question reads rows and no history.

It is a cache and proves nothing: it is keyed by main's commit and the ledger's, built on from the last indexed one,
built anew (and that is said) when history was rewritten or the file cannot be read. ``audit verify`` reads git and
the ledger instead. A whole build goes to a file of its own that replaces the old one in one step, additions are one
transaction: a killed run leaves the index as it was.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daypass.core.audit.access import GrantStep, Sources
from daypass.core.errors import EdgeError, LedgerError
from daypass.core.ids import ABSENT, FOLDER, SUFFIX, GrantId, Oid
from daypass.core.ledger.receipt import Body, Receipt
from daypass.core.ledger.rows import Row, from_rows, kind_in_row
from daypass.core.window import parse_instant
from daypass.edges.git.index.file import NAME, IndexFile, put
from daypass.edges.git.objects import blobs as read_blobs
from daypass.edges.git.objects import present
from daypass.edges.git.plumbing import Git, located
from daypass.edges.kept import LONGEST, KeptFiles

if TYPE_CHECKING:  # a question on an index that is up to date opens no ledger, and builds nothing
    from daypass.edges.git.index.building import IndexBuilder
    from daypass.edges.ledger.ledger import GitLedger
    from daypass.edges.ledger.signing import EnvelopeVerifier

Progress = Callable[[int, int, str], None]
SubjectReader = Callable[[str, bytes], str | None]
OpenLedger = Callable[[], "tuple[GitLedger, EnvelopeVerifier]"]
"""Opens the ledger's branch, with what checks the signatures of its envelopes."""

_FIRST = str(-(1 << 62))  # below every position
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
        self.path = (state or common / "daypass") / NAME
        self._file = IndexFile(self.path)

    def follow(self, at: datetime) -> Sources:
        """Bring the index up to main and the ledger, whose receipts enter once proved; say what answers at an instant rest on.

        Raises LedgerError when the ledger is missing, does not continue what this clone read before, or does not verify.
        """
        rebuilt = ""
        meta, _ = self._file.read()
        if not self._current(meta):
            if self._open_ledger is None:
                raise EdgeError(f"{self.path} is not up to date", hint="any question of `daypass audit` brings it up")
            rebuilt = self.refresh()
            self._builder().read_ledger(*self._open_ledger())
            meta = self._file.meta()
        if not meta.get("head"):
            raise LedgerError("the ledger has no receipt, not even the one that begins it", hint="restore its branch")
        sequence, _, last, *_ = json.loads(meta["head"])
        return Sources(self.main, Oid(meta["ledger"]), sequence + 1, parse_instant(last), at, rebuilt)

    def _current(self, meta: Mapping[str, str]) -> bool:
        """Say whether the index stands at main's commit and at the ledger's, so that a question needs nothing else.

        Where main has not moved, neither has the name of the ledger's branch, which main's settings give.
        """
        if meta.get("main") != self.main or not meta.get("ledger") or not meta.get("branch"):
            return False
        return self._git.find(meta["branch"]) == meta["ledger"]

    def refresh(self) -> str:
        """Bring the steps up to main's commit. Return why all were read anew, "" where they were not."""
        return self._builder().refresh()

    def _builder(self) -> IndexBuilder:
        from daypass.edges.git.index.building import IndexBuilder  # noqa: PLC0415  (see above)

        return IndexBuilder(self._git, self._file, main=self.main, progress=self._progress)

    def grants_of(self, subject: str) -> tuple[GrantId, ...]:
        """Return the grants that ever named a subject, in files or in receipts, by name."""
        self._learn_all()
        named = "select distinct grant_id from subjects join steps on new = blob where plain and subject = ?"
        found = self._file.rows(named, (subject,))
        proved = self._file.rows("select name from about where kind = 'of ' || ?", (subject,))
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
        rows = self._file.rows(query, values)
        return tuple(sorted(((_step(row), row[6] or "") for row in rows), key=lambda item: item[0]))

    def _learn_all(self) -> None:
        """Read the subjects of all files, of which only those of the steps since the last time are new."""
        meta = self._file.meta()
        if meta.get("learnt") != meta["top"]:
            self._learn("position > ?", (meta.get("learnt", _FIRST),))
            with self._file.transaction() as database:
                put(database, learnt=meta["top"])

    def _learn(self, which: str, values: tuple[str, ...]) -> None:
        """Read the subjects of such steps' files, where no question was about them before."""
        unread = (
            "select new, min(grant_id) from steps left join subjects on blob = new "  # noqa: S608  (see above)
            f"where plain and blob is null and {which} group by new"
        )
        paths = {new.hex(): f"{FOLDER}{grant}{SUFFIX}" for new, grant in self._file.rows(unread, values)}
        if not paths:
            return
        read = read_blobs(self._git, paths, limit=LONGEST)
        found = [(bytes.fromhex(oid), self._read_subject(paths[oid], raw)) for oid, raw in read]
        with self._file.transaction() as database:
            database.executemany("insert or ignore into subjects values (?, ?)", found)

    def receipts(self, *, resource: str = "", grants: Collection[GrantId] = ()) -> tuple[Receipt, ...]:
        """Return the receipts about a resource, or about grants, in order."""
        kind, names = ("resource", [resource]) if resource else ("grant", [*grants])
        named = f"select sequence from about where kind = ? and name in {_LISTED}"  # noqa: S608  (see above)
        query = f"select kind, place, body from receipts where sequence in ({named}) order by sequence"  # noqa: S608  (see above)
        return tuple(self._receipts(self._file.rows(query, (kind, json.dumps(names)))))

    def all_receipts(self, kinds: Collection[type[Body]] = ()) -> Iterator[Receipt]:
        """Stream every receipt in order, or those alone whose bodies are of some kinds.

        The index is free between pages. Raises EdgeError where what was read is not there any more with the next one.
        """
        names = [kind_in_row(kind) for kind in kinds]
        meant = f"sequence >= ? and kind in {_LISTED}" if names else "sequence >= ?"
        asked = f"select sequence, digest, kind, place, body from receipts where {meant} order by sequence limit ?"  # noqa: S608  (words of our own)
        listed = (json.dumps(names),) if names else ()
        last, digest = 0, ""
        while True:
            rows = self._file.rows(asked, (last, *listed, _PAGE))
            if digest and (not rows or rows[0][1] != digest):
                raise EdgeError(f"{self.path} was built anew while it was read", hint="ask again")
            yield from self._receipts([row[2:] for row in (rows[1:] if digest else rows)])
            if len(rows) < _PAGE:
                return
            last, digest = rows[-1][:2]

    def _receipts(self, rows: Collection[Row]) -> list[Receipt]:
        try:
            return from_rows(rows)
        except ValueError as error:
            raise EdgeError(f"{self.path} cannot be used: {error}", hint="it is a cache: it may be deleted") from error

    def anchors(self, digests: Iterable[str]) -> Mapping[str, datetime]:
        """Return when receipts with these envelope digests were written; those that none has are left out."""
        asked = f"select digest, at from receipts where digest in {_LISTED}"  # noqa: S608  (see above)
        return {digest: parse_instant(at) for digest, at in self._file.rows(asked, (json.dumps([*digests]),))}

    def messages(self, commits: Iterable[Oid]) -> Mapping[Oid, str]:
        """Return commits' messages. Raises EdgeError for one that is missing."""
        wanted = [*commits]
        if not wanted:
            return {}
        from daypass.edges.git.history import GitHistory  # noqa: PLC0415  (few questions about access need it)

        return GitHistory(self._git).messages(wanted)

    def contents(self, blobs: Collection[Oid]) -> Mapping[Oid, bytes]:
        """Return what files hold, by id; an object that is not there, or is no file, is left out."""
        return KeptFiles(self._git, self.path).contents(blobs)

    def heads(self, commits: Collection[Oid]) -> Mapping[Oid, str]:
        """Return commits' messages; of what is no commit of this clone nothing."""
        if not commits:
            return {}
        from daypass.edges.git.steps import message  # noqa: PLC0415  (see above)

        return {oid: message(raw) for oid, raw in present(self._git, commits, b"commit")}


def _step(row: tuple[Any, ...]) -> GrantStep:
    position, commit, grant, old, new = row[:5]
    return GrantStep(position, Oid(commit.hex()), GrantId(grant), _oid(old), _oid(new))


def _oid(raw: bytes) -> Oid:
    return Oid(raw.hex()) if raw else ABSENT
