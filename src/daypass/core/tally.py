"""What a check of many files adds up to."""

from __future__ import annotations

from dataclasses import dataclass

from daypass.core.errors import ExitCode, worst
from daypass.core.finding import Finding

DENIED = "policy-denied"
"""The code of a finding that stands for a denial by policy."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check of a whole tree found. ``cached`` of the ``files`` were known from earlier."""

    where: str
    files: int
    cached: int
    findings: tuple[Finding, ...]

    @property
    def exit_code(self) -> ExitCode:
        """INVALID for broken files, DENIED where all that is wrong is that policy denies."""
        errors = [finding for finding in self.findings if finding.is_error]
        return worst(ExitCode.DENIED if finding.code == DENIED else ExitCode.INVALID for finding in errors)
