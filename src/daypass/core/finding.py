"""One thing wrong in a user's file, in one shape for every kind of output; and what a check of many files adds up to.

What messages are made of is here as well: names that are near, and text of others that is fit to be shown.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from enum import Enum
from functools import lru_cache
from heapq import nsmallest

from msgspec import Struct

from daypass.core.errors import ExitCode, worst

_FEW = 50
"""So many names are all compared in full; of more, only as many as `_CLOSEST` that share most with the one."""
_CLOSEST = 20
_MANY = 5_000
"""Among more names none is suggested: a request may hold unknown names by the thousand."""
_LONG = 100
"""Nor for a longer name."""

LONGEST_TEXT = 300
UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Categories of characters that are not seen as themselves: controls, bidirectional marks, line separators."""


class Severity(Enum):
    """How much a finding matters. Only errors change the exit code."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class Place(Struct, frozen=True, order=True):
    """Where: a repository path, a 1-based line and column (0 = the file as a whole), and a path into the document.

    ``path`` reads ``window.until`` or ``roles.admin.max_duration`` or ``rules[2].when``; empty for the top.
    """

    file: str
    line: int = 0
    column: int = 0
    path: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


class Finding(Struct, frozen=True):
    """One thing wrong. ``code`` is kebab-case, stable and documented in docs/findings.md."""

    code: str
    place: Place
    message: str
    hint: str = ""
    severity: Severity = Severity.ERROR

    @property
    def is_error(self) -> bool:
        """Whether it makes the file invalid."""
        return self.severity is Severity.ERROR


def ordered(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Sort by file, line, column, code and message, dropping exact repetitions, so that output is the same each time."""
    return tuple(sorted(set(findings), key=lambda f: (f.place, f.code, f.message)))


def shown(text: str) -> str:
    """Return text that others wrote, fit to be shown: it can neither act on a terminal nor pass for another line.

    What is not seen as itself becomes a question mark.
    """
    return "".join("?" if unicodedata.category(c) in UNSEEN else c for c in text[:LONGEST_TEXT])


def near(name: str, known: Iterable[str], otherwise: str = "") -> str:
    """Write a hint that names the likeliest of the known names, or what to say where none is like it.

    Its cost is bounded, whoever chose the names: comparing each with each would keep everybody waiting.
    """
    names = tuple(sorted(known))
    if len(name) > _LONG or len(names) > _MANY:
        return otherwise
    from difflib import get_close_matches  # noqa: PLC0415  (only where a name is wrong)

    found = get_close_matches(name, _alike(name, names), 1, 0.6)
    return f"did you mean {found[0]}?" if found else otherwise


def _alike(name: str, names: tuple[str, ...]) -> list[str]:
    """Return the names that share most pairs of letters with one, those that share most first."""
    if len(names) <= _FEW:
        return list(names)
    index = _by_pairs(names)
    shared = Counter(other for pair in _pairs(name) for other in index.get(pair, ()))
    return [other for other, _ in nsmallest(_CLOSEST, shared.items(), key=lambda item: (-item[1], item[0]))]


@lru_cache(maxsize=8)
def _by_pairs(names: tuple[str, ...]) -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in names:
        for pair in _pairs(name):
            found.setdefault(pair, []).append(name)
    return found


def _pairs(name: str) -> list[str]:
    return sorted({name[place : place + 2] for place in range(max(1, len(name) - 1))})


DENIED = "policy-denied"
"""The code of a finding that stands for a denial by policy."""

CAUSED = frozenset({"policy-broken", "resource-broken"})
"""The codes of what is wrong with a grant for no fault of its own: a policy file that judges it does not read."""


def causes_first(findings: Iterable[Finding], causes: Iterable[Finding]) -> tuple[tuple[Finding, ...], int]:
    """Return findings with their causes first, each once, and how many grants could not be judged for these.

    What stands for a cause in each grant's file is left out, but only where there is a cause to show in its place.
    """
    first = ordered(causes)
    rest = ordered(set(findings) - set(first))
    if not first:
        return rest, 0
    unjudged = {finding.place.file for finding in rest if finding.code in CAUSED}
    return (*first, *(finding for finding in rest if finding.code not in CAUSED)), len(unjudged)


class Checked(Struct, frozen=True):
    """What a check of a whole tree found. ``cached`` of the ``files`` were known from earlier.

    ``unjudged`` grants could not be judged: the findings say first what must be mended for that.
    """

    where: str
    files: int
    cached: int
    findings: tuple[Finding, ...]
    unjudged: int = 0

    @property
    def exit_code(self) -> ExitCode:
        """INVALID for broken files, DENIED where all that is wrong is that policy denies."""
        errors = [finding for finding in self.findings if finding.is_error]
        return worst(ExitCode.DENIED if finding.code == DENIED else ExitCode.INVALID for finding in errors)
