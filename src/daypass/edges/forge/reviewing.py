"""Reviews as GitHub keeps them, read as what each person said when.

GitHub overwrites a review's state when it is dismissed; what it was, when that happened and who did it stand in the
pull request's events: an approval that they say was dismissed is gone, whatever state it is shown in. So does that its
base was changed, or its head moved by force: what reviewers were shown before was another change, whatever commit is
shown on a review. https://docs.github.com/en/rest/pulls/reviews, https://docs.github.com/en/rest/using-the-rest-api/issue-event-types#review_dismissed
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

from daypass.core.approval import Account, Review
from daypass.core.errors import EdgeError
from daypass.core.window import format_instant
from daypass.edges.github.fields import Fields
from daypass.edges.shown import shown

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


@dataclass(frozen=True, slots=True)
class _Dismissal:
    was: str
    at: datetime
    by: int


def needs_events(found: Sequence[Any], *, settled: bool) -> bool:
    """Say whether the events must be read: some review was dismissed, or is an approval.

    ``settled``: our own bot has merged it, and saw then which base the approvals were given for.
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
