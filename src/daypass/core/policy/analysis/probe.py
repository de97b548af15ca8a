"""Trying the rules before anybody asks: by the cases of policies/tests, and by samples of what may be asked.

The cases say what each expects against what policy decides. Samples find rules that can never apply or be met, that fail,
and names that do not exist. Used by checks only: a decision needs none of it, and a rule that fails denies all the same.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from enum import Enum
from itertools import takewhile

from msgspec import Struct

from daypass.core.bounds.purposes import Purpose
from daypass.core.finding import Finding, Place, Severity, near, ordered
from daypass.core.policy.analysis.samples import samples_of
from daypass.core.policy.analysis.standing import standing_of
from daypass.core.policy.cel.expression import Condition, EvaluationFailure
from daypass.core.policy.cel.source import Token, tokens
from daypass.core.policy.decision import Decision, Request, decide
from daypass.core.policy.facts import printable
from daypass.core.policy.policies import SETTINGS, Policy, PolicyCase
from daypass.core.policy.requirement import Requirement, ever, gone_at, may_approve, outsiders, possible, resolve
from daypass.core.policy.rules import Rule
from daypass.core.policy.shortage import shortage
from daypass.core.policy.sources import OF_THE_ACCESS, ON_CALL, OWNERS, Ending, parted, parts
from daypass.core.record import replace
from daypass.core.window import format_duration, format_instant

_NAMED = 8
"""So many people are named one by one."""

_ALWAYS = datetime(1, 1, 1, tzinfo=UTC)
"""An instant at which nobody has left yet: what a check finds depends on no clock."""


def _outsiders(policy: Policy) -> Iterator[Finding]:
    """Point at people who can approve and are no employees, where the settings do not say who may."""
    found = outsiders(policy.catalogue, (each for rule in policy.rules.rules for each in rule.require))
    if found:
        named = ", ".join(f"{subject.handle} ({subject.employment})" for subject in found[:_NAMED])
        named += f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
        message = f"people who are no employees can approve: {named}"
        hint = (
            "limits: {approvers: {employment: [employee]}} leaves it to employees; name the other kinds where they may"
        )
        yield Finding("outside-approvers", Place(SETTINGS), message, hint, Severity.WARNING)


def _unsigned(policy: Policy) -> Iterator[Finding]:
    """Point at people who can approve and prove nothing, on the forge where only a signature proves who somebody is."""
    settings = policy.catalogue.settings
    if settings.forge.vouches or settings.limits.unsigned == "accept":
        return
    able = possible(policy.catalogue, (each for rule in policy.rules.rules for each in rule.require))
    bare = [subject.handle for subject in able if not subject.keys]
    if bare:
        named = ", ".join(bare[:_NAMED]) + (f" and {len(bare) - _NAMED} more" if len(bare) > _NAMED else "")
        if settings.limits.unsigned == "refuse":
            message = f"people without ssh_keys in the directory cannot approve (limits.unsigned): {named}"
            hint = "give each their public SSH key"
        else:
            message = f"anybody who can write to this repository can approve as {named}: they have no ssh_keys"
            hint = (
                "give each their public SSH key and set limits: {unsigned: refuse}; `unsigned: accept` says it is meant"
            )
        yield Finding("unsigned-approvers", Place(SETTINGS), message, hint, Severity.WARNING)


def _unowned(policy: Policy) -> Iterator[Finding]:
    """Point at resources whose owners cannot approve: what no rule asks for or lifts is asked of one of them."""
    asked = (Requirement(1, OWNERS),)
    for name, resource in policy.catalogue.resources.items():
        for _, message, hint in _short(policy, name, asked):
            yield Finding("requirement-unmeetable", Place(resource.file), message, hint, Severity.WARNING)


def _leaving(policy: Policy) -> Iterator[Finding]:
    """Point at people who take turns on call and will not be there: nobody is on call by a rota then."""
    for rota in policy.catalogue.rotas.values():
        for handle in rota.turns:
            over = gone_at(policy.catalogue, policy.catalogue.directory.subjects[handle])
            if over is not None:
                message = f"{handle} takes turns, and is engaged until {format_instant(over)}: "
                message += "nobody is on call in those after that"
                where = Place(f"policies/rotas/{rota.name}.yaml")
                hint = "take them out of turns by then, or put somebody else in their place"
                yield Finding("rota-gap", where, message, hint, Severity.WARNING)


def _out_of_reach(policy: Policy) -> Iterator[Finding]:
    """Point at purposes that promise more time than any role gives: whoever reads the limit asks for it in vain."""
    roles = [role.max_duration for resource in policy.catalogue.resources.values() for role in resource.roles.values()]
    for name, purpose in policy.catalogue.purposes.items():
        if roles and purpose.max_duration is not None and purpose.max_duration > max(roles):
            most = format_duration(max(roles))
            message = f"purpose {name} allows {format_duration(purpose.max_duration)}, and no role more than {most}"
            place = Place(f"policies/purposes/{name}.yaml", path="max_duration")
            yield Finding("purpose-out-of-reach", place, message, f"write at most {most}")


def probe(policy: Policy) -> tuple[Finding, ...]:
    """Return what is wrong with rules that compile. Policies that are broken already are not tried."""
    if policy.broken:
        return ()
    known = {**_names(policy)}
    found: list[Finding] = [*_outsiders(policy), *_unsigned(policy), *_unowned(policy), *_leaving(policy)]
    found += _out_of_reach(policy)
    for rule in policy.rules.rules:
        for condition in rule.conditions:
            found += _unknown_names(condition, known | _choices(policy.catalogue.purposes.get(rule.purpose)))
        found += _try(rule, policy)
        found += [*_unmeetable(rule, policy), *_silent(rule, policy)]
    return ordered(found)


def _silent(rule: Rule, policy: Policy) -> Iterator[Finding]:
    """Find what escalates to people of whom none may approve, ever; of owners it is said at the resource."""
    steps = (step for need in rule.require for step in need.escalate if OWNERS not in parts(step.to))
    for step in steps:
        there = (one for part in parts(step.to) for one in ever(policy.catalogue, part))
        if not step.closes and not any(may_approve(policy.catalogue, one) for one in there):
            message = f"rule {rule.id} escalates to {step.to}, and nobody there may ever approve"
            hint = "name a source with people who may, or widen limits.approvers"
            yield Finding("escalation-to-nobody", rule.place, message, hint, Severity.WARNING)


def _unmeetable(rule: Rule, policy: Policy) -> Iterator[Finding]:
    """Find requirements that too few people could ever meet, whoever asks: an error where that is so of every request."""
    lacking: dict[str, tuple[str, str]] = {}
    owned = any(OWNERS in parts(need.source) for need in rule.require)
    resources = tuple(policy.catalogue.resources) if owned else ("",)
    for name in resources:
        short = _short(policy, name, rule.require)
        if short:
            lacking[name] = ("; ".join(message for _, message, _ in short), short[0][2])
    meant = [name for name in resources if not name or _applies_to(rule, policy, name)] if lacking else []
    for name in meant:
        if name in lacking:
            message, hint = lacking[name]
            where = f" on {name}" if name else ""
            severity = Severity.ERROR if lacking.keys() >= set(meant) else Severity.WARNING
            text = f"what rule {rule.id} asks for{where} can never be met: {message}"
            yield replace(Finding("requirement-unmeetable", rule.place, text, hint), severity=severity)


def _short(policy: Policy, resource: str, requirements: Sequence[Requirement]) -> list[tuple[str, str, str]]:
    """Say why requirements on a resource can never be met, whoever receives access, or asks for it.

    Whoever is above the subject is somebody else with each, and on call at each instant, and one person: they stand here by
    the name of the source.
    """
    catalogue, found = policy.catalogue, []
    for need in resolve(catalogue, Ending(resource, ""), requirements, _ALWAYS):
        single = [part for part in parts(need.source) if parted(part)[0] in (*OF_THE_ACCESS, ON_CALL)]
        there = {part for part in single if any(may_approve(catalogue, one) for one in ever(catalogue, part))}
        found.append(replace(need, eligible=need.eligible | there))
    return shortage(catalogue, Ending(resource, ""), found, _ALWAYS)


def _applies_to(rule: Rule, policy: Policy, resource: str) -> bool:
    """Whether a rule applies to some request on a resource."""
    names = frozenset(rule.names)
    roles = policy.catalogue.resources[resource].roles
    seen = [
        {
            n: v
            for n, v in {**policy.facts.of_role(resource, role), "grant.resource": resource, "grant.role": role}.items()
            if n in names
        }
        for role in roles
    ]
    return any(
        rule.when.holds(facts) is True and any(all(facts[name] == value for name, value in of.items()) for of in seen)
        for facts in samples_of(rule, policy.catalogue, policy.facts)
    )


def _try(rule: Rule, policy: Policy) -> Iterator[Finding]:
    """Evaluate a rule in each of its samples; report the first failure."""
    samples = samples_of(rule, policy.catalogue, policy.facts)
    applies = False
    for facts in samples:
        for condition in rule.conditions:
            answer = condition.holds(facts)
            if isinstance(answer, EvaluationFailure):
                values = ", ".join(f"{name} = {printable(facts[name])}" for name in condition.names if name in facts)
                message = f"rule {rule.id} fails: {answer.message}" + (f", for example with {values}" if values else "")
                yield Finding(
                    "rule-fails", condition.at(0), message, "a rule that fails denies; guard it with a condition"
                )
                return
            if condition is rule.when:
                applies = applies or answer
                if not answer:
                    break
    if samples.complete and not applies:
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
        "vendor.resources": resources,
        "vendor.purposes": ("purpose", catalogue.purposes),
        "subject.employment": ("employment", ("employee", "contractor", "vendor")),
        "subject.kind": ("kind of subject", ("person", "workload", "agent")),
        "request.requester": subjects,
        "request.kind": ("kind of request", ("new", "widen")),
        "requester.groups": groups,
    }


def _choices(purpose: Purpose | None) -> dict[str, tuple[str, Collection[str]]]:
    """Return what the details of a purpose's own rules can be, where only so much is allowed."""
    fields = purpose.fields.values() if purpose is not None else ()
    return {f"details.{one.name}": (f"choice of {one.name}", one.of) for one in fields if one.of}


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


class CaseOutcome(Struct, frozen=True):
    """What came of one case: ``expected`` and ``got``, written as in `PolicyCase`."""

    name: str
    place: Place
    expected: tuple[str, ...]
    got: tuple[str, ...]
    decision: Decision

    @property
    def missing(self) -> tuple[str, ...]:
        """What was expected and did not come."""
        return tuple(word for word in self.expected if word not in self.got)

    @property
    def surplus(self) -> tuple[str, ...]:
        """What came and was not expected."""
        return tuple(word for word in self.got if word not in self.expected)

    @property
    def passed(self) -> bool:
        """Whether policy decided as expected."""
        return not self.missing and not self.surplus


class Side(Enum):
    """One answer of a rule's condition."""

    APPLIES = "applies"
    APPLIES_NOT = "does not apply"
    ALLOWS = "allows"
    DENIES = "denies"


class Results(Struct, frozen=True):
    """What came of all cases, the rules that none of them made apply, and each side of a condition that none reached.

    A rule that is untried is not named again among the ``unseen``.
    """

    outcomes: tuple[CaseOutcome, ...]
    untried: tuple[str, ...]
    unseen: tuple[tuple[str, Side], ...] = ()

    @property
    def passed(self) -> bool:
        """Whether every case passed."""
        return all(outcome.passed for outcome in self.outcomes)


def run_tests(policy: Policy) -> Results:
    """Run every case. What no case reaches is named, since nothing shows that it does what was meant."""
    outcomes = tuple(_run(policy, case) for case in policy.tests)
    seen = {side for outcome in outcomes for side in _sides(outcome.decision)}
    unseen = [(rule.id, side) for rule in policy.rules.rules for side in _possible(rule) if (rule.id, side) not in seen]
    untried = tuple(rule for rule, side in unseen if side is Side.APPLIES)
    return Results(outcomes, untried, tuple((rule, side) for rule, side in unseen if rule not in untried))


def _possible(rule: Rule) -> Iterator[Side]:
    """Return the sides of a rule's conditions. One that reads nothing has one answer, and no other side."""
    yield Side.APPLIES
    if rule.when.names:
        yield Side.APPLIES_NOT
    if rule.deny_unless is not None and rule.deny_unless.names:
        yield Side.ALLOWS
        yield Side.DENIES


def _sides(decision: Decision) -> Iterator[tuple[str, Side]]:
    """Return the sides that a decision came to. A rule that failed came to none."""
    denying = {denial.rule for denial in decision.denials}
    for trace in decision.traces:
        if not trace.error:
            yield trace.rule, Side.APPLIES if trace.applied else Side.APPLIES_NOT
            if trace.applied:
                yield trace.rule, Side.DENIES if trace.rule in denying else Side.ALLOWS


def failures(results: Results) -> tuple[Finding, ...]:
    """Return the cases that did not pass, as findings at their places."""
    return tuple(
        Finding(
            "policy-test-fails",
            outcome.place,
            f"case {outcome.name!r} expects {', '.join(outcome.missing) or 'nothing more'}, "
            f"and policy decides {', '.join(outcome.got) or 'nothing'}",
            "mend the rule, or what the case expects; `daypass policy test` shows both",
        )
        for outcome in results.outcomes
        if not outcome.passed
    )


def _run(policy: Policy, case: PolicyCase) -> CaseOutcome:
    # What rules say is tried, and a pause is no matter of rules: whoever sets it must not be stopped by their examples.
    limits = replace(policy.catalogue.settings.limits, pause=False)
    rotas = {
        name: policy.catalogue.rotas[name].held_by(who) for name, who in case.on_call if name in policy.catalogue.rotas
    }
    settings = replace(policy.catalogue.settings, limits=limits)
    catalogue = replace(policy.catalogue, settings=settings, rotas={**policy.catalogue.rotas, **rotas})
    policy = replace(policy, catalogue=catalogue)
    decision = decide(policy, Request(case.grant, case.requester, case.at, held=case.held), trace=True)
    got = _decided(decision, case.expected)
    if case.seen_at is not None and decision.requirements and not decision.denials:
        got = standing_of(policy, case, decision, case.seen_at)
    return CaseOutcome(case.name, case.place, case.expected, got, decision)


def _decided(decision: Decision, expected: tuple[str, ...]) -> tuple[str, ...]:
    """Write what was decided; a denial by a rule goes by the rule's id, unless the case names its code."""
    if decision.denials:
        both = ((f"denied: {denial.code}", f"denied: {denial.rule or denial.code}") for denial in decision.denials)
        return tuple(sorted({code if code in expected else rule for code, rule in both}))
    if decision.automatic:
        return ("automatic",)
    return tuple(sorted(f"{r.at_least} from {r.asked}" for r in decision.requirements))
