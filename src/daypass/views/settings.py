"""How a repository is set up at its forge: who owns what, and what is unsafe in its settings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from daypass.core.files.codeowners import Codeowners, Ownership
from daypass.core.forge import Complaint, Remedy
from daypass.views.findings import as_output, joined, printable


def owners_text(read: Codeowners | None, answers: Sequence[Ownership]) -> str:
    """Write one line a path: its owners, and the line of the file that says so."""
    return joined(f"{answer.path}: {_said(read, answer)}" for answer in answers)


def _said(read: Codeowners | None, answer: Ownership) -> str:
    if answer.doubt:
        return f"cannot tell: {answer.doubt}"
    if read is None:
        return "nobody (there is no CODEOWNERS)"
    if answer.line is None:
        return f"nobody (no line of {read.file} matches)"
    where = f"({read.file}:{answer.line.number} {answer.line.pattern})"
    return f"{' '.join(answer.owners) or 'nobody'} {where}"


def owners_json(read: Codeowners | None, answers: Sequence[Ownership]) -> str:
    """Write the same as JSON, version 1. ``certain`` is false where it cannot be told, and ``doubt`` says why."""
    return as_output(
        {
            "file": read.file if read else "",
            "paths": [
                {
                    "path": answer.path,
                    "certain": not answer.doubt,
                    "owners": list(answer.owners),
                    "line": answer.line.number if answer.line else 0,
                    "pattern": answer.line.pattern if answer.line else "",
                    "doubt": answer.doubt,
                }
                for answer in answers
            ],
        }
    )


def doctor_text(complaints: Sequence[Complaint], calls: int) -> str:
    """Write each complaint with what mends it, and the sum."""
    lines = []
    for one in complaints:
        lines.append(f"{'unsafe' if one.told else 'cannot tell'}: {_sentence(one)} [{one.code}]")
        lines.append(f"  fix: {one.advice}")
        lines += [f"  fix: daypass doctor --fix would {one.remedy.words}"] if one.remedy else []
    unsafe = sum(one.told for one in complaints)
    untold = len(complaints) - unsafe
    parts = [f"{unsafe} unsafe"] if unsafe else []
    parts += [f"{untold} that cannot be told"] if untold else []
    lines.append(f"{' and '.join(parts) or 'Nothing unsafe was found'} ({calls} requests to GitHub).")
    return joined(lines)


def _sentence(one: Complaint) -> str:
    return one.message if one.told else one.message.removeprefix("cannot tell ")


def doctor_json(complaints: Sequence[Complaint], calls: int) -> str:
    """Write the same as JSON, version 1, with the requests of each remedy."""
    return as_output({"calls": calls, "complaints": [_data(one) for one in complaints]})


def _data(one: Complaint) -> dict[str, Any]:
    return {
        "code": one.code,
        "told": one.told,
        "message": one.message,
        "fix": one.advice,
        "remedy": _remedy(one.remedy) if one.remedy else None,
    }


def _remedy(remedy: Remedy) -> dict[str, Any]:
    steps = [{"method": step.verb, "path": step.path, "body": step.body} for step in remedy.steps]
    return {"words": remedy.words, "requests": steps}


def remedy_text(remedy: Remedy, complaints: Iterable[Complaint]) -> str:
    """Write what a remedy is for and what it would send, before somebody agrees to it."""
    lines = [f"{printable(one.message)} [{one.code}]" for one in complaints]
    lines += [f"  {step.verb} {step.path}" for step in remedy.steps]
    return joined(lines)
