"""Reviews as GitHub keeps them, read as what each person said when.

GitHub overwrites a review's state when it is dismissed; what it was, when that happened and who did it stand in the
pull request's events. So does that its base was changed: what reviewers were shown before was another change, though it
is the same commit. https://docs.github.com/en/rest/pulls/reviews, https://docs.github.com/en/rest/using-the-rest-api/issue-event-types#review_dismissed
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from daypass.core.approval import Account, Review
from daypass.core.errors import EdgeError
from daypass.edges.github.fields import Fields
from daypass.edges.shown import shown

_SAID = {"APPROVED": "approved", "CHANGES_REQUESTED": "rejected"}
_SILENT = ("COMMENTED", "PENDING")
_BASE_CHANGED = ("base_ref_changed", "automatic_base_change_succeeded")
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
    is withdrawn only by who gave it: nobody else takes a person's no away. An approval is withdrawn as well when the base
    is changed after it. Raises EdgeError for a review that cannot be
    read, and for a dismissal that the events do not tell of.
    """
    dismissals = _dismissals(events)
    turned = max((Fields("an event", one).instant("created_at") for one in events if _turns(one)), default=None)
    said: list[tuple[datetime, int, int, Review]] = []
    for one in found:
        fields = Fields("a review", one)
        state, number = fields.text("state"), fields.number("id")
        if state in _SILENT:
            continue
        fields = Fields(f"review {number}", one)
        gone = _dismissal(number, dismissals) if state == "DISMISSED" else None
        word = gone.was if gone is not None else _SAID.get(state)
        if word is None:
            raise EdgeError(f"review {number} has a state that is not known here: {shown(state)!r}")
        if not word:
            continue
        user, at = fields.value("user"), fields.instant("submitted_at")
        by = who(user, word if gone is None else "withdrawn")
        said.append((at, number, 0, Review(by, word, fields.oid_or_absent("commit_id"), at, str(number), _words(one))))
        mine = isinstance(user, dict) and gone is not None and gone.by == user.get("id") and gone.by > 0
        if gone is not None and (word == "approved" or mine):
            back = Review(by, "withdrawn", fields.oid_or_absent("commit_id"), gone.at, f"{number}-dismissed")
            said.append((gone.at, number, 1, back))
        elif word == "approved" and turned is not None and at <= turned:
            back = Review(by, "withdrawn", fields.oid_or_absent("commit_id"), turned, f"{number}-base-changed")
            said.append((turned, number, 1, back))
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


def _turns(event: Any) -> bool:
    return Fields("an event", event).text("event") in _BASE_CHANGED


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
