"""Drift, for people: as text, and as the body of an issue."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any

from daypass.core.drift import Inspection
from daypass.core.finding import Finding
from daypass.core.plan import Plan
from daypass.core.window import format_instant
from daypass.views.findings import findings_text, joined
from daypass.views.markdown import code, prose
from daypass.views.plan import live_words

_NOTHING: Mapping[str, Inspection | str] = MappingProxyType({})

MOST = 200
"""How many are told one by one in an issue; the rest is counted."""


def drift_text(found: Sequence[Finding], plan: Plan, inspections: Mapping[str, Inspection | str] = _NOTHING) -> str:
    """Write drift for people on a terminal: what differs, then what was looked at, and what nobody can see."""
    seen = joined(line for line in _seen(inspections))
    if not found:
        return f"No drift: {live_words(plan)}, and nothing else was found where daypass looks.\n" + seen
    return findings_text(found) + f"{len(found)} differences.\n" + seen


def _seen(inspections: Mapping[str, Inspection | str]) -> Iterator[str]:
    for name, one in sorted(inspections.items()):
        if not isinstance(one, str):
            yield f"{name}"
            yield from (f"  looked at: {what}" for what in one.looked)
            yield from (f"  not seen:  {what}" for what in one.unseen)


def inspections_data(inspections: Mapping[str, Inspection | str]) -> dict[str, Any]:
    """Return what was looked at, by target, as plain data."""
    return {
        name: {"error": one} if isinstance(one, str) else {"looked": list(one.looked), "unseen": list(one.unseen)}
        for name, one in sorted(inspections.items())
    }


def drift_markdown(
    found: Sequence[Finding], at: datetime, inspections: Mapping[str, Inspection | str] = _NOTHING
) -> str:
    """Write drift as Markdown: what differs and what to do, in the order of the findings, then what was looked at."""
    seen = "".join(f"- {prose(line)}\n" for line in _seen(inspections))
    if not found:
        return f"No drift at {format_instant(at)}.\n" + (f"\n{seen}" if seen else "")
    lines = [f"The targets are not as main says. Seen at {format_instant(at)}.", ""]
    for finding in found[:MOST]:
        lines.append(f"- {code(finding.code)} {prose(finding.message)}")
        if finding.hint:
            lines.append(f"  → {prose(finding.hint)}")
    if len(found) > MOST:
        lines.append(f"- and {len(found) - MOST} more; `daypass drift` lists them all")
    return "\n".join(lines) + "\n" + (f"\nWhat was looked at:\n\n{seen}" if seen else "")
