"""How quick access comes and goes, from receipts alone. Where nothing was measured, nothing is said: None, not zero."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from msgspec import Struct, field

from daypass.core.audit.access import Holdings, Sources, lateness
from daypass.core.ids import GrantId
from daypass.core.ledger.receipt import Admission, Outcome, Receipt
from daypass.core.plan import Action, Entitlement, Intended


class Durations(Struct, frozen=True):
    """Durations in seconds. All but ``count`` are None where there are none; the percentile is the nearest rank."""

    count: int
    median: float | None = None
    p95: int | None = None
    worst: int | None = None

    @classmethod
    def of(cls, seconds: Sequence[int]) -> Durations:
        """Measure durations."""
        if not seconds:
            return cls(0)
        ordered = sorted(seconds)
        count = len(ordered)
        middle = (ordered[(count - 1) // 2] + ordered[count // 2]) / 2
        return cls(count, middle, ordered[-(-count * 95 // 100) - 1], ordered[-1])


BOUNDS = (1, 5, 15, 60, 300, 900, 3600, 14400)
"""Seconds: the upper ends of the histogram's steps, the last of which is followed by everything later."""


class Stats(Struct, frozen=True):
    """What `Counter` found, at ``sources.at``.

    ``request_to_usable`` and ``approval_to_usable`` (from the last approval that was needed) leave out ``scheduled``
    grants, whose window was asked to open later, and those that a person did not approve from the second.
    ``lateness`` is from the end of a window to the access being seen to be gone. ``ended_early`` are removals before
    the window's end; ``live`` grants hold access whose window is open; ``missed`` is access still held after its
    window; ``retried`` are removals that failed at first, ``failing`` those that have not come about yet;
    ``doubtful`` are additions nobody knows the end of. ``oldest_missed`` is for how many seconds the oldest access that is
    still held should be gone, None where none is; ``late_within`` counts removals by how late they came, in `BOUNDS`.
    """

    sources: Sources
    request_to_usable: Durations
    approval_to_usable: Durations
    lateness: Durations
    scheduled: int
    ended_early: int
    live: int
    missed: int
    retried: int
    failing: int
    doubtful: int
    oldest_missed: int | None = None
    late_within: tuple[int, ...] = ()


class Counter(Struct):
    """Takes receipts in order; `result` says what they add up to."""

    _holdings: Holdings = field(default_factory=Holdings)
    _waiting: dict[GrantId, Admission] = field(default_factory=dict)
    _request: list[int] = field(default_factory=list)
    _approval: list[int] = field(default_factory=list)
    _late: list[int] = field(default_factory=list)
    _failed: set[Entitlement] = field(default_factory=set)
    _scheduled: int = 0
    _early: int = 0
    _retried: int = 0

    def add(self, receipt: Receipt) -> None:
        """Take the next receipt."""
        body = receipt.body
        if receipt.void:
            pass  # it measures nothing; what it gave is in doubt
        elif isinstance(body, Admission) and not body.narrowed_from:
            if body.window.start > body.merged_at:
                self._scheduled += 1
            else:
                self._waiting[body.grant] = body
        elif isinstance(body, Outcome) and body.change.action is Action.ADD and body.ok:
            self._usable(receipt, body.change)
        elif isinstance(body, Outcome) and body.change.action is Action.REMOVE and not receipt.seconds:
            self._removal(receipt, body)
        if not isinstance(body, Admission):  # by which grants access is held is not measured, and they are large
            self._holdings.add(receipt)

    def _usable(self, receipt: Receipt, change: Intended) -> None:
        for grant in change.grants:
            admission = self._waiting.pop(grant, None)
            if admission is None:
                continue
            self._request.append(_seconds(receipt.at - admission.requested_at))
            if admission.approvals:
                self._approval.append(_seconds(receipt.at - max(record.at for record in admission.approvals)))

    def _removal(self, receipt: Receipt, body: Outcome) -> None:
        entitlement = body.change.entitlement
        if not body.ok:
            self._failed.add(entitlement)
            return
        self._retried += entitlement in self._failed
        self._failed.discard(entitlement)
        held = self._holdings.held.get(entitlement)
        late = lateness(receipt, body.change, held.change.until if held is not None else None)
        if late is not None:
            self._late.append(late)
        elif held is not None and not held.doubt:
            self._early += 1

    def result(self, sources: Sources) -> Stats:
        """Say what the receipts add up to at the instant of an answer."""
        at = sources.at
        held = self._holdings.held.values()
        certain = [item for item in held if not item.doubt]
        return Stats(
            sources=sources,
            request_to_usable=Durations.of(self._request),
            approval_to_usable=Durations.of(self._approval),
            lateness=Durations.of(self._late),
            scheduled=self._scheduled,
            ended_early=self._early,
            live=len({grant for item in certain if not item.overdue(at) for grant in item.change.grants}),
            missed=sum(item.overdue(at) for item in certain),
            retried=self._retried,
            failing=len(self._failed & {item.change.entitlement for item in certain}),
            doubtful=len(held) - len(certain),
            oldest_missed=max(
                (_seconds(at - item.change.until) for item in certain if item.change.until and item.overdue(at)),
                default=None,
            ),
            late_within=tuple(
                sum(low < late <= high for late in self._late)
                for low, high in zip((-1, *BOUNDS), (*BOUNDS, float("inf")), strict=True)
            ),
        )


def _seconds(span: timedelta) -> int:
    return int(span.total_seconds())
