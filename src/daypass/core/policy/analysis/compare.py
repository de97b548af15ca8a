"""Two policies side by side: whether one permits what the other did not, or asks for fewer approvals.

Requests are compared one by one, by the very function that decides in production. Those of the past are known; those that
may come are searched (`requests`): every subject, role and purpose of either, and the lengths and instants around which
a rule of either may change its mind. A search finds what it finds: nothing found is no proof that there is nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from enum import Enum
from itertools import count, islice, product
from math import gcd

from msgspec import Struct

from daypass.core.bounds.outside import loose_claims
from daypass.core.finding import Finding
from daypass.core.grant import IMPORT, Bounded, Grant
from daypass.core.ids import GrantId
from daypass.core.policy.analysis.options import as_brought
from daypass.core.policy.analysis.samples import durations_in, instants_in
from daypass.core.policy.decision import Decision, Request, decide
from daypass.core.policy.escalation import Escalation
from daypass.core.policy.order import all_before
from daypass.core.policy.order import before as comes_before
from daypass.core.policy.policies import Policy
from daypass.core.policy.requirement import Requirement
from daypass.core.record import replace
from daypass.core.window import Span

MOST = 2_000
"""Requests that a search tries at most."""

_REASON = "tried by a comparison of policies"
_NOTHING = frozenset[str]()
_SECOND = timedelta(seconds=1)
_TICKETS = ("", "EXAMPLE-1")


class Move(Enum):
    """How a decision moved. The first three loosen what was asked, the others tighten it."""

    PERMITS = "permits"
    FEWER = "asks fewer"
    APPROVERS = "more may approve"
    DENIES = "denies"
    MORE = "asks more"


LOOSER = frozenset({Move.PERMITS, Move.FEWER, Move.APPROVERS})
"""The shifts that somebody may take advantage of."""


class PolicyDifference(Struct, frozen=True):
    """What two policies say of one request, and how the second moved. ``count`` requests moved in the same way."""

    request: Request
    before: Decision
    after: Decision
    shifts: frozenset[Move]
    count: int = 1

    @property
    def looser(self) -> bool:
        """Whether the second lets through what the first did not, or on fewer approvals."""
        return bool(self.shifts & LOOSER)


class Compared(Struct, frozen=True):
    """What came of a comparison: each way in which requests moved, the loosest first; of how many that there are.

    ``decided``: it holds for every request, but that of what is ``sampled`` only some values were tried.
    """

    differences: tuple[PolicyDifference, ...]
    tried: int
    possible: int
    decided: bool = False
    sampled: tuple[str, ...] = ()

    @property
    def looser(self) -> bool:
        """Whether anything was found that is let through more easily."""
        return any(difference.looser for difference in self.differences)


class PolicyChange(Struct, frozen=True):
    """What a change of policies changes: of every request, of those of the past, and of those whose access still runs.

    ``broken`` are promises that it breaks and renames that it does not say, or what does not read of it; ``why`` says what
    was not compared.
    """

    compared: Compared | None = None
    history: Compared | None = None
    live: Compared | None = None
    broken: tuple[Finding, ...] = ()
    why: str = ""

    @property
    def looser(self) -> bool:
        """Whether anything is let through more easily."""
        return self.compared is not None and self.compared.looser


def shifts(before: Decision, after: Decision) -> frozenset[Move]:
    """Say how a decision moved; nothing where it did not.

    What a request lacks and can bring (a ticket, details) keeps nobody from comparing the rest, where both demand it.
    """
    return _moved(before, after)[0]


def _moved(before: Decision, after: Decision) -> tuple[frozenset[Move], Decision, Decision]:
    """Return how a decision moved, and both as they are once a request brings what both demand."""
    if not (before.denials and after.denials):
        return _shifts(before, after), before, after
    (old, lacked), (new, lacks) = as_brought(before), as_brought(after)
    if old.denials and new.denials:
        return frozenset(), old, new
    demands = {Move.PERMITS: set(lacked) - set(lacks), Move.DENIES: set(lacks) - set(lacked)}
    return _shifts(old, new) | {shift for shift, some in demands.items() if some}, old, new


def _shifts(before: Decision, after: Decision) -> frozenset[Move]:
    if before.denials or after.denials:
        return frozenset({Move.PERMITS if before.denials else Move.DENIES})
    fewer, more = _lacks(after, before), _lacks(before, after)
    return frozenset(shift for shift, so in ((Move.FEWER, fewer), (Move.MORE, more)) if so)


def _lacks(one: Decision, other: Decision) -> bool:
    """Whether an approval that the other asks for is not asked for here, or earlier, of fewer people, or of more to choose."""
    asked = {(need.source, need.without): (need, earlier) for need, earlier in _in_order(one.requirements)}
    for need, earlier in _in_order(other.requirements):
        here, here_earlier = asked.get((need.source, need.without), (None, _NOTHING))
        if (
            here is None
            or here.at_least < need.at_least
            or not earlier <= here_earlier
            or any(not _as_strict(step, need.escalate) for step in here.escalate if not step.closes)
        ):
            return True
    return False


def _in_order(needs: Sequence[Requirement]) -> Iterator[tuple[Requirement, frozenset[str]]]:
    """Yield requirements with the sources whose approvals have to come before."""
    order = comes_before(needs)
    chained = any(order)
    for place, need in enumerate(needs):
        yield need, frozenset(needs[one].source for one in all_before(order, place)) if chained else _NOTHING


def _as_strict(step: Escalation, others: Iterable[Escalation]) -> bool:
    """Whether these let the same people in as well, and no later."""
    return any(other.to == step.to and other.wait.plain <= step.wait.plain for other in others)


class PolicyComparison:
    """Gathers what moved: requests that moved alike, and for the same reasons, are one difference."""

    def __init__(self) -> None:
        self._tried = 0
        self._found: dict[tuple[object, ...], PolicyDifference] = {}

    def add(self, difference: PolicyDifference | None) -> None:
        """Take in what two policies say of one request, None where it is plain that they say the same."""
        self._tried += 1
        if difference is not None and difference.shifts:
            key = (difference.shifts, _said(difference.before), _said(difference.after))
            known = self._found.get(key)
            self._found[key] = difference if known is None else replace(known, count=known.count + 1)

    def result(self, possible: int = 0) -> Compared:
        """Return all that moved, the loosest first."""
        order = list(Move)
        ranked = sorted(self._found.values(), key=lambda one: min(order.index(shift) for shift in one.shifts))
        return Compared(tuple(ranked), self._tried, max(possible, self._tried))


def compare(before: Policy, after: Policy, request: Request) -> PolicyDifference:
    """Decide on a request by both; where they say the same nothing shifts. What was only renamed is the same."""
    both = (decide(before, by_todays_names(before, request)), decide(after, by_todays_names(after, request)))
    found = difference(request, *both)
    if _further(found.before, found.after, after) - {request.grant.subject, request.requester}:
        return replace(found, shifts=found.shifts | {Move.APPROVERS})
    return found


def difference(request: Request, before: Decision, after: Decision) -> PolicyDifference:
    """Return how a decision moved, with both as they are once the request brings what both demand."""
    moved, old, new = _moved(before, after)
    return PolicyDifference(request, old, new, moved)


def _further(before: Decision, after: Decision, policy: Policy) -> frozenset[str]:
    """Return who may approve what nobody denies, and could not before, where both ask the same source."""
    if before.denials or after.denials:
        return _NOTHING
    today = policy.catalogue.renames.subject
    there = {(need.source, need.without): frozenset(map(today, need.eligible)) for need in before.needs}
    both = (need for need in after.needs if (need.source, need.without) in there)
    return _NOTHING.union(*(need.eligible - there[need.source, need.without] for need in both))


def by_todays_names(policy: Policy, request: Request) -> Request:
    """Return a request by the names that a policy has for people, resources and roles today."""
    catalogue = policy.catalogue
    if not catalogue.renames:
        return request
    grant = catalogue.by_todays_names(request.grant)
    return replace(request, grant=grant, requester=catalogue.renames.subject(request.requester))


def _said(decision: Decision) -> tuple[object, ...]:
    return tuple((d.code, d.rule) for d in decision.denials), tuple(
        (r.at_least, r.asked) for r in decision.requirements
    )


def search(before: Policy, after: Policy, at: datetime, most: int = MOST) -> Compared:
    """Compare two policies over the requests that may be asked by either: ``most``, spread evenly, where there are more."""
    field = _Field(before, after, at)
    step = field.step(-(-field.size // most))
    gathered = PolicyComparison()
    for request in islice(field.requests(), 0, None, step):
        gathered.add(compare(before, after, request))
    return gathered.result(field.size)


class _Field:
    """The requests that are searched: what differs between two of them is something that either policy can see."""

    def __init__(self, before: Policy, after: Policy, at: datetime) -> None:
        self._both = (before, after)
        names = {name for policy in self._both for rule in policy.rules.rules for name in rule.names}
        self._subjects = _unlike(self._both)
        self._purposes = ("", *sorted({name for policy in self._both for name in policy.catalogue.purposes} - {IMPORT}))
        self._instants = (at, *(when for when in _instants(self._both) if when != at))
        asked = {"request.requester", "requester.groups"} & names
        self._requesters = ("", *(self._subjects if asked else self._subjects[:1]))
        self._reads_ticket = "grant.ticket" in names
        self._parts = tuple(self._part(role, purpose) for role in _roles(self._both) for purpose in self._purposes)

    @property
    def size(self) -> int:
        """How many there are."""
        each = len(self._subjects) * len(self._instants) * len(self._requesters)
        return sum(each * len(lengths) * len(tickets) for _, _, lengths, tickets in self._parts)

    def step(self, least: int) -> int:
        """Return a step, of that many or more, that passes over no subject, length or instant each time it comes around."""
        sizes = {len(self._subjects), len(self._instants), len(self._requesters), len(_TICKETS)}
        sizes |= {len(lengths) for _, _, lengths, _ in self._parts}
        return next(step for step in count(max(least, 1)) if all(gcd(step, size) == 1 for size in sizes))

    def requests(self) -> Iterator[Request]:
        """Go through all of them, what is near to each other last."""
        for role, purpose, lengths, tickets in self._parts:
            ways = product(self._requesters, tickets, self._instants, lengths, self._subjects)
            for requester, ticket, at, length, subject in ways:
                grant = Grant(
                    GrantId(f"{role[0]}/example"), subject, *role, _REASON, Span(duration=length), ticket, purpose
                )
                yield Request(grant, requester or subject, at)

    def _part(self, role: tuple[str, str], purpose: str) -> _Part:
        """Return a role under a purpose with the lengths and tickets that may matter there."""
        limits = [policy.catalogue.bounds(Bounded("", *role, purpose)).longest for policy in self._both]
        named = [length for policy in self._both for rule in policy.rules.rules for length in durations_in(rule)]
        lengths = {length + step for length in (*limits, *named) for step in (timedelta(0), _SECOND)}
        tickets = _TICKETS if self._reads_ticket else _TICKETS[:1]
        return role, purpose, tuple(sorted(one for one in lengths if one <= max(limits))), tickets


_Part = tuple[tuple[str, str], str, tuple[timedelta, ...], tuple[str, ...]]


def _roles(both: Sequence[Policy]) -> list[tuple[str, str]]:
    return sorted(
        {(name, role) for policy in both for name, one in policy.catalogue.resources.items() for role in one.roles}
    )


def _unlike(both: Sequence[Policy]) -> tuple[str, ...]:
    """Return subjects of which either policy sees a difference: one of those that are alike, and whom a rule names."""
    texts = [condition.text for policy in both for rule in policy.rules.rules for condition in rule.conditions]
    found: dict[object, str] = {}
    for handle in sorted({handle for policy in both for handle in policy.catalogue.directory.subjects}):
        seen = tuple(_seen(policy, handle) for policy in both)
        named = handle if any(f'"{handle}"' in text or f"'{handle}'" in text for text in texts) else ""
        found.setdefault((seen, named), handle)
    return tuple(found.values())


def _seen(policy: Policy, handle: str) -> object:
    one = policy.catalogue.directory.subjects.get(handle)
    if one is None:
        return None
    groups = tuple(policy.facts.groups_of(handle))
    hired = one.kind, one.employment, policy.catalogue.directory.vendor_of(handle), one.manager, one.until
    return hired, groups, tuple(sorted(one.identities)), one.sponsors, (*one.claims, loose_claims(one.claims))


def _instants(both: Sequence[Policy]) -> tuple[datetime, ...]:
    found = {when for policy in both for rule in policy.rules.rules for when in instants_in(rule, policy.catalogue)}
    return tuple(sorted(found))
