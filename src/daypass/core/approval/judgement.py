"""Approvals: whether what people said at the forge is enough.

Upholds invariant 3: nobody approves access for themselves, by any name, and only people count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any

from msgspec import Struct

from daypass.core.approval.stages import Due, Excluded, Stages, Then, due_of, stages
from daypass.core.forge import Account, Review, acting_words
from daypass.core.ids import Oid
from daypass.core.policy.requirement import Requirement
from daypass.core.window import format_instant

NOTHING: Mapping[str, Any] = MappingProxyType({})

STATES = ("approved", "rejected", "withdrawn")
"""What a review can say."""


class Counted(Struct, frozen=True):
    """An approval that counts, and the requirement it counts for; ``acts_for`` is in whose place, "" for their own."""

    handle: str
    source: str
    review: Review
    acts_for: str = ""

    @property
    def who(self) -> str:
        """Who approved, and for whom where it was in somebody's place."""
        return acting_words(self.handle, self.acts_for)


class Ignored(Struct, frozen=True):
    """A review that does not count, and why. ``again``: it would if the same person looked and approved now."""

    review: Review
    why: str
    again: bool = False


class Status(Struct, frozen=True):
    """How one requirement stands: who approved, how many are missing, who could approve now, who joins them when.

    ``acting`` are those who approved in another's place, each with whose. It comes ``after`` other sources; ``since`` is
    when people began to be asked, None while it ``waits`` for some of them. ``due`` is what comes while it is not met.
    """

    source: str
    approved_by: tuple[str, ...]
    missing: int
    could: tuple[str, ...]
    joining: tuple[str, ...] = ()
    joining_at: datetime | None = None
    acting: tuple[tuple[str, str], ...] = ()
    after: tuple[str, ...] = ()
    waits: tuple[str, ...] = ()
    since: datetime | None = None
    due: tuple[Due, ...] = ()

    def now_due(self, at: datetime) -> tuple[Due, ...]:
        """Return what of it has come by an instant."""
        return tuple(one for one in self.due if one.at is not None and one.at <= at)


class Judgement(Struct, frozen=True):
    """Whether the approvals suffice. ``blocks`` says in words what forbids the merge whoever else approves.

    ``rejections`` are the reviews of those who rejected it.
    """

    statuses: tuple[Status, ...]
    counted: tuple[Counted, ...]
    ignored: tuple[Ignored, ...]
    blocks: tuple[str, ...] = ()
    rejections: tuple[Review, ...] = ()

    @property
    def chained(self) -> bool:
        """Whether some of it is asked after something else."""
        return any(status.waits or status.after for status in self.statuses)

    @property
    def met(self) -> bool:
        """Whether nothing is missing and nothing blocks. No requirement at all is never a pass (invariant 7)."""
        return bool(self.statuses) and not self.blocks and all(status.missing == 0 for status in self.statuses)

    def missing(self) -> tuple[str, ...]:
        """Say in words what stands between the request and its merge; empty exactly when it is met."""
        if not self.statuses:
            return (*self.blocks, "no approval is asked for, and no rule lets it pass without one")
        return (*self.blocks, *(_missing_text(status) for status in self.statuses if status.missing))


_NAMED = 8
"""How many people are named one by one."""


def _missing_text(status: Status) -> str:
    count = f"{status.missing} approval{'s' if status.missing > 1 else ''} from {status.source}"
    named = ", ".join(status.could[:_NAMED])
    named += f" and {len(status.could) - _NAMED} more" if len(status.could) > _NAMED else ""
    who = f" ({named})" if named else ", and nobody is left who could give it"
    later = f", once {' and '.join(status.waits)} is met" if status.waits else ""
    if status.joining and status.joining_at is not None:
        later += f"; from {format_instant(status.joining_at)} on also {', '.join(status.joining)}"
    return count + who + later


def judge(
    needs: Sequence[Requirement],
    reviews: Sequence[Review],
    *,
    head: Oid,
    excluded: Excluded,
    opened_at: datetime,
    at: datetime,
    moved_at: datetime | None = None,
    then: Mapping[str, Sequence[Then]] = NOTHING,
) -> Judgement:
    """Hold the reviews (oldest first) given up to ``at`` against every requirement.

    Of each person the last review counts. An approval counts on exactly ``head`` and for one requirement only, so that
    requirements are met by distinct people; the assignment that fills most is found, the same one each time. A
    rejection by anybody whom a requirement names blocks until that person approves or withdraws, new commits or not.

    ``moved_at`` is when the head was moved last: what was approved up to then was another thing, whatever commit the
    forge shows on it now. Forges tell instants to the second, so that the same second is not later. ``then`` has, by a
    review's id, all that main can have said when it was given; what is not there was given under what it says now.
    """
    last, ignored = _last_reviews(reviews, at)
    blocks = list(excluded.unresolved)
    rejected: list[Review] = []
    approvals: dict[str, Review] = {}
    for handle, review in last.items():
        if review.state == "withdrawn":
            continue
        asked = any(need.includes(handle) for need in needs)
        if not asked and not any(need.names(handle) for need in needs):
            always = excluded.people.get(handle)  # what no group could change is said first
            ignored.append(Ignored(review, f"{handle} {always or 'is in no group that is asked'}"))
        elif review.state == "rejected":
            rejected.append(review)
            blocks.append(f"{handle} rejected it at {review.commit[:12]}; only {handle} can take that back")
        elif handle in excluded.people:
            ignored.append(Ignored(review, f"{handle} {excluded.people[handle]}"))
        elif not asked:
            ignored.append(Ignored(review, f"{handle} {_why_out(handle, needs)}"))
        elif why := _outlived(review, head, opened_at, moved_at):
            ignored.append(Ignored(review, why, again=True))
        else:
            approvals[handle] = review
    found = stages(needs, approvals, excluded=excluded, opened_at=opened_at, then=then)
    busy = {handle for people in found.taken for handle in people} | set(excluded.people)
    ignored += [Ignored(approvals[one], why, again=True) for one, why in found.why.items() if one not in busy]
    counted = [
        Counted(handle, needs[place].source, approvals[handle], needs[place].acts_for(handle))
        for place in found.order
        for handle in sorted(found.taken[place])
    ]
    if found.around:
        blocks.append(
            f"the order of its approvals is a circle, and none of it ever opens: {', then '.join(found.around)}"
        )
    statuses = tuple([_status(needs, place, found, busy, at) for place in found.order])
    order = {id(review): place for place, review in enumerate(reviews)} if ignored else {}
    told = tuple(sorted(ignored, key=lambda i: order[id(i.review)]))
    return Judgement(statuses, tuple(counted), told, tuple(blocks), tuple(rejected))


def _last_reviews(reviews: Sequence[Review], at: datetime) -> tuple[dict[str, Review], list[Ignored]]:
    """Keep the last review of each known person; a review that cannot be ascribed never replaces one that can."""
    last: dict[str, Review] = {}
    ignored: list[Ignored] = []
    for review in reviews:
        if review.state not in STATES:
            raise RuntimeError(f"a review is approved, rejected or withdrawn, got {review.state!r}")
        why = _unascribed(review.by) or ("it was given after this instant" if review.at > at else "")
        if why:
            ignored.append(Ignored(review, why))
            continue
        before = last.pop(review.by.handle, None)
        if before is not None and before.state == "approved":
            ignored.append(Ignored(before, f"{review.by.handle} reviewed again later"))
        last[review.by.handle] = review
    return dict(sorted(last.items())), ignored


def _unascribed(account: Account) -> str:
    if not account.person:
        return f"{account.handle or account.name} is no person"
    if not account.handle:
        return f"the directory does not know {account.name}"
    if not account.proved:
        return f"it is not signed with a key that the directory gives {account.handle}"
    return ""


def _why_out(handle: str, needs: Sequence[Requirement]) -> str:
    """Say why somebody whom requirements name can meet none of them."""
    return next(why for need in needs for one, why in need.out if one == handle)


def _outlived(review: Review, head: Oid, opened_at: datetime, moved_at: datetime | None) -> str:
    """Say why an approval is one of another change than the one that would be merged, "" where it is not."""
    if review.commit != head:
        return f"it was given on {review.commit[:12]}, the head is {head[:12]} now"
    if moved_at is not None and review.at <= moved_at:
        when = f"and the branch was pushed to at {format_instant(moved_at)}"
        return f"it was given at {format_instant(review.at)}, {when}"
    if review.at < opened_at:
        when = f"and the request was opened at {format_instant(opened_at)}"
        return f"it was given at {format_instant(review.at)}, {when}"
    return review.void


def _status(needs: Sequence[Requirement], place: int, found: Stages, busy: set[str], at: datetime) -> Status:
    need, people, opened = needs[place], found.taken[place], found.opened[place]
    missing = need.at_least - len(people)
    acting = tuple((by, of) for by, of in need.acting if by in people) if need.acting else ()
    before = found.comes_before[place]
    after = tuple(sorted(needs[other].source for other in before)) if before else ()
    waits = found.waits_for(place, needs)
    if not missing:
        return Status(need.source, tuple(sorted(people)), 0, (), acting=acting, after=after, waits=waits, since=opened)
    could = {handle for handle in need.eligible | need.escalated if need.allows(handle, at, opened)} - busy
    due = due_of(need, opened) if opened is not None else ()
    ahead = [one for one in due if one.at is not None and one.at > at and set(one.people) - could - busy]
    return Status(
        source=need.source,
        approved_by=tuple(sorted(people)),
        missing=missing,
        could=tuple(sorted(could)),
        joining=tuple(sorted(set(ahead[0].people) - could - busy)) if ahead else (),
        joining_at=ahead[0].at if ahead else None,
        acting=acting,
        after=after,
        waits=waits,
        since=opened,
        due=due,
    )
