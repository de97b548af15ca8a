"""What a merge makes of main: main's tree with exactly the paths that the pull request changed."""

from __future__ import annotations

from daypass.core.errors import ConflictError, EdgeError
from daypass.core.grant import ABSENT, Oid
from daypass.edges.git.history import GitHistory
from daypass.edges.git.plumbing import Git
from daypass.edges.git.trees import write_entries
from daypass.ports import Change

_NO_MODE = "000000"


def fork_point(git: Git, main: Oid, head: Oid, branch: str) -> Oid:
    """Return where a branch left main. Raises EdgeError when it shares no history with main.

    Raises ConflictError when main has all of it already, and where there are several such points: what the branch
    changed could then be told in several ways.
    """
    history = GitHistory(git)
    first = history.merge_base(main, head)  # refuses a shallow clone
    if first is None:
        raise EdgeError(f"branch {branch!r} shares no history with main", hint="make the branch from main")
    if first == head:
        raise ConflictError(
            f"branch {branch!r} has nothing that main has not", hint="commit the change on the branch first"
        )
    found = git.text("merge-base", "--all", main, head).split()
    if len(found) > 1:
        raise ConflictError(
            f"branch {branch!r} and main were merged across each other", hint="make the change on a new branch"
        )
    return first


def merged_tree(git: Git, main: Oid, head: Oid, branch: str) -> Oid:
    """Return the tree of the merge. Raises ConflictError when main has changed one of the paths to something else."""
    history = GitHistory(git)
    root = fork_point(git, main, head, branch)
    changes = history.changes(root, head)
    meanwhile = {change.path: change for change in history.changes(root, main)}
    puts: list[tuple[str, str, Oid | None]] = []
    for change in changes:
        other = meanwhile.get(change.path)
        if other is None:
            puts.append((change.path, change.new_mode, None if change.deleted else change.new))
        elif _result(other) != _result(change):
            raise ConflictError(
                f"main has changed {change.path!r} since branch {branch!r} left it",
                hint="make the change on a new branch of main",
            )
    return write_entries(git, main, puts)


def _result(change: Change) -> tuple[str, Oid]:
    return (_NO_MODE, ABSENT) if change.deleted else (change.new_mode, change.new)
