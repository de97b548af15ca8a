"""What comes of approvals that nobody gives for a while: further people may give them, or the request ends."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from msgspec import Struct

from daypass.core.calendar.wait import Wait

Turn = tuple[str, datetime, datetime]
"""Who was on call, from when, and until when."""


class Escalation(Struct, frozen=True):
    """After ``wait`` the people of ``to`` (a source) may approve as well; "" for nobody: the request is closed.

    Once it is resolved, ``eligible`` are these people, and ``turns`` says of whom only while they were on call.
    """

    wait: Wait
    to: str = ""
    eligible: frozenset[str] = frozenset()
    turns: tuple[Turn, ...] = ()

    @property
    def closes(self) -> bool:
        """Whether it ends the request."""
        return not self.to

    @property
    def people(self) -> frozenset[str]:
        """All who can approve by it, at some time."""
        return self.eligible | {handle for handle, *_ in self.turns}


def able_at(handle: str, at: datetime, eligible: Collection[str], turns: Collection[Turn]) -> bool:
    """Say whether somebody can give an approval at an instant: who takes turns only while they are on call."""
    if not turns:
        return handle in eligible
    mine = [(start, end) for one, start, end in turns if one == handle]
    return any(start <= at < end for start, end in mine) if mine else handle in eligible


def joined(one: tuple[Escalation, ...], other: tuple[Escalation, ...]) -> tuple[Escalation, ...]:
    """Join what two requirements of one source escalate to, so that it is as strict as each of them.

    People come in where both name them, after the longer wait; the request is closed where either does, after the
    shorter one.
    """
    if one == other:
        return one
    longest: dict[str, Wait] = {}
    for mine in one:
        for its in other:
            if mine.to == its.to and mine.to:
                wait = max(mine.wait, its.wait, key=lambda wait: wait.plain)
                longest[mine.to] = max(longest.get(mine.to, wait), wait, key=lambda wait: wait.plain)
    found = [Escalation(wait, to) for to, wait in longest.items()]
    closing = sorted((step for step in (*one, *other) if step.closes), key=lambda step: step.wait.plain)
    return tuple(sorted([*found, *closing[:1]], key=lambda step: (step.wait.plain, step.to)))
