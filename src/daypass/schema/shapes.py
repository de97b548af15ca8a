"""What several outputs have in common: how a shape is said, and the shapes of grants, requests and changes.

`daypass.schema.outputs` has each verb's own.
"""

from __future__ import annotations

from types import GenericAlias
from typing import Annotated, Any, Literal

from pydantic import Field, create_model

from daypass.core.plan import Action, Reason
from daypass.core.state import Stage
from daypass.schema.models import DURATION, INSTANT

Instant = Annotated[str, Field(pattern=f"^(?:{INSTANT})$")]
Duration = Annotated[str, Field(pattern=f"^-?(?:{DURATION})$")]
Texts = list[str]
Level = Literal["error", "warning", "note"]

Keys = dict[str, Any]
"""The type of each key; a type in a tuple is that of a key which some objects are without."""


def shape(name: str, keys: Keys) -> Any:
    """Return the model of an object."""
    fields: Keys = {key: (kind[0], None) if isinstance(kind, tuple) else (kind, ...) for key, kind in keys.items()}
    return create_model(name, **fields)


def many(kind: Any) -> Any:
    """Return the type of a list."""
    return GenericAlias(list, kind)


def output(name: str, keys: Keys) -> Any:
    """Return the model of a whole output."""
    return shape(name, {"version": Literal[1], **keys})


def of(kind: Any, *names: str) -> Keys:
    """Return keys of one type."""
    return dict.fromkeys(names, kind)


ENTITLEMENT = {**of(str, "target", "resource", "principal", "privilege"), "privilege_fields": dict[str, Any] | None}
DENIES = of(str, "rule", "code", "message")
Entitlement = shape("Entitlement", ENTITLEMENT)
FINDING = {**of(str, "code", "file", "path", "message", "hint"), "severity": Level, **of(int, "line", "column")}
Finding = shape("Finding", FINDING)
Denial = shape("Denial", {**DENIES, **of(str, "hint", "path")})
Missing = shape(
    "Missing",
    {
        "from": str,
        "approvals": int,
        **of(Texts, "people", "joining", "waits_for"),
        **of(Instant | None, "joining_at", "since"),
        "due": many(shape("Due", {"what": Literal["remind", "escalate", "close"], "at": Instant | None, "to": str})),
    },
)
Approval = shape("Approval", {**of(str, "by", "acts_for", "for", "commit"), "at": Instant})
Grant = shape(
    "Grant",
    {
        **of(str, "grant", "code", "why", "subject", "role", "bound", "note"),
        **ENTITLEMENT,
        "state": Stage,
        **of(Instant | None, "from", "until", "recurs_until"),
        "duration": Duration | None,
        **of(int | None, "seconds_left", "pull"),
        **of(bool, "provisioned", "met"),
        "policy_denies": many(shape("PolicyDenies", DENIES)),
        "kind": Literal["", "new", "widen", "narrow", "remove"],
        "denials": many(Denial),
        "blocks": Texts,
        "missing": many(Missing),
        "approved_by": many(Approval),
        "rejected_by": many(shape("Rejection", {**of(str, "by", "reason", "commit"), "at": Instant})),
        "ignored": many(shape("IgnoredReview", {**of(str, "by", "state", "why", "commit"), "at": Instant})),
    },
)
"""The account of one grant: the same wherever an output speaks of one."""

Pull = shape(
    "Pull",
    {
        "number": int,
        "state": Literal["open", "merged", "closed"],
        **of(str, "title", "branch", "head", "requester", "closed", "refused"),
        "opened_at": Instant,
        **of(bool, "met", "draft"),
        "merge": str | None,
        "findings": many(shape("PlacedFinding", {**FINDING, "place": str})),
        "grants": many(Grant),
    },
)
CHANGE: Keys = {
    "action": Action,
    **ENTITLEMENT,
    "grants": Texts,
    "reason": Reason,
    "due": Instant,
    "until": (Instant,),
}
Change = shape("Change", CHANGE)
Doubt = shape("Doubt", {**ENTITLEMENT, "grants": Texts, "why": str})
Refused = shape("Refused", of(str, "grant", "blob", "landing", "code", "message"))
OVERDUE = {
    **ENTITLEMENT,
    "until": Instant | None,
    "seconds_late": int | None,
    "grants": Texts,
    **of(str, "note", "bound"),
}
UNREVIEWED: Keys = {
    **of(str, "grant", "subject", "resource", "role", "purpose", "requester"),
    "by": Instant,
    "missing": bool,
}
Task = shape("Task", {**of(str, "grant", "key", "what", "unknown"), "came": Instant | None})
Denied = shape("Denied", {"grant": str, **ENTITLEMENT, **DENIES, "ends": bool})
LIVE: Keys = {"denied": many(Denied), "tasks": many(Task)}
"""What is said of live grants: what today's policies deny, and what ends with its task."""
SPAN = of(Instant, "from", "until")
CLAIM: Keys = {"grant": str, **ENTITLEMENT, **SPAN, "blocked": str | None, "bound": str}
TERMS: Keys = {
    "title": str,
    "stated": bool,
    **of(Texts, "sponsors", "resources", "data", "purposes"),
    "agreement": shape("Agreement", {**of(Instant | None, "from", "until"), "state": str}),
    "dpa": shape("Processing", {"until": Instant | None, "state": str}),
}
GIVEN: Keys = {
    **of(str, "grant", "subject", "resource", "role", "purpose", "ticket", "reason", "requester"),
    **of(str, "state", "ended", "commit", "policy"),
    **of(Instant, "requested_at", "merged_at", "from", "until"),
    "gone_at": Instant | None,
    "approvals": many(shape("GivenApproval", {**of(str, "by", "acts_for", "for"), "at": Instant})),
    "approvers": Texts,
    **of(int, "pull", "receipt"),
}

SOURCES: Keys = {
    "sources": shape(
        "Sources",
        {
            "at": Instant,
            **of(str, "main", "ledger", "index_rebuilt"),
            "receipts": int,
            "last_receipt_at": Instant | None,
        },
    )
}
ACCESS: Keys = {
    **of(str, "subject", "doubt"),
    **ENTITLEMENT,
    **of(Texts, "roles", "grants", "commits", "approvers", "policies", "reasons", "tickets", "ended", "end_reasons"),
    "since": Instant,
    "until": Instant | None,
    **of(bool, "overdue", "certain"),
    "receipt": int,
    "pulls": list[int],
}
EVENT: Keys = {
    **of(
        str, "event", "subject", "resource", "role", "by", "commit", "policy", "detail", "reason", "ticket", "purpose"
    ),
    "details": GenericAlias(dict, (str, str | Texts)),
    "at": Instant | None,
    **of(Texts, "grants", "approvers"),
    **of(int | None, "pull", "receipt", "late_seconds"),
}
Event = shape("Event", EVENT)
SPREAD = shape("Spread", {"count": int, **of(float | None, "median", "p95", "worst")})
STATS: Keys = {
    **of(SPREAD, "request_to_usable_seconds", "approval_to_usable_seconds", "lateness_seconds"),
    **of(int, "live", "scheduled", "ended_early", "missed", "retried", "failing", "doubtful"),
    "oldest_missed_seconds": int | None,
    "lateness_histogram": dict[str, int],
}
DIFFERENCE = {**of(str, "code", "grant", "commit", "message"), "severity": Level, "receipt": int | None}
CHECKED = shape("Checked", of(int, "receipts", "admissions", "landings"))
