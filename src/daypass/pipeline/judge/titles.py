"""What a request does, and why one was closed, each in a line of our own words: no word of people stands in it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import quote

from daypass.core.grant import GrantId
from daypass.core.request import Item
from daypass.core.window import format_duration

if TYPE_CHECKING:
    from daypass.core.request import Gated

_VERBS = {"new": "grant", "widen": "widen", "replace": "replace", "narrow": "narrow", "remove": "remove"} | {
    "settled": "leave as main has it"
}
_ODD = re.compile(r"[^A-Za-z0-9./_-]")
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
    return _ODD.sub("?", grant)


def stale_reason(found: Gated, limit: timedelta) -> str:
    """Say why a request that was open for as long as ``limit`` is closed: what people did, and what was missing."""
    within = f"within {format_duration(limit)}"
    judgements = [verdict.judgement for verdict in found.verdicts if verdict.judgement is not None]
    wrong = [f.code for f in found.proposal.findings if f.is_error]
    wrong += [problem.code for verdict in found.verdicts for problem in verdict.problems]
    rejected = _some(review.by.handle for judgement in judgements for review in judgement.rejections)
    approved = _some(counted.handle for judgement in judgements for counted in judgement.counted)
    outdated = _some(
        ignored.review.by.handle
        for judgement in judgements
        for ignored in judgement.ignored
        if ignored.review.state == "approved" and ignored.review.by.proved and ignored.review.commit != found.pull.head
    )
    lacking = _some(status.source for judgement in judgements for status in judgement.statuses if status.missing)
    if rejected:
        return f"{rejected} rejected it, and did not take that back {within}"
    if wrong:
        return f"what is wrong with it was not put right {within} ({_some(wrong)})"
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


def _some(names: Iterable[str]) -> str:
    """Join names, each once; the first few of many."""
    every = list(dict.fromkeys(name for name in names if name))
    more = f" and {len(every) - _NAMED} more" if len(every) > _NAMED else ""
    return ", ".join(every[:_NAMED]) + more
