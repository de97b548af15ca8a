"""Writing a grant file: the inverse of reading one, in the layout that people write by hand."""

from __future__ import annotations

import json
import re
from datetime import datetime

from daypass.core.grant import Grant, GrantId, digest
from daypass.core.window import Span, format_duration, format_instant

SCHEMA_HINT = "# yaml-language-server: $schema=../../.schemas/grant.schema.json\n"
"""What editors need to complete and check the file while it is written."""

# Text that YAML reads back as itself without quotes: no indicator at its start, no ": " or " #" inside.
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._/,;()@+-]*[A-Za-z0-9.)]|[A-Za-z0-9]")


def grant_text(grant: Grant) -> str:
    """Return the file's text; read_grant of it gives the same grant."""
    lines = [
        "version: 1",
        f"subject: {_scalar(grant.subject)}",
        f"resource: {_scalar(grant.resource)}",
        f"role: {_scalar(grant.role)}",
        f"reason: {_scalar(grant.reason)}",
    ]
    if grant.ticket:
        lines.append(f"ticket: {_scalar(grant.ticket)}")
    lines += ["window:", *_span_lines(grant.span)]
    if grant.purpose:
        lines.append(f"purpose: {_scalar(grant.purpose)}")
    if grant.ends_when:
        lines += ["ends_when:", *(f"  {key}: {_scalar(value)}" for key, value in grant.ends_when)]
    return SCHEMA_HINT + "\n".join(lines) + "\n"


def _span_lines(span: Span) -> list[str]:
    if span.window is None:
        return [f"  duration: {format_duration(span.length)}"]
    return [f"  from: {format_instant(span.window.start)}", f"  until: {format_instant(span.window.end)}"]


def _scalar(text: str) -> str:
    """Quote as JSON wherever YAML could read anything else; JSON text is YAML text."""
    return text if _PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)


def name_grant(subject: str, resource: str, fields: object, at: datetime) -> GrantId:
    """Name a new grant: who, when, and enough of a digest that two requests of one day differ."""
    tail = digest({"fields": fields, "at": format_instant(at)}).removeprefix("sha256:")[:6]
    return GrantId(f"{resource}/{subject}-{at:%Y%m%d}-{tail}")
