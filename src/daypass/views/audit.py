"""Answers of the audit as text, JSON (version 1) and CSV. Decides nothing.

Merge messages may hold what anybody wrote: control characters are shown as escapes, so that none reaches a terminal, and a
cell that a spreadsheet would take for a formula gets an apostrophe.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from daypass.core.audit import Access, AccessAnswer, Sources, approvers
from daypass.core.differences import Difference, Verified
from daypass.core.events import Event, HistoryAnswer
from daypass.core.stats import Spread, StatsAnswer
from daypass.core.window import format_duration, format_instant

Answer = AccessAnswer | HistoryAnswer | Verified | StatsAnswer

_NONE = "-"
_SHORT = 12
_FORMULA = ("=", "+", "-", "@", "\t")


def audit_text(answer: Answer) -> str:
    """Write an answer for people."""
    if isinstance(answer, AccessAnswer):
        return _access_text(answer)
    if isinstance(answer, HistoryAnswer):
        return _history_text(answer)
    return _verified_text(answer) if isinstance(answer, Verified) else _stats_text(answer)


def audit_json(answer: Answer) -> str:
    """Write an answer as JSON, version 1."""
    return json.dumps(audit_data(answer), indent=2, ensure_ascii=False) + "\n"


def audit_csv(answer: Answer) -> str:
    """Write an answer's rows as CSV with a header line."""
    rows = _rows(answer)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_columns(answer))
    writer.writerows([[_cell(value) for value in row.values()] for row in rows])
    return out.getvalue()


def audit_data(answer: Answer) -> dict[str, Any]:
    """Return an answer as plain data, version 1."""
    found: dict[str, Any] = {"version": 1, "sources": _sources_data(answer.sources)}
    if isinstance(answer, AccessAnswer):
        return found | {"resource": answer.resource, "access": _rows(answer)}
    if isinstance(answer, HistoryAnswer):
        return found | {answer.about: answer.name, "events": _rows(answer)}
    if isinstance(answer, Verified):
        counts = {"receipts": answer.proved, "admissions": answer.checked, "landings": answer.landings}
        return found | {"clean": answer.clean, "checked": counts, "differences": _rows(answer)}
    return found | {"stats": _stats_data(answer)}


def _sources_data(sources: Sources) -> dict[str, Any]:
    return {
        "at": format_instant(sources.at),
        "main": sources.main,
        "ledger": sources.ledger,
        "receipts": sources.receipts,
        "last_receipt_at": _when(sources.told),
        "index_rebuilt": sources.rebuilt,
    }


def _when(at: datetime | None) -> str | None:
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
        "until": _when(access.until),
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
        "at": _when(event.at),
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


def _difference_row(found: Difference) -> dict[str, Any]:
    return {
        "severity": found.severity.value,
        "code": found.code,
        "grant": found.grant,
        "commit": found.commit,
        "receipt": found.receipt,
        "message": found.message,
    }


_SPREADS: tuple[tuple[str, str], ...] = (
    ("request_to_usable", "request to usable access"),
    ("approval_to_usable", "approval to usable access"),
    ("lateness", "end of window to verified absence"),
)
_COUNTS: tuple[tuple[str, str], ...] = (
    ("live", "live grants"),
    ("scheduled", "grants asked to open later, left out above"),
    ("ended_early", "removals before the window's end"),
    ("missed", "access still held after its window"),
    ("retried", "removals that needed another try"),
    ("failing", "removals that failed and have not come about"),
    ("doubtful", "additions nobody knows the end of"),
)


def _spread_data(spread: Spread) -> dict[str, Any]:
    return {"count": spread.count, "median": spread.median, "p95": spread.p95, "worst": spread.worst}


def _stats_data(answer: StatsAnswer) -> dict[str, Any]:
    stats = answer.stats
    spreads = {f"{name}_seconds": _spread_data(getattr(stats, name)) for name, _ in _SPREADS}
    return spreads | {name: getattr(stats, name) for name, _ in _COUNTS}


def _rows(answer: Answer) -> list[dict[str, Any]]:
    if isinstance(answer, AccessAnswer):
        return [_access_row(access) for access in answer.found]
    if isinstance(answer, HistoryAnswer):
        return [_event_row(event) for event in answer.events]
    if isinstance(answer, Verified):
        return [_difference_row(found) for found in answer.differences]
    found = _stats_data(answer)
    flat = [
        (f"{key}.{name}", value)
        for key, part in found.items()
        if isinstance(part, dict)
        for name, value in part.items()
    ]
    flat += [(key, value) for key, value in found.items() if not isinstance(value, dict)]
    return [{"figure": name, "value": value} for name, value in flat]


_ACCESS_COLUMNS = (
    *("subject", "principal", "resource", "target", "privilege", "roles", "grants", "since", "until", "overdue"),
    *("certain", "doubt", "receipt", "commits", "pulls", "approvers", "policies"),
)
_EVENT_COLUMNS = (
    *("event", "at", "grants", "subject", "resource", "role", "by", "commit", "pull", "approvers", "policy"),
    *("receipt", "late_seconds", "detail"),
)
_DIFFERENCE_COLUMNS = ("severity", "code", "grant", "commit", "receipt", "message")


def _columns(answer: Answer) -> Sequence[str]:
    if isinstance(answer, AccessAnswer):
        return _ACCESS_COLUMNS
    if isinstance(answer, HistoryAnswer):
        return _EVENT_COLUMNS
    return _DIFFERENCE_COLUMNS if isinstance(answer, Verified) else ("figure", "value")


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = "; ".join(str(item) for item in value) if isinstance(value, list) else str(value)
    return f"'{text}" if isinstance(value, str | list) and text.startswith(_FORMULA) else text


def _header(title: str, sources: Sources) -> list[str]:
    told = f", the last at {format_instant(sources.told)}" if sources.told is not None else ""
    lines = [
        f"{title}, at {format_instant(sources.at)}",
        f"main {sources.main[:_SHORT]}, ledger {sources.ledger[:_SHORT]} with {sources.receipts} receipts{told}",
    ]
    if sources.told is not None and sources.told < sources.at:
        lines.append(f"what happened at the targets after {format_instant(sources.told)} is not in the ledger")
    if sources.rebuilt:
        lines.append(f"the index was built anew: {sources.rebuilt}")
    return [*lines, ""]


def _access_text(answer: AccessAnswer) -> str:
    lines = _header(f"Who could reach {answer.resource}", answer.sources)
    if not answer.found:
        lines.append(f"Nobody, as far as daypass gave access to {answer.resource}.")
    head = ("SUBJECT", "PRIVILEGE", "SINCE", "UNTIL", "GRANTS", "APPROVED BY", "PULL", "RECEIPT")
    lines += _table(head, answer.found, _access_cells)
    lines += _remarks(answer)
    return _joined(lines)


def _access_cells(access: Access) -> tuple[str, ...]:
    names = dict.fromkeys(name for admission in access.basis for name in approvers(admission))
    whose = ", ".join(access.subjects) or access.entitlement.principal
    return (
        whose,
        access.entitlement.privilege,
        format_instant(access.since),
        (_when(access.until) or _NONE) + (" overdue" if access.overdue else "") + (" ?" if access.doubt else ""),
        ", ".join(access.grants) or _NONE,
        ", ".join(names) or "a rule, by itself",
        ", ".join(f"#{admission.pull}" for admission in access.basis) or _NONE,
        str(access.receipt),
    )


def _remarks(answer: AccessAnswer) -> list[str]:
    late = [
        f"{access.entitlement.principal} still had access {format_duration(answer.sources.at - access.until)} after its window"
        for access in answer.found
        if access.overdue and access.until is not None and not access.doubt
    ]
    doubts = [
        f"{access.entitlement.principal} may have had access (?): receipt {access.receipt} tried to give it; {access.doubt}"
        for access in answer.found
        if access.doubt
    ]
    return ["", *late, *doubts] if late or doubts else []


def _history_text(answer: HistoryAnswer) -> str:
    lines = _header(f"History of {answer.about} {answer.name}", answer.sources)
    if not answer.events:
        lines.append("No events.")
    head = ("WHEN", "EVENT", "GRANT", "WHO", "COMMIT", "PULL", "APPROVED BY", "POLICY", "RECEIPT", "")
    return _joined(lines + _table(head, answer.events, _event_cells))


def _event_cells(event: Event) -> tuple[str, ...]:
    late = f"{format_duration(timedelta(seconds=event.late))} late" if event.late is not None else ""
    return (
        _when(event.at) or _NONE,
        event.kind.value,
        ", ".join(event.grants) or _NONE,
        event.by or event.subject or _NONE,
        event.commit[:_SHORT] or _NONE,
        f"#{event.pull}" if event.pull is not None else _NONE,
        ", ".join(event.approvers) or _NONE,
        event.policy.removeprefix("sha256:")[:_SHORT] or _NONE,
        str(event.receipt) if event.receipt is not None else _NONE,
        "; ".join(part for part in (event.detail, late) if part),
    )


def _verified_text(answer: Verified) -> str:
    lines = _header("Verification of ledger and history", answer.sources)
    lines += [f"{found.severity.value:8}{found.code}: {found.message}" for found in answer.differences]
    lines += [""] if answer.differences else []
    errors = sum(1 for found in answer.differences if found.severity.value == "error")
    counted = f"{answer.proved} receipts and {answer.checked} admissions proved over {answer.landings} landings"
    lines.append(f"OK: {counted}." if answer.clean else f"{errors} differences; {counted}.")
    return _joined(lines)


def _stats_text(answer: StatsAnswer) -> str:
    lines = _header("How quick access comes and goes", answer.sources)
    spreads = [(title, getattr(answer.stats, name)) for name, title in _SPREADS]
    lines += _table(("", "COUNT", "MEDIAN", "95 %", "WORST"), spreads, _spread_cells)
    lines.append("")
    lines += _table(
        ("", ""), [(title, str(getattr(answer.stats, name))) for name, title in _COUNTS], lambda pair: pair
    )[1:]
    return _joined(lines)


def _spread_cells(item: tuple[str, Spread]) -> tuple[str, ...]:
    title, spread = item
    return (title, str(spread.count), *(_seconds(value) for value in (spread.median, spread.p95, spread.worst)))


def _seconds(value: float | None) -> str:
    return _NONE if value is None else format_duration(timedelta(seconds=value))


def _table(head: tuple[str, ...], items: Iterable[Any], cells: Callable[[Any], tuple[str, ...]]) -> list[str]:
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


def _joined(lines: Iterable[str]) -> str:
    return "\n".join(plain(line) for line in lines) + "\n"
