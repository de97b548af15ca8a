"""For how long what the gate found of an open request stays as it is by the clock alone, and on what else it hangs.

Whoever has found that nothing else changed may leave the request until then. Where it cannot be told there is no such
instant: a request that is looked at once too often costs some calls, one that is not looked at waits.

What is found of a request hangs on policies, on the grants of its own resources that stand on main and in the ledger, and
on where it left main. Of whoever left by the ledger's word, and whatever else a receipt may tell of, all of them hang.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice

from daypass.core.approval.review import reviewed_on
from daypass.core.forge import Quiet
from daypass.core.grant import Grant
from daypass.core.ids import Oid, folder_of, grant_id
from daypass.core.policy.decision import Request, decide
from daypass.core.request import Gated, Item

LONGEST = timedelta(days=1)
"""However quiet, a request is looked at once in so long."""

MOST = 10
"""A request of more grants than this is looked at each time: to ask ahead of each takes longer than to look again."""

STEP = timedelta(minutes=5)
"""So far apart rules are asked what they would say later; what turns and turns back in between is not seen."""


def quiet(found: Gated, *, at: datetime) -> Quiet | None:
    """Return for how long what was found holds, and what it hangs on; None where time may change it at once."""
    until = quiet_until(found, at=at)
    return Quiet(until, hangs_on(found)) if until is not None else None


def quiet_until(found: Gated, *, at: datetime) -> datetime | None:
    """Return the first instant after ``at`` at which time alone may change what was found, None where nobody can tell."""
    if found.pull.state != "open" or found.met or found.refused or found.pull.asked_at > at or _moves(found):
        return None
    if len(found.verdicts) > MOST:
        return None
    if any(verdict.item.grant is not None and verdict.item.grant.span.window for verdict in found.verdicts):
        return None  # windows that name instants begin and pass
    return min([*_turns(found, at), at + LONGEST, *(when for when in _instants(found) if when > at)])


MOST_NAMED = 300
"""A request that hangs on what has more characters altogether is looked at whenever anything moves.

What is kept of all has little room, and who opens some by the hundred is not to have it alone.
"""

_SHORT = 12


def short_id(commit: Oid) -> str:
    """Return what a request's commit is known by among what it hangs on: two that look alike have it looked at again."""
    return commit[:_SHORT]


def hangs_on(found: Gated) -> frozenset[str] | None:
    """Return on what of main and the ledger, beside policies, it hangs what was found; None where that may be anything.

    These are resources by every name, and the commits with which the request left main: where main takes one of those in,
    another request brought it, and less is proposed than was.
    """
    proposal, evidence = found.proposal, found.evidence
    if evidence is None or proposal.others or _moves(found):
        return None
    if any(evidence.then.values()) or any(mains for _, mains in evidence.acts):
        return None  # by other policies as well: what these were is told by where the ledger saw main
    renames, reviewed = proposal.policy.catalogue.renames, reviewed_on(found.pull.branch)
    names = {folder_of(grant_id(path)) for path in proposal.changed}
    names |= {folder_of(reviewed)} if reviewed is not None else set()
    names |= {old for name in names for old in renames.names_of_resource(renames.resource(name))}
    own = {commit.oid for commit in evidence.commits}
    names |= {short_id(commit.oid) for commit in evidence.commits if own.isdisjoint(commit.parents)}
    return frozenset(names) if sum(map(len, names)) <= MOST_NAMED else None


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
