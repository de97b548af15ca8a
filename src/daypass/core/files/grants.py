"""Grant files: where they lie, from their bytes to a Grant or all that is wrong, and back to text.

    bytes -> Document (strict YAML) -> data (by schema) -> Grant (by meaning)

Below ``grants/`` lie plain files named ``grants/<resource>/<name>.yaml``, and no two that look alike. A path decides who
must approve (code owners go by folder), so nothing may be one thing to git, another to a file system and a third to the
eye. Whether subject, resource and role exist, and what limits they have, is not judged here: that takes the catalogue.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from daypass.core.calendar.hours import check_zone
from daypass.core.calendar.recurrence import RecurrenceError, local_midnight, spanning
from daypass.core.files.conform import Said, Words, conform
from daypass.core.files.document import Document, read_on
from daypass.core.files.text import directive_findings
from daypass.core.finding import Finding, Place, ordered
from daypass.core.grant import Detail, Details, Grant, window_fields
from daypass.core.ids import FOLDER, GrantId, digest, grant_id
from daypass.core.window import (
    LONGEST,
    Recurrence,
    Span,
    Window,
    as_day,
    format_duration,
    format_instant,
    parse_duration,
    parse_instant,
)
from daypass.schema import GRANT

if TYPE_CHECKING:
    from daypass.schema.models import WindowForm

_SHORTEST_REASON = 10


def read_grant(path: str, raw: bytes) -> Grant | tuple[Finding, ...]:
    """Read the grant file at a repository path (which `check_path` accepts). Raises nothing, whatever the bytes are."""
    document, faults = read_on(path, raw)
    if document is None:
        return faults
    data = conform(document, GRANT, _WORDS)
    if faults or isinstance(data, tuple):
        return ordered((*faults, *data)) if isinstance(data, tuple) else faults
    found: list[Finding] = []
    span = _span(document, data["window"], found)
    resource = data["resource"]
    if not path.startswith(f"{FOLDER}{resource}/"):
        folder = path.removeprefix(FOLDER).rpartition("/")[0]
        message = f"the file is in the folder {folder!r}, its resource is {resource!r}"
        hint = "the folder decides whose approval is asked; move the file or correct the resource"
        found.append(Finding("folder-mismatch", document.place("resource"), message, hint))
    reason, ticket = data["reason"], data.get("ticket", "")
    details = details_in(data.get("details", {}))
    _words(document, reason, ticket, found)
    _detail_words(document, details, found)
    if found or span is None:
        return ordered(found)
    ends_when = tuple(sorted((key, str(value)) for key, value in data.get("ends_when", {}).items()))
    return Grant(
        grant_id(path),
        data["subject"],
        resource,
        data["role"],
        reason,
        span,
        ticket,
        data.get("purpose", ""),
        ends_when,
        details,
    )


def details_in(said: Mapping[str, str | list[str]]) -> Details:
    """Return the details of a grant as its file has them."""
    return tuple(sorted((name, value if isinstance(value, str) else tuple(value)) for name, value in said.items()))


def _detail_words(document: Document, details: Iterable[tuple[str, Detail]], found: list[Finding]) -> None:
    """Judge what people wrote into details as what they wrote elsewhere: a forge reads it."""
    for name, value in details:
        for text in (value,) if isinstance(value, str) else value:
            found += directive_findings(text, document.place(("details", name)))


def _words(document: Document, reason: str, ticket: str, found: list[Finding]) -> None:
    """Judge the texts that people read, and that a merge message repeats."""
    if len(reason.strip()) < _SHORTEST_REASON:
        message = f"expected at least {_SHORTEST_REASON} characters, got {len(reason.strip())} beside spaces"
        found.append(Finding("too-short", document.place("reason"), message, "say why, so that a reviewer understands"))
    for key, text in (("reason", reason), ("ticket", ticket)):
        # "[" or ":" is part of every directive and of few texts.
        if "[" in text or ":" in text or "*" in text:
            found += directive_findings(text, document.place(key))


def _span(document: Document, window: WindowForm, found: list[Finding]) -> Span | None:
    if "duration" in window:
        length = _parsed(document, window, "duration", found)
        return None if length is None else Span(duration=length)
    recurs = Recurrence(window.get("hours", ""), window.get("zone", ""), window.get("calendar", ""))
    if recurs.zone and _of_zone(document, recurs, found) is None:
        return None
    start = _bound(document, window, "from", recurs, found)
    end = _bound(document, window, "until", recurs, found)
    if start is None or end is None:
        return None
    if not start < end:
        message = f"until ({window['until']}) is not after from ({window['from']})"
        found.append(
            Finding("until-before-from", document.place("window.until"), message, "a window ends after it begins")
        )
        return None
    if end - start > LONGEST:
        longest = format_duration(LONGEST)
        message = f"the window lasts {format_duration(end - start)}, longer than the {longest} that any access may last"
        found.append(
            Finding("window-too-long", document.place("window.until"), message, "ask for less, and again later")
        )
        return None
    if recurs == Recurrence():
        return Span(window=Window(start, end))
    return _recurring(document, recurs, Window(start, end), found)


def _of_zone(document: Document, recurs: Recurrence, found: list[Finding]) -> str | None:
    try:
        check_zone(recurs.zone)
    except ValueError as error:
        found.append(Finding("bad-zone", document.place("window.zone"), *_said("", error)[1:]))
        return None
    return recurs.zone


def _bound(
    document: Document, window: WindowForm, key: Literal["from", "until"], recurs: Recurrence, found: list[Finding]
) -> datetime | None:
    """Return where a window begins or ends; a date means its first instant in the zone that the window names."""
    text = window[key]
    day = as_day(text)
    if day is None:
        bound: datetime | None = _parsed(document, window, key, found)
        return bound
    if recurs.zone:
        return local_midnight(day, recurs.zone)
    if recurs.calendar:
        message, hint = f"{text} is a date, and the window names no zone", "add zone: …, or write an instant"
    else:
        message, hint = f"{text!r} names no time zone", "write for example 2026-11-21T09:00:00Z"
    found.append(Finding("bad-instant", document.place(f"window.{key}"), message, hint))
    return None


def _recurring(document: Document, recurs: Recurrence, window: Window, found: list[Finding]) -> Span | None:
    """Return a window with the intervals of its hours; those of a calendar are the policies' to tell."""
    try:
        return spanning(window, recurs)
    except RecurrenceError as error:
        found.append(Finding(error.code, document.place("window"), error.message, error.hint))
    except ValueError as error:
        found.append(Finding("bad-hours", document.place("window.hours"), *_said("", error)[1:]))
    return None


def _parsed(
    document: Document, window: WindowForm, key: Literal["duration", "from", "until"], found: list[Finding]
) -> Any:
    code, parse = _PARSERS[key]
    try:
        return parse(window[key])
    except ValueError as error:
        code, message, hint = _said(code, error)
        found.append(Finding(code, document.place(f"window.{key}"), message, hint))
        return None


def _said(code: str, error: ValueError) -> Said:
    """Part what is wrong from what to write, which the parsers join with a semicolon."""
    message, _, hint = str(error).rpartition("; ")
    return (code, message, hint) if message else (code, hint, "")


def _explain(code: str, parse: Callable[[str], Any]) -> Callable[[Any], Said | None]:
    def words(value: Any) -> Said | None:
        try:
            parse(value)
        except ValueError as error:
            return _said(code, error)
        return None

    return words


def _explain_window(window: Any) -> Said | None:
    """Say what the schema's ``oneOf`` cannot: which of the two kinds of window is not whole."""
    if not isinstance(window, dict):
        return None
    has = {key for key in ("duration", "from", "until") if key in window}
    more = [key for key in ("hours", "calendar", "zone") if key in window]
    if more and (wrong := _explain_recurring(has, more)) is not None:
        return wrong
    if "duration" in has and len(has) > 1:
        return "two-windows", "a window has either duration, or from and until, not both", "keep one of the two"
    if has == {"from"}:
        return "window-without-end", "the window has no end: until is missing", "add until; access always ends"
    if has == {"until"}:
        return "window-without-start", "the window has no start: from is missing", "add from, or write duration instead"
    return (
        "empty-window",
        "the window has no end: duration, or from and until, are missing",
        "write for example duration: 8h",
    )


def _explain_recurring(has: set[str], more: list[str]) -> Said | None:
    """Say what is wrong with a window that is to recur, None where it is what others are refused for."""
    if "duration" in has:
        return "two-windows", f"a duration has no {more[0]}", "write from and until for a window that recurs"
    if more == ["zone"]:
        return "zone-without-hours", "zone says where hours hold, and there are none", "add hours, or remove zone"
    if {"hours", "calendar"} <= {*more}:
        return "two-windows", "a window that recurs has either hours or a calendar, not both", "keep one of the two"
    if "hours" in more and "zone" not in more:
        return "hours-without-zone", "hours need the zone whose clock shows them", "add for example zone: Europe/Berlin"
    return None


_PARSERS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "duration": ("bad-duration", parse_duration),
    "from": ("bad-instant", parse_instant),
    "until": ("bad-instant", parse_instant),
}
_WORDS: Words = MappingProxyType(
    {"window": _explain_window} | {f"window.{key}": _explain(code, parse) for key, (code, parse) in _PARSERS.items()}
)


LONGEST_NAME = 100
LONGEST_RESOURCE = 63

_GOOD = re.compile(r"grants/[a-z0-9][a-z0-9-]{0,62}/[a-z0-9][a-z0-9-]{0,99}\.yaml")
_PART = r"[a-z0-9][a-z0-9-]*"
_REGULAR = "100644"
_MODES = {
    "100755": ("executable", "a grant must not be executable", "git update-index --chmod=-x"),
    "120000": ("symlink", "a grant must be a file, not a symbolic link", "put the file itself here"),
    "160000": ("submodule", "a grant must be a file, not a submodule", "remove the submodule"),
}
_FORM = "grants/<resource>/<name>.yaml"
_DEPTH = 3


def check_path(path: str, mode: str) -> tuple[Finding, ...]:
    """Return what is wrong with one entry of the tree, given its path and git's mode; empty when nothing is."""
    if mode == _REGULAR and _GOOD.fullmatch(path):
        return ()
    place = Place(path)
    found = [_mode(place, mode)] if mode != _REGULAR else []
    if not _GOOD.fullmatch(path):
        found += [Finding(code, place, message, hint) for code, message, hint in _faults(path)]
    return tuple(found)


def check_names(paths: Iterable[str]) -> tuple[Finding, ...]:
    """Return a finding for each path that is the same as an earlier one to a file system that ignores case or form."""
    first: dict[str, str] = {}
    found = []
    for path in paths:
        folded = path if _GOOD.fullmatch(path) else _fold(path)
        other = first.setdefault(folded, path)
        if other != path:
            message = f"{path!r} and {other!r} are one file to systems that ignore case or Unicode forms"
            found.append(Finding("colliding-names", Place(path), message, "rename one of them"))
    return tuple(found)


def _fold(path: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", path).casefold())


def _mode(place: Place, mode: str) -> Finding:
    code, message, hint = _MODES.get(
        mode, ("unknown-mode", f"a grant must be a plain file (100644), got mode {mode}", "")
    )
    return Finding(code, place, message, hint)


def _faults(path: str) -> list[tuple[str, str, str]]:
    parts = path.split("/")
    if any(part in ("", ".", "..") for part in parts):
        return [("path-trick", f"{path!r} holds an empty, '.' or '..' step", f"write {_FORM}")]
    if not path.isascii() or not path.isprintable():
        odd = next(character for character in path if not (character.isascii() and character.isprintable()))
        name = unicodedata.name(odd, "a character without a name")
        return [("unicode-path", f"{path!a} holds U+{ord(odd):04X} ({name})", "use a-z, 0-9 and hyphens")]
    if len(parts) != _DEPTH or parts[0] != "grants":
        return [("wrong-depth", f"{path!r} is not of the form {_FORM}", "put the file into the folder of its resource")]
    return _part_faults(parts[1], parts[2])


def _part_faults(resource: str, file: str) -> list[tuple[str, str, str]]:
    name, dot, ending = file.rpartition(".")
    found = []
    if not dot or not name or ending != "yaml":
        name = name if dot and name else file
        found.append(
            ("wrong-ending", f"{file!r} does not end in .yaml", "rename it; .yml and other endings are not read")
        )
    for what, part, longest in (("resource", resource, LONGEST_RESOURCE), ("name", name, LONGEST_NAME)):
        if len(part) > longest:
            found.append(
                ("long-name", f"the {what} in the path has {len(part)} characters, more than {longest}", "shorten it")
            )
        if not re.fullmatch(_PART, part):
            hint = "use a-z, 0-9 and hyphens, a letter or digit first"
            found.append(("bad-path", f"{part!r} cannot be a {what} in a path", hint))
    return found


SCHEMA_HINT = "# yaml-language-server: $schema=../../.schemas/grant.schema.json\n"
"""What editors need to complete and check the file while it is written."""

# Text that YAML reads back as itself without quotes: no indicator at its start, no ": " or " #" inside.
_PLAIN = r"[A-Za-z0-9][A-Za-z0-9 ._/,;()@+-]*[A-Za-z0-9.)]|[A-Za-z0-9]"


def grant_text(grant: Grant) -> str:
    """Return the file's text; read_grant of it gives the same grant."""
    lines = [
        "version: 1",
        f"subject: {_scalar(grant.subject)}",
        f"resource: {_scalar(grant.resource)}",
        f"role: {_scalar(grant.role)}",
        f"reason: {_scalar(grant.reason)}",
    ]
    if grant.ticket:
        lines.append(f"ticket: {_scalar(grant.ticket)}")
    lines += ["window:", *_span_lines(grant.span)]
    if grant.purpose:
        lines.append(f"purpose: {_scalar(grant.purpose)}")
    if grant.details:
        lines += ["details:", *(f"  {name}: {_detail(value)}" for name, value in grant.details)]
    if grant.ends_when:
        lines += ["ends_when:", *(f"  {key}: {_scalar(value)}" for key, value in grant.ends_when)]
    return SCHEMA_HINT + "\n".join(lines) + "\n"


def _span_lines(span: Span) -> list[str]:
    return [f"  {key}: {_scalar(text) if key == 'hours' else text}" for key, text in window_fields(span).items()]


def _detail(value: Detail) -> str:
    return _scalar(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _scalar(text: str) -> str:
    """Quote as JSON wherever YAML could read anything else; JSON text is YAML text."""
    return text if re.fullmatch(_PLAIN, text) else json.dumps(text, ensure_ascii=False)


def name_grant(subject: str, resource: str, fields: object, at: datetime) -> GrantId:
    """Name a new grant: who, when, and enough of a digest that two requests of one day differ."""
    tail = digest({"fields": fields, "at": format_instant(at)}).removeprefix("sha256:")[:6]
    return GrantId(f"{resource}/{subject}-{at:%Y%m%d}-{tail}")
