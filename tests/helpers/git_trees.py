"""Trees for tests, made by the commits that carry them."""

from collections.abc import Sequence
from datetime import UTC, datetime

from daypass.core.ids import Oid
from daypass.edges.git.plumbing import Git
from daypass.edges.git.trees import Content, commit_files

AT = datetime(2026, 11, 20, tzinfo=UTC)


def write_tree(git: Git, tree_of: Oid, files: Sequence[tuple[str, Content]]) -> Oid:
    """Return the tree of a commit or tree with files put there or deleted."""
    made = commit_files(git, tree_of, files, (), "x", author=("a", "a@b"), at=AT)
    return git.check(f"{made}^{{tree}}").oid
