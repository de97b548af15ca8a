"""request, extend; on a terminal, what a request lacks is asked for, and a bad answer again, while the others are kept."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import click
from msgspec import Struct, field

from daypass.cli.repository import AccessRepository
from daypass.cli.verb import Codes, Duration, GrantName, Instant, Named, say, show, verb
from daypass.core.errors import DaypassError, EdgeError, ExitCode, InvalidError, RefusedError, UsageError
from daypass.core.window import Span, Window, format_duration, format_instant

if TYPE_CHECKING:
    from daypass.core.catalogue import Catalogue
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
@click.option("--from", "start", type=Instant(), default=None, help="When it starts, with --until; now by default.")
@click.option("--until", type=Instant(), default=None, help="When it ends, in place of --for.")
@click.option("--reason", default="", help="Why, for reviewers and auditors.")
@click.option("--ticket", default="", help="A ticket, such as INC-1234.")
@click.option("--purpose", default="", help="A ready-made kind of request: a file of policies/purposes.")
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
    start: datetime | None,
    until: datetime | None,
    reason: str,
    ticket: str,
    purpose: str,
    branch: str,
    dry_run: bool,
    at: datetime,
    output: str,
) -> Codes:
    """Ask for access: write a grant and open a pull request.

    On a terminal, what is missing is asked for, but for `--format json`. The request is checked before it is opened.

    \b
    daypass request --resource orders-db --role readonly --for 8h --reason "Duplicate charges, INC-1234"
    daypass request --branch my-branch       # a grant file that you wrote and committed yourself
    """  # noqa: D301  (\b is click's mark for "do not rewrap")
    from daypass.cli.checking import ended_at
    from daypass.pipeline.ask import propose

    me = repo.acting_handle()
    if branch:
        return _open_branch(repo, branch, at, output)
    propose.refuse_unsigned(repo.policy, repo.forge.acting())
    given = {
        "subject": subject,
        "resource": resource,
        "role": role,
        "reason": reason,
        "ticket": ticket,
        "purpose": purpose,
    }
    answers = Answers(repo.policy, me, at, given, asked_span(duration, start, until, at))
    answers.talks = answers.talks and output != "json"
    grant, decision = _settled(answers)
    if not repo.policy.broken:  # else what looks like a slip may be what the broken file would have said
        _refuse_unknown(decision)
    if dry_run:
        _print_draft(repo.policy, grant, decision, me, output)
        _say_had(repo, grant, at)
        return ExitCode.DENIED if decision.denials else ExitCode.OK
    pull = propose.request(repo, grant, decision, at=at, ended=ended_at(repo, at))
    _print_opened(repo, pull, grant, decision, at, output)
    _say_had(repo, grant, at)
    _say_twins(repo, grant, pull)
    _say_next(pull, decision)
    return ExitCode.OK


def _print_draft(policy: Policy, grant: Grant, decision: Decision, me: str, output: str) -> None:
    """Print what a grant would need that is not asked for yet."""
    from daypass.core.state import draft_state
    from daypass.views.data import grant_data
    from daypass.views.decision import needs_text
    from daypass.views.gate import gated_json

    if output == "json":
        click.echo(gated_json([], grants=[grant_data(draft_state(grant, decision, policy, me))]), nl=False)
    else:
        show(needs_text(policy, grant, decision, requester=me))


def _print_opened(
    repo: AccessRepository, pull: Pull, grant: Grant, decision: Decision, at: datetime, output: str
) -> None:
    """Print what was opened: in words, or as the gate sees it."""
    from daypass.pipeline.judge.gate import look
    from daypass.views.decision import needs_text
    from daypass.views.gate import gated_json

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


_UNKNOWN = frozenset({"unknown-subject", "unknown-resource", "unknown-role", "unknown-purpose"})


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


_ASKED_AS = {"duration": "for", "too-long": "for", "beyond-retention": "for", "beyond-engagement": "for"}
_ASKED_AS |= {"ticket-missing": "ticket", "unknown-subject": "subject"}
"""What is asked for again where a finding's field or a denial's code has another name."""


class Answers(Struct):
    """The options that were given, and what was answered in place of the missing ones.

    Where nobody can answer (no terminal), UsageError says which option is missing, and what it could be.
    """

    policy: Policy
    me: str
    at: datetime
    given: dict[str, str]
    span: Span | None
    talks: bool = field(default_factory=lambda: sys.stdin.isatty() and sys.stdout.isatty())
    _answered: dict[str, str | timedelta] = field(default_factory=dict)
    _resource: str = ""

    def wish(self) -> Grant:
        """Return what is asked for, a grant without a name, with a question for each thing that is missing."""
        from daypass.core.grant import Grant
        from daypass.core.ids import GrantId

        catalogue = self.policy.catalogue
        subject = self._text("subject", default=self.me, optional=True)
        resource = self._text("resource", catalogue.resources, show=_resources)
        roles = catalogue.resources[resource].roles if resource in catalogue.resources else {}
        self._resource = resource
        role = self._text("role", roles, show=self._roles)
        purpose = self._purpose()
        return Grant(
            GrantId(""),
            subject=subject or self.me,
            resource=resource,
            role=role,
            span=self.span or Span(duration=self._duration(self._longest(resource, role, purpose))),
            reason=self._text("reason"),
            ticket=self._ticket(purpose),
            purpose=purpose,
        )

    def again(self, wrong: InvalidError | Decision) -> bool:
        """Say what is wrong and forget the answers that made it so; False where no answer of theirs did."""
        if isinstance(wrong, InvalidError):
            told = [
                (finding.place.path.rpartition(".")[2], finding.message, finding.hint) for finding in wrong.findings
            ]
        else:
            told = [(denial.code, denial.message, denial.hint) for denial in wrong.denials]
        bad = {_ASKED_AS.get(name, name) for name, _, _ in told}
        if not told or not bad <= self._answered.keys():
            return False
        for _, message, hint in told:
            say(f"  {message}" + (f"; {hint}" if hint else ""))
        for name in bad:
            del self._answered[name]
        return True

    def _text(
        self,
        name: str,
        choices: Collection[str] = (),
        *,
        default: str | None = None,
        optional: bool = False,
        show: object = None,
    ) -> str:
        if self.given[name]:
            return self.given[name]
        if name not in self._answered:
            if not self.talks:
                if optional:
                    return ""
                raise UsageError(f"--{name} is missing", hint="one of " + ", ".join(sorted(choices)) if choices else "")
            if callable(show):
                show(self.policy.catalogue)
            kind = click.Choice(sorted(choices)) if choices else None
            self._answered[name] = str(click.prompt(name.capitalize(), type=kind, default=default)).strip()
        return str(self._answered[name])

    def _duration(self, longest: timedelta) -> timedelta:
        if not self.talks:
            raise UsageError("--for is missing", hint=f"at most {format_duration(longest)}")
        if "for" not in self._answered:
            default = min(longest, timedelta(hours=1))
            question = f"For (at most {format_duration(longest)})"
            self._answered["for"] = click.prompt(question, type=Duration(), default=format_duration(default))
        found = self._answered["for"]
        assert isinstance(found, timedelta)  # noqa: S101  (Duration gives nothing else)
        return found

    def _purpose(self) -> str:
        """Ask for the purpose where there are any: what it is decides on limit, ticket and rules."""
        purposes = self.policy.catalogue.purposes
        if self.given["purpose"] or not self.talks or not purposes:
            return self.given["purpose"]
        found = self._text("purpose", {*purposes, "none"}, default="none", show=_purposes)
        return "" if found == "none" else found

    def _ticket(self, purpose: str) -> str:
        """Ask for the ticket where the purpose demands one, or a rule reads it."""
        known = self.policy.catalogue.purposes.get(purpose)
        demanded = known is not None and known.ticket_required
        read = any("grant.ticket" in rule.names for rule in self.policy.rules.rules)
        if self.given["ticket"] or not self.talks or not (demanded or read):
            return self.given["ticket"]
        return self._text("ticket", default=None if demanded else "")

    def _longest(self, resource: str, role: str, purpose: str) -> timedelta:
        from daypass.core.grant import Bounded

        return self.policy.catalogue.bounds(Bounded("", resource, role, purpose)).longest

    def _roles(self, catalogue: Catalogue) -> None:
        roles = catalogue.resources[self._resource].roles
        _list({n: f"at most {format_duration(role.max_duration)}  {role.title}" for n, role in roles.items()})


def _resources(catalogue: Catalogue) -> None:
    _list({n: f"{one.title} ({one.environment}, {one.classification})" for n, one in catalogue.resources.items()})


def _purposes(catalogue: Catalogue) -> None:
    _list({n: one.title + ", demands a ticket" * one.ticket_required for n, one in catalogue.purposes.items()})


def _list(choices: Mapping[str, str]) -> None:
    """Write what there is to choose from, each with what it is."""
    from daypass.views.findings import joined

    show(joined(f"  {name:24} {what}".rstrip() for name, what in choices.items()))


def asked_span(duration: timedelta | None, start: datetime | None, until: datetime | None, at: datetime) -> Span | None:
    """Return what --for, --from and --until say, None where they say nothing. Raises UsageError where they contradict."""
    if duration is not None and (start or until):
        raise UsageError("--for and --from/--until exclude each other")
    if start is not None and until is None:
        raise UsageError("a window needs an end: add --until", hint="or ask for a duration with --for")
    if until is not None:
        try:
            return Span(window=Window(start or at, until))
        except ValueError as error:
            raise UsageError(str(error)) from None
    return Span(duration=duration) if duration is not None else None
