"""plan, apply, expire."""

from __future__ import annotations

from datetime import datetime

import click

from daypass.cli.repository import AccessRepository
from daypass.cli.verb import Codes, say, show, verb
from daypass.core.errors import ExitCode

_detailed = click.option(
    "--detailed-exitcode", is_flag=True, help="Exit 13 when there are changes (apply: when changes were made)."
)
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
    from daypass.cli.running import gives_nothing, look, say_paused
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


@verb(at="writes")
@_detailed
@_confirm
@click.option("--issue", is_flag=True, help="Keep one issue at GitHub up to date with what was refused.")
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
    """
    from daypass.cli.running import print_applied, run_apply, tell_refused

    if issue:
        _ = repo.pages  # where there is none, nothing is done for that
    done = run_apply(repo, at, confirm, retry=retry)
    print_applied(done, output, confirm)
    if issue:
        tell_refused(repo, done.survey)
    if done.survey.stuck is not None:
        raise done.survey.stuck
    codes = [done.exit_code]
    if detailed_exitcode and done.changed:
        codes.append(ExitCode.CHANGES)
    return codes


@verb(at="writes")
@_confirm
def expire(repo: AccessRepository, at: datetime, output: str, confirm: str) -> Codes:
    """Revoke what has ended, then open the removal pull request or bring it up to date.

    Access never waits for the removal pull request: it only tidies the files away. Requests that nobody answered in
    time are closed.
    """
    from daypass.cli.running import print_applied, run_apply, tidy_up

    done = run_apply(repo, at, confirm)
    print_applied(done, output, confirm)
    if done.survey.stuck is not None:
        raise done.survey.stuck
    lines, clean = tidy_up(repo, done.survey.plan.at)
    say(*(line for told in lines for line in told.split("\n")))
    return [done.exit_code, ExitCode.OK if clean else ExitCode.PARTIAL]
