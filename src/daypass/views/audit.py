"""Who could reach what, and how it came to be, as text, JSON (version 1) and CSV. Decides nothing.

Merge messages may hold what anybody wrote: control characters are shown as escapes, so that none reaches a terminal,
and a cell that a spreadsheet would take for a formula gets an apostrophe.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from daypass.core.audit import Access, AccessAnswer, Sources, approvers
from daypass.core.events import Event, HistoryAnswer
from daypass.core.window import format_duration, format_instant

Answer = AccessAnswer | HistoryAnswer

NONE = "-"
SHORT = 12
_FORMULA = ("=", "+", "-", "@", "\t")


def audit_text(answer: Answer) -> str:
    """Write an answer for people."""
    return _access_text(answer) if isinstance(answer, AccessAnswer) else _history_text(answer)


def audit_json(answer: Answer) -> str:
    """Write an answer as JSON, version 1."""
    about = "resource" if isinstance(answer, AccessAnswer) else answer.about
    name = answer.resource if isinstance(answer, AccessAnswer) else answer.name
    rows = "access" if isinstance(answer, AccessAnswer) else "events"
    return as_json(answer.sources, {about: name, rows: _rows(answer)})


def audit_csv(answer: Answer) -> str:
    """Write an answer's rows as CSV with a header line."""
    return as_csv(_ACCESS_COLUMNS if isinstance(answer, AccessAnswer) else _EVENT_COLUMNS, _rows(answer))


def as_json(sources: Sources, content: Mapping[str, Any]) -> str:
    """Write content as JSON, version 1, with what it rests on."""
    found = {"version": 1, "sources": _sources_data(sources), **content}
    return json.dumps(found, indent=2, ensure_ascii=False) + "\n"


def as_csv(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """Write rows as CSV with a header line; the columns stand even where there is no row."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([[_cell(row[column]) for column in columns] for row in rows])
    return out.getvalue()


def _sources_data(sources: Sources) -> dict[str, Any]:
    return {
        "at": format_instant(sources.at),
        "main": sources.main,
        "ledger": sources.ledger,
        "receipts": sources.receipts,
        "last_receipt_at": when(sources.told),
        "index_rebuilt": sources.rebuilt,
    }


def when(at: datetime | None) -> str | None:
    """Write an instant; None stays None."""
    return format_instant(at) if at is not None else None


def _access_row(access: Access) -> dict[str, Any]:
    return {
        "subject": ", ".join(access.subjects),
        "principal": access.entitlement.principal,
        "resource": access.entitlement.resource,
        "target": access.entitlement.target,
        "privilege": access.entitlement.privilege,
        "roles": list(dict.fromkeys(admission.role for admission in access.basis)),
        "grants": list(access.grants),
        "since": format_instant(access.since),
        "until": when(access.until),
        "overdue": access.overdue,
        "certain": not access.doubt,
        "doubt": access.doubt,
        "receipt": access.receipt,
        "commits": [admission.landing for admission in access.basis],
        "pulls": [admission.pull for admission in access.basis],
        "approvers": list(dict.fromkeys(name for admission in access.basis for name in approvers(admission))),
        "policies": list(dict.fromkeys(admission.policy for admission in access.basis)),
    }


def _event_row(event: Event) -> dict[str, Any]:
    return {
        "event": event.kind.value,
        "at": when(event.at),
        "grants": list(event.grants),
        "subject": event.subject,
        "resource": event.resource,
        "role": event.role,
        "by": event.by,
        "commit": event.commit,
        "pull": event.pull,
        "approvers": list(event.approvers),
        "policy": event.policy,
        "receipt": event.receipt,
        "late_seconds": event.late,
        "detail": event.detail,
    }


def _rows(answer: Answer) -> list[dict[str, Any]]:
    if isinstance(answer, AccessAnswer):
        return [_access_row(access) for access in answer.found]
    return [_event_row(event) for event in answer.events]


_ACCESS_COLUMNS = (
    *("subject", "principal", "resource", "target", "privilege", "roles", "grants", "since", "until", "overdue"),
    *("certain", "doubt", "receipt", "commits", "pulls", "approvers", "policies"),
)
_EVENT_COLUMNS = (
    *("event", "at", "grants", "subject", "resource", "role", "by", "commit", "pull", "approvers", "policy"),
    *("receipt", "late_seconds", "detail"),
)


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = "; ".join(str(item) for item in value) if isinstance(value, list) else str(value)
    return f"'{text}" if isinstance(value, str | list) and text.startswith(_FORMULA) else text


def header(title: str, sources: Sources) -> list[str]:
    """Say what was asked, at which instant, and what the answer rests on."""
    told = f", the last at {format_instant(sources.told)}" if sources.told is not None else ""
    lines = [
        f"{title}, at {format_instant(sources.at)}",
        f"main {sources.main[:SHORT]}, ledger {sources.ledger[:SHORT]} with {sources.receipts} receipts{told}",
    ]
    if sources.told is not None and sources.told < sources.at:
        lines.append(f"what happened at the targets after {format_instant(sources.told)} is not in the ledger")
    if sources.rebuilt:
        lines.append(f"the index was built anew: {sources.rebuilt}")
    return [*lines, ""]


def _access_text(answer: AccessAnswer) -> str:
    lines = header(f"Who could reach {answer.resource}", answer.sources)
    if not answer.found:
        lines.append(f"Nobody, as far as daypass gave access to {answer.resource}.")
    head = ("SUBJECT", "PRIVILEGE", "SINCE", "UNTIL", "GRANTS", "APPROVED BY", "PULL", "RECEIPT")
    lines += table(head, answer.found, _access_cells)
    lines += _remarks(answer)
    return joined(lines)


def _access_cells(access: Access) -> tuple[str, ...]:
    names = dict.fromkeys(name for admission in access.basis for name in approvers(admission))
    whose = ", ".join(access.subjects) or access.entitlement.principal
    return (
        whose,
        access.entitlement.privilege,
        format_instant(access.since),
        (when(access.until) or NONE) + (" overdue" if access.overdue else "") + (" ?" if access.doubt else ""),
        ", ".join(access.grants) or NONE,
        ", ".join(names) or "a rule, by itself",
        ", ".join(f"#{admission.pull}" for admission in access.basis) or NONE,
        str(access.receipt),
    )


def _remarks(answer: AccessAnswer) -> list[str]:
    late = [
        f"{found.entitlement.principal} still had access {format_duration(answer.sources.at - found.until)} after its end"
        for found in answer.found
        if found.overdue and found.until is not None and not found.doubt
    ]
    doubts = [
        f"{found.entitlement.principal} may have had access (?): receipt {found.receipt} tried to give it; {found.doubt}"
        for found in answer.found
        if found.doubt
    ]
    return ["", *late, *doubts] if late or doubts else []


def _history_text(answer: HistoryAnswer) -> str:
    lines = header(f"History of {answer.about} {answer.name}", answer.sources)
    if not answer.events:
        lines.append("No events.")
    head = ("WHEN", "EVENT", "GRANT", "WHO", "COMMIT", "PULL", "APPROVED BY", "POLICY", "RECEIPT", "")
    return joined(lines + table(head, answer.events, _event_cells))


def _event_cells(event: Event) -> tuple[str, ...]:
    late = f"{format_duration(timedelta(seconds=event.late))} late" if event.late is not None else ""
    return (
        when(event.at) or NONE,
        event.kind.value,
        ", ".join(event.grants) or NONE,
        event.by or event.subject or NONE,
        event.commit[:SHORT] or NONE,
        f"#{event.pull}" if event.pull is not None else NONE,
        ", ".join(event.approvers) or NONE,
        event.policy.removeprefix("sha256:")[:SHORT] or NONE,
        str(event.receipt) if event.receipt is not None else NONE,
        "; ".join(part for part in (event.detail, late) if part),
    )


def table(head: tuple[str, ...], items: Iterable[Any], cells: Callable[[Any], tuple[str, ...]]) -> list[str]:
    """Align items below a head; nothing where there is none."""
    rows = [cells(item) for item in items]
    if not rows:
        return []
    clean = [[plain(cell) for cell in row] for row in (head, *rows)]
    widths = [max(len(row[n]) for row in clean) for n in range(len(head))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in clean]


def plain(text: str) -> str:
    """Return text with everything that is not printable as an escape, so that it cannot move a terminal's cursor."""
    return (
        text
        if text.isprintable()
        else "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    )


def joined(lines: Iterable[str]) -> str:
    """Join lines, none of which moves a cursor."""
    return "\n".join(plain(line) for line in lines) + "\n"
