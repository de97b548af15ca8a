"""targets, can, drift, import: how the targets are, where they differ from main, and taking over what is there."""

from __future__ import annotations

from datetime import datetime

import click

from daypass.cli.quick.around import clock
from daypass.cli.quick.options import CAN
from daypass.cli.quick.place import QuickPlace
from daypass.cli.repository import AccessRepository
from daypass.cli.verb import Codes, Named, say, show, stated, tell, verb
from daypass.core.errors import ExitCode, UsageError


@verb()
@click.argument("names", nargs=-1, metavar="[TARGET]...")
def targets(repo: AccessRepository, names: tuple[str, ...], output: str) -> Codes:
    """Look at each target: whether it answers, what our credential may do there, and what is there beside our own.

    A credential that may do too much is a concern as much as one that may do too little, and so is a clock that differs
    from ours. The targets are those of the settings that main has committed. Exit 13 when there are concerns, 14 when a
    target could not be reached or read. Changes nothing.
    """
    from daypass.pipeline.audit.health import look_at
    from daypass.views.findings import finding_line
    from daypass.views.targets import targets_json, targets_text

    kinds = {name: settings.kind for name, settings in repo.settings.targets.items()}
    looks = look_at(repo.targets(), kinds, repo.standing, clock=clock, only=names)
    unknown = sorted(set(names) - {look.name for look in looks})
    if unknown:
        raise UsageError(
            f"the settings name no target {unknown[0]!r}", hint=f"they name: {', '.join(sorted(kinds)) or 'none'}"
        )
    show((targets_json if output == "json" else targets_text)(looks), output)
    codes = [ExitCode.PARTIAL for look in looks if look.error]
    if repo.policy.broken:
        say("daypass: the policies of main do not read, so these are the targets of the last commit whose settings did")
        say(*(finding_line(finding) for finding in repo.policy.broken))
        codes.append(ExitCode.PARTIAL)
    codes += [ExitCode.CHANGES for look in looks if look.concerns]
    return codes


@verb(follow=False)
@stated(CAN)
def can(repo: AccessRepository, subject: str, resource: str, role: str, quiet: bool, output: str) -> Codes:
    """Exit 0 when SUBJECT holds ROLE on RESOURCE at this instant, 20 when not.

    Asks the target, not the plan: what it says is what is so.
    """
    from daypass.cli.quick.can import answer

    return tell(
        answer(QuickPlace(repo.folder, repo), subject=subject, resource=resource, role=role, quiet=quiet, output=output)
    )


TOPIC = "drift"


@verb(at="as given", formats=("text", "json", "markdown", "sarif"))
@click.option("--issue", is_flag=True, help="Keep one issue at GitHub up to date with it; closed when there is none.")
def drift(repo: AccessRepository, issue: bool, at: datetime | None, output: str) -> Codes:
    """Say where the targets are not as main says: access that nobody granted, that should be gone, that is missing.

    It looks for other ways in as well, as far as the credential of each target can read, and says what it looked at and
    what it cannot see. Exit 13 when there is any, 14 when a target could not be read, or could not tell of something.
    Changes nothing.
    """
    from daypass.cli.runs.running import look
    from daypass.cli.runs.told import told_of_drift
    from daypass.core.planning.drift import drift as find
    from daypass.pipeline.apply.overview import overview_of
    from daypass.pipeline.audit.health import inspect
    from daypass.views import findings as views
    from daypass.views.data import grant_data
    from daypass.views.targets import drift_markdown, drift_text, inspections_data

    if issue:
        _ = repo.pages  # where there is none, nothing is looked at for it
    instant = repo.instant(at, past=True)
    survey = look(repo, instant, now=at is None)
    if survey.stuck is not None:
        raise survey.stuck
    inspections = {
        # Of a target that did not answer the plan's reading, nothing is said to have been looked at.
        name: one._replace(looked=()) if name in survey.plan.unreadable and not isinstance(one, str) else one
        for name, one in inspect(repo.targets()).items()
    }
    bounds: dict[str, str] = {claim.grant: claim.bound for claim in survey.claims if claim.bound}
    found = (*survey.policy.holes, *find(survey.plan, survey.refusals, inspections, survey.unproved, bounds))
    grants = overview_of(survey).grants
    if issue:
        text = drift_markdown(found, instant, inspections, grants) if found else ""
        number = repo.pages.issue(TOPIC, title="Access has drifted", text=text)
        told_of_drift(survey, found, blind=any(isinstance(one, str) for one in inspections.values()))
        click.echo(f"Issue #{number} says so." if number is not None else "No drift, and no issue is open.", err=True)
    if output in ("json", "sarif"):
        facts = {"live": survey.plan.live, "by_ledger": survey.plan.by_ledger, "targets": inspections_data(inspections)}
        facts["grants"] = [grant_data(grant, survey.plan.at) for grant in grants]
        click.echo(views.findings_for(output, found, **facts), nl=False)
    elif output == "markdown":
        click.echo(drift_markdown(found, instant, inspections, grants), nl=False)
    else:
        show(drift_text(found, survey.plan, inspections, grants))
    codes = [ExitCode.CHANGES] if found else []
    if survey.clocks:
        say(f"daypass: {survey.clocks}")
    left = (survey.plan.unreadable, survey.plan.unknown, survey.policy.holes, survey.unproved, survey.doubts)
    if any(left) or any(isinstance(one, str) for one in inspections.values()):
        codes.append(ExitCode.PARTIAL)
    return codes


@verb("import", at="writes")
@click.argument("resource", type=Named("resource"))
@click.option("--ticket", default="", help="A ticket, such as INC-1234, for every grant.")
@click.option("--dry-run", is_flag=True, help="Say what would be taken and what not; open nothing.")
def import_(repo: AccessRepository, resource: str, ticket: str, dry_run: bool, at: datetime, output: str) -> None:
    """Propose existing access to RESOURCE as grants with an end: one pull request for its owner to read and prune.

    What the target holds and no grant gave becomes a grant each, ending as policy suggests and never later than the
    target has noted. It needs the approvals that any request needs. Merged, it is taken over by the next apply and ends
    with its grant; nothing is ever taken away here, and what cannot become a grant is listed and left.
    """
    from daypass.cli.runs.running import look
    from daypass.pipeline.ask.import_ import find, propose
    from daypass.views.targets import import_body, import_json, import_text

    me = repo.acting_handle()
    survey = look(repo, at)
    if survey.stuck is not None:
        raise survey.stuck
    found = find(repo, survey, repo.targets(), resource, requester=me, at=at, ticket=ticket)
    taken = [(one.entitlement, one.grant, one.why, one.dated, one.beside) for one in found.taken]
    left = found.left
    body = import_body(resource, taken, left)
    done = None if dry_run else propose(repo, found, body=body, at=at)
    pull = done.pull if done is not None else None
    if output == "json":
        number = pull.number if pull is not None else None
        click.echo(import_json(resource, taken, left, found.granted, number), nl=False)
    elif done is None:
        show(f"Would import {len(taken)} grants of existing access to {resource}:\n")
        show(import_text(taken, left, found.granted))
    elif pull is None:
        click.echo(f"Nothing of {resource} can become a grant.")
        show(import_text(taken, left, found.granted))
    elif done.what == "unchanged":
        click.echo(f"#{pull.number} is open: {pull.title}; it is left as its readers made it")
    else:
        click.echo(f"Opened #{pull.number}: {pull.title}")
        show(import_text(taken, left, found.granted))
    if done is not None and pull is not None:
        step = "the owner prunes it, it is approved like any request, and the next apply takes over what is left."
        waits = done.what == "unchanged"
        click.echo("Merge or close it before importing again." if waits else f"Next: {step}", err=True)
