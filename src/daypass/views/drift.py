"""Drift, for people: as text, and as the body of an issue."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from daypass.core.finding import Finding
from daypass.core.window import format_instant
from daypass.views.findings import findings_text
from daypass.views.markdown import code, prose

MOST = 200
"""How many are told one by one in an issue; the rest is counted."""


def drift_text(found: Sequence[Finding], live: int) -> str:
    """Write drift for people on a terminal."""
    if not found:
        return f"No drift: {live} live as they should be, and nothing else is there.\n"
    return findings_text(found) + f"{len(found)} differences.\n"


def drift_markdown(found: Sequence[Finding], at: datetime) -> str:
    """Write drift as Markdown: what differs and what to do, in the order of the findings."""
    if not found:
        return f"No drift at {format_instant(at)}.\n"
    lines = [f"The targets are not as main says. Seen at {format_instant(at)}.", ""]
    for finding in found[:MOST]:
        lines.append(f"- {code(finding.code)} {prose(finding.message)}")
        if finding.hint:
            lines.append(f"  → {prose(finding.hint)}")
    if len(found) > MOST:
        lines.append(f"- and {len(found) - MOST} more; `daypass drift` lists them all")
    return "\n".join(lines) + "\n"
