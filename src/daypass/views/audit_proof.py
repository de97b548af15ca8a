"""What a verification found, and how quick access comes and goes, as text, JSON and CSV. Decides nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from daypass.core.audit.stats import BOUNDS, Durations, Stats
from daypass.core.audit.verified import Verified
from daypass.core.window import format_duration
from daypass.views.audit import NONE, as_csv, as_json, header, table
from daypass.views.data import plain
from daypass.views.findings import count, joined

Answer = Verified | Stats

_DIFFERENCE_COLUMNS = ("severity", "code", "grant", "commit", "receipt", "message")


def proof_text(answer: Answer, width: int = 0) -> str:
    """Write an answer for people, at most so wide; 0: as wide as it is."""
    return _verified_text(answer) if isinstance(answer, Verified) else _stats_text(answer, width)


def proof_json(answer: Answer) -> str:
    """Write an answer as JSON, version 1."""
    if isinstance(answer, Stats):
        return as_json(answer.sources, {"stats": _stats_data(answer)})
    counts = {"receipts": answer.proved, "admissions": answer.checked, "landings": answer.landings}
    rest: dict[str, Any] = {"clean": answer.clean, "checked": counts, "differences": plain(answer.differences)}
    rest["since"] = answer.since.sequence if answer.since is not None else None
    rest["not_looked_at"] = list(answer.not_looked_at)
    return as_json(answer.sources, rest)


def proof_csv(answer: Answer) -> str:
    """Write an answer's rows as CSV with a header line."""
    if isinstance(answer, Verified):
        return as_csv(_DIFFERENCE_COLUMNS, plain(answer.differences))
    return as_csv(("figure", "value"), _figures(answer))


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


def _stats_data(stats: Stats) -> dict[str, Any]:
    spreads = {f"{name}_seconds": plain(getattr(stats, name)) for name, _ in _SPREADS}
    counts: dict[str, Any] = {name: getattr(stats, name) for name, _ in _COUNTS}
    late = {"oldest_missed_seconds": stats.oldest_missed, "lateness_histogram": _histogram(stats)}
    return spreads | counts | late


def _histogram(stats: Stats) -> dict[str, int]:
    """Name each step of lateness by its upper end."""
    names = [*(f"within {format_duration(timedelta(seconds=bound))}" for bound in BOUNDS), "later"]
    return dict(zip(names, stats.late_within, strict=False))


def _figures(answer: Stats) -> list[dict[str, Any]]:
    rows = []
    for key, value in _stats_data(answer).items():
        if isinstance(value, dict):
            rows += [{"figure": f"{key}.{name}", "value": part} for name, part in value.items()]
        else:
            rows.append({"figure": key, "value": value})
    return rows


def _verified_text(answer: Verified) -> str:
    lines = header("Verification of ledger and history", answer.sources)
    lines += [f"{found.severity.value:8}{found.code}: {found.message}" for found in answer.differences]
    lines += [""] if answer.differences else []
    errors = sum(1 for found in answer.differences if found.severity.value == "error")
    counted = f"{answer.proved} receipts and {answer.checked} admissions proved over {answer.landings} landings"
    lines.append(f"OK: {counted}." if answer.clean else f"{count(errors, 'difference')}; {counted}.")
    lines += [f"Not looked at: {left_out}." for left_out in answer.not_looked_at]
    return joined(lines)


def _stats_text(answer: Stats, width: int) -> str:
    lines = header("How quick access comes and goes", answer.sources)
    spreads = [(title, getattr(answer, name)) for name, title in _SPREADS]
    lines += table(("", "COUNT", "MEDIAN", "95 %", "WORST"), spreads, _spread_cells, width)
    lines.append("")
    lines += [f"{getattr(answer, name):>8}  {title}" for name, title in _COUNTS]
    if answer.oldest_missed is not None:
        lines.append(f"{'':8}  the oldest of what is still held should be gone for {_age(answer.oldest_missed)}")
    steps = {name: count for name, count in _histogram(answer).items() if count}
    if steps:
        lines += ["", "Removals by how late they came:"]
        most = max(steps.values())
        lines += [f"{count:>8}  {name:12} {'#' * max(1, 40 * count // most)}" for name, count in steps.items()]
    return joined(lines)


def _age(seconds: int) -> str:
    return format_duration(timedelta(seconds=seconds)) if seconds else "an instant"


def _spread_cells(item: tuple[str, Durations]) -> tuple[str, ...]:
    title, spread = item
    return (title, str(spread.count), *(_seconds(value) for value in (spread.median, spread.p95, spread.worst)))


def _seconds(value: float | None) -> str:
    return NONE if value is None else format_duration(timedelta(seconds=value))
