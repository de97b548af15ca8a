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

from msgspec import Struct

from daypass.core.policy.analysis.cases.regions import TOO_MANY, Branching, Look
from daypass.core.policy.analysis.cases.space import WHO, Point, Region, Space
from daypass.core.policy.analysis.compare import (
    Compared,
    Move,
    PolicyComparison,
    PolicyDifference,
    by_todays_names,
    difference,
    search,
)
from daypass.core.policy.decision import Request, RuleFacts, decided, without_rules
from daypass.core.policy.intervals import NOTHING
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


class RulesChanged:
    """Decides on requests by two policies that differ in rules alone, asking once what both ask."""

    def __init__(self, before: Policy, after: Policy) -> None:
        self._both = (before, after)
        self._history = bool(before.rules.history or after.rules.history)
        theirs = {_asking(rule): rule for rule in after.rules.rules}
        shared = [rule for rule in before.rules.rules if _asking(rule) in theirs]
        alike = {_asking(rule) for rule in shared}
        self._shared = Rules.of(shared)
        self._after = {rule.id: theirs[_asking(rule)] for rule in shared if theirs[_asking(rule)] != rule}
        self._own = [Rules.of(rule for rule in p.rules.rules if _asking(rule) not in alike) for p in self._both]
        self._differing = Rules.of([*_without(before, after, "-"), *_without(after, before, "+")])

    def moved(self, request: Request) -> PolicyDifference | None:
        """Return how a request moves, None where none of the rules that differ says anything of it."""
        asked = self._asked(request)
        return None if self._silent(asked) else self._compared(request, asked)

    def compared(self, request: Request) -> PolicyDifference:
        """Return what both say of a request."""
        return self._compared(request, self._asked(request))

    def _asked(self, request: Request) -> RuleFacts:
        before, _ = self._both
        return RuleFacts.of(before, by_todays_names(before, request), history=self._history)

    def _compared(self, request: Request, asked: RuleFacts) -> PolicyDifference:
        before, after = self._both
        denied, shared = without_rules(before, asked.request), asked.judged(self._shared)
        if shared is None:
            return difference(request, decided(before, asked, None, denied), decided(after, asked, None, denied))
        old, new = (asked.judged(rules) or NOTHING for rules in self._own)
        now = shared._replace(
            each=tuple(replace(one, rule=self._after.get(one.rule.id, one.rule)) for one in shared.each)
        )
        return difference(
            request,
            decided(before, asked, shared.beside(old), denied),
            decided(after, asked, now.beside(new), denied),
        )

    def _silent(self, asked: RuleFacts) -> bool:
        """Whether no rule that differs has anything to say; of windows that recur nothing is told."""
        if not asked.facts or asked.request.grant.span.recurs is not None:
            return False
        verdicts = self._differing.judge(asked.facts)
        return not any(verdict.applies or verdict.failure is not None for verdict in verdicts)


def _asking(rule: Rule) -> tuple[object, ...]:
    """Return what a rule's verdict comes from, with its id."""
    return rule.id, rule.when.text, rule.deny_unless and rule.deny_unless.text, rule.deny, rule.purpose


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
        self._deciding = RulesChanged(before, after)
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
            request = self._branching.space.request(points)
            found = self._compared[key] = self._deciding.compared(request)
        if found.shifts:
            return Look(None if found.shifts in seen else found)
        before, after = found.before.denials, found.after.denials
        return Look(None, tuple(denial for denial in after if denial.code in {one.code for one in before}))
