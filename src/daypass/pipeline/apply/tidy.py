"""Tidying, for which access never waits: what has ended is removed from main, what is made from the catalogue is made anew.

Each is one pull request, kept up to date; imports keep theirs by the same function. Requests that nobody answered are closed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from msgspec import Struct

from daypass.core.approval.review import reviewed_on
from daypass.core.errors import ConflictError, EdgeError, InvalidError, RefusedError
from daypass.core.forge import Change, Pull
from daypass.core.ids import FOLDER, GrantId, Oid, grant_id, grant_path
from daypass.core.plan import Claim, Entitlement
from daypass.pipeline.context import Context, WritingContext
from daypass.pipeline.judge.proposal import MOST_CHANGES
from daypass.pipeline.judge.report import ending_message
from daypass.ports import History

REMOVAL = "daypass/removal"
"""The branch of the request that removes what has ended."""

GENERATED = "daypass/generated"
"""The branch of the request that brings generated files up to date."""


class Kept(Struct, frozen=True):
    """A pull request of our own, the files that it writes or removes, and what was done to it.

    ``what``: opened, updated, unchanged, or nothing, where there is nothing to ask for.
    """

    pull: Pull | None
    paths: tuple[str, ...]
    what: str


def open_from(
    context: WritingContext,
    branch: str,
    files: Sequence[tuple[str, bytes | None]],
    title: str,
    *,
    at: datetime,
    body: str = "",
    reason: str = "",
    fresh: bool = False,
) -> Pull:
    """Commit files on top of main to a branch of ours, and open a pull request of it; ``fresh`` as for `Forge.commit`."""
    forge, parent, words = context.forge, context.history.resolve(context.main), ending_message(title, reason)
    head = forge.commit(branch=branch, parent=parent, files=files, message=words, at=at, fresh=fresh)
    return forge.open(branch=branch, head=head, title=title, at=at, body=body, reason=reason)


def keep(
    context: WritingContext,
    branch: str,
    files: Sequence[tuple[str, bytes | None]],
    *,
    title: str,
    body: str = "",
    at: datetime,
    unchanged: Callable[[Pull], bool] | None = None,
) -> Kept:
    """Open the pull request of a branch of our own, or bring it to these files; what others put into it is taken out.

    ``unchanged`` says whether the one that is open is to be left as it is; without it an open one always is.
    """
    forge, paths = context.forge, tuple(path for path, _ in files)
    there = next((pull for pull in forge.open_pulls() if pull.branch == branch), None)
    if there is not None and unchanged is not None:
        there = forge.pull(there.number)
    if there is not None and (unchanged is None or unchanged(there)):
        return Kept(there, paths, "unchanged")
    if not files:
        return Kept(there, (), "nothing")
    if there is None:
        return Kept(open_from(context, branch, files, title, at=at, body=body), paths, "opened")
    head = forge.commit(branch=branch, parent=context.history.resolve(context.main), files=files, message=title, at=at)
    with suppress(ConflictError):  # closed: its branch could not be moved and was made anew, or somebody closed it
        return Kept(forge.push(there.number, head=head, at=at), paths, "updated")
    return Kept(forge.open(branch=branch, head=head, title=title, at=at, body=body), paths, "opened")


def ended_grants(context: Context, claims: Mapping[GrantId, Claim], *, at: datetime) -> tuple[GrantId, ...]:
    """Return the grants of main whose time is over, whatever ended it, and whose access the ledger shows as gone."""
    standing = context.standing
    held: set[Entitlement] = {holding.entitlement for holding in standing.holdings.values()}
    held_by = {grant for holding in standing.holdings.values() for grant in holding.grants}
    there = {grant_id(entry.path) for entry in context.history.entries(context.main, FOLDER.rstrip("/"))}
    found = []
    for admission in standing.admitted():
        gone = admission.grant not in held_by or admission.entitlement not in held
        if admission.grant in there and claims[admission.grant].ended(at) and gone:
            found.append(admission.grant)
    return tuple(sorted(found))


def tidy(context: WritingContext, claims: Mapping[GrantId, Claim], *, at: datetime) -> Kept:
    """Open the removal pull request or bring it up to date. What somebody else put into it is taken out again.

    ``claims`` are what the grants of the ledger give on main. Reads nothing of the forge while nothing has ended.
    """
    history, base = context.history, context.history.resolve(context.main)
    ended = ended_grants(context, claims, at=at)
    apart = _reviewed_apart(context) if ended else frozenset()
    grants = [grant for grant in ended if grant not in apart][:MOST_CHANGES]  # the next one has the rest
    if not grants:
        return Kept(None, (), "nothing")
    paths = sorted(grant_path(grant) for grant in grants)

    def unchanged(pull: Pull) -> bool:
        changes = _changes(history, base, pull)
        return changes is not None and all(c.deleted for c in changes) and {c.path for c in changes} == set(paths)

    files = [(path, None) for path in paths]
    title = "Remove grants that have ended"
    return keep(context, REMOVAL, files, title=title, at=at, unchanged=unchanged)


def _reviewed_apart(context: Context) -> frozenset[GrantId]:
    """Return the grants whose files go by a request of their own: people review there what was given for an emergency."""
    standing = context.standing
    waiting = {grant for grant, _ in standing.unreviewed}
    if standing.reviewed:
        open_now = ((pull, reviewed_on(pull.branch)) for pull in context.forge.open_pulls())
        waiting |= {grant for pull, grant in open_now if grant is not None and _merges(context, pull, grant)}
    return frozenset(waiting)


def _merges(context: Context, pull: Pull, grant: GrantId) -> bool:
    """Whether a request for a review can remove its file: main has not changed that since the branch left it."""
    history, path = context.history, grant_path(grant)
    base = history.resolve(context.main)
    root = history.merge_base(base, pull.head)
    return root is not None and not any(one.path == path for one in history.changes(root, base))


def refresh(context: WritingContext, wanted: Mapping[str, bytes], *, at: datetime) -> Kept:
    """Open the pull request that makes main's files what the catalogue makes them, or bring it up to date.

    People who own these files merge it like any change of theirs. Reads nothing of the forge while main is as it should
    be.
    """
    history, base = context.history, context.history.resolve(context.main)
    stale = _differing(history, base, wanted)
    if not stale:
        return Kept(None, (), "nothing")

    def unchanged(pull: Pull) -> bool:
        changes = _changes(history, base, pull)
        as_wanted = not _differing(history, pull.head, wanted)
        return as_wanted and changes is not None and {change.path for change in changes} == set(stale)

    files = [(path, wanted[path]) for path in stale]
    title = "Bring generated files up to date with the catalogue"
    body = "The catalogue on main has changed, and these files are made from it. They give nobody access.\n"
    return keep(context, GENERATED, files, title=title, body=body, at=at, unchanged=unchanged)


def _changes(history: History, main: str, pull: Pull) -> tuple[Change, ...] | None:
    """Return what a request changes; None where it shares no history with main or is too large."""
    root = history.merge_base(main, pull.head)
    try:
        return history.changes(root, pull.head, most=MOST_CHANGES) if root is not None else None
    except InvalidError:
        return None


def _differing(history: History, commit: Oid, wanted: Mapping[str, bytes]) -> tuple[str, ...]:
    """Return the paths whose contents at a commit are not what they should be, in order."""
    folders = sorted({path.rpartition("/")[0] for path in wanted})
    there = {
        entry.path: raw
        for folder in folders
        for entry, raw in history.files(commit, folder, lambda entry: entry.path in wanted and entry.mode == "100644")
    }
    return tuple(path for path in sorted(wanted) if there.get(path) != wanted[path])


def _asks(history: History, pull: Pull, main: str) -> bool:
    """Whether a pull request touches grants; one of which nobody can tell what it changes could touch any."""
    changes = _changes(history, main, pull)
    return changes is None or any(change.path.startswith(FOLDER) for change in changes)


def close_stale(
    context: WritingContext,
    *,
    limit: timedelta,
    at: datetime,
    why: Callable[[Pull], str],
    enough: Callable[[], bool] = lambda: False,
) -> Iterator[Pull]:
    """Close requests that did not come to an end in time, and yield each (invariant 14). ``why`` says what was missing.

    The removal pull request stays, those on which emergencies are reviewed do, and so does what asks for no access: a
    change of policy may take its time. One that cannot be closed does not keep the others open: where somebody else was
    first there is nothing to say, and a record that takes no more (one dated into the future) or cannot be read is told
    at the end, as EdgeError, since it would stay open for ever without a word. ``enough`` leaves the rest to the next
    run: there may be many, and access ends before any of them.
    """
    history, forge = context.history, context.forge
    waiting = {grant for grant, _ in context.standing.unreviewed}
    stuck: list[str] = []
    for pull in forge.open_pulls():
        if pull.branch == REMOVAL or reviewed_on(pull.branch) in waiting or pull.opened_at > at - limit:
            continue
        if enough():
            break
        try:
            if not _asks(history, forge.pull(pull.number), context.main):
                continue
            forge.close(pull.number, reason=why(pull), at=at)
        except (EdgeError, RefusedError) as error:
            stuck.append(f"#{pull.number} cannot be closed: {error.message}")
            continue
        except ConflictError:
            continue
        yield forge.pull(pull.number)
    if stuck:
        hint = "where its times are forged, delete its ref below refs/heads/daypass/open/ and let them ask anew"
        raise EdgeError("; ".join(stuck), hint=hint)
