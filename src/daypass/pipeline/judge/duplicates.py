"""The same grant under two names. One that has ended is no duplicate of what is asked for anew."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from daypass.core.files.grants import read_grant
from daypass.core.finding import Finding, Place
from daypass.core.grant import Grant
from daypass.core.ids import FOLDER, Oid
from daypass.core.record import replace

if TYPE_CHECKING:
    from daypass.core.finding import Checked
    from daypass.core.forge import Change
    from daypass.core.ids import GrantId
    from daypass.core.ledger.receipt import Admission
    from daypass.core.policy.policies import Policy
    from daypass.core.request import Item
    from daypass.ports import History

DUPLICATE = "duplicate-grant"

Ended = Callable[[Grant, Oid], bool]
"""Says whether a grant's file with this blob has ended."""


Meanings = Mapping[str, list[tuple[Grant, Oid]]]
"""The grants of some files with their blobs, by what they mean (`Grant.digest`)."""


def has_ended(
    admission: Callable[[GrantId], Admission | None], policy: Policy, at: datetime, grant: Grant, blob: Oid
) -> bool:
    """Say whether a grant has ended: by the window that the ledger has of this very file, else by an absolute one of its own.

    What bounds it (`Catalogue.bounds`) counts as well. Of a duration without a proof
    nobody can tell: it has not ended.
    """
    proof = admission(grant.id)
    catalogue, mine = policy.catalogue, proof if proof is not None and proof.blob == blob else None
    window, of = (grant.span.window, catalogue.bounded(grant)) if mine is None else (mine.window, mine.bounded)
    return catalogue.bounds(of).over(at) is not None or (window is not None and window.end <= at)


def proposed_duplicates(
    history: History, base: Oid, changes: Iterable[Change], items: Iterable[Item], ended: Ended, *, neighbours: bool
) -> list[Finding]:
    """Return what a request brings twice, or brings though it stands on ``base`` under another name and has not ended."""
    touched = frozenset(change.path for change in changes)
    found: list[Finding] = []
    proposed: dict[str, str] = {}
    there: dict[str, Meanings] = {}
    for item in items:
        if item.kind not in ("new", "widen") or item.grant is None:
            continue
        first = proposed.setdefault(item.grant.digest, item.grant.path)
        if first == item.grant.path:
            folder = item.grant.resource
            if folder not in there:
                there[folder] = meanings(standing_on(history, base, folder, touched)) if neighbours else {}
            first = _first(there[folder], item.grant, ended)
        if first and first != item.grant.path:
            found.append(duplicate_finding(item.grant.path, first))
    return found


def first_duplicate(history: History, base: Oid, grant: Grant, ended: Ended) -> str:
    """Find the same grant under another name at ``base``, one that has not ended; "" where there is none.

    Only the grant's own folder is read, since the folder is the resource: the cost does not grow with the repository.
    """
    return _first(meanings(standing_on(history, base, grant.resource)), grant, ended)


def _first(there: Meanings, grant: Grant, ended: Ended) -> str:
    same = there.get(grant.digest, [])
    return next((other.path for other, blob in same if not ended(other, blob)), "")


def standing_on(
    history: History, base: Oid, resource: str, without: frozenset[str] = frozenset()
) -> list[tuple[str, Oid, bytes]]:
    """Return the files of a resource's folder: path, blob, bytes."""
    found = history.files(
        base, f"{FOLDER}{resource}", lambda entry: entry.mode == "100644" and entry.path not in without
    )
    return [(entry.path, entry.oid, raw) for entry, raw in found]


def meanings(files: Iterable[tuple[str, Oid, bytes]]) -> Meanings:
    """Return the files that hold each grant; what cannot be read holds none."""
    found: dict[str, list[tuple[Grant, Oid]]] = {}
    for path, blob, raw in files:
        there = read_grant(path, raw)
        if isinstance(there, Grant):
            found.setdefault(there.digest, []).append((there, blob))
    return found


def without_ended(found: Checked, files: Callable[[str], Iterable[tuple[str, Oid, bytes]]], ended: Ended) -> Checked:
    """Return what a check found, with the duplicates among what has not ended; ``files`` are those of a folder."""
    twice = {finding.place.file for finding in found.findings if finding.code == DUPLICATE}
    if not twice:
        return found
    kept = [finding for finding in found.findings if finding.code != DUPLICATE]
    for folder in sorted({path.rpartition("/")[0].removeprefix(FOLDER) for path in twice}):
        for same in meanings(files(folder)).values():
            if not twice.isdisjoint(grant.path for grant, _ in same):
                live = [grant.path for grant, blob in same if not ended(grant, blob)]
                kept += [duplicate_finding(path, live[0]) for path in live[1:]]
    return replace(found, findings=tuple(kept))


def duplicate_finding(path: str, first: str) -> Finding:
    """Return what is said of the same grant under another name."""
    return Finding(
        DUPLICATE,
        Place(path),
        f"this is the same grant as {first}",
        "ask for another window or say in the reason what is new; `daypass expire` tidies away grants that have ended",
    )
