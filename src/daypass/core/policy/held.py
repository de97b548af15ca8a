"""What judging knows of the ledger: facts as of a place in it, worked out there by whoever judges, and no more than is asked.

The gate judges with what stands now, the applier in main's order, an auditor with what stood just before the admission.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any, NamedTuple

from msgspec import Struct

from daypass.core.grant import Grant
from daypass.core.ids import GrantId
from daypass.core.window import Window

LATELY = timedelta(days=30)
"""So long somebody is one of the people who approved something on a resource."""

_NONE: Mapping[str, Any] = MappingProxyType({})


class HeldGrant(NamedTuple):
    """A grant beside the one that is judged. ``window`` is None of one that is merged and not admitted yet."""

    grant: GrantId
    subject: str
    resource: str
    role: str
    window: Window | None

    @classmethod
    def of(cls, grant: Grant, window: Window | None) -> HeldGrant:
        """Return what a grant gives during a window."""
        return cls(grant.id, grant.subject, grant.resource, grant.role, window)

    def meets(self, window: Window) -> bool:
        """Say whether it gives access during any of a window: one that nobody has dated yet may."""
        return self.window is None or (self.window.start < window.end and window.start < self.window.end)


class Held(Struct, frozen=True):
    """Of the resources that were asked for: the subjects who hold something there, and who approved something lately.

    ``grants`` are those beside the one that is judged, of its subject, and ``together`` how many its request has, with
    itself. ``known`` says whether the ledger was read. Where it was not, nobody is known to hold or to have approved
    anything.
    """

    holders: Mapping[str, frozenset[str]] = _NONE
    approvers: Mapping[str, frozenset[str]] = _NONE
    known: bool = False
    grants: tuple[HeldGrant, ...] = ()
    together: int = 1


UNREAD = Held()
"""What a machine without the ledger knows."""
