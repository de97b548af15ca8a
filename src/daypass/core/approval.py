"""Approvals: who did what at the forge, and whether that is enough.

Upholds invariant 3: nobody approves access for themselves, by any name, and only people count.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from daypass.core.grant import Oid


@dataclass(frozen=True, slots=True)
class Account:
    """Who did something at the forge, resolved by the forge adapter: ``handle`` is the directory's, "" when it knows none.

    ``name`` is what people see; ``person`` is False for bots; ``proved`` is False when the forge could not prove who it was
    (locally: the directory names an SSH key and the record is not signed with it).
    """

    handle: str
    name: str
    person: bool = True
    proved: bool = True


@dataclass(frozen=True, slots=True)
class Review:
    """One review at the forge. ``state``: approved, rejected or withdrawn; the last one of a person counts."""

    by: Account
    state: str
    commit: Oid
    at: datetime
    id: str


@dataclass(frozen=True, slots=True)
class Merge:
    """The forge's own record of a merge: main moved from ``base`` to ``commit`` by merging ``head`` at ``at``."""

    commit: Oid
    base: Oid
    head: Oid
    at: datetime
    by: Account


@dataclass(frozen=True, slots=True)
class Pull:
    """A pull request. ``state``: open, merged or closed. ``pushers`` are all who moved the head, oldest first."""

    number: int
    title: str
    state: str
    opened_by: Account
    opened_at: datetime
    branch: str
    head: Oid
    pushers: tuple[Account, ...] = ()
    merge: Merge | None = None
    closed_reason: str = ""
