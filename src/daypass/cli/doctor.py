"""doctor."""

from __future__ import annotations

from typing import Any

import click

from daypass.cli.options import clock, format_option
from daypass.core.errors import ExitCode, InvalidError, UsageError, worst


@click.command()
@click.option("--fix", "mending", is_flag=True, help="Change what can be changed through the API, asking before each.")
@click.option("--yes", is_flag=True, help="With --fix: do not ask.")
@format_option(["text", "json"])
@click.pass_obj
def doctor(obj: dict[str, Any], mending: bool, yes: bool, output: str) -> int:
    """Read the repository's real settings at GitHub, and say what is unsafe in them and what mends it.

    Exit 13 when something is unsafe, 14 when something could not be told. Who administers the repository sees all of
    it; whatever your token or App is not shown is a complaint of its own.
    """
    from daypass.cli.site import live_site
    from daypass.cli.written import SETTINGS, Noting
    from daypass.edges.forges.github.settings import GitHubSettings
    from daypass.pipeline.audit.health import examine, mend
    from daypass.views.settings import codeowners_text, doctor_json, doctor_text, remedy_text

    if yes and not mending:
        raise UsageError("--yes goes with --fix")
    site = live_site(obj["folder"], obj["acting"])
    hub = site.hub
    if site.policy.broken:
        raise InvalidError("the policies of main do not read, so nothing can be held against them", site.policy.broken)
    catalogue = site.policy.catalogue
    settings: Any = Noting(GitHubSettings(hub.api, repository=hub.repository, clock=clock), SETTINGS)
    page = f"{hub.server.rstrip('/')}/{hub.repository}"
    wanted = codeowners_text(catalogue)

    def look() -> Any:
        return examine(site.history, site.main, catalogue, settings, page=page, codeowners=wanted)

    def agreed(remedy: Any, about: Any) -> bool:
        click.echo(remedy_text(remedy, about), nl=False, err=True)
        return yes or click.confirm(f"{remedy.words[:1].upper()}{remedy.words[1:]}?", err=True)

    complaints = look()
    codes = []
    if mending and any(one.remedy for one in complaints):
        done = mend(complaints, settings, agreed)
        for one in done:
            said = "done" if one.done else f"failed: {one.error}" if one.error else "left as it is"
            click.echo(f"{said}: {one.remedy.words}", err=True)
        codes += [ExitCode.PARTIAL] if any(one.error for one in done) else []
        complaints = look()
    click.echo((doctor_json if output == "json" else doctor_text)(complaints, hub.api.calls), nl=False)
    codes += [ExitCode.CHANGES] if any(one.told for one in complaints) else []
    codes += [ExitCode.PARTIAL] if any(not one.told for one in complaints) else []
    return int(worst(codes))
