"""All requests that policies may be asked, as a product of axes: what is asked for, by whom, when, and beside what.

An axis has one point for each class of values that no condition, and nothing that policy upholds by itself, tells apart
(`daypass.core.policy.cel.reads`). Who and what there is is all there, so that any use of it is covered. What is open (lengths,
instants, texts, what is held) is cut at what conditions compare it with; of a condition that reads it loosely the points
are samples, and `Space.sampled_by` says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import chain, combinations, product
from math import prod
from typing import Any

from msgspec import Struct

from daypass.core.bounds.purposes import DetailField, Purpose
from daypass.core.catalogue import Catalogue
from daypass.core.grant import IMPORT, Bounded, Detail, Grant
from daypass.core.ids import GrantId
from daypass.core.policy.analysis.cases.alike import pairs, roles
from daypass.core.policy.analysis.cases.instants import instants
from daypass.core.policy.cel.expression import Condition
from daypass.core.policy.cel.reads import Reads, reads
from daypass.core.policy.decision import Request
from daypass.core.policy.details import HAS, typed
from daypass.core.policy.facts import DECISION, HISTORY, of_history
from daypass.core.policy.held import FRAME, UNREAD, Held, HeldGrant
from daypass.core.policy.policies import Policy
from daypass.core.window import Span, Window, format_instant

WHAT, WHO, WHEN, BESIDE, TEXTS, KIND = range(6)
"""The axes, in the order in which a request's parts come."""

LENGTH, START = "its length", "its start"
"""What the end of an access is made of, on two axes."""

_SECOND = timedelta(seconds=1)
_NO_TIME = timedelta(0)
_REASON = "tried by daypass"
_OTHER = "EXAMPLE-1"
_OPEN = ("grant.duration", "grant.ticket", "grant.reason", "grant.id", "access.", "request.opened_at", "details.")
_MOST_DETAILS = 300
_MOST_INSTANTS = 60
_MOST_HELD = 5
_MANY = 1_000


class Point(Struct, frozen=True, eq=False):
    """A point of an axis: what conditions can see of it, and the part of a request that it stands for."""

    facts: Mapping[str, Any]
    part: Any


class What(Struct, frozen=True):
    """What is asked for, for what, and for how long; ``absolute``: from one instant until another."""

    resource: str
    role: str
    purpose: str
    details: tuple[tuple[str, Detail], ...]
    length: timedelta
    absolute: bool


Region = tuple[tuple[Point, ...], ...]
"""Some points of each axis: every request that has its parts among them."""


class Space:
    """The requests of policies with one catalogue, as far as some conditions can see, asked from an instant on.

    ``more`` are policies beside the first that say who is named.
    """

    def __init__(
        self, policy: Policy, conditions: Iterable[Condition], at: datetime, more: Sequence[Policy] = ()
    ) -> None:
        self.policy = policy
        self._more = more
        self.at = at
        self._reads = {id(one): reads(one.program.serialize()) for one in conditions}
        self._held = tuple(conditions)  # whose ids are keys stay there
        self.names = frozenset(name for one in conditions for name in one.names)
        self._loose: set[str] = set()
        self._closed: set[str] = set()
        self.whole: Region = (
            self._what(),
            tuple(self._who()),
            tuple(self._when()),
            tuple(self._beside()),
            tuple(self._texts()),
            self._kinds(),
        )
        self.axes = tuple(frozenset(name for point in axis for name in point.facts) for axis in self.whole)
        self.fixed = self._fixed()

    def literals(self, name: str) -> set[Any]:
        """Return everything that some condition compares a variable with."""
        return set(chain.from_iterable(found.literals.get(name, ()) for found in self._reads.values()))

    def hours(self) -> set[tuple[str, str]]:
        """Return all hours, with their zones, that some condition names."""
        return {each for found in self._reads.values() for some in found.hours.values() for each in some}

    def sampled_by(self, condition: Condition) -> frozenset[str]:
        """Return the variables of a condition of whose values only some are tried."""
        found = self._reads.get(id(condition)) or reads(condition.program.serialize())
        open_ = [name for name in condition.names if _is_open(name) and name not in self._closed]
        return frozenset(name for name in open_ if name in self._loose or _loosely(name, found))

    def unvaried(self, condition: Condition) -> frozenset[str]:
        """Return the variables of a condition that no axis varies: they stand as where nothing is on record."""
        known = frozenset[str]().union(*self.axes)
        return frozenset(name for name in condition.names if name not in known and not name.startswith(DECISION))

    def request(self, points: Sequence[Point]) -> Request:
        """Make a request of one point of each axis."""
        what, (subject, requester), (opened, start), (live, together, past), (ticket, reason), kind = (
            one.part for one in points
        )
        span = Span(window=Window(start, start + what.length)) if what.absolute else Span(duration=what.length)
        grant = Grant(
            GrantId(f"{what.resource}/example"), subject, what.resource, what.role, reason, span, ticket, what.purpose,
            details=what.details,
        )  # fmt: skip
        beside = tuple(_holding(subject, number, one) for number, one in enumerate(live))
        held = Held(grants=beside, together=together, stated=past)
        window = None if what.absolute or start == opened else Window(start, start + what.length)
        return Request(grant, requester, opened, kind, window, held=held)

    def _what(self) -> tuple[Point, ...]:
        catalogue, book = self.policy.catalogue, self.policy.facts
        lengths = self.literals("grant.duration") | set(_limits(catalogue))
        cells = sorted(
            {cell for one in lengths if isinstance(one, timedelta) for cell in (one, one + _SECOND)} | {_SECOND}
        )
        ways = (False, True) if "grant.absolute" in self.names else (False,)
        found = []
        purposes = [
            ("", ()),
            *((p.name, d) for p in catalogue.purposes.values() if p.name != IMPORT for d in self._details(p)),
        ]
        for (resource, role), (purpose, details) in product(
            roles((self.policy, *self._more), self._named(), self._by_name()), purposes
        ):
            longest = catalogue.bounds(Bounded("", resource, role, purpose)).longest
            kind = catalogue.purposes.get(purpose)
            known = {
                **book.of_role(resource, role),
                **_detail_facts(kind, details),
                "grant.resource": resource,
                "grant.role": role,
                "grant.purpose": purpose,
                "grant.emergency": kind is not None and kind.emergency,
            }
            facts = {name: value for name, value in known.items() if name in self.names}
            for length, absolute in product((one for one in cells if _SECOND <= one <= longest), ways):
                more = {"grant.duration": length, "grant.absolute": absolute, LENGTH: length}
                found.append(Point(facts | more, What(resource, role, purpose, details, length, absolute)))
        return tuple(found)

    def _details(self, purpose: Purpose) -> Iterator[tuple[tuple[str, Detail], ...]]:
        """Return what grants of a purpose may say, as far as a condition reads it; the rest they are taken to bring."""
        read = [of for of in purpose.fields.values() if {f"details.{of.name}", f"details.{HAS}{of.name}"} & self.names]
        choices = [[*self._values(of), *(() if of.required else (None,))] for of in read]
        self._loose |= {f"details.{of.name}" for of in read if of.pattern}
        listed = [of for of in read if of.kind == "choice" or (of.kind == "names" and 0 < len(of.of) <= _MOST_HELD)]
        self._closed |= {f"details.{of.name}" for of in listed} | {f"details.{HAS}{of.name}" for of in read}
        every: Iterable[Sequence[Detail | None]] = product(*choices)
        if prod(len(values) for values in choices) > _MOST_DETAILS:
            self._closed -= {f"details.{of.name}" for of in read}
            self._loose |= {f"details.{of.name}" for of in read}
            every = _one_by_one(choices)
        for said in every:
            yield tuple((of.name, value) for of, value in zip(read, said, strict=True) if value is not None)

    def _values(self, of: DetailField) -> list[Detail]:
        """Return what a field may hold: all of a closed list, else what conditions tell apart."""
        named = self.literals(f"details.{of.name}")
        if of.kind == "choice":
            return list(of.of)
        if of.kind == "names":
            known = of.of or tuple(sorted(str(one) for one in named)) or ("x",)
            return [some for count in range(1, len(known) + 1) for some in combinations(known[:_MOST_HELD], count)]
        if of.kind == "moment":
            near = {one + step for one in named if isinstance(one, datetime) for step in (-_SECOND, _NO_TIME, _SECOND)}
            near |= {self.at + timedelta(days=days) for days in (1, 30, 300)}
            return [format_instant(one) for one in sorted(near) if one > self.at]
        if of.kind == "number":
            return [str(one + step) for one in sorted({0, *named}) if isinstance(one, int) for step in (-1, 0, 1)]
        if of.kind == "person":
            return [one.handle for one in self.policy.catalogue.directory.subjects.values() if one.is_person]
        return [_OTHER, *sorted(str(one) for one in named if one)]

    def _who(self) -> Iterator[Point]:
        book = self.policy.facts
        for subject, requester in pairs((self.policy, *self._more), self._named(), self._by_name()):
            facts = {
                **book.of_subject(subject),
                "grant.subject": subject,
                "request.requester": requester,
                "requester.groups": book.groups_of(requester),
            }
            yield Point({name: value for name, value in facts.items() if name in self.names}, (subject, requester))

    def _when(self) -> Iterator[Point]:
        """Return instants of asking and of the start of the access: the same, unless conditions read both."""
        named = {one for name in _TIMES for one in self.literals(name) if isinstance(one, datetime)}
        texts = [one.text for one in self._held if set(_TIMES) & set(one.names)]
        found, loose = instants(self.at, named, self.hours(), self.policy.catalogue, texts)
        self._loose |= set(_TIMES) if loose else set()
        self._loose.add("access.until")
        both = {"request.opened_at", "access.from"} <= self.names
        some = found if set(_TIMES) & self.names else found[:1]
        many = both and len(some) > _MOST_INSTANTS
        self._loose |= {"access.from", "request.opened_at"} if many else set()
        for start in some:
            before = [self.at] if many else [one for one in some if one < start]
            for opened in (start, *before) if both else (start,):
                facts = {"request.opened_at": opened, "access.from": start, START: start}
                yield Point({n: v for n, v in facts.items() if n in self.names or n == START}, (opened, start))

    def _beside(self) -> Iterator[Point]:
        there = {f"{one.name}/{role}" for one in self.policy.catalogue.resources.values() for role in one.roles}
        named = sorted(there & self.literals("subject.live"))
        self._loose |= {"subject.live", "subject.live_grants"} if len(named) > _MOST_HELD else set()
        other = next((one for one in sorted(there) if one not in named), "")
        counts, most = (
            [one + step for one in self.literals(name) if isinstance(one, int) for step in (-1, 0, 1)]
            for name in ("subject.live_grants", "request.number_of_grants")
        )
        together = sorted({1, *(one for one in most if 0 < one < _MANY)})
        lives = {
            (*some, *([other or some[-1]] * (count - len(some)) if other or some else ()))
            for size in range(min(len(named), _MOST_HELD) + 1)
            for some in combinations(named[:_MOST_HELD], size)
            for count in {0, size, *(one for one in counts if 0 <= one < _MANY)}
        }
        for live, number, past in product(sorted(lives, key=lambda one: (len(one), one)), together, self._pasts()):
            facts = {
                "subject.live": sorted(set(live)),
                "subject.live_grants": len(live),
                "request.number_of_grants": number,
                **past,
            }
            yield Point({name: value for name, value in facts.items() if name in self.names}, (live, number, past))

    def _pasts(self) -> list[dict[str, Any]]:
        """Return what may be on record of the past, as far as conditions read it."""

        def numbers(name: str, least: int, most: int) -> list[int]:
            named = (one + step for one in self.literals(name) if isinstance(one, int) for step in (-1, 0, 1))
            return sorted({least, *(one for one in named if least <= one <= most)})

        choices: list[list[dict[str, Any]]] = [
            [{name: number} for number in numbers(name, least, most)]
            for name, least, most in (("subject.days_held", 1, FRAME), ("requester.denials", 0, _MANY))
            if name in self.names
        ]
        if self.names & {"subject.use_known", "subject.last_used"}:
            used = numbers("subject.last_used", 0, _MANY)
            known = [{"subject.use_known": True, "subject.last_used": number} for number in used]
            choices.append([{"subject.use_known": False}, *known])
        return [dict(chain.from_iterable(one.items() for one in some)) for some in product(*choices)]

    def _texts(self) -> Iterator[Point]:
        tickets, reasons = (
            {*start, *(str(one) for one in self.literals(name))} if name in self.names else start[:1]
            for name, start in (("grant.ticket", ("", _OTHER)), ("grant.reason", (_REASON,)))
        )
        if any(one.ticket_pattern or one.ticket_required for one in self.policy.catalogue.purposes.values()):
            self._loose.add("grant.ticket")
        for ticket, reason in product(sorted(tickets), sorted(reason for reason in reasons if reason)):
            yield Point({"grant.ticket": ticket, "grant.reason": reason}, (ticket, reason))

    def _kinds(self) -> tuple[Point, ...]:
        kinds = ("new", "widen") if "request.kind" in self.names else ("new",)
        return tuple(Point({"request.kind": kind}, kind) for kind in kinds)

    def _fixed(self) -> dict[str, Any]:
        """Return what no axis varies, as it stands where nothing is on record."""
        known = frozenset[str]().union(*self.axes)
        blank = of_history(UNREAD, "", Window(self.at, self.at + _SECOND))
        left = {name: value for name, value in blank.items() if name not in known}
        return left | {"grant.id": "example/example"}

    def _named(self) -> frozenset[str]:
        """Return every text that some condition compares anything with."""
        return frozenset(
            one
            for found in self._reads.values()
            for some in found.literals.values()
            for one in some
            if isinstance(one, str)
        )

    def _by_name(self) -> bool:
        """Say whether some condition tells people or resources apart by their names in any other way."""
        return any(_NAMES & found.loose for found in self._reads.values())


_TIMES = ("request.opened_at", "access.from", "access.until")
_NAMES = frozenset(
    {
        *("grant.subject", "subject.handle", "subject.manager", "request.requester"),
        *("grant.resource", "grant.role", "resource.name", "role.name"),
    }
)


def _one_by_one(choices: Sequence[Sequence[Detail | None]]) -> Iterator[Sequence[Detail | None]]:
    """Vary each field alone, the others as they are first, then with as few details as there may be."""
    for base in ([values[0] for values in choices], [values[-1] for values in choices]):
        for place, values in enumerate(choices):
            yield from ([*base[:place], value, *base[place + 1 :]] for value in values)


def _is_open(name: str) -> bool:
    return name.startswith(_OPEN) or name in HISTORY


def _loosely(name: str, found: Reads) -> bool:
    beside = {other for pair in found.beside if name in pair for other in pair} - {name, "role.max_duration"}
    return name in found.loose or bool(beside)


def _limits(catalogue: Catalogue) -> Iterator[timedelta]:
    """Return every length at which something that policy upholds by itself changes."""
    yield catalogue.settings.limits.max_duration
    for resource in catalogue.resources.values():
        yield from (role.max_duration for role in resource.roles.values())
    yield from (one.max_duration for one in catalogue.purposes.values() if one.max_duration is not None)


def _detail_facts(purpose: Purpose | None, details: tuple[tuple[str, Detail], ...]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, of in purpose.fields.items() if purpose is not None else ():
        said = dict(details).get(name)
        found |= {} if said is None else {f"details.{name}": typed(of, said)}
        found[f"details.{HAS}{name}"] = said is not None
    return found


def _holding(subject: str, number: int, one: str) -> HeldGrant:
    resource, _, role = one.partition("/")
    return HeldGrant(GrantId(f"{resource}/held-{number}"), subject, resource, role, None)
