"""Two policies side by side, in words and as data: what moved, and the first request that shows it, as a grant file."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate
from typing import Any

from daypass.core.files.grants import grant_text
from daypass.core.finding import Finding
from daypass.core.policy.analysis.compare import Compared, Move, PolicyChange, PolicyDifference
from daypass.core.policy.analysis.renamed import UNSAID
from daypass.core.policy.decision import Decision
from daypass.core.policy.order import ordered
from daypass.core.policy.sources import parts
from daypass.core.window import format_instant
from daypass.views.comment import COMMENT_LIMIT
from daypass.views.data import plain
from daypass.views.findings import as_output, count, finding_data, finding_text, joined
from daypass.views.markdown import fence
from daypass.views.policy.chain import approvals_words

_FEW = 5
"""So many ways in which answers moved are shown of each kind of request."""
_WIDEST = 400
"""So many characters of a line are shown."""
_SPARE = 2_000
"""Bytes for the title, the fence (longer than any run of backticks in a line) and the line that says what was cut."""
_MOVES = {
    Move.PERMITS: "lets through what was denied",
    Move.FEWER: "no longer asks for an approval that was asked for",
    Move.APPROVERS: "lets further people approve",
    Move.DENIES: "denies what was let through",
    Move.MORE: "asks for an approval that was not asked for",
}
_BROKEN = {
    "": "has policies that do not read",
    "promise-broken": "breaks what is promised",
    UNSAID: "renames what live grants name",
}
"""What a change breaks, by the code of what was found, the gravest first; "" stands for all others."""


def compared_text(found: Mapping[str, Compared], notes: tuple[str, ...] = ()) -> str:
    """Write what moved, the loosest first, by what was looked at; then how much of it that was."""
    lines: list[str] = []
    for where, compared in found.items():
        for one in compared.differences:
            lines += _difference(where, one)
        lines.append(f"{where}: {_extent(compared)}")
    return joined([*lines, *notes])


def change_text(change: PolicyChange) -> list[str]:
    """Write what a change of policies would change, the gravest first, in at most so many lines; then how much was seen."""
    told, extent = _change_lines(change)
    return [*told, *extent]


def change_markdown(number: int, change: PolicyChange, *, limit: int = COMMENT_LIMIT) -> str:
    """Write the same as a comment of a pull request that changes policies, in at most ``limit`` bytes."""
    title = "lets through more than before" if change.looser else "lets nothing through more easily"
    title = "is not compared" if change.compared is None else title
    title = next((words for code, words in _BROKEN.items() if any(_kind(one) == code for one in change.broken)), title)
    told, extent = _change_lines(change)
    shown = _fitting(told, limit - _SPARE - sum(map(_size, extent)))
    left = len(told) - len(shown)
    cut = [f"… {count(left, 'line')} more; `daypass policy diff` and `daypass policy replay` print them"] * bool(left)
    return f"### daypass: #{number} {title}\n\n{fence(_plain_lines([*shown, *cut, *extent]), 'text')}\n"


def _change_lines(change: PolicyChange) -> tuple[list[str], list[str]]:
    """Return what would change, the gravest first, and how much was looked at."""
    told: list[str] = []
    for finding in change.broken:
        unread = finding_text(finding).split("\n")
        told += [f"BROKEN  {finding.message}"] if _kind(finding) else [f"BROKEN  {unread[0]}", *unread[1:]]
    seen = {"every request": change.compared, "the last requests": change.history, "live grants": change.live}
    extent = [change.why] if change.why else []
    for where, compared in reversed(seen.items()):
        if compared is not None:
            moved = sum(one.count for one in compared.differences)
            extent.insert(0, f"{where}: {_compared_words(compared)}; {moved or 'none'} judged differently")
    for where, compared in seen.items():
        if compared is not None:
            shown = compared.differences[:_FEW]
            told += [line for one in shown for line in _difference(where, one)]
            more = len(compared.differences) - len(shown)
            told += [f"{where}: and {count(more, 'further way')} in which the answer moved"] if more else []
    return [_cut(line) for line in told], [_cut(line) for line in extent]


def _kind(finding: Finding) -> str:
    return finding.code if finding.code in _BROKEN else ""


def _cut(line: str) -> str:
    return line if len(line) <= _WIDEST else f"{line[:_WIDEST]}…"


def _plain_lines(lines: list[str]) -> list[str]:
    return joined(lines).splitlines()


def _size(line: str) -> int:
    return sum(len(one.encode()) + 1 for one in _plain_lines([line]))


def _fitting(lines: list[str], room: int) -> list[str]:
    """Return the first lines that fit."""
    sizes = accumulate(_size(line) for line in lines)
    return [line for line, size in zip(lines, sizes, strict=True) if size <= room]


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
    return approvals_words(decision.requirements)


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
    """Return what is decided as data, with what each approval is asked after."""
    asked = {part for need in decision.requirements for part in parts(need.source)}
    needs = [
        {"at_least": need.at_least, "from": need.source, "except": list(need.without)}
        | {"after": [part for part in need.after if part in asked]}
        for need in ordered(decision.requirements)
    ]
    return {"automatic": decision.automatic, "denials": plain(decision.denials), "approvals": needs}
