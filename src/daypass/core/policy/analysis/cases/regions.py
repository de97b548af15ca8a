"""Lazy branching: a space of requests is cut where a condition asks for what is not known yet, and nowhere else.

A condition is evaluated, by the evaluator that decides in production, with nothing known. Where that gives an answer it holds
for all requests. Where it does not, the axis of a variable that it lacks is cut into the values that it can see, and each
is tried; what comes to the same answer is one region again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import product
from typing import Any, Generic, TypeVar

from msgspec import Struct

from daypass.core.bounds.vendors import AGREED, DATA, OVER, PROCESSED, PURPOSE, RESOURCE, UNSAID
from daypass.core.policy.analysis.cases.space import LENGTH, START, WHAT, WHEN, WHO, Point, Region, Space
from daypass.core.policy.cel.expression import Condition, EvaluationFailure
from daypass.core.policy.decision import Denial
from daypass.core.policy.policies import Policy
from daypass.core.policy.requirement import begins_at, gone_at
from daypass.core.policy.rules import Rule

MOST = 20_000
"""Parts that are looked at, and requests that are decided, for one answer at most."""
TOO_MANY = f"more than {MOST} cases"
OF_TIME = "who may approve, or ask, which time changes"
"""What is sampled where a later time may lift a denial."""

_LASTING = frozenset(
    {
        *("beyond-engagement", "beyond-retention", "details-without-purpose", "engagement-over", "no-identity"),
        *("role-unfit", "ticket-form", "too-long", "claims-loose", "claims-missing", "claims-unchecked"),
        *(RESOURCE, DATA, UNSAID, PURPOSE, AGREED, PROCESSED, *OVER.values()),
    }
)
"""Denials that hold at every later time as well, and for a longer access too."""
SHORTAGE = frozenset({"no-approvers", "too-few-approvers"})
"""Denials that go by what is asked for, and by whom."""
_OF_REST = SHORTAGE | {"ticket-form", "too-long", "beyond-engagement", "beyond-retention", AGREED, PROCESSED}
"""Denials that another text, or length, or what is asked for, may be free of."""
_OF_PEOPLE = SHORTAGE | {"not-asked-by", "not-asked-for-them"}
"""Denials that hold at every later time where who stands where does not change with it."""

_T = TypeVar("_T")
_LACKS = re.compile(r'No value with name "([^"]+)"')
_END = "access.until"
_Key = tuple[tuple[str, Any], ...]

Answer = bool | EvaluationFailure


class Look(Struct, Generic[_T], frozen=True):
    """What came of one request: what was looked for, or why not. ``denials`` are those that any other may be free of."""

    found: _T | None = None
    denials: tuple[Denial, ...] = ()


class Branching:
    """Cuts a space by conditions. ``sampled`` is of what only samples were tried, and ``cases`` how many were in all."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self._lasting = lasting(space.policy, space.at)
        self._barred: set[tuple[str, ...]] = set()
        self.sampled: set[str] = set()
        self.cases = 0
        self._answers: dict[tuple[str, tuple[str, ...], _Key], Answer] = {}

    def cut(self, condition: Condition, region: Region) -> Iterator[tuple[Answer, Region]]:
        """Yield the parts of a region in which a condition has one answer.

        Where it reads what no axis has, the answer is a failure once all else is known.
        """
        base: dict[str, Any] = {}
        if not isinstance(self._answer(condition, base), bool):
            base = {name: value for name, value in self.space.fixed.items() if name in condition.names}
            self.sampled |= self.space.unvaried(condition)
        yield from self._cut(condition, region, base, frozenset())

    def _cut(
        self, condition: Condition, region: Region, known: dict[str, Any], settled: frozenset[int]
    ) -> Iterator[tuple[Answer, Region]]:
        answer = self._answer(condition, known)
        if isinstance(answer, bool):
            yield answer, region
            return
        axis = self._next(condition, region, answer, settled)
        if axis is None:
            yield answer, region
            return
        self.sampled |= self.space.sampled_by(condition) & self._seen(condition, axis)
        self.cases += 1
        alike: dict[bool, list[Point]] = {}
        for facts, points in self._parts(condition, region[axis]):
            more = _ended(known | facts)
            found = self._answer(condition, more)
            if isinstance(found, bool):
                alike.setdefault(found, []).extend(points)
            else:
                yield from self._cut(condition, _with(region, axis, points), more, settled | {axis})
        for found, points in alike.items():
            yield found, _with(region, axis, points)

    def _next(
        self, condition: Condition, region: Region, answer: EvaluationFailure, settled: frozenset[int]
    ) -> int | None:
        """Return the axis of the variable that is lacking, else any that the condition sees something of."""
        open_ = [
            axis for axis, points in enumerate(region) if axis not in settled and points and self._seen(condition, axis)
        ]
        match = _LACKS.search(answer.message)
        lacking = {match[1]} if match else set()
        return next((axis for axis in open_ if lacking & self.space.axes[axis]), next(iter(open_), None))

    def _seen(self, condition: Condition, axis: int) -> set[str]:
        """Return the variables of a condition that an axis has; the end of the access is made of two."""
        there = self.space.axes[axis]
        made = {_END} if _END in condition.names and {LENGTH, START} & there else set()
        return (set(condition.names) & there) | made

    def _parts(self, condition: Condition, points: Sequence[Point]) -> Iterator[tuple[dict[str, Any], list[Point]]]:
        names = set(condition.names) | ({LENGTH, START} if _END in condition.names else set())
        found: dict[_Key, tuple[dict[str, Any], list[Point]]] = {}
        for point in points:
            facts = {name: value for name, value in point.facts.items() if name in names}
            found.setdefault(_key(facts), (facts, []))[1].append(point)
        yield from found.values()

    def _answer(self, condition: Condition, known: Mapping[str, Any]) -> Answer:
        key = (condition.text, condition.names, _key({name: known[name] for name in condition.names if name in known}))
        answer = self._answers.get(key)
        if answer is None:
            answer = self._answers[key] = condition.holds(known)
        return answer

    def verdicts(self, rule: Rule, region: Region) -> Iterator[tuple[bool, bool, Region]]:
        """Yield the parts of a region in which a rule says one thing: whether it applies, and whether it denies."""
        if rule.purpose:
            mine = [point for point in region[0] if point.part.purpose == rule.purpose]
            others = [point for point in region[0] if point.part.purpose != rule.purpose]
            if others:
                yield False, False, _with(region, 0, others)
            if not mine:
                return
            region = _with(region, 0, mine)
        for applies, part in self.cut(rule.when, region):
            if isinstance(applies, EvaluationFailure):
                yield False, True, part
            elif not applies or rule.deny_unless is None:
                yield applies, applies and rule.deny, part
            else:
                for allowed, smaller in self.cut(rule.deny_unless, part):
                    yield True, rule.deny or allowed is not True, smaller

    def walk(self, region: Region, rules: Sequence[Rule]) -> Iterator[tuple[frozenset[str], frozenset[str], Region]]:
        """Yield the parts of a region in which some rules say one thing each: the ids of those that apply, and that deny."""
        if not rules or self.full:
            yield frozenset(), frozenset(), region
            return
        first, *rest = rules
        for applies, denies, part in self.verdicts(first, region):
            mine = frozenset({first.id})
            for others, denying, smaller in self.walk(part, rest):
                yield others | mine if applies else others, denying | mine if denies else denying, smaller

    @property
    def full(self) -> bool:
        """Whether so many cases were looked at that no more are."""
        if self.cases > MOST:
            self.sampled.add(TOO_MANY)
        return self.cases > MOST

    def find(self, region: Region, rules: Sequence[Rule], look: Callable[[tuple[Point, ...]], Look[_T]]) -> _T | None:
        """Return the first of what is looked for in a region, by requests that stand for all of it.

        Where a rule denies one of them, the region is cut by that rule: ``rules`` are those that may.
        """
        left = {rule.id: rule for rule in rules}
        asking = next((rule for rule in rules if rule.require or rule.automatic), None)
        final = self._lasting if asking is None else self._lasting - SHORTAGE  # else others here may ask for less
        told = False
        for points in candidates(region):
            what, people = points[WHAT].part, points[WHO].part
            kind = (what.resource, what.role, what.purpose, *people)
            if kind in self._barred:
                continue
            self.cases += 1
            if self.full:
                return None
            seen = look(points)
            if seen.found is not None:
                return seen.found
            codes = {denial.code for denial in seen.denials}
            if codes & (self._lasting - _OF_REST) and points[WHEN].part[0] == self.space.at:
                self._barred.add(kind)
            if not codes or codes & final:
                continue
            told = True
            by = next((left[denial.rule] for denial in seen.denials if denial.rule in left), None)
            if by is not None:
                return self._find_in(region, by, rules, look)
        if told and rules:
            return self._find_in(region, asking or rules[0], rules, look)
        self.sampled |= {OF_TIME} if told else set()
        return None

    def _find_in(
        self, region: Region, by: Rule, rules: Sequence[Rule], look: Callable[[tuple[Point, ...]], Look[_T]]
    ) -> _T | None:
        rest = [rule for rule in rules if rule is not by]
        parts = (part for _, denies, part in self.verdicts(by, region) if not denies)
        return next((found for part in parts if (found := self.find(part, rest, look)) is not None), None)


def candidates(region: Region) -> Iterator[tuple[Point, ...]]:
    """Go through requests of a region that policy may judge differently by itself, though no rule does.

    Of lengths the shortest, and of instants the first: what is denied then is denied of the others.
    """
    shortest: dict[object, Point] = {}
    for point in region[WHAT]:
        what = point.part
        key = (what.resource, what.role, what.purpose)
        if key not in shortest or what.length < shortest[key].part.length:
            shortest[key] = point
    if all(region):
        _, people, (when, *_), (beside, *_), texts, (kind, *_) = region
        for who, what, text in product(people, shortest.values(), texts):
            yield what, who, when, beside, text, kind


def lasting(policy: Policy, at: datetime) -> frozenset[str]:
    """Return the codes of denials that hold at every time later than an instant, and of longer access too."""
    catalogue = policy.catalogue
    directory = catalogue.directory
    named = {one.manager for one in directory.subjects.values()}
    named |= {sponsor for handle in directory.subjects for sponsor in directory.sponsors_of(handle)}
    # Where one of these leaves the next one up stands in, and whose vendor's agreement is still to begin may approve then.
    known = [directory.subjects[handle] for handle in named if handle in directory.subjects]
    leaving = any((left := gone_at(catalogue, one)) is not None and left > at for one in known)
    starts = (begins_at(catalogue, one) for one in directory.subjects.values())
    coming = any(start is not None and start > at for start in starts)
    changes = catalogue.rotas or directory.deputies or leaving or coming
    return _LASTING | (frozenset() if changes else _OF_PEOPLE)


def _ended(known: dict[str, Any]) -> dict[str, Any]:
    if LENGTH in known and START in known:
        known[_END] = known[START] + known[LENGTH]
    return known


def _with(region: Region, axis: int, points: Sequence[Point]) -> Region:
    return (*region[:axis], tuple(points), *region[axis + 1 :])


def _key(facts: Mapping[str, Any]) -> _Key:
    return tuple((name, tuple(value) if isinstance(value, list) else value) for name, value in sorted(facts.items()))
