"""What an oracle remembers: requests, what people said of them, and what grants give."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from simulation.intervals import Intervals, common
from simulation.story import ROLES, Wish

Access = tuple[str, str, str]
"""Resource, principal, role."""


@dataclass(frozen=True)
class Review:
    """The last word of one person on a request: at which state of its head, and for which needs of then they could speak."""

    state: str
    head: int
    needs: frozenset[str]


@dataclass
class Request:
    """A pull request. ``head`` counts pushes; ``hands`` are the people who made it, ``absent`` that one was not engaged."""

    grant: str
    wish: Wish | None
    opener: str
    head: int = 0
    hands: set[str] = field(default_factory=set)
    absent: bool = False
    reviews: dict[str, Review] = field(default_factory=dict)
    before: Request | None = None
    """As it was before the last thing that happened to it."""
    rejected: bool = False
    """Whether anybody ever rejected it."""
    closed_by: str = ""
    """Who closed it, "" while it is open or merged."""
    touched: int = 0
    """When something happened to it last."""

    def fate(self, at: int) -> set[str]:
        """What is to be on record of it where it was not merged."""
        standing = any(one.state == "rejected" and one.head == self.head for one in self.reviews.values())
        wish = self.wish
        over = wish is not None and wish.start is not None and wish.start + wish.length <= at
        too_long = wish is not None and not over and not wish.recurs and wish.length > ROLES[wish.resource, wish.role]
        closed = {"withdrawn" if self.closed_by == self.opener else "closed"} if self.closed_by else set()
        return closed | ({"rejected"} if standing else set()) | ({"denied"} if too_long and not closed else set())


@dataclass(frozen=True)
class Given:
    """What a grant on main gives from one minute until before another. ``sure``: it must, where it may.

    ``landed`` is when it was merged: by a clock that is behind that, nobody can prove it yet.

    ``ended`` says whether a bound has ended it for good: "no", "maybe" (a run died) or "yes".
    """

    wish: Wish
    start: int
    end: int
    sure: bool
    ended: str = "no"
    proved: bool = False
    """Whether a run ended well since, which had the forge to prove it by."""
    landed: int = 0
    least: int | None = None
    """When it is over already, if what it narrows could be proved."""
    intervals: Intervals = ()
    """Of one that recurs: when it gives something, by the calendar as it was when it was merged."""
    review_by: int | None = None
    """By when people are to have reviewed an emergency, None for what is none."""
    barred: frozenset[str] = frozenset()
    """Who had a part in it, and reviews nothing."""
    votes: tuple[tuple[str, str, int], ...] = ()
    """What who of those that may review it said of it, and when."""
    reviewed: bool = False
    """Whether it is on record that they approved it."""

    @property
    def in_time(self) -> bool:
        """Whether anybody approved it by when they were to."""
        by = self.review_by
        return by is None or self.reviewed or any(said == "approved" and at <= by for _, said, at in self.votes)


def access_of(wish: Wish) -> Access:
    return wish.resource, wish.subject, wish.role


def narrowed(before: Given | None, wish: Wish) -> Given | None:
    """Return what is left where a wish can only take away from what was given, None where it asks for more.

    Narrowing never lets access grow (invariant 10; section 3: it needs no approval): a shorter duration counts from the
    merge that the longer one began at, so that what is approved as well may be over by the time it is merged.
    """
    if before is None or wish._replace(start=None, length=0) != before.wish._replace(start=None, length=0):
        return None
    if wish.start is None:
        less = before.wish.start is None and wish.length <= before.wish.length
        return replace(before, wish=wish, end=min(before.end, before.start + wish.length)) if less else None
    if wish.recurs:
        assert before.wish.start is not None
        if before.wish.start > wish.start or wish.start + wish.length > before.wish.start + before.wish.length:
            return None
        left = common(before.intervals, ((wish.start, wish.start + wish.length),))
        return replace(before, wish=wish, end=left[-1][1] if left else before.start, intervals=left)
    if before.start <= wish.start and wish.start + wish.length <= before.end:
        return replace(before, wish=wish, start=wish.start, end=wish.start + wish.length)
    return None
