"""What the audit's answers share: the header that names what they rest on, aligned tables, JSON (version 1) and CSV.

Merge messages may hold what anybody wrote: control characters are shown as escapes, so that none reaches a terminal,
and a cell that a spreadsheet would take for a formula gets an apostrophe.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from daypass.core.audit.access import Sources
from daypass.core.window import format_instant
from daypass.views.findings import as_document, joined, printable

__all__ = ["NONE", "SHORT", "as_csv", "as_json", "header", "joined", "table", "when"]

NONE = "-"
"""What stands where there is nothing."""
SHORT = 12
"""How much of an id people see."""
_FORMULA = ("=", "+", "-", "@")
_Row = TypeVar("_Row")


def as_json(sources: Sources, content: Mapping[str, Any]) -> str:
    """Write content as JSON, version 1, with what it rests on."""
    found = {"version": 1, "sources": _sources_data(sources), **content}
    return as_document(found)


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
        "last_receipt_at": when(sources.told),
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


def table(head: tuple[str, ...], items: Iterable[_Row], cells: Callable[[_Row], tuple[str, ...]]) -> list[str]:
    """Align items below a head; nothing where there is none."""
    rows = [cells(item) for item in items]
    if not rows:
        return []
    clean = [[printable(cell) for cell in row] for row in (head, *rows)]
    widths = [max(len(row[n]) for row in clean) for n in range(len(head))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in clean]
