"""What may be asked for, in words: for how long, by whose approval, at once or not, and why not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from daypass.core.catalogue import Catalogue
from daypass.core.policy.analysis.options import Option, reasons
from daypass.core.window import format_duration
from daypass.views.findings import as_output, count, joined
from daypass.views.policy.compared import answer_words, decided_data

Ways = Sequence[Option]


def catalogue_text(catalogue: Catalogue, who: str, found: Mapping[tuple[str, str], Ways]) -> str:
    """Write each role that somebody can ask for, by resource, and how; and how many there are that they cannot."""
    lines, last, shut = [], "", 0
    for (name, role), ways in found.items():
        able = [way for way in ways if not way.decision.denials]
        if not able:
            shut += 1
            continue
        resource = catalogue.resources[name]
        if name != last:
            lines.append(f"{name}  {resource.title} ({resource.environment}, {resource.classification})")
            last = name
        lines.append(f"  {role}  {resource.roles[role].title}".rstrip())
        lines += [f"    {line}" for line in _ways(able)]
    if not lines:
        lines.append(f"{who} can ask for nothing now.")
    if shut:
        what = f"{count(shut, 'role')} {who} cannot ask for now"
        lines.append(f"{what}: `daypass policy why-not {who} RESOURCE ROLE` says why")
    return joined(lines)


def catalogue_json(catalogue: Catalogue, who: str, found: Mapping[tuple[str, str], Ways]) -> str:
    """Write the same as JSON, version 1, with the ways that are denied."""
    roles = [
        {
            "resource": name,
            "role": role,
            "title": catalogue.resources[name].roles[role].title,
            "ways": _data(ways),
        }
        for (name, role), ways in found.items()
    ]
    return as_output({"subject": who, "roles": roles})


def who_can_text(resource: str, role: str, found: Mapping[str, Ways]) -> str:
    """Write who may ask for a role and how; those of whom the same is true stand together."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for handle, ways in found.items():
        able = tuple(_ways([way for way in ways if not way.decision.denials]))
        why = tuple(f"denied: {denial.message}" for denial in reasons(ways))
        alike.setdefault(able or why, []).append(handle)
    lines = [f"{role} on {resource}, for oneself"]
    for told, handles in sorted(alike.items(), key=lambda item: item[0][0].startswith("denied: ")):
        lines.append(f"  {', '.join(handles)}")
        lines += [f"    {line}" for line in told]
    return joined(lines)


def who_can_json(resource: str, role: str, found: Mapping[str, Ways]) -> str:
    """Write the same as JSON, version 1."""
    subjects = [{"subject": handle, "ways": _data(ways)} for handle, ways in found.items()]
    return as_output({"resource": resource, "role": role, "subjects": subjects})


def why_not_text(subject: str, resource: str, role: str, found: Ways) -> str:
    """Write why somebody may not have a role, under each purpose, and which ways there are."""
    able = [way for way in found if not way.decision.denials]
    lines = [
        f"{subject} may ask for {role} on {resource}:" if able else f"{subject} may not have {role} on {resource}:"
    ]
    lines += [f"  {line}" for line in _ways(able)]
    for denial in reasons(found):
        under = dict.fromkeys(name for way in found if denial in way.decision.denials for name in way.purposes)
        named = ", ".join(name for name in under if name)
        where = {(True, False): "without a purpose", (False, True): f"with purpose {named}"}.get(
            ("" in under, bool(named)), f"without a purpose and with {named}"
        )
        lines.append(f"  denied {where}: {denial.message} [{denial.rule or denial.code}]")
        lines += [f"    hint: {denial.hint}"] if denial.hint else []
    return joined(lines)


def why_not_json(subject: str, resource: str, role: str, found: Ways) -> str:
    """Write the same as JSON, version 1."""
    return as_output({"subject": subject, "resource": resource, "role": role, "ways": _data(found)})


def _ways(ways: Sequence[Option]) -> list[str]:
    """Say how it is asked for and by whose approval; then how much all of it may come to."""
    lines = [f"{_asked(way)}: {answer_words(way.decision)}{_recurring(way)}" for way in ways]
    if not ways:
        return []
    whole = f"at most {format_duration(ways[0].total)} without a gap"
    spans: dict[timedelta, dict[str, None]] = {}
    for way in ways:
        if way.recurring is not None and not way.recurring.denials:
            spans.setdefault(way.span, {}).update(dict.fromkeys(name for name in way.purposes if name))
    if spans:
        most = max(spans)
        less = [f"{format_duration(one)} with {', '.join(names)}" for one, names in spans.items() if one != most]
        whole += f"; recurring for {format_duration(most)} as a whole" + (f" ({'; '.join(less)})" if less else "")
    return [*lines, whole]


def _recurring(way: Option) -> str:
    """Say whether it may recur, where the answer is another then."""
    if way.recurring is None or way.recurring.denials:
        return "; not recurring"
    there = answer_words(way.recurring)
    return "" if there == answer_words(way.decision) else f"; recurring: {there}"


def _named(way: Option) -> str:
    named = [name for name in way.purposes if name]
    if named and "" in way.purposes:
        return f"without a purpose or with {', '.join(named)}"
    return f"purpose {', '.join(named)}" if named else ""


def _asked(way: Option) -> str:
    """Say how it is asked for: under which purpose, for how long, with what."""
    length = f"up to {format_duration(way.upto)}"
    if way.over:
        length = f"over {format_duration(way.over)}, {length}"
    return ", ".join(part for part in (_named(way), *(f"with {each}" for each in way.brings), length) if part)


def _data(ways: Ways) -> list[dict[str, Any]]:
    return [
        {
            "purposes": list(way.purposes),
            "over": format_duration(way.over),
            "upto": format_duration(way.upto),
            "brings": list(way.brings),
            **decided_data(way.decision),
            "recurring": None if way.recurring is None else decided_data(way.recurring),
            "total": format_duration(way.total),
            "span": format_duration(way.span),
        }
        for way in ways
    ]
