"""What ``--format json`` prints, verb by verb: the source of the schemas of outputs.

Each shape says its keys and their types. Shapes are open: a later release may add keys, and takes none away under the
same version. Verbs import nothing from here; tests hold what they print to it.
"""

from __future__ import annotations

from types import GenericAlias
from typing import Any, Literal

from pydantic import BaseModel

from daypass.core.plan import Action
from daypass.schema.people_shapes import PEOPLE
from daypass.schema.shapes import (
    ACCESS,
    CHANGE,
    CHECKED,
    CLAIM,
    DIFFERENCE,
    ENTITLEMENT,
    GIVEN,
    LIVE,
    OVERDUE,
    SOURCES,
    SPAN,
    STATS,
    TERMS,
    UNREVIEWED,
    Change,
    Denial,
    Doubt,
    Duration,
    Entitlement,
    Event,
    Finding,
    Grant,
    Instant,
    Keys,
    Pull,
    Refused,
    Texts,
    many,
    of,
    output,
    shape,
)

_PLAN: Keys = {
    "at": Instant,
    **of(str, "main", "digest"),
    **of(int, "live", "by_ledger"),
    **of(many(Change), "changes", "lost"),
    "grants": many(Grant),
    "waiting": many(shape("Claim", CLAIM)),
    "blocked": many(shape("Blocked", {**CLAIM, "reason": str})),
    "refused": many(Refused),
    "invalid": Texts,
    "unreadable": dict[str, str],
    **LIVE,
    "failing": many(shape("Failing", {**CHANGE, "error": str, **of(Instant, "since", "again")})),
    **of(many(Doubt), "unknown", "renamed"),
    **of(many(Entitlement), "offered", "unmanaged"),
}
Plan = output("plan", {**_PLAN, "brake": shape("Brake", {"message": str, "held": many(Change)})})
Apply = output(
    "apply",
    {
        **_PLAN,
        "outcomes": many(shape("Outcome", {**CHANGE, "error": str, **of(bool, "ok", "recovered")})),
        "held": many(Change),
        **of(str, "away", "undelivered"),
    },
)
_APPROVALS = shape(
    "Requirement",
    {
        "at_least": int,
        **of(str, "from", "clock"),
        "taken_out": dict[str, str],
        **of(Texts, "except", "rules", "people", "after"),
        "remind": str | None,
        "escalate": many(shape("Escalation", {**of(str, "after", "to"), "people": Texts, "close": bool})),
    },
)
_TRACE = shape("Trace", {**of(str, "rule", "effect", "error"), "applied": bool, "values": dict[str, str]})
_DECISION: Keys = {
    **of(str, "grant", "policy", "window"),
    "automatic": bool,
    **of(Texts, "unread", "untold"),
    "rules": Texts,
    "denials": many(Denial),
    "approvals": many(_APPROVALS),
    "traces": many(_TRACE),
    "until": Instant | None,
    "intervals": many(shape("Interval", of(Instant, "from", "until"))),
    "details": GenericAlias(dict, (str, str | Texts)),
    "ends_by": many(shape("EndsBy", {"at": Instant, **of(str, "code", "what")})),
}
_HAD = shape("Had", {"grant": str, **of(Instant | None, "from", "until")})
_NOT_MERGED = shape("NotMerged", {"pull": int, "what": str})
Check = output(
    "check",
    {
        **of((str,), "where", "base", "head"),
        **of((int,), "files", "cached"),
        "decisions": (many(output("Decision", _DECISION)),),
        "unjudged": int,
        "findings": many(Finding),
    },
)
_CASE = shape("Case", {**of(str, "name", "place"), "passed": bool, **of(Texts, "expected", "got")})
_UNSEEN = shape("Unseen", of(str, "rule", "side"))
_APPROVAL_ASKED = shape("ApprovalAsked", {"at_least": int, "from": str, **of(Texts, "except", "after")})
_DECIDED = shape("Decided", {"automatic": bool, "denials": many(Denial), "approvals": many(_APPROVAL_ASKED)})
_BREAKS = {"requester": str, "opened_at": Instant, "grant": dict[str, Any], "decision": _DECIDED, "brings": Texts}
_PROMISE = shape(
    "Promise",
    {
        **of(str, "id", "place", "message"),
        **of(bool, "kept", "decided"),
        "sampled": Texts,
        "cases": int,
        "example": shape("Breaks", _BREAKS) | None,
    },
)
_LOOKED_AT = shape(
    "LookedAt",
    {
        "where": str,
        **of(int, "tried", "possible"),
        "sampled": Texts,
        "looser": bool,
        "differences": many(
            shape(
                "PolicyDifference",
                {
                    "looser": bool,
                    "shifts": Texts,
                    "count": int,
                    "requester": str,
                    "opened_at": Instant,
                    "grant": dict[str, Any],
                    **of(_DECIDED, "before", "after"),
                },
            )
        ),
    },
)
_WAY = shape(
    "Way",
    {
        **of(Texts, "purposes", "brings"),
        **of(Duration, "over", "upto", "total", "span"),
        "automatic": bool,
        "approvals": many(_APPROVAL_ASKED),
        "denials": many(Denial),
        "recurring": _DECIDED | None,
    },
)
_ASKED_ROLE: Keys = {**of(str, "resource", "role", "title"), "ways": many(_WAY)}
OVERDUE |= {"numbers": many(Texts)}
Status = output(
    "status",
    {
        "at": Instant,
        "open": many(Pull),
        "unread": many(shape("Unread", {"number": int, "message": str})),
        "grants": many(Grant),
        "merged": many(shape("Landed", {"grant": str, "what": Literal["added", "changed", "removed"]})),
        "refused": many(Refused),
        "overdue": many(shape("Overdue", OVERDUE)),
        **LIVE,
        "unreviewed": many(shape("Unreviewed", UNREVIEWED)),
    },
)
_TARGET: Keys = {
    **of(str, "name", "kind", "error", "hint"),
    "reachable": bool,
    **of(Texts, "facts", "concerns", "unknown"),
    "clock_skew_seconds": float | None,
    **of(int | None, "ours", "unmanaged"),
    "awaited": int,
}
_LOOKED = shape("Looked", {"error": (str,), **of((Texts,), "looked", "unseen")})
_REMEDY = shape("Remedy", {"words": str, "requests": many(shape("Call", {**of(str, "method", "path"), "body": Any}))})
_COMPLAINT = {**of(str, "code", "message", "fix"), "told": bool, "remedy": _REMEDY | None}
_WRITTEN = Literal["written", "unchanged", "stale"]
_CERTIFICATE: Keys = {
    "serial": int,
    **of(str, "key_id", "key", "fingerprint", "authority"),
    **of(Texts, "principals", "extensions"),
    "critical": dict[str, str],
    **of(Instant, "from", "until"),
}
_ROTA = shape(
    "Rota",
    {
        **of(str, "name", "title", "zone", "on_call"),
        "shifts": many(shape("Shift", {"person": str, **of(Instant, "from", "until"), "override": bool})),
    },
)
_CALENDAR = shape(
    "Calendar",
    {
        **of(str, "name", "title", "zone", "hours"),
        **of(Texts, "days", "except"),
        "years": list[int],
        "spans": many(shape("CalendarSpan", of(Instant, "from", "until"))) | None,
    },
)
_OWNED = {**of(str, "path", "pattern", "doubt"), "certain": bool, "owners": Texts, "line": int}

_PULLS: Keys = {"pulls": many(Pull)}
_POLICY_CHANGE = shape("PolicyChange", {"pull": int, "why": str, "looked": many(_LOOKED_AT), "broken": many(Finding)})
_EFFECT: Keys = {
    "grant": str,
    "action": Action,
    **ENTITLEMENT,
    "span": shape("Span", {"duration": Duration | None, **of(Instant | None, "from", "until"), "recurs": str | None})
    | None,
    "before": shape("Before", SPAN) | None,
    "others": Texts,
    "latest": Instant | None,
}
_REPORT: Keys = {
    "state": Literal["approved", "invalid", "refused", "waiting"],
    "ask": Texts,
    "effects": many(shape("Effect", _EFFECT)),
    "findings": many(Finding),
}
_REVOKED: Keys = {
    "applied": many(Apply),
    "not_revoked": (many(shape("NotRevoked", {"grant": str, "may": Texts})),),
    "unread": (Texts,),
}
_TAKEN = {**of(str, "grant", "subject", "role", "why"), **ENTITLEMENT, "until": Instant, **of(bool, "dated", "beside")}
_IMPORT: Keys = {
    "resource": str,
    "pull": int | None,
    "taken": many(shape("Taken", _TAKEN)),
    "left": many(shape("Left", {**ENTITLEMENT, "why": str})),
    "granted": int,
}
_REFS, _NUMBERS = GenericAlias(dict, (str, str)), GenericAlias(dict, (str, int))
_KEYS: Keys = {"keys": Texts, **of(_NUMBERS, "retired", "revoked"), **of(str, "new_key", "private_key")}
_WAITING = shape(
    "Waiting",
    {"receipt": int, **of(str, "kind", "run"), "at": Instant | None, "ok": bool | None, "changes": many(Change)},
)
_SETTLED = shape("Settled", {**ENTITLEMENT, "grants": Texts})

OUTPUTS: dict[str, type[BaseModel]] = {
    "request": output("request", {**_PULLS, "grants": (many(Grant),)}),
    "end": output("end", {**_PULLS, **_REVOKED, **of((list[int] | None,), "open", "open_unread")}),
    "show": output("show", {**_PULLS, **_REPORT}),
    "sync": output(
        "sync", {**of(_REFS, "brought", "pushed"), "aside": many(shape("Aside", of(str, "message", "hint")))}
    ),
    "import": output("import", _IMPORT),
    "can": output("can", {**of(str, "subject", "role"), **ENTITLEMENT, "holds": bool}),
    "forge": output("forge", {"kind": str}),
    "refresh": output("refresh", {"pull": int | None, "what": str, "paths": Texts}),
    "answer": output(
        "answer",
        {
            "number": int,
            **of(str, "kind", "what", "by", "why"),
            "pull": int | None,
            "opened": Texts,
            "findings": many(Finding),
        },
    ),
    "heartbeat": output(
        "heartbeat", {"alive": bool, "last": Instant | None, **of(Duration | None, "age"), "limit": Duration}
    ),
    "audit-serial": output("audit-serial", {**of(int, "serial", "receipt"), "at": Instant, "change": Change}),
    "ledger-settle": output("ledger-settle", {"adopted": bool, "settled": many(_SETTLED)}),
    "ledger-rekey": output("ledger-rekey", _KEYS),
    "ledger-revoke-key": output("ledger-revoke-key", {**_KEYS, **of(int, "receipts", "void")}),
    "ledger-restore": output(
        "ledger-restore", {"receipts": int, **of(str, "commit", "from"), "put_back": _REFS, "kept": Texts}
    ),
    "ledger-outbox": output(
        "ledger-outbox", {**of(str, "path", "why", "hint", "set_aside"), "receipts": many(_WAITING)}
    ),
    "check": Check,
    "explain": output(
        "explain", {**_DECISION, "grants": many(Grant), "had": many(_HAD), "not_merged": many(_NOT_MERGED)}
    ),
    "policy-test": output(
        "policy-test", {"passed": bool, "untried": Texts, "unseen": many(_UNSEEN), "cases": many(_CASE)}
    ),
    "catalogue": output("catalogue", {"subject": str, "roles": many(shape("AskedRole", _ASKED_ROLE))}),
    **{name: output(name, {"looked": many(_LOOKED_AT), "unread": int}) for name in ("policy-diff", "policy-replay")},
    "policy-lint": output("policy-lint", {"where": str, "findings": many(Finding)}),
    "policy-prove": output("policy-prove", {"promises": many(_PROMISE)}),
    "policy-who-can": output(
        "policy-who-can",
        {**of(str, "resource", "role"), "subjects": many(shape("Asking", {"subject": str, "ways": many(_WAY)}))},
    ),
    "policy-why-not": output("policy-why-not", {**of(str, "subject", "resource", "role"), "ways": many(_WAY)}),
    "extend": output("extend", _PULLS),
    "gate": output("gate", {**_PULLS, "changes": many(_POLICY_CHANGE)}),
    "status": Status,
    "plan": Plan,
    "apply": Apply,
    "drift": output(
        "drift",
        {
            **of(int, "live", "by_ledger"),
            "grants": many(Grant),
            "targets": GenericAlias(dict, (str, _LOOKED)),
            "findings": many(Finding),
        },
    ),
    "targets": output("targets", {"targets": many(shape("Target", _TARGET))}),
    "doctor": output(
        "doctor",
        {
            "calls": int,
            "complaints": many(shape("Complaint", _COMPLAINT)),
            "next": (
                shape("Next", {"findings": many(Finding), "requests": list[int], **of(Texts, "grants", "rules")}),
            ),
        },
    ),
    "codeowners": output("codeowners", {"file": str, "what": (_WRITTEN,), "paths": (many(shape("Owned", _OWNED)),)}),
    "rota-show": output("rota-show", {"at": Instant, "rotas": many(_ROTA)}),
    "calendar-show": output("calendar-show", {"calendars": many(_CALENDAR)}),
    "form": output("form", {"file": str, "what": _WRITTEN}),
    "init": output("init", {**of(str, "directory", "key"), **of(Texts, "written", "changed", "kept"), "ledger": bool}),
    "fetch": output(
        "fetch",
        {
            "kind": Literal["certificate", "secret"],
            **ENTITLEMENT,
            "grants": Texts,
            "until": Instant,
            **of(str, "file", "text"),
            "certificates": many(shape("Certificate", _CERTIFICATE)),
        },
    ),
    **PEOPLE,
    "krl": output("krl", {**of(str, "target", "file"), "revoked": int}),
    "watch": output(
        "watch",
        {
            "at": Instant,
            "event": Literal["watching", "applied", "tidied", "failed"],
            "messages": Texts,
            "applied": (Apply,),
        },
    ),
    "audit-access": output("audit-access", {**SOURCES, "resource": str, "access": many(shape("Access", ACCESS))}),
    "audit-history": output(
        "audit-history",
        {
            **SOURCES,
            **of((str,), "subject", "resource", "grant"),
            "events": many(Event),
            "not_on_record": (Texts,),
        },
    ),
    "audit-case": output("audit-case", {**SOURCES, "case": str, "events": many(Event), "not_on_record": Texts}),
    "audit-vendor": output(
        "audit-vendor",
        {
            **SOURCES,
            "vendor": str,
            "terms": shape("Terms", TERMS) | None,
            "workers": many(shape("Worker", {**of(str, "subject", "name"), "now": bool, "until": Instant | None})),
            "live": many(Grant),
            "grants": many(shape("GivenGrant", GIVEN)),
            "unread": int,
            "not_on_record": Texts,
        },
    ),
    "audit-stats": output("audit-stats", {**SOURCES, "stats": shape("Stats", STATS)}),
    "audit-verify": output(
        "audit-verify",
        {
            **SOURCES,
            "clean": bool,
            "checked": CHECKED,
            "differences": many(shape("Difference", DIFFERENCE)),
            "since": int | None,
            "not_looked_at": (Texts,),
        },
    ),
}
"""Every output by its verb; `SAME` names the verbs that print what another does."""

SAME = {
    "expire": "apply",
    "report": "show",
    "revoke": "end",
    **dict.fromkeys(("approve", "reject", "withdraw", "close"), "extend"),
}
