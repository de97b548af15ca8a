"""Rules: what they ask, and asking them all at once.

Every rule is evaluated. Rules that need no request are kept apart from those that do (`Rule.asks`), so that
merged grants can be judged in bulk without one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import cached_property
from operator import attrgetter
from types import MappingProxyType
from typing import Any

from msgspec import Struct

from daypass.core.calendar.calendars import RUNS_OUT, RUNS_OUT_HINT
from daypass.core.finding import Place
from daypass.core.policy.cel.expression import Condition, EvaluationFailure, Facts, combine, evaluate_all
from daypass.core.policy.facts import BESIDE, HISTORY, KINDS, VariableKind, printable
from daypass.core.policy.requirement import Requirement
from daypass.core.window import Window

_FREE = "free"
"""The axis of variables that are different for each grant, so that remembering answers by them would help nobody."""

_AXES = {
    **dict.fromkeys(("grant.id", "grant.reason", "grant.ticket"), _FREE),
    **dict.fromkeys(("grant.resource", "grant.role", "resource", "role"), "resource"),
    **dict.fromkeys(("grant.subject", "subject", "vendor"), "subject"),
}
"""Which of the things that grants are made of a variable, or all of its kind, belongs to; time for the others."""

_REMEMBERED = 100_000
RULE_DENIES = "rule-denies"
RULE_FAILED = "rule-failed"


def _axes(*conditions: Condition) -> frozenset[str]:
    """Return which things conditions look at. What looks at the same is asked together, so that answers repeat often."""
    names = (name for condition in conditions for name in condition.names)
    return frozenset(_AXES.get(name, _AXES.get(name.partition(".")[0], "time")) for name in names)


def _repeats(condition: Condition) -> bool:
    """Say whether it has the same answer for many grants, so that it is remembered."""
    return not condition.asks and _FREE not in _axes(condition)


class Rule(Struct, frozen=True, dict=True):
    """One rule. ``when`` says whether it applies; the rest is what it does then.

    ``purpose`` is the one whose requests alone are asked, "" for every grant.
    ``automatic`` lifts the default requirement of who asks for themselves, with ``on_behalf`` of who asks for others too.
    ``ends_live``: what is live and denied by it ends.
    """

    id: str
    when: Condition
    place: Place
    require: tuple[Requirement, ...] = ()
    deny: bool = False
    deny_unless: Condition | None = None
    automatic: bool = False
    message: str = ""
    on_behalf: bool = False
    purpose: str = ""
    ends_live: bool = False

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """The conditions that it has."""
        return (self.when, self.deny_unless) if self.deny_unless is not None else (self.when,)

    @property
    def asks(self) -> bool:
        """Whether only a request is asked: it reads who opened it, when or of which kind, or is a purpose's own.

        What a purpose asks for is a matter of when somebody asks: a merged grant may have details of an earlier form.
        """
        return bool(self.purpose) or any(condition.asks for condition in self.conditions)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The variables that it mentions, sorted."""
        return tuple(sorted({name for condition in self.conditions for name in condition.names}))

    @property
    def effect(self) -> str:
        """What it does when it applies, in words."""
        parts = [f"needs {r.at_least} from {r.asked}" for r in self.require]
        if self.deny:
            parts.append("denies")
        if self.deny_unless is not None:
            parts.append(f"denies unless {' '.join(self.deny_unless.text.split())}")
        if self.ends_live:
            parts.append("ends what is live and denied by it")
        if self.automatic:
            parts.append("lifts the default approval" + ("" if self.on_behalf else " of who asks for themselves"))
        return "; ".join(parts)


class Verdict(Struct, frozen=True):
    """What one rule says. ``failure`` is why it could not say anything, which denies."""

    rule: Rule
    applies: bool
    denies: bool = False
    failure: EvaluationFailure | None = None


class RuleTrace(Struct, frozen=True):
    """What one rule did, and the values that made it so. ``error`` is why it could not be evaluated."""

    rule: str
    applied: bool
    effect: str
    values: tuple[tuple[str, str], ...]
    error: str = ""


def traced(verdict: Verdict, facts: Mapping[str, object]) -> RuleTrace:
    """Return what a rule did, with the values that it looked at."""
    rule = verdict.rule
    values = tuple((name, printable(facts[name])) for name in rule.names if name in facts)
    return RuleTrace(
        rule.id, verdict.applies, rule.effect, values, verdict.failure.message if verdict.failure is not None else ""
    )


class _Battery:
    """Some rules as one program. Answers are remembered by the values that they depend on, where that helps.

    Of the ``later`` ones, by id, only whether they apply is: what denies them is asked each time that they do.
    """

    def __init__(
        self, rules: tuple[Rule, ...], later: Mapping[str, Condition] = MappingProxyType({}), *, remember: bool = False
    ) -> None:
        self._later = {rule.id: later[rule.id] for rule in rules if rule.id in later}
        self._rules = tuple((rule, None if rule.id in later else rule.deny_unless) for rule in rules)
        self._names = tuple(sorted({name for rule in rules for one in _at_once(rule, later) for name in one.names}))
        self._lists = frozenset(name for name in self._names if KINDS.get(name) is VariableKind.STRINGS)
        self._remembered: dict[tuple[Any, ...], tuple[Verdict, ...]] | None = {} if remember else None
        self._unless = tuple(index for index, (_, unless) in enumerate(self._rules) if unless is not None)
        texts = [rule.when.text for rule in rules]
        # "not applying, or allowed": CEL's `||` takes no notice of an error on one side when the other is true.
        texts += [f"!({rule.when.text}\n) || ({no.text}\n)" for rule, no in self._rules if no is not None]
        self._count = len(texts)
        self._program = combine(texts, rules[0].when.calendars, rules[0].when.details) if texts else None

    def judge(self, facts: Facts) -> tuple[Verdict, ...]:
        if not self._rules:
            return ()
        found = self._recall(facts) if self._remembered is not None else self._evaluate(facts)
        if not self._later:
            return found
        later = self._later
        return tuple(
            [
                _denying(said.rule, later[said.rule.id], facts) if said.applies and said.rule.id in later else said
                for said in found
            ]
        )

    def _recall(self, facts: Facts) -> tuple[Verdict, ...]:
        assert self._remembered is not None  # noqa: S101  (asked by the caller)
        key = tuple([tuple(facts[name]) if name in self._lists else facts.get(name) for name in self._names])
        found = self._remembered.get(key)
        if found is None:
            if len(self._remembered) >= _REMEMBERED:
                self._remembered.clear()
            found = self._remembered[key] = self._evaluate(facts)
        return found

    def _evaluate(self, facts: Facts) -> tuple[Verdict, ...]:
        answers = None
        if self._program is not None:
            # A detail or an agreement that there is not is no fact: reading it fails, and denies.
            seen = {name: facts[name] for name in self._names if name in facts}
            answers = evaluate_all(self._program, seen, self._count)
        if answers is None:
            return tuple(_judge(rule, unless, facts) for rule, unless in self._rules)
        allowed = dict(zip(self._unless, answers[len(self._rules) :], strict=True))
        return tuple(
            Verdict(rule, applies, applies and (rule.deny or not allowed.get(index, True)))
            for index, ((rule, _), applies) in enumerate(zip(self._rules, answers, strict=False))
        )


def refusals(
    verdicts: Iterable[Verdict],
    beside: Callable[[Collection[str]], str] = lambda _: "",
    during: Mapping[str, Window] = MappingProxyType({}),
) -> list[tuple[str, str, str, str]]:
    """Return why rules deny, or could not be asked: code, message, hint, and the rule's id, "" where it is no rule's fault.

    ``beside`` says in words what the variables of some names rest on; ``during`` which interval is meant, by the rule's id.
    """
    found = []
    for verdict in [one for one in verdicts if one.denies or one.failure is not None]:
        rule = verdict.rule
        when = f" (in the interval {during[rule.id]})" if rule.id in during else ""
        if verdict.failure is not None:
            message = f"rule {rule.id} could not be evaluated: {verdict.failure.message}{when}"
            if verdict.failure.code == RUNS_OUT:
                found.append((RUNS_OUT, message, RUNS_OUT_HINT, ""))
            else:
                found.append((RULE_FAILED, message, f"mend the rule in {rule.place}", rule.id))
        else:
            unless = rule.deny_unless
            text = " ".join((unless or rule.when).text.split())
            message = (rule.message or f"rule {rule.id} denies this") + beside(rule.names) + when
            hint = f"passes when {text}" if unless is not None and not rule.deny else f"denied because {text}"
            found.append((RULE_DENIES, message, hint, rule.id))
    return found


_ID = attrgetter("rule.id")


def _alike(rules: Iterable[Rule], later: Mapping[str, Condition]) -> tuple[_Battery, ...]:
    """Join rules that look at the same."""
    alike: dict[frozenset[str], list[Rule]] = {}
    for rule in rules:
        alike.setdefault(_axes(*_at_once(rule, later)), []).append(rule)
    return tuple(_Battery(tuple(some), later, remember=_FREE not in axes) for axes, some in alike.items())


def _at_once(rule: Rule, later: Collection[str]) -> tuple[Condition, ...]:
    return (rule.when,) if rule.id in later else rule.conditions


def _judge(rule: Rule, unless: Condition | None, facts: Facts) -> Verdict:
    """Ask one rule by itself, so that a failure can be named."""
    applies = rule.when.holds(facts)
    if isinstance(applies, EvaluationFailure):
        return Verdict(rule, applies=False, failure=applies)
    return (
        _denying(rule, unless, facts)
        if applies and unless is not None
        else Verdict(rule, applies, applies and rule.deny)
    )


def _denying(rule: Rule, unless: Condition, facts: Facts) -> Verdict:
    """Ask a rule that applies whether it denies."""
    allowed = unless.holds(facts)
    if isinstance(allowed, EvaluationFailure):
        return Verdict(rule, applies=True, failure=allowed)
    return Verdict(rule, applies=True, denies=rule.deny or not allowed)


class Rules(Struct, frozen=True, eq=False):
    """All rules, by id."""

    rules: tuple[Rule, ...] = ()
    _static: tuple[_Battery, ...] = ()
    _asking: _Battery | None = None
    _of_purpose: Mapping[str, _Battery] = MappingProxyType({})
    _ahead: tuple[_Battery, ...] = ()
    of_ledger: frozenset[str] = frozenset()
    """The resources of which some rule asks the ledger who holds, or approved, something there."""
    history: frozenset[str] = frozenset()
    """The variables of what stands beside the grant that is judged, and of what was before, that some rule reads."""

    @classmethod
    def of(cls, rules: Iterable[Rule]) -> Rules:
        """Join rules; the order they are given in does not count."""
        ordered = tuple(sorted(rules, key=lambda rule: rule.id))
        # Whether a rule applies repeats often, and what differs with each grant is asked of those that it applies to.
        later = {
            rule.id: rule.deny_unless
            for rule in ordered
            if rule.deny_unless is not None
            and not rule.purpose
            and _repeats(rule.when)
            and not _repeats(rule.deny_unless)
        }
        static = _alike((rule for rule in ordered if not rule.asks), later)
        ahead = _alike((rule for rule in ordered if rule.asks and rule.id in later), later)
        asking = _Battery(tuple(r for r in ordered if r.asks and not r.purpose and r.id not in later))
        purposes = dict.fromkeys(rule.purpose for rule in ordered if rule.purpose)
        own = {name: _Battery(tuple(r for r in ordered if r.purpose == name)) for name in purposes}
        of_ledger = frozenset(name for rule in ordered for need in rule.require for name in need.of_ledger)
        history = HISTORY.intersection(name for rule in ordered for name in rule.names)
        return cls(ordered, static, asking, own, ahead, of_ledger, history)

    @property
    def ending(self) -> frozenset[str]:
        """The ids of the rules that end what is live and denied by them."""
        return frozenset(rule.id for rule in self.rules if rule.ends_live)

    @property
    def of_beside(self) -> bool:
        """Whether some rule asks what stands beside the grant that is judged."""
        return bool(self.history & BESIDE)

    def judge_grant(self, facts: Facts) -> tuple[Verdict, ...]:
        """Ask the rules that need no request. ``facts`` must have every variable but those of the request."""
        return tuple([verdict for battery in self._static for verdict in battery.judge(facts)])

    def judge(self, facts: Facts) -> tuple[Verdict, ...]:
        """Ask every rule, a purpose's own of its grants alone; the verdicts come by rule id."""
        ahead = [verdict for battery in self._ahead for verdict in battery.judge(facts)]
        asking = self._asking.judge(facts) if self._asking is not None else ()
        own = self._of_purpose.get(facts["grant.purpose"])
        more = own.judge(facts) if own is not None else ()
        return tuple(sorted((*self.judge_grant(facts), *ahead, *asking, *more), key=_ID))
