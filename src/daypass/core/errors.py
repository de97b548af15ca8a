"""What can go wrong in the world, and the exit code of each.

An *error* is a fault of the world or of the caller and is raised; a *finding* (next module) is a fault in a user's file
and is returned.

    DaypassError (1)
    ├── UsageError (2)         the command line makes no sense
    ├── InvalidError (10)      files are invalid; carries the findings
    ├── DeniedError (11)       policy denies
    ├── RefusedError (1)       we cannot tell, hence we do not act
    │   └── LedgerError (1)    the ledger is missing, forked, edited or ahead of the clock
    ├── ConflictError (1)      somebody else was first; trying again may help
    └── EdgeError (1)          git, a forge or a target failed
        ├── AwayError (1)      where main and the ledger live cannot be reached, or takes nothing
        ├── ElsewhereError (1)     a secret or variable points elsewhere than main's settings say
        ├── LockedError (1)    a lock is in the way, and its holder may live
        ├── NoMergeError (1)   the forge's own rules do not let a request be merged
        └── MissingError (2)   the pull request or commit that somebody named is not there
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from daypass.core.finding import Finding


class ExitCode(IntEnum):
    """The table of exit codes; an interface that scripts rely on."""

    OK = 0
    FAILED = 1
    USAGE = 2
    INVALID = 10
    DENIED = 11
    MISSING = 12
    CHANGES = 13
    PARTIAL = 14
    NO = 20


_WORST_FIRST = (
    ExitCode.USAGE,
    ExitCode.FAILED,
    ExitCode.PARTIAL,
    ExitCode.INVALID,
    ExitCode.DENIED,
    ExitCode.MISSING,
    ExitCode.CHANGES,
    ExitCode.NO,
)


def worst(codes: Iterable[ExitCode]) -> ExitCode:
    """Return the code that wins when several apply (OK for none): 1, 14, 10, 11, 12, 13."""
    present = set(codes)
    return next((code for code in _WORST_FIRST if code in present), ExitCode.OK)


class DaypassError(Exception):
    """Root of every error that daypass raises on purpose. ``hint`` says what to do about it."""

    exit_code = ExitCode.FAILED

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(DaypassError):
    """The command line makes no sense."""

    exit_code = ExitCode.USAGE


class InvalidError(DaypassError):
    """Files are invalid; ``findings`` says where and why."""

    exit_code = ExitCode.INVALID

    def __init__(self, message: str, findings: tuple[Finding, ...] = (), *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.findings = findings


class DeniedError(DaypassError):
    """Policy denies."""

    exit_code = ExitCode.DENIED


class RefusedError(DaypassError):
    """The run cannot tell, hence it does not act."""


class LedgerError(RefusedError):
    """The ledger is missing, forked, edited, or ahead of the clock."""


class ConflictError(DaypassError):
    """Somebody else moved a ref first. Nothing was written; trying again may help."""


class EdgeError(DaypassError):
    """Git, a forge or a target failed."""


class AwayError(EdgeError):
    """Where main and the ledger live cannot be reached, or does not take what is pushed there."""


class ElsewhereError(EdgeError):
    """A secret or variable of the environment points elsewhere than main's settings say; nothing was sent there."""

    code = "secret-elsewhere"

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(f"{message} [{self.code}]", hint=hint)


class LockedError(EdgeError):
    """A lock is in the way, and nobody can tell that its holder is dead. No lost race: trying again may never help."""

    def __init__(self, message: str, *, hint: str = "", path: str = "") -> None:
        super().__init__(message, hint=hint)
        self.path = path


class NoMergeError(EdgeError):
    """The forge's own rules do not let a request be merged; nothing has changed."""


class MissingError(EdgeError):
    """What somebody named, or what it would give, is not there: most likely a slip of theirs."""

    exit_code = ExitCode.USAGE
