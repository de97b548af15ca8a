"""The local forge: pull requests and reviews as chains of commits in refs of the repository itself.

``refs/heads/daypass/open/N`` while pull request N is open, ``refs/heads/daypass/done/N`` when it is merged or closed;
both below refs/heads, so that a bare clone carries them. Every write is a compare-and-swap on the ref. Where the
directory gives a person SSH keys, an event counts as theirs only when its commit is signed with one of them.
docs/trust.md says what this protects and what it does not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

from daypass.core.bounds.settings import Settings
from daypass.core.catalogue import Directory, Subject
from daypass.core.errors import ConflictError, EdgeError, RefusedError, UsageError
from daypass.core.finding import shown
from daypass.core.forge import Account, Merge, Pull, Review, unsigned_denial
from daypass.core.ids import ABSENT, Oid
from daypass.core.window import format_instant
from daypass.edges.forges.branches import OURS, Branches, fork_point, merged_changes, moved, requested
from daypass.edges.forges.host import Host, Run
from daypass.edges.forges.local import records, ssh
from daypass.edges.forges.local.chain import (
    DONE,
    MERGE_HINT,
    OPEN,
    Chain,
    ChainReader,
    Link,
    absent,
    done_since,
    fold,
    next_number,
    no_pull,
    open_numbers,
    read_each,
)
from daypass.edges.forges.local.settings import LocalSettings
from daypass.edges.forges.local.sharing import Sharing, behind
from daypass.edges.git.objects import object_id
from daypass.edges.git.repository import Repository
from daypass.edges.git.trees import Pack, catch_up, checked_out, commit_files, leaving

_HINTS = 4
"""So many hints of one message are followed: a message of a million would keep us busy for ever."""

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
_ATTEMPTS = 30
_NOTHING: Mapping[str, tuple[Oid, Oid]] = MappingProxyType({})


class LocalForge(Branches):
    """Implements ports.Forge. ``main`` is the full ref; ``acting`` a handle, "" for whom git's configuration names.

    No request may have the branch that ``ledger`` names, nor one that a lane of the ledger would have.
    ``left_behind`` is the work tree that could not be brought along after the last merge, since what
    ``in_the_way`` names is in the way there.
    """

    def __init__(
        self,
        repository: Repository,
        directory: Directory,
        *,
        main: str,
        ledger: str,
        acting: str = "",
        unsigned: str = "",
    ) -> None:
        self.left_behind: Path | None = None
        self.in_the_way = ""
        kept = (OPEN, DONE, f"refs/heads/{ledger}/", f"refs/heads/{ledger}-lane/")
        super().__init__(repository, directory, main=main, acting=acting, reserved=kept)
        self._chains = ChainReader(self._git)
        self._refuses = unsigned == "refuse"
        self._proved: dict[Oid, bool] = {}

    # Reading

    def pull(self, number: int) -> Pull:
        """Return one pull request as it is now. Raises EdgeError for an unknown number and for a corrupt record."""
        if number == 0:
            raise no_pull(self._git)
        return fold(self._chain(number), self._account)[0]

    def open_pulls(self) -> tuple[Pull, ...]:
        """Return the open pull requests by number.

        One whose record cannot be read is listed with nothing but its number, so that it stops nobody else's and is not
        passed over: `pull` says what is wrong with it. What stands there and is no pull request is number 0.
        """
        return tuple(pull for pull in self._pulls(open_numbers(self._git)) if pull.state == "open")

    def unmerged_pulls(self, since: datetime) -> tuple[Pull, ...]:
        """Return the open pull requests and those that were closed since an instant, by number."""
        numbers = sorted({*open_numbers(self._git), *done_since(self._git, since)})
        return tuple(pull for pull in self._pulls(numbers) if pull.state != "merged")

    def _pulls(self, numbers: Iterable[int]) -> Iterator[Pull]:
        for number, chain in read_each(self._git, numbers):
            yield fold(chain, self._account)[0] if isinstance(chain, Chain) and number else _unread(number)

    def reviews(self, number: int) -> tuple[Review, ...]:
        """Return every review of a pull request, oldest first."""
        return fold(self._chain(number), self._account)[1]

    def merged_as(self, commit: Oid) -> Pull | None:
        """Return the pull request whose record names this very merge, None when there is none.

        The trailer of the commit's message is only a hint where to look: anybody can write it.
        """
        for hint in list(dict.fromkeys(MERGE_HINT.findall(self._chains.message(commit))))[:_HINTS]:
            chain = self._chains.read(int(hint))
            if chain is not None and chain.links[-1].event.fields.get("commit") == commit and not chain.is_open:
                return fold(chain, self._account)[0]
        return None

    def acting(self) -> Account:
        """Return who is acting. Raises UsageError for a handle that the directory does not know."""
        name, email, person = self._identity()
        return self._known(person, name, email, proved=True)

    # Writing

    def open(
        self, *, branch: str, head: Oid, title: str, at: datetime, body: str = "", reason: str = ""  # noqa: ARG002  (body is kept by forges with pages)
    ) -> Pull:  # fmt: skip
        """Open a pull request of a branch that stands at ``head``.

        Raises EdgeError for a branch that has nothing to merge or shares no history with main, UsageError for a name or
        title that cannot be kept, ConflictError when the branch has moved or has an open pull request already.
        """
        ref = self._branch_ref(branch)
        self._check_stands(branch, ref, head)
        fork_point(self._git, self._tip(), head, branch)
        fields = {"branch": branch, "head": head, "title": title, "main": self._tip()}
        fields |= {"reason": reason} if reason else {}
        for attempt in range(_ATTEMPTS):
            number, others = next_number(self._git, self._main)
            there = next((pull for pull in self._pulls(others) if (pull.branch, pull.state) == (branch, "open")), None)
            if there is not None:
                raise requested(branch, there.number)
            event = records.Event(number, "opened", at, MappingProxyType(fields))
            commit = self._write_event(event, (head,))
            moves = {f"{OPEN}{number}": (ABSENT, commit), f"{DONE}{number}": (ABSENT, ABSENT), ref: (head, head)}
            try:
                self._git.update_refs(moves, reason=f"daypass: open {number}")
            except ConflictError:
                self._check_stands(branch, ref, head)
                if attempt + 1 == _ATTEMPTS:
                    raise
            else:
                return self.pull(number)
        raise RuntimeError("the last attempt returns or raises")

    def push(self, number: int, *, head: Oid, at: datetime) -> Pull:
        """Move an open pull request to where its branch stands. Reviews stay with the head they were given on."""
        chain = self._open_chain(number)
        pull = fold(chain, self._account)[0]
        if pull.head == head:
            return pull
        self._check_stands(pull.branch, self._branch_ref(pull.branch), head)
        fork_point(self._git, self._tip(), head, pull.branch)
        self._append(chain, "pushed", {"head": head, "main": self._tip()}, at, carried=(head,))
        return self.pull(number)

    def review(self, number: int, *, commit: Oid, state: str, at: datetime, reason: str = "") -> Review:
        """Record a review by who is acting. Somebody else's review at the same time is no reason to fail.

        Raises RefusedError for somebody whom the directory does not know, DeniedError for one whose word would count for
        nothing because nobody signs it, UsageError for a withdrawal of nothing,
        ConflictError when ``commit`` is not the head.
        """
        if state not in records.REVIEWS:
            raise RuntimeError(f"a review is approved, rejected or withdrawn, got {state!r}")
        me = self.acting()
        if not me.handle:
            raise RefusedError(
                f"the directory does not know {me.name}, so their review would count for nothing",
                hint="set `git config user.email` to the address that policies/directory has for you",
            )
        if self._refuses and not me.signed:
            raise unsigned_denial(me.handle)
        fields = {"commit": str(commit)} | ({"reason": reason} if reason and state == "rejected" else {})
        for attempt in range(_ATTEMPTS):
            chain = self._open_chain(number)
            pull, reviews = fold(chain, self._account)
            if pull.head != commit:
                raise ConflictError(
                    f"the head of #{number} is {pull.head[:12]} now", hint="look at it again, then review"
                )
            standing = [review.state for review in reviews if review.by.handle == me.handle and review.by.proved]
            if state == "withdrawn" and (not standing or standing[-1] == "withdrawn"):
                raise UsageError(f"{me.handle} has no review of #{number} to withdraw")
            try:
                seen = {"main": self._tip()} if state == "approved" else {}
                made = self._append(chain, state, {**fields, **seen}, at)
            except ConflictError:
                if attempt + 1 == _ATTEMPTS:
                    raise
            else:
                return next(review for review in self.reviews(number) if review.id == made)
        raise RuntimeError("the last attempt returns or raises")

    def merge(self, number: int, *, head: Oid, base: Oid, message: str, at: datetime) -> Merge:
        """Merge ``head`` into main, which must stand at ``base``; main and the record move in one step.

        Raises ConflictError when head or main has moved, or when main has changed the same paths to something else.
        """
        chain = self._open_chain(number)
        pull = fold(chain, self._account)[0]
        if pull.head != head:
            raise ConflictError(
                f"the head of #{number} is {pull.head[:12]} now, expected {head[:12]}", hint="look at it again"
            )
        if self._tip() != base:
            raise moved("main", self._tip(), base)
        name, email, _ = self._identity()
        changes = merged_changes(self._git, base, head, pull.branch)
        if str(number) not in MERGE_HINT.findall(message)[:_HINTS]:
            message = f"{message.rstrip()}\n\nDaypass-Pull: {number}\n"
        pack = Pack(len(base))
        author = (name, email)
        commit = commit_files(self._git, base, changes, (base, head), message, author=author, at=at, pack=pack)
        fields = {"base": base, "commit": commit, "head": head}
        self.bring_along()
        moves = {self._main: (base, commit), **self._moved_along(pull, base)}
        self._append(chain, "merged", fields, at, carried=(commit,), moves=moves, pack=pack)
        self.bring_along()
        merge = self.pull(number).merge
        assert merge is not None  # noqa: S101  (just written)
        return merge

    def close(self, number: int, *, reason: str, at: datetime) -> None:
        """Close an open pull request without merging it. Its branch stays."""
        self._append(self._open_chain(number), "closed", {"reason": reason}, at)

    # Who

    def _account(self, link: Link) -> Account:
        """Return whose event it is. The author is a claim; where there are keys, the signature must bear it out."""
        person = self._directory.by_email(link.email)
        proved = not self._refuses
        if person is not None and person.keys:
            if link.oid not in self._proved:
                self._proved[link.oid] = link.signed and ssh.is_signed_by(
                    self._git, link.oid, person.handle, person.keys
                )
            proved = self._proved[link.oid]
        return self._known(person, link.name, link.email, proved=proved)

    @staticmethod
    def _known(person: Subject | None, name: str, email: str, *, proved: bool) -> Account:
        if person is None:
            return Account("", shown(f"{name} <{email}>"))
        named = person.name or person.handle
        return Account(person.handle, named, person=person.is_person, proved=proved, signed=bool(person.keys))

    # Records

    def _chain(self, number: int) -> Chain:
        found = self._chains.read(number)
        if found is None:
            raise absent(self._git, number)
        return found

    def _open_chain(self, number: int) -> Chain:
        chain = self._chain(number)
        if not chain.is_open:
            raise ConflictError(f"pull request {number} is {fold(chain, self._account)[0].state} already")
        return chain

    def _append(
        self,
        chain: Chain,
        kind: str,
        fields: Mapping[str, str],
        at: datetime,
        *,
        carried: tuple[Oid, ...] = (),
        moves: Mapping[str, tuple[Oid, Oid]] = _NOTHING,
        pack: Pack | None = None,
    ) -> Oid:
        """Put an event after the last one, with other refs in the same step; return its commit.

        What was gathered in a ``pack`` before goes to git with it.
        """
        last = chain.links[-1].event
        if int(at.timestamp()) < int(last.at.timestamp()):
            was = f"#{chain.number} was {last.kind} at {format_instant(last.at)}"
            raise RefusedError(
                f"it is {format_instant(at)} here, but {was}",
                hint="set the clock, or wait until it has caught up",
            )
        event = records.Event(chain.number, kind, at, MappingProxyType(dict(fields)))
        commit = self._write_event(event, (chain.tip, *carried), pack)
        ends = kind in ("merged", "closed")
        own = (
            {chain.ref: (chain.tip, ABSENT), f"{DONE}{chain.number}": (ABSENT, commit)}
            if ends
            else {chain.ref: (chain.tip, commit)}
        )
        self._git.update_refs({**moves, **own}, reason=f"daypass: {kind} {chain.number}")
        return commit

    def _write_event(self, event: records.Event, parents: tuple[Oid, ...], pack: Pack | None = None) -> Oid:
        """Make the commit of an event, signed where the directory asks for it; no ref moves."""
        name, email, person = self._identity()
        raw = records.encode(event)
        keys = person.keys if person is not None else ()
        key = ssh.find_signing_key(self._repository.signing_key(), person) if person is not None and keys else None
        empty, files = object_id("tree", b"", len(parents[0])), [(records.FILE, raw)]
        pack = pack or Pack(len(empty))
        made = commit_files(
            self._git, empty, files, parents, event.message, author=(name, email), at=event.at, sign_with=key, pack=pack
        )
        pack.send(self._git)
        if person is not None and keys and not ssh.is_signed_by(self._git, made, person.handle, keys):
            raise EdgeError(f"git signed with another key than the directory gives {person.handle}")
        return made

    def _moved_along(self, pull: Pull, base: Oid) -> Mapping[str, tuple[Oid, Oid]]:
        """Return what moves with main from ``base``: what its work tree shows, and the request's branch.

        A branch of ours is deleted, as long as nobody has it checked out; the record keeps its commits.
        """
        ref = f"refs/heads/{pull.branch}"
        trees = checked_out(self._git, self._main, ref)
        done = pull.branch.startswith(OURS) and self._git.find(ref) == pull.head and ref not in trees
        gone = {ref: (pull.head, ABSENT)} if done else {}
        return {**leaving(self._git, base, trees.get(self._main)), **gone}

    def bring_along(self) -> None:
        """Bring the work tree that has main checked out to where main stands; a run that was killed may have left it."""
        self.left_behind, self.in_the_way = catch_up(self._git, self._main)


def _unread(number: int) -> Pull:
    nobody = Account("", "somebody whose record cannot be read")
    return Pull(number, "", "open", nobody, _LONG_AGO, "", ABSENT)


class LocalHost(Host):
    """One repository that is its own forge."""

    def __init__(self, settings: Settings, run: Run) -> None:
        self._settings = settings
        self._run = run
        self._forge: LocalForge | None = None

    def forge(self, directory: Directory) -> LocalForge:
        """Return its pull requests."""
        run, settings = self._run, self._settings
        self._forge = LocalForge(
            run.repository,
            directory,
            main=run.main,
            ledger=settings.ledger_branch,
            acting=run.acting,
            unsigned=settings.limits.unsigned,
        )
        return self._forge

    def settings(self, clock: Callable[[], datetime]) -> LocalSettings:  # noqa: ARG002  (nobody else's time is asked)
        """Return what git refuses here."""
        return LocalSettings(self._run.repository.git)

    def sharing(self, remote: str, ledger: str) -> Sharing:
        """Return what joins this clone and a remote. Raises UsageError for a name that is no remote."""
        return Sharing(self._run.repository.git, remote, main=self._run.main, ledger=ledger)

    def behind(self, ledger: str) -> tuple[str, ...]:
        """Return the remotes that had more than this clone when they were last looked at. Reads no network."""
        here = self._run.repository
        return behind(here.git, main=self._run.main, ledger=ledger) if here.tracks else ()

    def bring_along(self) -> None:
        """Bring the work tree that has main checked out to where main stands, if a run was killed before it did."""
        catch_up(self._run.repository.git, self._run.main)

    @property
    def left_behind(self) -> tuple[Path, str] | None:
        """The work tree that could not be brought along after the last merge, and what is in the way there."""
        if self._forge is None or self._forge.left_behind is None:
            return None
        return self._forge.left_behind, self._forge.in_the_way


open_host = LocalHost
