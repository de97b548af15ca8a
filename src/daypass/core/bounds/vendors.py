"""Vendors (sub-processors): who answers for one, and what bounds the access of its people.

A vendor's worker gets nothing outside the agreement, the data-processing agreement, the resources, the data and the purposes
that the directory states of the vendor. Narrowing any of them ends what is live, as every bound does (`Catalogue.bounds`).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from msgspec import Struct

from daypass.core.grant import Bounded
from daypass.core.window import LONG_AGO, AccessBound, format_instant

ENGAGED = "beyond-engagement"
"""The code of an end that is that of an engagement: a person's own, or a contract in the form of earlier releases."""

BEGINS, AGREED, PROCESSED = "before-agreement", "beyond-agreement", "beyond-dpa"
RESOURCE, DATA, UNSAID, PURPOSE = "vendor-resource", "vendor-data", "vendor-data-unsaid", "vendor-purpose"

OVER = {ENGAGED: "engagement-over", AGREED: "agreement-over", PROCESSED: "dpa-over"}
"""Codes of ends that are dates, with the code of a request that was opened after it."""

HINTS = {
    BEGINS: "begin the window when the agreement does, or correct agreement.from in policies/directory",
    RESOURCE: "extend the agreement, and the vendor's resources in policies/directory, first",
    DATA: "extend the agreement, and the vendor's data in policies/directory, first",
    UNSAID: "state data in the resource's file first, data: [] where it holds none",
    PURPOSE: "ask for one of the vendor's purposes, which policies/directory names",
}
"""What helps against a bound that is no date."""


class Vendor(Struct, frozen=True):
    """A sub-processor. ``sponsors`` are the people of ours who answer for it.

    ``start`` and ``until`` are those of the agreement, ``dpa_until`` is the end of the data-processing agreement. Where its
    terms are not ``stated``, ``until`` alone bounds its people, and nobody sponsors them: so did earlier releases.
    """

    name: str
    title: str = ""
    sponsors: tuple[str, ...] = ()
    start: datetime | None = None
    until: datetime | None = None
    dpa_until: datetime | None = None
    resources: tuple[str, ...] = ()
    data: tuple[str, ...] = ()
    purposes: tuple[str, ...] = ()
    stated: bool = False

    def bounds(self, of: Bounded, held: tuple[str, ...] | None) -> Iterator[AccessBound[datetime]]:
        """Yield what ends the access of one of its people; ``held`` are the data of its resource, None where nobody says."""
        if not self.stated:
            if self.until is not None:
                yield AccessBound(self.until, ENGAGED, f"{of.subject}'s vendor {self.name} is engaged")
            return
        whose = f"with {self.name}, {of.subject}'s vendor,"
        if self.until is not None:
            yield AccessBound(self.until, AGREED, f"the agreement {whose} holds")
        if self.dpa_until is not None:
            yield AccessBound(self.dpa_until, PROCESSED, f"the data-processing agreement {whose} holds")
        if self.start is not None and of.since is not None and of.since < self.start:
            what = f"the agreement {whose} holds from {format_instant(self.start)} on only"
            yield AccessBound(LONG_AGO, BEGINS, what)
        if of.resource:
            yield from self._outside(of, held, whose)

    def _outside(self, of: Bounded, held: tuple[str, ...] | None, whose: str) -> Iterator[AccessBound[datetime]]:
        """Yield what of an access the agreement does not cover, whatever its dates are."""
        covers = f"the agreement {whose} does not cover"
        if of.resource not in self.resources:
            yield AccessBound(LONG_AGO, RESOURCE, f"{covers} {of.resource}")
        more = [kind for kind in held or () if kind not in self.data]
        if held is None:
            unsaid = f"{of.resource} does not say which data it holds, and the agreement {whose} covers only some"
            yield AccessBound(LONG_AGO, UNSAID, unsaid)
        elif more:
            yield AccessBound(LONG_AGO, DATA, f"{covers} {', '.join(more)} data, which {of.resource} holds")
        if of.purpose not in self.purposes:
            what = f"purpose {of.purpose}" if of.purpose else "access without a purpose"
            yield AccessBound(LONG_AGO, PURPOSE, f"{covers} {what}")
