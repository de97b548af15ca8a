"""All that is known of a vendor, as text, JSON (version 1) and CSV."""

from __future__ import annotations

from typing import Any

from daypass.core.audit.access import approvers
from daypass.core.audit.selection import NOT_ON_RECORD
from daypass.core.audit.vendors import GivenGrant, VendorAnswer, Worker
from daypass.core.bounds.vendors import Vendor
from daypass.core.window import format_instant
from daypass.views.audit import NONE, as_csv, as_json, header, never_on_record, table, when
from daypass.views.data import grant_data
from daypass.views.findings import count, joined
from daypass.views.policy.decision import state_words

_COLUMNS = (
    *("grant", "subject", "resource", "role", "purpose", "ticket", "reason", "requester", "requested_at", "approvers"),
    *("merged_at", "pull", "from", "until", "state", "ended", "gone_at", "commit", "policy", "receipt"),
)


def vendor_text(answer: VendorAnswer, width: int = 0) -> str:
    """Write for people what was agreed, who works for the vendor, what they hold and were given, and who approved it."""
    lines = [*header(f"Vendor {answer.name}", answer.sources), *_terms(answer)]
    lines.append(f"{count(len(answer.workers), 'worker')}{':' if answer.workers else ''}")
    lines += [f"  {_worker(worker)}" for worker in answer.workers]
    lines.append(f"{count(len(answer.live), 'grant')} not over{':' if answer.live else ''}")
    lines += [
        f"  {one.grant}: {one.role} on {one.resource} for {one.subject}, until {when(one.until) or NONE}; "
        f"{one.state}; {state_words(one, answer.sources.at)}"
        for one in answer.live
    ]
    lines += ["", f"Given so far: {len(answer.given)}"]
    head = (
        "MERGED",
        "GRANT",
        "WHO",
        "WHAT",
        "PURPOSE",
        "TICKET",
        "ASKED BY",
        "APPROVED BY",
        "UNTIL",
        "STATE",
        "RECEIPT",
        "",
    )
    lines += table(head, answer.given, _cells, width)
    if answer.unread:
        lines.append(
            f"of {answer.unread} the directory of then cannot be read: whose worker it was is taken from main's"
        )
    return joined([*lines, "", never_on_record()])


def _terms(answer: VendorAnswer) -> list[str]:
    vendor = answer.terms
    if vendor is None:
        return ["main's directory has this vendor no more: it may receive nothing", ""]
    lines = [f"title        {vendor.title}"] if vendor.title else []
    if not vendor.stated:
        end = f"until {when(vendor.until)}" if vendor.until is not None else "no end"
        return [*lines, f"contract     {end}; its terms are not stated, and nobody sponsors its people", ""]
    return [
        *lines,
        f"sponsors     {', '.join(vendor.sponsors) or NONE}",
        f"agreement    from {when(vendor.start)} until {when(vendor.until)}: {_holds(vendor, answer)}",
        f"dpa          until {when(vendor.dpa_until)}: {_processes(vendor, answer)}",
        f"resources    {', '.join(vendor.resources) or 'none'}",
        f"data         {', '.join(vendor.data) or 'none'}",
        f"purposes     {', '.join(vendor.purposes) or 'none'}",
        "",
    ]


def _holds(vendor: Vendor, answer: VendorAnswer) -> str:
    at = answer.sources.at
    if vendor.start is not None and at < vendor.start:
        return "not begun"
    return "over" if vendor.until is not None and vendor.until <= at else "holds"


def _processes(vendor: Vendor, answer: VendorAnswer) -> str:
    return "over" if vendor.dpa_until is not None and vendor.dpa_until <= answer.sources.at else "holds"


def _worker(worker: Worker) -> str:
    named = f"{worker.handle} ({worker.name})" if worker.name else worker.handle
    if not worker.now:
        return f"{named}, who works for it no more by main's directory"
    return f"{named}, until {format_instant(worker.until)}" if worker.until is not None else named


def _cells(one: GivenGrant) -> tuple[str, ...]:
    proof = one.admission
    gone = f"gone by {when(one.gone_at)}" if one.gone_at is not None else ""
    return (
        format_instant(proof.merged_at),
        proof.grant,
        proof.subject,
        f"{proof.role} on {proof.resource}",
        one.purpose or NONE,
        one.words.ticket or NONE,
        proof.requester,
        ", ".join(approvers(proof)) or "a rule, by itself",
        format_instant(proof.window.end),
        one.state,
        str(one.receipt),
        "; ".join(part for part in (one.ended, gone) if part),
    )


def vendor_json(answer: VendorAnswer) -> str:
    """Write it as JSON, version 1."""
    content = {
        "vendor": answer.name,
        "terms": _terms_data(answer) if answer.terms is not None else None,
        "workers": [
            {"subject": one.handle, "name": one.name, "now": one.now, "until": when(one.until)}
            for one in answer.workers
        ],
        "live": [grant_data(state, answer.sources.at) for state in answer.live],
        "grants": [_row(one) for one in answer.given],
        "unread": answer.unread,
        "not_on_record": list(NOT_ON_RECORD),
    }
    return as_json(answer.sources, content)


def _terms_data(answer: VendorAnswer) -> dict[str, Any]:
    vendor = answer.terms
    assert vendor is not None  # noqa: S101  (its caller looked)
    return {
        "title": vendor.title,
        "stated": vendor.stated,
        "sponsors": list(vendor.sponsors),
        "agreement": {"from": when(vendor.start), "until": when(vendor.until), "state": _holds(vendor, answer)},
        "dpa": {"until": when(vendor.dpa_until), "state": _processes(vendor, answer)},
        "resources": list(vendor.resources),
        "data": list(vendor.data),
        "purposes": list(vendor.purposes),
    }


def _row(one: GivenGrant) -> dict[str, Any]:
    proof = one.admission
    return {
        "grant": proof.grant,
        "subject": proof.subject,
        "resource": proof.resource,
        "role": proof.role,
        "purpose": one.purpose,
        "ticket": one.words.ticket,
        "reason": one.words.reason,
        "requester": proof.requester,
        "requested_at": format_instant(proof.requested_at),
        "approvals": [
            {"by": record.by, "acts_for": record.acts_for, "for": record.source, "at": format_instant(record.at)}
            for record in proof.approvals
        ],
        "approvers": list(approvers(proof)),
        "merged_at": format_instant(proof.merged_at),
        "pull": proof.pull,
        "from": format_instant(proof.window.start),
        "until": format_instant(proof.window.end),
        "state": one.state,
        "ended": one.ended,
        "gone_at": when(one.gone_at),
        "commit": proof.landing,
        "policy": proof.policy,
        "receipt": one.receipt,
    }


def vendor_csv(answer: VendorAnswer) -> str:
    """Write what was given as CSV."""
    return as_csv(_COLUMNS, [_row(one) for one in answer.given])
