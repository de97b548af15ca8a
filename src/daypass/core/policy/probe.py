"""Trying the rules before anybody asks: rules that can never apply, rules that fail, and names that do not exist.

Used by checks only. A decision needs none of it: a rule that fails denies all the same.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from itertools import takewhile

from daypass.core.finding import Finding, ordered
from daypass.core.policy.cel.expression import Condition, Failure
from daypass.core.policy.cel.source import Token, tokens
from daypass.core.policy.facts import printable
from daypass.core.policy.policies import Policy
from daypass.core.policy.policies.sheet import near
from daypass.core.policy.rules import Rule
from daypass.core.policy.worlds import worlds_of


def probe(policy: Policy) -> tuple[Finding, ...]:
    """Return what is wrong with rules that compile. Policies that are broken already are not tried."""
    if policy.broken:
        return ()
    known = _names(policy)
    found: list[Finding] = []
    for rule in policy.rules.rules:
        for condition in rule.conditions:
            found += _unknown_names(condition, known)
        found += _try(rule, policy)
    return ordered(found)


def _try(rule: Rule, policy: Policy) -> Iterator[Finding]:
    """Evaluate a rule in each of its worlds; report the first failure."""
    worlds = worlds_of(rule, policy.catalogue, policy.facts)
    applies = False
    for facts in worlds:
        for condition in rule.conditions:
            answer = condition.holds(facts)
            if isinstance(answer, Failure):
                values = ", ".join(f"{name} = {printable(facts[name])}" for name in condition.names)
                message = f"rule {rule.id} fails: {answer.message}" + (f", for example with {values}" if values else "")
                yield Finding(
                    "rule-fails", condition.at(0), message, "a rule that fails denies; guard it with a condition"
                )
                return
            if condition is rule.when:
                applies = applies or answer
                if not answer:
                    break
    if worlds.complete and not applies:
        message = f"rule {rule.id} can never apply: no request that is possible here makes its condition true"
        yield Finding("rule-never-applies", rule.when.at(0), message, "mend the condition or remove the rule")


def _names(policy: Policy) -> Mapping[str, tuple[str, Collection[str]]]:
    """Return what the values of variables can be: variable to (what they are, the names there are)."""
    catalogue = policy.catalogue
    settings, directory = catalogue.settings, catalogue.directory
    subjects = ("subject", directory.subjects)
    resources = ("resource", {*catalogue.resources, *policy.faulty})
    roles = ("role", {role for resource in catalogue.resources.values() for role in resource.roles})
    groups = ("group", directory.groups)
    return {
        "resource.environment": ("environment", settings.environments),
        "resource.classification": ("classification", settings.classifications),
        "resource.target": ("target", settings.targets),
        "resource.name": resources,
        "resource.owners": groups,
        "grant.resource": resources,
        "grant.role": roles,
        "role.name": roles,
        "grant.purpose": ("purpose", catalogue.purposes),
        "grant.subject": subjects,
        "subject.handle": subjects,
        "subject.manager": subjects,
        "subject.groups": groups,
        "subject.vendor": ("vendor", directory.vendors),
        "subject.employment": ("employment", ("employee", "contractor", "vendor")),
        "subject.kind": ("kind of subject", ("person", "workload")),
        "request.requester": subjects,
        "request.kind": ("kind of request", ("new", "widen")),
        "requester.groups": groups,
    }


def _unknown_names(condition: Condition, known: Mapping[str, tuple[str, Collection[str]]]) -> Iterator[Finding]:
    """Find names that a condition compares with and that do not exist; a misspelt one would silently never match."""
    for variable, token in _compared(tokens(condition.text)):
        what, names = known.get(variable, ("", ()))
        literal = token.literal
        if what and literal and literal not in names:
            hint = near(literal, names, f"known: {', '.join(sorted(names)) or 'none'}")
            yield Finding("unknown-name", condition.at(token.start), f"there is no {what} {literal!r}", hint)


def _compared(line: list[Token]) -> Iterator[tuple[str, Token]]:
    """Go through the strings that stand beside a variable in a comparison or a membership."""
    for left, mark, right in zip(line, line[1:], line[2:], strict=False):
        if mark.text in ("==", "!="):
            pair = (left, right) if left.kind == "name" else (right, left)
            if pair[0].kind == "name" and pair[1].kind == "string":
                yield pair[0].text, pair[1]
        elif mark.text == "in" and left.kind == "string" and right.kind == "name":
            yield right.text, left
        elif mark.text == "in" and left.kind == "name" and right.text == "[":
            inside = takewhile(lambda token: token.text != "]", line[line.index(right) + 1 :])
            yield from ((left.text, token) for token in inside if token.kind == "string")
