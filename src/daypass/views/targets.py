"""How targets are: what was seen there, where they are not as main says, what gives nothing, and what an import found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from daypass.core.finding import Finding
from daypass.core.grant import Grant
from daypass.core.ledger.receipt import Refusal
from daypass.core.plan import Claim, Entitlement, Failing, Plan
from daypass.core.planning.drift import Inspection, TargetState
from daypass.core.state import GrantState
from daypass.core.window import format_duration, format_instant
from daypass.views.data import plain
from daypass.views.findings import as_output, count, findings_text, joined
from daypass.views.markdown import code, prose, table
from daypass.views.plan import live_words
from daypass.views.policy.decision import grant_words


def targets_text(looks: Sequence[TargetState]) -> str:
    """Write how targets were found, for people on a terminal."""
    if not looks:
        return "The settings name no target.\n"
    return joined(line for look in looks for line in _lines(look))


def _lines(look: TargetState) -> Iterable[str]:
    yield f"{look.name}{f' ({look.kind})' if look.kind else ''}: {_state(look)}"
    yield from (f"  {fact}" for fact in look.facts)
    if look.skew is not None and abs(look.skew) < timedelta(seconds=1):  # many clocks are told to the second
        yield "  its clock agrees with ours"
    elif look.skew is not None:
        side = "ahead of" if look.skew > timedelta(0) else "behind"
        yield f"  its clock is {format_duration(abs(look.skew))} {side} ours"
    if look.ours is not None:
        more = "; `daypass drift` lists it" if look.unmanaged else ""
        yield f"  {look.ours} ours, {look.unmanaged} unmanaged{more}"
    if look.awaited:
        yield f"  {look.awaited} invited, awaiting acceptance: no access until then"
    yield from (f"  unknown: {why}" for why in look.unknown)
    yield from (f"  concern: {concern}" for concern in look.concerns)
    if look.error:
        yield f"  error: {look.error}"
        yield from [f"    hint: {look.hint}"] if look.hint else []


def _state(look: TargetState) -> str:
    if look.error:
        return "cannot be read" if look.facts else "not reachable"
    if not look.concerns:
        return "well" if look.ours is not None else "well, and what it holds nobody can see"
    return f"reachable, {count(len(look.concerns), 'concern')}"


def targets_json(looks: Sequence[TargetState]) -> str:
    """Write how targets were found, as JSON (version 1)."""
    return as_output({"targets": [_data(look) for look in looks]})


def _data(look: TargetState) -> dict[str, Any]:
    found: dict[str, Any] = plain(look)
    del found["skew"]
    skew = None if look.skew is None else look.skew.total_seconds()
    return found | {"reachable": not look.error or bool(look.facts), "clock_skew_seconds": skew}


_NOTHING: Mapping[str, Inspection | str] = MappingProxyType({})

MOST_DRIFTED = 200
"""How many are told one by one in an issue; the rest is counted."""


def drift_text(
    found: Sequence[Finding],
    plan: Plan,
    inspections: Mapping[str, Inspection | str] = _NOTHING,
    grants: Sequence[GrantState] = (),
) -> str:
    """Write drift for people on a terminal: what differs, how the grants stand that it is of, what was looked at.

    What nobody can see is said as well.
    """
    stand = [f"{count(len(grants), 'grant')} that this is of:"] if grants else []
    stand += [f"  {grant.grant:44} {grant_words(grant, plan.at)}" for grant in grants]
    rest = joined([*stand, *_seen(inspections)])
    if not found:
        return f"No drift: {live_words(plan)}, and nothing else was found where daypass looks.\n" + rest
    return findings_text(found) + f"{count(len(found), 'difference')}.\n" + rest


def _seen(inspections: Mapping[str, Inspection | str]) -> Iterator[str]:
    for name, one in sorted(inspections.items()):
        if not isinstance(one, str):
            yield f"{name}"
            yield from (f"  looked at: {what}" for what in one.looked)
            yield from (f"  not seen:  {what}" for what in one.unseen)


def inspections_data(inspections: Mapping[str, Inspection | str]) -> dict[str, Any]:
    """Return what was looked at, by target, as plain data."""
    return {
        name: {"error": one} if isinstance(one, str) else {"looked": list(one.looked), "unseen": list(one.unseen)}
        for name, one in sorted(inspections.items())
    }


def drift_markdown(
    found: Sequence[Finding],
    at: datetime,
    inspections: Mapping[str, Inspection | str] = _NOTHING,
    grants: Sequence[GrantState] = (),
) -> str:
    """Write drift as Markdown: what differs and what to do, in the order of the findings, then how grants stand.

    What was looked at comes last.
    """
    seen = "".join(f"- {prose(line)}\n" for line in _seen(inspections))
    if not found:
        return f"No drift at {format_instant(at)}.\n" + (f"\n{seen}" if seen else "")
    lines = [f"The targets are not as main says. Seen at {format_instant(at)}.", ""]
    for finding in found[:MOST_DRIFTED]:
        lines.append(f"- {code(finding.code)} {prose(finding.message)}")
        if finding.hint:
            lines.append(f"  → {prose(finding.hint)}")
    if len(found) > MOST_DRIFTED:
        lines.append(f"- and {len(found) - MOST_DRIFTED} more; `daypass drift` lists them all")
    lines += ["", "How the grants stand that this is of:", ""] if grants else []
    lines += [f"- {code(grant.grant)} {prose(grant_words(grant, at))}" for grant in grants[:MOST_DRIFTED]]
    if len(grants) > MOST_DRIFTED:
        lines.append(f"- and {len(grants) - MOST_DRIFTED} more; `daypass drift` lists them all")
    return "\n".join(lines) + "\n" + (f"\nWhat was looked at:\n\n{seen}" if seen else "")


MOST_REFUSED = 100
"""How many are told one by one; the rest is counted."""


def refused_markdown(
    refusals: Sequence[Refusal],
    unproved: Sequence[Refusal],
    blocked: Sequence[Claim],
    failing: Sequence[Failing] = (),
) -> str:
    """Write what was refused, with what was seen; "" where nothing was, so that the issue can be closed.

    ``unproved`` are those that later runs try again, and ``failing`` what a target did not take, tried again ever more seldom.
    """
    if not refusals and not unproved and not blocked and not failing:
        return ""
    rows = [(code(r.grant), code(r.code), prose(r.message), code(r.landing), code(r.blob)) for r in refusals]
    rows += [(code(u.grant), code("unproved"), prose(u.message), code(""), code("")) for u in unproved]
    rows += [(code(c.grant), code("blocked"), prose(c.blocked.value), code(""), code("")) for c in blocked if c.blocked]
    rows += [
        (code(", ".join(one.change.grants)), code("failing"), prose(one.error), code(""), code("")) for one in failing
    ]
    lines = [
        "These grants stand on main and give no access, each for what was seen of it.",
        "",
        table(("grant", "code", "what was seen", "commit", "file"), rows[:MOST_REFUSED]),
    ]
    lines += [f"and {len(rows) - MOST_REFUSED} more; `daypass plan` lists them all"] if len(rows) > MOST_REFUSED else []
    lines += [
        "",
        "What may help: remove the file and ask again with a pull request of its own, which its owners approve.",
        "If nobody of you put it there, find out who did: look at the commit, and at who pushed it.",
    ]
    return "\n".join(lines) + "\n"


Row = tuple[Entitlement, Grant, str, bool, bool]
"""What is taken: the access, its grant, what the end comes from, whether an earlier end is ruled out, whether it stays."""

_UNDATED = "whether it had an end of its own before is not known to the target"
_BESIDE = "what is there stays beside the grant's: take it away at the target once this is applied"


def import_text(taken: Iterable[Row], left: Iterable[tuple[Entitlement, str]], granted: int) -> str:
    """Write what becomes a grant and what does not, with the reasons."""
    lines = []
    for entitlement, grant, why, dated, beside in taken:
        lines.append(f"  taken  {entitlement.principal}  {grant.subject} {grant.role}, {_end(grant, why)}")
        lines.append(f"         {grant.path}")
        lines += [f"         {note}" for note in _notes(dated=dated, beside=beside)]
    for entitlement, why in left:
        lines.append(f"  left   {entitlement.principal}  {entitlement.privilege}: {why}")
    if granted:
        lines.append(f"  {granted} are granted on main already; `daypass apply` takes them over")
    return joined(lines)


def import_json(
    resource: str, taken: Iterable[Row], left: Iterable[tuple[Entitlement, str]], granted: int, pull: int | None
) -> str:
    """Write the same as JSON, version 1, with the pull request that proposes it, None where none does."""
    rows = [
        {"grant": grant.id, "subject": grant.subject, "role": grant.role, **plain(entitlement)}
        | {"until": plain(grant.span.window.end if grant.span.window is not None else None)}
        | {"why": why, "dated": dated, "beside": beside}
        for entitlement, grant, why, dated, beside in taken
    ]
    rest = [plain(entitlement) | {"why": why} for entitlement, why in left]
    told = {"resource": resource, "pull": pull, "taken": rows, "left": rest, "granted": granted}
    return as_output(told)


def import_body(resource: str, taken: Iterable[Row], left: Iterable[tuple[Entitlement, str]]) -> str:
    """Write the pull request's text, in Markdown."""
    lines = [
        f"Access to {code(resource)} that is there already and that no grant gave, as one grant each.",
        "",
        "Delete the file of whatever should not be granted: that access then stays as it is, reported as unmanaged, until",
        "somebody takes it away at the target. Shorten a window in its file. What is merged is ours from the next apply on,",
        "and ends with its grant. Nothing is taken away by merging this.",
        "",
    ]
    for entitlement, grant, why, dated, beside in taken:
        notes = "".join(f"; {note}" for note in _notes(dated=dated, beside=beside))
        lines.append(
            f"- {code(grant.subject)} ({code(entitlement.principal)}) {code(grant.role)}, {_end(grant, why)}{notes}"
        )
    rest = [f"- {code(e.principal)} {code(e.privilege)}: {code(why)}" for e, why in left]
    if rest:
        lines += ["", "Left as it is:", "", *rest]
    return "\n".join(lines) + "\n"


def _end(grant: Grant, why: str) -> str:
    window = grant.span.window
    assert window is not None  # noqa: S101  (an import has a window of its own)
    return f"until {format_instant(window.end)} ({why} then)"


def _notes(*, dated: bool, beside: bool) -> list[str]:
    return [*([] if dated else [_UNDATED]), *([_BESIDE] if beside else [])]
