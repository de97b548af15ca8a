"""Two policies side by side, in words and as data: what moved, and the first request that shows it, as a grant file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from daypass.core.files.grants import grant_text
from daypass.core.policy.analysis.compare import Compared, Move, PolicyDifference
from daypass.core.policy.decision import Decision
from daypass.core.window import format_instant
from daypass.views.data import plain
from daypass.views.findings import as_output, count, joined

_MOVES = {
    Move.PERMITS: "lets through what was denied",
    Move.FEWER: "no longer asks for an approval that was asked for",
    Move.DENIES: "denies what was let through",
    Move.MORE: "asks for an approval that was not asked for",
}


def compared_text(found: Mapping[str, Compared], notes: tuple[str, ...] = ()) -> str:
    """Write what moved, the loosest first, by what was looked at; then how much of it that was."""
    lines: list[str] = []
    for where, compared in found.items():
        for one in compared.differences:
            lines += _difference(where, one)
        lines.append(f"{where}: {_extent(compared)}")
    return joined([*lines, *notes])


def _extent(compared: Compared) -> str:
    """Say how far a comparison went."""
    moved = sum(one.count for one in compared.differences)
    if compared.decided:
        said = f"every request, in {count(compared.tried, 'case')}" + (
            f"; samples of {', '.join(compared.sampled)}" * bool(compared.sampled)
        )
        return f"{said}; {count(moved, 'part') if moved else 'none'} of them judged differently"
    tried = count(compared.tried, "request")
    of = f" of {compared.possible}" if compared.possible > compared.tried else ""
    return f"{tried}{of} judged by both, {moved or 'none'} of them differently"


def _difference(where: str, one: PolicyDifference) -> list[str]:
    said = " and ".join(_MOVES[shift] for shift in Move if shift in one.shifts)
    lines = [f"{'LOOSER' if one.looser else 'tighter'}  {said} ({where}: {count(one.count, 'request')})"]
    lines += [f"  before: {answer_words(one.before)}", f"  after:  {answer_words(one.after)}"]
    lines.append(f"  for example, asked for by {one.request.requester} at {format_instant(one.request.opened_at)}:")
    return [*lines, *(f"    {line}" for line in grant_text(one.request.grant).splitlines() if not line.startswith("#"))]


def answer_words(decision: Decision) -> str:
    """Write what is decided, in one line."""
    if decision.denials:
        return "; ".join(f"denied: {denial.message} [{denial.rule or denial.code}]" for denial in decision.denials)
    if decision.automatic:
        return "at once"
    return ", ".join(f"{count(need.at_least, 'approval')} from {need.asked}" for need in decision.requirements)


def compared_json(found: Mapping[str, Compared], unread: int = 0) -> str:
    """Write the same as JSON, version 1."""
    looked = [
        {
            "where": where,
            "tried": compared.tried,
            "possible": compared.possible,
            "sampled": list(compared.sampled),
            "looser": compared.looser,
            "differences": [_data(one) for one in compared.differences],
        }
        for where, compared in found.items()
    ]
    return as_output({"looked": looked, "unread": unread})


def _data(one: PolicyDifference) -> dict[str, Any]:
    return {
        "looser": one.looser,
        "shifts": [shift.value for shift in Move if shift in one.shifts],
        "count": one.count,
        "requester": one.request.requester,
        "opened_at": format_instant(one.request.opened_at),
        "grant": one.request.grant.to_dict(),
        **{key: decided_data(decision) for key, decision in (("before", one.before), ("after", one.after))},
    }


def decided_data(decision: Decision) -> dict[str, Any]:
    """Return what is decided as data."""
    needs = [
        {"at_least": need.at_least, "from": need.source, "except": list(need.without)} for need in decision.requirements
    ]
    return {"automatic": decision.automatic, "denials": plain(decision.denials), "approvals": needs}
