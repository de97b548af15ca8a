"""What the forge is asked and told: forge, doctor, sync, report, answer."""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from daypass.cli.quick.around import clock
from daypass.cli.repository import AccessRepository
from daypass.cli.verb import SETTINGS as SETTINGS_WORDS
from daypass.cli.verb import SHARING, Codes, PullNumber, noting, say, show, show_data, verb
from daypass.core.errors import ExitCode, InvalidError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from daypass.core.forge import Complaint, Remedy
    from daypass.core.policy.analysis.compare import PolicyChange
    from daypass.core.request import Gated, Notice, Report
    from daypass.edges.git.index import AuditIndex

_LEAST = 4_096
"""Bytes. With less room left, a step's summary has had its share."""


@verb(follow=False)
def forge(repo: AccessRepository, output: str) -> None:
    """Print the kind of forge that main's settings name: github or local. Exit 10 where they cannot be read."""
    from daypass.core.policy.policies import SETTINGS

    wrong = tuple(finding for finding in repo.policy.broken if finding.place.file == SETTINGS)
    if wrong:
        raise InvalidError("the settings of main do not read", wrong)
    kind = repo.settings.forge_kind
    if output == "json":
        show_data({"kind": kind})
    else:
        click.echo(kind)


@verb(follow=False)
@click.option("--fix", "mending", is_flag=True, help="Change what can be changed through the API, asking before each.")
@click.option("--yes", is_flag=True, help="With --fix: do not ask.")
@click.option(
    "--next", "later", is_flag=True, help="Say what the next release would judge otherwise, and change nothing."
)
def doctor(repo: AccessRepository, mending: bool, yes: bool, later: bool, at: datetime, output: str) -> Codes:
    """Read the repository's real settings at GitHub, and say what is unsafe in them and what mends it.

    On the local forge these are what git refuses here, and what stays a risk.

    With --next, on any forge: which of main's files the next release refuses, which open requests it would deny for that,
    which live grants are of people whom it is about, and which rules it would not ask meanwhile. Exit 13 where there are any.

    Exit 13 when something is unsafe, 14 when something could not be told. Who administers the repository sees all of
    it; whatever your token or App is not shown is a complaint of its own.
    """
    from daypass.cli.runs.away import say_waiting
    from daypass.cli.runs.rest import restless
    from daypass.pipeline.audit.health import examine, mend
    from daypass.views.settings import doctor_json, doctor_text, remedy_text

    if yes and not mending:
        raise UsageError("--yes goes with --fix")
    if later:
        return _next(repo, at, output)
    told = say_waiting(repo)
    repo.follow()
    host = repo.host
    if repo.policy.broken:
        raise InvalidError("the policies of main do not read, so nothing can be held against them", repo.policy.broken)
    catalogue = repo.policy.catalogue
    settings = noting(repo.given(host.settings(clock)), SETTINGS_WORDS)

    def look() -> tuple[Complaint, ...]:
        return examine(repo.history, repo.main, catalogue, settings)

    def agreed(remedy: Remedy, about: Iterable[Complaint]) -> bool:
        click.echo(remedy_text(remedy, about), nl=False, err=True)
        return yes or click.confirm(f"{remedy.words[:1].upper()}{remedy.words[1:]}?", err=True)

    complaints = look()
    codes = [] if told else [ExitCode.PARTIAL]
    if mending and any(one.remedy for one in complaints):
        done = list(mend(complaints, settings, agreed))
        for remedy, error in done:
            said = "left as it is" if error is None else f"failed: {error}" if error else "done"
            click.echo(f"{said}: {remedy.words}", err=True)
        codes += [ExitCode.PARTIAL] if any(error for _, error in done) else []
        complaints = look()
    show((doctor_json if output == "json" else doctor_text)(complaints, host.calls), output)
    for note in (*settings.risks(catalogue), *restless(repo)):
        click.echo(f"note: {note}.", err=True)
    codes += [ExitCode.CHANGES] if any(one.told for one in complaints) else []
    codes += [ExitCode.PARTIAL] if any(not one.told for one in complaints) else []
    return codes


def _next(repo: AccessRepository, at: datetime, output: str) -> Codes:
    """Say what the next release would judge otherwise."""
    from daypass.cli.verbs.review import open_requests
    from daypass.pipeline.audit.upcoming import upcoming
    from daypass.views.settings import upcoming_json, upcoming_text

    repo.follow()
    if repo.policy.broken:
        raise InvalidError("the policies of main do not read, so nothing can be held against them", repo.policy.broken)
    waiting, unread = open_requests(repo, at)
    found = upcoming(repo, waiting, at=at)
    show((upcoming_json if output == "json" else upcoming_text)(*found), output)
    return [ExitCode.CHANGES] * bool(found.findings) + [ExitCode.PARTIAL] * bool(unread)


@verb(follow=False)
@click.argument("remote", default="origin")
@click.option(
    "--take",
    type=PullNumber(),
    multiple=True,
    help="Give up this clone's record of an open request for the one at REMOTE, where the two do not continue one another.",
)
def sync(repo: AccessRepository, remote: str, take: tuple[int, ...], output: str) -> Codes:
    """Bring what others did from REMOTE (origin by default) and push what this clone has, for the local forge.

    These are main, the ledger's branch and everything below daypass/: requests, reviews, merges. All moves forward only,
    and the push is all or nothing. A request that cannot be joined is named, exit 14, and the others go on; where main
    or the ledger parts, nothing is moved, exit 1. Nothing is believed for having come from there.
    """
    sharing = None if repo.elsewhere else repo.host.sharing(remote, repo.settings.ledger_branch)
    if sharing is None:
        raise UsageError("sync is for the local forge", hint="at GitHub every verb looks there by itself")
    joined = noting(sharing, SHARING).run(take)
    if output == "json":
        brought, pushed = ({name: new for name, (_, new) in moves.items()} for moves in (joined.here, joined.there))
        aside = [{"message": error.message, "hint": error.hint} for error in joined.aside]
        show_data({"brought": brought, "pushed": pushed, "aside": aside})
    else:
        for what, moves in (("Brought", joined.here), ("Pushed", joined.there)):
            click.echo(f"{what}: {_named(moves)}")
    for branch, where, why in joined.left_behind:
        say(
            f"daypass: {where} has {why} in the way and still shows {branch} as it was before",
            f"  hint: put that aside, then `git reset --hard {branch}`",
        )
    for error in joined.aside:
        say(f"daypass: {error.message}", f"  hint: {error.hint}")
    return ExitCode.PARTIAL if joined.aside else ExitCode.OK


def _named(moves: Mapping[str, tuple[str, str]]) -> str:
    """Name what was moved, requests by their numbers."""
    from daypass.core.ids import ABSENT
    from daypass.edges.forges.local.chain import numbered
    from daypass.views.findings import joined

    requests = sorted({numbered(name) for name in moves} - {0})
    names = [f"{name}{' (deleted)' * (new == ABSENT)}" for name, (_, new) in moves.items() if not numbered(name)]
    return joined([", ".join([*names, *(f"#{number}" for number in requests)]) or "nothing"]).rstrip("\n")


@verb(at="as given")
@click.argument("number", type=PullNumber())
@click.option("--print", "printed", is_flag=True, help="Print the comment's Markdown and write nothing.")
def report(repo: AccessRepository, number: int, printed: bool, at: datetime | None, output: str) -> None:
    """Judge pull request NUMBER as `gate --dry-run` does and show its reviewers what was found.

    At GitHub that is a check run with annotations, one comment, a label, and requests for review; what this token may
    not write is said and left out. The local forge has no pages: there the comment is printed. Exit 0 once it is told,
    whatever it says: `gate` has exit codes for how a request stands. With `--format json` the same is printed for
    programs, and nothing is written.
    """
    from daypass.pipeline.judge.gate import look
    from daypass.pipeline.judge.report import report_of
    from daypass.views.comment import comment_text
    from daypass.views.gate import report_json
    from daypass.views.policy.compared import change_markdown

    printed = printed or output == "json" or not repo.settings.forge.pages
    instant = repo.instant(at, writes=not printed)
    found = look(repo, number, at=instant)
    if found.pull.state != "open":
        click.echo(f"#{number} is {found.pull.state}; only open requests are reported on", err=True)
        return
    change = change_of(repo, found, instant)
    told = report_of(repo, found, at=instant)
    if output == "json":
        click.echo(report_json(told), nl=False)
    elif printed and change is not None:
        click.echo(change_markdown(number, change), nl=False)
    elif printed:
        click.echo(comment_text(told, links=repo.host.links), nl=False)
        write_summary(repo, told)
    else:
        say_left_out(number, publish(repo, found, at=instant, change=change))


def publish(
    repo: AccessRepository, found: Gated, *, at: datetime, change: PolicyChange | None = None
) -> tuple[str, ...]:
    """Show what the gate found at the forge and in the step's summary; return what the token may not write.

    Nothing is shown where the forge has no pages, and of a request that was not judged, since it was finished before.
    """
    from daypass.core.record import replace
    from daypass.pipeline.judge.overdue import nudges_of
    from daypass.pipeline.judge.report import notice_of, report_of
    from daypass.views.comment import closed_text, comment_text, nudge_text, title_text
    from daypass.views.findings import printable

    if not repo.settings.forge.pages or not (found.verdicts or found.proposal.findings or found.refused):
        return ()
    if found.leaves:
        return repo.pages.show(_ends_engagements(found))
    if found.no_request:
        return repo.pages.show(_no_request(found, change))
    told = report_of(repo, found, at=at)
    write_summary(repo, told)
    text = comment_text(told, links=repo.host.links)
    catalogue = found.proposal.policy.catalogue
    nudges = [replace(one, text=nudge_text(catalogue, one)) for one in nudges_of(told, at=at)]
    notice = notice_of(told, title=title_text(told), summary=text, comment=text, plain=printable, nudges=nudges)
    over = closed_text(told, repo.host.links)
    return repo.pages.show(replace(notice, issue=over, closes=bool(over)))


def change_of(repo: AccessRepository, found: Gated, at: datetime) -> PolicyChange | None:
    """Return what a request that changes policies would change of what is decided, None for any other."""
    if not found.no_request:
        return None
    from daypass.pipeline.audit.change import policy_change

    return policy_change(repo, partial(whole_index, repo), found, at=at)


def whole_index(repo: AccessRepository) -> AuditIndex:
    """Return the audit's index, of all of main and the ledger: who asks about the past needs them whole."""
    from daypass.cli.quick.place import index_of

    if repo.elsewhere and repo.history.is_shallow():
        repo.remote.whole(repo.settings.ledger_branch)
    return index_of(repo)


def _no_request(found: Gated, change: PolicyChange | None) -> Notice:
    """Let a change of policy or code pass the check that grants need: its owners judge it, and `check` reads it."""
    from daypass.core.request import Notice
    from daypass.pipeline.judge.report import at_lines
    from daypass.views.findings import printable
    from daypass.views.policy.compared import change_markdown
    from daypass.views.told.words import ASKS_NOTHING

    words = (
        "This asks for no access, so there is nothing to decide here. The people who own what it changes approve it; "
        "whether its policies read and keep their own tests is said by the workflow `check`.\n"
    )
    pull = found.pull
    comment = change_markdown(pull.number, change) if change is not None else ""
    wrong = at_lines(change.broken, printable) if change is not None else ()
    return Notice(pull.number, pull.head, "success", ASKS_NOTHING, words + comment, comment, state="", findings=wrong)


def _ends_engagements(found: Gated) -> Notice:
    """Say why a request that ends engagements of who left was not merged by itself, and let its owners merge it."""
    from daypass.core.request import Notice
    from daypass.views.markdown import prose

    words = (
        f"It was not merged by itself: {prose(found.refused)}\n\nIt does what a signed receipt says, and nothing "
        "else, so the people who own `policies/` may merge it. The access of those who left ends without it.\n"
    )
    return Notice(found.pull.number, found.pull.head, "success", "Ends engagements of who left", words, words, state="")


def write_summary(repo: AccessRepository, told: Report) -> None:
    """Add to the summary of the workflow's step, where one runs and there is room left."""
    from daypass.edges.forges.host import summary_file
    from daypass.views.comment import SUMMARY_LIMIT, comment_text

    place = summary_file(os.environ)
    if place is None:
        return
    room = SUMMARY_LIMIT - (place.stat().st_size if place.exists() else 0)
    if room >= _LEAST:
        with place.open("a", encoding="utf-8") as file:
            file.write(comment_text(told, limit=room - 1, links=repo.host.links) + "\n")


def say_left_out(number: int, left: tuple[str, ...]) -> None:
    """Say what was not written, and that this is no failure."""
    if left:
        click.echo(
            f"#{number}: not written, since this token may not or GitHub refuses it: {', '.join(left)}", err=True
        )


@verb(follow=False, at="as given")
@click.argument("event_file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
def answer(repo: AccessRepository, event_file: Path | None, at: datetime | None, output: str) -> None:
    """Answer an issue made with the form, or a comment: /extend 2h, /end, /status.

    EVENT_FILE is what woke the workflow ($GITHUB_EVENT_PATH by default). Only its kind and its numbers are taken from
    it; all words are read afresh. Exit 0 when it was answered, a refusal included.
    """
    from daypass.edges.forges.host import read_occasion
    from daypass.pipeline.ask.answer import AnswerContext, answer_comment, answer_issue
    from daypass.views.findings import printable
    from daypass.views.form import reply_json, reply_line, reply_markdown

    occasion = read_occasion(os.environ, event_file)
    if occasion.silent:
        click.echo(f"Nothing to answer: {printable(occasion.silent)}.", err=True)
        return
    repo.follow()
    instant = repo.instant(at, writes=True)
    host = repo.host
    context = AnswerContext(
        repo=repo,
        inbox=repo.given(host.inbox(repo.policy.catalogue.directory)),
        opens=host.opens_for_others,
    )
    if occasion.comment:
        reply = answer_comment(context, occasion.comment, at=instant)
    else:
        reply = answer_issue(context, occasion.issue, at=instant)
    holdings = repo.standing.holdings if reply.kind == "status" else {}
    text = reply_markdown(reply, repo.policy, repo.given(host.links), holdings, instant)
    if text:
        repo.pages.say(reply.number, topic=reply.topic, text=text)
    click.echo(reply_json(reply) if output == "json" else f"{printable(reply_line(reply))}\n", nl=False)
