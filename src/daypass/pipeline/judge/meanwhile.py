"""What has come to main and to the ledger since open requests were judged, so that only those it is about are judged anew.

A request that is left out by mistake is no access given: before it is merged it is judged by what stands then.

Upholds: where it cannot be told what came, that is anything.
"""

from __future__ import annotations

from daypass.core.approval.quiet import short_id
from daypass.core.errors import EdgeError, InvalidError, RefusedError
from daypass.core.forge import Basis
from daypass.core.ids import FOLDER, Oid, folder_of, grant_id
from daypass.pipeline.context import Context


def basis_of(context: Context, program: str) -> Basis:
    """Return what requests are judged by here and now."""
    standing = context.standing
    sequence = standing.head.sequence if standing.head is not None else -1
    return Basis(program, context.tip, standing.commit, sequence, standing.main)


def moved_since(context: Context, then: Basis) -> frozenset[str] | None:
    """Return the resources of which grants or receipts came, and the commits of main by their short ids; None for anything.

    Whatever is no grant may be what all are judged by: policies above all, also where they were changed and put back.
    """
    try:
        told = _by_ledger(context, then)
        steps = [*context.history.landings(then.main, context.tip)]
        paths = [change.path for step in steps for change in step.changes]
        if told is None or not all(path.startswith(FOLDER) for path in paths):
            return None
        # A file that is not admitted yet is known by the landing that brought it, until the ledger has followed main.
        paths += _unfollowed(context, then)
        commits = context.history.commits(then.main, context.tip) if steps else ()
    except (EdgeError, InvalidError, RefusedError):  # too much, a history that was cut, or no way from there to here
        return None
    return told.union((folder_of(grant_id(path)) for path in paths), (short_id(one.oid) for one in commits))


def _by_ledger(context: Context, then: Basis) -> frozenset[str] | None:
    standing, history = context.standing, context.history
    if standing.commit == then.ledger:
        return frozenset()
    if history.find(then.ledger) is None or not history.is_ancestor(Oid(then.ledger), standing.commit):
        return None
    return standing.moved_since(then.sequence)


def _unfollowed(context: Context, then: Basis) -> list[str]:
    """Return the grants that had come to main then, and that the ledger had not followed."""
    history = context.history
    if context.standing.main == then.followed or not then.followed or then.followed == then.main:
        return []
    if history.find(then.followed) is None or not history.is_ancestor(Oid(then.followed), then.main):
        return []  # nobody looked there then either
    landings = history.landings(Oid(then.followed), then.main)
    return [change.path for step in landings for change in step.changes if change.path.startswith(FOLDER)]
