"""Purposes: ready-made kinds of request, with what each asks for and how long its access may last."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType

from msgspec import Struct, field


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
