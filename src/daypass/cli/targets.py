"""targets."""

from __future__ import annotations

from typing import Any

import click

from daypass.cli.apply import finding_line
from daypass.cli.options import clock, format_option, say
from daypass.core.errors import ExitCode, UsageError, worst


@click.command()
@click.argument("names", nargs=-1, metavar="[TARGET]...")
@format_option(["text", "json"])
@click.pass_obj
def targets(obj: dict[str, Any], names: tuple[str, ...], output: str) -> int:
    """Look at each target: whether it answers, what our credential may do there, and what is there beside our own.

    A credential that may do too much is a concern as much as one that may do too little, and so is a clock that differs
    from ours. The targets are those of the settings that main has committed. Exit 13 when there are concerns, 14 when a
    target could not be reached or read. Changes nothing.
    """
    from daypass.cli.site import live_site
    from daypass.pipeline.audit.health import look_at
    from daypass.views.targets import targets_json, targets_text

    site = live_site(obj["folder"], obj["acting"])
    kinds = {name: settings.kind for name, settings in site.settings.targets.items()}
    looks = look_at(site.targets(), kinds, site.standing, clock=clock, only=names)
    unknown = sorted(set(names) - {look.name for look in looks})
    if unknown:
        raise UsageError(
            f"the settings name no target {unknown[0]!r}", hint=f"they name: {', '.join(sorted(kinds)) or 'none'}"
        )
    click.echo((targets_json if output == "json" else targets_text)(looks), nl=False)
    codes = [ExitCode.PARTIAL for look in looks if look.error]
    if site.policy.broken:
        say("daypass: the policies of main do not read, so these are the targets of the last commit whose settings did")
        say(*(finding_line(finding) for finding in site.policy.broken))
        codes.append(ExitCode.PARTIAL)
    codes += [ExitCode.CHANGES for look in looks if look.concerns]
    return int(worst(codes))
