"""What a check of many files adds up to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from daypass.core.errors import ExitCode, worst
from daypass.core.finding import Finding, ordered

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


@dataclass(frozen=True, slots=True)
class Checked:
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
