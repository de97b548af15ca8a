"""Findings in every shape that people and machines read them: text, JSON, workflow annotations, SARIF."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from daypass import __version__
from daypass.core.finding import Finding, Severity

_SARIF_LEVEL = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "note"}
_COMMAND = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}

# Controls above ASCII (one of them begins escape sequences), bidirectional marks, halves of characters.
_UNSEEN = "[\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"

# Halves of characters that stand for no byte of a file's name: JSON can hold them, UTF-8 cannot.
_HALVES = "[\ud800-\udc7f\udd00-\udfff]"


_COMMANDS = re.compile(r"^(\s*):(?=:)")
"""What begins a command to the runner of a workflow, at the beginning of a line."""


def printable(text: str) -> str:
    """Return text with everything that could move a terminal's cursor, hide or command written as an escape.

    File names and values come from strangers; a raw escape sequence could forge lines of a log, and ``##[name]``
    commands the runner of a workflow wherever it stands (`joined` keeps its other form from the beginning of lines).
    https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
    """
    text = text.replace("##[", r"##\x5b")
    if text.isprintable():
        return text
    text = re.sub(_HALVES, lambda found: f"\\u{ord(found.group()):04x}", text)
    shown = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in shown)


def joined(lines: Iterable[str]) -> str:
    """Join lines to a text. None of them can break, move a cursor, hide or command: what is in one stays in one."""
    return "".join(_COMMANDS.sub(r"\1\\x3a", printable(line)) + "\n" for line in lines)


def fold(text: str, width: int) -> str:
    """Go on with lines that are longer than ``width`` on the next, further in; a word that is longer stays whole.

    So does a command that takes a digest: it is there to be copied.
    """
    return joined(part for line in text.splitlines() for part in _folded(line, width))


def _folded(line: str, width: int) -> list[str]:
    if len(line) <= width or " --confirm " in line:
        return [line]
    below = " " * (len(line) - len(line.lstrip()) + 4)
    import textwrap  # noqa: PLC0415  (only for a terminal)

    return textwrap.wrap(line, width, subsequent_indent=below, break_long_words=False, break_on_hyphens=False)


def as_output(told: Mapping[str, Any], indent: int | None = 2) -> str:
    """Write what a verb answers as JSON, version 1; in one line where nothing is to be indented."""
    return as_document({"version": 1, **told}, indent)


def as_document(data: Any, indent: int | None = 2) -> str:
    """Write plain data as JSON. What JSON allows and a terminal or runner obeys, and what UTF-8 cannot write, is escaped."""
    text = json.dumps(data, indent=indent, ensure_ascii=False).replace("##[", r"##\u005b")
    return (text if text.isascii() else re.sub(_UNSEEN, lambda found: json.dumps(found.group())[1:-1], text)) + "\n"


def count(number: int, noun: str) -> str:
    """Say how many there are of something."""
    return f"{number} {noun}{'s' * (number != 1)}"


def finding_text(finding: Finding, indent: str = "") -> str:
    """Write one finding: place, severity, message, code, and the hint below it."""
    place = printable(str(finding.place))
    label = f"{place}: " if place else ""
    text = f"{indent}{label}{finding.severity.value}: {printable(finding.message)} [{finding.code}]"
    return f"{text}\n{indent}  hint: {printable(finding.hint)}" if finding.hint else text


def finding_line(finding: Finding) -> str:
    """Return a finding as one line."""
    return f"{finding.place}: {finding.message} [{finding.code}]"


def findings_text(findings: Sequence[Finding]) -> str:
    """Write findings for people, one after the other."""
    return joined(line for finding in findings for line in finding_text(finding).split("\n"))


def finding_data(finding: Finding) -> dict[str, Any]:
    """Return a finding as plain data."""
    return {
        "code": finding.code,
        "severity": finding.severity.value,
        "file": printable(finding.place.file),
        "line": finding.place.line,
        "column": finding.place.column,
        "path": finding.place.path,
        "message": finding.message,
        "hint": finding.hint,
    }


def findings_json(findings: Sequence[Finding], **more: Any) -> str:
    """Write findings as JSON, version 1, with the check's own facts beside them."""
    return as_output({**more, "findings": [finding_data(finding) for finding in findings]})


def findings_for(output: str, findings: Sequence[Finding], **more: Any) -> str:
    """Write findings for programs: as JSON with the verb's own facts beside them, or as ``github`` or ``sarif`` has them."""
    if output == "github":
        return findings_github(findings)
    return findings_sarif(findings) if output == "sarif" else findings_json(findings, **more)


def findings_github(findings: Sequence[Finding]) -> str:
    """Write workflow annotations.

    https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions#setting-an-error-message
    """
    lines = []
    for finding in findings:
        fields = [f"file={_property(printable(finding.place.file))}"] if finding.place.file else []
        if finding.place.line:
            fields += [f"line={finding.place.line}", f"col={finding.place.column}"]
        fields.append(f"title={_property(finding.code)}")
        message = printable(finding.message) + (f"\nhint: {printable(finding.hint)}" if finding.hint else "")
        lines.append(f"::{_COMMAND[finding.severity]} {','.join(fields)}::{_data(message)}\n")
    return "".join(lines)


def _data(text: str) -> str:
    """Escape a message; an unescaped line break would let a value issue workflow commands of its own."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def findings_sarif(findings: Sequence[Finding]) -> str:
    """Write SARIF 2.1.0 (https://docs.oasis-open.org/sarif/sarif/v2.1.0/)."""
    rules = sorted({finding.code for finding in findings})
    results = []
    for finding in findings:
        region = {"startLine": max(1, finding.place.line), "startColumn": max(1, finding.place.column)}
        location = {"artifactLocation": {"uri": printable(finding.place.file) or "."}, "region": region}
        text = finding.message + (f" ({finding.hint})" if finding.hint else "")
        results.append(
            {
                "ruleId": finding.code,
                "level": _SARIF_LEVEL[finding.severity],
                "message": {"text": text},
                "locations": [{"physicalLocation": location}],
            }
        )
    driver = {"name": "daypass", "version": __version__, "rules": [{"id": rule} for rule in rules]}
    document = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": results, "columnKind": "unicodeCodePoints"}],
    }
    return as_document(document)
