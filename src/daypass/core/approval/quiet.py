"""For how long what the gate found of an open request stays as it is by the clock alone.

Whoever has found that nothing else changed may leave the request until then. Where it cannot be told there is no such
instant: a request that is looked at once too often costs some calls, one that is not looked at waits.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice

from daypass.core.grant import Grant
from daypass.core.policy.decision import Request, decide
from daypass.core.request import Gated, Item

LONGEST = timedelta(days=1)
"""However quiet, a request is looked at once in so long."""

MOST = 10
"""A request of more grants than this is looked at each time: to ask ahead of each takes longer than to look again."""

STEP = timedelta(minutes=5)
"""So far apart rules are asked what they would say later; what turns and turns back in between is not seen."""


def quiet_until(found: Gated, *, at: datetime) -> datetime | None:
    """Return the first instant after ``at`` at which time alone may change what was found, None where nobody can tell."""
    if found.pull.state != "open" or found.met or found.refused or found.pull.asked_at > at or _moves(found):
        return None
    if len(found.verdicts) > MOST:
        return None
    if any(verdict.item.grant is not None and verdict.item.grant.span.window for verdict in found.verdicts):
        return None  # windows that name instants begin and pass
    return min([*_turns(found, at), at + LONGEST, *(when for when in _instants(found) if when > at)])


def _moves(found: Gated) -> bool:
    """Whether what is known beside the request moves with time: who is on call, who stands in for whom, what was of late."""
    catalogue, rules = found.proposal.policy.catalogue, found.proposal.policy.rules
    return bool(catalogue.rotas or catalogue.directory.deputies or rules.of_ledger or rules.history)


def _turns(found: Gated, at: datetime) -> Iterator[datetime]:
    """Yield when rules and bounds would first say something else of each part, were it merged then."""
    policy, pull = found.proposal.policy, found.pull
    for verdict in found.verdicts:
        item, grant = verdict.item, verdict.item.grant
        if item.decision is None or grant is None:
            continue

        def said(when: datetime, grant: Grant = grant, item: Item = item) -> tuple[object, ...]:
            window = grant.span.starting(when)
            asked = Request(grant, pull.opened_by.handle, pull.asked_at, item.kind, window, held=item.held)
            told = decide(policy, asked)
            return frozenset((d.code, d.rule) for d in told.denials), frozenset(told.requirements), told.automatic

        now = said(at)
        later = (at + n * STEP for n in range(1, LONGEST // STEP + 1))
        yield from islice((when for when in later if said(when) != now), 1)


def _instants(found: Gated) -> Iterator[datetime]:
    catalogue, pull = found.proposal.policy.catalogue, found.pull
    yield pull.opened_at + catalogue.settings.limits.open_request
    yield from (subject.until for subject in catalogue.directory.subjects.values() if subject.until is not None)
    for verdict in found.verdicts:
        for status in verdict.judgement.statuses if verdict.judgement is not None else ():
            yield from (due.at for due in status.due if due.at is not None)
            if status.joining_at is not None:
                yield status.joining_at
    if found.evidence is not None:
        yield from (review.at for review in found.evidence.reviews)
