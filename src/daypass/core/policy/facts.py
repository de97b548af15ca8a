"""The variables of conditions: one table says what there is, and each has its value in the facts of a grant or request.

The environment that conditions are compiled in and the documents are made from the table.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from daypass.core.bounds.purposes import Purpose
from daypass.core.bounds.vendors import Vendor
from daypass.core.catalogue import Catalogue, Resource, Role, Subject
from daypass.core.grant import Grant
from daypass.core.policy.details import HAS, typed
from daypass.core.policy.held import FRAME, Held, days_held
from daypass.core.window import EVER, Span, Window, format_duration, format_instant


class VariableKind(Enum):
    """The type of a variable."""

    STRING = "string"
    STRINGS = "list of strings"
    BOOL = "bool"
    DURATION = "duration"
    TIMESTAMP = "timestamp"
    INT = "int"


VOCABULARY: Mapping[str, tuple[VariableKind, str]] = {
    "grant.id": (VariableKind.STRING, "the grant: <resource>/<file name without .yaml>"),
    "grant.subject": (VariableKind.STRING, "the handle of who receives access"),
    "grant.resource": (VariableKind.STRING, "the resource's name"),
    "grant.role": (VariableKind.STRING, "the role's name"),
    "grant.reason": (VariableKind.STRING, "the reason, as written"),
    "grant.ticket": (VariableKind.STRING, 'the ticket, "" without one'),
    "grant.purpose": (VariableKind.STRING, 'the purpose\'s name, "" without one'),
    "grant.duration": (VariableKind.DURATION, "how long access lasts"),
    "grant.emergency": (VariableKind.BOOL, "whether the purpose is an emergency"),
    "grant.absolute": (VariableKind.BOOL, "whether the window names instants rather than a duration"),
    "grant.recurs": (
        VariableKind.BOOL,
        "whether the window recurs; only rules that read this let such a grant pass by itself",
    ),
    "access.from": (VariableKind.TIMESTAMP, "the first instant of the access that a merge now would give"),
    "access.until": (VariableKind.TIMESTAMP, "the first instant without that access"),
    "request.opened_at": (VariableKind.TIMESTAMP, "when the request was opened, or last pushed to"),
    "request.requester": (VariableKind.STRING, "the handle of who opened the request"),
    "request.kind": (VariableKind.STRING, '"new", or "widen" when an existing grant is to give more'),
    "requester.groups": (VariableKind.STRINGS, "the groups that hold the requester"),
    "subject.handle": (VariableKind.STRING, "the handle of who receives access"),
    "subject.kind": (VariableKind.STRING, '"person", "workload" or "agent"'),
    "subject.employment": (VariableKind.STRING, '"employee", "contractor" or "vendor"'),
    "subject.vendor": (VariableKind.STRING, 'the vendor that the subject works for, "" without one'),
    "subject.manager": (VariableKind.STRING, 'the handle of the subject\'s manager, "" without one'),
    "subject.groups": (
        VariableKind.STRINGS,
        "the groups that hold the subject, included groups too, by the names that they had before as well",
    ),
    "subject.live": (
        VariableKind.STRINGS,
        "what else the subject holds during any of the window, each as resource/role",
    ),
    "subject.live_grants": (VariableKind.INT, "by how many other grants"),
    "subject.days_held": (
        VariableKind.INT,
        "on how many days of 90 the subject has had this role, those of this window counted",
    ),
    "subject.unreviewed": (
        VariableKind.INT,
        "how many emergencies of the subject are not reviewed, though they were to be by now",
    ),
    "subject.use_known": (
        VariableKind.BOOL,
        "whether anybody knows when the subject last used the resource; false so far",
    ),
    "subject.last_used": (VariableKind.INT, "how many days ago that was; where nobody knows, reading it fails"),
    "requester.denials": (
        VariableKind.INT,
        "how often requests of the requester were denied or rejected in the last 7 days",
    ),
    "request.number_of_grants": (VariableKind.INT, "how many grants the request adds or changes"),
    "vendor.title": (VariableKind.STRING, 'the title of the subject\'s vendor, "" without one'),
    "vendor.agreement_until": (
        VariableKind.TIMESTAMP,
        "when the agreement with the subject's vendor ends; without one reading it fails, which denies: ask "
        "subject.vendor first",
    ),
    "vendor.resources": (VariableKind.STRINGS, "what the vendor's people may receive access to"),
    "vendor.data": (VariableKind.STRINGS, "the kinds of data that they may reach"),
    "vendor.purposes": (VariableKind.STRINGS, "the purposes for which they may"),
    "resource.name": (VariableKind.STRING, "the resource's name"),
    "resource.environment": (VariableKind.STRING, "one of the settings' environments"),
    "resource.classification": (VariableKind.STRING, "one of the settings' classifications"),
    "resource.target": (VariableKind.STRING, "the name of the resource's target"),
    "resource.data": (VariableKind.STRINGS, "the kinds of data that the resource holds"),
    "resource.owners": (VariableKind.STRINGS, "the groups that own the resource"),
    "role.name": (VariableKind.STRING, "the role's name"),
    "role.max_duration": (VariableKind.DURATION, "the longest that the role may be held"),
}
"""Every variable: its type, and what it says.

Those whose names begin with one of `ASKED` are known only while a request is judged.
"""

KINDS = {name: kind for name, (kind, _) in VOCABULARY.items()}
"""The type of each variable."""

Declared = tuple[tuple[str, VariableKind], ...]
"""Variables that only the rules of one purpose have: its grants' details."""

_KIND_OF_FIELD = {
    "moment": VariableKind.TIMESTAMP,
    "number": VariableKind.INT,
    "names": VariableKind.STRINGS,
}


def declared(purpose: Purpose) -> Declared:
    """Return the variables of a purpose's rules: ``details.due``, and ``details.has_due``, whether a grant has it."""
    fields = purpose.fields.values()
    told = [(f"details.{one.name}", _KIND_OF_FIELD.get(one.kind, VariableKind.STRING)) for one in fields]
    return (*told, *((f"details.{HAS}{one.name}", VariableKind.BOOL) for one in fields))


def details_of(purpose: Purpose | None, grant: Grant) -> dict[str, Any]:
    """Return the details of a grant as the rules of its purpose read them; one of another type is not there."""
    found: dict[str, Any] = {}
    if purpose is None or not purpose.fields:
        return found
    said = dict(grant.details)
    for name, of in purpose.fields.items():
        with suppress(ValueError):  # the request is denied for it
            found |= {f"details.{name}": typed(of, said[name])} if name in said else {}
        found[f"details.{HAS}{name}"] = f"details.{name}" in found
    return found


DECISION = "decision."
"""How the names begin of what promises read beside what rules read: what is decided of a request."""

ASKED = (
    "access.",
    "request.",
    "requester.",
    "subject.live",
    "subject.days_held",
    "subject.unreviewed",
    "subject.use_known",
    "subject.last_used",
)
"""The beginnings of the names that only a request gives a value to."""

BESIDE = frozenset({"subject.live", "subject.live_grants", "request.number_of_grants"})
"""The variables that say what stands beside the grant that is judged: in the ledger, on main, and in its request."""

HISTORY = BESIDE | {
    "subject.days_held",
    "subject.unreviewed",
    "requester.denials",
    "subject.use_known",
    "subject.last_used",
}
"""These, and the variables that say what was before."""

FUNCTIONS = {
    "within_hours": (
        "within_hours(timestamp, string, string) -> bool",
        'whether an instant is in hours: within_hours(access.from, "Mon-Fri 08:00-19:00", "Europe/Berlin")',
    ),
    "in_calendar": (
        "in_calendar(timestamp, string) -> bool",
        'whether an instant is in a calendar: in_calendar(access.from, "office")',
    ),
    "covered_by": (
        "covered_by(timestamp, timestamp, string) -> bool",
        'whether the whole window is in a calendar: covered_by(access.from, access.until, "office")',
    ),
    "meets": (
        "meets(timestamp, timestamp, string) -> bool",
        'whether the window shares an instant with a calendar: meets(access.from, access.until, "freeze")',
    ),
}
"""The functions that are ours: signature and meaning. CEL's own are there as well."""


def beside_words(held: Held, subject: str, window: Window, names: Collection[str]) -> str:
    """Say what variables of the ledger rest on, in words that go after a message; "" where there is nothing."""
    said = []
    live = [one for one in held.grants if one.subject == subject and one.meets(window)]
    if live and BESIDE & set(names):
        named = (f"{one.grant}{'' if one.window else ', not admitted yet'}" for one in live)
        said.append(f"held beside it: {'; '.join(named)}")
    if held.role and "subject.days_held" in names:
        by = sorted({one.grant for one in held.role})
        said.append(f"{days_held(held.role, window)} days of {FRAME}, by this and {', '.join(by)}")
    if held.denials and "requester.denials" in names:
        said.append(f"not merged: {', '.join(f'#{one.pull} {one.what}' for one in held.denials)}")
    if held.unreviewed and "subject.unreviewed" in names:
        said.append(f"not reviewed: {', '.join(held.unreviewed)}")
    return f" ({'; '.join(said)})" if said else ""


def untold(names: Collection[str], subject: str, role: str, requester: str) -> tuple[str, ...]:
    """Say what a rule that reads variables of the ledger goes by, and nobody knows where none was read."""
    return (
        *((f"what else {subject} holds",) if BESIDE & set(names) else ()),
        *((f"on which days {subject} has had {role}",) if "subject.days_held" in names else ()),
        *((f"which emergencies of {subject} are not reviewed",) if "subject.unreviewed" in names else ()),
        *((f"which requests of {requester} were denied or rejected",) if "requester.denials" in names else ()),
    )


def coming(window: Window, opened_at: datetime) -> Window:
    """Return what of a window comes after the asking: nobody has access by it before."""
    if window.start >= opened_at or window.ended(opened_at):
        return window
    return window.common(Window(opened_at, window.end)) or window


def of_history(held: Held, subject: str, window: Window) -> dict[str, Any]:
    """Return the facts of what the subject holds beside the grant that is judged, during any of its window, and of before."""
    live = [one for one in held.grants if one.subject == subject and one.meets(window)]
    return {
        "subject.live": sorted({f"{one.resource}/{one.role}" for one in live}),
        "subject.live_grants": len(live),
        "subject.days_held": days_held(held.role, window),
        "subject.unreviewed": len(held.unreviewed),
        "subject.use_known": False,
        "requester.denials": len(held.denials),
        "request.number_of_grants": held.together,
        **held.stated,
    }


def _subject_facts(subject: Subject, groups: list[str]) -> dict[str, Any]:
    return {
        "subject.handle": subject.handle,
        "subject.kind": subject.kind,
        "subject.employment": subject.employment,
        "subject.vendor": subject.vendor,
        "subject.manager": subject.manager,
        "subject.groups": groups,
    }


UNSURE = frozenset({"vendor.agreement_until"})
"""The variables that have no value for some subjects."""


def vendor_facts(vendor: Vendor | None) -> dict[str, Any]:
    """Return the facts of the vendor that somebody works for, None for nobody's worker."""
    known = vendor if vendor is not None else Vendor("")
    return {
        "vendor.title": known.title,
        "vendor.resources": list(known.resources),
        "vendor.data": list(known.data),
        "vendor.purposes": list(known.purposes),
        **({"vendor.agreement_until": known.until} if known.until is not None else {}),
    }


def _role_facts(resource: Resource, role: Role, owners: list[str]) -> dict[str, Any]:
    return {
        "resource.name": resource.name,
        "resource.environment": resource.environment,
        "resource.classification": resource.classification,
        "resource.target": resource.target,
        "resource.data": list(resource.data),
        "resource.owners": owners,
        "role.name": role.name,
        "role.max_duration": role.max_duration,
    }


def printable(value: Any) -> str:
    """Write a fact for people, in CEL's own spelling where it has one."""
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, datetime):
        return format_instant(value)
    return json.dumps(value, ensure_ascii=False)


class FactBook:
    """Facts of one catalogue; what does not depend on the grant is made once."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._subjects: dict[str, dict[str, Any]] = {}
        self._roles: dict[tuple[str, str], dict[str, Any]] = {}
        self._groups: dict[str, list[str]] = {}
        directory = catalogue.directory
        self._called: dict[str, list[str]] = {name: [name] for name in directory.groups}
        for old, new in directory.old_groups.items():
            self._called[new].append(old)
        for name in sorted(directory.groups):
            for handle in directory.groups[name]:
                self._groups.setdefault(handle, []).extend(self._called[name])
        if directory.old_groups:
            self._groups = {handle: sorted(names) for handle, names in self._groups.items()}

    def of_grant(self, grant: Grant) -> dict[str, Any]:
        """Return every fact that needs no request. Subject, resource and role must be known."""
        purpose = self._catalogue.purposes.get(grant.purpose)
        return {
            **self.of_subject(grant.subject),
            **self.of_role(grant.resource, grant.role),
            "grant.id": grant.id,
            "grant.subject": grant.subject,
            "grant.resource": grant.resource,
            "grant.role": grant.role,
            "grant.reason": grant.reason,
            "grant.ticket": grant.ticket,
            "grant.purpose": grant.purpose,
            "grant.duration": self._length(grant.span),
            "grant.emergency": purpose is not None and purpose.emergency,
            "grant.absolute": grant.span.window is not None,
            "grant.recurs": grant.span.recurs is not None,
            **details_of(purpose, grant),
        }

    def _length(self, span: Span) -> timedelta:
        """Return how long access lasts: the longest interval of a window that recurs."""
        return span.length if span.recurs is None else self._catalogue.window(span, EVER.start).longest

    def of_request(self, requester: str, opened_at: datetime, kind: str, access: Window) -> Mapping[str, Any]:
        """Return the facts that only a request has, ``access`` being the window that it gives.

        Raises RuntimeError for a naive time: CEL would take it for UTC.
        """
        if opened_at.tzinfo is None:
            raise RuntimeError("naive time inside daypass")
        return {
            "access.from": access.start,
            "access.until": access.end,
            "request.opened_at": opened_at,
            "request.requester": requester,
            "request.kind": kind,
            "requester.groups": self.groups_of(requester),
        }

    def groups_of(self, handle: str) -> list[str]:
        """Return the groups that hold a handle, sorted."""
        return self._groups.get(handle, [])

    def of_subject(self, handle: str) -> dict[str, Any]:
        """Return the facts of a known subject. The result is shared: do not change it."""
        found = self._subjects.get(handle)
        if found is None:
            subject = self._catalogue.directory.subjects[handle]
            vendor = self._catalogue.directory.vendor_of(handle)
            found = _subject_facts(subject, self.groups_of(handle)) | vendor_facts(vendor)
            self._subjects[handle] = found
        return found

    def of_role(self, resource: str, role: str) -> dict[str, Any]:
        """Return the facts of a known resource and role. The result is shared: do not change it."""
        found = self._roles.get((resource, role))
        if found is None:
            known = self._catalogue.resources[resource]
            owners = [name for group in known.owners for name in self._called.get(group, [group])]
            found = self._roles[(resource, role)] = _role_facts(known, known.roles[role], owners)
        return found
