"""One request and all that is going on: what the gate says, a request as who approves it must see it, and the status.

Every word of people goes through `joined`: nothing that they wrote acts on a terminal or passes for another line.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from difflib import unified_diff
from typing import Any

from daypass.core.catalogue import Catalogue
from daypass.core.grant import Grant, GrantId
from daypass.core.ledger.standing import AdmittedGrant
from daypass.core.plan import Holding
from daypass.core.policy.decision import Decision
from daypass.core.policy.sources import REVOCATION
from daypass.core.request import Gated, ItemVerdict, Overview, Report
from daypass.core.window import format_duration, format_instant
from daypass.views.decision import effect_line, taking_words
from daypass.views.findings import as_document, finding_text, joined
from daypass.views.plan import denied_json, denied_line, entitlement_text, refused_json

_KINDS = {"new": "grants", "widen": "widens", "narrow": "narrows", "remove": "removes"}


def gated_text(found: Gated) -> str:
    """Write one pull request: what it would do, what counts, what is missing."""
    pull = found.pull
    head = f"#{pull.number} {pull.title}  ({pull.state}, by {pull.opened_by.handle or pull.opened_by.name})"
    if found.merge is not None:
        head += f": merged as {found.merge.commit[:12]} at {format_instant(found.merge.at)}"
    elif found.closed:
        head += f": closed, {found.closed}"
    lines = [head]
    if pull.branch.startswith(REVOCATION):
        lines.append("  EMERGENCY STOP")
    if pull.reason:
        lines.append(f"  reason: {pull.reason}")
    for finding in found.proposal.findings:
        lines += finding_text(finding, "  ").split("\n")
    for verdict in found.verdicts:
        lines += [f"  {line}" for line in _verdict_lines(verdict)]
    if found.merge is None and pull.draft and pull.state == "open":
        lines.append("  it is a draft: the gate waits until it is marked as ready for review")
    if found.refused:
        lines.append(f"  everything is there, and it was not merged: {found.refused}")
    elif found.merge is None and found.met and pull.state == "open":
        lines.append(f"  everything is there: `daypass gate {pull.number}` merges it")
    return joined(lines)


_UNSIGNED = " (not signed: nothing but the record says who it was)"


def _verdict_lines(verdict: ItemVerdict) -> list[str]:
    item = verdict.item
    lines = [f"{_KINDS[item.kind]} {item.id}"]
    for problem in verdict.problems:
        lines += finding_text(problem, "  ").split("\n")
    if item.decision is None and verdict.judgement is None:
        return [*lines, f"  {taking_words(item)}; nobody needs to approve it"]
    if item.decision is not None and item.ending is not None:
        lines.append(f"  takes away access of {item.ending.subject} that this file gives now")
    lines += [f"  {line}" for line in _decision_lines(item.decision)]
    if verdict.judgement is None:
        if item.decision is not None and item.decision.automatic and not item.decision.denials:
            lines.append(f"  passes automatically ({', '.join(item.decision.rules)})")
        return lines
    lines += [f"  rejected by {r.by.handle}: {r.reason}" for r in verdict.judgement.rejections if r.reason]
    lines += [
        f"  approved by {c.handle} for {c.source} at {c.review.commit[:12]}{'' if c.review.by.signed else _UNSIGNED}"
        for c in verdict.judgement.counted
    ]
    counted = {c.handle for c in verdict.judgement.counted}
    for ignored in verdict.judgement.ignored:
        if ignored.review.by.handle in counted:  # an earlier word of somebody whose last one counts
            continue
        who = ignored.review.by.handle or ignored.review.by.name
        lines.append(f"  does not count: {ignored.review.state} by {who}: {ignored.why}")
    if item.decision is None or not item.decision.denials:
        lines += [f"  missing: {line}" for line in verdict.judgement.missing()]
    return lines


def _decision_lines(decision: Decision | None) -> list[str]:
    if decision is None:
        return ["takes away access that who asks may not end alone (limits.end)"]
    lines = []
    for denial in decision.denials:
        lines.append(f"denied: {denial.message} [{denial.rule or denial.code}]")
        lines += [f"  hint: {denial.hint}"] if denial.hint else []
    return lines


def gated_data(found: Gated) -> dict[str, Any]:
    """Return one pull request's state as plain data."""
    pull = found.pull
    return {
        "number": pull.number,
        "title": pull.title,
        "state": pull.state,
        "head": pull.head,
        "requester": pull.opened_by.handle,
        "opened_at": format_instant(pull.opened_at),
        "met": found.met,
        "draft": pull.draft,
        "merge": found.merge.commit if found.merge is not None else None,
        "closed": found.closed,
        "refused": found.refused,
        "findings": [
            {"code": f.code, "place": str(f.place), "message": f.message, "hint": f.hint}
            for f in found.proposal.findings
        ],
        "grants": [
            {
                "grant": v.item.id,
                "kind": v.item.kind,
                "met": v.met,
                "denials": [d.message for d in v.item.decision.denials] if v.item.decision else [],
                "missing": v.judgement.missing() if v.judgement is not None else [],
                "approved_by": [[c.handle, c.source] for c in v.judgement.counted] if v.judgement is not None else [],
            }
            for v in found.verdicts
        ],
    }


def gated_json(results: Iterable[Gated]) -> str:
    """Write the gate's results as JSON, version 1."""
    return as_document({"version": 1, "pulls": [gated_data(found) for found in results]})


def status_text(now: Overview) -> str:
    """Write open requests, live grants, and what gives nothing (yet)."""
    lines = [
        f"Status at {format_instant(now.at)}",
        f"{len(now.waiting) + len(now.unread)} open{':' if now.waiting or now.unread else ''}",
    ]
    lines += [f"  #{number} unreadable: {message}" for number, message in sorted(now.unread.items())]
    for found in now.waiting:
        lines += [f"  {line}" for line in gated_text(found).rstrip("\n").split("\n")]
    lines.append(f"{len(now.live)} granted{':' if now.live else ''}")
    for grant in now.live:
        who = f"{grant.entitlement.principal}  {grant.role} on {grant.resource}"
        lines.append(f"  {grant.grant:44} {who}  until {format_instant(_end(grant, now))}  {_state(grant, now)}")
    if now.landed:
        lines.append(f"{len(now.landed)} merged and not applied yet: `daypass apply`")
        lines += [f"  {grant:44} {what}" for grant, what in sorted(now.landed.items())]
    if now.refused:
        lines.append(f"{len(now.refused)} without proof, which give nothing:")
        lines += [f"  {refusal.grant:44} {refusal.message} [{refusal.code}]" for refusal in now.refused]
    lines += [denied_line(one) for one in now.denied]
    late = _late(now)
    if late:
        lines.append(f"{len(late)} that should be gone:")
    for gone in late:
        since = "no live grant gives it"
        if gone.until is not None and gone.until <= now.at:
            since = f"for {format_duration(now.at - gone.until)}" if now.at > gone.until else "since this instant"
        note = f"; {now.notes[gone.entitlement]}" if gone.entitlement in now.notes else ""
        lines.append(f"  {entitlement_text(gone.entitlement)}  {since}  [{', '.join(gone.grants)}]{note}")
    return joined(lines)


def _end(grant: AdmittedGrant, now: Overview) -> datetime:
    """Return when a grant ends, whatever ends it."""
    claim = now.claims.get(grant.grant)
    return claim.window.end if claim is not None else grant.window.end


def _state(grant: AdmittedGrant, now: Overview) -> str:
    """Say how a grant stands whose time is not over: what it gives, or why not, and what will."""
    claim, note = now.claims.get(grant.grant), now.notes.get(grant.entitlement, "")
    held = grant.entitlement in now.holdings
    bound = f"; ended early: {claim.bound}" if claim is not None and claim.bound else ""
    rest = "; what it gave is taken away by the next run" if held else ""
    if now.landed.get(grant.grant) == "removed":
        return f"ended on main{rest}"
    if claim is not None and claim.blocked is not None:
        return f"gives nothing: {claim.blocked.value}{rest}"
    if now.at < grant.window.start:
        return f"opens in {format_duration(grant.window.start - now.at)}{bound}"
    left = f"{format_duration(_end(grant, now) - now.at)} left"
    if note:
        return f"{left}, {note}{bound}"
    return f"{left}{bound}" if held else f"{left}, not provisioned yet: `daypass apply`{bound}"


def _late(now: Overview) -> list[Holding]:
    """Return what is held although its time is over, or although no grant that gave it is live any more; longest first."""
    giving = {grant.grant for grant in now.live}
    over = [
        held
        for held in now.holdings.values()
        if (held.until is not None and held.until <= now.at) or giving.isdisjoint(held.grants)
    ]
    return sorted(over, key=lambda held: (held.until is None, held.until or now.at, held.entitlement))


def status_json(now: Overview) -> str:
    """Write open requests, live grants, and what gives nothing (yet) as JSON, version 1."""
    grants = [
        {
            "grant": g.grant,
            "principal": g.entitlement.principal,
            "resource": g.entitlement.resource,
            "from": format_instant(g.window.start),
            "role": g.role,
            "until": format_instant(_end(g, now)),
            "provisioned": g.entitlement in now.holdings,
            "note": now.notes.get(g.entitlement, ""),
            "state": _state(g, now),
            "seconds_left": int((_end(g, now) - now.at).total_seconds()),
        }
        for g in now.live
    ]
    late = [
        {
            "principal": held.entitlement.principal,
            "privilege": held.entitlement.privilege,
            "resource": held.entitlement.resource,
            "target": held.entitlement.target,
            "until": None if held.until is None else format_instant(held.until),
            # Of what was ended early nobody wrote down since when it should be gone.
            "seconds_late": int((now.at - held.until).total_seconds()) if held.until and held.until <= now.at else None,
            "grants": list(held.grants),
            "note": now.notes.get(held.entitlement, ""),
        }
        for held in _late(now)
    ]
    data = {
        "version": 1,
        "at": format_instant(now.at),
        "open": [gated_data(found) for found in now.waiting],
        "unread": [{"number": number, "message": message} for number, message in sorted(now.unread.items())],
        "grants": grants,
        "merged": [{"grant": grant, "what": what} for grant, what in sorted(now.landed.items())],
        "refused": [refused_json(one) for one in now.refused],
        "overdue": late,
        "denied": [denied_json(one) for one in now.denied],
    }
    return as_document(data)


_WHOLE = 20
"""So many grants are shown whole; what each of the others is stands in the last part all the same."""

_LINES = 200
"""So many lines of a file's difference are shown."""

Texts = Mapping[GrantId, tuple[str, str]]
"""What stood in a grant's file before, and what the request makes of it; "" where there is none."""


def show_text(report: Report, texts: Texts) -> str:
    """Write a request whole."""
    pull, verdicts = report.found.pull, report.found.verdicts
    catalogue = report.found.proposal.policy.catalogue
    by = pull.opened_by
    proof = "" if by.proved else ", whose signature is missing"
    lines = [
        f"#{pull.number} {pull.title}",
        f"  asked by  {_who(catalogue, by.handle) or by.name}{proof}, at {format_instant(pull.opened_at)}"
        + (f", in {pull.origin}" if pull.origin else ""),
        f"  branch    {pull.branch} at {pull.head}",
    ]
    for verdict in verdicts[:_WHOLE]:
        lines += ["", *_item_lines(report, verdict, texts.get(verdict.item.id, ("", "")))]
    left = len(verdicts) - _WHOLE
    lines += ["", f"{left} more grants are not shown whole"] if left > 0 else []
    return joined([*lines, ""]) + gated_text(report.found)


def _item_lines(report: Report, verdict: ItemVerdict, texts: tuple[str, str]) -> Iterator[str]:
    item = verdict.item
    grant = item.grant or item.old
    yield f"{item.kind}  {item.id}"
    if grant is not None:
        yield from (f"  {name:8}  {value}" for name, value in _rows(report, grant) if value)
    effects = [effect for effect in report.effects if effect.grant == item.id]
    if effects and report.found.pull.state == "open":
        yield "  once it is merged:"
        yield from (f"    {effect_line(effect)}" for effect in effects)
    before, after = (text.splitlines() for text in texts)
    diff = list(unified_diff(before, after, "main", "request", lineterm=""))
    if diff:
        yield "  the file:"
        yield from (f"    {line}" for line in diff[2 : _LINES + 2])
    if len(diff) > _LINES + 2:
        yield f"    … and {len(diff) - _LINES - 2} more lines: git diff main...{report.found.pull.head[:12]}"


def _rows(report: Report, grant: Grant) -> Iterator[tuple[str, str]]:
    catalogue = report.found.proposal.policy.catalogue
    resource = catalogue.resources.get(grant.resource)
    role = resource.roles.get(grant.role) if resource is not None else None
    yield "subject", _who(catalogue, grant.subject)
    about = [resource.title, resource.environment, resource.classification, *resource.data] if resource else []
    yield "resource", grant.resource + (f" ({', '.join(about)})" if about else "")
    yield "role", grant.role + (f" ({role.title})" if role is not None and role.title else "")
    window = grant.span.window
    length = format_duration(grant.span.length)
    if window is None:
        yield "window", f"{length}, from the merge on"
    else:
        yield "window", f"{format_instant(window.start)} until {format_instant(window.end)} ({length})"
    yield "reason", grant.reason
    yield "ticket", grant.ticket
    yield "purpose", grant.purpose


def _who(catalogue: Catalogue, handle: str) -> str:
    subject = catalogue.directory.subjects.get(handle)
    return f"{handle} ({subject.name})" if subject is not None and subject.name else handle
