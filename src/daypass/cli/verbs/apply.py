"""plan, apply, expire, watch, heartbeat: runs, one at a time or without end, and the sign that they happen."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import datetime, timedelta
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

import click

from daypass.cli.quick.around import clock, now
from daypass.cli.repository import AccessRepository
from daypass.cli.verb import Codes, Duration, say, show, show_data, spoken, verb
from daypass.core.errors import AwayError, DaypassError, ExitCode

if TYPE_CHECKING:
    from daypass.core.plan import Entitlement
    from daypass.pipeline.apply.run import Applied
    from daypass.pipeline.apply.survey import Survey


_detailed = click.option(
    "--detailed-exitcode", is_flag=True, help="Exit 13 when there are changes (apply: when changes were made)."
)
_issue = click.option("--issue", is_flag=True, help="Keep one issue at GitHub up to date with what was refused.")
_confirm = click.option(
    "--confirm",
    metavar="DIGEST",
    default="",
    help="Let this very plan pass the brake; a run that the brake stops names its digest.",
)


@verb(at="as given")
@_detailed
def plan(repo: AccessRepository, at: datetime | None, output: str, detailed_exitcode: bool) -> Codes:
    """Show the changes that would be made at an instant, removals first, each with its grant and its reason.

    \b
    daypass plan                               # what would change now
    daypass plan --at 2026-12-01T00:00:00Z     # what would change then
    daypass plan --detailed-exitcode           # exit 13 when anything would
    """  # noqa: D301  (\b is click's mark for "do not rewrap")
    from daypass.cli.runs.running import gives_nothing, look, say_paused
    from daypass.core.planning.holdback import brake
    from daypass.pipeline.apply.overview import overview_of
    from daypass.views.plan import plan_json, plan_text

    found = look(repo, repo.instant(at), now=at is None)
    braked = brake(found.plan, removals=found.removals_allowed, additions=found.additions_allowed)
    view = plan_json if output == "json" else plan_text
    show(view(found.plan, overview_of(found), gives_nothing(found), braked), output)
    if found.clocks:
        say(f"daypass: {found.clocks}")
    say_paused(found.policy)
    codes = [found.exit_code]
    if detailed_exitcode and found.plan.changes:
        codes.append(ExitCode.CHANGES)
    if found.stuck is not None:
        raise found.stuck
    return codes


@verb(at="writes", follow="or away")
@_detailed
@_confirm
@_issue
@click.option("--retry", is_flag=True, help="Try again at once what has failed and waits to be tried again.")
def apply(
    repo: AccessRepository,
    at: datetime,
    output: str,
    detailed_exitcode: bool,
    confirm: str,
    issue: bool,
    retry: bool,
) -> Codes:
    """Make the targets equal what main says, with a signed receipt for everything.

    Every merged grant is proved again from the forge's records first; what cannot be proved gives nothing, and is said.
    An addition that failed is tried again ever more seldom, from a minute up to six hours; a removal at each run.
    While the remote cannot be reached, what has ended is taken away and nothing else is done, exit 14.
    """
    from daypass.cli.runs.told import told_of_run

    done, told = _applied(repo, at, output, confirm, issue=issue, retry=retry)
    told_of_run(done, issue=told)
    codes = [done.exit_code]
    if detailed_exitcode and done.changed:
        codes.append(ExitCode.CHANGES)
    return codes


def _applied(
    repo: AccessRepository, at: datetime, output: str, confirm: str, *, issue: bool, retry: bool = False
) -> tuple[Applied, bool]:
    """Apply, print it and tell those whom it is about; return what was done, and whether the issue tells what was refused."""
    from daypass.cli.keys import say_keyless
    from daypass.cli.runs.running import print_applied, run_apply, tell_refused
    from daypass.cli.runs.telling import tell_lives

    if issue and repo.away is None:
        _ = repo.pages  # where there is none, nothing is done for that
    done = run_apply(repo, at, confirm, retry=retry)
    print_applied(done, output, confirm)
    say_keyless(repo)
    told = issue and not done.away and tell_refused(repo, done.survey)
    tell_lives(repo, done)
    if done.survey.stuck is not None:
        raise done.survey.stuck
    return done, told


@verb(at="writes", follow="or away")
@_confirm
@_issue
def expire(repo: AccessRepository, at: datetime, output: str, confirm: str, issue: bool) -> Codes:
    """Revoke what has ended, then open the removal pull request or bring it up to date.

    Access never waits for the removal pull request: it only tidies the files away. Requests that nobody answered in
    time are closed. While the remote cannot be reached, what has ended is revoked and nothing else is done, exit 14.
    """
    from daypass.cli.runs.running import tidy_up
    from daypass.cli.runs.told import told_of_run

    done, told = _applied(repo, at, output, confirm, issue=issue)
    if done.away:
        return done.exit_code
    lines, clean = tidy_up(repo, done.survey.plan.at)
    say(*(line for said in lines for line in said.split("\n")))
    told_of_run(done, issue=told, clean=clean)
    return [done.exit_code, ExitCode.OK if clean else ExitCode.PARTIAL]


@verb(follow=False)
@click.option("--poll", type=Duration(), default=None, help="How often to look for a merge; 2s here, 15s at GitHub.")
@click.option(
    "--refresh", type=Duration(), default="5m", show_default=True, help="Look at the targets at least this often."
)
def watch(repo: AccessRepository, poll: timedelta | None, refresh: timedelta, output: str) -> None:
    """Apply without end: whenever a window opens or ends, whenever main moves, and every so often to see.

    For those who want seconds and not a schedule. What cannot be reached is tried again, sooner first and then every
    minute, for as long as it takes; what has ended meanwhile is taken away first. Ends at SIGTERM or SIGINT, after the
    run at hand. Each thing that happens is a line on stdout, in JSON each run.
    """
    step = poll or timedelta(seconds=15 if repo.elsewhere else 2)
    with stoppable() as stopped:
        _Watch(repo, step, refresh, stopped, as_json=output == "json").run()


_LONGEST = 60.0
"""For how many seconds a watch waits for a target that has not answered, while nothing else is due."""
_AGAIN = 300.0
"""For how many in the turn after one in which that was not enough, whatever else is due."""


class _Watch:
    """One watch: what it saw last, when it looks again, and how often in a row it failed."""

    def __init__(
        self, repo: AccessRepository, poll: timedelta, refresh: timedelta, stopped: Stop, *, as_json: bool
    ) -> None:
        self._json = as_json
        self._repo = repo
        self._poll = poll
        self._refresh = refresh
        self._stopped = stopped
        self._seen = ""
        self._failures = 0
        self._slow = False

    def run(self) -> None:
        """Turn until told to stop."""
        at = wake = now()
        self._tell(wake, "watching", [f"watching; main is looked at every {self._poll.total_seconds():g}s"])
        while not self._stopped.is_told():
            try:
                before, at = at, now()
                moved = self._main()
                # Whatever was to be waited for by a clock that was ahead would keep this waiting for as long.
                if at >= wake or at < before or moved != self._seen:
                    boundary = self._turn()
                    self._seen = moved
                    wake = min(boundary, at + self._refresh)
                self._failures = 0
            except DaypassError as error:
                self._failures += 1
                wake = now()
                hint = [f"hint: {error.hint}"] if error.hint else []
                self._tell(now(), "failed", [f"failed ({self._failures} in a row): {error.message}", *hint])
                if isinstance(error, AwayError):
                    self._turn_away(error)
            self._stopped.wait(pause(wake, clock(), poll=self._poll, failures=self._failures).total_seconds())

    def _limit(self, found: Survey) -> float:
        """Say for how many seconds slow targets are waited for: until something else is due.

        Whoever was too slow for that gets longer the next time, lest what is due elsewhere keeps it from its turn for
        ever.
        """
        left = (found.boundary - now()).total_seconds()
        return _AGAIN if self._slow else max(0.0, min(left, _LONGEST))

    def _main(self) -> str:
        """Return where main stands, as cheaply as it can be told."""
        if self._repo.elsewhere:
            return str(self._repo.remote.heads("main").get("main", ""))
        return str(self._repo.history.find("refs/heads/main") or "")

    def _turn(self) -> datetime:
        """Apply once, tidy when something ended, and return the next boundary."""
        from daypass.cli.runs.running import data_of, run_apply, tidy_up
        from daypass.cli.runs.telling import tell_lives

        if not self._repo.live:
            self._repo.sync()
        repo = self._repo.again(reopen=True)
        self._repo.close()
        self._repo = repo
        at = now()
        done = run_apply(repo, at, limit=self._limit, enough=self._stopped.is_told)
        self._slow = bool(done.survey.late)
        self._tell(at, "applied", _happened(done), lambda: {"applied": data_of(done)})
        if done.survey.stuck is not None:
            raise done.survey.stuck
        boundary: datetime = done.survey.boundary
        tell_lives(repo, done, enough=lambda: self._stopped.is_told() or now() >= boundary)
        if done.changed:
            self._tell(at, "tidied", tidy_up(repo, done.survey.plan.at, enough=lambda: now() >= boundary)[0])
        if done.exit_code is not ExitCode.OK:
            return min(boundary, at + timedelta(minutes=1))
        return boundary

    def _turn_away(self, error: AwayError) -> None:
        """Take away what has ended while the forge cannot be reached: it waits for no forge."""
        from daypass.cli.runs.away import left, run_away
        from daypass.cli.runs.running import data_of

        try:
            with closing(left(self._repo, error)) as repo:
                done = run_away(repo, now(), limit=self._limit, enough=self._stopped.is_told)
        except DaypassError as other:
            if other is not error:
                self._tell(now(), "failed", [f"what has ended was not taken away: {other.message}"])
            return
        if done.outcomes:
            self._tell(done.survey.plan.at, "applied", _happened(done), lambda: {"applied": data_of(done)})

    def _tell(
        self, at: datetime, event: str, lines: list[str], more: Callable[[], dict[str, Any]] = dict[str, Any]
    ) -> None:
        """Say what happened, a line each; in JSON one object, with what there is ``more`` to say of it."""
        from daypass.core.window import format_instant
        from daypass.views.findings import printable

        with spoken():
            if self._json and lines:
                show_data({"at": format_instant(at), "event": event, "messages": lines, **more()}, indent=None)
            elif not self._json:
                for line in lines:
                    click.echo(f"{format_instant(at)} {printable(line)}")
            sys.stdout.flush()


_SHORTEST = timedelta(milliseconds=1)
LONGEST = timedelta(minutes=1)
"""However long something has failed, it is tried this often: access that has ended waits for it."""


def pause(wake: datetime, at: datetime, *, poll: timedelta, failures: int) -> timedelta:
    """Return how long to sleep: until ``wake``, no longer than ``poll``, and ever longer while it fails.

    After the first failure a second passes, then twice as much each time, up to LONGEST.
    """
    if failures:
        return min(timedelta(seconds=2 ** min(failures - 1, 10)), LONGEST)
    return max(_SHORTEST, min(poll, wake - at))


def _happened(done: Applied) -> list[str]:
    """Say what a run did, a line each, and what gives nothing."""
    from daypass.views.findings import finding_line
    from daypass.views.plan import outcome_line

    found = done.survey
    return [
        *(outcome_line(outcome) for outcome in done.outcomes),
        *(f"held  {_who(change.entitlement)}: {done.held_message}" for change in done.held),
        *(f"target {name} cannot be read: {why}" for name, why in found.plan.unreadable.items()),
        *(f"nobody can tell of {_who(doubt.entitlement)}: {doubt.why}" for doubt in found.plan.unknown),
        *(f"{one.grant} gives nothing yet: {one.message}" for one in found.unproved),
        *(f"main's policies do not read: {finding_line(finding)}" for finding in found.policy.broken),
        *([found.clocks] if found.clocks else []),
        *(f"refused {refusal.grant}: {refusal.message} [{refusal.code}]" for refusal in found.refusals),
        *([done.silent] if done.silent else []),
    ]


def _who(entitlement: Entitlement) -> str:
    return f"{entitlement.principal} on {entitlement.resource}"


class Stop:
    """Whether a signal told this process to end.

    Not `threading.Event`: a signal that arrives while its `wait` holds its lock would wait for that lock for ever, since
    the handler interrupts the very thread that holds it. `SimpleQueue.put` may interrupt itself.
    """

    def __init__(self) -> None:
        self._told = False
        self._wake: SimpleQueue[None] = SimpleQueue()

    def tell(self) -> None:
        """Note a signal; what waits goes on."""
        self._told = True
        self._wake.put(None)

    def is_told(self) -> bool:
        """Whether there was one."""
        return self._told

    def wait(self, seconds: float) -> None:
        """Wait so long, or until it is told."""
        with suppress(Empty):
            self._wake.get(timeout=seconds)


@contextmanager
def stoppable() -> Iterator[Stop]:
    """Keep the signals that end a service in mind, so that a run is never cut in the middle."""
    stopped = Stop()
    before = {number: signal.signal(number, lambda *_: stopped.tell()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@verb()
@click.option("--max-age", type=Duration(), required=True, help="How old the last run may be.")
def heartbeat(repo: AccessRepository, max_age: timedelta, at: datetime, output: str) -> Codes:
    """Fail (exit 13) when no run was recorded in the ledger in time: a check for a scheduler elsewhere that alerts.

    A run without changes leaves a sign only where `ledger.heartbeat` in the settings says how often; keep it well below
    --max-age.
    """
    from daypass.views.data import plain
    from daypass.views.plan import heartbeat_text

    last = repo.standing.at
    age = at - last if last is not None else None
    alive = is_alive(age, max_age)
    if output == "json":
        show_data(plain({"alive": alive, "last": last, "age": age, "limit": max_age}))
    else:
        click.echo(heartbeat_text(last, age, max_age, alive=alive))
    return ExitCode.OK if alive else ExitCode.CHANGES


def is_alive(age: timedelta | None, limit: timedelta) -> bool:
    """Whether the last mark is young enough. One from the future counts for nothing: a clock is wrong somewhere."""
    return age is not None and timedelta(0) <= age <= limit
