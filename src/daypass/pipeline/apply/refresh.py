"""Keeping the files that are made from the catalogue as it says: one pull request, brought up to date.

People who own these files merge it like any change of theirs; nothing here asks for access.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from daypass.core.errors import ConflictError, InvalidError
from daypass.core.forge import Pull
from daypass.core.grant import Oid
from daypass.pipeline.judge.proposal import MOST_CHANGES
from daypass.ports import Forge, History

BRANCH = "daypass/generated"


@dataclass(frozen=True, slots=True)
class Refreshed:
    """The pull request, the paths that differ on main, and what was done: opened, updated, unchanged or nothing."""

    pull: Pull | None
    paths: tuple[str, ...]
    what: str


def refresh(history: History, forge: Forge, wanted: Mapping[str, bytes], *, main: str, at: datetime) -> Refreshed:
    """Open the pull request that makes main's files what they should be, or bring it up to date.

    Reads nothing of the forge while main is as it should be.
    """
    base = history.resolve(main)
    stale = _differing(history, base, wanted)
    if not stale:
        return Refreshed(None, (), "nothing")
    there = next((pull for pull in forge.open_pulls() if pull.branch == BRANCH), None)
    if there is not None:
        there = forge.pull(there.number)
        if not _differing(history, there.head, wanted) and set(_touched(history, base, there.head)) == set(stale):
            return Refreshed(there, stale, "unchanged")
    title = "Bring generated files up to date with the catalogue"
    files = [(path, wanted[path]) for path in stale]
    head = forge.commit(branch=BRANCH, parent=base, files=files, message=title, at=at)
    if there is not None:
        with suppress(ConflictError):  # closed: its branch could not be moved and was made anew, or somebody closed it
            return Refreshed(forge.push(there.number, head=head, at=at), stale, "updated")
    body = "The catalogue on main has changed, and these files are made from it. They give nobody access.\n"
    return Refreshed(forge.open(branch=BRANCH, head=head, title=title, at=at, body=body), stale, "opened")


def _differing(history: History, commit: Oid, wanted: Mapping[str, bytes]) -> tuple[str, ...]:
    """Return the paths whose contents at a commit are not what they should be, in order."""
    folders = sorted({path.rpartition("/")[0] for path in wanted})
    there = {
        entry.path: entry.oid
        for folder in folders
        for entry in history.entries(commit, folder)
        if entry.path in wanted and entry.mode == "100644"
    }
    contents = dict(history.blobs(dict.fromkeys(there.values())))
    return tuple(path for path in sorted(wanted) if path not in there or contents[there[path]] != wanted[path])


def _touched(history: History, base: Oid, head: Oid) -> tuple[str, ...]:
    root = history.merge_base(base, head)
    try:
        changes = history.changes(root, head, most=MOST_CHANGES) if root is not None else ()
    except InvalidError:
        return ()
    return tuple(change.path for change in changes)
