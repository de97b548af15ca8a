"""What is odd about rules taken together: what changes nothing, what nobody is let through to, and who approves whom.

Each is decided over every request there is (`regions`), from an instant on; of what only samples could be tried nothing is
said. What shows in one rule alone, or in people and purposes, `daypass.core.policy.analysis.probe` says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from daypass.core.finding import Finding, Place, Severity, near, ordered
from daypass.core.policy.analysis.between import unchanged
from daypass.core.policy.analysis.cases.regions import Branching, Look
from daypass.core.policy.analysis.cases.space import WHAT, WHO, Point, Region, Space
from daypass.core.policy.analysis.codes import DENIALS
from daypass.core.policy.analysis.options import as_brought
from daypass.core.policy.analysis.pairs import Said, applied, contradicting, decided, shadowing
from daypass.core.policy.decision import decide
from daypass.core.policy.policies import Policy
from daypass.core.policy.requirement import ever
from daypass.core.policy.rules import Rule, Rules
from daypass.core.policy.sources import OF_THE_ACCESS, OWNERS, SPONSOR, members, owning, parted, parts
from daypass.core.record import replace

MOST_RULES = 200
"""With more rules than that none is tried against all others, since that takes as many comparisons."""


def lint(policy: Policy, at: datetime) -> tuple[Finding, ...]:
    """Return what is odd about rules taken together. Policies that are broken already are not tried."""
    if policy.broken:
        return ()
    limits = replace(policy.catalogue.settings.limits, pause=False)
    catalogue = replace(policy.catalogue, settings=replace(policy.catalogue.settings, limits=limits))
    policy = replace(policy, catalogue=catalogue)
    space = Space(policy, [one for rule in policy.rules.rules for one in rule.conditions], at)
    seen = decided(space)
    found = [
        finding for rule in policy.rules.rules if rule.id in seen for finding in _alone(rule, seen[rule.id], policy)
    ]
    found += [*_never_given(space), *_untold(policy), *contradicting(space, seen)]
    if len(policy.rules.rules) <= MOST_RULES:
        found += _without_effect(policy, space, seen, at)
    return ordered(found)


def _alone(rule: Rule, said: Said, policy: Policy) -> Iterator[Finding]:
    """Look at what a rule applies to: everything, though it reads something, nothing, or people who approve each other."""
    if rule.when.names and not rule.purpose and all(applies for applies, _, _ in said):
        message = f"rule {rule.id} always applies: its condition is true of every request that is possible here"
        hint = "write when: 'true' where that is meant"
        yield Finding("rule-always-applies", rule.when.at(0), message, hint, Severity.WARNING)
    if not any(applies or denies for applies, denies, _ in said):
        message = f"rule {rule.id} can never apply: no request that is possible here makes its condition true"
        hint = "mend the condition or remove the rule"
        yield Finding("rule-never-applies", rule.when.at(0), message, hint, Severity.WARNING)
    yield from _among_themselves(rule, applied(said), policy)


def _among_themselves(rule: Rule, applies: Sequence[Region], policy: Policy) -> Iterator[Finding]:
    """Point at a rule for some people only, of whom all who may approve it are some themselves."""
    if not any(name.startswith("subject.") or name == "grant.subject" for name in rule.names):
        return
    subjects = {point.part[0] for region in applies for point in region[WHO]}
    alike = _alike(subjects, policy)
    if len(alike) == len(policy.catalogue.directory.subjects):
        return
    for need in rule.require:
        named = parts(need.source)
        if any(parted(part)[0] in (*OF_THE_ACCESS, SPONSOR) for part in named):
            continue
        resources = {point.part.resource for region in applies for point in region[WHAT]}
        people = {one.handle for part in named if part != OWNERS for one in ever(policy.catalogue, part)}
        if OWNERS in named:
            people |= {h for name in resources for h in members(policy.catalogue, owning(policy.catalogue, name))}
        if people and people <= alike:
            message = f"everybody who can give what rule {rule.id} asks of {need.asked} is one of those it is asked for"
            hint = "ask somebody who does not receive such access themselves"
            yield Finding("approvers-are-subjects", rule.place, message, hint, Severity.WARNING)


def _alike(subjects: set[str], policy: Policy) -> set[str]:
    """Return some subjects, and all who are in the very groups that one of them is in."""
    groups = {(policy.catalogue.directory.subjects[one].kind, tuple(policy.facts.groups_of(one))) for one in subjects}
    every = policy.catalogue.directory.subjects.values()
    return {one.handle for one in every if (one.kind, tuple(policy.facts.groups_of(one.handle))) in groups}


def _never_given(space: Space) -> Iterator[Finding]:
    """Find roles that no request is let through to: rules contradict each other, or nobody can approve."""
    catalogue = space.policy.catalogue
    for resource in dict.fromkeys(point.part.resource for point in space.whole[WHAT]):
        for role in catalogue.resources[resource].roles:
            points = tuple(one for one in space.whole[WHAT] if (one.part.resource, one.part.role) == (resource, role))
            if not points or (resource, role) in space.policy.unfit:
                continue
            branching = Branching(space)
            why: dict[str, None] = {}
            region = (points, *space.whole[1:])
            if not _given(branching, region, why) and not branching.sampled:
                said = f": {', '.join(sorted(why))}" if why else ""
                message = f"nobody is ever given role {role} of {resource}, whoever asks{said}"
                place = Place(catalogue.resources[resource].file, path=f"roles.{role}")
                hint = "mend the rules that deny it, or let somebody approve it"
                yield Finding("role-never-given", place, message, hint, Severity.WARNING)


def _given(branching: Branching, region: Region, why: dict[str, None]) -> bool:
    def look(points: tuple[Point, ...]) -> Look[bool]:
        decision, _ = as_brought(decide(branching.space.policy, branching.space.request(points)))
        why.update(dict.fromkeys(denial.rule or denial.code for denial in decision.denials))
        return Look(None, decision.denials) if decision.denials else Look(found=True)

    return branching.find(region, branching.space.policy.rules.rules, look) is not None


def _without_effect(policy: Policy, space: Space, seen: Mapping[str, Said], at: datetime) -> Iterator[Finding]:
    """Find rules without which every decision would be the same, though they apply to something."""
    rules = policy.rules.rules
    for rule in rules:
        where = applied(seen.get(rule.id, ()))
        if not where:
            continue
        bare = replace(policy, rules=Rules.of(one for one in rules if one is not rule))
        if unchanged(bare, policy, at):
            hiding = ", ".join(f"{one.id} ({one.place})" for one in shadowing(rule, where, space, at))
            message = f"rule {rule.id} changes no decision: wherever it applies, "
            message += f"as much is said by {hiding}" if hiding else "it is as it would be without any rule"
            hint = "remove it, or mend it or what shadows it"
            yield Finding("rule-shadowed", rule.when.at(0), message, hint, Severity.WARNING)


def _untold(policy: Policy) -> Iterator[Finding]:
    """Find policy tests that expect a denial by a rule that there is not."""
    rules = [rule.id for rule in policy.rules.rules]
    for case in policy.tests:
        for word in case.expected:
            name = word.removeprefix("denied: ")
            if name != word and name not in rules and name not in DENIALS:
                message = f"case {case.name!r} expects a denial by {name}, and there is no such rule"
                otherwise = "write the id of a rule, or the code of a denial (docs/findings.md)"
                yield Finding("unknown-rule", case.place, message, near(name, [*rules, *DENIALS], otherwise))
