"""A plan and what came of it, as text and JSON, down to what was handed over to whom."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from daypass.core.bounds.watch import EndingTask
from daypass.core.ledger.receipt import Intent, Outcome, Receipt
from daypass.core.ledger.statement import kind_of
from daypass.core.plan import THERE_BEFORE, Action, Claim, Denied, Doubt, Entitlement, Failing, Intended, Plan
from daypass.core.planning.drift import why_words
from daypass.core.planning.holdback import Braked
from daypass.core.state import Overview
from daypass.core.window import format_duration, format_instant
from daypass.views.data import change_data, grant_data, plain
from daypass.views.findings import as_output, joined

SIGN = {Action.REMOVE: "-", Action.ADD: "+"}
"""What a change's line begins with."""


def plan_text(plan: Plan, told: Overview, invalid: Iterable[str] = (), braked: Braked | None = None) -> str:
    """Write a plan for people: header, removals, additions, what the brake would hold, what gives nothing and why.

    ``told`` is how the grants stand that it speaks of.
    """
    lines = [f"Plan at {format_instant(plan.at)}, main {plan.main[:12]}"]
    bounds = bounds_of(told)
    lines += [f"  {change_line(change, plan, bounds)}" for change in plan.changes]
    removals = sum(1 for change in plan.changes if change.action is Action.REMOVE)
    if plan.changes:
        there_before = sum(1 for change in plan.changes if change.reason in THERE_BEFORE)
        there = f", {there_before} there already to be told anew" if there_before else ""
        opened = len(plan.changes) - removals - there_before
        lines.append(f"{removals} to remove, {opened} to add{there}; digest {plan.digest[:19]}…")
    else:
        lines.append(_calm(plan))
    if braked is not None and braked.held:
        lines.append(f"{braked.message}: `daypass apply` would keep {len(braked.held)} of these back")
        lines.append(f"  if they are meant: daypass apply --confirm {plan.digest}")
    lines += _notes(plan, told, invalid)
    return joined(lines)


def bounds_of(told: Overview) -> dict[str, str]:
    """Return of each grant what ends it before its own window does; those that nothing does are not there."""
    return {claim.grant: claim.bound for claim in told.claims.values() if claim.bound}


def _calm(plan: Plan) -> str:
    """Say that nothing is to be done, and no more than was seen: what could not be read is not as it should be."""
    if plan.unreadable:
        return f"Nothing to do where it could be read; {', '.join(plan.unreadable)} could not be, so nobody can tell there."
    counts = (
        (plan.offered, "awaiting acceptance"),
        (plan.unknown, "that nobody can tell of"),
        (plan.failing, "failing, to be tried again later"),
    )
    but = " and ".join(f"{len(those)} {what}" for those, what in counts if those)
    return f"No changes: {live_words(plan)}{f', {but}' if but else ''}."


def live_words(plan: Plan) -> str:
    """Say how many were seen to be as they should be, and of how many the ledger's word is all there is."""
    seen = plan.live - plan.by_ledger
    told = f"{plan.by_ledger} live by the ledger's word, at targets that nobody can look at"
    return f"{seen} live as they should be" + (f", {told}" if plan.by_ledger else "")


def change_line(change: Intended, plan: Plan | None = None, bounds: Mapping[str, str] = MappingProxyType({})) -> str:
    """Write one change: sign, who, what, where, which grants, why. ``bounds`` say of a grant what ends it early."""
    bound = next((bounds[grant] for grant in change.grants if grant in bounds), "")
    text = f"{SIGN[change.action]} {entitlement_text(change.entitlement)}  {why_words(change, bounds)}"
    if change.action is Action.ADD and change.until is not None:
        text += f", until {format_instant(change.until)}" + (f" ({bound})" if bound else "")
    if change.action is Action.REMOVE and plan is not None and change.due < plan.at:
        text += f" at {format_instant(change.due)}, {format_duration(plan.at - change.due)} ago"
    return text + (f"  [{', '.join(change.grants)}]" if change.grants else "")


def _notes(plan: Plan, told: Overview, invalid: Iterable[str]) -> list[str]:
    lines = [f"refused  {refusal.grant}: {refusal.message} [{refusal.code}]" for refusal in told.refused]
    lines += [f"invalid  {line}" for line in invalid]
    lines += [f"blocked  {claim.grant}: {claim.blocked.value}" for claim in plan.blocked if claim.blocked]
    lines += [f"waiting  {claim.grant}: {_opens(claim, plan.at)}" for claim in plan.waiting]
    lines += [f"renewed  {grant}: each interval hands over a new {what}" for grant, what in told.renewed.items()]
    for target, why in plan.unreadable.items():
        lines.append(f"unread   {target}: {why.removeprefix(f'target {target}: ')}; nothing is planned there")
    lines += [f"lost     {change_line(change)[2:]}; left so" for change in plan.lost]
    lines += [failing_line(one) for one in plan.failing]
    lines += [denied_line(one) for one in plan.denied]
    lines += [task_line(one) for one in plan.tasks]
    lines += [f"unknown  {entitlement_text(d.entitlement)}: {d.why}{_givers(d)}" for d in plan.unknown]
    lines += [f"renamed  {entitlement_text(d.entitlement)}: {d.why}{_givers(d)}" for d in plan.renamed]
    lines += [f"invited  {entitlement_text(entitlement)}; awaiting acceptance" for entitlement in plan.offered]
    lines += [f"not ours {entitlement_text(entitlement)}; left alone" for entitlement in plan.unmanaged]
    return lines


def _opens(claim: Claim, at: datetime) -> str:
    """Say when a grant gives something again, and how often it still will where its window recurs."""
    window = claim.window
    now = window.ahead(at) or window
    place = window.intervals.index(now) + 1 if window.parts else 0
    return f"opens {format_instant(now.start)}" + (f", interval {place} of {len(window.parts)}" if place else "")


def failing_line(one: Failing) -> str:
    """Write what has failed, since when and how, and when it is tried again."""
    since, again = format_instant(one.since), format_instant(one.again)
    return f"failing  {change_line(one.change)[2:]}: {one.error}; since {since}, tried again from {again}"


def denied_line(one: Denied) -> str:
    """Write that policy denies what is live."""
    until = "the next run ends it" if one.ends else "it goes on until its window ends"
    return f"denied   {one.grant}: live, and policy denies it today: {one.said}; {until}"


def task_line(one: EndingTask) -> str:
    """Write that what a grant was for is done, or that nobody can tell."""
    if one.came is not None:
        return f"done     {one.grant}: {one.said}, which ends it"
    return f"unlooked {one.grant}: {one.key} {one.what}: {one.unknown}; it goes on until its window ends"


def entitlement_text(entitlement: Entitlement) -> str:
    """Write who has what, on which resource, at which target."""
    return f"{entitlement.principal}  {entitlement.privilege}  on {entitlement.resource} ({entitlement.target})"


def _givers(doubt: Doubt) -> str:
    return f"  [{', '.join(doubt.grants)}]" if doubt.grants else ""


def plan_data(plan: Plan, told: Overview, invalid: Iterable[str] = ()) -> dict[str, Any]:
    """Return a plan as plain data, version 1, with an account of each grant that it speaks of."""
    found: dict[str, Any] = plain(plan)
    del found["gone"]  # what is left to do about it is among the changes
    return {
        "version": 1,
        **found,
        "digest": plan.digest,
        "grants": [grant_data(grant, plan.at) for grant in told.grants],
        "blocked": [plain(claim) | {"reason": claim.blocked.value if claim.blocked else ""} for claim in plan.blocked],
        "refused": plain(told.refused),
        "invalid": list(invalid),
    }


def plan_json(plan: Plan, told: Overview, invalid: Iterable[str] = (), braked: Braked | None = None) -> str:
    """Write a plan as JSON; ``brake`` says what apply would keep back, and why."""
    brake = {"message": braked.message if braked else "", "held": plain(braked.held if braked else ())}
    return as_output(plan_data(plan, told, invalid) | {"brake": brake})


def outcome_line(outcome: Outcome, bounds: Mapping[str, str] = MappingProxyType({})) -> str:
    """Write what came of one change; ``bounds`` as in `change_line`."""
    mark = "ok  " if outcome.ok else "open" if outcome.recovered else "FAIL"
    text = f"{mark} {change_line(outcome.change, bounds=bounds)}"
    if outcome.recovered:
        text += "  (left open by an earlier run)"
    return text + (f": {outcome.error}" if outcome.error else "")


def applied_text(
    plan: Plan,
    outcomes: Iterable[Outcome],
    held: Iterable[Intended],
    told: Overview,
    invalid: Iterable[str] = (),
) -> str:
    """Write what a run did for people."""
    done = list(outcomes)
    lines = [f"Applied at {format_instant(plan.at)}, main {plan.main[:12]}"]
    bounds = bounds_of(told)
    lines += [f"  {outcome_line(outcome, bounds)}" for outcome in done]
    lines += [f"  HELD {change_line(change, bounds=bounds)}" for change in held]
    if not done and not list(held):
        lines.append(_calm(plan))
    lines += _notes(plan, told, invalid)
    return joined(lines)


def applied_data(
    plan: Plan,
    outcomes: Iterable[Outcome],
    held: Iterable[Intended],
    told: Overview,
    invalid: Iterable[str] = (),
) -> dict[str, Any]:
    """Return what a run did as plain data, version 1: the plan, plus ``outcomes`` and ``held``."""
    data = plan_data(plan, told, invalid)
    data["outcomes"] = [plain(o.change) | {"ok": o.ok, "error": o.error, "recovered": o.recovered} for o in outcomes]
    data["held"] = plain(held)
    return data


def heartbeat_text(last: datetime | None, age: timedelta | None, limit: timedelta, *, alive: bool) -> str:
    """Say in a line when the last run left its mark in the ledger, and whether that is too long ago."""
    if last is None or age is None:
        return "No run is in the ledger."
    if age < timedelta(0):
        return f"The last run is dated {format_instant(last)}, which is still to come: a clock is wrong."
    ago = f"{format_duration(age)} ago" if age else "this instant"
    late = "" if alive else f", more than the {format_duration(limit)} that it may be"
    return f"The last run in the ledger was at {format_instant(last)}, {ago}{late}."


def certificate_text(
    *,
    serial: int,
    resource: str,
    until: datetime,
    principals: Sequence[str],
    critical: Mapping[str, str],
    file: str = "",
) -> str:
    """Tell what a certificate is good for, and how ssh is told to use it; ``file`` is where it lies."""
    lines = [
        f"SSH certificate {serial} for {resource}: logs in as {', '.join(principals)} until {format_instant(until)}"
    ]
    if "source-address" in critical:
        lines.append(f"  only from {critical['source-address']}")
    if "force-command" in critical:
        lines.append(f"  runs only: {critical['force-command']}")
    if file:
        lines.append(f"  hint: ssh -o CertificateFile={file} -i YOUR-KEY USER@HOST")
    return joined(lines)


def sealed_text(*, resource: str, until: datetime, file: str = "") -> str:
    """Tell how a secret that is encrypted to the subject's key is opened."""
    return joined(
        [
            f"A secret for {resource}, encrypted to your own key, good until {format_instant(until)}",
            f"  hint: age -d -i ~/.ssh/id_ed25519 {file or 'FILE'}",
        ]
    )


def serial_json(serial: int, receipt: Receipt, outcome: Outcome) -> str:
    """Write the same as JSON, version 1."""
    told = {"serial": serial, "receipt": receipt.sequence, "at": format_instant(receipt.at)}
    return as_output(told | {"change": plain(outcome.change)})


def serial_text(serial: int, receipt: Receipt, outcome: Outcome) -> str:
    """Tell whose certificate a serial number is, and what gave it."""
    change = outcome.change
    until = f", until {format_instant(change.until)}" if change.until is not None else ""
    return joined(
        [
            f"Certificate {serial}: {change.entitlement.principal} on {change.entitlement.resource}"
            f" ({change.entitlement.target}){until}",
            *(f"  grant {grant}" for grant in change.grants),
            f"  receipt {receipt.sequence}, handed over at {format_instant(receipt.at)}",
        ]
    )


def outbox_text(path: str, told: Sequence[tuple[int, Receipt | None]], why: str, width: int = 0) -> str:
    """Tell what an outbox holds, receipt by receipt, and why no run records it ("": one will)."""
    from daypass.views.audit import table  # noqa: PLC0415  (plans need none of it)

    count = f"{len(told)} receipt{'s' * (len(told) != 1)}"
    said = "" if why else " for the next run that reaches the remote" if told else ": nothing waits"
    lines = [f"{path}: {count}{said}", *table(("RECEIPT", "KIND", "AT", "GRANTS", "WHAT"), told, _outbox_cells, width)]
    return joined([*lines, *([f"No run records this: {why}"] if why else [])])


def _outbox_cells(told: tuple[int, Receipt | None]) -> tuple[str, ...]:
    number, receipt = told
    if receipt is None:
        return (str(number), "?", "", "", "this is no receipt")
    changes = _changes(receipt)
    failed = isinstance(receipt.body, Outcome) and not receipt.body.ok
    what = [
        f"{c.action.value} {c.entitlement.principal} on {c.entitlement.resource} ({c.entitlement.target})"
        for c in changes
    ]
    grants = dict.fromkeys(grant for change in changes for grant in change.grants)
    return (
        str(number),
        kind_of(receipt.body),
        format_instant(receipt.run_at),
        ", ".join(grants),
        "; ".join(what) + ": failed" * failed,
    )


def _changes(receipt: Receipt) -> tuple[Intended, ...]:
    body = receipt.body
    return body.changes if isinstance(body, Intent) else (body.change,) if isinstance(body, Outcome) else ()


def outbox_json(path: str, told: Sequence[tuple[int, Receipt | None]], why: str, hint: str, moved: str) -> str:
    """Tell the same as JSON, version 1; ``moved`` is where it was set aside, "" where it was not."""
    rows = [{"receipt": number, **(_outbox_row(receipt) if receipt else _NO_RECEIPT)} for number, receipt in told]
    return as_output({"path": path, "receipts": rows, "why": why, "hint": hint, "set_aside": moved})


_NO_RECEIPT: Mapping[str, Any] = {"kind": "", "at": None, "run": "", "ok": None, "changes": []}


def _outbox_row(receipt: Receipt) -> dict[str, Any]:
    body = receipt.body
    return {
        "kind": kind_of(body),
        "at": format_instant(receipt.run_at),
        "run": receipt.run,
        "ok": body.ok if isinstance(body, Outcome) else None,
        "changes": [change_data(change) for change in _changes(receipt)],
    }
