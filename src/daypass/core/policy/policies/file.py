"""One policy file as it is read, and the findings that pile up while it is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from daypass.core.files.conform import conform
from daypass.core.files.document import POLICY_LIMIT, Document, read_on
from daypass.core.finding import Finding, Place, Severity, ordered
from daypass.core.window import parse_duration, parse_instant

Key = str | int
"""A step on the way into a document: a mapping's key or a list's index."""

_DATE_LENGTH = len("2026-01-31")


@dataclass(frozen=True, slots=True)
class PolicyFile:
    """A file whose shape is right: ``data`` as its schema types it, ``text`` as it stands in the file."""

    file: str
    data: dict[str, Any]
    text: str
    document: Document

    def place(self, *keys: Key) -> Place:
        """Return where a value stands."""
        return self.document.place(keys)


@dataclass(slots=True)
class Notes:
    """Findings so far."""

    findings: list[Finding] = field(default_factory=list)

    def add(self, code: str, place: Place, message: str, hint: str = "") -> None:
        """Note an error."""
        self.findings.append(Finding(code, place, message, hint, Severity.ERROR))

    def extend(self, findings: Iterable[Finding]) -> None:
        """Note more."""
        self.findings += findings

    @property
    def failed(self) -> bool:
        """Whether there is an error among them."""
        return any(finding.is_error for finding in self.findings)

    def duration(self, file: PolicyFile, text: str, *keys: Key) -> timedelta | None:
        """Read a duration; None, and a finding, for what is none."""
        try:
            return parse_duration(text)
        except ValueError as error:
            self.add("bad-duration", file.place(*keys), str(error))
            return None

    def instant(self, file: PolicyFile, text: str, *keys: Key) -> datetime | None:
        """Read an instant; None, and a finding, for what is none."""
        try:
            return parse_instant(text)
        except ValueError as error:
            self.add("bad-instant", file.place(*keys), str(error))
            return None

    def moment(self, file: PolicyFile, text: str | None, *keys: Key) -> datetime | None:
        """Read an instant, or a date, which means its first instant in UTC; None where nothing is said."""
        if text is None:
            return None
        if len(text) != _DATE_LENGTH:
            return self.instant(file, text, *keys)
        try:
            return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
        except ValueError:
            self.add("bad-instant", file.place(*keys), f"{text!r} is no possible date", "write for example 2026-12-31")
            return None


def read_file(file: str, raw: bytes, schema: str) -> PolicyFile | tuple[Finding, ...]:
    """Read a policy file and check its shape; return everything wrong with it instead."""
    document, faults = read_on(file, raw, limit=POLICY_LIMIT)
    if document is None:
        return faults
    data = conform(document, schema)
    if faults or isinstance(data, tuple):
        return ordered((*faults, *data)) if isinstance(data, tuple) else faults
    return PolicyFile(file, data, raw.decode("utf-8-sig"), document)
