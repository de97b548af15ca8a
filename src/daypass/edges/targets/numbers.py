"""Following names by numbers: what was given stays what it is, whatever it is called since (see ports.Numbering).

Absence is believed only of the thing itself, by the number that does not change. A name that nobody bears any more says
nothing: who bore it may have another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from daypass.core.plan import Entitlement, Found, Numbers


class NumberTrace(NamedTuple):
    """What became of one thing that an entitlement rests on.

    ``name`` and ``number`` are today's, both "" where it is not found. ``unknown``: why nobody can tell what became of it;
    ``gone``: that it is no more, by its number; ``said``: what it is called now.
    """

    name: str = ""
    number: str = ""
    unknown: str = ""
    gone: str = ""
    said: str = ""


def trace(
    what: str, name: str, recorded: str, number_of: Callable[[str], str], name_of: Callable[[str], str | None]
) -> NumberTrace:
    """Say what became of ``what`` that was called ``name``. ``recorded`` is its number, "" where none was recorded.

    ``number_of`` returns the number that a name has now ("" where nothing bears it), ``name_of`` the name that a number
    has: "" where it is no more, None where nobody can tell.
    """
    now = number_of(name)
    if now and recorded in ("", now):
        return NumberTrace(name, now)
    other = f"; another {what}, number {now}, has its name" if now else ""
    if not recorded:
        return NumberTrace(
            unknown=f"there is no {what} {name!r}, and its number was not recorded: it may have another name"
        )
    today = name_of(recorded)
    if today is None:
        return NumberTrace(
            unknown=f"the {what} {name!r}, number {recorded}, is not found: deleted, renamed or hidden{other}"
        )
    if not today:
        return NumberTrace(gone=f"the {what} {name!r}, number {recorded}, is no more{other}")
    return NumberTrace(today, recorded, said=f"the {what} {name!r} is called {today!r} now")


def join(traces: Iterable[NumberTrace], there: bool, called: Iterable[Entitlement], numbers: Numbers) -> Found:
    """Join what became of everything that an entitlement rests on; ``there`` and ``called`` are as of today's names."""
    every = list(traces)
    unknown = "; ".join(one.unknown for one in every if one.unknown)
    if unknown:
        return Found(None, unknown)
    gone = "; ".join(one.gone for one in every if one.gone)
    if gone:
        return Found(False, gone)
    said = "; ".join(one.said for one in every if one.said)
    return Found(True, said, tuple(called) if said else (), numbers) if there else Found(False)
