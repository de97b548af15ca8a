"""Rules beside each other: without which others one that changes nothing would matter, and which two contradict each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import combinations

from daypass.core.finding import Finding, Severity
from daypass.core.policy.analysis.between import alters
from daypass.core.policy.analysis.cases.regions import Branching
from daypass.core.policy.analysis.cases.space import Region, Space
from daypass.core.policy.policies import Policy
from daypass.core.policy.rules import Rule, Rules
from daypass.core.record import replace

MOST_DENYING = 40
"""With more rules than that which deny unless something holds, no two are tried against each other."""


Said = Sequence[tuple[bool, bool, Region]]
"""What a rule says, part by part of the space: whether it applies, and whether it denies."""


def decided(space: Space) -> dict[str, Said]:
    """Return what each rule says of every request there is; a rule of which only samples were tried is left out."""
    found: dict[str, Said] = {}
    for rule in space.policy.rules.rules:
        branching = Branching(space)
        said = tuple(branching.verdicts(rule, space.whole))
        if not branching.sampled:
            found[rule.id] = said
    return found


def applied(said: Said) -> tuple[Region, ...]:
    """Return the parts of the space in which a rule applies."""
    return tuple(region for applies, _, region in said if applies)


def shadowing(rule: Rule, where: Sequence[Region], space: Space, at: datetime) -> tuple[Rule, ...]:
    """Return rules without which one that changes no decision would change some: one, or as few as are found.

    ``where`` is where the rule applies. None where nothing would help, since what it asks for is so without any.
    """
    policy, others = space.policy, _beside(rule, where, space)
    alone = next(([one] for one in others if _matters(rule, [one], policy, at)), None)
    firsts = (others[:number] for number in range(2, len(others) + 1))
    hiding = alone or next((some for some in firsts if _matters(rule, some, policy, at)), [])
    for one in hiding[:-1]:
        fewer = [other for other in hiding if other is not one]
        hiding = fewer if _matters(rule, fewer, policy, at) else hiding
    return tuple(hiding)


def _beside(rule: Rule, where: Sequence[Region], space: Space) -> list[Rule]:
    """Return the other rules that say something where one applies, those that do in all of it first."""
    branching = Branching(space)
    found: list[tuple[bool, Rule]] = []
    for one in space.policy.rules.rules:
        if one is not rule:
            said = [applies or denies for part in where for applies, denies, _ in branching.verdicts(one, part)]
            found += [(all(said), one)] if any(said) else []
    return [one for whole, one in found if whole] + [one for whole, one in found if not whole]


def _matters(rule: Rule, without: list[Rule], policy: Policy, at: datetime) -> bool:
    """Say whether a rule would change some decision if others were not there."""
    kept = [one for one in policy.rules.rules if one not in without]
    whole = replace(policy, rules=Rules.of(kept))
    return alters(replace(policy, rules=Rules.of(one for one in kept if one is not rule)), whole, at)


def contradicting(space: Space, seen: Mapping[str, Said]) -> Iterator[Finding]:
    """Find two rules each of which lets something through, and which together let through nothing of what both are asked."""
    denying = [rule for rule in space.policy.rules.rules if rule.deny_unless is not None and rule.id in seen]
    for one, other in combinations(denying if len(denying) <= MOST_DENYING else (), 2):
        if one.purpose and other.purpose and one.purpose != other.purpose:
            continue
        if _exclude(seen[one.id], other, Branching(space)):
            message = f"rules {one.id} and {other.id} contradict each other: wherever both apply, one of them denies"
            hint = "let one of them leave alone what the other lets through"
            where = one.deny_unless or one.when
            yield Finding("rules-contradict", where.at(0), message, hint, Severity.WARNING)


def _exclude(said: Said, other: Rule, branching: Branching) -> bool:
    """Say whether of two rules just one denies wherever both apply, here the one and there the other."""
    who: set[bool] = set()
    for denies, region in ((denies, region) for applies, denies, region in said if applies):
        for applies_too, denies_too, _ in branching.verdicts(other, region):
            if applies_too and denies is denies_too:
                return False
            who |= {denies} if applies_too else set()
    return len(who) > 1
