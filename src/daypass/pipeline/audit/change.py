"""What a pull request that changes policies would change of what is decided: for whom reviews it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from daypass.core.errors import DaypassError
from daypass.core.policy.analysis.between import between
from daypass.core.policy.analysis.compare import Compared, PolicyChange
from daypass.core.policy.analysis.prove import broken_promises
from daypass.core.policy.analysis.renamed import likely, unsaid
from daypass.core.policy.policies import FOLDER, Policy
from daypass.core.request import Gated
from daypass.pipeline.audit.questions import Index
from daypass.pipeline.audit.replay import replay
from daypass.pipeline.context import Context

MOST = 1_000
"""So many of the last requests are judged again, beside all that are live."""


def policy_change(
    context: Context, open_index: Callable[[], Index], found: Gated, *, at: datetime
) -> PolicyChange | None:
    """Compare a head's policies with those of the base it was judged by; None where it changes none, or is not open.

    What is compared is data, and bounded. Still it takes a while, so it is done for people of the directory alone.
    """
    pull, base = found.pull, found.proposal.policy
    if pull.state != "open" or not any(path.startswith(FOLDER) for path in found.proposal.others):
        return None
    if pull.opened_by.handle not in base.catalogue.directory.subjects:
        return PolicyChange(why="whoever opened it is not known to the directory; `daypass policy diff` compares it")
    head = context.policy_at(pull.head)
    known = {(one.code, one.place.file, one.message) for one in base.findings}
    wrong = tuple(one for one in head.findings if one.is_error and (one.code, one.place.file, one.message) not in known)
    if head.broken:
        return PolicyChange(
            broken=wrong or head.broken,
            why="its policies do not read, so nothing is compared; merged, they deny everything",
        )
    if base.broken:
        first = base.broken[0]
        return PolicyChange(why=f"main's policies do not read: {first.place}: {first.message}")
    compared = between(base, head, pull.asked_at)
    history, live, why = _replayed(open_index, base, head, at)
    rows = context.standing.admitted() if likely(base.catalogue, head.catalogue) else ()
    running = ((row.subject, row.resource, row.role) for row in rows if not row.window.ended(at))
    renamed = tuple(unsaid(base.catalogue, head.catalogue, running))
    return PolicyChange(compared, history, live, (*wrong, *renamed, *broken_promises(head, pull.asked_at)), why)


def _replayed(
    open_index: Callable[[], Index], base: Policy, head: Policy, at: datetime
) -> tuple[Compared | None, Compared | None, str]:
    try:
        told = replay(open_index(), base, head, at=at, most=MOST)
    except DaypassError as error:
        return None, None, f"what was asked for is not judged again: {error.message}"
    return told.history, told.live, ""
