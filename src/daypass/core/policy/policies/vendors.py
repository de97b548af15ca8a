"""Reading what the directory says of vendors, and who sponsors them, workloads and agents."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from daypass.core.bounds.vendors import Vendor
from daypass.core.catalogue import Subject
from daypass.core.finding import Finding, Severity, near
from daypass.core.policy.policies.file import Key, PolicyFile
from daypass.core.window import format_instant, moment_of

if TYPE_CHECKING:
    from daypass.schema.policy_models import DirectoryForm, VendorForm

    _File = PolicyFile[DirectoryForm]

TERMS = ("sponsor", "agreement", "dpa", "resources", "data", "purposes")
"""What is stated of a vendor, all of it or nothing."""


def people_in(said: str | Iterable[str]) -> tuple[str, ...]:
    """Return handles that are written as one, or as a list."""
    return (said,) if isinstance(said, str) else tuple(dict.fromkeys(said))


def read_vendor(file: _File, name: str, resources: Collection[str], purposes: Collection[str]) -> Vendor:
    """Read a vendor and check what it refers to, but for its sponsors (`check_sponsors`)."""
    entry, at = file.data["vendors"][name], ("vendors", name)
    if not any(term in entry for term in TERMS):
        if "until" in entry:
            message = f"vendor {name} has until in place of agreement, and nobody sponsors its people"
        else:
            message = f"vendor {name} states nothing that its people are held to"
        hint = f"state {_listed(TERMS)}; the next release refuses a vendor without them"
        _warn(file, at, "vendor-unstated", message, hint)
        return Vendor(name, entry.get("title", ""), until=file.moment(*at, "until"))
    _check_terms(file, name, entry)
    for key, named, known in (
        ("resources", entry.get("resources", ()), resources),
        ("purposes", entry.get("purposes", ()), purposes),
    ):
        for index, one in enumerate(named):
            if one not in known:
                hint = near(one, known, f"{key} are the files of policies/{key}")
                message = f"there is no {key[:-1]} {one!r}, which vendor {name} may have"
                _warn(file, (*at, key, index), f"unknown-{key[:-1]}", message, hint)  # it covers nothing
    return Vendor(
        name,
        entry.get("title", ""),
        people_in(entry.get("sponsor", ())),
        file.moment(*at, "agreement", "from") if "agreement" in entry else None,
        file.moment(*at, "agreement", "until") if "agreement" in entry else None,
        file.moment(*at, "dpa", "until") if "dpa" in entry else None,
        tuple(entry.get("resources", ())),
        tuple(entry.get("data", ())),
        tuple(entry.get("purposes", ())),
        stated=True,
    )


def _check_terms(file: _File, name: str, entry: VendorForm) -> None:
    at = ("vendors", name)
    missing = [term for term in TERMS if term not in entry]
    if missing:
        message = f"vendor {name} does not state its {_listed(missing)}: nobody can tell what its people may have"
        file.fault("vendor-incomplete", at, message, "state each; an empty list covers nothing")
    if "until" in entry:
        message = f"vendor {name} has until beside {_listed([term for term in TERMS if term in entry])}"
        file.fault("vendor-contradicts", (*at, "until"), message, "write agreement: {from: …, until: …} in its place")
    if "agreement" in entry:
        start, end = file.moment(*at, "agreement", "from"), file.moment(*at, "agreement", "until")
        if start is not None and end is not None and start >= end:
            message = f"the agreement with {name} never holds: it ends before it begins"
            file.fault("vendor-contradicts", (*at, "agreement"), message, "correct from or until")


def check_sponsors(files: Sequence[_File], subjects: Mapping[str, Subject]) -> None:
    """Check that sponsors are people who can answer for others, that agents have one, and that workers name their vendor."""
    for file in files:
        for name, vendor in file.data.get("vendors", {}).items():
            _check_people(file, subjects, vendor.get("sponsor", ()), f"vendor {name}", name, "vendors", name)
            until = moment_of(vendor.get("agreement", {}).get("until"))
            _check_lasting(file, subjects, vendor.get("sponsor", ()), f"vendor {name}", until, "vendors", name)
        for handle, workload in file.data.get("workloads", {}).items():
            _check_people(file, subjects, workload.get("sponsor", ()), handle, "", "workloads", handle)
            if workload.get("kind") == "agent" and not workload.get("sponsor"):
                message = f"agent {handle} has no sponsor: a person answers for what it does, and is asked"
                file.fault("agent-without-sponsor", ("workloads", handle), message, "add sponsor: HANDLE")
            if workload.get("kind") == "agent":
                _check_lasting(
                    file, subjects, workload.get("sponsor", ()), f"agent {handle}", None, "workloads", handle
                )
        for handle, person in file.data.get("people", {}).items():
            if person.get("employment") == "vendor" and "vendor" not in person:
                message = f"{handle} is engaged as vendor, and the directory does not say whose worker they are"
                hint = "add vendor: NAME; the next release refuses it without one"
                _warn(file, ("people", handle), "vendor-unnamed", message, hint)


def _check_people(
    file: _File, subjects: Mapping[str, Subject], said: str | list[str] | tuple[()], whose: str, vendor: str, *at: Key
) -> None:
    for index, handle in enumerate(people_in(said)):
        where = (*at, "sponsor") if isinstance(said, str) else (*at, "sponsor", index)
        if handle not in subjects or not subjects[handle].is_person:
            people = [name for name, subject in subjects.items() if subject.is_person]
            hint = near(handle, people, "sponsors are people of the directory")
            file.fault(
                "unknown-sponsor", where, f"the sponsor of {whose}, {handle!r}, is no person of the directory", hint
            )
        elif vendor and subjects[handle].vendor == vendor:
            message = f"{handle}, who sponsors {whose}, works for it"
            file.fault("unknown-sponsor", where, message, "name one of your own people")


def _check_lasting(
    file: _File,
    subjects: Mapping[str, Subject],
    said: str | list[str] | tuple[()],
    whose: str,
    until: datetime | None,
    *at: Key,
) -> None:
    """Point at sponsors who will all have left while access may still be asked for, with everybody who stands in."""
    lasting: dict[str, datetime | None] = {}
    for handle in people_in(said):
        while handle in subjects and handle not in lasting:
            lasting[handle] = subjects[handle].until
            handle = subjects[handle].manager  # noqa: PLW2901  (up the line)
    ends = [end for end in lasting.values() if end is not None and (until is None or end < until)]
    if ends and len(ends) == len(lasting):
        message = (
            f"nobody sponsors {whose} from {format_instant(max(ends))} on: {_listed(list(lasting))} will have left"
        )
        _warn(file, (*at, "sponsor"), "sponsor-gap", message, "name a sponsor who stays, or a manager who stands in")


def _warn(file: _File, at: tuple[Key, ...], code: str, message: str, hint: str) -> None:
    file.findings.append(Finding(code, file.place(*at), message, hint, Severity.WARNING))


def _listed(names: Sequence[str]) -> str:
    return " and ".join(part for part in (", ".join(names[:-1]), *names[-1:]) if part)
