"""One request and all that is going on: what the gate says, a request as who approves it must see it, and the status.

Every word of people goes through `joined`: nothing that they wrote acts on a terminal or passes for another line.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from daypass.core.ids import GrantId
from daypass.core.plan import Action
from daypass.core.request import Effect, Gated, ItemVerdict, Report
from daypass.core.state import Life, Overview
from daypass.core.window import format_duration, format_instant
from daypass.views.data import grant_data, plain, pull_data
from daypass.views.findings import as_output, finding_text, joined
from daypass.views.plan import bounds_of, denied_line, entitlement_text, task_line
from daypass.views.policy.chain import waiting_words
from daypass.views.policy.decision import (
    denial_lines,
    detail_text,
    effect_line,
    effect_when,
    grant_rows,
    guide_of,
    person,
    state_words,
    taking_words,
)
from daypass.views.told.life import life_lines, life_title
from daypass.views.told.words import gives_words, request_title

_KINDS = {"new": "grants", "widen": "widens", "narrow": "narrows", "remove": "removes"}


def gated_text(found: Gated, change: Iterable[str] = ()) -> str:
    """Write one pull request: what it would do, what counts, what is missing; ``change`` is what it changes of policies."""
    pull = found.pull
    lines = [
        f"#{pull.number} {pull.title}  ({pull.state}, by {pull.opened_by.handle or pull.opened_by.name}){_how(found)}"
    ]
    if found.emergency:
        lines.append("  EMERGENCY STOP")
    if pull.reason:
        lines.append(f"  reason: {pull.reason}")
    for finding in found.proposal.findings:
        lines += finding_text(finding, "  ").split("\n")
    lines += [f"  {line}" for line in change]
    for verdict in found.verdicts:
        lines += [f"  {line}" for line in _verdict_lines(verdict)]
    if found.merge is None and pull.draft and pull.state == "open":
        lines.append("  it is a draft: the gate waits until it is marked as ready for review")
    if found.refused:
        lines.append(f"  everything is there, and it was not merged: {found.refused}")
    elif found.merge is None and found.met and pull.state == "open":
        lines.append(f"  everything is there: `daypass gate {pull.number}` merges it")
    return joined(lines)


def _how(found: Gated) -> str:
    """Say how a request stands, in the words of its comment while it is open."""
    if found.merge is not None:
        return f": merged as {found.merge.commit[:12]} at {format_instant(found.merge.at)}"
    if found.closed:
        return f": {found.closed}" if found.closed.startswith("closed by ") else f": closed, {found.closed}"
    return f": {request_title(found)}" if found.verdicts or found.proposal.findings else ""


_UNSIGNED = " (not signed: nothing but the record says who it was)"


def _verdict_lines(verdict: ItemVerdict) -> list[str]:
    item = verdict.item
    details = item.grant.details if item.grant is not None else ()
    lines = [f"{_KINDS[item.kind]} {item.id}", *(f"  {name}: {detail_text(value)}" for name, value in details)]
    for problem in verdict.problems:
        lines += finding_text(problem, "  ").split("\n")
    if item.decision is None and verdict.judgement is None:
        return [*lines, f"  {taking_words(item)}; nobody needs to approve it"]
    if item.decision is not None and item.ending is not None:
        lines.append(f"  takes away access of {item.ending.subject} that this file gives now")
    if item.decision is None:
        lines.append(f"  {verdict.reviews or 'takes away access that who asks may not end alone (limits.end)'}")
    else:
        lines += [f"  {line}" for line in denial_lines(item.decision)]
    if verdict.judgement is None:
        if item.decision is not None and item.decision.automatic and not item.decision.denials:
            lines.append(f"  passes automatically ({', '.join(item.decision.rules)})")
        return lines
    lines += [f"  rejected by {r.by.handle}: {r.reason}" for r in verdict.judgement.rejections if r.reason]
    lines += [
        f"  approved by {c.who} for {c.source} at {c.review.commit[:12]}{'' if c.review.by.signed else _UNSIGNED}"
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
        lines += [
            f"    {status.source}: {waiting_words(status)}"
            for status in verdict.judgement.statuses
            if status.missing and (status.due or status.waits or verdict.judgement.chained)
        ]
    return lines


def gated_json(results: Iterable[Gated], **more: Any) -> str:
    """Write requests as they stand as JSON, version 1, with a verb's own facts beside them."""
    return as_output({"pulls": [pull_data(found) for found in results], **more})


def report_json(report: Report) -> str:
    """Write a request whole as JSON, version 1: as the gate does, with what its merge would do and whom to ask."""
    told = {"effects": plain(report.effects), "findings": plain(report.findings)}
    return gated_json([report.found], state=report.state, ask=list(report.ask), **told)


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
    for grant in now.granted:
        who = f"{grant.entitlement.principal if grant.entitlement else ''}  {grant.role} on {grant.resource}"
        lines.append(f"  {grant.grant:44} {who}  {state_words(grant, now.at)}")
    if now.landed:
        lines.append(f"{len(now.landed)} merged and not applied yet: `daypass apply`")
        lines += [f"  {grant:44} {what}" for grant, what in sorted(now.landed.items())]
    if now.refused:
        lines.append(f"{len(now.refused)} without proof, which give nothing:")
        lines += [f"  {refusal.grant:44} {refusal.message} [{refusal.code}]" for refusal in now.refused]
    lines += [denied_line(one) for one in now.denied]
    lines += [task_line(one) for one in now.tasks]
    if now.unreviewed:
        lines.append(f"{len(now.unreviewed)} given for an emergency and not reviewed yet:")
    for (name, _), one in now.unreviewed.items():
        due = f"to be reviewed by {format_instant(one.by)}"
        due += f", missing for {format_duration(now.at - one.by)}" if now.at > one.by else ""
        lines.append(f"  {name:44} {one.subject}  {one.role} on {one.resource}  {due}")
    late, bounds = now.overdue, bounds_of(now)
    if late:
        lines.append(f"{len(late)} that should be gone:")
    for gone in late:
        bound = next((bounds[grant] for grant in gone.grants if grant in bounds), "")
        since = f"ended early: {bound}" if bound else "no live grant gives it"
        if gone.until is not None and gone.until <= now.at:
            since = f"for {format_duration(now.at - gone.until)}" if now.at > gone.until else "since this instant"
        note = f"; {now.notes[gone.entitlement]}" if gone.entitlement in now.notes else ""
        lines.append(f"  {entitlement_text(gone.entitlement)}  {since}  [{', '.join(gone.grants)}]{note}")
    return joined(lines)


def status_json(now: Overview) -> str:
    """Write open requests, live grants, and what gives nothing (yet) as JSON, version 1."""
    bounds = bounds_of(now)
    late = [
        plain(held)
        | {
            # Of what was ended early nobody wrote down since when it should be gone.
            "seconds_late": int((now.at - held.until).total_seconds()) if held.until and held.until <= now.at else None,
            "note": now.notes.get(held.entitlement, ""),
            "bound": next((bounds[grant] for grant in held.grants if grant in bounds), ""),
        }
        for held in now.overdue
    ]
    data = {
        "at": format_instant(now.at),
        "open": [pull_data(found) for found in now.waiting],
        "unread": [{"number": number, "message": message} for number, message in sorted(now.unread.items())],
        "grants": [grant_data(grant, now.at) for grant in now.granted],
        "merged": [{"grant": grant, "what": what} for grant, what in sorted(now.landed.items())],
        "refused": plain(now.refused),
        "overdue": late,
        "denied": plain(now.denied),
        "tasks": plain(now.tasks),
        "unreviewed": [
            {"grant": grant, "subject": one.subject, "resource": one.resource, "role": one.role, "purpose": one.purpose}
            | {"requester": one.requester, "by": format_instant(one.by), "missing": one.by <= now.at}
            for (grant, _), one in now.unreviewed.items()
        ],
    }
    return as_output(data)


_WHOLE = 20
"""So many grants are shown whole; what each of the others is stands in the last part all the same."""

_LINES = 200
"""So many lines of a file's difference are shown."""

Texts = Mapping[GrantId, tuple[str, str]]
"""What stood in a grant's file before, and what the request makes of it; "" where there is none."""


def show_text(report: Report, texts: Texts, life: Life | None = None) -> str:
    """Write a request whole; ``life`` is how its grants stand since it was merged."""
    pull, verdicts = report.found.pull, report.found.verdicts
    catalogue = report.found.proposal.policy.catalogue
    by = pull.opened_by
    proof = "" if by.proved else ", whose signature is missing"
    lines = [
        f"#{pull.number} {pull.title}",
        f"  asked by  {person(catalogue, by.handle) or by.name}{proof}, at {format_instant(pull.opened_at)}"
        + (f", in {pull.origin}" if pull.origin else ""),
        f"  branch    {pull.branch} at {pull.head}",
    ]
    for verdict in verdicts[:_WHOLE]:
        lines += ["", *_item_lines(report, verdict, texts.get(verdict.item.id, ("", "")))]
    left = len(verdicts) - _WHOLE
    lines += ["", f"{left} more grants are not shown whole"] if left > 0 else []
    since = ["", f"since the merge: {life_title(life)}", *(f"  {line}" for line in life_lines(life))] if life else []
    return joined([*lines, *since, ""]) + gated_text(report.found)


def _item_lines(report: Report, verdict: ItemVerdict, texts: tuple[str, str]) -> Iterator[str]:
    item = verdict.item
    grant = item.grant or item.old
    yield f"{item.kind}  {item.id}"
    if grant is not None:
        rows = grant_rows(report.found.proposal.policy.catalogue, grant, str, _in_brackets)
        yield from (f"  {name:9} {value}" for name, value in rows)
        guide = guide_of(report.found.proposal.policy.catalogue, grant)
        yield from (f"  for reviewers: {guide}",) if guide else ()
    effects = [effect for effect in report.effects if effect.grant == item.id]
    if effects and report.found.pull.state == "open":
        yield "  once it is merged:"
        yield from (
            f"    {line}" for line in _effect_lines(report, effects, grant.subject if grant is not None else "")
        )
    from difflib import unified_diff  # noqa: PLC0415  (a status has no use for it)

    before, after = (text.splitlines() for text in texts)
    diff = list(unified_diff(before, after, "main", "request", lineterm=""))
    if diff:
        yield "  the file:"
        yield from (f"    {line}" for line in diff[2 : _LINES + 2])
    if len(diff) > _LINES + 2:
        yield f"    … and {len(diff) - _LINES - 2} more lines: git diff main...{report.found.pull.head[:12]}"


def _effect_lines(report: Report, effects: Iterable[Effect], subject: str) -> Iterator[str]:
    catalogue = report.found.proposal.policy.catalogue
    for effect in effects:
        words = gives_words(catalogue, effect.entitlement, person(catalogue, subject))
        taken = "ends: " if effect.action is Action.REMOVE else ""
        yield from (f"{taken}{words}, {effect_when(effect)}",) if words else ()
        yield effect_line(effect)


def _in_brackets(parts: Iterable[str]) -> str:
    return f" ({', '.join(parts)})"
