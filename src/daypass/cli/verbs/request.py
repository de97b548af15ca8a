"""request, extend; on a terminal, what a request lacks is asked for (`daypass.cli.asking`)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import click

from daypass.cli.asking import Answers, asked_details, asked_ends, asked_span
from daypass.cli.repository import AccessRepository
from daypass.cli.verb import Codes, Duration, GrantName, Named, WindowBound, say, show, verb
from daypass.core.errors import DaypassError, EdgeError, ExitCode, InvalidError, RefusedError, UsageError
from daypass.core.window import Recurrence, format_instant

if TYPE_CHECKING:
    from daypass.core.forge import Pull
    from daypass.core.grant import Grant
    from daypass.core.ids import Oid
    from daypass.core.policy.decision import Decision
    from daypass.core.policy.policies import Policy


@verb(at="writes")
@click.option("--subject", type=Named("handle"), default="", help="Who receives the access; you by default.")
@click.option("--resource", type=Named("resource"), default="", help="The resource, as the catalogue names it.")
@click.option("--role", type=Named("role"), default="", help="The role on it.")
@click.option("--for", "duration", type=Duration(), default=None, help="How long, from the merge on: 8h, 30m, 2d.")
@click.option("--from", "start", type=WindowBound(), default="", help="When it starts, with --until; now by default.")
@click.option("--until", type=WindowBound(), default="", help="When it ends, in place of --for.")
@click.option(
    "--hours", default="", help='Only in these hours of the week, between --from and --until: "Mon 06:00-08:00".'
)
@click.option(
    "--zone", default="", help="Whose clock shows --hours or --calendar, and dates beside them: Europe/Berlin."
)
@click.option(
    "--calendar", type=Named("calendar"), default="", help="Only when this calendar says so, in place of --hours."
)
@click.option("--reason", default="", help="Why, for reviewers and auditors.")
@click.option("--ticket", default="", help="A ticket, such as INC-1234.")
@click.option(
    "--purpose", type=Named("purpose"), default="", help="A ready-made kind of request: a file of policies/purposes."
)
@click.option(
    "--detail",
    "details",
    type=Named("detail"),
    multiple=True,
    metavar="NAME=VALUE",
    help="What the purpose asks for, such as due=2026-12-20; again for each. Names have commas between them.",
)
@click.option(
    "--ends-when",
    multiple=True,
    metavar="KEY=WHAT",
    help="What ends it sooner: issue_closed=acme/orders#88, pull_merged=acme/orders#91; again for another.",
)
@click.option(
    "--branch", default="", help="Open a pull request of a branch that you made yourself, in place of writing one."
)
@click.option("--dry-run", is_flag=True, help="Check and say what would be needed; open nothing.")
def request(
    repo: AccessRepository,
    subject: str,
    resource: str,
    role: str,
    duration: timedelta | None,
    start: str,
    until: str,
    hours: str,
    zone: str,
    calendar: str,
    reason: str,
    ticket: str,
    purpose: str,
    details: tuple[str, ...],
    ends_when: tuple[str, ...],
    branch: str,
    dry_run: bool,
    at: datetime,
    output: str,
) -> Codes:
    """Ask for access: write a grant and open a pull request.

    On a terminal, what is missing is asked for, but for `--format json`. The request is checked before it is opened.

    \b
    daypass request --resource orders-db --role readonly --for 8h --reason "Duplicate charges, INC-1234"
    daypass request --resource staging --role deploy --for 1h --reason "Ship the fix" --purpose deploy --detail release=v1.2.3
    daypass request --resource orders-db --role readonly --reason "Weekly report" --from 2026-12-01 --until 2027-01-15 --hours "Mon 06:00-08:00" --zone Europe/Berlin
    daypass request --branch my-branch       # a grant file that you wrote and committed yourself
    """  # noqa: D301, E501  (\b is click's mark for "do not rewrap")
    from daypass.cli.checking import ended_at
    from daypass.pipeline.ask import propose

    me = repo.acting_handle()
    if branch:
        return _open_branch(repo, branch, at, output)
    propose.refuse_unsigned(repo.policy, repo.forge.acting())
    given = {"subject": subject, "resource": resource, "role": role, "reason": reason, "ticket": ticket}
    given["purpose"] = purpose
    span = asked_span(duration, (start, until), Recurrence(hours, zone, calendar), at)
    answers = Answers(repo.policy, me, at, given, span, asked_details(details), asked_ends(ends_when))
    answers.talks = answers.talks and output != "json"
    grant, decision = _settled(answers)
    if not repo.policy.broken:  # else what looks like a slip may be what the broken file would have said
        _refuse_unknown(decision)
    propose.refuse_done(repo, grant, at)
    if dry_run:
        _print_draft(repo.policy, grant, decision, me, output)
        _say_had(repo, grant, at)
        _say_by_ledger(repo, grant, decision, me, at)
        return ExitCode.DENIED if decision.denials else ExitCode.OK
    pull = propose.request(repo, grant, decision, at=at, ended=ended_at(repo, at))
    _print_opened(repo, pull, grant, decision, at, output)
    _say_had(repo, grant, at)
    _say_by_ledger(repo, grant, decision, me, at)
    _say_twins(repo, grant, pull)
    _say_next(pull, decision)
    return ExitCode.OK


def _print_draft(policy: Policy, grant: Grant, decision: Decision, me: str, output: str) -> None:
    """Print what a grant would need that is not asked for yet."""
    from daypass.core.state import draft_state
    from daypass.views.data import grant_data
    from daypass.views.gate import gated_json
    from daypass.views.policy.decision import needs_text

    if output == "json":
        click.echo(gated_json([], grants=[grant_data(draft_state(grant, decision, policy, me))]), nl=False)
    else:
        show(needs_text(policy, grant, decision, requester=me))


def _print_opened(
    repo: AccessRepository, pull: Pull, grant: Grant, decision: Decision, at: datetime, output: str
) -> None:
    """Print what was opened: in words, or as the gate sees it."""
    from daypass.pipeline.judge.gate import look
    from daypass.views.gate import gated_json
    from daypass.views.policy.decision import needs_text

    if output == "json":
        then = max(at, pull.opened_at)  # the forge's clock goes on, and nothing is judged before it is there
        found = look(repo, pull.number, at=then)
        click.echo(gated_json([found]), nl=False)
        return
    click.echo(f"Opened #{pull.number}: {pull.title}")
    click.echo(f"  grant  {grant.id}")
    show(needs_text(repo.policy, grant, decision, requester=repo.acting_handle()))


def _settled(answers: Answers) -> tuple[Grant, Decision]:
    """Return the grant that a wish makes; on a terminal, what was answered wrongly is asked for again."""
    from daypass.pipeline.ask.propose import draft

    while True:
        try:
            grant, decision = draft(answers.policy, answers.wish(), requester=answers.me, at=answers.at)
        except InvalidError as error:
            if not answers.again(error):
                raise
            continue
        if not decision.denials or not answers.again(decision):
            return grant, decision


def _refuse_unknown(decision: Decision) -> None:
    """Raise UsageError for a name that main does not know: a slip of who asks, as with every verb, and no policy's no."""
    for denial in decision.denials:
        if denial.code in _UNKNOWN:
            raise UsageError(denial.message, hint=denial.hint)


_UNKNOWN = frozenset({"unknown-subject", "unknown-resource", "unknown-role", "unknown-purpose", "unknown-detail"})


def _say_had(repo: AccessRepository, asked: Grant, at: datetime) -> None:
    """Say which live grants give the same already: people forget what they asked for last week."""
    try:
        rows = repo.standing.admitted()
    except DaypassError:  # who asks need not be able to read the ledger
        return
    same = (asked.subject, asked.resource, asked.role)
    for row in sorted(rows, key=lambda row: row.window.end):
        if (row.subject, row.resource, row.role) == same and not row.window.ended(at):
            until = format_instant(row.window.end)
            click.echo(f"note: {row.grant} gives this until {until}; `daypass extend` asks for more time", err=True)


def _say_by_ledger(repo: AccessRepository, grant: Grant, decision: Decision, me: str, at: datetime) -> None:
    """Say what the gate would deny by the ledger as it is now: what somebody has had, and holds. It may have gone by then."""
    from daypass.core.approval.held import HeldBook
    from daypass.core.policy.decision import Request, decide
    from daypass.core.policy.held import HeldGrant
    from daypass.pipeline.judge.beside import Beside

    try:
        beside = Beside(repo.history, repo.tip, repo.policy, HeldBook(repo.standing).before(), at)
        held = beside.held(HeldGrant.of(grant, repo.policy.catalogue.window(grant.span, at)), me)
    except DaypassError:  # as above; the gate is asked all the same
        return
    found = decide(repo.policy, Request(grant, me, at, held=held))
    for denial in found.denials:
        if denial not in decision.denials:
            say(f"note: merged now it would be denied: {denial.message} [{denial.rule or denial.code}]")


def _say_twins(repo: AccessRepository, asked: Grant, pull: Pull) -> None:
    """Say which other open requests ask for the same: one of them can only end as a duplicate."""
    from daypass.pipeline.ask.propose import same_open

    try:
        twins = same_open(repo, asked, but=pull.number, by=pull.opened_by.handle)
    except EdgeError as error:  # this one is open all the same
        say(f"note: whether another request asks for the same was not seen: {error.message}")
        return
    for twin, read in twins:
        what = f"asks for the same as {asked.id}" if read else "has the same title; its file was not looked at"
        say(f"note: #{twin} {what}. `daypass close {twin}` closes it if it is one too many.")


def _say_next(pull: Pull, decision: Decision) -> None:
    first = "" if not decision.requirements else f"`daypass approve {pull.number}` by them, then "
    click.echo(f"Next: {first}`daypass gate {pull.number}`", err=True)


_FEW = 10
"""Of how many grants of a branch is told who else asks for the same."""


def _title(repo: AccessRepository, branch: str, head: Oid, at: datetime) -> str:
    """Say what the grants of a hand-made branch do; of one that cannot be read, only where it comes from."""
    from daypass.pipeline.judge.gate import proposed
    from daypass.pipeline.judge.report import title_of

    by = (repo.acting_handle(), at)
    try:
        asks = proposed(repo, base=repo.tip, head=head, by=by, at=at)
    except (EdgeError, RefusedError):
        return f"Request from branch {branch}"
    return title_of(asks.items) or f"Request from branch {branch}"


def _open_branch(repo: AccessRepository, branch: str, at: datetime, output: str) -> ExitCode:
    from daypass.pipeline.judge.gate import look
    from daypass.views.gate import gated_json, gated_text

    head = repo.history.find(f"refs/heads/{branch}")
    if head is None:
        raise UsageError(f"there is no branch {branch!r}", hint="commit the grant file on a branch of its own first")
    there = next((pull for pull in repo.forge.open_pulls() if pull.branch == branch), None)
    if there is None:
        title = _title(repo, branch, head, at)
        pull = repo.forge.open(branch=branch, head=head, title=title, at=at)
        did = f"Opened #{pull.number}: {pull.title}"
    elif there.head == head:
        pull = there
        did = f"#{pull.number} is open at this commit already: {pull.title}"
    else:
        pull = repo.forge.push(there.number, head=head, at=at)
        did = f"Updated #{pull.number}: {pull.title}; approvals of the earlier head no longer count"
    if output == "text":
        click.echo(did)
    found = look(repo, pull.number, at=at)
    show(gated_json([found]) if output == "json" else gated_text(found), output)
    for item in found.proposal.items[:_FEW]:
        if item.kind == "new" and item.grant is not None:
            _say_twins(repo, item.grant, pull)
    return found.exit_code if found.proposal.exit_code else ExitCode.OK


@verb(at="writes")
@click.argument("grant", type=GrantName())
@click.option("--for", "more", type=Duration(), required=True, help="How much longer.")
def extend(repo: AccessRepository, grant: str, more: timedelta, at: datetime, output: str) -> None:
    """Ask for more time on GRANT (its id, as `daypass status` shows it). Needs approval like any request."""
    from daypass.core.ids import GrantId
    from daypass.pipeline.ask import propose

    me = repo.acting_handle()
    propose.refuse_unsigned(repo.policy, repo.forge.acting())
    admission = repo.standing.admission(GrantId(grant))
    if admission is None:
        raise UsageError(f"the ledger knows no live grant {grant}", hint="`daypass status` lists them; was it applied?")
    asked, decision = propose.extension(repo, admission, more, requester=me, at=at)
    pull = propose.extend(repo, asked, decision, more, at=at)
    _print_opened(repo, pull, asked, decision, at, output)
    _say_next(pull, decision)
