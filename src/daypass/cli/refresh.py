"""refresh."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click

from daypass.cli.options import at_option
from daypass.core.errors import InvalidError, UsageError


@click.command()
@at_option
@click.pass_obj
def refresh(obj: dict[str, Any], at: datetime | None) -> int:
    """Open a pull request with the files that main's catalogue makes, where main has others; keep it up to date.

    These are .github/CODEOWNERS and the issue form. Whoever owns them merges it. For a forge at GitHub; elsewhere
    `daypass codeowners` and `daypass form` write them here.
    """
    from daypass.cli.site import live_site
    from daypass.core.files.form import FORM_FILE
    from daypass.pipeline.apply.tidy import refresh as bring
    from daypass.views.form import form_text
    from daypass.views.settings import codeowners_text

    site = live_site(obj["folder"], obj["acting"])
    if not site.elsewhere:  # the local forge merges grants alone, so nobody could ever merge it
        raise UsageError(
            "refresh is for a forge at GitHub", hint="run `daypass codeowners` and `daypass form` here, and commit"
        )
    instant = site.instant(at, writes=True)
    if site.policy.holes:  # the lines of a resource that is not read would be proposed to be taken out
        raise InvalidError("the policies of main do not read, so nothing can be made from them", site.policy.holes)
    catalogue = site.policy.catalogue
    wanted = {".github/CODEOWNERS": codeowners_text(catalogue).encode(), FORM_FILE: form_text(catalogue).encode()}
    found = bring(site.history, site.forge, wanted, main=site.main, at=instant)
    if found.pull is None:
        click.echo("The generated files on main are up to date.")
    else:
        click.echo(f"Pull request #{found.pull.number} {found.what}: {', '.join(found.paths)}")
    return 0
