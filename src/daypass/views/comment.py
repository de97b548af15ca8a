"""A pull request's comment: the decision in plain words, the grant as the machine reads it, approvals, plan and faults.

Reviewers approve what stands here, so every grant is shown as it was parsed, and every word of people goes through
`daypass.views.markdown`. The text depends on the request and on nothing that passes with time, so that it changes only
when something has happened.

What does not fit is folded by whole rows and sections: what comes first is the gravest, and a count stands for the rest.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct

from daypass.core.approval.judgement import Ignored, Status
from daypass.core.catalogue import Catalogue
from daypass.core.finding import Finding
from daypass.core.policy.requirement import Requirement
from daypass.core.policy.sources import REVOCATION
from daypass.core.request import Gated, Item, Nudge, Report
from daypass.core.state import GrantState, requested
from daypass.core.window import format_instant
from daypass.views.findings import count
from daypass.views.markdown import code, fence, folded, html_code, prose, table
from daypass.views.policy.chain import later_lines, waiting_words
from daypass.views.policy.decision import effect_line, grant_rows, guide_of, request_words, taking_words
from daypass.views.told.names import account_named, people_named
from daypass.views.told.words import request_title

COMMENT_LIMIT = 60_000
"""Bytes. A comment and a check run's summary take 65,536 characters; the rest is for what a pages puts around it."""

SUMMARY_LIMIT = 900_000
"""Bytes. A step's summary takes 1 MiB and is dropped whole when it is longer.

https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands#adding-a-job-summary
"""

_SPARE = 1_000
"""Bytes for the lines that say what was left out."""

_OPEN = 3
"""How many grants are shown without a click."""

_LOGIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,38})")
_KIND = {
    "new": "a new grant",
    "widen": "gives more than before",
    "narrow": "gives less than before",
    "remove": "takes a grant away",
}


class _Part(Struct, frozen=True):
    """A heading and units that stay whole; ``rest`` says what those are that do not fit."""

    heading: str
    units: tuple[str, ...]
    rest: str
    joint: str = "\n"


def title_text(report: Report) -> str:
    """Say in a line how a pull request stands. No word of people is in it."""
    return request_title(report.found)


def comment_text(report: Report, *, limit: int = COMMENT_LIMIT, pointer: str = "") -> str:
    """Write the whole story of a pull request in at most ``limit`` bytes. ``pointer`` says where more of it is."""
    pointer = pointer or "the summary of the run that wrote this has all"
    footer = _footer(report)
    head = f"### daypass: {title_text(report)}\n\n{_lead(report)}"
    out, room = [head], limit - _size(head) - _size(footer) - _SPARE
    for part in _parts(report):
        fitting = _fit(part, room, pointer)
        room -= _size(fitting) + 2
        out += [fitting] if fitting else []
    return "\n\n".join([*out, footer]) + "\n"


def _size(text: str) -> int:
    return len(text.encode())


def _fit(part: _Part, room: int, pointer: str) -> str:
    """Write as many of a part's units as there is room for, from the first on, then how many more there are."""
    taken: list[str] = []
    room -= _size(part.heading) + len(pointer) + len(part.rest) + 40
    for unit in part.units:
        room -= _size(unit) + len(part.joint)
        if room < 0:
            break
        taken.append(unit)
    left = len(part.units) - len(taken)
    more = f"\n\n*… and {left} more {part.rest}: {pointer}.*" if left else ""
    return f"{part.heading}\n\n{part.joint.join(taken)}".strip() + more


def _parts(report: Report) -> Iterator[_Part]:
    grants = requested(report.found)
    blocks = tuple(dict.fromkeys(line for grant in grants for line in grant.blocks))
    if blocks:
        yield _Part(
            "**What forbids the merge, whoever else approves:**", tuple(f"- {prose(b)}" for b in blocks), "reasons"
        )
    if report.findings:
        units = tuple(_finding(finding) for finding in report.findings)
        yield _Part("**To put right:**", units, "findings")
    if grants:
        few = len(grants) <= _OPEN
        told = zip(grants, report.found.verdicts, strict=True)
        sections = ((grant, _section(report, grant, verdict.item)) for grant, verdict in told)
        units = tuple(
            f"#### {code(grant.grant)}: {_title(grant, len(grants))}\n\n{body}"
            if few
            else folded(f"{html_code(grant.grant)}: {_title(grant, len(grants))}", body)
            for grant, body in sections
        )
        yield _Part("" if few else f"**{len(grants)} grants:**", units, "grants", "\n\n")


def _title(grant: GrantState, beside: int) -> str:
    """Say what becomes of a grant, and how it stands where that is not what the whole request is said to be."""
    return _KIND[grant.kind] + (f", which {request_words(grant)}" if beside > 1 else "")


def _lead(report: Report) -> str:
    """Say what was asked, by whom, and what comes next."""
    found = report.found
    catalogue = found.proposal.policy.catalogue
    loud = "**Emergency stop.** " if found.pull.branch.startswith(REVOCATION) else ""
    asked = f"{loud}Asked by {account_named(catalogue, found.pull.opened_by)}"
    asked += f" in {prose(found.pull.origin)}." if found.pull.origin else "."
    return f"{asked} {_next(report)}"


def _next(report: Report) -> str:
    found = report.found
    if found.merge is not None:
        return (
            f"Merged as {code(found.merge.commit[:12])} at {code(format_instant(found.merge.at))}. The applier now proves "
            "all of this again, and then makes the change."
        )
    if found.closed or found.pull.state != "open":
        why = f": {prose(found.closed)}" if found.closed else ""
        return f"Closed without a merge{why}. To ask again, open a new request."
    if found.refused:
        return f"Everything that policy asks for is there. Each run of the gate tries again. {_sentence(found.refused)}"
    return {
        "approved": f"Everything that policy asks for is there for head {code(found.pull.head[:12])}; daypass merges it.",
        "waiting": _waiting(found),
        "refused": "Policy denies this, and no approval changes that."
        if found.proposal.denied
        else "It cannot be merged as it is, whoever else approves.",
        "invalid": "It is judged once what is wrong is put right.",
    }[report.state]


def _waiting(found: Gated) -> str:
    head = code(found.pull.head[:12])
    if found.judged:
        return (
            f"Everything that policy asks for is there for head {head}, but it is a draft: mark it as ready for review."
        )
    draft = " and it is marked as ready for review: it is a draft" if found.pull.draft else ""
    return (
        f"daypass merges this as soon as the missing approvals are given on head {head}{draft}. "
        "A push takes approvals away."
    )


def _finding(finding: Finding) -> str:
    where = f"{code(str(finding.place))}: " if finding.place.file else ""
    fix = f" **How to fix it:** {prose(finding.hint)}" if finding.hint else ""
    return f"- {where}{_sentence(finding.message)}{fix} ({code(finding.code)})"


def _sentence(text: str) -> str:
    return prose(text) if text.endswith((".", "!", "?")) else f"{prose(text)}."


def _section(report: Report, grant: GrantState, item: Item) -> str:
    catalogue = report.found.proposal.policy.catalogue
    parts = []
    if item.grant is not None:
        parts.append(table(("grant", "as daypass reads it"), grant_rows(catalogue, item.grant, code, _after_dots)))
    guide = guide_of(catalogue, item.grant) if item.grant is not None else ""
    if guide:
        parts.append(f"**For reviewers:** {prose(guide)}")
    if item.decision is not None and item.ending is not None:
        parts.append(f"It takes away access of {code(item.ending.subject)} that this file gives now.")
    judged = bool(grant.approvals or grant.blocks)
    if item.decision is None and not judged:
        what = taking_words(item)
        parts.append(f"{what[:1].upper()}{what[1:]}. Nobody needs to approve it.")
    elif item.decision is None:
        told = next((one.reviews for one in report.found.verdicts if one.item.id == item.id), "")
        told = (
            f"It {told}" if told else "It takes away access that who asks may not end alone, so it waits for an owner"
        )
        parts.append(f"{told}.")
    if judged:
        parts += _approvals(catalogue, grant, item.decision.requirements if item.decision is not None else ())
    elif item.decision is not None and item.decision.automatic:
        parts.append(f"It passes without a person, by rule {_list(code(rule) for rule in item.decision.rules)}.")
    effects = [effect for effect in report.effects if effect.grant == item.id]
    if effects:
        parts += ["Once it is merged:", fence([effect_line(effect) for effect in effects], "diff")]
    return "\n\n".join(parts)


def _after_dots(parts: Iterable[str]) -> str:
    return "".join(f" · {prose(part)}" for part in parts)


def _approvals(catalogue: Catalogue, grant: GrantState, asked: Sequence[Requirement]) -> list[str]:
    rules = {requirement.source: requirement for requirement in asked}
    rows = [_approval_row(catalogue, status, rules.get(status.source)) for status in grant.approvals]
    parts = [table(("approvals from", "asked", "given by", "missing", "who could give it"), rows)] if rows else []
    parts += _stages(grant.approvals, rules)
    ignored = [line for one in grant.ignored if (line := _ignored(catalogue, one))]
    return [*parts, "\n".join(ignored)] if ignored else parts


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


def _approval_row(catalogue: Catalogue, status: Status, requirement: Requirement | None) -> tuple[str, ...]:
    who = people_named(catalogue, status.could)
    if status.joining and status.joining_at is not None:
        later = people_named(catalogue, status.joining)
        who = f"{who}; from {code(format_instant(status.joining_at))} on also {later}"
    rules = f" ({_list(code(rule) for rule in requirement.rules)})" if requirement is not None else ""
    return (
        f"{code(requirement.asked if requirement is not None else status.source)}{rules}",
        str(len(status.approved_by) + status.missing),
        "; ".join(
            [people_named(catalogue, status.approved_by), *(f"{code(by)} for {code(of)}" for by, of in status.acting)]
        )
        if status.approved_by
        else "none",
        f"**{status.missing}**" if status.missing else "0",
        who if status.missing else "none",
    )


def _ignored(catalogue: Catalogue, ignored: Ignored) -> str:
    """Tell the reviewer why their review does not count. One that they replaced themselves needs no word."""
    by = ignored.review.by
    if ignored.why.endswith("reviewed again later"):
        return ""
    mention = _mention(catalogue, by.handle) if by.handle else account_named(catalogue, by)
    what = {"approved": "approval", "rejected": "rejection"}.get(ignored.review.state, "review")
    return f"- {mention}, your {what} does not count: {_sentence(ignored.why)}{_advice(ignored)}"


def nudge_text(catalogue: Catalogue, nudge: Nudge) -> str:
    """Write to the people of a stage that nobody answers: they are named, so that the forge tells them."""
    named = ", ".join(_mention(catalogue, handle) for handle in nudge.people)
    lacks = f"{count(nudge.missing, 'approval')} from {code(nudge.source)}"
    since = f"{code(format_instant(nudge.since))}"
    if nudge.what == "remind":
        return f"{named}: this waits for {lacks} since {since}. Please approve it or reject it."
    return (
        f"{named}: this waits for {lacks} since {since}, and nobody gave it within {code(nudge.wait)}. You may approve it as "
        f"well now, as {code(nudge.to)}."
    )


def _mention(catalogue: Catalogue, handle: str) -> str:
    subject = catalogue.directory.subjects.get(handle)
    login = subject.login if subject is not None else ""
    return f"@{login}" if _LOGIN.fullmatch(login) else people_named(catalogue, (handle,))


def _advice(ignored: Ignored) -> str:
    """Say what the reviewer can do; where nothing, that it is nothing."""
    if ignored.again:
        return " Please look at what stands here now and approve again."
    if "the directory does not know" in ignored.why:
        return " Somebody who owns the directory can add the account by its id."
    return ""


def _footer(report: Report) -> str:
    found = report.found
    digests = [f"grant {code(item.grant.digest)}" for item in found.proposal.items if item.grant is not None]
    shown = digests if len(digests) <= _OPEN else []
    about = [f"head {code(found.pull.head)}", *shown]
    return f"<sub>{', '.join(about)}. daypass keeps this comment up to date and never reads it.</sub>"


def _list(parts: Iterable[str]) -> str:
    return ", ".join(parts) or "none"
