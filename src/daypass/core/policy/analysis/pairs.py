"""Rules beside each other: without which others one that changes nothing would matter, and which two contradict each other."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import combinations

from daypass.core.finding import Finding, Severity
from daypass.core.policy.analysis.between import alters
from daypass.core.policy.analysis.cases.regions import Branching
from daypass.core.policy.analysis.cases.space import Space
from daypass.core.policy.policies import Policy
from daypass.core.policy.rules import Rule, Rules
from daypass.core.record import replace

MOST_DENYING = 40
"""With more rules than that which deny unless something holds, no two are tried against each other."""


def shadowing(rule: Rule, policy: Policy, at: datetime) -> tuple[Rule, ...]:
    """Return rules without which one that changes no decision would change some: one, or as few as are found.

    None where nothing would help, since what the rule asks for is so without any.
    """
    others = [one for one in policy.rules.rules if one is not rule]
    alone = next(([one] for one in others if _matters(rule, [one], policy, at)), None)
    firsts = (others[:number] for number in range(2, len(others) + 1))
    hiding = alone or next((some for some in firsts if _matters(rule, some, policy, at)), [])
    for one in hiding[:-1]:
        fewer = [other for other in hiding if other is not one]
        hiding = fewer if _matters(rule, fewer, policy, at) else hiding
    return tuple(hiding)


def _matters(rule: Rule, without: list[Rule], policy: Policy, at: datetime) -> bool:
    """Say whether a rule would change some decision if others were not there."""
    kept = [one for one in policy.rules.rules if one not in without]
    whole = replace(policy, rules=Rules.of(kept))
    return alters(replace(policy, rules=Rules.of(one for one in kept if one is not rule)), whole, at)


def contradicting(space: Space) -> Iterator[Finding]:
    """Find two rules each of which lets something through, and which together let through nothing of what both are asked."""
    denying = [rule for rule in space.policy.rules.rules if rule.deny_unless is not None]
    for one, other in combinations(denying if len(denying) <= MOST_DENYING else (), 2):
        branching = Branching(space)
        said = {
            frozenset(denies) for applied, denies, _ in branching.walk(space.whole, (one, other)) if len(applied) > 1
        }
        if said == {frozenset({one.id}), frozenset({other.id})} and not branching.sampled:
            message = f"rules {one.id} and {other.id} contradict each other: wherever both apply, one of them denies"
            hint = "let one of them leave alone what the other lets through"
            where = one.deny_unless or one.when
            yield Finding("rules-contradict", where.at(0), message, hint, Severity.WARNING)
