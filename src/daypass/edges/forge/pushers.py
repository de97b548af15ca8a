"""Who moved a pull request's head, and where main stood, by the repository's own record of activity.

A commit's author is whatever its maker wrote into it; who pushed is what GitHub saw. Upholds: whoever cannot be told is
named as somebody whom nobody knows, which no approval gets past.
https://docs.github.com/en/rest/repos/repos#list-repository-activities
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus

from daypass.core.acts import MADE, PUSHED, Act
from daypass.core.approval import Account
from daypass.core.catalogue import Directory
from daypass.core.grant import Oid
from daypass.edges.github.accounts import account_of
from daypass.edges.github.api import Api, ApiError
from daypass.edges.github.fields import Fields

_LATE = timedelta(seconds=60)
"""A branch's beginning may be noted a little later than the pull request that was opened of it at once."""

_LIMIT = 1000
_MOVES = ("push", "force_push", "branch_creation", "pr_merge", "merge_queue_merge")


@dataclass(frozen=True, slots=True)
class Branch:
    """The branch of a pull request: in which repository, from when, and until when its moves count."""

    repository: str
    name: str
    head: Oid
    opened_at: datetime
    merged_at: datetime | None
    own: bool


def pushers_of(api: Api, directory: Directory, branch: Branch) -> tuple[tuple[Act, int], ...]:
    """Return every move of a branch since it was made, oldest first, with its maker's account id (0: none).

    The branch's beginning is the last one before the pull request was opened: one that was made anew since, at the same
    commit, does not hide who pushed before. Moves after the merge do not count.
    """
    params = {"ref": f"refs/heads/{branch.name}"}
    try:
        found = api.newest(
            f"/repos/{branch.repository}/activity",
            limit=_LIMIT,
            until=lambda item: _begins(Fields("activity", item), branch.opened_at),
            **params,
        )
    except ApiError as error:
        if not branch.own and error.status in (HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND):
            return (_unknown(f"somebody with access to {branch.repository}, which cannot be read", branch),)
        raise
    moves = _life([Fields(f"activity of {branch.name}", item) for item in found], branch)
    if moves is None:
        return (_unknown("somebody whom GitHub's record of the branch does not tell", branch),)
    found = []
    for place, move in enumerate(reversed(moves)):
        actor = move.value("actor")
        number = Fields(move.what, actor).number("id") if isinstance(actor, dict) else 0
        did = PUSHED if place else MADE
        found.append((Act(account_of(actor, directory), did, move.instant("timestamp")), number))
    return tuple(found)


def mains_at(moves: Sequence[Fields], instants: Iterable[datetime]) -> Mapping[datetime, tuple[Oid, ...]]:
    """Return where main can have stood at instants, by its moves (newest first); empty where they do not tell.

    What happened within the second of an instant may have been before or after it.
    """
    told = [(move.instant("timestamp"), move) for move in moves]
    return {at: _mains_at(told, at) for at in instants}


def _mains_at(moves: Sequence[tuple[datetime, Fields]], at: datetime) -> tuple[Oid, ...]:
    found: list[Oid] = []
    for moved_at, move in moves:
        if moved_at > at:
            continue
        if move.text("activity_type") not in _MOVES:
            return ()  # a way of moving main that nobody here knows
        found.append(move.oid("after"))
        if moved_at < at:
            return tuple(reversed(found))
    whole = bool(found) and moves[-1][1].text("activity_type") == "branch_creation"
    return tuple(reversed(found)) if whole else ()


def _unknown(words: str, branch: Branch) -> tuple[Act, int]:
    return Act(Account("", words), MADE, branch.opened_at), 0


def _begins(move: Fields, opened_at: datetime) -> bool:
    return move.text("activity_type") == "branch_creation" and move.instant("timestamp") <= opened_at


def _life(moves: Sequence[Fields], branch: Branch) -> list[Fields] | None:
    """Return the moves that made the head, newest first; None where the record is not whole."""
    born = [place for place, move in enumerate(moves) if _begins(move, branch.opened_at)]
    if not born:
        late = branch.opened_at + _LATE
        born = [place for place, move in enumerate(moves) if _begins(move, late)][-1:]
    if not born:
        return None
    life = []
    for move in moves[: born[0] + 1]:
        if branch.merged_at is not None and move.instant("timestamp") > branch.merged_at:
            continue
        kind = move.text("activity_type")
        if kind == "branch_deletion":
            continue
        if kind not in _MOVES:
            return None  # a way of moving a branch that nobody here knows
        life.append(move)
    return life if any(move.value("after") == branch.head for move in life) else None
