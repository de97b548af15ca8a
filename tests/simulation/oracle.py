"""Who should have what: reckoned from what happened in a story, by the design's words, with nothing of the product.

Where the design leaves open what a run may do (it died, and nobody knows how far it came; somebody merged past the gate
what takes away only), access is allowed and not required.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace

from simulation.intervals import Intervals, asked, common, longest, still
from simulation.story import OWNERS, ROLES, SECURITY, Hours, Wish

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


class Oracle:
    """Takes in what happens, in order, and says at any minute of now who may and who must hold what."""

    def __init__(self) -> None:
        self.groups = {"owners": set(OWNERS), "security": set(SECURITY)}
        self.needs = {"orders": ("owners", "security"), "wiki": ("owners",), "code": ("owners",), "host": ("owners",)}
        """By resource: one approval from each, by distinct people."""
        self.engaged: dict[str, int] = {}
        self.kept: dict[str, int] = {}
        self.duty: Hours = ()
        """When who is on duty is so, by the calendar on main."""
        self.requests: dict[str, Request] = {}
        self.given: dict[str, Given] = {}
        self._earlier: Oracle | None = None

    # What happens

    def opened(self, name: str, grant: str, wish: Wish | None, who: str, at: int) -> None:
        """Somebody opened a request; no wish: that the grant be gone."""
        self.requests[name] = Request(grant, wish, who, hands={who}, absent=self._absent(who, at), touched=at)

    def pushed(self, name: str, who: str, wish: Wish, at: int) -> None:
        """Somebody pushed another wish to it."""
        request = self._remembered(name)
        request.head += 1
        request.touched = at
        request.wish = wish
        request.hands.add(who)
        request.absent = request.absent or self._absent(who, at)

    def closed(self, name: str, who: str, at: int) -> None:
        """Somebody closed it."""
        request = self.requests[name]
        request.closed_by, request.touched = who, at

    def reviewed(self, name: str, who: str, state: str, at: int) -> None:
        """Somebody approved or rejected it, or withdrew what they said."""
        request = self._remembered(name)
        request.touched = at
        request.rejected |= state == "rejected"
        asked = self.needs[request.wish.resource] if request.wish is not None else ()
        needs = frozenset(need for need in asked if who in self.groups[need])
        request.reviews[who] = Review(state, request.head, needs)

    def _remembered(self, name: str) -> Request:
        request = self.requests[name]
        request.before = replace(request, hands=set(request.hands), reviews=dict(request.reviews), before=None)
        return request

    def approved(self, name: str, at: int, *, stale: bool = False) -> bool:
        """Say whether the approvals of a request suffice at this minute, by groups and rules of now and of each review.

        ``stale``: it is enough that they sufficed before the last thing that happened to it.
        """
        request = self.requests[name]
        return self._approved(request, at) or (
            stale and request.before is not None and self._approved(request.before, at)
        )

    def _approved(self, request: Request, at: int) -> bool:
        assert request.wish is not None
        needs = self.needs[request.wish.resource]
        if request.absent or any(self._absent(who, at) for who in request.hands):
            return False
        asked = {who for need in needs for who in self.groups[need]}
        if any(review.state == "rejected" and who in asked for who, review in request.reviews.items()):
            return False
        barred = request.hands | {request.wish.subject}
        return all(
            any(
                review.state == "approved" and review.head == request.head and need in review.needs
                for who, review in request.reviews.items()
                if who in self.groups[need] and who not in barred
            )
            for need in needs
        )

    def merged(self, name: str, at: int, *, by_gate: bool, stale: bool = False) -> str:
        """Take in a merge that changed the grant's file; return what is wrong with it, "" where nothing is."""
        request = self.requests[name]
        before = self.given.pop(request.grant, None)
        if request.wish is None:
            return ""
        wish = request.wish
        narrowed = _narrowed(before, wish)
        if narrowed is not None:
            mine = by_gate or self.approved(name, at)
            self.given[request.grant] = replace(narrowed, sure=narrowed.sure and mine, landed=at)
            if (
                wish.start is None
                and self.approved(name, at)
                and before is not None
                and not (before.sure and before.proved)
            ):
                # Where nobody could prove what it narrows, it is a grant of its own, from its merge on.
                end = at + wish.length
                self.given[request.grant] = replace(narrowed, end=end, least=narrowed.end, sure=False)
            return ""
        start = at if wish.start is None else wish.start
        end = start + wish.length
        if not self.approved(name, at):
            excused = not by_gate or self.approved(name, at, stale=stale)
            return "" if excused else f"the gate merged {name} without the approvals that it needs"
        intervals = asked(wish, self.duty)
        nothing = wish.recurs and not intervals
        if nothing or (longest(intervals) if wish.recurs else wish.length) > ROLES[wish.resource, wish.role]:
            wrong = f"the gate merged {name}, which is longer than its role allows, or gives nothing"
            return wrong if by_gate and not stale else ""
        if wish.recurs:
            start, end = intervals[0][0], intervals[-1][1]
        self.given[request.grant] = Given(
            wish, start, end, sure=self._bound(wish) is None, landed=at, intervals=intervals if wish.recurs else ()
        )
        return ""

    def tidied(self, grant: str, at: int) -> str:
        """Take in that daypass removed a file itself; return what is wrong with that."""
        before = self.given.pop(grant, None)
        least = before.least if before is not None else None
        if before is None or before.ended != "no" or self._end(before) <= at or (least is not None and least <= at):
            return ""
        return f"daypass removed {grant}, which gives access still"

    def written(self, grant: str, wish: Wish | None) -> None:
        """Somebody changed or deleted (no wish) a grant's file on main past every request.

        There is no proof of what it says, but that less than before was granted before.
        """
        before = self.given.pop(grant, None)
        narrowed = None if wish is None else _narrowed(before, wish)
        if narrowed is not None:
            self.given[grant] = replace(narrowed, sure=False)

    def ran(self, at: int, *, whole: bool) -> None:
        """Apply ran, or died somewhere: what a bound has ended by now is ended for good, once that is recorded."""
        if whole:
            self.given = {grant: replace(one, proved=True) for grant, one in self.given.items()}
        for grant, one in self.given.items():
            if one.ended != "yes" and self._bounded(one) <= at and self._bounded(one) < one.end:
                self.given[grant] = replace(one, ended="yes" if whole else "maybe")

    def written_off(self, access: Access, grants: Collection[str]) -> None:
        """Somebody wrote an access off: what was proved of it gives nothing any more, as if it had never been granted."""
        mine = [grant for grant, one in self.given.items() if _access(one.wish) == access]
        for grant in mine:
            one = self.given.pop(grant)
            if grant not in grants:  # what no run has proved yet may be in force, or be what was meant
                self.given[grant] = replace(one, sure=False)

    # Who should have what

    def allowed(self, at: int, latest: int, *, stale: bool = False) -> set[Access]:
        """Return what may be there.

        ``latest`` is what the latest run took the time to be: where a clock was ahead, what it opened too early stays
        until its end. ``stale``: the run may have seen main as it was before it last changed.
        """
        found = self._may_hold(at, latest)
        if stale and self._earlier is not None:
            found |= self._earlier._may_hold(at, latest)
        return found

    def _may_hold(self, at: int, latest: int) -> set[Access]:
        mine = (one for one in self.given.values() if one.ended != "yes")
        return {
            _access(one.wish)
            for one in mine
            if at < self._end(one) and any(start <= max(at, latest) and at < end for start, end in self._times(one))
        }

    def required(self, at: int) -> set[Access]:
        """Return what must be there once a run has ended well."""
        live = (one for one in self.given.values() if one.sure and one.ended == "no")
        return {_access(one.wish) for one in live if self._holds(one, at) and one.landed <= at}

    def ends(self, access: Access, at: int = 0) -> int:
        """Return when the last of what gives an access ends; where it recurs, the last interval that has begun by then."""
        mine = [one for one in self.given.values() if _access(one.wish) == access]
        times = [
            min(end, self._end(one))
            for one in mine
            for start, end in self._times(one)
            if start <= at or not one.wish.recurs
        ]
        return max(times, default=0)

    def changes_main(self) -> None:
        """Remember how main stood, before it changes."""
        self._earlier = Oracle()
        self._earlier.duty = self.duty
        self._earlier.given, self._earlier.engaged, self._earlier.kept = (
            dict(self.given), dict(self.engaged), dict(self.kept),
        )  # fmt: skip

    def doubts(self) -> None:
        """Take in that a run may have judged what stands on main now by less than there is: nothing of it is sure."""
        self.given = {grant: replace(one, sure=False) for grant, one in self.given.items()}

    def _holds(self, one: Given, at: int) -> bool:
        return at < self._end(one) and any(start <= at < end for start, end in self._times(one))

    def _times(self, one: Given) -> Intervals:
        """When a grant gives something, by its own window and, where it has one, the calendar of now."""
        if not one.wish.recurs:
            return ((one.start, one.end),)
        return still(one.intervals, self.duty) if one.wish.on_duty else one.intervals

    def _end(self, one: Given) -> int:
        times = self._times(one)
        return min(times[-1][1], self._bounded(one)) if times else one.start

    def _bounded(self, one: Given) -> int:
        bound = self._bound(one.wish)
        return one.end if bound is None else min(one.end, bound)

    def _bound(self, wish: Wish) -> int | None:
        bounds = [self.engaged.get(wish.subject), self.kept.get(wish.resource)]
        return min((bound for bound in bounds if bound is not None), default=None)

    def _absent(self, who: str, at: int) -> bool:
        return who in self.engaged and self.engaged[who] <= at


def _access(wish: Wish) -> Access:
    return wish.resource, wish.subject, wish.role


def _narrowed(before: Given | None, wish: Wish) -> Given | None:
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
