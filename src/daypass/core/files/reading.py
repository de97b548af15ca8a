"""From the bytes of a grant file to a Grant, or to everything that is wrong with it.

    bytes -> Document (strict YAML) -> data (by schema) -> Grant (by meaning)

Whether subject, resource and role exist, and what limits they have, is not judged here: that takes the catalogue.
"""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import Any

from daypass.core.files.conform import conform
from daypass.core.files.directives import directive_findings, skip_directives
from daypass.core.files.document import Document, read_on
from daypass.core.files.misfits import Said, Words
from daypass.core.files.paths import check_names, check_path
from daypass.core.finding import Finding, ordered
from daypass.core.grant import FOLDER, Grant, grant_id
from daypass.core.window import LONGEST, Span, Window, format_duration, parse_duration, parse_instant

__all__ = ["check_names", "check_path", "directive_findings", "read_grant", "skip_directives"]

_SHORTEST_REASON = 10


def read_grant(path: str, raw: bytes) -> Grant | tuple[Finding, ...]:
    """Read the grant file at a repository path (which `check_path` accepts). Raises nothing, whatever the bytes are."""
    document, faults = read_on(path, raw)
    if document is None:
        return faults
    data = conform(document, "grant", _WORDS)
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
    _words(document, reason, ticket, found)
    if found or span is None:
        return ordered(found)
    ends_when = tuple(sorted(data["ends_when"].items())) if "ends_when" in data else ()
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
    )


def _words(document: Document, reason: str, ticket: str, found: list[Finding]) -> None:
    """Judge the texts that people read, and that a merge message repeats."""
    if len(reason.strip()) < _SHORTEST_REASON:
        message = f"expected at least {_SHORTEST_REASON} characters, got {len(reason.strip())} beside spaces"
        found.append(Finding("too-short", document.place("reason"), message, "say why, so that a reviewer understands"))
    for key, text in (("reason", reason), ("ticket", ticket)):
        # "[" or ":" is part of every directive and of few texts.
        if "[" in text or ":" in text or "*" in text:
            found += directive_findings(text, document.place(key))


def _span(document: Document, window: dict[str, str], found: list[Finding]) -> Span | None:
    if "duration" in window:
        length = _parsed(document, window, "duration", found)
        return None if length is None else Span(duration=length)
    start = _parsed(document, window, "from", found)
    end = _parsed(document, window, "until", found)
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
    return Span(window=Window(start, end))


def _parsed(document: Document, window: dict[str, str], key: str, found: list[Finding]) -> Any:
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


_PARSERS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "duration": ("bad-duration", parse_duration),
    "from": ("bad-instant", parse_instant),
    "until": ("bad-instant", parse_instant),
}
_WORDS: Words = MappingProxyType(
    {"window": _explain_window} | {f"window.{key}": _explain(code, parse) for key, (code, parse) in _PARSERS.items()}
)
