"""The words that conditions may use: one table, from which the environment and the documents are made."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """The type of a variable."""

    STRING = "string"
    STRINGS = "list of strings"
    BOOL = "bool"
    DURATION = "duration"
    TIMESTAMP = "timestamp"


@dataclass(frozen=True, slots=True)
class Word:
    """One variable: its name, its type and what it says."""

    name: str
    kind: Kind
    says: str


VOCABULARY = (
    Word("grant.id", Kind.STRING, "the grant: <resource>/<file name without .yaml>"),
    Word("grant.subject", Kind.STRING, "the handle of who receives access"),
    Word("grant.resource", Kind.STRING, "the resource's name"),
    Word("grant.role", Kind.STRING, "the role's name"),
    Word("grant.reason", Kind.STRING, "the reason, as written"),
    Word("grant.ticket", Kind.STRING, 'the ticket, "" without one'),
    Word("grant.purpose", Kind.STRING, 'the purpose\'s name, "" without one'),
    Word("grant.duration", Kind.DURATION, "how long access lasts"),
    Word("grant.emergency", Kind.BOOL, "whether the purpose is an emergency"),
    Word("grant.absolute", Kind.BOOL, "whether the window names instants rather than a duration"),
    Word("request.opened_at", Kind.TIMESTAMP, "when the request was opened, or last pushed to"),
    Word("request.requester", Kind.STRING, "the handle of who opened the request"),
    Word("request.kind", Kind.STRING, '"new", or "widen" when an existing grant is to give more'),
    Word("requester.groups", Kind.STRINGS, "the groups that hold the requester"),
    Word("subject.handle", Kind.STRING, "the handle of who receives access"),
    Word("subject.kind", Kind.STRING, '"person" or "workload"'),
    Word("subject.employment", Kind.STRING, '"employee", "contractor" or "vendor"'),
    Word("subject.vendor", Kind.STRING, 'the vendor that the subject works for, "" without one'),
    Word("subject.manager", Kind.STRING, 'the handle of the subject\'s manager, "" without one'),
    Word("subject.groups", Kind.STRINGS, "the groups that hold the subject, included groups too"),
    Word("resource.name", Kind.STRING, "the resource's name"),
    Word("resource.environment", Kind.STRING, "one of the settings' environments"),
    Word("resource.classification", Kind.STRING, "one of the settings' classifications"),
    Word("resource.target", Kind.STRING, "the name of the resource's target"),
    Word("resource.data", Kind.STRINGS, "the kinds of data that the resource holds"),
    Word("resource.owners", Kind.STRINGS, "the groups that own the resource"),
    Word("role.name", Kind.STRING, "the role's name"),
    Word("role.max_duration", Kind.DURATION, "the longest that the role may be held"),
)
"""Every variable. Names below ``request.`` and ``requester.`` are known only while a request is judged."""

KINDS = {word.name: word.kind for word in VOCABULARY}
"""The type of each variable."""

ASKED = ("request.", "requester.")
"""The beginnings of the names that only a request gives a value to."""

FUNCTIONS = {
    "within_hours": (
        "within_hours(timestamp, string, string) -> bool",
        'whether an instant is in hours: within_hours(request.opened_at, "Mon-Fri 08:00-19:00", "Europe/Berlin")',
    ),
}
"""The functions that are ours: signature and meaning. CEL's own are there as well."""
