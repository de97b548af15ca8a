"""Idle runs on a runner that starts bare: one that finds nothing to do says so in a receipt, and the next go by its word.

Such a runner remembers nothing, and would read every live grant to find out again that nothing has moved. A clone that
remembers has its own answer (`daypass.edges.store`) and leaves no word.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from functools import cached_property, partial

from daypass.cli.repository import AccessRepository
from daypass.cli.runs.program import program_digest
from daypass.core.errors import ConflictError, ExitCode
from daypass.core.ledger.receipt import Receipt
from daypass.core.ledger.records import LONGEST_IDLE, Idle
from daypass.core.ledger.standing import Standing
from daypass.core.planning.resting import Remembered
from daypass.edges.targets.registry import fingerprints
from daypass.pipeline.apply.current import watched_grants
from daypass.pipeline.apply.grounds import told_by
from daypass.pipeline.apply.inputs import at_rest
from daypass.pipeline.apply.run import Applied

_TOLD_APART = timedelta(hours=6)
"""A word tells of each resource where the last one that did is older: so much is written, however often little moves."""

_APART = timedelta(hours=1)
"""No word is left within so long after another: where none is ever taken, for whatever reason, the ledger hardly grows."""


def restless(repo: AccessRepository) -> Iterator[str]:
    """Say which targets have every run on a runner that starts bare reckon all anew."""
    for target in repo.settings.targets.values() if repo.elsewhere else ():
        if not fingerprints(target.kind):
            words = f"target {target.name} ({target.kind}) is told by the ledger at each run what it handed over"
            yield f"{words}, so that an apply on a runner that starts bare reads all of what lives, idle or not"


class Resting:
    """What one run of a repository is told by the last one, and what it tells the next."""

    def __init__(self, repo: AccessRepository) -> None:
        self._repo = repo
        self._found: Remembered | None = None
        self._told: Receipt | None = None
        settings = repo.settings
        # What is due at each run beside the plan hangs on what no word tells: who signed last, what a target is told.
        same = all(fingerprints(target.kind) for target in settings.targets.values())
        # A machine that has verified something remembers its own answer; a word of its would only undo that.
        bare = repo.elsewhere and repo.ledger.receipts.thin is not None and not repo.ledger.path.exists()
        self._may = bare and len(settings.ledger_keys) == 1 and same

    @cached_property
    def _said(self) -> tuple[Standing, Idle] | None:
        """The word that the ledger ends with."""
        return self._repo.ledger.idle() if self._may else None

    def remember(self, found: Remembered) -> None:
        """Keep what there was to say, for this machine; and for the next one that there was nothing."""
        self._repo.memory.remember(found)
        self._found = found

    def recalled(self, at: datetime) -> Remembered | None:
        """Return what an earlier run found, by this machine's memory or by its word in the ledger."""
        if self._may and self._told is None:
            self._told = self._repo.ledger.rested()
        return self._repo.memory.remembered() or told_by(self._told, program_digest(), at)

    def answer(self, at: datetime, clock: Callable[[], datetime] | None, *, anew: bool) -> Applied | None:
        """Return the run's outcome where the last one's word holds; None where all is to be reckoned, as ``anew`` says."""
        repo = self._repo
        every, last = repo.settings.ledger_heartbeat, self._last
        if self._said is None or anew or last is None or (every is not None and at - last >= every):
            return None
        targets = partial(repo.targets, told=False)  # nothing of the ledger but its last receipt is here
        found = at_rest(repo, targets, self._said, at=at, program=program_digest(), clock=clock)
        return Applied(found) if found is not None else None

    @property
    def _last(self) -> datetime | None:
        return self._said[0].at if self._said is not None else None

    def leave_word(self, done: Applied, run: str) -> None:
        """Write that nothing is to be done, where that is so and nobody has written meanwhile.

        Not where something else has to be told, which a run that goes by a word would not tell again, nor where people, or a
        task that ends access, are looked for at each run.
        """
        survey = done.survey
        ledger, at, last = self._repo.ledger, survey.plan.at, self._last
        found = self._found.unchanged if self._found is not None else None
        if self._found is None or found is None or not self._may or done.exit_code is not ExitCode.OK:
            return
        if last is not None and abs(at - last) < _APART:
            return
        standing = ledger.load()
        if standing.commit != survey.standing.commit or standing.unreviewed or watched_grants(standing, at):
            return
        told = self._told.at if self._told is not None else None
        # What a run took from a word is no older for being told again: else a chain of words would never be looked into.
        since = told if survey.in_part and told is not None else at
        until = min(found.until, since + LONGEST_IDLE)
        if until <= at:
            return
        anew = told is None or at - told >= _TOLD_APART
        rests = self._found.told if anew and not survey.in_part else None
        word = Idle(found.grounds, standing.commit, until, found.live, found.by_ledger, rests)
        with suppress(ConflictError):  # another run was first: what it wrote may have moved something
            ledger.append(standing, [word], at=at, main=survey.plan.main, run=run)
