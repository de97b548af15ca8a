"""What a change of the rules alone moves, decided over every request by lazy branching (`regions`).

Requests are cut by the rules that differ. Where these come to the same, nothing moves, whatever the others say; the rest is
cut by the others that ask for approvals or lift them, and of each part one request is found that no rule denies on both
sides. Where people, resources or settings changed as well, requests are searched (`compare`).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import partial
from itertools import islice
from typing import Any

from msgspec import Struct

from daypass.core.policy.analysis.cases.regions import TOO_MANY, Branching, Look
from daypass.core.policy.analysis.cases.space import WHO, Point, Region, Space
from daypass.core.policy.analysis.compare import Compared, Move, PolicyComparison, PolicyDifference, compare, search
from daypass.core.policy.decision import Request
from daypass.core.policy.facts import coming, of_history
from daypass.core.policy.policies import Policy
from daypass.core.policy.requirement import merge
from daypass.core.policy.rules import Rule, Rules
from daypass.core.record import replace


def unchanged(before: Policy, after: Policy, at: datetime) -> bool:
    """Say whether it is sure that two policies, which differ in rules alone, decide alike on every request."""
    here = _Between(before, after, at)
    return next(here.differences(), None) is None and not here.sampled


def alters(before: Policy, after: Policy, at: datetime) -> bool:
    """Say whether two policies, which differ in rules alone, decide otherwise on some request that was found."""
    return next(_Between(before, after, at).differences(), None) is not None


def between(before: Policy, after: Policy, at: datetime) -> Compared:
    """Compare two policies over every request from an instant on; where more than rules differ, over some of them."""
    return _Between(before, after, at).compared() if rules_alone(before, after) else search(before, after, at)


def rules_alone(before: Policy, after: Policy) -> bool:
    """Say whether two policies differ in nothing but rules."""
    same = before.catalogue == after.catalogue and before.unfit == after.unfit
    return same and before.faulty == after.faulty and before.broken == after.broken


class Unmoved:
    """Tells of which requests two policies must say the same, by the rules that differ alone, which is most of them.

    Nothing is told of windows that recur, and where more than rules differs.
    """

    def __init__(self, before: Policy, after: Policy) -> None:
        self._policy = before
        self._rules: Rules | None = None
        self.rules_alone = rules_alone(before, after)
        if self.rules_alone and not before.broken:
            self._rules = Rules.of([*_without(before, after, "-"), *_without(after, before, "+")])

    def holds(self, request: Request) -> bool:
        """Say whether both decide alike on a request; where this cannot tell, no."""
        grant, catalogue = request.grant, self._policy.catalogue
        resource = catalogue.resources.get(grant.resource)
        known = grant.subject in catalogue.directory.subjects and resource is not None and grant.role in resource.roles
        if self._rules is None or not known or grant.span.recurs is not None:
            return False
        if not self._rules.rules:
            return True
        window = request.window or grant.span.starting(request.opened_at)
        book = self._policy.facts
        facts: dict[str, Any] = {
            **book.of_grant(grant),
            **book.of_request(request.requester, request.opened_at, request.kind, window),
        }
        if self._rules.history:
            facts |= of_history(request.held, grant.subject, coming(window, request.opened_at))
        return not any(verdict.applies or verdict.failure is not None for verdict in self._rules.judge(facts))


def _without(policy: Policy, other: Policy, mark: str) -> list[Rule]:
    """Return the rules of a policy that another has none like, their ids told apart from the other's by a mark."""
    there = {_meaning(rule) for rule in other.rules.rules}
    return [replace(rule, id=f"{mark} {rule.id}") for rule in policy.rules.rules if _meaning(rule) not in there]


class _Effect(Struct, frozen=True):
    """What rules come to in all of a region."""

    denies: bool
    asks: tuple[tuple[object, ...], ...]
    lifts: bool
    lifts_for_others: bool

    def same_as(self, other: _Effect) -> bool:
        """Whether policies with these effects decide alike."""
        if self.denies or other.denies:
            return self.denies and other.denies
        if self.asks or other.asks:
            return self.asks == other.asks
        return (self.lifts, self.lifts_for_others) == (other.lifts, other.lifts_for_others)


def _effect(rules: list[Rule], denies: bool) -> _Effect:
    asked = merge(need for rule in rules for need in rule.require)
    plain = tuple((one.at_least, one.source, one.without, one.chain) for one in asked)
    lifting = [rule for rule in rules if rule.automatic]
    return _Effect(denies, plain, bool(lifting), any(rule.on_behalf for rule in lifting))


def _meaning(rule: Rule) -> tuple[object, ...]:
    """Return what a rule comes to: two with the same are one, whatever they are called."""
    needs = tuple(replace(need, rules=()) for need in rule.require)
    texts = (rule.when.text, rule.deny_unless.text if rule.deny_unless is not None else None)
    return texts, needs, rule.deny, rule.automatic, rule.on_behalf, rule.purpose


class _Between:
    def __init__(self, before: Policy, after: Policy, at: datetime) -> None:
        self._both = (before, after)
        self._old, self._new = _without(before, after, "-"), _without(after, before, "+")
        theirs = {_meaning(rule) for rule in after.rules.rules}
        common = [rule for rule in before.rules.rules if _meaning(rule) in theirs]
        self._asking = [rule for rule in common if rule.require or rule.automatic]
        self._denying = [rule for rule in common if rule not in self._asking]
        rules = [*self._old, *self._new, *common]
        self._branching = Branching(Space(before, [one for rule in rules for one in rule.conditions], at, [after]))
        self._compared: dict[tuple[int, ...], PolicyDifference] = {}

    def compared(self) -> Compared:
        gathered = PolicyComparison()
        for found in self.differences():
            gathered.add(found)
        cases, sampled = self._branching.cases, self.sampled
        return replace(gathered.result(), tried=cases, possible=cases, decided=TOO_MANY not in sampled, sampled=sampled)

    @property
    def sampled(self) -> tuple[str, ...]:
        """What only samples were tried of."""
        return tuple(sorted(self._branching.sampled))

    def differences(self) -> Iterator[PolicyDifference]:
        """Yield each way in which requests move, part by part."""
        for region, denied in self._moving():
            for alone in (True, False):
                people = tuple(point for point in region[WHO] if (point.part[0] == point.part[1]) is alone)
                part = (*region[:WHO], people, *region[WHO + 1 :])
                yield from islice(self._ways(part), 1 if denied else None)

    def _moving(self) -> Iterator[tuple[Region, bool]]:
        """Yield the parts of the space in which rules come to something else, and whether they deny it on one side.

        Then there is one way to move, if any.
        """
        differing = [*self._old, *self._new]
        if not differing:
            return
        for applied, denying, region in self._branching.walk(self._branching.space.whole, differing):
            sides = [[rule for rule in rules if rule.id in applied - denying] for rules in (self._old, self._new)]
            denied = [any(rule.id in denying for rule in rules) for rules in (self._old, self._new)]
            one, other = (_effect(rules, no) for rules, no in zip(sides, denied, strict=True))
            if one == other or (one.denies and other.denies):
                continue
            for applied_too, denying_too, part in self._branching.walk(region, self._asking):
                shared = [rule for rule in self._asking if rule.id in applied_too]
                whole = [_effect([*rules, *shared], no) for rules, no in zip(sides, denied, strict=True)]
                if not denying_too and not whole[0].same_as(whole[1]):
                    yield part, any(denied)

    def _ways(self, region: Region) -> Iterator[PolicyDifference]:
        """Yield each way in which requests of a region move: who asks says whether there are people to approve it."""
        seen: set[frozenset[Move]] = set()
        while (found := self._branching.find(region, self._denying, partial(self._look, seen))) is not None:
            seen.add(found.shifts)
            yield found

    def _look(self, seen: set[frozenset[Move]], points: tuple[Point, ...]) -> Look[PolicyDifference]:
        key = tuple(map(id, points))  # the space holds its points, and each way is looked for from the beginning
        found = self._compared.get(key)
        if found is None:
            found = self._compared[key] = compare(*self._both, self._branching.space.request(points), rules_alone=True)
        if found.shifts:
            return Look(None if found.shifts in seen else found)
        before, after = found.before.denials, found.after.denials
        return Look(None, tuple(denial for denial in after if denial.code in {one.code for one in before}))
