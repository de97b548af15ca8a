"""Who had which role when, as of a place in the ledger: what a standing remembers and the receipts that were added since."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from daypass.core.ids import GrantId, Oid
from daypass.core.ledger.receipt import Admission, Ended, Refusal, Retirement
from daypass.core.ledger.records import NEVER, HeldWindow, ended_by, held_after
from daypass.core.ledger.standing import Standing
from daypass.core.policy.held import HeldGrant

UNPROVED = "unproved"
"""The code of a refusal that is none: the grant waits for its proof."""

Told = Admission | Retirement | Refusal | Ended
"""The bodies that change who has which role."""

File = tuple[GrantId, Oid, str]
"""A file of main, and the commit that brought it, "" where that was not looked at."""

_MOST_WAITING = 1_000
"""Receipts that are kept whole at most, until somebody asks."""

_MANY = 10_000
"""After so many receipts what need not be remembered is looked for."""


class _Resource:
    """What is known of a resource's grants: the blobs of those proved now, and who has had which role when by each."""

    def __init__(self, standing: Standing, resource: str) -> None:
        self.blobs, self.held = standing.on_resource(resource)
        self.by: dict[tuple[str, str], tuple[GrantId, ...]] = {}  # a mapping each would weigh as much as all else
        for grant, held in self.held.items():
            self._note(grant, held)

    def take(self, body: Told, at: datetime) -> None:
        """Take in what a receipt says next of a grant of the resource."""
        grant, end = body.grant, body.end if isinstance(body, Ended) else at
        before = self.held.pop(grant, [])
        left = [one for held in before if (one := ended_by(end, held)) is not None]
        if isinstance(body, Admission):
            self.blobs[grant] = body.blob
            new = ended_by(None, body.held)
            left += [new] if new is not None else []
        elif not isinstance(body, Ended):
            self.blobs.pop(grant, None)
        self._drop(grant, before)
        if left:
            self.held[grant] = left
            self._note(grant, left)

    def forget(self, least: datetime) -> None:
        """Forget what was over by an instant."""
        for grant in [name for name, held in self.held.items() if all(one.until <= least for one in held)]:
            self._drop(grant, self.held.pop(grant))

    def _note(self, grant: GrantId, held: Iterable[HeldWindow]) -> None:
        for one in held:
            there = self.by.get((one.subject, one.role), ())
            if grant not in there:
                self.by[one.subject, one.role] = (*there, grant)

    def _drop(self, grant: GrantId, held: Iterable[HeldWindow]) -> None:
        for one in held:
            left = tuple(other for other in self.by.pop((one.subject, one.role), ()) if other != grant)
            if left:
                self.by[one.subject, one.role] = left


class RoleBook:
    """Who had which role when, resource by resource: the standing is asked of one when somebody asks of it.

    What one landing gave counts for the others alone: its grants were judged together, by what stood before it.
    """

    def __init__(self, standing: Standing) -> None:
        self._standing = standing
        self._known: dict[str, _Resource] = {}
        self._refused: dict[GrantId, Refusal | None] = {}
        self._later: dict[str, list[tuple[Told, datetime]]] = {}
        self._waiting = 0
        self._landed: list[tuple[Admission, datetime]] = []
        self._at = standing.at or NEVER
        self._taken = 0

    def add(self, body: Told, at: datetime) -> None:
        """Take in what a receipt says next, of a run at an instant."""
        self._at = max(self._at, at)
        landed = self._landed
        if isinstance(body, Admission) and not body.narrowed_from:
            if landed and landed[0][0].landing != body.landing:
                self._settle()
            landed.append((body, at))
            return
        if any(one.grant == body.grant for one, _ in landed):
            self._settle()
        self._push(body, at)

    def when(self, resource: str, subject: str, role: str, landing: str) -> Iterator[HeldGrant]:
        """Yield when somebody has had a role on a resource, by which grant, but for what a landing itself gave."""
        least, known = held_after(self._at), self._before(resource, landing)
        for grant in known.by.get((subject, role), ()):
            for one in known.held.get(grant, ()):
                mine = (one.subject, one.role) == (subject, role) and one.until > least
                held = as_held(resource, grant, one) if mine else None
                if held is not None:
                    yield held

    def waiting(self, files: Iterable[File], landing: str) -> Iterator[tuple[GrantId, Oid]]:
        """Yield which files of main are not admitted yet; none of those that were refused for good."""
        for grant, blob, brought in files:
            known = self._before(grant.partition("/")[0], landing)
            if known.blobs.get(grant) != blob and not self._refuses(grant, blob, brought):
                yield grant, blob

    def _refuses(self, grant: GrantId, blob: Oid, brought: str) -> bool:
        """Say whether a file was refused for good: it gives nothing, and never will unless it is brought anew."""
        refusal = self._refused[grant] if grant in self._refused else self._standing.refusal(grant, blob)
        if refusal is None or refusal.blob != blob or refusal.code == UNPROVED:
            return False
        return brought in ("", refusal.landing)

    def _before(self, resource: str, landing: str) -> _Resource:
        if self._landed and self._landed[0][0].landing != landing:
            self._settle()
        return self._resource(resource)

    def _settle(self) -> None:
        for body, at in self._landed:
            self._push(body, at)
        self._landed.clear()

    def _push(self, body: Told, at: datetime) -> None:
        self._later.setdefault(body.grant.partition("/")[0], []).append((body, at))
        self._waiting += 1
        if self._waiting >= _MOST_WAITING:
            for resource in tuple(self._later):
                self._resource(resource)

    def _resource(self, resource: str) -> _Resource:
        known = self._known.get(resource)
        if known is None:
            known = self._known[resource] = _Resource(self._standing, resource)
        later = self._later.pop(resource, ())
        for body, at in later:
            known.take(body, at)
            if isinstance(body, Refusal):
                self._refused[body.grant] = body
            elif not isinstance(body, Ended) and (body.grant in self._refused or body.grant in self._standing.refusals):
                self._refused[body.grant] = None
        self._waiting -= len(later)
        self._taken += len(later)
        if self._taken >= _MANY:
            self._forget()
        return known

    def _forget(self) -> None:
        self._taken = 0
        for known in self._known.values():
            known.forget(held_after(self._at))


def as_held(resource: str, grant: GrantId, one: HeldWindow) -> HeldGrant | None:
    """Return when a role was had as rules look at it, None where it never was."""
    window = one.window
    return HeldGrant(grant, one.subject, resource, one.role, window) if window is not None else None
