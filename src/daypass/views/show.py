"""One request as who approves it must see it: what it asks for, the file's own lines, what it does, what is missing.

Every word of people goes through `joined`: nothing that they wrote acts on a terminal or passes for another line.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import unified_diff

from daypass.core.catalogue import Catalogue
from daypass.core.grant import Grant, GrantId
from daypass.core.request import ItemVerdict, Report
from daypass.core.window import format_duration, format_instant
from daypass.views.comment import effect_line
from daypass.views.findings import joined
from daypass.views.gate import gated_text

_WHOLE = 20
"""So many grants are shown whole; what each of the others is stands in the last part all the same."""

_LINES = 200
"""So many lines of a file's difference are shown."""

Texts = Mapping[GrantId, tuple[str, str]]
"""What stood in a grant's file before, and what the request makes of it; "" where there is none."""


def show_text(report: Report, texts: Texts) -> str:
    """Write a request whole."""
    pull, verdicts = report.found.pull, report.found.verdicts
    catalogue = report.found.proposal.policy.catalogue
    by = pull.opened_by
    proof = "" if by.proved else ", whose signature is missing"
    lines = [
        f"#{pull.number} {pull.title}",
        f"  asked by  {_who(catalogue, by.handle) or by.name}{proof}, at {format_instant(pull.opened_at)}"
        + (f", in {pull.origin}" if pull.origin else ""),
        f"  branch    {pull.branch} at {pull.head}",
    ]
    for verdict in verdicts[:_WHOLE]:
        lines += ["", *_item_lines(report, verdict, texts.get(verdict.item.id, ("", "")))]
    left = len(verdicts) - _WHOLE
    lines += ["", f"{left} more grants are not shown whole"] if left > 0 else []
    return joined([*lines, ""]) + gated_text(report.found)


def _item_lines(report: Report, verdict: ItemVerdict, texts: tuple[str, str]) -> Iterator[str]:
    item = verdict.item
    grant = item.grant or item.old
    yield f"{item.kind}  {item.id}"
    if grant is not None:
        yield from (f"  {name:8}  {value}" for name, value in _rows(report, grant) if value)
    effects = [effect for effect in report.effects if effect.grant == item.id]
    if effects and report.found.pull.state == "open":
        yield "  once it is merged:"
        yield from (f"    {effect_line(effect)}" for effect in effects)
    before, after = (text.splitlines() for text in texts)
    diff = list(unified_diff(before, after, "main", "request", lineterm=""))
    if diff:
        yield "  the file:"
        yield from (f"    {line}" for line in diff[2 : _LINES + 2])
    if len(diff) > _LINES + 2:
        yield f"    … and {len(diff) - _LINES - 2} more lines: git diff main...{report.found.pull.head[:12]}"


def _rows(report: Report, grant: Grant) -> Iterator[tuple[str, str]]:
    catalogue = report.found.proposal.policy.catalogue
    resource = catalogue.resources.get(grant.resource)
    role = resource.roles.get(grant.role) if resource is not None else None
    yield "subject", _who(catalogue, grant.subject)
    about = [resource.title, resource.environment, resource.classification, *resource.data] if resource else []
    yield "resource", grant.resource + (f" ({', '.join(about)})" if about else "")
    yield "role", grant.role + (f" ({role.title})" if role is not None and role.title else "")
    window = grant.span.window
    length = format_duration(grant.span.length)
    if window is None:
        yield "window", f"{length}, from the merge on"
    else:
        yield "window", f"{format_instant(window.start)} until {format_instant(window.end)} ({length})"
    yield "reason", grant.reason
    yield "ticket", grant.ticket
    yield "purpose", grant.purpose


def _who(catalogue: Catalogue, handle: str) -> str:
    subject = catalogue.directory.subjects.get(handle)
    return f"{handle} ({subject.name})" if subject is not None and subject.name else handle
