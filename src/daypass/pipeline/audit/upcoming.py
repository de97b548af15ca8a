"""What the next release would judge otherwise, by main's policies as they are: nothing changes until main says so."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from daypass.core.catalogue import Directory
from daypass.core.finding import Finding
from daypass.core.ids import GrantId
from daypass.core.request import Gated
from daypass.pipeline.apply.current import claims_on
from daypass.pipeline.context import Context

FAULTS = frozenset({"vendor-unnamed", "vendor-unstated"})
"""The codes of warnings that the next release takes for faults of the directory, which deny everything."""


class Upcoming(NamedTuple):
    """What the next release takes for faults, the open requests that it would deny for that, and whom it is about.

    ``grants`` are the live ones of people whom the faults speak of: they run to their ends, and can be renewed no more.
    ``rules`` are those that nobody asks meanwhile, which are all: faults of the directory deny whatever they say.
    """

    findings: tuple[Finding, ...]
    requests: tuple[int, ...]
    grants: tuple[GrantId, ...]
    rules: tuple[str, ...]


def upcoming(context: Context, waiting: Iterable[Gated], *, at: datetime) -> Upcoming:
    """Hold main's policies, its open requests and what is live against the defaults of the next release."""
    policy = context.policy_at(context.tip)
    found = tuple(finding for finding in policy.warnings if finding.code in FAULTS)
    if not found:
        return Upcoming((), (), (), ())
    people = _spoken_of(policy.catalogue.directory)
    claims = claims_on(context)
    live = sorted(grant for grant, claim in claims.items() if not claim.ended(at))
    admitted = {one.grant: one.subject for one in context.standing.admitted()}
    asks = (one.pull.number for one in waiting if any(item.decision is not None for item in one.proposal.items))
    theirs = tuple(grant for grant in live if admitted[grant] in people)
    return Upcoming(found, tuple(asks), theirs, tuple(rule.id for rule in policy.rules.rules))


def _spoken_of(directory: Directory) -> frozenset[str]:
    """Return the people of a vendor that states nothing, and who are engaged as vendor without one."""
    working = (one for one in directory.subjects.values() if one.is_person and one.employment == "vendor")
    vendors = ((one.handle, directory.vendor_of(one.handle)) for one in working)
    return frozenset(handle for handle, vendor in vendors if vendor is None or not vendor.stated)
