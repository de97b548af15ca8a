"""Purposes: ready-made kinds of request, with what each asks for and how long its access may last."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType

from msgspec import Struct, field

from daypass.core.grant import REVIEW, Bounded
from daypass.core.window import AccessBound

BEYOND_DETAIL = "beyond-detail"
"""The code of an end that a grant's own details name."""

UNREVIEWED = "unreviewed"
"""The code of the end of an emergency that nobody has reviewed."""


class DetailField(Struct, frozen=True):
    """A field of a purpose, which its grants fill in as one of their details; ``of`` are the only values, where there are any.

    ``kind``: text, moment, choice, names, number or person. ``ends_access``: the access ends at that moment.
    """

    name: str
    kind: str
    title: str = ""
    required: bool = False
    ends_access: bool = False
    of: tuple[str, ...] = ()
    pattern: str = ""

    @property
    def said(self) -> str:
        """The field as messages name it."""
        return f"details.{self.name}" + (f" ({self.title})" if self.title else "")


class Purpose(Struct, frozen=True):
    """A ready-made request kind and what it demands.

    ``review_within``: what is given for it is reviewed afterwards, so long after its merge at the latest, or ends.
    ``asked_by`` are the sources of those who may ask for it (`daypass.core.policy.sources`), empty for anybody. ``guide``
    is said to reviewers.
    """

    name: str
    title: str = ""
    emergency: bool = False
    asked_by: tuple[str, ...] = ()
    ticket_required: bool = False
    ticket_pattern: str = ""
    fields: Mapping[str, DetailField] = field(default_factory=lambda: MappingProxyType({}))
    max_duration: timedelta | None = None
    max_span: timedelta | None = None
    guide: str = ""
    review_within: timedelta | None = None


def detail_bounds(of: Bounded, purpose: Purpose | None) -> Iterator[AccessBound[datetime]]:
    """Yield the ends that a grant has of its own: by its details, and by when it is to be reviewed."""
    for name, moment in of.due:
        if name == REVIEW:
            yield AccessBound(moment, UNREVIEWED, "nobody has reviewed it, and so it lasts", cuts=True)
            continue
        told = purpose.fields.get(name) if purpose is not None else None
        what = f"{told.said if told is not None else f'details.{name}'} lets it last"
        yield AccessBound(moment, BEYOND_DETAIL, what, cuts=True)
