"""The ledger in a git branch of its own: one file a receipt, one commit an append, forward only, nothing checked out.

Receipt 1234567 is ``receipts/001/234/567.json``: its number as nine digits, so that no folder holds more than a
thousand and git's own order is the chain's. What a snapshot names lies in files of ``standing/001/234/567``. The branch
has no commit in common with main; each of its commits has one parent and adds files. That is looked at here; what stands
in the files is proved by `daypass.core.ledger.chain`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from itertools import islice
from types import MappingProxyType
from typing import NamedTuple

from daypass.core.errors import ConflictError, LedgerError, UsageError
from daypass.core.ids import ABSENT, Oid
from daypass.core.ledger.chain import Envelope, Head, Open, open_snapshot, verify_chain
from daypass.core.ledger.merkle import Tree
from daypass.core.ledger.receipt import Receipt, envelope_digest
from daypass.core.ledger.snapshot import Proof, form, read
from daypass.core.ledger.standing import Delta, Standing
from daypass.core.ledger.statement import from_statement
from daypass.edges.git.objects import Reader, blobs
from daypass.edges.git.plumbing import Git
from daypass.edges.git.promised import promised
from daypass.edges.git.remote import Remote
from daypass.edges.git.steps import landings, leads_to, near, one_after
from daypass.edges.git.trees import commit_files
from daypass.edges.ledger.shape import (
    BESIDE,
    FORGED,
    RECEIPT,
    added,
    check_parents,
    check_shape,
    in_order,
    receipt_path,
    standing_folder,
)
from daypass.edges.ledger.thin import ThinBranch

__all__ = ["LARGEST", "GitLedger", "Trail", "begin_at_snapshot", "counted", "receipt_path", "standing_folder"]

LARGEST = 16 << 20
"""No receipt is larger than this, in bytes; a larger file is refused before it is read whole."""

_AUTHOR = ("daypass", "daypass@localhost")


class GitLedger:
    """The ledger on a branch of a repository.

    With a ``remote`` the branch there is the ledger, and this clone's follows it: an append counts once it stands there.
    ``main`` is where main stands, so that the ledger of another repository is not taken for this one's; ``leads`` says
    whether a commit leads there, by what this clone has unless told otherwise.
    """

    def __init__(
        self,
        git: Git,
        branch: str,
        remote: Remote | None = None,
        main: Oid | None = None,
        leads: Callable[[Oid], bool] | None = None,
    ) -> None:
        self.branch = branch
        self.thin = ThinBranch(git, branch, remote) if promised(git).thin else None
        """The branch where this clone has not all of it."""
        self._leads = leads
        self._main = main
        self._git = git
        self._remote = remote
        self._ref = f"refs/heads/{branch}"

    def exists(self) -> bool:
        """Say whether the branch is there."""
        return self._git.find(self._ref) is not None

    def head(self) -> Oid:
        """Return the branch's commit. Raises LedgerError where there is no such branch."""
        found = self._git.find(self._ref)
        if found is None:
            raise LedgerError(
                f"the ledger is missing: there is no branch {self.branch!r}",
                hint=f"fetch it (git fetch origin {self.branch}:{self.branch}), as `daypass sync` does in a team's clone; "
                "where it was deleted, `daypass ledger restore` puts it back; `daypass init` begins a new one",
            )
        return found

    def envelopes(self, since: int = 0, *, commit: Oid | None = None) -> Iterator[Envelope]:
        """Stream envelopes with a sequence of ``since`` or more, in order, as stored and unverified.

        Reads the branch as it stands, or as it stood at ``commit``. Raises LedgerError for a gap and for anything in
        the branch that is no receipt.
        """
        tree = commit if commit is not None else self.head()
        if self.thin is not None and since:
            yield from self._read(since, list(in_order(self.thin.leaves(tree, receipt_path(since)), since)))
            return
        yield from self._read(since, list(islice(self._listed(tree), since, None)))

    def _listed(self, commit: Oid) -> Iterator[str]:
        return in_order(Reader(self._git).leaves(commit), 0)

    def added(self, old: Oid, new: Oid, *, since: int) -> Iterator[Envelope]:
        """Stream the envelopes that ``new`` has and ``old``, an earlier commit of the branch, has not.

        The first must have the number ``since``. Its cost grows with what is new, not with the ledger. Raises
        LedgerError when anything but new receipts in order lies between the two.
        """
        if self.thin is not None:
            self.thin.bring_steps(old, new)
        oids = list(in_order(added(Reader(self._git).changes(old, new), new), since))
        yield from self._read(since, oids)

    def proved(self, open_: Open, since: str = "", known: str = "") -> Proof:
        """Return the branch's receipts as all of the branch is proved.

        ``since`` names a snapshot, by number or digest, that is believed for what stands before it. ``known`` is the form of
        those that count, this release's by default. Raises UsageError where there is none, LedgerError where one is unfit.
        """
        commit = self.head()
        delta, (tree, *_) = begin_at_snapshot(self, commit, open_, since, known) if since else (Delta(), Trail(Tree()))
        start, total = delta.onto(Standing()), tree.size

        def listed() -> Iterator[str]:
            nonlocal total
            for oid in islice(self._listed(commit), tree.size, None):
                total += 1
                yield oid

        def receipts() -> Iterator[Receipt]:
            self.verify_shape()
            yield from self.own(verify_chain(counted(self._read(tree.size, listed()), tree), open_, start.head))

        beside, last = partial(self.beside, commit=commit), partial(self.newest, commit)
        more = (known or form(), self._followed(commit), last)
        return Proof(commit, receipts(), tree, start, beside, lambda: total, *more)

    def _followed(self, tip: Oid) -> Callable[[int, Oid], bool]:
        """Return what says whether the commit up to ``tip`` that brought a receipt comes right after another."""
        following = one_after(self._git, tip)

        def follows(sequence: int, before: Oid) -> bool:
            steps = [before, after] if (after := following(before)) else []
            return [self.envelope(sequence, commit=one) is not None for one in steps] == [False, True]

        return follows

    def own(self, receipts: Iterable[Receipt]) -> Iterator[Receipt]:
        """Yield receipts that are verified from the first on. Raises LedgerError where another repository's main began them.

        The first one names the commit of main on which the ledger was begun. Two repositories may share a key, or one may
        have been copied from the other: what the ledger of the one shows as ended would be taken away at the other's
        targets.
        """
        for receipt in receipts:
            # In a thin clone main goes back as far as the last receipt tells, which `hold_main` asks.
            if receipt.sequence == 0 and self.thin is None and not self._begun_here(receipt.main):
                raise _foreign(receipt.main)
            yield receipt

    def hold_main(self, last: str, first: Callable[[], Receipt]) -> None:
        """Refuse, in a thin clone, the ledger of another repository: neither its last main nor its first is one of ours."""
        if self.thin is None or self._begun_here(last):
            return
        begun = first().main
        if not self._begun_here(begun):
            raise _foreign(begun)

    def _begun_here(self, commit: str) -> bool:
        if self._main is None:
            return True
        return (
            self._leads(Oid(commit))
            if self._leads is not None and self.thin is not None
            else leads_to(self._git, Oid(commit), self._main)
        )

    def envelope(self, sequence: int, *, commit: Oid) -> bytes | None:
        """Return one envelope's bytes as of a commit, None where there is none."""
        if self.thin is not None:
            self.thin.bring(commit, [receipt_path(sequence)])
        found = Reader(self._git).get(f"{commit}:{receipt_path(sequence)}")
        return found[2] if found is not None and found[1] == b"blob" else None

    def snapshots(self, commit: Oid) -> tuple[int, ...]:
        """Return the numbers of the snapshots that a commit of the branch has files of, the newest last."""
        matches = (BESIDE.fullmatch(path) for path, _, _ in Reader(self._git).leaves(commit, "standing"))
        return tuple(dict.fromkeys(int("".join(match.groups()[:3])) for match in matches if match))

    def beside(self, sequence: int, *, commit: Oid) -> Mapping[str, bytes]:
        """Return the files of a snapshot, by name, as of a commit of the branch; none where there are none."""
        leaves = [(path, oid) for path, _, oid in Reader(self._git).leaves(commit, standing_folder(sequence))]
        read = blobs(self._git, [oid for _, oid in leaves], limit=LARGEST)
        return {path.rpartition("/")[2]: raw for (path, _), (_, raw) in zip(leaves, read, strict=True)}

    def append(
        self,
        parent: Oid,
        envelopes: Sequence[Envelope],
        *,
        message: str,
        at: datetime,
        beside: Mapping[str, bytes] = MappingProxyType({}),
    ) -> Oid:
        """Put envelopes after ``parent`` (ABSENT: begin the branch) in one commit and return it.

        ``beside`` are the files that the last of them, a snapshot, names.

        Raises ConflictError when the branch has moved on meanwhile; what was written then is in no branch.
        """
        if not envelopes:
            raise RuntimeError("an append needs an envelope")
        self._stands_at(parent)
        first = envelopes[0].sequence
        if [envelope.sequence for envelope in envelopes] != list(range(first, first + len(envelopes))):
            raise RuntimeError("envelopes are appended in order")
        if parent != ABSENT and self.envelope(first, commit=parent) is not None:
            raise RuntimeError("a receipt is never written again")
        files = [(receipt_path(envelope.sequence), envelope.raw) for envelope in envelopes]
        files += [(f"{standing_folder(envelopes[-1].sequence)}/{name}", raw) for name, raw in beside.items()]
        if not all(RECEIPT.fullmatch(path) or BESIDE.fullmatch(path) for path, _ in files):
            raise RuntimeError("what nobody could read is never written")
        start = parent
        if parent == ABSENT:
            start = Oid(self._git.text("hash-object", "-t", "tree", "-w", "--stdin", stdin=b""))
        parents = () if parent == ABSENT else (parent,)
        made = commit_files(self._git, start, files, parents, message, author=_AUTHOR, at=at)
        if self._remote is not None:
            # There first: whoever comes next reads it there. Killed before the next line, a run fetches what it wrote.
            self._remote.push(self.branch, old=parent, new=made)
        self._git.update_refs({self._ref: (parent, made)}, reason="daypass: append receipts")
        return made

    def refresh(self) -> None:
        """Bring the branch up to where it stands at the remote. Raises LedgerError when that is no continuation."""
        if self._remote is None:
            return
        try:
            self._remote.follow(self.branch)
        except ConflictError as error:
            raise LedgerError(
                f"the ledger at {self._remote.url} does not continue the one in this clone",
                hint="receipts were taken back or rewritten there: keep both clones, and find out who did it",
            ) from error

    def _stands_at(self, parent: Oid) -> None:
        """Refuse early what the move of the ref would refuse anyway, before anything is written."""
        found = self._git.find(self._ref) or ABSENT
        if found != parent:
            raise ConflictError(
                f"another run was first: the ledger stands at {found[:12]}, expected {parent[:12]}",
                hint="run the command again",
            )

    def newest(self, commit: Oid) -> int:
        """Return the number of the newest snapshot of a commit of the branch, 0 for none.

        Into a thin clone comes with it all that a run reads which begins there; where there is none, all of the branch.
        """
        if self.thin is None:
            return max(self.snapshots(commit), default=0)
        sequence, last = self.thin.newest(commit)
        if sequence:
            self.thin.bring_snapshot(commit, sequence, last)
        return sequence

    def verify_since(self, trail: Trail, until: Oid) -> None:
        """Check the shape of the branch, in a thin clone from the commit on that brought a trail's snapshot.

        That one has to follow the commit that the snapshot names, or all of the branch is looked at: it may have been taken
        away and written again, without what came after. Raises LedgerError as `verify_shape` does.
        """
        if self.thin is not None and trail.follows:
            most = self.thin.newest(until)[1] - trail.snapshot + 2  # each of ours brings a receipt or more
            steps = self.thin.steps_since(until, receipt_path(trail.snapshot), most)
            if steps is not None and self._git.text("rev-parse", f"{steps[0]}^@").split() == [trail.follows]:
                self.verify_shape(Oid(trail.follows), until)
                return
        if self.thin is not None:
            self.thin.reach()
        self.verify_shape(until=until)

    def contains(self, old: Oid, new: Oid) -> bool:
        """Say whether ``new`` is ``old`` or comes after it; False for a commit that is not there at all."""
        if self.thin is not None:
            self.thin.look_for(old)
        return leads_to(self._git, old, new)

    def verify_shape(self, since: Oid | None = None, until: Oid | None = None) -> int:
        """Check that each commit after ``since`` (None: all) has one parent and only adds receipts; count them.

        Raises LedgerError naming the commit that does anything else, and for a clone whose history is cut.
        """
        tip = until or self.head()
        if self.thin is not None:
            self.thin.bring_steps(since, tip)
        elif self._git.is_shallow():
            raise LedgerError("the ledger's history is cut off in this clone", hint="git fetch --unshallow")
        found = near(self._git, since, tip)
        if found is not None:
            return check_shape(found, since)
        span = [tip] + ([f"^{since}"] if since is not None else [])
        from tempfile import TemporaryFile  # noqa: PLC0415  (short answers need no file)

        with TemporaryFile() as listed:
            listed.write(self._git.run("rev-list", "--parents", "--topo-order", "--reverse", *span))
            listed.seek(0)
            for count, line in enumerate(listed):
                commit, *parents = line.decode().split()
                check_parents(commit, parents, first=count == 0 and since is None)
            listed.seek(0)
            return check_shape(landings(self._git, since, listed), since)

    def _read(self, first: int, oids: Iterable[str]) -> Iterator[Envelope]:
        if self.thin is not None:
            promised(self._git).bring(oids := list(oids))
        for sequence, (_, raw) in enumerate(blobs(self._git, oids, limit=LARGEST), first):
            if len(raw) > LARGEST:
                raise LedgerError(f"receipt {sequence} is larger than {LARGEST} bytes", hint=FORGED)
            yield Envelope(sequence, raw)


class Trail(NamedTuple):
    """What is kept of the receipts that were read: the tree over them, and the number of the last snapshot, 0 for none.

    One of a form that this release does not know is none. ``follows`` is the commit that the one that was begun at names.
    """

    tree: Tree
    snapshot: int = 0
    follows: str = ""


def counted(envelopes: Iterable[Envelope], tree: Tree) -> Iterator[Envelope]:
    """Yield envelopes, and put each into the tree once the next is asked for."""
    for envelope in envelopes:
        yield envelope
        tree.add(envelope.raw)


def begin_at_snapshot(
    ledger: GitLedger, commit: Oid, open_: Open, named: str = "", known_form: str = ""
) -> tuple[Delta, Trail]:
    """Return what leads from nothing to a snapshot of a commit of the branch, and the trail to it.

    It is the newest, or the one that is ``named`` by its number or its digest: UsageError where none is. Raises LedgerError
    where there is none at all, and where anything about it does not fit.
    """
    sequence = _find(ledger, commit, ledger.snapshots(commit), named) if named else ledger.newest(commit)
    raw = ledger.envelope(sequence, commit=commit)
    if raw is None:
        raise LedgerError(f"there is no receipt {sequence}")
    with _about_snapshot(sequence):
        receipt, body = open_snapshot(Envelope(sequence, raw), open_)
    first = ledger.envelope(0, commit=commit)
    for _ in ledger.own([from_statement(open_(first))] if first is not None else []):
        pass  # what stands before a snapshot is not read: whose ledger it is, its first receipt says
    tree = Tree(body.size, body.frontier)
    tree.add(raw)
    with _about_snapshot(sequence):
        delta = read(body, Head.of(receipt, None), ledger.beside(sequence, commit=commit), known_form)
    return delta, Trail(tree, sequence, body.follows)


@contextmanager
def _about_snapshot(sequence: int) -> Iterator[None]:
    """Say of what is odd about a snapshot which one it is of, and what to do for who asked to begin at it."""
    try:
        yield
    except LedgerError as error:
        raise LedgerError(
            f"nothing can begin at snapshot {sequence}: {error.message}",
            hint="`daypass audit verify` without --since reads all from the start, and names what does not follow",
        ) from error


def _foreign(main: str) -> LedgerError:
    return LedgerError(
        f"the ledger was begun on commit {main[:12]}, which main here does not have: it is another "
        "repository's, or main was replaced",
        hint="fetch main and the ledger of one repository; `daypass ledger restore` finds the ledger of this one",
    )


def _find(ledger: GitLedger, commit: Oid, known: Sequence[int], named: str) -> int:
    for sequence in reversed(known):
        raw = ledger.envelope(sequence, commit=commit)
        if raw is not None and named in (str(sequence), envelope_digest(raw)):
            return sequence
    there = f"its last one is receipt {known[-1]}" if known else "it has none"
    raise UsageError(
        f"the ledger has no snapshot {named}: {there}", hint="leave it out, and all is read from the start"
    )
