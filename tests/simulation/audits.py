"""What the verbs `audit access` and `audit history` answer, held against what was there and against the oracle."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from daypass.cli.quick.place import _read_subject, index_of
from daypass.cli.repository import AccessRepository
from daypass.core.audit.access import GrantStep, Sources, about
from daypass.core.audit.events import EventKind, HistoryEvent
from daypass.core.ids import ABSENT, FOLDER, GrantId, Oid, grant_id
from daypass.core.ledger.receipt import Body, Receipt
from daypass.core.window import parse_instant
from daypass.pipeline.audit import questions
from daypass.pipeline.audit.questions import Index
from simulation.disk import DiskPlace
from simulation.oracle import Oracle
from simulation.place import Place
from simulation.remembered import Access
from simulation.story import TARGETS, clock, instant
from simulation.targets import named
from simulation.unkept import keep


class Noted(NamedTuple):
    """What was at a target at some minute, and what the oracle says of it: what had to be there, and what might."""

    there: set[Access]
    required: set[Access]
    allowed: set[Access]


Told = dict[int, dict[str, Noted]]
"""What was noted, by minute and target."""


class LifeIndex:
    """Main's steps and the ledger's receipts, read once. Implements daypass.pipeline.audit.questions.Index."""

    def __init__(self, repo: AccessRepository, receipts: tuple[Receipt, ...]) -> None:
        self._history = repo.history
        self._repo = repo
        self._commit, self._receipts = repo.ledger.receipts.head(), receipts
        self._steps = tuple(self._read())

    def _read(self) -> Iterator[tuple[GrantStep, str]]:
        changes = (
            (landing.oid, change)
            for landing in self._history.landings(None, self._repo.tip)
            for change in landing.changes
            if change.path.startswith(FOLDER)
        )
        for place, (commit, change) in enumerate(changes):
            step = GrantStep(place, commit, grant_id(change.path), change.old, change.new)
            texts = self.contents([change.new]).values()
            yield step, "".join(_read_subject(change.path, raw) or "" for raw in texts)

    def follow(self, at: datetime) -> Sources:
        last = self._receipts[-1].at
        return Sources(self._repo.tip, self._commit, len(self._receipts), last, at)

    def grants_of(self, subject: str) -> tuple[GrantId, ...]:
        return tuple({step.grant for step, named in self._steps if named == subject})

    def steps(
        self, *, resource: str = "", grants: Collection[GrantId] | None = None
    ) -> tuple[tuple[GrantStep, str], ...]:
        return tuple(
            (step, subject)
            for step, subject in self._steps
            if (not resource or step.grant.startswith(f"{resource}/")) and (grants is None or step.grant in grants)
        )

    def receipts(self, *, resource: str = "", grants: Collection[GrantId] = ()) -> tuple[Receipt, ...]:
        wanted = {("resource", resource)} if resource else {("grant", str(grant)) for grant in grants}
        return tuple(receipt for receipt in self._receipts if not wanted.isdisjoint(about(receipt)))

    def all_receipts(self, kinds: Collection[type[Body]] = ()) -> Iterator[Receipt]:
        return (receipt for receipt in self._receipts if not kinds or isinstance(receipt.body, tuple(kinds)))

    def anchors(self, digests: Iterable[str]) -> Mapping[str, datetime]:
        wanted = set(digests)
        return {receipt.digest: receipt.at for receipt in self._receipts if receipt.digest in wanted}

    def messages(self, commits: Iterable[Oid]) -> Mapping[Oid, str]:
        return dict(self._history.messages(list(commits)))

    def heads(self, commits: Collection[Oid]) -> Mapping[Oid, str]:
        return self.messages(commits)

    def contents(self, blobs: Collection[Oid]) -> Mapping[Oid, bytes]:
        return dict(self._history.blobs([blob for blob in blobs if blob != ABSENT]))


def check_answers(
    place: Place, told: Told, oracle: Oracle, numbers: Mapping[str, int], at: int, receipts: tuple[Receipt, ...]
) -> None:
    """Ask who could reach what at the minutes that were noted, and how each access came to be and ended.

    On disk the index that is asked is the one of daypass's own verbs, with git below it.
    """
    repo, now = place.access.repo(), parse_instant(instant(at))
    index = index_of(repo) if isinstance(place, DiskPlace) else LifeIndex(repo, receipts)
    names = {number: name for name, number in numbers.items()}
    for resource, target in TARGETS.items():
        noted = {minute: targets[target] for minute, targets in told.items() if target in targets}
        events = questions.history(index, resource=resource, known=lambda: TARGETS, at=now).events
        for minute, was in noted.items():
            then = parse_instant(instant(minute))
            _check_access(index, resource, was, then)
            held = _replayed(events, then)
            what = f"by `audit history` {sorted(held)} was at target {target} at {clock(minute)}"
            keep(held == was.there, "5", f"{what}; {sorted(was.there)} was")
        for event in events:
            if event.kind is EventKind.APPROVED and event.pull in names:
                who, name = event.by.partition(" ")[0], names[event.pull]
                review = oracle.requests[name].reviews.get(who)
                approved = review is not None and review.state == "approved"
                keep(approved, "3", f"`audit history` says that {who} approved {name}, who did not")


def _check_access(index: Index, resource: str, was: Noted, then: datetime) -> None:
    found = questions.access(index, resource, known=lambda: TARGETS, at=then).found
    said = {named(one.change.entitlement) for one in found if not one.doubt}
    what = f"`audit access` says that {sorted(said)} was there at {then}"
    keep(said == was.there, "5", f"{what}; {sorted(was.there)} was")
    keep(said <= was.allowed, "1", f"{what}; {sorted(was.allowed)} was granted")
    keep(was.required <= said, "8", f"{what}; {sorted(was.required)} was due")


def _replayed(events: Iterable[HistoryEvent], then: datetime) -> set[Access]:
    """Return who held what at an instant, by what is told of access that came and went."""
    held: dict[Access, tuple[GrantId, ...]] = {}
    for event in events:
        access = event.resource, event.subject, event.role
        if event.at is None or event.at > then:
            continue
        if event.kind is EventKind.ADDED:
            held[access] = event.grants
        elif event.kind is EventKind.REMOVED:
            held.pop(access, None)
        elif event.kind is EventKind.SETTLED and event.detail.startswith("written off"):
            held = {one: grants for one, grants in held.items() if not set(grants) & set(event.grants)}
    return set(held)
