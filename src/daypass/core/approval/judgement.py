"""Approvals: whether what people said at the forge is enough.

Upholds invariant 3: nobody approves access for themselves, by any name, and only people count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple

from msgspec import Struct

from daypass.core.forge import Account, Review
from daypass.core.ids import Oid
from daypass.core.policy.requirement import Requirement, assign
from daypass.core.window import format_instant

NOTHING: Mapping[str, Any] = MappingProxyType({})

STATES = ("approved", "rejected", "withdrawn")
"""What a review can say."""


class Then(Struct, frozen=True):
    """What main said when a review was given, where that is not what it says now.

    ``needs`` are the requirements with who could meet them then; ``moved`` is what else makes an approval from then one
    of another thing, "" for nothing.
    """

    needs: tuple[Requirement, ...] = ()
    moved: str = ""

    def lacks(self, review: Review, source: str, opened_at: datetime) -> str:
        """Say why this review was none that the requirement of a source asked for then, "" where it was."""
        if self.moved:
            return self.moved
        need = next((need for need in self.needs if need.source == source), None)
        if need is None:
            return f"main asked for no approval from {source} when it was given"
        able = need.allows(review.by.handle, review.at, opened_at)
        return "" if able else f"{review.by.handle} could not give the approval from {source} when it was given"


class Excluded(Struct, frozen=True):
    """Who may not approve, and why. ``unresolved`` says whom nobody can tell: any approver might be one of them."""

    people: Mapping[str, str]
    unresolved: tuple[str, ...] = ()


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


def acting_words(handle: str, acts_for: str) -> str:
    """Name somebody, and in whose place they act: ``carol for bob``."""
    return f"{handle} for {acts_for}" if acts_for else handle


class Ignored(Struct, frozen=True):
    """A review that does not count, and why. ``again``: it would if the same person looked and approved now."""

    review: Review
    why: str
    again: bool = False


class Status(Struct, frozen=True):
    """How one requirement stands: who approved, how many are missing, who could approve now, who joins them when.

    ``acting`` are those who approved in another's place, each with whose.
    """

    source: str
    approved_by: tuple[str, ...]
    missing: int
    could: tuple[str, ...]
    joining: tuple[str, ...] = ()
    joining_at: datetime | None = None
    acting: tuple[tuple[str, str], ...] = ()


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
    later = ""
    if status.joining and status.joining_at is not None:
        later = f"; from {format_instant(status.joining_at)} on also {', '.join(status.joining)}"
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
    approvals: dict[str, _Approval] = {}
    for handle, review in last.items():
        if review.state == "withdrawn":
            continue
        if not any(need.names(handle) for need in needs):
            always = excluded.people.get(handle)  # what no group could change is said first
            ignored.append(Ignored(review, f"{handle} {always or 'is in no group that is asked'}"))
        elif review.state == "rejected":
            rejected.append(review)
            blocks.append(f"{handle} rejected it at {review.commit[:12]}; only {handle} can take that back")
        elif handle in excluded.people:
            ignored.append(Ignored(review, f"{handle} {excluded.people[handle]}"))
        elif why := _taken_out(handle, needs):
            ignored.append(Ignored(review, f"{handle} {why}"))
        elif why := _outlived(review, head, opened_at, moved_at):
            ignored.append(Ignored(review, why, again=True))
        else:
            approvals[handle] = _serves(review, needs, then.get(review.id, ()), opened_at)
    approvals = {handle: _in_place(one, needs, approvals, excluded) for handle, one in approvals.items()}
    taken = assign([need.at_least for need in needs], {handle: one.serves for handle, one in approvals.items()})
    busy = {handle for people in taken for handle in people} | set(excluded.people)
    spare = (one for handle, one in approvals.items() if handle not in busy and one.why)
    ignored += (Ignored(one.review, one.why, again=True) for one in spare)
    counted = tuple(
        Counted(handle, need.source, approvals[handle].review, need.acts_for(handle))
        for need, people in zip(needs, taken, strict=True)
        for handle in sorted(people)
    )
    statuses = tuple(_status(need, people, busy, opened_at, at) for need, people in zip(needs, taken, strict=True))
    order = {id(review): place for place, review in enumerate(reviews)}
    told = tuple(sorted(ignored, key=lambda i: order[id(i.review)]))
    return Judgement(statuses, counted, told, tuple(blocks), tuple(rejected))


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


def _taken_out(handle: str, needs: Sequence[Requirement]) -> str:
    """Say why somebody whom requirements name can meet none of them, "" where they may meet one."""
    if any(need.includes(handle) for need in needs):
        return ""
    return next(why for need in needs for one, why in need.out if one == handle)


def _outlived(review: Review, head: Oid, opened_at: datetime, moved_at: datetime | None) -> str:
    """Say why an approval is one of another change than the one that would be merged, "" where it is not."""
    if review.commit != head:
        return f"it was given on {review.commit[:12]}, the head is {head[:12]} now"
    when = format_instant(review.at)
    if moved_at is not None and review.at <= moved_at:
        return f"it was given at {when}, and the branch was pushed to at {format_instant(moved_at)}"
    if review.at < opened_at:
        return f"it was given at {when}, and the request was opened at {format_instant(opened_at)}"
    return review.void


class _Approval(NamedTuple):
    """An approval, the places of the needs that it can count for, and why it cannot for others, "" where it can for all."""

    review: Review
    serves: frozenset[int]
    why: str


def _serves(review: Review, needs: Sequence[Requirement], then: Sequence[Then], opened_at: datetime) -> _Approval:
    """Find what an approval can count for: what is asked for now, and was when it was given."""
    able = {n: need.source for n, need in enumerate(needs) if need.allows(review.by.handle, review.at, opened_at)}
    whys = [] if able else [_untimely(review, needs)]
    for was in then:
        lacks = {n: why for n, source in able.items() if (why := was.lacks(review, source, opened_at))}
        whys += lacks.values()
        able = {n: source for n, source in able.items() if n not in lacks}
    return _Approval(review, frozenset(able), next(iter(whys), ""))


def _untimely(review: Review, needs: Sequence[Requirement]) -> str:
    """Say why an approval came at the wrong time for all that it could count for."""
    handle, when = review.by.handle, format_instant(review.at)
    if any(one == handle for need in needs for one, *_ in need.turns):
        return f"{handle} was not on call at {when}, when it was given"
    return f"{handle} may approve only after the escalation, and approved before"


def _in_place(
    one: _Approval, needs: Sequence[Requirement], approvals: Mapping[str, _Approval], excluded: Excluded
) -> _Approval:
    """Leave out what somebody cannot approve in another's place: what that one could not, and what they approved already."""
    handle, why, serves = one.review.by.handle, one.why, set(one.serves)
    for place in one.serves:
        other = needs[place].acts_for(handle)
        if not other:
            continue
        if other in excluded.people:
            why = f"{handle} acts for {other}, who {excluded.people[other]}"
            serves.discard(place)
        elif other in approvals and place in approvals[other].serves:
            why = f"{handle} acts for {other}, who approved it too"
            serves.discard(place)
    return _Approval(one.review, frozenset(serves), why)


def _status(need: Requirement, people: set[str], busy: set[str], opened_at: datetime, at: datetime) -> Status:
    missing = need.at_least - len(people)
    acting = tuple((by, of) for by, of in need.acting if by in people)
    if not missing:
        return Status(need.source, tuple(sorted(people)), 0, (), acting=acting)
    since = need.escalates_at(opened_at)
    could = {handle for handle in need.eligible | need.escalated if need.allows(handle, at, opened_at)} - busy
    joining = need.escalated - could - busy if since is not None and since > at else frozenset()
    return Status(
        source=need.source,
        approved_by=tuple(sorted(people)),
        missing=missing,
        could=tuple(sorted(could)),
        joining=tuple(sorted(joining)),
        joining_at=since if joining else None,
        acting=acting,
    )
