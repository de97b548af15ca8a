"""plan, apply, expire."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import click

from daypass.cli.options import at_option, format_option, say
from daypass.core.errors import ConflictError, DaypassError, EdgeError, ExitCode, InvalidError, RefusedError, worst

_detailed = click.option(
    "--detailed-exitcode", is_flag=True, help="Exit 13 when there are changes (apply: when changes were made)."
)
_confirm = click.option(
    "--confirm",
    metavar="DIGEST",
    default="",
    help="Let this very plan pass the brake; a run that the brake stops names its digest.",
)


@click.command()
@at_option
@format_option(["text", "json"])
@_detailed
@click.pass_obj
def plan(obj: dict[str, Any], at: datetime | None, output: str, detailed_exitcode: bool) -> int:
    """Show the changes that would be made at an instant, removals first, each with its grant and its reason.

    \b
    daypass plan                               # what would change now
    daypass plan --at 2026-12-01T00:00:00Z     # what would change then
    daypass plan --detailed-exitcode           # exit 13 when anything would
    """  # noqa: D301  (\b is click's mark for "do not rewrap")
    from daypass.cli.site import live_site
    from daypass.core.brake import brake
    from daypass.views.plan import plan_json, plan_text

    site = live_site(obj["folder"], obj["acting"])
    found = look(site, site.instant(at), now=at is None)
    bad = [*(finding_line(f) for f in found.policy.holes), *(f"{u.grant}: {u.message}" for u in found.unproved)]
    braked = brake(found.plan, removals=found.removals_allowed, additions=found.additions_allowed)
    click.echo((plan_json if output == "json" else plan_text)(found.plan, found.refusals, bad, braked), nl=False)
    if found.clocks:
        say(f"daypass: {found.clocks}")
    say_paused(found.policy)
    codes = [found.exit_code]
    if detailed_exitcode and found.plan.changes:
        codes.append(ExitCode.CHANGES)
    if found.stuck is not None:
        raise found.stuck
    return int(worst(codes))


def say_paused(policy: Any) -> None:
    """Say that nothing is given for now, where main says so."""
    from daypass.core.policy.decision import PAUSED

    if policy.catalogue.settings.limits.pause:
        say(f"daypass: {PAUSED}")


def look(site: Any, at: datetime, *, now: bool = False) -> Any:
    """Read everything and plan; holds no way to write. ``now``: the instant is the clock's."""
    from daypass.pipeline.apply.survey import survey

    return survey(_ground(site, site.standing, site.targets, at, _going(site, at) if now else None))


def _going(site: Any, at: datetime) -> Callable[[], datetime] | None:
    """Return a clock that goes on from an instant read now, None where the settings simulate it.

    It is not the machine's from there on, which may be set while a slow target is waited for.
    """
    if site.settings.simulated_clock:
        return None
    began = time.monotonic()
    return lambda: at + timedelta(seconds=int(time.monotonic() - began))


def _ground(
    site: Any, standing: Any, targets: Any, at: datetime, clock: Callable[[], datetime] | None, **attending: Any
) -> Any:
    """Read everything but the targets."""
    from daypass.cli.site import program_digest
    from daypass.pipeline.apply.survey import prepare

    return prepare(
        site.history,
        forge_of(site),
        site.policy_at,
        standing,
        targets,
        tip=site.tip,
        at=at,
        memory=site.memory,
        program=program_digest(),
        clock=clock,
        deny=partial(denied_at, site),
        **attending,
    )


def denied_at(site: Any, policy: Any, live: Any) -> Any:
    """Say what of the live grants policies deny."""
    from daypass.cli.site import program_digest
    from daypass.edges.verdicts import Verdicts
    from daypass.pipeline.judge.check import denied_live

    verdicts = Verdicts(site.repository.state_dir / "verdicts.sqlite")
    try:
        return denied_live(site.history, verdicts, program_digest(), policy, live)
    finally:
        verdicts.close()


class ClosedForge:
    """Stands in for a forge that cannot be opened: nothing can be proved with it, and what has ended needs no proof."""

    def __init__(self, error: DaypassError) -> None:
        self._error = error

    def merged_as(self, commit: str) -> Any:
        """Say that nobody can tell."""
        raise EdgeError(self._error.message, hint=self._error.hint)

    def clock(self) -> None:
        """Say no time."""


def forge_of(site: Any) -> Any:
    """Return the forge of the settings, or what stands in for it."""
    try:
        return site.forge
    except (EdgeError, InvalidError) as error:
        return ClosedForge(error)


def finding_line(finding: Any) -> str:
    """Return a finding as one line."""
    return f"{finding.place}: {finding.message} [{finding.code}]"


@click.command()
@at_option
@format_option(["text", "json"])
@_detailed
@_confirm
@click.option("--issue", is_flag=True, help="Keep one issue at GitHub up to date with what was refused.")
@click.option("--retry", is_flag=True, help="Try again at once what has failed and waits to be tried again.")
@click.pass_obj
def apply(
    obj: dict[str, Any],
    at: datetime | None,
    output: str,
    detailed_exitcode: bool,
    confirm: str,
    issue: bool,
    retry: bool,
) -> int:
    """Make the targets equal what main says, with a signed receipt for everything.

    Every merged grant is proved again from the forge's records first; what cannot be proved gives nothing, and is said.
    An addition that failed is tried again ever more seldom, from a minute up to six hours; a removal at each run.
    """
    from daypass.cli.site import live_site

    site = live_site(obj["folder"], obj["acting"])
    if issue:
        _ = site.hub  # where there is none, nothing is done for that
    done = run_apply(site, site.instant(at, writes=True), confirm, retry=retry)
    print_applied(done, output, confirm)
    if issue:
        tell_refused(site, done.survey)
    if done.survey.stuck is not None:
        raise done.survey.stuck
    codes = [done.exit_code]
    if detailed_exitcode and done.changed:
        codes.append(ExitCode.CHANGES)
    return int(worst(codes))


def run_apply(
    site: Any,
    at: datetime,
    confirm: str = "",
    *,
    limit: Callable[[Any], float | None] = lambda _: None,
    enough: Callable[[], bool] = lambda: False,
    retry: bool = False,
) -> Any:
    """Apply at an instant, alone on this machine; ``limit``, ``enough`` and ``retry`` as the pipeline takes them."""
    from daypass.cli.site import progress
    from daypass.edges.lock import exclusive
    from daypass.pipeline.apply.heartbeat import beat
    from daypass.pipeline.apply.run import apply as carry_out

    if site.elsewhere or site.signs:  # a run with nothing to do would hide for weeks that it could do nothing
        site.books.ready()
    with exclusive(site.repository.state_dir / "apply.lock"):
        opened: dict[str, Any] = {}
        clock = _going(site, at)

        def targets(main: Any) -> Any:
            if main not in opened:
                opened[main] = site.targets(main)
            return opened[main]

        def take(attend: Any) -> Any:
            opened.clear()  # what is still being read from belongs to an earlier try
            fresh = site.again()

            def attending(standing: Any, *known: Any) -> Any:
                after = attend(standing, *known)
                if after is not standing:
                    opened.clear()  # likewise
                return after

            return _ground(
                fresh,
                fresh.books.load(),
                targets,
                at if clock is None else clock(),
                clock,
                attend=attending,
                retry=retry,
            )

        run = site.run_name(at)
        done = carry_out(
            take,
            site.books,
            targets,
            run=run,
            confirmed=confirm,
            progress=progress,
            clock=clock,
            limit=limit,
            enough=enough,
        )
        every = done.survey.policy.catalogue.settings.ledger_heartbeat
        try:
            beat(site.books, done.survey, every=every, exit_code=int(done.exit_code), run=run)
        except DaypassError as error:  # what was done before is told all the same
            done.silent = f"no sign of life was left in the ledger: {error.message}; {error.hint}".removesuffix("; ")
        return done


def tell_refused(site: Any, found: Any) -> None:
    """Keep one issue about what stands on main and gives nothing. That it cannot be written stops nothing."""
    from daypass.views.targets import refused_markdown

    text = refused_markdown(found.refusals, found.unproved, found.plan.blocked)
    try:
        board = site.hub.board(site.policy.catalogue.directory)
        number = board.issue("refused", title="Grants that give no access", text=text)
    except EdgeError as error:
        say(f"daypass: the issue about what was refused was not written: {error.message}")
        return
    if number is not None:
        click.echo(f"Issue #{number} tells what was refused.", err=True)


def print_applied(done: Any, output: str, confirm: str = "") -> None:
    """Print what a run did. ``confirm`` is the digest that was to let it pass the brake."""
    from daypass.core.plan import changes_digest
    from daypass.views.plan import applied_json, applied_text

    found = done.survey
    bad = [*(finding_line(f) for f in found.policy.holes), *(f"{u.grant}: {u.message}" for u in found.unproved)]
    view = applied_json if output == "json" else applied_text
    click.echo(view(found.plan, done.outcomes, done.held, found.refusals, bad), nl=False)
    if not done.held:
        say_paused(found.policy)
    if done.silent:
        say(f"daypass: {done.silent}")
    if done.held_message and found.stuck is None:
        click.echo(f"daypass: {done.held_message}", err=True)
        paused = found.policy.catalogue.settings.limits.pause
        if not found.policy.broken and not found.doubts and not paused:
            # What was not held is done by now: the next plan is what was held.
            digest = changes_digest(found.plan.main, done.held)
            if confirm:
                click.echo(f"  --confirm named {confirm}, which is the digest of another plan", err=True)
            click.echo(f"  hint: look at `daypass plan`; if it is meant, run apply with --confirm {digest}", err=True)


@click.command()
@at_option
@format_option(["text", "json"])
@_confirm
@click.pass_obj
def expire(obj: dict[str, Any], at: datetime | None, output: str, confirm: str) -> int:
    """Revoke what has ended, then open the removal pull request or bring it up to date.

    Access never waits for the removal pull request: it only tidies the files away. Requests that nobody answered in
    time are closed.
    """
    from daypass.cli.site import live_site

    site = live_site(obj["folder"], obj["acting"])
    instant = site.instant(at, writes=True)
    done = run_apply(site, instant, confirm)
    print_applied(done, output, confirm)
    if done.survey.stuck is not None:
        raise done.survey.stuck
    lines, clean = tidy_up(site, done.survey.plan.at)
    say(*(line for told in lines for line in told.split("\n")))
    return int(worst([done.exit_code, ExitCode.OK if clean else ExitCode.PARTIAL]))


def tidy_up(site: Any, at: datetime, *, enough: Callable[[], bool] = lambda: False) -> tuple[list[str], bool]:
    """Close requests that were open for too long and keep the removal pull request; return what to say, and whether all went.

    What is only tidiness fails by itself: the access is gone already, and the next run tries again. ``enough`` cuts it
    short: something ends, and that is no matter of tidiness.
    """
    lines: list[str] = []
    clean = True
    for step in (partial(_close_stale, enough=enough), _tidy):
        if enough():
            break
        try:
            for line in step(site.again(), at):  # one by one: what was done before an error is told all the same
                lines.append(line)  # noqa: PERF402  (extending by what raises would keep nothing)
        except (ConflictError, EdgeError, InvalidError, RefusedError) as error:
            lines.append(f"daypass: {error.message}" + (f"\n  hint: {error.hint}" if error.hint else ""))
            clean = False
    return lines, clean


def _close_stale(site: Any, at: datetime, *, enough: Callable[[], bool]) -> Iterator[str]:
    from daypass.core.window import format_duration
    from daypass.pipeline.apply.tidy import close_stale
    from daypass.pipeline.judge.gate import look as judge
    from daypass.pipeline.judge.report import stale_reason

    limit = site.settings.limits.open_request

    def why(pull: Any) -> str:
        try:
            found = judge(site.history, site.forge, site.policy_at, site.standing, pull.number, main=site.main, at=at)
        except (EdgeError, RefusedError):  # then nobody looked at what people said of it
            return f"it was open for longer than {format_duration(limit)}"
        return stale_reason(found, limit)

    closed = close_stale(site.history, site.forge, main=site.main, limit=limit, at=at, why=why, enough=enough)
    for pull in closed:
        yield f"Closed #{pull.number} {pull.title}: {pull.closed_reason}"


def _tidy(site: Any, at: datetime) -> Iterator[str]:
    from daypass.pipeline.apply.survey import claims_on
    from daypass.pipeline.apply.tidy import tidy

    claims = claims_on(site.history, site.policy_at, site.standing, site.tip)
    tidied = tidy(site.history, site.forge, site.standing, claims, main=site.main, at=at)
    if tidied.pull is not None and tidied.paths:
        yield (
            f"Removal pull request #{tidied.pull.number} {tidied.what}: {len(tidied.paths)} ended; "
            f"`daypass gate {tidied.pull.number}` merges it without a person"
        )
