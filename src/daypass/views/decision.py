"""A decision in words: what policy asks for, who can give it, what made each rule speak, and what policy tests found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from daypass.core.catalogue import Catalogue
from daypass.core.grant import Grant
from daypass.core.plan import Action
from daypass.core.policy.decision import Decision
from daypass.core.policy.policies import Policy
from daypass.core.policy.sources import approvers
from daypass.core.request import Effect, Item
from daypass.core.window import format_duration, format_instant
from daypass.views.findings import as_document, joined

if TYPE_CHECKING:
    from daypass.core.policy.probe import Results  # tried by checks only, and not loaded by others

_SIGN = {Action.ADD: "+", Action.REMOVE: "-"}
_NAMED = 8
"""How many people of a group are named one by one."""


def people(
    catalogue: Catalogue, handles: tuple[str, ...] | frozenset[str], without: frozenset[str] = frozenset()
) -> str:
    """Name people: handle and full name."""
    names = []
    for handle in sorted(handles):
        if handle in without:
            continue
        subject = catalogue.directory.subjects.get(handle)
        names.append(f"{handle} ({subject.name})" if subject is not None and subject.name else handle)
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return (", ".join(names[:_NAMED]) + more) or "nobody"


def taking_words(item: Item) -> str:
    """Say what an item that only narrows or removes a grant takes away: nothing, where that is so."""
    if item.settled:
        return "changes nothing: main is so already"
    if item.ending is None:
        return "takes no access away: none of it is still to run"
    return f"takes away access of {item.ending.subject}" if item.ending.subject else "takes access away"


def effect_line(effect: Effect) -> str:
    """Say in a line what is added or removed at a target."""
    entitlement = effect.entitlement
    text = f"{_SIGN[effect.action]} {entitlement.principal}  {entitlement.privilege}"
    text += f"  on {entitlement.resource} ({entitlement.target})"
    if effect.span is None:
        ends = format_instant(effect.before.end) if effect.before is not None else ""
        text += f"  at the next run, in place of {ends}" if ends else "  at the next run"
    elif effect.span.window is None:
        text += f"  for {format_duration(effect.span.length)} from the merge on"
    else:
        text += f"  from {format_instant(effect.span.window.start)} until {format_instant(effect.span.window.end)}"
    if effect.span is not None and effect.before is not None:
        text += f", so far until {format_instant(effect.before.end)}"
    if effect.others:
        text += f"  (also given by {', '.join(effect.others)})"
    return text


def needs_text(policy: Policy, grant: Grant, decision: Decision, *, requester: str) -> str:
    """Say what a request needs: denials with what would help, approvals with the people who can give them."""
    lines = []
    for denial in decision.denials:
        rule = f" [{denial.rule}]" if denial.rule else f" [{denial.code}]"
        lines.append(f"  denied: {denial.message}{rule}")
        if denial.hint:
            lines.append(f"    hint: {denial.hint}")
    if decision.denials:
        return joined(lines)
    out = frozenset({requester, grant.subject})
    for requirement in decision.requirements:
        who = people(policy.catalogue, approvers(policy.catalogue, grant, requirement.source), out)
        rules = f"  ({', '.join(requirement.rules)})" if requirement.rules else ""
        plural = "" if requirement.at_least == 1 else "s"
        lines.append(f"  needs  {requirement.at_least} approval{plural} from {requirement.source}: {who}{rules}")
        if requirement.escalate_to and requirement.escalate_after is not None:
            more = people(policy.catalogue, approvers(policy.catalogue, grant, requirement.escalate_to), out)
            lines.append(
                f"         after {format_duration(requirement.escalate_after)} also {requirement.escalate_to}: {more}"
            )
    if not decision.requirements:
        rules = ", ".join(decision.rules)
        lines.append(f"  needs  nobody: passes automatically ({rules})")
    return joined(lines)


def explain_text(policy: Policy, grant: Grant, decision: Decision, *, requester: str, at: str) -> str:
    """Tell the whole decision: the grant as read, each rule with the values that made it speak, then the outcome."""
    span = grant.span
    window = str(span.window) if span.window is not None else f"{format_duration(span.length)} from the merge on"
    whose = f" for {grant.subject}" if grant.subject != requester else ""
    lines = [
        f"{grant.id}",
        f"  {requester} asks for {grant.role} on {grant.resource}{whose}, {window}",
        f"  reason: {grant.reason}" + (f"  ticket: {grant.ticket}" if grant.ticket else ""),
        f"  judged at {at} as asked by {requester}, policy {decision.policy[:19]}…",
        "Rules:",
    ]
    for trace in decision.traces:
        lines.append(f"  {'applies  ' if trace.applied else 'no effect'}  {trace.rule}: {trace.effect}")
        lines += [f"               {name} = {value}" for name, value in trace.values]
        if trace.error:
            lines.append(f"               failed: {trace.error}")
    if not decision.traces:
        default = "the default asks one owner of the resource"
        lines.append(f"  none was judged{'' if decision.denials else f'; {default}'}")
    lines.append("Decision:" + ("  denied" if decision.denials else ""))
    return joined(lines) + needs_text(policy, grant, decision, requester=requester)


def decision_data(policy: Policy, grant: Grant, decision: Decision) -> dict[str, Any]:
    """Return a decision as plain data, version 1."""
    return {
        "version": 1,
        "grant": grant.id,
        "policy": decision.policy,
        "automatic": decision.automatic,
        "rules": list(decision.rules),
        "denials": [{"code": d.code, "rule": d.rule, "message": d.message, "hint": d.hint} for d in decision.denials],
        "approvals": [
            {
                "at_least": r.at_least,
                "from": r.source,
                "rules": list(r.rules),
                "people": sorted(approvers(policy.catalogue, grant, r.source)),
            }
            for r in decision.requirements
        ],
        "traces": [
            {"rule": t.rule, "applied": t.applied, "effect": t.effect, "values": dict(t.values), "error": t.error}
            for t in decision.traces
        ],
        "window": str(grant.span.window) if grant.span.window is not None else format_duration(grant.span.length),
        "until": format_instant(grant.span.window.end) if grant.span.window is not None else None,
    }


def tests_text(results: Results) -> str:
    """Write each case, and where the decision differs from what it expects."""
    lines = []
    for outcome in results.outcomes:
        lines.append(f"{'ok  ' if outcome.passed else 'FAIL'}  {outcome.name}")
        if outcome.passed:
            continue
        lines.append(f"      at {outcome.place}")
        lines += [f"      - expected {word}" for word in outcome.missing]
        lines += [f"      + got      {word}" for word in outcome.surplus]
        lines += [f"        {denial.message}" for denial in outcome.decision.denials]
    failed = sum(1 for outcome in results.outcomes if not outcome.passed)
    lines += [f"note: no case makes rule {rule} apply" for rule in results.untried]
    lines.append(f"{len(results.outcomes) - failed} passed, {failed} failed")
    return joined(lines)


def tests_json(results: Results) -> str:
    """Write the results as JSON, version 1."""
    data = {
        "version": 1,
        "passed": results.passed,
        "untried": list(results.untried),
        "cases": [
            {
                "name": outcome.name,
                "place": str(outcome.place),
                "passed": outcome.passed,
                "expected": list(outcome.expected),
                "got": list(outcome.got),
            }
            for outcome in results.outcomes
        ],
    }
    return as_document(data)
