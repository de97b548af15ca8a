"""A pull request's comment: the decision in plain words, the grant as the machine reads it, approvals, plan and faults.

Reviewers approve what stands here, so every grant is shown as it was parsed, and every word of people goes through
`daypass.views.markdown`. The text depends on the request and on nothing that passes with time, so that it changes only
when something has happened.

What does not fit is folded by whole rows and sections: what comes first is the gravest, and a count stands for the rest.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from daypass.core.catalogue import Catalogue
from daypass.core.finding import Finding
from daypass.core.forge import Links
from daypass.core.request import Item, Nudge, Report
from daypass.core.state import GrantState, requested
from daypass.core.window import format_instant
from daypass.views.findings import count
from daypass.views.markdown import code, folded, html_code, prose
from daypass.views.policy.decision import request_words
from daypass.views.told.grant import grant_details, grant_words
from daypass.views.told.names import account_named, commit_named, mention, number_named, origin_named
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


def comment_text(report: Report, *, limit: int = COMMENT_LIMIT, pointer: str = "", links: Links | None = None) -> str:
    """Write the whole story of a pull request in at most ``limit`` bytes. ``pointer`` says where more of it is.

    ``links`` are the forge's pages, to which numbers and commits lead where it has any.
    """
    pointer = pointer or "the summary of the run that wrote this has all"
    footer = _footer(report)
    head = f"### daypass: {title_text(report)}\n\n{_lead(report, links)}"
    out, room = [head], limit - _size(head) - _size(footer) - _SPARE
    for part in _parts(report, links):
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


def _parts(report: Report, links: Links | None) -> Iterator[_Part]:
    grants = requested(report.found)
    blocks = tuple(dict.fromkeys(line for grant in grants for line in grant.blocks))
    if blocks:
        yield _Part(
            "**What forbids the merge, whoever else approves:**", tuple(f"- {prose(b)}" for b in blocks), "reasons"
        )
    if report.findings:
        units = tuple(_finding(finding) for finding in report.findings)
        yield _Part("**To put right:**", units, "findings")
    how = _Part("", (_how(report, links),), "words") if report.state == "waiting" else None
    told = [(grant, verdict.item) for grant, verdict in zip(grants, report.found.verdicts, strict=True)]
    few = len(told) <= _OPEN
    if told and few:
        units = tuple(f"{_heading(grant, len(told))}\n\n{grant_words(report, grant, item)}" for grant, item in told)
        yield _Part("", units, "grants", "\n\n")
    yield from (how,) if how is not None else ()
    if told and few:
        units = tuple(unit for _, item in told if (unit := _details(report, item, len(told))))
        yield _Part("", units, "grants", "\n\n")
    elif told:
        yield _Part(
            f"**{len(told)} grants:**", tuple(_folded(report, *one, len(told)) for one in told), "grants", "\n\n"
        )


def _heading(grant: GrantState, beside: int) -> str:
    return f"#### {code(grant.grant)}: {_title(grant, beside)}"


def _folded(report: Report, grant: GrantState, item: Item, beside: int) -> str:
    parts = (grant_words(report, grant, item), grant_details(report, item, fold=False))
    return folded(f"{html_code(grant.grant)}: {_title(grant, beside)}", "\n\n".join(filter(None, parts)))


def _details(report: Report, item: Item, beside: int) -> str:
    """Write what the machine reads of a grant, named where there are others beside it."""
    told = grant_details(report, item, fold=True)
    return f"{code(item.id)}:\n\n{told}" if told and beside > 1 else told


def _title(grant: GrantState, beside: int) -> str:
    """Say what becomes of a grant, and how it stands where that is not what the whole request is said to be."""
    return _KIND[grant.kind] + (f", which {request_words(grant)}" if beside > 1 else "")


def _lead(report: Report, links: Links | None) -> str:
    """Say what was asked, by whom, and what comes next."""
    found = report.found
    catalogue = found.proposal.policy.catalogue
    loud = "**Emergency stop.** " if found.emergency else ""
    asked = f"{loud}Asked by {account_named(catalogue, found.pull.opened_by)}"
    asked += f" in {origin_named(found.pull.origin, links)}." if found.pull.origin else "."
    return f"{asked} {_next(report, links)}".rstrip()


def _next(report: Report, links: Links | None) -> str:
    found = report.found
    if found.merge is not None:
        return (
            f"Merged as {commit_named(found.merge.commit, links)} at {code(format_instant(found.merge.at))}. The applier now "
            "proves all of this again, and then makes the change; this comment then says how it stands."
        )
    if found.closed or found.pull.state != "open":
        why = f": {prose(found.closed)}" if found.closed else ""
        return f"Closed without a merge{why}. To ask again, open a new request."
    if found.refused:
        return f"Everything that policy asks for is there. Each run of the gate tries again. {_sentence(found.refused)}"
    head = commit_named(found.pull.head, links)
    return {
        "approved": f"Everything that policy asks for is there for head {head}; daypass merges it.",
        "waiting": "",
        "refused": "Policy denies this, and no approval changes that."
        if found.proposal.denied
        else "It cannot be merged as it is, whoever else approves.",
        "invalid": "It is judged once what is wrong is put right.",
    }[report.state]


def _how(report: Report, links: Links | None) -> str:
    """Say how a reviewer approves, and what happens then."""
    found = report.found
    head = commit_named(found.pull.head, links)
    if found.judged:
        return (
            f"Everything that policy asks for is there for head {head}, but it is a draft: mark it as ready for review."
        )
    number = found.pull.number
    files = f"[Files changed]({links.files(number)})" if links is not None else "**Files changed**"
    how = found.proposal.policy.catalogue.settings.forge.approving.format(files=files, number=number)
    draft = " and it is marked as ready for review: it is a draft" if found.pull.draft else ""
    return (
        f"**To approve:** {how}\n\n**Then:** once nothing is missing{draft}, daypass merges head {head}{_then(report)}. "
        "A push takes approvals away."
    )


def _then(report: Report) -> str:
    """Say what becomes of access by the merge; a review of what was given for an emergency changes none."""
    verdicts = report.found.verdicts
    if any(verdict.item.kind not in ("remove", "narrow") for verdict in verdicts):
        return "; the access is given, and ends by itself"
    return "" if any(verdict.reviews for verdict in verdicts) else "; what it takes away ends at the next run"


def _finding(finding: Finding) -> str:
    where = f"{code(str(finding.place))}: " if finding.place.file else ""
    fix = f" **How to fix it:** {prose(finding.hint)}" if finding.hint else ""
    return f"- {where}{_sentence(finding.message)}{fix} ({code(finding.code)})"


def _sentence(text: str) -> str:
    return prose(text) if text.endswith((".", "!", "?")) else f"{prose(text)}."


def closed_text(report: Report, links: Links | None = None) -> str:
    """Write the answer on the issue that asked for a request which was closed without a merge; "" for any other.

    What was to go on goes on without it as it was granted, and the issue that asked for that says how it stands.
    """
    found = report.found
    if found.merge is not None or (found.pull.state == "open" and not found.closed):
        return ""
    if any(item.kind != "new" for item in found.proposal.items):
        return ""
    return f"Pull request {number_named(found.pull.number, links)}: {_next(report, links)}\n"


def nudge_text(catalogue: Catalogue, nudge: Nudge) -> str:
    """Write to the people of a stage that nobody answers: they are named, so that the forge tells them."""
    named = ", ".join(mention(catalogue, handle) for handle in nudge.people)
    lacks = f"{count(nudge.missing, 'approval')} from {code(nudge.source)}"
    since = f"{code(format_instant(nudge.since))}"
    if nudge.what == "remind":
        return f"{named}: this waits for {lacks} since {since}. Please approve it or reject it."
    return (
        f"{named}: this waits for {lacks} since {since}, and nobody gave it within {code(nudge.wait)}. You may approve it as "
        f"well now, as {code(nudge.to)}."
    )


def _footer(report: Report) -> str:
    found = report.found
    digests = [f"grant {code(item.grant.digest)}" for item in found.proposal.items if item.grant is not None]
    shown = digests if len(digests) <= _OPEN else []
    about = [f"head {code(found.pull.head)}", *shown]
    return f"<sub>{', '.join(about)}. daypass keeps this comment up to date and never reads it.</sub>"
