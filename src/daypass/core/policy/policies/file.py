"""One policy file as it is read, and the findings that pile up while it is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

from msgspec import Struct

from daypass.core.calendar.wait import Wait
from daypass.core.files.conform import conform
from daypass.core.files.document import POLICY_LIMIT, Document, read_on
from daypass.core.finding import Finding, Place, ordered
from daypass.core.window import parse_duration, parse_instant, parse_moment
from daypass.schema import Schema

Key = str | int
"""A step on the way into a document: a mapping's key or a list's index."""

_T = TypeVar("_T")
_F = TypeVar("_F")


class PolicyFile(Struct, Generic[_F], frozen=True):
    """A file whose shape is right: ``data`` in the form that its schema is made from, ``text`` as it stands in the file.

    ``findings`` takes what else is wrong with it.
    """

    file: str
    data: _F
    text: str
    document: Document
    findings: list[Finding]

    def place(self, *keys: Key) -> Place:
        """Return where a value stands."""
        return self.document.place(keys)

    def fault(self, code: str, at: tuple[Key, ...], message: str, hint: str = "") -> None:
        """Note an error at a value."""
        self.findings.append(Finding(code, self.document.place(at), message, hint))

    def duration(self, *keys: Key) -> timedelta | None:
        """Read a duration; None where nothing is said, and with a finding for what is none."""
        return self._read(parse_duration, "bad-duration", keys)

    def wait(self, *keys: Key) -> Wait | None:
        """Read how long is waited, as `duration` does."""
        return self._read(Wait.parse, "bad-duration", keys)

    def instant(self, *keys: Key) -> datetime | None:
        """Read an instant, as `duration` does."""
        return self._read(parse_instant, "bad-instant", keys)

    def moment(self, *keys: Key) -> datetime | None:
        """Read an instant, or a date, which means its first instant in UTC, as `duration` does."""
        return self._read(parse_moment, "bad-instant", keys)

    def _read(self, parse: Callable[[str], _T], code: str, keys: tuple[Key, ...]) -> _T | None:
        text = self._said(keys)
        try:
            return None if text is None else parse(text)
        except ValueError as error:
            message, _, hint = str(error).partition("; ")
            self.fault(code, keys, message, hint)
            return None

    def _said(self, keys: tuple[Key, ...]) -> str | None:
        value: Any = self.data
        for key in keys[:-1]:
            value = value.get(key, {}) if isinstance(value, dict) else value[key]
        found: str | None = value.get(keys[-1])
        return found


def read_file(path: str, raw: bytes, schema: Schema[_F], findings: list[Finding]) -> PolicyFile[_F] | None:
    """Read a policy file and check its shape; None, with everything wrong in ``findings``, where it is not right."""
    document, faults = read_on(path, raw, limit=POLICY_LIMIT)
    if document is None:
        findings += faults
        return None
    data = conform(document, schema)
    if faults or isinstance(data, tuple):
        findings += ordered((*faults, *data)) if isinstance(data, tuple) else faults
        return None
    return PolicyFile(path, data, raw.decode("utf-8-sig"), document, findings)
