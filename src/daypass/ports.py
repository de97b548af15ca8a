"""What the pipeline needs of the world.

Reading and writing are separate halves: checking and planning hold only the first.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:  # only named here: their modules would cost every start 30 ms
    from daypass.core.bounds.watch import Condition, Watched
    from daypass.core.catalogue import Catalogue
    from daypass.core.forge import (
        Account,
        Call,
        Change,
        Commit,
        Complaint,
        Entry,
        Landing,
        Merge,
        Pull,
        Remark,
        Review,
        Ticket,
    )
    from daypass.core.ids import Oid
    from daypass.core.ledger.receipt import Body
    from daypass.core.ledger.records import Handed
    from daypass.core.ledger.standing import Standing
    from daypass.core.plan import Done, Entitlement, Found, Numbers, Order
    from daypass.core.planning.drift import Health, Inspection, Traits
    from daypass.core.request import Notice


class History(Protocol):
    """Reading a git repository. Every method raises EdgeError when git fails, never an empty answer instead."""

    def resolve(self, revision: str) -> Oid:
        """Return the commit that a revision names. Raises EdgeError when it names none."""

    def find(self, revision: str) -> Oid | None:
        """Return the commit that a revision names, None when there is no such ref."""

    def entries(self, revision: str, under: str = "", without: Collection[str] = ()) -> Iterator[Entry]:
        """Stream the leaves of a commit's tree below a folder, in git's order, but those of the folders there ``without``."""

    def folders(self, revision: str, under: str) -> Mapping[str, str]:
        """Return the folders directly below one of a commit: the name of each, and the id of all that lies in it."""

    def folder(self, revision: str, name: str) -> str:
        """Return the id of all that lies in a folder of a commit, the same for the same; "" where it is not there."""

    def files(self, revision: str, under: str, wanted: Callable[[Entry], bool]) -> list[tuple[Entry, bytes]]:
        """Return the leaves below a folder that are ``wanted``, in git's order, each with what it holds."""

    def blobs(self, oids: Iterable[Oid]) -> Iterator[tuple[Oid, bytes]]:
        """Stream contents in the order asked. Raises EdgeError for an object that is missing or no blob."""

    def sizes(self, oids: Iterable[Oid]) -> Mapping[Oid, int]:
        """Return the size in bytes of objects, unread. Raises EdgeError for one that is missing."""

    def changes(self, base: str, head: str, *, most: int | None = None) -> tuple[Change, ...]:
        """Return the paths that differ between two commits' trees, without rename detection.

        Raises InvalidError where they are more than ``most``, before the others are read: a few small trees can name
        each other until there are millions.
        """

    def merge_base(self, one: str, other: str) -> Oid | None:
        """Return the best common ancestor, None where there is none."""

    def merge_bases(self, one: str, other: str) -> tuple[Oid, ...]:
        """Return the best common ancestors: several where the two were merged across each other."""

    def commits(self, base: str, head: str) -> tuple[Commit, ...]:
        """Return the commits that head has and base has not, oldest first.

        Raises InvalidError, having read none, for more or longer ones than any request needs.
        """

    def messages(self, commits: Iterable[Oid]) -> Mapping[Oid, str]:
        """Return commits' messages by id. Raises EdgeError for one that is missing."""

    def landings(self, since: Oid | None, until: Oid) -> Iterator[Landing]:
        """Stream main's first-parent steps after ``since`` (None: from the root) up to ``until``, oldest first.

        Merges are compared with their first parent, so that a grant slipped into a merge is seen.
        """

    def is_ancestor(self, old: Oid, new: Oid) -> bool:
        """Say whether ``old`` is ``new`` or one of its ancestors."""

    def is_shallow(self) -> bool:
        """Say whether history is cut, so that audits would answer wrongly."""

    def is_partial(self) -> bool:
        """Say whether contents were left at a server, so that each file that is read must be fetched."""


class ForgeReader(Protocol):
    """Reading pull requests. Unknown numbers raise EdgeError; an unreadable record raises, it is never skipped."""

    def pull(self, number: int) -> Pull:
        """Return one pull request as it is now."""
        ...

    def open_pulls(self) -> tuple[Pull, ...]:
        """Return the open pull requests by number.

        One that cannot be read is there all the same, so that it stops nobody else's: `pull` raises for it.
        """
        ...

    def unmerged_pulls(self, since: datetime) -> tuple[Pull, ...]:
        """Return the pull requests that are open or were closed, and that anything happened to since an instant, by number.

        Those that nothing happened to may be among them. Each is as `open_pulls` returns it.
        """
        ...

    def reviews(self, number: int) -> tuple[Review, ...]:
        """Return every review of a pull request, oldest first, earlier heads and withdrawals included."""
        ...

    def mains_at(self, instants: Collection[datetime]) -> Mapping[datetime, tuple[Oid, ...]]:
        """Return where main can have stood at instants; one is left out, or has none, where the forge does not tell."""
        ...

    def merged_as(self, commit: Oid) -> Pull | None:
        """Return the pull request that main's commit came from by the forge's own record, None when there is none."""
        ...

    def acting(self) -> Account:
        """Return who is acting, as the forge knows them."""
        ...

    def watch(self, conditions: Collection[Condition]) -> Mapping[Condition, Watched]:
        """Say of each condition of ``ends_when`` whether it has come about, or why nobody can tell. Fails for none."""
        ...

    def clock(self) -> datetime | None:
        """Ask what the forge takes the time to be, None where it has no clock of its own."""
        ...


class Forge(ForgeReader, Protocol):
    """Changing pull requests, too. A lost race raises ConflictError and changes nothing."""

    def open(self, *, branch: str, head: Oid, title: str, at: datetime, body: str = "", reason: str = "") -> Pull:
        """Open a pull request of a branch that stands at ``head``. ``body`` is Markdown for people, never read back.

        ``reason`` is kept with the forge's record: words of people, which nothing is decided by.
        """
        ...

    def push(self, number: int, *, head: Oid, at: datetime) -> Pull:
        """Move an open pull request's head."""
        ...

    def review(self, number: int, *, commit: Oid, state: str, at: datetime, reason: str = "") -> Review:
        """Record a review of the acting account: approved, rejected or withdrawn. ``reason`` is kept with a rejection."""
        ...

    def merge(self, number: int, *, head: Oid, base: Oid, message: str, at: datetime) -> Merge:
        """Merge ``head`` into main, which must stand at ``base``, in one step with the record of it.

        Raises ConflictError when head or main has moved or when the changes do not apply to main, NoMergeError where the
        forge has rules of its own that do not let it.
        """
        ...

    def close(self, number: int, *, reason: str, at: datetime) -> None:
        """Close an open pull request without merging it."""
        ...

    def commit(
        self, *, branch: str, parent: Oid, files: Sequence[tuple[str, bytes | None]], message: str, at: datetime,
        fresh: bool = False,
    ) -> Oid:  # fmt: skip
        """Commit file contents (None deletes) on top of ``parent`` and point the branch there, in no work tree.

        A branch of ours that is there already is moved, or made anew, which may close its pull request; ``fresh``: it
        must not be there, since whoever made it would count among those who pushed. Raises ConflictError where it is.
        """
        ...


class Pages(Protocol):
    """Telling people at the forge how things stand. What stands there already is not said again.

    Nothing is ever read back from it: it is decoration, and anybody may write beside it.
    """

    def show(self, notice: Notice) -> tuple[str, ...]:
        """Bring check run, comment, label and review requests of a pull request up to date.

        Returns what this token may not write, in words ("comment", "check run"); a fork's token may write nothing.
        """
        ...

    def say(self, number: int, *, topic: str, text: str) -> None:
        """Keep one comment a topic on an issue or pull request, updated in place."""
        ...

    def issue(self, topic: str, *, title: str, text: str) -> int | None:
        """Keep one open issue a topic up to date and return its number; an empty text closes it, None when none is."""
        ...


class Inbox(Protocol):
    """Requests that come in words: issues and comments, always read afresh from the forge."""

    def ticket(self, number: int) -> Ticket:
        """Return one issue or pull request."""
        ...

    def remark(self, comment: int) -> Remark:
        """Return one comment by its id."""
        ...

    def asked(self, branch: str) -> int | None:
        """Return the number of the pull request that our own bot opened from a branch, whatever became of it since.

        None where it opened none; what others opened from a branch of that name does not count.
        """
        ...


class TargetReader(Protocol):
    """Looking at a target. Raises EdgeError when it cannot tell."""

    traits: Traits

    def health(self) -> Health:
        """Look at the target and at what our credential may do there. Raises EdgeError where it cannot be reached."""
        ...

    def inspect(self) -> Inspection:
        """Look for ways in beside entitlements; say what was looked at, and what cannot be seen. Raises EdgeError."""
        ...


class Target(TargetReader, Protocol):
    """Changing a target, too."""

    def carry_out(self, orders: Sequence[Order]) -> Sequence[Done]:
        """Make changes, as few steps as the target allows; one answer each, in order. One that fails stops only itself.

        A change is idempotent, and made when this returns. Raises EdgeError when it is not known of any of them whether
        it was made.
        """
        ...


@runtime_checkable
class Observing(Protocol):
    """A target that can list every entitlement it holds.

    Of any other nobody can see what exists (a certificate that was handed out), and access there ends by itself: the
    ledger's word stands for what was given, until the instant that it was given for.
    """

    def observe(self) -> frozenset[Entitlement]:
        """Return every entitlement that exists now. Raises EdgeError when it cannot tell."""
        ...


@runtime_checkable
class Fingerprinting(Observing, Protocol):
    """A target that can name what it holds, so that runs may go by what an earlier one found while it stays the same."""

    def fingerprint(self) -> Mapping[str, str]:
        """Return digests of all that the last `observe` saw, by which `find`, `ends` and `awaited` answer too; of no time.

        There is one for each resource, or one for all of it under "". Two are equal only where every answer would be: whose
        numbers count is part of it, and as whom we looked. Raises EdgeError when it cannot tell.
        """
        ...


@runtime_checkable
class Recalling(Protocol):
    """A target that keeps a list of what was handed over and counts no longer."""

    def recall(self, handed: Sequence[Handed]) -> None:
        """Be told, before a run's changes, all that was handed over and is good by itself; bring the list up to it.

        The ledger alone says what was handed over and what ended early: with it a list that was lost is whole again.
        Raises EdgeError, and then nothing is changed at the target.
        """
        ...


@runtime_checkable
class Dated(Protocol):
    """A target that has noted when what it holds is meant to end, or can hold nothing with an end."""

    def ends(self, entitlements: Iterable[Entitlement]) -> Mapping[Entitlement, datetime | None]:
        """Return when each ends as the target has it, None for one without an end; of what is left out nobody knows.

        Raises EdgeError when it cannot tell.
        """
        ...


@runtime_checkable
class Numbering(Protocol):
    """A target that knows what it holds, and whom it gives it to, by numbers that outlive their names."""

    def find(self, ours: Mapping[Entitlement, Numbers]) -> Mapping[Entitlement, Found]:
        """Say of each entitlement, by the numbers that were recorded of it, what the last `observe` saw of it.

        Without numbers (none were recorded) the names stand for what bears them now. A name that nobody bears, and
        whose number is not known, is unknown: whoever bore it may have another name. Raises EdgeError when it cannot tell
        of any.
        """
        ...


@runtime_checkable
class Timed(Protocol):
    """A target whose answers say what it takes the time to be."""

    def clock(self) -> datetime | None:
        """Return what the last `observe` was told the time is, None where it was told none."""
        ...


@runtime_checkable
class Inviting(Protocol):
    """A target where some have to accept what they are given: what is offered is no access until then."""

    def awaited(self) -> frozenset[Entitlement]:
        """Return what the last `observe` saw offered and not yet accepted. To remove it is to withdraw the offer."""
        ...


class Ledger(Protocol):
    """The ledger as the applier uses it: the verified state it adds up to, and signed appends."""

    def load(self) -> Standing:
        """Verify what is new since this machine last looked and return the state. Raises LedgerError."""
        ...

    def append(self, standing: Standing, bodies: Sequence[Body], *, at: datetime, main: str, run: str) -> Standing:
        """Sign and append receipts after ``standing``; return the new state. Raises ConflictError when others did."""
        ...


class SummingLedger(Protocol):
    """The ledger as far as a run leaves in it what it adds up to."""

    def snapshot(self, *, at: datetime, main: str, run: str) -> Standing | None:
        """Append a snapshot where many receipts have come since the last one; return the new state, None where not.

        What other machines wrote meanwhile is not fetched. Raises ConflictError where they did.
        """


class VerdictStore(Protocol):
    """Remembers which blobs were clean in a context: a cache, safe to lose."""

    def known(self, context: str, blobs: Sequence[bytes]) -> dict[bytes, tuple[str, bytes]]:
        """Return which of some blobs are known to be clean: blob id -> (resource, digest of the grant's meaning)."""

    def store(self, context: str, rows: Iterable[tuple[bytes, str, bytes]]) -> None:
        """Remember clean blobs."""

    def whole(self, context: str, folders: Mapping[str, str]) -> dict[str, int]:
        """Return which of some folders of grants, by name and id, are known to have nothing wrong, and how many files."""

    def store_whole(self, context: str, folders: Iterable[tuple[str, str, int]]) -> None:
        """Remember folders that have nothing wrong: name, id, number of files."""


class ForgeSettings(Protocol):
    """How a repository is set up at its forge. What the forge does not show is told as such."""

    @property
    def files(self) -> Collection[str]:
        """The paths of main's files that are looked at as well."""

    def risks(self, catalogue: Catalogue) -> tuple[str, ...]:
        """Say what stays a risk however the repository is set up. Asks nobody."""
        ...

    def examine(self, catalogue: Catalogue, files: Mapping[str, bytes]) -> tuple[Complaint, ...]:
        """Read everything once, and return what is unsafe by main's catalogue and those of its files that are there.

        Raises EdgeError for what fails, and for half answers.
        """
        ...

    def send(self, step: Call) -> None:
        """Make one change. Raises EdgeError."""
        ...
