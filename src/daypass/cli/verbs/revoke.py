"""end and revoke: access is taken away before its time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NoReturn

import click

from daypass.cli.repository import AccessRepository
from daypass.cli.verb import Codes, GrantName, Named, say, show, verb
from daypass.core.errors import ConflictError, DeniedError, EdgeError, ExitCode, RefusedError, UsageError

if TYPE_CHECKING:
    from daypass.core.ids import GrantId
    from daypass.core.request import Gated
    from daypass.pipeline.apply.run import Applied

_ATTEMPTS = 5
_NAMED = 20


@verb(at="writes")
@click.argument("grant", type=GrantName())
@click.option("--reason", default="", help="Why, for the record.")
def end(repo: AccessRepository, grant: str, reason: str, at: datetime, output: str) -> Codes:
    """End GRANT early: open its removal, pass the gate and take the access away now.

    The people of `limits.end` (subject, requester and owners, unless the settings say otherwise) need nobody's
    approval; anybody else's removal waits for an owner.

    \b
    daypass end orders-db/alice-20261120-90546b --reason "Done earlier"
    """  # noqa: D301  (\b is click's mark for "do not rewrap")
    from daypass.core.ids import GrantId
    from daypass.pipeline.ask import propose

    repo.acting_handle()
    pull = propose.end(repo, (GrantId(grant),), reason=reason, at=at)
    did = "Opened" if pull.opened_at == at or repo.settings.forge.vouches else "Going on with"
    told = _Output(output)
    told.say(f"{did} #{pull.number}: {pull.title}")
    code = _carry_through(repo, pull.number, at, told)
    told.print()
    return code


@verb(follow=False, at="as given")
@click.option("--subject", type=Named("handle"), default="", help="Whose access ends, everywhere or on --resource.")
@click.option(
    "--resource",
    type=Named("resource"),
    default="",
    help="The resource on which access ends, everybody's or --subject's.",
)
@click.option("--now", "now_", is_flag=True, help="Say that it is meant: access ends at once.")
@click.option("--reason", default="", help="Why, for the record.")
def revoke(
    repo: AccessRepository, subject: str, resource: str, now_: bool, reason: str, at: datetime | None, output: str
) -> Codes:
    """Emergency stop: end every grant of a subject or on a resource at once, without a second person.

    For the people of `limits.revoke`: the resource's owners, and group security where there is one, unless the settings
    say otherwise. The brake for removals does not hold it back, and grants whose files are broken end as well. What you
    may not revoke stays, and is named (exit 14; 11 where you may revoke none of it). More than 10,000 grants take several
    requests, one after the other. Requests that are open stay open, and the gate may merge them: they are named at the
    end; `daypass close N` closes one, and `limits: {pause: true}` on main has all of them wait.

    \b
    daypass revoke --subject alice --now --reason "Her laptop was stolen"
    daypass revoke --resource staging --now --reason "INC-77: dump seen outside"
    """  # noqa: D301  (\b is click's mark for "do not rewrap")
    from daypass.pipeline.ask import propose

    if not subject and not resource:
        raise UsageError("nothing says what is to be revoked", hint="--subject names a person, --resource a system")
    if not now_ or not reason.strip():
        raise UsageError("an emergency stop needs --now and --reason", hint="`daypass end` ends a single grant")
    repo.follow()
    instant = repo.instant(at, writes=True)
    me = repo.acting_handle()
    parts, beyond, unread = propose.revocable(repo, repo.ends_by, subject=subject, resource=resource, by=me, at=instant)
    told = _Output(output)
    if not parts and not beyond and propose.left_over(repo.ends_by, repo.standing, subject, resource):
        told.say("main has no such grant any more, and what it gave is still there")  # a run before this was cut short
        code = _take_away(repo, instant, told)
        more = _still_open(repo, subject, resource, told)
        told.print(not_revoked=[], unread=unread, **more)
        return [code, ExitCode.PARTIAL if more["open"] is None else ExitCode.OK]
    if not parts:
        _refuse_nothing(repo, beyond, subject, resource)
    codes = [ExitCode.PARTIAL if beyond else ExitCode.OK]
    for n, paths in enumerate(parts, 1):
        pull = propose.revoke(
            repo,
            paths,
            part=f"{n} of {len(parts)}" if len(parts) > 1 else "",
            subject=subject,
            resource=resource,
            reason=reason,
            at=instant,
        )
        told.say(f"EMERGENCY STOP by {me}: opened #{pull.number}: {pull.title}")
        codes.append(_carry_through(repo, pull.number, instant, told))
        repo = repo.again()
    say(*(f"NOT REVOKED: {grant}; {' or '.join(may) or 'nobody'} may" for grant, may in beyond))
    say(*(f"NOT READ, and gives no access: {grant}" for grant in unread))
    left = [{"grant": grant, "may": list(may)} for grant, may in beyond]
    more = _still_open(repo, subject, resource, told)
    told.print(not_revoked=left, unread=unread, **more)
    return [*codes, ExitCode.PARTIAL if more["open"] is None else ExitCode.OK]


class _Output:
    """What is said on stdout while a removal is carried through: line by line, or as one JSON object at the end."""

    def __init__(self, output: str) -> None:
        self.json = output == "json"
        self._pulls: list[Gated] = []
        self._applied: list[dict[str, Any]] = []

    def say(self, line: str) -> None:
        """Write a line."""
        if not self.json:
            click.echo(line)

    def pull(self, found: Gated) -> None:
        """Tell how a removal request stands; one that was merged in a line."""
        from daypass.views.gate import gated_text

        self._pulls.append(found)
        if not self.json and found.merge is None:
            show(gated_text(found))
        elif found.merge is not None:
            self.say(f"Merged #{found.pull.number} as {found.merge.commit[:12]}")

    def applied(self, done: Applied) -> None:
        """Tell what a run did."""
        from daypass.cli.runs.running import data_of, print_applied, say_held

        if self.json:
            self._applied.append(data_of(done))
            say_held(done)
        else:
            print_applied(done, "text")

    def print(self, **more: object) -> None:
        """Write the object, where it is JSON that is asked for."""
        from daypass.views.gate import gated_json

        if self.json:
            click.echo(gated_json(self._pulls, applied=self._applied, **more), nl=False)


def _refuse_nothing(
    repo: AccessRepository, beyond: Sequence[tuple[GrantId, tuple[str, ...]]], subject: str, resource: str
) -> NoReturn:
    """Refuse to revoke where nothing is there, or none of it theirs to revoke; ``beyond`` has who may."""
    from daypass.pipeline.ask.propose import unknown_names

    if beyond:
        grant, may = beyond[0]
        raise DeniedError(
            f"you may revoke none of {len(beyond)} grants: {grant} may be revoked by {' or '.join(may) or 'nobody'}",
            hint="limits.revoke in policies/daypass.yaml says who may; `daypass end` asks for the end of one",
        )
    what = _whose(subject, resource)
    unknown = unknown_names(repo, repo.ends_by, subject, resource)
    if unknown and repo.policy.holes:  # what looks like a slip may be what the broken file would have said
        why, hint = f"main has no grant {what}, and its policies do not read", "look at the name"
    elif unknown:  # a slip must not read as nothing to revoke
        why, hint = ("; ".join(part) for part in zip(*unknown, strict=True))
    else:
        why, hint = f"main has no grant {what}", "`daypass status` lists what is live"
        _still_open(repo, subject, resource, None)
    raise UsageError(why, hint=hint)


def _whose(subject: str, resource: str) -> str:
    return " ".join(part for part in (f"of {subject}" if subject else "", f"on {resource}" if resource else "") if part)


def _still_open(repo: AccessRepository, subject: str, resource: str, told: _Output | None) -> dict[str, Any]:
    """Name the open requests of whom, or on what, access ended: what the gate merges now would give it again.

    Returns them as data, ``open`` None where the forge did not say; said on stderr where ``told`` is None.
    """
    from daypass.pipeline.ask.still_open import still_open

    what = _whose(subject, resource)
    try:
        found, unread = still_open(repo, repo.ends_by, subject, resource)
    except (EdgeError, RefusedError) as error:
        say(f"daypass: which requests {what} are open was not looked at: {error.message}")
        return {"open": None, "open_unread": []}
    if found:
        many = len(found) > 1
        line = (
            f"{len(found)} open request{'s' * many} {what} {'are' if many else 'is'} still there: {_numbers(found)}; "
        )
        line += f"`daypass close N`, or limits: {{pause: true}}, keeps {'them' if many else 'it'} from being merged"
        (told.say if told is not None else say)(line)
    if unread:
        say(f"NOT LOOKED AT, and may ask for the same: {_numbers(unread)}")
    return {"open": found, "open_unread": unread}


def _numbers(pulls: Sequence[int]) -> str:
    more = f" and {len(pulls) - _NAMED} more" if len(pulls) > _NAMED else ""
    return ", ".join(f"#{number}" for number in pulls[:_NAMED]) + more


def _carry_through(repo: AccessRepository, number: int, at: datetime, told: _Output) -> ExitCode:
    """Merge a removal where that is this machine's to do, and take the access away where it can sign for it."""
    from daypass.cli.verbs.review import warn_left_behind
    from daypass.pipeline.judge.gate import look

    if repo.elsewhere and not repo.signs:
        click.echo(
            "Next: at GitHub the gate merges it as soon as all that it needs is there, and the next apply takes the access "
            f"away; `daypass show {number}` tells what is missing.",
            err=True,
        )
        if told.json:
            told.pull(look(repo, number, at=at))
        return ExitCode.OK
    gated = _merged(repo, number, at)
    told.pull(gated)
    if gated.merge is None:
        return gated.exit_code
    warn_left_behind(repo)
    return _take_away(repo.again(), at, told)


def _take_away(repo: AccessRepository, at: datetime, told: _Output) -> ExitCode:
    """Make the targets as main says, where this machine can sign for it."""
    from daypass.cli.runs.running import run_apply

    try:
        repo.ledger.ready()
    except EdgeError as error:
        if repo.signs:  # this machine was given a key, and it does not do
            raise
        # Most people have no key of the applier's: they have done their part.
        say(f"Next: the applier's next run takes the access away; this machine cannot sign for it: {error.message}")
        return ExitCode.OK
    done = run_apply(repo, at)
    told.applied(done)
    return done.exit_code


def _merged(repo: AccessRepository, number: int, at: datetime) -> Gated:
    """Pass the gate; where main moves meanwhile, look again: an end does not fail for somebody else's merge."""
    from daypass.pipeline.judge.gate import gate

    for attempt in range(_ATTEMPTS):
        try:
            return gate(repo, number, at=at)
        except ConflictError:
            if attempt == _ATTEMPTS - 1:
                raise
            repo = repo.again()
    raise RuntimeError("the last attempt returns or raises")
