"""Records as plain mappings and back: each field is said once, and serves both ways.

What a record's class says already is not said again. Reading is strict: every key is known, every value is taken with
its type, and each record has one spelling.

Ledgers have very many records, nearly all of them right: msgspec takes those at once, by a type that is made of the
same fields. What it refuses is read again key by key, which says what is wrong.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from datetime import datetime
from enum import Enum
from functools import cached_property, lru_cache
from operator import attrgetter
from typing import Annotated, Any, Generic, NamedTuple, TypeVar, get_type_hints

import msgspec
from msgspec import UNSET, UnsetType

from daypass.core.errors import LedgerError
from daypass.core.grant import Moments
from daypass.core.ids import GrantId, Oid, canonical
from daypass.core.plan import Numbers
from daypass.core.window import format_instant, parse_instant

_T = TypeVar("_T")
SHA256 = re.compile(r"sha256:[0-9a-f]{64}")
_OBJECT = re.compile(r"(?:[0-9a-f]{40}|[0-9a-f]{64})?")
_TYPES = {dict: "a mapping", list: "a list", str: "text", int: "a whole number", bool: "true or false"}
_ABSENT: Any = object()
_Take = Callable[[Any], Any]
LATER = "a later release of daypass wrote it: install that one here. Nothing is believed past what cannot be read"
"""What to do about a receipt that is signed as it should be and is in no form of this release."""


class Field(NamedTuple):
    """How one value stands in data: as which type of JSON's, and how it is read from there and written.

    ``read`` is called with the value, its name and the record's; None for a value that is as it stands in data. A value
    that equals ``default`` is not written. ``quick`` returns the type by which msgspec takes the value, and what makes of
    that what ``read`` would, None for nothing; where it is None, ``read`` has to.
    """

    kind: type
    read: Callable[[Any, str, str], Any] | None = None
    write: Callable[[Any], Any] | None = None
    default: Any = _ABSENT
    quick: Callable[[], tuple[Any, _Take | None]] | None = None

    def optional(self, default: Any, redundant: str = "") -> Field:
        """Return the same field of a record that may be without it.

        ``redundant`` says what is wrong with data that has the default all the same; "" where earlier releases wrote it.
        """

        def read(value: Any, name: str, what: str) -> Any:
            found = value if self.read is None else self.read(value, name, what)
            if found == default:
                raise LedgerError(redundant)
            return found

        quick = self.quick
        if redundant:
            return self._replace(default=default, read=read, quick=quick and (lambda: _but(default, *quick())))
        return self._replace(default=default)

    def filled(self, missing: str) -> Field:
        """Return the same field where nothing is no answer; ``missing`` says what is wrong with data that has none."""

        def read(value: Any, name: str, what: str) -> Any:
            if not value:
                raise LedgerError(missing)
            return value if self.read is None else self.read(value, name, what)

        quick = self.quick
        return self._replace(read=read, quick=quick and (lambda: _but((), *quick())))

    def by_msgspec(self, name: str, what: str) -> tuple[Any, _Take | None]:
        """Return the type and what is made of it, as ``quick`` has them."""
        if self.quick is not None:
            return self.quick()
        read = self.read
        return self.kind, None if read is None else lambda value: read(value, name, what)


def _but(unwanted: Any, kind: Any, take: _Take | None) -> tuple[Any, _Take]:
    """Let a field take anything but one value."""

    def other(value: Any) -> Any:
        found = value if take is None else take(value)
        if found == unwanted:
            raise ValueError
        return found

    return kind, other


class Record(Generic[_T]):
    """One kind of record: ``what`` names it in messages; ``make`` takes the values of its fields, in order.

    Where ``make`` is the record's own class, its fields are those of the class, each read and written as its type says
    where ``fields`` has no other word on it. Else all stand in ``fields``, and ``parts`` takes a record apart into them.
    """

    def __init__(
        self, what: str, make: Callable[..., _T], parts: Callable[[_T], Any] | None = None, /, **fields: Field
    ) -> None:
        self._what, self._make, self._given, self._apart = what, make, fields, parts

    @cached_property
    def _fields(self) -> dict[str, Field]:
        # Looked up when a record of the kind is met first: most programs meet few kinds.
        if self._apart is not None:
            return self._given
        return {name: self._given.get(name) or _FIELDS[kind] for name, kind in get_type_hints(self._make).items()}

    @cached_property
    def _parts(self) -> Callable[[_T], Any]:
        fields = self._fields
        if self._apart is not None:
            return self._apart
        # attrgetter returns the value itself, and no tuple, where it is asked for one.
        return attrgetter(*fields) if len(fields) > 1 else lambda record: (getattr(record, *fields),)

    @cached_property
    def _reads(self) -> tuple[tuple[str, type, Callable[[Any, str, str], Any] | None, Any], ...]:
        return tuple((name, field.kind, field.read, field.default) for name, field in self._fields.items())

    @cached_property
    def _writes(self) -> tuple[tuple[str, Callable[[Any], Any] | None, Any], ...]:
        return tuple((name, field.write, field.default) for name, field in self._fields.items())

    @cached_property
    def _needed(self) -> frozenset[str]:
        return frozenset(name for name, field in self._fields.items() if field.default is _ABSENT)

    def write(self, record: _T) -> dict[str, Any]:
        """Return a record as plain data."""
        return {
            name: value if write is None else write(value)
            for (name, write, default), value in zip(self._writes, self._parts(record), strict=True)
            if default is _ABSENT or value != default
        }

    def read(self, data: Mapping[str, Any]) -> _T:
        """Read what ``write`` wrote. Raises LedgerError, saying what was expected, for anything else."""
        try:
            return self._take(msgspec.convert(data, self._quick[0]))
        except (ValueError, LedgerError):
            return self._read_slowly(data)

    @cached_property
    def _quick(self) -> tuple[type[msgspec.Struct], tuple[tuple[int, Any, _Take | None], ...]]:
        """The type that msgspec takes such a record by; and what is to be made of some of its values, by place."""
        fields: list[Any] = []
        rest = []
        for place, (name, field) in enumerate(self._fields.items()):
            kind, take = field.by_msgspec(name, self._what)
            if field.default is _ABSENT:
                fields.append((f"f{place}", kind, msgspec.field(name=name)))
            else:
                fields.append((f"f{place}", kind | UnsetType, msgspec.field(default=UNSET, name=name)))
            if take is not None or field.default is not _ABSENT:
                rest.append((place, field.default, take))
        made = msgspec.defstruct("Quick", fields, forbid_unknown_fields=True, kw_only=True, gc=False)
        return made, tuple(rest)

    def _take(self, found: Any) -> _T:
        values = list(msgspec.structs.astuple(found))
        for place, default, take in self._quick[1]:
            value = values[place]
            if value is UNSET:
                values[place] = default
            elif take is not None:
                values[place] = take(value)
        return self._make(*values)

    def _read_slowly(self, data: Mapping[str, Any]) -> _T:
        what, values = self._what, []
        if not self._needed <= data.keys() <= self._fields.keys():
            raise self._wrong_keys(data)
        for name, kind, read, default in self._reads:
            value = data.get(name, _ABSENT)
            if value is _ABSENT:
                values.append(default)
                continue
            if type(value) is not kind:  # a boolean is no number here, and a subclass is nothing that JSON gives
                raise expected(name, what, _TYPES[kind], value)
            if read is not None:
                value = read(value, name, what)
            values.append(value)
        return self._make(*values)

    def _wrong_keys(self, data: Mapping[str, Any]) -> LedgerError:
        missing = [name for name in self._fields if name in self._needed and name not in data]
        if missing:
            return LedgerError(f"{self._what} has no {missing[0]!r}")
        return LedgerError(f"{self._what} has an unknown key {min(data.keys() - self._fields.keys())!r}", hint=LATER)

    @property
    def field(self) -> Field:
        """Such a record as the value of another's field."""

        def read(value: dict[str, Any], name: str, what: str) -> _T:
            try:
                return self.read(value)
            except ValueError as error:
                raise LedgerError(f"{name} of {what}: {error}") from None

        return Field(dict, read, self.write, quick=lambda: (self._quick[0], self._take))

    @property
    def listed(self) -> Field:
        """A list of such records as the value of another's field; a tuple in memory."""

        def read(value: list[Any], name: str, what: str) -> tuple[_T, ...]:
            if not all(type(item) is dict for item in value):
                raise expected(name, what, "a list of mappings", value)
            return tuple(map(self.read, value))

        def take(found: tuple[Any, ...]) -> tuple[_T, ...]:
            return tuple(map(self._take, found))

        return Field(
            list,
            read,
            lambda records: list(map(self.write, records)),
            quick=lambda: (tuple[self._quick[0], ...], take),  # type: ignore[name-defined]
        )


def expected(name: str, what: str, wanted: str, value: Any) -> LedgerError:
    """Return the refusal of a field's value."""
    return LedgerError(f"expected {name} of {what} to be {wanted}, got {canonical(value)}")


def _matching(pattern: re.Pattern[str], wanted: str) -> Field:
    def read(value: str, name: str, what: str) -> str:
        if not pattern.fullmatch(value):
            raise LedgerError(f"expected {name} of {what} to be {wanted}, got {value!r}")
        return value

    return Field(str, read, quick=lambda: (Annotated[str, msgspec.Meta(pattern=rf"^(?:{pattern.pattern})\Z")], None))


def _as_it_is(kind: type) -> tuple[Any, _Take]:
    """Take a value without a look at what is in it: by its type msgspec would make all of it anew."""

    def take(value: Any) -> Any:
        if type(value) is not kind:
            raise ValueError
        return value

    return Any, take


def shared(field: Field) -> Field:
    """Return a field of text that many records have the same of: it is held once."""
    return field._replace(quick=lambda: (field.by_msgspec("", "")[0], sys.intern))


def _intern_all(texts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(map(sys.intern, texts))


def word(kind: type[Enum]) -> Field:
    """Take one of the words of an enumeration."""
    words = {member.value: member for member in kind}

    def read(value: str, name: str, what: str) -> Enum:
        if value not in words:
            raise LedgerError(f"expected {name} of {what} to be one that is known, got {value!r}")
        return words[value]

    return Field(str, read, lambda member: member.value, quick=lambda: (kind, None))


def _read_count(value: int, name: str, what: str) -> int:
    if value < 0:
        raise LedgerError(f"expected {name} of {what} to be 0 or more, got {value}")
    return value


def _read_texts(value: list[Any], name: str, what: str) -> tuple[str, ...]:
    if not all(type(item) is str for item in value):
        raise expected(name, what, "a list of texts", value)
    return tuple(value)


def _read_digests(value: list[Any], name: str, what: str) -> tuple[str, ...]:
    found = _read_texts(value, name, what)
    if list(found) != sorted(set(found)) or not all(map(SHA256.fullmatch, found)):
        raise expected(name, what, "digests in order, each once", value)
    return found


def _read_by_name(value: dict[str, Any], name: str, _: str) -> Numbers:
    if not value or not all(type(text) is str and text for text in value.values()):
        raise LedgerError(f"expected {name} to be texts by name, at least one, got {canonical(value)}")
    return tuple(sorted(value.items()))


def _read_moments(value: dict[str, Any], name: str, what: str) -> Moments:
    if not value or not all(type(text) is str for text in value.values()):
        raise expected(name, what, "instants by name, at least one", value)
    return tuple((key, _read_instant(value[key], name, what)) for key in sorted(value))


@lru_cache(maxsize=4096)
def _instant(text: str) -> datetime:
    value = parse_instant.__wrapped__(text)  # one cache is enough
    if not text.endswith("Z"):  # every other part has one spelling
        raise ValueError(f"expected an instant in UTC, written with Z, got {text!r}")
    return value


def _read_instant(value: str, name: str, what: str) -> datetime:
    try:
        return _instant(value)
    except ValueError as error:
        raise LedgerError(f"{name} of {what}: {error}") from None


def _write_instant(value: datetime) -> str:
    if value.microsecond:
        raise RuntimeError("receipts are written to the second")
    return format_instant(value)


def plain(kind: type[Any]) -> Field:
    """Return a field that msgspec takes by a type, in the one spelling in which it writes it."""

    def read(value: dict[str, Any], name: str, what: str) -> Any:
        try:
            found = msgspec.convert(value, kind)
        except ValueError as error:
            raise LedgerError(f"{name} of {what}: {error}") from None
        if _builtins(found) != value:
            raise expected(name, what, "written in the one form", value)
        return found

    return Field(dict, read, _builtins)


def _builtins(value: Any) -> Any:
    return msgspec.json.decode(msgspec.json.encode(value))


TEXT = Field(str)
WHOLE = Field(int)
FLAG = Field(bool)
DATA = Field(dict, quick=lambda: _as_it_is(dict))
LIST = Field(list, quick=lambda: _as_it_is(list))
COUNT = Field(int, _read_count, quick=lambda: (Annotated[int, msgspec.Meta(ge=0)], None))
TEXTS = Field(list, _read_texts, list, quick=lambda: (tuple[str, ...], None))
SHARED_TEXTS = TEXTS._replace(quick=lambda: (tuple[str, ...], _intern_all))
DIGESTS = Field(list, _read_digests, list)
BY_NAME = Field(dict, _read_by_name, dict)
MOMENTS = Field(dict, _read_moments, lambda moments: {name: _write_instant(at) for name, at in moments})
INSTANT = Field(str, _read_instant, _write_instant, quick=lambda: (str, _instant))
OBJECT = _matching(_OBJECT, "a git object id")
DIGEST = _matching(SHA256, "a digest")

_FIELDS: dict[Any, Field] = {
    str: TEXT,
    GrantId: TEXT,
    Oid: OBJECT,
    int: COUNT,
    bool: FLAG,
    datetime: INSTANT,
    tuple[str, ...]: TEXTS,
    tuple[GrantId, ...]: TEXTS,
    Numbers: BY_NAME,
}
"""How values of a type stand in data where nothing else is said."""
