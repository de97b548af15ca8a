"""Details: what a grant says of the fields of its purpose, and what is wrong with that.

One table says how each kind of field is read. A grant's file holds them as they are written; their types are the
purpose's, so that the same words mean what the purpose of the commit says by which they are judged.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from types import MappingProxyType

from daypass.core.bounds.purposes import DetailField, Purpose
from daypass.core.catalogue import Catalogue
from daypass.core.finding import near
from daypass.core.grant import Detail, Grant
from daypass.core.ids import HANDLE
from daypass.core.policy.sources import Ending, entitled
from daypass.core.window import AccessBound, Window, format_instant, parse_moment

NOT_ASKED_BY = "not-asked-by"
"""The code of a request by somebody whom its purpose does not name."""

WRONG_DETAILS = frozenset({"detail-missing", "detail-invalid"})
"""The codes of a request whose details cannot all be read."""

HAS = "has_"
"""How the variable begins that says whether a grant has a detail; no field's name begins so."""

Typed = str | int | datetime | list[str]
"""A detail as rules read it."""

Faults = Iterator[tuple[str, str, str, str]]
"""What is wrong: code, path in the grant's file, message, hint."""

Matches = Callable[[str, str], bool]
"""Says whether a text is of the form of a pattern."""

_NUMBER = re.compile(r"0|-?[1-9][0-9]{0,14}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def typed(of: DetailField, value: Detail) -> Typed:
    """Return a detail by its field. Raises ValueError, with a message and a hint for people, for one of another type."""
    if of.kind == "names":
        return _names(of, value)
    if not isinstance(value, str):
        raise ValueError(f"expected {_WORDS[of.kind]}, got a list; write one value")  # noqa: TRY004
    return _READ[of.kind](of, value)


def _text(_: DetailField, value: str) -> str:
    return value


def _moment(_: DetailField, value: str) -> datetime:
    return parse_moment(value)


def _choice(of: DetailField, value: str) -> str:
    if value not in of.of:
        raise ValueError(
            f"expected one of {', '.join(of.of)}, got {value!r}; {near(value, of.of, 'choose one of them')}"
        )
    return value


def _number(_: DetailField, value: str) -> int:
    if not _NUMBER.fullmatch(value):
        raise ValueError(f"expected a whole number, got {value!r}; write for example 25")
    return int(value)


def _person(_: DetailField, value: str) -> str:
    if not HANDLE.fullmatch(value):
        raise ValueError(f"expected the handle of a person, got {value!r}; policies/directory names people")
    return value


def _names(of: DetailField, value: Detail) -> list[str]:
    if isinstance(value, str):
        raise ValueError(f"expected a list of names, got {value!r}; write [{value}]")  # noqa: TRY004
    for place, name in enumerate(value):
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name; write letters, digits and . _ -")
        if of.of and name not in of.of:
            hint = near(name, of.of, "choose of them")
            raise ValueError(f"expected some of {', '.join(of.of)}, got {name!r}; {hint}")
        if name in value[:place]:
            raise ValueError(f"{name!r} stands twice; remove one")
    return list(value)


_READ: Mapping[str, Callable[[DetailField, str], Typed]] = MappingProxyType(
    {"text": _text, "moment": _moment, "choice": _choice, "number": _number, "person": _person}
)
_WORDS = {
    "text": "a text",
    "moment": "a date or an instant",
    "choice": "one of the choices",
    "names": "a list of names",
    "number": "a whole number",
    "person": "the handle of a person",
}


def expected(of: DetailField) -> str:
    """Say what a field takes, for whoever fills it in."""
    if of.kind == "choice":
        return f"one of {', '.join(of.of)}"
    if of.of:
        return f"some of {', '.join(of.of)}, with commas between"
    said = {"names": "names, with commas between", "moment": "a date or an instant, for example 2026-12-20"}
    return said.get(of.kind, _WORDS[of.kind]) + (f" of the form {of.pattern}" if of.pattern else "")


def as_written(of: DetailField | None, said: str) -> Detail:
    """Return a detail as a file has it, of what somebody answered in one line: names have commas between them."""
    if of is None or of.kind != "names":
        return said
    return tuple(part.strip() for part in said.split(",") if part.strip()) or said


def early_ends(catalogue: Catalogue, grant: Grant) -> tuple[AccessBound[datetime], ...]:
    """Return what ends a grant's access however long its window is, the earliest first: moments of its own details."""
    ends = catalogue.ends(catalogue.bounded(grant)) if grant.details else ()
    return tuple(bound for bound in ends if bound.cuts)


def may_ask(catalogue: Catalogue, grant: Grant, requester: str, at: datetime) -> bool:
    """Say whether the purpose of a grant lets somebody ask for it at an instant; where it is not known nothing forbids it."""
    purpose = catalogue.purposes.get(grant.purpose)
    if purpose is None or not purpose.asked_by:
        return True
    return requester in entitled(catalogue, Ending(grant.resource, grant.subject), purpose.asked_by, at)


def faults(
    catalogue: Catalogue, grant: Grant, requester: str, at: datetime, window: Window, matches: Matches
) -> Faults:
    """Say all that is wrong with a request by its purpose: who asks, its ticket, and its details.

    ``window`` is when access would exist; a moment that ends access must leave some of it.
    """
    purpose = catalogue.purposes.get(grant.purpose)
    if purpose is not None and not may_ask(catalogue, grant, requester, at):
        message = f"{requester or 'somebody unknown'} may not ask for purpose {purpose.name}"
        hint = f"{', '.join(purpose.asked_by)} may; have one of them ask, or choose another purpose"
        yield NOT_ASKED_BY, "purpose", message, hint
    form = purpose.ticket_pattern if purpose is not None else ""
    if form and grant.ticket and not matches(form, grant.ticket):
        message = f"ticket {grant.ticket!r} is not of the form that purpose {grant.purpose} asks for"
        yield "ticket-form", "ticket", message, f"write it as {form}"
    yield from _detail_faults(catalogue, purpose, grant, matches)
    for end in early_ends(catalogue, grant):
        if end.limit <= window.start:
            begins = f"access would begin at {format_instant(window.start)}: nothing is left"
            message = f"{end.what} until {format_instant(end.limit)}, and {begins}"
            yield end.code, "details", message, "correct the moment, or the window"


def _detail_faults(catalogue: Catalogue, purpose: Purpose | None, grant: Grant, matches: Matches) -> Faults:
    if grant.details and not grant.purpose:
        hint = "add purpose: …, whose fields they are, or remove details"
        yield "details-without-purpose", "details", "there are details, and no purpose that asks for them", hint
    if purpose is None:
        return
    given = dict(grant.details)
    for name in given.keys() - purpose.fields.keys():
        hint = near(name, purpose.fields, f"its fields: {', '.join(purpose.fields)}" if purpose.fields else "remove it")
        yield "unknown-detail", f"details.{name}", f"purpose {purpose.name} has no field {name!r}", hint
    for name, of in purpose.fields.items():
        if name in given:
            yield from _fault(catalogue, of, given[name], matches)
        elif of.required:
            message = f"purpose {purpose.name} asks for {of.said}, which is missing"
            yield "detail-missing", "details" if given else "purpose", message, f"add {name}: {expected(of)}"


def _fault(catalogue: Catalogue, of: DetailField, value: Detail, matches: Matches) -> Faults:
    path = f"details.{of.name}"
    try:
        found = typed(of, value)
    except ValueError as error:
        message, _, hint = str(error).partition("; ")
        yield "detail-invalid", path, f"{of.said}: {message}", hint
        return
    if of.pattern and isinstance(found, str) and not matches(of.pattern, found):
        message = f"{of.said}: {found!r} is not of the form that the purpose asks for"
        yield "detail-invalid", path, message, f"write it as {of.pattern}"
    if of.kind == "person":
        known = catalogue.directory.subjects.get(str(found))
        if known is None or not known.is_person:
            people = (one.handle for one in catalogue.directory.subjects.values() if one.is_person)
            hint = near(str(found), people, "policies/directory names people")
            yield "detail-invalid", path, f"{of.said}: there is no person {found!r} in the directory", hint
