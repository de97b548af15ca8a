"""The grant: one file that says who may hold which role on which resource, for how long and why."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from msgspec import Struct

from daypass.core.ids import GrantId, digest_of_words, grant_path
from daypass.core.window import Span, Window, format_duration, format_instant

IMPORT = "import"
"""The purpose of a grant that takes over access which was there before: from then on it is ours, and ends with it."""


Detail = str | tuple[str, ...]
"""What a grant says of one field of its purpose, as it is written: a text, or a list of texts."""

Details = tuple[tuple[str, Detail], ...]
"""What a grant says of the fields of its purpose, by the field's name, in order."""

REVIEW = "(review)"
"""What stands for a detail's name where access ends unless people review it by then; no field of a purpose has such a name."""


Moments = tuple[tuple[str, datetime], ...]
"""Details that end access: the name of the field, and when."""


class Bounded(NamedTuple):
    """Whose access to what bounds are asked of; "" for the resource: to anything. ``due`` are the details that end it.

    ``since`` is when it begins, None where nobody knows yet.
    """

    subject: str
    resource: str = ""
    role: str = ""
    purpose: str = ""
    due: Moments = ()
    since: datetime | None = None


class Grant(Struct, frozen=True):
    """A valid grant file. ``ends_when`` maps a condition's name to its value, sorted; ``details`` likewise a field's.

    Which fields there are, and of which kind, the purpose says.
    """

    id: GrantId
    subject: str
    resource: str
    role: str
    reason: str
    span: Span
    ticket: str = ""
    purpose: str = ""
    ends_when: tuple[tuple[str, str], ...] = ()
    details: Details = ()

    @property
    def path(self) -> str:
        """The repository path of the file."""
        return grant_path(self.id)

    def to_dict(self) -> dict[str, Any]:
        """Return the grant as the file's own fields, times normalised to UTC. The file name is no part of it."""
        fields: dict[str, Any] = {
            "version": 1,
            "subject": self.subject,
            "resource": self.resource,
            "role": self.role,
            "reason": self.reason,
            "ticket": self.ticket,
            "window": window_fields(self.span),
            "purpose": self.purpose,
            "details": {name: value if isinstance(value, str) else list(value) for name, value in self.details},
            "ends_when": dict(self.ends_when),
        }
        return {key: value for key, value in fields.items() if value not in ("", {})}

    @property
    def digest(self) -> str:
        """``sha256:…`` of what the grant means; layout, comments and the file's name do not count."""
        return digest_of_words(self.to_dict())


def window_fields(span: Span) -> dict[str, str]:
    """Return when access exists as a grant's file says it, times normalised to UTC."""
    if span.window is None:
        return {"duration": format_duration(span.length)}
    recurs = span.recurs._asdict() if span.recurs is not None else {}
    bounds = {"from": format_instant(span.window.start), "until": format_instant(span.window.end)}
    return bounds | {key: value for key, value in recurs.items() if value}


def narrows(old: Grant, old_window: Window | None, new: Grant) -> bool:
    """Say whether replacing old by new can only take access away.

    ``old_window`` is the window that the old grant was given, None where nobody knows it yet. Subject, resource and role
    must stay; the reason and the details may not change either, since reviewers approved them. A window that recurs goes on
    doing so by the same hours or the same calendar.
    """
    before, after = old.to_dict(), new.to_dict()
    before.pop("window")
    after.pop("window")
    ends_before, ends_after = before.pop("ends_when", {}), after.pop("ends_when", {})
    if before != after or not _holds_all(ends_after, ends_before) or old.span.recurs != new.span.recurs:
        return False
    if new.span.window is None:
        return old.span.window is None and new.span.length <= old.span.length
    allowed = old.span.window or old_window
    return allowed is not None and allowed.start <= new.span.window.start and new.span.window.end <= allowed.end


def narrowed(window: Window, new: Grant) -> Window | None:
    """Return what a narrowing leaves of the window that the old grant was given, None for nothing.

    A shorter duration counts from the merge that the longer one began at, whatever was approved besides: narrowing never
    lets access grow (invariant 10), so that what is left may be over by the time it is merged.
    """
    return window.common(new.span.window or Window(window.start, window.start + new.span.length))


def _holds_all(bigger: Mapping[str, str], smaller: Mapping[str, str]) -> bool:
    return all(bigger.get(key) == value for key, value in smaller.items())
