"""Reading policies/rules/*.yaml and policies/tests/*.yaml: rules, and examples of requests with the decision they must give.

Conditions are compiled here, and groups that rules name must exist.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from daypass.core.catalogue import Directory
from daypass.core.finding import Place, near
from daypass.core.grant import Grant, GrantId
from daypass.core.policy.cel.expression import Condition, compile_condition
from daypass.core.policy.cel.source import spread
from daypass.core.policy.policies.file import Key, Notes, PolicyFile
from daypass.core.policy.rules import Rule, Rules
from daypass.core.policy.sources import GROUP, Requirement
from daypass.core.window import Span, Window

_ALONE = ("deny", "approve")


MOST_RULES = 1_000
"""Rules that policies may have altogether."""


def read_rules(files: Sequence[PolicyFile], directory: Directory | None, notes: Notes) -> Rules:
    """Read every rule of every file. A rule with a finding is left out, and the finding denies everything meanwhile."""
    found: list[Rule] = []
    first: dict[str, Place] = {}
    for file in files:
        for index, entry in enumerate(file.data["rules"]):
            place = file.place("rules", index, "id")
            if len(first) >= MOST_RULES:
                message = f"there are more than {MOST_RULES} rules, and each is compiled whenever policies are read"
                notes.add("too-many-rules", place, message, "join rules that do the same by || in one condition")
                return Rules.of(found)
            other = first.setdefault(entry["id"], place)
            if other != place:
                message = f"rule {entry['id']!r} is defined twice; the first is at {other}"
                notes.add("duplicate-rule", place, message, "give each rule its own id")
            rule = _rule(file, index, entry, directory, notes)
            if rule is not None:
                found.append(rule)
    return Rules.of(found)


def _rule(
    file: PolicyFile, index: int, entry: Mapping[str, Any], directory: Directory | None, notes: Notes
) -> Rule | None:
    place = file.place("rules", index)
    effects = [key for key in ("require", "deny_unless", "deny", "approve") if key in entry]
    if not effects:
        message = f"rule {entry['id']} does nothing"
        notes.add(
            "rule-without-effect", place, message, "give it require, deny_unless, deny: true or approve: automatically"
        )
    alone = [key for key in _ALONE if key in effects and len(effects) > 1]
    if alone:
        message = f"rule {entry['id']} has {' and '.join(effects)}; {alone[0]} stands alone"
        notes.add("rule-contradicts", place, message, "make two rules of it")
    when = condition(file, entry["when"], notes, "rules", index, "when")
    unless = (
        condition(file, entry["deny_unless"], notes, "rules", index, "deny_unless") if "deny_unless" in entry else None
    )
    require = [
        _requirement(file, entry["id"], one, directory, notes, "rules", index, "require", number)
        for number, one in enumerate(entry.get("require", ()))
    ]
    needs = tuple(one for one in require if one is not None)
    if when is None or (unless is None and "deny_unless" in entry) or len(needs) < len(require):
        return None
    return Rule(
        id=entry["id"],
        when=when,
        place=file.place("rules", index, "id"),
        require=needs,
        deny="deny" in entry,
        deny_unless=unless,
        automatic="approve" in entry,
        message=entry.get("message", ""),
    )


def condition(file: PolicyFile, text: str, notes: Notes, *keys: Key) -> Condition | None:
    """Compile a condition of a file; None where it does not compile, which is then a finding at the very character."""
    place = file.place(*keys)
    found = compile_condition(text, place, spread(file.text, place.line, place.column, text))
    if isinstance(found, Condition):
        return found
    notes.extend(found)
    return None


def _requirement(
    file: PolicyFile, rule: str, entry: Mapping[str, Any], directory: Directory | None, notes: Notes, *keys: Key
) -> Requirement | None:
    approvals, escalate = entry["approvals"], entry.get("escalate")
    _check_group(file, approvals["from"], directory, notes, *keys, "approvals", "from")
    after = None
    if escalate is not None:
        _check_group(file, escalate["to"], directory, notes, *keys, "escalate", "to")
        after = notes.duration(file, escalate["after"], *keys, "escalate", "after")
        if after is None:
            return None
    return Requirement(approvals["at_least"], approvals["from"], (rule,), escalate["to"] if escalate else "", after)


def _check_group(file: PolicyFile, source: str, directory: Directory | None, notes: Notes, *keys: Key) -> None:
    if directory is None or not source.startswith(GROUP):
        return
    name = source.removeprefix(GROUP)
    members = directory.groups.get(name)
    if members is None:
        hint = near(name, directory.groups, "groups are named in policies/directory")
        notes.add("unknown-group", file.place(*keys), f"there is no group {name!r} in the directory", hint)
    elif not any(directory.subjects[handle].is_person for handle in members):
        message = f"nobody could approve: group {name} has no people"
        notes.add("empty-approvers", file.place(*keys), message, "add people to it in policies/directory")


@dataclass(frozen=True, slots=True)
class Expected:
    """What a case expects: exactly one of approvals (number and source), denied (rule ids or codes), or automatic."""

    approvals: tuple[tuple[int, str], ...] | None = None
    denied: tuple[str, ...] = ()
    automatic: bool = False


@dataclass(frozen=True, slots=True)
class PolicyCase:
    """One example: this request, opened at this instant, must get this decision."""

    name: str
    grant: Grant
    requester: str
    at: datetime
    expected: Expected
    place: Place


def read_cases(file: PolicyFile, notes: Notes) -> tuple[PolicyCase, ...]:
    """Read a file of tests. A case that cannot be read is a finding and is left out."""
    found = [_case(file, index, case, notes) for index, case in enumerate(file.data["cases"])]
    return tuple(case for case in found if case is not None)


def _case(file: PolicyFile, index: int, case: Mapping[str, Any], notes: Notes) -> PolicyCase | None:
    asked = case["request"]
    at = notes.instant(file, case["at"], "cases", index, "at")
    span = _span(file, asked["window"], notes, "cases", index, "request", "window")
    if at is None or span is None:
        return None
    grant = Grant(
        id=GrantId(f"{asked['resource']}/test"),
        subject=asked["subject"],
        resource=asked["resource"],
        role=asked["role"],
        reason=asked.get("reason", "test"),
        span=span,
        ticket=asked.get("ticket", ""),
        purpose=asked.get("purpose", ""),
    )
    requester = asked.get("requester", asked["subject"])
    return PolicyCase(case["name"], grant, requester, at, _expected(case["expect"]), file.place("cases", index))


def _span(file: PolicyFile, window: Mapping[str, Any], notes: Notes, *keys: Key) -> Span | None:
    if "duration" in window:
        length = notes.duration(file, window["duration"], *keys, "duration")
        return None if length is None else Span(duration=length)
    start = notes.instant(file, window["from"], *keys, "from")
    end = notes.instant(file, window["until"], *keys, "until")
    if start is None or end is None:
        return None
    try:
        return Span(window=Window(start, end))
    except ValueError as error:
        notes.add("test-window", file.place(*keys), str(error))
        return None


def _expected(expect: Mapping[str, Any]) -> Expected:
    approvals = expect.get("approvals")
    return Expected(
        approvals=None if approvals is None else tuple(sorted((a["at_least"], a["from"]) for a in approvals)),
        denied=tuple(sorted(set(expect.get("denied", ())))),
        automatic="automatic" in expect,
    )
