"""import."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click

from daypass.cli.options import Named, at_option


@click.command("import")
@click.argument("resource", type=Named("resource"))
@click.option("--ticket", default="", help="A ticket, such as INC-1234, for every grant.")
@click.option("--dry-run", is_flag=True, help="Say what would be taken and what not; open nothing.")
@at_option
@click.pass_obj
def import_(obj: dict[str, Any], resource: str, ticket: str, dry_run: bool, at: datetime | None) -> int:
    """Propose existing access to RESOURCE as grants with an end: one pull request for its owner to read and prune.

    What the target holds and no grant gave becomes a grant each, ending as policy suggests and never later than the
    target has noted. It needs the approvals that any request needs. Merged, it is taken over by the next apply and ends
    with its grant; nothing is ever taken away here, and what cannot become a grant is listed and left.
    """
    from daypass.cli.apply import look
    from daypass.cli.site import live_site
    from daypass.pipeline.ask.import_ import find, propose
    from daypass.views.targets import import_body, import_text

    site = live_site(obj["folder"], obj["acting"])
    instant = site.instant(at, writes=True)
    me = site.acting_handle()
    survey = look(site, instant)
    if survey.stuck is not None:
        raise survey.stuck
    found = find(
        site.history, survey, site.targets(), resource, requester=me, main=site.main, at=instant, ticket=ticket
    )
    taken = [(one.entitlement, one.grant, one.why, one.dated, one.beside) for one in found.taken]
    left = [(one.entitlement, one.why) for one in found.left]
    if dry_run:
        click.echo(f"Would import {len(taken)} grants of existing access to {resource}:")
        click.echo(import_text(taken, left, found.granted), nl=False)
        return 0
    body = import_body(resource, taken, left)
    done = propose(site.history, site.forge, found, main=site.main, body=body, at=instant)
    if done.pull is not None and done.what == "unchanged":
        click.echo(f"#{done.pull.number} is open: {done.pull.title}; it is left as its readers made it")
        click.echo("Merge or close it before importing again.", err=True)
        return 0
    if done.pull is None:
        click.echo(f"Nothing of {resource} can become a grant.")
        click.echo(import_text(taken, left, found.granted), nl=False)
        return 0
    click.echo(f"Opened #{done.pull.number}: {done.pull.title}")
    click.echo(import_text(taken, left, found.granted), nl=False)
    click.echo(
        "Next: the owner prunes it, it is approved like any request, and the next apply takes over what is left.",
        err=True,
    )
    return 0
