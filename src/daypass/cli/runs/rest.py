"""Idle runs on a runner that starts bare: one that finds nothing to do says so in a receipt, and the next go by its word.

Such a runner remembers nothing, and would read every live grant to find out again that nothing has moved. A clone that
remembers has its own answer (`daypass.edges.store`) and leaves no word.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta

from daypass.cli.repository import AccessRepository, program_digest
from daypass.core.errors import ConflictError
from daypass.core.ledger.records import Idle
from daypass.core.plan import Unchanged
from daypass.edges.targets.registry import asks
from daypass.pipeline.apply.current import watched_grants
from daypass.pipeline.apply.inputs import at_rest
from daypass.pipeline.apply.run import Applied
from daypass.pipeline.apply.survey import Survey

LONGEST = timedelta(days=1)
"""Once in this long all is reckoned anew, whatever was said."""


class Resting:
    """What one run of a repository is told by the last one, and what it tells the next."""

    def __init__(self, repo: AccessRepository) -> None:
        self._repo = repo
        self._found: Unchanged | None = None
        settings = repo.settings
        # What is due at each run beside the plan hangs on what no word tells: who signed last, what a target is told.
        told = any(asks(target.kind) for target in settings.targets.values())
        # A machine that has verified something remembers its own answer; a word of its would only undo that.
        bare = repo.elsewhere and repo.ledger.receipts.thin is not None and not repo.ledger.path.exists()
        self._may = bare and len(settings.ledger_keys) == 1 and not told

    def remember(self, found: Unchanged) -> None:
        """Keep that nothing is to be done, for this machine and for the next one."""
        self._repo.memory.keep_unchanged(found)
        self._found = found

    def answer(self, at: datetime, clock: Callable[[], datetime] | None) -> Applied | None:
        """Return the run's outcome where the last one's word holds; None where all has to be reckoned."""
        repo = self._repo
        said = repo.ledger.idle() if self._may else None
        last = said[0].at if said is not None else None
        every = repo.settings.ledger_heartbeat
        if said is None or last is None or (every is not None and at - last >= every):
            return None
        found = at_rest(repo, repo.targets, said, at=at, program=program_digest(), clock=clock)
        return Applied(found) if found is not None else None

    def leave_word(self, survey: Survey, run: str) -> None:
        """Write that nothing is to be done, where that is so and nobody has written meanwhile.

        Not where people, or a task that ends access, are looked for at each run.
        """
        if self._found is None or not self._may:
            return
        ledger, at = self._repo.ledger, survey.plan.at
        standing = ledger.load()
        if standing.commit != survey.standing.commit or standing.unreviewed or watched_grants(standing, at):
            return
        until = min(self._found.until, at + LONGEST)
        word = Idle(self._found.grounds, standing.commit, until, self._found.live, self._found.by_ledger)
        with suppress(ConflictError):  # another run was first: what it wrote may have moved something
            ledger.append(standing, [word], at=at, main=survey.plan.main, run=run)
