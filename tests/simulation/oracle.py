"""Who should have what: reckoned from what happened in a story, by the design's words, with nothing of the product.

Where the design leaves open what a run may do (it died, and nobody knows how far it came; somebody merged past the gate
what takes away only), access is allowed and not required.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from simulation.intervals import Intervals, asked, joined, longest, still
from simulation.remembered import Access, Given, Request, Review, access_of, narrowed
from simulation.story import AGREED, OWNERS, ROLES, SAM, SECURITY, TOTALS, VERA, WITHIN, Hours, Wish


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
        self.agreed: dict[str, int | None] | None = None
        """Until when the agreements with a vendor hold; None: there are no terms at all."""
        self.past: list[Given] = []
        """What is replaced or gone."""
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
        needs = frozenset(need for need in self._needs(request) if who in self._people(need))
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
        needs = self._needs(request)
        if request.absent or any(self._absent(who, at) for who in request.hands):
            return False
        asked = {who for need in needs for who in self._people(need)}
        if any(review.state == "rejected" and who in asked for who, review in request.reviews.items()):
            return False
        barred = request.hands | {request.wish.subject}
        return all(
            any(
                review.state == "approved" and review.head == request.head and need in review.needs
                for who, review in request.reviews.items()
                if who in self._people(need) and who not in barred
            )
            for need in needs
        )

    def _needs(self, request: Request) -> tuple[str, ...]:
        """Return from whom a request needs an approval. An emergency needs none, where people ask for themselves."""
        wish = request.wish
        if wish is None:
            return ()
        if wish.purpose == "incident":
            return () if request.opener == wish.subject else ("owners",)
        return (*self.needs[wish.resource], *(("sponsor",) if wish.subject == VERA else ()))

    def _people(self, need: str) -> set[str]:
        return {SAM} if need == "sponsor" else self.groups[need]

    def voted(self, grant: str, who: str, state: str, at: int, opened: int) -> None:
        """Somebody spoke on the request for the review of an emergency, which was opened then."""
        one = self.given.get(grant)
        if one is None or one.review_by is None or opened < one.landed:
            return
        barred = one.barred if state == "approved" else frozenset()  # a rejection is heard of anybody who is asked
        if who in self.groups["owners"] - barred:
            votes = (*(vote for vote in one.votes if vote[0] != who or vote[1] == "approved"), (who, state, at))
            self.given[grant] = replace(one, votes=votes, sure=one.sure and state == "approved")

    def _spoken(self, one: Given, at: int, *, whole: bool) -> Given:
        """Take in that a run heard what people said of an emergency; of one that may have heard it nothing is sure."""
        heard = [vote for vote in one.votes if vote[2] <= at and vote[0] in self.groups["owners"]]
        if one.review_by is None or one.reviewed or one.ended != "no" or not one.votes:
            return one
        if not whole or len(heard) < len(one.votes):
            return replace(one, sure=False)
        if heard[-1][1] == "rejected":
            return replace(one, ended="yes")
        return replace(one, reviewed=one.in_time) if len(heard) == 1 else replace(one, sure=False)

    def merged(self, name: str, at: int, *, by_gate: bool, stale: bool = False) -> str:
        """Take in a merge that changed the grant's file; return what is wrong with it, "" where nothing is."""
        request = self.requests[name]
        before = self.given.pop(request.grant, None)
        self.past += [before] if before is not None else []
        if request.wish is None:
            return ""
        wish = request.wish
        left = narrowed(before, wish)
        if left is not None:
            mine = by_gate or self.approved(name, at)
            self.given[request.grant] = replace(left, sure=left.sure and mine, landed=at)
            if (
                wish.start is None
                and self.approved(name, at)
                and before is not None
                and not (before.sure and before.proved)
            ):
                # Where nobody could prove what it narrows, it is a grant of its own, from its merge on.
                end, later = at + wish.length, at + WITHIN if wish.purpose == "incident" else None
                self.given[request.grant] = replace(left, end=end, least=left.end, sure=False, review_by=later)
            return ""
        start = at if wish.start is None else wish.start
        end = start + wish.length
        if not self.approved(name, at):
            excused = not by_gate or self.approved(name, at, stale=stale)
            return "" if excused else f"the gate merged {name} without the approvals that it needs"
        if self.agreed is None and (wish.purpose or VERA in request.hands):
            return f"the gate merged {name}, which names what nobody knows" if by_gate else ""
        intervals = asked(wish, self.duty)
        nothing = wish.recurs and not intervals
        nothing |= wish.subject == VERA and (wish.resource not in AGREED or wish.purpose != "support")
        if nothing or (longest(intervals) if wish.recurs else wish.length) > ROLES[wish.resource, wish.role]:
            wrong = f"the gate merged {name}, which is longer than its role allows, or gives nothing"
            return wrong if by_gate and not stale else ""
        if wish.recurs:
            start, end = intervals[0][0], intervals[-1][1]
        intervals = intervals if wish.recurs else ()
        given = Given(wish, start, end, sure=self._bound(wish) is None, landed=at, intervals=intervals)
        certain = [one for one in self.given.values() if one.sure and one.proved and one.ended == "no"]
        if self._adds_up(given, certain):
            return f"the gate merged {name}, which adds up to longer than its role allows" if by_gate else ""
        may = [*self.given.values(), *self.past]
        self.given[request.grant] = replace(given, sure=given.sure and not self._adds_up(given, may, undated=True))
        if wish.purpose == "incident":
            # Whose approval nobody needed has approved nothing, by the receipt; of several that did nobody knows which counted.
            heard = {who for who, one in request.reviews.items() if one.state == "approved" and "owners" in one.needs}
            barred = frozenset({wish.subject, *request.hands, *(heard if len(heard) == 1 else ())})
            mine = request.hands == {wish.subject} and not request.reviews and not request.rejected
            self.given[request.grant] = replace(
                self.given[request.grant],
                review_by=at + WITHIN,
                barred=barred,
                sure=mine and self.given[request.grant].sure,
            )
        return ""

    def _adds_up(self, given: Given, others: Sequence[Given], *, undated: bool = False) -> bool:
        """Whether somebody would have a role without a gap for longer than it allows.

        ``undated``: what no run has proved yet may count whole, wherever it lies.
        """
        access = access_of(given.wish)
        mine = [one for one in others if access_of(one.wish) == access]
        # Before its merge nobody had it, whenever its window begins.
        since = {id(one): 0 if undated else one.landed for one in mine}
        times = [
            (max(start, since[id(one)]), min(end, self._bounded(one) if undated else self._end(one)))
            for one in mine
            # What a calendar has cut since may count as it was approved.
            for start, end in ((undated and one.intervals) or self._times(one))
        ]
        waiting = sum(one.wish.length for one in mine if not one.proved) if undated else 0
        runs = joined([*((start, end) for start, end in times if start < end), *self._times(given)])
        long = [end - start for start, end in runs if any(start <= a and b <= end for a, b in self._times(given))]
        return bool(mine) and max(long, default=0) + waiting > TOTALS.get(access[::2], ROLES[access[::2]])

    def tidied(self, grant: str, at: int) -> str:
        """Take in that daypass removed a file itself; return what is wrong with that."""
        before = self.given.pop(grant, None)
        self.past += [before] if before is not None else []
        least = before.least if before is not None else None
        if before is None or before.ended != "no" or self._end(before) <= at or (least is not None and least <= at):
            return ""
        return f"daypass removed {grant}, which gives access still"

    def written(self, grant: str, wish: Wish | None) -> None:
        """Somebody changed or deleted (no wish) a grant's file on main past every request.

        There is no proof of what it says, but that less than before was granted before.
        """
        before = self.given.pop(grant, None)
        self.past += [before] if before is not None else []
        left = None if wish is None else narrowed(before, wish)
        if left is not None:
            self.given[grant] = replace(left, sure=False)

    def ran(self, at: int, *, whole: bool) -> None:
        """Apply ran, or died somewhere: what a bound has ended by now is ended for good, once that is recorded."""
        if whole:
            self.given = {grant: replace(one, proved=True) for grant, one in self.given.items()}
        self.given = {grant: self._spoken(one, at, whole=whole) for grant, one in self.given.items()}
        for grant, one in self.given.items():
            if one.ended != "yes" and self._bounded(one) <= at and self._bounded(one) < one.end:
                self.given[grant] = replace(one, ended="yes" if whole else "maybe")

    def written_off(self, access: Access, grants: Collection[str]) -> None:
        """Somebody wrote an access off: what was proved of it gives nothing any more, as if it had never been granted."""
        mine = [grant for grant, one in self.given.items() if access_of(one.wish) == access]
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
            access_of(one.wish)
            for one in mine
            if at < self._end(one) and any(start <= max(at, latest) and at < end for start, end in self._times(one))
        }

    def required(self, at: int) -> set[Access]:
        """Return what must be there once a run has ended well."""
        live = (one for one in self.given.values() if one.sure and one.ended == "no")
        return {access_of(one.wish) for one in live if self._holds(one, at) and one.landed <= at}

    def ends(self, access: Access, at: int = 0) -> int:
        """Return when the last of what gives an access ends; where it recurs, the last interval that has begun by then."""
        mine = [one for one in self.given.values() if access_of(one.wish) == access]
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
        self._earlier.duty, self._earlier.agreed = self.duty, dict(self.agreed) if self.agreed is not None else None
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
        end = one.end if bound is None else min(one.end, bound)
        return min(end, one.review_by) if one.review_by is not None and not one.in_time else end

    def _bound(self, wish: Wish) -> int | None:
        bounds = [self.engaged.get(wish.subject), self.kept.get(wish.resource)]
        if wish.subject == VERA and self.agreed is not None:
            bounds += self.agreed.values()
        return min((bound for bound in bounds if bound is not None), default=None)

    def _absent(self, who: str, at: int) -> bool:
        return who in self.engaged and self.engaged[who] <= at
