"""People as a source has them: brought into the directory for review, and ended there once the source has them no more."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from daypass.core.errors import ConflictError, InvalidError, RefusedError
from daypass.core.forge import Pull
from daypass.core.ids import Oid
from daypass.core.people.leaving import LEAVING, LEFT_TITLE, Departures, departures
from daypass.core.people.matching import DirectoryImport, match
from daypass.core.people.source import SourcePerson
from daypass.core.people.writing import FOLDER, with_people
from daypass.core.record import replace
from daypass.core.request import Gated
from daypass.pipeline.apply.current import landed
from daypass.pipeline.apply.tidy import Kept, keep
from daypass.pipeline.judge.gate import gate, leaving_files, untouched

if TYPE_CHECKING:
    from daypass.core.policy.policies import Policy
    from daypass.pipeline.context import Context, WritingContext

IMPORT = "daypass/people-import"
"""The branch of the request that brings people into the directory."""

_TITLE = "Bring the directory up to date with the source of people"


def bring(
    people: Sequence[SourcePerson], policy: Policy, files: Mapping[str, bytes]
) -> tuple[DirectoryImport, Mapping[str, bytes]]:
    """Say what a directory lacks by a source, and return the files of it that are to be written.

    Raises InvalidError where the policies do not read, or a file cannot be changed as it is written.
    """
    if policy.broken:
        raise InvalidError("the policies do not read, so nobody can tell who is in the directory", policy.broken)
    found = match(people, policy.catalogue.directory)
    return found, with_people(files, found.new, found.changed)


def directory_files(context: Context, revision: Oid) -> Mapping[str, bytes]:
    """Return the files of a commit's directory."""
    listed = context.history.files(revision, FOLDER.rstrip("/"), lambda entry: entry.mode.startswith("100"))
    return {entry.path: raw for entry, raw in listed if entry.path.endswith(".yaml")}


def propose(context: WritingContext, files: Mapping[str, bytes], *, body: str, at: datetime) -> Kept:
    """Open the request that brings people into main's directory, or bring it up to date."""
    return _keep(context, IMPORT, files, _TITLE, body, at)


def _keep(
    context: WritingContext, branch: str, files: Mapping[str, bytes], title: str, body: str, at: datetime
) -> Kept:
    history = context.history

    def unchanged(pull: Pull) -> bool:
        roots = history.merge_bases(context.main, pull.head)
        if len(roots) != 1 or not untouched(history, roots[0], context.main, files):
            return False  # the gate takes no request of several roots
        changed = {change.path for change in history.changes(roots[0], pull.head)}
        there = {
            entry.path: raw for entry, raw in history.files(pull.head, FOLDER.rstrip("/"), lambda e: e.path in files)
        }
        return bool(files) and changed == set(files) and there == files

    return keep(context, branch, sorted(files.items()), title=title, body=body, at=at, unchanged=unchanged)


class Leavers(Struct, frozen=True):
    """What a source says of those whom the directory has from it, by ``main``, which receipts of it name."""

    found: Departures
    main: Oid


def leavers(
    context: Context, people: Sequence[SourcePerson], source: str, *, at: datetime, away: bool = False
) -> Leavers:
    """Say who left, and who is back, of which no receipt tells.

    Grants that landed since the last run are still to be proved: then it is asked of the main that the ledger knows, as it
    is while the remote is ``away``, when nobody is back. Raises RefusedError where main does not continue that one,
    InvalidError where policies do not read.
    """
    new = landed(context)
    if new is None or (away and not context.standing.main):
        raise RefusedError(
            "main does not continue what the ledger knows of it", hint="`daypass plan` says more; nobody is ended by it"
        )
    main = Oid(context.standing.main) if new or away else context.tip
    policy = context.policy_at(main)
    if policy.broken:
        raise InvalidError(
            "the policies of main do not read, so nobody can tell who is in the directory", policy.broken
        )
    catalogue = policy.catalogue
    limits, departed = catalogue.settings.limits, context.standing.departed
    found = departures(people, catalogue.directory, departed, limits, source=source, at=at)
    return Leavers(replace(found, back=()) if away else found, main)


class EndedEngagements(Struct, frozen=True):
    """The request that ends the engagement of those who left, and what became of it; None where there is none to end."""

    kept: Kept | None = None
    gated: Gated | None = None
    why: str = ""


def end_engagements(context: WritingContext, again: Callable[[], WritingContext], *, at: datetime) -> EndedEngagements:
    """Open the request that writes ``until`` for those who left, or bring it up to date, and merge it where the forge lets us.

    One that has nothing to end any more is closed.
    """
    files = leaving_files(context, context.tip)
    body = (
        "The source of people says that these people have left, or that their accounts are disabled; a signed receipt says so "
        "as well. This ends their engagement in the directory. It gives nobody access.\n"
    )
    kept = _keep(context, LEAVING, files, LEFT_TITLE, body, at)
    if not files:
        if kept.pull is not None:
            context.forge.close(kept.pull.number, reason="nobody's engagement is to be ended any more", at=at)
        return EndedEngagements()
    if kept.pull is None:  # pragma: no cover  (there are files)
        return EndedEngagements()
    fresh = again()
    try:
        # It was opened by this very run, whose instant was read before.
        gated = gate(fresh, kept.pull.number, at=max(at, kept.pull.asked_at))
    except ConflictError as error:
        return EndedEngagements(kept, None, error.message)
    return EndedEngagements(kept, gated, gated.refused)
