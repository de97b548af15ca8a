"""What GitHub recorded of a pull request: what each person said when, who pushed, and where main stood.

GitHub overwrites a review's state when it is dismissed; what it was, when that happened and who did it stand in the
pull request's events: an approval that they say was dismissed is gone, whatever state it is shown in. So does that its
base was changed, or its head moved by force: what reviewers were shown before was another change, whatever commit is
shown on a review. https://docs.github.com/en/rest/pulls/reviews, https://docs.github.com/en/rest/using-the-rest-api/issue-event-types#review_dismissed

A commit's author is whatever its maker wrote into it; who pushed is what GitHub saw. Upholds: whoever cannot be told is
named as somebody whom nobody knows, which no approval gets past.
https://docs.github.com/en/rest/repos/repos#list-repository-activities
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from http import HTTPStatus
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from daypass.core.catalogue import Directory
from daypass.core.errors import EdgeError
from daypass.core.finding import shown
from daypass.core.forge import MADE, PUSHED, Account, Act, Pull, Review
from daypass.core.ids import Oid
from daypass.core.window import format_instant
from daypass.edges.forges.github.answers import ApiError, Fields, account_of

if TYPE_CHECKING:
    from daypass.edges.forges.github.api import Api

_SAID = {"APPROVED": "approved", "CHANGES_REQUESTED": "rejected"}
_SILENT = ("COMMENTED", "PENDING")
_TURNS: Mapping[str, str] = MappingProxyType(
    {
        "base_ref_changed": "the base of the request was changed",
        "automatic_base_change_succeeded": "the base of the request was changed",
        "head_ref_force_pushed": "the branch was pushed to by force",
    }
)
"""https://docs.github.com/en/rest/using-the-rest-api/issue-event-types"""

_WAS = {"approved": "approved", "changes_requested": "rejected", "commented": ""}


class _Dismissal(Struct, frozen=True):
    was: str
    at: datetime
    by: int


class Swept(Struct, frozen=True):
    """What a sweep showed of one request, as GitHub told it: its first comments, and our check runs of its newest commit.

    ``first`` has the text of the first comment. ``turned``: a review was dismissed, the base was changed or the head moved
    by force at any time before, or that cannot be told.
    """

    repository: Any
    head: Any
    updated: Any
    comments: Any
    first: Any
    commits: Any
    turned: bool


def swept_key(number: int) -> str:
    """Return by what it is noted."""
    return f"swept of {number}"


def unturned(noted: Mapping[str, Any], number: int, found: Sequence[Any]) -> bool:
    """Say whether a sweep showed that no event takes an approval back: what was given by then is of this base and head.

    ``noted`` has what the sweep showed, and the request as it was read since: nothing has happened to it. Approvals that
    came later may be of another base, though it is main's again by now.
    """
    swept, read = noted.get(swept_key(number)), Fields(f"pull request {number}", noted.get(f"read of {number}"))
    if swept is None or read.data is None or swept.turned:
        return False
    if (swept.head, swept.updated) != (read.oid("head.sha"), read.text("updated_at")):
        return False
    told = [Fields("a review", one) for one in found if isinstance(one, dict) and one.get("state") == "APPROVED"]
    return all(one.instant("submitted_at") <= read.instant("updated_at") for one in told)


def needs_events(found: Sequence[Any], *, settled: bool) -> bool:
    """Say whether the events must be read: some review was dismissed, or is an approval.

    ``settled``: our own bot has merged it, and saw then which base the approvals were given for; or a sweep has shown it.
    """
    wanted = ("DISMISSED",) if settled else ("DISMISSED", "APPROVED")
    return any(isinstance(one, dict) and one.get("state") in wanted for one in found)


def reviews_of(found: Sequence[Any], events: Sequence[Any], who: Callable[[Any, str], Account]) -> tuple[Review, ...]:
    """Return what was said, oldest first. ``who`` resolves a user object, told what they said.

    Comments say nothing. A dismissed approval was given and later withdrawn, whoever dismissed it. A dismissed rejection
    is withdrawn only by who gave it: nobody else takes a person's no away. An approval from before the base was changed,
    or the head moved by force, is void. Raises EdgeError for a review that cannot be read, and for a dismissal that the
    events do not tell of.
    """
    dismissals = _dismissals(events)
    turned, turn = max(_turned(events), default=(None, ""))
    said: list[tuple[datetime, int, int, Review]] = []
    for one in found:
        fields = Fields("a review", one)
        state, number = fields.text("state"), fields.number("id")
        if state in _SILENT:
            continue
        fields = Fields(f"review {number}", one)
        gone = _dismissal(number, dismissals) if state == "DISMISSED" or number in dismissals else None
        word = gone.was if gone is not None else _SAID.get(state)
        if word is None:
            raise EdgeError(f"review {number} has a state that is not known here: {shown(state)!r}")
        if not word:
            continue
        user, at = fields.value("user"), fields.instant("submitted_at")
        by = who(user, word if gone is None else "withdrawn")
        late = word == "approved" and turned is not None and at <= turned
        void = f"it was given at {format_instant(at)}, and {turn}" if late else ""
        shown_on = fields.oid_or_absent("commit_id")
        said.append((at, number, 0, Review(by, word, shown_on, at, str(number), _words(one), void=void)))
        mine = isinstance(user, dict) and gone is not None and gone.by == user.get("id") and gone.by > 0
        if gone is not None and (word == "approved" or mine):
            back = Review(by, "withdrawn", fields.oid_or_absent("commit_id"), gone.at, f"{number}-dismissed")
            said.append((gone.at, number, 1, back))
    return tuple(_without_late_withdrawals([entry[3] for entry in sorted(said, key=lambda entry: entry[:3])]))


def _words(review: Any) -> str:
    """Return what somebody wrote with a review; what is no text is nothing."""
    body = review.get("body") if isinstance(review, dict) else None
    return shown(body.strip()) if isinstance(body, str) else ""


def _without_late_withdrawals(said: list[Review]) -> list[Review]:
    """Leave out the withdrawal of a review after which the same person had already said something else."""
    kept = []
    for place, review in enumerate(said):
        if review.state == "withdrawn":
            of = review.id.partition("-")[0]
            start = next(at for at, one in enumerate(said) if one.id == of)
            if any(one.by == review.by and one.state != "withdrawn" for one in said[start + 1 : place]):
                continue
        kept.append(review)
    return kept


def _turned(events: Sequence[Any]) -> Iterator[tuple[datetime, str]]:
    """Yield when a request became another one before its merge, and how."""
    told = [Fields("an event", one) for one in events]
    merged = min((one.instant("created_at") for one in told if one.text("event") == "merged"), default=None)
    for one in told:
        words = _TURNS.get(one.text("event"))
        if words is not None and (merged is None or one.instant("created_at") <= merged):
            at = one.instant("created_at")
            yield at, f"{words} at {format_instant(at)}"


def _dismissals(events: Sequence[Any]) -> Mapping[int, _Dismissal]:
    found = {}
    for one in events:
        fields = Fields("an event", one)
        if fields.text("event") != "review_dismissed":
            continue
        number = fields.number("dismissed_review.review_id")
        was = _WAS.get(fields.text("dismissed_review.state").lower())
        if was is None:
            raise EdgeError(f"review {number} was dismissed in a state that is not known here")
        actor = fields.value("actor")
        by = Fields("an event's actor", actor).number("id") if actor is not None else 0
        found[number] = _Dismissal(was, fields.instant("created_at"), by)
    return found


def _dismissal(number: int, dismissals: Mapping[int, _Dismissal]) -> _Dismissal:
    if number not in dismissals:
        raise EdgeError(
            f"review {number} was dismissed, but GitHub does not tell when", hint="run it again; GitHub may lag behind"
        )
    return dismissals[number]


_LATE = timedelta(seconds=60)
"""A branch's beginning may be noted a little later than the pull request that was opened of it at once."""

_LIMIT = 1000
_MOVES = ("push", "force_push", "branch_creation", "pr_merge", "merge_queue_merge")


def pushers_of(api: Api, directory: Directory, repository: str, pull: Pull) -> tuple[tuple[Act, int], ...]:
    """Return every move of a request's branch since it was made, oldest first, with its maker's account id (0: none).

    ``repository`` is where the branch is: the client's own, or a fork. The branch's beginning is the last one before the
    pull request was opened: one that was made anew since, at the same commit, does not hide who pushed before. Moves
    after the merge do not count.
    """
    name = pull.branch.rpartition(":")[2]
    try:
        found = api.pages(
            f"/repos/{repository}/activity",
            limit=_LIMIT,
            until=lambda item: _begins(Fields("activity", item), pull.opened_at),
            ref=f"refs/heads/{name}",
        )
    except ApiError as error:
        if repository != api.repository and error.status in (HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND):
            return (_unknown(f"somebody with access to {repository}, which cannot be read", pull),)
        raise
    moves = _life([Fields(f"activity of {name}", item) for item in found], pull)
    if moves is None:
        return (_unknown("somebody whom GitHub's record of the branch does not tell", pull),)
    found = []
    for place, move in enumerate(reversed(moves)):
        actor = move.value("actor")
        number = Fields(move.what, actor).number("id") if isinstance(actor, dict) else 0
        did = PUSHED if place else MADE
        found.append((Act(account_of(actor, directory), did, move.instant("timestamp")), number))
    return tuple(found)


def head_repository(fields: Fields) -> str:
    """Return the name of the repository that a request's branch is in. Raises EdgeError for what is no name."""
    name = fields.text("head.repo.full_name")
    if not re.fullmatch(r"[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+", name):
        raise EdgeError(f"GitHub's answer about {fields.what}: expected a repository's name, got {shown(name)!r}")
    return name


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


def _unknown(words: str, pull: Pull) -> tuple[Act, int]:
    return Act(Account("", words), MADE, pull.opened_at), 0


def _begins(move: Fields, opened_at: datetime) -> bool:
    return move.text("activity_type") == "branch_creation" and move.instant("timestamp") <= opened_at


def _life(moves: Sequence[Fields], pull: Pull) -> list[Fields] | None:
    """Return the moves that made the head, newest first; None where the record is not whole."""
    born = [place for place, move in enumerate(moves) if _begins(move, pull.opened_at)]
    if not born:
        late = pull.opened_at + _LATE
        born = [place for place, move in enumerate(moves) if _begins(move, late)][-1:]
    if not born:
        return None
    life = []
    for move in _until_merge(moves[: born[0] + 1], pull):
        kind = move.text("activity_type")
        if kind == "branch_deletion":
            continue
        if kind not in _MOVES:
            return None  # a way of moving a branch that nobody here knows
        life.append(move)
    return life if any(move.value("after") == pull.head for move in life) else None


def _until_merge(moves: Sequence[Fields], pull: Pull) -> Sequence[Fields]:
    """Leave out what came after the merge. Of the merge's very second that is what goes on, move by move, from its head.

    GitHub binds a merge to the head: had such a move come before, another head would have been merged.
    """
    if pull.merge is None:
        return moves
    at, last = pull.merge.at, pull.head
    told = [move for move in moves if move.instant("timestamp") <= at]
    first = merged = next((place for place, move in enumerate(told) if move.value("after") == last), 0)
    while first and told[first - 1].instant("timestamp") == at and told[first - 1].value("before") == last:
        first, last = first - 1, told[first - 1].value("after")
    # What does not go on from that head may have come before it: whoever made it stays among the pushers.
    return [*told[:first], *told[merged:]]
