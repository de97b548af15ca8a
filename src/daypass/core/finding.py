"""One thing wrong in a user's file, in one shape for every kind of output."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum


class Severity(Enum):
    """How much a finding matters. Only errors change the exit code."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where: a repository path, a 1-based line and column (0 = the file as a whole), and a path into the document.

    ``path`` reads ``window.until`` or ``roles.admin.max_duration`` or ``rules[2].when``; empty for the top.
    """

    file: str
    line: int = 0
    column: int = 0
    path: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong. ``code`` is kebab-case, stable and documented in docs/findings.md."""

    code: str
    place: Place
    message: str
    hint: str = ""
    severity: Severity = field(default=Severity.ERROR)

    @property
    def is_error(self) -> bool:
        """Whether it makes the file invalid."""
        return self.severity is Severity.ERROR


def ordered(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Sort by file, line, column, code and message, dropping exact repetitions, so that output is the same each time."""
    return tuple(sorted(set(findings), key=lambda f: (f.place, f.code, f.message)))
