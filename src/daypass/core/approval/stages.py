"""Stages: since when each requirement's people are asked, and for which requirements an approval can count.

A stage is open once all that comes before it is met, by different people: from the instant of the approval that filled it.
What people of its own source approved before counts once it opens; people of an escalation approve after its instant.

Which approvals are taken where there are more than needed is the same for gate, applier and auditor, although the auditor
has only those that counted: in an order, whoever approved earlier goes first, so that those that count open each stage
when all of them do.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from msgspec import Struct

from daypass.core.forge import Review
from daypass.core.policy.order import Before, all_before, assign, before, circle, in_order
from daypass.core.policy.requirement import Requirement
from daypass.core.window import format_instant


class Then(Struct, frozen=True):
    """What main said when a review was given, where that is not what it says now.

    ``needs`` are the requirements with who could meet them then; ``moved`` is what else makes an approval from then one
    of another thing, "" for nothing.
    """

    needs: tuple[Requirement, ...] = ()
    moved: str = ""

    def lacks(self, review: Review, source: str, opened: datetime | None) -> str:
        """Say why this review was none that the requirement of a source asked for then, "" where it was."""
        if self.moved:
            return self.moved
        need = next((need for need in self.needs if need.source == source), None)
        if need is None:
            return f"main asked for no approval from {source} when it was given"
        able = need.allows(review.by.handle, review.at, opened)
        return "" if able else f"{review.by.handle} could not give the approval from {source} when it was given"


class Excluded(Struct, frozen=True):
    """Who may not approve, and why. ``unresolved`` says whom nobody can tell: any approver might be one of them."""

    people: Mapping[str, str]
    unresolved: tuple[str, ...] = ()


REMINDERS = 3
"""How often people are reminded of one stage, at most."""


class Due(Struct, frozen=True):
    """What comes of a stage that is not met by an instant: ``remind``, ``escalate`` (to ``people``, by a source) or ``close``.

    ``at`` is None where its calendar does not say when; ``wait`` is how long people are waited for, in words.
    """

    what: str
    at: datetime | None
    wait: str
    to: str = ""
    people: tuple[str, ...] = ()


def due_of(need: Requirement, opened: datetime) -> tuple[Due, ...]:
    """Return what comes of a stage that opened at an instant, in time; last what nobody can tell when.

    An escalation to people who are asked already is nothing to wait for.
    """
    of = f" of {need.clock}" if need.clock else ""
    own = need.eligible | {handle for handle, *_ in need.turns}
    found = [
        Due(
            "close" if s.closes else "escalate",
            need.over(s.wait, opened),
            f"{s.wait}{of}",
            s.to,
            tuple(sorted(s.people - own)),
        )
        for s in need.escalate
        if s.closes or s.people - own
    ]
    last: datetime | None = opened
    for _ in range(REMINDERS if need.remind is not None else 0):
        assert need.remind is not None  # noqa: S101  (asked just now)
        last = need.over(need.remind, last) if last is not None else None
        found += [Due("remind", last, f"{need.remind}{of}")]
    return tuple(sorted(found, key=lambda due: (due.at is None, due.at or opened, due.what)))


class Stages(Struct, frozen=True):
    """How approvals stand to requirements, these by their place.

    ``opened`` is since when people are asked, None where they are not yet; ``order`` has the places, what comes before
    first; ``taken`` are who approved what, and ``why`` says of an approval why it does not count for all that it could.
    ``around`` are the sources that come after each other in a circle.
    """

    opened: tuple[datetime | None, ...]
    order: tuple[int, ...]
    comes_before: Before
    taken: tuple[frozenset[str], ...]
    why: Mapping[str, str]
    around: tuple[str, ...] = ()

    def waits_for(self, place: int, needs: Sequence[Requirement]) -> tuple[str, ...]:
        """Return the sources that a stage which is not open waits for."""
        if self.opened[place] is not None:
            return ()
        missing = (other for other in self.comes_before[place] if len(self.taken[other]) < needs[other].at_least)
        lacking = sorted(needs[other].source for other in missing)
        return tuple(lacking or sorted(needs[other].source for other in self.comes_before[place]))


def stages(
    needs: Sequence[Requirement],
    given: Mapping[str, Review],
    *,
    excluded: Excluded,
    opened_at: datetime,
    then: Mapping[str, Sequence[Then]],
) -> Stages:
    """Say since when each stage is open and what approvals count for: the last of each person, of what is to be merged."""
    comes_before = before(needs)
    chained = any(comes_before)
    order = in_order(comes_before) if chained else tuple(range(len(needs)))
    rest = tuple(n for n in range(len(needs)) if n not in order) if chained else ()  # a circle, which never opens
    opened: list[datetime | None] = [None if chained else opened_at for _ in needs]
    serves: dict[str, set[int]] = {handle: set() for handle in given}
    why: dict[str, str] = {}
    for place in (*order, *rest):
        need = needs[place]
        if chained and place in order:
            ahead = all_before(comes_before, place)
            opened[place] = _filled_at(needs, ahead, given, serves) if ahead else opened_at
        able: list[str] = []
        for handle, review in given.items():
            lacks = _lacks(need, review, then.get(review.id, ()), opened[place])
            if lacks == "":
                able.append(handle)
            elif lacks is not None:
                why.setdefault(handle, lacks)
        for handle in able:
            idle = _stand_in(handle, need, able, excluded) if need.acting else ""
            if idle:
                why[handle] = idle
            else:
                serves[handle].add(place)
    why |= {one: _untimely(given[one], needs) for one in given if not serves[one] and one not in why}
    spots: Mapping[str, Collection[int]] = serves
    if chained:
        kept = _first(needs, order, given, serves)
        spots = {handle: {order.index(n) for n in places if n in order} for handle, places in kept.items()}
    found = dict(zip(order, assign([needs[place].at_least for place in order], spots), strict=True))
    taken = tuple(frozenset(found.get(place, ())) for place in range(len(needs)))
    return Stages(tuple(opened), (*order, *rest), comes_before, taken, why, circle(needs) if rest else ())


def _lacks(need: Requirement, review: Review, then: Sequence[Then], opened: datetime | None) -> str | None:
    """Say why an approval cannot count for a requirement; None where its giver is not whom it asks, "" where it can."""
    if not need.allows(review.by.handle, review.at, opened):
        return None
    return next((why for was in then if (why := was.lacks(review, need.source, opened))), "") if then else ""


def _stand_in(handle: str, need: Requirement, able: Collection[str], excluded: Excluded) -> str:
    """Say why somebody cannot approve this in another's place, who could not themselves, or did already; "" else."""
    other = need.acts_for(handle)
    if other and other in excluded.people:
        return f"{handle} acts for {other}, who {excluded.people[other]}"
    return f"{handle} acts for {other}, who approved it too" if other and other in able else ""


def _untimely(review: Review, needs: Sequence[Requirement]) -> str:
    """Say why an approval came at the wrong time for all that it could count for."""
    handle, when = review.by.handle, format_instant(review.at)
    if any(one == handle for need in needs for one, *_ in need.turns):
        return f"{handle} was not on call at {when}, when it was given"
    return f"{handle} may approve only after the escalation, and approved before"


def _filled_at(
    needs: Sequence[Requirement], places: Collection[int], given: Mapping[str, Review], serves: Mapping[str, set[int]]
) -> datetime | None:
    """Return by when approvals fill all of some requirements, each person one of them; None where they do not yet."""
    ordered = sorted(places)
    counts = [needs[place].at_least for place in ordered]
    for instant in sorted({review.at for review in given.values()}):
        able = {
            handle: {n for n, place in enumerate(ordered) if place in serves[handle]}
            for handle, review in given.items()
            if review.at <= instant
        }
        if sum(map(len, assign(counts, able))) == sum(counts):
            return instant
    return None


def _first(
    needs: Sequence[Requirement], order: Sequence[int], given: Mapping[str, Review], serves: Mapping[str, set[int]]
) -> Mapping[str, set[int]]:
    """Leave out whose approval fills nothing that those before it do not fill already."""
    counts = [needs[place].at_least for place in order]
    kept: dict[str, set[int]] = {}
    for handle in sorted(serves, key=lambda one: (given[one].at, one)):
        trial = kept | {handle: serves[handle]}
        able = {one: {order.index(place) for place in places if place in order} for one, places in trial.items()}
        if sum(map(len, assign(counts, able))) > len(kept):
            kept = trial
    return kept
