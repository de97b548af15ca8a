"""Who could reach what, and how it came to be, as text, JSON (version 1) and CSV. Decides nothing.

Each answer has a header that names what it rests on. Merge messages may hold what anybody wrote: control characters are
shown as escapes, so that none reaches a terminal, and a cell that a spreadsheet would take for a formula gets an
apostrophe. What a verification found and the figures are written by `daypass.views.audit_proof`, which is imported for
those alone: a question is to answer at once.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from daypass.core.audit.access import UNWRITTEN, AccessAnswer, HeldAccess, Sources, Words, approvers
from daypass.core.audit.events import HistoryEvent
from daypass.core.audit.selection import NOT_ON_RECORD, HistoryAnswer
from daypass.core.window import format_duration, format_instant
from daypass.views.findings import as_output, joined, printable

if TYPE_CHECKING:
    from daypass.core.audit.stats import Stats
    from daypass.core.audit.verified import Verified

    Answer = AccessAnswer | HistoryAnswer | Verified | Stats


def audit_text(answer: Answer, width: int = 0) -> str:
    """Write an answer for people, at most so wide; 0: as wide as it is."""
    if isinstance(answer, AccessAnswer):
        return _access_text(answer, width)
    if isinstance(answer, HistoryAnswer):
        return _history_text(answer, width)
    from daypass.views.audit_proof import proof_text  # noqa: PLC0415  (see above)

    return proof_text(answer, width)


def audit_json(answer: Answer) -> str:
    """Write an answer as JSON, version 1."""
    if isinstance(answer, AccessAnswer):
        return as_json(answer.sources, {"resource": answer.resource, "access": _access_rows(answer)})
    if isinstance(answer, HistoryAnswer):
        about = {answer.about: answer.name} if answer.about else {}
        content = {**about, "events": _event_rows(answer), "not_on_record": list(NOT_ON_RECORD)}
        return as_json(answer.sources, content)
    from daypass.views.audit_proof import proof_json  # noqa: PLC0415  (see above)

    return proof_json(answer)


def audit_csv(answer: Answer) -> str:
    """Write an answer's rows as CSV with a header line."""
    if isinstance(answer, AccessAnswer):
        return as_csv(_ACCESS_COLUMNS, _access_rows(answer))
    if isinstance(answer, HistoryAnswer):
        return as_csv(_EVENT_COLUMNS, _event_rows(answer))
    from daypass.views.audit_proof import proof_csv  # noqa: PLC0415  (see above)

    return proof_csv(answer)


def _access_row(access: HeldAccess, answer: AccessAnswer) -> dict[str, Any]:
    words = _said(answer, access)
    ended = [grant for grant in access.change.grants if grant in answer.ended]
    return {
        "subject": ", ".join(access.subjects),
        "principal": access.change.entitlement.principal,
        "resource": access.change.entitlement.resource,
        "target": access.change.entitlement.target,
        "privilege": access.change.entitlement.privilege,
        "privilege_fields": access.change.entitlement.fields,
        "roles": list(dict.fromkeys(admission.role for admission in access.basis)),
        "grants": list(access.change.grants),
        "since": format_instant(access.since),
        "until": when(access.change.until),
        "overdue": access.overdue(answer.sources.at),
        "certain": not access.doubt,
        "doubt": access.doubt,
        "receipt": access.receipt,
        "commits": [admission.landing for admission in access.basis],
        "pulls": [admission.pull for admission in access.basis],
        "approvers": list(dict.fromkeys(name for admission in access.basis for name in approvers(admission))),
        "policies": list(dict.fromkeys(admission.policy for admission in access.basis)),
        "reasons": [said.reason for said in words],
        "tickets": [said.ticket for said in words],
        "ended": ended,
        "end_reasons": [answer.ended[grant] for grant in ended],
    }


def _said(answer: AccessAnswer, access: HeldAccess) -> list[Words]:
    """Return what people wrote into the grants that gave an access."""
    return [answer.words.get(admission.blob, UNWRITTEN) for admission in access.basis]


def _event_row(event: HistoryEvent) -> dict[str, Any]:
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
        "reason": event.words.reason,
        "ticket": event.words.ticket,
        "purpose": event.words.purpose,
        "details": {name: value if isinstance(value, str) else list(value) for name, value in event.words.details},
    }


def _access_rows(answer: AccessAnswer) -> list[dict[str, Any]]:
    return [_access_row(access, answer) for access in answer.found]


def _event_rows(answer: HistoryAnswer) -> list[dict[str, Any]]:
    return [_event_row(event) for event in answer.events]


_ACCESS_COLUMNS = (
    *("subject", "principal", "resource", "target", "privilege", "roles", "grants", "since", "until", "overdue"),
    *("certain", "doubt", "receipt", "commits", "pulls", "approvers", "policies", "reasons", "tickets"),
    *("ended", "end_reasons"),
)
_EVENT_COLUMNS = (
    *("event", "at", "grants", "subject", "resource", "role", "by", "commit", "pull", "approvers", "policy"),
    *("receipt", "late_seconds", "detail", "reason", "ticket"),
)


def _access_text(answer: AccessAnswer, width: int) -> str:
    lines = header(f"Who could reach {answer.resource}", answer.sources)
    if not answer.found:
        lines.append(f"Nobody, as far as daypass gave access to {answer.resource}.")
    head = ("SUBJECT", "PRIVILEGE", "SINCE", "UNTIL", "GRANTS", "APPROVED BY", "PULL", "RECEIPT", "TICKET", "REASON")
    lines += table(head, answer.found, lambda access: _access_cells(access, answer), width)
    lines += _remarks(answer)
    return joined(lines)


def _access_cells(access: HeldAccess, answer: AccessAnswer) -> tuple[str, ...]:
    words = _said(answer, access)
    names = dict.fromkeys(name for admission in access.basis for name in approvers(admission))
    whose = ", ".join(access.subjects) or access.change.entitlement.principal
    return (
        whose,
        access.change.entitlement.privilege,
        format_instant(access.since),
        (when(access.change.until) or NONE)
        + (" overdue" if access.overdue(answer.sources.at) else "")
        + (" ?" if access.doubt else ""),
        ", ".join(access.change.grants) or NONE,
        ", ".join(names) or ("a rule, by itself" if access.basis else NONE),
        ", ".join(f"#{admission.pull}" for admission in access.basis) or NONE,
        str(access.receipt),
        ", ".join(dict.fromkeys(said.ticket for said in words if said.ticket)) or NONE,
        "; ".join(dict.fromkeys(said.reason for said in words if said.reason)) or NONE,
    )


def _remarks(answer: AccessAnswer) -> list[str]:
    lines = []
    for found in answer.found:
        who, until = found.change.entitlement.principal, found.change.until
        if found.doubt:
            lines.append(f"{who} may have had access (?): receipt {found.receipt} tried to give it; {found.doubt}")
        elif until is not None and found.overdue(answer.sources.at):
            lines.append(f"{who} still had access {format_duration(answer.sources.at - until)} after its end")
        for grant in (grant for grant in found.change.grants if grant in answer.ended):
            why = answer.ended[grant]
            lines.append(
                f"{grant} had been ended early{f' ({why})' if why else ''}, and {who} was not yet seen without access"
            )
    return ["", *lines] if lines else []


def _case_text(answer: HistoryAnswer) -> str:
    """Write the log of one case: each event with who, what and why, in order; the words of a file once."""
    lines, told = header(f"Log of case {answer.name}", answer.sources), set()
    for event in answer.events:
        what = f"{event.role} on {event.resource} for {event.subject}" if event.role else ", ".join(event.grants)
        by = f" by {event.by}" if event.by else ""
        lines.append(f"{when(event.at) or NONE:20}  {event.kind.value}{by}: {what}")
        pull = f"request #{event.pull}" if event.pull is not None else ""
        receipt = f"receipt {event.receipt}" if event.receipt is not None else ""
        late = f"{format_duration(timedelta(seconds=event.late))} late" if event.late is not None else ""
        lines.append("    " + ", ".join(part for part in (*event.grants, pull, receipt, event.detail, late) if part))
        if (event.grants, event.words) not in told:
            lines += [f"    {line}" for line in _words_lines(event.words)]
        told.add((event.grants, event.words))
    return joined([*lines, "", never_on_record()])


def _words_lines(words: Words) -> list[str]:
    said = [f"{name}: {value if isinstance(value, str) else ', '.join(value)}" for name, value in words.details]
    purpose = [f"purpose {words.purpose}"] if words.purpose else []
    lines = [f"why: {words.reason}"] if words.reason else []
    return [*lines, "; ".join((*purpose, *said))] if purpose or said else lines


def _history_text(answer: HistoryAnswer, width: int) -> str:
    if answer.about == "case":
        return _case_text(answer)
    title = f"History of {answer.about} {answer.name}" if answer.about else "History of everything that was asked for"
    lines = header(title, answer.sources)
    if not answer.events:
        lines.append("No events.")
    head = ("WHEN", "EVENT", "GRANT", "WHO", "COMMIT", "PULL", "APPROVED BY", "POLICY", "RECEIPT", "")
    lines += table(head, answer.events, _event_cells, width)
    return joined([*lines, "", never_on_record()])


def never_on_record() -> str:
    """Say what no history has."""
    return f"Never on record: {'; '.join(NOT_ON_RECORD)}."


def _event_cells(event: HistoryEvent) -> tuple[str, ...]:
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
        "; ".join(part for part in (event.detail, late, event.words.ticket, event.words.reason) if part),
    )


NONE = "-"
"""What stands where there is nothing."""
SHORT = 12
"""How much of an id people see."""
_Row = TypeVar("_Row")
_FORMULA = ("=", "+", "-", "@")


def as_json(sources: Sources, content: Mapping[str, Any]) -> str:
    """Write content as JSON, version 1, with what it rests on."""
    return as_output({"sources": _sources_data(sources), **content})


def as_csv(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """Write rows as CSV with a header line; the columns stand even where there is no row."""
    import csv  # noqa: PLC0415  (only here, and a question must answer at once)

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
        "last_receipt_at": when(sources.last_at),
        "index_rebuilt": sources.rebuilt,
    }


def when(at: datetime | None) -> str | None:
    """Write an instant; None stays None."""
    return format_instant(at) if at is not None else None


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = printable("; ".join(str(item) for item in value) if isinstance(value, list) else str(value))
    return f"'{text}" if isinstance(value, str | list) and text.startswith(_FORMULA) else text


def header(title: str, sources: Sources) -> list[str]:
    """Say what was asked, at which instant, and what the answer rests on."""
    told = f", the last at {format_instant(sources.last_at)}" if sources.last_at is not None else ""
    lines = [
        f"{title}, at {format_instant(sources.at)}",
        f"main {sources.main[:SHORT]}, ledger {sources.ledger[:SHORT]} with {sources.receipts} receipts{told}",
    ]
    if sources.last_at is not None and sources.last_at < sources.at:
        lines.append(f"what happened at the targets after {format_instant(sources.last_at)} is not in the ledger")
    if sources.rebuilt:
        lines.append(f"the index was built anew: {sources.rebuilt}")
    return [*lines, ""]


def table(
    head: tuple[str, ...], items: Iterable[_Row], cells: Callable[[_Row], tuple[str, ...]], width: int = 0
) -> list[str]:
    """Align items below a head; nothing where there is none.

    Where that is wider than ``width`` (0: any width will do), each item is a record: a line for each of its cells.
    """
    rows = [[printable(cell) for cell in cells(item)] for item in items]
    if not rows:
        return []
    widths = [max(len(row[n]) for row in (head, *rows)) for n in range(len(head))]
    if not width or sum(widths) + 2 * (len(head) - 1) <= width:
        return ["  ".join(c.ljust(n) for c, n in zip(row, widths, strict=True)).rstrip() for row in (head, *rows)]
    label = max(len(name) for name in head) + 2
    records = ([f"{name:{label}}{c}" for name, c in zip(head, row, strict=True) if c] for row in rows)
    return [line for record in records for line in (*record, "")][:-1]
