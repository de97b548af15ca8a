"""Commits that the hub itself makes: trees changed in an index of its own, no work tree."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from github_double import gitfiles, gitio
from github_double.state import ZERO, Repo, User

if TYPE_CHECKING:
    from github_double.double import Double


def identity(hub: Double, user: User, email: str = "") -> str:
    """A person as a commit names them, at the hub's present."""
    name = (user.name or user.login or "ghost").translate({ord(c): None for c in "<>\n"})
    return f"{name} <{email or user.email or user.noreply}> {int(hub.now().timestamp())} +0000"


def change_tree(path: Path, base: str | None, changes: list[tuple[str, str, str]]) -> str:
    """Return the tree of ``base`` (none: empty) with (mode, object, path) put in; an object of ZERO takes out.

    A path may be a folder: then everything below it goes, or is replaced by that tree. Raises GitError.
    """
    if all(gitfiles.is_plain(name) for _, _, name in changes):
        return _plainly_changed(path, base, changes)
    with tempfile.TemporaryDirectory() as folder:
        index = {"GIT_INDEX_FILE": f"{folder}/index"}
        if base:
            gitio.run(path, "read-tree", base, env=index)
        below = {p for mode, oid, p in changes if oid == ZERO or mode == "040000"}
        gone = [n for n in gitio.text(path, "ls-files", "-z", env=index).split("\0") if below and _inside(n, below)]
        plain = [(mode, oid, name) for mode, oid, name in changes if oid != ZERO and mode != "040000"]
        rows = [*(("0", ZERO, name) for name in gone), *plain]
        lines = b"".join(f"{mode} {oid}\t{name}".encode("utf-8", "surrogateescape") + b"\0" for mode, oid, name in rows)
        gitio.run(path, "update-index", "-z", "--add", "--replace", "--index-info", stdin=lines, env=index)
        for mode, oid, name in changes:
            if mode == "040000" and oid != ZERO:
                gitio.run(path, "read-tree", f"--prefix={name}/", oid, env=index)
        return gitio.text(path, "write-tree", env=index)


def _plainly_changed(path: Path, base: str | None, changes: list[tuple[str, str, str]]) -> str:
    """Do so without git; names are such as it takes without a second look."""
    top = gitfiles.tree_of(path, base) if base else None
    files = dict(gitfiles.walk(path, top)) if top else {}
    below = {name for mode, oid, name in changes if oid == ZERO or mode == "040000"}
    put = {name for mode, oid, name in changes if oid != ZERO and mode != "040000"}
    above = {"/".join(parts[:n]) for parts in (name.split("/") for name in put) for n in range(1, len(parts))}
    files = {n: entry for n, entry in files.items() if not _inside(n, below | put) and n not in above}
    for mode, oid, name in changes:
        if mode == "040000" and oid != ZERO:
            files |= dict(gitfiles.walk(path, oid, f"{name}/"))
        elif oid != ZERO:
            files[name] = gitfiles.Entry(mode, oid)
    return gitfiles.make_tree(path, files.items())


def _inside(name: str, folders: set[str]) -> bool:
    parts = name.split("/")
    return any("/".join(parts[:n]) in folders for n in range(1, len(parts) + 1))


def write_files(
    hub: Double,
    repo: Repo,
    branch: str,
    files: Mapping[str, str | bytes | None],
    message: str,
    author: User | None = None,
) -> str:
    """Commit contents (None takes a file out) on top of a branch and move it there, past all rules. Returns the commit.

    A branch that is not there yet leaves from the default one.
    """
    ref = f"refs/heads/{branch}"
    parent = gitio.resolve(repo.path, ref) or gitio.resolve(repo.path, f"refs/heads/{repo.default_branch}")
    made = commit_files(hub, repo, parent, files, message, author or hub.web_flow)
    gitio.set_ref(repo.path, ref, made)
    return made


def commit_files(
    hub: Double, repo: Repo, parent: str | None, files: Mapping[str, str | bytes | None], message: str, author: User
) -> str:
    """Commit contents (None takes a file out) on top of a commit, and leave every branch where it is."""
    changes = []
    for name, content in files.items():
        raw = content.encode() if isinstance(content, str) else content
        oid = ZERO if raw is None else gitio.blob(repo.path, raw)
        changes.append(("0" if raw is None else "100644", oid, name))
    who = identity(hub, author)
    tree = change_tree(repo.path, parent, changes)
    return gitio.commit(repo.path, tree, [parent] if parent else [], message, who, who)
