"""One run: everything is read and planned, changes are made and told, and what is only tidiness is done."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from copy import copy
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

import click

from daypass.cli.repository import AccessRepository
from daypass.cli.runs.collecting import uncollected
from daypass.cli.runs.program import program_digest
from daypass.cli.verb import progress, say, show, show_data
from daypass.core.errors import AwayError, ConflictError, DaypassError, EdgeError, InvalidError, RefusedError
from daypass.core.ids import Oid
from daypass.core.plan import Claim, Denied
from daypass.core.planning.resting import Remembered
from daypass.core.policy.decision import PAUSED
from daypass.core.policy.policies import Policy
from daypass.pipeline.judge.check import denied_live
from daypass.views.findings import finding_line

if TYPE_CHECKING:
    from daypass.core.ledger.standing import Standing
    from daypass.pipeline.apply.inputs import Attend, ByReceipts
    from daypass.pipeline.apply.run import Applied
    from daypass.pipeline.apply.survey import Inputs, Survey
    from daypass.ports import Target

Targets = Mapping[str, "Target | EdgeError"]
"""The targets by name; one that cannot be opened is an error in its place."""


def say_paused(policy: Policy) -> None:
    """Say that nothing is given for now, where main says so."""
    if policy.catalogue.settings.limits.pause:
        say(f"daypass: {PAUSED}")


def look(repo: AccessRepository, at: datetime, *, now: bool = False) -> Survey:
    """Read everything and plan; holds no way to write. ``now``: the instant is the clock's."""
    from daypass.pipeline.apply.survey import survey

    prepared = _prepare(repo, repo.targets, clock=going(repo, at) if now else None)
    with uncollected():
        return survey(prepared(at=at))


def going(repo: AccessRepository, at: datetime) -> Callable[[], datetime] | None:
    """Return a clock that goes on from an instant read now, None where the settings simulate it.

    It is not the machine's from there on, which may be set while a slow target is waited for.
    """
    if repo.settings.simulated_clock:
        return None
    began = time.monotonic()
    return lambda: at + timedelta(seconds=int(time.monotonic() - began))


def _prepare(
    repo: AccessRepository,
    targets: Callable[[Oid], Targets],
    *,
    clock: Callable[[], datetime] | None,
    remember: Callable[[Remembered], None] | None = None,
    recalled: Remembered | None = None,
) -> Callable[..., Inputs]:
    """Return what reads everything but the targets."""
    from daypass.pipeline.apply.inputs import prepare

    return partial(
        prepare,
        _provable(repo),
        targets,
        recalled=recalled or repo.memory.remembered(),
        remember=remember or repo.memory.remember,
        program=program_digest(),
        clock=clock,
        deny=partial(denied_at, repo),
    )


class _ClosedForge:
    """Stands in for a forge that cannot be opened: nothing can be proved with it, and what has ended needs no proof."""

    def __init__(self, error: DaypassError) -> None:
        self._error = error

    def _untold(self, *_: object, **__: object) -> NoReturn:
        raise EdgeError(self._error.message, hint=self._error.hint)

    pull = open_pulls = reviews = mains_at = merged_as = acting = watch = unmerged_pulls = _untold

    def clock(self) -> None:
        """Say no time."""


def _provable(repo: AccessRepository) -> AccessRepository:
    """Return a repository with what stands in for its forge where that cannot be opened."""
    try:
        _ = repo.forge
    except (EdgeError, InvalidError) as error:
        repo = copy(repo)
        repo.__dict__["forge"] = _ClosedForge(error)
    return repo


def denied_at(repo: AccessRepository, policy: Policy, live: Sequence[tuple[Claim, Oid]]) -> tuple[Denied, ...]:
    """Say what of the live grants policies deny."""
    from daypass.edges.store import Verdicts

    with closing(Verdicts(repo.clone.state_dir)) as verdicts:
        return denied_live(repo.history, verdicts, program_digest(), policy, live)


def gives_nothing(found: Survey) -> list[str]:
    """Say of policies that do not read, and of grants that could not be proved, why they give nothing."""
    return [*(finding_line(f) for f in found.policy.holes), *(f"{u.grant}: {u.message}" for u in found.unproved)]


def run_apply(
    repo: AccessRepository,
    at: datetime,
    confirm: str = "",
    *,
    limit: Callable[[Survey], float | None] = lambda _: None,
    enough: Callable[[], bool] = lambda: False,
    retry: bool = False,
) -> Applied:
    """Apply at an instant, alone on this machine; ``limit``, ``enough`` and ``retry`` as the pipeline takes them.

    Where the remote is away, or goes while this runs, what has ended is taken away all the same, and nothing else is done.
    """
    from daypass.cli.runs.away import left, run_away

    if repo.away is None:
        try:
            return _run_apply(repo, at, confirm, limit=limit, enough=enough, retry=retry)
        except AwayError as error:
            repo = left(repo, error)
    return run_away(repo, at, confirm=confirm, limit=limit, enough=enough)


def _run_apply(
    repo: AccessRepository,
    at: datetime,
    confirm: str,
    *,
    limit: Callable[[Survey], float | None],
    enough: Callable[[], bool],
    retry: bool,
) -> Applied:
    from daypass.cli.runs.away import deliver
    from daypass.cli.runs.rest import Resting
    from daypass.edges.store import exclusive
    from daypass.pipeline.apply.run import apply as carry_out

    if repo.elsewhere or repo.signs:  # a run with nothing to do would hide for weeks that it could do nothing
        repo.ledger.ready()
    with exclusive(repo.clone.state_dir / "apply.lock"):
        undelivered = deliver(repo) if repo.elsewhere else ""
        opened: dict[Oid, Targets] = {}
        clock = going(repo, at)

        def targets(main: Oid) -> Targets:
            if main not in opened:
                opened[main] = repo.targets(main)
            return opened[main]

        def take(attend: Attend) -> Inputs:
            opened.clear()  # what is still being read from belongs to an earlier try
            fresh = repo.again()

            def attending(standing: Standing, by: ByReceipts, then: datetime, off: timedelta) -> Standing:
                after = attend(standing, by, then, off)
                if after is not standing:
                    opened.clear()  # likewise
                return after

            recalled = resting.recalled(at)
            prepared = _prepare(fresh, targets, clock=clock, remember=resting.remember, recalled=recalled)
            with uncollected():
                return prepared(at=at if clock is None else clock(), attend=attending, retry=retry)

        resting = Resting(repo)
        if (found := resting.answer(at, clock, anew=bool(confirm) or retry)) is not None:
            found.undelivered = undelivered
            return found
        run = repo.run_name(at)
        amiss = _record_reviews(repo, at)
        try:
            told = partial(carry_out, run=run, confirmed=confirm, progress=progress, timer=time.monotonic)
            done = told(take, repo.ledger, targets, clock=clock, limit=limit, enough=enough)
        finally:
            opened.clear()  # a target keeps its connection for as long as anybody holds it
        done.undelivered = undelivered
        done.silent = amiss or _open_reviews(repo, at)
        _leave_signs(repo, done, run, partial(resting.leave_word, done, run))
        return done


def _record_reviews(repo: AccessRepository, at: datetime) -> str:
    """Write receipts of the emergencies that people have reviewed, before anything ends for want of it; say what failed."""
    if not repo.standing.unreviewed or not repo.history.is_ancestor(Oid(repo.standing.main), repo.tip):
        return ""
    from daypass.pipeline.ask.reviews import reviewed

    try:
        bodies = list(reviewed(repo, at=at))
        if bodies:
            with suppress(ConflictError):  # another run writes: the next one looks again
                repo.ledger.append(repo.standing, bodies, at=at, main=repo.standing.main, run=repo.run_name(at))
    except DaypassError as error:
        return f"reviews of emergencies could not be read: {error.message}"
    return ""


def _open_reviews(repo: AccessRepository, at: datetime) -> str:
    """Open the requests on which emergencies are reviewed; say what failed."""
    fresh = repo.again()
    if not fresh.standing.unreviewed:
        return ""
    from daypass.pipeline.ask.reviews import open_reviews

    try:
        for pull in open_reviews(fresh, at=at):
            say(f"Review request #{pull.number} opened: {pull.title}")
    except DaypassError as error:
        return f"the review of an emergency could not be asked for: {error.message}"
    return ""


def _leave_signs(repo: AccessRepository, done: Applied, run: str, word: Callable[[], None]) -> None:
    """Leave a snapshot and a sign of life where they are due. That one cannot be left is told with what was done."""
    from daypass.pipeline.apply.run import keep_snapshot

    pulse = partial(_leave_pulse, repo, done, run)
    snapshot = partial(keep_snapshot, repo.ledger, done.survey, run)
    for what, leave in (("snapshot", snapshot), ("word of an idle run", word), ("sign of life", pulse)):
        try:
            leave()
        except DaypassError as error:
            done.silent = f"no {what} was left in the ledger: {error.message}; {error.hint}".removesuffix("; ")


def _leave_pulse(repo: AccessRepository, done: Applied, run: str) -> None:
    """Leave a sign of life where one is due, and where a new key signs: until it has, the old one cannot be retired."""
    from daypass.edges.ledger.signers import signed_by_another
    from daypass.pipeline.apply.run import beat

    settings = done.survey.policy.catalogue.settings
    anew = len(settings.ledger_keys) > 1 and signed_by_another(repo.ledger, repo.ledger.load())
    every = timedelta(0) if anew else settings.ledger_heartbeat
    beat(repo.ledger, done.survey, every=every, exit_code=int(done.exit_code), run=run)


def tell_refused(repo: AccessRepository, found: Survey) -> bool:
    """Keep one issue about what stands on main and gives nothing. That it cannot be written stops nothing, and is said."""
    from daypass.views.targets import refused_markdown

    text = refused_markdown(found.refusals, found.unproved, found.plan.blocked, found.plan.failing)
    try:
        number = repo.pages.issue("refused", title="Grants that give no access", text=text)
    except EdgeError as error:
        say(f"daypass: the issue about what was refused was not written: {error.message}")
        return False
    if number is not None:
        click.echo(f"Issue #{number} tells what was refused.", err=True)
    return True


def print_applied(done: Applied, output: str, confirm: str = "") -> None:
    """Print what a run did. ``confirm`` is the digest that was to let it pass the brake."""
    from daypass.pipeline.apply.overview import overview_of
    from daypass.views.plan import applied_text

    if output == "json":
        show_data(data_of(done))
    else:
        told = (overview_of(done.survey, done.outcomes), gives_nothing(done.survey))
        show(applied_text(done.survey.plan, done.outcomes, done.held, *told))
    say_held(done, confirm)


def data_of(done: Applied) -> dict[str, Any]:
    """Return what a run did as plain data."""
    from daypass.pipeline.apply.overview import overview_of
    from daypass.views.plan import applied_data

    told = (overview_of(done.survey, done.outcomes), gives_nothing(done.survey))
    data = applied_data(done.survey.plan, done.outcomes, done.held, *told)
    return data | {"away": done.away, "undelivered": done.undelivered}


def say_held(done: Applied, confirm: str = "") -> None:
    """Say what a run kept back and why, and what lets it pass."""
    from daypass.core.plan import changes_digest

    found = done.survey
    if not done.held:
        say_paused(found.policy)
    if done.silent:
        say(f"daypass: {done.silent}")
    if done.undelivered:
        say(*f"daypass: {done.undelivered}".split("\n"))
    if done.held_message and found.stuck is None:
        click.echo(f"daypass: {done.held_message}", err=True)
        paused = found.policy.catalogue.settings.limits.pause
        if not found.policy.broken and not found.doubts and not paused:
            # What was not held is done by now: the next plan is what was held.
            digest = changes_digest(found.plan.main, done.held)
            if confirm:
                click.echo(f"  --confirm named {confirm}, which is the digest of another plan", err=True)
            click.echo(f"  hint: look at `daypass plan`; if it is meant, run apply with --confirm {digest}", err=True)


def tidy_up(
    repo: AccessRepository, at: datetime, *, enough: Callable[[], bool] = lambda: False
) -> tuple[list[str], bool]:
    """Close requests that were open for too long, keep the removal pull request, and record what became of requests.

    Returns what to say, and whether all went.

    What is only tidiness fails by itself: the access is gone already, and the next run tries again. ``enough`` cuts it
    short: something ends, and that is no matter of tidiness.
    """
    lines: list[str] = []
    clean = True
    for step in (partial(_close_stale, enough=enough), _tidy, partial(_record_decisions, enough=enough)):
        if enough():
            break
        try:
            for line in step(repo.again(), at):  # one by one: what was done before an error is told all the same
                lines.append(line)  # noqa: PERF402  (extending by what raises would keep nothing)
        except (ConflictError, EdgeError, InvalidError, RefusedError) as error:
            lines.append(f"daypass: {error.message}" + (f"\n  hint: {error.hint}" if error.hint else ""))
            clean = False
    return lines, clean


def _close_stale(repo: AccessRepository, at: datetime, *, enough: Callable[[], bool]) -> Iterator[str]:
    from daypass.cli.runs.telling import Stale, tell_closed
    from daypass.pipeline.apply.tidy import close_stale

    limit = repo.settings.limits.open_request
    stale = Stale(repo, at, limit)
    for pull in close_stale(repo, limit=limit, at=at, why=stale.why, enough=enough):
        reason = pull.closed_reason or stale.reasons.get(pull.number, "")
        yield f"Closed #{pull.number} {pull.title}: {reason}"
        tell_closed(repo, stale.closed(pull), at)


def _tidy(repo: AccessRepository, at: datetime) -> Iterator[str]:
    from daypass.pipeline.apply.current import claims_on
    from daypass.pipeline.apply.tidy import tidy

    claims = claims_on(repo)
    tidied = tidy(repo, claims, at=at)
    if tidied.pull is not None and tidied.paths:
        yield (
            f"Removal pull request #{tidied.pull.number} {tidied.what}: {len(tidied.paths)} ended; "
            f"`daypass gate {tidied.pull.number}` merges it without a person"
        )


def _record_decisions(repo: AccessRepository, at: datetime, *, enough: Callable[[], bool]) -> Iterator[str]:
    """Write receipts of what became of requests that were not merged; where another run writes, the next one looks again."""
    from daypass.cli.runs.telling import tell_closed
    from daypass.pipeline.apply.decisions import decisions

    if not repo.standing.main or not repo.history.is_ancestor(Oid(repo.standing.main), repo.tip):
        return  # nothing was recorded yet, or main cannot be followed, of which the run has told
    found = decisions(repo, at=at, enough=enough)
    if found.bodies:
        # On the main of the last receipt: a later one may hold grants of which no run has said anything yet.
        main = repo.standing.main
        with suppress(ConflictError):
            repo.ledger.append(repo.standing, found.bodies, at=at, main=main, run=repo.run_name(at))
            for body in found.bodies:
                yield f"Recorded: #{body.pull} was {body.what.value}"
            tell_closed(repo, found.closed, at)
    if found.left:
        yield f"daypass: {found.left} decisions on requests are over the day's limit and were not recorded"
    if found.unread:
        raise EdgeError(
            "; ".join(found.unread), hint="what happened to them is not on record; the next run tries again"
        )
