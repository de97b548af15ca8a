"""Public holidays, by the library holidays (https://holidays.readthedocs.io): to be printed and reviewed, never to decide."""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib import resources
from importlib.metadata import version

from daypass.core.calendar.calendars import PublicHolidays
from daypass.core.calendar.hours import check_zone
from daypass.core.errors import UsageError

_PLACE = re.compile(r"(?P<country>[A-Z]{2})(?:-(?P<part>[A-Za-z0-9]{1,20}))?")


def public_holidays(place: str, years: Iterable[int], zone: str = "") -> PublicHolidays:
    """Look up the public holidays of ``DE`` or ``DE-BE``.

    Raises UsageError for a place that the library does not know, a zone that is none, years that it says nothing of, and
    where it is not installed.
    """
    try:
        import holidays  # noqa: PLC0415  (an extra: only whoever asks for holidays has it)
    except ImportError:
        raise UsageError(
            "public holidays come from the library holidays, which is not installed",
            hint='pip install "daypass[holidays]"',
        ) from None
    match = _PLACE.fullmatch(place)
    known = holidays.list_supported_countries()
    if match is None or match["country"] not in known:
        raise UsageError(f"nobody knows the holidays of {place!r}", hint="write a country, or a part of it: DE, DE-BE")
    country, part = match["country"], match["part"]
    if part is not None and part not in known[country]:
        hint = f"its parts are {', '.join(sorted(known[country]))}" if known[country] else f"ask for {country} alone"
        raise UsageError(f"nobody knows a part {part} of {country}", hint=hint)
    wanted = tuple(sorted(set(years)))
    found = holidays.country_holidays(country, subdiv=part, years=wanted)
    empty = [year for year in wanted if not any(day.year == year for day in found)]
    if empty:
        raise UsageError(f"the library holidays knows none of {place} in {empty[0]}", hint="leave the year out")
    try:
        check_zone(zone or _zone(country))
    except ValueError as error:
        raise UsageError(str(error), hint="--zone says whose midnights are meant") from None
    return PublicHolidays(place, zone or _zone(country), wanted, tuple(sorted(found.items())), version("holidays"))


def _zone(country: str) -> str:
    """Return the first zone of a country by the time zone database's own table, "" where it has none."""
    table = (resources.files("tzdata") / "zoneinfo" / "zone.tab").read_text(encoding="utf-8")
    rows = (line.split("\t") for line in table.splitlines() if not line.startswith("#"))
    return next((row[2] for row in rows if row[0] == country), "")
