"""What judging knows of the ledger: facts as of a place in it, worked out there by whoever judges, and no more than is asked.

The gate judges with what stands now, the applier in main's order, an auditor with what stood just before the admission.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any

from msgspec import Struct

LATELY = timedelta(days=30)
"""So long somebody is one of the people who approved something on a resource."""

_NONE: Mapping[str, Any] = MappingProxyType({})


class Held(Struct, frozen=True):
    """Of the resources that were asked for: the subjects who hold something there, and who approved something lately.

    ``known`` says whether the ledger was read. Where it was not, nobody is known to hold or to have approved anything.
    """

    holders: Mapping[str, frozenset[str]] = _NONE
    approvers: Mapping[str, frozenset[str]] = _NONE
    known: bool = False


UNREAD = Held()
"""What a machine without the ledger knows."""
