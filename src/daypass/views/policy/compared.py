"""Two policies side by side, in words and as data: what moved, and the first request that shows it, as a grant file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from daypass.core.files.grants import grant_text
from daypass.core.policy.analysis.compare import Compared, Move, PolicyChange, PolicyDifference
from daypass.core.policy.analysis.renamed import UNSAID
from daypass.core.policy.decision import Decision
from daypass.core.window import format_instant
from daypass.views.data import plain
from daypass.views.findings import as_output, count, finding_data, joined
from daypass.views.markdown import fence

_FEW = 5
"""So many ways in which answers moved are shown of each kind of request."""
_WIDEST = 400
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


def change_text(change: PolicyChange) -> list[str]:
    """Write what a change of policies would change, the gravest first, in at most so many lines."""
    lines = [f"BROKEN  {finding.message}" for finding in change.broken]
    seen = {"every request": change.compared, "the last requests": change.history, "live grants": change.live}
    for where, compared in seen.items():
        if compared is not None:
            shown = compared.differences[:_FEW]
            lines += [line for one in shown for line in _difference(where, one)]
            more = len(compared.differences) - len(shown)
            lines += [f"{where}: and {count(more, 'further way')} in which the answer moved"] if more else []
    for where, compared in seen.items():
        if compared is not None:
            moved = sum(one.count for one in compared.differences)
            lines.append(f"{where}: {_compared_words(compared)}; {moved or 'none'} judged differently")
    return [line[:_WIDEST] for line in [*lines, *([change.why] if change.why else [])]]


def change_markdown(number: int, change: PolicyChange) -> str:
    """Write the same as a comment of a pull request that changes policies."""
    title = "lets through more than before" if change.looser else "lets nothing through more easily"
    title = "is not compared" if change.compared is None else title
    title = "renames what live grants name" if change.broken else title
    title = "breaks what is promised" if any(one.code != UNSAID for one in change.broken) else title
    lines = joined(change_text(change)).splitlines()
    return f"### daypass: #{number} {title}\n\n{fence(lines, 'text')}\n"


def change_data(number: int, change: PolicyChange) -> dict[str, Any]:
    """Return the same as data."""
    seen = {"requests": change.compared, "history": change.history, "live": change.live}
    return {
        "pull": number,
        "looked": [_looked(where, compared) for where, compared in seen.items() if compared is not None],
        "broken": [finding_data(finding) for finding in change.broken],
        "why": change.why,
    }


def _compared_words(compared: Compared) -> str:
    if not compared.decided:
        return f"{count(compared.tried, 'request')} judged by both"
    return "decided" + (f", of samples of {', '.join(compared.sampled)}" if compared.sampled else "")


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
    return as_output({"looked": [_looked(where, compared) for where, compared in found.items()], "unread": unread})


def _looked(where: str, compared: Compared) -> dict[str, Any]:
    return {
        "where": where,
        "tried": compared.tried,
        "possible": compared.possible,
        "sampled": list(compared.sampled),
        "looser": compared.looser,
        "differences": [_data(one) for one in compared.differences],
    }


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
