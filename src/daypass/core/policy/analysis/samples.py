"""Samples to try a rule in: what catalogue, directory and settings allow to be asked, as far as a rule can see.

Only the variables that a rule mentions differ between its samples. Beside the resources and subjects that exist there
are ones that could be added without changing the settings (any environment with any classification, anyone in any
group), so that a rule made for tomorrow's resource is no fault today.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import product
from math import prod
from typing import Any

from msgspec import Struct

from daypass.core.bounds.purposes import DetailField, Purpose
from daypass.core.calendar.calendars import Calendar
from daypass.core.calendar.hours import DAYS, parse_hours, parse_zone
from daypass.core.catalogue import Catalogue
from daypass.core.policy.cel.expression import CALENDAR_PLACES
from daypass.core.policy.cel.source import Token, tokens
from daypass.core.policy.details import HAS
from daypass.core.policy.facts import HISTORY, UNSURE, FactBook, vendor_facts
from daypass.core.policy.held import FRAME
from daypass.core.policy.rules import Rule

MOST = 5_000
"""Samples that one rule is tried in at most."""

_FREE = ("grant.id", "grant.reason", "grant.ticket")
_COMPARISONS = frozenset({"<", "<=", ">", ">=", "==", "!="})
_ARITHMETIC = frozenset("+-*/%")
_TIMES = ("request.opened_at", "access.from", "access.until")
_MANY = 1_000
"""More grants nobody holds."""
_EDGES = 20
"""So many spans of a calendar are tried."""
_MONDAYS = (datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 7, 6, tzinfo=UTC))
"""One week of winter and one of summer; which ones does not matter."""


class Samples(Struct, frozen=True):
    """The samples of one rule. ``complete``: whatever may be asked looks to the rule like one of them."""

    axes: tuple[tuple[Mapping[str, Any], ...], ...]
    complete: bool

    @property
    def count(self) -> int:
        """How many there are."""
        return prod(len(axis) for axis in self.axes)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Go through at most MOST of them, spread evenly."""
        count = self.count
        for index in range(0, count, -(-count // MOST)):
            found: dict[str, Any] = {}
            rest = index
            for axis in self.axes:
                rest, position = divmod(rest, len(axis))
                found.update(axis[position])
            yield found


def samples_of(rule: Rule, catalogue: Catalogue, book: FactBook) -> Samples:
    """Return the samples that a rule is to be tried in; ``book`` has the facts of the catalogue."""
    names = frozenset(rule.names)
    pieces = [tokens(condition.text) for condition in rule.conditions]
    literals = sorted({token.literal for line in pieces for token in line if token.literal})
    axes = (
        _axis(names, lambda: _resources(catalogue, book, frozenset(literals))),
        _axis(names, lambda: _subjects(catalogue, book, frozenset(literals))),
        _axis(names, lambda: _purposes(catalogue, rule.purpose)),
        *_detail_axes(names, catalogue.purposes.get(rule.purpose), catalogue, pieces),
        _axis(names, lambda: _requesters(catalogue, book, frozenset(literals))),
        _axis(names, lambda: ({"request.kind": kind} for kind in ("new", "widen"))),
        _axis(names, lambda: ({"grant.absolute": value} for value in (False, True))),
        _axis(names, lambda: ({"subject.live": held} for held in _holdings(catalogue, literals))),
        _axis(names, lambda: ({"subject.live_grants": number} for number in _numbers(pieces))),
        _axis(names, lambda: ({"request.number_of_grants": number} for number in _numbers(pieces) if number)),
        _axis(names, lambda: ({"subject.days_held": number} for number in _numbers(pieces) if 0 < number <= FRAME)),
        _axis(names, lambda: ({"requester.denials": number} for number in _numbers(pieces))),
        _axis(names, lambda: ({"subject.unreviewed": number} for number in _numbers(pieces))),
        *_use_axis(names, pieces),
        _axis(names, lambda: ({"grant.duration": value} for value in _durations(catalogue, literals))),
        _axis(names, lambda: ({"request.opened_at": value} for value in _instants(pieces, catalogue))),
        _axis(names, lambda: _accesses(_instants(pieces, catalogue))),
        *(_free_axis(names, free, literals) for free in _FREE),
    )
    found = Samples(axes, complete=False)
    complete = (
        found.count <= MOST
        and not names & set(_FREE)
        and not any(name.startswith("details.") for name in names)
        and ("grant.duration" not in names or _only_compared(pieces))
        and not {"access.from", "access.until"} <= names
        and not any(_calendars(pieces))
        and not (HISTORY | UNSURE) & names
        and all(name not in names or _only_in_hours(pieces, name) for name in _TIMES)
    )
    return Samples(axes, complete)


def _axis(names: frozenset[str], options: Callable[[], Iterable[Mapping[str, Any]]]) -> tuple[Mapping[str, Any], ...]:
    """Keep what a rule can see of the options, each once."""
    found: dict[str, Mapping[str, Any]] = {}
    for option in options():
        seen = {name: value for name, value in option.items() if name in names}
        if not seen and not names & UNSURE:
            break  # the rule sees nothing on this axis
        found.setdefault(repr(seen), seen)
    return tuple(found.values()) or ({},)


def _free_axis(names: frozenset[str], free: str, literals: Sequence[str]) -> tuple[Mapping[str, Any], ...]:
    return _axis(names, lambda: ({free: text} for text in ("", "x", *literals)))


def _resources(catalogue: Catalogue, book: FactBook, named: frozenset[str]) -> Iterator[dict[str, Any]]:
    pairs = [(resource.name, role) for resource in catalogue.resources.values() for role in resource.roles]
    settings = catalogue.settings
    bases = [_blank(settings.limits.max_duration)]
    for resource, role in pairs:
        facts = book.of_role(resource, role) | {"grant.resource": resource, "grant.role": role}
        yield facts
        if {resource, role} & named:
            bases.append(facts)
    for facts in bases:
        for environment, classification, target in product(
            settings.environments, settings.classifications, settings.targets or ("",)
        ):
            yield facts | {
                "resource.environment": environment,
                "resource.classification": classification,
                "resource.target": target,
            }


def _blank(longest: timedelta) -> dict[str, Any]:
    names = dict.fromkeys(("resource.name", "grant.resource", "role.name", "grant.role"), "")
    return {**names, "role.max_duration": longest, "resource.data": [], "resource.owners": []}


def _group_lists(catalogue: Catalogue, named: frozenset[str]) -> list[list[str]]:
    groups = sorted(catalogue.directory.groups)
    return [[], *([name] for name in groups if name in named), groups]


def _subjects(catalogue: Catalogue, book: FactBook, named: frozenset[str]) -> Iterator[dict[str, Any]]:
    directory = catalogue.directory
    bases: list[dict[str, Any]] = []
    for handle in directory.subjects:
        facts = book.of_subject(handle) | {"grant.subject": handle}
        yield facts
        if handle in named or not bases:
            bases.append(facts)
    hired = [("employee", ""), ("contractor", ""), ("vendor", ""), *(("vendor", name) for name in directory.vendors)]
    for facts, groups, (employment, vendor) in product(bases, _group_lists(catalogue, named), hired):
        hiring = {
            "subject.employment": employment,
            "subject.vendor": vendor,
            **vendor_facts(directory.vendors.get(vendor)),
        }
        plain = {name: value for name, value in facts.items() if name not in UNSURE}
        yield plain | {"subject.groups": groups, **hiring}


def _requesters(catalogue: Catalogue, book: FactBook, named: frozenset[str]) -> Iterator[dict[str, Any]]:
    bases: list[str] = []
    for handle in catalogue.directory.subjects:
        yield {"request.requester": handle, "requester.groups": book.groups_of(handle)}
        if handle in named or not bases:
            bases.append(handle)
    for handle, groups in product(bases, _group_lists(catalogue, named)):
        yield {"request.requester": handle, "requester.groups": groups}


def _detail_axes(
    names: frozenset[str], purpose: Purpose | None, catalogue: Catalogue, pieces: Sequence[Sequence[Token]]
) -> Iterator[tuple[Mapping[str, Any], ...]]:
    """Return an axis for each field of a rule's purpose: what grants may say of it, and nothing where they need not."""
    for name, of in purpose.fields.items() if purpose is not None else ():
        said = [{f"details.{name}": value, f"details.{HAS}{name}": True} for value in _values(of, catalogue, pieces)]
        without = [] if of.required else [{f"details.{HAS}{name}": False}]
        if names & {f"details.{name}", f"details.{HAS}{name}"}:
            yield tuple({key: value for key, value in option.items() if key in names} for option in (*said, *without))


def _use_axis(names: frozenset[str], pieces: Sequence[Sequence[Token]]) -> Iterator[tuple[Mapping[str, Any], ...]]:
    """Return an axis for when a subject used the resource: nobody knows, or so many days ago."""
    if names & {"subject.use_known", "subject.last_used"}:
        known = [{"subject.use_known": True, "subject.last_used": number} for number in _numbers(pieces)]
        options: list[Mapping[str, Any]] = [{"subject.use_known": False}, *known]
        yield tuple({key: value for key, value in option.items() if key in names} for option in options)


def _values(of: DetailField, catalogue: Catalogue, pieces: Sequence[Sequence[Token]]) -> Sequence[Any]:
    """Return what a field may hold: all of it of a closed list, else what rules may tell apart of the rest."""
    if of.kind == "choice":
        return of.of
    if of.kind == "names":
        return [*([one] for one in of.of or ("x",)), list(of.of)]
    if of.kind == "moment":
        return _instants(pieces, catalogue)
    if of.kind == "number":
        named = {
            int(token.text) for line in pieces for token in line if token.text.isascii() and token.text.isdecimal()
        }
        return sorted({0, 1, *(number + step for number in named for step in (-1, 0, 1))})
    if of.kind == "person":
        return [one.handle for one in catalogue.directory.subjects.values() if one.is_person]
    return ["x", *sorted({token.literal for line in pieces for token in line if token.literal})]


def _purposes(catalogue: Catalogue, own: str) -> Iterator[dict[str, Any]]:
    if own:
        yield {"grant.purpose": own, "grant.emergency": catalogue.purposes[own].emergency}
        return
    yield {"grant.purpose": "", "grant.emergency": False}
    for purpose in catalogue.purposes.values():
        yield {"grant.purpose": purpose.name, "grant.emergency": purpose.emergency}
    yield {"grant.purpose": "", "grant.emergency": True}


def _holdings(catalogue: Catalogue, literals: Sequence[str]) -> Iterator[list[str]]:
    """Return what a subject may hold: nothing, one of what a rule names, all of it, or one of what there is."""
    there = [f"{one.name}/{role}" for one in catalogue.resources.values() for role in one.roles]
    named = [name for name in there if name in literals]
    yield from ([], *([name] for name in named), named, there[:1])


def _numbers(pieces: Sequence[Sequence[Token]]) -> list[int]:
    """Return whole numbers around each that conditions name."""
    named = {int(token.text) for line in pieces for token in line if token.kind == "number" and token.text.isdecimal()}
    return sorted({0, 1, *(number + step for number in named for step in (-1, 0, 1) if 0 <= number + step < _MANY)})


def _durations(catalogue: Catalogue, literals: Sequence[str]) -> list[timedelta]:
    """Return what durations a rule may tell apart: those around each that it names, and the ends of what is allowed."""
    longest = catalogue.settings.limits.max_duration
    second = timedelta(seconds=1)
    around = [value for text in literals if (value := _go_duration(text)) is not None]
    around += [role.max_duration for resource in catalogue.resources.values() for role in resource.roles.values()]
    found = {second, longest, *(value + step for value in around for step in (-second, timedelta(0), second))}
    return sorted(value for value in found if second <= value <= longest)


def durations_in(rule: Rule) -> frozenset[timedelta]:
    """Return the durations that a rule names."""
    named = (token.literal for condition in rule.conditions for token in tokens(condition.text))
    return frozenset(value for text in named if text and (value := _go_duration(text)) is not None)


def _go_duration(text: str) -> timedelta | None:
    """Read a duration as CEL writes it, as far as rules use it: hours, minutes and seconds in whole numbers."""
    total, number = timedelta(0), ""
    units = {"h": timedelta(hours=1), "m": timedelta(minutes=1), "s": timedelta(seconds=1)}
    for char in text:
        if char.isascii() and char.isdigit() and len(number) < 9:  # noqa: PLR2004  (far beyond what is allowed)
            number += char
        elif number and char in units:
            total += int(number) * units[char]
            number = ""
        else:
            return None
    return total if not number else None


def _hours(pieces: Sequence[Sequence[Token]], name: str = "") -> Iterator[tuple[str, str]]:
    """Find the hours and zones of each ``within_hours(variable, "…", "…")``, of one variable or of any."""
    for line in pieces:
        for index, token in enumerate(line):
            call = line[index : index + 8]
            marks = "".join(piece.text for piece in call[1::2])
            if token.text == "within_hours" and marks == "(,,)" and name in ("", call[2].text):
                yield call[4].literal or "", call[6].literal or ""


def _calendars(pieces: Sequence[Sequence[Token]]) -> Iterator[str]:
    """Find the names of the calendars that conditions ask."""
    for line in pieces:
        for index, token in enumerate(line):
            if token.text in CALENDAR_PLACES:
                named = (piece.literal for piece in line[index + 1 : index + 12] if piece.kind == "string")
                yield next(named, None) or ""


def _instants(pieces: Sequence[Sequence[Token]], catalogue: Catalogue) -> list[datetime]:
    """Return instants around each change of the hours and calendars that conditions name.

    Each hour of a week where none is named.
    """
    found: set[datetime] = set()
    for hours, zone in _hours(pieces):
        try:
            spans, clock = parse_hours(hours), parse_zone(zone)
        except ValueError:
            continue
        for monday, (start, end) in product(_MONDAYS, spans):
            for minute in (start, end, start - 1, end - 1):
                local = monday.replace(tzinfo=None) + timedelta(minutes=minute % (len(DAYS) * 24 * 60))
                found.add(local.replace(tzinfo=clock).astimezone(UTC))
    for name in _calendars(pieces):
        calendar = catalogue.calendars.get(name)
        found.update(_edges(calendar) if calendar is not None else ())
    return sorted(found) or [_MONDAYS[0] + timedelta(hours=hour) for hour in range(len(DAYS) * 24)]


def instants_in(rule: Rule, catalogue: Catalogue) -> tuple[datetime, ...]:
    """Return the instants around which a rule that reads the time may change its mind; nothing where it reads none."""
    if not set(_TIMES) & set(rule.names):
        return ()
    return tuple(_instants([tokens(condition.text) for condition in rule.conditions], catalogue))


def _edges(calendar: Calendar) -> Iterator[datetime]:
    """Return instants just in and just out of a calendar, in the first year that it speaks of."""
    year = min(calendar.spoken, default=_MONDAYS[0].year)
    margin = timedelta(days=1)  # the zone's year begins and ends at another instant than that of UTC
    start, end = datetime(year, 1, 1, tzinfo=UTC) + margin, datetime(year, 12, 31, tzinfo=UTC)
    try:
        windows = calendar.intervals(start, end)
    except ValueError:  # its hours or zone are none, which is a finding of its own
        return
    for window in windows[:_EDGES]:
        yield from (window.start - timedelta(minutes=1), window.start, window.end - timedelta(minutes=1), window.end)


def _accesses(instants: Sequence[datetime]) -> Iterator[dict[str, Any]]:
    """Return windows that begin, or end, at instants."""
    hour = timedelta(hours=1)
    for at in instants:
        yield {"access.from": at, "access.until": at + hour}
        yield {"access.from": at - hour, "access.until": at}


def _only_in_hours(pieces: Sequence[Sequence[Token]], name: str) -> bool:
    """Whether an instant is read by within_hours alone, with hours and zone written out."""
    mentioned = sum(token.text.startswith(name) for line in pieces for token in line)
    return mentioned == sum(bool(hours and zone) for hours, zone in _hours(pieces, name))


def _only_compared(pieces: Sequence[Sequence[Token]]) -> bool:
    """Whether the duration is only ever compared, so that the values around the named ones stand for all."""
    for line in pieces:
        texts = ["", *(token.text for token in line), ""]
        if _ARITHMETIC & set(texts):
            return False
        for index, text in enumerate(texts):
            if text.startswith("grant.duration") and not (
                text == "grant.duration" and {texts[index - 1], texts[index + 1]} & _COMPARISONS
            ):
                return False
    return True
