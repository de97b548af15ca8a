"""One mapping of a statement, read strictly: every key is known, and every value is taken with its type."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, TypeVar

from daypass.core.errors import LedgerError
from daypass.core.grant import Oid, canonical
from daypass.core.window import format_instant, parse_instant

_T = TypeVar("_T")
_OBJECT = re.compile(r"(?:[0-9a-f]{40}|[0-9a-f]{64})?")


@lru_cache(maxsize=4096)
def _read_instant(text: str) -> datetime:
    """Read an instant in the one spelling that receipts use. Raises ValueError for any other."""
    value = parse_instant(text)
    if format_instant(value) != text:
        raise ValueError(f"expected an instant in UTC, written with Z, got {text!r}")
    return value


class Fields:
    """One mapping whose keys are known. Everything raises LedgerError for what is not as it must be."""

    __slots__ = ("_data", "_where")

    def __init__(
        self, data: Mapping[str, Any], where: str, names: tuple[str, ...], optional: tuple[str, ...] = ()
    ) -> None:
        self._data = data
        self._where = where
        for name in names:
            if name not in data:
                raise LedgerError(f"{where} has no {name!r}")
        if len(data) != len(names):
            unknown = sorted(set(data) - set(names) - set(optional))
            if unknown:
                raise LedgerError(f"{where} has an unknown key {unknown[0]!r}")

    def take(self, name: str, kind: type[_T]) -> _T:
        """Return a value of a type."""
        value = self._data[name]
        if type(value) is not kind:  # a boolean is no number here, and a subclass is nothing that JSON gives
            words = {dict: "a mapping", list: "a list", str: "text", int: "a whole number", bool: "true or false"}
            raise LedgerError(f"expected {name} of {self._where} to be {words[kind]}, got {canonical(value)}")
        return value

    def text(self, name: str) -> str:
        """Return text."""
        return self.take(name, str)

    def number(self, name: str) -> int:
        """Return a whole number, 0 or more."""
        value = self.take(name, int)
        if value < 0:
            raise LedgerError(f"expected {name} of {self._where} to be 0 or more, got {value}")
        return value

    def same(self, name: str, wanted: str) -> None:
        """Refuse any value but one."""
        if self._data[name] != wanted:
            raise LedgerError(f"expected {name} of {self._where} to be {wanted!r}, got {canonical(self._data[name])}")

    def object(self, name: str) -> Oid:
        """Return a git object id."""
        value = self.take(name, str)
        if not _OBJECT.fullmatch(value):
            raise LedgerError(f"expected {name} of {self._where} to be a git object id, got {value!r}")
        return Oid(value)

    def instant(self, name: str) -> datetime:
        """Return an instant, in the one spelling that receipts use."""
        try:
            return _read_instant(self.take(name, str))
        except ValueError as error:
            raise LedgerError(f"{name} of {self._where}: {error}") from None

    def texts(self, name: str) -> tuple[str, ...]:
        """Return a list of texts."""
        found = self.take(name, list)
        if not all(type(item) is str for item in found):
            raise LedgerError(f"expected {name} of {self._where} to be a list of texts, got {canonical(found)}")
        return tuple(found)

    def mappings(self, name: str) -> Iterable[dict[str, Any]]:
        """Return a list of mappings."""
        found = self.take(name, list)
        if not all(type(item) is dict for item in found):
            raise LedgerError(f"expected {name} of {self._where} to be a list of mappings, got {canonical(found)}")
        return found
