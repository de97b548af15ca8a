"""form and answer: asking for access in an issue."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import click

from daypass.cli.options import at_option
from daypass.core.errors import DaypassError, ExitCode, InvalidError, UsageError

EVENT_VARIABLE = "GITHUB_EVENT_PATH"
_LONGEST = 32 << 20  # an event's payload is at most 25 MB


class _DriftError(DaypassError):
    """A generated file is out of date."""

    exit_code = ExitCode.CHANGES


@click.command()
@click.option("--check", "checking", is_flag=True, help="Write nothing; exit 13 when the file would change.")
@click.pass_obj
def form(obj: dict[str, Any], checking: bool) -> int:
    """Write the issue form from the catalogue of the working tree: real resources, roles and purposes to choose from.

    The file is .github/ISSUE_TEMPLATE/daypass-request.yml; GitHub offers the one on main.
    """
    from daypass.cli.site import Site
    from daypass.core.files.form import FORM_FILE
    from daypass.views.form import form_text

    site = Site(obj["folder"], obj["acting"])
    policy = site.worktree_policy()
    if policy.holes:
        raise InvalidError("the policies do not read, so nobody knows what there is to ask for", policy.holes)
    wanted = form_text(policy.catalogue)
    path = site.top() / FORM_FILE
    if path.is_file() and path.read_text(encoding="utf-8", errors="replace") == wanted:  # whatever ends its lines
        click.echo(f"{FORM_FILE} is up to date.")
        return int(ExitCode.OK)
    if checking:
        raise _DriftError(f"{FORM_FILE} does not match the catalogue", hint="run `daypass form` and commit it")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(wanted, encoding="utf-8")
    click.echo(f"Wrote {FORM_FILE}.")
    return int(ExitCode.OK)


@click.command()
@click.argument(
    "event_file",
    required=False,
    envvar=EVENT_VARIABLE,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)
@at_option
@click.pass_obj
def answer(obj: dict[str, Any], event_file: Path | None, at: datetime | None) -> int:
    """Answer an issue made with the form, or a comment: /extend 2h, /end, /status.

    EVENT_FILE is what woke the workflow ($GITHUB_EVENT_PATH by default). Only its kind and its numbers are taken from
    it; all words are read afresh. Exit 0 when it was answered, a refusal included.
    """
    from daypass.cli.site import live_site
    from daypass.pipeline.ask.comments import answer_comment
    from daypass.pipeline.ask.form import Office, answer_issue, read_event
    from daypass.views.findings import printable
    from daypass.views.form import Links, reply_line, reply_markdown

    if event_file is None:
        raise UsageError("EVENT_FILE is missing", hint=f"name the file of the event, or set {EVENT_VARIABLE}")
    with event_file.open("rb") as stream:
        event = read_event(stream.read(_LONGEST))
    if isinstance(event, str):
        click.echo(f"Nothing to answer: {printable(event)}.", err=True)
        return int(ExitCode.OK)
    site = live_site(obj["folder"], obj["acting"])
    instant = site.instant(at, writes=True)
    hub, directory = site.hub, site.policy.catalogue.directory
    office = Office(
        history=site.history,
        forge=site.forge,
        desk=hub.desk(directory),
        policy_at=site.policy_at,
        standing=lambda: site.standing,
        main=site.main,
        opens=hub.api.kind == "app" and hub.bot is not None,
    )
    if event.comment:
        reply = answer_comment(office, event.comment, at=instant)
    else:
        reply = answer_issue(office, event.issue, at=instant)
    holdings = site.standing.holdings if reply.kind == "status" else {}
    text = reply_markdown(reply, site.policy, Links(hub.server, hub.repository), holdings, instant)
    if text:
        hub.board(directory).say(reply.number, topic=reply.topic, text=text)
    click.echo(printable(reply_line(reply)))
    return int(ExitCode.OK)
