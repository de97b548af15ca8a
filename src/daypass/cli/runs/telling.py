"""Telling the people of requests what a run changed of them, once everything is done and recorded.

It is decoration: nothing waits for it, and whatever fails of it is said and changes no exit code.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from daypass.cli.repository import AccessRepository
from daypass.cli.verb import say
from daypass.core.errors import DaypassError, EdgeError, RefusedError

if TYPE_CHECKING:
    from daypass.core.forge import Pull
    from daypass.core.request import Gated
    from daypass.core.state import Life
    from daypass.pipeline.apply.run import Applied

_PATIENCE = 3
"""After so many requests that could not be told of, the forge is left alone."""


def tell_lives(repo: AccessRepository, done: Applied, enough: Callable[[], bool] = lambda: False) -> None:
    """Bring the comments of the requests up to date whose grants this run changed; ``enough`` leaves the rest as it is."""
    if done.away or not repo.settings.forge.pages:
        return
    from daypass.edges.git.promised import promised
    from daypass.pipeline.tell.lives import MOST_TOLD, changed_in, lives_in

    if not changed_in(done) and not done.survey.admitted.bodies:
        return
    failed: list[str] = []
    try:
        fresh, changed = repo.again(), done.survey.admitted.changed
        found = (changed.get(name) or fresh.standing.admission(name) for name in changed_in(done))
        newest = sorted((one for one in found if one is not None), key=lambda one: -one.pull)[:MOST_TOLD]
        # What they landed by is far behind what a bare runner has of main, and the words hang on these commits alone.
        promised(repo.clone.git).bring_alone(commit for one in newest for commit in (one.base, one.landing))
        lives, left = lives_in(fresh, done)
        for life in lives:
            if enough() or len(failed) >= _PATIENCE:
                left += 1
                break
            _tell(repo, life, failed)
        left += sum(1 for _ in lives)
        failed += [f"{left} more of the requests; a run tells of {MOST_TOLD} at most, the newest"] if left else []
    except DaypassError as error:
        failed.append(error.message)
    except Exception as error:  # noqa: BLE001  (what is told of access must never fail what was done about it)
        failed.append(repr(error))
    say(*(f"daypass: not told on the request: {why}" for why in failed))


def _tell(repo: AccessRepository, life: Life, failed: list[str]) -> None:
    from daypass.cli.verbs.forge import say_left_out
    from daypass.pipeline.tell.lives import life_notice
    from daypass.views.told.life import issue_text, life_text, life_title

    links = repo.host.links
    texts = {"comment": life_text(life, links), "issue": issue_text(life, links)}
    notice = life_notice(life, title=life_title(life), **texts)
    try:
        say_left_out(life.pull, repo.pages.show(notice))
    except DaypassError as error:
        failed.append(f"#{life.pull}: {error.message}")


class Stale:
    """Requests that nobody answered in time: why each is closed, and how it is told."""

    def __init__(self, repo: AccessRepository, at: datetime, limit: timedelta) -> None:
        self._repo = repo
        self._at = at
        self._limit = limit
        self._found: dict[int, Gated] = {}
        self.reasons: dict[int, str] = {}

    def why(self, pull: Pull) -> str:
        """Say why a request is closed: what people did, and what was missing."""
        from daypass.core.window import format_duration
        from daypass.pipeline.judge.gate import look
        from daypass.pipeline.judge.overdue import unanswered
        from daypass.pipeline.judge.report import stale_reason

        try:
            found = self._found[pull.number] = look(self._repo, pull.number, at=self._at)
        except (EdgeError, RefusedError):  # then nobody looked at what people said of it
            return f"it was open for longer than {format_duration(self._limit)}"
        self.reasons[pull.number] = unanswered(found, at=self._at) or stale_reason(found, self._limit)
        return self.reasons[pull.number]

    def closed(self, pull: Pull) -> list[Gated]:
        """Return a request as it was judged, closed since; nothing where it could not be judged."""
        from daypass.core.record import replace

        found = self._found.get(pull.number)
        reason = pull.closed_reason or self.reasons.get(pull.number, "")
        return [replace(found, pull=replace(pull, closed_reason=reason))] if found is not None else []


def tell_closed(repo: AccessRepository, closed: Sequence[Gated], at: datetime) -> None:
    """Say on requests that were closed without a merge, and on the issues that asked for them, that they were."""
    if not repo.settings.forge.pages:
        return
    from daypass.cli.verbs.forge import publish, say_left_out
    from daypass.pipeline.tell.lives import MOST_TOLD

    for found in closed[:MOST_TOLD]:
        number = found.pull.number
        try:
            say_left_out(number, publish(repo, found, at=at))
        except DaypassError as error:
            say(f"daypass: not told on the request: #{number}: {error.message}")
