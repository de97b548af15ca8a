"""request, extend."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from daypass.cli.options import Duration, GrantName, Instant, Named, at_option, say
from daypass.core.errors import DaypassError, EdgeError, InvalidError, UsageError
from daypass.core.window import format_instant

if TYPE_CHECKING:
    from daypass.cli.asking import Answers
    from daypass.core.forge import Pull
    from daypass.core.grant import Grant
    from daypass.core.policy.decision import Decision
    from daypass.pipeline.ask.propose import Opened, Wish


@click.command()
@click.option("--subject", type=Named("handle"), default="", help="Who receives the access; you by default.")
@click.option("--resource", type=Named("resource"), default="", help="The resource, as the catalogue names it.")
@click.option("--role", type=Named("role"), default="", help="The role on it.")
@click.option("--for", "duration", type=Duration(), default=None, help="How long, from the merge on: 8h, 30m, 2d.")
@click.option("--from", "start", type=Instant(), default=None, help="When it starts, with --until; now by default.")
@click.option("--until", type=Instant(), default=None, help="When it ends, in place of --for.")
@click.option("--reason", default="", help="Why, for reviewers and auditors.")
@click.option("--ticket", default="", help="A ticket, such as INC-1234.")
@click.option("--purpose", default="", help="A ready-made kind of request: a file of policies/purposes.")
@click.option(
    "--branch", default="", help="Open a pull request of a branch that you made yourself, in place of writing one."
)
@click.option("--dry-run", is_flag=True, help="Check and say what would be needed; open nothing.")
@at_option
@click.pass_obj
def request(
    obj: dict[str, Any],
    subject: str,
    resource: str,
    role: str,
    duration: timedelta | None,
    start: datetime | None,
    until: datetime | None,
    reason: str,
    ticket: str,
    purpose: str,
    branch: str,
    dry_run: bool,
    at: datetime | None,
) -> int:
    """Ask for access: write a grant and open a pull request.

    On a terminal, what is missing is asked for. The request is checked before it is opened.

    \b
    daypass request --resource orders-db --role readonly --for 8h --reason "Duplicate charges, INC-1234"
    daypass request --branch my-branch       # a grant file that you wrote and committed yourself
    """  # noqa: D301  (\b is click's mark for "do not rewrap")
    from daypass.cli.asking import Answers, asked_span
    from daypass.cli.check import ended_at
    from daypass.cli.site import live_site
    from daypass.pipeline.ask import propose
    from daypass.views.decision import needs_text

    site = live_site(obj["folder"], obj["acting"])
    instant = site.instant(at, writes=True)
    me = site.acting_handle()
    if branch:
        return _open_branch(site, branch, instant)
    propose.refuse_unsigned(site.policy, site.forge.acting())
    given = {
        "subject": subject,
        "resource": resource,
        "role": role,
        "reason": reason,
        "ticket": ticket,
        "purpose": purpose,
    }
    answers = Answers(site.policy, me, instant, given, asked_span(duration, start, until, instant))
    wish, grant, decision = _settled(answers)
    if not site.policy.broken:  # else what looks like a slip may be what the broken file would have said
        _refuse_unknown(decision)
    if dry_run:
        click.echo(needs_text(site.policy, grant, decision, requester=me), nl=False)
        _say_had(site, grant, instant)
        return 0 if not decision.denials else 11
    opened = propose.request(
        site.history, site.forge, site.policy, wish, main=site.main, at=instant, ended=ended_at(site, instant)
    )
    click.echo(f"Opened #{opened.pull.number}: {opened.pull.title}")
    if opened.grant is not None and opened.decision is not None:
        click.echo(f"  grant  {opened.grant.id}")
        click.echo(needs_text(site.policy, opened.grant, opened.decision, requester=me), nl=False)
        _say_had(site, opened.grant, instant)
        _say_twins(site, opened.grant, opened.pull)
    _say_next(opened)
    return 0


def _settled(answers: Answers) -> tuple[Wish, Grant, Decision]:
    """Return a wish that makes a grant; on a terminal, what was answered wrongly is asked for again."""
    from daypass.pipeline.ask.propose import draft

    while True:
        wish = answers.wish()
        try:
            grant, decision = draft(answers.policy, wish, requester=answers.me, at=answers.at)
        except InvalidError as error:
            if not answers.again(error):
                raise
            continue
        if not decision.denials or not answers.again(decision):
            return wish, grant, decision


def _refuse_unknown(decision: Decision) -> None:
    """Raise UsageError for a name that main does not know: a slip of who asks, as with every verb, and no policy's no."""
    for denial in decision.denials:
        if denial.code in _UNKNOWN:
            raise UsageError(denial.message, hint=denial.hint)


_UNKNOWN = frozenset({"unknown-subject", "unknown-resource", "unknown-role", "unknown-purpose"})


def _say_had(site: Any, asked: Grant, at: datetime) -> None:
    """Say which live grants give the same already: people forget what they asked for last week."""
    try:
        rows = site.standing.admitted()
    except DaypassError:  # who asks need not be able to read the ledger
        return
    same = (asked.subject, asked.resource, asked.role)
    for row in sorted(rows, key=lambda row: row.window.end):
        if (row.subject, row.resource, row.role) == same and not row.window.ended(at):
            until = format_instant(row.window.end)
            click.echo(f"note: {row.grant} gives this until {until}; `daypass extend` asks for more time", err=True)


def _say_twins(site: Any, asked: Grant, pull: Pull) -> None:
    """Say which other open requests ask for the same: one of them can only end as a duplicate."""
    from daypass.pipeline.ask.propose import same_open

    try:
        twins = same_open(site.history, site.forge, asked, main=site.main, but=pull.number, by=pull.opened_by.handle)
    except EdgeError as error:  # this one is open all the same
        say(f"note: whether another request asks for the same was not seen: {error.message}")
        return
    for twin, read in twins:
        what = f"asks for the same as {asked.id}" if read else "has the same title; its file was not looked at"
        say(f"note: #{twin} {what}. `daypass close {twin}` closes it if it is one too many.")


def _say_next(opened: Opened) -> None:
    number = opened.pull.number
    alone = opened.decision is not None and not opened.decision.requirements
    first = "" if alone else f"`daypass approve {number}` by them, then "
    click.echo(f"Next: {first}`daypass gate {number}`", err=True)


_FEW = 10
"""Of how many grants of a branch is told who else asks for the same."""


def _title(site: Any, branch: str, head: Any, at: datetime) -> str:
    """Say what the grants of a hand-made branch do; of one that cannot be read, only where it comes from."""
    from daypass.core.errors import EdgeError, RefusedError
    from daypass.pipeline.judge.gate import proposed
    from daypass.pipeline.judge.report import title_of

    by = (site.acting_handle(), at)
    try:
        asks = proposed(site.history, site.policy_at, site.standing, base=site.tip, head=head, by=by, at=at)
    except (EdgeError, RefusedError):
        return f"Request from branch {branch}"
    return title_of(asks.items) or f"Request from branch {branch}"


def _open_branch(site: Any, branch: str, at: datetime) -> int:
    from daypass.pipeline.judge.gate import look
    from daypass.views.gate import gated_text

    head = site.history.find(f"refs/heads/{branch}")
    if head is None:
        raise UsageError(f"there is no branch {branch!r}", hint="commit the grant file on a branch of its own first")
    there = next((pull for pull in site.forge.open_pulls() if pull.branch == branch), None)
    if there is None:
        title = _title(site, branch, head, at)
        pull = site.forge.open(branch=branch, head=head, title=title, at=at)
        click.echo(f"Opened #{pull.number}: {pull.title}")
    elif there.head == head:
        pull = there
        click.echo(f"#{pull.number} is open at this commit already: {pull.title}")
    else:
        pull = site.forge.push(there.number, head=head, at=at)
        click.echo(f"Updated #{pull.number}: {pull.title}; approvals of the earlier head no longer count")
    found = look(site.history, site.forge, site.policy_at, site.standing, pull.number, main=site.main, at=at)
    click.echo(gated_text(found), nl=False)
    for item in found.proposal.items[:_FEW]:
        if item.kind == "new" and item.grant is not None:
            _say_twins(site, item.grant, pull)
    return int(found.exit_code) if found.proposal.exit_code else 0


@click.command()
@click.argument("grant", type=GrantName())
@click.option("--for", "more", type=Duration(), required=True, help="How much longer.")
@at_option
@click.pass_obj
def extend(obj: dict[str, Any], grant: str, more: timedelta, at: datetime | None) -> int:
    """Ask for more time on GRANT (its id, as `daypass status` shows it). Needs approval like any request."""
    from daypass.cli.site import live_site
    from daypass.core.grant import GrantId
    from daypass.pipeline.ask import propose
    from daypass.views.decision import needs_text

    site = live_site(obj["folder"], obj["acting"])
    instant = site.instant(at, writes=True)
    me = site.acting_handle()
    propose.refuse_unsigned(site.policy, site.forge.acting())
    admission = site.standing.admission(GrantId(grant))
    if admission is None:
        raise UsageError(f"the ledger knows no live grant {grant}", hint="`daypass status` lists them; was it applied?")
    opened = propose.extend(site.history, site.forge, site.policy, admission, more, main=site.main, at=instant)
    click.echo(f"Opened #{opened.pull.number}: {opened.pull.title}")
    if opened.grant is not None and opened.decision is not None:
        click.echo(needs_text(site.policy, opened.grant, opened.decision, requester=me), nl=False)
    _say_next(opened)
    return 0
