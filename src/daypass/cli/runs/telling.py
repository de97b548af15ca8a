"""Telling the people of requests what a run changed of them, once everything is done and recorded.

It is decoration: nothing waits for it, and whatever fails of it is said and changes no exit code.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import TYPE_CHECKING

from daypass.cli.repository import AccessRepository
from daypass.cli.verb import say
from daypass.core.errors import DaypassError

if TYPE_CHECKING:
    from daypass.core.state import Life
    from daypass.pipeline.apply.run import Applied

_PATIENCE = 3
"""After so many requests that could not be told of, the forge is left alone."""


def tell_lives(repo: AccessRepository, done: Applied, enough: Callable[[], bool] = lambda: False) -> None:
    """Bring the comments of the requests up to date whose grants this run changed; ``enough`` leaves the rest as it is."""
    if done.away or not repo.settings.forge.pages:
        return
    from daypass.pipeline.tell.lives import MOST_TOLD, changed_in, lives_in

    if not changed_in(done) and not done.survey.admitted.bodies:
        return
    failed: list[str] = []
    try:
        lives = lives_in(repo.again(), done)
        for life in islice(lives, MOST_TOLD):
            if enough() or len(failed) >= _PATIENCE:
                break
            _tell(repo, life, failed)
        left = sum(1 for _ in lives)
        failed += [f"{left} more requests, over the {MOST_TOLD} of a run"] if left else []
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
