"""Reading GitHub's answers field by field: what is missing or of another type is an error that names it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from daypass.core.errors import EdgeError
from daypass.core.grant import ABSENT, Oid
from daypass.core.window import parse_instant
from daypass.edges.shown import shown

_OID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


@contextmanager
def as_documented(what: str) -> Iterator[None]:
    """Raise EdgeError where code that takes an answer for what GitHub documents meets another shape."""
    try:
        yield
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise EdgeError(
            f"GitHub's answer about {what} is not as its documents promise: {shown(repr(error))}",
            hint="is forge.repository right, and does a proxy change answers on the way?",
        ) from error


@dataclass(frozen=True, slots=True)
class Fields:
    """An object of an answer. ``what`` says whose it is, for messages. Names are given as ``head.repo.full_name``."""

    what: str
    data: Any

    def value(self, name: str) -> Any:
        """Return a field as it is. Raises EdgeError where it, or an object on the way to it, is missing."""
        found: Any = self.data
        for part in name.split("."):
            if not isinstance(found, dict) or part not in found:
                raise EdgeError(f"GitHub's answer about {self.what} has no {name}")
            found = found[part]
        return found

    def text(self, name: str) -> str:
        """Return a text."""
        found = self.value(name)
        if not isinstance(found, str):
            raise self._wrong(name, "a text", found)
        return found

    def number(self, name: str) -> int:
        """Return a whole number."""
        found = self.value(name)
        if type(found) is not int:
            raise self._wrong(name, "a number", found)
        return found

    def truth(self, name: str) -> bool:
        """Return a yes or no."""
        found = self.value(name)
        if not isinstance(found, bool):
            raise self._wrong(name, "true or false", found)
        return found

    def instant(self, name: str) -> datetime:
        """Return an instant."""
        found = self.text(name)
        try:
            return parse_instant(found)
        except ValueError as error:
            raise self._wrong(name, "an instant", found) from error

    def oid(self, name: str) -> Oid:
        """Return the id of a commit."""
        found = self.text(name)
        if not _OID.fullmatch(found):
            raise self._wrong(name, "a commit's id", found)
        return Oid(found)

    def oid_or_absent(self, name: str) -> Oid:
        """Return the id of a commit, ABSENT where GitHub has none any more (null)."""
        return ABSENT if self.value(name) is None else self.oid(name)

    def _wrong(self, name: str, wanted: str, found: object) -> EdgeError:
        return EdgeError(f"GitHub's answer about {self.what}: expected {wanted} in {name}, got {shown(repr(found))}")
