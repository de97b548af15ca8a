"""One grant of an open request, as its reviewers read it: in words, who is still to approve it, and as the machine reads it.

Words come first and JSON last; nothing is wider than a phone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from daypass.core.approval.judgement import Ignored, Status
from daypass.core.catalogue import Catalogue
from daypass.core.grant import Grant
from daypass.core.plan import Action
from daypass.core.policy.requirement import Requirement
from daypass.core.request import Effect, Item, Report
from daypass.core.state import GrantState
from daypass.core.window import format_duration, format_instant
from daypass.views.findings import count
from daypass.views.markdown import code, fence, folded, prose, table
from daypass.views.policy.chain import later_lines, waiting_words
from daypass.views.policy.decision import effect_line, effect_when, grant_rows, guide_of, taking_words
from daypass.views.told.names import account_named, mention, people_named
from daypass.views.told.words import gives_words


def grant_words(report: Report, grant: GrantState, item: Item) -> str:
    """Say what one grant comes to, and whose approval it waits for or has."""
    catalogue = report.found.proposal.policy.catalogue
    effects = [effect for effect in report.effects if effect.grant == item.id]
    parts = [*_meaning(catalogue, item, effects)]
    judged = bool(grant.approvals or grant.blocks)
    parts += _taking(report, item, judged=judged)
    if judged:
        parts += _approvals(catalogue, grant, item.decision.requirements if item.decision is not None else ())
    elif item.decision is not None and item.decision.automatic:
        parts.append(f"It passes without a person, by rule {', '.join(map(code, item.decision.rules)) or 'none'}.")
    return "\n\n".join(parts)


def grant_details(report: Report, item: Item, *, fold: bool) -> str:
    """Write what the machine reads of one grant. ``fold``: the changes at the target are shown by a click."""
    catalogue = report.found.proposal.policy.catalogue
    effects = [effect for effect in report.effects if effect.grant == item.id]
    parts = []
    if item.grant is not None:
        parts.append(table(("grant", "as daypass reads it"), grant_rows(catalogue, item.grant, code, _after_dots)))
    if effects:
        told = fence([effect_line(effect) for effect in effects], "diff")
        parts += [folded("What the merge changes at the target", told)] if fold else [told]
    return "\n\n".join(parts)


def _meaning(catalogue: Catalogue, item: Item, effects: Sequence[Effect]) -> Iterator[str]:
    """Yield what it comes to, in words: who gets or loses what, for how long and why, and what changes of it."""
    grant = item.grant or item.old
    subject = grant.subject if grant is not None else ""
    lines = [_effect(catalogue, effect, subject) for effect in effects]
    if len(lines) > 1:
        yield "\n".join(f"- {line}" for line in lines)
    else:
        yield from lines
    if item.grant is not None and not lines:
        # What policy cannot read as access gives none; it is named all the same.
        yield f"{code(item.grant.subject)} asks for {code(item.grant.role)} on {code(item.grant.resource)}."
    if item.grant is not None:
        ticket = f" ({code(item.grant.ticket)})" if item.grant.ticket else ""
        yield f"**Why:** {prose(item.grant.reason)}{ticket}"
    if item.old is not None and item.grant is not None:
        yield from _difference(catalogue, item.old, item.grant, effects)
    if item.grant is not None and (guide := guide_of(catalogue, item.grant)):
        yield f"**For reviewers:** {prose(guide)}"


def _effect(catalogue: Catalogue, effect: Effect, subject: str) -> str:
    given = effect.entitlement
    known = catalogue.directory.subjects.get(subject)
    words = gives_words(catalogue, given, known.name if known is not None and known.name else subject)
    unsaid = f"{code(given.principal)}: {code(given.privilege)} at {code(given.resource)}"
    sign = "Ends: " if effect.action is Action.REMOVE else ""
    by = ", ".join(map(code, effect.others))
    others = f" (also given by {by})" if by else ""
    what = f"**{sign}{prose(words) if words else unsaid}**{_where(catalogue, given.resource)}"
    return f"{what}, {prose(effect_when(effect))}{others}."


def _where(catalogue: Catalogue, name: str) -> str:
    """Say what a resource is, and how much is at stake there."""
    resource = catalogue.resources.get(name)
    if resource is None:
        return ""
    said = [resource.title, resource.environment, resource.classification]
    return f" ({', '.join(prose(word) for word in said if word)})"


def _difference(catalogue: Catalogue, old: Grant, new: Grant, effects: Sequence[Effect]) -> Iterator[str]:
    """Yield what a change of a grant comes to: until when it was and will be, what else changes, and what stays."""
    lines = [line for effect in effects for line in _moved(effect)]
    before, after = (dict(grant_rows(catalogue, grant, code, lambda _: "")) for grant in (old, new))
    said = ("reason", "ticket", *(("window",) if lines and old.span.recurs == new.span.recurs else ()))
    names = [name for name in {**before, **after} if name not in said]
    changed = [name for name in names if before.get(name) != after.get(name)]
    lines += [f"{name}: was {before.get(name, 'not there')}, now {after.get(name, 'not there')}" for name in changed]
    if lines:
        yield "**What changes:**\n\n" + "\n".join(f"- {line}" for line in lines)
    stays = [name for name in names if name not in changed]
    if stays:
        yield f"**What stays:** {', '.join(f'{name} {before[name]}' for name in stays)}"


def _moved(effect: Effect) -> Iterator[str]:
    if effect.before is None or effect.span is None or effect.span.window is None or effect.action is Action.REMOVE:
        return
    was, now = effect.before.end, effect.span.window.end
    if was != now:
        by = f"{format_duration(abs(now - was))} {'longer' if now > was else 'shorter'}"
        yield f"was until {code(format_instant(was))}, **now until {code(format_instant(now))}**: {by}"


def _taking(report: Report, item: Item, *, judged: bool) -> Iterator[str]:
    """Yield what is taken away by it, and whether anybody needs to approve that."""
    if item.decision is not None:
        if item.ending is not None:
            yield f"It takes away access of {code(item.ending.subject)} that this file gives now."
    elif not judged:
        what = taking_words(item)
        yield f"{what[:1].upper()}{what[1:]}. Nobody needs to approve it."
    else:
        told = next((one.reviews for one in report.found.verdicts if one.item.id == item.id), "")
        yield f"It {told or 'takes away access that who asks may not end alone, so it waits for an owner'}."


def _after_dots(parts: Iterable[str]) -> str:
    return "".join(f" · {prose(part)}" for part in parts)


def _approvals(catalogue: Catalogue, grant: GrantState, asked: Sequence[Requirement]) -> list[str]:
    rules = {requirement.source: requirement for requirement in asked}
    first = sorted(grant.approvals, key=lambda status: not status.missing)
    lines = [_approval(catalogue, status, rules.get(status.source)) for status in first]
    parts = ["\n".join(lines)] if lines else []
    parts += _stages(grant.approvals, rules)
    ignored = [line for one in grant.ignored if (line := _ignored(catalogue, one))]
    return [*parts, "\n".join(ignored)] if ignored else parts


def _approval(catalogue: Catalogue, status: Status, requirement: Requirement | None) -> str:
    """Say of whom an approval is missing and who could give it, or who gave it."""
    source = code(requirement.asked if requirement is not None else status.source)
    rules = f" ({', '.join(map(code, requirement.rules))})" if requirement is not None and requirement.rules else ""
    given = people_named(catalogue, status.approved_by) if status.approved_by else ""
    acting = "".join(f"; {code(by)} for {code(of)}" for by, of in status.acting)
    if not status.missing:
        return f"- {source}: approved by {given}{acting}{rules}" if given else f"- {source}: nothing is missing{rules}"
    who = people_named(catalogue, status.could, " or ")
    if status.joining and status.joining_at is not None:
        later = people_named(catalogue, status.joining, " or ")
        who = f"{who}; from {code(format_instant(status.joining_at))} on also {later}"
    so_far = f", so far by {given}{acting}" if given else ""
    return f"- **missing: {count(status.missing, 'approval')} from {source}**, by {who}{so_far}{rules}"


def _stages(approvals: Sequence[Status], asked: Mapping[str, Requirement]) -> list[str]:
    """Say in which order approvals are asked for, what each waits for since when, and what comes when nobody answers."""
    if not any(status.after for status in approvals):
        told = [f"- {code(one.source)}: {waiting_words(one, code)}" for one in approvals if one.due]
        return ["**Until it is answered:**", "\n".join(told)] if told else []
    lines = []
    for place, status in enumerate(approvals, 1):
        how = waiting_words(status, code) if status.missing else "met" + _early(status)
        lines.append(f"{place}. {code(status.source)}: {how}")
        plan = later_lines(asked[status.source]) if status.source in asked and status.waits and status.missing else ()
        lines += [f"   - {prose(line)}" for line in plan]
    return ["**Asked in this order:**", "\n".join(lines)]


def _early(status: Status) -> str:
    return f", which counts once {' and '.join(map(code, status.waits))} is met" if status.waits else ""


def _ignored(catalogue: Catalogue, ignored: Ignored) -> str:
    """Tell the reviewer why their review does not count. One that they replaced themselves needs no word."""
    by = ignored.review.by
    if ignored.why.endswith("reviewed again later"):
        return ""
    who = mention(catalogue, by.handle) if by.handle else account_named(catalogue, by)
    what = {"approved": "approval", "rejected": "rejection"}.get(ignored.review.state, "review")
    why = ignored.why if ignored.why.endswith((".", "!", "?")) else f"{ignored.why}."
    return f"- {who}, your {what} does not count: {prose(why)}{_advice(ignored)}"


def _advice(ignored: Ignored) -> str:
    """Say what the reviewer can do; where nothing, that it is nothing."""
    if ignored.again:
        return " Please look at what stands here now and approve again."
    if "the directory does not know" in ignored.why:
        return " Somebody who owns the directory can add the account by its id."
    return ""
