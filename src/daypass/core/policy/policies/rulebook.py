"""Reading policies/rules/*.yaml: conditions are compiled here, and groups that rules name must exist."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from daypass.core.catalogue import Directory
from daypass.core.finding import Place, near
from daypass.core.policy.cel.expression import Condition, compile_condition
from daypass.core.policy.cel.source import spread
from daypass.core.policy.policies.sheet import Key, Notes, Sheet
from daypass.core.policy.rules import Rule, Rules
from daypass.core.policy.sources import GROUP, Requirement

_ALONE = ("deny", "approve")


MOST_RULES = 1_000
"""Rules that policies may have altogether."""


def read_rules(sheets: Sequence[Sheet], directory: Directory | None, notes: Notes) -> Rules:
    """Read every rule of every file. A rule with a finding is left out, and the finding denies everything meanwhile."""
    found: list[Rule] = []
    first: dict[str, Place] = {}
    for sheet in sheets:
        for index, entry in enumerate(sheet.data["rules"]):
            place = sheet.place("rules", index, "id")
            if len(first) >= MOST_RULES:
                message = f"there are more than {MOST_RULES} rules, and each is compiled whenever policies are read"
                notes.add("too-many-rules", place, message, "join rules that do the same by || in one condition")
                return Rules.of(found)
            other = first.setdefault(entry["id"], place)
            if other != place:
                message = f"rule {entry['id']!r} is defined twice; the first is at {other}"
                notes.add("duplicate-rule", place, message, "give each rule its own id")
            rule = _rule(sheet, index, entry, directory, notes)
            if rule is not None:
                found.append(rule)
    return Rules.of(found)


def _rule(sheet: Sheet, index: int, entry: Mapping[str, Any], directory: Directory | None, notes: Notes) -> Rule | None:
    place = sheet.place("rules", index)
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
    when = condition(sheet, entry["when"], notes, "rules", index, "when")
    unless = (
        condition(sheet, entry["deny_unless"], notes, "rules", index, "deny_unless") if "deny_unless" in entry else None
    )
    require = [
        _requirement(sheet, entry["id"], one, directory, notes, "rules", index, "require", number)
        for number, one in enumerate(entry.get("require", ()))
    ]
    needs = tuple(one for one in require if one is not None)
    if when is None or (unless is None and "deny_unless" in entry) or len(needs) < len(require):
        return None
    return Rule(
        id=entry["id"],
        when=when,
        place=sheet.place("rules", index, "id"),
        require=needs,
        deny="deny" in entry,
        deny_unless=unless,
        automatic="approve" in entry,
        message=entry.get("message", ""),
    )


def condition(sheet: Sheet, text: str, notes: Notes, *keys: Key) -> Condition | None:
    """Compile a condition of a file; None where it does not compile, which is then a finding at the very character."""
    place = sheet.place(*keys)
    found = compile_condition(text, place, spread(sheet.text, place.line, place.column, text))
    if isinstance(found, Condition):
        return found
    notes.extend(found)
    return None


def _requirement(
    sheet: Sheet, rule: str, entry: Mapping[str, Any], directory: Directory | None, notes: Notes, *keys: Key
) -> Requirement | None:
    approvals, escalate = entry["approvals"], entry.get("escalate")
    _check_group(sheet, approvals["from"], directory, notes, *keys, "approvals", "from")
    after = None
    if escalate is not None:
        _check_group(sheet, escalate["to"], directory, notes, *keys, "escalate", "to")
        after = notes.duration(sheet, escalate["after"], *keys, "escalate", "after")
        if after is None:
            return None
    return Requirement(approvals["at_least"], approvals["from"], (rule,), escalate["to"] if escalate else "", after)


def _check_group(sheet: Sheet, source: str, directory: Directory | None, notes: Notes, *keys: Key) -> None:
    if directory is None or not source.startswith(GROUP):
        return
    name = source.removeprefix(GROUP)
    members = directory.groups.get(name)
    if members is None:
        hint = near(name, directory.groups, "groups are named in policies/directory")
        notes.add("unknown-group", sheet.place(*keys), f"there is no group {name!r} in the directory", hint)
    elif not any(directory.subjects[handle].is_person for handle in members):
        message = f"nobody could approve: group {name} has no people"
        notes.add("empty-approvers", sheet.place(*keys), message, "add people to it in policies/directory")
