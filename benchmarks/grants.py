"""Grants in any number, the same ones each time, each for another entitlement."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from benchmarks.policies import BEGIN, PEOPLE, PURPOSES, ROLES, Place, person, places
from daypass.core.grant import Grant
from daypass.core.ids import GrantId
from daypass.core.window import Span, Window, format_duration, format_instant

_DOING = ("Reading", "Comparing", "Repairing", "Exporting", "Checking", "Correcting", "Measuring", "Restoring")
_WHAT = ("payment rows", "duplicate charges", "failed jobs", "slow queries", "customer records", "stale locks")
_WHY = (
    "reported by support after the last release and confirmed on two accounts",
    "named in the weekly review; nobody could reproduce them on the staging copy",
    "found by the nightly comparison, which must be clean before the month is closed",
    "asked for by the customer, who has a right to an answer within thirty days",
)
_MORE = (
    "The rows are compared one by one with what the payment provider sent, since the totals agree and the parts do not",
    "Nothing is written; what must be corrected goes to the owners as a list, with the order numbers and the amounts",
    "The copy in the warehouse is two days behind and was made before the change, so it cannot answer the question",
    "The customer was told that we look into it and expects an answer by tomorrow noon, in writing",
    "Two colleagues tried it on the staging copy first and found that the case does not occur there",
)
_SENTENCES = 4
"""With these a file has about 800 bytes, as grants that people write have."""

_ALL_DAYS = 5


@dataclass(frozen=True, slots=True)
class Made:
    """One grant, its file, and when the gate merged it."""

    grant: Grant
    place: Place
    raw: bytes
    asked_at: datetime
    merged_at: datetime

    @property
    def window(self) -> Window:
        """The window that the merge gave it."""
        return self.grant.span.starting(self.merged_at)


def grants(count: int) -> Iterator[Made]:
    """Yield ``count`` grants in the order of their merges, spread over the resources."""
    chooser = random.Random("grants")
    known = places()
    step = max(1, _ALL_DAYS * 86_400 // max(count, 1))
    for n in range(count):
        # (resource, subject, role) never comes twice: the subject moves on with each round over the resources.
        turn, at = divmod(n, len(known))
        place = known[at]
        subject = person((turn * 7 + at * 13) % PEOPLE)
        role = ROLES[turn // PEOPLE]
        yield _made(chooser, n, place, subject, role, BEGIN + timedelta(seconds=n * step))


def _made(chooser: random.Random, n: int, place: Place, subject: str, role: str, merged_at: datetime) -> Made:
    length = timedelta(days=chooser.randrange(12, 21))
    absolute = chooser.random() < 0.1
    span = Span(window=Window(merged_at, merged_at + length)) if absolute else Span(duration=length)
    reason = (
        f"{chooser.choice(_DOING)} the {chooser.choice(_WHAT)} of {chooser.randrange(2, 90)} orders, "
        f"{chooser.choice(_WHY)}; see the notes of case {chooser.randrange(10_000, 99_999)}. "
        + ". ".join(chooser.sample(_MORE, _SENTENCES))
        + "."
    )
    grant = Grant(
        id=GrantId(f"{place.name}/{subject}-{role}-{n:06d}"),
        subject=subject,
        resource=place.name,
        role=role,
        reason=reason,
        span=span,
        ticket=f"{chooser.choice(('INC', 'OPS', 'CHG'))}-{chooser.randrange(1000, 99_999)}",
        purpose=chooser.choice(PURPOSES) if chooser.random() < 0.4 else "",
    )
    return Made(grant, place, _file(grant), merged_at - timedelta(minutes=chooser.randrange(5, 300)), merged_at)


def _file(grant: Grant) -> bytes:
    lines = [
        "# yaml-language-server: $schema=../../.schemas/grant.schema.json",
        "version: 1",
        f"subject: {grant.subject}",
        f"resource: {grant.resource}",
        f"role: {grant.role}",
        f"reason: {grant.reason}",
        f"ticket: {grant.ticket}",
    ]
    if grant.span.window is not None:
        window = grant.span.window
        lines.append(f"window: {{from: {format_instant(window.start)}, until: {format_instant(window.end)}}}")
    else:
        lines += ["window:", f"  duration: {format_duration(grant.span.length)}"]
    if grant.purpose:
        lines.append(f"purpose: {grant.purpose}")
    return ("\n".join(lines) + "\n").encode()
