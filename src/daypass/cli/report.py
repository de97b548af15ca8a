"""report: show a pull request's state where its reviewers look."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from daypass.cli.options import PullNumber, at_option

if TYPE_CHECKING:
    from daypass.cli.site import Site
    from daypass.core.request import Gated, Report
    from daypass.ports import Notice

SUMMARY_VARIABLE = "GITHUB_STEP_SUMMARY"
_LEAST = 4_096
"""Bytes. With less room left, a step's summary has had its share."""


@click.command()
@click.argument("number", type=PullNumber())
@click.option("--print", "printed", is_flag=True, help="Print the comment's Markdown and write nothing.")
@at_option
@click.pass_obj
def report(obj: dict[str, Any], number: int, printed: bool, at: datetime | None) -> int:
    """Judge pull request NUMBER as `gate --dry-run` does and show its reviewers what was found.

    At GitHub that is a check run with annotations, one comment, a label, and requests for review; what this token may
    not write is said and left out. The local forge has no pages: there the comment is printed. Exit 0 once it is told,
    whatever it says: `gate` has exit codes for how a request stands.
    """
    from daypass.cli.site import live_site
    from daypass.pipeline.judge.gate import look
    from daypass.pipeline.judge.report import report_of
    from daypass.views.comment import comment_text

    site = live_site(obj["folder"], obj["acting"])
    printed = printed or not site.elsewhere
    instant = site.instant(at, writes=not printed)
    found = look(site.history, site.forge, site.policy_at, site.standing, number, main=site.main, at=instant)
    if found.pull.state != "open":
        click.echo(f"#{number} is {found.pull.state}; only open requests are reported on", err=True)
        return 0
    told = report_of(site.history, site.standing, found, at=instant)
    if printed:
        click.echo(comment_text(told), nl=False)
        write_summary(told)
    else:
        say_left_out(number, publish(site, found, at=instant))
    return 0


def publish(site: Site, found: Gated, *, at: datetime) -> tuple[str, ...]:
    """Show what the gate found at the forge and in the step's summary; return what the token may not write.

    Nothing is shown where the forge has no pages, and of a request that was not judged, since it was finished before.
    """
    from daypass.pipeline.judge.report import notice_of, report_of
    from daypass.views.comment import comment_text, title_text
    from daypass.views.findings import printable

    if not site.elsewhere or not (found.verdicts or found.proposal.findings):
        return ()
    if found.no_request:
        return site.hub.board(site.policy.catalogue.directory).show(_no_request(found))
    told = report_of(site.history, site.standing, found, at=at)
    write_summary(told)
    text = comment_text(told)
    notice = notice_of(told, title=title_text(told), summary=text, comment=text, plain=printable)
    return site.hub.board(site.policy.catalogue.directory).show(notice)


def _no_request(found: Gated) -> Notice:
    """Let a change of policy or code pass the check that grants need: its owners judge it, and `check` reads it."""
    from daypass.ports import Notice

    words = (
        "This asks for no access, so there is nothing to decide here. The people who own what it changes approve it; "
        "whether its policies read and keep their own tests is said by the workflow `check`.\n"
    )
    pull = found.pull
    return Notice(pull.number, pull.head, "success", "no access is asked for", words, comment="", state="")


def write_summary(told: Report) -> None:
    """Add to the summary of the workflow's step, where one runs and there is room left."""
    from daypass.views.comment import SUMMARY_LIMIT, comment_text

    named = os.environ.get(SUMMARY_VARIABLE)
    if not named:
        return
    place = Path(named)
    room = SUMMARY_LIMIT - (place.stat().st_size if place.exists() else 0)
    if room >= _LEAST:
        with place.open("a", encoding="utf-8") as file:
            file.write(comment_text(told, limit=room - 1) + "\n")


def say_left_out(number: int, left: tuple[str, ...]) -> None:
    """Say what was not written, and that this is no failure."""
    if left:
        click.echo(
            f"#{number}: not written, since this token may not or GitHub refuses it: {', '.join(left)}", err=True
        )
