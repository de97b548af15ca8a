"""drift."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click

from daypass.cli.options import at_option, format_option, say
from daypass.core.errors import ExitCode, worst

TOPIC = "drift"


@click.command()
@click.option("--issue", is_flag=True, help="Keep one issue at GitHub up to date with it; closed when there is none.")
@at_option
@format_option(["text", "json", "markdown", "sarif"])
@click.pass_obj
def drift(obj: dict[str, Any], issue: bool, at: datetime | None, output: str) -> int:
    """Say where the targets are not as main says: access that nobody granted, that should be gone, that is missing.

    It looks for other ways in as well, as far as the credential of each target can read, and says what it looked at and
    what it cannot see. Exit 13 when there is any, 14 when a target could not be read, or could not tell of something.
    Changes nothing.
    """
    from daypass.cli.apply import look
    from daypass.cli.site import live_site
    from daypass.core.drift import drift as find
    from daypass.pipeline.audit.health import inspect
    from daypass.views import findings as views
    from daypass.views.targets import drift_markdown, drift_text, inspections_data

    site = live_site(obj["folder"], obj["acting"])
    if issue:
        _ = site.hub  # where there is none, nothing is looked at for it
    instant = site.instant(at)
    survey = look(site, instant, now=at is None)
    if survey.stuck is not None:
        raise survey.stuck
    inspections = {
        # Of a target that did not answer the plan's reading, nothing is said to have been looked at.
        name: one._replace(looked=()) if name in survey.plan.unreadable and not isinstance(one, str) else one
        for name, one in inspect(site.targets()).items()
    }
    found = (*survey.policy.holes, *find(survey.plan, survey.refusals, inspections, survey.unproved))
    if issue:
        text = drift_markdown(found, instant, inspections) if found else ""
        number = site.hub.board(site.policy.catalogue.directory).issue(TOPIC, title="Access has drifted", text=text)
        click.echo(f"Issue #{number} says so." if number is not None else "No drift, and no issue is open.", err=True)
    if output == "json":
        click.echo(
            views.findings_json(
                found, live=survey.plan.live, by_ledger=survey.plan.by_ledger, targets=inspections_data(inspections)
            ),
            nl=False,
        )
    elif output == "sarif":
        click.echo(views.findings_sarif(found), nl=False)
    elif output == "markdown":
        click.echo(drift_markdown(found, instant, inspections), nl=False)
    else:
        click.echo(drift_text(found, survey.plan, inspections), nl=False)
    codes = [ExitCode.CHANGES] if found else []
    if survey.clocks:
        say(f"daypass: {survey.clocks}")
    left = (survey.plan.unreadable, survey.plan.unknown, survey.policy.holes, survey.unproved, survey.doubts)
    if any(left) or any(isinstance(one, str) for one in inspections.values()):
        codes.append(ExitCode.PARTIAL)
    return int(worst(codes))
