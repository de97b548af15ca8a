"""People from a table: comma-separated values (RFC 4180) with a line of names at the top, in UTF-8."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from unicodedata import normalize

from daypass.core.errors import UsageError
from daypass.core.files.text import quoted
from daypass.core.people.source import MOST, SourcePerson

LARGEST = 16 << 20
"""No table may have more bytes."""

COLUMNS = ("handle", "id", "name", "email", "login", "forge_id", "manager", "employment", "active")
"""The columns that are read; `handle` must be there."""

_TRUE = frozenset({"", "true", "yes", "1"})
_FALSE = frozenset({"false", "no", "0"})


def read_table(path: Path) -> tuple[SourcePerson, ...]:
    """Read a table of people. Raises UsageError, naming the line, for what is none."""
    with path.open("rb") as file:
        raw = file.read(LARGEST + 1)
    if len(raw) > LARGEST:
        raise UsageError(f"{path} has more than the {LARGEST} bytes that a table may have", hint="import it in parts")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 at byte {error.start}", hint="export it as UTF-8") from None
    try:
        return tuple(_rows(path, csv.DictReader(io.StringIO(text, newline=""), strict=True)))
    except csv.Error as error:
        raise UsageError(f"{path} is no table of comma-separated values: {error}") from None


def _rows(path: Path, reader: csv.DictReader[str]) -> Iterator[SourcePerson]:
    names = list(reader.fieldnames or ())
    strange = [name for name in names if name not in COLUMNS]
    if strange or "handle" not in names or len(set(names)) != len(names):
        what = f"the column {quoted(strange[0])}, which is not read" if strange else f"the columns {', '.join(names)}"
        raise UsageError(f"{path} has {what}", hint=f"the first line names some of {', '.join(COLUMNS)}; handle always")
    for count, row in enumerate(reader):
        where = f"line {reader.line_num} of {path}"
        if count >= MOST:
            raise UsageError(f"{path} has more than {MOST} people", hint="import it in parts")
        if None in row or None in row.values():
            raise UsageError(f"{where} has another number of fields than the first one")
        yield _person(where, {name: normalize("NFC", value.strip()) for name, value in row.items()})


def _person(where: str, row: Mapping[str, str]) -> SourcePerson:
    number, active = row.get("forge_id", ""), row.get("active", "").lower()
    if number and not (number.isascii() and number.isdecimal() and 0 < len(number) < 16 and int(number)):  # noqa: PLR2004
        raise UsageError(f"{where}: forge_id is {quoted(number)}, which is no number of an account")
    if active not in _TRUE | _FALSE:
        raise UsageError(f"{where}: active is {quoted(active)}, expected true or false")
    return SourcePerson(
        row.get("id", ""),
        row["handle"],
        name=row.get("name", ""),
        emails=tuple(filter(None, (row.get("email", ""),))),
        active=active in _TRUE,
        login=row.get("login", ""),
        forge_id=int(number) if number else None,
        manager=row.get("manager", ""),
        employment=row.get("employment", ""),
        exact=True,
    )
