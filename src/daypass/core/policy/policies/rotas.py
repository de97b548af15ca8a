"""Reading policies/rotas/*.yaml: who is on call, and when. The name of a rota is that of its file."""

from __future__ import annotations

from datetime import date, time
from typing import TYPE_CHECKING

from daypass.core.calendar.hours import DAYS, check_zone
from daypass.core.calendar.rota import Rota, Shift
from daypass.core.catalogue import Directory
from daypass.core.policy.policies.file import PolicyFile
from daypass.core.policy.policies.named import Nameable, check_known
from daypass.core.window import YEARS, Window, format_instant

if TYPE_CHECKING:
    from daypass.schema.rule_models import RotaForm


def read_rota(name: str, file: PolicyFile[RotaForm], directory: Directory | None) -> Rota:
    """Read a rota, and check that its people are there, that one is on call at a time, and that nobody is missing."""
    data = file.data
    try:
        check_zone(data["zone"])
    except ValueError as error:
        file.fault("rota-invalid", ("zone",), str(error))
        return Rota(name, "UTC")
    known = Nameable(directory)
    for index, person in enumerate(data.get("turns", ())):
        check_known(file, f"person:{person}", known, "turns", index)
    for index, group in enumerate(data.get("owners", ())):
        check_known(file, f"group:{group}", known, "owners", index)
    day, _, hour = data.get("handover", "Mon 09:00").rpartition(" ")
    rota = Rota(
        name=name,
        zone=data["zone"],
        title=data.get("title", ""),
        handover=time.fromisoformat(hour),
        weekday=DAYS.index(day) if day else None,
        turns=tuple(data.get("turns", ())),
        since=_since(file),
        overrides=_overrides(file, known),
        owners=tuple(data.get("owners", ())),
    )
    _check_times(file, rota)
    return rota


def _since(file: PolicyFile[RotaForm]) -> date:
    usual = date(2000, 1, 1)
    if "since" not in file.data and "turns" in file.data:
        message = "the turns begin at no day"
        file.fault("rota-invalid", ("turns",), message, "add since: 2026-11-02, the day of the first one's turn")
    try:
        since = date.fromisoformat(file.data.get("since", usual.isoformat()))
    except ValueError:
        message = f"{file.data['since']!r} is no possible date"
        file.fault("rota-invalid", ("since",), message, "write for example 2026-11-02")
        return usual
    if since.year not in YEARS:
        message = f"{since} lies in no year from {YEARS[0]} to {YEARS[-1]}"
        file.fault("rota-invalid", ("since",), message, "write for example 2026-11-02")
        return usual
    return since


def _overrides(file: PolicyFile[RotaForm], known: Nameable) -> tuple[Shift, ...]:
    found = []
    for index, entry in enumerate(file.data.get("overrides", ())):
        check_known(file, f"person:{entry['person']}", known, "overrides", index, "person")
        start, end = (file.moment("overrides", index, key) for key in ("from", "until"))
        if start is not None and end is not None and start >= end:
            file.fault(
                "rota-invalid", ("overrides", index), "the override ends before it begins", "correct one of the two"
            )
        elif start is not None and end is not None:
            found.append(Shift(entry["person"], Window(start, end), override=True))
    return tuple(sorted(found, key=lambda shift: shift.window.start))


def _check_times(file: PolicyFile[RotaForm], rota: Rota) -> None:
    if not rota.people:
        file.fault("rota-gap", (), f"nobody is ever on call by rota {rota.name}", "give it turns, or overrides")
    for one, other in rota.overlaps():
        both = f"{one.person} and {other.person}"
        message = f"{both} are both put on call from {format_instant(other.window.start)} on"
        file.fault("rota-overlap", ("overrides",), message, "end the one when the other begins")
    for gap in rota.gaps():
        message = f"nobody is on call from {format_instant(gap.start)} until {format_instant(gap.end)}"
        file.fault("rota-gap", ("overrides",), message, "add who is, or turns that fill it")
