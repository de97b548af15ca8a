"""The branches of a forge whose main is this repository's: their names, commits on them, and what a merge makes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import cached_property

from daypass.core.bounds.watch import Condition, Watched
from daypass.core.catalogue import Directory, Subject
from daypass.core.errors import ConflictError, EdgeError, UsageError
from daypass.core.finding import near, shown
from daypass.core.forge import Change
from daypass.core.ids import ABSENT, Oid
from daypass.edges.git.history import GitHistory
from daypass.edges.git.plumbing import Git
from daypass.edges.git.repository import Repository
from daypass.edges.git.trees import Content, checked_out, commit_files

OURS = "daypass/"
_NO_MODE = "000000"


class Branches:
    """What forges share whose pull requests are of this repository's own branches; ports.Forge is made upon it.

    ``main`` is the full ref; ``acting`` a handle, "" for whom git's configuration names. ``reserved`` begin refs that
    no request may have.
    """

    def __init__(
        self, repository: Repository, directory: Directory, *, main: str, acting: str, reserved: tuple[str, ...] = ()
    ) -> None:
        self._repository = repository
        self._git: Git = repository.git
        self._directory = directory
        self._main = main if main.startswith("refs/") else f"refs/heads/{main}"
        self._acting = acting
        self._reserved = reserved

    def clock(self) -> None:
        """Say no time: records are dated by whoever makes them."""

    def watch(self, conditions: Collection[Condition]) -> Mapping[Condition, Watched]:
        """Tell nothing: there are no issues here."""
        return dict.fromkeys(
            conditions, Watched(unknown="this forge has no issues or pull requests of other repositories")
        )

    def mains_at(self, instants: Collection[datetime]) -> Mapping[datetime, tuple[Oid, ...]]:  # noqa: ARG002  (records are all there is)
        """Tell nothing: the records themselves name main."""
        return {}

    def commit(
        self, *, branch: str, parent: Oid, files: Sequence[tuple[str, bytes | None]], message: str, at: datetime,
        fresh: bool = False,
    ) -> Oid:  # fmt: skip
        """Commit file contents (None deletes) on top of ``parent`` and point the branch at it, touching no work tree.

        A branch of ours (``daypass/…``) is made anew when it is there already, unless it is to be ``fresh``; any other
        must stand at ``parent``. Author and committer are who is acting, so that they cannot approve their own bytes.
        """
        ref = self._branch_ref(branch)
        old = self._git.find(ref)
        if old is not None and checked_out(self._git, ref):
            raise ConflictError(f"branch {branch!r} is checked out", hint="check out another branch, then try again")
        try:
            message.encode()
        except UnicodeEncodeError as error:
            raise UsageError(f"the message {shown(message)!r} is no text: {error.reason}") from error
        name, email, _ = self._identity()
        made = commit_files(self._git, parent, files, (parent,), message, author=(name, email), at=at)
        if old == made:  # a run of the same person at the same instant was first: both mean one request
            return made
        if old is not None and (fresh or (old != parent and not branch.startswith(OURS))):
            raise moved(f"branch {branch!r}", old, parent, hint="use another branch")
        try:
            self._git.update_refs({ref: (old or ABSENT, made)}, reason="daypass: commit")
        except ConflictError:
            if self._git.find(ref) != made:
                raise
        return made

    def _identity(self) -> tuple[str, str, Subject | None]:
        """Return name and address to write into commits, and who of the directory that is."""
        if not self._acting:
            name, email = self._configured
            return name, email, self._directory.by_email(email)
        person = self._directory.subjects.get(self._acting)
        if person is None:
            hint = near(self._acting, self._directory.subjects, "--as takes a handle of policies/directory")
            raise UsageError(f"the directory does not know {self._acting!r}", hint=hint)
        if not person.emails:
            raise UsageError(
                f"{self._acting!r} has no email address in the directory, so nothing can be recorded as theirs",
                hint="add one in policies/directory",
            )
        return person.name or person.handle, person.emails[0], person

    @cached_property
    def _configured(self) -> tuple[str, str]:
        return self._repository.identity()

    def _tip(self) -> Oid:
        found = self._git.find(self._main)
        if found is None:
            raise EdgeError(f"there is no branch {self._main.removeprefix('refs/heads/')!r}")
        return found

    def _branch_ref(self, branch: str) -> str:
        return branch_ref(self._git, branch, self._main, self._reserved)

    def _check_stands(self, branch: str, ref: str, head: Oid) -> None:
        found = self._git.find(ref)
        if found != head:
            raise moved(f"branch {branch!r}", found, head)


def branch_ref(git: Git, branch: str, main: str, reserved: tuple[str, ...] = ()) -> str:
    """Return the ref of a request's branch. Raises UsageError for what can be none: ``main``, and refs that are reserved."""
    ref = f"refs/heads/{branch}"
    if shown(branch) != branch or not git.takes_ref(ref):
        raise UsageError(f"{shown(branch)!r} cannot be the name of a branch")
    if ref == main or f"{ref}/".startswith(reserved):
        raise UsageError(f"branch {branch!r} is no branch for a request", hint="use a branch of its own")
    return ref


def moved(what: str, there: Oid | None, expected: Oid, hint: str = "run the command again") -> ConflictError:
    """Return the error for a branch that stands elsewhere than whoever asks expects."""
    where = f"stands at {there[:12]}" if there is not None else "is not there"
    return ConflictError(f"{what} {where}, expected {expected[:12]}", hint=hint)


def nothing_new(branch: str) -> ConflictError:
    """Return the error for a request to merge nothing."""
    hint = "commit the change on the branch first"
    return ConflictError(f"branch {branch!r} has nothing that main has not", hint=hint)


def requested(branch: str, number: int) -> ConflictError:
    """Return the error for a branch that somebody has a pull request of."""
    hint = f"close #{number} first, or use another branch"
    return ConflictError(f"branch {branch!r} has an open pull request already: #{number}", hint=hint)


def fork_point(git: Git, main: Oid, head: Oid, branch: str) -> Oid:
    """Return where a branch left main. Raises EdgeError when it shares no history with main.

    Raises ConflictError when main has all of it already, and where there are several such points: what the branch
    changed could then be told in several ways.
    """
    found = GitHistory(git).merge_bases(main, head)  # refuses a shallow clone
    if not found:
        raise EdgeError(f"branch {branch!r} shares no history with main", hint="make the branch from main")
    if found[0] == head:
        raise nothing_new(branch)
    if len(found) > 1:
        raise ConflictError(
            f"branch {branch!r} and main were merged across each other", hint="make the change on a new branch"
        )
    return found[0]


def merged_changes(git: Git, main: Oid, head: Oid, branch: str) -> list[tuple[str, Content]]:
    """Return what the merge changes of main.

    Raises ConflictError when main has changed one of the paths to something else.
    """
    history = GitHistory(git)
    root = fork_point(git, main, head, branch)
    changes = history.changes(root, head)
    meanwhile = {change.path: change for change in history.changes(root, main)}
    puts: list[tuple[str, Content]] = []
    for change in changes:
        other = meanwhile.get(change.path)
        if other is None:
            puts.append((change.path, None if change.deleted else (change.new_mode, change.new)))
        elif _result(other) != _result(change):
            raise ConflictError(
                f"main has changed {change.path!r} since branch {branch!r} left it",
                hint="make the change on a new branch of main",
            )
    return puts


def _result(change: Change) -> tuple[str, Oid]:
    return (_NO_MODE, ABSENT) if change.deleted else (change.new_mode, change.new)
