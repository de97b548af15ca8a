"""The plain data that JSON outputs are made of: one way for all records, and one account of a grant.

What a record's class says is what a reader gets. An entitlement, a change and a window are no objects of their own there:
their fields stand among those of what has them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from msgspec import Struct

from daypass.core.approval.judgement import Status
from daypass.core.finding import Finding
from daypass.core.forge import Review
from daypass.core.plan import Entitlement, Intended
from daypass.core.request import Gated
from daypass.core.state import GrantState, requested
from daypass.core.window import Recurrence, Window, format_duration, format_instant
from daypass.views.findings import finding_data


def plain(value: Any) -> Any:
    """Return a record, or whatever stands in one, as plain data: instants, durations and words of a set as text."""
    if (write := _WRITERS.get(type(value))) is not None:
        return write(value)
    if isinstance(value, Enum):
        return value.value
    if hasattr(value, "_asdict"):
        return _record(value._asdict())
    if isinstance(value, Struct):
        return _record({name: getattr(value, name) for name in value.__struct_fields__})
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, str | bytes):
        return [plain(one) for one in value]
    return value


def entitlement_data(entitlement: Entitlement) -> dict[str, Any]:
    """Return an entitlement, its privilege as the text that is compared and as the fields that the catalogue writes."""
    return entitlement._asdict() | {"privilege_fields": entitlement.fields}


def change_data(change: Intended) -> dict[str, Any]:
    """Return a change as its receipts have it, with the fields of its privilege beside."""
    return change.to_dict() | {"privilege_fields": change.entitlement.fields}


_WRITERS: Mapping[type, Callable[[Any], Any]] = {
    datetime: format_instant,
    timedelta: format_duration,
    Finding: finding_data,
    Entitlement: entitlement_data,
    Intended: change_data,
    Recurrence: str,
    Window: lambda window: {"from": format_instant(window.start), "until": format_instant(window.end)},
}


def _record(values: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in values.items():
        if name == "window":
            found |= plain(value) if value is not None else {"from": None, "until": None}
        else:
            found |= plain(value) if isinstance(value, Entitlement | Intended) else {name: plain(value)}
    return found


def grant_data(grant: GrantState, at: datetime | None = None) -> dict[str, Any]:
    """Return the account of one grant: the same object in every output. ``at`` is the instant that time left counts from."""
    left = int((grant.until - at).total_seconds()) if at is not None and grant.until is not None else None
    return {
        "grant": grant.grant,
        "state": grant.state,
        "code": grant.code,
        "why": grant.why,
        "subject": grant.subject,
        "resource": grant.resource,
        "role": grant.role,
        "target": grant.entitlement.target if grant.entitlement is not None else "",
        "principal": grant.entitlement.principal if grant.entitlement is not None else "",
        "privilege": grant.entitlement.privilege if grant.entitlement is not None else "",
        "privilege_fields": grant.entitlement.fields if grant.entitlement is not None else None,
        "from": plain(grant.start),
        "until": plain(grant.until),
        "duration": plain(grant.length),
        "seconds_left": left,
        "recurs_until": plain(grant.recurs_until),
        "bound": grant.bound,
        "provisioned": grant.provisioned,
        "note": grant.note,
        "policy_denies": [{"rule": d.rule, "code": d.code, "message": d.message} for d in grant.policy_denies],
        "pull": grant.pull or None,
        "kind": grant.kind,
        "met": grant.met,
        "denials": plain(grant.denials),
        "blocks": list(grant.blocks),
        "missing": [_missing(status) for status in grant.missing],
        "approved_by": [
            {"by": c.handle, "acts_for": c.acts_for, "for": c.source, **_review(c.review)} for c in grant.approved_by
        ],
        "rejected_by": [{"by": r.by.handle, "reason": r.reason, **_review(r)} for r in grant.rejected_by],
        "ignored": [
            {"by": one.review.by.handle or one.review.by.name, "state": one.review.state, "why": one.why}
            | _review(one.review)
            for one in grant.ignored
        ],
    }


def _missing(status: Status) -> dict[str, Any]:
    return {
        "from": status.source,
        "approvals": status.missing,
        "people": list(status.could),
        "joining": list(status.joining),
        "joining_at": plain(status.joining_at),
        "waits_for": list(status.waits),
        "since": plain(status.since),
        "due": [{"what": due.what, "at": plain(due.at), "to": due.to} for due in status.due],
    }


def _review(review: Review) -> dict[str, Any]:
    return {"commit": review.commit, "at": plain(review.at)}


def pull_data(found: Gated) -> dict[str, Any]:
    """Return how one request stands, with an account of each grant that it touches."""
    pull = found.pull
    return {
        "number": pull.number,
        "title": pull.title,
        "state": pull.state,
        "branch": pull.branch,
        "head": pull.head,
        "requester": pull.opened_by.handle,
        "opened_at": plain(pull.opened_at),
        "met": found.met,
        "draft": pull.draft,
        "merge": found.merge.commit if found.merge is not None else None,
        "closed": found.closed,
        "refused": found.refused,
        "findings": [finding_data(f) | {"place": str(f.place)} for f in found.proposal.findings],
        "grants": [grant_data(grant) for grant in requested(found)],
    }
