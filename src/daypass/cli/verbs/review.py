"""show, approve, reject, withdraw, gate, status."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

import click

from daypass.cli.repository import AccessRepository
from daypass.cli.verb import Codes, PullNumber, say, verb
from daypass.cli.verb import show as show_view
from daypass.core.errors import ConflictError, DeniedError, EdgeError, ExitCode, RefusedError, UsageError

if TYPE_CHECKING:
    from daypass.core.ids import GrantId
    from daypass.core.ledger.receipt import Receipt
    from daypass.core.plan import Claim, Entitlement
    from daypass.core.policy.analysis.compare import PolicyChange
    from daypass.core.policy.policies import Policy
    from daypass.core.request import Gated
    from daypass.core.state import Life

_AGAIN = 2
"""How often a request is judged anew when main moves while it is merged."""

_number = click.argument("number", type=PullNumber())


def _review(
    repo: AccessRepository, number: int, state: str, at: datetime, output: str, *, reason: str = "", yes: bool = True
) -> None:
    from daypass.pipeline.judge.gate import look
    from daypass.views.gate import gated_json, gated_text

    me = repo.acting_handle()
    pull = repo.forge.pull(number)
    if pull.state != "open":
        raise UsageError(f"#{number} is {pull.state}; only open requests are reviewed")
    if state != "withdrawn":
        _refuse_idle(repo, number, state, at)
    if not yes and sys.stdin.isatty():
        click.echo(_shown(repo, number, at, "text"), nl=False, err=output == "json")
        if not click.confirm(f"Approve #{number} at {pull.head[:12]}?", err=output == "json"):
            click.echo("Nothing was recorded.", err=True)
            return
    review = repo.forge.review(number, commit=pull.head, state=state, at=at, reason=reason)
    then = max(at, review.at)  # the forge's clock goes on, and a review from later than the run does not count yet
    found = look(repo, number, at=then)
    if output == "json":
        click.echo(gated_json([found]), nl=False)
        return
    click.echo(f"#{number} {state} by {me} at {review.commit[:12]}")
    show_view(gated_text(found))


def _refuse_idle(repo: AccessRepository, number: int, state: str, at: datetime) -> None:
    """Refuse a review that would count for nothing: whoever gave it would believe that they had done something."""
    from daypass.pipeline.judge.gate import why_idle

    me = repo.forge.acting()
    why = why_idle(repo, number, by=me, state=state, at=at)
    if why:
        what = "approval" if state == "approved" else "rejection"
        hint = f"`daypass show {number}` tells who is asked; `daypass close {number}` closes it"
        raise DeniedError(f"your {what} of #{number} would not count, so it is not recorded: {why}", hint=hint)


def _shown(repo: AccessRepository, number: int, at: datetime, output: str) -> str:
    from daypass.pipeline.judge import gate as pipeline
    from daypass.pipeline.judge.report import report_of, texts_of
    from daypass.views.gate import report_json, show_text

    found = pipeline.look(repo, number, at=at)
    report = report_of(repo, found, at=at)
    if output == "json":
        return report_json(report)
    return show_text(report, texts_of(repo.history, found), _life(repo, found, at))


def _life(repo: AccessRepository, found: Gated, at: datetime) -> Life | None:
    """Return how the grants of a request stand since its merge, None before it."""
    if found.merge is None:
        return None
    from daypass.cli.verbs.forge import whole_index
    from daypass.pipeline.tell.now import life_now

    def receipts(names: Collection[GrantId]) -> tuple[Receipt, ...]:
        index = whole_index(repo)
        index.follow(at)
        return index.receipts(grants=names)

    return life_now(repo, found, receipts, at=at)


@verb(at="past")
@_number
def show(repo: AccessRepository, number: int, at: datetime, output: str) -> None:
    """Show pull request NUMBER whole: what it asks for and why, its file's lines, what it would do, what is missing.

    \b
    daypass show 1     # before `daypass approve 1`
    """  # noqa: D301  (\b is click's mark for "do not rewrap")
    show_view(_shown(repo, number, at, output), output)


@verb(at="writes")
@_number
@click.option("--yes", is_flag=True, help="Do not ask; without a terminal nobody is asked anyway.")
def approve(repo: AccessRepository, number: int, yes: bool, at: datetime, output: str) -> None:
    """Approve the head commit of pull request NUMBER as the acting person.

    On a terminal it is shown first, as `daypass show` does, and you are asked.

    An approval that would count for nothing (your own request, no standing) is refused with the reason, exit 11.
    """
    _review(repo, number, "approved", at, output, yes=yes)


@verb(at="writes")
@_number
@click.option("--reason", default="", help="Why, for the record and for who asked.")
def reject(repo: AccessRepository, number: int, reason: str, at: datetime, output: str) -> None:
    """Reject the head commit of pull request NUMBER as the acting person; it blocks until you change it.

    A rejection that would count for nothing is refused with the reason, exit 11.
    """
    _review(repo, number, "rejected", at, output, reason=reason)


@verb(at="writes")
@_number
def withdraw(repo: AccessRepository, number: int, at: datetime, output: str) -> None:
    """Take your own review of pull request NUMBER back."""
    _review(repo, number, "withdrawn", at, output)


@verb(at="writes")
@_number
@click.option("--reason", default="", help="Why, for the record.")
def close(repo: AccessRepository, number: int, reason: str, at: datetime, output: str) -> None:
    """Close pull request NUMBER without merging it."""
    from daypass.pipeline.judge import gate as pipeline
    from daypass.views.gate import gated_json

    me = repo.acting_handle()
    pull = repo.forge.pull(number)
    if pull.state != "open":
        raise UsageError(f"#{number} is {pull.state} already", hint="`daypass status` lists the open ones")
    repo.forge.close(number, reason=reason or f"closed by {me}", at=at)
    if output == "json":
        found = pipeline.look(repo, number, at=at)
        click.echo(gated_json([found]), nl=False)
        return
    click.echo(f"Closed #{number}: {reason or f'closed by {me}'}")


def warn_left_behind(repo: AccessRepository) -> None:
    """Say where a checked-out main could not be brought along after a merge."""
    if repo.host.left_behind is not None:
        where, why = repo.host.left_behind
        click.echo(
            f"daypass: {where} has {why} in the way and still shows main as it was "
            "before\n  hint: put that aside, then `git reset --hard main`",
            err=True,
        )


@verb(at="as given")
@click.argument("number", type=PullNumber(), required=False)
@click.option("--dry-run", is_flag=True, help="Say what is missing; merge nothing.")
def gate(repo: AccessRepository, number: int | None, dry_run: bool, at: datetime | None, output: str) -> Codes:
    """Merge pull request NUMBER (or every open one) when all that policy asks for is there; say what is missing if not.

    Exit 0 when merged, 12 when approvals are missing, 11 when policy denies, 10 when a file is invalid. Without a
    NUMBER, exit 0 once each was looked at, 14 where one could not be. At GitHub the people of each are told how it stands,
    and those that are as they were when they were looked at last are left alone.
    """
    from daypass.cli.runs.sweeping import Sweeping
    from daypass.cli.runs.told import told_of_gate
    from daypass.cli.verbs.forge import change_of
    from daypass.pipeline.judge import gate as pipeline
    from daypass.views.gate import gated_json, gated_text
    from daypass.views.policy.compared import change_data, change_text

    instant = repo.instant(at, writes=not dry_run)
    if not dry_run:
        repo.host.bring_along()
    sweeping = Sweeping(repo, number, instant, keeps=not dry_run)
    verb = pipeline.look if dry_run else pipeline.gate
    results: list[Gated] = []
    codes: list[ExitCode] = []
    silent: list[int] = []
    changes: dict[int, PolicyChange] = {}
    for each in sweeping.numbers:
        fresh = repo.again()
        try:
            found, fresh = _judged(verb, fresh, each, instant)
            results.append(found)
            change = change_of(fresh, found, instant)
            changes |= {each: change} if change is not None else {}
            told = dry_run or show_people(fresh, found, instant, change)
            sweeping.judged(found, told=told is not None)
            codes += [ExitCode.PARTIAL] if found.refused or told is None else []
            silent += [] if told else [each]
        except (ConflictError, EdgeError, RefusedError) as error:
            # One request that is stale or cannot be read does not keep the others from their merge.
            if number is not None:
                raise
            say(f"#{each}: {error.message}; left open", *([f"  hint: {error.hint}"] if error.hint else []))
            codes.append(ExitCode.OK if isinstance(error, ConflictError) else ExitCode.PARTIAL)
            silent.append(each)
        warn_left_behind(fresh)
    merged = not dry_run and any(found.merge is not None for found in results)
    sweeping.keep()
    if merged and (problem := repo.host.start_applier()):
        say(f"The apply workflow was not started ({problem}); it runs by its schedule.")
    if output == "json":
        compared = [change_data(each, change) for each, change in changes.items()]
        click.echo(gated_json(results, changes=compared), nl=False)
    else:
        for found in results:
            change = changes.get(found.pull.number)
            show_view(gated_text(found, change_text(change) if change is not None else ()))
        if not sweeping.numbers:
            click.echo(sweeping.nothing)
    if merged and not repo.elsewhere:
        say("Next: `daypass apply` makes the targets so")
    told_of_gate(results, silent)
    return [*codes, *(found.exit_code for found in results if number is not None)]


def _judged(
    verb: Callable[..., Gated], repo: AccessRepository, number: int, at: datetime
) -> tuple[Gated, AccessRepository]:
    """Judge a request, again where main moved meanwhile, a few times; return the place as it was read for it."""
    left = _AGAIN
    while True:
        try:
            found = verb(repo, number, at=at)
        except ConflictError:
            then = repo.again()
            if not left or then.tip == repo.tip:
                raise
            repo, left = then, left - 1
        else:
            return found, repo


def show_people(repo: AccessRepository, found: Gated, at: datetime, change: PolicyChange | None = None) -> bool | None:
    """Tell a pull request's people how it stands; return whether its comment says so, None where they could not be told.

    That they could not be undoes nothing of what was done.
    """
    from daypass.cli.verbs.forge import publish, say_left_out

    try:
        left = publish(repo, found, at=at, change=change)
    except EdgeError as error:
        say(f"#{found.pull.number}: its people were not told: {error.message}")
        return None
    say_left_out(found.pull.number, left)
    return not any(what.startswith("comment") for what in left)


@verb(at="past")
def status(repo: AccessRepository, at: datetime, output: str) -> Codes:
    """List open requests and what each waits for, live grants and the time that each has left, and what gives nothing.

    What was merged and not applied yet is listed as well, and what stands on main and could not be proved. Targets that
    answer within seconds are asked whether what was given is there; those that were not looked at are named.
    """
    from daypass.cli.keys import say_rotation
    from daypass.cli.runs.away import say_waiting
    from daypass.cli.runs.running import denied_at, say_paused
    from daypass.core.planning.holdback import doubt as doubt_of
    from daypass.core.state import Overview
    from daypass.pipeline.apply.current import claims_on, ending_tasks, landed, live_claims, refused_there
    from daypass.pipeline.apply.overview import entitlements_given
    from daypass.views.gate import status_json, status_text

    waiting, unread = open_requests(repo, at)
    codes = [ExitCode.PARTIAL for _ in unread]
    if not repo.settings.forge.vouches and (doubt := doubt_of(at, repo.standing.at, {})) is not None:
        say(f"daypass: {doubt.why}")  # as `plan` does; at a forge that tells the time, `apply` compares it first
    say_paused(repo.policy)
    say_rotation(repo)
    codes += [] if say_waiting(repo) else [ExitCode.PARTIAL]
    codes += _say_broken(repo.policy)
    claims = claims_on(repo)
    live = sorted(
        (a for a in repo.standing.admitted() if not claims[a.grant].ended(at)),
        key=lambda a: (claims[a.grant].window.closes, a.grant),
    )
    merged = landed(repo)
    if merged is None:
        say(
            "daypass: main does not continue what the ledger knows of it, so nothing new is given; `daypass plan` says more"
        )
        codes.append(ExitCode.PARTIAL)
    giving = entitlements_given(live, claims, at)
    notes, doubtful = _at_targets(repo, claims, giving, at)
    if doubtful:
        codes.append(ExitCode.PARTIAL)
    overview = Overview(
        at,
        waiting,
        live,
        repo.standing.holdings,
        unread=unread,
        landed=merged or {},
        refused=refused_there(repo),
        notes=notes,
        claims=claims,
        denied=denied_at(repo, repo.policy, live_claims(repo.standing, claims.values(), at)),
        unreviewed=repo.standing.unreviewed,
        tasks=ending_tasks(repo, at),
    )
    show_view((status_json if output == "json" else status_text)(overview), output)
    return codes


def open_requests(repo: AccessRepository, at: datetime) -> tuple[list[Gated], dict[int, str]]:
    """Return the open requests as the gate sees them, and why which cannot be read, which is said as well."""
    from daypass.pipeline.judge.gate import look

    waiting: list[Gated] = []
    unread: dict[int, str] = {}
    for pull in repo.forge.open_pulls():
        try:
            waiting.append(look(repo, pull.number, at=at))
        except (EdgeError, RefusedError) as error:
            unread[pull.number] = error.message
            say(f"#{pull.number}: {error.message}", *([f"  hint: {error.hint}"] if error.hint else []))
    return waiting, unread


def _say_broken(policy: Policy) -> list[ExitCode]:
    """Say that main's policies do not read, and by which access ends then."""
    from daypass.views.findings import finding_line

    if not policy.holes:
        return []
    where = "" if policy.broken else f" on {', '.join(sorted(policy.faulty))}"
    say(f"daypass: main's policies do not read, so nothing is given{where}, and access ends by the last ones that did:")
    say(*(f"  {finding_line(finding)}" for finding in policy.holes))
    return [ExitCode.PARTIAL]


_STATUS_PATIENCE = 5.0
"""For how many seconds a status waits for targets."""


def _at_targets(
    repo: AccessRepository, claims: Mapping[GrantId, Claim], live: set[Entitlement], at: datetime
) -> tuple[dict[Entitlement, str], bool]:
    """Return what is to be said of access beside that it is given, and whether they cannot tell of some, or it fails."""
    from daypass.core.plan import unknown_of
    from daypass.pipeline.apply.overview import failing_notes, held_notes
    from daypass.pipeline.apply.readings import Readings, notes_of

    begun = repo.standing.unfinished
    wanted = {entitlement.target for entitlement in (*repo.standing.holdings, *begun)}
    targets = {name: target for name, target in repo.targets().items() if name in wanted}
    seen = Readings(targets, repo.standing.holdings, at, begun).look(_STATUS_PATIENCE)
    for name, why in sorted(seen.unreadable.items()):
        say(f"daypass: target {name} was not looked at: {why.removeprefix(f'target {name}: ')}")
    for name in sorted(seen.by_ledger):
        say(f"daypass: target {name} was not looked at: nobody can, and what is said of it is the ledger's word")
    failing = failing_notes(repo.standing, seen, live, at)
    held = held_notes(repo, claims, at, seen) if live ^ repo.standing.holdings.keys() else {}
    return held | failing | notes_of(seen, live, repo.standing.holdings), bool(failing or unknown_of(seen, live))
