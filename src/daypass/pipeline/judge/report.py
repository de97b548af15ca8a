"""What is to be shown of one pull request: what is wrong at which line, what it would change, and whom to ask.

Nothing is decided here: it is read off what the gate found. How a report is worded is the views' business. Titles and
reasons that go into commits and closings are in words of our own: no word of people stands in them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from urllib.parse import quote

from daypass.core.catalogue import Catalogue
from daypass.core.files.document import Document, read_on
from daypass.core.finding import Finding, Place, Severity, ordered
from daypass.core.grant import Grant, narrowed
from daypass.core.ids import FOLDER, GrantId, Oid, grant_id, grant_path
from daypass.core.ledger.standing import Standing
from daypass.core.plan import Action, Entitlement
from daypass.core.policy.details import early_ends
from daypass.core.record import replace
from daypass.core.request import Effect, Gated, Item, ItemVerdict, Notice, Nudge, Report
from daypass.core.state import entitlement_of
from daypass.core.window import Span, format_duration
from daypass.pipeline.context import Context
from daypass.ports import History

MOST_ANNOTATIONS = 150
"""A check run takes 50 a request, so that no pull request, whatever is in it, costs more than three."""

_WORST = (Severity.ERROR, Severity.WARNING, Severity.NOTE)
_CONCLUSION = {"approved": "success", "waiting": "", "refused": "failure", "invalid": "failure"}

_FIELD = {
    "agreement-over": "subject",
    "before-agreement": "window",
    "beyond-agreement": "window",
    "beyond-detail": "details",
    "beyond-dpa": "window",
    "beyond-engagement": "window",
    "beyond-retention": "window",
    "claims-loose": "subject",
    "claims-missing": "subject",
    "claims-unchecked": "subject",
    "dpa-over": "subject",
    "ends-when-unwatched": "ends_when",
    "engagement-over": "subject",
    "no-identity": "subject",
    "resource-broken": "resource",
    "role-unfit": "role",
    "ticket-missing": "purpose",
    "too-long": "window",
    "unknown-purpose": "purpose",
    "unknown-resource": "resource",
    "unknown-role": "role",
    "unknown-subject": "subject",
    "vendor-data": "resource",
    "vendor-data-unsaid": "resource",
    "vendor-purpose": "purpose",
    "vendor-resource": "resource",
    "window-past": "window",
}
"""The field of the grant that a denial speaks of; the others speak of the grant as a whole."""


def report_of(context: Context, found: Gated, *, at: datetime) -> Report:
    """Gather what there is to show of a pull request. The same request gives the same report until something happens.

    The instant only tells which other grants are live; nothing that counts time down is in it, so that a run on a
    schedule has nothing new to say.
    """
    findings = _placed(context.history, found)
    effects = [effect for verdict in found.verdicts for effect in _effects(verdict, found, context.standing, at)]
    return Report(found, findings, tuple(effects))


def texts_of(history: History, found: Gated) -> dict[GrantId, tuple[str, str]]:
    """Return each grant's file as it is where the request left main, and as the request makes it; "" where it is not."""
    root = history.merge_base(found.proposal.base, found.pull.head)
    changes = history.changes(root, found.pull.head) if root is not None else ()
    grants = [change for change in changes if change.path.startswith(FOLDER)]
    sides = [((c.old_mode, c.old), (c.new_mode, c.new)) for c in grants]
    plain = dict.fromkeys(oid for pair in sides for mode, oid in pair if mode.startswith("100"))
    contents = {oid: raw.decode("utf-8", "replace") for oid, raw in history.blobs(plain)}
    return {grant_id(c.path): (contents.get(c.old, ""), contents.get(c.new, "")) for c in grants}


def notice_of(
    report: Report,
    *,
    title: str,
    summary: str,
    comment: str,
    plain: Callable[[str], str],
    nudges: Sequence[Nudge] = (),
) -> Notice:
    """Join what was found with the words for it. ``plain`` writes people's words where no Markdown is read."""
    return Notice(
        number=report.found.pull.number,
        head=report.found.pull.head,
        conclusion=_CONCLUSION[report.state],
        title=title,
        summary=summary,
        comment=comment,
        state=report.state,
        findings=at_lines(report.findings, plain),
        ask=report.ask,
        teams=report.teams,
        reviewed=report.reviewed,
        nudges=tuple(nudges),
    )


def at_lines(findings: Iterable[Finding], plain: Callable[[str], str]) -> tuple[Finding, ...]:
    """Return the worst findings that have a file; what is wrong with a commit or the whole request has none.

    A name that cannot be written as it is would have the whole check run refused; the comment has it.
    """
    return tuple(
        replace(finding, message=plain(finding.message), hint=plain(finding.hint))
        for finding in findings
        if finding.place.file and finding.place.file.isprintable() and not finding.place.file.startswith("commit ")
    )[:MOST_ANNOTATIONS]


def _placed(history: History, found: Gated) -> tuple[Finding, ...]:
    """Return everything that is wrong, worst first, each at the line that it speaks of."""
    everything = [*found.proposal.findings, *(f for verdict in found.verdicts for f in _said(verdict))]
    unplaced = {f.place.file for f in everything if not f.place.line}
    blobs = {grant_path(item.id): item.blob for item in found.proposal.items if item.grant is not None}
    # A grant that is refused before it is judged is no item, but has a file with lines.
    refused = {f.place.file for f in everything if f.place.path and not f.place.line} - blobs.keys()
    for folder in sorted({file.rpartition("/")[0] for file in refused if file.startswith(FOLDER)}):
        blobs |= {e.path: e.oid for e in history.entries(found.pull.head, folder) if e.path in refused}
    wanted = {file: blobs[file] for file in sorted(unplaced & blobs.keys())}
    documents = _documents(history, wanted)
    placed = ordered(_at_line(finding, documents) for finding in everything)
    return tuple(finding for severity in _WORST for finding in placed if finding.severity is severity)


def _said(verdict: ItemVerdict) -> Iterable[Finding]:
    yield from verdict.problems
    grant, decision = verdict.item.grant, verdict.item.decision
    if grant is None or decision is None:
        return
    for denial in decision.told:
        said = f"rule {denial.rule}: {denial.message}" if denial.rule else denial.message
        yield Finding(
            denial.finding_code, Place(grant.path, path=denial.path or _FIELD.get(denial.code, "")), said, denial.hint
        )


def _documents(history: History, wanted: Mapping[str, Oid]) -> Mapping[str, Document]:
    contents = dict(history.blobs(dict.fromkeys(wanted.values())))
    read = {path: read_on(path, contents[blob])[0] for path, blob in wanted.items()}
    return {path: document for path, document in read.items() if document is not None}


def _at_line(finding: Finding, documents: Mapping[str, Document]) -> Finding:
    document = documents.get(finding.place.file)
    if finding.place.line or document is None:
        return finding
    return replace(finding, place=document.place(finding.place.path))


def _effects(verdict: ItemVerdict, found: Gated, standing: Standing, at: datetime) -> Iterable[Effect]:
    item = verdict.item
    admission = standing.admission(item.id)
    if item.settled:
        return
    now = admission if admission is not None and not admission.window.ended(at) else None
    then = entitlement_of(item.grant, found.proposal.policy) if item.grant is not None else None
    before = now.window if now is not None else None
    if now is not None and then != now.entitlement:
        others = _others(standing, now.entitlement, item.id, at)
        yield Effect(item.id, Action.REMOVE, now.entitlement, None, before, others)
        before = None
    if then is None or item.grant is None:
        return
    others = _others(standing, then, item.id, at)
    if item.kind != "narrow" or admission is None:
        span, latest = _cut(item.grant, found.proposal.policy.catalogue)
        yield Effect(item.id, Action.ADD, then, span, before, others, latest)
    elif now is not None and (left := narrowed(now.window, item.grant)) is not None:
        # It counts from the merge that the grant began at: no text may promise it from this one on.
        action = Action.REMOVE if left.ended(at) else Action.ADD
        yield Effect(item.id, action, then, Span(window=left, recurs=item.grant.span.recurs), before, others)


def _cut(grant: Grant, catalogue: Catalogue) -> tuple[Span, datetime | None]:
    """Return when access would exist, and when a duration ends at the latest, by the moments of its own details."""
    ends, window = early_ends(catalogue, grant), grant.span.window
    if not ends:
        return grant.span, None
    if window is None:
        return grant.span, ends[0].limit
    left = window.until(ends[0].limit)
    return (grant.span if left is None else Span(window=left, recurs=grant.span.recurs)), None


def _others(standing: Standing, entitlement: Entitlement, grant: GrantId, at: datetime) -> tuple[GrantId, ...]:
    holding = standing.holding(entitlement)
    proofs = [standing.admission(other) for other in (holding.grants if holding is not None else ()) if other != grant]
    return tuple(sorted(proof.grant for proof in proofs if proof is not None and proof.window.holds(at)))


_VERBS = {"new": "grant", "widen": "widen", "replace": "replace", "narrow": "narrow", "remove": "remove"} | {
    "settled": "leave as main has it"
}
_ODD = r"[^A-Za-z0-9./_-]"
_NAMED = 4
_LONGEST = 1000
_HARMLESS = " ,;.'()/-"
"""Beside letters and digits: of these no forge makes a command, a mention or a trailer."""


def title_of(items: Sequence[Item]) -> str:
    """Say everything that grants of a request do: ``Grant orders-db/alice-1, remove 20 grants``."""
    kinds = {kind: [item.id for item in items if _does(item) == kind] for kind in _VERBS}
    parts = [
        f"{_VERBS[kind]} {plain_name(ids[0]) if len(ids) == 1 else f'{len(ids)} grants'}"
        for kind, ids in kinds.items()
        if ids
    ]
    text = ", ".join(parts)
    return text[:1].upper() + text[1:]


def ending_message(title: str, reason: str) -> str:
    """Write the message of a commit that ends grants, with why for the audit: the words act on no forge that reads it."""
    if not reason.strip():
        return title
    return f"{title}\n\nDaypass-Reason: {quote(reason.strip()[:_LONGEST], safe=_HARMLESS, errors='backslashreplace')}\n"


def _does(item: Item) -> str:
    """Return what an item does; one that gives access and takes other access away with it replaces a grant."""
    if item.settled:
        return "settled"
    return "replace" if item.kind == "widen" and item.ending is not None else item.kind


def plain_name(grant: GrantId) -> str:
    """Write a grant's id so that it can be nothing but an id.

    A file that can be no grant may have come to main around the gate; its name must not act when its removal is merged.
    """
    return re.sub(_ODD, "?", grant)


def stale_reason(found: Gated, limit: timedelta) -> str:
    """Say why a request that was open for as long as ``limit`` is closed: what people did, and what was missing."""
    within = f"within {format_duration(limit)}"
    judgements = [verdict.judgement for verdict in found.verdicts if verdict.judgement is not None]
    wrong = [f.code for f in found.proposal.findings if f.is_error]
    wrong += [problem.code for verdict in found.verdicts for problem in verdict.problems]
    rejected = some(review.by.handle for judgement in judgements for review in judgement.rejections)
    approved = some(counted.handle for judgement in judgements for counted in judgement.counted)
    outdated = some(
        ignored.review.by.handle
        for judgement in judgements
        for ignored in judgement.ignored
        if ignored.review.state == "approved" and ignored.review.by.proved and ignored.review.commit != found.pull.head
    )
    lacking = some(status.source for judgement in judgements for status in judgement.statuses if status.missing)
    if rejected:
        return f"{rejected} rejected it, and did not take that back {within}"
    if wrong:
        return f"what is wrong with it was not put right {within} ({some(wrong)})"
    if found.proposal.denied:
        return f"policy denied it, and nothing changed that {within}"
    if any(judgement.blocks for judgement in judgements):
        return f"nobody could tell who had a hand in it, and that was not put right {within}"
    if outdated and not approved:
        return f"it was changed after {outdated} approved it, and nobody approved it again {within}"
    if approved and lacking:
        return f"{approved} approved it, and what was missing from {lacking} was not given {within}"
    if found.pull.draft:
        return f"it was still a draft after {format_duration(limit)}"
    return f"nobody answered {within}"


def some(names: Iterable[str]) -> str:
    """Join names, each once; the first few of many."""
    every = list(dict.fromkeys(name for name in names if name))
    more = f" and {len(every) - _NAMED} more" if len(every) > _NAMED else ""
    return ", ".join(every[:_NAMED]) + more
