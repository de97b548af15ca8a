"""Tidying: one removal pull request for the grants that have ended, kept up to date. Access never waits for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from daypass.core.errors import ConflictError, EdgeError, InvalidError, RefusedError
from daypass.core.forge import Pull
from daypass.core.grant import FOLDER, GrantId, grant_id, grant_path
from daypass.core.ledger.standing import Standing
from daypass.core.plan import Claim, Entitlement
from daypass.pipeline.judge.proposal import MOST_CHANGES
from daypass.ports import Forge, History

BRANCH = "daypass/removal"


@dataclass(frozen=True, slots=True)
class Tidied:
    """The removal pull request, and what it did to it: opened, updated, unchanged or nothing."""

    pull: Pull | None
    grants: tuple[GrantId, ...]
    what: str


def ended_grants(
    history: History, standing: Standing, claims: Mapping[GrantId, Claim], *, main: str, at: datetime
) -> tuple[GrantId, ...]:
    """Return the grants of main whose time is over, whatever ended it, and whose access the ledger shows as gone."""
    held: set[Entitlement] = {holding.entitlement for holding in standing.holdings.values()}
    held_by = {grant for holding in standing.holdings.values() for grant in holding.grants}
    there = {grant_id(entry.path) for entry in history.entries(main, FOLDER.rstrip("/"))}
    found = []
    for admission in standing.admitted():
        gone = admission.grant not in held_by or admission.entitlement not in held
        if admission.grant in there and claims[admission.grant].ended(at) and gone:
            found.append(admission.grant)
    return tuple(sorted(found))


def tidy(
    history: History, forge: Forge, standing: Standing, claims: Mapping[GrantId, Claim], *, main: str, at: datetime
) -> Tidied:
    """Open the removal pull request or bring it up to date. What somebody else put into it is taken out again.

    ``claims`` are what the grants of the ledger give on main.
    """
    base = history.resolve(main)
    grants = ended_grants(history, standing, claims, main=base, at=at)[:MOST_CHANGES]  # the next one has the rest
    there = next((pull for pull in forge.open_pulls() if pull.branch == BRANCH), None)
    if not grants:
        return Tidied(there, (), "nothing")
    there = forge.pull(there.number) if there is not None else None
    wanted = {grant_path(grant) for grant in grants}
    if there is not None and _removes(history, base, there, wanted):
        return Tidied(there, grants, "unchanged")
    title = "Remove grants that have ended"
    head = forge.commit(
        branch=BRANCH, parent=base, files=[(path, None) for path in sorted(wanted)], message=title, at=at
    )
    if there is not None:
        with suppress(ConflictError):  # closed: its branch could not be moved and was made anew, or somebody closed it
            return Tidied(forge.push(there.number, head=head, at=at), grants, "updated")
    return Tidied(forge.open(branch=BRANCH, head=head, title=title, at=at), grants, "opened")


def _removes(history: History, base: str, pull: Pull, wanted: set[str]) -> bool:
    """Say whether a pull request removes just these paths and does nothing else."""
    root = history.merge_base(base, pull.head)
    if root is None:
        return False
    try:
        changes = history.changes(root, pull.head, most=MOST_CHANGES)
    except InvalidError:
        return False
    return all(change.deleted for change in changes) and {change.path for change in changes} == wanted


def _asks(history: History, pull: Pull, main: str) -> bool:
    """Whether a pull request touches grants; one that shares no history with main, or is too large, could touch any."""
    root = history.merge_base(main, pull.head)
    try:
        changes = history.changes(root, pull.head, most=MOST_CHANGES) if root is not None else ()
    except InvalidError:
        return True
    return root is None or any(change.path.startswith(FOLDER) for change in changes)


def close_stale(
    history: History,
    forge: Forge,
    *,
    main: str,
    limit: timedelta,
    at: datetime,
    why: Callable[[Pull], str],
    enough: Callable[[], bool] = lambda: False,
) -> Iterator[Pull]:
    """Close requests that did not come to an end in time, and yield each (invariant 14). ``why`` says what was missing.

    The removal pull request stays, and so does what asks for no access: a change of policy may take its time. One that
    cannot be closed does not keep the others open: where somebody else was first there is nothing to say, and a record
    that takes no more (one dated into the future) or cannot be read is told at the end, as EdgeError, since it would
    stay open for ever without a word. ``enough`` leaves the rest to the next run: there may be many, and access ends
    before any of them.
    """
    stuck: list[str] = []
    for pull in forge.open_pulls():
        if pull.branch == BRANCH or pull.opened_at > at - limit:
            continue
        if enough():
            break
        try:
            if not _asks(history, forge.pull(pull.number), main):
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
