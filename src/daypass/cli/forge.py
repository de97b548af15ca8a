"""forge: which kind of forge main's settings name, for scripts: they must not read the settings themselves."""

from __future__ import annotations

from typing import Any

import click

from daypass.core.errors import ExitCode, InvalidError


@click.command()
@click.pass_obj
def forge(obj: dict[str, Any]) -> int:
    """Print the kind of forge that main's settings name: github or local. Exit 10 where they cannot be read."""
    from daypass.cli.site import Site
    from daypass.core.policy.policies import SETTINGS

    site = Site(obj["folder"], obj["acting"])
    wrong = tuple(finding for finding in site.policy.broken if finding.place.file == SETTINGS)
    if wrong:
        raise InvalidError("the settings of main do not read", wrong)
    click.echo(site.settings.forge_kind)
    return int(ExitCode.OK)
