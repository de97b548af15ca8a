"""How a repository is set up: who owns what, what is unsafe in its settings, and what its calendars hold."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from daypass.core.calendar.calendars import RUNS_OUT, Calendar, PublicHolidays
from daypass.core.calendar.rota import Rota, Shift
from daypass.core.files.codeowners import Codeowners, Ownership
from daypass.core.finding import Finding
from daypass.core.forge import Complaint, Remedy
from daypass.core.window import Window, format_instant
from daypass.views.findings import as_output, finding_data, finding_text, joined, printable

_SHOWN = 12


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
    asked = f" ({calls} requests to GitHub)" if calls else ""
    lines.append(f"{' and '.join(parts) or 'Nothing unsafe was found'}{asked}.")
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


Ahead = tuple[datetime, datetime] | None


def calendars_text(calendars: Sequence[Calendar], ahead: Ahead) -> str:
    """Write each calendar; with two instants, also what it holds between them, a span a line."""
    if not calendars:
        return joined(["There are no calendars: they are the files of policies/calendars."])
    lines = []
    for one in calendars:
        lines.append(f"{one.name}  {one.title}".rstrip())
        lines.append(f"  {'; '.join(_parts(one))}, by the clock of {one.zone}")
        lines.append(f"  speaks of {_years(one)}")
        lines += _ahead(one, *ahead) if ahead else []
    return joined(lines)


def _parts(calendar: Calendar) -> list[str]:
    parts = [calendar.hours] if calendar.hours else []
    parts += [f"days {', '.join(map(str, calendar.days))}"] if calendar.days else []
    return parts + ([f"without {', '.join(map(str, calendar.without))}"] if calendar.without else [])


def _years(calendar: Calendar) -> str:
    return f"{', '.join(map(str, sorted(calendar.spoken)))} and of no other year" if calendar.spoken else "every year"


def _ahead(calendar: Calendar, start: datetime, end: datetime) -> list[str]:
    try:
        spans = calendar.intervals(start, end)
    except ValueError as error:
        why = str(error).removeprefix(f"{RUNS_OUT}: ")
        return [f"  who asks it about the time up to {format_instant(end)} gets no answer: {why}"]
    if not spans:
        return [f"  nothing up to {format_instant(end)}"]
    more = [f"  … {len(spans) - _SHOWN} more up to {format_instant(end)}"] if len(spans) > _SHOWN else []
    return [f"  {format_instant(one.start)} to {format_instant(one.end)}" for one in spans[:_SHOWN]] + more


def calendars_json(calendars: Sequence[Calendar], ahead: Ahead) -> str:
    """Write the same as JSON, version 1, with all spans: null where it says nothing of the time, or none is asked."""
    return as_output({"calendars": [_calendar(one, ahead) for one in calendars]})


def _calendar(calendar: Calendar, ahead: Ahead) -> dict[str, Any]:
    try:
        spans = calendar.intervals(*ahead) if ahead else None
    except ValueError:
        spans = None
    return {
        "name": calendar.name,
        "title": calendar.title,
        "zone": calendar.zone,
        "hours": calendar.hours,
        "days": [str(days) for days in calendar.days],
        "except": [str(days) for days in calendar.without],
        "years": sorted(calendar.spoken),
        "spans": None
        if spans is None
        else [{"from": format_instant(one.start), "until": format_instant(one.end)} for one in spans],
    }


def holidays_text(found: PublicHolidays) -> str:
    """Write public holidays as a calendar's file, each day with its name."""
    years = ", ".join(map(str, found.years))
    lines = [
        f"# Public holidays of {found.place} in {years}, by the library holidays {found.release}.",
        "# Review them before you commit them.",
        "version: 1",
        f"title: Public holidays of {found.place}",
        f"zone: {found.zone}",
        "days:",
    ]
    return joined([*lines, *(f"  - {day}  # {name}" for day, name in found.days)])


_HANDOVERS = 4
"""So many shifts are told, that of now among them."""

_LOOK_AHEAD = timedelta(days=92)
"""So far ahead shifts are looked for."""


def rotas_text(rotas: Sequence[Rota], at: datetime) -> str:
    """Write who is on call by each rota at an instant, and who is next."""
    if not rotas:
        return joined(["There are no rotas: they are the files of policies/rotas."])
    lines = []
    for rota in rotas:
        lines.append(f"{rota.name}  {rota.title}".rstrip())
        lines.append(f"  {rota.on_call(at) or 'nobody'} is on call at {format_instant(at)}")
        lines += [
            f"  {shift.person}  from {format_instant(shift.window.start)} until {format_instant(shift.window.end)}"
            + ("  in place of whose turn it is" if shift.override else "")
            for shift in _shifts(rota, at)
        ]
    return joined(lines)


def rotas_json(rotas: Sequence[Rota], at: datetime) -> str:
    """Write the same as JSON, version 1."""
    return as_output({"at": format_instant(at), "rotas": [_rota(rota, at) for rota in rotas]})


def _rota(rota: Rota, at: datetime) -> dict[str, Any]:
    return {
        "name": rota.name,
        "title": rota.title,
        "zone": rota.zone,
        "on_call": rota.on_call(at),
        "shifts": [
            {
                "person": shift.person,
                "from": format_instant(shift.window.start),
                "until": format_instant(shift.window.end),
                "override": shift.override,
            }
            for shift in _shifts(rota, at)
        ],
    }


def _shifts(rota: Rota, at: datetime) -> list[Shift]:
    return list(islice(rota.shifts(at, at + _LOOK_AHEAD), _HANDOVERS))


def upcoming_text(
    findings: Sequence[Finding], requests: Sequence[int], grants: Sequence[str], rules: Sequence[str]
) -> str:
    """Write what the next release takes for faults, and what it would judge otherwise for that."""
    if not findings:
        return "The next release judges all that is here as this one does.\n"
    lines = [line for finding in findings for line in finding_text(finding).split("\n")]
    lines.append("The next release takes these for faults, and grants nothing until they are mended:")
    lines.append(f"  open requests that it would deny: {', '.join(f'#{number}' for number in requests) or 'none'}")
    lines.append(f"  live grants of people whom this is about, which run to their ends: {', '.join(grants) or 'none'}")
    lines.append(f"  rules that it would not ask until then: {', '.join(rules) or 'none'}")
    return joined(lines)


def upcoming_json(
    findings: Sequence[Finding], requests: Sequence[int], grants: Sequence[str], rules: Sequence[str]
) -> str:
    """Write the same as JSON, version 1."""
    told = {"findings": [finding_data(one) for one in findings], "requests": list(requests)}
    told |= {"grants": list(grants), "rules": list(rules)}
    return as_output({"complaints": [], "calls": 0, "next": told})


def imported_text(rota: Rota) -> str:
    """Write a rota that was brought from elsewhere as the file that is to be reviewed."""
    lines = ["# yaml-language-server: $schema=../../.schemas/rota.schema.json", "version: 1"]
    lines += [f"title: {json.dumps(rota.title, ensure_ascii=False)}"] if rota.title else []
    lines += [f"zone: {rota.zone}", "overrides:"]
    gaps = {gap.start: gap for gap in rota.gaps()}
    for shift in rota.overrides:
        lines.append(f"  - {{person: {shift.person}, {_between(shift.window)}}}")
        gap = gaps.get(shift.window.end)
        lines += [f"  # nobody is on call: {{{_between(gap)}}}"] if gap is not None else []
    return joined(lines)


def gaps_text(rota: Rota) -> str:
    """Say, one a line, when nobody is on call."""
    spans = ((format_instant(gap.start), format_instant(gap.end)) for gap in rota.gaps())
    return joined(f"nobody is on call from {start} until {end}" for start, end in spans)


def _between(window: Window) -> str:
    return f"from: {format_instant(window.start)}, until: {format_instant(window.end)}"
