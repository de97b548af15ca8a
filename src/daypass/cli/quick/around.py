"""What a verb takes from where it runs, the clock and the width that is read, and what it says there. Loads little."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from daypass.core.errors import ExitCode

_DIGITS = 6
"""A line is not wider than a number of fewer digits; another one is none."""
FIRST, LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)


class Said(NamedTuple):
    """What a question says: to stdout, in the form that was asked for, and then lines to stderr."""

    out: str = ""
    output: str = "text"
    lines: Sequence[str] = ()
    code: ExitCode = ExitCode.OK


def clock() -> datetime:
    """Read the clock, aware UTC, as finely as it runs: to know how long to sleep."""
    return datetime.now(UTC)


def now() -> datetime:
    """Read the clock: aware UTC, cut to the second, which is as fine as anything daypass writes."""
    return clock().replace(microsecond=0)


def read_instant(text: str) -> datetime:
    """Read an RFC 3339 instant that was typed. Raises ValueError, with what is wrong."""
    from daypass.core.window import NO_ACCESS_THEN, parse_instant

    found = parse_instant(text)
    if not FIRST <= found < LAST:
        # Nothing happened before, and at the end of the calendar there is no instant after that could be reckoned.
        raise ValueError(f"{text} {NO_ACCESS_THEN}")
    return found


def line_width() -> int:
    """Return how wide stdout is read: COLUMNS, or the terminal's width; 0 where neither says."""
    told = os.environ.get("COLUMNS", "")
    if told.isdecimal() and len(told) < _DIGITS:
        return int(told)
    return os.get_terminal_size(sys.stdout.fileno()).columns if sys.stdout.isatty() else 0


def folded(text: str, output: str = "text") -> str:
    """Return a view as it is shown. Lines of text that are too long for stdout go on below, and no word is cut."""
    width = line_width() if output == "text" else 0
    if not width:
        return text
    from daypass.views.findings import fold

    return fold(text, width)
