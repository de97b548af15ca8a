"""Main's history as an audit of the whole ledger looks at it."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from itertools import islice, takewhile
from sys import intern

from msgspec import Struct

from daypass.core.audit.access import GrantStep, Trailers, read_trailers
from daypass.core.ids import ABSENT, FOLDER, GrantId, Oid, grant_id
from daypass.core.ledger.chain import Head
from daypass.ports import History

BATCH = 1_000
"""So many admissions are held against git at once."""

_POLICIES = "policies/"


class Past(Struct, frozen=True):
    """Main's first-parent history: its commits in order, the steps of grants, and where policies changed.

    ``said`` is what the messages say of the commits that changed grants, until somebody asks.
    """

    commits: list[Oid]
    positions: dict[Oid, int]
    steps: list[GrantStep]
    anchors: dict[str, tuple[Oid, int | None]]
    policies: list[int]
    said: dict[Oid, Trailers]

    @classmethod
    def read(cls, history: History, tip: Oid) -> Past:
        """Read it up to a commit."""
        past = cls([], {}, [], {}, [], {})
        for landing in history.landings(None, tip):
            position, commit = len(past.commits), Oid(intern(landing.oid))
            past.commits.append(commit)
            past.positions[commit] = position
            grants = [change for change in landing.changes if change.path.startswith(FOLDER)]
            past.steps.extend(
                GrantStep(position, commit, GrantId(intern(grant_id(c.path))), Oid(intern(c.old)), Oid(intern(c.new)))
                for c in grants
            )
            if any(change.path.startswith(_POLICIES) for change in landing.changes):
                past.policies.append(position)
            if grants:
                named = past.said[commit] = read_trailers(landing.message)
                if named.ledger:
                    past.anchors.setdefault(named.ledger, (commit, named.sequence))
        return past

    def trailers(self, history: History, landings: Iterable[Oid]) -> dict[Oid, Trailers]:
        """Return what the messages of landings say. Each is let go once it was asked for, and else read again."""
        found = {oid: self.said.pop(oid, None) for oid in landings}
        again = history.messages([oid for oid, said in found.items() if said is None])
        return {oid: said or read_trailers(again[oid]) for oid, said in found.items()}

    def named_after(self, since: Head | None) -> dict[str, Oid]:
        """Return the digests that merge messages name as the ledger's last, each with the commit; after a head those alone."""
        place = since.sequence if since is not None else -1
        return {
            digest: oid
            for digest, (oid, number) in self.anchors.items()
            if since is None or (number is not None and number > place)
        }

    def policies_of(self, base: Oid) -> Oid:
        """Return the first commit with a base's policies: many bases share them, and they are read once."""
        position = self.positions.get(base)
        if position is None:
            return base
        n = bisect_right(self.policies, position)
        return self.commits[self.policies[n - 1]] if n else base

    def brought(self, landing: Oid) -> dict[GrantId, Oid]:
        """Return the files that a landing added or changed, with what it made of them."""
        position = self.positions.get(landing, -1)
        first = bisect_left(self.steps, position, key=lambda step: step.position)
        here = takewhile(lambda step: step.position == position, islice(self.steps, first, None))
        return {step.grant: step.new for step in here if step.new != ABSENT}

    def parents(self, landing: Oid) -> tuple[Oid, ...]:
        """Return the step before a landing, none for the first and for what is no landing."""
        position = self.positions.get(landing, 0)
        return (self.commits[position - 1],) if position else ()
