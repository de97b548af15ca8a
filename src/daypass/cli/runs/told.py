"""Whether all that a run exits with 13 or 14 for stands in an issue or on a request, so that its workflow need not be red.

Exit codes say the same to every script. A workflow's script hands over a file by name; that it is written is the whole
answer. It never is where access is overdue, or where nobody can tell what access there is.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from daypass.cli.verb import say
from daypass.core.errors import ExitCode

if TYPE_CHECKING:
    from daypass.core.finding import Finding
    from daypass.core.request import Gated
    from daypass.pipeline.apply.run import Applied
    from daypass.pipeline.apply.survey import Survey

VARIABLE = "DAYPASS_TOLD"
_LOUD = frozenset({"access-overdue", "access-unknown", "target-unread"})


def told_of_run(done: Applied, *, issue: bool, clean: bool = True) -> None:
    """Note that all of a run's 14 stands in the issue of what gives nothing, where it is so."""
    if issue and clean and done.exit_code is ExitCode.PARTIAL and _only_waits(done):
        _leave()


def _only_waits(done: Applied) -> bool:
    """Say whether nothing is amiss but grants that give nothing, or nothing yet: nothing overdue, held back or unknown."""
    amiss = (done.survey.stuck, done.survey.troubled, done.away, done.undelivered, done.silent, done.held)
    return not any(amiss) and all(outcome.ok or outcome.recovered for outcome in done.outcomes)


def told_of_drift(survey: Survey, found: Iterable[Finding], *, blind: bool) -> None:
    """Note that all drift stands in its issue, where none of it is overdue or unknown.

    ``blind``: a target did not show all of itself.
    """
    if not blind and not survey.troubled and not any(one.code in _LOUD for one in found):
        _leave()


def told_of_gate(found: Iterable[Gated], silent: Collection[int]) -> None:
    """Note that every refusal of the forge to merge stands on its request. ``silent``: requests of which nothing is told."""
    refused = [one for one in found if one.refused]
    if refused and not silent:
        _leave()


def _leave() -> None:
    named = os.environ.get(VARIABLE)
    if not named:
        return
    try:
        Path(named).write_text("1\n", encoding="ascii")
    except OSError as error:  # the workflow is red then, which is the worst of it
        say(f"daypass: {VARIABLE} cannot be written: {error.strerror}")
